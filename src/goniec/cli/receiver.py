"""A small HTTP server that takes webhooks, checks them as a careful receiver does, and can misbehave when asked to.

`goniec receive` prints what it gets, `goniec demo` counts it. It is for trying things out on this machine: it listens
on loopback only and keeps nothing. It knows the wire and nothing of the engine.
"""

import asyncio
import contextlib
import hmac
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from itertools import cycle
from typing import Final

import httptools
from msgspec import Struct

from goniec.core.signing import verify
from goniec.core.times import Millis

ADDRESS: Final = "127.0.0.1"
BODY_LIMIT: Final = 10 * 1024 * 1024
CHUNK: Final = 64 * 1024

NO_CONTENT: Final = 204
BAD: Final = 400
UNAUTHORIZED: Final = 401
NOT_ALLOWED: Final = 405
TOO_LARGE: Final = 413
NOT_IMPLEMENTED: Final = 501
BODILESS: Final = frozenset({NO_CONTENT, 205, 304})
PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}

Headers = tuple[tuple[str, str], ...]


class Received(Struct, frozen=True):
    """One request as it came, what was wrong with it (None: nothing that was checked), and the status it was given."""

    at: Millis
    method: str
    target: str
    headers: Headers
    body: bytes
    fault: str | None
    status: int

    def header(self, name: str) -> str | None:
        """Give the value of a header, whatever the case of its name."""
        return next((value for key, value in self.headers if key.lower() == name), None)


class Demands(Struct, frozen=True):
    """What the receiver asks of a request, and how it answers one that has it.

    `authorization` is the whole header expected (None: anybody may come), `secret` the key of the signature (None: it
    is not looked at). `statuses` are given in turn, again and again, after `delay` seconds.
    """

    authorization: str | None = None
    secret: bytes | None = None
    statuses: Sequence[int] = (200,)
    delay: float = 0.0


class Receiver:
    """Listens from `start` to `close`, and calls `seen` with each request after it was answered."""

    def __init__(
        self, demands: Demands, seen: Callable[[Received], None], now: Callable[[], Millis] | None = None
    ) -> None:
        self._demands = demands
        self._seen = seen
        self._now = now or (lambda: time.time_ns() // 1_000_000)
        self._statuses = cycle(demands.statuses)
        self._server: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> int:
        """Listen on loopback; port 0 takes any free one. Give the port; raises `OSError` when it is taken."""
        self._server = await asyncio.start_server(self._welcome, ADDRESS, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and hang up."""
        if self._server is not None:
            self._server.close()
        for conversation in self._conversations:
            conversation.cancel()
        if self._conversations:
            await asyncio.wait(self._conversations)
        if self._server is not None:
            await self._server.wait_closed()

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = asyncio.ensure_future(self._converse(reader, writer))
        self._conversations.add(conversation)
        conversation.add_done_callback(self._conversations.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other on a connection, until it ends or breaks."""
        reading = _Reading(writer)
        try:
            while data := await reader.read(CHUNK):
                problem = reading.feed(data)
                while reading.complete:
                    await self._answer(reading.complete.pop(0), writer)
                if problem is not None:
                    writer.write(_answer(problem, PHRASES[problem], close=True))
                    await writer.drain()
                if problem is not None or reading.ends:
                    return
        except (OSError, asyncio.CancelledError):
            pass  # whoever sent this has gone, or we go
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, request: "_Request", writer: asyncio.StreamWriter) -> None:
        at = self._now()
        refused = self._refusal(request, at)
        status = refused[0] if refused else next(self._statuses)
        fault = refused[1] if refused else None
        if self._demands.delay:
            await asyncio.sleep(self._demands.delay)
        writer.write(_answer(status, "" if request.method == "HEAD" else fault or "received", close=not request.keep))
        await writer.drain()
        self._seen(Received(at, request.method, request.target, tuple(request.headers), request.body, fault, status))

    def _refusal(self, request: "_Request", at: Millis) -> tuple[int, str] | None:
        if request.method != "POST":
            return NOT_ALLOWED, "a webhook is a POST"
        headers = {name.lower(): value for name, value in request.headers}
        wanted = self._demands.authorization
        if wanted is not None and not _same(headers.get("authorization", ""), wanted):
            missing = "authorization" not in headers
            return UNAUTHORIZED, f"{'no' if missing else 'wrong'} user name and password"
        if self._demands.secret is not None:
            fault = verify(self._demands.secret, headers, request.body, at)
            if fault is not None:
                return BAD, fault
        return None


class _Request:
    __slots__ = ("body", "headers", "keep", "method", "target")

    def __init__(self) -> None:
        self.method = ""
        self.target = ""
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.keep = True


class _Reading:
    """Puts requests together from what arrives on a connection; the methods in between are the parser's callbacks."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.complete: list[_Request] = []
        self.ends = False
        self._writer = writer
        self._parser = httptools.HttpRequestParser(self)
        self._request = _Request()
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> int | None:
        """Take what has arrived; gives the status to hang up with when it is no HTTP, or too much."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return NOT_IMPLEMENTED
        except httptools.HttpParserError:
            return TOO_LARGE if self._size > BODY_LIMIT else BAD
        return None

    def on_message_begin(self) -> None:
        self._request = _Request()
        self._parts = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        self._request.target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._request.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._request.method = self._parser.get_method().decode()
        if any(name.lower() == "expect" for name, _ in self._request.headers):
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > BODY_LIMIT:
            raise ValueError("too large")
        self._parts.append(body)

    def on_message_complete(self) -> None:
        self._request.body = b"".join(self._parts)
        self._request.keep = self._parser.should_keep_alive()
        self.ends = not self._request.keep
        self.complete.append(self._request)


def _same(given: str, wanted: str) -> bool:
    """Compare two `Authorization` headers; the scheme's case means nothing (RFC 9110, section 11.1)."""
    scheme, _, credentials = given.partition(" ")
    wanted_scheme, _, wanted_credentials = wanted.partition(" ")
    same = hmac.compare_digest(credentials.strip().encode(), wanted_credentials.encode())
    return scheme.lower() == wanted_scheme.lower() and same


def _answer(status: int, text: str, *, close: bool) -> bytes:
    body = f"{text}\n".encode() if text and status not in BODILESS else b""
    head = [f"HTTP/1.1 {status} {PHRASES.get(status, 'As Asked')}"]
    if status == UNAUTHORIZED:
        head.append('WWW-Authenticate: Basic realm="goniec receive", charset="UTF-8"')
    if status == NOT_ALLOWED:
        head.append("Allow: POST")
    if status != NO_CONTENT:
        head.append(f"Content-Length: {len(body)}")
    if body:
        head.append("Content-Type: text/plain; charset=utf-8")
    if close:
        head.append("Connection: close")
    return "\r\n".join([*head, "", ""]).encode() + body
