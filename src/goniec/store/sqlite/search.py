"""Finding contacts by any part of their texts: an index of trigrams, filled by and by, beside the texts themselves.

Writing into such an index costs more than all else about a new contact, and merging its pieces makes a commit wait for
a tenth of a second. So a recording transaction only writes the text, and upkeep puts it into the index, many at once;
what is not in there yet is read through. A text that changes or goes leaves the index in the same transaction: what has
been erased is to be gone. A text that is found by its trigrams still has to be looked at.
"""

from collections.abc import Iterable
from typing import Final

import apsw

from goniec.store.sqlite.sql import ManyRows, fetch, numbers, texts

LETTERS: Final = 3
"""Shorter texts cannot be found by trigrams."""

SAMPLE: Final = 100
"""Of so many texts, the newest, it is counted which trigrams are rare: those that are everywhere only cost time."""
_LEAST, _MOST = 3, 8
"""How many trigrams are asked for: the rarest, and others that one text in ten has at most."""

FOUND: Final = 10_000
"""More contacts than so many are no rarity: reading through the texts finds a page of them sooner."""
UNSEEN: Final = 50_000
"""So many texts that are not in the index yet are read through."""

MERGED_PAGES: Final = 64
"""By about so many pages the pieces of the index are merged after each bite."""

_PUT: Final = ManyRows("INSERT INTO contact_trigrams (rowid, folded)", 2)
_TAKE: Final = ManyRows("INSERT INTO contact_trigrams (contact_trigrams, rowid, folded)", 3)
_NUMBER: Final = ManyRows("UPDATE contact_texts SET n = v.column2 FROM (", 2, ") AS v WHERE contact_id = v.column1")

_NEW: Final = "SELECT contact_id, folded FROM contact_texts INDEXED BY ix_contact_texts_new WHERE n IS NULL"
_NEW_ONES: Final = f"{_NEW} AND instr(folded, ?) > 0"
_NEW_COUNT: Final = "SELECT count(*) FROM (SELECT 1 FROM contact_texts WHERE n IS NULL LIMIT ?)"
_KNOWN_ONES: Final = "SELECT contact_id FROM contact_texts WHERE n IN carray(?) AND instr(folded, ?) > 0"


def put_in(db: apsw.Connection, limit: int) -> bool:
    """Put so many texts into the index that are not in there yet; tell whether more are left."""
    found = fetch(db, f"{_NEW} ORDER BY contact_id LIMIT ?", (limit,))
    if found:
        last = db.execute("SELECT max(n) FROM contact_texts WHERE n IS NOT NULL").get or 0
        _NUMBER.run(db, [(contact_id, n) for n, (contact_id, _) in enumerate(found, last + 1)])
        _PUT.run(db, [(n, folded) for n, (_, folded) in enumerate(found, last + 1)])
        db.execute("INSERT INTO contact_trigrams (contact_trigrams, rank) VALUES ('merge', ?)", (MERGED_PAGES,))
    return len(found) == limit


def take_out(db: apsw.Connection, contact_ids: Iterable[str]) -> None:
    """Take the texts of contacts out of the index, before they change or go."""
    ids = tuple(contact_ids)
    if not ids:
        return
    sql = "SELECT 'delete', n, folded FROM contact_texts WHERE contact_id IN carray(?) AND n IS NOT NULL"
    _TAKE.run(db, fetch(db, sql, (texts(ids),)))


def search(db: apsw.Connection, folded: str) -> list[str] | None:
    """The ids of all contacts whose texts have this part, in no order; None: too many to say, or it is too short."""
    if len(folded) < LETTERS or "\0" in folded:
        return None
    asked = " AND ".join('"{}"'.format(trigram.replace('"', '""')) for trigram in _rarest(db, folded))
    found = fetch(db, "SELECT rowid FROM contact_trigrams WHERE contact_trigrams MATCH ? LIMIT ?", (asked, FOUND + 1))
    if len(found) > FOUND or db.execute(_NEW_COUNT, (UNSEEN + 1,)).get > UNSEEN:
        return None
    ids = [id for id, _ in db.execute(_NEW_ONES, (folded,))]
    if found:
        known = db.execute(_KNOWN_ONES, (numbers(n for (n,) in found), folded))
        ids += [id for (id,) in known]
    return ids


def _rarest(db: apsw.Connection, folded: str) -> list[str]:
    """Some trigrams of a text that few have."""
    trigrams = sorted({folded[n : n + LETTERS] for n in range(len(folded) - LETTERS + 1)})
    sample = fetch(db, "SELECT folded FROM contact_texts ORDER BY contact_id DESC LIMIT ?", (SAMPLE,))
    frequency = {trigram: sum(trigram in text for (text,) in sample) for trigram in trigrams}
    rising = sorted(trigrams, key=frequency.__getitem__)
    return [trigram for n, trigram in enumerate(rising[:_MOST]) if n < _LEAST or frequency[trigram] * 10 <= len(sample)]
