"""Owners of endpoints, told by mail of what failed for good and of pauses.

What there is to tell is noted in the transaction that decides it, so no crash loses it; `Owners` sends it when the mail
server takes it, at most one letter an hour for an endpoint. Of several processes, the one that has taken a letter in
hand sends it. A crash just after a letter went out sends it once more, with the same message id if nothing came since.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec
from msgspec.structs import replace

from goniec.core.endpoint import Endpoint, Pause
from goniec.core.letters import Manner, compose
from goniec.core.model import Delivery
from goniec.core.tidings import NOTHING, Tidings, put_off, taken, told
from goniec.core.times import Millis
from goniec.observe import log
from goniec.ports import Clock, Mail, Mailer, Store, Tx, Unavailable, Undelivered

LOOK_SECONDS: Final = 5.0
"""How often it is looked whether there is something to tell."""

MARK: Final = "tidings"
"""The mark under which it stands, for all endpoints."""

Due = tuple[Endpoint, Tidings]

_decode: Final = msgspec.json.Decoder(dict[str, Tidings]).decode


async def note_failed(tx: Tx, deliveries: Sequence[Delivery]) -> None:
    """Note in the deciding transaction that deliveries have failed for good."""
    if not deliveries:
        return
    known = await _known(tx)
    for delivery in deliveries:
        before = known.get(delivery.endpoint_id, NOTHING)
        known[delivery.endpoint_id] = replace(before, failed=before.failed + 1, delivery=delivery.id)
    await _keep(tx, known)


async def note_paused(tx: Tx, endpoint_id: str, why: Pause, now: Millis) -> None:
    """Note in the deciding transaction that an endpoint was paused."""
    known = await _known(tx)
    known[endpoint_id] = replace(known.get(endpoint_id, NOTHING), paused=why, paused_at=now)
    await _keep(tx, known)


class Owners:
    """Tells owners; `run` is its loop, ended by cancelling it.

    Without a mailer nobody is told, and what was noted is let go.
    """

    def __init__(self, store: Store, clock: Clock, mailer: Mailer | None, manner: Manner) -> None:
        self._store = store
        self._clock = clock
        self._mailer = mailer
        self._manner = manner
        self._left: set[tuple[str, str | None]] = set()

    async def run(self) -> None:
        """Look and tell, again and again."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Send the letters that are due, one by one: what waits for its turn is in nobody's hands."""
        try:
            while (due := await self._store.transact(self._take)) is not None:
                await self._tell(*due)
        except Unavailable as error:
            log.warning("owners.unavailable", reason=str(error))

    async def _take(self, tx: Tx) -> Due | None:
        """Take one letter that is due in hand, and let go what nobody is to be told."""
        before = await _known(tx)
        now = self._clock.now()
        after: dict[str, Tidings] = {}
        due: Due | None = None
        for endpoint_id, tidings in before.items():
            endpoint = await tx.endpoint(endpoint_id)
            if tidings.foreign and (endpoint is None or endpoint.paused is not None):
                # who paused it can read the endpoint, too, and has the words
                self._leave(endpoint_id, tidings)
                after[endpoint_id] = tidings
                continue
            if self._mailer is None or endpoint is None or endpoint.policy.owner is None:
                continue
            if tidings.paused is not None and endpoint.paused is None:
                tidings = replace(tidings, paused=None)  # noqa: PLW2901 - resumed meanwhile, so that is no news
            if due is None and tidings.due(now):
                due = endpoint, tidings
                tidings = taken(tidings, now)  # noqa: PLW2901 - what stands from now on
            if not tidings.empty or tidings.quiet(now):
                after[endpoint_id] = tidings
        if after != before:
            await _keep(tx, after)
        return due

    def _leave(self, endpoint_id: str, tidings: Tidings) -> None:
        if (endpoint_id, tidings.paused) not in self._left:
            self._left.add((endpoint_id, tidings.paused))
            log.warning(
                "owner.left", endpoint=endpoint_id, why=tidings.paused, advice="another release tells of this pause"
            )

    async def _tell(self, endpoint: Endpoint, tidings: Tidings) -> None:
        assert self._mailer is not None  # noqa: S101 - without one nothing is taken
        assert endpoint.policy.owner is not None  # noqa: S101 - without one nothing is taken
        queues = await self._store.queries.queues(self._clock.now(), [endpoint.id])
        waiting = sum(queue.pending for queue in queues)
        letter = compose(endpoint, tidings, waiting, self._manner)
        key = f"{endpoint.id}.{tidings.failed}.{tidings.delivery or tidings.paused_at}"
        try:
            await self._mailer.send(Mail(endpoint.policy.owner, letter.subject, letter.text, key))
        except Undelivered as error:
            log.warning(
                "owner.not_told", endpoint=endpoint.id, host=endpoint.host, reason=str(error), final=error.final
            )
            if not error.final:
                await self._change(endpoint.id, partial(put_off, now=self._clock.now()))
                return
        else:
            log.info("owner.told", endpoint=endpoint.id, host=endpoint.host, failed=tidings.failed, why=tidings.paused)
        await self._change(endpoint.id, partial(told, letter=tidings, now=self._clock.now()))

    async def _change(self, endpoint_id: str, change: Callable[[Tidings], Tidings]) -> None:
        async def work(tx: Tx) -> None:
            known = await _known(tx)
            known[endpoint_id] = change(known.get(endpoint_id, NOTHING))
            await _keep(tx, known)

        await self._store.transact(work)


async def _known(tx: Tx) -> dict[str, Tidings]:
    kept = await tx.mark(MARK)
    return _decode(kept) if kept else {}


async def _keep(tx: Tx, known: dict[str, Tidings]) -> None:
    await tx.put_mark(MARK, msgspec.json.encode(known))
