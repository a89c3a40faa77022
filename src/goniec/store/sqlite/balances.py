"""How the deliveries of each endpoint and rule stand: kept by every transaction, and the same counted from the rows."""

from typing import Final

import apsw

from goniec.ports import Balance, Holder
from goniec.store import balances
from goniec.store.balances import FIGURES, Moved
from goniec.store.ledger import PRUNED
from goniec.store.sqlite.sql import fetch, insert

_ADD: Final = insert(
    "balances",
    f"kind, subject, {', '.join(FIGURES)}",
    "ON CONFLICT (kind, subject) DO UPDATE SET " + ", ".join(f"{name} = {name} + excluded.{name}" for name in FIGURES),
)
_KEPT: Final = f"SELECT subject, {', '.join(FIGURES)} FROM balances WHERE kind = ?"


def kept(db: apsw.Connection, holder: Holder) -> list[Balance]:
    """As it was kept."""
    return balances.balances(db.execute(_KEPT, (holder,)))


def recounted(db: apsw.Connection, holder: Holder) -> list[Balance]:
    """Counted from the rows."""
    standing = fetch(db, f"SELECT {holder}_id, status, count(*) FROM deliveries GROUP BY {holder}_id, status")
    return balances.recounted(
        ((subject, status, n) for subject, status, n in standing), fetch(db, _KEPT, (PRUNED + holder,))
    )


def add(db: apsw.Connection, moved: Moved) -> None:
    """Add what a transaction tallied to the table."""
    if rows := moved.take():
        _ADD.run(db, rows)
