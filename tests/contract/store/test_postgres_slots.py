"""PostgreSQL: each process adds to rows of the ledger that are its own, and together they are one ledger."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from goniec.core.model import Contact, Delivery
from goniec.ports import Changes, Store, Subject, Sum
from goniec.store.address import Postgres
from goniec.store.postgres import PostgresStore, open_store
from goniec.store.postgres.locks import try_slot
from goniec.store.postgres.slots import SLOTS
from goniec.store.postgres.sql import Db
from tests.contract.store.scribe import DAY, ENDPOINT, NOW, RULE, Scribe, failed, succeeded
from tests.contract.store.test_balances import agreed
from tests.postgres import database

HOUR = 3_600_000
START = NOW // HOUR * HOUR
FIGURES = Sum.__struct_fields__[2:]


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with database() as made:
        yield made


@pytest.fixture
async def raw(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection of nobody."""
    db = await asyncpg.connect(url)
    try:
        yield db
    finally:
        await db.close()


@pytest.fixture
async def pair(url: str) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    """Two processes, as far as the database can tell; the first has the first slot."""
    one, other = (open_store(Postgres(url), server=False) for _ in range(2))
    try:
        for store in (one, other):
            assert await store.health() is None
        yield one, other
    finally:
        await one.close()
        await other.close()


async def receive(store: Store, n: int = 1) -> None:
    """Add to the ledger, and nothing else."""
    await store.transact(lambda tx: tx.add_totals({"received": n}))


async def slots(db: "asyncpg.Connection[asyncpg.Record]") -> set[int]:
    """The slots that were used beside the first."""
    return {row[0] for row in await db.fetch("SELECT slot FROM totals_beside")}


async def figures(store: Store, kind: Subject, subject: str, until: int) -> dict[str, int]:
    """The sums of a subject, which are the same however they are asked for."""
    few = await store.queries.sums(kind, [subject], START, until, HOUR)
    some = await store.queries.sums(kind, [subject], 0, until, HOUR)
    every = await store.queries.sums(kind, None, START, until, HOUR)
    assert few == some == [one for one in every if one.subject == subject]
    return {name: n for name in FIGURES if (n := sum(getattr(one, name) for one in few))}


async def test_who_has_another_slot_waits_for_nobody(
    pair: tuple[PostgresStore, PostgresStore], raw: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await receive(pair[0])
    async with raw.transaction():
        assert len(await raw.fetch("SELECT 1 FROM totals FOR UPDATE")) == 1
        waiting = asyncio.create_task(receive(pair[0]))
        await receive(pair[1])
        assert not waiting.done()
    await waiting
    assert await slots(raw) == {1}
    assert (await pair[0].queries.totals())["received"] == (await pair[1].queries.totals())["received"] == 3


async def test_the_ledger_of_two_adds_up_to_the_row(
    pair: tuple[PostgresStore, PostgresStore], raw: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """They record for the same contacts and end each other's deliveries, at once."""
    scribes = [Scribe(store) for store in pair]
    scribes[1].now += 60_000  # ids of its own
    names = ["c1", "c2", "c3"]
    await pair[0].transact(
        lambda tx: tx.save(Changes(contacts=[Contact(id=id, created_at=NOW, updated_at=NOW) for id in names]))
    )

    async def work(n: int) -> None:
        one, other = scribes[n % 2], scribes[1 - n % 2]
        made = await one.deliver(names[n % 3], [ENDPOINT, "end_2"])
        ended = [failed(made[1]) if n % 4 < 2 else succeeded(made[1], one.now), succeeded(made[0], one.now)]
        await other.finish(*ended)

    await asyncio.gather(*(work(n) for n in range(40)))
    for store in pair:
        totals = await store.queries.totals()
        assert totals == await store.queries.recount()
        assert (totals["events"], totals["made"], totals["attempts"]) == (40, 80, 80)
        assert (totals["deliveries.delivered"], totals["deliveries.failed"]) == (60, 20)
        assert {one.subject: (one.delivered, one.failed) for one in await agreed(store)} == {
            ENDPOINT: (40, 0),
            "end_2": (20, 20),
        }
        until = START + 2 * HOUR
        assert (await figures(store, "", "", until))["events"] == 40
        counted = await figures(store, "endpoint", "end_2", until)
        assert (counted["made"], counted["delivered"], counted["failed"], counted["attempts"]) == (40, 20, 20, 40)
        assert (await figures(store, "rule", RULE, until))["runs"] == 40
    assert await slots(raw) == {1}


async def test_one_process_moves_what_another_made(pair: tuple[PostgresStore, PostgresStore]) -> None:
    """What is pending is one more in one row, and one less in another."""
    made: list[Delivery] = await Scribe(pair[0]).deliver("c1")
    await Scribe(pair[1]).finish(succeeded(made[0]))
    (balance,) = await agreed(pair[0])
    assert (balance.made, balance.pending, balance.delivered) == (1, 0, 1)


async def test_retention_reaches_what_every_process_has_added(
    pair: tuple[PostgresStore, PostgresStore], raw: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    for n, store in enumerate(pair):
        scribe = Scribe(store)
        scribe.now += n * 60_000
        await scribe.deliver(f"c{n}")
    late = NOW + 10 * DAY
    before = await pair[0].queries.totals()
    pruned = await pair[1].transact(lambda tx: tx.prune(NOW - DAY, 0, 0, 1000, late))
    assert not pruned.more
    for table in ("sums", "sums_beside"):
        assert await raw.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await pair[0].queries.totals() == before


async def test_retention_ends_when_the_rows_of_all_are_gone(pair: tuple[PostgresStore, PostgresStore]) -> None:
    await Scribe(pair[1]).deliver("c1")
    bites = 0
    while (await pair[0].transact(lambda tx: tx.prune(0, 0, 0, 1, NOW + DAY))).more:
        bites += 1
    assert bites == 3  # of the whole, its rule and its endpoint
    assert await pair[0].queries.sums("", None, 0, NOW + DAY, DAY) == []


async def test_a_slot_is_free_again_when_its_process_has_ended(
    url: str, raw: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    for _ in range(2):
        store = open_store(Postgres(url), server=False)
        await receive(store)
        await store.close()
    assert await slots(raw) == set()
    assert await raw.fetchval("SELECT value FROM totals WHERE name = 'received'") == 2


async def test_more_processes_than_slots(url: str, raw: "asyncpg.Connection[asyncpg.Record]") -> None:
    assert all([await try_slot(Db(raw), slot) for slot in range(SLOTS)])
    store = open_store(Postgres(url), server=False)
    try:
        for _ in range(3):
            await receive(store)
        assert (await store.queries.totals())["received"] == 3
    finally:
        await store.close()


async def test_an_older_release_adds_to_the_rows_that_it_knows(
    pair: tuple[PostgresStore, PostgresStore], raw: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    """It is rolled out process by process, and the older one has never heard of slots."""
    for store in pair:
        await receive(store)
    await raw.execute(
        "INSERT INTO totals (name, value) VALUES ('received', 1)"
        " ON CONFLICT (name) DO UPDATE SET value = totals.value + excluded.value"
    )
    assert (await pair[1].queries.totals())["received"] == 3
