"""Jobs: something is done to many deliveries, bite by bite, and goes on where it was after a restart.

What a job is, whether two ask for the same, how many deliveries it may take now, how far it has come. `flow.jobs` runs
them; the clock is an argument.
"""

import enum
import json
import math
from typing import Final, Literal

from msgspec import Struct

from goniec.core.ids import time_of
from goniec.core.model import Status
from goniec.core.times import SECOND, Millis

RATE: Final = 50.0
"""Deliveries in a second that are sent again, unless something else is asked for."""

RATE_MIN: Final = 0.1
RATE_MAX: Final = 1_000.0

RESENDABLE: Final = (Status.FAILED, Status.CANCELLED, Status.DELIVERED)
"""What can be sent again: a pending one is on its way already, and a held one is not to be sent."""


class JobKind(enum.StrEnum):
    """What is done to each delivery."""

    RESEND = "resend"
    CANCEL = "cancel"


class JobState(enum.StrEnum):
    """How a job stands."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


JobFailure = Literal["endpointDeleted"]
"""Why a job could not go on."""


class Job(Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is to be done to which deliveries, and how far that has come.

    A field that this release does not know may say that less is to be done, so a job with one is left to who does.

    All that is given of endpoint, rule and contact must hold; `since` (included) and `until` (not) compare when a
    delivery was made, and `open_end` says that nobody named an end, so that it is the job's own beginning. `rate` are
    deliveries in a second, None: no limit. `first` is the first delivery that was looked at, `cursor` the last. `done`
    counts those that something was done to, `skipped` those that had changed before their turn came. `paced_at` is
    until when the rate is used up.
    """

    id: str
    kind: JobKind
    created_at: Millis
    until: Millis
    since: Millis | None = None
    open_end: bool = False
    statuses: tuple[Status, ...] = ()
    endpoint_id: str | None = None
    rule_id: str | None = None
    contact_id: str | None = None
    rate: float | None = None
    by: str = ""
    state: JobState = JobState.RUNNING
    failure: JobFailure | None = None
    first: str | None = None
    cursor: str | None = None
    done: int = 0
    skipped: int = 0
    paced_at: Millis = 0
    ended_at: Millis | None = None

    @property
    def key(self) -> str:
        """What only one running job may have: an endpoint is sent one range at a time, and nothing called off twice."""
        if self.kind is JobKind.RESEND:
            return f"resend:{self.endpoint_id}"
        until = None if self.open_end else self.until
        return "cancel:" + json.dumps([self.endpoint_id, self.rule_id, self.contact_id, self.since, until])

    @property
    def newest_first(self) -> bool:
        """Whether it goes back in time: what is called off from the end of a lane lets nothing out at its head."""
        return self.kind is JobKind.CANCEL

    @property
    def progress(self) -> float:
        """How much of its time it has gone through from the first that it met on, from 0 to 1."""
        if self.state is JobState.DONE:
            return 1.0
        if self.cursor is None:
            return 0.0
        start, end = self.since or 0, self.until
        if self.newest_first:
            start, end = end, start
        if self.first is not None:
            start = time_of(self.first)
        return min(1.0, max(0.0, (time_of(self.cursor) - start) / ((end - start) or 1)))

    def asks_for(self, other: "Job") -> bool:
        """Whether it asks for just what another one does, be it at another rate."""
        return self.key == other.key and _asked(self) == _asked(other)


def allowance(job: Job, rate: float | None, now: Millis, most: int) -> tuple[int, Millis]:
    """How many deliveries a job may take now, at most `most`, and the `paced_at` that follows.

    `rate` are deliveries in a second; None: no limit. Of what was not used, a second's worth is saved up, or one
    delivery.
    """
    if rate is None:
        return most, now
    step = SECOND / rate
    # a clock that was set back must not stop a job for as long
    used_up = min(max(job.paced_at, now - math.ceil(max(SECOND, step))), now)
    n = min(most, int((now - used_up) / step))
    return n, used_up + int(n * step)


def _asked(job: Job) -> tuple[object, ...]:
    return job.since, None if job.open_end else job.until, frozenset(job.statuses)
