"""One engine set up for a measurement: a file with a past, rules that lead each event to one webhook, and a load.

The rules are made through the API. Where there are to be thousands, the others are copies that listen to something
else, written beside the running engine, which takes them over as it takes over any change.
"""

import time
from array import array
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from goniec.cli.bench.history import Past, fill
from goniec.cli.bench.load import Load, order, until
from goniec.cli.bench.processes import DATABASE, Engine, Sink, engine
from goniec.cli.bench.sink import ADDRESS
from goniec.cli.opened import Machine
from goniec.cli.terminal import CommandError
from goniec.core.ids import RULE, prefixed
from goniec.core.triggers import ExternalAdded, PageVisited, Tagged, Trigger
from goniec.flow.keys import KeyMade, create_key
from goniec.ports import Tx
from goniec.store.sqlite import open_store

PAGES: Final = 16
"""Pages of the shop that have a rule with a webhook each, to an endpoint of its own, unless said otherwise."""

SETTLE_SECONDS: Final = 300.0
"""How long what was sent may take to arrive and to be written down."""


class Cost(Struct, frozen=True):
    """What a load has come to.

    Events, seconds from the first request to the last webhook, and CPU seconds of the engine alone until all was
    written down. `turned_away` counts the requests that were answered with 503 and sent again, `deleted` the events
    that retention took.
    """

    events: int
    seconds: float
    cpu: float
    turned_away: int
    deleted: int

    @property
    def rate(self) -> float:
        """Webhooks delivered a second."""
        return self.events / self.seconds

    @property
    def micros(self) -> float:
        """CPU microseconds for each event with its webhook."""
        return self.cpu / self.events * 1e6

    def plus(self, other: "Cost") -> "Cost":
        """Both together."""
        return Cost(*(getattr(self, name) + getattr(other, name) for name in self.__struct_fields__))


class Stage:
    """An engine with its load and its sink; one load at a time."""

    def __init__(self, running: Engine, sink: Sink, load: Load) -> None:
        self.engine = running
        self._sink = sink
        self._load = load

    async def press(self, connections: int, batch: int, seconds: float) -> Cost:
        """Send batches for so long, as fast as they are taken, and wait for all that follows."""
        return await self._measured(self._load.press(connections, batch, seconds))

    async def pace(self, connections: int, rate: float, seconds: float) -> tuple[Cost, list[float]]:
        """Send single events at a rate; gives also, in rising order, the milliseconds from request to first byte."""
        self._load.starts.clear()
        await self._sink.times()
        cost = await self._measured(self._load.pace(connections, rate, seconds))
        return cost, await self._latencies()

    async def _measured(self, loading: Awaitable[None]) -> Cost:
        load, webhooks = self._load, await self._sink.count()
        sent, away, before = load.sent, load.turned_away, self.engine.used()
        started = time.monotonic()
        await loading
        await self._arrived(webhooks + load.sent - sent)
        seconds = time.monotonic() - started
        await self._written()
        after = self.engine.used()
        return Cost(
            events=load.sent - sent,
            seconds=seconds,
            cpu=after.cpu - before.cpu,
            turned_away=load.turned_away - away,
            deleted=after.deleted - before.deleted,
        )

    async def _arrived(self, webhooks: int) -> None:
        async def wanted() -> bool:
            return await self._sink.count() >= webhooks

        await until(wanted, SETTLE_SECONDS, "the sink did not get every webhook")

    async def _written(self) -> None:
        async def wanted() -> bool:
            return not self.engine.totals().get("deliveries.pending", 0)

        await until(wanted, SETTLE_SECONDS, "the engine did not finish every delivery")

    async def _latencies(self) -> list[float]:
        arrivals = array("q")
        arrivals.frombytes(await self._sink.times())
        first = dict(zip(reversed(arrivals[::2]), reversed(arrivals[1::2]), strict=True))
        return sorted((first[number] - start) / 1e6 for number, start in self._load.starts.items())


@asynccontextmanager
async def stage(folder: Path, sink: Sink, past: Past, *, pages: int = PAGES, rules: int = 0) -> AsyncIterator[Stage]:
    """Set one up in an empty folder. Each of the pages has an active rule; so many `rules` are active in all."""
    key = await database(folder, past)
    async with engine(folder) as running:
        made = [await order(running.port, key, "/rules", _rule(sink.port, page)) for page in range(pages)]
        await _copies(folder / DATABASE, rules - len(made))
        load = Load(running.port, key, past.contacts, pages)
        try:
            yield Stage(running, sink, load)
        finally:
            load.close()


async def database(folder: Path, past: Past) -> str:
    """Make the file; give an API key to it."""
    machine = Machine()
    store = open_store(folder / DATABASE, server=False)
    try:
        made = await create_key(store, machine, machine, "bench", "admin")
    finally:
        await store.close()
    if not isinstance(made, KeyMade):
        raise CommandError(made.detail)
    fill(folder / DATABASE, past)
    return made.text


def _rule(port: int, page: int) -> dict[str, Any]:
    """A rule as `POST /rules` takes it."""
    return {
        "name": "Strona odwiedzona",
        "active": True,
        "triggers": [{"type": "page.visited", "urls": [_page(page)]}],
        "conditions": {"type": "not", "of": [{"type": "hasTag", "tags": ["zablokowany"]}]},
        "actions": [{"type": "webhook", "url": f"http://{ADDRESS}:{port}/hook/{page}"}],
    }


def _page(page: int) -> str:
    return f"https://shop.example/{page}"


async def _copies(database: Path, wanted: int) -> None:
    """Write so many further rules, which listen to other pages, other kinds of events, other tags."""
    if wanted <= 0:
        return
    machine = Machine()
    store = open_store(database, server=False)
    try:
        first = (await store.queries.rules())[0]
        at = machine.now()
        copies = [
            replace(
                first, id=prefixed(RULE, at, machine.bits(80)), position=first.position + 1 + n, triggers=(_other(n),)
            )
            for n in range(wanted)
        ]

        async def write(tx: Tx) -> None:
            for rule in copies:
                await tx.put_rule(rule)

        await store.transact(write)
    finally:
        await store.close()


def _other(n: int) -> Trigger:
    match n % 3:
        case 0:
            return PageVisited(urls=(f"https://shop.example/produkt/{n}",))
        case 1:
            return ExternalAdded(kinds=(f"KIND{n}",))
        case _:
            return Tagged(tags=(f"segment {n}",))
