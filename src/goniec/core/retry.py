"""What comes after an attempt: nothing more, the next one and when, or the end.

The deliver flow calls `after` with the outcome of every attempt and does what the decision says; it decides nothing
itself. Time and chance are arguments, so a schedule of three days is tested in no time. The breaker, a fold over the
same outcomes, is in a room beside this one.
"""

import math
import re
from datetime import UTC, datetime
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from goniec.core.model import BOUNCES, UNWANTED, Failure
from goniec.core.parts import PARTS
from goniec.core.times import SECOND, Millis

JITTER: Final = 0.2
"""By how much of itself chance stretches or shortens a step, so that what failed together does not return together."""

RETRY_AFTER_CAP: Final = 86_400
"""The longest wait, in seconds, that a receiver can ask for."""

REFUSALS: Final = 2
"""How many answers with a `PERMANENT` status it takes until a delivery leaves its lane."""

CLIENT_ERRORS: Final = range(400, 500)
PERMANENT: Final = frozenset(CLIENT_ERRORS) - {401, 403, 404, 408, 409, 410, 425, 429}
"""Client errors that say something about this message; the others say something about the endpoint, or about now."""

_HINTED: Final = frozenset({429, 503})
"""Statuses whose Retry-After counts."""

FOR_GOOD: Final = BOUNCES | {Failure.MESSAGE_REFUSED}
"""A mail server's last word on a mail (RFC 5321, section 4.2.1): asking again changes nothing."""

_STEPS_MAX: Final = 50
_STEP_MAX: Final = 7 * 86_400
_TIMEOUT_MAX: Final = 30
_CONCURRENCY_MAX: Final = 1_000
_HOLD_MAX: Final = 30 * 86_400
_RATE_MIN: Final = 0.001
_RATE_MAX: Final = 10_000

_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*", re.ASCII
)
_ADDRESS_MAX: Final = 254

_SHORT_YEAR: Final = len("94")
_SECONDS: Final = re.compile(r"\d+", re.ASCII)
_DIGITS_READ: Final = 18
"""A number with more is more than a day, whatever it is; beyond some thousands Python would not even read it."""

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH: Final = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME: Final = r"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-5]\d|60)"
_HTTP_DATE: Final = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT",
        rf"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",
        rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
    )
)


