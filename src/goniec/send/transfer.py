"""One prepared libcurl handle, used again and again: what is asked of libcurl, and what it tells on the way.

Used plainly, libcurl would repeat a POST by itself, resolve names in a few threads, announce and undo compression, and
follow the environment's proxies; the options here close these doors. `http` fills a transfer, runs it and reads it.

Through an egress proxy everything goes by a tunnel, plain http too, and the proxy is asked for one checked address
(CONNECT_TO), never for a name. What is to come has its place here: HTTP/2 is HTTP_VERSION (libcurl repeats refused
streams by itself, which must stay visible). Each of them is a part of what decides whether a kept connection fits.
"""

import hashlib
import math
import os
import socket
import time
from collections.abc import Callable
from typing import Final

import pycurl
from msgspec import Struct

from goniec.ports import Outgoing
from goniec.send.curl import Driver
from goniec.send.guard import Checked
from goniec.send.proxy import Proxy, Via
from goniec.send.verdict import END_OF_HEAD, OPENED, STATUS

READ_MAX: Final = 64 * 1024
"""Bytes of an answer's body that are read before the connection is dropped."""

BODY_KEPT: Final = 4 * 1024

HEAD_MAX: Final = 64 * 1024
LINES_MAX: Final = 320
"""Bytes and lines of all heads together, interim ones (1xx) and trailers included."""

LIFETIME: Final = 600
"""Seconds after which a connection takes no new request."""

IDLE: Final = 60
"""Seconds without use after which a connection is not trusted any more."""

UNCHECKED: Final = 1.5
"""Seconds after which libcurl looks whether an idle connection still holds; within one of a look it does not."""

Judge = Callable[[str, int], str | None]
"""(address, port) → what speaks against connecting there."""


class Pin(Struct, eq=False):
    """The checked addresses of a host, and how libcurl is told of them. Times are monotonic seconds.

    A single one is named outright. Several get a made-up name that libcurl knows from RESOLVE alone, so that its own
    race between IPv6 and IPv4 (RFC 8305) is at work. Both are a part of the key under which it keeps connections:
    another set of addresses never meets a connection of the earlier one.
    """

    addresses: frozenset[str]
    connect_to: list[str]
    resolve: list[str] | None = None
    told_at: float = -math.inf
    stirred_at: float = -math.inf

    def stirred(self) -> None:
        """An idle connection was closed by the other side, or got bytes that nobody had asked for."""
        self.stirred_at = time.monotonic()


class Dress(Struct, frozen=True):
    """What an endpoint has of its own in TLS: authorities in place of the usual ones, a certificate with its key.

    `heard` is told of the handshake; then there is nothing else: no request is made.
    """

    authorities: str | None = None
    client: tuple[str, str] | None = None
    heard: Callable[[int, bytes], None] | None = None


PLAIN: Final = Dress()
NOWHERE: Final = Pin(frozenset(), [])


class Aim(Struct, frozen=True):
    """Where a request goes and with which header lines, after all checks."""

    checked: Checked
    pin: Pin
    headers: list[bytes]
    via: Via | None = None


def make_pin(addresses: tuple[str, ...], port: int) -> Pin:
    """Pin a host to these addresses, best first."""
    among = frozenset(addresses)
    if len(among) == 1:
        only = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
        return Pin(among, [f"::{only}:{port}"])
    name = f"{hashlib.blake2s(' '.join(sorted(among)).encode(), digest_size=16).hexdigest()}.invalid"
    return Pin(among, [f"::{name}:{port}"], [f"+{name}:{port}:{','.join(addresses)}"])


