"""Mail as it is decided: what stands in the body of a delivery that is a mail.

`decide` makes it once, with all texts rendered; the sender makes the message of it that goes out, the same bytes with
every attempt and resend.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, field

from goniec.core.ids import MESSAGE, is_id
from goniec.core.letters import Language
from goniec.core.model import CLICKED, OPENED, RETURNED, Contact, Event, Skip
from goniec.core.quiet import MailLimits, QuietHours, allowed_at, midnight, room, wait
from goniec.core.text import email_key
from goniec.core.times import Millis

Figure = Literal[
    "sent",
    "opened",
    "openedFirst",
    "clicked",
    "clickedFirst",
    "byMachines",
    "bounced",
    "returned",
    "back",
    "left",
    "complained",
]
"""What is counted of a message: mails taken by the server; openings and clicks by people, and of these the first of a
mail; those by machines; mails that were refused or came back for good, or for now; those that came back once the server
had taken them, each counted once; who opted out, and who complained."""

_UTC: Final = ZoneInfo("UTC")

UNSUBSCRIBE: Final = "goniec:unsubscribe"
"""What stands in texts where the link to opt out goes; the sender puts that in its place."""


class Envelope(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A mail: to whom, from whom (None: as the installation sends), and its texts.

    `message` and `version` say of which message it is; a notice to a user is of none. A `marketing` mail has a link to
    opt out; of one that is `tracked` openings and clicks are told. `language` is the contact's. Of marketing, `hours`
    are the quiet ones and `per_day` the limit that its rule adds to the workspace's, and `zone` counts where the
    contact has none of its own; `day` is the one on which it counts, "" where none does.
    """

    to: str
    sender: str | None = field(default=None, name="from")
    reply_to: str | None = None
    subject: str
    html: str | None = None
    text: str | None = None
    message: str = ""
    version: int = 0
    marketing: bool = False
    tracked: bool = False
    language: Language = "en"
    hours: QuietHours | None = None
    zone: str | None = None
    day: str = ""
    per_day: int | None = None

    def wait(self, contact: Contact, now: Millis, limits: MailLimits) -> Millis | None:
        """Give the end of quiet hours, the workspace's or its rule's, that are on for its contact; None: none are."""
        if not self.marketing or (limits.quiet_hours is None and self.hours is None):
            return None
        return wait(now, self.zone_for(contact), (limits, MailLimits(self.hours)))

    def zone_for(self, contact: Contact) -> ZoneInfo:
        """Give the zone by which its hours and days go."""
        return zone_of(contact, _zone(self.zone, _UTC))

    def rationed(self, limits: MailLimits) -> bool:
        """Whether a day takes only so many like this."""
        return bool(self.day) and (limits.per_day is not None or self.per_day is not None)

    def fits(self, contact: Contact, today: str, limits: MailLimits, gone: Sequence[str]) -> bool:
        """Whether it may go today, where `gone` are the days for which those were decided that have gone today.

        One of another day goes where today's own, gone or not, leave it room; these have been counted already, and
        wait only where others have taken their room.
        """
        others = sum(day != today for day in gone)
        own = contact.mailed.get(today, 0) + others
        taken = own if self.day != today else len(gone) if others else 0
        return room({today: taken}, today, (limits, MailLimits(per_day=self.per_day)))

    def tomorrow(self, contact: Contact, now: Millis, limits: MailLimits) -> Millis:
        """Give the first instant of the contact's next day that is not quiet."""
        zone = self.zone_for(contact)
        return allowed_at(midnight(now, zone, 1), zone, (limits, MailLimits(self.hours)))


_decode: Final = msgspec.json.Decoder(Envelope).decode
_ENCODER: Final = msgspec.json.Encoder()


def sealed(envelope: Envelope) -> bytes:
    """Give the body of the delivery."""
    return _ENCODER.encode(envelope)


def opened(body: bytes) -> Envelope | None:
    """Read the body of a delivery that is a mail; None: it is none, or was erased."""
    try:
        return _decode(body)
    except msgspec.DecodeError:
        return None


