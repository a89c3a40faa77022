"""What a user may write into a message, and where it is told when that makes no sense."""

from typing import Any

import pytest

from goniec.core.messages import HTML_LIMIT, MessageDraft, read_draft
from goniec.core.problems import Invalid

PLAIN = {"name": "Welcome", "subject": "Hello {{ contact.name }}", "html": "<p>Hello</p>"}


def refused(data: object) -> list[str]:
    with pytest.raises(Invalid) as caught:
        read_draft(data)
    return [problem.pointer for problem in caught.value.problems]


def test_what_is_read_is_as_it_was_written() -> None:
    draft = read_draft(PLAIN | {"from": "Sklep <a@b.example>", "replyTo": "c@d.example", "transactional": True})
    assert draft == MessageDraft(
        name="Welcome",
        subject="Hello {{ contact.name }}",
        html="<p>Hello</p>",
        sender="Sklep <a@b.example>",
        reply_to="c@d.example",
        transactional=True,
    )


def test_what_was_read_can_be_sent_back() -> None:
    back = PLAIN | {"id": "msg_1", "version": 3, "createdAt": "x", "updatedAt": "y", "text": None}
    assert read_draft(back).name == "Welcome"


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ([], [""]),
        ({}, ["/name", "/subject", "/html"]),
        (PLAIN | {"body": "x"}, ["/body"]),
        (PLAIN | {"name": 5}, ["/name"]),
        (PLAIN | {"name": " "}, ["/name"]),
        (PLAIN | {"subject": ""}, ["/subject"]),
        (PLAIN | {"subject": "a\nBcc: x@y.pl"}, ["/subject"]),
        (PLAIN | {"subject": "x" * 501}, ["/subject"]),
        (PLAIN | {"subject": "{{ contact.name"}, ["/subject"]),
        (PLAIN | {"html": "x" * (HTML_LIMIT + 1)}, ["/html"]),
        (PLAIN | {"html": "{% if contact.name %}"}, ["/html"]),
        (PLAIN | {"html": "a\x00b"}, ["/html"]),
        (PLAIN | {"html": None}, ["/html"]),
        (PLAIN | {"html": None, "text": "x{% nonsense %}"}, ["/text"]),
        (PLAIN | {"from": "nobody"}, ["/from"]),
        (PLAIN | {"from": "Jan, Ala <a@b.example>"}, ["/from"]),
        (PLAIN | {"from": "Jan\r\nBcc: x@y.pl <a@b.example>"}, ["/from"]),
        (PLAIN | {"from": f"{'x' * 330} <a@b.example>"}, ["/from"]),
        (PLAIN | {"replyTo": "a@b@c.example"}, ["/replyTo"]),
        (PLAIN | {"from": "{{ contact.name }} <a@b.example>", "replyTo": "{{contact.owner}}"}, ["/from", "/replyTo"]),
        (PLAIN | {"from": "\u2028Jan <a@b.example>", "replyTo": "a@b.example\n"}, ["/from", "/replyTo"]),
        (PLAIN | {"transactional": "yes"}, ["/transactional"]),
        (PLAIN | {"from": "\ud800", "id": "\ud800"}, ["/from", "/id"]),
    ],
)
def test_what_makes_no_sense_is_told_at_its_place(data: object, where: list[str]) -> None:
    assert refused(data) == where


def test_a_mistake_in_a_template_names_its_line() -> None:
    with pytest.raises(Invalid) as caught:
        read_draft(PLAIN | {"html": "<p>\n\n{% if %}</p>"})
    (problem,) = caught.value.problems
    assert problem.detail.startswith("line 3: ")


@pytest.mark.parametrize("missing", ["html", "text"])
def test_one_of_html_and_text_is_enough(missing: str) -> None:
    data: dict[str, Any] = {"name": "x", "subject": "x", "html": "<p>x</p>", "text": "x"}
    assert getattr(read_draft({key: data[key] for key in data if key != missing}), missing) is None
