"""SQLite: a full disk, a locked file, work that waits, a long log."""

import asyncio
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from goniec.core.model import Contact
from goniec.ports import Changes, Tx, Unavailable
from goniec.store import Refused
from goniec.store.sqlite import SqliteStore, open_store
from goniec.store.sqlite import keeper as keeping
from tests.contract.store.scribe import NOW, Scribe, endpoint, put


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = open_store(tmp_path / "goniec.db", server=True, durable=False, busy_seconds=0.05)
    try:
        yield opened
    finally:
        await opened.close()


async def fill(store: SqliteStore, size: int = 200_000) -> None:
    contact = Contact(id="big", created_at=NOW, updated_at=NOW, name="x" * size)
    await store.transact(lambda tx: tx.save(Changes(contacts=[contact])))


# --- a full disk ----------------------------------------------------------------------------------------------------


async def test_a_full_disk(store: SqliteStore) -> None:
    scribe = Scribe(store)
    before = await scribe.happen("c1")
    db = store._writer._db
    db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').get + 2}")
    with pytest.raises(Unavailable, match="the disk is full"):
        await fill(store)
    reason = await store.queries.health()
    assert reason is not None
    assert "full" in reason
    # nothing half-written, and reading goes on
    assert await store.queries.contact("big") is None
    assert await store.queries.event(before.id) == (before, ())
    assert await store.queries.totals() == await store.queries.recount()
    db.execute("PRAGMA max_page_count = 1000000")
    assert await store.queries.health() is None
    await fill(store)
    assert await store.integrity() == []


async def test_a_log_that_cannot_grow(store: SqliteStore) -> None:
    """What comes at the commit, when all was well until then."""
    scribe = Scribe(store)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (store.path.with_name("goniec.db-wal").stat().st_size + 50_000, hard))
    try:
        with pytest.raises(Unavailable, match=r"cannot be read or written|the disk is full"):
            await fill(store)
        assert await store.queries.health() is not None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert await store.queries.contact("big") is None
    assert await store.queries.health() is None
    await scribe.happen("c1")
    assert await store.integrity() == []


# --- a locked file --------------------------------------------------------------------------------------------------


async def test_a_locked_file(store: SqliteStore) -> None:
    await put(store, endpoint())
    other = apsw.Connection(str(store.path))
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Unavailable, match="locked by another program"):
        await fill(store)
    reason = await store.queries.health()
    assert reason is not None
    assert "locked" in reason
    assert len(await store.queries.endpoints()) == 1
    other.execute("ROLLBACK")
    await fill(store)
    assert await store.queries.health() is None
    other.close()


async def test_a_write_waits_for_another_process(tmp_path: Path) -> None:
    store = open_store(tmp_path / "goniec.db", server=True, durable=False, busy_seconds=60)
    other = apsw.Connection(str(store.path))
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(fill(store))
    await store.queries.endpoints()
    assert not writing.done()
    other.execute("COMMIT")
    await writing
    other.close()
    await store.close()


def test_a_file_that_is_locked_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "goniec.db"
    other = apsw.Connection(str(path))
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Refused, match="locked by another program"):
        open_store(path, server=True, busy_seconds=0.01)
    other.execute("ROLLBACK")
    other.close()


async def test_a_file_that_cannot_be_read(store: SqliteStore) -> None:
    await put(store, endpoint())
    elsewhere = store.path.with_name("elsewhere.db")
    store.path.rename(elsewhere)
    # readers open their connections when they are first asked
    with pytest.raises(Unavailable, match="cannot be opened"):
        await store.queries.rules()
    elsewhere.rename(store.path)
    assert await store.queries.rules() == []


# --- work -----------------------------------------------------------------------------------------------------------


async def test_work_must_not_wait(store: SqliteStore) -> None:
    async def slow(tx: Tx) -> None:
        await tx.put_endpoint(endpoint())
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="may await nothing but the transaction"):
        await store.transact(slow)
    assert await store.queries.endpoints() == []
    await put(store, endpoint())


async def test_a_loop_that_has_gone_is_nobodys_trouble(store: SqliteStore) -> None:
    def elsewhere() -> None:
        async def ask() -> None:
            asyncio.get_running_loop().create_task(fill(store)).add_done_callback(lambda _: None)
            await asyncio.sleep(0)

        with asyncio.Runner() as runner:
            runner.run(ask())

    await asyncio.to_thread(elsewhere)
    await put(store, endpoint())
    assert len(await store.queries.endpoints()) == 1


async def test_it_serves_several_loops(store: SqliteStore) -> None:
    async def ask() -> int:
        await put(store, endpoint("end_2"))
        return len(await store.queries.endpoints())

    assert await asyncio.to_thread(asyncio.run, ask()) == 1
    await put(store, endpoint("end_3"))
    assert len(await store.queries.endpoints()) == 2


# --- the log --------------------------------------------------------------------------------------------------------


def log_size(store: SqliteStore) -> int:
    return store.path.with_name("goniec.db-wal").stat().st_size


async def test_the_log_stays_short_under_steady_writing(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "BITE_PAGES", 50)
    monkeypatch.setattr(keeping, "FULL_PAGES", 200)
    scribe = Scribe(store)
    sizes = []
    for n in range(300):
        await scribe.save(*(scribe.sent(scribe.event(f"c{m}")) for m in range(20)))
        if n % 20 == 0:
            sizes.append(log_size(store))
    assert max(sizes) < 2 * 200 * 4096
    assert store.path.stat().st_size > 4 * 200 * 4096


async def test_a_log_that_a_reader_held_is_moved_afterwards(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "FULL_PAGES", 100)
    scribe = Scribe(store)
    await scribe.happen("c1")
    reader = apsw.Connection(str(store.path))
    with reader:
        reader.execute("SELECT count(*) FROM events").get  # noqa: B018 - begins the snapshot
        for _ in range(20):
            await scribe.save(*(scribe.sent(scribe.event(f"c{m}")) for m in range(50)))
        held = log_size(store)
        assert held > 100 * 4096
        before = store.path.stat().st_size
    reader.close()
    for _ in range(10):
        await scribe.save(*(scribe.sent(scribe.event(f"c{m}")) for m in range(50)))
    assert store.path.stat().st_size > before
    assert log_size(store) < 2 * held


async def test_when_idle_the_log_is_moved(store: SqliteStore) -> None:
    await fill(store)
    for _ in range(2_000):
        await asyncio.sleep(0.001)
        if store.path.stat().st_size > 200_000:
            return
    raise AssertionError("the log stays where it is")
