"""Every word of the panel is there in Polish, once, and with all its forms."""

import re

import pytest

from tests.e2e.panel.messages import Message, catalogues, said

SAID = said()
KNOWN = catalogues()
ALL = {message: polish for entries in KNOWN.values() for message, polish in entries.items()}
PLACE = re.compile(r"%\((\w+)\)s")


def test_every_message_has_its_polish() -> None:
    assert {message: place for message, place in SAID.items() if message not in ALL} == {}


def test_no_catalogue_has_what_nobody_says() -> None:
    assert [message for message in ALL if message not in SAID] == []


def test_no_message_stands_in_two_catalogues() -> None:
    found: dict[Message, str] = {}
    for name, entries in KNOWN.items():
        for message in entries:
            assert message not in found, f"{message!r} is in {found[message]} and {name}"
            found[message] = name


@pytest.mark.parametrize("message", ALL, ids=str)
def test_a_translation_is_whole(message: Message) -> None:
    """No form is missing, and what is filled in is the same in both languages."""
    forms = ALL[message]
    assert len(forms) == (3 if isinstance(message, tuple) else 1)
    assert all(forms)
    english = message[-1] if isinstance(message, tuple) else message
    for form in forms:
        assert set(PLACE.findall(form)) == set(PLACE.findall(english)), form
        assert form.strip() == form
        assert english[-1:] in ".?!…:" or form[-1:] not in ".!", "a full stop more than the English has"
