"""SQLite: the index of trigrams finds what reading through the texts finds, and forgets what was erased."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace

from goniec.ports import Changes, ContactFilter, Page
from goniec.store.sqlite import SqliteStore, connect, open_store, search
from tests.contract.store.scribe import NOW, Scribe, ids


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = open_store(tmp_path / "goniec.db", server=True, durable=False)
    try:
        yield opened
    finally:
        await opened.close()


@pytest.fixture
def db(store: SqliteStore) -> apsw.Connection:
    return connect.reader(store.path)


async def put_in(store: SqliteStore) -> None:
    while await store.transact(lambda tx: tx.catch_up(7)):
        pass


def trigrams(store: SqliteStore) -> set[str]:
    """All that the index has."""
    db = apsw.Connection(str(store.path))
    try:
        db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.words USING fts5vocab(main, contact_trigrams, row)")
        return {term for (term,) in db.execute("SELECT term FROM temp.words")}
    finally:
        db.close()


async def test_it_finds_what_reading_finds(store: SqliteStore, db: apsw.Connection) -> None:
    scribe, chance = Scribe(store), random.Random(1)
    texts = {f"c{n:03}": "".join(chance.choices('aąb"ć \n*^%_', k=chance.randint(3, 9))) for n in range(200)}
    for contact_id, text in texts.items():
        await scribe.contact(contact_id, name=text)
        if len(scribe.contacts) == 120:
            await put_in(store)
    assert db.execute("SELECT count(*), count(n) FROM contact_texts").fetchall() == [(200, 120)]
    for _ in range(300):
        q = "".join(chance.choices('aąb"ć *^%_', k=chance.randint(3, 5)))
        expected = [contact_id for contact_id, text in texts.items() if q in text.replace("\n", " ")]
        found = search.search(db, q)
        assert found is not None
        assert sorted(found) == expected, q
        for newest in (False, True):
            page = Page(limit=2, newest=newest, most=4)
            listed = ids(await store.queries.contacts(ContactFilter(q=q), page))
            assert listed == sorted(expected, reverse=newest)[:2], q


async def test_what_is_too_short_or_too_much_is_left_to_reading(
    store: SqliteStore, db: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    scribe = Scribe(store)
    for n in range(9):
        await scribe.contact(f"c{n}", name=f"Jan Kowalski {n}")
    await put_in(store)
    assert search.search(db, "ko") is None
    assert search.search(db, "ko\0w") is None
    assert search.search(db, "kowalski 3" + "x" * 300) == []
    assert search.search(db, "kowalski") == [f"c{n}" for n in range(9)]
    monkeypatch.setattr(search, "FOUND", 8)
    assert search.search(db, "kowalski") is None
    rows = await store.queries.contacts(ContactFilter(q="kowalski"), Page(limit=5, most=2))
    assert (ids(rows), rows.stopped) == (["c0", "c1", "c2", "c3"], "c3")
    monkeypatch.setattr(search, "UNSEEN", 1)
    assert search.search(db, "kowalski 3") == ["c3"]
    for n in range(9, 11):
        await scribe.contact(f"d{n}", name="Jan Nowak")
    assert search.search(db, "kowalski 3") is None


async def test_what_is_changed_merged_or_erased_leaves_it(store: SqliteStore) -> None:
    scribe = Scribe(store)
    for n, name in enumerate(("Qwerty", "Xyzzy", "Zażółć", "Plugh")):
        await scribe.contact(f"c{n}", name=name)
    await put_in(store)
    kept = trigrams(store)
    assert {"qwe", "xyz", "żół", "plu"} <= kept
    changed = replace(scribe.contacts["c0"], name="Nowa")
    await scribe.save(Changes(contacts=[changed]))
    await store.transact(lambda tx: tx.merge_chain("c3", "c1"))
    await store.transact(lambda tx: tx.erase("c2", NOW))
    assert trigrams(store) == {"plu", "lug", "ugh"}
    await put_in(store)
    assert trigrams(store) == {"plu", "lug", "ugh", "now", "owa"}
    await store.transact(lambda tx: tx.erase("c0", NOW))
    await scribe.contact("c9", name="Łódź")
    await put_in(store)
    assert trigrams(store) == {"plu", "lug", "ugh", "łód", "ódź"}
    assert ids(await store.queries.contacts(ContactFilter(q="ódź"), Page(most=1))) == ["c9"]
