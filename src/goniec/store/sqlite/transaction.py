"""What all rooms of a transaction share: the writer's connection and what its end adds to the ledger."""

from typing import TYPE_CHECKING, Final

import apsw

from goniec.store.balances import Moved
from goniec.store.sqlite import balances
from goniec.store.sqlite.sql import insert
from goniec.store.sqlite.sums import add
from goniec.store.tally import Tally

if TYPE_CHECKING:
    from goniec.core.model import Contact

_ADD: Final = insert("totals", "name, value", "ON CONFLICT (name) DO UPDATE SET value = value + excluded.value")


class Transaction:
    """Base of the rooms `setup`, `users`, `record`, `deliver`, `jobs`, `leases`, `erase`, `prune`.

    `tx.SqliteTx` joins them.

    `tally` is what its end adds to the sums, `moved` what it adds to the balances, `erased` are the contacts that were
    erased: the journal beside the database learns of them after the commit.
    """

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db
        self.tally = Tally()
        self.moved = Moved()
        self.erased: list[str] = []
        self._counts: dict[str, int] = {}
        self._loaded: dict[str, Contact] = {}
        self._busy: set[tuple[str, str]] = set()

    def count(self, name: str, n: int) -> None:
        """Add `n` to a total of the ledger when the transaction ends."""
        self._counts[name] = self._counts.get(name, 0) + n

    def settle(self) -> None:
        """Write the ledger, the balances and the sums: the last thing before the commit."""
        rows = [(name, n) for name, n in sorted(self._counts.items()) if n]
        if rows:
            _ADD.run(self.db, rows)
        self._counts.clear()
        add(self.db, self.tally)
        balances.add(self.db, self.moved)
