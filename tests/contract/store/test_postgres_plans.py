"""Plans that PostgreSQL keeps: one that it made while the queue was empty does not read all of it when it has grown."""

from functools import partial
from typing import Final

import asyncpg

from goniec.ports import Tx
from goniec.store.address import Postgres
from goniec.store.postgres import PostgresStore, open_store
from tests.e2e.engine import eventually
from tests.postgres import database

KEPT: Final = 10
"""After so many times the server keeps its plan for a statement."""
WAITING: Final = 3_000
_FILL: Final = (
    "INSERT INTO queue (delivery_id, endpoint_id, contact_id, lane, due_at)"
    " SELECT 'dlv_' || n, 'end_' || n % 50, 'con_' || n % 500, true, 0 FROM generate_series(1, $1::bigint) n"
)
_READ: Final = "SELECT coalesce(seq_tup_read, 0) FROM pg_stat_all_tables WHERE relid = 'queue'::regclass"
_OTHERS: Final = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'goniec%'"
)


async def ask_all(store: PostgresStore) -> int:
    """All that is asked of the queue in a worker's round; gives how many endpoints have something due."""
    found = await store.queries.due_endpoints(1)
    await store.queries.followers(["dlv_1", "dlv_2"], 5)
    assert len(await store.queries.homeless()) == len(found)
    for id_ in ("end_1", "end_2"):
        await store.queries.due(id_, 1, 100)
        await store.transact(partial(_hurry, id_))
    return len(found)


async def _hurry(endpoint_id: str, tx: Tx) -> None:
    await tx.hurry(endpoint_id, 0, 10)


async def test_a_queue_that_was_empty_and_has_grown_is_asked_by_its_keys() -> None:
    async with database() as url:
        db = await asyncpg.connect(url)
        await db.execute(_FILL, WAITING)
        await db.execute("DELETE FROM queue")
        await db.execute("VACUUM ANALYZE queue")
        store = open_store(Postgres(url), server=False)
        try:
            for _ in range(KEPT):
                assert await ask_all(store) == 0
            await db.execute(_FILL, WAITING)
            assert await ask_all(store) == 50
        finally:
            await store.close()

        async def gone() -> bool:
            return not await db.fetchval(_OTHERS)

        await eventually(gone, "the store's connections end, and tell what they have read")
        assert await db.fetchval(_READ) < WAITING
        await db.close()
