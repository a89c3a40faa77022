"""Spans of time in one field, and what browsers call themselves: read, and written so that it reads the same."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.web.panel.browsers import SHOWN, browser_name
from goniec.web.panel.spans import read_span, read_spans, span_text, spans_text


@given(st.lists(st.integers(1, 10**9)))
def test_what_is_shown_reads_the_same(seconds: list[int]) -> None:
    assert read_spans(spans_text(tuple(seconds))) == tuple(seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1h30min", 5400),
        (" 2 godz. 5 minut ", 7500),
        ("1 dzień", 86_400),
        ("3 dni 1 s", 259_201),
        ("5 Sekund", 5),
        ("0", 0),
    ],
)
def test_people_write_spans_in_their_own_words(text: str, seconds: int) -> None:
    assert read_span(text) == seconds


@pytest.mark.parametrize("text", ["", " ", "soon", "5 lat", "-5 s", "1.5 h", "1,5 h", "5 s 3", "²", "5 s x"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text.strip())}$"):
        read_span(text)


@pytest.mark.parametrize(("text", "wrong"), [("5 s, 1,5 h", "1"), ("1.5 h", "1.5 h"), ("5 s, 60", "60")])
def test_in_a_list_each_has_its_unit(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(wrong)}$"):
        read_spans(text)


def test_a_list_of_spans_takes_commas_semicolons_and_lines() -> None:
    assert read_spans("5 s, 1 min;2 h\n\n1 d,") == (5, 60, 7200, 86_400)
    assert read_spans("") == ()
    assert span_text(90_061) == "1\u00a0d 1\u00a0h 1\u00a0min 1\u00a0s"


AGENTS = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36": (
        "Chrome, Windows"
    ),
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36 Edg/131.0": (
        "Edge, Windows"
    ),
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1": (
        "Safari, macOS"
    ),
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile Safari/604.1": (
        "Safari, iPhone"
    ),
    "Mozilla/5.0 (Android 14; Mobile; rv:130.0) Gecko/130.0 Firefox/130.0": "Firefox, Android",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/131.0 Safari/537.36": (
        "Chrome, Linux"
    ),
    "curl/8.5.0": "curl/8.5.0",
    "": "",
    "\u202ekot": "\\u202ekot",
}


@pytest.mark.parametrize(("agent", "name"), AGENTS.items(), ids=AGENTS.values())
def test_a_browser_is_called_what_its_owner_calls_it(agent: str, name: str) -> None:
    assert browser_name(agent) == name


def test_a_name_that_nobody_knows_is_cut() -> None:
    assert browser_name("x" * 200) == "x" * (SHOWN - 1) + "…"
