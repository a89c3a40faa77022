"""How the deliveries of each endpoint and rule stand: kept by every transaction, and the same counted from the rows."""

from typing import Final

from goniec.ports import Balance, Holder
from goniec.store import balances
from goniec.store.balances import FIGURES, Moved
from goniec.store.ledger import PRUNED
from goniec.store.postgres.slots import Shared, both
from goniec.store.postgres.sql import NUMBER, TEXT, Db, fetch, fetch_slowly

_KEY: Final = ("kind", "subject")
_BALANCES: Final = Shared("balances", _KEY, FIGURES, *(TEXT, TEXT, *(NUMBER for _ in FIGURES)))
_KEPT: Final = (
    f"SELECT subject, {', '.join(f'sum({name})::bigint' for name in FIGURES)}"
    f" FROM {both('balances', ', '.join((*_KEY, *FIGURES)))} b WHERE kind = ? GROUP BY subject"
)


async def kept(db: Db, holder: Holder) -> list[Balance]:
    """As it was kept."""
    return balances.balances(await fetch(db, _KEPT, (holder,)))


async def recounted(db: Db, holder: Holder) -> list[Balance]:
    """Counted from the rows."""
    sql = f"SELECT {holder}_id, status, count(*) FROM deliveries GROUP BY {holder}_id, status"
    standing = await fetch_slowly(db, sql)
    pruned = await fetch(db, _KEPT, (PRUNED + holder,))
    return balances.recounted(((subject, status, n) for subject, status, n in standing), pruned)


async def add(db: Db, slot: int, moved: Moved) -> None:
    """Add what a transaction tallied to the table."""
    await _BALANCES.add(db, slot, moved.take())
