"""The client of a measurement: keep-alive connections that bring events in, each contact in its turn.

It costs as little as it can, for it shares the machine with what is measured. Contacts come in an order that jumps all
over the file and names none twice before all have been named; one event in ten is of a contact that nobody knows yet.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final, cast

import msgspec
from typing_extensions import override

from goniec.cli.bench.sink import ADDRESS
from goniec.cli.terminal import CommandError

NEW_EACH: Final = 10
"""One event in so many brings a new contact."""

FIRST_NEW: Final = 1_000_000_000
"""Numbers of contacts that the file does not have."""

TAKEN: Final = 202
OVERLOADED: Final = 503
REST_SECONDS: Final = 0.05
"""How long a connection that was sent away rests."""

LOOK_SECONDS: Final = 0.02

_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"
_GOLDEN: Final = 0.6180339887


class Connection(asyncio.Protocol):
    """One connection: a request at a time."""

    def __init__(self) -> None:
        self._write: Callable[[bytes], None] = lambda _: None
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._data = b""

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; give status and body of the answer."""
        self._waiting = asyncio.get_running_loop().create_future()
        self._write(request)
        return await self._waiting

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tcp = cast("asyncio.Transport", transport)  # uvloop's is one in all but its ancestors
        self._write = tcp.write
        self.close = tcp.close

    @override
    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, body = self._data.partition(_END)
        if end and self._waiting is not None and len(body) >= _length(head):
            self._data = b""
            self._waiting.set_result((int(head[9:12]), body))
            self._waiting = None

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None:
            self._waiting.set_exception(ConnectionError("the other side hung up"))


class Load:
    """Makes requests of events and sends them; counts what was taken (`sent`) and how often it was sent away.

    `contacts` are those that the file knows, `webhooks` the pages that lead to a webhook, one after the other; the
    webhooks of the last `dead` of them never arrive, those of all others are `awaited`. With `starts` kept, it holds
    when (monotonic nanoseconds) the event of each contact, by number, was sent, of those that are awaited.
    """

    def __init__(self, port: int, key: str, contacts: int, webhooks: int, dead: int = 0) -> None:
        self.sent = 0
        self.awaited = 0
        self.turned_away = 0
        self.starts: dict[int, int] = {}
        self._port = port
        self._key = key
        self._contacts = contacts
        self._step = _coprime(contacts)
        self._webhooks = webhooks
        self._living = webhooks - dead
        self._run = f"{time.time_ns():x}"
        self._next = 0
        self._connections: list[Connection] = []

    async def open(self, connections: int) -> None:
        """Have so many connections."""
        while len(self._connections) < connections:
            self._connections.append(await connect(self._port))

    def close(self) -> None:
        """Close them all."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    async def press(self, connections: int, batch: int, seconds: float) -> None:
        """Send batches for so long, the next one on a connection as soon as the last one is answered."""
        await self.open(connections)
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for connection in self._connections[:connections]:
                group.create_task(self._press(connection, batch, until))

    async def pace(self, connections: int, rate: float, seconds: float) -> None:
        """Send single events at a rate, whatever the answers take; each start is kept.

        An event that has to wait for a connection started when it was due.
        """
        await self.open(connections)
        idle: asyncio.Queue[Connection] = asyncio.Queue()
        for connection in self._connections[:connections]:
            idle.put_nowait(connection)
        started = time.monotonic_ns()
        async with asyncio.TaskGroup() as group:
            for n in range(int(rate * seconds)):
                due = started + int(n / rate * 1e9)
                if (wait := due - time.monotonic_ns()) > 0:
                    await asyncio.sleep(wait / 1e9)
                late = idle.empty()
                connection = await idle.get()
                number, event, awaited = self._event()
                if awaited:
                    self.starts[number] = due if late else time.monotonic_ns()
                group.create_task(self._one(connection, self._request(event), idle))

    async def batch(self, size: int) -> None:
        """Send one batch."""
        await self.open(1)
        await self._batch(self._connections[0], size)

    async def _press(self, connection: Connection, batch: int, until: float) -> None:
        while time.monotonic() < until:
            await self._batch(connection, batch)

    async def _batch(self, connection: Connection, size: int) -> None:
        events = [self._event()[1] for _ in range(size)]
        request = self._request(events[0] if size == 1 else b'{"events":[%b]}' % b",".join(events))
        await self._deliver(connection, request, size)

    async def _one(self, connection: Connection, request: bytes, idle: asyncio.Queue[Connection]) -> None:
        await self._deliver(connection, request, 1)
        idle.put_nowait(connection)

    async def _deliver(self, connection: Connection, request: bytes, events: int) -> None:
        status, answer = await connection.exchange(request)
        while status == OVERLOADED:
            self.turned_away += 1
            await asyncio.sleep(REST_SECONDS)
            status, answer = await connection.exchange(request)
        if status != TAKEN:
            raise CommandError(f"the engine answered {status}: {answer.decode(errors='replace')}")
        self.sent += events

    def _event(self) -> tuple[int, bytes, bool]:
        """The next event: the number of its contact, its JSON, and whether its webhook is awaited."""
        n = self._next = self._next + 1
        number = FIRST_NEW + n if n % NEW_EACH == 0 else n * self._step % self._contacts
        page = n % self._webhooks
        awaited = page < self._living
        self.awaited += awaited
        event = (
            b'{"type":"page.visited","contact":{"email":"k%09d@bench.example"},"data":{"url":"https://shop.example/%d",'
            b'"title":"Buty zimowe"},"dedupKey":"%b-%d"}' % (number, page, self._run.encode(), n)
        )
        return number, event, awaited

    def _request(self, body: bytes) -> bytes:
        return (
            f"POST /api/v1/events HTTP/1.1\r\nHost: {ADDRESS}:{self._port}\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


async def connect(port: int) -> Connection:
    """Open a connection to a port of this machine."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, ADDRESS, port)
    return connection


async def ask(port: int, path: str) -> bytes:
    """Give what a GET answers."""
    connection = await connect(port)
    try:
        _, body = await connection.exchange(f"GET {path} HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n".encode())
    finally:
        connection.close()
    return body


async def order(port: int, key: str, path: str, body: object, *, method: str = "POST") -> bytes:
    """Make something by a POST to the API, or change it by another method; give the answer."""
    content = msgspec.json.encode(body)
    head = (
        f"{method} /api/v1{path} HTTP/1.1\r\nHost: {ADDRESS}:{port}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    connection = await connect(port)
    try:
        status, answer = await connection.exchange(head.encode() + content)
    finally:
        connection.close()
    if status not in {200, 201}:
        raise CommandError(f"the engine answered {status}: {answer.decode(errors='replace')}")
    return answer


async def until(wanted: Callable[[], Awaitable[bool]], seconds: float, what: str) -> None:
    """Wait for something that is to happen within so many seconds."""
    ends = time.monotonic() + seconds
    while not await wanted():
        if time.monotonic() > ends:
            raise CommandError(f"{what} within {seconds:g} s")
        await asyncio.sleep(LOOK_SECONDS)


def _length(head: bytes) -> int:
    low = head.lower()
    at = low.find(_LENGTH)
    return 0 if at < 0 else int(low[at + len(_LENGTH) :].split(b"\r\n", 1)[0])


def _coprime(size: int) -> int:
    """A step that goes through all of `size` numbers, each far from the one before."""
    step = max(1, int(size * _GOLDEN))
    while math.gcd(size, step) > 1:
        step += 1
    return step
