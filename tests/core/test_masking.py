"""Secrets that come back in an answer, in whatever spelling."""

import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.core.masking import CUT, MASK, SHORTEST, masked, masked_text, spellings

SECRET = 'ta/j <n>e"é+='


@pytest.mark.parametrize(
    "written",
    [
        SECRET.encode(),
        SECRET.encode("latin-1"),
        json.dumps(SECRET).encode(),
        json.dumps(SECRET).replace("/", "\\/").encode(),
        json.dumps(SECRET, ensure_ascii=False).encode(),
        html.escape(SECRET).encode(),
        quote(SECRET, safe="").encode(),
        quote_plus(SECRET).encode(),
    ],
)
def test_a_secret_is_found_as_debug_pages_write_it(written: bytes) -> None:
    found = masked(b"you sent " + written + b" twice: " + written + b".", spellings((SECRET,)))
    assert found.strip(b'"').replace(b'"', b"") == b"you sent " + MASK + b" twice: " + MASK + b"."


def test_what_is_no_secret_stays() -> None:
    assert masked(b"all is well", spellings(("secret", "tajne"))) == b"all is well"
    assert masked(b"all is well", ()) == b"all is well"


def test_one_that_is_too_short_is_not_looked_for() -> None:
    assert spellings(("", "abc")) == ()
    assert spellings(("abcd",)) == (b"abcd",)


def test_a_text_beyond_latin_1_is_looked_for_as_utf_8() -> None:
    hidden = spellings(("żółw",))
    assert "żółw".encode() in hidden
    assert b"????" not in masked("żółw".encode(), hidden)
    assert masked(b"????", hidden) == b"????"


def test_a_text_is_also_looked_for_in_the_form_that_basic_authentication_sends() -> None:
    assert masked("haséł!".encode(), spellings(("hase\u0301ł!",))) == MASK


def test_the_longer_of_two_goes_first() -> None:
    assert masked(b"<secret-and-more>", spellings(("secret", "secret-and-more"))) == b"<" + MASK + b">"


@pytest.mark.parametrize(
    ("data", "left"),
    [
        (b"it ends in secr", b"it ends in ****"),
        (b"it ends in secrsecret-and-mor", b"it ends in secr****"),
        (b"it ends in secret-and-not", b"it ends in secret-and-not"),
        (b"it ends in sec", b"it ends in sec"),
        (b"secr", b"****"),
    ],
)
def test_what_was_cut_within_a_secret_ends_before_it(data: bytes, left: bytes) -> None:
    long = b"." * CUT
    assert masked(long + data, spellings(("secret-and-more",))) == long + left


def test_a_sentence_may_quote_what_was_cut() -> None:
    hidden = spellings(("secret-and-more",))
    assert masked_text("It points to /?t=secret-an… but", hidden) == "It points to /?t=****… but"
    assert masked_text("It points to \udcff but", hidden) == "It points to ? but"


@given(st.text("abcXYZ019/+=żé", min_size=SHORTEST, max_size=12), st.binary(), st.binary())
def test_it_never_grows_and_no_secret_is_left(secret: str, before: bytes, after: bytes) -> None:
    data = before + secret.encode() + after
    left = masked(data, spellings((secret,)))
    assert len(left) <= len(data)
    assert secret.encode() not in left
