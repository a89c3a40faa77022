"""Ingest and record: guards, contacts, and all that one recording transaction writes. The hot statements are here.

One statement a table and batch. Keys and contacts are locked in the order of their bytes, so that two processes that
want the same ones wait for each other and never in a circle.
"""

from collections.abc import Sequence
from typing import Final

import asyncpg

from goniec.core.ids import event_of, time_of
from goniec.core.model import Ancestor, Contact, Delivery, Event, Run, Status
from goniec.core.times import Millis
from goniec.ports import Changes, Dedup, Moment, Remembered
from goniec.store import rows
from goniec.store.guards import dedup_key
from goniec.store.ledger import BY_STATUS
from goniec.store.postgres.failures import Overtaken
from goniec.store.postgres.locks import phones
from goniec.store.postgres.sql import BYTES, FLAG, NUMBER, TEXT, ManyRows, fetch, insert
from goniec.store.postgres.times import moment
from goniec.store.postgres.transaction import Transaction
from goniec.store.seeking import AHEAD

_CLAIM_DEDUP: Final = insert(
    "dedup",
    "key, digest, event_id, at",
    *(BYTES, BYTES, TEXT, NUMBER),
    after="ON CONFLICT (key) DO NOTHING RETURNING 1",
)
_CLAIM_KEYS: Final = insert(
    "identity_keys", "key, contact_id", TEXT, TEXT, after="ON CONFLICT (key) DO NOTHING RETURNING 1"
)
_SAVE_CONTACTS: Final = insert(
    "contacts", "id, doc", TEXT, BYTES, after="ON CONFLICT (id) DO UPDATE SET doc = excluded.doc"
)
_SAVE_TEXTS: Final = insert(
    "contact_texts",
    "contact_id, folded",
    *(TEXT, TEXT),
    after="ON CONFLICT (contact_id) DO UPDATE SET folded = excluded.folded",
)
_ADD_TAGS: Final = insert("contact_tags", "tag, contact_id", TEXT, TEXT, after="ON CONFLICT DO NOTHING")
_ADD_FACETS: Final = insert(
    "contact_facets", "kind, value, contact_id", TEXT, TEXT, TEXT, after="ON CONFLICT DO NOTHING"
)
_ADD_PHONES: Final = insert("phones", "number, contact_id", TEXT, TEXT, after="ON CONFLICT DO NOTHING")
_ADD_NAMES: Final = insert("names", "kind, name", TEXT, TEXT, after="ON CONFLICT DO NOTHING")
_DROP_TAGS: Final = ManyRows(
    "DELETE FROM contact_tags t USING {} AS v (tag, contact_id) WHERE t.tag = v.tag AND t.contact_id = v.contact_id",
    *(TEXT, TEXT),
)
_DROP_PHONES: Final = ManyRows(
    "DELETE FROM phones t USING {} AS v (number, contact_id) WHERE t.number = v.number AND t.contact_id = v.contact_id",
    *(TEXT, TEXT),
)
_DROP_FACETS: Final = ManyRows(
    "DELETE FROM contact_facets t USING {} AS v (kind, value, contact_id)"
    " WHERE t.kind = v.kind AND t.value = v.value AND t.contact_id = v.contact_id",
    *(TEXT, TEXT, TEXT),
)
_ADD_EVENTS: Final = insert(
    "events",
    rows.EVENT.replace("e.", ""),
    *(TEXT, TEXT, TEXT, NUMBER, NUMBER, NUMBER, TEXT, BYTES, BYTES),
)
_ADD_RUNS: Final = insert("runs", rows.RUN.replace("r.", ""), *(TEXT, TEXT, NUMBER, TEXT, NUMBER, TEXT, BYTES))
_ADD_DELIVERIES: Final = insert(
    "deliveries",
    rows.DELIVERY.replace("d.", "").removesuffix(", q.due_at"),
    *(TEXT, TEXT, TEXT, TEXT, TEXT, NUMBER, NUMBER, TEXT, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER),
    *(FLAG, FLAG, FLAG, TEXT, BYTES, BYTES),
)
ADD_QUEUE: Final = insert(
    "queue", "delivery_id, endpoint_id, contact_id, lane, due_at", *(TEXT, TEXT, TEXT, FLAG, NUMBER)
)

