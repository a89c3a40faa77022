"""A receiver that remembers everything, so that afterwards it can be asked what really went over the wire.

It is in step with the engine's lives: what a killed process had sent is read to its end and counted to that life,
before the next one begins.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from tests.e2e.engine import until
from tests.faults.trap import Step, Trap

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Seen:
    """One request: in which life of the engine it came, and what it was answered (None: not at all, or not whole)."""

    life: int
    path: str
    headers: dict[str, str]
    body: bytes
    status: int | None = None
    at: float = field(default_factory=time.monotonic)
    """When it had come, in seconds on the clock that never jumps."""
    place: int = -1
    """Its place among all answers with 200."""

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Witness:
    """Takes webhooks on every path. A share of them `fails`: answered 500, or the connection is closed."""

    def __init__(self, trap: Trap, chance: random.Random, *, fails: float = 0.0) -> None:
        self.life = 0
        self.requests: list[Seen] = []
        self.open = 0
        self.fails = fails
        self._usually = fails
        self.port = 0
        """Where it is told that it is; another one where there is something in between."""
        self._trap = trap
        self._chance = chance
        self._taken = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def next_life(self) -> None:
        """Read what the dead process has left behind; what comes from now on is the next one's."""
        for _ in range(3):
            await asyncio.sleep(0.005)  # connections that the kernel has taken, and we have not
        await until(lambda: not self.open, "all connections of the dead process have ended")
        self.life += 1

    def break_down(self) -> None:
        """Answer nobody well until mended."""
        self.fails = 1.0

    def mend(self) -> None:
        """Be as before."""
        self.fails = self._usually

    def forget(self) -> None:
        """Begin anew: what came until now is of no interest."""
        self.requests.clear()

    async def seen(self, count: int) -> None:
        """Wait until so many requests have come."""
        await until(lambda: len(self.requests) >= count, f"{count} requests have come")

    def by_id(self) -> dict[str, list[Seen]]:
        """The requests of each delivery, in the order in which they came."""
        found: dict[str, list[Seen]] = defaultdict(list)
        for request in self.requests:
            found[request.id].append(request)
        return found

    def first_successes(self) -> Iterator[Seen]:
        """The first request of each delivery that was answered 200, in the order of the answers."""
        done: set[str] = set()
        for request in sorted(self.requests, key=lambda one: one.place):
            if request.status == 200 and request.id not in done:
                done.add(request.id)
                yield request

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.open += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._serve(reader, writer):
                    pass
        finally:
            self.open -= 1
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        request = Seen(self.life, first.split(" ")[1], headers, body)
        self.requests.append(request)
        self._trap.step(Step.SEEN)
        luck = self._chance.random()
        if luck < self.fails / 4:
            return False
        if luck < self.fails:
            request.status = 500
            writer.write(FAILED)
        else:
            if self._trap.step(Step.HALF_ANSWERED):
                writer.write(OK[:20])
                return False
            writer.write(OK)
            request.status, request.place = 200, self._taken
            self._taken += 1
        await writer.drain()
        self._trap.step(Step.ANSWERED)
        return True
