"""Instants, dates and durations are read strictly and added on the wall clock of a zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.core.times import (
    DAY,
    HOUR,
    LAST,
    LONGEST_DURATION,
    MINUTE,
    SECOND,
    Duration,
    Millis,
    add,
    format_duration,
    format_instant,
    parse_date,
    parse_duration,
    parse_instant,
    subtract,
)

WARSAW = ZoneInfo("Europe/Warsaw")
ZONES = st.sampled_from(
    [ZoneInfo(name) for name in ("UTC", "Europe/Warsaw", "America/New_York", "Pacific/Auckland", "Asia/Kathmandu")]
)
INSTANTS = st.integers(0, LAST)
# far enough from the end of the calendar for ten years more
EARLIER = st.integers(10 * 366 * DAY, 4_000_000_000 * SECOND)
SMALL = st.integers(0, 400)
DURATIONS = st.builds(Duration, weeks=SMALL, days=SMALL, hours=SMALL, minutes=SMALL, seconds=SMALL)


def at(text: str, zone: ZoneInfo = WARSAW) -> Millis:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * SECOND


class TestInstants:
    @pytest.mark.parametrize(
        ("text", "same"),
        [
            ("2026-11-25T03:36:00Z", "2026-11-25T03:36:00.000Z"),
            ("2026-11-25t03:36:00z", "2026-11-25T03:36:00.000Z"),
            ("2026-11-25T04:36:00+01:00", "2026-11-25T03:36:00.000Z"),
            ("2026-11-24T22:06:00-05:30", "2026-11-25T03:36:00.000Z"),
            ("2026-11-25T03:36:00-00:00", "2026-11-25T03:36:00.000Z"),
            ("2026-11-25T03:36:00.1Z", "2026-11-25T03:36:00.100Z"),
            ("2026-11-25T03:36:00.0129Z", "2026-11-25T03:36:00.012Z"),
            ("2026-11-25T03:36:59.9999999999999999Z", "2026-11-25T03:36:59.999Z"),
            ("2028-02-29T12:00:00Z", "2028-02-29T12:00:00.000Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
            ("1969-12-31T23:30:00-01:00", "1970-01-01T00:30:00.000Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ],
    )
    def test_are_read_and_written_in_utc(self, text: str, same: str) -> None:
        assert format_instant(parse_instant(text)) == same

    @given(INSTANTS)
    def test_come_back_as_they_were_written(self, instant: Millis) -> None:
        assert parse_instant(format_instant(instant)) == instant

    @given(INSTANTS, st.integers(-23 * 60 - 59, 23 * 60 + 59))
    def test_agree_with_the_standard_library_at_every_offset(self, instant: Millis, minutes: int) -> None:
        seconds = instant // SECOND
        wall = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        try:
            wall += timedelta(minutes=minutes)
        except OverflowError:
            return
        sign = "-" if minutes < 0 else "+"
        offset = f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
        assert parse_instant(wall.isoformat()[:19] + offset) == seconds * SECOND

    @pytest.mark.parametrize(
        "text", ["2016-12-31T23:59:60Z", "2017-01-01T00:59:60.5+01:00", "2015-06-30T18:59:60-05:00"]
    )
    def test_a_leap_second_is_the_last_millisecond_of_its_day(self, text: str) -> None:
        assert format_instant(parse_instant(text)).endswith("T23:59:59.999Z")

    @pytest.mark.parametrize("text", ["2026-11-25T23:59:60Z", "2016-12-31T22:59:60Z", "2016-12-31T23:59:60+01:00"])
    def test_a_leap_second_elsewhere_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="leap second"):
            parse_instant(text)

    @pytest.mark.parametrize("text", ["2026-11-25T03:36:00", "2026-11-25T03:36:00.5"])
    def test_without_an_offset_are_refused_with_that_reason(self, text: str) -> None:
        with pytest.raises(ValueError, match="needs an offset: end it with Z"):
            parse_instant(text)

    @pytest.mark.parametrize(
        "text",
        ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00+00:01",
         "9999-12-31T23:59:59-00:01"],
    )  # fmt: skip
    def test_outside_the_years_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="1970 to 9999"):
            parse_instant(text)

    @pytest.mark.parametrize(
        "text",
        ["", "now", "2026-11-25", "2026-11-25 03:36:00Z", "2026-11-25T03:36Z", "2026-11-25T24:00:00Z",
         "2026-11-25T03:60:00Z", "2026-11-25T03:36:61Z", "2026-11-25T03:36:00+24:00", "2026-11-25T03:36:00+01:60",
         "2026-11-25T03:36:00+0100", "2026-11-25T03:36:00+01", "2026-11-25T03:36:00.Z", "2026-11-25T03:36:00,5Z",
         " 2026-11-25T03:36:00Z", "2026-11-25T03:36:00Z\n", "+2026-11-25T03:36:00Z", "12026-11-25T03:36:00Z",
         "1764041760", "\u0662\u0660\u0662\u0666-11-25T03:36:00Z", "2026-W48-3T03:36:00Z"],
    )  # fmt: skip
    def test_of_another_form_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="RFC 3339"):
            parse_instant(text)

    @pytest.mark.parametrize("text", ["2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-10T00:00:00Z"])
    def test_on_no_day_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="no such day"):
            parse_instant(text)


class TestDates:
    def test_are_read_as_days(self) -> None:
        assert parse_date("1973-11-01") == date(1973, 11, 1)

    @given(st.dates())
    def test_come_back_as_they_were_written(self, day: date) -> None:
        assert parse_date(day.isoformat()) == day

    @pytest.mark.parametrize("text", ["", "1973-11-1", "01.11.1973", "1973-11-01T00:00:00Z", "19731101", "1973-11-01 "])
    def test_of_another_form_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="RFC 3339"):
            parse_date(text)

    def test_that_do_not_exist_are_refused(self) -> None:
        with pytest.raises(ValueError, match="no such day"):
            parse_date("1973-02-29")


class TestDurations:
    @pytest.mark.parametrize(
        ("text", "duration", "written"),
        [
            ("P1W", Duration(weeks=1), "P1W"),
            ("P1DT12H", Duration(days=1, hours=12), "P1DT12H"),
            ("PT90S", Duration(seconds=90), "PT90S"),
            ("P1W2DT3H4M5S", Duration(1, 2, 3, 4, 5), "P1W2DT3H4M5S"),
            ("PT05M", Duration(minutes=5), "PT5M"),
            ("PT0S", Duration(), "PT0S"),
            ("P0W", Duration(), "PT0S"),
            ("P3653D", Duration(days=3653), "P3653D"),
        ],
    )
    def test_are_read_and_written(self, text: str, duration: Duration, written: str) -> None:
        assert parse_duration(text) == duration
        assert format_duration(duration) == written

    @given(DURATIONS)
    def test_come_back_as_they_were_written(self, duration: Duration) -> None:
        assert parse_duration(format_duration(duration)) == duration

    @pytest.mark.parametrize(
        "text",
        ["", "P", "PT", "P1DT", "1D", "P1", "PT1D", "P1H", "P1D1W", "PT1S1M", "P-1D", "-P1D", "+P1D", "P1.5D", "PT0,5S",
         "p1d", "P1D ", "P1D\n", "P\u0661D", "P9999999999999D", "PT1M30"],
    )  # fmt: skip
    def test_of_another_form_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="not an ISO 8601 duration"):
            parse_duration(text)

    @pytest.mark.parametrize("text", ["P1Y", "P1M", "P1Y2M10DT2H30M", "P0.5Y"])
    def test_in_years_and_months_are_refused_with_that_reason(self, text: str) -> None:
        with pytest.raises(ValueError, match="vary in length"):
            parse_duration(text)

    @pytest.mark.parametrize("text", ["P3654D", "P3653DT1S", "P522W", f"PT{LONGEST_DURATION + 1}S", "PT999999999999H"])
    def test_beyond_ten_years_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="ten years"):
            parse_duration(text)

    @pytest.mark.parametrize("field", ["weeks", "days", "hours", "minutes", "seconds"])
    def test_cannot_be_negative(self, field: str) -> None:
        with pytest.raises(ValueError, match="negative"):
            Duration(**{field: -1})


class TestAdding:
    def test_a_day_is_the_same_wall_clock_and_24_hours_are_24_hours(self) -> None:
        evening_before_spring = at("2027-03-27T12:00:00")
        assert add(evening_before_spring, Duration(days=1), WARSAW) == at("2027-03-28T12:00:00")
        assert add(evening_before_spring, Duration(days=1), WARSAW) - evening_before_spring == 23 * HOUR
        assert add(evening_before_spring, Duration(hours=24), WARSAW) == at("2027-03-28T13:00:00")

    def test_a_week_is_seven_days(self) -> None:
        assert add(at("2027-03-27T12:00:00"), Duration(weeks=1), WARSAW) == at("2027-04-03T12:00:00")

    def test_a_wall_clock_that_does_not_exist_moves_on_by_what_is_missing(self) -> None:
        landed = add(at("2027-03-27T02:30:00"), Duration(days=1), WARSAW)
        assert landed == at("2027-03-28T03:30:00")
        assert add(landed, Duration(days=1), WARSAW) == at("2027-03-29T03:30:00")

    def test_of_a_wall_clock_that_comes_twice_the_first_is_meant(self) -> None:
        landed = add(at("2027-10-30T02:30:00"), Duration(days=1), WARSAW)
        assert format_instant(landed) == "2027-10-31T00:30:00.000Z"
        second = landed + HOUR
        assert add(second, Duration(days=1), WARSAW) == at("2027-11-01T02:30:00")
        assert add(second, Duration(), WARSAW) == second

    def test_the_day_goes_before_the_hours(self) -> None:
        assert add(at("2027-03-27T02:30:00"), Duration(days=1, minutes=15), WARSAW) == at("2027-03-28T03:45:00")

    def test_yesterday_is_found_by_the_same_rules(self) -> None:
        assert subtract(at("2027-03-29T02:30:00"), Duration(days=1), WARSAW) == at("2027-03-28T03:30:00")
        assert subtract(at("2027-03-29T12:00:00"), Duration(days=1, hours=1), WARSAW) == at("2027-03-28T11:00:00")

    @given(EARLIER, DURATIONS, ZONES)
    def test_the_wall_clock_stays_where_it_exists(self, instant: Millis, duration: Duration, zone: ZoneInfo) -> None:
        days = duration.weeks * 7 + duration.days
        before = datetime.fromtimestamp(instant // SECOND, zone).replace(tzinfo=None)
        moved = add(instant, Duration(days=days), zone)
        after = datetime.fromtimestamp(moved // SECOND, zone).replace(tzinfo=None)
        assert moved % SECOND == instant % SECOND
        assert after - before - timedelta(days=days) in {timedelta(), timedelta(hours=1)}

    @given(EARLIER, DURATIONS, ZONES)
    def test_the_rest_is_elapsed_time(self, instant: Millis, duration: Duration, zone: ZoneInfo) -> None:
        elapsed = duration.hours * HOUR + duration.minutes * MINUTE + duration.seconds * SECOND
        whole_days = Duration(weeks=duration.weeks, days=duration.days)
        assert add(instant, duration, zone) == add(instant, whole_days, zone) + elapsed
        assert subtract(instant, duration, zone) == subtract(instant, whole_days, zone) - elapsed

    @given(EARLIER, DURATIONS)
    def test_in_utc_going_back_undoes_it(self, instant: Millis, duration: Duration) -> None:
        utc = ZoneInfo("UTC")
        assert subtract(add(instant, duration, utc), duration, utc) == instant

    def test_past_the_calendar_is_an_error(self) -> None:
        with pytest.raises(OverflowError):
            add(LAST - DAY, Duration(days=30), WARSAW)
