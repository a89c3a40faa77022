"""Quiet hours and how many mails a day: by the wall clock of the contact."""

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.core.quiet import (
    NO_LIMITS,
    MailLimits,
    QuietHours,
    allowed_at,
    counted,
    day_of,
    limit_problems,
    room,
    wait,
)
from goniec.core.times import DAY, MINUTE, SECOND, Millis

WARSAW = ZoneInfo("Europe/Warsaw")
NIGHT = MailLimits(QuietHours("21:00", "08:00"))
NOON = MailLimits(QuietHours("12:00", "13:30"))

HOURS = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
LIMITS = st.builds(
    lambda start, until: MailLimits(QuietHours(start, until)), HOURS, HOURS
).filter(lambda one: one.quiet_hours is not None and one.quiet_hours.start != one.quiet_hours.until)  # fmt: skip


def at(text: str) -> Millis:
    return int(datetime.fromisoformat(text).replace(tzinfo=WARSAW).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("now", "limits", "allowed"),
    [
        ("2025-11-25T20:59", [NIGHT], "2025-11-25T20:59"),
        ("2025-11-25T21:00", [NIGHT], "2025-11-26T08:00"),
        ("2025-11-25T23:59", [NIGHT], "2025-11-26T08:00"),
        ("2025-11-26T00:00", [NIGHT], "2025-11-26T08:00"),
        ("2025-11-26T07:59", [NIGHT], "2025-11-26T08:00"),
        ("2025-11-26T08:00", [NIGHT], "2025-11-26T08:00"),
        ("2025-11-26T12:10", [NIGHT, NOON], "2025-11-26T13:30"),
        ("2025-11-26T12:10", [NO_LIMITS], "2025-11-26T12:10"),
        ("2025-11-26T12:10", [], "2025-11-26T12:10"),
        # a rule that tightens: its quiet hours begin where the workspace's end
        ("2025-11-26T07:00", [NIGHT, MailLimits(QuietHours("08:00", "10:00"))], "2025-11-26T10:00"),
        # the clock goes forward in that night, and back in this one
        ("2025-03-30T01:30", [NIGHT], "2025-03-30T08:00"),
        ("2025-10-26T01:30", [NIGHT], "2025-10-26T08:00"),
        # half past two does not exist on that day
        ("2025-03-30T01:30", [MailLimits(QuietHours("01:00", "02:30"))], "2025-03-30T03:30"),
    ],
)
def test_when_a_mail_may_go(now: str, limits: list[MailLimits], allowed: str) -> None:
    assert allowed_at(at(now), WARSAW, limits) == at(allowed)


@given(st.integers(0, 3 * 365 * 24 * 60), st.lists(LIMITS, max_size=2))
def test_a_mail_waits_no_longer_than_it_must(minutes: int, limits: list[MailLimits]) -> None:
    now = at("2025-01-01T00:00") + minutes * MINUTE
    allowed = allowed_at(now, WARSAW, limits)
    assert now <= allowed <= now + 3 * DAY
    if len(limits) == 1:
        assert allowed_at(allowed, WARSAW, limits) == allowed


def test_a_mail_that_may_never_go_goes_all_the_same() -> None:
    never = [MailLimits(QuietHours("00:00", "12:00")), MailLimits(QuietHours("12:00", "00:00"))]
    assert allowed_at(at("2025-11-26T07:00"), WARSAW, never) > at("2025-11-26T07:00")
    assert wait(at("2025-11-26T07:00"), WARSAW, never) is None


@given(st.integers(0, 3 * 365 * 24 * 60), LIMITS)
def test_what_is_about_to_go_waits_as_long_as_what_is_decided(minutes: int, limits: MailLimits) -> None:
    now = at("2025-01-01T00:00") + minutes * MINUTE
    until = wait(now, WARSAW, [limits, NO_LIMITS])
    assert (now if until is None else until) == allowed_at(now, WARSAW, [limits])
    assert until is None or wait(until, WARSAW, [limits]) is None


def test_the_tightest_number_counts() -> None:
    limits = [MailLimits(per_day=3), MailLimits(per_day=2), NO_LIMITS]
    assert room({}, "2025-11-26", limits)
    assert room({"2025-11-26": 1, "2025-11-25": 9}, "2025-11-26", limits)
    assert not room({"2025-11-26": 2}, "2025-11-26", limits)
    assert room({"2025-11-26": 2_000}, "2025-11-26", [NO_LIMITS])


def test_days_that_are_over_are_forgotten() -> None:
    mailed: dict[str, int] = {}
    for day in ("2025-11-24", "2025-11-25", "2025-11-26", "2025-11-26", "2025-11-27"):
        mailed = counted(mailed, day)
    assert mailed == {"2025-11-25": 1, "2025-11-26": 2, "2025-11-27": 1}


def test_a_day_is_the_contact_s() -> None:
    assert day_of(at("2025-11-26T00:30"), WARSAW) == "2025-11-26"
    assert day_of(at("2025-11-26T00:30"), ZoneInfo("America/New_York")) == "2025-11-25"


@pytest.mark.parametrize(
    ("limits", "where"),
    [
        (NIGHT, []),
        (NO_LIMITS, []),
        (MailLimits(QuietHours("9:00", "24:00")), ["/mail/quietHours/from", "/mail/quietHours/until"]),
        (MailLimits(QuietHours("09:00", "09:00")), ["/mail/quietHours/until"]),
    ],
)
def test_what_makes_no_sense(limits: MailLimits, where: list[str]) -> None:
    assert [problem.pointer for problem in limit_problems(limits, "/mail")] == where


def test_the_names_outside() -> None:
    assert msgspec.json.encode(MailLimits(QuietHours("21:00", "08:00"), 2)) == (
        b'{"quietHours":{"from":"21:00","until":"08:00"},"perDay":2}'
    )
