"""A message as its form shows it: fields of text, and the way from there to the message and back.

Called by `views.messages`. What a field is called is the JSON pointer of its value, so a problem finds its field.
"""

from typing import Any, Final

from msgspec import Struct

from goniec.core.messages import Message
from goniec.web.panel.forms import Form
from goniec.web.panel.words import Words

_OPTIONAL: Final = ("html", "text")
_ADDRESSES: Final = {"sender": "from", "reply_to": "replyTo"}


class Fields(Struct, frozen=True):
    """What stands in the form."""

    name: str = ""
    subject: str = ""
    html: str = ""
    text: str = ""
    sender: str = ""
    reply_to: str = ""
    transactional: bool = False


def shown(message: Message) -> Fields:
    """Give the fields of a message."""
    return Fields(
        name=message.name,
        subject=message.subject,
        html=message.html or "",
        text=message.text or "",
        sender=message.sender or "",
        reply_to=message.reply_to or "",
        transactional=message.transactional,
    )


def sent(form: Form) -> Fields:
    """Give the fields that a browser sent, which ends lines in two characters."""
    return Fields(
        name=form.text("name"),
        subject=form.text("subject"),
        html=form.get("html").replace("\r\n", "\n"),
        text=form.get("text").replace("\r\n", "\n"),
        sender=form.text("from"),
        reply_to=form.text("replyTo"),
        transactional=form.get("transactional") == "1",
    )


def data_of(fields: Fields) -> dict[str, Any]:
    """Give the message that the fields mean, as JSON; whether it makes sense is for the core to say."""
    data: dict[str, Any] = {
        "name": fields.name,
        "subject": fields.subject,
        "transactional": fields.transactional,
    }
    data |= {key: getattr(fields, key) for key in _OPTIONAL if getattr(fields, key).strip()}
    return data | {key: getattr(fields, name) for name, key in _ADDRESSES.items() if getattr(fields, name)}


def names(words: Words) -> dict[str, str]:
    """What the fields are called, by name."""
    return {
        "name": words.say("Name"),
        "subject": words.say("Subject"),
        "html": "HTML",
        "text": words.say("Plain text"),
        "from": words.say("From"),
        "replyTo": words.say("Reply to"),
        "transactional": words.say("Transactional"),
    }


def difference(theirs: Fields, mine: Fields, words: Words) -> list[tuple[str, str, str]]:
    """What is saved now beside what stands in the form, where they differ: (what, theirs, mine)."""
    pairs = (
        (word, getattr(theirs, _attribute(key)), getattr(mine, _attribute(key))) for key, word in names(words).items()
    )
    return [(word, _told(one, words), _told(other, words)) for word, one, other in pairs if one != other]


def _attribute(key: str) -> str:
    return {outside: name for name, outside in _ADDRESSES.items()}.get(key, key)


def _told(value: object, words: Words) -> str:
    if isinstance(value, bool):
        return words.say("yes") if value else words.say("no")
    return str(value) or "\N{EN DASH}"
