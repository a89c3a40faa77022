"""The PostgreSQL of a measurement: an empty database that the user lends, and that is empty again afterwards.

What processes do there is read beside them, on a connection of our own. The server's CPU is told where it runs on this
machine, which the port of that connection in the name of the server's process proves.
"""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
import uvloop

from goniec.cli.bench.processes import cpu_seconds
from goniec.cli.terminal import CommandError
from goniec.ports import WORKER
from goniec.store import Refused
from goniec.store.address import Postgres
from goniec.store.opening import schema_of
from goniec.store.postgres.connect import Server, close
from goniec.store.postgres.sql import Db

_TABLES: Final = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('e', 'a', 'i'))
ORDER BY c.relname LIMIT 3
"""
"""All that stands in a schema by itself: neither what an extension brought, nor the sequence of a column."""

_DROP: Final = """
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT c.oid::regclass AS name, c.relkind = 'S' AS counts FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'S')
        AND NOT c.relispartition
        AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('e', 'a', 'i'))
    LOOP
        EXECUTE format(CASE WHEN one.counts THEN 'DROP SEQUENCE %s CASCADE' ELSE 'DROP TABLE %s CASCADE' END, one.name);
    END LOOP;
    FOR one IN SELECT p.oid::regprocedure AS name FROM pg_proc p
        WHERE p.pronamespace = current_schema()::regnamespace AND p.proname LIKE 'goniec\\_%'
    LOOP
        EXECUTE format('DROP FUNCTION %s CASCADE', one.name);
    END LOOP;
END $$
"""

_OWNED: Final = "SELECT owner, name FROM leases WHERE owner <> ''"
_DISORDER: Final = """
SELECT count(*) FROM (
    SELECT delivered_at, lag(id) OVER earlier AS before, lag(delivered_at) OVER earlier AS before_at
    FROM deliveries WINDOW earlier AS (PARTITION BY endpoint_id, contact_id ORDER BY id)
) d WHERE delivered_at IS NOT NULL AND before IS NOT NULL AND (before_at IS NULL OR before_at > delivered_at)
"""
_WITHOUT_LIMIT: Final = 3600.0
"""Seconds that what goes over whole tables may take."""


class Lent:
    """The database, looked into beside those that use it. `version` is the server's."""

    def __init__(self, db: Db, version: str, postmaster: int | None) -> None:
        self.version = version
        self._db = db
        self._postmaster = postmaster

    def cpu(self) -> float | None:
        """Seconds of CPU that the whole server has used so far; None: it runs elsewhere."""
        if self._postmaster is None:
            return None
        return cpu_seconds(self._postmaster, children=True) + sum(map(_cpu_of, _children(self._postmaster)))

    async def owned(self) -> dict[str, int]:
        """How many endpoints each worker that lives owns."""
        found = await self._db.fetch(_OWNED)
        workers = {name.removeprefix(WORKER) for _, name in found if name.startswith(WORKER)}
        owners = Counter(owner for owner, name in found if ":" not in name)
        return {worker: owners[worker] for worker in workers}

    async def pending(self) -> int:
        """How many deliveries have not ended."""
        found: int = await self._db.fetchval("SELECT count(*) FROM queue")
        return found

    async def disorder(self) -> int:
        """How many deliveries arrived before an earlier one of their contact at their endpoint."""
        found: int = await self._db.raw.fetchval(_DISORDER, timeout=_WITHOUT_LIMIT)
        return found


def refuse_unless_empty(address: Postgres) -> None:
    """Keep our hands off a database that has anything in it. Call it before the loop runs."""
    try:
        _, version = schema_of(address)
    except Refused as error:
        raise CommandError(str(error)) from None
    if version is not None:
        raise CommandError(_taken(address, "the tables of a Goniec"))
    uvloop.run(_look(address))


async def _look(address: Postgres) -> None:
    raw = await Server(address.url).connect()
    try:
        await _check_empty(address, Db(raw))
    finally:
        await close(raw)


async def _check_empty(address: Postgres, db: Db) -> None:
    if found := await db.fetch(_TABLES):
        raise CommandError(_taken(address, ", ".join(str(name) for (name,) in found)))


@asynccontextmanager
async def lent(address: Postgres) -> AsyncIterator[Lent]:
    """Have the database for a measurement: it has to be empty, and is made empty again."""
    raw = await Server(address.url).connect()
    db = Db(raw)
    try:
        await _check_empty(address, db)
        version = str(await db.fetchval("SHOW server_version"))
        made = Lent(db, version.partition(" ")[0], await _postmaster(db))
        try:
            yield made
        finally:
            with contextlib.suppress(asyncpg.InterfaceError):
                await raw.execute(_DROP, timeout=_WITHOUT_LIMIT)
    finally:
        await close(raw)


def _taken(address: Postgres, what: str) -> str:
    return (
        f"{address} is not empty, it has {what}: the row workers fills a database and empties it again, so give it one"
        " of its own: createdb goniec_bench"
    )


async def _postmaster(db: Db) -> int | None:
    """The process that all others of the server are children of, if it is on this machine."""
    row = await db.fetchrow("SELECT pg_backend_pid(), inet_client_port()")
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    pid, port = row
    return _parent(pid, "[local]" if port is None else f"({port})")


def _parent(pid: int, place: str) -> int | None:
    """The parent of a process if that is the server's for a client at this place."""
    try:
        title = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        if title.startswith("postgres:") and place in title:
            return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    except OSError:
        pass
    return None


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text(encoding="utf-8").split()]


def _cpu_of(pid: int) -> float:
    """Of one that has just ended its parent tells."""
    try:
        return cpu_seconds(pid)
    except OSError:
        return 0.0
