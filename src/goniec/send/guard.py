"""May a webhook go there? The check of a URL and of headers when they are saved, and again when they are sent.

`web` asks `check_url` (or `check_resolved`, which also looks the name up) and shows the refusal at the field; the
sender asks `check_url` before every attempt, so that nothing is sent which could not be saved, and sends what it read.
A refusal says what to do and never repeats the path, the query or credentials.
"""

import enum
import re
import socket
from collections.abc import Iterable
from contextlib import closing
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import quote

import idna
from msgspec import Struct

from goniec.send.inbox import INBOX, NAME_LIMIT, read_name
from goniec.send.networks import SETTING, Address, Networks, check_address
from goniec.send.resolve import Resolver, Unresolved

URL_MAX: Final = 2048
"""Characters of a URL as entered."""

HEADER_MAX: Final = 8192
"""Bytes of a header's value; servers commonly refuse more."""

PORTS: Final = {"http": 80, "https": 443}

LOOPBACK: Final[tuple[Address, ...]] = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
"""What `localhost` and every name below it means, without asking anybody (RFC 6761, section 6.3)."""

INVISIBLE: Final = "\ufeff\u200b\u2060"
"""Characters without width that come along when text is copied, and are no white space to Python."""

CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
SCHEME: Final = re.compile(r"(https?)://", re.IGNORECASE)
NAME: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")
NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")
TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
NAME_MAX: Final = 253
PORT_MAX: Final = 65535
ADDRESS_PARTS: Final = 4
LATIN_1: Final = 0xFF
RESERVED: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

ASCII: Final = bytes(range(0x21, 0x7F))
"""All that may stand in a target by itself: what is there was meant so."""

Own = Iterable[tuple[str, int]]
"""Where Goniec itself listens: addresses or names, and ports. No host, `0.0.0.0` and `::` mean all of this machine."""


class Refusal(enum.StrEnum):
    """What is wrong with a URL."""

    EMPTY = "empty"
    TOO_LONG = "tooLong"
    CONTROL = "controlCharacter"
    WHITESPACE = "whiteSpace"
    BACKSLASH = "backslash"
    SCHEME = "scheme"
    INBOX = "inbox"
    USERINFO = "userinfo"
    HOST = "host"
    PORT = "port"
    ADDRESS = "address"
    OWN = "own"


class Refused(Struct, frozen=True):
    """Why a URL cannot be taken; for an address, which one and the setting that would allow it."""

    code: Refusal
    detail: str
    address: str | None = None
    setting: str | None = None


class Checked(Struct, frozen=True):
    """A URL taken apart. `host` is ASCII, IPv6 without brackets; `target` goes out as it is.

    `addresses` are those that the host itself says (a literal, or `localhost`) and that may be reached; none: it is a
    name to look up. The built-in receiver has its name for a host, and neither port nor target.
    """

    scheme: str
    host: str
    port: int
    target: str
    addresses: tuple[str, ...] = ()

    @property
    def is_inbox(self) -> bool:
        """Whether Goniec itself receives it."""
        return self.scheme == INBOX

    @property
    def origin(self) -> str:
        """Scheme, host and port, as a URL starts with them."""
        if self.is_inbox:
            return f"{INBOX}:{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" if self.port == PORTS[self.scheme] else f"{self.scheme}://{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole URL, ASCII only."""
        return self.origin + self.target


def check_url(text: str, allowed: Networks = (), own: Own = ()) -> Checked | Refused:
    """Read a URL as a person entered it.

    White space around it is trimmed, the fragment dropped, the host put into punycode (UTS 46) or, in any form that
    `inet_aton` would take for an address, into the plain one; non-ASCII in path and query is percent-encoded as UTF-8.
    Every other byte of the path and query stays as it was. `inbox:` with a name or without is the built-in receiver.
    """
    text = text.strip().strip(INVISIBLE).strip()
    if refused := _check_text(text):
        return refused
    if text.lower().startswith(f"{INBOX}:"):
        return _inbox(text)
    scheme, rest = _scheme(text)
    if scheme is None:
        detail = "Start the URL with https:// or http://, or enter inbox: to have it arrive in Goniec itself."
        return Refused(Refusal.SCHEME, detail)
    authority, target = _split(rest)
    if "@" in authority:
        detail = "Take the user name and password out of the URL: they go into basicAuth (in the panel: their fields)."
        return Refused(Refusal.USERINFO, detail)
    host, port = _host_and_port(authority, PORTS[scheme])
    if port is None:
        return Refused(Refusal.PORT, "The port has to be a number from 1 to 65535.")
    return _check_host(Checked(scheme, host, port, target), allowed, tuple(own))


