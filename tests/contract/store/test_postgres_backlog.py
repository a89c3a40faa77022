"""What waits for one endpoint costs the others nothing: their statements read as many rows as when little waits.

The server counts what it reads, of tables and of indexes, which is the same on every computer.
"""

import asyncio

import asyncpg

from goniec.core.times import HOUR
from goniec.flow.claim import EVER
from goniec.store.address import Postgres
from goniec.store.postgres import open_store
from tests.contract.store.backlog import DEAD, life
from tests.contract.store.scribe import NOW, Scribe
from tests.postgres import database

FEW, WAITING = 10, 10_000
CONTACTS = 500
BITE = 1_000

READ = """
SELECT (SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_user_tables)
+ (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes)
"""
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


async def rows_read(url: str) -> int:
    """How many since the database was made, by all who have left it."""
    db = await asyncpg.connect(url)
    try:
        for _ in range(1_000):
            if not await db.fetchval(OTHERS):
                break
            await asyncio.sleep(0.01)
        return int(await db.fetchval(READ))
    finally:
        await db.close()


async def let_wait(url: str, count: int) -> None:
    """Record for an endpoint that is down; the server learns what it has, as it does by itself in time."""
    store = open_store(Postgres(url), server=False)
    try:
        scribe = Scribe(store)
        scribe.now -= HOUR
        for start in range(0, count, BITE):  # all of a batch are due at the same time
            numbers = range(start, min(start + BITE, count))
            await scribe.save(*(scribe.sent(scribe.event(f"w{n % CONTACTS}"), (DEAD,), "rul_dead") for n in numbers))
            scribe.now += 1
        assert len(await store.queries.due(DEAD, EVER, count)) == min(count, CONTACTS)
    finally:
        await store.close()
    db = await asyncpg.connect(url)
    try:
        await db.execute("VACUUM ANALYZE")
    finally:
        await db.close()


async def test_a60_what_waits_for_a_dead_endpoint_makes_no_work_for_the_others() -> None:
    work = []
    for waiting in (FEW, WAITING):
        async with database() as url:
            await let_wait(url, waiting)
            before = await rows_read(url)
            store = open_store(Postgres(url), server=False)
            try:
                await life(store)
            finally:
                await store.close()
            work.append(await rows_read(url) - before)
    few, many = work
    assert few > 1_000
    assert many <= 1.1 * few, (few, many)


async def test_how_long_the_queues_are_is_known_without_counting_them() -> None:
    async with database() as url:
        await let_wait(url, WAITING)
        before = await rows_read(url)
        store = open_store(Postgres(url), server=False)
        try:
            (found,) = await store.queries.queues(NOW)
        finally:
            await store.close()
        assert found.pending == WAITING
        assert await rows_read(url) - before < WAITING / 2
