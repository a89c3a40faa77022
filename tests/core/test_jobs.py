"""Jobs on many deliveries: which are the same, how quick they may be, how far they have come."""

import pytest
from msgspec.structs import replace

from goniec.core.ids import DELIVERY, lowest
from goniec.core.jobs import Job, JobKind, JobState, allowance
from goniec.core.model import Status
from tests.core.build import NOW

RESEND = Job(
    id="job_1",
    kind=JobKind.RESEND,
    created_at=NOW,
    since=NOW - 1_000,
    until=NOW,
    statuses=(Status.FAILED, Status.CANCELLED),
    endpoint_id="end_1",
    rate=50,
)
CANCEL = replace(RESEND, kind=JobKind.CANCEL, statuses=(Status.PENDING,))


def at(part: float) -> str:
    return lowest(DELIVERY, NOW - 1_000 + round(1_000 * part))


def test_an_endpoint_is_sent_one_range_at_a_time() -> None:
    assert replace(RESEND, since=5, statuses=(Status.FAILED,)).key == RESEND.key
    assert replace(RESEND, endpoint_id="end_2").key != RESEND.key != CANCEL.key


def test_calling_off_is_the_same_when_all_of_it_is() -> None:
    assert replace(CANCEL, id="job_2", created_at=NOW + 5).key == CANCEL.key
    for other in ({"since": 5}, {"until": 5}, {"rule_id": "rul_1"}, {"contact_id": "con_1"}, {"open_end": True}):
        assert replace(CANCEL, **other).key != CANCEL.key
    opened = replace(CANCEL, open_end=True)
    assert replace(opened, until=NOW + 5).key == opened.key


def test_two_ask_for_the_same_when_range_and_statuses_are() -> None:
    assert replace(RESEND, statuses=(Status.CANCELLED, Status.FAILED), rate=1).asks_for(RESEND)
    assert not replace(RESEND, statuses=(Status.FAILED,)).asks_for(RESEND)
    assert not replace(RESEND, until=NOW + 1).asks_for(RESEND)
    assert not replace(RESEND, open_end=True).asks_for(RESEND)
    assert replace(RESEND, open_end=True, until=NOW + 1).asks_for(replace(RESEND, open_end=True))
    assert not replace(RESEND, endpoint_id="end_2").asks_for(RESEND)


def test_progress_is_the_part_of_its_time_that_it_has_gone_through() -> None:
    assert RESEND.progress == 0
    assert replace(RESEND, cursor=at(0.25)).progress == 0.25
    assert replace(CANCEL, cursor=at(0.25)).progress == 0.75
    assert replace(RESEND, cursor=at(7)).progress == 1
    assert replace(CANCEL, since=None, cursor=at(0.5)).progress < 0.01
    assert replace(RESEND, state=JobState.DONE).progress == 1
    assert replace(RESEND, since=NOW, cursor=at(0)).progress == 0


def test_progress_counts_from_the_first_that_was_met() -> None:
    """Who asks for the whole day after an outage of an hour does not begin near the end."""
    assert replace(RESEND, first=at(0.5), cursor=at(0.75)).progress == 0.5
    assert replace(CANCEL, first=at(0.5), cursor=at(0.25)).progress == 0.5
    assert replace(RESEND, first=at(0.5), cursor=at(0.5)).progress == 0
    assert replace(RESEND, first=at(1), cursor=at(1)).progress == 0


def test_without_a_rate_it_takes_all_it_may() -> None:
    assert allowance(CANCEL, None, NOW, 500) == (500, NOW)


def test_a_rate_is_kept_over_any_bites() -> None:
    job, taken = replace(RESEND, paced_at=NOW), 0
    for millis in range(0, 10_000, 70):
        n, paced_at = allowance(job, 50, NOW + millis, 500)
        job, taken = replace(job, paced_at=paced_at), taken + n
    assert 490 <= taken <= 500


def test_what_was_not_used_is_not_saved_up() -> None:
    assert allowance(replace(RESEND, paced_at=NOW - 60_000), 50, NOW, 500) == (50, NOW)
    assert allowance(replace(RESEND, paced_at=NOW - 60_000), 50, NOW, 20) == (20, NOW - 600)


def test_a_rate_below_one_in_a_second_takes_one_at_a_time() -> None:
    assert allowance(replace(RESEND, paced_at=NOW - 9_999), 0.1, NOW, 500)[0] == 0
    assert allowance(replace(RESEND, paced_at=NOW - 10_000), 0.1, NOW, 500) == (1, NOW)
    assert allowance(replace(RESEND, paced_at=NOW - 60_000), 0.1, NOW, 500) == (1, NOW)


@pytest.mark.parametrize("back", [1_000, 3_600_000])
def test_a_clock_that_was_set_back_stops_nothing_for_long(back: int) -> None:
    n, paced_at = allowance(replace(RESEND, paced_at=NOW), 50, NOW - back, 500)
    assert (n, paced_at) == (0, NOW - back)
    assert allowance(replace(RESEND, paced_at=paced_at), 50, NOW - back + 100, 500)[0] == 5
