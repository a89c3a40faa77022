"""Restoring a backup: checked, migrated, the erased erased again, every endpoint paused, then put in place at once."""

from pathlib import Path

import apsw
from msgspec.structs import replace

from goniec.core.endpoint import Pause
from goniec.core.times import Millis
from goniec.store import Refused
from goniec.store.pruning import Reach
from goniec.store.sqlite import connect
from goniec.store.sqlite.driving import drive
from goniec.store.sqlite.failures import EXPECTED, unavailable
from goniec.store.sqlite.files import Erasures, Lock, beside, refuse_network, sync_folder
from goniec.store.sqlite.keeper import WIPING
from goniec.store.sqlite.migrate import check, copy_to, migrate, version
from goniec.store.sqlite.tx import SqliteTx


def restore(backup: Path, target: Path, now: Millis) -> int:
    """Put the backup in the place of the database `target`; give the number of contacts that were erased in it again.

    Nobody may be serving the database. Every endpoint comes back paused (`Pause.RESTORED`): what was pending in the
    backup may have been sent since. Nobody is signed in any more. When it fails, the database is as it was.

    Raises:
        Refused: it cannot be done; the message says why.

    """
    connect.check_library()
    backup, target = backup.absolute(), target.absolute()
    refuse_network(target)
    if not backup.is_file():
        raise Refused(f"{backup} is not there")
    lock = Lock(target)
    lock.take()
    fresh = beside(target, ".restored")
    try:
        _copy(backup, fresh)
        erased = _make_ready(fresh, sorted({*Erasures(target), *_erased_in(target)}), now)
        _swap(fresh, target)
    except EXPECTED as error:
        raise Refused(f"the backup cannot be restored: {unavailable(error)}") from error
    finally:
        for left in (fresh, beside(fresh, "-wal"), beside(fresh, "-shm"), beside(fresh, "-journal")):
            left.unlink(missing_ok=True)
        lock.release()
    return erased


def _copy(backup: Path, fresh: Path) -> None:
    fresh.unlink(missing_ok=True)
    source = apsw.Connection(str(backup), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        try:
            found = version(source)
        except apsw.NotADBError:
            raise Refused(f"{backup} is no database; goniec backup writes what can be restored") from None
        if found is None:
            raise Refused(f"{backup} is empty")
        check(source)
        damage = [line for (line,) in source.execute("PRAGMA integrity_check(1)") if line != "ok"]
        if damage:
            raise Refused(f"{backup} is damaged: {damage[0]}")
        copy_to(source, fresh)
    finally:
        source.close()


def _erased_in(target: Path) -> list[str]:
    """Who was erased in the database that is to be replaced; of a damaged one, its journal still tells."""
    if not target.exists():
        return []
    try:
        db = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return [id for (id,) in db.execute("SELECT contact_id FROM erasures")]
        finally:
            db.close()
    except apsw.Error:
        return []


def _make_ready(fresh: Path, erased: list[str], now: Millis) -> int:
    db = connect.writer(fresh)
    try:
        migrate(db)
        db.execute("BEGIN IMMEDIATE")
        tx = SqliteTx(db, Reach())
        again = [id for id in erased if _knows(db, id)]
        for id in again:
            drive(tx.erase(id, now))
        for endpoint in drive(tx.endpoints()):
            drive(tx.put_endpoint(replace(endpoint, paused=Pause.RESTORED, paused_at=now)))
        tx.settle()
        db.execute("DELETE FROM sessions")  # who has signed out since, or was put out, would be in again
        db.execute("DELETE FROM marks WHERE name = ?", (WIPING,))
        db.execute("COMMIT")
        if again:
            db.execute("VACUUM")  # writes every page anew, so nothing is left behind on one
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    finally:
        db.close()
    return len(again)


def _knows(db: apsw.Connection, contact_id: str) -> bool:
    return bool(db.execute("SELECT EXISTS (SELECT 1 FROM contacts WHERE id = ?)", (contact_id,)).get)


def _swap(fresh: Path, target: Path) -> None:
    """Replace the file in one step. Its log goes first: SQLite would take it for the new file's."""
    _settle_log(target)
    for suffix in ("-wal", "-shm"):
        beside(target, suffix).unlink(missing_ok=True)
    fresh.replace(target)
    sync_folder(target.parent)


def _settle_log(target: Path) -> None:
    """Move the old database's log into its file, so that it is whole if we stop here; a damaged one is lost anyhow."""
    if not target.exists():
        return
    try:
        db = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            db.close()
    except apsw.Error:
        return
