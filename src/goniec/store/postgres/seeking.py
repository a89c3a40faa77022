"""The ways to a page of a list in PostgreSQL: through tables, along indexes. Called by the rooms of the lists.

How they take turns is the same for every store (`goniec.store.seeking`). An index is asked in its own order, all that
pins it down before the key, so that the server has no reason to sort and none to read another.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from goniec.core.times import Millis
from goniec.ports import Page
from goniec.store.postgres.sql import Db, fetch
from goniec.store.rows import Row
from goniec.store.seeking import AHEAD, PACE, Bounds, Found, Way, bounded, known, through

Stream = Callable[[Bounds, int], Awaitable[list[str]]]
"""Gives the first so many ids within bounds."""


async def bounds(db: Db, prefix: str, since: Millis | None, until: Millis | None, page: Page) -> Bounds:
    """Bounds by time, as far as ids tell it: what `since` and `until` compare has to be asked of each row too."""
    ahead = 0
    if until is not None:
        ahead = await db.fetchval("SELECT value FROM counters WHERE name = $1", AHEAD) or 0
    return bounded(prefix, since, until, ahead, page)


def windows(db: Db, table: str, key: str, load: Callable[[Bounds], Awaitable[list[Row]]], *, pace: int = PACE) -> Way:
    """Way through a table itself; `load` gives the matches within bounds, at most a page of them."""

    async def way(within: Bounds, size: int) -> Found:
        sql = f"SELECT {key} FROM {table} WHERE {within.between(key)} {within.order(key)} LIMIT 1 OFFSET ?"
        found = await fetch(db, sql, (within.low, within.high, pace * size - 1))
        if not found:
            return await load(within), None
        ((last,),) = found
        return await load(through(within, last)), last

    return way


def merged(streams: Iterable[Stream], load: Callable[[list[str]], Awaitable[list[Row]]]) -> Way:
    """Way along indexes: streams that together name every row that can match."""
    streams = tuple(streams)

    async def way(within: Bounds, size: int) -> Found:
        found: set[str] = set()
        for stream in streams:
            found.update(await stream(within, size))
        ids = sorted(found, reverse=within.newest)[:size]
        return await load(ids) if ids else [], ids[-1] if len(ids) == size else None

    return way


def indexed(db: Db, source: str, key: str, where: str = "", values: Sequence[Any] = ()) -> Stream:
    """Stream from an index that begins with what `where` pins down and ends with the key."""

    async def stream(within: Bounds, size: int) -> list[str]:
        sql = f"SELECT {key} FROM {source} WHERE {within.between(key)}{where} {within.order(key)} LIMIT ?"
        return [id for (id,) in await fetch(db, sql, (within.low, within.high, *values, size))]

    return stream


def listed(ids: Iterable[str]) -> Stream:
    """Stream of ids that are known, in whatever order."""
    within_bounds = known(ids)

    async def stream(within: Bounds, size: int) -> list[str]:
        return within_bounds(within, size)

    return stream
