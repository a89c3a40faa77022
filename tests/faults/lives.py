"""An installation through many lives, each ended by SIGKILL: at a step of the flow, at any time, around an outage.

Nothing in the engine knows of this. Its clients and receivers see how far it has come, and end it there. A series is one
database through many lives; what came of it is for `check` to say.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.e2e.engine import PATIENCE, Engine, eventually, until
from tests.e2e.nursery import nursery
from tests.faults.check import Town
from tests.faults.load import Load
from tests.faults.trap import Step, Trap
from tests.faults.wire import Wire
from tests.faults.witness import Witness
from tests.postgres import database

EAGER: Final = """
from goniec.core import breaker
breaker.PROBE_FIRST, breaker.PROBE_LAST, breaker.SECOND = 1, 2, 150
"""
"""An engine that soon asks whether an endpoint is back."""

BRIEF: Final = """
from goniec import app
from goniec.flow import outboxes
app.LEASE_SECONDS, outboxes.MARGIN_SECONDS = 4.0, 1.0
"""
"""A process whose leases are so short that a test can wait for their end; see `hasty`."""
HASTY_SECONDS: Final = 1

KEY: Final = "k" * 32
"""What the processes of a shared database have in common."""

REST_SECONDS: Final = 0.02
"""Between two requests of a client: what it leaves to be checked is what a series costs."""


class Lives:
    """One installation through many lives, under load."""

    def __init__(
        self, engine: Engine, witness: Witness, load: Load, trap: Trap, chance: random.Random, wire: Wire
    ) -> None:
        self.engine = engine
        self.witness = witness
        self.load = load
        self.trap = trap
        self.chance = chance
        self.wire = wire
        self.kills = 0

    def kill(self) -> None:
        """End the engine, whatever it does."""
        self.engine.kill()
        self.kills += 1

    async def live(self, death: "Death") -> None:
        """Live until that death, and rise again."""
        await self.load.go()
        await death(self)
        self.load.pause()
        await self.engine.gone()
        await self.rise()

    async def rise(self) -> None:
        await self.witness.next_life()
        await self.engine.start()

    async def sprung(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.load.meanwhile(self.trap.sprung.wait())

    async def some_time(self, most: float, least: float = 0.0) -> None:
        await self.load.meanwhile(asyncio.sleep(self.chance.uniform(least, most)))


Death = Callable[[Lives], Awaitable[None]]


def at(step: Step, most: int, *, within: float = 0.0) -> Death:
    """Be killed when a step is taken for the nth time, or up to so many seconds after it."""

    async def die(lives: Lives) -> None:
        after = lives.chance.uniform(0, within)
        lives.trap.set(step, lives.chance.randint(1, most), lives.kill, after)
        await lives.sprung()

    return die


async def at_any_time(lives: Lives) -> None:
    await lives.some_time(0.8)
    lives.kill()


async def while_recovering(lives: Lives) -> None:
    """With work left over from the life before, and clients who come back."""
    await lives.some_time(0.05)
    lives.kill()


async def while_starting(lives: Lives) -> None:
    """Twice in a row before it is ready."""
    await lives.some_time(0.3)
    lives.kill()
    lives.load.pause()
    for _ in range(2):
        await lives.engine.gone()
        await lives.witness.next_life()
        lives.engine.spawn()
        await asyncio.sleep(lives.chance.uniform(0, 0.4))
        lives.kill()


async def while_the_log_is_moved(lives: Lives) -> None:
    """The engine moves a long log into its file once it has nothing else to do for a moment."""
    lives.load.fat, lives.load.rest = 60_000, 0
    await lives.some_time(0.4, 0.2)
    lives.load.pause()
    await lives.load.still()
    lives.load.fat, lives.load.rest = 0, REST_SECONDS
    await asyncio.sleep(lives.chance.uniform(0.03, 0.15))
    lives.kill()


async def while_the_log_is_moved_under_load(lives: Lives) -> None:
    """A log of 16 MB is moved even while work waits."""
    lives.load.fat, lives.load.rest = 60_000, 0
    await lives.some_time(1.2, 0.6)
    lives.load.fat, lives.load.rest = 0, REST_SECONDS
    lives.kill()


async def while_stopping(lives: Lives) -> None:
    await lives.some_time(0.3)
    lives.engine.terminate()
    await asyncio.sleep(lives.chance.uniform(0, 0.25))
    lives.kill()


DEATHS: Final[dict[str, Death]] = {
    "at any time": at_any_time,
    "half of a request is sent": at(Step.HALF_SENT, 60),
    "a request is sent": at(Step.SENT, 60),
    "a request is sent, and a moment": at(Step.SENT, 60, within=0.02),
    "a request is answered": at(Step.ACCEPTED, 60),
    "a webhook is seen": at(Step.SEEN, 300),
    "a webhook is half answered": at(Step.HALF_ANSWERED, 300),
    "a webhook is answered": at(Step.ANSWERED, 300),
    "a webhook is answered, and a moment": at(Step.ANSWERED, 300, within=0.05),
    "recovering": while_recovering,
    "starting": while_starting,
    "the log is moved": while_the_log_is_moved,
    "the log is moved under load": while_the_log_is_moved_under_load,
    "stopping": while_stopping,
}


async def while_a_receiver_is_down(lives: Lives) -> None:
    """Its breaker opens, and open it stays over the kill."""
    await _opened(lives)
    await lives.some_time(0.2)
    lives.kill()
    lives.witness.mend()


async def while_it_is_asked(lives: Lives) -> None:
    """With a probe under way."""
    await _opened(lives)
    await at(Step.SEEN, 2)(lives)
    lives.witness.mend()


async def while_it_drains(lives: Lives) -> None:
    """It is back, and what waited goes out."""
    await _opened(lives)
    await lives.some_time(0.2)
    lives.witness.mend()
    await at(Step.ANSWERED, 100, within=0.05)(lives)


OUTAGES: Final[dict[str, Death]] = {
    "a receiver is down": while_a_receiver_is_down,
    "it is asked whether it is back": while_it_is_asked,
    "it drains": while_it_drains,
}


async def _opened(lives: Lives) -> None:
    """Break the receiver, and wait for a breaker to open; it may be open since an earlier life."""

    async def is_open() -> bool:
        return any(one["nextProbeAt"] is not None for one in await lives.engine.everything("/endpoints"))

    lives.witness.break_down()
    await lives.load.meanwhile(eventually(is_open, "a breaker is open"))


@asynccontextmanager
async def lives(
    folder: Path, seed: int, *, machine: str = EAGER, wired: bool = False, **settings: str
) -> AsyncIterator[tuple[Lives, Town]]:
    """An installation with its clients and its receiver, on a machine of which something may be different.

    Where it is `wired`, webhooks go over a way that can be cut.
    """
    chance, trap = random.Random(seed), Trap()
    engine = Engine(folder, **settings)
    async with Witness(trap, random.Random(seed), fails=0.03) as witness, Wire(witness.port) as wire:
        if wired:
            witness.port = wire.port
        try:
            engine.machine, engine.bear = machine, nursery().bear
            await engine.start()
            town = Town(engine, witness)
            await town.found()
            load = Load(engine, trap, chance)
            load.rest = REST_SECONDS
            try:
                yield Lives(engine, witness, load, trap, chance, wire), town
            finally:
                await load.cancel()
        finally:
            await engine.close()


@asynccontextmanager
async def on_sqlite(folder: Path, seed: int) -> AsyncIterator[tuple[Lives, Town]]:
    """Have it on a file."""
    async with lives(folder, seed) as made:
        yield made


@asynccontextmanager
async def on_postgres(folder: Path, seed: int) -> AsyncIterator[tuple[Lives, Town]]:
    """Have it on a database that it might share, with leases that are brief."""
    async with (
        database() as url,
        lives(folder, seed, machine=EAGER + BRIEF, database=url, secret_key=KEY) as (one, town),
    ):
        await hasty(one.engine, town)
        yield one, town


@asynccontextmanager
async def worker(one: Engine, name: str, *, machine: str = "", **settings: str) -> AsyncIterator[Engine]:
    """A further process on the database of an engine, which only delivers; on a like machine, if on no other."""
    folder = one.folder / name
    folder.mkdir()
    made = Engine(folder, **{**one.settings, "role": "worker", **settings})
    made.machine, made.bear = machine or one.machine, nursery().bear
    made.share_keys([one])
    try:
        await made.start()
        yield made
        assert await made.stop() == 0
    finally:
        await made.close()


async def hasty(engine: Engine, town: Town) -> None:
    """Let every request end well within a lease that is brief, for none starts that might outlast it."""
    for endpoint in town.endpoints.values():
        await engine.patch(f"/endpoints/{endpoint}", {"timeout": HASTY_SECONDS, "connectTimeout": HASTY_SECONDS})


async def survived(one: Lives, town: Town, least: int = 100, *, killed: bool = True) -> None:
    """A last life that ends well; so many events at least were taken in all lives together."""
    await one.load.go()
    await one.some_time(0.2)
    await one.load.end()
    one.witness.fails = 0  # what waits behind a failure waits a second; there were enough of those
    count = await town.check(one.load.account, killed=killed)
    assert count >= len(one.load.account.recorded) > least


async def logged(one: Lives, event: str) -> None:
    """Wait until the engine has said so in this life."""
    await until(lambda: any(line.get("event") == event for line in one.engine.log()), f"it says {event}")
