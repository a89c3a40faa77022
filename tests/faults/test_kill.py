"""SIGKILL, again and again, at every step of the flow and at any time: nothing that was promised is lost or doubled.

Nothing in the engine knows of this. Its clients and receivers see how far it has come, and end it there. A series is one
database through many lives; each seed is another series, and is in the name of its test.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.engine import DAYS_BEHIND, PATIENCE, Engine
from tests.faults.check import Town
from tests.faults.client import Client
from tests.faults.load import Load, event
from tests.faults.trap import Step, Trap
from tests.faults.witness import Witness

SEEDS: Final = range(1, 4)
"""Each series is as many lives as there are ways to die."""

SOAK_LIVES: Final = int(os.environ.get("GONIEC_SOAK_LIVES", "2000"))


class Lives:
    """One installation through many lives, under load."""

    def __init__(self, engine: Engine, witness: Witness, load: Load, trap: Trap, chance: random.Random) -> None:
        self.engine = engine
        self.witness = witness
        self.load = load
        self.trap = trap
        self.chance = chance

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
        lives.trap.set(step, lives.chance.randint(1, most), lives.engine.kill, after)
        await lives.sprung()

    return die


async def at_any_time(lives: Lives) -> None:
    await lives.some_time(0.8)
    lives.engine.kill()


async def while_recovering(lives: Lives) -> None:
    """With work left over from the life before, and clients who come back."""
    await lives.some_time(0.05)
    lives.engine.kill()


async def while_starting(lives: Lives) -> None:
    """Twice in a row before it is ready."""
    await lives.some_time(0.3)
    lives.engine.kill()
    lives.load.pause()
    for _ in range(2):
        await lives.engine.gone()
        await lives.witness.next_life()
        lives.engine.spawn()
        await asyncio.sleep(lives.chance.uniform(0.05, 0.7))
        lives.engine.kill()


async def while_the_log_is_moved(lives: Lives) -> None:
    """The engine moves a long log into its file once it has nothing else to do for a moment."""
    lives.load.fat = 30_000
    await lives.some_time(0.5, 0.2)
    lives.load.pause()
    await lives.load.still()
    lives.load.fat = 0
    await asyncio.sleep(lives.chance.uniform(0.03, 0.15))
    lives.engine.kill()


async def while_the_log_is_moved_under_load(lives: Lives) -> None:
    """A log of 16 MB is moved even while work waits."""
    lives.load.fat = 60_000
    await lives.some_time(1.5, 0.7)
    lives.load.fat = 0
    lives.engine.kill()


async def while_stopping(lives: Lives) -> None:
    await lives.some_time(0.3)
    lives.engine.terminate()
    await asyncio.sleep(lives.chance.uniform(0, 0.25))
    lives.engine.kill()


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


@asynccontextmanager
async def lives(folder: Path, seed: int, *, machine: str = "") -> AsyncIterator[tuple[Lives, Town]]:
    """An installation with its clients and its receiver."""
    chance, trap = random.Random(seed), Trap()
    engine = Engine(folder)
    async with Witness(trap, random.Random(seed), fails=0.03) as witness:
        try:
            engine.machine = machine
            await engine.start()
            town = Town(engine, witness)
            await town.found()
            load = Load(engine, trap, chance)
            try:
                yield Lives(engine, witness, load, trap, chance), town
            finally:
                await load.cancel()
        finally:
            await engine.close()


async def series(folder: Path, seed: int, deaths: list[Death]) -> None:
    async with lives(folder, seed) as (one, town):
        one.chance.shuffle(deaths)
        for death in deaths:
            await one.live(death)
        await survived(one, town)


async def survived(one: Lives, town: Town, least: int = 100) -> None:
    """A last life that ends well; so many events at least were taken in all lives together."""
    await one.load.go()
    await one.some_time(0.2)
    await one.load.end()
    count = await town.check(one.load.account)
    assert count >= len(one.load.account.recorded) > least
    assert await one.engine.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
async def test_killed_in_every_way_nothing_is_lost_or_doubled(tmp_path: Path, seed: int) -> None:
    await series(tmp_path, seed, list(DEATHS.values()))


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", range(1_000, 1_000 + SOAK_LIVES // len(DEATHS) + 1))
async def test_killed_in_every_way_for_hours(tmp_path: Path, seed: int) -> None:
    await series(tmp_path, seed, list(DEATHS.values()))


@pytest.mark.slow
async def test_killed_while_retention_takes_old_events_away(tmp_path: Path) -> None:
    """What is old goes bite by bite, whatever happens in between; what is new stays, and the ledger adds up."""
    async with lives(tmp_path, 11, machine=DAYS_BEHIND.format(days=100)) as (one, town):
        one.witness.fails = 0
        town.others = await old_events(one.engine, 2_000)
        old = {contact["id"] for contact in await one.engine.everything("/contacts")}
        assert await one.engine.stop() == 0
        one.witness.forget()
        one.engine.machine = ""
        await one.rise()
        deaths = 0
        # a quick machine is done within the first life, and dies some more times all the same
        while deaths < 5 or any(event["contactId"] in old for event in await one.engine.everything("/events")):
            deaths += 1
            await one.live(while_recovering)
        assert not [one for one in await one.engine.everything("/deliveries") if one["contactId"] in old]
        await survived(one, town, least=20)


async def old_events(engine: Engine, count: int) -> set[str]:
    """Record events that are told of and delivered; gives the external ids of their contacts."""
    names = [f"old-{number}" for number in range(20)]
    for start in range(0, count, 500):
        events = [event(names[n % 20], f"old {n}", keyed=True) for n in range(start, start + 500)]
        await engine.post("/events", {"events": events}, 202)
    await engine.quiet()
    return set(names)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(21, 24))
async def test_killed_at_its_very_first_start(tmp_path: Path, seed: int) -> None:
    """The file, its schema and the key are made whole by whichever start gets that far."""
    chance = random.Random(seed)
    engine = Engine(tmp_path)
    try:
        for _ in range(2):
            engine.spawn()
            await asyncio.sleep(chance.uniform(0.15, 0.6))
            engine.kill()
            await engine.gone()
        await engine.start()
        await engine.contact(email="jan@example.pl")
        await engine.doctor()
        assert await engine.stop() == 0
    finally:
        await engine.close()


@pytest.mark.slow
async def test_killed_while_it_erases_a_contact(tmp_path: Path) -> None:
    """A contact is erased whole or not at all; in the end no file holds a byte of those who are gone."""
    async with lives(tmp_path, 31) as (one, _):
        one.witness.fails = 0
        key = await one.engine.key()
        gone = []
        for number in range(5):
            name = f"znikający-{number}"
            await one.engine.post(
                "/events", {"events": [event(name, f"{name} {n}", keyed=True) for n in range(20)]}, 202
            )
            await one.engine.quiet()
            (contact,) = await one.engine.everything("/contacts", externalId=name)
            async with Client(one.engine.url, key) as client:
                assert await client.write(client.request("DELETE", f"/contacts/{contact['id']}"))
                await asyncio.sleep(one.chance.uniform(0, 0.04))
                one.engine.kill()
            await one.engine.gone()
            await one.rise()
            left = await one.engine.everything("/contacts", externalId=name)
            bodies = [found["body"] for found in await one.engine.deliveries(contactId=contact["id"])]
            assert len(bodies) == 40
            if left:
                assert all(name in body for body in bodies)
            else:
                assert set(bodies) <= {None, ""}
                gone.append(name)
        await one.engine.doctor()
        assert await one.engine.stop() == 0
        on_disk = b"".join(file.read_bytes() for file in tmp_path.glob("goniec.db*"))
        assert not [name for name in gone if name.encode() in on_disk]
        assert len(gone) >= 1
