"""Jobs on many deliveries: a range sent again after an outage, or all that match called off.

Begun and stopped by the API and the panel; `Jobs` does the work, in bites, beside everything else. Each bite moves the
job's cursor in the transaction that moves the deliveries, so that a restart does nothing twice and leaves nothing out.
Called on the loop of `record`, by `app`.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from goniec.core.ids import JOB, prefixed
from goniec.core.jobs import RATE, RATE_MAX, RATE_MIN, RESENDABLE, Job, JobKind, JobState, allowance
from goniec.core.model import Delivery, Status
from goniec.core.problems import Invalid, Problem
from goniec.core.times import Millis
from goniec.flow.configure import Conflict, Missing, Outside, Refusal
from goniec.flow.leases import DUTY, Alone, Leases
from goniec.observe import log
from goniec.ports import Clock, DeliveryFilter, Notice, Page, Queries, Store, Tx, Unavailable

BITE: Final = 500
"""Deliveries that one transaction moves at most."""

LOOK_SECONDS: Final = 1.0
"""How often it is asked whether there is a job; while one runs, bites are `PACE_SECONDS` apart."""

PACE_SECONDS: Final = 0.25

REST_SECONDS: Final = 0.02
"""Between bites of a job without a rate."""

_WORD: Final[Mapping[Status, str]] = {
    Status.PENDING: "what is pending is on its way already",
    Status.HELD: "what is held is not to be sent",
}


class Range(Struct, frozen=True, kw_only=True):
    """Which deliveries somebody wants something done to; `until` None: all that there are now."""

    since: Millis | None = None
    until: Millis | None = None
    endpoint_id: str | None = None
    rule_id: str | None = None
    contact_id: str | None = None


class Begun(Struct, frozen=True):
    """The job that does it; `fresh` says that it was begun just now, and not by an earlier call for the same."""

    job: Job
    fresh: bool


async def resend_range(
    outside: Outside, wanted: Range, statuses: tuple[Status, ...], rate: float | None = None, by: str = ""
) -> Begun | Refusal:
    """Send the deliveries to an endpoint once more that were made in a time and stand so, from the oldest on.

    `rate` are deliveries in a second; the endpoint's own rate counts too. Test sends are left out. Where a job for just
    this range is running already, it goes on at the rate that is named now; None: at the one that it has.

    Raises:
        Invalid: the range, the statuses or the rate make no sense.

    """
    now = outside.clock.now()
    problems = _problems(wanted, now)
    problems += [
        Problem("/status", f"{_WORD[status]}: {', '.join(RESENDABLE)} can be sent again")
        for status in statuses
        if status not in RESENDABLE
    ]
    if not statuses:
        problems.append(Problem("/status", f"is empty: name at least one of {', '.join(RESENDABLE)}"))
    # NaN is in no range
    if rate is not None and not RATE_MIN <= rate <= RATE_MAX:
        problems.append(Problem("/rate", f"goes from {RATE_MIN:g} to {RATE_MAX:g} deliveries a second"))
    if wanted.since is None:
        problems.append(Problem("/since", "is required"))
    if problems:
        raise Invalid(*problems)
    job = _job(outside, JobKind.RESEND, wanted, by, now)
    job = replace(job, statuses=tuple(sorted(set(statuses))), rate=RATE if rate is None else rate)
    return await outside.store.transact(partial(_begun, job, rate))


async def cancel_range(outside: Outside, wanted: Range, by: str = "") -> Begun | Refusal:
    """Take all pending deliveries that match out of the queue.

    Raises:
        Invalid: nothing is named that they have to match, or nothing ever was; or the range makes no sense.

    """
    now = outside.clock.now()
    problems = _problems(wanted, now)
    named = (wanted.endpoint_id, wanted.rule_id, wanted.contact_id, wanted.since, wanted.until)
    if all(one is None for one in named):
        what = "name at least one of endpointId, ruleId, contactId, since and until"
        problems.append(Problem("", f"this would cancel everything that waits: {what}"))
    problems += await _strangers(outside.store.queries, wanted)
    if problems:
        raise Invalid(*problems)
    job = replace(_job(outside, JobKind.CANCEL, wanted, by, now), statuses=(Status.PENDING,))
    return await outside.store.transact(partial(_begun, job, None))


async def stop_job(outside: Outside, job_id: str) -> Job | Refusal:
    """Let a job do no more; what it has done stays done. One that is over stays as it is."""
    return await outside.store.transact(partial(_stop, job_id, outside.clock.now()))


class Jobs:
    """Does what jobs ask for; `run` is its loop, ended by cancelling it. Of several processes one does."""

    def __init__(self, store: Store, clock: Clock, notice: Notice, leases: Leases | None = None) -> None:
        self._leases = leases or Alone()
        self._store = store
        self._clock = clock
        self._notice = notice

    async def run(self) -> None:
        """Go on with all jobs, again and again."""
        while True:
            rest = await self.round() if await self._leases.have(DUTY + "jobs") else LOOK_SECONDS
            await asyncio.sleep(rest)

    async def round(self) -> float:
        """Take a bite of each job; gives the seconds until the next round."""
        rest = LOOK_SECONDS
        try:
            for job in await self._store.queries.running_jobs():
                await self._bite(job)
                rest = min(rest, REST_SECONDS if job.rate is None else PACE_SECONDS)
        except Unavailable as error:
            log.warning("job.unavailable", reason=str(error))
            return LOOK_SECONDS
        return rest

    async def _bite(self, job: Job) -> None:
        now = self._clock.now()
        queries = self._store.queries
        rate = job.rate
        if job.kind is JobKind.RESEND and job.endpoint_id is not None:
            endpoint = await queries.endpoint(job.endpoint_id)
            if endpoint is not None:
                if endpoint.paused is not None or (endpoint.held_until or 0) > now:
                    return  # nothing would go out, and then all at once
                own = endpoint.policy.rate
                rate = own if rate is None or (own is not None and own < rate) else rate
        most, paced_at = allowance(job, rate, now, BITE)
        if not most:
            return
        page = Page(most, job.cursor, newest=job.newest_first)
        found = await queries.deliveries(_filter(job), page)
        further = found[-1].id if len(found) == most else found.stopped
        moved = await self._store.transact(partial(_move, job, list(found), further, paced_at, now))
        if moved is None:
            return
        if job.kind is JobKind.CANCEL:
            for endpoint_id in sorted({one.endpoint_id for one in found}):
                self._notice.changed(endpoint_id)  # what is held in memory is forgotten
        elif found:
            self._notice.kick(found[0].endpoint_id)
        if moved.state is not JobState.RUNNING:
            log.info("job.ended", job=job.id, kind=job.kind, state=moved.state, done=moved.done, skipped=moved.skipped)


def _problems(wanted: Range, now: Millis) -> list[Problem]:
    if wanted.since is None:
        return []
    if wanted.until is not None and wanted.until <= wanted.since:
        return [Problem("/until", "has to come after since")]
    if wanted.since >= now:
        return [Problem("/since", "lies ahead: nothing was made after it yet")]
    return []


async def _strangers(queries: Queries, wanted: Range) -> list[Problem]:
    """What is named and never had a delivery: a slip of the pen. What was deleted may still have some that wait."""
    named = (
        (
            "endpointId",
            "endpoint",
            wanted.endpoint_id,
            queries.endpoint,
            DeliveryFilter(endpoint_id=wanted.endpoint_id),
        ),
        ("ruleId", "rule", wanted.rule_id, queries.rule, DeliveryFilter(rule_id=wanted.rule_id)),
    )
    return [
        Problem(f"/{field}", f"there is no {noun} with this id, and no delivery of one")
        for field, noun, id, read, its in named
        if id is not None and await read(id) is None and not await queries.deliveries(its, Page(1))
    ]


def _job(outside: Outside, kind: JobKind, wanted: Range, by: str, now: Millis) -> Job:
    return Job(
        id=prefixed(JOB, now, outside.dice.bits(80)),
        kind=kind,
        created_at=now,
        since=wanted.since,
        # what is made while it runs is none of its business
        until=now + 1 if wanted.until is None else min(wanted.until, now + 1),
        open_end=wanted.until is None,
        endpoint_id=wanted.endpoint_id,
        rule_id=wanted.rule_id,
        contact_id=wanted.contact_id,
        by=by,
    )


async def _begun(job: Job, rate: float | None, tx: Tx) -> Begun | Refusal:
    if job.endpoint_id is not None and job.kind is JobKind.RESEND and await tx.endpoint(job.endpoint_id) is None:
        return Missing("endpoint")
    running = await tx.begin_job(job)
    if running is None:
        return Conflict("jobRunning", "a job of another release of Goniec is at it: wait for its end")
    if running.id == job.id:
        return Begun(running, fresh=True)
    if running.asks_for(job):
        if rate is not None and rate != running.rate:
            running = replace(running, rate=rate)
            await tx.put_job(running)
        return Begun(running, fresh=False)
    detail = f"another range is being sent again to this endpoint ({running.id}): wait for its end, or stop it"
    return Conflict("jobRunning", detail)


async def _stop(job_id: str, now: Millis, tx: Tx) -> Job | Refusal:
    job = await tx.job(job_id)
    if job is None:
        return Missing("job")
    if job.state is JobState.RUNNING:
        job = replace(job, state=JobState.CANCELLED, ended_at=now)
        await tx.put_job(job)
    return job


async def _move(
    job: Job, found: list[Delivery], further: str | None, paced_at: Millis, now: Millis, tx: Tx
) -> Job | None:
    """Do it to those found and note how far the job has come; None: somebody else was quicker."""
    known = await tx.job(job.id)
    if known is None or known.state is not JobState.RUNNING or known.cursor != job.cursor:
        return None
    ids = [one.id for one in found]
    if job.kind is JobKind.CANCEL:
        done = await tx.cancel_many(ids, now)
    elif job.endpoint_id is None or await tx.endpoint(job.endpoint_id) is None:
        moved = replace(known, state=JobState.FAILED, failure="endpointDeleted", ended_at=now)
        await tx.put_job(moved)
        return moved
    else:
        done = await tx.requeue_many(ids, job.statuses, now)
    moved = replace(
        known,
        first=ids[0] if known.first is None and ids else known.first,
        cursor=known.cursor if further is None else further,
        done=known.done + done,
        skipped=known.skipped + len(ids) - done,
        paced_at=paced_at,
        state=JobState.DONE if further is None else JobState.RUNNING,
        ended_at=now if further is None else None,
    )
    await tx.put_job(moved)
    return moved


def _filter(job: Job) -> DeliveryFilter:
    return DeliveryFilter(
        rule_id=job.rule_id,
        endpoint_id=job.endpoint_id,
        contact_id=job.contact_id,
        since=job.since,
        until=job.until,
        statuses=job.statuses,
        test=False if job.kind is JobKind.RESEND else None,
    )
