"""Deliver: send what is due, write down what came of it, plan what comes next.

Runs on the sender's own loop. Fresh deliveries are handed over by `record` without a query; whatever does not fit here,
waits for a retry or was left by a dead process is in the queue table, and is claimed from there when due. One
endpoint's trouble stays its own: each has its own queue, rate, concurrency, breaker and lanes, what is in memory is
bounded, and of that a slow one has little. Where several processes share the database, each sends to the endpoints, and
to the parts of those that are split, that it owns (`leases`, `shares`), and leaves the others' in the table.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any, Final, assert_never

from msgspec.structs import replace

from goniec.core.breaker import CLOSED, Breaker, at_fault, in_force, judged, kept
from goniec.core.endpoint import Endpoint, Pause
from goniec.core.model import Attempt, Delivery, Failure, Status
from goniec.core.retry import Delivered, GiveUp, Gone, Next, Outcome, Policy, RetryAt, Tried, after
from goniec.core.times import MINUTE, Millis
from goniec.core.wire import Credentials, Headers, headers
from goniec.flow.attempt import line, made, moved
from goniec.flow.credentials import unsealed, without_secrets
from goniec.flow.leases import MARGIN_SECONDS, Alone, Leases
from goniec.flow.outbox import Outbox
from goniec.flow.owners import note_paused
from goniec.flow.shares import Nobody, Shares
from goniec.observe import counters, log
from goniec.ports import Answer, Clock, Dice, Finished, Outgoing, Sender, Signal, Signals, Store, Tx, Unavailable, Vault
from goniec.tracing import Attempting, tracing

MEMORY: Final = 4_000
"""How many deliveries are held in memory, over all endpoints, before each has to do with the few that it is sure of."""

FLYING: Final = 2_000
"""How many requests are under way, over all endpoints, before each has to do with a single one."""

POLL_SECONDS: Final = 1.0
"""How often the table is asked for what has become due."""

CLAIM_SECONDS: Final = 0.02
"""The least time between two claims."""

NOTE_AFTER: Final = 10 * MINUTE
"""From when on it is written down that an endpoint fails, for the day on which it has failed for too long."""

HURRY: Final = 5_000
"""How many deliveries are made due in one transaction when an endpoint is back."""

EVER: Final[Millis] = 2**62
"""Later than anything that is due: a probe takes what comes first, whenever that may be."""

Finish = Callable[[Sequence[Finished], Callable[[list[Delivery]], None]], None]
"""Hands results to `record` and calls back, on this loop, with the deliveries as they stand after the commit."""


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
    ) -> None:
        self._store = store
        self._sender = sender
        self._vault = vault
        self._clock = clock
        self._dice = dice
        self._finish = finish
        self._agent = agent
        self.rounds = 0
        """How often the table was asked for what is due."""
        self._leases = leases or Alone()
        self._signals = signals or Nobody()
        self._boxes: dict[str, Outbox] = {}
        self._shares = Shares(self._leases, self._signals, store.queries, clock, self._boxes, self._drop, self._forget)
        self._known: dict[str, int] = {}
        """Deliveries in memory: 1 for the delivery itself and 1 for each result of it that is not on disk yet."""
        self._settled: set[str] | None = None
        self._starved: dict[str, Outbox] = {}
        self._missed: set[str] = set()
        """The endpoints about which the store could not be asked in the round before."""
        self._away = False
        """Whether the store was away in the round before, be it for one endpoint only."""
        self._flying = 0
        self._results: list[tuple[Outbox, Finished, bool]] = []
        self._unwritten = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None

    # from other threads

    def take(self, deliveries: Sequence[Delivery], busy: set[tuple[str, str]]) -> None:
        """Accept what was just recorded (the `Handover` port)."""
        self._hop(self._accept, deliveries, busy)

    def kick(self, endpoint_id: str) -> None:
        """Look for due deliveries of an endpoint now (after a resend, a resume)."""
        self._hop(self._kick, endpoint_id)

    def changed(self, endpoint_id: str) -> None:
        """Read an endpoint's settings again before its next request: somebody saved it."""
        self._hop(self._change, endpoint_id)

    def stop(self) -> None:
        """Start no further request; `run` ends when those under way are done and written."""
        self._hop(self._halt)

    async def try_out(self, endpoint: Endpoint, delivery: Delivery) -> Attempt:
        """Make one attempt for a test send, outside every queue, and give what is to be written down."""
        assert self._loop is not None  # noqa: S101 - the parts are running when somebody presses "test"
        answer = asyncio.run_coroutine_threadsafe(self._attempt_once(endpoint, delivery), self._loop)
        return await asyncio.wrap_future(answer)

    def _hop(self, function: Callable[..., None], *arguments: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    # its own loop

    async def run(self) -> None:
        """Claim what is due, again and again, until stopped; then wait for the requests under way and their results."""
        self._loop = asyncio.get_running_loop()
        self._signals.hear(partial(self._hop, self._hear))
        renewing = self._loop.create_task(self._renew())
        renewing.add_done_callback(lambda _: self._wake.set())
        try:
            while not self._stopping:
                if renewing.done():
                    renewing.result()  # a process that cannot renew would lose all that it owns, again and again
                if self._leases.delivers:
                    await self._claim_all()
                self.rounds += 1
                await self._rest()
            while self._tasks:
                await asyncio.wait(self._tasks)
            self._flush()
            while self._unwritten:
                self._wake.clear()
                await self._wake.wait()
            await self._shares.end()
        finally:
            renewing.cancel()

    async def _renew(self) -> None:
        """Keep what is ours."""
        while self._leases.shared:
            known = await self._leases.renew()
            await asyncio.sleep(self._leases.renewal if known else min(POLL_SECONDS, self._leases.renewal))

    @property
    def in_memory(self) -> int:
        """How many deliveries are held in memory."""
        return len(self._known)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, unwritten, or known to wait in the table for its turn."""
        if self._known or self._unwritten or self._settled is not None:
            return False
        now = self._clock.now()
        boxes = [box for box in self._boxes.values() if self._leases.owns(box.id)]
        wanting = (box.more and (box.endpoint is None or box.open(now)) for box in boxes)
        return self._stopping or not any(wanting)

    def _halt(self) -> None:
        self._stopping = True
        for box in self._boxes.values():
            self._drop(box)
        self._wake.set()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()
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
            box = self._box(name)
            lane = (delivery.endpoint_id, delivery.contact_id)
            if lane in behind and box.laned(delivery) and self._may_overtake(box, delivery):
                box.leave_out(delivery)
            elif delivery.created_at < self._leases.since(box.id):
                box.leave_out(delivery)  # who had the endpoint then may have sent it by now
                behind.add(lane)
            elif self._put(box, delivery):
                touched[box.id] = box
            else:
                behind.add(lane)
        for box in touched.values():
            self._pump(box)
        for name in elsewhere:
            self._look(name)
        if elsewhere:
            self._signals.tell(Signal.DUE, elsewhere)

    def _may_overtake(self, box: Outbox, delivery: Delivery) -> bool:
        """Whether something earlier of its lane may wait in the table alone; what another process wrote always does."""
        return self._leases.shared or delivery.contact_id not in box.lanes

    def _box(self, name: str) -> Outbox:
        box = self._boxes.get(name)
        if box is None:
            box = self._boxes[name] = Outbox(name)
            box.used_at = self._clock.monotonic()
        return box

    def _lasts(self, box: Outbox) -> bool:
        """Whether it is ours for longer than a request may take, so that the next owner's meets none of ours."""
        seconds = 0.0 if box.endpoint is None else box.endpoint.policy.timeout
        return self._leases.lasts(box.id, seconds + MARGIN_SECONDS)

    def _put(self, box: Outbox, delivery: Delivery, *, claimed: bool = False, probe: bool = False) -> bool:
        """Hold a delivery in memory; False when it stays in the table only."""
        if delivery.id in self._known:
            return True
        shut = self._stopping or self._room(box) <= 0 or not self._lasts(box)
        shut = shut or not box.open(self._clock.now(), probe=probe)
        if shut or not box.enter(delivery, claimed=claimed):
            box.leave_out(delivery)
            if box.endpoint is None:
                self._wake.set()
            return False
        box.held += 1
        self._known[delivery.id] = 1
        return True

    def _kick(self, endpoint_id: str) -> None:
        for name in self._shares.names(endpoint_id):
            self._look(name)
        self._tell(Signal.DUE, endpoint_id)

    def _change(self, endpoint_id: str) -> None:
        self._hear(Signal.CHANGED, endpoint_id)
        self._tell(Signal.CHANGED, endpoint_id)

    def _tell(self, signal: Signal, endpoint_id: str) -> None:
        """Tell the others, where it concerns any: what is ours as a whole does not."""
        if not all(self._leases.owns(name) for name in self._shares.names(endpoint_id)):
            self._signals.tell(signal, (endpoint_id,))

    def _hear(self, kind: Signal, about: str) -> None:
        """Do what another process would have done itself, had the endpoint, or the part of it, been its own."""
        match kind:
            case Signal.DUE:
                for name in self._shares.names(about) if about else tuple(self._boxes):
                    self._look(name)
            case Signal.CHANGED:
                for name in self._shares.names(about) if about else tuple(self._boxes):
                    self._forget(name)
                self._shares.wake()  # it may be split now, or whole again
                self._wake.set()
            case Signal.LEASES:
                self._shares.wake()
                self._wake.set()
            case _:
                assert_never(kind)

    def _look(self, name: str) -> None:
        """See in the next round what is due; of what another process owns it is that one's affair."""
        if self._leases.owns(name):
            self._box(name).more = True
            self._wake.set()
        elif not self._shares.foreign(name):
            self._wake.set()

    def _forget(self, name: str) -> None:
        if self._leases.owns(name):
            box = self._box(name)
            box.endpoint = None
            box.changes += 1
            box.hush()
            self._drop(box)
            self._look(name)

    def _drop(self, box: Outbox) -> None:
        for delivery in box.empty():
            self._release(box, delivery)

    async def _claim_all(self) -> None:
        """Fetch what is due from the table, for every endpoint that has room.

        One about which the store cannot be asked starves no other, and comes last in the next round.
        """
        why: Unavailable | None = None
        due: set[str] = set()
        try:
            due = await self._shares.round(await self._store.queries.due_endpoints(self._clock.now()))
        except Unavailable as error:
            why = error
        missed: set[str] = set()
        for name in sorted(due, key=lambda name: (name in self._missed, name)):
            if self._leases.owns(name):
                try:
                    await self._claim(self._box(name))
                except Unavailable as error:
                    why = error
                    missed.add(name)
        if why is not None and not self._away:
            log.warning("claim.unavailable", reason=str(why), endpoints=len(missed) or None)
        self._away, self._missed = why is not None, missed

    async def _claim(self, box: Outbox) -> None:
        if box.endpoint is None:
            await self._open(box)
        now = self._clock.now()
        if self._stopping or not self._lasts(box):
            return
        if box.breaker.open:
            box.more = True
            if box.may_probe(now):
                await self._fetch(box, EVER, 1, probe=True)
        elif (room := self._room(box)) > 0 and box.open(now):
            await self._fetch(box, now, room, probe=False)

    def _room(self, box: Outbox) -> int:
        return box.room(crowded=len(self._known) >= MEMORY)

    async def _fetch(self, box: Outbox, due: Millis, room: int, *, probe: bool) -> None:
        """Take what is due by then into memory, and let it go."""
        box.more = probe
        self._settled = set()  # what is written while the query runs may still be in its answer
        try:
            rows = await self._store.queries.due(box.endpoint_id, due, room, box.part)
            settled = self._settled
        except Unavailable:
            box.more = True
            raise
        finally:
            self._settled = None
        for delivery in rows:
            if delivery.id not in settled and not (box.laned(delivery) and delivery.contact_id in box.lanes):
                self._put(box, delivery, claimed=True, probe=probe)
        box.more = box.more or len(rows) >= room
        self._pump(box)

    async def _open(self, box: Outbox) -> None:
        """Read the endpoint and open its secrets."""
        changes = box.changes
        endpoint = await self._store.queries.endpoint(box.endpoint_id)
        if endpoint is None or box.changes != changes:  # saved while we read: what we have may be what was before
            return
        before, afresh = box.afresh, box.afresh != endpoint.afresh
        box.read(endpoint)
        if afresh or not box.keeping:
            box.breaker = box.kept = endpoint.breaker
        box.breaker = in_force(box.breaker, endpoint.policy)
        if afresh and before >= 0:
            self._task(self._hurry(box))
        try:
            box.credentials = unsealed(endpoint, self._vault)
        except ValueError as error:
            box.credentials = None
            log.error("endpoint.secrets_unreadable", endpoint=endpoint.id, reason=str(error))

    # sending

    def _pump(self, box: Outbox) -> None:
        """Start as many requests as the endpoint takes."""
        while box.ready and box.endpoint is not None and box.flying < box.hands:
            if self._flying >= FLYING and box.flying:
                self._starved[box.id] = box
                return
            if not self._turn(box):
                return
            box.flying += 1
            self._flying += 1
            self._task(self._work(box))

    def _turn(self, box: Outbox) -> bool:
        """Take the next turn that the endpoint's rate gives; False: there is none now, a timer waits for it."""
        if not self._lasts(box):
            self._drop(box)
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
        self._pump(box)

    async def _work(self, box: Outbox) -> None:
        """Send one delivery after the other while there are some: one of an endpoint's concurrent hands."""
        try:
            while box.ready and not self._stopping and box.endpoint is not None and box.credentials is not None:
                if not self._lasts(box):  # it has taken longer than a moment to get here
                    self._drop(box)
                    break
                await self._see_through(box, box.endpoint, box.credentials, box.ready.popleft())
                if box.ready and not self._turn(box):
                    break
        finally:
            box.flying -= 1
            self._flying -= 1
            if self._starved:
                self._pump(self._starved.pop(next(iter(self._starved))))
            if box.more:
                self._wake.set()

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _see_through(self, box: Outbox, endpoint: Endpoint, credentials: Credentials, delivery: Delivery) -> None:
        """Attempt a delivery (twice when a kept-alive connection turns out dead) and plan what follows."""
        laned = box.laned(delivery)
        fresh = False
        while True:
            epoch, lease = self._leases.epoch(box.id), None if box.part is None else box.id
            started = self._clock.now()
            answer = await self._send(endpoint, credentials, delivery, started, fresh=fresh)
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
            again = isinstance(following, RetryAt) and following.fresh and not self._stopping
            if again and box.endpoint is endpoint and self._lasts(box):
                fresh = True
                continue
            if endpoint.afresh == box.afresh:  # else it tells of what a person has meant to mend since
                self._heed(box, following, now)
                self._judge(box, endpoint.policy, attempt, now)
            if laned:
                self._advance(box, delivery)
            self._release(box, delivery)
            return

    async def _send(
        self, endpoint: Endpoint, credentials: Credentials, delivery: Delivery, now: Millis, *, fresh: bool
    ) -> Answer:
        span: Attempting | None = None
        try:
            span = tracing.attempt(delivery, now)
            parent = None if span is None else span.header
            head = headers(delivery, delivery.attempts + 1, credentials, self._agent, now, parent)
            answer = await self._sender.send(_request(endpoint, credentials, delivery.body, head, fresh=fresh))
            answer = without_secrets(answer, credentials.hidden)
        except Exception:  # noqa: BLE001 - a fault of ours must not end the worker
            log.exception("send.failed", delivery=delivery.id, endpoint=endpoint.id)
            answer = Answer(Failure.INTERNAL, "a fault in Goniec; its log has the details")
        tracing.attempted(span, delivery, endpoint.host, answer)
        return answer

    async def _attempt_once(self, endpoint: Endpoint, delivery: Delivery) -> Attempt:
        started = self._clock.now()
        answer = await self._send(endpoint, unsealed(endpoint, self._vault), delivery, started, fresh=False)
        return made(delivery, answer, started)

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
            case _:
                assert_never(following)

    def _advance(self, box: Outbox, delivery: Delivery) -> None:
        """Let the lane go on when its head has left it; else those behind it wait in the table."""
        if delivery.status is Status.PENDING and not delivery.aside:
            for follower in box.block(delivery.contact_id):
                self._release(box, follower)
        else:
            box.advance(delivery.contact_id)

    def _hold(self, box: Outbox, until: Millis) -> None:
        box.held_until = max(box.held_until, until)
        self._drop(box)
        self._note(box, partial(_held, box.endpoint_id, until, box.afresh))

    def _pause(self, box: Outbox, why: Pause) -> None:
        """Nothing more is sent until a person resumes it."""
        now = self._clock.now()
        box.endpoint = box.endpoint and replace(box.endpoint, paused=why)
        self._drop(box)
        self._note(box, partial(_paused, box.endpoint_id, why, now, box.afresh))
        log.warning("endpoint.paused", endpoint=box.endpoint_id, host=box.host, why=why)

    # the breaker

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
            self._drop(box)
        elif was.open and not state.open:
            log.info("breaker.closed", endpoint=box.endpoint_id, host=box.host, millis=now - (was.opened_at or now))
            self._task(self._hurry(box))
        if state.worn_out and box.endpoint is not None and box.endpoint.paused is None:
            self._pause(box, Pause.FAILING)
        if not box.keeping and _noteworthy(box.kept, state):
            box.keeping = True
            self._task(self._keep(box))

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
        """The endpoint is back: what was put off need not wait for its time."""
        more = True

        async def work(tx: Tx) -> None:
            nonlocal more
            more = await tx.hurry(box.endpoint_id, self._clock.now(), HURRY, box.part)

        while more and not box.breaker.open and not self._stopping and self._leases.owns(box.id):
            if not await self._insist(box, work):
                return
            self._look(box.id)

    def _note(self, box: Outbox, work: Callable[[Tx], Awaitable[None]]) -> None:
        """Tell the store something of an endpoint; until it knows, nobody else is to have it."""
        box.notes += 1
        self._task(self._noted(box, work))

    async def _noted(self, box: Outbox, work: Callable[[Tx], Awaitable[None]]) -> None:
        try:
            written = await self._insist(box, work)
        finally:
            box.notes -= 1
        if written and box.part is not None:
            self._change(box.endpoint_id)  # it holds for the other parts too

    async def _insist(self, box: Outbox, work: Callable[[Tx], Awaitable[None]]) -> bool:
        """Write something down as soon as the store can be written to; False: it is not written."""
        while True:
            try:
                await self._store.transact(work)
            except Unavailable:
                if self._stopping:
                    return False
                await asyncio.sleep(POLL_SECONDS)
            except Exception:  # noqa: BLE001 - a fault of ours; what is in memory holds until we end
                log.exception("endpoint.not_written", endpoint=box.endpoint_id, host=box.host)
                return False
            else:
                return True

    # results

    def _result(self, box: Outbox, finished: Finished, *, laned: bool) -> None:
        """Keep a result until the end of this turn of the loop."""
        delivery = finished.delivery
        self._known[delivery.id] += 1
        if laned:
            box.lanes[delivery.contact_id].unwritten += 1
        self._results.append((box, finished, laned))
        if len(self._results) == 1:
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Pass results on, once in a turn of the loop."""
        if self._results:
            results, self._results = self._results, []
            self._unwritten += len(results)
            self._finish([finished for _, finished, _ in results], partial(self._written, results))
            log.infos("attempt", (line(finished, box.host) for box, finished, _ in results))

    def _written(self, results: Sequence[tuple[Outbox, Finished, bool]], _moved: list[Delivery]) -> None:
        for box, finished, laned in results:
            delivery = finished.delivery
            if laned:
                box.written(delivery.contact_id)
            self._release(box, delivery)
            if box.more:
                self._wake.set()
        self._unwritten -= len(results)
        if self._stopping:
            self._wake.set()

    def _release(self, box: Outbox, delivery: Delivery) -> None:
        left = self._known[delivery.id] - 1
        if left:
            self._known[delivery.id] = left
            return
        del self._known[delivery.id]
        box.held -= 1
        if self._settled is not None:
            self._settled.add(delivery.id)


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
