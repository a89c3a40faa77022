"""Opening a database of whichever kind: a file, or an address on a server. Called by `app` and `cli`.

A store's rooms are imported only for a database of its kind.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from goniec.ports import Clock, Signals, Store, Timed
from goniec.store.address import Postgres


@runtime_checkable
class Database(Store, Protocol):
    """An open store, with what only commands ask of it."""

    @property
    def signals(self) -> Signals | None:
        """How processes that share it tell each other; None: there is only one."""
        ...

    @property
    def time(self) -> Callable[[Clock], Awaitable[Timed]] | None:
        """Asks for the time that all go by who share it; None: there is only one."""
        ...

    async def quarantined(self, limit: int = 100) -> list[tuple[int, int, str, bytes]]:
        """What could not be recorded, the newest first: number, time, reason, content."""
        ...

    async def mark(self, name: str) -> bytes | None:
        """A mark's value, read without the lock for writing."""
        ...

    @property
    def whole(self) -> str:
        """What to say of it when nothing is wrong."""
        ...

    async def integrity(self) -> list[str]:
        """What is wrong with it, a line each."""
        ...


def open_store(place: Path | Postgres, *, server: bool) -> Database:
    """Open the database, making or migrating it where needed. Waits for disk or network: call it before the loop runs.

    Raises:
        Refused: it cannot be used as it stands; the message says what to do.

    """
    if isinstance(place, Postgres):
        from goniec.store import postgres

        return postgres.open_store(place, server=server)
    from goniec.store import sqlite

    return sqlite.open_store(place, server=server)


def schema_of(place: Path | Postgres) -> tuple[bool, str | None]:
    """Tell, without changing anything, whether the schema is behind the program, and its version (None: no tables).

    Raises:
        Refused: the database cannot be used as it stands.
        Unavailable: it cannot be read.

    """
    if isinstance(place, Postgres):
        from goniec.store.postgres.opening import schema_of as of_server

        return of_server(place)
    from goniec.store.sqlite.opening import schema_of as of_file

    return of_file(place)


def is_there(place: Path | Postgres) -> bool:
    """Whether there is a database: of a server it is only known by asking, so it is taken to be there."""
    return isinstance(place, Postgres) or place.exists()