def unwelcome(contact: Contact, *, marketing: bool) -> Skip | None:
    """Say why a contact is to get no mail; None: it is to get it."""
    if contact.email is None:
        return Skip.NO_ADDRESS
    if contact.bounced is not None and contact.bounced == email_key(contact.email)[1]:
        return Skip.BOUNCED
    if marketing and contact.subscriptions.get("email") is False:
        return Skip.OPTED_OUT
    return None


def zone_of(contact: Contact, otherwise: ZoneInfo) -> ZoneInfo:
    """Give the zone by which the contact's hours go."""
    return _zone(contact.timezone, otherwise)


def _zone(name: str | None, otherwise: ZoneInfo) -> ZoneInfo:
    try:
        return otherwise if name is None else ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        return otherwise


def read(contact: Contact, kind: str, data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Complete what is told of a mail that was opened, clicked in or sent back, with the opening a click alone proves.

    Only of mails that Goniec sent is known which opening is the first. What the server does not even take has not come
    back: there nobody asks whether it is the first time.
    """
    if kind == "email.bounced" and data.get("email"):
        data = {**data, "email": _compared(data["email"])}
    if kind == "email.bounced" and data.get("kind") == "hard":
        # what this covers is known again once it is undone
        data = {**{key: value for key, value in data.items() if key != "old"}, **_old(contact)}
    flag = _FLAGS.get(kind)
    delivery = data.get("delivery")
    if flag is None or delivery is None or data.get("machine") or (flag == RETURNED and not data.get("first")):
        return data, None
    flags = contact.read.get(delivery, 0)
    opening = None
    if flag == CLICKED and not flags & OPENED:
        opening = {"message": data.get("message", ""), "delivery": delivery, **_DERIVED}
    return {**data, "first": not flags & flag}, opening


def _compared(address: str) -> str:
    """Give an address as it is compared; what is none is nobody's, and stays as it is."""
    try:
        return email_key(address)[1]
    except ValueError:
        return address


def _old(contact: Contact) -> dict[str, str]:
    return {} if contact.bounced is None else {"old": contact.bounced}


_FLAGS: Final = {"email.opened": OPENED, "email.clicked": CLICKED, "email.bounced": RETURNED}
_DERIVED: Final = {"machine": False, "first": True, "derived": True}


TELLING: Final = frozenset({"email.sent", "email.opened", "email.clicked", "email.bounced", "contact.opted_out"})
"""The types of event of which some are about a message."""

_OWN: Final = frozenset({"rule", "tracking"})
"""The sources of what Goniec itself knows of a mail."""


def figures(event: Event) -> tuple[str, ...]:
    """Say what an event adds to the figures of the message that it is about.

    Nothing where it is about none of ours, or where somebody else tells: figures are kept for ever, and a name that is
    given from outside may hold anything.
    """
    data = event.data
    message = data.get("message")
    if not message or event.source not in _OWN or not is_id(MESSAGE, message):
        return ()
    match event.type:
        case "email.sent":
            names: tuple[Figure, ...] = ("sent",)
        case "email.opened":
            names = _read_figures(data, "opened", "openedFirst")
        case "email.clicked":
            names = _read_figures(data, "clicked", "clickedFirst")
        case "email.bounced":
            names = ("bounced",) if data.get("kind") == "hard" else ("returned",)
            names = (*names, "back") if data.get("first") else names
        case "contact.opted_out":
            names = ("complained",) if data.get("complaint") else ()
            # who had left already leaves no more
            names = names if data.get("old") is False else (*names, "left")
        case _:
            return ()
    return tuple(figure(message, name) for name in names)


def figure(message: str, name: Figure) -> str:
    """Give the subject under which one figure of a message is summed."""
    return f"{message}:{name}"


def _read_figures(data: dict[str, Any], each: Figure, first: Figure) -> tuple[Figure, ...]:
    if data.get("machine"):
        return ("byMachines",)
    return (each, first) if data.get("first") else (each,)
