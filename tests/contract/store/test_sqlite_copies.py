"""SQLite: backup, restore, and the copy before a migration."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from goniec.core.endpoint import Pause
from goniec.core.model import Status
from goniec.ports import ContactFilter, Page
from goniec.store import Refused
from goniec.store.sqlite import SqliteStore, open_store, restore
from tests.contract.store.scribe import ENDPOINT, NOW, Scribe, endpoint, ids, put, succeeded
from tests.contract.store.test_users import put as put_users
from tests.contract.store.test_users import session, user


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = open_store(tmp_path / "goniec.db", server=True, durable=False)
    try:
        yield opened
    finally:
        await opened.close()


async def reopened(path: Path) -> SqliteStore:
    return open_store(path, server=True, durable=False)


async def test_a_backup_is_whole(store: SqliteStore, tmp_path: Path) -> None:
    await put(store, endpoint())
    (made,) = await Scribe(store).deliver("c1")
    await store.backup(str(tmp_path / "copy.db"))
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    copy = await reopened(tmp_path / "copy.db")
    assert await copy.queries.due(ENDPOINT, NOW, 9) == [made]
    assert await copy.integrity() == []
    assert await copy.queries.totals() == await copy.queries.recount() == await store.queries.totals()
    await copy.close()


async def test_a_backup_under_writes_is_of_one_moment(store: SqliteStore, tmp_path: Path) -> None:
    scribe = Scribe(store)
    await scribe.save(*(scribe.sent(scribe.event("c1"), ["end_1", "end_2"]) for _ in range(2_000)))
    copying = asyncio.create_task(store.backup(str(tmp_path / "copy.db")))
    written = 0
    while not copying.done():
        await scribe.finish(*map(succeeded, await scribe.deliver(f"c{written}", ["end_1", "end_2"])))
        written += 1
    await copying
    assert written > 1
    copy = await reopened(tmp_path / "copy.db")
    totals = await copy.queries.totals()
    assert totals == await copy.queries.recount()
    assert 2_000 <= totals["events"] <= 2_000 + written
    assert totals["made"] == 2 * totals["events"]
    await copy.close()


async def test_a_backup_overwrites_nothing(store: SqliteStore, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(Refused, match="exists"):
        await store.backup(str(target))
    assert target.read_text() == "precious"


async def test_a_backup_that_fails_leaves_nothing(store: SqliteStore, tmp_path: Path) -> None:
    with pytest.raises((Refused, OSError)):
        await store.backup(str(tmp_path / "no" / "such" / "folder" / "copy.db"))
    assert not list(tmp_path.glob("*.partial"))


# --- restoring ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def backup(store: SqliteStore, tmp_path: Path) -> Path:
    """A backup of two contacts with something pending; afterwards one of them is erased, and another comes."""
    await put(store, endpoint(), endpoint("end_2", paused=Pause.BY_HAND, paused_at=NOW - 9))
    scribe = Scribe(store)
    await scribe.contact("c1", email="jan@x.pl", name="Tajny")
    await scribe.contact("c2", email="ewa@x.pl")
    await scribe.deliver("c1", body=b"Tajny")
    await scribe.deliver("c2")
    await store.backup(str(tmp_path / "copy.db"))
    await store.transact(lambda tx: tx.erase("c1", NOW))
    await scribe.contact("c3", email="ola@x.pl")
    await store.close()
    return tmp_path / "copy.db"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "goniec.db"


async def check_restored(target: Path) -> None:
    store = await reopened(target)
    queries = store.queries
    assert ids(await queries.contacts(ContactFilter(), Page())) == ["c2"]
    assert [one.paused for one in await queries.endpoints()] == [Pause.RESTORED, Pause.RESTORED]
    assert [one.paused_at for one in await queries.endpoints()] == [NOW + 5, NOW + 5]
    assert [one.contact_id for one in await queries.due(ENDPOINT, NOW, 9)] == ["c2"]
    totals = await queries.totals()
    assert totals == await queries.recount()
    assert (totals["deliveries.pending"], totals[f"deliveries.{Status.CANCELLED}"]) == (1, 1)
    assert await store.integrity() == []
    await store.close()
    assert b"Tajny" not in target.read_bytes()


async def test_a_restored_database_knows_who_was_erased_since(backup: Path, target: Path) -> None:
    assert restore(backup, target, NOW + 5) == 1
    await check_restored(target)
    assert b"Tajny" in backup.read_bytes()


async def test_the_journal_is_enough(backup: Path, target: Path) -> None:
    """The database itself may be lost."""
    target.unlink()
    assert restore(backup, target, NOW + 5) == 1
    await check_restored(target)


async def test_the_database_is_enough(backup: Path, target: Path) -> None:
    """The journal may be lost."""
    target.with_name("goniec.db.erased").unlink()
    assert restore(backup, target, NOW + 5) == 1
    await check_restored(target)
    assert target.with_name("goniec.db.erased").read_text() == "c1\n"


async def test_restoring_over_a_damaged_database(backup: Path, target: Path) -> None:
    target.write_bytes(b"SQLite format 3\x00" + os.urandom(8_000))
    target.with_name("goniec.db-wal").write_bytes(os.urandom(5_000))
    assert restore(backup, target, NOW + 5) == 1
    await check_restored(target)


async def test_restoring_where_there_was_nothing(backup: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    assert restore(backup, other / "goniec.db", NOW) == 0
    store = await reopened(other / "goniec.db")
    assert ids(await store.queries.contacts(ContactFilter(), Page())) == ["c1", "c2"]
    await store.close()
    assert sorted(file.name for file in other.iterdir()) == ["goniec.db", "goniec.db.lock"]


async def test_what_cannot_be_restored_changes_nothing(backup: Path, target: Path, tmp_path: Path) -> None:
    before = target.read_bytes()
    bad = {name: tmp_path / f"{name}.db" for name in ("text", "empty", "other", "newer", "damaged", "missing")}
    bad["text"].write_text("dear diary, " * 1_000)
    bad["empty"].touch()
    for name in ("other", "newer"):
        if name == "newer":
            bad[name].write_bytes(backup.read_bytes())
        db = apsw.Connection(str(bad[name]))
        db.execute("CREATE TABLE x (y)" if name == "other" else "UPDATE alembic_version SET version_num = '0999'")
        db.close()
    damaged = bytearray(backup.read_bytes())
    damaged[4_096:8_192] = b"\xff" * 4_096  # the second page; the last ones may hold nothing
    bad["damaged"].write_bytes(damaged)
    words = {
        "text": "text.db is no database; goniec backup writes",
        "empty": "empty",
        "other": "not Goniec's",
        "newer": "0999",
        "damaged": "damaged",
        "missing": "not there",
    }
    for name, path in bad.items():
        with pytest.raises(Refused, match=words[name]):
            restore(path, target, NOW)
    assert target.read_bytes() == before
    assert not list(tmp_path.glob("*.restored*"))


async def test_nothing_is_restored_under_a_server(backup: Path, target: Path) -> None:
    store = await reopened(target)
    with pytest.raises(Refused, match=f"in use by process {os.getpid()}"):
        restore(backup, target, NOW)
    await store.close()


async def test_nobody_is_signed_in_after_a_restore(store: SqliteStore, tmp_path: Path) -> None:
    await put_users(store, user(), session(b"digest"))
    await store.backup(str(tmp_path / "copy.db"))
    await store.close()
    restore(tmp_path / "copy.db", tmp_path / "goniec.db", NOW)
    restored = await reopened(tmp_path / "goniec.db")
    assert await restored.queries.users() == [user()]
    assert await restored.queries.session(b"digest") is None
    await restored.close()
