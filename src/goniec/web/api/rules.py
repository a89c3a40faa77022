"""Rules: made, read, changed, switched, deleted, tried out."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from goniec.core.decide import Call
from goniec.core.ids import run_id
from goniec.core.model import Outcome, Status
from goniec.core.problems import Problem
from goniec.core.rules import RuleDraft
from goniec.flow.batch import Recorded, Result
from goniec.flow.configure import Outside, Refusal
from goniec.flow.decoding import plainly
from goniec.flow.rules import (
    RuleOut,
    RuleSaved,
    change_rule,
    create_rule,
    delete_rule,
    endpoint_ids,
    load_rule,
    rule_tag,
    shown,
    switch_rule,
)
from goniec.flow.testing import Trial, asked_run, send_test
from goniec.ports import Store
from goniec.web.api.deliveries import AttemptOut, attempt_out, text_of
from goniec.web.api.runs import SeenOut, miss_trace, trace_out
from goniec.web.lists import Listed, PageQuery, listed
from goniec.web.once import answered, once, recorded
from goniec.web.operation import Ask, operation
from goniec.web.problems import invalid, missing, problem
from goniec.web.refusals import cut, etag, fault
from goniec.web.reply import Reply


class RuleQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Which rules; all that is given must hold."""

    active: Annotated[bool | None, Meta(description="On, or off.")] = None
    group: Annotated[str | None, Meta(description="Of this group.")] = None


class VersionQuery(Struct, frozen=True, kw_only=True):
    """Which version of a rule."""

    version: Annotated[
        Annotated[int, Meta(ge=1, le=2**31 - 1)] | None,
        Meta(description="An earlier version; the present one unless given."),
    ] = None


class ReplaceQuery(Struct, frozen=True, kw_only=True):
    """What to do about another password for a URL and user that are known."""

    replace: Annotated[
        bool, Meta(description="Let it take the place of the stored one, for all rules that use the endpoint.")
    ] = False


class TestSendIn(Struct, rename="camel", forbid_unknown_fields=True):
    """About whom, and which webhook: the place of its action in `actions`, or a pointer such as `/otherwise/0`."""

    contact_id: Annotated[str | None, Meta(description="A contact; an example unless given.")] = None
    action: Annotated[int | str | None, Meta(description="The first webhook unless given.")] = None


class TestSendOut(Struct, rename="camel", kw_only=True):
    """How a test send went.

    `body` is what was sent, to `url`. `ruleActive`, `triggersCanOccur` and `hints` say whether a real event would have
    got as far.
    """

    delivery_id: str
    status: Status
    endpoint_id: str
    url: str
    body: str | None
    attempt: AttemptOut
    rule_active: bool
    triggers_can_occur: bool
    hints: list[str]


class RunIn(Struct, rename="camel", forbid_unknown_fields=True):
    """For whom to run the rule."""

    contact_id: str


class RunAsked(Struct, rename="camel", kw_only=True):
    """The event that asked for the run, and what came of it. A repeated answer leaves out what came of it."""

    event_id: str
    run_id: str
    outcome: Outcome | None = None
    detail: str | None = None
    trace: list[SeenOut] = []
    deliveries: list[str] = []


_VIP = {
    "name": "VIP to CRM",
    "description": "new VIP for the CRM",
    "active": True,
    "triggers": [{"type": "contact.tagged", "tags": ["VIP"]}],
    "conditions": {"type": "all", "of": [{"type": "score", "op": "gte", "value": 10}]},
    "actions": [
        {
            "type": "webhook",
            "url": "https://crm.example/hook",
            "basicAuth": {"username": "goniec", "password": "correct horse"},
        }
    ],
}


@operation(
    "POST",
    "/rules",
    scope="admin",
    tag="rules",
    summary="Make a rule",
    answers={201: RuleOut},
    errors=(409,),
    examples={"a webhook for a new VIP": _VIP},
    raw=RuleDraft,
)
async def make_rule(ask: Ask, query: ReplaceQuery) -> Reply:
    """Make a rule. It is applied last unless a `position` is given.

    A webhook's `url` and user name an endpoint: the same two always mean the same one, and two that are new make one,
    with a signing secret of its own (`POST /endpoints/{id}/rotateSecret` gives you one that you know). Another password
    for a known URL and user is refused (409 `credentialsDiffer`, with the rules that use it) unless `replace=true`.
    """
    data = plainly(ask.raw)

    async def act(store: Store) -> RuleSaved | Refusal:
        return await create_rule(_outside(ask, store), data, replace_passwords=query.replace)

    return await once(ask, act, partial(_tell, status=201), secret=True)


