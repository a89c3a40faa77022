"""What comes after an attempt: when the next one is due, when a delivery steps aside, and where it ends."""

import math
from typing import assert_never

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.core.model import UNWANTED, Failure
from goniec.core.retry import (
    FOR_GOOD,
    JITTER,
    PERMANENT,
    RETRY_AFTER_CAP,
    CallOff,
    Delivered,
    GiveUp,
    Gone,
    Next,
    Outcome,
    Policy,
    RetryAt,
    Tried,
    after,
    parse_retry_after,
)
from goniec.core.times import DAY, SECOND, Millis, parse_instant

START = parse_instant("2026-11-25T03:36:00Z")
HOLD = 1_800 * SECOND
POLICY = Policy()
UNTRIED = Tried()

SCHEDULES = st.lists(st.integers(1, 100_000), max_size=12).map(tuple)
JITTERS = st.floats(-1, 1)
AT_ONCE = {Failure.STALE, Failure.GRANT_EXPIRED}
UNCOUNTED = {Failure.GONE, *AT_ONCE}
LAST = FOR_GOOD | UNWANTED
FAILURES = st.sampled_from([failure for failure in Failure if failure not in UNCOUNTED | LAST])
STATUSES = st.none() | st.sampled_from([400, 401, 404, 408, 422, 429, 500, 503])


def failed(
    failure: Failure = Failure.SERVER,
    status: int | None = 500,
    hint: str | None = None,
    tried: Tried = UNTRIED,
    policy: Policy = POLICY,
    jitter: float = 0.0,
    *,
    fresh: bool = False,
    works: bool = False,
) -> Next:
    outcome = Outcome(START, failure, status, hint, fresh)
    return after(policy, tried, outcome, START, jitter, endpoint_works=works)


def retry(then: Next) -> RetryAt:
    assert isinstance(then, RetryAt)
    return then


