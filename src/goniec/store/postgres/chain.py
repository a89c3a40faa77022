"""A contact's chain: from its last event back, each naming the one before; it ends where retention has cut.

This is how everything about a contact is found without an index by contact. A contact into which others were merged
has their chains too, an erased one the chain of its emptied events. Called by queries, erasing and merging.
"""

from collections.abc import AsyncIterator, Sequence
from itertools import groupby
from typing import Final

from goniec.store import rows
from goniec.store.postgres.sql import Db, fetch
from goniec.store.seeking import Bounds

CODE: Final = "substr({}, 5, 26)"
"""The part of an id that names its event."""

COST: Final = 4
"""Going to the event before, and looking at what it is or led to, costs as much as looking up so many rows."""

_CHAINS: Final = """
SELECT s.start, c.id, c.previous{more} FROM unnest($1::text[]) AS s (start) CROSS JOIN LATERAL (
    WITH RECURSIVE chain (id, previous) AS (
        SELECT e.id, e.previous FROM events e WHERE e.id = s.start
        UNION ALL
        SELECT e.id, e.previous FROM chain c JOIN events e ON e.id = c.previous
    )
    SELECT id, previous FROM chain LIMIT $2
) c{join}
"""
"""Each chain for itself, as far as all of them together may go."""
_IDS: Final = _CHAINS.format(more="", join="")
_WALK: Final = _CHAINS.format(more=f", {rows.EVENT}", join=" JOIN events e ON e.id = c.id")


async def heads(db: Db, contact_id: str) -> list[str]:
    """The events that a contact's chains begin with, of an erased one too. It wants the contact's own id, no alias."""
    doc = await db.fetchval("SELECT doc FROM contacts WHERE id = $1", contact_id)
    if doc is not None:
        last = rows.decode_contact(doc).last_event
    else:
        last = await db.fetchval("SELECT last_event FROM erasures WHERE contact_id = $1", contact_id)
    found = [head for (head,) in await fetch(db, "SELECT last_event FROM merged WHERE kept = ?", (contact_id,))]
    return [head for head in (last, *found) if head is not None]


async def walk(db: Db, start: Sequence[str], size: int) -> tuple[list[rows.Row], list[str]]:
    """The next `size` events (columns of `rows.EVENT`) from `start` back, and where to go on; nowhere is the end."""
    found, further = await _next(db, _WALK, start, size)
    return [tuple(row)[3:] for row in found], further


async def _next(db: Db, sql: str, start: Sequence[str], size: int) -> tuple[list[rows.Row], list[str]]:
    """The newest `size` rows of several chains, the newest first, and where each of them goes on."""
    if not start:
        return [], []
    found = await fetch(db, sql, (list(start), size))
    taken = sorted(found, key=_id, reverse=True)[:size]
    last = taken[-1][1] if taken else ""
    further = []
    for _, group in groupby(sorted(found, key=_start), key=_start):
        chain = sorted(group, key=_id, reverse=True)
        left = [row[1] for row in chain if row[1] < last]
        if left:
            further.append(left[0])
        elif len(chain) == size and chain[-1][2] is not None:
            further.append(chain[-1][2])
    return taken, further


class Ids:
    """The ids of a contact's events within bounds, from one end or the other.

    `start` is the event that such a walk may begin with, if it is one of the contact's: what is newer is left out. From
    the oldest on, the whole chain has to be walked first.
    """

    def __init__(self, db: Db, contact_id: str, within: Bounds, start: str | None = None, size: int = 500) -> None:
        self._db = db
        self._contact_id = contact_id
        self._within = within
        self._start = start if within.newest else None
        self._size = size
        self._ready: list[str] = []
        self._begin: list[str] | None = None

    async def take(self, count: int) -> list[str]:
        """The next so many; fewer are the last."""
        while self._begin != [] and (len(self._ready) < count or not self._within.newest):
            await self._on()
        if not self._within.newest:
            self._ready.sort()
        taken, self._ready = self._ready[:count], self._ready[count:]
        return taken

    async def _on(self) -> None:
        if self._begin is None:
            self._begin = await self._ends()
        found, self._begin = await _next(self._db, _IDS, self._begin, self._size)
        self._ready += [row[1] for row in found if self._within.low < row[1] < self._within.high]

    async def _ends(self) -> list[str]:
        own = await resolved(self._db, self._contact_id)
        begin = await heads(self._db, own)
        if self._start is not None and len(begin) == 1:
            whose = await self._db.fetchval("SELECT contact_id FROM events WHERE id = $1", self._start)
            begin = [self._start] if whose == own else begin
        return begin


async def whole(db: Db, contact_id: str, size: int = 500) -> AsyncIterator[list[rows.Row]]:
    """All events of a contact, from the newest back, bite by bite."""
    start = await heads(db, contact_id)
    while start:
        found, start = await walk(db, start, size)
        if found:
            yield found


def codes(events: Sequence[rows.Row]) -> list[str]:
    """What the ids of these events' runs and deliveries begin with, behind their prefix."""
    return [row[0][4:] for row in events]


async def resolved(db: Db, contact_id: str) -> str:
    """The id of the contact that a merged one was merged into; any other is itself."""
    kept: str | None = await db.fetchval("SELECT kept FROM merged WHERE gone = $1", contact_id)
    return contact_id if kept is None else kept


async def with_merged(db: Db, contact_id: str) -> list[str]:
    """All ids of a contact: its own, and those of contacts that were merged into it."""
    contact_id = await resolved(db, contact_id)
    return [contact_id, *(gone for (gone,) in await fetch(db, "SELECT gone FROM merged WHERE kept = ?", (contact_id,)))]


def _id(row: rows.Row) -> str:
    id: str = row[1]
    return id


def _start(row: rows.Row) -> str:
    start: str = row[0]
    return start