@operation("GET", "/rules", scope="read", tag="rules", summary="List rules", answers={200: Listed[RuleOut]})
async def list_rules(ask: Ask, query: RuleQuery) -> Reply:
    """Rules in the order in which they were made; `position`, then `id`, is the order in which they are applied."""
    queries = ask.context.store.queries
    endpoints = {endpoint.id: endpoint for endpoint in await queries.endpoints()}
    rows = [
        rule
        for rule in await queries.rules()
        if query.active in {None, rule.active} and query.group in {None, rule.group}
    ]
    return listed(
        query, cut(query.page(), rows, lambda rule: rule.id), lambda rule: rule.id, lambda rule: shown(rule, endpoints)
    )


@operation("GET", "/rules/{id}", scope="read", tag="rules", summary="Read a rule", answers={200: RuleOut})
async def read_rule(ask: Ask, id: str, query: VersionQuery) -> Reply:
    """One rule, as it can be sent back. Of a password it tells only that there is one."""
    queries = ask.context.store.queries
    if query.version is None:
        return _tell(await load_rule(queries, id))
    rule = await queries.rule_version(id, query.version)
    if rule is None:
        raise missing("version of a rule")
    found = [await queries.endpoint(endpoint_id) for endpoint_id in endpoint_ids(rule)]
    return Reply(200, shown(rule, {endpoint.id: endpoint for endpoint in found if endpoint is not None}))


@operation(
    "PUT",
    "/rules/{id}",
    scope="admin",
    tag="rules",
    summary="Change a rule",
    answers={200: RuleOut},
    errors=(409, 412),
    examples={"a webhook for a new VIP": _VIP},
    raw=RuleDraft,
)
async def put_rule(ask: Ask, id: str, query: ReplaceQuery) -> Reply:
    """Save a rule as it is sent; what is left out goes back to its default, but the `position` stays.

    It takes exactly what `GET` gives. A password left out keeps the stored one, null removes it. A changed path keeps
    what the endpoint has; another scheme, host or port is another endpoint, which gets no stored password. Every save
    that changes something makes a version.
    """
    data = plainly(ask.raw)
    return _tell(await change_rule(ask.context.outside, id, data, ask.expected, replace_passwords=query.replace))


@operation(
    "DELETE",
    "/rules/{id}",
    scope="admin",
    tag="rules",
    summary="Delete a rule",
    answers={204: None},
    errors=(412,),
)
async def remove_rule(ask: Ask, id: str) -> Reply:
    """Delete a rule. Its runs stay readable, what it has written is still delivered, and its endpoints stay."""
    refused = await delete_rule(ask.context.outside, id, ask.expected)
    if refused is not None:
        raise fault(refused)
    return Reply(204)


@operation(
    "POST",
    "/rules/{id}/activate",
    scope="admin",
    tag="rules",
    summary="Switch a rule on",
    answers={200: RuleOut},
    errors=(412,),
)
async def activate_rule(ask: Ask, id: str) -> Reply:
    """Let events set the rule off. One that is on stays so, without a new version."""
    return await _switch(ask, id, active=True)


@operation(
    "POST",
    "/rules/{id}/deactivate",
    scope="admin",
    tag="rules",
    summary="Switch a rule off",
    answers={200: RuleOut},
    errors=(412,),
)
async def deactivate_rule(ask: Ask, id: str) -> Reply:
    """Let no event set the rule off any more. What it has written is still delivered."""
    return await _switch(ask, id, active=False)


