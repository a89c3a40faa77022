"""Erasing and merging contacts: all that is known of one, found along its chain.

What is emptied leaves the tables with the commit; the bytes of the rows as they were go when the server cleans up
(`VACUUM`), and from its log and its copies when those are recycled. Ids, times, outcomes and the SHA-256 of each body
stay, so the ledger and the proof of what was sent still add up.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from msgspec.structs import replace

from goniec.core.identity import alias_key
from goniec.core.model import Contact
from goniec.core.times import Millis
from goniec.ports import Emptied
from goniec.store import rows
from goniec.store.postgres.chain import codes, whole
from goniec.store.postgres.deliver import DeliverTx
from goniec.store.postgres.sql import BYTES, NUMBER, TEXT, ManyRows, fetch, insert

_RUNS: Final = (
    "SELECT r.id, r.doc FROM unnest(?::text[]) AS c (code)"
    " JOIN runs r ON r.id > 'run_' || c.code AND r.id < 'run_' || c.code || '~'"
)
_DELIVERIES: Final = (
    "SELECT d.id, d.endpoint_id, d.body, d.body_sha256, d.attempts FROM unnest(?::text[]) AS c (code)"
    " JOIN deliveries d ON d.id > 'dlv_' || c.code AND d.id < 'dlv_' || c.code || '~'"
)
_TESTS: Final = "SELECT id, endpoint_id, body, body_sha256, attempts FROM deliveries WHERE test AND contact_id = ANY(?)"
"""Test sends stand in no chain, but there are few."""
_EMPTY_EVENTS: Final = ManyRows(
    "UPDATE events e SET doc = v.doc, misses = v.misses FROM {} AS v (id, doc, misses) WHERE e.id = v.id",
    *(TEXT, BYTES, BYTES),
)
_EMPTY_RUNS: Final = ManyRows("UPDATE runs r SET doc = v.doc FROM {} AS v (id, doc) WHERE r.id = v.id", TEXT, BYTES)
_EMPTY_DELIVERIES: Final = ManyRows(
    "UPDATE deliveries d SET body = '', body_sha256 = v.digest FROM {} AS v (id, digest) WHERE d.id = v.id",
    *(TEXT, BYTES),
)
_EMPTY_ATTEMPTS: Final = (
    "UPDATE attempts SET detail = '', head = '', body = '', note = NULL WHERE delivery_id = ANY($1)"
)
_ERASED: Final = insert(
    "erasures",
    "contact_id, at, last_event",
    *(TEXT, NUMBER, TEXT),
    after="ON CONFLICT (contact_id) DO UPDATE SET last_event = coalesce(erasures.last_event, excluded.last_event)",
)
_OF_CONTACT: Final = (
    ("identity_keys", "contact_id"),
    ("phones", "contact_id"),
    ("contact_texts", "contact_id"),
    ("contacts", "id"),
)


class EraseTx(DeliverTx):
    """Care of single contacts, inside a transaction."""

    async def erase(self, contact_id: str, now: Millis) -> Emptied:
        db = self.db
        self._looked = {}
        doc = await db.fetchval("SELECT doc FROM contacts WHERE id = $1 FOR UPDATE", contact_id)
        contact = None if doc is None else rows.decode_contact(doc)
        met: set[tuple[str, bool]] = set()
        async for events in whole(db, contact_id):
            met |= await self._empty(events, now)
        merged = await fetch(db, "SELECT gone FROM merged WHERE kept = ?", (contact_id,))
        ids = [contact_id, *(gone for (gone,) in merged)]
        met |= await self._empty_deliveries(await fetch(db, _TESTS, (ids,)), now)
        await self._forget(contact_id, contact)
        await self._empty_strays(contact, ids)
        last = None if contact is None else contact.last_event
        await _ERASED.run(db, [(id, now, last if id == contact_id else None) for id in ids])
        return Emptied(
            tuple(sorted({endpoint for endpoint, _ in met})),
            tuple(sorted(endpoint for endpoint, tried in met if tried)),
        )

    async def _empty(self, events: list[rows.Row], now: Millis) -> set[tuple[str, bool]]:
        """Empty events and what followed from them; give endpoints, and whether a delivery was tried."""
        emptied = []
        for row in events:
            doc = rows.encode(replace(rows.decode_event_doc(row[7]), data={}, dedup_key=None))
            misses = [replace(miss, seen=None) for miss in rows.misses_of_row(row)]
            emptied.append((row[0], doc, rows.encode(misses) if misses else None))
        await _EMPTY_EVENTS.run(self.db, emptied)
        runs = [
            (run_id, rows.encode(replace(rows.decode_run_doc(doc), trace=(), detail=None)))
            for run_id, doc in await fetch(self.db, _RUNS, (codes(events),))
        ]
        await _EMPTY_RUNS.run(self.db, runs)
        return await self._empty_deliveries(await fetch(self.db, _DELIVERIES, (codes(events),)), now)

    async def _empty_deliveries(self, deliveries: list[rows.Row], now: Millis) -> set[tuple[str, bool]]:
        if not deliveries:
            return set()
        ids = [row[0] for row in deliveries]
        await self.withdraw(ids, now)
        await self.db.execute(_EMPTY_ATTEMPTS, ids)
        emptied = [(id, sha256(body).digest()) for id, _, body, digest, _ in deliveries if digest is None]
        await _EMPTY_DELIVERIES.run(self.db, emptied)
        return {(row[1], row[4] > 0) for row in deliveries}

    async def _forget(self, contact_id: str, contact: Contact | None) -> None:
        if contact is not None:
            sql = "DELETE FROM contact_tags WHERE tag = ANY($1) AND contact_id = $2"
            await self.db.execute(sql, sorted(contact.tags), contact_id)
            await self._drop_facets(contact)
        for table, column in _OF_CONTACT:
            await self.db.execute(f"DELETE FROM {table} WHERE {column} = $1", contact_id)

    async def _drop_facets(self, contact: Contact) -> None:
        for facet in sorted(rows.facets(contact)):
            await self.db.execute(
                "DELETE FROM contact_facets WHERE kind = $1 AND value = $2 AND contact_id = $3", *facet, contact.id
            )

    async def _empty_strays(self, contact: Contact | None, ids: list[str]) -> None:
        """Empty remembered answers and quarantined input in which the contact is named; both are few and soon gone."""
        named = [*ids, *(() if contact is None else (text for text in rows.searched(contact) if text))]
        needles = {form for text in named for form in (text.encode(), rows.encode(text)[1:-1])}
        for table, column in (("answers", "body"), ("quarantine", "content")):
            for needle in sorted(needles):
                await self.db.execute(f"UPDATE {table} SET {column} = '' WHERE position($1 IN {column}) > 0", needle)

    async def merge_chain(self, kept: str, gone: str) -> None:
        db = self.db
        self._looked = {}
        doc = await db.fetchval("SELECT doc FROM contacts WHERE id = $1 FOR UPDATE", gone)
        contact = None if doc is None else rows.decode_contact(doc)
        last = None if contact is None else contact.last_event
        await db.execute("UPDATE merged SET kept = $1 WHERE kept = $2", kept, gone)
        await db.execute(
            "INSERT INTO merged (gone, kept, last_event) VALUES ($1, $2, $3)"
            " ON CONFLICT (gone) DO UPDATE SET kept = excluded.kept",
            gone,
            kept,
            last,
        )
        await db.execute("UPDATE identity_keys SET contact_id = $1 WHERE contact_id = $2", kept, gone)
        await db.execute(
            "INSERT INTO identity_keys (key, contact_id) VALUES ($1, $2)"
            " ON CONFLICT (key) DO UPDATE SET contact_id = excluded.contact_id",
            alias_key(gone),
            kept,
        )
        await self._hand_over("phones", "number", kept, gone)
        await self._hand_over("contact_tags", "tag", kept, gone, [] if contact is None else sorted(contact.tags))
        # what waits for an endpoint goes on in the lane of the contact that was kept
        await db.execute(
            "UPDATE queue SET contact_id = $1 WHERE endpoint_id = ANY(SELECT id FROM endpoints) AND contact_id = $2"
            " AND lane",
            kept,
            gone,
        )
        if contact is not None:
            await self._drop_facets(contact)
        await db.execute("DELETE FROM contact_texts WHERE contact_id = $1", gone)
        await db.execute("DELETE FROM contacts WHERE id = $1", gone)

    async def _hand_over(
        self, table: str, column: str, kept: str, gone: str, values: Sequence[str] | None = None
    ) -> None:
        """Let rows of one contact be another's, which may have the same already; `values` says which, None: all."""
        which, wanted = ("", ()) if values is None else (f" AND {column} = ANY($2)", (list(values),))
        sql = f"DELETE FROM {table} WHERE contact_id = $1{which} RETURNING {column}"
        moved = sorted(value for (value,) in await self.db.fetch(sql, gone, *wanted))
        await self.db.execute(
            f"INSERT INTO {table} ({column}, contact_id) SELECT value, $1 FROM unnest($2::text[]) AS value"
            " ON CONFLICT DO NOTHING",
            kept,
            moved,
        )
