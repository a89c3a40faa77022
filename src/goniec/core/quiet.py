"""When marketing mail may go to a contact, and how much of it in a day.

Limits are the workspace's, and a rule may tighten them; both count. Called by `decide`, and for every mail that is
about to go. Hours and days are those of the contact's own wall clock.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct, field

from goniec.core.problems import Problem
from goniec.core.times import SECOND, Millis

_HOUR: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_DAYS_KEPT: Final = 3


class QuietHours(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """From one wall clock time until another, past midnight where it is earlier; the end is not quiet any more."""

    start: str = field(name="from")
    until: str

    @property
    def minutes(self) -> tuple[int, int]:
        """Both as minutes of the day."""
        return _minutes(self.start), _minutes(self.until)


class MailLimits(Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Hours in which no marketing mail goes, and how many may go to one contact in a day; null is no limit."""

    quiet_hours: QuietHours | None = None
    per_day: Annotated[int, Meta(ge=1, le=1_000)] | None = None


NO_LIMITS: Final = MailLimits()


def limit_problems(limits: MailLimits, pointer: str) -> list[Problem]:
    """Tell what makes no sense."""
    hours = limits.quiet_hours
    if hours is None:
        return []
    found = [
        Problem(f"{pointer}/quietHours/{name}", "is a time of day such as 21:00")
        for name, text in (("from", hours.start), ("until", hours.until))
        if _HOUR.fullmatch(text) is None
    ]
    if not found and hours.start == hours.until:
        found.append(Problem(f"{pointer}/quietHours/until", "is another time than from: else no mail would ever go"))
    return found


def allowed_at(now: Millis, zone: ZoneInfo, limits: Sequence[MailLimits]) -> Millis:
    """Give the first instant from `now` on that is quiet for none of the limits.

    Where they leave no minute of the day, the end of the last quiet hours that were looked at: a mail that never goes
    helps nobody.
    """
    hours = [one.quiet_hours.minutes for one in limits if one.quiet_hours is not None]
    at = now
    for _ in range(2 * len(hours) + 1):
        later = max((_until(at, zone, *quiet) for quiet in hours), default=at)
        if later == at:
            return at
        at = later
    return at


def wait(now: Millis, zone: ZoneInfo, limits: Sequence[MailLimits]) -> Millis | None:
    """Give the instant for which what is about to go has to wait; None: it may go.

    Where the limits leave no minute of the day it may: it has waited once, when it was decided.
    """
    at = allowed_at(now, zone, limits)
    return at if at > now and allowed_at(at, zone, limits) == at else None


def room(mailed: Mapping[str, int], day: str, limits: Sequence[MailLimits]) -> bool:
    """Whether one more mail may go on that day."""
    most = [one.per_day for one in limits if one.per_day is not None]
    return not most or mailed.get(day, 0) < min(most)


def counted(mailed: Mapping[str, int], day: str) -> dict[str, int]:
    """Count one more; days that are long over are forgotten."""
    days = sorted({*mailed, day})[-_DAYS_KEPT:]
    return {one: mailed.get(one, 0) + (one == day) for one in days}


def day_of(at: Millis, zone: ZoneInfo) -> str:
    """Give the day on the zone's calendar, such as 2025-11-25."""
    return datetime.fromtimestamp(at / SECOND, zone).date().isoformat()


def midnight(at: Millis, zone: ZoneInfo, ahead: int = 0) -> Millis:
    """Give when the zone's day began, or so many days `ahead` begins."""
    day = datetime.fromtimestamp(at / SECOND, zone).date() + timedelta(days=ahead)
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).timestamp()) * SECOND


def _until(at: Millis, zone: ZoneInfo, start: int, until: int) -> Millis:
    """When quiet hours that are on at an instant end; the instant itself where they are not."""
    clock = datetime.fromtimestamp(at / SECOND, zone)
    minute = clock.hour * 60 + clock.minute
    if not (start <= minute < until if start < until else minute >= start or minute < until):
        return at
    day = clock.date() + timedelta(days=1 if minute >= until else 0)
    end = datetime(day.year, day.month, day.day, until // 60, until % 60, tzinfo=zone)
    return max(at + 1, int(end.astimezone(UTC).timestamp()) * SECOND)


def _minutes(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)
