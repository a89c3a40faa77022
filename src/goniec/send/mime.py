"""A mail as it goes out, made from what was decided: the same bytes with every attempt and every resend.

`smtp` asks for it. CSS goes into the elements, links and a pixel tell what the contact does, the link to opt out gets
its address, and all of it becomes a message (RFC 5322) in plain ASCII. Pure but for the libraries that it loads.
"""

import hashlib
import re
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from msgspec import Struct
from typing_extensions import override

from goniec.core import mailing, tokens
from goniec.core.mailing import UNSUBSCRIBE, Envelope
from goniec.core.model import Failure
from goniec.core.times import SECOND
from goniec.ports import Posting
from goniec.send import markup
from goniec.send.heads import Mailbox, addressed, as_it_is, header, read_mailbox

_ASCII: Final = bytes(range(128))
_FOREIGN: Final = 6
"""Where one in so many bytes is not ASCII, base 64 is shorter than what one can read."""


class Site(Struct, frozen=True, kw_only=True):
    """What every mail of an installation has in common.

    `public_url` has no slash at its end, `sender` is whom mails are from that do not say, `bounces` where what cannot
    be delivered goes; of `keys` the first signs.
    """

    public_url: str
    sender: str | None
    bounces: str | None
    keys: Sequence[bytes]

    @override
    def __repr__(self) -> str:
        return f"Site({self.public_url!r}, sender={self.sender!r}, bounces={self.bounces!r})"


class Composed(Struct, frozen=True):
    """A message, and what its envelope says. `utf8`: it needs a server that takes more than ASCII (RFC 6531)."""

    sender: str
    recipient: str
    content: bytes
    utf8: bool = False


class Unsendable(Struct, frozen=True):
    """Why there can be no message."""

    failure: Failure
    detail: str


def compose(posting: Posting, site: Site) -> Composed | Unsendable:
    """Make the message."""
    envelope = mailing.opened(posting.body)
    if envelope is None:
        return Unsendable(Failure.INTERNAL, "What was to be sent cannot be read as a mail.")
    try:
        recipient = read_mailbox(envelope.to)
    except ValueError as wrong:
        return Unsendable(Failure.RECIPIENT_INVALID, f"The contact's e-mail address cannot be used: {wrong}.")
    try:
        sender = read_mailbox(envelope.sender or site.sender or "")
        if not sender.plain:
            raise ValueError("before the @ there is more than ASCII")  # noqa: TRY301 - one answer for all that is wrong
    except ValueError as wrong:
        return Unsendable(Failure.MESSAGE_REFUSED, f"The address that the mail is from cannot be used: {wrong}.")
    way = tokens.bounce(site.keys, posting.delivery_id)
    lines = _head(posting, envelope, sender, recipient, way)
    # a notice is read by a user of Goniec, who has nothing to opt out of
    opt_out = _link(posting, envelope, site, "u") if envelope.message else site.public_url
    if envelope.marketing:
        lines += [as_it_is("List-Unsubscribe", f"<{opt_out}>"), "List-Unsubscribe-Post: List-Unsubscribe=One-Click"]
    else:
        lines.append("Auto-Submitted: auto-generated")
    content = "\r\n".join([*lines, *_body(posting, envelope, site, opt_out)])
    return Composed(_return_path(sender, site, way), recipient.address, content.encode(), utf8=not recipient.plain)


def _return_path(sender: Mailbox, site: Site, way: str) -> str:
    """Where reports go: to an address of the mail's own, so that one knows what they are about."""
    if site.bounces is None:
        return sender.address
    local, _, domain = site.bounces.rpartition("@")
    return f"{local}+{way}@{domain}"


def _head(posting: Posting, envelope: Envelope, sender: Mailbox, recipient: Mailbox, way: str) -> list[str]:
    lines = [
        addressed("From", sender),
        addressed("To", recipient),
        header("Subject", envelope.subject),
        f"Date: {format_datetime(datetime.fromtimestamp(posting.created_at // SECOND, UTC))}",
        as_it_is("Message-ID", f"<{posting.delivery_id.lower()}.{way}@{sender.domain}>"),
        "MIME-Version: 1.0",
        header("Content-Language", envelope.language),
    ]
    if envelope.reply_to:
        try:
            reply_to = read_mailbox(envelope.reply_to)
        except ValueError:
            # it was put together from a contact's values; the answers go to whom the mail is from
            return lines
        if reply_to.plain:
            lines.insert(2, addressed("Reply-To", reply_to))
    return lines


def _body(posting: Posting, envelope: Envelope, site: Site, opt_out: str) -> list[str]:
    text, html = envelope.text, envelope.html
    if html is not None:
        html = markup.inlined(html)
    if text is None:
        text = markup.plain(html or "")
    text = text.replace(UNSUBSCRIBE, opt_out)
    if html is None:
        return [*_part("plain", text), ""]
    boundary = f"=_{hashlib.sha256(posting.delivery_id.encode()).hexdigest()[:32]}"
    return [
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
        "",
        f"--{boundary}",
        *_part("plain", text),
        f"--{boundary}",
        *_part("html", _dressed(posting, envelope, site, html, opt_out)),
        f"--{boundary}--",
        "",
    ]


def _dressed(posting: Posting, envelope: Envelope, site: Site, html: str, opt_out: str) -> str:
    if not envelope.tracked:
        return html.replace(UNSUBSCRIBE, opt_out)
    ids = posting.delivery_id, posting.contact_id, envelope.message

    def link(url: str) -> str:
        try:
            return f"{site.public_url}/t/c/{tokens.link(site.keys, *ids, url)}"
        except ValueError:
            # too long to be followed; it leads where it led
            return url

    return markup.tracked(html, link, f"{_link(posting, envelope, site, 'o')}.gif", opt_out)


def _link(posting: Posting, envelope: Envelope, site: Site, kind: str) -> str:
    made = tokens.seen if kind == "o" else tokens.leave
    return f"{site.public_url}/t/{kind}/{made(site.keys, posting.delivery_id, posting.contact_id, envelope.message)}"


def _part(kind: str, text: str) -> list[str]:
    """A part and its head, in lines of ASCII; a text ends with a line end."""
    lines = re.split("\r\n|\r|\n", text)
    octets = "\n".join([*lines, ""] if lines[-1] else lines).encode(errors="replace")
    foreign = len(octets.translate(None, _ASCII))
    if foreign * _FOREIGN > len(octets):
        how, encoded = "base64", encodebytes(octets.replace(b"\n", b"\r\n"))
    else:
        how, encoded = "quoted-printable", b2a_qp(octets)
    return [
        f"Content-Type: text/{kind}; charset=utf-8",
        f"Content-Transfer-Encoding: {how}",
        "",
        *encoded.decode().removesuffix("\n").split("\n"),
    ]
