"""What the floors below say about a user's mistake can be said in Polish, all of it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from goniec.core.problems import Problem
from goniec.send.networks import REFUSED_V4, REFUSED_V6
from goniec.web.panel.problem_words import POLISH
from goniec.web.panel.told import polish, told
from goniec.web.panel.words import Words
from tests.conftest import REPO

SPEAKING = [
    "core/names",
    "core/checks",
    "core/operators",
    "core/conditions",
    "core/leaves",
    "core/drafts",
    "core/shapes",
    "core/meant",
    "core/matching",
    "core/occurring",
    "core/text",
    "core/times",
    "core/events",
    "core/identity",
    "core/retry",
    "core/signing",
    "core/messages",
    "core/liquid_scan",
    "core/quiet",
    "flow/endpoint_drafts",
    "flow/mail_actions",
    "flow/messages",
    "flow/endpoints",
    "flow/oauth2",
    "flow/webhooks",
    "flow/users",
    "flow/funnels",
    "flow/keys",
    "flow/testing",
    "flow/deliveries",
    "flow/jobs",
    "flow/merge",
    "send/certificates",
    "send/guard",
]
"""The rooms whose sentences reach a form."""

ELSEWHERE = re.compile(
    r"^(POST|PATCH|PUT|DELETE) /|\(\?|\\Z|^ - at|^Jan Kowalski$|^Przykładowa|^contains unknown$|^no value$|^no \{\}$"
    r"|webhook-timestamp|webhook-signature|^it has no dedup key$|^only events have|^it is$|^it is there since|^(\{\} ?){3,}|^\{\} leads to \{\}:$"
)
"""Patterns, examples, parts of sentences, and what only receivers and traces say."""


def sentences(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in inside or id(node) in statements:
            continue
        text = _template(node)
        if text and " " in text.strip() and re.search("[a-z]{2}", text) and not ELSEWHERE.search(text):
            yield text


def _template(node: ast.AST) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in values)
        case _:
            return None


@pytest.mark.parametrize("room", SPEAKING)
def test_every_sentence_has_its_polish(room: str) -> None:
    said = set(sentences(REPO / f"src/goniec/{room}.py"))
    assert [text for text in sorted(said) if polish(text.replace("{}", "x9")) == text.replace("{}", "x9")] == []


@pytest.mark.parametrize("what", sorted({what for _, what in (*REFUSED_V4, *REFUSED_V6)}))
def test_every_forbidden_address_has_its_polish(what: str) -> None:
    assert polish(what) != what


@pytest.mark.parametrize("english", POLISH)
def test_what_is_filled_in_stands_in_both(english: str) -> None:
    assert POLISH[english].count("{}") == english.count("{}")


def test_a_sentence_inside_a_sentence_is_polish_too() -> None:
    said = "trigger 1 (contact.inactive) cannot occur: this version of Goniec raises no events by the calendar"
    assert polish(said).endswith("ta wersja Gońca nie tworzy zdarzeń według kalendarza")


@pytest.mark.parametrize(
    ("detail", "pl", "en"),
    [
        ("is required", "To pole jest wymagane.", "Is required."),
        (
            "Expected whole number, got text",
            "Potrzebny rodzaj wartości: liczba całkowita, a jest: tekst.",
            "Expected whole number, got text.",
        ),
        (
            "a sentence that nobody has translated",
            "A sentence that nobody has translated.",
            "A sentence that nobody has translated.",
        ),
    ],
)
def test_a_problem_is_a_sentence(detail: str, pl: str, en: str) -> None:
    assert told(Problem("/x", detail), Words("pl")) == pl
    assert told(Problem("/x", detail), Words("en")) == en
