"""Opening the database: what must be true of the library, the disk, the lock and the schema before a row is read."""

import os
from pathlib import Path

import apsw

from goniec.store import Refused
from goniec.store.sqlite import connect
from goniec.store.sqlite.failures import EXPECTED, unavailable
from goniec.store.sqlite.files import Erasures, Lock, refuse_network
from goniec.store.sqlite.migrate import check, migrate, version
from goniec.store.sqlite.store import SqliteStore


def open_store(
    path: Path, *, server: bool, durable: bool = True, busy_seconds: float = connect.BUSY_SECONDS
) -> SqliteStore:
    """Open the database file, making or migrating it where needed. Waits for the disk: call it before the loop runs.

    The `server` takes the lock that lets only one of its kind in; other commands do without, and write beside it in
    short transactions. `durable=False` waits for no disk and is for tests. Writing waits `busy_seconds` for other
    processes.

    Raises:
        Refused: it cannot be used as it stands; the message says what to do.

    """
    connect.check_library()
    path = path.absolute()
    _need_folder(path.parent)
    refuse_network(path)
    lock = Lock(path)
    if server:
        lock.take()
    try:
        _make_private(path)
        db = connect.writer(path, durable=durable, busy_seconds=busy_seconds)
        try:
            _prepare(db, lock, server=server)
            _complete_journal(db, Erasures(path))
        except BaseException:
            db.close()
            raise
    except EXPECTED as error:
        lock.release()
        raise Refused(f"{path}: {unavailable(error)}") from error
    except BaseException:
        lock.release()
        raise
    return SqliteStore(path, db, lock if server else None, busy_seconds)


def schema_of(path: Path) -> tuple[bool, str | None]:
    """Tell, without changing anything, whether the schema is behind the program, and its version.

    Raises:
        Refused: it is newer than the program, or the file is not Goniec's.
        Unavailable: it cannot be read.

    """
    try:
        db = connect.reader(path)
        try:
            return check(db), version(db)
        finally:
            db.close()
    except EXPECTED as error:
        raise unavailable(error) from None


def _need_folder(folder: Path) -> None:
    """Refuse a folder that is not there: made for a mistyped path, it would hold an empty database nobody wants."""
    if not folder.is_dir():
        raise Refused(f"there is no folder {folder} for the database: make it first, or set GONIEC_DATABASE to another")


def _make_private(path: Path) -> None:
    """Make the file, before SQLite does, for its owner only: the files beside it get the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise Refused(f"{path} cannot be made: {error.strerror}") from error


def _prepare(db: apsw.Connection, lock: Lock, *, server: bool) -> None:
    if not check(db):
        return
    if not server:
        # a server that runs would go on with the schema that it found
        lock.take()
    try:
        migrate(db)
    finally:
        if not server:
            lock.release()


def _complete_journal(db: apsw.Connection, journal: Erasures) -> None:
    """Note erasures that a kill kept out of the journal."""
    noted = set(journal)
    missing = [id for (id,) in db.execute("SELECT contact_id FROM erasures") if id not in noted]
    if missing:
        journal.add(missing)
