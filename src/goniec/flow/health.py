"""Health: how an endpoint is doing, by what its attempts came to, and what follows: breaker, Retry-After, pauses.

In memory it holds at once; the store is told as soon as it can be written to, for a later start, for the panel and for
whoever has the endpoint next. Called by `sending` after each attempt, by `claim` when a person has seen to an endpoint.
Nothing here sends: a box is emptied, or looked at anew.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, assert_never

from msgspec.structs import replace

from goniec.core.breaker import CLOSED, Breaker, judged, kept
from goniec.core.endpoint import Endpoint, Pause
from goniec.core.model import Attempt
from goniec.core.retry import CallOff, Delivered, GiveUp, Gone, Next, Policy, RetryAt
from goniec.core.times import MINUTE, Millis
from goniec.flow.outbox import Outbox
from goniec.flow.outboxes import Outboxes
from goniec.flow.owners import note_paused
from goniec.flow.shares import Shares
from goniec.observe import log
from goniec.ports import Clock, Dice, Place, Store, Tx, Unavailable

NOTE_AFTER: Final = 10 * MINUTE
"""From when on it is written down that an endpoint fails, for the day on which it has failed for too long."""

HURRY: Final = 5_000
"""How many of the deliveries that were put off are looked at in one transaction when an endpoint is back."""

AWAY_SECONDS: Final = 1.0
"""How long what is to be written down rests when the store is away."""


class Health:
    """What is known of endpoints beside their settings; each box has its own part of it."""

    def __init__(self, store: Store, clock: Clock, dice: Dice, outboxes: Outboxes, shares: Shares) -> None:
        self._store = store
        self._clock = clock
        self._dice = dice
        self._outboxes = outboxes
        self._shares = shares

    def learn(self, box: Outbox, endpoint: Endpoint, attempt: Attempt, following: Next, now: Millis) -> None:
        """Draw from an attempt what it says of the endpoint as it was when the attempt began."""
        if endpoint.afresh == box.afresh:  # else it tells of what a person has meant to mend since
            self._heed(box, following, now)
            self._judge(box, endpoint.policy, attempt, now)

    def back(self, box: Outbox) -> None:
        """The endpoint is back: what was put off need not wait for its time."""
        self._outboxes.start(self._hurry(box))

    def _heed(self, box: Outbox, following: Next, now: Millis) -> None:
        """Keep to what the receiver asked for."""
        match following:
            case Delivered():
                box.last_success = now
            case Gone():
                self._pause(box, Pause.GONE)
            case GiveUp(endpoint_held_until=until) | RetryAt(endpoint_held_until=until):
                if until is not None:
                    self._hold(box, until)
            case CallOff():
                pass
            case _:
                assert_never(following)

    def _hold(self, box: Outbox, until: Millis) -> None:
        box.held_until = max(box.held_until, until)
        self._outboxes.drop(box)
        self._note(box, partial(_held, box.endpoint_id, until, box.afresh))

    def _pause(self, box: Outbox, why: Pause) -> None:
        """Nothing more is sent until a person resumes it."""
        now = self._clock.now()
        box.endpoint = box.endpoint and replace(box.endpoint, paused=why)
        self._outboxes.drop(box)
        self._note(box, partial(_paused, box.endpoint_id, why, now, box.afresh))
        log.warning("endpoint.paused", endpoint=box.endpoint_id, host=box.host, why=why)

    def _judge(self, box: Outbox, policy: Policy, attempt: Attempt, now: Millis) -> None:
        """Fold an attempt into the endpoint's breaker, and do what follows from it."""
        box.done(self._clock.monotonic())
        was = box.breaker
        if attempt.failure is None and was is CLOSED:
            return
        probe = was.opened_at is not None and attempt.at >= was.opened_at
        state = judged(was, policy, attempt, now, self._dice.jitter(), probe=probe)
        box.breaker = state
        if state.open and not was.open:
            log.warning("breaker.opened", endpoint=box.endpoint_id, host=box.host, failure=attempt.failure)
            self._outboxes.drop(box)
        elif was.open and not state.open:
            log.info("breaker.closed", endpoint=box.endpoint_id, host=box.host, millis=now - (was.opened_at or now))
            self.back(box)
        if state.worn_out and box.endpoint is not None and box.endpoint.paused is None:
            self._pause(box, Pause.FAILING)
        if not box.keeping and _noteworthy(box.kept, state):
            box.keeping = True
            self._outboxes.start(self._keep(box))

    async def _keep(self, box: Outbox) -> None:
        """Write down how the endpoint is doing, for a later start."""
        try:
            while _noteworthy(box.kept, state := box.breaker):
                told = kept(state)
                if not await self._insist(box, partial(_kept, box.endpoint_id, told, box.afresh)):
                    return
                box.kept = told
        finally:
            box.keeping = False

    async def _hurry(self, box: Outbox) -> None:
        after: Place | None = None
        last: Place | None = None

        async def work(tx: Tx) -> None:
            nonlocal last
            last = await tx.hurry(box.endpoint_id, self._clock.now(), HURRY, box.part, after)

        while not box.breaker.open and not self._outboxes.stopping and self._outboxes.owns(box.id):
            if not await self._insist(box, work):
                return
            self._shares.look(box.id)
            if last is None:
                return
            after = last

    def _note(self, box: Outbox, work: Callable[[Tx], Awaitable[None]]) -> None:
        """Tell the store something of an endpoint; until it knows, nobody else is to have it."""
        box.notes += 1
        self._outboxes.start(self._noted(box, work))

    async def _noted(self, box: Outbox, work: Callable[[Tx], Awaitable[None]]) -> None:
        try:
            written = await self._insist(box, work)
        finally:
            box.notes -= 1
        if written and box.part is not None:
            self._shares.changed(box.endpoint_id)  # it holds for the other parts too

    async def _insist(self, box: Outbox, work: Callable[[Tx], Awaitable[None]]) -> bool:
        """Write something down as soon as the store can be written to; False: it is not written."""
        while True:
            try:
                await self._store.transact(work)
            except Unavailable:
                if self._outboxes.stopping:
                    return False
                await asyncio.sleep(AWAY_SECONDS)
            except Exception:  # noqa: BLE001 - a fault of ours; what is in memory holds until we end
                log.exception("endpoint.not_written", endpoint=box.endpoint_id, host=box.host)
                return False
            else:
                return True


async def _paused(endpoint_id: str, why: Pause, now: Millis, afresh: int, tx: Tx) -> None:
    endpoint = await tx.endpoint(endpoint_id)
    if endpoint is not None and endpoint.paused is None and endpoint.afresh == afresh:
        changed = replace(endpoint, paused=why, paused_at=now, updated_at=now, version=endpoint.version + 1)
        await tx.put_endpoint(changed)
        await note_paused(tx, endpoint_id, why, now)


async def _held(endpoint_id: str, until: Millis, afresh: int, tx: Tx) -> None:
    await tx.hold_endpoint(endpoint_id, until, afresh)


async def _kept(endpoint_id: str, breaker: Breaker, afresh: int, tx: Tx) -> None:
    await tx.keep_breaker(endpoint_id, breaker, afresh)


def _noteworthy(known: Breaker, state: Breaker) -> bool:
    """Whether the store should know: what opens, probes or closes, and now and then for how long it has failed."""
    if (known.open, known.probes) != (state.open, state.probes):
        return True
    return state.failing < known.failing or state.failing >= known.failing + NOTE_AFTER
