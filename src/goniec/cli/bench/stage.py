"""One engine set up for a measurement: a file with a past, rules that lead each event to one webhook, and a load.

The rules are made through the API. Where there are to be thousands, the others are copies that listen to something
else, written beside the running engine, which takes them over as it takes over any change.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from goniec.cli.bench.backlog import Place, wait
from goniec.cli.bench.history import Past, fill
from goniec.cli.bench.load import LOOK_SECONDS, Load, order, until
from goniec.cli.bench.processes import DATABASE, Engine, Sink, engine
from goniec.cli.bench.sink import ADDRESS
from goniec.cli.opened import Machine
from goniec.cli.terminal import CommandError
from goniec.core.ids import RULE, prefixed
from goniec.core.triggers import ExternalAdded, PageVisited, Tagged, Trigger
from goniec.flow.keys import KeyMade, create_key
from goniec.ports import Tx
from goniec.store.opening import Database
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
    """An engine with its load and its sink; one load at a time. `places` are where its pages lead, in turn."""

    def __init__(
        self, running: Engine, sink: Sink, load: Load, key: str, places: Sequence[Place], waiting: int
    ) -> None:
        self.engine = running
        self.places = places
        self._sink = sink
        self._load = load
        self._key = key
        self._waiting = waiting

    async def press(self, connections: int, batch: int, seconds: float) -> Cost:
        """Send batches for so long, as fast as they are taken, and wait for all that follows."""
        return await self._measured(self._load.press(connections, batch, seconds))

    async def pace(self, connections: int, rate: float, seconds: float) -> tuple[Cost, list[float]]:
        """Send single events at a rate; gives also, in rising order, the milliseconds from request to first byte."""
        self._load.starts.clear()
        await self._sink.times()
        cost = await self._measured(self._load.pace(connections, rate, seconds))
        return cost, await self._latencies()

    async def keep_up(self, batch: int, ahead: int, seconds: float) -> Cost:
        """Send batches for so long, so that never more than about `ahead` are on their way to the sink."""
        return await self._measured(self._ahead(batch, ahead, time.monotonic() + seconds))

    async def order(self, path: str) -> None:
        """POST to the engine's API what needs no body."""
        await order(self.engine.port, self._key, path, {})

    async def change(self, path: str, body: object) -> None:
        """PATCH something of the engine's API."""
        await order(self.engine.port, self._key, path, body, method="PATCH")

    async def _measured(self, loading: Awaitable[None]) -> Cost:
        load, webhooks = self._load, await self._sink.count()
        sent, awaited, away, before = load.sent, load.awaited, load.turned_away, self.engine.used()
        started = time.monotonic()
        await loading
        await self._arrived(webhooks + load.awaited - awaited)
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

    async def _ahead(self, batch: int, ahead: int, ends: float) -> None:
        load, came = self._load, await self._sink.count() - self._load.awaited
        while time.monotonic() < ends:
            if load.awaited + came - await self._sink.count() < ahead:
                await load.batch(batch)
            else:
                await asyncio.sleep(LOOK_SECONDS)

    async def _arrived(self, webhooks: int) -> None:
        async def wanted() -> bool:
            return await self._sink.count() >= webhooks

        await until(wanted, SETTLE_SECONDS, "the sink did not get every webhook")

    async def _written(self) -> None:
        async def wanted() -> bool:
            left = self._waiting + self._load.sent - self._load.awaited
            return self.engine.totals().get("deliveries.pending", 0) <= left

        await until(wanted, SETTLE_SECONDS, "the engine did not finish every delivery")

    async def _latencies(self) -> list[float]:
        arrivals = await self._sink.times()
        first = dict(zip(reversed(arrivals[::2]), reversed(arrivals[1::2]), strict=True))
        return sorted((first[number] - start) / 1e6 for number, start in self._load.starts.items())


@asynccontextmanager
async def stage(  # noqa: PLR0913 - what an engine may differ in
    folder: Path,
    sink: Sink,
    past: Past,
    *,
    pages: int = PAGES,
    rules: int = 0,
    dead: Sequence[int] = (),
    waiting: int = 0,
) -> AsyncIterator[Stage]:
    """Set one up in an empty folder. Each of the pages has an active rule; so many `rules` are active in all.

    The webhooks of the last pages go to these `dead` ports; for the first of those nine of ten of `waiting` deliveries
    wait, and for the last the tenth.
    """
    key = await database(folder, past)
    ports = [sink.port] * (pages - len(dead)) + list(dead)
    made: list[Place] = []
    if waiting:
        async with engine(folder) as first:
            made = await places(first.port, key, ports)
        wait(folder / DATABASE, past, waiting, [made[-len(dead)]] * 9 + [made[-1]])
    async with engine(folder) as running:
        made = made or await places(running.port, key, ports)
        await _copies(folder / DATABASE, rules - len(made))
        load = Load(running.port, key, past.contacts, pages, len(dead))
        try:
            yield Stage(running, sink, load, key, made, waiting)
        finally:
            load.close()


async def database(folder: Path, past: Past) -> str:
    """Make the file; give an API key to it."""
    key = await api_key(open_store(folder / DATABASE, server=False))
    fill(folder / DATABASE, past)
    return key


async def api_key(store: Database) -> str:
    """Make an API key in a store, and close that."""
    machine = Machine()
    try:
        made = await create_key(store, machine, machine, "bench", "admin")
    finally:
        await store.close()
    if not isinstance(made, KeyMade):
        raise CommandError(made.detail)
    return made.text


async def places(port: int, key: str, ports: Sequence[int]) -> list[Place]:
    """Make the rule of each page; gives where they lead."""
    made = [
        _decode_rule(await order(port, key, "/rules", _rule(receiver, page))) for page, receiver in enumerate(ports)
    ]
    return [Place(rule.id, rule.actions[0].endpoint_id) for rule in made]


class _Action(Struct, rename="camel"):
    endpoint_id: str


class _Made(Struct):
    id: str
    actions: list[_Action]


_decode_rule: Final = msgspec.json.Decoder(_Made).decode


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
