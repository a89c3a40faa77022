"""A delivery that is a mail, as a person reads it: who writes to whom, the texts, the head, and what its reader did.

Called by `views.delivery`. It is shown as it was decided: neither the pixel nor the links by which openings and clicks
are heard are in it. Of the head, what opens something without a password is left out: the address to opt out, and for
who may change nothing what tells a report about the mail from a forged one.
"""

import asyncio
import re
from collections.abc import Sequence
from email import message_from_bytes
from email.policy import default
from typing import Final

from markupsafe import Markup
from msgspec import Struct
from msgspec.structs import replace

from goniec.core import tokens
from goniec.core.mailing import TELLING, Envelope, opened, sealed
from goniec.core.messages import Message
from goniec.core.model import Delivery, Event
from goniec.ports import EventFilter, Page, Posting
from goniec.send import markup
from goniec.send.mime import Composed, Site, compose
from goniec.web.panel.event_words import Told, event_words
from goniec.web.panel.fields import EVENT_ICONS
from goniec.web.panel.mail_frame import framed, readable
from goniec.web.panel.page import Visit
from goniec.web.panel.showing import head_lines, visible

HEAD: Final = (
    "Message-ID",
    "Date",
    "Content-Language",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Auto-Submitted",
)
"""What a mail has besides that which is shown anyway and how its parts are written."""

READ: Final = 200
"""Events of a kind that are looked through; they are of all mails of the contact since this one."""
SHOWN: Final = 20

_LEAVING: Final = re.compile(r"(/t/u/)[\w-]+")


class MailShown(Struct, frozen=True):
    """A mail: `html` is the document of its frame, `head` has the headers that nothing else shows.

    `made` says that `text` is made of the HTML, `pictures` that those of other servers are shown.
    """

    envelope: Envelope
    message: Message | None
    sender: str
    html: str | None
    text: str
    made: bool
    head: Markup
    pictures: bool


class Happened(Struct, frozen=True):
    """An event that tells what became of a mail."""

    event: Event
    told: Told
    icon: str


async def mail_shown(visit: Visit, delivery: Delivery, *, pictures: bool) -> MailShown | None:
    """Show a mail; with `pictures` those of other servers too. None: its body is gone."""
    envelope = opened(delivery.body)
    if envelope is None:
        return None
    text, public_url = envelope.text, visit.context.public_url
    if text is None:
        text = await asyncio.to_thread(markup.plain, envelope.html or "")
    return MailShown(
        envelope,
        await visit.context.store.queries.message(envelope.message) if envelope.message else None,
        visible(envelope.sender or visit.context.mail_setup.sender or visit.say("not set")),
        None if envelope.html is None else framed(envelope.html, pictures=pictures),
        readable(text, public_url),
        envelope.text is None,
        _head(visit, delivery, envelope),
        pictures,
    )


async def happened(visit: Visit, delivery: Delivery, contacts: Sequence[str]) -> list[Happened]:
    """Give what became of a mail, the newest first; `contacts` are the ids that its contact has had."""
    queries, page = visit.context.store.queries, Page(READ, newest=True)
    wanted = [
        EventFilter(contact_id=contact, type=kind, since=delivery.created_at)
        for contact in contacts
        for kind in sorted(TELLING)
    ]
    found = await asyncio.gather(*(queries.events(one, page) for one in wanted))
    events = [event for rows in found for event in rows if event.data.get("delivery") == delivery.id]
    return [
        Happened(event, _told(visit, event), EVENT_ICONS.get(event.type, "activity"))
        for event in sorted(events, key=lambda event: event.id, reverse=True)[:SHOWN]
    ]


def _told(visit: Visit, event: Event) -> Told:
    """Of which message it is says the page."""
    data = {name: value for name, value in event.data.items() if name not in {"message", "subject"}}
    return event_words(replace(event, data=data), visit.words, {})


def _head(visit: Visit, delivery: Delivery, envelope: Envelope) -> Markup:
    """Give the rest of the head, as the sender makes it; nothing where it could make none."""
    context = visit.context
    keys, setup = context.vault.derived(tokens.PURPOSE), context.mail_setup
    site = Site(public_url=context.public_url, sender=setup.sender, bounces=setup.bounces, keys=keys)
    # the texts have no part in it, and making them takes a while
    body = sealed(replace(envelope, html=None, text=""))
    mail = compose(Posting(delivery.id, delivery.contact_id, delivery.created_at, body), site)
    if not isinstance(mail, Composed):
        return Markup()
    message = message_from_bytes(mail.content, policy=default)
    lines = [f"Return-Path: <{mail.sender}>", *(f"{name}: {message[name]}" for name in HEAD if name in message)]
    text = _LEAVING.sub(r"\1...", "\n".join(lines))
    if not visit.may("editor"):
        text = text.replace(tokens.bounce(keys, delivery.id), "...")
    return head_lines(text.encode("latin-1", "replace"))
