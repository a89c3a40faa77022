"""Record: lock the contacts of a batch, decide, and write all that follows in one transaction.

What has arrived while the last commit ran shares the next one (group commit), so an answer can mean "on disk" and still
be quick. The results of delivery attempts ride along. Called by the API's handlers, by `sending` and by `upkeep`;
whoever calls waits for the commit.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import islice
from typing import Final, Generic, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from goniec.core.composing import Composer
from goniec.core.decide import Call, World
from goniec.core.identity import Refusal
from goniec.core.ids import FRESH_BITS, EventIds, time_of, uuid7
from goniec.core.letters import Language
from goniec.core.model import Delivery
from goniec.core.rules import RuleSet
from goniec.core.times import Millis
from goniec.flow.batch import Batch, Chance, Raced, Result
from goniec.flow.mails import has_come, is_given_up, may_tell
from goniec.flow.owners import note_failed
from goniec.flow.traced import events_of, trace
from goniec.flow.workspace import MAIL_LIMITS, colleagues, limits_of
from goniec.observe import counters, log
from goniec.ports import Clock, Dice, Finished, Handover, Moved, Remembered, Store, Tx, Unavailable
from goniec.tracing import Asked, tracing

T = TypeVar("T")

BATCH_CALLS: Final = 500
"""A commit takes the jobs that wait until it has this many calls.

A job is never split, so that its answer can be remembered with it.
"""

CHANGES_PER_CALL: Final = 20
"""So many changes weigh as much as a call."""

WAITING_CALLS: Final = 10_000
WAITING_BYTES: Final = 64 * 1024 * 1024
"""How much may wait to be recorded before callers are sent away."""

RIDE_SECONDS: Final = 0.02
RIDE_RESULTS: Final = 250
"""Results of attempts wait this long, or until there are this many, for a batch of calls to ride along with."""

COMPANY_CALLS: Final = 100
PATIENCE_SECONDS: Final = 0.002
"""With fewer calls a commit waits for company, so long, when the last one had some."""

AWAY_SECONDS: Final = 0.5
"""How long the results of attempts rest when the store is away."""


TAKES_NOTHING: Final = "the database takes nothing that is to be written"


class Overloaded(Exception):
    """More waits to be recorded than is good; nothing of this call was taken. Try again later."""


class Locale(Struct, frozen=True):
    """The workspace's time zone, the country in which phones without a prefix are read, and its language."""

    zone: ZoneInfo
    country: str
    language: Language = "en"


class Answering(Struct, frozen=True):
    """How to remember the answer under an `Idempotency-Key`, in the same transaction."""

    key: str
    digest: bytes
    compose: Callable[[Sequence[Result]], Remembered]


class Apart(Struct, Generic[T], frozen=True):
    """What a transaction of its own came to, and the deliveries that it wrote, with the lanes that had some before."""

    result: T
    deliveries: list[Delivery]
    busy: set[tuple[str, str]]


