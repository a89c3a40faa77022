"""Ids rise, say what they belong to, and come out the same when the same thing is decided again."""

import uuid
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.core.ids import (
    DELIVERY,
    ENDPOINT,
    EVENT,
    FRESH_BITS,
    FUNNEL,
    KEY,
    RULE,
    RUN,
    EventIds,
    child,
    delivery_id,
    event_of,
    is_id,
    lowest,
    prefixed,
    root_of,
    run_id,
    time_of,
    uuid7,
)

TIMES = st.integers(0, 2**48 - 1)
FRESH = st.integers(0, 2**FRESH_BITS - 1)
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)

NOW = 1_764_041_760_123


def root(now: int = NOW, fresh: int = 0) -> str:
    return EventIds().next(now, fresh)


class TestEvents:
    def test_have_this_very_form(self) -> None:
        # pinned: ids are stored and sent, so their form may not drift
        assert root(NOW, 0) == "evt_01KAWHA7BV0000000000000000"
        assert root(NOW, 2**FRESH_BITS - 1) == "evt_01KAWHA7BVFZZZZZZZ00000000"
        assert child(root(NOW, 0), 1, "x") == "evt_01KAWHA7BV00000000001VFSW4"

    @given(st.lists(st.tuples(TIMES, FRESH), min_size=2))
    def test_rise_whatever_the_clock_does(self, calls: list[tuple[int, int]]) -> None:
        ids = EventIds()
        made = [ids.next(now, fresh) for now, fresh in calls]
        assert all(earlier < later for earlier, later in pairwise(made))
        assert all(is_id(EVENT, id) for id in made)

    def test_go_on_by_one_within_a_millisecond_and_while_the_clock_is_behind(self) -> None:
        ids = EventIds()
        assert ids.next(NOW, 7) == root(NOW, 7)
        assert ids.next(NOW, 999) == root(NOW, 8)
        assert ids.next(NOW - 600_000, 999) == root(NOW, 9)
        assert ids.next(NOW + 1, 5) == root(NOW + 1, 5)

    def test_go_on_behind_what_is_stored_when_the_clock_was_set_back_before_a_restart(self) -> None:
        stored = child(root(NOW, 7), 3, "x")
        assert EventIds(stored).next(NOW - 600_000, 1) == root(NOW, 8) > stored

    def test_carry_into_the_time_when_a_sequence_runs_out(self) -> None:
        last = "evt_01KAWHA7BVZZZZZZZZ00000000"
        assert EventIds(last).next(NOW, 1) == root(NOW + 1, 0) > last

    def test_do_not_let_too_many_random_bits_into_the_time(self) -> None:
        assert time_of(root(NOW, 2**64 - 1)) == NOW

    @given(TIMES, FRESH)
    def test_tell_their_time(self, now: int, fresh: int) -> None:
        assert time_of(root(now, fresh)) == now

    @given(TIMES, TIMES, FRESH)
    def test_are_cut_by_the_lowest_id_of_an_instant(self, now: int, bound: int, fresh: int) -> None:
        assert (root(now, fresh) >= lowest(EVENT, bound)) == (now >= bound)


class TestDerivedEvents:
    @given(TIMES, FRESH, st.lists(st.tuples(st.integers(1, 32_767), NAMES), min_size=1, unique_by=lambda it: it[0]))
    def test_stand_behind_their_root_in_order_and_before_the_next(
        self, now: int, fresh: int, steps: list[tuple[int, str]]
    ) -> None:
        ids = EventIds()
        first, second = ids.next(now, fresh), ids.next(now, fresh)
        derived = [child(first, n, part) for n, part in sorted(steps)]
        assert sorted([first, *derived, second]) == [first, *derived, second]
        assert len(set(derived)) == len(derived)
        assert all(is_id(EVENT, id) and root_of(id) == first and time_of(id) == now for id in derived)

    def test_are_the_same_when_decided_again_and_others_when_something_differs(self) -> None:
        made = child(root(), 1, "evt", "run")
        assert made == child(root(), 1, "evt", "run")
        others = {child(root(), 2, "evt", "run"), child(root(), 1, "evtr", "un"), child(root(NOW, 1), 1, "evt", "run")}
        assert len(others | {made}) == 4

    def test_more_than_can_be_ordered_is_an_error(self) -> None:
        assert child(root(), 32_767)
        with pytest.raises(IndexError):
            child(root(), 32_768)

    def test_a_root_is_its_own_root(self) -> None:
        assert root_of(root()) == root()


