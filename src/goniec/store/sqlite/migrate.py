"""The schema of a file: made fresh, checked, brought up to date. Called while the file is opened.

A fresh file is made from `fresh.sql`, which is nothing but all migrations written out (a test compares), so that
neither Alembic nor SQLAlchemy is loaded for it. An older one is migrated after a copy was put beside it. Alembic only
writes the statements; apsw runs them, all in one transaction.
"""

import os
from pathlib import Path
from typing import Final

import apsw

from goniec.store import Refused
from goniec.store.migrations import HEAD, SCRIPTS
from goniec.store.migrations.steps import upgrade_sql
from goniec.store.sqlite.files import beside, sync_folder

APPLICATION_ID: Final = 0x476F6E69
"""Marks a file as Goniec's in its header (`Goni`)."""

FRESH: Final = Path(__file__).with_name("fresh.sql")


def version(db: apsw.Connection) -> str | None:
    """The schema's version, None for an empty file.

    Raises:
        Refused: the file is not Goniec's.

    """
    if not db.execute("SELECT count(*) FROM sqlite_schema").get:
        return None
    if db.execute("PRAGMA application_id").get != APPLICATION_ID:
        raise Refused(f"{db.filename} is a database, but not Goniec's")
    found: str = db.execute("SELECT version_num FROM alembic_version").get
    return found


def check(db: apsw.Connection, head: str = HEAD) -> bool:
    """Tell whether the schema is behind the program.

    Raises:
        Refused: it is newer than the program, or the file is not Goniec's.

    """
    found = version(db)
    # versions are numbers of equal length
    if found is not None and found > head:
        raise Refused(
            f"{db.filename} has schema {found}, and this Goniec knows schemas up to {head}: install the newer"
            " Goniec that wrote it, or restore a backup made by this one"
        )
    return found != head


def migrate(db: apsw.Connection, scripts: Path = SCRIPTS, head: str = HEAD) -> None:
    """Bring the schema up to date: create it in an empty file, else migrate it after a copy was made."""
    found = version(db)
    if found == head:
        return
    if found is None:
        sql = f"PRAGMA application_id = {APPLICATION_ID};\n" + FRESH.read_text()
    else:
        keep_copy(db, found)
        sql = upgrade_sql("sqlite", found, scripts, head)
    db.execute("BEGIN IMMEDIATE")
    try:
        # a statement that returns a row stops there until the row is taken
        db.execute(sql).fetchall()
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def keep_copy(db: apsw.Connection, found: str) -> None:
    """Put a copy beside the file; it stays until the next migration makes another."""
    database = Path(db.filename)
    for earlier in database.parent.glob(f"{database.name}.schema-*"):
        earlier.unlink()
    copy_to(db, beside(database, f".schema-{found}"))


def copy_to(db: apsw.Connection, target: Path) -> None:
    """Write a consistent copy of the database to a new file, readable by its owner only and on disk when this returns.

    Raises:
        Refused: there is such a file.

    """
    partial = beside(target, ".partial")
    if target.exists():
        raise Refused(f"{target} exists: name a new file")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        db.execute("VACUUM INTO ?", (str(partial),))
        file = os.open(partial, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)
        partial.rename(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)
