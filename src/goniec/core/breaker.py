"""The breaker: whether an endpoint is worth trying, as a fold over what came of its attempts.

The deliver flow calls `judged` with every outcome and sends what the state allows; the last state that mattered is kept
with the endpoint. While the breaker is open no delivery's schedule runs: one probe at a time asks whether the endpoint
is back, and counts for nothing. So an outage of any length uses up nobody's attempts.
"""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from goniec.core.model import MAIL_ITSELF, UNWANTED, Attempt, Failure
from goniec.core.retry import JITTER, Policy
from goniec.core.times import DAY, SECOND, Millis

FAILURES: Final = 5
"""So many failures in a row open the breaker,"""
DELIVERIES: Final = 3
"""when they are of so many deliveries at least: a poisoned one is not the endpoint's fault."""

PROBE_FIRST: Final = 30
PROBE_LAST: Final = 600
"""Seconds from the opening to the first probe, and the most that they grow to: they double with every probe."""

FAILING_LIMIT: Final[Millis] = 5 * DAY
"""After so long of trying without one success an endpoint is paused."""

_GAP: Final[Millis] = DAY
"""Time without an attempt is no trying: of a longer gap only so much counts."""

_OF_ENDPOINT: Final = frozenset({401, 403, 404, 408, 429})
"""Of the client errors, those that say nothing of the message that was sent."""
_NOBODY: Final = UNWANTED | {Failure.INTERNAL, Failure.GONE, Failure.STALE, Failure.GRANT_EXPIRED}
"""A fault in Goniec itself is not the endpoint's, 410 has an answer of its own, which is to pause it, and a connection
that had died while idle, or a token that had run out, says nothing of now. Nor does a mail that was not sent."""


class Breaker(Struct, frozen=True, omit_defaults=True):
    """How an endpoint has been doing since its last success.

    `failures` counts those in a row that were its fault, `failed` names the first deliveries among them. `opened_at` is
    since when the breaker is open (None: it is closed), `probes` how many have failed since, `probe_at` when the next
    may go. `failing` is for how long, in milliseconds, the endpoint has been tried without success, up to `failed_at`.
    """

    failures: int = 0
    failed: tuple[str, ...] = ()
    opened_at: Millis | None = None
    probes: int = 0
    probe_at: Millis = 0
    failing: Millis = 0
    failed_at: Millis | None = None

    @property
    def open(self) -> bool:
        """Whether only probes may go."""
        return self.opened_at is not None

    @property
    def worn_out(self) -> bool:
        """Whether it is time to pause the endpoint."""
        return self.failing >= FAILING_LIMIT


CLOSED: Final = Breaker()


def kept(breaker: Breaker) -> Breaker:
    """Give what is worth keeping of a state: of a closed breaker for how long the endpoint has failed, and no more."""
    return breaker if breaker.open else Breaker(failing=breaker.failing, failed_at=breaker.failed_at)


def in_force(breaker: Breaker, policy: Policy) -> Breaker:
    """Give the state that counts under a policy: where the breaker is switched off, it is closed."""
    return (
        breaker
        if policy.breaker or not breaker.open
        else replace(CLOSED, failing=breaker.failing, failed_at=breaker.failed_at)
    )


def at_fault(attempt: Attempt) -> bool:
    """Tell whether an attempt failed by the endpoint's fault, and not by that of the message which it was sent."""
    if attempt.failure is None or attempt.failure in _NOBODY or attempt.failure in MAIL_ITSELF:
        return False
    return attempt.failure is not Failure.REJECTED or attempt.status in _OF_ENDPOINT


def judged(breaker: Breaker, policy: Policy, attempt: Attempt, now: Millis, jitter: float, *, probe: bool) -> Breaker:
    """Give the state after an attempt that has ended at `now`.

    An answer that blames the message is proof that the endpoint works, so it closes the breaker as a success does;
    but only a success ends the time of failing. What was under way when the breaker opened is no `probe` and puts off
    none. `jitter` is a random number in [-1, 1].
    """
    if attempt.failure is None:
        return CLOSED
    breaker = _failing(breaker, now)
    if attempt.failure in _NOBODY:
        return breaker
    if not at_fault(attempt):
        return Breaker(failing=breaker.failing, failed_at=breaker.failed_at)
    failed = breaker.failed
    if attempt.delivery_id not in failed and len(failed) < DELIVERIES:
        failed = (*failed, attempt.delivery_id)
    breaker = replace(breaker, failures=breaker.failures + 1, failed=failed)
    if breaker.open:
        return _waiting(replace(breaker, probes=breaker.probes + 1), now, jitter) if probe else breaker
    if policy.breaker and breaker.failures >= FAILURES and len(failed) >= DELIVERIES:
        return _waiting(replace(breaker, opened_at=now), now, jitter)
    return breaker


def _failing(breaker: Breaker, now: Millis) -> Breaker:
    gap = 0 if breaker.failed_at is None else min(max(0, now - breaker.failed_at), _GAP)
    return replace(breaker, failing=breaker.failing + gap, failed_at=now)


def _waiting(breaker: Breaker, now: Millis, jitter: float) -> Breaker:
    # beyond so many doublings the limit is reached; a number of a thousand digits helps nobody
    step = min(PROBE_FIRST << min(breaker.probes, 10), PROBE_LAST) * SECOND
    return replace(breaker, probe_at=now + step + int(step * JITTER * jitter))