class TestRunsAndDeliveries:
    @given(TIMES, FRESH, NAMES)
    def test_name_their_event(self, now: int, fresh: int, rule: str) -> None:
        event = child(root(now, fresh), 1, rule)
        run, delivery = run_id(event, rule), delivery_id(event, 3, rule, "a0")
        assert is_id(RUN, run)
        assert is_id(DELIVERY, delivery)
        assert event_of(run) == event_of(delivery) == event
        assert time_of(run) == time_of(delivery) == now

    def test_have_this_very_form(self) -> None:
        assert run_id(root(), "rul_1") == "run_01KAWHA7BV0000000000000000R0P88YMN"
        assert delivery_id(root(), 0, "rul_1", "a0") == "dlv_01KAWHA7BV00000000000000000000HP15Q5"

    @given(st.lists(st.integers(0, 2**20 - 1), min_size=2, unique=True))
    def test_deliveries_of_an_event_rise_with_their_place(self, places: list[int]) -> None:
        made = [delivery_id(root(), n, "rul_1", "a0") for n in sorted(places)]
        assert made == sorted(made)

    def test_differ_by_rule_and_place(self) -> None:
        assert run_id(root(), "rul_1") != run_id(root(), "rul_2")
        of = {
            delivery_id(root(), 0, "rul_1", "a0"),
            delivery_id(root(), 0, "rul_1", "a1"),
            delivery_id(root(), 0, "rul_1a", "0"),
            delivery_id(root(NOW, 1), 0, "rul_1", "a0"),
        }
        assert len(of) == 4


class TestOtherIds:
    @given(TIMES, st.integers(0, 2**80 - 1), st.sampled_from([RULE, ENDPOINT, KEY, FUNNEL]))
    def test_carry_prefix_and_time(self, now: int, bits: int, prefix: str) -> None:
        made = prefixed(prefix, now, bits)
        assert is_id(prefix, made)
        assert time_of(made) == now

    @given(TIMES, st.integers(0, 2**80 - 1), st.integers(0, 2**80 - 1))
    def test_keep_every_random_bit(self, now: int, one: int, other: int) -> None:
        assert (prefixed(RULE, now, one) == prefixed(RULE, now, other)) == (one == other)

    @pytest.mark.parametrize(
        "text",
        ["", "evt_", "evt_01KAWHA7BV000000000000000", "evt_01KAWHA7BV00000000000000000",
         "evt_01kawha7bv0000000000000000",
         "evt_81KAWHA7BV0000000000000000", "evt_01KAWHA7BV000000000000000U", "run_01KAWHA7BV0000000000000000",
         "evt_01KAWHA7BV000000000000000\n", "evt-01KAWHA7BV0000000000000000"],
    )  # fmt: skip
    def test_of_another_form_are_none(self, text: str) -> None:
        assert not is_id(EVENT, text)


class TestContacts:
    @given(TIMES, st.integers(0, 2**74 - 1))
    def test_have_a_uuid_of_version_7(self, now: int, bits: int) -> None:
        text = uuid7(now, bits)
        made = uuid.UUID(text)
        assert str(made) == text
        assert (made.version, made.variant) == (7, uuid.RFC_4122)
        assert made.int >> 80 == now
        rand_a, rand_b = made.int >> 64 & 0xFFF, made.int & (2**62 - 1)
        assert rand_a << 62 | rand_b == bits
