"""The schema of a database: made, checked, brought up to date, in one transaction and by one process at a time.

A schema that is newer than the program is no error as long as it says that this program may still work with it: that is
how a new release is rolled out, process by process.
"""

from pathlib import Path
from typing import Final

from goniec.store import Refused
from goniec.store.migrations import HEAD, OLDEST, SCRIPTS
from goniec.store.migrations.steps import upgrade_sql
from goniec.store.postgres import locks
from goniec.store.postgres.sql import Db

_OLDEST: Final = "schema"
"""The mark of the oldest version that still works with the schema as it is."""

SECONDS: Final = 3600.0
"""How long a migration may take, the wait for another process's included."""


async def version(db: Db) -> str | None:
    """The schema's version, None for an empty database.

    Raises:
        Refused: there are tables, but not Goniec's.

    """
    if await db.fetchval("SELECT to_regclass('alembic_version') IS NULL"):
        for name in ("contacts", "events"):
            if not await db.fetchval("SELECT to_regclass($1) IS NULL", name):
                raise Refused(
                    f"the database has a table {name} that is not Goniec's: give Goniec a database of its own"
                )
        return None
    if await db.fetchval("SELECT to_regclass('totals') IS NULL"):
        raise Refused("the database is another program's: give Goniec a database of its own")
    found: str | None = await db.fetchval("SELECT version_num FROM alembic_version")
    return found


async def check(db: Db, head: str = HEAD) -> bool:
    """Tell whether the schema is behind the program.

    Raises:
        Refused: it is too new for the program, or the database is not Goniec's.

    """
    found = await version(db)
    # versions are numbers of equal length
    if found is None or found < head:
        return True
    if found > head:
        oldest = await db.fetchval("SELECT value FROM marks WHERE name = $1", _OLDEST)
        if oldest is None or oldest.decode() > head:
            raise Refused(
                f"the database has schema {found}, and this Goniec knows schemas up to {head}: install the newer"
                " Goniec that wrote it"
            )
    return False


async def migrate(db: Db, scripts: Path = SCRIPTS, head: str = HEAD, oldest: str = OLDEST) -> None:
    """Bring the schema up to date. What fails changes nothing."""
    await db.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
    try:
        await db.raw.execute(f"SELECT pg_advisory_xact_lock({locks.MIGRATING})", timeout=SECONDS)
        if await check(db, head):
            await db.raw.execute(upgrade_sql("postgresql", await version(db), scripts, head), timeout=SECONDS)
            await db.execute(
                "INSERT INTO marks (name, value) VALUES ($1, $2)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                _OLDEST,
                oldest.encode(),
            )
        await db.execute("COMMIT")
    except BaseException:
        if not db.raw.is_closed():
            await db.execute("ROLLBACK")
        raise
