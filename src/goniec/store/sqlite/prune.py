"""Retention: old events go, bite by bite, with all that followed; only what a pending delivery needs stays."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import apsw
import msgspec

from goniec.core.ids import DELIVERY, EVENT, RUN, lowest
from goniec.core.times import HOUR, Millis
from goniec.ports import Pruned
from goniec.store.ledger import name_of
from goniec.store.pruning import END, PREFIX, ROWS_OF_AN_EVENT, Candidate, Reach, outside, staying, stretches
from goniec.store.sqlite import search
from goniec.store.sqlite.chain import CODE
from goniec.store.sqlite.sql import texts
from goniec.store.sqlite.transaction import Transaction

_EVENTS: Final = (
    "SELECT json_group_array(json_array(id, previous))"
    " FROM (SELECT id, previous FROM events WHERE id > ? AND id < ? ORDER BY id LIMIT ?)"
)
_decode_events: Final = msgspec.json.Decoder(list[tuple[str, str | None]]).decode
_NEEDED: Final = f"SELECT {CODE.format('delivery_id')} FROM queue WHERE delivery_id > ? AND delivery_id < ?"
_BY_STATUS: Final = (
    "SELECT endpoint_id, rule_id, status, count(*) FROM deliveries WHERE id > ? AND id < ?"
    " GROUP BY endpoint_id, rule_id, status"
)

_SUMS: Final = (
    "DELETE FROM sums WHERE (kind, hour, subject) IN (SELECT kind, hour, subject FROM sums"
    " WHERE kind IN ('', 'rule', 'endpoint', 'wait') AND hour < ? LIMIT ?)"
)
"""All kinds by name, so that the key finds those of each."""


class PruneTx(Transaction):
    """Retention, inside a transaction."""

    def __init__(self, db: apsw.Connection, reach: Reach) -> None:
        super().__init__(db)
        self.reach = reach

    async def prune(
        self, before: Millis, dedup_before: Millis, answers_before: Millis, limit: int, sums_before: Millis = 0
    ) -> Pruned:
        gone, more = self._prune_events(lowest(EVENT, before), max(1, limit // ROWS_OF_AN_EVENT))
        keys = self._prune_by_age("dedup", "key", dedup_before, limit)
        answers = self._prune_by_age("answers", "key", answers_before, limit)
        strays = self._prune_by_age("quarantine", "id", before, limit)
        self.db.execute("DELETE FROM jobs WHERE running IS NULL AND at < ?", (before,))
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
        low = after[PREFIX:] and after[PREFIX:] + END
        high = candidates[-1][0][PREFIX:] + END if more else bound[PREFIX:]
        needed = {code for (code,) in self.db.execute(_NEEDED, (DELIVERY + low, DELIVERY + high))}
        stay = staying(candidates, needed, self._earlier(candidates))
        gone: Counter[str] = Counter()
        for first, last in stretches(low, high, needed | {id[PREFIX:] for id in stay}):
            self._delete_between(first, last, gone)
        self.reach.after = candidates[-1][0] if more else EVENT
        return gone, more

    def _earlier(self, candidates: Sequence[Candidate]) -> set[str]:
        """The events before them that are there still."""
        wanted = outside(candidates)
        if not wanted:
            return set()
        return {id for (id,) in self.db.execute("SELECT id FROM events WHERE id IN carray(?)", (texts(wanted),))}

    def _delete_between(self, low: str, high: str, gone: Counter[str]) -> None:
        """Delete all whose event's code lies between, and note it in the ledger."""
        db = self.db
        for endpoint, rule, status, n in db.execute(_BY_STATUS, (DELIVERY + low, DELIVERY + high)):
            self.count(f"pruned.{name_of(status)}", n)
            self.moved.pruned(endpoint, rule, status, n)
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