@operation(
    "POST",
    "/rules/{id}/testSend",
    scope="admin",
    tag="rules",
    summary="Send a test",
    answers={200: TestSendOut},
    errors=(409,),
    examples={"about an example": {}, "about a contact": {"contactId": "019ab6f0-5c1e-7cc2-9a55-3f1d2b7c8e90"}},
)
async def test_send(ask: Ask, id: str, body: TestSendIn) -> Reply:
    """Send one webhook of the rule now, whether it is on or off, and wait for what comes back.

    It is made like a real one, from the contact as it is, with the header `goniec-test: true`, and is sent once. It
    stands in the log of deliveries. That it failed is no error of this call: see `status` and `attempt`.
    """
    known = await answered(ask)
    if known is not None:
        return known
    pointer = f"/actions/{body.action}" if isinstance(body.action, int) else body.action

    async def act(store: Store) -> Trial | Refusal:
        return await send_test(ask.context.bench, id, body.contact_id, pointer, store)

    return await once(ask, act, _tell_trial)


@operation(
    "POST",
    "/rules/{id}/run",
    scope="admin",
    tag="rules",
    summary="Run a rule by hand",
    answers={200: RunAsked},
    errors=(409,),
    examples={"for a contact": {"contactId": "019ab6f0-5c1e-7cc2-9a55-3f1d2b7c8e90"}},
)
async def run_rule(ask: Ask, id: str, body: RunIn) -> Reply:
    """Raise `rule.requested` for a contact, which sets off this rule whatever its triggers are.

    Conditions, limits and validity count as always. A rule that is off is 409 `ruleInactive`.
    """
    queries = ask.context.store.queries
    call = await asked_run(queries, id, body.contact_id, ask.key.name)
    if not isinstance(call, Call):
        raise fault(call)
    reply = await recorded(ask, [replace(call, cause=ask.cause)], partial(_tell_run, ask, id))
    if isinstance(reply.content, RunAsked):
        return replace(reply, content=await _what_came(ask, reply.content, id))
    return reply


def _outside(ask: Ask, store: Store) -> Outside:
    return replace(ask.context.outside, store=store)


async def _switch(ask: Ask, rule_id: str, *, active: bool) -> Reply:
    async def act(store: Store) -> RuleSaved | Refusal:
        return await switch_rule(_outside(ask, store), rule_id, ask.expected, active=active)

    return await once(ask, act, _tell)


def _tell(saved: RuleSaved | Refusal, status: int = 200) -> Reply:
    if not isinstance(saved, RuleSaved):
        raise fault(saved)
    tag = etag(rule_tag(saved.rule, saved.endpoints))
    location = ("location", f"/api/v1/rules/{saved.rule.id}")
    return Reply(status, shown(saved.rule, saved.endpoints), (tag, location))


def _tell_trial(trial: Trial | Refusal) -> Reply:
    if not isinstance(trial, Trial):
        raise fault(trial)
    told = TestSendOut(
        delivery_id=trial.delivery.id,
        status=trial.delivery.status,
        endpoint_id=trial.endpoint.id,
        url=trial.endpoint.url,
        body=text_of(trial.delivery.body),
        attempt=attempt_out(trial.attempt),
        rule_active=trial.rule.active,
        triggers_can_occur=trial.can_occur,
        hints=list(trial.hints),
    )
    return Reply(200, told)


def _tell_run(ask: Ask, rule_id: str, results: Sequence[Result]) -> Reply:
    (result,) = results
    if isinstance(result, Recorded):
        (event_id,) = result.happened
        return Reply(200, RunAsked(event_id=event_id, run_id=run_id(event_id, rule_id)))
    wrong = invalid([Problem("/contactId", "no contact has this id")])
    return problem(wrong, ask.context.dice, ask.method, ask.target)


async def _what_came(ask: Ask, asked: RunAsked, rule_id: str) -> RunAsked:
    queries = ask.context.store.queries
    run = await queries.run(asked.run_id)
    if run is not None:
        return replace(
            asked, outcome=run.outcome, detail=run.detail, trace=trace_out(run.trace), deliveries=list(run.deliveries)
        )
    found = await queries.event(asked.event_id)
    for miss in () if found is None else found[1]:
        if miss.rule_id == rule_id:
            return replace(asked, outcome=miss.outcome, trace=miss_trace(miss))
    return asked