class Transfer:
    """A handle and the answer that it is receiving."""

    def __init__(
        self, driver: Driver, judge: Judge, authorities: str, dress: Dress = PLAIN, proxy: Proxy | None = None
    ) -> None:
        self.driver = driver
        self._judge = judge
        self._origin = ""
        self._target = ""
        self._pin = NOWHERE
        self._limits = (0, 0)
        self._keep = BODY_KEPT
        self._fresh = False
        self._via: Via | None = None
        self._reset(b"")
        self.curl = curl = pycurl.Curl()
        for option, value in FIXED:
            curl.setopt(option, value)
        if proxy is not None:
            for option, value in TUNNEL:
                curl.setopt(option, value)
            if proxy.username is not None:
                curl.setopt(pycurl.PROXYUSERNAME, proxy.username)
                curl.setopt(pycurl.PROXYPASSWORD, proxy.password or "")
        curl.setopt(pycurl.CAINFO, authorities)
        # libcurl compares these when it looks for a kept connection: an endpoint never meets one in another's dress
        if dress.authorities is not None:
            curl.setopt(pycurl.CAINFO_BLOB, dress.authorities.encode())
        if dress.client is not None:
            certificate, key = dress.client
            curl.setopt(pycurl.SSLCERT_BLOB, certificate.encode())
            curl.setopt(pycurl.SSLKEY_BLOB, key.encode())
        if dress.heard is not None:
            curl.setopt(pycurl.CONNECT_ONLY, 1)
            curl.setopt(pycurl.VERBOSE, 1)
            curl.setopt(pycurl.DEBUGFUNCTION, dress.heard)
        curl.setopt(pycurl.READFUNCTION, self._read)
        curl.setopt(pycurl.HEADERFUNCTION, self._header)
        curl.setopt(pycurl.WRITEFUNCTION, self._write)
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)
        curl.setopt(pycurl.SOCKOPTFUNCTION, self._opened)

    def prepare(self, request: Outgoing, aim: Aim, *, tell: bool, timeout: float, keep: int = BODY_KEPT) -> None:
        """Set up the next request.

        `tell`: libcurl has to hear the addresses; `timeout`: seconds left in all; `keep`: bytes of the answer's body.
        """
        self._reset(request.body)
        self._keep = keep
        setopt, checked, pin = self.curl.setopt, aim.checked, aim.pin
        if checked.origin != self._origin:
            self._origin = checked.origin
            # the path stays out of libcurl's hands, and so as it was
            setopt(pycurl.URL, f"{checked.origin}/")
        if checked.target != self._target:
            self._target = checked.target
            setopt(pycurl.REQUEST_TARGET, checked.target)
        if pin is not self._pin:
            self._pin = pin
            setopt(pycurl.CONNECT_TO, pin.connect_to)
        if tell:
            setopt(pycurl.RESOLVE, pin.resolve)
        if aim.via is not None:
            if aim.via is not self._via:
                setopt(pycurl.PROXY, aim.via.url)
            if aim.via.resolve is not None:
                setopt(pycurl.RESOLVE, aim.via.resolve)
            self._via = aim.via
        limits = _milliseconds(timeout), _milliseconds(min(timeout, request.connect_timeout))
        if limits != self._limits:
            self._limits = limits
            setopt(pycurl.TIMEOUT_MS, limits[0])
            setopt(pycurl.CONNECTTIMEOUT_MS, limits[1])
        # without a body libcurl would repeat the request by itself on a connection that turns out to be dead
        fresh = request.fresh or not request.body or pin.stirred_at > time.monotonic() - UNCHECKED
        if fresh != self._fresh:
            self._fresh = fresh
            setopt(pycurl.FRESH_CONNECT, fresh)
        setopt(pycurl.HTTPHEADER, aim.headers + SUPPRESSED)
        setopt(pycurl.POSTFIELDSIZE, len(request.body))

    async def run(self) -> tuple[int, str]:
        """Make the request; give libcurl's code (0: done) and its words. Raises `EndedError` when the driver closes."""
        return await self.driver.start(self.curl)

    def stop(self) -> None:
        """Break off what is still under way."""
        self.driver.abandon(self.curl)

    def _reset(self, body: bytes) -> None:
        self._body = memoryview(body)
        self._head_size = 0
        self._read_size = 0
        self.lines: list[bytes] = []
        self.kept: list[bytes] = []
        self.refused: str | None = None
        self.fault: str | None = None
        self.opened = False
        self.head_overflow = False
        self.tunnelled = True
        self.spoke_early = False
        self._sockets: list[tuple[int, int]] = []
        self._proxy_status: int | None = None

    @property
    def via(self) -> bool:
        """Whether it goes through a proxy."""
        return self._via is not None

    @property
    def asked_for(self) -> str:
        """The address and port that a proxy was asked for."""
        return self._pin.connect_to[0].removeprefix("::")

    @property
    def body_overflow(self) -> bool:
        """Whether the answer's body went on past what is read."""
        return self._read_size > READ_MAX

    # --- called from within libcurl ----------------------------------------------------------------------------------

    def _read(self, size: int) -> bytes:
        part, self._body = self._body[:size], self._body[size:]
        return bytes(part)

    def _header(self, line: bytes) -> int | None:
        if not self.tunnelled:
            return self._heard_of_proxy(line)
        self.lines.append(line)
        self._head_size += len(line)
        if len(self.lines) <= LINES_MAX and self._head_size <= HEAD_MAX:
            return None
        self.head_overflow = True
        return 0

    def _heard_of_proxy(self, line: bytes) -> int | None:
        """Take a line of what the proxy answers; it is not the receiver's, and has to end before that can speak."""
        if self._proxy_status is None:
            status = STATUS.match(line)
            self._proxy_status = int(status[1]) if status else 0
        elif line in END_OF_HEAD:
            self.tunnelled = self._proxy_status // 100 == OPENED
            self._proxy_status = None
            self.spoke_early = self.tunnelled and any(_has_come(*one) for one in self._sockets)
        return 0 if self.spoke_early else None

    def _write(self, data: bytes) -> int | None:
        if self._read_size < self._keep:
            self.kept.append(data[: self._keep - self._read_size])
        self._read_size += len(data)
        return 0 if self.body_overflow else None

    def _open(self, _purpose: int, where: tuple[int, int, int, tuple[str, int]]) -> socket.socket | int:
        family, kind, protocol, address = where
        refused = self._refused(address[0], address[1])
        if refused:
            self.refused = refused
            return pycurl.SOCKET_BAD
        try:
            made = socket.socket(family, kind, protocol)
        except OSError as fault:
            self.fault = str(fault)
            return pycurl.SOCKET_BAD
        self.opened = True
        self.tunnelled = self._via is None
        # libcurl takes a duplicate of the descriptor
        self.driver.close_soon(made)
        return made

    def _refused(self, address: str, port: int) -> str | None:
        if self._via is not None:
            known = address in self._via.addresses and port == self._via.port
            return None if known else f"{address} is not the egress proxy"
        if address not in self._pin.addresses:
            return f"{address} was not among the checked addresses"
        return self._judge(address, port)

    def _opened(self, descriptor: int, _purpose: int) -> int:
        self.driver.opened(descriptor, self._pin.stirred)
        if self._via is not None:
            self._sockets.append((descriptor, os.fstat(descriptor).st_ino))
        return pycurl.SOCKOPT_OK


