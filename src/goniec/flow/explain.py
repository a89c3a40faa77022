"""Explain: walk a contact's timeline and say what a rule made of it. Called by the API, the panel and the commands."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from goniec.core.composing import Composer
from goniec.core.explain import Evaluation, Listening, Prospect, Silence, evaluated, summary
from goniec.core.model import ApiKey, Funnel
from goniec.core.occurring import Known, doubts
from goniec.core.rules import Rule
from goniec.core.times import Millis
from goniec.flow.configure import Missing
from goniec.flow.workspace import colleagues
from goniec.ports import Queries

EVENTS_LIMIT: Final = 1_000
"""How many of a contact's latest events are looked at."""

SHOWN_LIMIT: Final = 100
"""How many of the latest evaluations are shown in full; the summary counts them all."""


class Explanation(Struct, frozen=True):
    """What a rule made of a contact, newest first.

    `silences` counts events that led to no evaluation, by reason and type. Events from before the rule was made are not
    looked at; `complete` is False when there are more since then than were looked at.
    """

    rule: Rule
    contact_id: str
    doubts: tuple[str, ...]
    summary: tuple[str, ...]
    evaluations: tuple[Evaluation, ...]
    silences: Mapping[tuple[Silence, str], int]
    now: Prospect
    looked_at: int
    complete: bool


async def known_to(queries: Queries) -> Known:
    """What there is for a rule to lean on."""
    return known_among(await queries.rules(), await queries.keys(), await queries.funnels())


def known_among(rules: Iterable[Rule], keys: Iterable[ApiKey], funnels: Iterable[Funnel]) -> Known:
    """What there is for a rule to lean on, for those who have read the setup already."""
    authors = {key.name for key in keys if key.revoked_at is None}
    authors.update(rule.id for rule in rules)
    return Known({funnel.name: funnel.stages for funnel in funnels}, authors)


async def explain(
    queries: Queries, zone: ZoneInfo, rule_id: str, contact_id: str, now: Millis
) -> Explanation | Missing:
    """Say why a rule fired for a contact, or did not; `zone` is the workspace's."""
    rule = await queries.rule(rule_id)
    if rule is None:
        return Missing("rule")
    contact = await queries.contact(contact_id)
    if contact is None:
        return Missing("contact")
    known = await known_to(queries)
    listening = Listening(rule, zone)
    evaluations: list[Evaluation] = []
    silences: Counter[tuple[Silence, str]] = Counter()
    looked_at, complete = 0, True
    async for event, misses, runs, deliveries in queries.timeline(contact.id):
        if event.received_at < rule.created_at:
            break
        if looked_at == EVENTS_LIMIT:
            complete = False
            break
        looked_at += 1
        found = evaluated(rule.id, event, misses, runs, deliveries)
        if found is not None:
            evaluations.append(found)
        else:
            silences[listening.silence(event), event.type] += 1
    endpoints = frozenset(endpoint.id for endpoint in await queries.endpoints())
    mail = Composer(await queries.messages(), colleagues(await queries.users()))
    prospect = listening.prospect(rule, contact, endpoints, known.funnels, now, mail)
    return Explanation(
        rule=rule,
        contact_id=contact.id,
        doubts=tuple(doubts(rule, known, now)),
        summary=tuple(summary(rule, evaluations, silences, prospect)),
        evaluations=tuple(evaluations[:SHOWN_LIMIT]),
        silences=silences,
        now=prospect,
        looked_at=looked_at,
        complete=complete,
    )
