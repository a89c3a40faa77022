"""SQLite: erased means gone from the bytes of the file and of its log, as another process reads them."""

import random
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace

from goniec.core.model import Seen
from goniec.ports import EventFilter, Page, Remembered, Unavailable
from goniec.store.sqlite import SqliteStore, open_store
from goniec.store.sqlite import keeper as keeping
from goniec.store.sqlite.wipe import PAGE, Wiper, gap
from tests.contract.store.scribe import NOW, Scribe, failed, succeeded


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = open_store(tmp_path / "goniec.db", server=True, durable=False)
    try:
        yield opened
    finally:
        await opened.close()


def holding(store: SqliteStore, *texts: str) -> list[str]:
    """Which of the texts stand in the files of the store: read by another process, for reading them here drops locks."""
    found = []
    for text in texts:
        command = ["grep", "-l", "-a", "-F", text, *map(str, store.path.parent.glob("goniec.db*"))]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            found.append(text)
    return found


def secret(n: int) -> str:
    return f"Tajemniczy{n}Gość"


async def live(scribe: Scribe, chance: random.Random, people: int, rounds: int, size: int) -> None:
    """A life with growing contacts, long and short bodies and answers, retries out of order: pages split and merge."""
    waiting = []
    for n in range(people):
        await scribe.contact(f"c{n}", email=f"{secret(n)}@x.pl", name=secret(n), phone=f"+4860010{n:04}")
    for _ in range(rounds):
        parts = []
        for n in chance.sample(range(people), people // 5):
            text = secret(n) + "y" * chance.randint(0, size) + secret(n)
            part = scribe.sent(scribe.event(f"c{n}", data={"text": text}), body=text.encode())
            part.runs[0] = replace(part.runs[0], trace=(Seen("", holds=True, value=text),))
            scribe.contacts[f"c{n}"] = replace(scribe.contacts[f"c{n}"], details={"text": text})
            part.contacts.append(scribe.contacts[f"c{n}"])
            parts.append(part)
            waiting += part.deliveries
        await scribe.save(*parts)
        chance.shuffle(waiting)
        waiting, tried = waiting[len(waiting) // 2 :], waiting[: len(waiting) // 2]
        for delivery in tried:
            answer = secret(int(delivery.contact_id[1:])).encode() * chance.randint(1, 1 + size // 40)
            done = failed(delivery, NOW, NOW + 5) if chance.random() < 0.3 else succeeded(delivery)
            await scribe.finish(replace(done, attempt=replace(done.attempt, head=answer, body=answer)))


async def mention(store: SqliteStore, n: int) -> None:
    await store.transact(lambda tx: tx.remember(f"key{n}", Remembered(bytes(32), 200, secret(n).encode()), NOW))
    await store.transact(lambda tx: tx.quarantine(secret(n).encode(), "because", NOW))


async def erase(store: SqliteStore, n: int) -> None:
    await store.transact(lambda tx: tx.erase(f"c{n}", NOW))


@pytest.mark.parametrize(("size", "seed"), [(30, 1), (300, 0), (3_000, 0), (3_000, 3)])
async def test_not_a_byte_is_left(store: SqliteStore, size: int, seed: int) -> None:
    """The seeds are those whose pages kept a copy before they were wiped."""
    scribe, chance = Scribe(store), random.Random(seed)
    await live(scribe, chance, people=60, rounds=40, size=size)
    for n in range(60):
        await mention(store, n)
    gone = sorted(chance.sample(range(60), 30))
    texts = [secret(n) for n in gone]
    assert holding(store, *texts) == texts
    for n in gone:
        await erase(store, n)
        assert holding(store, secret(n)) == []
    folded = [text.casefold() for text in texts]
    phones = [f"+4860010{n:04}" for n in gone]
    assert holding(store, *texts, *folded, *phones) == []
    assert store.path.with_name("goniec.db-wal").stat().st_size == 0
    stay = [secret(n) for n in range(60) if n not in gone]
    assert holding(store, *stay) == stay
    assert await store.integrity() == []
    assert len(await store.queries.events(EventFilter(), Page(limit=9_999))) == 480


async def test_what_retention_took_before_is_gone_too(store: SqliteStore) -> None:
    scribe = Scribe(store)
    await live(scribe, random.Random(5), people=20, rounds=10, size=500)
    while waiting := await store.queries.due("end_1", NOW * 2, 999):
        await scribe.finish(*map(succeeded, waiting))
    while (await store.transact(lambda tx: tx.prune(NOW * 2, 0, 0, 100))).more:
        pass
    await store.transact(lambda tx: tx.erase("c7", NOW))
    assert holding(store, secret(7)) == []


async def test_a_reader_in_the_way_only_puts_it_off(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "PATIENCE_SECONDS", 0.01)
    monkeypatch.setattr(keeping, "RETRY_SECONDS", 0.01)
    scribe = Scribe(store)
    await scribe.contact("c1", email="x@x.pl", name=secret(1))
    reader = apsw.Connection(str(store.path))
    with reader:
        assert reader.execute("SELECT count(*) FROM contacts").get == 1
        await store.transact(lambda tx: tx.erase("c1", NOW))
        assert holding(store, secret(1)) == [secret(1)]
    for _ in range(1_000):
        await store.transact(lambda tx: tx.setup_version())
        if not holding(store, secret(1)):
            break
    assert holding(store, secret(1)) == []
    reader.close()


async def test_a_large_file_is_wiped_bit_by_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "AT_ONCE_PAGES", 0)
    monkeypatch.setattr(keeping, "WIPE_PAGES", 10)
    monkeypatch.setattr(keeping, "IDLE_SECONDS", 0.001)
    path = tmp_path / "goniec.db"
    store = open_store(path, server=True, durable=False)
    await live(Scribe(store), random.Random(0), people=60, rounds=40, size=300)
    await store.transact(lambda tx: tx.erase("c12", NOW))
    assert await store.transact(lambda tx: tx.mark(keeping.WIPING)) is not None
    await store.close()
    # stopped in the middle, or before it began: the next start goes on
    store = open_store(path, server=True, durable=False)
    for _ in range(5_000):
        if await store.queries._read(_unmarked):
            break
    assert await store.transact(lambda tx: tx.mark(keeping.WIPING)) is None
    assert holding(store, secret(12)) == []
    assert await store.integrity() == []
    await store.close()


def _unmarked(db: apsw.Connection) -> bool:
    return not db.execute("SELECT EXISTS (SELECT 1 FROM marks WHERE name = ?)", (keeping.WIPING,)).get


async def test_wiping_waits_for_another_process_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "AT_ONCE_PAGES", 0)
    monkeypatch.setattr(keeping, "IDLE_SECONDS", 0.001)
    monkeypatch.setattr(keeping, "RETRY_SECONDS", 0.001)
    store = open_store(tmp_path / "goniec.db", server=True, durable=False, busy_seconds=0.01)
    await live(Scribe(store), random.Random(0), people=60, rounds=40, size=300)
    other = apsw.Connection(str(store.path))
    await erase(store, 12)
    other.set_busy_timeout(10_000)
    other.execute("BEGIN IMMEDIATE")
    for _ in range(500):
        await store.queries.rules()
    with pytest.raises(Unavailable, match="locked"):
        await store.transact(lambda tx: tx.setup_version())
    other.execute("INSERT INTO names VALUES ('tag', 'other')")
    other.execute("COMMIT")
    other.close()
    for _ in range(5_000):
        await store.transact(lambda tx: tx.setup_version())  # so that it is never idle
        if await store.queries._read(_unmarked):
            break
    assert await store.transact(lambda tx: tx.mark(keeping.WIPING)) is None
    assert holding(store, secret(12)) == []
    assert await store.integrity() == []
    await store.close()


async def test_a_journal_that_cannot_be_written_shows(store: SqliteStore, tmp_path: Path) -> None:
    await Scribe(store).contact("c1")
    journal = tmp_path / "goniec.db.erased"
    journal.mkdir()
    await store.transact(lambda tx: tx.erase("c1", NOW))
    assert await store.queries.contact("c1") is None
    reason = await store.queries.health()
    assert reason is not None
    assert "journal of erased contacts" in reason
    journal.rmdir()
    await store.transact(lambda tx: tx.setup_version())
    assert await store.queries.health() is None
    assert journal.read_text() == "c1\n"


async def test_only_a_server_wipes(tmp_path: Path) -> None:
    store = open_store(tmp_path / "goniec.db", server=False, durable=False)
    await Scribe(store).contact("c1", email="x@x.pl")
    await store.transact(lambda tx: tx.erase("c1", NOW))
    assert await store.transact(lambda tx: tx.mark(keeping.WIPING)) == b""
    await store.close()


def test_wiping_changes_nothing_but_unused_bytes(tmp_path: Path) -> None:
    path = tmp_path / "any.db"
    db = apsw.Connection(str(path))
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT); CREATE TABLE w (k TEXT PRIMARY KEY, x) WITHOUT ROWID")
    chance = random.Random(1)
    db.execute("BEGIN")
    for n in range(3_000):
        db.execute("INSERT INTO t VALUES (?, ?)", (chance.randrange(2**40), "ż" * chance.randrange(60)))
        db.execute("INSERT INTO w VALUES (?, ?)", (str(chance.random()), "x" * chance.choice([9, 90, 9_000])))
        if n % 3:
            db.execute("DELETE FROM w WHERE k = (SELECT k FROM w WHERE k > ? LIMIT 1)", (str(chance.random()),))
    db.execute("COMMIT")
    before = [list(db.execute(f"SELECT * FROM {table}")) for table in "tw"]
    wiper = Wiper(path)
    wiped = 0
    while wiper.pages:
        wiped += wiper.wipe(7)
    wiper.close()
    assert wiped > 0
    fresh = apsw.Connection(str(path))
    assert fresh.execute("PRAGMA integrity_check").get == "ok"
    assert [list(fresh.execute(f"SELECT * FROM {table}")) for table in "tw"] == before
    fresh.close()
    db.close()
    again = Wiper(path)
    assert sum(again.wipe(999) for _ in range(9)) == 0
    again.close()


