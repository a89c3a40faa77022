"""Runs, and why a rule fired for a contact or did not."""

from collections.abc import Sequence
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from goniec.core.explain import Evaluation, Prospect, Silence
from goniec.core.model import Miss, Outcome, Run, Seen, Status
from goniec.core.times import format_instant
from goniec.flow.configure import Missing
from goniec.flow.explain import Explanation, explain
from goniec.ports import RunFilter
from goniec.web.lists import Listed, PageQuery, listed
from goniec.web.operation import Ask, operation
from goniec.web.problems import missing
from goniec.web.reading import Instant
from goniec.web.refusals import fault
from goniec.web.reply import Reply


class SeenOut(Struct):
    """One condition: where it stands in the rule, whether it holds, the value that it saw, and how that was read."""

    pointer: str
    holds: bool
    value: Any
    read: str | None


class SkippedOut(Struct):
    """An action that was left out: its pointer in the rule, and why."""

    pointer: str
    why: str


class RunOut(Struct, rename="camel", kw_only=True):
    """One evaluation of a rule for one event: the rule's version, what came of it, and what each condition saw."""

    id: str
    rule_id: str
    version: int
    contact_id: str
    event_id: str
    at: str
    outcome: Outcome
    detail: str | None
    trace: list[SeenOut]
    deliveries: list[str]
    skipped: Annotated[list[SkippedOut], Meta(description="Actions that were left out, and why.")]


class RunQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Which runs; all that is given must hold."""

    outcome: Annotated[Outcome | None, Meta(description="What came of it.")] = None
    since: Annotated[Instant | None, Meta(description="At this time or later.")] = None
    until: Annotated[Instant | None, Meta(description="Before this time.")] = None


class ExplainQuery(Struct, frozen=True, kw_only=True, rename="camel"):
    """Which rule, and for which contact."""

    rule_id: Annotated[str, Meta(description="The rule.")]
    contact_id: Annotated[str, Meta(description="The contact.")]


class ToldDelivery(Struct):
    """A delivery and where it stands."""

    id: str
    status: Status


class EvaluationOut(Struct, rename="camel", kw_only=True):
    """What an event meant for the rule. `runId` is null where the outcome has no row of its own.

    `trace` has every condition of a run; where conditions failed, only the first one that did.
    """

    event_id: str
    event_type: str
    occurred_at: str
    received_at: str
    version: int
    outcome: Outcome
    detail: str | None
    run_id: str | None
    trace: list[SeenOut]
    deliveries: list[ToldDelivery]


class SilenceOut(Struct):
    """Events of a type that led to no evaluation, and why.

    `noTrigger`: they fit none of the triggers. `unfired`: they were stored without running rules. `notListening`: they
    fit a trigger as the rule is now, but the rule was off, or another one, when they happened.
    """

    type: str
    reason: Silence
    count: int


class NowOut(Struct):
    """What would happen if the rule were asked for now; no `outcome`: it cannot run at all, and `detail` says why."""

    outcome: Outcome | None
    detail: str | None
    trace: list[SeenOut]
    webhooks: int


class ExplainOut(Struct, rename="camel", kw_only=True):
    """Why a rule fired for a contact, or did not.

    `summary` says it in sentences, `doubts` why nothing sets the rule off just now. `complete` is false when there are
    more events since the rule was made than were looked at.
    """

    rule_id: str
    rule_name: str
    rule_active: bool
    contact_id: str
    summary: list[str]
    doubts: list[str]
    evaluations: list[EvaluationOut]
    silences: list[SilenceOut]
    now: NowOut
    looked_at: int
    complete: bool


@operation(
    "GET",
    "/rules/{id}/runs",
    scope="read",
    tag="runs",
    summary="List the runs of a rule",
    answers={200: Listed[RunOut]},
)
async def list_runs(ask: Ask, id: str, query: RunQuery) -> Reply:
    """What fired or was stopped, in the order in which it happened. A rule that was deleted still has its runs.

    Evaluations whose conditions failed, or that came outside the rule's validity, have no rows of their own: `explain`
    tells of them.
    """
    wanted = RunFilter(id, () if query.outcome is None else (query.outcome,), query.since, query.until)
    rows = await ask.context.store.queries.runs(wanted, query.page())
    return listed(query, rows, lambda run: run.id, run_out)


@operation("GET", "/runs/{id}", scope="read", tag="runs", summary="Read a run", answers={200: RunOut})
async def read_run(ask: Ask, id: str) -> Reply:
    """One run with its trace."""
    run = await ask.context.store.queries.run(id)
    if run is None:
        raise missing("run")
    return Reply(200, run_out(run))


@operation(
    "GET",
    "/explain",
    scope="read",
    tag="runs",
    summary="Explain a rule for a contact",
    answers={200: ExplainOut},
    errors=(404,),
)
async def explain_rule(ask: Ask, query: ExplainQuery) -> Reply:
    """Walk through what happened to a contact since the rule was made, newest first, and say what came of each event.

    At most the latest 1000 events are looked at, and the latest 100 evaluations shown; the summary counts all of them.
    `now` is what would happen if the rule were asked for at this moment, whatever its triggers: nothing is changed or
    sent. Conditions on the event itself see no value there.
    """
    context = ask.context
    zone, now = ZoneInfo(context.zone), context.clock.now()
    found = await explain(context.store.queries, zone, query.rule_id, query.contact_id, now)
    if isinstance(found, Missing):
        raise fault(found)
    return Reply(200, _explanation(found))


def run_out(run: Run) -> RunOut:
    """Show a run."""
    return RunOut(
        id=run.id,
        rule_id=run.rule_id,
        version=run.version,
        contact_id=run.contact_id,
        event_id=run.event_id,
        at=format_instant(run.at),
        outcome=run.outcome,
        detail=run.detail,
        trace=trace_out(run.trace),
        deliveries=list(run.deliveries),
        skipped=[SkippedOut(one.pointer, one.why) for one in run.skipped],
    )


def trace_out(trace: Sequence[Seen]) -> list[SeenOut]:
    """Show what conditions saw."""
    return [SeenOut(seen.pointer, seen.holds, seen.value, seen.read) for seen in trace]


def miss_trace(miss: Miss) -> list[SeenOut]:
    """Show the condition that failed first, where one did."""
    return trace_out(() if miss.seen is None else (miss.seen,))


def _explanation(found: Explanation) -> ExplainOut:
    return ExplainOut(
        rule_id=found.rule.id,
        rule_name=found.rule.name,
        rule_active=found.rule.active,
        contact_id=found.contact_id,
        summary=list(found.summary),
        doubts=list(found.doubts),
        evaluations=[_evaluation(one) for one in found.evaluations],
        silences=[SilenceOut(kind, silence, count) for (silence, kind), count in found.silences.items()],
        now=_now(found.now),
        looked_at=found.looked_at,
        complete=found.complete,
    )


def _evaluation(one: Evaluation) -> EvaluationOut:
    run, miss = one.run, one.miss
    return EvaluationOut(
        event_id=one.event.id,
        event_type=one.event.type,
        occurred_at=format_instant(one.event.occurred_at),
        received_at=format_instant(one.event.received_at),
        version=run.version if run else miss.version if miss else 0,
        outcome=one.outcome,
        detail=run.detail if run else None,
        run_id=run.id if run else None,
        trace=trace_out(run.trace) if run else miss_trace(miss) if miss else [],
        deliveries=[ToldDelivery(delivery.id, delivery.status) for delivery in one.deliveries],
    )


def _now(now: Prospect) -> NowOut:
    if now.run is not None:
        return NowOut(now.run.outcome, now.run.detail, trace_out(now.run.trace), len(now.run.deliveries))
    if now.miss is not None:
        return NowOut(now.miss.outcome, None, miss_trace(now.miss), 0)
    return NowOut(None, now.broken, [], 0)
