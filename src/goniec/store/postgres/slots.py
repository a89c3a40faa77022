"""Rows of the ledger that a process has to itself, so that several commit at once and not one after the other.

The first process adds to the tables as they are, each further one to those beside them, in rows with the number of its
slot. A process takes a free one with its connection. Two in one slot only wait for each other, so nothing is wrong
where that cannot be known: behind a proxy that lends connections, or with more processes than slots.

The rooms of the ledger write by `Shared` and read by `both`; the writer asks for a slot.
"""

import random
from collections.abc import Sequence
from typing import Any, Final

from goniec.store.postgres import locks
from goniec.store.postgres.sql import NUMBER, Db, insert
from goniec.store.rows import Row

FIRST: Final = 0
SLOTS: Final = 16


class Shared:
    """A table of figures: rows are added to what stands under their key. Each may give something back."""

    __slots__ = ("_beside", "_first")

    def __init__(self, table: str, key: Sequence[str], figures: Sequence[str], *types: str, gives: str = "") -> None:
        end = f" RETURNING {gives}" if gives else ""
        self._first = insert(table, ", ".join((*key, *figures)), *types, after=_adding(table, key, figures) + end)
        table, key = f"{table}_beside", ("slot", *key)
        after = _adding(table, key, figures) + end
        self._beside = insert(table, ", ".join((*key, *figures)), NUMBER, *types, after=after)

    async def add(self, db: Db, slot: int, rows: Sequence[tuple[Any, ...]]) -> list[Row]:
        """Add rows of key and figures, which are in the order of their keys; give what they give back."""
        if slot == FIRST:
            return await self._first.run(db, rows)
        return await self._beside.run(db, [(slot, *row) for row in rows])


def both(table: str, columns: str) -> str:
    """What to read a table of figures from: rows of all slots, several to a key."""
    return f"(SELECT {columns} FROM {table} UNION ALL SELECT {columns} FROM {table}_beside)"


def by_chance() -> int:
    """A slot for a process that cannot know which are free."""
    return random.randrange(SLOTS)  # noqa: S311 - spreads writers, guards nothing


async def free(db: Db) -> int | None:
    """Take the lowest slot that no other connection has, for as long as this one lasts; None when all are taken."""
    for slot in range(SLOTS):
        if await locks.try_slot(db, slot):
            return slot
    return None


def _adding(table: str, key: Sequence[str], figures: Sequence[str]) -> str:
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in figures)
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {added}"
