"""A world from a seed: what happens in it, and the one whole run of it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from goniec.core import breaker, tidings
from goniec.core.endpoint import MAIL, Endpoint
from goniec.core.parts import parsed, part_name, part_of
from goniec.core.retry import Policy
from goniec.core.signing import encode_secret, verify
from goniec.core.tidings import Tidings
from goniec.core.times import SECOND, Millis
from goniec.flow import deliver, health, jobs, outbox, outboxes, owners, sending, shares, upkeep
from goniec.flow.configure import Outside
from goniec.flow.endpoint_drafts import EndpointDraft
from goniec.flow.endpoints import change_endpoint, resume_endpoint
from goniec.flow.leases import DUTY
from goniec.ports import Outgoing, Signal, Tx, Unavailable
from goniec.store.sqlite.driving import drive
from tests.core.build import NOW, happened, rule
from tests.flow.workshop import Vault, email
from tests.simulate import mailing
from tests.simulate.disk import Disk
from tests.simulate.life import LEASE_SECONDS, Life
from tests.simulate.loop import Asleep, VirtualLoop
from tests.simulate.mailing import Mailing
from tests.simulate.people import BUSY_SECONDS, SCHEDULES, People, Setting
from tests.simulate.receivers import MODES, WEIGHTS, Network

CALM_SECONDS: Final = 1_500
"""So long that may take."""


T = TypeVar("T")

_decode_tidings: Final = msgspec.json.Decoder(dict[str, Tidings]).decode

_SCALE: Final = (
    (deliver, "CLAIM_SECONDS", 0.02),
    (deliver, "POLL_SECONDS", 6.0),
    (health, "AWAY_SECONDS", 6.0),
    (health, "HURRY", 3),
    (outboxes, "MEMORY", 12),
    (sending, "FLYING", 6),
    (outboxes, "MARGIN_SECONDS", 1.0),
    (shares, "IDLE_SECONDS", 8.0),
    (outbox, "HELD_SURE", 3),
    (jobs, "BITE", 4),
    (jobs, "LOOK_SECONDS", 2.0),
    (jobs, "PACE_SECONDS", 0.5),
    (jobs, "REST_SECONDS", 0.1),
    (upkeep, "DAY", SECOND),
    (upkeep, "BITE", 8),
    (upkeep, "BITE_MOST", 16),
    (upkeep, "LOOK_SECONDS", 4.0),
    (owners, "LOOK_SECONDS", 4.0),
    (tidings, "HOUR", 20 * SECOND),
    (tidings, "TAKEN", 10 * SECOND),
    (tidings, "_AGAIN_FIRST", SECOND),
    (tidings, "_AGAIN_LAST", 8 * SECOND),
    (breaker, "PROBE_FIRST", 3),
    (breaker, "PROBE_LAST", 12),
)
"""Hours become seconds and thousands a handful, so that what happens at the edges happens all the time.

