"""Erasing and merging contacts: all that is known of one, found along its chain.

What is emptied is overwritten in the file (`secure_delete`); after the commit the store empties the log and wipes what
rebuilt pages have left (`keeper`). Ids, times, outcomes and the SHA-256 of each body stay, so the ledger and the proof
of what was sent still add up.
"""

from hashlib import sha256
from typing import Final

from msgspec.structs import replace

from goniec.core.identity import alias_key
from goniec.core.model import Contact
from goniec.core.times import Millis
from goniec.ports import Emptied
from goniec.store import rows
from goniec.store.sqlite import search
from goniec.store.sqlite.chain import codes, whole
from goniec.store.sqlite.deliver import DeliverTx
from goniec.store.sqlite.keeper import WIPING
from goniec.store.sqlite.sql import fetch, insert, texts

_RUNS: Final = (
    "SELECT r.id, r.doc FROM carray(?) c"
    " CROSS JOIN runs r ON r.id > 'run_' || c.value AND r.id < 'run_' || c.value || '~'"
)
_DELIVERIES: Final = (
    "SELECT d.id, d.endpoint_id, d.body, d.body_sha256, d.attempts FROM carray(?) c"
    " CROSS JOIN deliveries d ON d.id > 'dlv_' || c.value AND d.id < 'dlv_' || c.value || '~'"
)
_TESTS: Final = (
    "SELECT id, endpoint_id, body, body_sha256, attempts FROM deliveries INDEXED BY ix_deliveries_tests_contact"
    " WHERE test = 1 AND contact_id IN carray(?)"
)
"""Test sends stand in no chain, but there are few."""
_EMPTY_ATTEMPTS: Final = (
    "UPDATE attempts SET detail = '', head = x'', body = x'', note = NULL WHERE delivery_id IN carray(?)"
)
_ERASED: Final = insert(
    "erasures",
    "contact_id, at, last_event",
    "ON CONFLICT (contact_id) DO UPDATE SET last_event = coalesce(erasures.last_event, excluded.last_event)",
)


