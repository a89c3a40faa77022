"""PostgreSQL: what the database has to be before a row is read, how its schema comes about, and what is never told."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from goniec.store import Refused
from goniec.store.address import Postgres
from goniec.store.migrations import HEAD, SCRIPTS
from goniec.store.postgres import open_store, writer
from goniec.store.postgres.locks import SERVING
from goniec.store.postgres.migrate import migrate
from goniec.store.postgres.opening import schema_of
from goniec.store.postgres.sql import Db
from goniec.store.schema import metadata
from tests.contract.store.scribe import Scribe
from tests.postgres import database, server

NEXT = f"{int(HEAD) + 1:04}"

STEP = f"""
from alembic import op
import sqlalchemy as sa

revision = "{NEXT}"
down_revision = "{HEAD}"


def upgrade() -> None:
    op.add_column("quarantine", sa.Column("seen", sa.Integer(), server_default="7", nullable=False))
    op.execute("UPDATE quarantine SET reason = 'migrated'")
"""


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with database(empty=True) as made:
        yield made


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """The migrations, and one more."""
    copy = tmp_path / "migrations"
    shutil.copytree(SCRIPTS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "versions" / "next.py").write_text(STEP)
    return copy


async def test_the_migrated_database_is_what_the_schema_describes(url: str) -> None:
    await open_store(Postgres(url), server=True).close()
    engine = create_async_engine(url.replace("postgresql", "postgresql+asyncpg"))

    def compare(connection: Connection) -> None:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD

    async with engine.connect() as connection:
        await connection.run_sync(compare)
    await engine.dispose()


async def test_every_text_is_compared_by_its_bytes(url: str) -> None:
    await open_store(Postgres(url), server=True).close()
    db = await asyncpg.connect(url)
    found = await db.fetch(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        " AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'"
    )
    await db.close()
    assert found == []


async def test_several_that_start_at_once_make_one_schema(url: str) -> None:
    stores = await asyncio.gather(*(asyncio.to_thread(open_store, Postgres(url), server=False) for _ in range(3)))
    for store in stores:
        assert await store.queries.health() is None
        await store.close()


async def test_several_serve(url: str) -> None:
    stores = [open_store(Postgres(url), server=server) for server in (True, True, False)]
    for n, store in enumerate(stores):
        await store.transact(lambda tx, n=n: tx.put_mark(f"m{n}", b"1"))  # type: ignore[misc] # bound at once
        assert await store.queries.health() is None
    for store in stores:
        assert await store.mark("m2") == b"1"
        await store.close()


async def test_a_release_that_has_to_be_alone_is_not_served_beside(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "PATIENCE_SECONDS", 0.2)
    old = await asyncpg.connect(url)
    assert await old.fetchval(f"SELECT pg_try_advisory_lock({SERVING})")
    with pytest.raises(Refused, match="an older Goniec serves the database"):
        open_store(Postgres(url), server=True)
    beside = open_store(Postgres(url), server=False)
    assert await beside.queries.health() is None
    await beside.close()
    await old.close()
    store = open_store(Postgres(url), server=True)
    old = await asyncpg.connect(url)
    assert not await old.fetchval(f"SELECT pg_try_advisory_lock({SERVING})")
    await old.close()
    await store.close()


async def test_an_older_schema_is_migrated_by_a_server_and_by_nobody_else(url: str, scripts: Path) -> None:
    store = open_store(Postgres(url), server=False)
    await store.transact(lambda tx: tx.quarantine(b"x", "before", 1))
    event = await Scribe(store).happen("c1")
    await store.close()
    db = await asyncpg.connect(url)
    await migrate(Db(db), scripts, NEXT, HEAD)
    await migrate(Db(db), scripts, NEXT, HEAD)
    assert list(map(tuple, await db.fetch("SELECT reason, seen FROM quarantine"))) == [("migrated", 7)]
    # this program still works beside the next, which says so
    store = open_store(Postgres(url), server=True)
    assert await store.queries.event(event.id) == (event, ())
    await store.close()
    await db.execute("UPDATE marks SET value = $1 WHERE name = 'schema'", NEXT.encode())
    with pytest.raises(Refused, match=f"schema {NEXT}, and this Goniec knows schemas up to {HEAD}"):
        open_store(Postgres(url), server=True)
    await db.execute("UPDATE alembic_version SET version_num = '0000'")
    assert schema_of(Postgres(url)) == (True, "0000")
    with pytest.raises(Refused, match="run goniec migrate first"):
        open_store(Postgres(url), server=False)
    await db.close()


async def test_a_migration_that_fails_changes_nothing(url: str, scripts: Path) -> None:
    await open_store(Postgres(url), server=True).close()
    step = scripts / "versions" / "next.py"
    step.write_text(step.read_text() + '    op.execute("INSERT INTO no_such_table VALUES (1)")\n')
    db = await asyncpg.connect(url)
    with pytest.raises(asyncpg.UndefinedTableError):
        await migrate(Db(db), scripts, NEXT)
    await db.close()
    assert schema_of(Postgres(url)) == (False, HEAD)


async def test_a_database_of_somebody_else(url: str) -> None:
    db = await asyncpg.connect(url)
    await db.execute("CREATE TABLE contacts (id int)")
    with pytest.raises(Refused, match="a table contacts that is not Goniec's"):
        open_store(Postgres(url), server=True)
    await db.execute("CREATE TABLE alembic_version (version_num text)")
    with pytest.raises(Refused, match="another program's"):
        open_store(Postgres(url), server=True)
    await db.close()


async def test_a_database_in_another_encoding() -> None:
    db = await asyncpg.connect(server().url())
    await db.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    await db.close()
    with pytest.raises(Refused, match="encoded in LATIN1, and Goniec needs UTF8"):
        open_store(Postgres(server().url("latin")), server=True)


def test_what_keeps_it_from_connecting_is_told_without_the_password() -> None:
    port = server().port
    for url, said in (
        (f"postgresql://u:hunter2@127.0.0.1:{port}/none", "refuses the user or the password|no such database"),
        ("postgresql://u:hunter2@127.0.0.1:1/none", "nothing listens"),
        ("postgresql://u:hunter2@nowhere.invalid/none", "cannot be reached"),
        (f"postgresql://u:hunter2@127.0.0.1:{port}/none?sslmode=require", "no connection|cannot be reached|lost"),
    ):
        with pytest.raises(Refused, match=said) as refused:
            open_store(Postgres(url), server=True)
        assert "hunter2" not in str(refused.value)
