"""Deliver: send what is due, write down what came of it, plan what comes next.

Runs on the sender's own loop. Fresh deliveries are handed over by `record` without a query; whatever does not fit here,
waits for a retry or was left by a dead process is in the queue table, and is claimed from there when due (`claim`). One
endpoint's trouble stays its own: each has its own queue, rate, concurrency, breaker and lanes (`outbox`, `health`),
what is in memory is bounded (`outboxes`), and of that a slow one has little. Where several processes share the
database, each sends (`sending`) to the endpoints, and to the parts of those that are split, that it owns (`leases`,
`shares`), and leaves the others' in the table.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

from goniec.core.endpoint import Endpoint
from goniec.core.model import Attempt, Delivery
from goniec.flow.claim import Claims
from goniec.flow.credentials import unsealed
from goniec.flow.health import Health
from goniec.flow.leases import Alone, Leases
from goniec.flow.mails import Mails
from goniec.flow.outbox import Outbox
from goniec.flow.outboxes import Outboxes
from goniec.flow.sending import Finish, Sending
from goniec.flow.shares import Nobody, Shares
from goniec.ports import Clock, Dice, MailSender, Sender, Signals, Store, Vault

POLL_SECONDS: Final = 1.0
"""How often the table is asked for what has become due."""

CLAIM_SECONDS: Final = 0.02
"""The least time between two claims."""


class Deliverer:
    """Sends deliveries, endpoint by endpoint.

    `run` is its loop; `take`, `kick`, `changed` and `stop` may be called from other threads.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - its ports
        self,
        store: Store,
        sender: Sender,
        vault: Vault,
        clock: Clock,
        dice: Dice,
        finish: Finish,
        agent: str,
        leases: Leases | None = None,
        signals: Signals | None = None,
        mail_sender: MailSender | None = None,
    ) -> None:
        self._vault = vault
        self._leases = leases or Alone()
        self._signals = signals or Nobody()
        self._outboxes = Outboxes(self._leases, clock)
        self._shares = Shares(self._leases, self._signals, store.queries, clock, self._outboxes)
        self._health = Health(store, clock, dice, self._outboxes, self._shares)
        mails = Mails(store.queries, mail_sender, clock)
        self._sending = Sending(sender, mails, clock, dice, finish, agent, self._outboxes, self._health)
        self._claims = Claims(
            store.queries, vault, clock, self._outboxes, self._shares, self._health, self._sending, mails
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self.rounds = 0
        """How often the table was asked for what is due."""

    # from other threads

    def take(self, deliveries: Sequence[Delivery], busy: set[tuple[str, str]]) -> None:
        """Accept what was just recorded (the `Handover` port)."""
        self._hop(self._accept, deliveries, busy)

    def kick(self, endpoint_id: str) -> None:
        """Look for due deliveries of an endpoint now (after a resend, a resume)."""
        self._hop(self._shares.kick, endpoint_id)

    def changed(self, endpoint_id: str) -> None:
        """Read an endpoint's settings again before its next request: somebody saved it."""
        self._hop(self._shares.changed, endpoint_id)

    def stop(self) -> None:
        """Start no further request; `run` ends when those under way are done and written."""
        self._hop(self._outboxes.stop)

    async def try_out(self, endpoint: Endpoint, delivery: Delivery) -> Attempt:
        """Make one attempt for a test send, outside every queue, and give what is to be written down."""
        assert self._loop is not None  # noqa: S101 - the parts are running when somebody presses "test"
        trying = self._sending.try_out(endpoint, unsealed(endpoint, self._vault), delivery)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(trying, self._loop))

    def _hop(self, function: Callable[..., None], *arguments: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    # its own loop

    async def run(self) -> None:
        """Claim what is due, again and again, until stopped; then wait for the requests under way and their results."""
        outboxes = self._outboxes
        self._loop = asyncio.get_running_loop()
        self._signals.hear(partial(self._hop, self._shares.hear))
        renewing = self._loop.create_task(self._renew())
        renewing.add_done_callback(lambda _: outboxes.wake.set())
        try:
            while not outboxes.stopping:
                if renewing.done():
                    renewing.result()  # a process that cannot renew would lose all that it owns, again and again
                if self._leases.delivers:
                    await self._claims.round()
                self.rounds += 1
                await self._rest()
            while outboxes.tasks:
                await asyncio.wait(outboxes.tasks)
            self._sending.flush()
            while self._sending.unwritten:
                outboxes.wake.clear()
                await outboxes.wake.wait()
            await self._shares.end()
        finally:
            renewing.cancel()

    @property
    def in_memory(self) -> int:
        """How many deliveries are held in memory."""
        return self._outboxes.in_memory

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, unwritten, or known to wait in the table for its turn."""
        if self._outboxes.in_memory or self._sending.unwritten or self._outboxes.settled is not None:
            return False
        return self._outboxes.stopping or not self._outboxes.wanting

    async def _renew(self) -> None:
        """Keep what is ours."""
        while self._leases.shared:
            known = await self._leases.renew()
            await asyncio.sleep(self._leases.renewal if known else min(POLL_SECONDS, self._leases.renewal))

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._outboxes.wake.wait()
        except TimeoutError:
            return
        self._outboxes.wake.clear()
        await asyncio.sleep(CLAIM_SECONDS)

    # taking deliveries in

    def _accept(self, deliveries: Iterable[Delivery], busy: set[tuple[str, str]]) -> None:
        behind = set(busy)
        touched: dict[str, Outbox] = {}
        elsewhere: set[str] = set()
        for delivery in deliveries:
            name = self._shares.name(delivery) if self._shares.split else delivery.endpoint_id
            if not self._leases.owns(name):
                elsewhere.add(name)
                continue
            box = self._outboxes.box(name)
            lane = (delivery.endpoint_id, delivery.contact_id)
            if lane in behind and box.laned(delivery) and self._may_overtake(box, delivery):
                box.leave_out(delivery)
            elif delivery.created_at < self._leases.since(box.id):
                box.leave_out(delivery)  # who had the endpoint then may have sent it by now
                behind.add(lane)
            elif self._outboxes.put(box, delivery):
                touched[box.id] = box
            else:
                behind.add(lane)
        for box in touched.values():
            self._sending.pump(box)
        if elsewhere:
            self._shares.elsewhere(elsewhere)

    def _may_overtake(self, box: Outbox, delivery: Delivery) -> bool:
        """Whether something earlier of its lane may wait in the table alone; what another process wrote always does."""
        return self._leases.shared or delivery.contact_id not in box.lanes