class TestSchedule:
    def test_an_answer_that_counts_as_delivered_ends_it(self) -> None:
        then = after(Policy(), Tried(counted=2), Outcome(START, None, 204), START, 0, endpoint_works=True)
        assert then == Delivered(Tried(counted=3, first_at=START))

    def test_default_is_about_three_days(self) -> None:
        waits, tried = [], Tried()
        while isinstance(then := failed(tried=tried), RetryAt):
            waits.append((then.at - START) // SECOND)
            tried = then.tried
        assert waits == [5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
        assert then == GiveUp(Tried(counted=11, first_at=START))

    @given(SCHEDULES, st.data())
    def test_of_k_steps_makes_k_plus_1_counted_attempts(self, schedule: tuple[int, ...], data: st.DataObject) -> None:
        policy, tried, now, counted, fresh = Policy(schedule=schedule), Tried(), START, 0, False
        first = None
        for _ in range(100):
            failure = data.draw(st.sampled_from([one for one in Failure if one not in LAST]))
            outcome = Outcome(now, failure, data.draw(STATUSES), fresh=fresh)
            first = now if first is None else first
            then = after(
                policy, tried, outcome, now + SECOND, data.draw(JITTERS), endpoint_works=data.draw(st.booleans())
            )
            match then:
                case Delivered() | CallOff():
                    pytest.fail("a failure is no delivery")
                case GiveUp():
                    counted += 1
                    break
                case Gone(at=at):
                    fresh = False
                case RetryAt(at=at):
                    assert then.fresh == (failure in AT_ONCE and not fresh)
                    counted += not then.fresh
                    fresh = then.fresh
                case _:
                    assert_never(then)
            assert tried.aside <= then.tried.aside, "a delivery never goes back into its lane"
            tried, now = then.tried, at
            assert tried.counted == counted <= len(schedule)
            assert tried.first_at == first
        else:
            return
        assert then.tried.counted == counted == len(schedule) + 1

    @given(SCHEDULES.filter(bool), st.integers(0, 11), JITTERS, FAILURES, STATUSES, st.none() | st.text())
    def test_chance_moves_a_step_by_a_fifth_at_most(
        self, schedule: tuple[int, ...], n: int, jitter: float, failure: Failure, status: int | None, hint: str | None
    ) -> None:
        n %= len(schedule)
        then = retry(failed(failure, status, hint, Tried(counted=n), Policy(schedule=schedule), jitter))
        step = schedule[n] * SECOND
        wait = then.at - START
        assert wait >= (1 - JITTER) * step
        if then.endpoint_held_until is None:
            assert wait <= (1 + JITTER) * step
        else:
            assert wait <= max((1 + JITTER) * step, RETRY_AFTER_CAP * SECOND)
            assert then.at >= then.endpoint_held_until

    @pytest.mark.parametrize(("jitter", "wait"), [(-1, 48_000), (0, 60_000), (0.5, 66_000), (1, 72_000)])
    def test_chance_is_an_argument(self, jitter: float, wait: Millis) -> None:
        assert retry(failed(tried=Tried(counted=1), jitter=jitter)).at == START + wait

    @pytest.mark.parametrize("failure", sorted(FOR_GOOD))
    def test_a_mail_server_s_last_word_is_the_last_attempt(self, failure: Failure) -> None:
        assert failed(failure, 550) == GiveUp(Tried(counted=1, first_at=START))

    @pytest.mark.parametrize("failure", sorted(UNWANTED))
    def test_a_mail_that_nobody_wants_any_more_is_called_off(self, failure: Failure) -> None:
        assert failed(failure, None) == CallOff(Tried(first_at=START))

    def test_a_mail_that_is_put_off_goes_by_the_schedule_and_stays_in_its_lane(self) -> None:
        then = retry(failed(Failure.RECIPIENT_DEFERRED, 451, tried=Tried(counted=1)))
        assert then.at == START + 60 * SECOND
        assert retry(failed(Failure.RECIPIENT_DEFERRED, 451, tried=then.tried)).tried.refusals == 0

    def test_an_empty_one_has_a_single_attempt(self) -> None:
        assert failed(policy=Policy(schedule=())) == GiveUp(Tried(counted=1, first_at=START))

    @pytest.mark.parametrize("failure", sorted(AT_ONCE))
    def test_a_dead_pooled_connection_or_token_is_tried_again_at_once_and_not_counted(self, failure: Failure) -> None:
        then = retry(failed(failure, None, tried=Tried(counted=1, first_at=5)))
        assert then == RetryAt(Tried(counted=1, first_at=5), START, fresh=True)

    @pytest.mark.parametrize("failure", sorted(AT_ONCE))
    def test_but_never_twice_in_a_row(self, failure: Failure) -> None:
        then = retry(failed(failure, None, fresh=True))
        assert (then.tried.counted, then.at, then.fresh) == (1, START + 5 * SECOND, False)

    def test_gone_pauses_the_endpoint_and_uses_nothing_up(self) -> None:
        for counted in (0, 10):
            assert failed(Failure.GONE, 410, tried=Tried(counted)) == Gone(Tried(counted, first_at=START), START)


class TestSteppingAside:
    def test_two_answers_that_will_not_change_are_enough(self) -> None:
        first = retry(failed(Failure.REJECTED, 422))
        assert not first.aside
        between = retry(failed(Failure.SERVER, 500, tried=first.tried))
        assert not between.aside
        second = retry(failed(Failure.REJECTED, 400, tried=between.tried))
        assert second.aside
        assert second.tried == Tried(counted=3, refusals=2, first_at=START, aside=True)

    @pytest.mark.parametrize("status", [401, 403, 404, 408, 409, 410, 425, 429, 500, 503, 302, None])
    def test_these_answers_may_change(self, status: int | None) -> None:
        assert status not in PERMANENT
        assert not retry(failed(Failure.REJECTED, status, tried=Tried(refusals=1))).aside

    def test_after_order_hold_while_the_endpoint_works(self) -> None:
        def aside(age: Millis, policy: Policy = POLICY, *, works: bool) -> bool:
            return retry(failed(tried=Tried(1, first_at=START - age), policy=policy, works=works)).aside

        assert aside(HOLD, works=True)
        assert not aside(HOLD - 1, works=True)
        assert not aside(HOLD, works=False)
        assert not aside(30 * DAY, Policy(order_hold=0), works=True)
        assert aside(SECOND, Policy(order_hold=1), works=True)

    def test_is_for_good(self) -> None:
        assert retry(failed(tried=Tried(5, first_at=START - HOLD, aside=True), works=False)).aside
        assert retry(failed(Failure.STALE, None, tried=Tried(5, aside=True))).aside

    def test_has_no_meaning_without_order(self) -> None:
        policy = Policy(order=False)
        assert not retry(
            failed(Failure.REJECTED, 422, tried=Tried(2, 2, START - HOLD), policy=policy, works=True)
        ).aside


class TestRetryAfter:
    @pytest.mark.parametrize("status", [429, 503])
    def test_holds_the_whole_endpoint(self, status: int) -> None:
        then = retry(failed(Failure.BUSY, status, "3600"))
        assert (then.at, then.endpoint_held_until) == (START + 3_600_000, START + 3_600_000)

    @pytest.mark.parametrize("status", [500, 502, 404, 302, None])
    def test_counts_on_429_and_503_only(self, status: int | None) -> None:
        then = retry(failed(Failure.SERVER, status, "3600"))
        assert (then.at, then.endpoint_held_until) == (START + 5_000, None)

    def test_never_shortens_a_step_and_holds_the_endpoint_no_longer_than_asked(self) -> None:
        then = retry(failed(Failure.BUSY, 429, "10", Tried(counted=9)))
        assert (then.at, then.endpoint_held_until) == (START + DAY, START + 10_000)

    def test_is_heard_after_the_last_step_too(self) -> None:
        assert failed(Failure.BUSY, 503, "60", Tried(10)) == GiveUp(Tried(11, first_at=START), START + 60_000)

    def test_is_capped_at_a_day(self) -> None:
        assert retry(failed(Failure.BUSY, 429, "172800")).at == START + DAY

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("0", 0),
            ("3600", 3_600),
            (" 120\t", 120),
            ("86401", RETRY_AFTER_CAP),
            ("9999999999", RETRY_AFTER_CAP),
            ("9" * 300, RETRY_AFTER_CAP),
            ("9" * 5_000, RETRY_AFTER_CAP),
            ("0" * 5_000, 0),
            ("0" * 5_000 + "60", 60),
            ("Wed, 25 Nov 2026 03:37:00 GMT", 60),
            ("Wednesday, 25-Nov-26 03:37:00 GMT", 60),
            ("Wed Nov 25 03:37:00 2026", 60),
            ("Tue Dec  1 03:36:00 2026", RETRY_AFTER_CAP),
            ("Wed, 25 Nov 2026 03:36:60 GMT", 59),
            ("Mon, 25 Nov 2026 03:37:00 GMT", 60),
            ("Thu, 26 Nov 2026 03:36:00 GMT", RETRY_AFTER_CAP),
            ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_CAP),
        ],
    )
    def test_is_read_in_every_form(self, text: str, seconds: int) -> None:
        assert parse_retry_after(text, START) == seconds

    @pytest.mark.parametrize(
        "text",
        ["", "-5", "+5", "NaN", "1e99", "inf", "1.5", "5 s", "0x10", "\u0661\u0662", "soon",
         "Wed, 25 Nov 2026 03:36:00 GMT", "Wed, 25 Nov 2020 03:37:00 GMT", "Fri, 31 Dec 19999 23:59:59 GMT",
         "Wed, 31 Nov 2026 03:37:00 GMT", "Wed, 25 Nov 0000 03:37:00 GMT", "Wed, 25 Nov 2026 24:00:00 GMT",
         "Wed, 25 Nov 2026 03:37:00 CET", "Wed, 25 nov 2026 03:37:00 GMT", "2026-11-25T03:37:00Z",
         "Wednesday, 25-Nov-77 03:37:00 GMT", "Wed, 25 Nov 2026 03:37:00 GMT, 5", "3600, 3600"],
    )  # fmt: skip
    def test_nonsense_and_what_is_over_count_as_absent(self, text: str) -> None:
        assert parse_retry_after(text, START) is None
        then = retry(failed(Failure.BUSY, 429, text))
        assert (then.at, then.endpoint_held_until) == (START + 5_000, None)

    def test_a_year_of_two_digits_is_at_most_fifty_ahead(self) -> None:
        assert parse_retry_after("Wednesday, 25-Nov-76 03:37:00 GMT", START) == RETRY_AFTER_CAP
        assert parse_retry_after("Sunday, 06-Nov-94 08:49:37 GMT", START) is None

    def test_a_date_is_rounded_up_to_whole_seconds(self) -> None:
        assert parse_retry_after("Wed, 25 Nov 2026 03:37:00 GMT", START + 1) == 60

    @given(st.text())
    def test_anything_at_all_is_seconds_up_to_a_day_or_nothing(self, text: str) -> None:
        seconds = parse_retry_after(text, START)
        assert seconds is None or 0 <= seconds <= RETRY_AFTER_CAP


