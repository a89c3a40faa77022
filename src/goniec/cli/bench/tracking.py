"""The row about what mails lead back to: how quickly pixels and links are answered, and that all of it is recorded.

Each reader opens a mail and follows a link in it, on a connection that stays. When the last one is answered, what they
did may still lie in the spool: the row says for how long, and there is no row where one is missing or there twice.
"""

import asyncio
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

from msgspec import Struct

from goniec.cli.bench.history import contact_id
from goniec.cli.bench.load import Connection, connect, until
from goniec.cli.bench.machine import loop_nanoseconds
from goniec.cli.bench.processes import DATABASE, Engine, engine
from goniec.cli.bench.rows import (
    LATENCY_CONNECTIONS,
    LATENCY_RATE,
    P50_GOAL,
    P99_GOAL,
    SINGLE_CONNECTIONS,
    Plan,
    Rates,
    Row,
    past_of,
    percentiles,
    room,
)
from goniec.cli.bench.sink import ADDRESS
from goniec.cli.bench.stage import SETTLE_SECONDS, database
from goniec.cli.terminal import CommandError
from goniec.core import tokens
from goniec.core.ids import DELIVERY, MESSAGE, of_number, prefixed
from goniec.store.vault import AesVault

AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LINK: Final = "https://shop.example/produkt/17?utm_source=goniec&utm_campaign=wiosna#opinie"
GOOD: Final = frozenset({200, 302})
EACH: Final = 2
"""Requests of a reader: the pixel and a link."""


class Heard(Struct, frozen=True):
    """What a load has come to.

    Requests that were answered, in which time; the CPU (seconds) of the engine until all was recorded, and how long
    that took after the last answer. `waits` are the milliseconds of each, in rising order.
    """

    requests: int
    seconds: float
    cpu: float
    behind: float
    waits: list[float]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def micros(self) -> float:
        """CPU microseconds for each request."""
        return self.cpu / self.requests * 1e6


