"""The `Store` port on SQLite: one writer, a few readers, one file."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import apsw

from goniec.ports import Tx
from goniec.store.sqlite import connect, setup
from goniec.store.sqlite.failures import EXPECTED, unavailable
from goniec.store.sqlite.files import Lock
from goniec.store.sqlite.keeper import Keeper
from goniec.store.sqlite.migrate import copy_to
from goniec.store.sqlite.queries import SqliteQueries
from goniec.store.sqlite.readers import Readers
from goniec.store.sqlite.sql import fetch
from goniec.store.sqlite.writer import Writer

T = TypeVar("T")


class SqliteStore:
    """An open database file. `open_store` makes one; it is used from any loop of the process that opened it."""

    signals = None
    time = None

    def __init__(self, path: Path, db: apsw.Connection, lock: Lock | None, busy_seconds: float) -> None:
        self.path = path
        self._lock = lock
        self._writer = Writer(path, db, Keeper(path, db, busy_seconds, wipes=lock is not None))
        self._readers = Readers(path)
        self._queries = SqliteQueries(self._readers, self._writer)

    @property
    def queries(self) -> SqliteQueries:
        """The reading side."""
        return self._queries

    async def transact(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        return await self._writer.submit(work)

    async def backup(self, path: str) -> None:
        """Write a consistent copy to a new file; sealed secrets stay sealed in it, and the key is not in it.

        Raises:
            Refused: there is such a file.
            Unavailable: it cannot be written.

        """
        await asyncio.to_thread(self._backup, Path(path))

    async def quarantined(self, limit: int = 100) -> list[tuple[int, int, str, bytes]]:
        """What could not be recorded, the newest first: number, time, reason, content."""
        return await self._readers.run(_quarantined, limit)

    async def mark(self, name: str) -> bytes | None:
        """A mark's value, read without the lock for writing."""
        return await self._readers.run(setup.mark, name)

    @property
    def whole(self) -> str:
        """What to say of the file when nothing is wrong with it."""
        return f"{self.path} is whole"

    async def integrity(self) -> list[str]:
        """What is wrong with the file, a line each: damaged pages, rules and endpoints that cannot be read."""
        return await self._readers.run(_integrity)

    async def close(self) -> None:
        """Finish what was submitted, move the log into the file, give the file back. More than once does no harm."""
        await asyncio.to_thread(self._close)

    def _backup(self, target: Path) -> None:
        db = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            db.wal_autocheckpoint(0)
            db.set_busy_timeout(round(connect.BUSY_SECONDS * 1000))
            copy_to(db, target)
        except EXPECTED as error:
            raise unavailable(error) from error
        finally:
            db.close()

    def _close(self) -> None:
        self._readers.close()
        self._writer.close()
        if self._lock is not None:
            self._lock.release()


def _quarantined(db: apsw.Connection, limit: int) -> list[tuple[Any, ...]]:
    return fetch(db, "SELECT id, at, reason, content FROM quarantine ORDER BY id DESC LIMIT ?", (limit,))


def _integrity(db: apsw.Connection) -> list[str]:
    found = []
    try:
        found += [line for (line,) in db.execute("PRAGMA integrity_check") if line != "ok"]
        found += setup.unreadable(db)
    except apsw.CorruptError as error:
        found.append(str(error))
    return found