class Recorder:
    """Turns calls into committed decisions, batch by batch.

    `run` is its loop; it ends after `stop`, when nothing waits any more.
    """

    def __init__(self, store: Store, clock: Clock, dice: Dice, handover: Handover, locale: Locale) -> None:
        self._store = store
        self._clock = clock
        self._dice = dice
        self._handover = handover
        self._locale = locale
        self._jobs: deque[_Job] = deque()
        self._riders: deque[_Rider] = deque()
        self._riding = 0
        self._waiting = 0
        self._bytes = 0
        self._wake = asyncio.Event()
        self._stopping = False
        self._crowded = False
        self._ids: EventIds | None = None
        self._contacts_at: Millis = 0
        self._setup = -1
        self._world = World(RuleSet(()))
        self._broken: dict[str, str] = {}

    @property
    def broken(self) -> int:
        """How many rules cannot run as they are stored, as far as is known since something was recorded last."""
        return len(self._broken)

    async def record(
        self, calls: Sequence[Call], *, refused: int = 0, size: int = 0, answering: Answering | None = None
    ) -> Sequence[Result] | Remembered:
        """Record calls and return, once they are on disk, one result for each (or the answer remembered for its key).

        `refused` counts inputs of the same request that were refused before, `size` its bytes. Raises `Overloaded` and
        `Unavailable`.
        """
        if self._stopping or self._waiting + len(calls) > WAITING_CALLS or self._bytes + size > WAITING_BYTES:
            raise Overloaded
        job = _Job(calls, refused, size, answering, tracing.asked())
        self._waiting += len(calls)
        self._bytes += size
        self._jobs.append(job)
        self._wake.set()
        return await job.done

    def finish(self, finished: Sequence[Finished], done: Callable[[list[Delivery]], None]) -> None:
        """Write results of attempts with one of the next commits, then call `done` with what became of them."""
        self._riders.append(_Rider(finished, done))
        self._riding += len(finished)
        self._wake.set()

    async def apart(self, store: Store, work: Callable[[Batch, Tx, Chance], Awaitable[T]]) -> "Apart[T]":
        """Do to contacts what is no call, in a transaction of its own: merge and erase.

        `store` is the recorder's, or wraps it. Raises what `work` raises, and `Unavailable`.
        """
        while True:
            started = self._clock.now()
            try:
                done = await store.transact(partial(self._apart, work))
            except Raced:
                continue
            if tracing.on:
                followed = [one.event_id for one in done.deliveries]
                trace([(tracing.asked(), followed)], done.deliveries, started, self._clock.now())
            self._hand_over(done.deliveries, done.busy)
            return done

    @property
    def waiting(self) -> int:
        """How many calls wait to be recorded."""
        return self._waiting

    def stop(self) -> None:
        """End `run` once all that waits is on disk; later calls are sent away."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Commit batch after batch until stopped."""
        while True:
            await self._company()
            if not self._jobs and not self._riders:
                return
            await self._commit()

    async def _company(self) -> None:
        """Wait for work. Lone results of attempts wait a moment more: calls may come that they can ride along with.

        Where several callers came together before, they are likely to again: the first of them waits for the others.
        """
        leaves: float | None = None
        while not self._jobs and self._riding < RIDE_RESULTS and not self._stopping:
            if self._riders and leaves is None:
                leaves = asyncio.get_running_loop().time() + RIDE_SECONDS
            self._wake.clear()
            try:
                async with asyncio.timeout_at(leaves):
                    await self._wake.wait()
            except TimeoutError:
                return
        if self._crowded and self._waiting < COMPANY_CALLS and not self._stopping:
            await asyncio.sleep(PATIENCE_SECONDS)

    async def _commit(self) -> None:
        jobs = self._next_jobs()
        riders = list(self._riders)
        self._riders.clear()
        self._riding = 0
        self._crowded = len(jobs) > 1
        try:
            await self._settle(jobs, riders)
        except Unavailable as error:
            for job in jobs:
                job.fail(error)
            left = [rider for rider in riders if not rider.settled]
            self._riders.extendleft(reversed(left))
            self._riding += sum(len(rider.finished) for rider in left)
            log.warning("store.unavailable", reason=str(error), results_waiting=self._riding)
            if self._stopping and not self._jobs:
                self._riders.clear()  # the queue table still has them: they will be sent once more, with the same id
            await asyncio.sleep(AWAY_SECONDS)

    def _next_jobs(self) -> list["_Job"]:
        jobs: list[_Job] = []
        taken = 0
        while self._jobs and (not jobs or taken + self._jobs[0].weight <= BATCH_CALLS):
            job = self._jobs.popleft()
            taken += job.weight
            self._bytes -= job.size
            self._waiting -= len(job.calls)
            jobs.append(job)
        return jobs

    async def _settle(self, jobs: Sequence["_Job"], riders: Sequence["_Rider"]) -> None:
        """Commit; when something in it cannot be recorded, halve until the culprit is alone."""
        started = self._clock.now()
        try:
            written = await self._store.transact(partial(self._write, jobs, riders))
        except Raced:
            await self._settle(jobs, riders)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the rest of the batch goes on
            log.exception("record.failed", calls=sum(len(job.calls) for job in jobs), results=len(riders))
            await self._isolate(jobs, riders, error)
        else:
            if tracing.on:
                asking = [(job.asked, events_of(given)) for job, given in zip(jobs, written.results, strict=True)]
                trace(asking, written.deliveries, started, self._clock.now())
            self._announce(written, jobs, riders)

    async def _write(self, jobs: Sequence["_Job"], riders: Sequence["_Rider"], tx: Tx) -> "_Written":
        await self._refresh(tx)
        calls = [call for job in jobs for call in job.calls]
        # contacts before deliveries, as everywhere: else two processes would wait for each other in a circle
        results = [one for rider in riders for one in rider.finished]
        falling = [call for one in results if (call := may_tell(one)) is not None]
        if not jobs and not falling and not any(map(is_given_up, results)):
            return _Written(await self._finished(tx, riders))
        now = self._clock.now()
        batch = Batch(tx, self._world, await self._chance(tx, now), self._locale.country)
        await batch.load([*falling, *calls])
        moved = await self._finished(tx, riders)
        pairs = [
            pair for rider, group in zip(riders, moved, strict=True) for pair in zip(rider.finished, group, strict=True)
        ]
        come = [(one, found.delivery) for one, found in pairs if has_come(one, found)]
        await note_failed(tx, [delivery for one, delivery in come if is_given_up(one)])
        batch.raise_own([call for one, _ in come if (call := may_tell(one)) is not None])
        answers: dict[str, Remembered] = {}
        given = [await self._answer(tx, batch, job, answers, now) for job in jobs]
        busy = await batch.write()
        return _Written(moved, given, batch.deliveries, busy, batch.mail)

    async def _finished(self, tx: Tx, riders: Sequence["_Rider"]) -> list[list[Moved]]:
        """Write the results of all riders in one go; give what became of each rider's."""
        moved = iter(await tx.finish([one for rider in riders for one in rider.finished]))
        return [list(islice(moved, len(rider.finished))) for rider in riders]

    async def _apart(self, work: Callable[[Batch, Tx, Chance], Awaitable[T]], tx: Tx) -> "Apart[T]":
        await self._refresh(tx)
        chance = await self._chance(tx, self._clock.now())
        batch = Batch(tx, self._world, chance, self._locale.country)
        result = await work(batch, tx, chance)
        return Apart(result, batch.deliveries, await batch.write())

    async def _answer(
        self, tx: Tx, batch: Batch, job: "_Job", answers: dict[str, Remembered], now: Millis
    ) -> "Sequence[Result] | Remembered":
        """Decide a job, unless its answer is known already under its `Idempotency-Key`."""
        if job.answering is not None:
            known = answers.get(job.answering.key) or await tx.remembered(job.answering.key)
            if known is not None:
                return known
        results = batch.decide(job.calls)
        batch.count(received=job.refused, refused=job.refused)
        if job.answering is not None:
            answers[job.answering.key] = answer = job.answering.compose(results)
            await tx.remember(job.answering.key, answer, now)
        return results

    async def _refresh(self, tx: Tx) -> None:
        """Take over rules and what they lean on when somebody changed it."""
        version = await tx.setup_version()
        if version == self._setup:
            return
        endpoints = frozenset(endpoint.id for endpoint in await tx.endpoints())
        funnels = {funnel.name: funnel.stages for funnel in await tx.funnels()}
        rules = await tx.rules()
        limits = limits_of(await tx.mark(MAIL_LIMITS))
        users = colleagues(await tx.users())
        mail = Composer(await tx.messages(), users, limits, self._locale.language)
        self._world = World(RuleSet(rules, self._locale.zone, before=self._world.rules), endpoints, funnels, mail)
        self._setup = version
        unreadable = {rule.id: "its row cannot be read" for rule in rules if not rule.version}
        self._broken = unreadable | self._world.rules.broken
        for rule_id, reason in self._broken.items():
            log.error("rule.broken", rule=rule_id, reason=reason, mend="save it anew, or restore a backup")

    async def _chance(self, tx: Tx, now: Millis) -> Chance:
        if self._ids is None:
            last = await tx.last_event_id()
            self._ids = EventIds(last)
            self._contacts_at = 0 if last is None else time_of(last)
        # a batch's contacts stand behind those of the one before, or who reads them in their order would miss some
        after = self._contacts_at + 1
        # within one time ids count up from the first, so chance is needed once
        ids, fresh = self._ids, self._dice.bits(FRESH_BITS)

        def contact_id(at: Millis) -> str:
            self._contacts_at = at = max(at, after)
            return uuid7(at, self._dice.bits(74))

        return Chance(now, ids.last, lambda at: ids.next(at, fresh), contact_id)

    def _announce(self, written: "_Written", jobs: Sequence["_Job"], riders: Sequence["_Rider"]) -> None:
        calls, results = sum(len(job.calls) for job in jobs), sum(len(rider.finished) for rider in riders)
        counters.batch(calls, results, len(written.deliveries))
        counters.mail.update(written.mail)
        for rider, moved in zip(riders, written.moved, strict=True):
            rider.settle([one.delivery for one in moved])
        self._hand_over(written.deliveries, written.busy)
        for job, given in zip(jobs, written.results, strict=True):
            job.succeed(given)

    def _hand_over(self, deliveries: Sequence[Delivery], busy: set[tuple[str, str]]) -> None:
        """Let go what is due; what waits for the end of quiet hours is claimed then."""
        if due := [one for one in deliveries if not one.aside]:
            self._handover.take(due, busy)

    async def _isolate(self, jobs: Sequence["_Job"], riders: Sequence["_Rider"], error: Exception) -> None:
        if len(jobs) + len(riders) > 1:
            if riders and jobs:
                await self._settle((), riders)
                await self._settle(jobs, ())
            else:
                half = max(len(jobs), len(riders)) // 2
                await self._settle(jobs[:half], riders[:half])
                await self._settle(jobs[half:], riders[half:])
        elif riders:
            await self._isolate_rider(riders[0], error)
        else:
            await self._isolate_calls(jobs[0], error)

    async def _isolate_rider(self, rider: "_Rider", error: Exception) -> None:
        """Write results one by one; one that cannot be written is tried once more without its texts."""
        for one in rider.finished if len(rider.finished) > 1 else ():
            await self._settle((), (_Rider((one,), _nobody),))
        if len(rider.finished) == 1:
            await self._salvage(rider.finished[0], error)
        rider.settle([one.delivery for one in rider.finished])

    async def _salvage(self, one: Finished, error: Exception) -> None:
        bare = replace(one, attempt=replace(one.attempt, head=b"", body=b"", detail=""))
        try:
            await self._store.transact(lambda tx: tx.finish((bare,)))
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 - the delivery stays in the queue and is sent again
            await self._quarantine(msgspec.json.encode(one.attempt), error)

    async def _isolate_calls(self, job: "_Job", error: Exception) -> None:
        if len(job.calls) > 1:
            half = len(job.calls) // 2
            parts = (
                _Job(job.calls[:half], job.refused, 0, None, job.asked),
                _Job(job.calls[half:], 0, 0, None, job.asked),
            )
            for part in parts:
                await self._settle((part,), ())
            results: Sequence[Result] = [result for part in parts for result in part.results()]
        elif job.calls:
            await self._quarantine(msgspec.json.encode(job.calls[0]), error)
            detail = (
                "this could not be recorded because of a fault in Goniec; it is kept in quarantine for the operator"
            )
            results = [Refusal("internalError", detail)]
        else:
            job.fail(error)
            return
        if job.answering is not None:
            answering, now = job.answering, self._clock.now()
            await self._store.transact(lambda tx: tx.remember(answering.key, answering.compose(results), now))
        job.succeed(results)

    async def _quarantine(self, content: bytes, error: Exception) -> None:
        """Keep it for the operator. Raises `Unavailable` where not even that can be written: the store is at fault."""
        now = self._clock.now()
        try:
            await self._store.transact(lambda tx: tx.quarantine(content, f"{type(error).__name__}: {error}", now))
        except Unavailable:
            raise
        except Exception as worse:
            log.exception("quarantine.failed")
            raise Unavailable(TAKES_NOTHING) from worse