class Policy(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """How an endpoint wants to be told.

    `schedule` are the waits before the second and each further attempt, in seconds, so k of them make k + 1 attempts.
    `timeout` bounds an attempt to its last byte and `connect_timeout` its connecting, in seconds; `rate` the requests
    that start in a second (None: no limit), `concurrency` those under way at a time. With `order`, the deliveries of
    one contact go one after the other, and one that has failed for `order_hold` seconds steps aside (0: never). With
    `breaker`, an endpoint that fails is left alone but for single probes. `tell_erasure` asks to be told when a contact
    is erased that it had been told about. `owner` is the e-mail address of who is told when deliveries fail for good.
    With `split`, several processes that share a database deliver to it at once, each to some of the contacts.

    Raises:
        ValueError: a value that makes no sense; it names the field as it stands in JSON.
    """

    schedule: tuple[int, ...] = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
    timeout: float = 15.0
    connect_timeout: float = 5.0
    rate: float | None = None
    concurrency: int = 16
    order: bool = True
    order_hold: int = 1_800
    breaker: bool = True
    tell_erasure: bool = False
    owner: str | None = None
    split: bool = False

    def __post_init__(self) -> None:
        if len(self.schedule) > _STEPS_MAX:
            raise ValueError(f"schedule has at most {_STEPS_MAX} steps, and this has {len(self.schedule)}")
        if not all(1 <= step <= _STEP_MAX for step in self.schedule):
            raise ValueError(f"schedule has steps of 1 to {_STEP_MAX} seconds")
        # NaN is in no range
        if not 1 <= self.timeout <= _TIMEOUT_MAX:
            raise ValueError(f"timeout goes from 1 to {_TIMEOUT_MAX} seconds")
        if not 1 <= self.connect_timeout <= _TIMEOUT_MAX:
            raise ValueError(f"connectTimeout goes from 1 to {_TIMEOUT_MAX} seconds")
        if self.rate is not None and not _RATE_MIN <= self.rate <= _RATE_MAX:
            raise ValueError(f"rate goes from {_RATE_MIN} to {_RATE_MAX} requests a second; null is no limit")
        if not 1 <= self.concurrency <= _CONCURRENCY_MAX:
            raise ValueError(f"concurrency goes from 1 to {_CONCURRENCY_MAX}")
        if not 0 <= self.order_hold <= _HOLD_MAX:
            raise ValueError(f"orderHold goes from 0 (for ever) to {_HOLD_MAX} seconds")
        if self.owner is not None:
            check_address(self.owner)
        if self.split and self.concurrency < PARTS:
            raise ValueError(f"split goes with a concurrency of {PARTS} or more: each of the {PARTS} parts needs one")


def check_address(text: str) -> None:
    """Raise `ValueError` unless a text is an e-mail address that every mail server takes: plain ASCII, no name."""
    if len(text) > _ADDRESS_MAX or _ADDRESS.fullmatch(text) is None:
        raise ValueError("owner is one e-mail address such as jan@example.com; null is nobody")


class Tried(Struct, frozen=True):
    """How far a delivery has come; `Delivery` has these under the same names.

    `counted` are the attempts that used up the schedule, `refusals` those answered with a `PERMANENT` status,
    `first_at` the start of the first attempt, `aside` that it has left its lane, which is for good.
    """

    counted: int = 0
    refusals: int = 0
    first_at: Millis | None = None
    aside: bool = False


class Outcome(Struct, frozen=True):
    """What came of one attempt: when it started, why it failed (None: delivered), and the answer if there was one.

    `fresh` says that it had a new connection, `retry_after` is that header as it came. `uncounted` says that the
    failure uses up nothing, for the breaker is open: the delivery stays due when it was, at that time.
    """

    started: Millis
    failure: Failure | None
    status: int | None = None
    retry_after: str | None = None
    fresh: bool = False
    uncounted: Millis | None = None


class Delivered(Struct, frozen=True, tag=True):
    """It is done."""

    tried: Tried


class RetryAt(Struct, frozen=True, tag=True):
    """Try again at `at`, on a new connection if `fresh`; hold the whole endpoint until `endpoint_held_until`."""

    tried: Tried
    at: Millis
    endpoint_held_until: Millis | None = None
    fresh: bool = False

    @property
    def aside(self) -> bool:
        """Whether it goes on outside its lane, so that later deliveries may go."""
        return self.tried.aside


class GiveUp(Struct, frozen=True, tag=True):
    """The schedule is used up: the delivery has failed. The endpoint may still have asked to be left alone."""

    tried: Tried
    endpoint_held_until: Millis | None = None


class Gone(Struct, frozen=True, tag=True):
    """The endpoint wants no more: pause it. The delivery stays pending and is due at `at`, as soon as it is resumed."""

    tried: Tried
    at: Millis


class CallOff(Struct, frozen=True, tag=True):
    """Nobody wants it any more: it is cancelled."""

    tried: Tried


Next: TypeAlias = Delivered | RetryAt | GiveUp | Gone | CallOff


def after(policy: Policy, tried: Tried, outcome: Outcome, now: Millis, jitter: float, *, endpoint_works: bool) -> Next:
    """Decide what follows from an attempt, `tried` being how far the delivery had come before it.

    `jitter` is a random number in [-1, 1]. `endpoint_works` says that the endpoint takes other deliveries: only then
    can the fault be this one's, and leaving its lane help the others.

    Three failures never use up anything of the schedule. A pooled connection that had died while idle says nothing
    about the endpoint, nor does an access token that has run out: it is tried again at once on a new connection with a
    new token, where it cannot happen twice. And a 410 is the end for the endpoint (RFC 9110, section 15.5.11) but not
    for what waits for it.
    """
    tried = _noted(tried, outcome)
    match outcome.failure:
        case None:
            return Delivered(_counted(tried))
        case Failure.GONE:
            return Gone(tried, now)
        case failure if failure in UNWANTED:
            return CallOff(tried)
        case failure if failure in FOR_GOOD:
            return GiveUp(_counted(tried))
        case Failure.STALE | Failure.GRANT_EXPIRED if not outcome.fresh:
            return RetryAt(tried, now, fresh=True)
        case _ if outcome.uncounted is not None:
            hint = _hint(outcome, now)
            return RetryAt(tried, outcome.uncounted, None if hint is None else now + hint * SECOND)
        case _:
            return _next_step(policy, _counted(tried), outcome, now, jitter, endpoint_works=endpoint_works)


def parse_retry_after(text: str, now: Millis) -> int | None:
    """Read a Retry-After (RFC 9110, section 10.2.3) as seconds from `now`, at most `RETRY_AFTER_CAP`.

    A number of seconds or an HTTP-date in any of its three forms (section 5.6.7). None for all else, and for a date
    that is over.
    """
    text = text.strip(" \t")
    if _SECONDS.fullmatch(text):
        digits = text.lstrip("0")
        return min(int(digits or "0"), RETRY_AFTER_CAP) if len(digits) <= _DIGITS_READ else RETRY_AFTER_CAP
    at = _http_date(text, now)
    if at is None or at <= now:
        return None
    return min(math.ceil((at - now) / SECOND), RETRY_AFTER_CAP)


def _noted(tried: Tried, outcome: Outcome) -> Tried:
    return replace(
        tried,
        first_at=outcome.started if tried.first_at is None else tried.first_at,
        refusals=tried.refusals + (outcome.failure is Failure.REJECTED and outcome.status in PERMANENT),
    )


def _counted(tried: Tried) -> Tried:
    return replace(tried, counted=tried.counted + 1)


def _next_step(
    policy: Policy, tried: Tried, outcome: Outcome, now: Millis, jitter: float, *, endpoint_works: bool
) -> RetryAt | GiveUp:
    hint = _hint(outcome, now)
    held_until = None if hint is None else now + hint * SECOND
    if tried.counted > len(policy.schedule):
        return GiveUp(tried, held_until)
    step = policy.schedule[tried.counted - 1] * SECOND
    # cut towards the step, so that rounding never leaves the range
    at = now + step + int(step * JITTER * jitter)
    if policy.order and (tried.refusals >= REFUSALS or (endpoint_works and _held_long(policy, tried, now))):
        tried = replace(tried, aside=True)
    # The endpoint rests for as long as it asked, not for this delivery's step: late in the schedule that is a day.
    return RetryAt(tried, at if held_until is None else max(at, held_until), held_until)


def _held_long(policy: Policy, tried: Tried, now: Millis) -> bool:
    return bool(policy.order_hold) and tried.first_at is not None and now - tried.first_at >= policy.order_hold * SECOND


def _hint(outcome: Outcome, now: Millis) -> int | None:
    if outcome.retry_after is None or outcome.status not in _HINTED:
        return None
    return parse_retry_after(outcome.retry_after, now)


def _http_date(text: str, now: Millis) -> Millis | None:
    found = next((match for form in _HTTP_DATE if (match := form.fullmatch(text))), None)
    if found is None:
        return None
    year, month, day = int(found["year"]), _MONTHS.index(found["month"]) + 1, int(found["day"])
    if len(found["year"]) == _SHORT_YEAR:
        year = _whole_year(year, datetime.fromtimestamp(now // SECOND, UTC).year)
    try:
        # a leap second is over before anybody waits for it
        second = min(int(found["second"]), 59)
        at = datetime(year, month, day, int(found["hour"]), int(found["minute"]), second, tzinfo=UTC)
    except ValueError:
        return None
    return int(at.timestamp()) * SECOND


def _whole_year(short: int, this_year: int) -> int:
    """Find the century of a year of two digits: this one, unless that would be over 50 years ahead."""
    year = this_year - this_year % 100 + short
    return year - 100 if year > this_year + 50 else year