class EraseTx(DeliverTx):
    """Care of single contacts, inside a transaction."""

    async def erase(self, contact_id: str, now: Millis) -> Emptied:
        db = self.db
        doc = db.execute("SELECT doc FROM contacts WHERE id = ?", (contact_id,)).get
        contact = None if doc is None else rows.decode_contact(doc)
        met: set[tuple[str, bool]] = set()
        for events in whole(db, contact_id):
            met |= self._empty(events, now)
        ids = [contact_id, *(gone for (gone,) in db.execute("SELECT gone FROM merged WHERE kept = ?", (contact_id,)))]
        met |= self._empty_deliveries(fetch(db, _TESTS, (texts(ids),)), now)
        self._forget(contact_id, contact)
        self._empty_strays(contact, ids)
        last = None if contact is None else contact.last_event
        _ERASED.run(db, [(id, now, last if id == contact_id else None) for id in ids])
        db.execute("INSERT INTO marks (name, value) VALUES (?, x'') ON CONFLICT (name) DO NOTHING", (WIPING,))
        self.erased += ids
        return Emptied(
            tuple(sorted({endpoint for endpoint, _ in met})),
            tuple(sorted(endpoint for endpoint, tried in met if tried)),
        )

    def _empty(self, events: list[rows.Row], now: Millis) -> set[tuple[str, bool]]:
        """Empty events and what followed from them; give endpoints, and whether a delivery was tried."""
        db = self.db
        for row in events:
            doc = rows.encode(replace(rows.decode_event_doc(row[7]), data={}, dedup_key=None))
            misses = [replace(miss, seen=None) for miss in rows.misses_of_row(row)]
            db.execute(
                "UPDATE events SET doc = ?, misses = ? WHERE id = ?",
                (doc, rows.encode(misses) if misses else None, row[0]),
            )
        for run_id, doc in fetch(db, _RUNS, (codes(events),)):
            emptied = rows.encode(replace(rows.decode_run_doc(doc), trace=(), detail=None))
            db.execute("UPDATE runs SET doc = ? WHERE id = ?", (emptied, run_id))
        return self._empty_deliveries(fetch(db, _DELIVERIES, (codes(events),)), now)

    def _empty_deliveries(self, deliveries: list[rows.Row], now: Millis) -> set[tuple[str, bool]]:
        db = self.db
        if not deliveries:
            return set()
        ids = [row[0] for row in deliveries]
        self.withdraw(ids, now)
        db.execute(_EMPTY_ATTEMPTS, (texts(ids),))
        for id, _, body, digest, _ in deliveries:
            if digest is None:
                db.execute(
                    "UPDATE deliveries SET body = x'', body_sha256 = ? WHERE id = ?", (sha256(body).digest(), id)
                )
        return {(row[1], row[4] > 0) for row in deliveries}

    def _forget(self, contact_id: str, contact: Contact | None) -> None:
        db = self.db
        search.take_out(db, (contact_id,))
        if contact is not None:
            for tag in contact.tags:
                db.execute("DELETE FROM contact_tags WHERE tag = ? AND contact_id = ?", (tag, contact_id))
            self._drop_facets(contact)
        db.execute("DELETE FROM identity_keys WHERE contact_id = ?", (contact_id,))
        db.execute("DELETE FROM phones WHERE contact_id = ?", (contact_id,))
        db.execute("DELETE FROM contact_texts WHERE contact_id = ?", (contact_id,))
        db.execute("DELETE FROM contacts WHERE id = ?", (contact_id,))

    def _drop_facets(self, contact: Contact) -> None:
        for facet in rows.facets(contact):
            self.db.execute(
                "DELETE FROM contact_facets WHERE kind = ? AND value = ? AND contact_id = ?", (*facet, contact.id)
            )

    def _empty_strays(self, contact: Contact | None, ids: list[str]) -> None:
        """Empty remembered answers and quarantined input in which the contact is named; both are few and soon gone."""
        named = [*ids, *(() if contact is None else (text for text in rows.searched(contact) if text))]
        needles = tuple({form for text in named for form in (text.encode(), rows.encode(text)[1:-1])})
        for table, column in (("answers", "body"), ("quarantine", "content")):
            for needle in needles:
                self.db.execute(f"UPDATE {table} SET {column} = x'' WHERE instr({column}, ?) > 0", (needle,))

    async def merge_chain(self, kept: str, gone: str) -> None:
        db = self.db
        doc = db.execute("SELECT doc FROM contacts WHERE id = ?", (gone,)).get
        contact = None if doc is None else rows.decode_contact(doc)
        last = None if contact is None else contact.last_event
        db.execute("UPDATE merged SET kept = ? WHERE kept = ?", (kept, gone))
        db.execute(
            "INSERT INTO merged (gone, kept, last_event) VALUES (?, ?, ?)"
            " ON CONFLICT (gone) DO UPDATE SET kept = excluded.kept",
            (gone, kept, last),
        )
        db.execute("UPDATE identity_keys SET contact_id = ? WHERE contact_id = ?", (kept, gone))
        db.execute(
            "INSERT INTO identity_keys (key, contact_id) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET contact_id = excluded.contact_id",
            (alias_key(gone), kept),
        )
        db.execute("UPDATE OR REPLACE phones SET contact_id = ? WHERE contact_id = ?", (kept, gone))
        for tag in () if contact is None else contact.tags:
            db.execute(
                "UPDATE OR REPLACE contact_tags SET contact_id = ? WHERE tag = ? AND contact_id = ?", (kept, tag, gone)
            )
        # what waits for an endpoint goes on in the lane of the contact that was kept
        for (endpoint_id,) in fetch(db, "SELECT id FROM endpoints"):
            db.execute(
                "UPDATE queue SET contact_id = ? WHERE endpoint_id = ? AND contact_id = ? AND lane = 1",
                (kept, endpoint_id, gone),
            )
        if contact is not None:
            self._drop_facets(contact)
        search.take_out(db, (gone,))
        db.execute("DELETE FROM contact_texts WHERE contact_id = ?", (gone,))
        db.execute("DELETE FROM contacts WHERE id = ?", (gone,))
