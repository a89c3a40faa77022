"""What all rooms of a transaction share: its connection and what its end adds to the ledger."""

from typing import TYPE_CHECKING, Final

from goniec.store.balances import Moved
from goniec.store.postgres import balances, locks, outcome
from goniec.store.postgres.slots import Shared
from goniec.store.postgres.sql import NUMBER, TEXT, Db
from goniec.store.postgres.sums import add
from goniec.store.tally import Tally

if TYPE_CHECKING:
    from goniec.core.model import Contact

_TOTALS: Final = Shared("totals", ("name",), ("value",), TEXT, NUMBER, gives=outcome.XID)


class Transaction:
    """Base of the rooms `setup`, `users`, `record`, `deliver`, `jobs`, `leases`, `erase`, `prune`.

    `tx.PostgresTx` joins them.

    `tally` is what its end adds to the sums, `moved` what it adds to the balances, `ended` whether it holds deliveries
    that it has written attempts of.
    """

    def __init__(self, db: Db) -> None:
        self.db = db
        self.tally = Tally()
        self.moved = Moved()
        self.ended = False
        self._counts: dict[str, int] = {}
        self._loaded: dict[str, Contact] = {}
        self._looked: dict[str, str] = {}
        self._busy: set[tuple[str, str]] = set()
        self._held: set[int] = set()

    def count(self, name: str, n: int) -> None:
        """Add `n` to a total of the ledger when the transaction ends."""
        self._counts[name] = self._counts.get(name, 0) + n

    async def alone(self, lock: int) -> None:
        """Have a lock alone until the end; once is enough."""
        if lock not in self._held:
            await locks.alone(self.db, lock)
            self._held.add(lock)

    async def together(self, lock: int) -> None:
        """Share a lock until the end; once is enough."""
        if lock not in self._held:
            await locks.together(self.db, lock)
            self._held.add(lock)

    async def settle(self, slot: int) -> str | None:
        """Write ledger, balances and sums, last before the commit: who has the same slot waits for their rows.

        Gives the transaction's id, None where it has written nothing.
        """
        rows = [(name, n) for name, n in sorted(self._counts.items()) if n]
        written = await _TOTALS.add(self.db, slot, rows)
        self._counts.clear()
        await balances.add(self.db, slot, self.moved)
        await add(self.db, slot, self.tally)
        return written[0][0] if written else await outcome.xid(self.db)
