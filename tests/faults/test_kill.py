"""SIGKILL, again and again, at every step of the flow and at any time: nothing that was promised is lost or doubled.

Each seed is a series of lives of one database, and is in the name of its test.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.engine import DAYS_BEHIND, Engine, eventually
from tests.faults.check import Town
from tests.faults.client import Client
from tests.faults.lives import (
    DEATHS,
    OUTAGES,
    Lives,
    at_any_time,
    lives,
    on_postgres,
    on_sqlite,
    survived,
    while_recovering,
)
from tests.faults.load import event

SEEDS: Final = range(1, 4)
"""Each series is as many lives as there are ways to die."""

RESENT: Final = 3
"""Kills while a range is sent once more, at the end of each series."""

KILLS: Final = len(DEATHS) + len(OUTAGES) + 2 + RESENT
"""In a series, at least."""

SOAK_KILLS: Final = int(os.environ.get("GONIEC_SOAK_LIVES", "2000"))


async def series(folder: Path, seed: int) -> int:
    """Die in every way, and then while a range is sent once more; gives the number of kills."""
    async with lives(folder, seed) as (one, town):
        deaths = [*DEATHS.values(), *OUTAGES.values(), at_any_time, while_recovering]
        one.chance.shuffle(deaths)
        for death in deaths:
            await one.live(death)
        await survived(one, town)
        await resent(one, town)
        assert await one.engine.stop() == 0
        return one.kills


async def resent(one: Lives, town: Town) -> None:
    """A range is sent once more, through kills: each delivery at least once, twice only around a kill."""
    path, endpoint = "/visits", town.endpoints["/visits"]
    wanted = {found["id"] for found in await one.engine.everything("/deliveries") if found["endpointId"] == endpoint}
    one.witness.forget()
    body = {"since": "2020-01-01T00:00:00Z", "status": "delivered", "rate": 1_000}
    job = await one.engine.post(f"/endpoints/{endpoint}/resend", body, 202)
    for kills in range(1, RESENT + 1):
        await one.witness.seen(len(wanted) * kills // (RESENT + 1))
        one.kill()
        await one.engine.gone()
        await one.rise()
    await eventually(lambda: ended(one, job["id"]), "the job ends")
    await town.rest()
    await one.engine.doctor()
    arrived = Counter(request.id for request in one.witness.requests if request.status == 200)
    assert set(arrived) == wanted
    assert max(arrived.values()) <= 1 + RESENT
    assert len({(request.id, request.life) for request in one.witness.requests}) == len(one.witness.requests)
    assert {(request.path, request.headers.get("goniec-resend")) for request in one.witness.requests} == {
        (path, "true")
    }
    assert {found["status"] for found in await one.engine.everything("/deliveries")} == {"delivered"}


async def ended(one: Lives, job: str) -> bool:
    found = await one.engine.get(f"/jobs/{job}")
    assert found["state"] in {"running", "done"}, found
    return bool(found["state"] == "done")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
async def test_killed_in_every_way_nothing_is_lost_or_doubled(tmp_path: Path, seed: int) -> None:
    assert await series(tmp_path, seed) >= KILLS


@pytest.mark.slow
@pytest.mark.parametrize("opening", [on_sqlite, on_postgres], ids=["sqlite", "postgres"])
async def test_a29_three_hundred_wait_and_twenty_restarts_under_load_deliver_each_once(
    tmp_path: Path, opening: Callable[[Path, int], AbstractAsyncContextManager[tuple[Lives, Town]]]
) -> None:
    """What was in flight at a kill may come twice, under the same id; nothing else does, and nothing is missing."""
    async with opening(tmp_path, 61) as (one, town):
        one.witness.break_down()
        await one.load.go()
        await eventually(lambda: waiting(one, 300), "300 deliveries wait")
        one.witness.mend()
        for _ in range(20):
            await one.live(while_recovering)
        await survived(one, town)
        assert await one.engine.stop() == 0
        assert one.kills == 20


async def waiting(one: Lives, least: int) -> bool:
    page = await one.engine.get("/deliveries", status="pending", limit=least)
    return len(page["items"]) >= least


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", range(1_000, 1_000 + SOAK_KILLS // KILLS + 1))
async def test_killed_in_every_way_for_hours(tmp_path: Path, seed: int) -> None:
    assert await series(tmp_path, seed) >= KILLS


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
        assert await one.engine.stop() == 0


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
                one.kill()
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
