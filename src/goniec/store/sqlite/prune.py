"""Retention: old events go, bite by bite, with all that followed from them; only what a pending delivery needs stays.

A chain is cut from its old end and never in the middle: behind an event that stays for a pending delivery, the
contact's later ones stay too, so that erasing still finds every row that tells of a contact.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final, TypeAlias

import apsw
import msgspec

from goniec.core.ids import DELIVERY, EVENT, RUN, lowest
from goniec.core.times import HOUR, Millis
from goniec.ports import Pruned
from goniec.store.sqlite import search
from goniec.store.sqlite.chain import CODE
from goniec.store.sqlite.sql import texts
from goniec.store.sqlite.transaction import BY_STATUS, Transaction

Candidate: TypeAlias = tuple[str, str | None]
"""An event's id, and that of the contact's event before it."""

_PREFIX: Final = len(EVENT)
_END: Final = "~"
"""Sorts behind every id."""

_EVENTS: Final = (
    "SELECT json_group_array(json_array(id, previous))"
    " FROM (SELECT id, previous FROM events WHERE id > ? AND id < ? ORDER BY id LIMIT ?)"
)
_decode_events: Final = msgspec.json.Decoder(list[tuple[str, str | None]]).decode
_NEEDED: Final = f"SELECT {CODE.format('delivery_id')} FROM queue WHERE delivery_id > ? AND delivery_id < ?"
_BY_STATUS: Final = "SELECT status, count(*) FROM deliveries WHERE id > ? AND id < ? GROUP BY status"

_SUMS: Final = (
    "DELETE FROM sums WHERE (kind, hour, subject) IN (SELECT kind, hour, subject FROM sums"
    " WHERE kind IN ('', 'rule', 'endpoint', 'wait') AND hour < ? LIMIT ?)"
)
"""All kinds by name, so that the key finds those of each."""

_ROWS_OF_AN_EVENT: Final = 4
"""An event, a run, a delivery, an attempt."""


class Reach:
    """How far a round of retention has come, so that what must stay is not looked at again by every bite."""

    def __init__(self) -> None:
        self.after = EVENT


class PruneTx(Transaction):
    """Retention, inside a transaction."""

    def __init__(self, db: apsw.Connection, reach: Reach) -> None:
        super().__init__(db)
        self.reach = reach

    async def prune(
        self, before: Millis, dedup_before: Millis, answers_before: Millis, limit: int, sums_before: Millis = 0
    ) -> Pruned:
        gone, more = self._prune_events(lowest(EVENT, before), max(1, limit // _ROWS_OF_AN_EVENT))
        keys = self._prune_by_age("dedup", "key", dedup_before, limit)
        answers = self._prune_by_age("answers", "key", answers_before, limit)
        strays = self._prune_by_age("quarantine", "id", before, limit)
        self.db.execute("DELETE FROM sessions WHERE expires_at < ?", (answers_before,))
        self.db.execute(_SUMS, (sums_before // HOUR, limit))
        more = more or max(keys, answers, strays, self.db.changes()) >= limit
        return Pruned(gone["events"], gone["runs"], gone["deliveries"], gone["attempts"], keys + answers, more)

    async def catch_up(self, limit: int) -> bool:
        return search.put_in(self.db, limit)

    def _prune_by_age(self, table: str, key: str, before: Millis, limit: int) -> int:
        self.db.execute(
            f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE at < ? ORDER BY at LIMIT ?)",
            (before, limit),
        )
        return self.db.changes()

    def _prune_events(self, bound: str, limit: int) -> tuple[Counter[str], bool]:
        after = self.reach.after
        candidates = _decode_events(self.db.execute(_EVENTS, (after, bound, limit)).get)
        more = len(candidates) == limit
        low = after[_PREFIX:] and after[_PREFIX:] + _END
        high = candidates[-1][0][_PREFIX:] + _END if more else bound[_PREFIX:]
        needed = {code for (code,) in self.db.execute(_NEEDED, (DELIVERY + low, DELIVERY + high))}
        staying = self._staying(candidates, needed)
        gone: Counter[str] = Counter()
        for code in (*sorted(needed | {id[_PREFIX:] for id in staying}), high):
            if low < code:
                self._delete_between(low, code, gone)
            low = code + _END
        self.reach.after = candidates[-1][0] if more else EVENT
        return gone, more

    def _staying(self, candidates: Sequence[Candidate], needed: set[str]) -> set[str]:
        ids = {id for id, _ in candidates}
        outside = [previous for _, previous in candidates if previous is not None and previous not in ids]
        earlier: set[str] = set()
        if outside:
            earlier = {
                id for (id,) in self.db.execute("SELECT id FROM events WHERE id IN carray(?)", (texts(outside),))
            }
        staying: set[str] = set()
        for id, previous in candidates:
            if id[_PREFIX:] in needed or previous in staying or previous in earlier:
                staying.add(id)
        return staying

    def _delete_between(self, low: str, high: str, gone: Counter[str]) -> None:
        """Delete all whose event's code lies between, and note it in the ledger."""
        db = self.db
        for status, n in db.execute(_BY_STATUS, (DELIVERY + low, DELIVERY + high)):
            self.count(f"pruned.{BY_STATUS[status]}", n)
        for table, key, prefix in (
            ("attempts", "delivery_id", DELIVERY),
            ("deliveries", "id", DELIVERY),
            ("runs", "id", RUN),
            ("events", "id", EVENT),
        ):
            db.execute(f"DELETE FROM {table} WHERE {key} > ? AND {key} < ?", (prefix + low, prefix + high))
            gone[table] += db.changes()
            if table != "deliveries":
                self.count(f"pruned.{table}", db.changes())
