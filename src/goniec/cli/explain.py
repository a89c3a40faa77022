"""`goniec explain`: why a rule fired for a contact, or did not, with the values seen."""

import asyncio
from contextlib import suppress
from typing import Annotated

import msgspec
from cyclopts import Parameter

from goniec.cli.opened import Machine, opened
from goniec.cli.terminal import CommandError, printable, settings_in_force
from goniec.core.endpoint import MAIL
from goniec.core.explain import Evaluation, condition_type
from goniec.core.labels import SKIPS
from goniec.core.model import Seen
from goniec.core.rules import Rule
from goniec.core.text import email_key
from goniec.core.times import format_instant
from goniec.flow.configure import Missing
from goniec.flow.explain import Explanation
from goniec.flow.explain import explain as explain_rule
from goniec.ports import ContactFilter, Page, Queries


def explain(
    rule: Annotated[str, Parameter(help="id of the rule (rul_…), or its name")],
    contact: Annotated[str, Parameter(help="id, e-mail or externalId of the contact")],
) -> int:
    """Say why a rule fired for a contact, or did not."""
    told = asyncio.run(_explain(rule, contact))
    print(printable(f"Rule {told.rule.id} „{told.rule.name}” and contact {told.contact_id}"))
    for sentence in (*told.doubts, *told.summary):
        print(printable(f"  {sentence}"))
    for evaluation in told.evaluations:
        print()
        print("\n".join(map(printable, _lines(told.rule, evaluation))))
    if not told.complete:
        print(f"\nOnly the contact's latest {told.looked_at} events were looked at.")
    return 0


async def _explain(rule: str, contact: str) -> Explanation:
    settings = settings_in_force()
    async with opened(settings) as store:
        queries: Queries = store.queries
        rule_id, contact_id = await _rule(queries, rule), await _contact(queries, contact)
        now = (await Machine.beside(store)).now()
        told = await explain_rule(queries, settings.timezone, rule_id, contact_id, now)
    if isinstance(told, Missing):
        # `_rule` and `_contact` found them: somebody deleted one meanwhile
        raise CommandError(f"the {told.what} is gone")
    return told


async def _rule(queries: Queries, given: str) -> str:
    rules = await queries.rules()
    found = [rule for rule in rules if given in {rule.id, rule.name}]
    if len(found) == 1:
        return found[0].id
    listed = "".join(f"\n  {rule.id}  {rule.name}" for rule in found or rules)
    if found:
        raise CommandError(f"{len(found)} rules are named {given}; give the id:{listed}")
    raise CommandError(f"there is no rule {given}; there are:{listed or ' none'}")


async def _contact(queries: Queries, given: str) -> str:
    found = await queries.contact(given)
    if found is not None:
        return found.id
    wanted = [ContactFilter(external_id=given)]
    with suppress(ValueError):
        wanted.append(ContactFilter(email=email_key(given)[1]))
    for one in wanted:
        for known in await queries.contacts(one, Page(1)):
            return known.id
    raise CommandError(f"there is no contact with the id, e-mail or externalId {given}")


def _lines(rule: Rule, evaluation: Evaluation) -> list[str]:
    event, run, miss = evaluation.event, evaluation.run, evaluation.miss
    lines = [f"{format_instant(event.received_at)}  {event.type} ({event.id}): {evaluation.outcome}"]
    if run is not None:
        lines.append(f"    run {run.id}, version {run.version} of the rule" + (f": {run.detail}" if run.detail else ""))
        lines += [_seen(rule, run.version, seen) for seen in run.trace]
        lines += [f"    left out {one.pointer}: {SKIPS[one.why].en}" for one in run.skipped]
        lines += [
            f"    {'mail' if delivery.endpoint_id == MAIL else 'webhook'} {delivery.id}: {delivery.status}"
            for delivery in evaluation.deliveries
        ]
    if miss is not None:
        lines.append(f"    version {miss.version} of the rule")
        lines += [] if miss.seen is None else [_seen(rule, miss.version, miss.seen)]
    return lines


def _seen(rule: Rule, version: int, seen: Seen) -> str:
    # what an earlier version of the rule had there is not kept
    kind = f" {condition_type(rule, seen.pointer)}" if version == rule.version else ""
    value = "" if seen.value is None else f", saw {msgspec.json.encode(seen.value).decode()}"
    read = f" ({seen.read})" if seen.read else ""
    return f"    {'yes' if seen.holds else 'no '}  {seen.pointer}{kind}{value}{read}"
