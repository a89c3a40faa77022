"""Leases: who owns an endpoint or a duty. The functions read, `LeasesTx` writes.

One process serves a file and takes none; the rooms are here because both stores keep to one contract, and the flow is
tried out on this one.
"""

from collections.abc import Iterable
from typing import Final

import apsw

from goniec.core.times import Millis
from goniec.ports import WORKER, Lease, Taken
from goniec.store import taking
from goniec.store.sqlite.sql import fetch, texts
from goniec.store.sqlite.transaction import Transaction

_LEASES: Final = "SELECT name, owner, epoch, until - ? FROM leases WHERE owner <> '' ORDER BY name"
_EPOCHS: Final = "SELECT name, epoch FROM leases WHERE name IN carray(?)"
_KNOW: Final = (
    "INSERT INTO leases (name, owner, epoch, until) SELECT value, '', 0, 0 FROM carray(?) WHERE true"
    " ON CONFLICT (name) DO NOTHING"
)
_HAD: Final = "SELECT name, owner, until > ? FROM leases WHERE name IN carray(?)"
_END: Final = "UPDATE leases SET owner = '', until = 0, epoch = epoch + 1 WHERE name IN carray(?)"
_TAKE: Final = "UPDATE leases SET owner = ?, epoch = epoch + 1, until = ? WHERE name IN carray(?) RETURNING name, epoch"
_RENEW: Final = "UPDATE leases SET until = ? + ? WHERE owner = ? AND name IN carray(?) RETURNING name"
_RELEASE: Final = "UPDATE leases SET owner = '', until = 0 WHERE owner = ? AND name IN carray(?)"
_BURY: Final = f"DELETE FROM leases WHERE name >= '{WORKER}' AND name < '{WORKER[:-1]};' AND until <= ?"


def leases(db: apsw.Connection, now: Millis) -> list[Lease]:
    """Those that somebody has."""
    return [Lease(*row) for row in fetch(db, _LEASES, (now,))]


def epochs(db: apsw.Connection, names: Iterable[str]) -> dict[str, int]:
    """The epochs of those that were ever taken."""
    wanted = sorted(names)
    return dict(fetch(db, _EPOCHS, (texts(wanted),))) if wanted else {}


class LeasesTx(Transaction):
    """Leases, inside a transaction."""

    async def take_leases(self, owner: str, names: Iterable[str], now: Millis, millis: Millis) -> dict[str, Taken]:
        wanted = sorted(set(names))
        if not wanted:
            return {}
        if any(name.startswith(WORKER) for name in wanted):
            self.db.execute(_BURY, (now,))
        self.db.execute(_KNOW, (texts(wanted),))
        parts = taking.parts_of(wanted)
        looked_at = texts([*taking.held_with(wanted), *parts])
        rows = {name: (had_by, bool(on)) for name, had_by, on in fetch(self.db, _HAD, (now, looked_at))}
        for whole in taking.held_with(wanted):
            rows.setdefault(whole, taking.NOBODY)
        free, ended = taking.decided(owner, wanted, rows, [name for name in parts if name in rows])
        if ended:
            self.db.execute(_END, (texts(ended),))
        found = fetch(self.db, _TAKE, (owner, now + millis, texts(free))) if free else []
        return {name: Taken(epoch, now) for name, epoch in found}

    async def renew_leases(self, owner: str, names: Iterable[str], now: Millis, millis: Millis) -> set[str]:
        wanted = sorted(set(names))
        if not wanted:
            return set()
        return {name for (name,) in fetch(self.db, _RENEW, (now, millis, owner, texts(wanted)))}

    async def release_leases(self, owner: str, names: Iterable[str]) -> None:
        wanted = sorted(set(names))
        if wanted:
            self.db.execute(_RELEASE, (owner, texts(wanted)))
