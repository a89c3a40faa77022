"""Tokens say what they were made of, and nothing when anything about them is another."""

import base64
import string
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.core.ids import DELIVERY, MESSAGE, EventIds, delivery_id, is_id, number_of, of_number, prefixed
from goniec.core.tokens import (
    BOUNCE,
    LONGEST,
    URL_BYTES,
    Mark,
    bounce,
    leave,
    link,
    read_bounce,
    read_leave,
    read_link,
    read_seen,
    seen,
)

NOW = 1_764_041_760_123
EVENT = EventIds().next(NOW, 7)
D = delivery_id(EVENT, 3, "rul_1", "then/0")
C = "0190a6c2-7d3f-7abc-8def-0123456789ab"
M = prefixed(MESSAGE, NOW, 12345)
KEY, OLDER = b"k" * 32, b"o" * 32
KEYS = (KEY, OLDER)
URL = "https://sklep.example/a?b=[1]&u=http%3A%2F%2Fx.example%2F#część"

DELIVERIES = st.builds(
    delivery_id,
    st.builds(lambda now, fresh: EventIds().next(now, fresh), st.integers(0, 2**44 - 1), st.integers(0, 2**39 - 1)),
    st.integers(0, 1_048_575),
    st.sampled_from(["rul_1", "rul_2"]),
    st.just("then/0"),
)
CONTACTS = st.uuids().map(str)
MESSAGES = st.just("") | st.builds(prefixed, st.just(MESSAGE), st.integers(1, 2**48 - 1), st.integers(0, 2**80 - 1))
URLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)

MADE = [seen(KEYS, D, C, M), link(KEYS, D, C, M, URL), leave(KEYS, D, C, M), bounce(KEYS, D)]
READERS: list[Callable[[tuple[bytes, ...], str], object]] = [read_seen, read_link, read_leave, read_bounce]


@given(DELIVERIES, CONTACTS, MESSAGES, URLS)
def test_what_was_put_in_comes_out(delivery: str, contact: str, message: str, url: str) -> None:
    assert read_seen(KEYS, seen(KEYS, delivery, contact, message)) == Mark(delivery, contact, message)
    assert read_leave(KEYS, leave(KEYS, delivery, contact, message)) == Mark(delivery, contact, message)
    assert read_link(KEYS, link(KEYS, delivery, contact, message, url)) == Mark(delivery, contact, message, url)
    assert read_bounce(KEYS, bounce(KEYS, delivery)) == delivery


def test_tokens_have_this_very_form() -> None:
    # pinned: mails that went out carry them, and they are to work for ever
    assert MADE[0] == "AAZq5FR17AAAAAAcAAAAAAAAAOuOvvoBkKbCfT96vI3vASNFZ4mrAZq5FR17AAAAAAAAAAAwOU1nGWRzf6AtHhI9CLaix8A"
    assert MADE[3] == "36ns2meqp0000000e000000000007bhtzfmf3an7r7ddgmv"
    assert [token[-12:] for token in MADE[1:3]] == ["pSOj5RD0k698", "0-pYu0uDT-cw"]


def test_tokens_are_short_and_fit_where_they_stand() -> None:
    assert len(MADE[0]) == len(MADE[2]) == 95
    assert all(set(token) <= {*string.ascii_letters, *string.digits, "_", "-"} for token in MADE)
    assert MADE[3] == MADE[3].lower()
    assert MADE[3].isalnum()
    assert len(f"{'a' * 16}+{MADE[3]}") == 64
    assert len(MADE[3]) == BOUNCE


@pytest.mark.parametrize("n", range(4))
def test_no_character_can_be_another(n: int) -> None:
    token, read = MADE[n], READERS[n]
    assert read(KEYS, token) is not None
    others = string.digits + string.ascii_lowercase + "-_=é" + ("" if n == 3 else string.ascii_uppercase)
    for at, char in enumerate(token):
        for other in others.replace(char, ""):
            assert read(KEYS, token[:at] + other + token[at + 1 :]) is None
    assert read(KEYS, token[:-1]) is None
    assert read(KEYS, token + token[-1]) is None


@pytest.mark.parametrize("n", range(4))
def test_a_token_is_of_one_kind(n: int) -> None:
    assert [read(KEYS, MADE[n]) is not None for read in READERS] == [at == n for at in range(4)]


def test_an_envelope_s_token_may_change_its_case() -> None:
    assert read_bounce(KEYS, MADE[3].upper()) == D
    assert read_bounce(KEYS, MADE[3].title()) == D


def test_keys_take_over_from_each_other() -> None:
    for n, read in enumerate(READERS):
        assert read((KEY,), MADE[n]) is not None
        assert read((OLDER, KEY), MADE[n]) is not None
        assert read((OLDER,), MADE[n]) is None


def test_a_link_holds_a_long_url_and_no_longer_one() -> None:
    longest = "https://x.example/?" + "q" * (URL_BYTES - 19)
    token = link(KEYS, D, C, M, longest)
    assert len(token) <= LONGEST
    assert read_link(KEYS, token) == Mark(D, C, M, longest)
    with pytest.raises(ValueError, match="at most 16384 bytes"):
        link(KEYS, D, C, M, longest + "q")


@pytest.mark.parametrize(
    "garbage",
    ["", "a", "ab", "=", "====", "é" * 95, "K" * BOUNCE, "a\n", "\ud800", "\0" * 95, "/" * 95, "0" * BOUNCE,
     "A" * LONGEST, "A" * 1_000_000, base64.urlsafe_b64encode(bytes(16)).decode().rstrip("=")],
)  # fmt: skip
def test_garbage_is_nothing(garbage: str) -> None:
    assert [read(KEYS, garbage) for read in READERS] == [None] * 4


@given(st.text() | st.text("abcXYZ019_-", max_size=100))
def test_no_text_breaks_a_reader(text: str) -> None:
    assert [read(KEYS, text) for read in READERS] == [None] * 4


@given(DELIVERIES, st.integers(0, 2**128 - 1))
def test_an_id_is_a_number(delivery: str, number: int) -> None:
    assert of_number(DELIVERY, number_of(delivery)) == delivery
    message = of_number(MESSAGE, number)
    assert is_id(MESSAGE, message)
    assert number_of(message) == number


def test_contacts_are_written_as_uuids_are() -> None:
    mark = read_seen(KEYS, MADE[0])
    assert mark is not None
    assert uuid.UUID(mark.contact_id) == uuid.UUID(C)
    assert mark.contact_id == C
