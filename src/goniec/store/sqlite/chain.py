"""A contact's chain: from its last event back, each naming the one before; it ends where retention has cut.

This is how everything about a contact is found without an index by contact. A contact into which others were merged
has their chains too, an erased one the chain of its emptied events. Called by queries, erasing and merging.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import apsw

from goniec.store import rows
from goniec.store.seeking import Bounds
from goniec.store.sqlite.sql import CArray, fetch, texts

CODE: Final = "substr({}, 5, 26)"
"""The part of an id that names its event."""

COST: Final = 4
"""Going to the event before, and looking at what it is or led to, costs as much as looking up so many rows."""

_CHAIN: Final = """
WITH RECURSIVE chain (id, previous) AS (
    SELECT id, previous FROM events WHERE id IN carray(?)
    UNION ALL
    SELECT e.id, e.previous FROM chain c CROSS JOIN events e ON e.id = c.previous
    ORDER BY 1 DESC LIMIT ?
)
"""
"""The greatest id comes first, so several chains come as one, from the newest event back."""
_WALK: Final = f"{_CHAIN} SELECT {rows.EVENT} FROM chain c CROSS JOIN events e ON e.id = c.id"
_IDS: Final = f"{_CHAIN} SELECT id, previous FROM chain"


def heads(db: apsw.Connection, contact_id: str) -> list[str]:
    """The events that a contact's chains begin with, of an erased one too. It wants the contact's own id, no alias."""
    doc = db.execute("SELECT doc FROM contacts WHERE id = ?", (contact_id,)).get
    if doc is not None:
        last = rows.decode_contact(doc).last_event
    else:
        last = db.execute("SELECT last_event FROM erasures WHERE contact_id = ?", (contact_id,)).get
    found = [head for (head,) in db.execute("SELECT last_event FROM merged WHERE kept = ?", (contact_id,))]
    return [head for head in (last, *found) if head is not None]


def walk(db: apsw.Connection, start: Sequence[str], size: int) -> tuple[list[rows.Row], list[str]]:
    """The next `size` events (columns of `rows.EVENT`) from `start` back, and where to go on; nowhere is the end."""
    if not start:
        return [], []
    found = list(db.execute(_WALK, (texts(start), size)))
    return found, _further(start, found, size, 6)


def ids(
    db: apsw.Connection, contact_id: str, within: Bounds, start: str | None = None, size: int = 500
) -> Iterator[str]:
    """The ids of a contact's events within bounds, from one end or the other.

    `start` is the event that such a walk may begin with, if it is one of the contact's: what is newer is left out. From
    the oldest on, the whole chain has to be walked first.
    """
    back = _back(db, resolved(db, contact_id), start if within.newest else None, size)
    found = back if within.newest else reversed(list(back))
    return (id for id in found if within.low < id < within.high)


def _back(db: apsw.Connection, contact_id: str, start: str | None, size: int) -> Iterator[str]:
    begin = heads(db, contact_id)
    if start is not None and len(begin) == 1:
        whose = db.execute("SELECT contact_id FROM events WHERE id = ?", (start,)).get
        begin = [start] if whose == contact_id else begin
    while begin:
        found = fetch(db, _IDS, (texts(begin), size))
        yield from (id for id, _ in found)
        begin = _further(begin, found, size, 1)


def _further(start: Sequence[str], found: Sequence[rows.Row], size: int, previous: int) -> list[str]:
    """Where a walk goes on."""
    if len(found) < size:
        return []
    seen = {row[0] for row in found}
    return sorted({*start, *(row[previous] for row in found if row[previous] is not None)} - seen)


def whole(db: apsw.Connection, contact_id: str, size: int = 500) -> Iterator[list[rows.Row]]:
    """All events of a contact, from the newest back, bite by bite."""
    start = heads(db, contact_id)
    while start:
        found, start = walk(db, start, size)
        if found:
            yield found


def codes(events: Sequence[rows.Row]) -> CArray:
    """What the ids of these events' runs and deliveries begin with, behind their prefix."""
    return texts(row[0][4:] for row in events)


def resolved(db: apsw.Connection, contact_id: str) -> str:
    """The id of the contact that a merged one was merged into; any other is itself."""
    kept: str | None = db.execute("SELECT kept FROM merged WHERE gone = ?", (contact_id,)).get
    return contact_id if kept is None else kept


def with_merged(db: apsw.Connection, contact_id: str) -> list[str]:
    """All ids of a contact: its own, and those of contacts that were merged into it."""
    contact_id = resolved(db, contact_id)
    return [contact_id, *(gone for (gone,) in db.execute("SELECT gone FROM merged WHERE kept = ?", (contact_id,)))]
