"""Instants, dates and durations: how they are read, written and added up.

Every room that touches a time calls this one, so that an instant means the same everywhere: integer milliseconds since
1970-01-01T00:00:00Z (`Millis`). There is no clock in here: what time it is now is always an argument.

Reading is strict, and a `ValueError` says what to write instead. It never repeats the text: the caller names the field.
"""

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from msgspec import Struct

Millis: TypeAlias = int

SECOND: Final[Millis] = 1_000
MINUTE: Final[Millis] = 60 * SECOND
HOUR: Final[Millis] = 60 * MINUTE
DAY: Final[Millis] = 24 * HOUR

LAST: Final[Millis] = 253_402_300_799_999
"""The last instant that can be read or written: 9999-12-31T23:59:59.999Z."""

LONGEST_DURATION: Final = 3_653 * 86_400
"""Ten years, counted with three leap days: the longest duration, in seconds."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()

_DATE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_INSTANT: Final = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d)[Tt](?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-5]\d|60)(?:\.(?P<fraction>\d+))?"
    r"(?P<offset>[Zz]|(?P<sign>[+-])(?P<hours>[01]\d|2[0-3]):(?P<minutes>[0-5]\d))?",
    re.ASCII,
)
_DURATION: Final = re.compile(
    r"P(?=.)(?:(\d{1,12})W)?(?:(\d{1,12})D)?(?:T(?=.)(?:(\d{1,12})H)?(?:(\d{1,12})M)?(?:(\d{1,12})S)?)?", re.ASCII
)
_YEARS_OR_MONTHS: Final = re.compile(r"P[^T]*[YM]")


def parse_instant(text: str) -> Millis:
    """Read an RFC 3339 `date-time` (section 5.6), whose offset says which instant is meant.

    A fraction is cut to milliseconds, never rounded into the next second. `-00:00` counts as UTC. A leap second, which
    can only stand at the end of a month in UTC, counts as the last millisecond of its day.

    Raises:
        ValueError: it has another form, no offset, a date or time that does not exist, or is not in 1970 to 9999.

    """
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ValueError("not a time as in RFC 3339, such as 2026-11-25T03:36:00Z or 2026-11-25T04:36:00.5+01:00")
    day, hour, minute, second, fraction, offset, sign, hours, minutes = found.groups()
    if offset is None:
        raise ValueError("a time needs an offset: end it with Z for UTC, or with one such as +01:00")
    ahead = 0 if sign is None else int(hours) * HOUR + int(minutes) * MINUTE
    start = _start_of_day(day) + int(hour) * HOUR + int(minute) * MINUTE - (-ahead if sign == "-" else ahead)
    if second == "60":
        at = start + MINUTE - 1
    else:
        at = start + int(second) * SECOND + int((fraction or "")[:3].ljust(3, "0"))
    if not 0 <= at <= LAST:
        raise ValueError("a time must lie in the years 1970 to 9999")
    if second == "60" and not _ends_a_month(at):
        raise ValueError("a leap second can only stand at 23:59:60 UTC on the last day of a month")
    return at


def format_instant(at: Millis) -> str:
    """Write an instant from 0 to `LAST` as RFC 3339 in UTC, always with milliseconds: `2026-11-25T03:36:00.123Z`."""
    seconds, millis = divmod(at, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC).isoformat()[:19]}.{millis:03d}Z"


def parse_date(text: str) -> date:
    """Read an RFC 3339 `full-date` such as 2026-11-25: a day without a time, which no zone may shift.

    Raises:
        ValueError: it has another form, or the calendar has no such day.

    """
    found = _DATE.fullmatch(text)
    if found is None:
        raise ValueError("not a date as in RFC 3339, such as 2026-11-25")
    try:
        return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        raise ValueError("the calendar has no such day") from None


class Duration(Struct, frozen=True):
    """A length of time, kept as it was written: P1D is a day of the calendar, PT24H is 24 hours.

    Raises:
        ValueError: a part is negative, or the whole is longer than ten years (`LONGEST_DURATION`).

    """

    weeks: int = 0
    days: int = 0
    hours: int = 0
    minutes: int = 0
    seconds: int = 0

    def __post_init__(self) -> None:
        if min(self.weeks, self.days, self.hours, self.minutes, self.seconds) < 0:
            raise ValueError("a duration cannot be negative")
        days = self.weeks * 7 + self.days
        if days * 86_400 + self.hours * 3_600 + self.minutes * 60 + self.seconds > LONGEST_DURATION:
            raise ValueError("a duration cannot be longer than ten years (P3653D)")


def parse_duration(text: str) -> Duration:
    """Read an ISO 8601 duration in whole weeks, days, hours, minutes and seconds, such as P1W, P1DT12H or PT0S.

    Years and months are refused because their length depends on where they start.

    Raises:
        ValueError: it has another form, no number at all (`P`, `PT`), a sign, a fraction, or is longer than ten years.

    """
    found = _DURATION.fullmatch(text)
    if found is None:
        if _YEARS_OR_MONTHS.match(text):
            raise ValueError("years and months vary in length: use weeks or days, such as P4W or P30D")
        raise ValueError("not an ISO 8601 duration in whole W, D, H, M and S, such as P1W, P1DT12H or PT90S")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return Duration(weeks, days, hours, minutes, seconds)


def format_duration(duration: Duration) -> str:
    """Write a duration with the parts that it has, such as P1DT12H; none at all is PT0S."""
    date_part = _parts(((duration.weeks, "W"), (duration.days, "D")))
    time_part = _parts(((duration.hours, "H"), (duration.minutes, "M"), (duration.seconds, "S")))
    if time_part:
        return f"P{date_part}T{time_part}"
    return f"P{date_part}" if date_part else "PT0S"


def add(at: Millis, duration: Duration, zone: ZoneInfo) -> Millis:
    """Move an instant forward: first by weeks and days on the zone's wall clock, then by the rest as elapsed time.

    So P1D is the same wall clock tomorrow, however long the night is, and PT24H is always 24 hours. Where that wall
    clock does not exist (the clock went forward over it) it moves on by what is missing: 02:30 becomes 03:30. Where it
    comes twice (the clock went back) the first is meant. Without weeks and days the zone plays no part.

    Raises:
        OverflowError, ValueError: the wall clock would be past the year 9999.

    """
    return _shift(at, duration, zone, 1)


def subtract(at: Millis, duration: Duration, zone: ZoneInfo) -> Millis:
    """Move an instant back, by the same rules as `add`: P1D is the same wall clock yesterday.

    Raises:
        OverflowError, ValueError: the wall clock would be before the year 1.

    """
    return _shift(at, duration, zone, -1)


def _start_of_day(day: str) -> Millis:
    if day.startswith("0000"):
        # RFC 3339 has a year 0, the calendar of the standard library has none
        raise ValueError("a time must lie in the years 1970 to 9999")
    return (parse_date(day).toordinal() - _EPOCH_DAY) * DAY


def _ends_a_month(at: Millis) -> bool:
    days, rest = divmod(at, DAY)
    day = date.fromordinal(_EPOCH_DAY + days)
    return rest == DAY - 1 and day.day == monthrange(day.year, day.month)[1]


def _parts(parts: tuple[tuple[int, str], ...]) -> str:
    return "".join(f"{count}{unit}" for count, unit in parts if count)


def _shift(at: Millis, duration: Duration, zone: ZoneInfo, sign: int) -> Millis:
    days = duration.weeks * 7 + duration.days
    if days:
        seconds, millis = divmod(at, SECOND)
        # adding to an aware datetime moves its wall clock and sets fold 0, which zoneinfo reads as `add` says
        wall = datetime.fromtimestamp(seconds, zone) + timedelta(days=sign * days)
        at = (wall - _EPOCH) // timedelta(seconds=1) * SECOND + millis
    return at + sign * (duration.hours * HOUR + duration.minutes * MINUTE + duration.seconds * SECOND)
