"""Upkeep: what is due by the clock.

Today that is retention, test sends that nobody is left to end, and deliveries to endpoints that are gone; due steps,
dates, leases and alerts will be further duties beside it. Runs on the loop of `record`, through the same writer, in
bites small enough that no caller notices.
"""

import asyncio
from functools import partial
from typing import Final

from msgspec.structs import replace

from goniec.core.model import Status
from goniec.core.times import DAY, HOUR, MINUTE, Millis
from goniec.flow.leases import DUTY, Alone, Leases
from goniec.flow.testing import end_interrupted
from goniec.observe import log
from goniec.ports import Clock, DeliveryFilter, Page, Pruned, Store, Tx, Unavailable

BITE: Final = 500
BITE_MOST: Final = 4_000
"""Rows that one transaction deletes, about: the more there is to do, the more."""

LOOK_SECONDS: Final = 1.0
"""How often retention looks for what is too old; between bites of a larger backlog it rests `REST_SECONDS`."""

REST_SECONDS: Final = 0.02

STRAYS_EVERY: Final[Millis] = MINUTE
"""How often it is looked for test sends whose process has died, and for what waits for an endpoint that is gone."""

BEHIND: Final = 200
"""Contacts that one transaction puts into the index for searching."""

SUMS_KEPT: Final[Millis] = 400 * DAY
"""How long sums by the hour are kept, or as long as events if that is longer: a year, and a month to compare with."""

ANSWERS_KEPT: Final[Millis] = 24 * HOUR
"""How long the answer to an `Idempotency-Key` is remembered."""


class Upkeep:
    """Keeps the house; `run` is its loop, ended by cancelling it. Of several processes one does, as `leases` says."""

    def __init__(
        self, store: Store, clock: Clock, retention_days: int, dedup_days: int, leases: Leases | None = None
    ) -> None:
        self._leases = leases or Alone()
        self._store = store
        self._clock = clock
        self._retention = retention_days * DAY
        self._dedup = dedup_days * DAY
        self._looked: Millis = 0

    async def run(self) -> None:
        """Let go what is too old, again and again."""
        bite = BITE
        while True:
            more = await self._leases.have(DUTY + "upkeep") and await self._prune(bite)
            bite = min(2 * bite, BITE_MOST) if more else BITE
            await asyncio.sleep(REST_SECONDS if more else LOOK_SECONDS)

    async def _prune(self, bite: int) -> bool:
        now = self._clock.now()
        try:
            if abs(now - self._looked) >= STRAYS_EVERY:
                self._looked = now
                if ended := await end_interrupted(self._store, now):
                    log.warning("tests.interrupted", ended=ended)
                await self._cancel_homeless(now)
            pruned = await self._store.transact(partial(self._bite, now, bite))
        except Unavailable as error:
            log.warning("retention.unavailable", reason=str(error))
            return False
        if pruned.events or pruned.deliveries:
            log.debug("retention", events=pruned.events, deliveries=pruned.deliveries, more=pruned.more)
        return pruned.more

    async def _cancel_homeless(self, now: Millis) -> None:
        """Cancel what was being recorded in one process while its endpoint was deleted in another.

        Who deletes an endpoint sees what waits for it, but not what is not committed yet; and whoever records is not
        to ask for each endpoint whether it is still there.
        """
        for endpoint_id in await self._store.queries.homeless():
            wanted = DeliveryFilter(endpoint_id=endpoint_id, status=Status.PENDING)
            ids = [one.id for one in await self._store.queries.deliveries(wanted, Page(BITE))]
            cancelled = await self._store.transact(partial(_cancel, ids, now))
            log.warning("deliveries.homeless", endpoint=endpoint_id, cancelled=cancelled)

    async def _bite(self, now: Millis, bite: int, tx: Tx) -> Pruned:
        sums = now - max(SUMS_KEPT, self._retention)
        pruned = await tx.prune(now - self._retention, now - self._dedup, now - ANSWERS_KEPT, bite, sums)
        behind = await tx.catch_up(BEHIND)
        return replace(pruned, more=pruned.more or behind)


async def _cancel(ids: list[str], now: Millis, tx: Tx) -> int:
    return await tx.cancel_many(ids, now)
