"""Composing: the mail that an action makes, from its message, the contact, the event and the rule.

Called by `decide` with the working state at the action's place, by previews and by test sends.
"""

import re
from collections.abc import Iterable
from datetime import UTC, tzinfo
from typing import Any, Final

from msgspec import Struct

from goniec.core.labels import Label
from goniec.core.letters import Language
from goniec.core.liquid import TemplateError, parse
from goniec.core.mailing import UNSUBSCRIBE, Envelope
from goniec.core.messages import Message, MessageDraft, templates
from goniec.core.model import Contact, Event
from goniec.core.quiet import NO_LIMITS, MailLimits
from goniec.core.text import email_key
from goniec.core.times import format_instant

OWNER: Final = "owner"
"""Whom a notice may be for besides a user: the owner of the contact, where that is a user."""

EXAMPLE: Final = Contact(
    id="00000000-0000-7000-8000-000000000000",
    created_at=0,
    updated_at=0,
    email="jan.kowalski@example.com",
    phone="+48 600 100 200",
    name="Jan Kowalski",
    company="Przykładowa Sp. z o.o.",
)
"""Whom test sends and previews are about when no contact is named; nobody has this id."""

_SUBJECT_MOST: Final = 1_000
_BODY_END: Final = re.compile(r"</body\s*>", re.IGNORECASE)
_UNSEEN: Final = re.compile(
    r"<!--.*?(?:-->|\Z)|<(style|script|title|textarea)\b.*?(?:</\1|\Z)", re.IGNORECASE | re.DOTALL
)
_WAY_OUT: Final = re.compile(
    rf"<(?:a|area)\s(?:[^<>]*[\s\"'])?href\s*=\s*[\"']?\s*{re.escape(UNSUBSCRIBE)}(?![\w.-])", re.IGNORECASE
)
"""A link, and not only the words somewhere. Where it is seen by nobody but us, a mail has two; never none."""
_OPT_OUT: Final = Label("Nie chcę więcej takich wiadomości", "Unsubscribe")


class Unwritable(Exception):
    """A mail cannot be made for this contact; the text says why, and of which part."""


class Colleague(Struct, frozen=True):
    """A user to whom notices can go."""

    id: str
    email: str
    language: Language | None = None


class About(Struct, frozen=True):
    """What the texts of a mail may speak of; `rule` is its id, name and comment, times are those of the zone."""

    contact: Contact
    event: Event
    rule: tuple[str, str, str]
    zone: tzinfo = UTC

    @property
    def values(self) -> dict[str, Any]:
        """As Liquid sees it."""
        contact, event, (id, name, description) = self.contact, self.event, self.rule
        return {
            "contact": {
                "id": contact.id,
                "email": contact.email,
                "phone": contact.phone,
                "name": contact.name,
                "company": contact.company,
                "externalId": contact.external_id,
                "language": contact.language,
                "timezone": contact.timezone,
                "state": contact.state,
                "owner": contact.owner,
                "score": contact.score,
                "tags": sorted(contact.tags),
                "details": dict(contact.details),
                "stages": {funnel: held.stage for funnel, held in contact.stages.items()},
                "consents": dict(contact.consents),
            },
            "event": {
                "id": event.id,
                "type": event.type,
                "occurredAt": format_instant(event.occurred_at),
                "data": event.data,
            },
            "rule": {"id": id, "name": name, "description": description},
            "unsubscribeUrl": UNSUBSCRIBE,
        }


class Composer:
    """The messages and users of a workspace, its limits on mail and its language."""

    def __init__(
        self,
        messages: Iterable[Message] = (),
        users: Iterable[Colleague] = (),
        limits: MailLimits = NO_LIMITS,
        language: Language = "en",
    ) -> None:
        self.messages = {message.id: message for message in messages}
        self.limits = limits
        self.language = language
        self._users = {user.id: user for user in users}
        self._by_email = {email_key(user.email)[1]: user for user in self._users.values()}

    def mail(self, message_id: str, about: About, to: str) -> Envelope:
        """Make the mail of a message. Raises `Unwritable`."""
        message = self.messages[message_id]
        return self.written(message, about, to, id=message.id, version=message.version)

    def written(self, message: MessageDraft, about: About, to: str, *, id: str = "", version: int = 0) -> Envelope:
        """Make the mail of a message that may not be stored yet. Raises `Unwritable`."""
        language = self.language_of(about.contact)
        parts = templates(message).items()
        texts = {part: _render(source, about, part, language, html=html) for part, (source, html) in parts}
        html, text = texts.get("html"), texts.get("text")
        if not message.transactional:
            html = html and _with_opt_out(html, language)
            text = text and _with_text_opt_out(text, language)
        return Envelope(
            to=to,
            sender=message.sender,
            reply_to=message.reply_to,
            subject=_one_line(texts["subject"]),
            html=html,
            text=text,
            message=id,
            version=version,
            marketing=not message.transactional,
            tracked=bool(id),
            language=language,
        )

    def notice(self, user: str, subject: str, text: str, about: About) -> Envelope | None:
        """Make a notice to a user, or to the contact's owner; None: there is no such user. Raises `Unwritable`."""
        found = self.colleague(user, about.contact)
        if found is None:
            return None
        language = found.language or self.language
        return Envelope(
            to=found.email,
            subject=_one_line(_render(subject, about, "subject", language, html=False)),
            text=_render(text, about, "text", language, html=False),
            language=language,
        )

    def colleague(self, user: str, contact: Contact) -> Colleague | None:
        """Find whom a notice is for: a user's id or address, or `OWNER`."""
        who = contact.owner if user == OWNER else user
        if not who:
            return None
        try:
            return self._users.get(who) or self._by_email.get(email_key(who)[1])
        except ValueError:
            return None

    def language_of(self, contact: Contact) -> Language:
        """The language in which what is not the author's own is said: Polish or English."""
        match (contact.language or "").lower()[:2]:
            case "pl":
                return "pl"
            case "en":
                return "en"
            case _:
                return self.language


def _render(source: str, about: About, part: str, language: Language, *, html: bool) -> str:
    try:
        return parse(source, html=html).render(about.values, zone=about.zone, language=language)
    except TemplateError as error:
        raise Unwritable(f"its {part}, line {error.line}: {error.detail}") from None


def _one_line(text: str) -> str:
    """A subject: what a value brought with it beyond a line is no header."""
    flat = " ".join(text.split())
    return "".join(char for char in flat if char.isprintable())[:_SUBJECT_MOST]


def _with_opt_out(html: str, language: Language) -> str:
    if _WAY_OUT.search(_UNSEEN.sub("", html)):
        return html
    link = (
        f'<p style="font-size:12px"><a href="{UNSUBSCRIBE}">{_OPT_OUT.pl if language == "pl" else _OPT_OUT.en}</a></p>'
    )
    # not by way of `lower`: İ becomes two characters, and what stands behind it moves on
    ends = [found.start() for found in _BODY_END.finditer(html)]
    at = ends[-1] if ends else len(html)
    return html[:at] + link + html[at:]


def _with_text_opt_out(text: str, language: Language) -> str:
    if UNSUBSCRIBE in text:
        return text
    return f"{text.rstrip()}\n\n-- \n{_OPT_OUT.pl if language == 'pl' else _OPT_OUT.en}: {UNSUBSCRIBE}\n"


NOTHING: Final = Composer()