@pytest.mark.parametrize(
    "page",
    [
        bytes(PAGE),
        b"\x00\x00\x00\x09" + b"x" * (PAGE - 4),
        b"\x0d\x00\x00\xff\xff\x00\x10" + b"x" * (PAGE - 7),
        b"\x0d\x00\x00\x00\x01\xff\xff" + b"x" * (PAGE - 7),
        b"\xff" * PAGE,
    ],
    ids=["empty", "overflow", "too many cells", "content behind the end", "anything"],
)
def test_what_is_no_page_of_cells_is_left_alone(page: bytes) -> None:
    start, end = gap(page, 0, 0)
    assert start == end


async def test_the_journal_of_erased_contacts(store: SqliteStore, tmp_path: Path) -> None:
    scribe = Scribe(store)
    journal = tmp_path / "goniec.db.erased"
    for n in range(4):
        await scribe.contact(f"c{n}")
    await store.transact(lambda tx: tx.merge_chain("c1", "c2"))
    await store.transact(lambda tx: tx.erase("c0", NOW))
    await store.transact(lambda tx: tx.erase("c1", NOW))
    assert journal.read_text().split() == ["c0", "c1", "c2"]
    assert journal.stat().st_mode & 0o777 == 0o600
    await store.close()
    journal.write_text("c0\n")
    store = open_store(tmp_path / "goniec.db", server=True, durable=False)
    assert journal.read_text().split() == ["c0", "c1", "c2"]
    await store.close()
