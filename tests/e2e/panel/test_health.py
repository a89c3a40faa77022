"""How an endpoint is said to be: one judgement for the list and the page, from figures and its newest attempt."""

import pytest

from goniec.core.breaker import Breaker
from goniec.core.endpoint import Endpoint, Pause
from goniec.core.model import Attempt, Failure
from goniec.core.times import HOUR, MINUTE
from goniec.ports import Queue, Sum
from goniec.web.panel.attention import Trouble
from goniec.web.panel.health import State, lately, rests_until, state_of

NOW = 1000 * HOUR + MINUTE


def endpoint(paused: Pause | None = None, held_until: int | None = None, breaker: Breaker | None = None) -> Endpoint:
    return Endpoint(
        id="end_1",
        version=1,
        url="https://crm.example/",
        secret=b"",
        created_at=0,
        updated_at=0,
        paused=paused,
        held_until=held_until,
        breaker=breaker or Breaker(),
    )


def hour(n: int, attempts: int, failed: int) -> Sum:
    return Sum("end_1", n * HOUR, attempts=attempts, failed_attempts=failed)


def attempt(failure: Failure | None = None) -> Attempt:
    return Attempt(delivery_id="dlv_1", number=1, at=NOW, millis=5, failure=failure)


OPEN = Breaker(opened_at=NOW - MINUTE, probe_at=NOW + MINUTE)
BUSY = Queue("end_1", 3, 3, NOW)
BACKLOG = Queue("end_1", 3, 0, None)


@pytest.mark.parametrize(
    ("one", "queue", "tried", "trouble", "last", "state"),
    [
        (endpoint(Pause.BY_HAND), BACKLOG, None, None, None, "paused"),
        (endpoint(held_until=NOW + 1), BACKLOG, None, None, None, "rests"),
        (endpoint(held_until=NOW - 1), None, hour(9, 1, 0), None, None, "works"),
        (endpoint(breaker=OPEN), BACKLOG, hour(9, 5, 5), None, None, "fails"),
        (endpoint(breaker=OPEN, held_until=NOW + 1), BACKLOG, hour(9, 5, 5), None, None, "fails"),
        (endpoint(breaker=OPEN, held_until=NOW + HOUR), BACKLOG, hour(9, 5, 5), None, None, "rests"),
        (endpoint(), BACKLOG, hour(9, 5, 5), Trouble("silent"), None, "fails"),
        (endpoint(), BACKLOG, hour(9, 5, 2), None, None, "waits"),
        (endpoint(), BUSY, None, None, None, "waits"),
        (endpoint(), BUSY, hour(9, 5, 0), None, None, "works"),
        (endpoint(), None, None, None, None, "quiet"),
        # the last few were called off, and never tried
        (endpoint(), None, hour(9, 5, 0), None, None, "works"),
        # what had failed was sent again, and arrived
        (endpoint(), None, hour(9, 10, 5), None, attempt(), "works"),
        (endpoint(), None, hour(9, 10, 5), None, attempt(Failure.REJECTED), "some"),
        (endpoint(), None, hour(9, 10, 5), None, None, "some"),
        (endpoint(), None, hour(9, 2, 2), None, attempt(Failure.REJECTED), "fails"),
    ],
)
def test_an_endpoint_is_judged_by_what_was_tried_last(
    one: Endpoint, queue: Queue | None, tried: Sum | None, trouble: Trouble | None, last: Attempt | None, state: State
) -> None:
    assert state_of(one, queue, tried, trouble, last, NOW) == state


def test_the_latest_hour_with_an_attempt_counts_and_else_the_week() -> None:
    week = hour(0, 9, 9)
    assert lately([hour(7, 1, 1), hour(8, 2, 0), hour(9, 0, 0)], week) == hour(8, 2, 0)
    assert lately([hour(9, 0, 0)], week) == week
    assert lately([], None) is None


def test_a_break_that_ends_before_the_next_probe_is_not_what_is_waited_for() -> None:
    assert rests_until(endpoint(breaker=OPEN, held_until=NOW + 1)) is None
    assert rests_until(endpoint(breaker=OPEN, held_until=NOW + HOUR)) == NOW + HOUR
    assert rests_until(endpoint(held_until=NOW + 1)) == NOW + 1