async def check_resolved(
    text: str, allowed: Networks, resolver: Resolver, own: Own = (), *, limit: float = 2.0
) -> Checked | Refused:
    """Check a URL and look its name up, for at most `limit` seconds; refuse it for any address that may not be reached.

    A name that does not resolve just now is no reason to refuse: it is looked up again before each attempt.
    """
    own = tuple(own)
    checked = check_url(text, allowed, own)
    if isinstance(checked, Refused) or checked.addresses or checked.is_inbox:
        return checked
    found = await resolver.resolve(checked.host, limit)
    if isinstance(found, Unresolved):
        return checked
    return check_addresses(checked, found, allowed, own) or checked


def check_addresses(checked: Checked, addresses: Iterable[str], allowed: Networks, own: Own) -> Refused | None:
    """Refuse a host for any of its addresses that may not be reached."""
    for text in addresses:
        address = ip_address(text)
        if what := check_address(address, allowed):
            return _forbidden(checked.host, address, what)
        if is_own(address, checked.port, own):
            return _own(checked)
    return None


def check_header(name: str, value: str) -> str | None:
    """Say why a header cannot be sent as it is (RFC 9110, section 5), or may not be set by others; None: it can."""
    if not TOKEN.fullmatch(name):
        return "A header's name consists of letters, digits and !#$%&'*+-.^_`|~ only."
    # many a receiver is given names with _ for -, and would take it for the real one
    if name.lower().replace("_", "-") in RESERVED:
        return f"{name} is set by Goniec itself: it says how the request is sent."
    if CONTROL.search(value.replace("\t", " ")):
        return "A header's value may hold no line break and no other control character."
    if any(ord(character) > LATIN_1 for character in value):
        return "A header's value can hold Latin-1 characters only."
    return f"A header's value may be at most {HEADER_MAX} bytes long." if len(value) > HEADER_MAX else None


def is_own(address: Address, port: int, own: Own) -> bool:
    """Whether Goniec itself would answer there; sending to itself goes round for ever."""
    return any(port == ours and _is_host(address, host) for host, ours in own)


def _check_text(text: str) -> Refused | None:
    if not text:
        return Refused(Refusal.EMPTY, "Enter the URL that receives the webhook, such as https://crm.example/hook.")
    if len(text) > URL_MAX:
        return Refused(Refusal.TOO_LONG, f"The URL has {len(text)} characters; at most {URL_MAX} can be sent.")
    if CONTROL.search(text):
        return Refused(Refusal.CONTROL, "The URL holds a line break or another invisible character; remove it.")
    if any(map(str.isspace, text)):
        return Refused(Refusal.WHITESPACE, "The URL holds white space; write %20 where a space is meant.")
    if "\\" in text.partition("#")[0]:
        return Refused(Refusal.BACKSLASH, "The URL holds a backslash; write / or, where it is meant, %5C.")
    return None


def _inbox(text: str) -> Checked | Refused:
    name = read_name(text)
    if name is None:
        detail = f"After inbox: comes nothing, or a name of at most {NAME_LIMIT} letters a to z, digits, - and _."
        return Refused(Refusal.INBOX, detail)
    return Checked(INBOX, name, 0, "")


def _scheme(text: str) -> tuple[str | None, str]:
    match = SCHEME.match(text)
    return (match[1].lower(), text[match.end() :]) if match else (None, text)


def _split(rest: str) -> tuple[str, str]:
    rest = rest.partition("#")[0]
    end = next((place for place, character in enumerate(rest) if character in "/?"), len(rest))
    target = rest[end:]
    if not target.startswith("/"):
        target = f"/{target}"
    return rest[:end], target if target.isascii() else quote(target, safe=ASCII)


