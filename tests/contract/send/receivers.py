"""Receivers of webhooks as they are met in the wild: real sockets on the loopback, each with its own way to misbehave.

A `Receiver` records every request that reached it, byte for byte, and then does what its behaviour says; a list of
behaviours is used up request by request, the last one goes on.

    async with Receiver(answer(200)) as receiver:
        ... receiver.url("/hook") ...
        assert [r.target for r in receiver.requests] == ["/hook"]
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

HOLE_BACKLOG = 0


@dataclass(frozen=True)
class Request:
    """One request as it came in; `connection` counts the receiver's connections from 0."""

    head: bytes
    body: bytes
    connection: int

    @property
    def raw(self) -> bytes:
        return self.head + self.body

    @property
    def target(self) -> str:
        return self.head.split(b" ", 2)[1].decode("latin-1")

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")[1:]
        return [(name, value.removeprefix(" ")) for name, _, value in (line.partition(":") for line in lines)]

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)


@dataclass
class Talk:
    """One connection, in the hands of a behaviour."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hold(self) -> None:
        """Say nothing more until the other side goes."""
        while await self.reader.read(65536):
            pass

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        made = self.writer.get_extra_info("socket")
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Behaviour = Callable[[Talk], Awaitable[None]]


class Receiver:
    """A server on the loopback.

    `greet` is done with a connection before any request is read from it; `asked` is set once a request has come.
    """

    def __init__(
        self,
        behaviour: Behaviour | Sequence[Behaviour],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        greet: Behaviour | None = None,
    ) -> None:
        self._behaviours = list(behaviour) if isinstance(behaviour, Sequence) else [behaviour]
        self._host, self._port, self._tls, self._greet = host, port, tls, greet
        self._tasks: set[asyncio.Task[None]] = set()
        self._talks: list[Talk] = []
        self.requests: list[Request] = []
        self.connections = 0
        self.asked = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, self._host, self._port, ssl=self._tls)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for talk in self._talks:
            talk.writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        return self._port

    @property
    def address(self) -> str:
        """As an attempt's `address` shows it."""
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    def url(self, target: str = "/hook", host: str | None = None) -> str:
        name = host or (f"[{self._host}]" if ":" in self._host else self._host)
        return f"{'https' if self._tls else 'http'}://{name}:{self._port}{target}"

    async def end_connections(self, how: str = "close") -> None:
        """End every connection that is open, by `close` or `reset`."""
        for talk in self._talks:
            if not talk.writer.is_closing():
                await after(talk, how)

    def shout(self, data: bytes) -> None:
        """Send something on every open connection, asked or not."""
        for talk in self._talks:
            if not talk.writer.is_closing():
                talk.writer.write(data)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        talk = Talk(reader, writer, self.connections)
        self._talks.append(talk)
        self.connections += 1
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            if self._greet:
                await self._greet(talk)
            while not writer.is_closing():
                await self._serve(talk)
        writer.transport.abort()

    async def _serve(self, talk: Talk) -> None:
        head = await talk.reader.readuntil(b"\r\n\r\n")
        request = Request(head, b"", talk.number)
        body = await talk.reader.readexactly(int(request.header("content-length") or 0))
        request = Request(head, body, talk.number)
        behaviour = self._behaviours[min(len(self.requests), len(self._behaviours) - 1)]
        self.requests.append(request)
        self.asked.set()
        await behaviour(talk)


# --- behaviours ------------------------------------------------------------------------------------------------------


def answer(status: int = 200, body: bytes = b"", headers: Sequence[str] = (), *, close: bool = False) -> Behaviour:
    """Answer as one should."""
    lines = [f"HTTP/1.1 {status} Whatever", *headers]
    if status not in {204, 304}:
        lines.append(f"Content-Length: {len(body)}")
    if close:
        lines.append("Connection: close")
    return say("\r\n".join([*lines, "", ""]).encode("latin-1") + body, then="close" if close else "keep")


def say(data: bytes, then: str = "close") -> Behaviour:
    """Send these bytes; then `close`, `reset`, `keep` the connection for the next request, or `hold` it in silence."""

    async def behave(talk: Talk) -> None:
        await talk.write(data)
        await after(talk, then)

    return behave


async def after(talk: Talk, then: str) -> None:
    match then:
        case "close":
            talk.close()
        case "reset":
            talk.reset()
        case "hold":
            await talk.hold()
        case _:
            assert then == "keep"


def drip(data: bytes, first: bytes = b"", every: float = 0.02) -> Behaviour:
    """Send `first` at once and then `data` over and over, byte by byte, one every so many seconds, for ever."""

    async def behave(talk: Talk) -> None:
        await talk.write(first)
        while True:
            for place in range(len(data)):
                await talk.write(data[place : place + 1])
                await asyncio.sleep(every)

    return behave


def flood(data: bytes, first: bytes = b"") -> Behaviour:
    """Send `first` and then `data` over and over, as fast as it is taken."""

    async def behave(talk: Talk) -> None:
        await talk.write(first)
        while True:
            await talk.write(data)

    return behave


def wait_for(gate: asyncio.Event, then: Behaviour) -> Behaviour:
    """Do nothing until the gate opens."""

    async def behave(talk: Talk) -> None:
        await gate.wait()
        await then(talk)

    return behave


async def hang(talk: Talk) -> None:
    """Never say anything."""
    await talk.hold()


async def stop_reading(talk: Talk) -> None:
    """Read nothing from the connection, so that what is sent piles up."""
    talk.writer.transport.pause_reading()  # type: ignore[attr-defined] # sockets have it, the common base has not
    await asyncio.Event().wait()


# --- places where nobody answers -------------------------------------------------------------------------------------


@contextmanager
def black_hole(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port whose queue of connections is full, so that the kernel lets every further one wait; gives the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(HOLE_BACKLOG)
        where = listening.getsockname()
        waiting = [socket.socket(family) for _ in range(4)]
        for one in waiting:
            one.settimeout(0)
            one.connect_ex(where)
        yield where[1]
        for one in waiting:
            one.close()


@contextmanager
def unused_port(host: str = "127.0.0.1") -> Iterator[int]:
    """A port that is taken, so that nobody else gets it, and on which nobody listens."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        taken.bind((host, 0))
        yield taken.getsockname()[1]
