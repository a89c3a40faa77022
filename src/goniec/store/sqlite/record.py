"""Ingest and record: guards, contacts, and all that one recording transaction writes. The hot statements are here.

What counts is dirty pages, not statements: an event may touch two that lie anywhere, its contact's row and its dedup
key; all else is appended. Rows are sorted by their keys for the same reason.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from goniec.core.ids import event_of, time_of
from goniec.core.model import Ancestor, Contact, Delivery, Event, Run, Status
from goniec.core.times import Millis
from goniec.ports import Changes, Dedup, Moment, Remembered
from goniec.store import rows
from goniec.store.guards import dedup_key
from goniec.store.ledger import BY_STATUS
from goniec.store.seeking import AHEAD
from goniec.store.sqlite import search
from goniec.store.sqlite.sql import ManyRows, blobs, fetch, insert, texts
from goniec.store.sqlite.transaction import Transaction

_CLAIM_DEDUP: Final = insert("dedup", "key, digest, event_id, at", "ON CONFLICT (key) DO NOTHING")
_CLAIM_KEYS: Final = insert("identity_keys", "key, contact_id", "ON CONFLICT (key) DO NOTHING")
_SAVE_CONTACTS: Final = insert("contacts", "id, doc", "ON CONFLICT (id) DO UPDATE SET doc = excluded.doc")
_SAVE_TEXTS: Final = insert(
    "contact_texts", "contact_id, folded", "ON CONFLICT (contact_id) DO UPDATE SET folded = excluded.folded, n = NULL"
)
_ADD_TAGS: Final = insert("contact_tags", "tag, contact_id", "ON CONFLICT (tag, contact_id) DO NOTHING")
_ADD_FACETS: Final = insert(
    "contact_facets", "kind, value, contact_id", "ON CONFLICT (kind, value, contact_id) DO NOTHING"
)
_ADD_PHONES: Final = insert("phones", "number, contact_id", "ON CONFLICT (number, contact_id) DO NOTHING")
_ADD_NAMES: Final = insert("names", "kind, name", "ON CONFLICT (kind, name) DO NOTHING")
_ADD_EVENTS: Final = insert("events", rows.EVENT.replace("e.", ""))
_ADD_RUNS: Final = insert("runs", rows.RUN.replace("r.", ""))
_ADD_DELIVERIES: Final = insert("deliveries", rows.DELIVERY.replace("d.", "").removesuffix(", q.due_at"))
_ADD_QUEUE: Final = insert("queue", "delivery_id, endpoint_id, contact_id, lane, due_at")

_OWNERS: Final = "SELECT json_group_object(key, contact_id) FROM identity_keys WHERE key IN carray(?)"
_decode_owners: Final = msgspec.json.Decoder(dict[str, str]).decode

_LOAD_CONTACTS: Final = (
    "SELECT CAST('[' || group_concat(doc) || ']' AS BLOB) FROM contacts WHERE id IN (SELECT value FROM carray(?))"
)
"""All documents as one, which is quicker to hand over and to decode than one by one."""

_BUSY: Final = ManyRows(
    "SELECT column1, column2 FROM (",
    2,
    ") WHERE EXISTS (SELECT 1 FROM queue q WHERE q.endpoint_id = column1 AND q.contact_id = column2 AND q.lane = 1)",
)


class RecordTx(Transaction):
    """Ingest and record, inside a transaction."""

    async def last_event_id(self) -> str | None:
        found: str | None = self.db.execute("SELECT max(id) FROM events").get
        return found

    async def moment(self, now: Millis, known: Millis) -> Moment:  # noqa: ARG002 - ids rise by themselves in one process
        return Moment(now, now)

    # guards

    async def known_dedup(self, keys: Sequence[str]) -> dict[str, Dedup]:
        if not keys:
            return {}
        names = {dedup_key(key): key for key in keys}
        found = self.db.execute("SELECT key, digest, event_id FROM dedup WHERE key IN carray(?)", (blobs(names),))
        return {names[key]: Dedup(names[key], digest, event_id) for key, digest, event_id in found}

    async def dedup(self, rows: Sequence[Dedup], now: Millis) -> dict[str, Dedup]:
        wanted = {row.key: row for row in reversed(rows)}
        before = self.db.total_changes()
        _CLAIM_DEDUP.run(self.db, sorted((dedup_key(r.key), r.digest, r.event_id, now) for r in wanted.values()))
        if self.db.total_changes() - before == len(wanted):
            return {}
        stored = await self.known_dedup(list(wanted))
        return {key: row for key, row in stored.items() if row.event_id != wanted[key].event_id}

    async def remembered(self, key: str) -> Remembered | None:
        row = self.db.execute("SELECT digest, status, body, headers FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else Remembered(row[0], row[1], row[2], rows.decode_headers(row[3]))

    async def remember(self, key: str, answer: Remembered, now: Millis) -> None:
        self.db.execute(
            "INSERT INTO answers (key, digest, status, headers, body, at) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET digest = excluded.digest, status = excluded.status,"
            " headers = excluded.headers, body = excluded.body, at = excluded.at",
            (key, answer.digest, answer.status, rows.encode(answer.headers), answer.body, now),
        )

    async def quarantine(self, content: bytes, reason: str, now: Millis) -> None:
        self.db.execute("INSERT INTO quarantine (at, reason, content) VALUES (?, ?, ?)", (now, reason, content))

    # contacts

    async def owners(self, keys: Sequence[str]) -> dict[str, str]:
        if not keys:
            return {}
        return _decode_owners(self.db.execute(_OWNERS, (texts(keys),)).get)

    async def phone_owners(self, numbers: Sequence[str]) -> dict[str, list[str]]:
        owners: dict[str, list[str]] = {}
        if numbers:
            sql = "SELECT number, contact_id FROM phones WHERE number IN carray(?) ORDER BY number, contact_id"
            for number, contact_id in self.db.execute(sql, (texts(numbers),)):
                owners.setdefault(number, []).append(contact_id)
        return owners

    async def claim_keys(self, rows: Sequence[tuple[str, str]]) -> dict[str, str]:
        before = self.db.total_changes()
        _CLAIM_KEYS.run(self.db, sorted(rows))
        if self.db.total_changes() - before == len(rows):
            return {}
        owners = await self.owners([key for key, _ in rows])
        return {key: owners[key] for key, contact_id in rows if owners[key] != contact_id}

    async def release_keys(self, keys: Sequence[str]) -> None:
        if keys:
            self.db.execute("DELETE FROM identity_keys WHERE key IN carray(?)", (texts(keys),))

    async def contacts(self, ids: Sequence[str]) -> dict[str, Contact]:
        if not ids:
            return {}
        docs = self.db.execute(_LOAD_CONTACTS, (texts(ids),)).get
        found = {} if docs is None else {contact.id: contact for contact in rows.decode_contacts(docs)}
        self._loaded.update(found)
        return found

    # lanes

    async def busy_lanes(self, lanes: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        busy = set(_BUSY.run(self.db, lanes))
        self._busy = set(busy)
        return busy

    # writing it all

    async def save(self, changes: Changes) -> None:
        db = self.db
        self._save_contacts(changes.contacts)
        misses = changes.misses
        events = sorted(changes.events, key=_by_id)
        _ADD_EVENTS.run(db, [rows.event_row(event, misses.get(event.id)) for event in events])
        _ADD_RUNS.run(db, [rows.run_row(run) for run in sorted(changes.runs, key=_by_id)])
        self._save_deliveries(sorted(changes.deliveries, key=_by_id))
        self._save_indexes(changes)
        self.count("events", len(events))
        self.count("runs", len(changes.runs))
        if events:
            self._note_ahead(events[-1])
        self.tally.saved(events, changes.runs, changes.deliveries)
        for name, n in changes.totals.items():
            self.count(name, n)

    def _note_ahead(self, newest: Event) -> None:
        """Ids only rise, so they run ahead of a clock that was set back; lists by time want to know by how much."""
        ahead = time_of(newest.id) - newest.received_at
        if ahead > 0:
            self.db.execute(
                "INSERT INTO counters (name, value) VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)",
                (AHEAD, ahead),
            )

    def _save_contacts(self, contacts: Sequence[Contact]) -> None:
        contacts = sorted(contacts, key=_by_id)
        _SAVE_CONTACTS.run(self.db, [(contact.id, rows.encode(contact)) for contact in contacts])
        changed = [(contact.id, rows.folded(contact)) for contact in contacts if self._reads_otherwise(contact)]
        search.take_out(self.db, (id for id, _ in changed))
        _SAVE_TEXTS.run(self.db, changed)
        self._save_facets(contacts)

    def _reads_otherwise(self, contact: Contact) -> bool:
        """Whether a search may find it by other words than before."""
        before = self._loaded.get(contact.id)
        return before is None or rows.searched(before) != rows.searched(contact)

    def _save_facets(self, contacts: Sequence[Contact]) -> None:
        added: list[rows.Row] = []
        for contact in contacts:
            before = self._loaded.get(contact.id)
            if before is not None and before.state == contact.state and before.stages == contact.stages:
                continue
            now = rows.facets(contact)
            was = set() if before is None else rows.facets(before)
            added += ((*facet, contact.id) for facet in now - was)
            for facet in was - now:
                self.db.execute(
                    "DELETE FROM contact_facets WHERE kind = ? AND value = ? AND contact_id = ?", (*facet, contact.id)
                )
        _ADD_FACETS.run(self.db, sorted(added))

    def _save_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        waiting = [self._waiting(delivery) for delivery in deliveries if delivery.status is Status.PENDING]
        _ADD_DELIVERIES.run(self.db, [rows.delivery_row(delivery) for delivery in deliveries])
        _ADD_QUEUE.run(self.db, waiting)
        self.count("made", len(deliveries))
        for delivery in deliveries:
            self.count(BY_STATUS[delivery.status], 1)
        self.moved.made(deliveries)

    def _waiting(self, delivery: Delivery) -> rows.Row:
        """The queue's row. Who stands behind another in a lane is due when that one has gone."""
        due = delivery.created_at if delivery.due_at is None else delivery.due_at
        lane = (delivery.endpoint_id, delivery.contact_id)
        if not delivery.aside:
            due = rows.BEHIND if lane in self._busy else due
            self._busy.add(lane)
        return (delivery.id, delivery.endpoint_id, delivery.contact_id, not delivery.aside, due)

    def _save_indexes(self, changes: Changes) -> None:
        # a batch may set and clear the same one: the last word counts
        tags = {(tag, contact): present for tag, contact, present in changes.tags}
        numbers = {(number, contact): present for number, contact, present in changes.phones}
        _ADD_TAGS.run(self.db, sorted(pair for pair, present in tags.items() if present))
        _ADD_PHONES.run(self.db, sorted(pair for pair, present in numbers.items() if present))
        _ADD_NAMES.run(self.db, sorted(set(changes.names)))
        for pair in sorted(pair for pair, present in tags.items() if not present):
            self.db.execute("DELETE FROM contact_tags WHERE tag = ? AND contact_id = ?", pair)
        for pair in sorted(pair for pair, present in numbers.items() if not present):
            self.db.execute("DELETE FROM phones WHERE number = ? AND contact_id = ?", pair)

    async def ancestries(self, run_ids: Sequence[str]) -> dict[str, tuple[Ancestor, ...]]:
        if not run_ids:
            return {}
        runs = fetch(self.db, "SELECT id, rule_id, at FROM runs WHERE id IN carray(?)", (texts(run_ids),))
        events = texts(event_of(id) for id in run_ids)
        docs = dict(fetch(self.db, "SELECT id, doc FROM events WHERE id IN carray(?)", (events,)))
        return {id: rows.chain(docs.get(event_of(id)), rule_id, at) for id, rule_id, at in runs}

    async def add_totals(self, totals: dict[str, int]) -> None:
        for name, n in totals.items():
            self.count(name, n)


def _by_id(row: Contact | Event | Run | Delivery) -> str:
    return row.id
