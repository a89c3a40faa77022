"""The gate: who has to wait after wrong passwords, and for how long."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.flow import gate as room
from goniec.flow.gate import FREE, FREE_OF_ADDRESS, FREE_OF_EMAIL, WAIT_MOST, WAIT_MOST_OF_EMAIL, Gate
from tests.flow.passwords import Plain
from tests.flow.workshop import Clock

JAN: Final = "jan@x.pl"
HERE: Final = "198.51.100.7"
HOUR: Final = 3_600_000


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> Gate:
    return Gate(clock, Plain())


def fail(gate: Gate, clock: Clock, times: int, email: str = JAN, address: str = HERE) -> None:
    """So many wrong ones, each as soon as it may be made."""
    for _ in range(times):
        clock.at += 1_000 * gate.wait(email, address)
        assert gate.wait(email, address) == 0
        gate.failed(email, address)


def test_the_first_wrong_ones_cost_nothing(gate: Gate, clock: Clock) -> None:
    fail(gate, clock, FREE)
    assert gate.wait(JAN, HERE) == 0


def test_each_further_one_doubles_the_wait_up_to_a_quarter_of_an_hour(gate: Gate, clock: Clock) -> None:
    fail(gate, clock, FREE)
    waits = []
    for _ in range(12):
        fail(gate, clock, 1)
        waits.append(gate.wait(JAN, HERE))
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_a_wait_runs_out(gate: Gate, clock: Clock) -> None:
    fail(gate, clock, FREE + 2)
    assert gate.wait(JAN, HERE) == 2
    clock.at += 1
    assert gate.wait(JAN, HERE) == 2
    clock.at += 1_000
    assert gate.wait(JAN, HERE) == 1
    clock.at += 999
    assert gate.wait(JAN, HERE) == 0


def test_the_right_one_begins_anew(gate: Gate, clock: Clock) -> None:
    fail(gate, clock, FREE + 3)
    clock.at += HOUR
    gate.failed(JAN, HERE)
    gate.passed(JAN, HERE)
    fail(gate, clock, FREE)
    assert gate.wait(JAN, HERE) == 0


def test_after_a_day_the_count_begins_anew(gate: Gate, clock: Clock) -> None:
    fail(gate, clock, FREE + 3)
    clock.at += 24 * HOUR + 1
    fail(gate, clock, FREE)
    assert gate.wait(JAN, HERE) == 0


def test_an_address_that_tries_many_emails_waits(gate: Gate, clock: Clock) -> None:
    for n in range(FREE_OF_ADDRESS):
        gate.failed(f"{n}@x.pl", HERE)
    assert gate.wait(JAN, HERE) == 0
    gate.failed("one-more@x.pl", HERE)
    assert gate.wait(JAN, HERE) == 1
    assert gate.wait(JAN, "198.51.100.8") == 0


def test_an_office_that_signs_in_does_not_wait(gate: Gate) -> None:
    for n in range(10 * FREE_OF_ADDRESS):
        assert gate.wait(f"{n}@x.pl", HERE) == 0
        gate.failed(f"{n}@x.pl", HERE)
        gate.passed(f"{n}@x.pl", HERE)


def test_somebody_who_signs_in_again_and_again_does_not_wait(gate: Gate) -> None:
    for n in range(10 * FREE_OF_EMAIL):
        address = f"198.51.{n // 250}.{n % 250}"
        assert gate.wait(JAN, address) == 0
        gate.failed(JAN, address)
        gate.passed(JAN, address)


def test_guessing_from_many_addresses_waits_but_not_where_the_owner_was_before(gate: Gate, clock: Clock) -> None:
    gate.failed(JAN, HERE)
    gate.passed(JAN, HERE)
    for n in range(FREE_OF_EMAIL + 30):
        gate.failed(JAN, f"203.0.{n}.7")
    assert gate.wait(JAN, "203.0.250.7") == WAIT_MOST_OF_EMAIL < WAIT_MOST
    assert gate.wait("ewa@x.pl", "203.0.250.7") == 0
    assert gate.wait(JAN, HERE) == 0
    clock.at += round(1_000 * WAIT_MOST_OF_EMAIL)
    assert gate.wait(JAN, "203.0.250.7") == 0, "the owner elsewhere is not locked out for ever"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:0db8:0001:0002::1", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:198.51.100.7", "198.51.100.7", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("198.51.100.7", "198.51.100.8", False),
        ("", "nowhere", True),
        ("a socket", "another socket", False),
    ],
)
def test_who_has_one_ipv6_address_has_the_whole_network(
    gate: Gate, clock: Clock, one: str, other: str, *, same: bool
) -> None:
    fail(gate, clock, FREE + 2, address=one)
    assert bool(gate.wait(JAN, other)) == same


def test_what_is_remembered_is_bounded(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "COUNTS_MOST", 30)
    monkeypatch.setattr(room, "KNOWN_MOST", 3)
    for n in range(50):
        gate.failed(f"{n}@x.pl", f"198.51.100.{n}")
    assert len(gate._counts) == 30
    for n in range(50):
        gate.passed(f"{n}@x.pl", f"198.51.100.{n}")
    assert list(gate._known) == [(f"{n}@x.pl", f"198.51.100.{n}") for n in (47, 48, 49)]


@given(
    st.lists(st.tuples(st.sampled_from(["fail", "pass", "rest"]), st.integers(0, 2), st.integers(0, 2)), max_size=80)
)
def test_nobody_waits_longer_than_the_cap_and_never_less_than_nothing(steps: list[tuple[str, int, int]]) -> None:
    clock = Clock()
    gate = Gate(clock, Plain())
    for step, email, address in steps:
        key = f"{email}@x.pl", f"198.51.100.{address}"
        match step:
            case "fail":
                gate.failed(*key)
            case "pass":
                gate.passed(*key)
            case _:
                clock.at += 40_000
        assert 0 <= gate.wait(*key) <= WAIT_MOST
        assert all(one.n >= 1 for one in gate._counts.values())