_NOTE_AHEAD: Final = (
    "INSERT INTO counters (name, value) SELECT $1, $2"
    " WHERE NOT EXISTS (SELECT 1 FROM counters WHERE name = $1 AND value >= $2)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE counters.value < excluded.value"
)
"""Nothing is locked where nothing is to be changed."""

_OWNERS: Final = "SELECT key, contact_id FROM identity_keys WHERE key = ANY($1)"
_LOAD_CONTACTS: Final = "SELECT id, doc FROM contacts WHERE id = ANY($1) ORDER BY id FOR UPDATE"

_RUNS_ABOVE: Final = ManyRows(
    "SELECT r.id, r.rule_id, r.at, e.doc FROM {} AS v (run_id, event_id)"
    " JOIN runs r ON r.id = v.run_id LEFT JOIN events e ON e.id = v.event_id",
    *(TEXT, TEXT),
)
_HEADS_OF_LANES: Final = ManyRows(
    "SELECT v.endpoint_id, v.contact_id, h.delivery_id FROM {} AS v (endpoint_id, contact_id)"
    " CROSS JOIN LATERAL (SELECT q.delivery_id FROM queue q WHERE q.endpoint_id = v.endpoint_id"
    " AND q.contact_id = v.contact_id AND q.lane ORDER BY q.delivery_id LIMIT 1) h",
    *(TEXT, TEXT),
)
_KEEP_HEADS: Final = "SELECT 1 FROM queue WHERE delivery_id = ANY($1) ORDER BY delivery_id FOR SHARE"
_KEEP_HEADS_AT_ONCE: Final = f"{_KEEP_HEADS} NOWAIT"


