"""One process of a world, from its start to its end: the real parts, and the ports through which they see the world."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from goniec.core.decide import Call
from goniec.core.letters import Manner
from goniec.core.model import Delivery
from goniec.core.times import SECOND, Millis
from goniec.flow.batch import Duplicate, Recorded
from goniec.flow.configure import Outside
from goniec.flow.deliver import Deliverer
from goniec.flow.jobs import Jobs
from goniec.flow.leases import Alone, Leased
from goniec.flow.owners import Owners
from goniec.flow.record import Locale, Recorder
from goniec.flow.upkeep import Upkeep
from goniec.ports import Answer, Outgoing, Posting, Remembered, Signal
from tests.flow.workshop import Vault
from tests.simulate.disk import Attached
from tests.simulate.guard import Lenient
from tests.simulate.loop import PROCESS, Process

if TYPE_CHECKING:
    from tests.simulate.world import World

LOCALE: Final = Locale(ZoneInfo("Europe/Warsaw"), "PL")
LEASE_SECONDS: Final = 9.0
"""A request takes 5 s at most, and all that is ours is renewed every 2.25 s."""
RETENTION_DAYS: Final = 12
"""A day of upkeep takes a second here."""
MANNER: Final = Manner("en", ZoneInfo("Europe/Warsaw"), "https://goniec.example")


class Life(Process):
    """One process, from its start to its end."""

    def __init__(self, world: "World", n: int) -> None:
        super().__init__(world.loop)
        self.world = world
        self.n = n
        self.name = f"life {n}"
        self.alive = True
        self.store = Attached(world.disk)
        shared = world.plan.workers is not None
        self.skew: Millis = world.rng.choice((0, 0, -300, 300)) * SECOND if shared else 0
        self.recorder = Recorder(self.store, self, world, self, LOCALE)
        leases = Leased(self.store, self, self.name, LEASE_SECONDS) if shared else Alone()
        self.deliverer = Deliverer(
            self.store, self, Vault(), self, world, self.recorder.finish, "Goniec/sim", leases, self, self
        )
        self.outside = Outside(self.store, Vault(), self, world, Lenient(), self)
        self.heard: Callable[[Signal, str], None] = lambda _, __: None
        self._duties = Leased(self.store, self, self.name, LEASE_SECONDS) if shared else Alone()
        self._parts = [
            world.loop.create_task(part, context=self.context)
            for part in (self.recorder.run(), self.deliverer.run(), *self._house())
        ]

    def _house(self) -> Iterator[Coroutine[Any, Any, None]]:
        """What goes on beside, in histories that have a use for it."""
        chores, duties = self.world.people.chores, self._duties
        if "jobs" in chores:
            yield Jobs(self.store, self, self, duties).run()
        if "retention" in chores:
            yield Upkeep(self.store, self, RETENTION_DAYS, 10_000, duties).run()
        if "mail" in chores:
            yield Owners(self.store, self, self.world.people.postman, MANNER).run()

    @property
    def idle(self) -> bool:
        """Whether it has nothing left to do."""
        return self.deliverer.idle and not self.recorder.waiting and not self.recorder._riders

    async def record(self, call: Call) -> list[str]:
        """Record a call; gives the ids of its events."""
        results = await self.recorder.record((call,))
        assert not isinstance(results, Remembered)
        (result,) = results
        if isinstance(result, Recorded):
            return list(result.happened)
        assert isinstance(result, Duplicate)
        return [result.event_id]

    def kill(self) -> None:
        """End it here: nothing of it reaches the outside any more."""
        self.alive = self.store.alive = False
        self.wake()
        self.deliverer._outboxes.stopping = True  # a timer that still rings is to start nothing
        for task in (*self._parts, *self.deliverer._outboxes.tasks):
            task.cancel()

    async def end(self) -> None:
        """End it as SIGTERM does."""
        for part in self._parts[2:]:
            part.cancel()
        await asyncio.gather(*self._parts[2:], return_exceptions=True)
        await self._duties.let_go(self._duties.names)
        self.context.run(self.deliverer.stop)
        await asyncio.wait([self._parts[1]])
        self.recorder.stop()
        await asyncio.wait([self._parts[0]])
        self.alive = self.store.alive = False

    def faults(self) -> list[str]:
        """What its parts died of."""
        done = (part for part in self._parts if part.done() and not part.cancelled())
        return [f"life {self.n}: {error!r}" for part in done if (error := part.exception()) is not None]

    # ports

    def now(self) -> Millis:
        """Wall time, as it is set here."""
        return self.world.now() + self.skew

    def monotonic(self) -> float:
        """The clock that never jumps."""
        return self.world.loop.time()

    def take(self, deliveries: Sequence[Delivery], busy: set[tuple[str, str]]) -> None:
        """Hand over."""
        if self.alive:
            self.deliverer.take(deliveries, busy)

    def _within(self, notice: Callable[[str], None], endpoint_id: str) -> None:
        """Tell it as this process, whoever calls."""
        if PROCESS.get() is self:
            notice(endpoint_id)
        else:
            self.context.run(notice, endpoint_id)

    def changed(self, endpoint_id: str) -> None:
        """Notice."""
        self._within(self.deliverer.changed, endpoint_id)

    def kick(self, endpoint_id: str) -> None:
        """Notice."""
        self._within(self.deliverer.kick, endpoint_id)

    def tell(self, signal: Signal, endpoint_ids: Iterable[str] = ()) -> None:
        """Tell the others."""
        self.world.tell(self, signal, endpoint_ids)

    def hear(self, heard: Callable[[Signal, str], None]) -> None:
        """Hear the others."""
        self.heard = heard

    async def send(self, request: Outgoing) -> Answer:
        """Send."""
        return await self._out(self.world.network.send(self.n, request))

    async def post(self, posting: Posting) -> Answer:
        """Hand a mail in."""
        mailing, asked = self.world.mailing, self.store.asked.pop(asyncio.current_task(), None)
        at, contact = asked or (self.world.loop.time(), mailing.now(posting.contact_id))
        return await self._out(mailing.post(self, posting, at, contact))

    async def _out(self, going: Coroutine[Any, Any, Answer]) -> Answer:
        """What is on its way arrives, whether or not the machine stands still that has sent it."""
        if not self.alive:
            going.close()
            await self.world.loop.create_future()
        answer = await self.world.loop.create_task(going, context=Context())
        if not self.alive:
            await self.world.loop.create_future()
        return answer

    async def close(self) -> None:
        """Nothing to close."""
