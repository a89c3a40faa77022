"""The proxy through which everything leaves, where there is one (`GONIEC_EGRESS_PROXY`).

`settings` reads it; `http` asks it for tunnels to addresses that were checked here, never for names. Its own address is
the operator's word, and so not the guard's business.
"""

import hashlib
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from msgspec import Struct
from typing_extensions import override

EXPECTED = "http://host:3128 or http://user:password@host:3128 is expected, with %-escapes in user and password"


class Proxy(Struct, frozen=True):
    """Where the proxy listens, and who we are there; never shows the latter."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None

    @override
    def __repr__(self) -> str:
        return f"http://{_bracketed(self.host)}:{self.port}"

    @property
    def literal(self) -> tuple[str, ...]:
        """Its address, where no name has to be looked up."""
        try:
            return (str(ip_address(self.host)),)
        except ValueError:
            return ()


class Via(Struct, eq=False):
    """The proxy's addresses, and how libcurl is told of them: as of a host with several, by a made-up name."""

    addresses: frozenset[str]
    port: int
    url: str
    resolve: list[str] | None = None


def parse_proxy(text: str) -> Proxy:
    """Read `http://user:password@host:port`.

    Raises:
        ValueError: it is no such URL; the text is not repeated.

    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(EXPECTED) from None
    rest = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme != "http" or not parts.hostname or not port or rest or not text.isascii() or not text.isprintable():
        raise ValueError(EXPECTED)
    if parts.username is None:
        return Proxy(parts.hostname, port)
    username, password = unquote(parts.username), unquote(parts.password or "")
    # the first colon ends a user name (RFC 7617)
    if not username or ":" in username or not (username + password).isprintable():
        raise ValueError(EXPECTED)
    return Proxy(parts.hostname, port, username, password)


def make_via(addresses: tuple[str, ...], port: int) -> Via:
    """The way to a proxy with these addresses, best first."""
    among = frozenset(addresses)
    if len(among) == 1:
        return Via(among, port, f"http://{_bracketed(addresses[0])}:{port}")
    name = f"{hashlib.blake2s(' '.join(sorted(among)).encode(), digest_size=16).hexdigest()}.invalid"
    return Via(among, port, f"http://{name}:{port}", [f"+{name}:{port}:{','.join(addresses)}"])


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