class Readers:
    """Those who read mails of an engine, one mail after the other on each connection."""

    def __init__(self, running: Engine, keys: tokens.Keys, contacts: int) -> None:
        self._engine = running
        self._keys = keys
        self._contacts = contacts
        self._message = prefixed(MESSAGE, 0, 1)
        self._next = 0
        self._answered = 0
        self._waits: list[float] = []

    async def press(self, connections: int, seconds: float) -> Heard:
        """Read for so long, as fast as it is answered, and wait until all is recorded."""

        async def load() -> None:
            ends = time.monotonic() + seconds
            lines = [await connect(self._engine.port) for _ in range(connections)]
            async with asyncio.TaskGroup() as group:
                for line in lines:
                    group.create_task(self._reading(line, ends))

        return await self._measured(load())

    async def pace(self, connections: int, rate: float, seconds: float) -> Heard:
        """Read at a rate of requests a second, whatever the answers take."""

        async def load() -> None:
            idle: asyncio.Queue[Connection] = asyncio.Queue()
            for _ in range(connections):
                idle.put_nowait(await connect(self._engine.port))
            started = time.monotonic()
            async with asyncio.TaskGroup() as group:
                for n in range(max(1, int(rate * seconds / EACH))):
                    if (wait := started + n * EACH / rate - time.monotonic()) > 0:
                        await asyncio.sleep(wait)
                    group.create_task(self._one(await idle.get(), idle))
            while not idle.empty():
                idle.get_nowait().close()

        return await self._measured(load())

    async def healthy(self, connections: int, seconds: float) -> float:
        """Ask for what costs the engine least, as fast as it is answered; gives the requests a second."""
        lines = [await connect(self._engine.port) for _ in range(connections)]
        request, answered, started = self._request("/healthz"), 0, time.monotonic()

        async def ask(line: Connection) -> None:
            nonlocal answered
            while time.monotonic() < started + seconds:
                await line.exchange(request)
                answered += 1
            line.close()

        async with asyncio.TaskGroup() as group:
            for line in lines:
                group.create_task(ask(line))
        return answered / (time.monotonic() - started)

    async def _measured(self, load: Awaitable[None]) -> Heard:
        self._answered, self._waits = 0, []
        events, before = self._events(), self._engine.cpu()
        started = time.monotonic()
        await load
        answered = time.monotonic()

        async def recorded() -> bool:
            return self._events() >= events + self._answered

        await until(recorded, SETTLE_SECONDS, "not every opening and click that was answered was recorded")
        behind = time.monotonic() - answered
        if (twice := self._events() - events - self._answered) > 0:
            raise CommandError(f"{twice} openings and clicks too many were recorded")
        cpu = self._engine.cpu() - before
        return Heard(self._answered, answered - started, cpu, behind, sorted(self._waits))

    def _events(self) -> int:
        return self._engine.totals().get("events", 0)

    async def _reading(self, line: Connection, ends: float) -> None:
        while time.monotonic() < ends:
            await self._read(line)
        line.close()

    async def _one(self, line: Connection, idle: asyncio.Queue[Connection]) -> None:
        await self._read(line)
        idle.put_nowait(line)

    async def _read(self, line: Connection) -> None:
        """Open a mail, and follow a link in it."""
        n = self._next = self._next + 1
        about = of_number(DELIVERY, n), contact_id(n % self._contacts), self._message
        paths = f"/t/o/{tokens.seen(self._keys, *about)}.gif", f"/t/c/{tokens.link(self._keys, *about, LINK)}"
        for path in paths:
            request = self._request(path)
            began = time.monotonic()
            status, _ = await line.exchange(request)
            self._waits.append((time.monotonic() - began) * 1000)
            if status not in GOOD:
                raise CommandError(f"the engine answered {status} to {path[:5]}")
            self._answered += 1

    def _request(self, path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: {ADDRESS}\r\nUser-Agent: {AGENT}\r\n\r\n".encode()


async def tracking(plan: Plan, speed: Rates) -> list[Row]:
    """Row "tracking": as many as it takes, and then so many a second that a machine keeps up."""
    loop = loop_nanoseconds()
    past = past_of(plan, speed.single)
    with room(plan) as folder:
        await database(folder, past)
        async with engine(folder) as running:
            readers = Readers(running, _keys(folder), past.contacts)
            await readers.press(SINGLE_CONNECTIONS, plan.warm_up)
            before = await readers.healthy(SINGLE_CONNECTIONS, plan.seconds / 8)
            heard = await readers.press(SINGLE_CONNECTIONS, plan.seconds)
            after = await readers.healthy(SINGLE_CONNECTIONS, plan.seconds / 8)
            paced = await readers.pace(LATENCY_CONNECTIONS, LATENCY_RATE, plan.seconds)
            peak = running.peak()
    told, pressed = percentiles(paced.waits), percentiles(heard.waits)
    healthy = (before + after) / 2
    return [
        Row(
            row="tracking",
            what=f"opens and clicks answered a second, all recorded; p50 and p99 at {LATENCY_RATE}/s",
            figure=heard.rate,
            unit="/s",
            goal=f"p50 ≤ {P50_GOAL:g} ms, p99 ≤ {P99_GOAL:g} ms",
            met=told["p50"] <= P50_GOAL and told["p99"] <= P99_GOAL,
            loop_nanos=loop,
            ratio=heard.rate / healthy,
            ratio_to="/healthz",
            cpu_micros=heard.micros,
            peak_mib=peak,
            detail=told
            | {
                "events": heard.requests,
                "seconds": round(heard.seconds, 2),
                "perSecond": round(heard.rate),
                "cpuMicros": round(heard.micros, 1),
                "recordedSeconds": round(heard.behind, 2),
                "pressed": pressed,
                "paced": {"cpuMicros": round(paced.micros, 1), "recordedSeconds": round(paced.behind, 2)},
                "healthyPerSecond": round(healthy),
            },
        )
    ]


def _keys(folder: Path) -> tokens.Keys:
    """The keys with which the engine signs."""
    text = (folder / DATABASE).with_suffix(".key").read_text(encoding="utf-8").strip()
    return AesVault([text]).derived(tokens.PURPOSE)
