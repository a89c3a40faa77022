"""Mail that came back: what a report says, and whether an address is dead or only did not take a mail this time.

`send.reports` makes `Report`s of what stands in a mailbox and the API of what providers tell; `flow.bounces` records
both.
"""

import re
from typing import Final, Literal

from msgspec import Struct

REASON_LIMIT: Final = 300
"""Characters of what a server said."""

Kind = Literal["hard", "soft", "delivered", "complaint"]
"""The address takes no mail any more; it did not take this one; it did; its owner calls it spam."""


class Report(Struct, frozen=True):
    """What became of a mail at one recipient.

    `token` names the delivery, and is verified by `tokens.read_bounce`. `code` is a status of RFC 3463, or "". `reason`
    is one line of at most `REASON_LIMIT` characters.
    """

    token: str | None
    kind: Kind
    code: str
    reason: str
    recipient: str | None


_VERP: Final = re.compile(r"\+([0-9a-z]{47})@", re.ASCII | re.IGNORECASE)
_OURS: Final = re.compile(r"\bdlv_[0-9a-z]{36}\.([0-9a-z]{47})@", re.ASCII | re.IGNORECASE)

_ENHANCED: Final = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)", re.ASCII)
_REPLY: Final = re.compile(r"(?<![\d.:/+-])([45])[0-5]\d(?![\d.:]*\d)", re.ASCII)
_GENERIC: Final = re.compile(r"[245]\.\d\.0|", re.ASCII)

_SENDERS: Final = frozenset({"5.1.7", "5.1.8", "5.1.9"})
"""About the sender, not about the recipient, although the class is that of addresses."""

_GONE: Final = frozenset({"5.2.1", "5.4.4", "5.4.310"})
"""A mailbox that is switched off; no host takes mail for the domain; the domain does not exist (as Exchange says)."""

_UNKNOWN: Final = re.compile(
    r"""
    \b(?:user|recipient|mailbox|account|address|addressee)\b[^.]{0,60}\b(?:unknown|not\ found|does(?:n't|\ not)\ exist|
        not\ exist|no\ longer|disabled|deactivated|suspended|inactive|closed|invalid|not\ available)\b
    | \b(?:no\ such|unknown|unrouteable|invalid|nonexistent|non-existent|bad\ destination)\s+(?:local\s+)?
        (?:user|recipient|mailbox|account|address|domain|host|person)\b
    | \bno\ (?:mailbox|user)\ here\b | \bnot\ (?:a\ valid|our\ customer|listed\ in\ domino)\b
    | \b(?:host|domain|domain\ name)\b[^.]{0,40}\bnot\ (?:found|exist)\b
    | \brecipient\ address\ rejected:\ access\ denied
    | \bnie\ (?:ma\ takiego|istnieje) | \bnieznany\ (?:u[żz]ytkownik|odbiorca|adres)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CROWDED: Final = re.compile(
    r"at a rate|rate limit|too many|try again|temporar|greylist|quota|mailbox[^.]{0,20} full", re.IGNORECASE
)
_POLICY: Final = re.compile(
    r"\bspam\b|blocked|blacklist|block list|blocklist|reputation|\bdmarc\b|\bspf\b|\bdkim\b|\bdnsbl\b|\brbl\b"
    r"|authenticat|sender address|sender verify|client host|\bhelo\b|reverse dns|\bptr\b|\bpolic(?:y|ies)\b|\bpolityk"
    r"|\brelay(?:ing)?[\w ]{0,20}(?:denied|prohibited|not permitted|not allowed)|(?:unable|permitted|allowed) to relay"
    r"|not (?:allowed|authori[sz]ed|permitted) to send",
    re.IGNORECASE,
)
_ADDRESSES: Final = re.compile(r"[^\s<>]{1,64}@[^\s<>]{1,255}")
"""What an address is made of says nothing about it."""


def token_in(*places: str) -> str | None:
    """Find the token of a mail: behind the `+` of an envelope's sender in any of these texts, else in a Message-ID."""
    found = (shape.search(place) for shape in (_VERP, _OURS) for place in places)
    return next((one[1] for one in found if one is not None), None)


def of_ours(address: str) -> bool:
    """Whether an address has the form of the sender on our envelopes."""
    return _VERP.search(address) is not None


def status_of(text: str) -> str:
    """Give the status of RFC 3463 in what a server said: its own, else one that its reply code comes to, else ""."""
    known = [found[1] for found in _ENHANCED.finditer(text)]
    if known:
        return next((one for one in known if one[0] != "2"), known[0])
    reply = _REPLY.search(text)
    return "" if reply is None else f"{reply[1]}.0.0"


def sharper(status: str, text: str) -> str:
    """Give a status, or what the server said where that tells more than a general one such as 5.0.0."""
    if _GENERIC.fullmatch(status) is None:
        return status
    said = status_of(text)
    return said if said and said[0] != "2" and _GENERIC.fullmatch(said) is None else status or said


def kind_of(status: str, text: str) -> Literal["hard", "soft"]:
    """Tell whether an address that did not take a mail is dead, by the status and by what the server said.

    Careful: what may be about us (policy, 5.7), about the mail (5.6) or about today (4, a full mailbox) is soft.
    """
    if not status.startswith("5.") or status.startswith("5.7."):
        return "soft"
    if status in _SENDERS or is_crowded(text) or is_policy(text):
        return "soft"
    if status.startswith("5.1.") and status != "5.1.0":
        return "hard"
    if status in _GONE:
        return "hard"
    general = _GENERIC.fullmatch(status) is not None or status == "5.4.1"
    return "hard" if general and _UNKNOWN.search(text) is not None else "soft"


def is_crowded(text: str) -> bool:
    """Tell whether a server says that there is no room, or no time, just now."""
    return _CROWDED.search(_ADDRESSES.sub("", text)) is not None


def is_policy(text: str) -> bool:
    """Tell whether a server speaks of who sends, or of what, and not of who is to get it."""
    return _POLICY.search(_ADDRESSES.sub("", text)) is not None


def one_line(text: str) -> str:
    """Make one clean line of what a server said: nothing in it but what is seen, and at most `REASON_LIMIT` of that."""
    # the long rest of a mail is not worth looking at
    seen = "".join(char if char.isprintable() else " " for char in text[: 10 * REASON_LIMIT])
    line = " ".join(seen.split())
    return line if len(line) <= REASON_LIMIT else line[: REASON_LIMIT - 1].rstrip() + "…"
