"""Several deliverers on one store and one clock, as if each were a process of its own; signals come when a test lets them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

from goniec.core.model import Status
from goniec.flow import deliver
from goniec.flow.deliver import Deliverer
from goniec.flow.leases import Leased
from goniec.flow.record import Locale
from goniec.ports import DeliveryFilter, Lease, Page, Signal, Store
from tests.core.build import happened
from tests.flow.workshop import Opening, Sender, Workshop, email, ok

Heard = Callable[[Signal, str], None]


class Worker:
    """One of them, with a sender of its own."""

    def __init__(self, crew: "Crew", name: str, *, delivers: bool = True) -> None:
        shop = crew.shop
        self.crew = crew
        self.name = name
        self.sender = Sender()
        self.told: list[tuple[Signal, tuple[str, ...]]] = []
        self.heard: list[Heard] = []
        self.leases = Leased(crew.store, shop.clock, name, delivers=delivers)
        self.deliverer = Deliverer(
            shop.store, self.sender, shop.vault, shop.clock, shop.dice, shop.recorder.finish, "Goniec/test",
            self.leases, self,
        )  # fmt: skip
        self.running = asyncio.create_task(self.deliverer.run())

    def tell(self, signal: Signal, endpoint_ids: Iterable[str] = ()) -> None:
        """Tell the others, unless the test wants silence."""
        ids = tuple(sorted(endpoint_ids))
        self.told.append((signal, ids))
        if self.crew.talking:
            for other in self.crew.workers.values():
                for heard in other.heard if other is not self else ():
                    for id in ids or ("",):
                        heard(signal, id)

    def hear(self, heard: Heard) -> None:
        """Listen."""
        self.heard.append(heard)

    @property
    def owned(self) -> Collection[str]:
        """The endpoints that it believes to own."""
        return sorted(name for name in self.leases.names if ":" not in name and self.leases.owns(name))

    async def round(self, rounds: int = 1) -> None:
        """Let it look at the table."""
        wanted = self.deliverer.rounds + 1 + rounds  # the one under way may have looked already
        while self.deliverer.rounds < wanted and not self.running.done():
            self.deliverer._outboxes.wake.set()
            await asyncio.sleep(0.001)

    async def stop(self) -> None:
        """End it as SIGTERM does."""
        self.deliverer.stop()
        await asyncio.wait_for(self.running, 10)
        self.heard.clear()


class Crew:
    """A workshop whose own deliverer does nothing, and those who do its work."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self.store: Store = shop.store
        self.talking = True
        self.workers: dict[str, Worker] = {}

    async def join(self, name: str, *, delivers: bool = True) -> Worker:
        """One more, which has looked once."""
        worker = self.workers[name] = Worker(self, name, delivers=delivers)
        for _ in range(10_000):
            if worker.deliverer.rounds or worker.running.done():
                break
            await asyncio.sleep(0.001)
        return worker

    async def later(self, seconds: float) -> None:
        """Let time pass, second by second, with a round of each in each, and renewals in their time."""
        for second in range(int(seconds)):
            self.shop.clock.at += 1_000
            for worker in self.workers.values():
                if worker.running.done():
                    continue
                if second % 10 == 0:
                    await worker.leases.renew()
                await worker.round()

    async def until(self, wanted: Callable[[], bool]) -> None:
        """Let time pass until something has happened."""
        for _ in range(200):
            if wanted():
                return
            await self.later(1)
        raise AssertionError("it never happens")

    async def leases(self) -> dict[str, Lease]:
        """What is owned, by the table."""
        return {lease.name: lease for lease in await self.store.queries.leases(self.shop.clock.now())}


async def visit(team: Crew, *endpoints: int, by: Worker | None = None, contact: str = "jan@x.pl") -> None:
    """An event that makes a delivery to each of these, recorded in the process of a worker, or elsewhere."""
    team.shop.handing_over = by is not None
    if by is not None:
        team.shop.deliverer = by.deliverer
    visits = tuple(happened(url=f"https://s.example/{n}/") for n in endpoints)
    await team.shop.record(email(contact, happenings=visits))


async def statuses(team: Crew) -> list[Status]:
    """How all deliveries stand."""
    found = await team.store.queries.deliveries(DeliveryFilter(), Page(1_000))
    return [one.status for one in found]


async def delivered(team: Crew) -> None:
    """Let time pass until all has arrived."""
    for _ in range(100):
        if set(await statuses(team)) <= {Status.DELIVERED}:
            return
        await team.later(1)
    raise AssertionError("it does not arrive")


@asynccontextmanager
async def crew(folder: Path, opening: Opening) -> AsyncIterator[Crew]:
    """A crew of nobody yet, on an empty store."""
    usual = deliver.CLAIM_SECONDS, deliver.POLL_SECONDS
    # tests do not wait, and nobody looks before the test lets him, however slow the machine is
    deliver.CLAIM_SECONDS, deliver.POLL_SECONDS = 0.001, 60.0  # type: ignore[misc] # given back at the end
    try:
        async with opening(folder) as (store, clock):
            shop = Workshop(store, Locale(ZoneInfo("Europe/Warsaw"), "PL"), clock)
            recording = asyncio.create_task(shop.recorder.run())
            shop.parts = [recording]
            made = Crew(shop)
            try:
                yield made
            finally:
                for worker in made.workers.values():
                    worker.sender.script = ok
                    await worker.stop()
                shop.recorder.stop()
                await asyncio.wait_for(recording, 10)
    finally:
        deliver.CLAIM_SECONDS, deliver.POLL_SECONDS = usual  # type: ignore[misc] # as it was
