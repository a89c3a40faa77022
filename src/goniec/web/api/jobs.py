"""Jobs: a range of deliveries sent again after an outage, or all that match cancelled, and how far that has come."""

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from goniec.core.jobs import RATE, RATE_MAX, RATE_MIN, Job, JobFailure, JobKind, JobState
from goniec.core.model import Status
from goniec.core.problems import Invalid, Problem
from goniec.core.times import Millis, format_instant, parse_instant
from goniec.flow.configure import Outside, Refusal
from goniec.flow.jobs import Begun, Range, cancel_range, resend_range, stop_job
from goniec.ports import Store
from goniec.web.lists import Listed, PageQuery, listed
from goniec.web.once import once
from goniec.web.operation import Ask, operation
from goniec.web.problems import missing
from goniec.web.refusals import cut, fault
from goniec.web.reply import Reply

JOBS_MOST = 10_000
"""How many of the newest jobs a list goes through."""


class JobOut(Struct, rename="camel", kw_only=True):
    """What is done to which deliveries, and how far that has come.

    `done` counts those that were sent again or cancelled, `skipped` those that had changed before their turn came;
    `progress` goes from 0 to 1 and tells how much of the time from `since` to `until` has been gone through. `failure`
    says why it could not go on, `by` who asked for it.
    """

    id: str
    kind: JobKind
    state: JobState
    failure: JobFailure | None
    progress: float
    done: int
    skipped: int
    endpoint_id: str | None
    rule_id: str | None
    contact_id: str | None
    since: str | None
    until: str
    status: list[Status]
    rate: float | None
    by: str
    created_at: str
    ended_at: str | None


