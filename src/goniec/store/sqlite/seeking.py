"""The ways to a page of a list in SQLite: through tables, along indexes. Called by the rooms of the lists.

How they take turns is the same for every store (`goniec.store.seeking`).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apsw

from goniec.core.times import Millis
from goniec.ports import Page
from goniec.store import seeking
from goniec.store.rows import Row
from goniec.store.seeking import AHEAD, PACE, Bounds, Found, bounded, known, through
from goniec.store.sqlite.driving import drive
from goniec.store.sqlite.sql import fetch

Way = Callable[[Bounds, int], Found]
"""Looks at so many rows within bounds: gives those that match, ids first, and the last it looked at; None: the end."""

Stream = Callable[[Bounds, int], list[str]]
"""Gives the first so many ids within bounds."""


def bounds(db: apsw.Connection, prefix: str, since: Millis | None, until: Millis | None, page: Page) -> Bounds:
    """Bounds by time, as far as ids tell it: what `since` and `until` compare has to be asked of each row too."""
    ahead = 0 if until is None else db.execute("SELECT value FROM counters WHERE name = ?", (AHEAD,)).get or 0
    return bounded(prefix, since, until, ahead, page)


def seek(ways: Sequence[Way], within: Bounds, page: Page) -> Found:
    """A page, and where the search stopped if it has neither filled it nor come to the end."""
    return drive(seeking.seek([_willing(way) for way in ways], within, page))


def _willing(way: Way) -> seeking.Way:
    """The way as one that might wait."""

    async def patient(within: Bounds, size: int) -> Found:
        return way(within, size)

    return patient


def windows(db: apsw.Connection, table: str, key: str, load: Callable[[Bounds], list[Row]], *, pace: int = PACE) -> Way:
    """Way through a table itself; `load` gives the matches within bounds, at most a page of them."""

    def way(within: Bounds, size: int) -> Found:
        sql = f"SELECT {key} FROM {table} WHERE {within.between(key)} {within.order(key)} LIMIT 1 OFFSET ?"
        last = db.execute(sql, (within.low, within.high, pace * size - 1)).get
        if last is None:
            return load(within), None
        return load(through(within, last)), last

    return way


def merged(streams: Iterable[Stream], load: Callable[[list[str]], list[Row]]) -> Way:
    """Way along indexes: streams that together name every row that can match."""
    streams = tuple(streams)

    def way(within: Bounds, size: int) -> Found:
        found = {id for stream in streams for id in stream(within, size)}
        ids = sorted(found, reverse=within.newest)[:size]
        return load(ids) if ids else [], ids[-1] if len(ids) == size else None

    return way


def indexed(db: apsw.Connection, source: str, key: str, where: str = "", values: Sequence[Any] = ()) -> Stream:
    """Stream from an index that begins with what `where` pins down and ends with the key."""

    def stream(within: Bounds, size: int) -> list[str]:
        sql = f"SELECT {key} FROM {source} WHERE {within.between(key)}{where} {within.order(key)} LIMIT ?"
        return [id for (id,) in fetch(db, sql, (within.low, within.high, *values, size))]

    return stream


def listed(ids: Iterable[str]) -> Stream:
    """Stream of ids that are known, in whatever order."""
    return known(ids)