def _nobody(_: list[Delivery]) -> None:
    """For parts of a group whose caller is told once, at its end."""


class _Job:
    """One request's calls, and the future that its caller waits on.

    `asked` is the request as traces know it, `weight` what it adds to a transaction: its calls, and the more the more
    changes they bring.
    """

    __slots__ = ("answering", "asked", "calls", "done", "refused", "size", "weight")

    def __init__(
        self, calls: Sequence[Call], refused: int, size: int, answering: Answering | None, asked: Asked | None
    ) -> None:
        self.asked = asked
        self.calls = calls
        self.refused = refused
        self.size = size
        self.answering = answering
        self.weight = len(calls) + sum(len(call.changes) for call in calls) // CHANGES_PER_CALL
        self.done: asyncio.Future[Sequence[Result] | Remembered] = asyncio.get_running_loop().create_future()

    def succeed(self, results: Sequence[Result] | Remembered) -> None:
        """Tell the caller, unless it has gone."""
        if not self.done.done():
            self.done.set_result(results)

    def results(self) -> Sequence[Result]:
        """What a part that has been recorded came to."""
        results = self.done.result()
        return () if isinstance(results, Remembered) else results

    def fail(self, error: Exception) -> None:
        """Tell the caller that nothing was recorded, unless it has gone."""
        if not self.done.done():
            self.done.set_exception(error)


class _Rider:
    """Results of attempts, and whom to tell when they are on disk."""

    __slots__ = ("_done", "finished", "settled")

    def __init__(self, finished: Sequence[Finished], done: Callable[[list[Delivery]], None]) -> None:
        self.finished = finished
        self.settled = False
        self._done = done

    def settle(self, moved: list[Delivery]) -> None:
        """Tell, once."""
        self.settled = True
        self._done(moved)


class _Written(Struct, frozen=True):
    moved: list[list[Moved]]
    results: list[Sequence[Result] | Remembered] = []
    deliveries: list[Delivery] = []
    busy: set[tuple[str, str]] = set()
    mail: Sequence[str] = ()
