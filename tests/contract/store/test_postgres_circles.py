"""PostgreSQL: processes that record for the same contacts and end their deliveries wait for each other in no circle."""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from goniec.core.decide import Call, Happening
from goniec.core.identity import Who
from goniec.core.model import Delivery
from goniec.core.text import email_key
from goniec.flow.record import Locale, Recorder
from goniec.ports import Finished, Tx
from goniec.store.address import Postgres
from goniec.store.postgres import open_store
from tests.contract.store.scribe import ENDPOINT, Scribe, endpoint, failed, succeeded
from tests.core.build import rule
from tests.flow.workshop import Dice
from tests.postgres import database

ROUNDS = 30
CONTACTS = 4


class WallClock:
    """The machine's own."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with database() as made:
        yield made


class Crossed:
    """Ends by one recorder what another has made: most arrives, some is given up for good."""

    def __init__(self, seed: int) -> None:
        self.other: Recorder
        self._rng = random.Random(seed)

    def take(self, deliveries: Sequence[Delivery], _busy: set[tuple[str, str]]) -> None:
        """See `Handover`; busy lanes are ended all the same."""
        ended = [failed(one, one.created_at) if self._rng.random() < 0.2 else _arrived(one) for one in deliveries]
        for one in ended:
            self.other.finish([one], _written)


def _arrived(delivery: Delivery) -> Finished:
    return succeeded(delivery, delivery.created_at)


def _written(moved: Sequence[Delivery]) -> None:
    """Nobody waits for it."""


def _visit(n: int) -> Call:
    mail = f"c{n}@example.com"
    happening = Happening("page.visited", {"url": "https://shop.example/"})
    return Call(who=Who(email=mail, email_key=email_key(mail)[1]), happenings=(happening,))


async def deadlocks(url: str) -> int:
    """How often the server had to break a circle, once its sessions have said so."""
    db = await asyncpg.connect(url)
    try:
        return int(await db.fetchval("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))
    finally:
        await db.close()


async def test_two_that_record_and_end_for_the_same_contacts(url: str) -> None:
    stores = [await asyncio.to_thread(open_store, Postgres(url), server=False) for _ in range(2)]
    try:
        await stores[0].transact(lambda tx: tx.put_endpoint(endpoint()))
        await stores[0].transact(lambda tx: tx.put_rule(rule(triggers=[{"type": "page.visited"}])))
        crossed = [Crossed(n) for n in range(2)]
        recorders = []
        for n, store in enumerate(stores):
            dice = Dice()
            dice._random.seed(n)
            recorders.append(Recorder(store, WallClock(), dice, crossed[n], Locale(ZoneInfo("Europe/Warsaw"), "PL")))
        crossed[0].other, crossed[1].other = recorders[1], recorders[0]
        running = [asyncio.create_task(one.run()) for one in recorders]
        for _ in range(ROUNDS):
            await asyncio.gather(*(one.record([_visit(n)]) for one in recorders for n in range(CONTACTS)))
        for one in recorders:
            one.stop()
        await asyncio.gather(*running)
        totals = await stores[0].queries.totals()
        assert totals == await stores[0].queries.recount()
        assert totals["made"] == 2 * ROUNDS * CONTACTS
    finally:
        for store in stores:
            await store.close()
    assert await deadlocks(url) == 0


async def test_two_that_end_heads_of_lanes_that_the_other_adds_to(url: str) -> None:
    stores = [await asyncio.to_thread(open_store, Postgres(url), server=False) for _ in range(2)]
    met = threading.Barrier(2)  # each store has a thread of its own
    tries = [0, 0]
    try:
        scribe = Scribe(stores[0])
        heads = [(await scribe.deliver(name))[0] for name in ("c1", "c2")]

        async def work(tx: Tx, n: int) -> None:
            tries[n] += 1
            await tx.finish([succeeded(heads[n])])
            if tries[n] == 1:
                met.wait(60)
            await tx.busy_lanes([(ENDPOINT, heads[1 - n].contact_id)])

        await asyncio.gather(*(store.transact(partial(work, n=n)) for n, store in enumerate(stores)))
        assert max(tries) > 1
        assert (await stores[0].queries.totals())["deliveries.delivered"] == 2
    finally:
        for store in stores:
            await store.close()
    assert await deadlocks(url) == 0
