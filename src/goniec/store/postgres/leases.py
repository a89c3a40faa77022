"""Leases: who owns an endpoint or a duty, by the server's clock. The functions read, `LeasesTx` writes.

Whoever writes down an attempt shares the row of its endpoint's lease, so nobody takes it between the look at the epoch
and the commit; whoever takes leases passes over rows that somebody else is just at.
"""

from collections.abc import Iterable
from typing import Final

from goniec.core.times import Millis
from goniec.ports import WORKER, Lease, Taken
from goniec.store import taking
from goniec.store.postgres.sql import Db, fetch
from goniec.store.postgres.transaction import Transaction

_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

_LEASES: Final = f"SELECT name, owner, epoch, until - {_NOW} FROM leases WHERE owner <> '' ORDER BY name"
_EPOCHS: Final = "SELECT name, epoch FROM leases WHERE name = ANY($1) ORDER BY name FOR SHARE"
_KNOW: Final = (
    "INSERT INTO leases (name, owner, epoch, until)"
    " SELECT w.name, '', 0, 0 FROM unnest($1::text[]) AS w (name) LEFT JOIN leases l ON l.name = w.name"
    " WHERE l.name IS NULL ORDER BY w.name ON CONFLICT (name) DO NOTHING"
)
_HOLD: Final = (
    f"SELECT name, owner, until > {_NOW} FROM leases WHERE name = ANY($1) ORDER BY name FOR UPDATE SKIP LOCKED"
)
_HAD: Final = "SELECT name FROM leases WHERE name = ANY($1) AND owner <> ''"
_END: Final = "UPDATE leases SET owner = '', until = 0, epoch = epoch + 1 WHERE name = ANY($1)"
_TAKE: Final = (
    f"UPDATE leases SET owner = $1, epoch = epoch + 1, until = {_NOW} + $3 WHERE name = ANY($2)"
    " RETURNING name, epoch, until - $3"
)
_RENEW: Final = (
    f"UPDATE leases l SET until = {_NOW} + $3"
    " FROM (SELECT name FROM leases WHERE owner = $1 AND name = ANY($2) ORDER BY name FOR UPDATE) f"
    " WHERE l.name = f.name RETURNING l.name"
)
_RELEASE: Final = "UPDATE leases SET owner = '', until = 0 WHERE owner = $1 AND name = ANY($2)"
_BURY: Final = (
    "DELETE FROM leases WHERE name IN (SELECT name FROM leases"
    f" WHERE name >= '{WORKER}' AND name < '{WORKER[:-1]};' AND until <= {_NOW} FOR UPDATE SKIP LOCKED)"
)


async def leases(db: Db, _now: Millis) -> list[Lease]:
    """Those that somebody has."""
    return [Lease(*row) for row in await fetch(db, _LEASES)]


async def epochs(db: Db, names: Iterable[str]) -> dict[str, int]:
    """The epochs of those that were ever taken, which stay so until the end of the transaction."""
    wanted = sorted(names)
    return dict(await fetch(db, _EPOCHS, (wanted,))) if wanted else {}


class LeasesTx(Transaction):
    """Leases, inside a transaction."""

    async def take_leases(self, owner: str, names: Iterable[str], now: Millis, millis: Millis) -> dict[str, Taken]:  # noqa: ARG002 - the server has a clock
        wanted = sorted(set(names))
        if not wanted:
            return {}
        if any(name.startswith(WORKER) for name in wanted):
            await self.db.execute(_BURY)
        first = taking.held_with(wanted)
        await self.db.execute(_KNOW, first)
        rows = await self._hold(first)
        # read only now: who has taken a part meanwhile had the row of the whole, which is ours from here on
        parts = taking.parts_of(name for name in wanted if name in rows)
        rivals = [name for (name,) in await fetch(self.db, _HAD, (parts,))] if parts else []
        if rivals:
            rows |= await self._hold(rivals)
        free, ended = taking.decided(owner, wanted, rows, rivals)
        if ended:
            await self.db.execute(_END, ended)
        found = await fetch(self.db, _TAKE, (owner, free, millis)) if free else []
        return {name: Taken(epoch, at) for name, epoch, at in found}

    async def _hold(self, names: list[str]) -> dict[str, tuple[str, bool]]:
        """Keep everybody else from these, but for those that somebody is just at, until the end of the transaction."""
        return {name: (owner, on) for name, owner, on in await fetch(self.db, _HOLD, (names,))}

    async def renew_leases(self, owner: str, names: Iterable[str], now: Millis, millis: Millis) -> set[str]:  # noqa: ARG002 - the server has a clock
        wanted = sorted(set(names))
        if not wanted:
            return set()
        return {name for (name,) in await fetch(self.db, _RENEW, (owner, wanted, millis))}

    async def release_leases(self, owner: str, names: Iterable[str]) -> None:
        wanted = sorted(set(names))
        if wanted:
            await self.db.execute(_RELEASE, owner, wanted)
