"""The breaker as a fold: when it opens, how it asks, when it closes, and when an endpoint has failed for too long."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.core.breaker import (
    CLOSED,
    DELIVERIES,
    FAILING_LIMIT,
    FAILURES,
    PROBE_FIRST,
    PROBE_LAST,
    Breaker,
    at_fault,
    in_force,
    judged,
)
from goniec.core.model import Attempt, Failure
from goniec.core.retry import JITTER, Policy
from goniec.core.times import DAY, HOUR, SECOND, Millis

NOW: Millis = 1_800_000_000_000
POLICY = Policy()


def attempt(delivery: str = "dlv_1", failure: Failure | None = Failure.SERVER, status: int | None = 503) -> Attempt:
    return Attempt(delivery_id=delivery, number=1, at=NOW, millis=5, status=status, failure=failure)


def rejected(status: int) -> Attempt:
    return attempt(failure=Failure.REJECTED, status=status)


def after(*attempts: Attempt, policy: Policy = POLICY, breaker: Breaker = CLOSED, probe: bool = False) -> Breaker:
    for one in attempts:
        breaker = judged(breaker, policy, one, NOW, 0, probe=probe)
    return breaker


def opened() -> Breaker:
    return after(*(attempt(f"dlv_{n}") for n in range(FAILURES)))


class TestOpening:
    def test_opens_at_the_fifth_failure_in_a_row_of_three_deliveries(self) -> None:
        failures = [attempt(f"dlv_{n % DELIVERIES}") for n in range(FAILURES)]
        assert not after(*failures[:-1]).open
        breaker = after(*failures)
        assert breaker.opened_at == NOW
        assert breaker.probe_at == NOW + PROBE_FIRST * SECOND

    def test_two_deliveries_may_fail_as_often_as_they_like(self) -> None:
        assert not after(*(attempt(f"dlv_{n % 2}") for n in range(100))).open

    def test_a_success_between_begins_anew(self) -> None:
        failing = [attempt(f"dlv_{n}") for n in range(FAILURES - 1)]
        assert not after(*failing, attempt(failure=None, status=200), *failing).open

    def test_an_answer_that_blames_the_message_shows_that_the_endpoint_works(self) -> None:
        failing = [attempt(f"dlv_{n}") for n in range(FAILURES - 1)]
        assert not after(*failing, rejected(422), *failing).open

    def test_switched_off_it_stays_closed(self) -> None:
        breaker = after(*(attempt(f"dlv_{n}") for n in range(20)), policy=Policy(breaker=False))
        assert not breaker.open

    def test_switched_off_while_open_it_is_closed_and_has_failed_for_as_long(self) -> None:
        breaker = msgspec.structs.replace(opened(), failing=HOUR)
        assert in_force(breaker, POLICY) is breaker
        assert in_force(breaker, Policy(breaker=False)) == Breaker(failing=HOUR, failed_at=NOW)

    @pytest.mark.parametrize("status", [401, 403, 404, 408, 429])
    def test_what_says_nothing_of_the_message_is_the_endpoint_s(self, status: int) -> None:
        assert at_fault(rejected(status))

    @pytest.mark.parametrize("status", [400, 405, 409, 413, 422, 425])
    def test_what_blames_the_message_is_not(self, status: int) -> None:
        assert not at_fault(rejected(status))

    @pytest.mark.parametrize("failure", [Failure.DNS, Failure.CONNECT, Failure.TLS, Failure.TIMEOUT, Failure.REDIRECT])
    def test_what_never_came_to_an_answer_is_the_endpoint_s(self, failure: Failure) -> None:
        assert at_fault(attempt(failure=failure, status=None))

    def test_a_success_is_nobody_s_fault(self) -> None:
        assert not at_fault(attempt(failure=None, status=200))

    def test_a_fault_of_ours_is_not_the_endpoint_s(self) -> None:
        assert not at_fault(attempt(failure=Failure.INTERNAL, status=None))
        breaker = after(*(attempt(f"dlv_{n}", Failure.INTERNAL, None) for n in range(20)))
        assert (breaker.open, breaker.failures) == (False, 0)


class TestProbing:
    def test_the_time_between_probes_doubles_up_to_ten_minutes(self) -> None:
        breaker, waits = opened(), []
        for _ in range(12):
            breaker = after(attempt(), breaker=breaker, probe=True)
            waits.append((breaker.probe_at - NOW) // SECOND)
        assert waits == [60, 120, 240, 480] + [PROBE_LAST] * 8
        assert breaker.opened_at == NOW

    def test_what_was_under_way_when_it_opened_puts_off_no_probe(self) -> None:
        assert after(*(attempt(f"dlv_{n}") for n in range(9)), breaker=opened()).probe_at == opened().probe_at

    @given(st.floats(-1, 1), st.integers(0, 10_000))
    def test_chance_spreads_probes(self, jitter: float, probes: int) -> None:
        breaker = msgspec.structs.replace(opened(), probes=probes)
        wait = judged(breaker, POLICY, attempt(), NOW, jitter, probe=True).probe_at - NOW
        assert PROBE_FIRST * SECOND * (1 - JITTER) <= wait <= PROBE_LAST * SECOND * (1 + JITTER)

    @pytest.mark.parametrize("back", [attempt(failure=None, status=200), rejected(422)])
    def test_it_closes_when_the_endpoint_answers(self, back: Attempt) -> None:
        assert not after(back, breaker=opened(), probe=True).open


class TestFailing:
    def test_after_five_days_of_trying_it_is_enough(self) -> None:
        breaker = CLOSED
        for hour in range(5 * 24 + 1):
            assert not breaker.worn_out
            breaker = judged(breaker, POLICY, attempt(), NOW + hour * HOUR, 0, probe=False)
        assert breaker.failing == FAILING_LIMIT
        assert breaker.worn_out

    def test_a_message_that_is_refused_is_no_success(self) -> None:
        first = judged(CLOSED, POLICY, rejected(422), NOW, 0, probe=False)
        assert judged(first, POLICY, rejected(422), NOW + HOUR, 0, probe=False).failing == HOUR

    def test_a_success_ends_it(self) -> None:
        assert after(attempt(failure=None, status=204), breaker=Breaker(failing=FAILING_LIMIT - 1)) == CLOSED

    def test_time_without_an_attempt_is_no_trying(self) -> None:
        breaker = judged(after(attempt()), POLICY, attempt(), NOW + 30 * DAY, 0, probe=False)
        assert breaker.failing == DAY

    def test_a_clock_that_is_set_back_takes_nothing_away(self) -> None:
        breaker = judged(Breaker(failing=HOUR, failed_at=NOW), POLICY, attempt(), NOW - DAY, 0, probe=False)
        assert breaker.failing == HOUR


def test_it_is_stored_as_little_and_comes_back_as_it_was() -> None:
    assert msgspec.json.encode(CLOSED) == b"{}"
    assert msgspec.json.decode(msgspec.json.encode(opened()), type=Breaker) == opened()