What other tests set too stands here though it is as usual: a number has to be the same history after whichever tests.
"""


LAG_SECONDS: Final = 8.0
"""By when a process has looked what others have changed, if nobody tells it."""


class Plan(Struct, frozen=True):
    """How much of what is to happen. Where there is no number of `workers`, one process has the disk to itself."""

    endpoints: int
    contacts: int
    calls: int
    deaths: int
    jumps: int
    workers: int | None
    stalls: int
    signals: bool


class Died(Struct):
    """A life of a process, and whether it was killed, or may have lost a lease because it stood still."""

    killed: bool = False
    stalled: bool = False

    @property
    def cut_off(self) -> bool:
        """Whether what it had in hand may have been sent by another one too."""
        return self.killed or self.stalled


class World:
    """Everything there is."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.seed = seed
        self.loop = VirtualLoop()
        self.disk = Disk(rng, self.true_time)
        self.network = Network(rng)
        self.plan = Plan(
            rng.randint(1, 3),
            rng.randint(1, 4),
            rng.randint(2, 12),
            rng.choice((0, 1, 1, 2, 4)),
            rng.choice((0, 0, 1, 2)),
            rng.choice((None, None, 1, 2, 2, 3)),
            rng.choice((0, 1, 1, 2)),
            rng.random() < 0.7,
        )
        # of its own chance, so that the histories without are what they were
        splitting = random.Random(f"split {seed}")
        self.split = self.plan.workers is not None and splitting.random() < 0.3
        """Whether the first endpoint is in parts at times."""
        self.turns = [splitting.random() * BUSY_SECONDS for _ in range(splitting.choice((0, 0, 1, 2, 3)))]
        """When that is changed."""
        if self.split:
            self.network.part = self._part
            self.network.tenure = self._tenure
        self.people = People(self, seed)
        self.mailing = Mailing(self, seed)
        if self.people.tunes:
            self.network.look = self._look
        self.offset: Millis = 0
        self.lives: list[Died] = []
        self.living: list[Life | None] = [None] * (self.plan.workers or 1)
        self.lag = 0.0 if self.plan.workers is None else LAG_SECONDS
        self.policies: dict[str, Policy] = {}
        self.accepted: list[str] = []
        self.telling: list[str] = []
        """The rules that tell of everything that happens."""
        self.troubles: list[tuple[float, float]] = []
        self.wrong: list[str] = []
        self.story: list[str] = []

    @property
    def steady(self) -> bool:
        """Whether all clocks were right all the time, and nobody has died or stood still."""
        plan = self.plan
        return not (plan.deaths or plan.jumps or plan.stalls or self.lag)

    def say(self, text: str) -> None:
        """Tell what happens."""
        self.story.append(f"{self.loop.time():9.3f}  {text}")

    def write(self, lines: str) -> None:
        """Hear what the flow logs (as its stream); an error is none that may happen."""
        for line in lines.splitlines():
            _, _, said = line.partition(" ")
            self.say(said)
            if said.startswith("error"):
                self.wrong.append(said)

    def flush(self) -> None:
        """All is heard at once."""

    def true_time(self) -> Millis:
        """How late it really is."""
        return NOW + int(self.loop.time() * SECOND)

    def tell(self, by: "Life", signal: Signal, endpoint_ids: Iterable[str]) -> None:
        """Bring to the others what a process tells, later or never."""
        for life in self.living:
            if life is not None and life is not by and self.plan.signals and self.rng.random() < 0.9:
                for id in sorted(endpoint_ids) or [""]:
                    self.loop.call_later(self.rng.random() * 0.1, life.context.run, life.heard, signal, id)

    # the ports that are the same in every life

    def now(self) -> Millis:
        """Wall time."""
        return NOW + int(self.loop.time() * SECOND) + self.offset

    def monotonic(self) -> float:
        """The clock that never jumps."""
        return self.loop.time()

    def bits(self, n: int) -> int:
        """Chance."""
        return self.rng.getrandbits(n)

    def jitter(self) -> float:
        """Chance."""
        return self.rng.uniform(-1, 1)

    # what happens

    def run(self) -> list[str]:
        """Live through it; gives what was wrong."""
        with self._scaled():
            try:
                self.loop.run_until_complete(self._history())
            except Asleep:
                self.wrong.append("everybody waits for something that nobody will do")
            self.wrong += self.loop.faults
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.run_until_complete(asyncio.sleep(0))
            self.loop.close()
        return self.wrong

    @contextmanager
    def _scaled(self) -> Iterator[None]:
        before = [(module, name, getattr(module, name)) for module, name, _ in _SCALE]
        for module, name, value in _SCALE:
            setattr(module, name, value)
        try:
            yield
        finally:
            for module, name, value in before:
                setattr(module, name, value)

    async def _history(self) -> None:
        self._furnish()
        for place in range(len(self.living)):
            self.start(place)
        rng = self.rng
        events = [self._call(n) for n in range(self.plan.calls)]
        events += [self._weather(id) for id in self.policies]
        events += [self._death() for _ in range(self.plan.deaths)]
        events += [self._jump() for _ in range(self.plan.jumps)]
        if self.plan.workers is not None:
            events += [self._stall() for _ in range(self.plan.stalls)]
        if self.split:
            events.append(self._turn())
        events += [self.people.act(None, rng) for _ in range(rng.choice((0, 0, 1, 3)))]
        events += [self.people.act(kind, self.people.rng) for kind in self.people.plan]
        events += [self._trouble() for _ in range(rng.choice((0, 0, 1)))]
        events += [self.mailing.act(kind) for kind in self.mailing.acts]
        await asyncio.gather(*events)
        self.say("all is well from now on")
        self.disk.full, self.disk.slow = False, 0
        self.network.modes.clear()
        for id in self.policies:
            await self.insist(lambda outside, id=id: resume_endpoint(outside, id))  # type: ignore[misc] # bound at once
        end = self.loop.time() + CALM_SECONDS
        while not self._at_rest():
            if self.loop.time() > end:
                self.wrong.append("it does not come to rest")
                break
            await asyncio.sleep(3)
            await self._resume_the_gone()
        for life in self.living:
            assert life is not None
            await life.end()
            self.wrong += life.faults()
        ended = {life.name for life in self.living if life is not None}
        for lease in drive(self.disk.queries.leases(self.true_time())):
            # a duty that was just being taken runs out by itself
            if lease.owner in ended and lease.left > 0 and not lease.name.startswith(DUTY):
                self.wrong.append(f"{lease.owner} has ended, and owns {lease.name}")

    async def _resume_the_gone(self) -> None:
        """A 410 that was under way may come in when all is well already."""
        for id in self.policies:
            endpoint = await self.disk.queries.endpoint(id)
            if endpoint is not None and endpoint.paused is not None:
                await self.insist(partial(resume_endpoint, endpoint_id=id))

    def _furnish(self) -> None:
        rng = self.rng
        endpoints, rules = [], []
        for n in range(self.plan.endpoints):
            id = f"end_{n}"
            policy = {
                "schedule": rng.choice(SCHEDULES), "timeout": rng.choice((1, 5)), "concurrency": rng.choice((1, 2, 16)),
                "order": rng.random() < 0.8, "orderHold": rng.choice((0, 5, 1800)), "breaker": rng.random() < 0.8,
                "rate": rng.choice((None, None, 1, 4)),
            }  # fmt: skip
            if self.split and n == 0:
                policy |= {"concurrency": 8 if policy["concurrency"] == 1 else 16, "split": True}
            self.policies[id] = msgspec.convert(self.people.draw(id, policy), Policy)
            setting = Setting(self.policies[id], f"https://{id}.example/hook", b"s" * 32, 0.0)
            self.people.settings[id] = [setting]
            endpoints.append(
                Endpoint(
                    id=id, version=1, url=setting.url, created_at=NOW, updated_at=NOW, policy=setting.policy,
                    secret=Vault().seal(id, encode_secret(setting.secret)),
                )
            )  # fmt: skip
            hook = {"type": "webhook", "endpointId": id}
            actions = [hook] if rng.random() < 0.7 else [hook, {"type": "addTag", "tag": f"T{n}"}, hook]
            self.telling.append(f"rul_{n}")
            rules.append(rule(f"rul_{n}", triggers=[{"type": "page.visited"}], actions=actions))
            if rng.random() < 0.3:
                rules.append(
                    rule(f"rul_{n}f", triggers=[{"type": "webhook.failed"}], actions=[{"type": "addTag", "tag": "F"}])
                )

        if self.mailing.on:
            endpoints.append(self.mailing.endpoint())
            rules += self.mailing.sending()

        async def work(tx: Tx) -> None:
            for endpoint in endpoints:
                await tx.put_endpoint(endpoint)
            for one in rules:
                await tx.put_rule(one)
            if self.mailing.on:
                await self.mailing.furnish(tx)

        self.disk.commit(work)

    def start(self, place: int) -> None:
        """Begin the next life."""
        self.lives.append(Died())
        self.living[place] = Life(self, len(self.lives) - 1)

    def anybody(self) -> "Life | None":
        """A process that takes calls."""
        living = [life for life in self.living if life is not None and not life.stalled]
        return self.rng.choice(living) if living else None

    async def _call(self, n: int) -> None:
        await asyncio.sleep(self.rng.random() * BUSY_SECONDS * self.rng.random())
        visit = happened(url=f"https://s.example/{n}")
        visit = msgspec.structs.replace(visit, dedup_key=f"k{n}", digest=b"d%d" % n)
        call = email(f"c{self.rng.randrange(self.plan.contacts)}@x.pl", happenings=(visit,))
        while True:
            if (life := self.anybody()) is not None:
                try:
                    async with asyncio.timeout(20):
                        ids = await life.record(call)
                except (Unavailable, TimeoutError) as error:
                    self.say(f"call {n}: {type(error).__name__}")
                else:
                    self.say(f"call {n}: accepted {ids}")
                    self.accepted += ids
                    return
            await asyncio.sleep(1)

    async def _weather(self, endpoint: str) -> None:
        known = dict(zip(MODES, WEIGHTS, strict=True))
        if endpoint == MAIL:
            known = dict(zip(mailing.MODES, mailing.WEIGHTS, strict=True))
        elif self.policies[endpoint].rate is not None:
            del known["stale"]
        modes, weights = list(known), list(known.values())
        while self.loop.time() < BUSY_SECONDS:
            self.network.modes[endpoint] = mode = self.rng.choices(modes, weights)[0]
            self.say(f"{endpoint} is {mode}")
            await asyncio.sleep(self.rng.random() * 12)

    async def _death(self) -> None:
        await asyncio.sleep(self.rng.random() * BUSY_SECONDS)
        place = self.rng.randrange(len(self.living))
        life, self.living[place] = self.living[place], None
        if life is None:
            return
        if self.rng.random() < 0.7:
            self.say(f"life {life.n} is killed")
            life.kill()
            self.lives[life.n].killed = True
        else:
            self.say(f"life {life.n} is asked to stop")
            await life.end()
            self.say(f"life {life.n} has stopped")
        self.wrong += life.faults()
        await asyncio.sleep(self.rng.random() * 5)
        self.start(place)
        self.say(f"life {len(self.lives) - 1} has started")

    async def _stall(self) -> None:
        """A machine stands still, or cannot reach the disk, for longer than a lease lasts or not so long."""
        await asyncio.sleep(self.rng.random() * BUSY_SECONDS)
        life = self.anybody()
        if life is None:
            return
        self.lives[life.n].stalled = True
        if self.rng.random() < 0.5:
            self.say(f"life {life.n} is cut off from the disk")
            life.store.cut_off = True
        else:
            self.say(f"life {life.n} stands still")
            life.stalled = True
        await asyncio.sleep(self.rng.random() * 2 * LEASE_SECONDS)
        self.say(f"life {life.n} goes on")
        life.store.cut_off = False
        life.wake()

    async def _jump(self) -> None:
        await asyncio.sleep(self.rng.random() * BUSY_SECONDS)
        self.offset += self.rng.choice((-120, -30, 30, 600)) * SECOND
        self.say(f"the clock jumps; it is {self.offset // SECOND} s ahead")

    async def _trouble(self) -> None:
        await asyncio.sleep(self.rng.random() * BUSY_SECONDS)
        if self.rng.random() < 0.5:
            self.say("the disk is full")
            self.disk.full = True
        else:
            self.say("the disk is slow")
            self.disk.slow = 4
        since = self.loop.time()
        await asyncio.sleep(self.rng.random() * 15)
        self.disk.full, self.disk.slow = False, 0
        self.troubles.append((since, self.loop.time()))
        self.say("the disk is well")

    def heard(self, at: float) -> float:
        """By when all processes have heard of what was changed then: a disk in trouble keeps it from them."""
        if self.lag:
            at = max([at, *(until for since, until in self.troubles if since - self.lag <= at < until)])
        return at + self.lag

    async def _turn(self) -> None:
        """Somebody has the first endpoint whole again, or in parts."""
        split = True
        for at in sorted(self.turns):
            await asyncio.sleep(at - self.loop.time())
            split = not split
            draft = EndpointDraft(split=split)
            await self.insist(lambda outside, draft=draft: change_endpoint(outside, "end_0", draft, None))  # type: ignore[misc] # bound at once
            self.say(f"end_0 is {'in parts' if split else 'whole'}")

    def _look(self, endpoint: str, request: Outgoing) -> None:
        """See that a request is as the endpoint is to be: it goes where it should, and is signed as it should."""
        at, head = self.loop.time(), dict(request.headers)
        now = int(head["webhook-timestamp"]) * SECOND
        for setting in self.in_force(endpoint, at, at):
            if request.url == setting.url and verify(setting.secret, head, request.body, now) is None:
                return
        self.wrong.append(f"{head['webhook-id']} went to {request.url} at {at:.3f}, not as {endpoint} was to be then")

    def in_force(self, endpoint: str, since: float, until: float) -> list[Setting]:
        """How an endpoint may have been in some time."""
        known = self.people.settings[endpoint]
        return [one for one in known if one.since <= until and since <= self.heard(one.until)]

    def _part(self, endpoint: str, delivery: str) -> str:
        """What a request counts for where owners and their pace are looked at."""
        if endpoint != "end_0":
            return endpoint
        contact = self.disk.db.execute("SELECT contact_id FROM all_deliveries WHERE id = ?", (delivery,)).get
        return part_name(endpoint, part_of(contact))

    def _tenure(self, part: str) -> int:
        """Who takes it anew knows nothing of when it was sent to last."""
        sql = "SELECT coalesce(sum(epoch), 0) FROM leases WHERE name IN (?, ?)"
        return int(self.disk.db.execute(sql, (part, parsed(part)[0])).get)

    async def insist(self, act: Callable[[Outside], Awaitable[T]]) -> T:
        """Do something as a person does: again, until it is done."""
        return await self.insist_in(lambda life: act(life.outside))

    async def insist_in(self, act: Callable[[Life], Awaitable[T]]) -> T:
        """Do it in any process that takes calls."""
        while True:
            if (life := self.anybody()) is not None:
                try:
                    async with asyncio.timeout(20):
                        return await act(life)
                except (Unavailable, TimeoutError):
                    pass
            await asyncio.sleep(1)

    def _at_rest(self) -> bool:
        if self.disk.db.execute("SELECT EXISTS (SELECT 1 FROM queue)").get:
            return False
        if self.people.chores and not self._done():
            return False
        return all(life is not None and life.idle for life in self.living)

    def _done(self) -> bool:
        """Whether no job goes on, and owners were told everything."""
        if self.disk.db.execute("SELECT EXISTS (SELECT 1 FROM jobs WHERE running IS NOT NULL)").get:
            return False
        if "mail" not in self.people.chores:
            return True
        told = self.disk.db.execute("SELECT value FROM marks WHERE name = ?", (owners.MARK,)).get
        return not told or all(one.empty for one in _decode_tidings(told).values())