FIXED: Final = (
    # The body comes by READFUNCTION, and there is no seek function to rewind it: where libcurl would send it again by
    # itself, it has to give up with error 65.
    (pycurl.POST, 1),
    (pycurl.NOSIGNAL, 1),
    (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
    (pycurl.FOLLOWLOCATION, 0),
    (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
    (pycurl.HTTP09_ALLOWED, 0),
    (pycurl.PATH_AS_IS, 1),
    (pycurl.USERAGENT, ""),
    # an empty one beats the environment's
    (pycurl.PROXY, ""),
    (pycurl.NETRC, pycurl.NETRC_IGNORED),
    (pycurl.SSL_VERIFYPEER, 1),
    (pycurl.SSL_VERIFYHOST, 2),
    (pycurl.MAXLIFETIME_CONN, LIFETIME),
    (pycurl.MAXAGE_CONN, IDLE),
    (pycurl.BUFFERSIZE, 4096),
)

TUNNEL: Final = (
    (pycurl.HTTPPROXYTUNNEL, 1),
    # else the environment's would be asked which hosts go by themselves
    (pycurl.NOPROXY, ""),
    (pycurl.PROXYAUTH, pycurl.HTTPAUTH_BASIC),
)

SUPPRESSED: Final = [b"Expect:", b"Accept:", b"Content-Type:"]
"""Headers that libcurl would add by itself."""


def _has_come(descriptor: int, inode: int) -> bool:
    """Whether something waits to be read from a socket; one that was closed since is another's, or nobody's."""
    try:
        if os.fstat(descriptor).st_ino != inode:
            return False
        looked_at = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=descriptor)
    except OSError:
        return False
    try:
        return bool(looked_at.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError:
        return False
    finally:
        looked_at.detach()


def _milliseconds(seconds: float) -> int:
    """Not 0, which would mean for ever."""
    return max(1, round(seconds * 1000))
