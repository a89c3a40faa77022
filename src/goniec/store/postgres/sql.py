"""Statements on a connection: parameters by place, many rows by one statement, and texts that cannot be stored.

A statement that writes many rows takes whole columns as arrays, so its text is the same for any number of rows and
stays prepared.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from goniec.core.parts import PARTS
from goniec.store.rows import Row

if TYPE_CHECKING:
    from asyncpg import Connection, Record
    from asyncpg.pool import PoolConnectionProxy

Raw: TypeAlias = "Connection[Record] | PoolConnectionProxy[Record]"
"""A connection of our own, or one that a pool has lent."""

TEXT: Final = "text"
BYTES: Final = "bytea"
NUMBER: Final = "bigint"
SMALL: Final = "smallint"
FLAG: Final = "boolean"

SLOW_SECONDS: Final = 3600.0
"""Counting the rows of a large database takes longer than any statement of the engine may."""

_PART: Final = f"get_byte(sha256(convert_to(q.contact_id, 'UTF8')), 0) % {PARTS}"
"""As `parts.part_of`, of a row `q` of the queue."""

_NOWHERE: Final = "\uffff"
"""No character, and in no text that is ever stored."""


class Db:
    """A connection, as the rooms use it. What is asked for by a text with NUL in it is not found, and no error.

    PostgreSQL's texts hold no NUL, and addresses and searches may. Raises what asyncpg raises.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: Raw) -> None:
        self.raw = raw

    async def fetch(self, text: str, *values: object) -> list[Row]:
        """All rows."""
        found: list[Any] = await self.raw.fetch(text, *map(_sought, values))
        return found

    async def fetchrow(self, text: str, *values: object) -> Row | None:
        """The first row."""
        found: Any = await self.raw.fetchrow(text, *map(_sought, values))
        row: Row | None = found
        return row

    async def fetchval(self, text: str, *values: object) -> Any:  # noqa: ANN401 - whoever asks knows the column
        """The first value of the first row, None without one."""
        return await self.raw.fetchval(text, *map(_sought, values))

    async def execute(self, text: str, *values: object) -> int:
        """Run a statement and give the number of rows that it touched; without values it may be several statements."""
        tag: str = await self.raw.execute(text, *map(_sought, values))
        count = tag.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0


class ManyRows:
    """A statement over rows that come as arrays, one a column, where its text says `{}`. They hold no NUL."""

    __slots__ = ("_text",)

    def __init__(self, text: str, *types: str) -> None:
        arrays = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(types, 1))
        self._text = text.format(f"unnest({arrays})")

    async def run(self, db: Db, rows: Sequence[Sequence[Any]]) -> list[Row]:
        """Run it for all rows; give what it returns, if it returns anything."""
        if not rows:
            return []
        found: list[Any] = await db.raw.fetch(self._text, *map(list, zip(*rows, strict=True)))
        return found


def insert(table: str, columns: str, *types: str, after: str = "") -> ManyRows:
    """An `INSERT` of many rows, in their order."""
    return ManyRows(f"INSERT INTO {table} ({columns}) SELECT * FROM {{}} {after}", *types)


async def fetch(db: Db, text: str, values: Sequence[object] = ()) -> list[Row]:
    """All rows; each `?` stands for the next value, or the text numbers them itself."""
    return await db.fetch(numbered(text), *values)


def in_part(text: str, values: tuple[object, ...], part: int | None) -> tuple[str, tuple[object, ...]]:
    """Bound a statement about the queue to a part, where its text says `{}` behind another condition; None: to none."""
    if part is None:
        return text.format(""), values
    return text.format(f" AND {_PART} = ${len(values) + 1}"), (*values, part)


async def fetch_slowly(db: Db, text: str) -> list[Row]:
    """All rows of what may take longer than anything else."""
    found: list[Any] = await db.raw.fetch(text, timeout=SLOW_SECONDS)
    return found


@lru_cache(maxsize=1000)
def numbered(text: str) -> str:
    """The text with `$1`, `$2`, … for its question marks, of which it may have no others."""
    first, *rest = text.split("?")
    return first + "".join(f"${n}{part}" for n, part in enumerate(rest, 1))


def _sought(value: object) -> object:
    if isinstance(value, str):
        return value.replace("\0", _NOWHERE)
    if isinstance(value, list) and any(isinstance(one, str) and "\0" in one for one in value):
        return [_sought(one) for one in value]
    return value