class ResendIn(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Which deliveries of the endpoint, and how quickly."""

    since: Annotated[str, Meta(description="Made at this time or later: RFC 3339, with an offset or Z.")]
    until: Annotated[str | None, Meta(description="Made before this time; null: until now.")] = None
    status: Annotated[
        Status | list[Status], Meta(description="How they stand: `failed`, `cancelled`, `delivered`, or several.")
    ] = Status.FAILED
    rate: Annotated[
        float | None,
        Meta(description=f"Deliveries in a second, {RATE_MIN:g} to {RATE_MAX:g}; null: {RATE:g}."),
    ] = None


class CancelIn(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Which pending deliveries; all that is given must hold, and something must be given."""

    endpoint_id: str | None = None
    rule_id: str | None = None
    contact_id: str | None = None
    since: Annotated[str | None, Meta(description="Made at this time or later.")] = None
    until: Annotated[str | None, Meta(description="Made before this time; null: until now.")] = None


@operation(
    "POST",
    "/endpoints/{id}/resend",
    scope="admin",
    tag="endpoints",
    summary="Send a range of deliveries once more",
    answers={200: JobOut, 202: JobOut},
    errors=(409,),
    examples={"after an outage": {"since": "2026-11-25T03:00:00Z", "until": "2026-11-25T09:30:00Z"}},
)
async def resend_deliveries(ask: Ask, id: str, body: ResendIn) -> Reply:
    """Begin a job (202) that sends deliveries to this endpoint once more, each once, from the oldest on.

    It takes those that were made from `since` to before `until` and stand in `status`, at most `rate` in a second and
    at most at the endpoint's own rate, with the same ids and bytes and outside any lane. It waits while the endpoint is
    paused, survives restarts, and ends with `endpointDeleted` when the endpoint is deleted. Test sends and what was
    erased are left out.

    An endpoint is sent one range at a time: asking for the same once more while the job runs gives that job (200),
    which goes on at the `rate` that is given now, if any; for another range it is 409 `jobRunning`.
    """
    statuses = (body.status,) if isinstance(body.status, Status) else tuple(body.status)
    since, until = _times(body)
    wanted = Range(since=since, until=until, endpoint_id=id)

    async def act(store: Store) -> Begun | Refusal:
        return await resend_range(_outside(ask, store), wanted, statuses, body.rate, ask.key.name)

    return await once(ask, act, _begun)


@operation(
    "POST",
    "/deliveries/cancel",
    scope="admin",
    tag="deliveries",
    summary="Cancel all deliveries that match",
    answers={200: JobOut, 202: JobOut},
    examples={"all that waits for an endpoint": {"endpointId": "end_01KAX7Z6K33FQ2M8VD00000000"}},
)
async def cancel_deliveries(ask: Ask, body: CancelIn) -> Reply:
    """Begin a job (202) that cancels the pending deliveries that match, from the newest back.

    Each ends as with the cancelling of one: what is under way is still written down, and if it arrives the delivery is
    `delivered`. What is made after the job was begun is not touched. Asking for the same once more while it runs gives
    that job (200).
    """
    since, until = _times(body)
    wanted = Range(
        since=since, until=until, endpoint_id=body.endpoint_id, rule_id=body.rule_id, contact_id=body.contact_id
    )

    async def act(store: Store) -> Begun | Refusal:
        return await cancel_range(_outside(ask, store), wanted, ask.key.name)

    return await once(ask, act, _begun)


@operation("GET", "/jobs", scope="read", tag="deliveries", summary="List jobs", answers={200: Listed[JobOut]})
async def list_jobs(ask: Ask, query: PageQuery) -> Reply:
    """Jobs in the order in which they were begun; those that have ended leave with the events of their time."""
    rows = cut(query.page(), await ask.context.store.queries.jobs(JOBS_MOST), lambda job: job.id)
    return listed(query, rows, lambda job: job.id, job_out)


@operation("GET", "/jobs/{id}", scope="read", tag="deliveries", summary="Read a job", answers={200: JobOut})
async def read_job(ask: Ask, id: str) -> Reply:
    """One job, and how far it has come."""
    job = await ask.context.store.queries.job(id)
    if job is None:
        raise missing("job")
    return Reply(200, job_out(job))


@operation("POST", "/jobs/{id}/cancel", scope="admin", tag="deliveries", summary="Stop a job", answers={200: JobOut})
async def cancel_job(ask: Ask, id: str) -> Reply:
    """Let a job do no more; what it has done stays done. One that is over stays as it is."""

    async def act(store: Store) -> Job | Refusal:
        return await stop_job(_outside(ask, store), id)

    return await once(ask, act, _stopped)


def job_out(job: Job) -> JobOut:
    """Show a job."""
    return JobOut(
        id=job.id,
        kind=job.kind,
        state=job.state,
        failure=job.failure,
        progress=round(job.progress, 3),
        done=job.done,
        skipped=job.skipped,
        endpoint_id=job.endpoint_id,
        rule_id=job.rule_id,
        contact_id=job.contact_id,
        since=_instant(job.since),
        until=format_instant(job.until),
        status=list(job.statuses),
        rate=job.rate,
        by=job.by,
        created_at=format_instant(job.created_at),
        ended_at=_instant(job.ended_at),
    )


def _begun(found: Begun | Refusal) -> Reply:
    if not isinstance(found, Begun):
        raise fault(found)
    location = ("location", f"/api/v1/jobs/{found.job.id}")
    return Reply(202 if found.fresh else 200, job_out(found.job), (location,))


def _stopped(found: Job | Refusal) -> Reply:
    if not isinstance(found, Job):
        raise fault(found)
    return Reply(200, job_out(found))


def _times(body: ResendIn | CancelIn) -> tuple[Millis | None, Millis | None]:
    found: dict[str, Millis | None] = {}
    problems = []
    for name, text in (("since", body.since), ("until", body.until)):
        try:
            found[name] = None if text is None else parse_instant(text)
        except ValueError as error:
            problems.append(Problem(f"/{name}", str(error)))
    if problems:
        raise Invalid(*problems)
    return found["since"], found["until"]


def _outside(ask: Ask, store: Store) -> Outside:
    return replace(ask.context.outside, store=store)


def _instant(at: Millis | None) -> str | None:
    return None if at is None else format_instant(at)
