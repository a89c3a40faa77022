"""Sending: what an outbox has ready goes out, as its rate and its hands allow, and what came of it is passed on.

Called by `deliver` with what was just recorded and by `claim` with what has become due. What follows for the endpoint
is `health`'s affair, what is written down of the delivery `record`'s; nothing here asks the store.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from goniec.core.breaker import at_fault
from goniec.core.endpoint import MAIL, Endpoint
from goniec.core.model import Attempt, Delivery, Failure, Status
from goniec.core.retry import Outcome, RetryAt, Tried, after
from goniec.core.times import Millis
from goniec.core.wire import Credentials, Headers, headers
from goniec.flow.attempt import line, made, moved, postponed
from goniec.flow.credentials import without_secrets
from goniec.flow.health import Health
from goniec.flow.mails import Later, Mails
from goniec.flow.outbox import Outbox
from goniec.flow.outboxes import Outboxes
from goniec.observe import counters, log
from goniec.ports import Answer, Clock, Dice, Finished, Outgoing, Sender
from goniec.tracing import Attempting, tracing

FLYING: Final = 2_000
"""How many requests are under way, over all endpoints, before each has to do with a single one."""

Finish = Callable[[Sequence[Finished], Callable[[list[Delivery]], None]], None]
"""Hands results to `record` and calls back, on this loop, with the deliveries as they stand after the commit."""


class Sending:
    """The requests under way, and the results that are not on disk yet (`unwritten`)."""

    def __init__(  # noqa: PLR0913, PLR0917 - its ports
        self,
        sender: Sender,
        mails: Mails,
        clock: Clock,
        dice: Dice,
        finish: Finish,
        agent: str,
        outboxes: Outboxes,
        health: Health,
    ) -> None:
        self._sender = sender
        self._mails = mails
        self._clock = clock
        self._dice = dice
        self._finish = finish
        self._agent = agent
        self._outboxes = outboxes
        self._health = health
        self._flying = 0
        self._starved: dict[str, Outbox] = {}
        self._results: list[tuple[Outbox, Finished, bool]] = []
        self.unwritten = 0

    def pump(self, box: Outbox) -> None:
        """Start as many requests as the endpoint takes."""
        while box.ready and box.endpoint is not None and box.flying < box.hands:
            if self._flying >= FLYING and box.flying:
                self._starved[box.id] = box
                return
            if not self._turn(box):
                return
            box.flying += 1
            self._flying += 1
            self._outboxes.start(self._work(box))

    async def try_out(self, endpoint: Endpoint, credentials: Credentials, delivery: Delivery) -> Attempt:
        """Make one attempt outside every outbox, and give what is to be written down."""
        started = self._clock.now()
        answer = await self._send(endpoint, credentials, delivery, started, fresh=False)
        assert isinstance(answer, Answer), "a test goes at any hour"  # noqa: S101 - for the types
        return made(delivery, answer, started)

    def put_off(self, box: Outbox, delivery: Delivery, until: Millis) -> None:
        """Write down that a delivery which was just claimed waits for its hour."""
        if self._outboxes.hold(box, delivery):
            self._later(box, delivery, until, laned=False)
            self._outboxes.release(box, delivery)

    def flush(self) -> None:
        """Pass results on, once in a turn of the loop."""
        if self._results:
            results, self._results = self._results, []
            self.unwritten += len(results)
            self._finish([finished for _, finished, _ in results], partial(self._written, results))
            log.infos("attempt", (line(finished, box.host) for box, finished, _ in results))

    def _turn(self, box: Outbox) -> bool:
        """Take the next turn that the endpoint's rate gives; False: there is none now, a timer waits for it."""
        if not self._outboxes.lasts(box):
            self._outboxes.drop(box)
            return False
        mono = self._clock.monotonic()
        wait = box.wait(mono)
        if wait <= 0:
            box.start(mono)
            return True
        if box.alarm is None:
            box.alarm = asyncio.get_running_loop().call_later(wait, self._ring, box)
        return False

    def _ring(self, box: Outbox) -> None:
        box.alarm = None
        self.pump(box)

    async def _work(self, box: Outbox) -> None:
        """Send one delivery after the other while there are some: one of an endpoint's concurrent hands."""
        outboxes = self._outboxes
        try:
            while box.ready and not outboxes.stopping and box.endpoint is not None and box.credentials is not None:
                if not outboxes.lasts(box):  # it has taken longer than a moment to get here
                    outboxes.drop(box)
                    break
                await self._see_through(box, box.endpoint, box.credentials, box.ready.popleft())
                if box.ready and not self._turn(box):
                    break
        finally:
            box.flying -= 1
            self._flying -= 1
            if self._starved:
                self.pump(self._starved.pop(next(iter(self._starved))))
            if box.more:
                outboxes.wake.set()

    async def _see_through(self, box: Outbox, endpoint: Endpoint, credentials: Credentials, delivery: Delivery) -> None:
        """Attempt a delivery (twice when a kept-alive connection turns out dead) and plan what follows."""
        outboxes = self._outboxes
        laned = box.laned(delivery)
        fresh = False
        while True:
            epoch, lease = outboxes.lease(box)
            started = self._clock.now()
            answer = await self._send(endpoint, credentials, delivery, started, fresh=fresh)
            if isinstance(answer, Later):
                self._later(box, delivery, answer.until, laned=laned)
                if laned:
                    box.advance(delivery.contact_id)
                outboxes.release(box, delivery)
                return
            tried = Tried(delivery.counted, delivery.refusals, delivery.first_at, delivery.aside)
            attempt = made(delivery, answer, started)
            now = self._clock.now()
            spared = (delivery.due_at or now) if box.breaker.open and at_fault(attempt) else None
            outcome = Outcome(started, answer.failure, answer.status, answer.retry_after, fresh, spared)
            works = box.last_success >= (delivery.first_at or started)
            following = after(endpoint.policy, tried, outcome, now, self._dice.jitter(), endpoint_works=works)
            delivery = moved(delivery, following, attempt)
            self._result(box, Finished(delivery, attempt, epoch, lease), laned=laned)
            _count(delivery, attempt, answer)
            again = isinstance(following, RetryAt) and following.fresh and not outboxes.stopping
            if again and box.endpoint is endpoint and outboxes.lasts(box):
                fresh = True
                continue
            self._health.learn(box, endpoint, attempt, following, now)
            if laned:
                self._advance(box, delivery)
            outboxes.release(box, delivery)
            return

    async def _send(
        self, endpoint: Endpoint, credentials: Credentials, delivery: Delivery, now: Millis, *, fresh: bool
    ) -> Answer | Later:
        span: Attempting | None = None
        try:
            span = tracing.attempt(delivery, now)
            if endpoint.id == MAIL:
                handed = await self._mails.send(endpoint, delivery)
                if isinstance(handed, Answer):
                    tracing.attempted(span, delivery, endpoint.host, handed)
                return handed
            parent = None if span is None else span.header
            head = headers(delivery, delivery.attempts + 1, credentials, self._agent, now, parent)
            answer = await self._sender.send(_request(endpoint, credentials, delivery.body, head, fresh=fresh))
            answer = without_secrets(answer, credentials.hidden)
        except Exception:  # noqa: BLE001 - a fault of ours must not end the worker
            log.exception("send.failed", delivery=delivery.id, endpoint=endpoint.id)
            answer = Answer(Failure.INTERNAL, "a fault in Goniec; its log has the details")
        tracing.attempted(span, delivery, endpoint.host, answer)
        return answer

    def _later(self, box: Outbox, delivery: Delivery, until: Millis, *, laned: bool) -> None:
        """Put a delivery off, out of its lane: that is no attempt."""
        delivery = postponed(delivery, until)
        attempt = made(delivery, Answer(delivery.failure, "quiet hours"), self._clock.now())
        self._result(box, Finished(delivery, attempt, *self._outboxes.lease(box)), laned=laned)

    def _advance(self, box: Outbox, delivery: Delivery) -> None:
        """Let the lane go on when its head has left it; else those behind it wait in the table."""
        if delivery.status is Status.PENDING and not delivery.aside:
            for follower in box.block(delivery.contact_id):
                self._outboxes.release(box, follower)
        else:
            box.advance(delivery.contact_id)

    def _result(self, box: Outbox, finished: Finished, *, laned: bool) -> None:
        """Keep a result until the end of this turn of the loop."""
        delivery = finished.delivery
        self._outboxes.keep(delivery)
        if laned:
            box.lanes[delivery.contact_id].unwritten += 1
        self._results.append((box, finished, laned))
        if len(self._results) == 1:
            asyncio.get_running_loop().call_soon(self.flush)

    def _written(self, results: Sequence[tuple[Outbox, Finished, bool]], _moved: list[Delivery]) -> None:
        for box, finished, laned in results:
            delivery = finished.delivery
            if laned:
                box.written(delivery.contact_id)
            self._outboxes.release(box, delivery)
            box.more = box.more or finished.put_off  # somebody may have stood behind it
            if box.more:
                self._outboxes.wake.set()
        self.unwritten -= len(results)
        if self._outboxes.stopping:
            self._outboxes.wake.set()


def _request(endpoint: Endpoint, credentials: Credentials, body: bytes, head: Headers, *, fresh: bool) -> Outgoing:
    return Outgoing(
        endpoint.url,
        head,
        body,
        endpoint.policy.timeout,
        endpoint.policy.connect_timeout,
        fresh,
        endpoint.ca_bundle,
        credentials.client,
        credentials.grant,
    )


def _count(delivery: Delivery, attempt: Attempt, answer: Answer) -> None:
    counters.attempt(attempt.failure or "delivered")
    if attempt.number == 1:
        waited = attempt.at - delivery.created_at
        counters.first(None if answer.sent is None else waited + answer.sent, waited + answer.millis)