class TestPolicy:
    def test_is_written_in_the_spelling_of_the_api(self) -> None:
        assert msgspec.json.decode(msgspec.json.encode(Policy(schedule=(1, 2)))) == {
            "schedule": [1, 2],
            "timeout": 15.0,
            "connectTimeout": 5.0,
            "rate": None,
            "concurrency": 16,
            "order": True,
            "orderHold": 1800,
            "breaker": True,
            "tellErasure": False,
            "owner": None,
            "split": False,
        }

    @pytest.mark.parametrize(
        "policy",
        [Policy(), Policy(()), Policy((1,) * 50), Policy((7 * 86_400,)), Policy(timeout=1, connect_timeout=30),
         Policy(timeout=30), Policy(concurrency=1), Policy(order=False), Policy(order_hold=0),
         Policy(rate=0.5), Policy(breaker=False), Policy(split=True, concurrency=8)],
    )  # fmt: skip
    def test_comes_back_as_it_was_written(self, policy: Policy) -> None:
        assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"schedule": [0]}, "schedule"),
            ({"schedule": [5, -1]}, "schedule"),
            ({"schedule": [7 * 86_400 + 1]}, "schedule"),
            ({"schedule": [1] * 51}, "schedule"),
            ({"timeout": 0.5}, "timeout"),
            ({"timeout": 31}, "timeout"),
            ({"connectTimeout": 0}, "connectTimeout"),
            ({"connectTimeout": 30.5}, "connectTimeout"),
            ({"concurrency": 0}, "concurrency"),
            ({"concurrency": 1_001}, "concurrency"),
            ({"rate": 0}, "rate"),
            ({"rate": -1}, "rate"),
            ({"rate": 10_001}, "rate"),
            ({"breaker": "no"}, "breaker"),
            ({"orderHold": -1}, "orderHold"),
            ({"orderHold": 31 * 86_400}, "orderHold"),
            ({"orderhold": 5}, "orderhold"),
            ({"order": 1}, "order"),
            ({"split": True, "concurrency": 7}, "split"),
        ],
    )
    def test_nonsense_is_refused_by_the_name_of_the_field(self, wrong: dict[str, object], field: str) -> None:
        with pytest.raises(msgspec.ValidationError, match=field):
            msgspec.convert(wrong, Policy)

    def test_not_a_number_is_no_timeout(self) -> None:
        with pytest.raises(ValueError, match="timeout"):
            Policy(timeout=math.nan)

    def test_not_a_number_is_no_rate(self) -> None:
        with pytest.raises(ValueError, match="rate"):
            Policy(rate=math.nan)