def _host_and_port(authority: str, default: int) -> tuple[str, int | None]:
    host, colon, digits = authority, "", ""
    if not authority.endswith("]"):
        before, colon, after = authority.rpartition(":")
        if colon:
            host, digits = before, after
    if not digits:
        return host, default
    port = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= len(str(PORT_MAX)) + 1 else 0
    return host, port if 0 < port <= PORT_MAX else None


def _check_host(checked: Checked, allowed: Networks, own: tuple[tuple[str, int], ...]) -> Checked | Refused:
    host = _read_host(checked.host)
    if host is None:
        return Refused(Refusal.HOST, "The URL has no host name or address that can be understood after //.")
    checked = Checked(checked.scheme, str(host), checked.port, checked.target)
    if isinstance(host, str):
        name = host.removesuffix(".")
        if any(name == ours.lower() and checked.port == port for ours, port in own):
            return _own(checked)
        if name != "localhost" and not name.endswith(".localhost"):
            return checked
        literals = LOOPBACK
    else:
        literals = (host,)
    return _check_literals(checked, literals, allowed, own)


def _check_literals(
    checked: Checked, literals: tuple[Address, ...], allowed: Networks, own: tuple[tuple[str, int], ...]
) -> Checked | Refused:
    fit = tuple(address for address in literals if check_address(address, allowed) is None)
    if not fit:
        return _forbidden(checked.host, literals[0], check_address(literals[0], allowed) or "")
    if any(is_own(address, checked.port, own) for address in fit):
        return _own(checked)
    return Checked(checked.scheme, checked.host, checked.port, checked.target, tuple(map(str, fit)))


def _read_host(host: str) -> Address | str | None:
    """Give an address, a name in ASCII, or None for neither."""
    if host.startswith("["):
        try:
            return IPv6Address(host[1:-1].replace("%25", "%", 1)) if host.endswith("]") else None
        except ValueError:
            return None
    name = _to_ascii(host)
    if name is None or len(name) > NAME_MAX + 1 or not NAME.fullmatch(name):
        return None
    return _read_number(name) if NUMBER.fullmatch(name.removesuffix(".").rpartition(".")[2]) else name


def _to_ascii(host: str) -> str | None:
    if host.isascii():
        return host.lower()
    try:
        mapped = idna.uts46_remap(host, std3_rules=False, transitional=False)
        return mapped if mapped.isascii() else idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return None


def _read_number(name: str) -> IPv4Address | None:
    """Read what `inet_aton` reads: one to four parts, decimal, octal or hexadecimal; the last fills the rest."""
    parts = name.removesuffix(".").split(".")
    if len(parts) > ADDRESS_PARTS or not all(map(NUMBER.fullmatch, parts)):
        return None
    try:
        *first, last = [_part(part) for part in parts]
    except ValueError:
        return None
    room = 8 * (ADDRESS_PARTS - len(first))
    try:
        return IPv4Address(int.from_bytes(bytes(first)) << room | last) if not last >> room else None
    except ValueError:
        return None


def _part(text: str) -> int:
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8 if text.startswith("0") else 10)


def _is_host(address: Address, host: str) -> bool:
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        return _is_here(address)
    return address in LOOPBACK if host == "localhost" else str(address) == host


def _is_here(address: Address) -> bool:
    """Whether this machine has the address: only then can a socket be bound to it."""
    if address.is_loopback:
        return True
    family = socket.AF_INET if address.version == LOOPBACK[0].version else socket.AF_INET6
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


def _forbidden(host: str, address: Address, what: str) -> Refused:
    subject = str(address) if host == str(address) else f"{host} leads to {address}:"
    verb = "is" if host == str(address) else "it is"
    detail = (
        f"{subject} {verb} {what}, and webhooks go to public addresses only; "
        f"where it is meant, allow it by adding {address} to {SETTING}."
    )
    return Refused(Refusal.ADDRESS, detail, str(address), SETTING)


def _own(checked: Checked) -> Refused:
    detail = f"{checked.host} port {checked.port} is Goniec itself, and what it sends there would come round for ever."
    return Refused(Refusal.OWN, detail)
