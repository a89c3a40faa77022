"""Connections to the database file, set up for what they are for. The only room that knows SQLite's settings."""

from pathlib import Path
from typing import Final

import apsw

from goniec.store import Refused

OLDEST: Final = (3, 51, 3)
"""Older libraries can damage a WAL file when one connection checkpoints while another commits (repaired in 3.51.3)."""

CACHE_KIB: Final = 28 * 1024
READER_CACHE_KIB: Final = 4 * 1024
JOURNAL_BYTES: Final = 64 * 1024 * 1024
"""A log that had to grow beyond this (under a long reader) is cut back once it starts anew."""

BUSY_SECONDS: Final = 5.0
"""How long a write waits for another process's."""


def check_library(version: str = apsw.sqlite_lib_version()) -> None:
    """Refuse an SQLite library that could damage the file.

    Raises:
        Refused: it is too old.

    """
    if tuple(int(part) for part in version.split(".")) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise Refused(
            f"SQLite {version} can damage the database; Goniec needs {wanted} or newer: install apsw {wanted} or newer"
        )


STATEMENTS: Final = 500
"""Prepared statements that are kept: each of the many-row ones stands there once for every number of rows."""


def writer(path: Path, *, durable: bool = True, busy_seconds: float = BUSY_SECONDS) -> apsw.Connection:
    """The connection that writes. `durable=False` leaves out every wait for the disk: for tests only.

    Raises:
        Refused: the file system has no shared memory, which the log needs.

    """
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    db = apsw.Connection(str(path), flags=flags, statementcachesize=STATEMENTS)
    db.set_busy_timeout(round(busy_seconds * 1000))
    db.execute("PRAGMA page_size = 4096")
    if db.execute("PRAGMA journal_mode = WAL").get != "wal":
        raise Refused(f"{path} cannot have a write-ahead log where it lies: put it on a local disk")
    db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
    db.execute("PRAGMA secure_delete = ON").fetchall()
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    db.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}").fetchall()
    db.wal_autocheckpoint(0)
    return db


def reader(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> apsw.Connection:
    """A connection that cannot write."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    db.set_busy_timeout(round(busy_seconds * 1000))
    db.execute("PRAGMA query_only = ON")
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
    return db
