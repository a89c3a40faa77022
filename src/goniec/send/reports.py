"""Mail that came back, read: delivery status notifications (RFC 3464, 6533), complaints (RFC 5965), bounces in prose.

`flow.bounces` calls `read` with what stood in a mailbox. Anybody can write anything into one, so nothing here trusts
what it reads, everything has a bound, and a mail that cannot be made sense of is no report. Whether a token is ours is
for others to verify.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from email import policy
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.utils import parseaddr
from quopri import decodestring
from typing import Final

from msgspec import Struct
from typing_extensions import override

from goniec.core.bounces import Kind, Report, kind_of, of_ours, one_line, sharper, status_of, token_in

MOST: Final = 256 * 1024
"""Bytes of a mail that are looked at: what it says about its fate stands before the mail that it gives back."""

PARTS: Final = 200
BLOCKS: Final = 100
"""Parts of a mail, and recipients in a notification, that are looked at."""

LINES: Final = 20_000
"""Lines of a mail that are looked at: the parser holds each against the boundaries of all parts around it."""

PROSE: Final = 16 * 1024
"""Bytes of a text that are looked at."""

HEADER: Final = 4_000
TYPE: Final = 1_000
"""Characters of a header that are looked at, and of one that says of what type a part is.

The time that the standard library takes for the parameters of a type grows with the square of their length.
"""

ADDRESS: Final = 320
"""Characters of an address."""

Fields = dict[str, str]
"""A block of headers: lower-case name → value, the first one of each."""

_RECIPIENTS: Final = (
    "to",
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "x-delivered-to",
    "x-rcpt-to",
    "cc",
)
_RETURNED: Final = ("return-path", "x-envelope-from", "message-id", "x-original-message-id")

_STATUS_TYPES: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
_HEAD_TYPES: Final = frozenset({"text/rfc822-headers", "message/global-headers"})
_MAIL_TYPES: Final = frozenset({"message/rfc822", "message/global"})
_COMPLAINTS: Final = frozenset({"abuse", "fraud", "opt-out", "opt-out-list"})
"""Feedback that says that somebody does not want this; `not-spam`, `auth-failure` and the like say something else."""

_ROBOT: Final = re.compile(
    r"(?:mailer-?daemon|post-?master|mail-?daemon|mail-?delivery(?:-?sub)?-?system|microsoftexchange[0-9a-f]*)$",
    re.IGNORECASE,
)
_REFUSED: Final = re.compile(r"(?<![\d.:/])[45]\d\d[ -]#?[45]\.\d{1,3}\.\d{1,3}(?!\d)", re.ASCII)
_CODED: Final = re.compile(r"(?<![\d.:/])[45]\.\d{1,3}\.\d{1,3}(?![\d.]*\d)|(?<![\d.:/+-])55\d\b(?![.:]\d)", re.ASCII)
_FAILED: Final = re.compile(
    r"permanent (?:fatal )?error|could ?n[o']t be delivered|delivery[^.\n]{0,40} failed|undeliver"
    r"|nie (?:mogła|można|została?) [^.\n]{0,20}dostarcz",
    re.IGNORECASE,
)
_WAITING: Final = re.compile(
    r"warning message only|has not (?:yet )?been delivered|delayed|no action is required|still being retried"
    r"|will (?:keep|continue) (?:trying|to try)|delivery attempts will continue|not yet been",
    re.IGNORECASE,
)
_ENDED: Final = re.compile(r"permanent|giving up|given up|gave up|i'?ve tried long enough|too long", re.IGNORECASE)
_COPY: Final = re.compile(
    r"^(?:-{2,}|={2,}|>?[^\S\n]*-{2,})[^\n]{0,20}(?:copy of|below this line|original m|returned m|unsent m|message head"
    r"|treść|kopia)",
    re.IGNORECASE | re.MULTILINE,
)
_ADDRESS: Final = re.compile(r"[^\s<>\"'(),:;\[\]]{1,64}@[^\s<>\"'(),:;\[\]@]{1,255}")
_ESCAPED: Final = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_FIELD: Final = re.compile(r"([!-9;-~]{1,100})[ \t]*:(.*)")


class _Mail(Struct):
    """What is of use in a mail: its head and texts, what machines say in it, and the head of the mail it returns."""

    head: Fields
    to: list[str] = []
    texts: list[str] = []
    statuses: list[list[Fields]] = []
    feedback: Fields | None = None
    returned: Fields = {}


def read(raw: bytes) -> list[Report]:
    """Tell what a mail reports, recipient by recipient; nothing where it reports nothing. Never raises."""
    try:
        return _reports(_taken_apart(raw[:MOST]))
    except Exception:  # noqa: BLE001 - a mail can be anything, and one must not keep the others from being read
        return []


def _reports(mail: _Mail) -> list[Report]:
    token = _token(mail)
    if mail.feedback is not None:
        return _complaint(mail, mail.feedback, token)
    if mail.statuses:
        recipients = [fields for blocks in mail.statuses for fields in blocks if _about_recipient(fields)]
        prose = mail.texts[0] if mail.texts else ""
        found = (_recipient(fields, prose, token) for fields in recipients[:BLOCKS])
        return [report for report in found if report is not None]
    return _prose(mail, token)


# --- whose mail it was ------------------------------------------------------------------------------------------------


def _token(mail: _Mail) -> str | None:
    """Look where servers write the envelope sender that we had, then for our Message-ID."""
    feedback = mail.feedback or {}
    places = [*mail.to, feedback.get("original-mail-from", "")]
    places += [mail.returned.get(name, "") for name in _RETURNED]
    places += [mail.head.get(name, "") for name in ("in-reply-to", "references")]
    places += mail.texts
    return token_in(*places)


# --- delivery status notifications ------------------------------------------------------------------------------------


def _about_recipient(fields: Fields) -> bool:
    return "final-recipient" in fields or "original-recipient" in fields or "action" in fields


def _recipient(fields: Fields, prose: str, token: str | None) -> Report | None:
    said = fields.get("diagnostic-code", "").partition(";")[2] or fields.get("diagnostic-code", "")
    status = sharper(status_of(fields.get("status", "")), said)
    recipient = _address(fields.get("original-recipient", "")) or _address(fields.get("final-recipient", ""))
    match fields.get("action", "").split("(")[0].strip().lower():
        case "delivered":
            return Report(token, "delivered", status, one_line(said), recipient)
        case "failed":
            pass
        case "" if status.startswith("5."):
            pass
        case _:
            return None  # it is delayed, or has gone on to where no notices come from
    if not status or status.endswith(".0"):
        # a server that has nothing to say to machines says it to people
        said = said or _paragraph(prose, recipient)
        status = sharper(status, said)
    return Report(token, kind_of(status, said), status, one_line(said), recipient)


def _address(text: str) -> str | None:
    """Read `rfc822; jan@example.com`."""
    kind, semicolon, rest = text.partition(";")
    if kind.strip().lower() == "utf-8":
        rest = _ESCAPED.sub(lambda found: chr(min(int(found[1], 16), 0x10FFFF)), rest)
    found = _ADDRESS.search(rest if semicolon else text)
    return found[0] if found is not None and len(found[0]) <= ADDRESS and found[0].isprintable() else None


def _paragraph(prose: str, recipient: str | None) -> str:
    """Find what a text says about a recipient: its paragraph, and the next where that only introduces it."""
    paragraphs = re.split(r"\n[ \t]*\n", prose)
    for n, paragraph in enumerate(paragraphs):
        if recipient is not None and recipient.lower() in paragraph.lower():
            whole = paragraph if len(paragraph.strip()) > len(recipient) + 4 else " ".join(paragraphs[n : n + 2])
            return one_line(whole)
    return ""


# --- complaints -------------------------------------------------------------------------------------------------------


def _complaint(mail: _Mail, feedback: Fields, token: str | None) -> list[Report]:
    kind = feedback.get("feedback-type", "").strip().lower()
    if kind not in _COMPLAINTS:
        return []
    named = (feedback.get(name, "") for name in ("original-rcpt-to", "removal-recipient"))
    recipient = next(filter(None, map(_address, named)), None) or _address(mail.returned.get("to", ""))
    return [Report(token, "complaint", "", kind, recipient)]


# --- bounces in prose -------------------------------------------------------------------------------------------------


def _prose(mail: _Mail, token: str | None) -> list[Report]:
    """Read a bounce that only people were meant to read.

    Only a machine's words count, and only about a mail of ours: a person may well quote a refusal in an answer.
    """
    if token is None or not mail.texts:
        return []
    robot = _ROBOT.match(parseaddr(mail.head.get("from", ""))[1].partition("@")[0]) is not None
    nobody = mail.head.get("return-path", "").strip() == "<>"
    replied = mail.head.get("auto-submitted", "").strip().lower().startswith("auto-replied") or _answering(mail.head)
    text = mail.texts[0]
    if cut := _COPY.search(text):
        text = text[: cut.start()]
    subject = mail.head.get("subject", "")
    found = _REFUSED.search(text) or _CODED.search(text) or _FAILED.search(text) if robot else None
    if found is None and nobody and not replied:
        found = _REFUSED.search(text)
    if found is None:
        return []
    if _WAITING.search(f"{subject}\n{text}") and not _ENDED.search(text):
        return []
    said = _around(text, found.start())
    status = status_of(text[found.start() :]) or status_of(text)
    recipient = _address(mail.head.get("x-failed-recipients", "")) or _named(text, found.start())
    kind: Kind = kind_of(status, said)
    return [Report(token, kind, status, one_line(said), recipient)]


def _answering(head: Fields) -> bool:
    """Whether it says of itself that it answers for somebody who is away."""
    reply = head.get("precedence", "").strip().lower() in {"auto_reply", "auto-reply"}
    return reply or any(name in head for name in ("x-autoreply", "x-autorespond", "x-vacation"))


def _around(text: str, at: int) -> str:
    """Give the paragraph in which something stands, from the line before it on."""
    begin = text.rfind("\n\n", 0, at) + 1
    line = text.rfind("\n", 0, text.rfind("\n", 0, at) if "\n" in text[:at] else 0) + 1
    end = text.find("\n\n", at)
    return text[max(begin, line) : None if end < 0 else end]


def _named(text: str, at: int) -> str | None:
    """Give the address that stands nearest before something, else the first one after it; never one of ours."""
    before = [one[0] for one in _ADDRESS.finditer(text, 0, at)]
    after = [one[0] for one in _ADDRESS.finditer(text, at)]
    named = [*reversed(before), *after]
    return next((one for one in named if not of_ours(one) and len(one) <= ADDRESS and one.isprintable()), None)


# --- taking a mail apart ----------------------------------------------------------------------------------------------


def _taken_apart(raw: bytes) -> _Mail:
    raw = b"\n".join(raw.replace(b"\0", b"").split(b"\n", LINES)[:LINES])
    try:
        whole = BytesParser(_counted(), policy=_BOUNDED).parsebytes(raw)
    except _TooManyError:  # more than anybody's mail has
        whole = BytesParser(policy=_BOUNDED).parsebytes(raw, headersonly=True)
    mail = _Mail(_fields(whole))
    mail.to = [_header(value) for name, value in whole.raw_items() if name.lower() in _RECIPIENTS]
    for part in _parts(whole):
        kind = part.get_content_type()
        if kind in _STATUS_TYPES:
            mail.statuses.append(_blocks(_text(part)))
        elif kind == "message/feedback-report":
            mail.feedback = _merged(_blocks(_text(part)))
        elif kind in _MAIL_TYPES:
            mail.returned = mail.returned or _returned(part)
        elif kind in _HEAD_TYPES:
            mail.returned = mail.returned or _merged(_blocks(_text(part))[:1])
        elif kind == "text/plain":
            mail.texts.append(_text(part))
    return mail


class _Bounded(policy.Compat32):
    """Cuts headers."""

    @override
    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[: TYPE if name.lower() == "content-type" else HEADER]


_BOUNDED: Final = _Bounded()


class _TooManyError(Exception):
    """A mail has more than `PARTS`."""


def _counted() -> Callable[..., Message]:
    """Give what makes the parts of one mail, and no more than so many."""
    made = -1  # the parser makes one to see how

    def make(**how: policy.Compat32) -> Message:
        nonlocal made
        made += 1
        if made > PARTS:
            raise _TooManyError
        return Message(**how)

    return make


def _parts(whole: Message) -> Iterator[Message]:
    """All parts outside of mails within the mail, breadth first: no depth is too deep."""
    waiting: list[Message] = [whole]
    for n, part in enumerate(waiting):
        if n >= PARTS:
            return
        kind = part.get_content_type()
        inner = part.get_payload()
        if isinstance(inner, list) and kind.startswith("multipart/"):
            waiting += [one for one in inner[:PARTS] if isinstance(one, Message)]
        yield part


def _returned(part: Message) -> Fields:
    inner = part.get_payload()
    if isinstance(inner, list) and inner and isinstance(inner[0], Message) and (fields := _fields(inner[0])):
        return fields
    return _merged(_blocks(_text(part))[:1])


def _text(part: Message) -> str:
    """Give the text of a part, whatever the parser took it for, out of its transfer encoding and charset."""
    inner = part.get_payload()
    if isinstance(inner, list):
        data = b"\n\n".join(_flat(one) for one in inner[:BLOCKS] if isinstance(one, Message))[: 2 * PROSE]
        coding = _header(part.get("content-transfer-encoding", "")).lower()
        data = _unbase64(data) if coding == "base64" else decodestring(data) if coding == "quoted-printable" else data
    else:
        decoded = part.get_payload(decode=True)
        data = decoded if isinstance(decoded, bytes) else b""
    charset = part.get_param("charset")
    return _decoded(data[:PROSE], charset if isinstance(charset, str) else "utf-8").replace("\r\n", "\n")


def _flat(message: Message) -> bytes:
    """Write down again what the parser took for a mail of its own."""
    head = "\n".join(f"{name}: {value}" for name, value in message.raw_items()).encode("utf-8", "surrogateescape")
    body = message.get_payload(decode=True)
    rest = body if isinstance(body, bytes) else b""
    return head + b"\n\n" + rest if head and rest else head or rest


def _unbase64(data: bytes) -> bytes:
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    return b64decode(letters + b"=" * (-len(letters) % 4)) if len(letters) % 4 != 1 else b""


def _decoded(data: bytes, charset: str) -> str:
    """Read bytes in the charset that they say, else in one that can be, else with marks for what cannot be read."""
    for name in (charset, "utf-8", "cp1250"):
        try:
            return data.decode(name)
        except (LookupError, ValueError):
            continue
    return data.decode("utf-8", "replace")


def _blocks(text: str) -> list[Fields]:
    """Split a text into blocks of headers."""
    blocks: list[Fields] = [{}]
    last = ""
    for line in text.split("\n"):
        if not line.strip():
            if blocks[-1]:
                if len(blocks) > BLOCKS:
                    break
                blocks.append({})
            last = ""
        elif line[0] in " \t":
            if last:
                blocks[-1][last] = f"{blocks[-1][last]} {line.strip()}"[:HEADER]
        elif found := _FIELD.match(line):
            last = found[1].lower()
            if last in blocks[-1]:
                last = ""  # the first one counts
            else:
                blocks[-1][last] = _header(found[2].strip())
    return [block for block in blocks if block]


def _merged(blocks: Sequence[Fields]) -> Fields:
    return {name: value for block in reversed(blocks) for name, value in block.items()}


def _fields(message: Message) -> Fields:
    fields: Fields = {}
    for name, value in message.raw_items():
        fields.setdefault(name.lower(), _header(value))
    return fields


def _header(value: object) -> str:
    """Decode a header, on one line."""
    text = " ".join(str(value)[:HEADER].split())
    if "=?" in text:
        try:
            words = decode_header(text)
        except (HeaderParseError, ValueError):
            words = []
        pieces = [piece if isinstance(piece, str) else _decoded(piece, charset or "utf-8") for piece, charset in words]
        text = "".join(pieces) or text
    return _decoded(text.encode("utf-8", "surrogateescape"), "utf-8") if not text.isascii() else text
