"""SQLite: the schema as described, as migrated and as made fresh are one; older files are brought up to date."""

import shutil
from pathlib import Path

import apsw
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from goniec.store import Refused
from goniec.store.migrations import HEAD, SCRIPTS
from goniec.store.schema import metadata
from goniec.store.sqlite import connect, fresh, migrate, open_store
from tests.contract.store.scribe import Scribe

TRIGRAMS = "contact_trigrams"
"""An index of SQLite's own, which it keeps in tables with names that begin so."""

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
def path(tmp_path: Path) -> Path:
    return tmp_path / "goniec.db"


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """The migrations, and one more."""
    copy = tmp_path / "migrations"
    shutil.copytree(SCRIPTS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "versions" / "next.py").write_text(STEP)
    return copy


def schema_of(path: Path) -> list[str]:
    db = apsw.Connection(str(path))
    found = [sql for (sql,) in db.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")]
    db.close()
    return found


def test_a_fresh_file_is_what_all_migrations_make() -> None:
    assert migrate.FRESH.read_text() == fresh.text()


def test_the_newest_migration_is_the_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


async def test_the_migrated_file_is_what_the_schema_describes(path: Path) -> None:
    store = open_store(path, server=True, durable=False)
    await store.close()
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.connect() as connection:
        # what an index of SQLite's own keeps in tables is no matter of the schema
        opts = {"compare_type": True, "include_name": lambda name, *_: name is None or not name.startswith(TRIGRAMS)}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD
    engine.dispose()


async def test_every_table_of_ours_is_strict(path: Path) -> None:
    store = open_store(path, server=True, durable=False)
    await store.close()
    db = apsw.Connection(str(path))
    tables = {name: (strict, without) for _, name, _, _, without, strict in db.execute("PRAGMA table_list")}
    db.close()
    assert {name for name, (strict, _) in tables.items() if strict} == set(metadata.tables)
    clustered = {name for name, (_, without) in tables.items() if without and not name.startswith(TRIGRAMS)}
    expected = {name for name, table in metadata.tables.items() if table.kwargs["sqlite_with_rowid"] is False}
    assert clustered == expected


async def test_an_older_file_is_migrated_after_a_copy(path: Path, scripts: Path) -> None:
    store = open_store(path, server=True, durable=False)
    await store.transact(lambda tx: tx.quarantine(b"x", "before", 1))
    event = await Scribe(store).happen("c1")
    await store.close()
    old = schema_of(path)
    db = connect.writer(path)
    migrate.migrate(db, scripts, NEXT)
    assert migrate.version(db) == NEXT
    assert db.execute("SELECT reason, seen FROM quarantine").get == ("migrated", 7)
    migrate.migrate(db, scripts, NEXT)
    db.close()
    copy = path.with_name(f"goniec.db.schema-{HEAD}")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert schema_of(copy) == old
    # the copy is as good as a backup
    store = open_store(copy, server=True, durable=False)
    assert await store.queries.event(event.id) == (event, ())
    await store.close()


async def test_the_copy_of_an_earlier_migration_goes(path: Path, scripts: Path) -> None:
    store = open_store(path, server=True, durable=False)
    await store.close()
    earlier = path.with_name("goniec.db.schema-0000")
    earlier.touch()
    other = path.with_name("goniec.db.schema")
    other.touch()
    db = connect.writer(path)
    migrate.migrate(db, scripts, NEXT)
    db.close()
    assert not earlier.exists()
    assert other.exists()
    assert path.with_name(f"goniec.db.schema-{HEAD}").exists()


async def test_a_migration_that_fails_changes_nothing(path: Path, scripts: Path) -> None:
    store = open_store(path, server=True, durable=False)
    await store.close()
    before = schema_of(path)
    step = scripts / "versions" / "next.py"
    step.write_text(step.read_text() + '    op.execute("INSERT INTO no_such_table VALUES (1)")\n')
    db = connect.writer(path)
    with pytest.raises(apsw.SQLError, match="no_such_table"):
        migrate.migrate(db, scripts, NEXT)
    assert migrate.version(db) == HEAD
    db.close()
    assert schema_of(path) == before


async def test_commands_do_not_migrate_under_a_server(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(path, server=True, durable=False)
    db = apsw.Connection(str(path))
    db.execute("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(Refused, match="in use by process"):
        open_store(path, server=False)
    db.execute(f"UPDATE alembic_version SET version_num = '{HEAD}'")
    db.close()
    await store.close()
