"""Retention: old events go, bite by bite, with all that followed; only what a pending delivery needs stays."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from goniec.core.ids import DELIVERY, EVENT, RUN, lowest
from goniec.core.times import HOUR, Millis
from goniec.ports import Pruned
from goniec.store.ledger import PRUNED, name_of
from goniec.store.postgres.chain import CODE
from goniec.store.postgres.locks import RETENTION
from goniec.store.postgres.sql import Db, fetch
from goniec.store.postgres.transaction import Transaction
from goniec.store.pruning import END, PREFIX, ROWS_OF_AN_EVENT, Candidate, Reach, outside, staying, stretches

_EVENTS: Final = "SELECT id, previous FROM events WHERE id > ? AND id < ? ORDER BY id LIMIT ?"
_NEEDED: Final = f"SELECT {CODE.format('delivery_id')} FROM queue WHERE delivery_id > ? AND delivery_id < ?"
_BY_STATUS: Final = (
    "SELECT endpoint_id, rule_id, status, count(*) FROM deliveries WHERE id > ? AND id < ?"
    " GROUP BY endpoint_id, rule_id, status"
)

_SUMS: Final = (
    "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table}"
    " WHERE kind IN ('', 'rule', 'endpoint', 'wait') AND hour < $1 LIMIT $2)"
)
"""All kinds by name, so that the key finds those of each."""
_SUMS_OF_FIRST: Final = _SUMS.format(table="sums", key="kind, hour, subject")
_SUMS_BESIDE: Final = _SUMS.format(table="sums_beside", key="kind, hour, subject, slot")


class PruneTx(Transaction):
    """Retention, inside a transaction."""

    def __init__(self, db: Db, reach: Reach) -> None:
        super().__init__(db)
        self.reach = reach

    async def prune(
        self, before: Millis, dedup_before: Millis, answers_before: Millis, limit: int, sums_before: Millis = 0
    ) -> Pruned:
        await self.alone(RETENTION)
        gone, more = await self._prune_events(lowest(EVENT, before), max(1, limit // ROWS_OF_AN_EVENT))
        keys = await self._prune_by_age("dedup", "key", dedup_before, limit)
        answers = await self._prune_by_age("answers", "key", answers_before, limit)
        strays = await self._prune_by_age("quarantine", "id", before, limit)
        await self.db.execute("DELETE FROM sessions WHERE expires_at < $1", answers_before)
        await self.db.execute("DELETE FROM jobs WHERE running IS NULL AND at < $1", before)
        sums = [await self.db.execute(sql, sums_before // HOUR, limit) for sql in (_SUMS_OF_FIRST, _SUMS_BESIDE)]
        more = more or max(keys, answers, strays, *sums) >= limit
        return Pruned(gone["events"], gone["runs"], gone["deliveries"], gone["attempts"], keys + answers, more)

    async def catch_up(self, limit: int) -> bool:  # noqa: ARG002 - the port has it
        """Nothing is put off: what is searched is read through."""
        return False

    async def _prune_by_age(self, table: str, key: str, before: Millis, limit: int) -> int:
        return await self.db.execute(
            f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE at < $1 ORDER BY at LIMIT $2)",
            before,
            limit,
        )

    async def _prune_events(self, bound: str, limit: int) -> tuple[Counter[str], bool]:
        after = self.reach.after
        candidates: list[Candidate] = [
            (id, before) for id, before in await fetch(self.db, _EVENTS, (after, bound, limit))
        ]
        more = len(candidates) == limit
        low = after[PREFIX:] and after[PREFIX:] + END
        high = candidates[-1][0][PREFIX:] + END if more else bound[PREFIX:]
        needed = {code for (code,) in await fetch(self.db, _NEEDED, (DELIVERY + low, DELIVERY + high))}
        stay = staying(candidates, needed, await self._earlier(candidates))
        gone: Counter[str] = Counter()
        for first, last in stretches(low, high, needed | {id[PREFIX:] for id in stay}):
            await self._delete_between(first, last, gone)
        self.reach.after = candidates[-1][0] if more else EVENT
        return gone, more

    async def _earlier(self, candidates: Sequence[Candidate]) -> set[str]:
        """The events before them that are there still."""
        wanted = outside(candidates)
        if not wanted:
            return set()
        return {id for (id,) in await fetch(self.db, "SELECT id FROM events WHERE id = ANY(?)", (wanted,))}

    async def _delete_between(self, low: str, high: str, gone: Counter[str]) -> None:
        """Delete all whose event's code lies between, and note it in the ledger."""
        db = self.db
        for endpoint, rule, status, n in await fetch(db, _BY_STATUS, (DELIVERY + low, DELIVERY + high)):
            self.moved.pruned(endpoint, rule, status, n)
            self.count(f"{PRUNED}{name_of(status)}", n)
        for table, key, prefix in (
            ("attempts", "delivery_id", DELIVERY),
            ("deliveries", "id", DELIVERY),
            ("runs", "id", RUN),
            ("events", "id", EVENT),
        ):
            n = await db.execute(f"DELETE FROM {table} WHERE {key} > $1 AND {key} < $2", prefix + low, prefix + high)
            gone[table] += n
            if table != "deliveries":
                self.count(f"{PRUNED}{table}", n)
