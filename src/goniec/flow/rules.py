"""Rules: saved, switched on and off, deleted, and shown as their authors wrote them.

A user writes a webhook's URL and user into the action; what is stored is an endpoint, shared by every rule that names
the same two. `Webhooks` goes from the one to the other, and `shown` back, so that what was read can be saved again as
it is. Called by the API, the panel and the commands.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from goniec.core.actions import Action, BasicAuth, Webhook
from goniec.core.drafts import check, decode_draft, read_draft
from goniec.core.endpoint import Endpoint
from goniec.core.ids import RULE, prefixed
from goniec.core.problems import Invalid, Problem
from goniec.core.rules import Rule, RuleDraft
from goniec.core.times import Millis, format_instant
from goniec.flow.configure import Expected, Missing, Outside, Refusal, Stale
from goniec.flow.endpoint_drafts import check_basic
from goniec.flow.mail_actions import mail_actions, mail_problems
from goniec.flow.messages import set_up
from goniec.flow.oauth2 import check_oauth2, told_oauth2
from goniec.flow.webhooks import Webhooks
from goniec.ports import Forbidden, Guard, Queries, Tx

POSITION_MAX: Final = 2**31 - 1
"""Where rules with the same position stand, their ids decide."""

_VERSIONED: Final = frozenset(RuleDraft.__struct_fields__) - {"id", "version", "created_at", "updated_at"}


class RuleOut(RuleDraft, frozen=True, kw_only=True):
    """A rule as users read it, and may send it back: times as text, each webhook with its URL and user."""

    id: str
    version: int
    position: int
    created_at: str
    updated_at: str


class RuleSaved(Struct, frozen=True):
    """A rule as it stands now, with the endpoints that it names, by id; `written` are those that saving it changed."""

    rule: Rule
    endpoints: dict[str, Endpoint]
    written: tuple[str, ...] = ()


def shown(rule: Rule, endpoints: Mapping[str, Endpoint]) -> RuleOut:
    """Give a rule as users read and write it, never with a password."""
    given = {name: getattr(rule, name) for name in RuleDraft.__struct_fields__}
    given["created_at"], given["updated_at"] = format_instant(rule.created_at), format_instant(rule.updated_at)
    for branch in ("actions", "otherwise"):
        given[branch] = tuple(_shown_action(action, endpoints) for action in given[branch])
    return RuleOut(**given)


def rule_tag(rule: Rule, endpoints: Mapping[str, Endpoint]) -> str:
    """What tells a rule as it is shown from what was shown before: its endpoints belong to it."""
    return blake2b(msgspec.json.encode(shown(rule, endpoints)), digest_size=9).hexdigest()


def endpoint_ids(rule: RuleDraft) -> list[str]:
    """The endpoints that a rule names."""
    return [action.endpoint_id for _, action in webhooks(rule) if action.endpoint_id is not None]


def webhooks(rule: RuleDraft) -> Iterator[tuple[str, Webhook]]:
    """The webhooks of a rule, each with its pointer."""
    for branch, actions in (("actions", rule.actions), ("otherwise", rule.otherwise)):
        for n, action in enumerate(actions):
            if isinstance(action, Webhook):
                yield f"/{branch}/{n}", action


async def load_rule(queries: Queries, rule_id: str) -> RuleSaved | Missing:
    """Read a rule and the endpoints that it names."""
    rule = await queries.rule(rule_id)
    if rule is None:
        return Missing("rule")
    found = [await queries.endpoint(endpoint_id) for endpoint_id in sorted(set(endpoint_ids(rule)))]
    return RuleSaved(rule, {endpoint.id: endpoint for endpoint in found if endpoint is not None})


async def create_rule(outside: Outside, data: object, *, replace_passwords: bool = False) -> RuleSaved | Refusal:
    """Make a rule of what a user wrote; it comes last unless a position is given.

    With `replace_passwords`, a password other than the one that a known endpoint has takes its place.

    Raises:
        Invalid: with every fault that was found.

    """
    return await _save(outside, None, data, None, replace_passwords=replace_passwords)


async def change_rule(
    outside: Outside, rule_id: str, data: object, expected: Expected, *, replace_passwords: bool = False
) -> RuleSaved | Refusal:
    """Save a rule over another version of it, as `create_rule`; one that comes out the same makes no new version."""
    return await _save(outside, rule_id, data, expected, replace_passwords=replace_passwords)


async def switch_rule(outside: Outside, rule_id: str, expected: Expected, *, active: bool) -> RuleSaved | Refusal:
    """Switch a rule on or off. Raises `Invalid` when a rule that should go on no longer makes sense."""
    return await outside.store.transact(partial(_switch, outside, rule_id, expected, active=active))


async def delete_rule(outside: Outside, rule_id: str, expected: Expected) -> Refusal | None:
    """Delete a rule. Its runs stay, and so do the deliveries that it has written and the endpoints that it named."""

    async def work(tx: Tx) -> Refusal | None:
        known = await _load(tx, rule_id, expected)
        if isinstance(known, RuleSaved):
            await tx.delete_rule(rule_id)
            return None
        return known

    return await outside.store.transact(work)


async def _save(
    outside: Outside, rule_id: str | None, data: object, expected: Expected, *, replace_passwords: bool
) -> RuleSaved | Refusal:
    # names are looked up before the transaction, which waits for nothing else
    targets, faults = await _targets(outside.guard, data)
    now = outside.clock.now()
    fresh_id = prefixed(RULE, now, outside.dice.bits(80))

    async def work(tx: Tx) -> RuleSaved | Refusal:
        draft = _read(data, {funnel.name: funnel.stages for funnel in await tx.funnels()}, faults)
        known = None if rule_id is None else await _load(tx, rule_id, expected)
        if known is not None and not isinstance(known, RuleSaved):
            return known
        resolving = Webhooks(tx, outside, targets, rule_id, replace_passwords=replace_passwords)
        draft = replace(
            draft,
            actions=await resolving.resolve("/actions", draft.actions),
            otherwise=await resolving.resolve("/otherwise", draft.otherwise),
        )
        if resolving.problems:
            raise Invalid(*resolving.problems)
        if resolving.conflict is not None:
            return resolving.conflict
        if problems := await mail_problems(tx, draft, ready=outside.mail):
            raise Invalid(*problems)
        if any(mail_actions(draft)):
            await set_up(tx, outside)
        written = await resolving.write()
        rule = _placed(draft, known.rule, now) if known else await _new(tx, draft, fresh_id, now)
        if known is None or rule != known.rule:
            await tx.put_rule(rule)
        return RuleSaved(rule, resolving.named, written)

    saved = await outside.store.transact(work)
    if isinstance(saved, RuleSaved):
        for endpoint_id in saved.written:
            outside.notice.changed(endpoint_id)
    return saved


async def _targets(guard: Guard, data: object) -> tuple[dict[str, str], list[Problem]]:
    """Check where webhooks and requests for tokens are to go: by pointer, the stored URLs, and what is wrong there."""
    try:
        draft = decode_draft(data)
    except Invalid:
        return {}, []  # told in full by `_read`
    targets: dict[str, str] = {}
    problems: list[Problem] = []
    for pointer, webhook in webhooks(draft):
        if webhook.url is not None:
            target = await guard.check(webhook.url)
            if isinstance(target, Forbidden):
                problems.append(Problem(f"{pointer}/url", target.detail))
            else:
                targets[pointer] = target
        if webhook.basic_auth is not None:
            problems += check_basic(webhook.basic_auth, f"{pointer}/basicAuth")
        if webhook.oauth2 is not None:
            token_url, wrong = await check_oauth2(guard, webhook.oauth2, f"{pointer}/oauth2")
            targets[f"{pointer}/oauth2"] = token_url
            problems += wrong
    return targets, problems


def _read(data: object, funnels: Mapping[str, tuple[str, ...]], faults: list[Problem]) -> RuleDraft:
    try:
        draft = read_draft(data, funnels)
    except Invalid as invalid:
        told = {problem.pointer for problem in invalid.problems}
        raise Invalid(*invalid.problems, *(fault for fault in faults if fault.pointer not in told)) from None
    if faults:
        raise Invalid(*faults)
    return draft


async def _load(tx: Tx, rule_id: str, expected: Expected) -> RuleSaved | Refusal:
    rule = await tx.rule(rule_id)
    if rule is None:
        return Missing("rule")
    found = [await tx.endpoint(endpoint_id) for endpoint_id in sorted(set(endpoint_ids(rule)))]
    saved = RuleSaved(rule, {endpoint.id: endpoint for endpoint in found if endpoint is not None})
    tag = rule_tag(rule, saved.endpoints)
    return saved if expected is None or tag in expected else Stale(tag)


async def _new(tx: Tx, draft: RuleDraft, rule_id: str, now: Millis) -> Rule:
    position = draft.position
    if position is None:
        last = await tx.last_position()
        position = 0 if last is None else min(last + 1, POSITION_MAX)
    return Rule(**_given(draft), id=rule_id, version=1, position=position, created_at=now, updated_at=now)


def _placed(draft: RuleDraft, known: Rule, now: Millis) -> Rule:
    """The next version of a rule, or the same one where nothing changed."""
    position = known.position if draft.position is None else draft.position
    same = Rule(
        **_given(draft),
        id=known.id,
        version=known.version,
        position=position,
        created_at=known.created_at,
        updated_at=known.updated_at,
    )
    return known if same == known else replace(same, version=known.version + 1, updated_at=now)


def _given(draft: RuleDraft) -> dict[str, Any]:
    return {name: getattr(draft, name) for name in _VERSIONED - {"position"}}


async def _switch(outside: Outside, rule_id: str, expected: Expected, tx: Tx, *, active: bool) -> RuleSaved | Refusal:
    known = await _load(tx, rule_id, expected)
    if not isinstance(known, RuleSaved) or known.rule.active is active:
        return known
    rule = replace(known.rule, active=active, version=known.rule.version + 1, updated_at=outside.clock.now())
    if active:
        funnels = {funnel.name: funnel.stages for funnel in await tx.funnels()}
        if problems := check(rule, funnels) + await mail_problems(tx, rule, ready=outside.mail):
            raise Invalid(*problems)
    await tx.put_rule(rule)
    return replace(known, rule=rule)


def _shown_action(action: Action, endpoints: Mapping[str, Endpoint]) -> Action:
    if not isinstance(action, Webhook) or action.endpoint_id is None:
        return action
    endpoint = endpoints.get(action.endpoint_id)
    if endpoint is None:
        return action
    auth = None
    if endpoint.username is not None:
        auth = BasicAuth(endpoint.username, UNSET, password_set=endpoint.password is not None)
    return replace(action, url=endpoint.url, basic_auth=auth, oauth2=told_oauth2(endpoint))