class RecordTx(Transaction):
    """Ingest and record, inside a transaction."""

    async def last_event_id(self) -> str | None:
        found: str | None = await self.db.fetchval("SELECT id FROM events ORDER BY id DESC LIMIT 1")
        return found

    async def moment(self, now: Millis, known: Millis) -> Moment:  # noqa: ARG002 - the server has a clock
        return await moment(self.db, known)

    # guards

    async def known_dedup(self, keys: Sequence[str]) -> dict[str, Dedup]:
        if not keys:
            return {}
        names = {dedup_key(key): key for key in keys}
        found = await fetch(self.db, "SELECT key, digest, event_id FROM dedup WHERE key = ANY(?)", (list(names),))
        return {names[key]: Dedup(names[key], digest, event_id) for key, digest, event_id in found}

    async def dedup(self, rows: Sequence[Dedup], now: Millis) -> dict[str, Dedup]:
        wanted = {row.key: row for row in reversed(rows)}
        claims = sorted((dedup_key(row.key), row.digest, row.event_id, now) for row in wanted.values())
        if len(await _CLAIM_DEDUP.run(self.db, claims)) == len(wanted):
            return {}
        stored = await self.known_dedup(list(wanted))
        return {key: row for key, row in stored.items() if row.event_id != wanted[key].event_id}

    async def remembered(self, key: str) -> Remembered | None:
        row = await self.db.fetchrow("SELECT digest, status, body, headers FROM answers WHERE key = $1", key)
        return None if row is None else Remembered(row[0], row[1], row[2], rows.decode_headers(row[3]))

    async def remember(self, key: str, answer: Remembered, now: Millis) -> None:
        await self.db.execute(
            "INSERT INTO answers (key, digest, status, headers, body, at) VALUES ($1, $2, $3, $4, $5, $6)"
            " ON CONFLICT (key) DO UPDATE SET digest = excluded.digest, status = excluded.status,"
            " headers = excluded.headers, body = excluded.body, at = excluded.at",
            *(key, answer.digest, answer.status, rows.encode(answer.headers), answer.body, now),
        )

    async def quarantine(self, content: bytes, reason: str, now: Millis) -> None:
        sql = "INSERT INTO quarantine (at, reason, content) VALUES ($1, $2, $3)"
        await self.db.execute(sql, now, reason, content)

    # contacts

    async def owners(self, keys: Sequence[str]) -> dict[str, str]:
        if not keys:
            return {}
        found: dict[str, str] = dict(await fetch(self.db, _OWNERS, (list(keys),)))
        self._looked = dict.fromkeys(keys, "") | found
        return found

    async def phone_owners(self, numbers: Sequence[str]) -> dict[str, list[str]]:
        owners: dict[str, list[str]] = {}
        if numbers:
            # a number is no key, for several contacts may have it: nothing else keeps two processes from making two
            await phones(self.db, numbers)
            sql = "SELECT number, contact_id FROM phones WHERE number = ANY(?) ORDER BY number, contact_id"
            for number, contact_id in await fetch(self.db, sql, (list(numbers),)):
                owners.setdefault(number, []).append(contact_id)
        return owners

    async def claim_keys(self, rows: Sequence[tuple[str, str]]) -> dict[str, str]:
        if len(await _CLAIM_KEYS.run(self.db, sorted(rows))) == len(rows):
            return {}
        owners = await self.owners([key for key, _ in rows])
        self._looked = {}
        if owners.keys() != {key for key, _ in rows}:
            raise Overtaken  # who had one let it go meanwhile
        return {key: owners[key] for key, contact_id in rows if owners[key] != contact_id}

    async def release_keys(self, keys: Sequence[str]) -> None:
        self._looked = {}
        if keys:
            await self.db.execute("DELETE FROM identity_keys WHERE key = ANY($1)", list(keys))

    async def contacts(self, ids: Sequence[str]) -> dict[str, Contact]:
        if not ids:
            return {}
        docs = await fetch(self.db, _LOAD_CONTACTS, (sorted(ids),))
        found = {id: rows.decode_contact(doc) for id, doc in docs}
        if self._looked:
            await self._look_again()
        self._loaded.update(found)
        return found

    async def _look_again(self) -> None:
        """Ask once more whose the keys are: who held the contacts before us may have merged or erased one."""
        before, self._looked = self._looked, {}
        now = dict.fromkeys(before, "") | dict(await fetch(self.db, _OWNERS, (list(before),)))
        if now != before:
            raise Overtaken

    # lanes

    async def busy_lanes(self, lanes: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Nobody else adds to the lanes of contacts that we hold, but their heads may go: so they are held, too.

        Whoever has ended deliveries itself does not wait for who is just ending others, and may want ours: it lets all
        go and begins anew, which is sooner over than a circle that the server has to find.
        """
        held: set[str] = set()
        while True:
            found = await _HEADS_OF_LANES.run(self.db, lanes)
            heads = {row[2] for row in found}
            if heads <= held:
                break
            try:
                await fetch(self.db, _KEEP_HEADS_AT_ONCE if self.ended else _KEEP_HEADS, (sorted(heads),))
            except asyncpg.LockNotAvailableError:
                if not self.ended:
                    raise
                raise Overtaken from None
            held |= heads
        busy = {(row[0], row[1]) for row in found}
        self._busy = set(busy)
        return busy

    # writing it all

    async def save(self, changes: Changes) -> None:
        db = self.db
        await self._save_contacts(changes.contacts)
        misses = changes.misses
        events = sorted(changes.events, key=_by_id)
        await _ADD_EVENTS.run(db, [rows.event_row(event, misses.get(event.id)) for event in events])
        await _ADD_RUNS.run(db, [rows.run_row(run) for run in sorted(changes.runs, key=_by_id)])
        await self._save_deliveries(sorted(changes.deliveries, key=_by_id))
        await self._save_indexes(changes)
        self.count("events", len(events))
        self.count("runs", len(changes.runs))
        if events:
            await self._note_ahead(events[-1])
        self.tally.saved(events, changes.runs, changes.deliveries)
        for name, n in changes.totals.items():
            self.count(name, n)

    async def _note_ahead(self, newest: Event) -> None:
        """Ids only rise, so they run ahead of a clock that was set back; lists by time want to know by how much."""
        ahead = time_of(newest.id) - newest.received_at
        if ahead > 0:
            await self.db.execute(_NOTE_AHEAD, AHEAD, ahead)

    async def _save_contacts(self, contacts: Sequence[Contact]) -> None:
        contacts = sorted(contacts, key=_by_id)
        await _SAVE_CONTACTS.run(self.db, [(contact.id, rows.encode(contact)) for contact in contacts])
        changed = [(contact.id, rows.folded(contact)) for contact in contacts if self._reads_otherwise(contact)]
        await _SAVE_TEXTS.run(self.db, changed)
        await self._save_facets(contacts)

    def _reads_otherwise(self, contact: Contact) -> bool:
        """Whether a search may find it by other words than before."""
        before = self._loaded.get(contact.id)
        return before is None or rows.searched(before) != rows.searched(contact)

    async def _save_facets(self, contacts: Sequence[Contact]) -> None:
        added: list[rows.Row] = []
        dropped: list[rows.Row] = []
        for contact in contacts:
            before = self._loaded.get(contact.id)
            if before is not None and before.state == contact.state and before.stages == contact.stages:
                continue
            now = rows.facets(contact)
            was = set() if before is None else rows.facets(before)
            added += ((*facet, contact.id) for facet in now - was)
            dropped += ((*facet, contact.id) for facet in was - now)
        await _ADD_FACETS.run(self.db, sorted(added))
        await _DROP_FACETS.run(self.db, sorted(dropped))

    async def _save_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        waiting = [self._waiting(delivery) for delivery in deliveries if delivery.status is Status.PENDING]
        await _ADD_DELIVERIES.run(self.db, [rows.delivery_row(delivery) for delivery in deliveries])
        await ADD_QUEUE.run(self.db, waiting)
        self.count("made", len(deliveries))
        self.moved.made(deliveries)
        for delivery in deliveries:
            self.count(BY_STATUS[delivery.status], 1)

    def _waiting(self, delivery: Delivery) -> rows.Row:
        """The queue's row. Who stands behind another in a lane is due when that one has gone."""
        due = delivery.created_at if delivery.due_at is None else delivery.due_at
        lane = (delivery.endpoint_id, delivery.contact_id)
        if not delivery.aside:
            due = rows.BEHIND if lane in self._busy else due
            self._busy.add(lane)
        return (delivery.id, delivery.endpoint_id, delivery.contact_id, not delivery.aside, due)

    async def _save_indexes(self, changes: Changes) -> None:
        # a batch may set and clear the same one: the last word counts
        tags = {(tag, contact): present for tag, contact, present in changes.tags}
        numbers = {(number, contact): present for number, contact, present in changes.phones}
        await _ADD_TAGS.run(self.db, sorted(pair for pair, present in tags.items() if present))
        await _ADD_PHONES.run(self.db, sorted(pair for pair, present in numbers.items() if present))
        await _ADD_NAMES.run(self.db, sorted(set(changes.names)))
        await _DROP_TAGS.run(self.db, sorted(pair for pair, present in tags.items() if not present))
        await _DROP_PHONES.run(self.db, sorted(pair for pair, present in numbers.items() if not present))

    async def ancestries(self, run_ids: Sequence[str]) -> dict[str, tuple[Ancestor, ...]]:
        found = await _RUNS_ABOVE.run(self.db, [(id, event_of(id)) for id in run_ids])
        return {id: rows.chain(doc, rule_id, at) for id, rule_id, at, doc in found}

    async def add_totals(self, totals: dict[str, int]) -> None:
        for name, n in totals.items():
            self.count(name, n)


def _by_id(row: Contact | Event | Run | Delivery) -> str:
    return row.id
