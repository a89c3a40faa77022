"""The head of a mail: addresses as a server takes them, texts as a head may hold them.

`mime` asks. Written by hand: the standard library's folds a long URL into encoded words, which no reader of
`List-Unsubscribe` understands, and folds the same head differently from one release to the next.
"""

import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

ADDRESS_MAX: Final = 254
LOCAL_MAX: Final = 64
"""Octets of an address, and of what stands before its @ (RFC 5321, section 4.5.3.1, and erratum 1690 to RFC 3696)."""

LINE: Final = 76
"""Characters of a line, where there is a choice; an encoded word has at most 75 (RFC 2047, section 2)."""

_WORD: Final = 45
"""Octets in an encoded word: 60 characters in base 64, and twelve around them."""

_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
"""What ends a line for somebody, what no text holds, and halves of surrogate pairs."""
_LOCAL: Final = re.compile(r"""[^\x00-\x20\x7f-\xa0"(),:;<>@\[\\\]\u2000-\u200f\u2028-\u202f\u2066-\u2069]+""")
_DOMAIN: Final = re.compile(
    r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*"
)
_LITERAL: Final = re.compile(r"\[(?:[0-9.]{7,15}|IPv6:[0-9A-Fa-f:.]{2,45})\]")
_NAMED: Final = re.compile(r"(.*)<([^<>]*)>\s*", re.DOTALL)


class Mailbox(Struct, frozen=True):
    """An address as a server takes it, its domain in ASCII, and the name before it."""

    address: str
    name: str = ""

    @property
    def domain(self) -> str:
        """What stands behind the @."""
        return self.address.rpartition("@")[2]

    @property
    def plain(self) -> bool:
        """Whether every server takes it; another wants SMTPUTF8 (RFC 6531)."""
        return self.address.isascii()


def clean(text: str) -> str:
    """Give a text that can neither end a line nor begin one: a mail is better sent than lost."""
    return _UNSEEN.sub(" ", text).strip()


def read_mailbox(text: str) -> Mailbox:
    """Read `jan@example.com` or `Jan <jan@example.com>`.

    Raises:
        ValueError: it cannot be addressed; says why, and repeats nothing.

    """
    match = _NAMED.fullmatch(text)
    name, address = (match[1], match[2]) if match else ("", text)
    name = clean(name)
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return Mailbox(_address(address.strip()), clean(name))


def header(name: str, text: str) -> str:
    """Give the line of a text, folded, with encoded words (RFC 2047) where it is more than short plain words."""
    text = clean(text)
    words = text.split(" ")
    if not text.isascii() or "=?" in text or "" in words or max(map(len, words)) > LINE - 1:
        words = list(_encoded(text)) if text else []
    return _folded(name, words)


def addressed(name: str, mailbox: Mailbox) -> str:
    """Give the line of an address."""
    return _folded(name, [*_phrase(mailbox.name), f"<{mailbox.address}>"] if mailbox.name else [mailbox.address])


def as_it_is(name: str, text: str) -> str:
    """Give the line of what must not be broken up: a URL, an id."""
    return _folded(name, [clean(text)])


def _address(text: str) -> str:
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain or "@" in local:
        raise ValueError("an e-mail address has exactly one @, with something on both sides")
    if _LOCAL.fullmatch(local) is None or _UNSEEN.search(text):
        raise ValueError("there is a character before the @ that no mail server takes")
    if not domain.isascii():
        domain = _ascii(domain)
    if _DOMAIN.fullmatch(domain) is None and _LITERAL.fullmatch(domain) is None:
        raise ValueError("what stands behind the @ is no domain")
    if len(local.encode()) > LOCAL_MAX or len(local.encode()) + 1 + len(domain) > ADDRESS_MAX:
        raise ValueError(f"it is too long: {LOCAL_MAX} bytes before the @ and {ADDRESS_MAX} in all can be sent")
    return f"{local}@{domain}"


def _ascii(domain: str) -> str:
    import idna

    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError("what stands behind the @ is no domain") from None


def _phrase(name: str) -> list[str]:
    if name.isascii() and "=?" not in name and len(name) < LINE - 2:
        quoted = re.sub(r'(["\\])', r"\\\1", name)
        return [f'"{quoted}"']
    return list(_encoded(name))


def _encoded(text: str) -> Iterator[str]:
    """Encoded words; none ends within a character."""
    piece = b""
    for char in text:
        octets = char.encode()
        if len(piece) + len(octets) > _WORD:
            yield _word(piece)
            piece = b""
        piece += octets
    yield _word(piece)


def _word(piece: bytes) -> str:
    return f"=?utf-8?B?{b64encode(piece).decode()}?="


def _folded(name: str, words: list[str]) -> str:
    """One word after the other, on a line of its own where it does not fit."""
    lines, line = [], f"{name}:"
    for word in words:
        # a name alone on its line is what some readers stumble over
        if len(line) + 1 + len(word) > LINE + 2 and line != f"{name}:":
            lines.append(line)
            line = ""
        line += f" {word}"
    return "\r\n".join([*lines, line])
