"""Many rows by one statement.

apsw gives up the interpreter's lock at every statement, so fewer and larger ones cost less beside busy threads; their
texts are few, so that the connection keeps them prepared.
"""

from array import array
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final, TypeAlias

import apsw

CArray: TypeAlias = Any
"""What `apsw.carray` makes, for which its stubs have no name."""

NOWHERE: Final = "\uffff"
"""No character, and in no text that is ever stored."""

CHUNKS: Final = (100, 32, 8, 1)
"""How many rows a statement takes; the rest of a batch goes by the next smaller number."""


class ManyRows:
    """A statement with `VALUES` for any number of rows, all of one width."""

    __slots__ = ("_texts", "_width")

    def __init__(self, before: str, width: int, after: str = "") -> None:
        row = "(" + ",".join("?" * width) + ")"
        self._width = width
        self._texts = {n: f"{before} VALUES {','.join([row] * n)} {after}" for n in CHUNKS}

    def run(self, db: apsw.Connection, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """Run it for all rows; give what it returns, if it returns anything."""
        found: list[tuple[Any, ...]] = []
        at, left = 0, len(rows)
        for size in CHUNKS:
            text = self._texts[size]
            while left >= size:
                values = tuple(chain.from_iterable(rows[at : at + size]))
                found += db.execute(text, values)
                at += size
                left -= size
        return found


def insert(table: str, columns: str, after: str = "") -> ManyRows:
    """An `INSERT` of many rows."""
    return ManyRows(f"INSERT INTO {table} ({columns})", columns.count(",") + 1, after)


def fetch(db: apsw.Connection, text: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows at once, before anything else is done with the connection."""
    rows: list[tuple[Any, ...]] = db.execute(text, values).fetchall()
    return rows


def texts(values: Iterable[str]) -> CArray:
    """A list for `IN (SELECT value FROM carray(?))` or a join; it may not be empty.

    It cannot hold a NUL, and no text that is ever stored does: one with a NUL becomes one that is nowhere.
    """
    wanted = tuple(values)
    try:
        return apsw.carray(wanted)
    except ValueError:
        return apsw.carray(tuple(one.replace("\0", NOWHERE) for one in wanted))


def numbers(values: Iterable[int]) -> CArray:
    """The same of whole numbers."""
    return apsw.carray(array("q", values))


def blobs(values: Iterable[bytes]) -> CArray:
    """The same of bytes."""
    return apsw.carray(tuple(values))
