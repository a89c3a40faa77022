"""The ledger: totals that every transaction keeps in step, and the same figures counted anew from the rows."""

from typing import Final

from goniec.core.model import Status
from goniec.store import ledger
from goniec.store.postgres.slots import both
from goniec.store.postgres.sql import Db, fetch, fetch_slowly

_KEPT: Final = f"SELECT name, sum(value)::bigint FROM {both('totals', 'name, value')} t GROUP BY name ORDER BY name"


async def totals(db: Db) -> dict[str, int]:
    """The ledger as it was kept."""
    return ledger.totals(await _kept(db))


async def standing(db: Db) -> dict[Status, int]:
    """Where deliveries stand that retention has left."""
    return ledger.standing(await _kept(db))


async def recount(db: Db) -> dict[str, int]:
    """The ledger counted from the rows."""
    found = await fetch_slowly(db, "SELECT status, count(*) FROM deliveries GROUP BY status")
    counted = {}
    for table in ledger.TABLES:
        ((counted[table],),) = await fetch_slowly(db, f"SELECT count(*) FROM {table}")
    return ledger.recounted(await _kept(db), dict(found), counted)


async def _kept(db: Db) -> dict[str, int]:
    return dict(await fetch(db, _KEPT))
