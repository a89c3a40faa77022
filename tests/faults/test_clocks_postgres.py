"""Clocks that jump under load where several processes share a PostgreSQL: each machine's own, and the server's.

What machines believe changes nothing. Where the server's clock jumps, all follow; what it says is then as with any
clock that jumps: a jump ahead ends leases, so what is under way may come twice, and a jump back lets wait what was
planned while it was ahead.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.engine import Engine, until
from tests.faults.check import Town
from tests.faults.lives import BRIEF, EAGER, KEY, Lives, hasty, lives, survived, worker
from tests.faults.test_cut import JUMPS
from tests.faults.witness import Witness
from tests.postgres import database, server, used

OFTEN: Final = """
from goniec.flow import timekeeping
timekeeping.ASK_SECONDS, timekeeping.LOOK_SECONDS = 0.5, 0.1
"""
"""A process that soon notices what became of the server's clock."""

MINUTE: Final = 60_000
PLACES: Final = (180 * MINUTE, 170 * MINUTE, 175 * MINUTE, 50 * MINUTE)
"""How far the server's clock is ahead, one after the other: hours ahead at first, then minutes back, and on."""
LAST: Final = 300 * MINUTE
"""And at the end, when all is due that was planned on the way."""

WORKERS: Final = 2
REST_SECONDS: Final = 0.1
RATE: Final = 50
SLACK: Final = 20
"""What a busy machine may pile up, so that it seems to come at once."""
LEASE_SECONDS: Final = 4.0
"""Those of `BRIEF`: for so long somebody may go on with what he believes to be his."""


@asynccontextmanager
async def shared(
    folder: Path, seed: int, url: str, machines: tuple[str, ...]
) -> AsyncIterator[tuple[Lives, Town, list[Engine]]]:
    """One process that records, and as many that send as there are further machines."""
    first, second, third = machines
    async with (
        lives(folder, seed, machine=first, role="web", database=url, secret_key=KEY) as (one, town),
        worker(one.engine, "second", machine=second) as two,
        worker(one.engine, "third", machine=third) as three,
    ):
        one.load.rest = REST_SECONDS
        yield one, town, [one.engine, two, three]
        assert await one.engine.stop() == 0


@pytest.mark.slow
async def test_the_machines_clocks_jump(tmp_path: Path) -> None:
    """Nothing comes twice, no lease is lost, and what is signed is signed by the right time."""
    machines = tuple(EAGER + JUMPS.format(seed=seed) for seed in (161, 162, 163))
    async with database() as url, shared(tmp_path, 161, url, machines) as (one, town, processes):
        await one.load.go()
        await one.load.meanwhile(asyncio.sleep(5))
        await survived(one, town, killed=False)
        for process in processes:
            said = {line.get("event") for line in process.log()}
            assert "clock.wrong" in said
            assert not {"clock.moved", "lease.lost"} & said


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(171, 172))
async def test_the_servers_clock_jumps(tmp_path: Path, seed: int) -> None:
    machine = EAGER + BRIEF + OFTEN
    async with used() as url, shared(tmp_path, seed, url, (machine,) * 3) as (one, town, processes):
        town.jumps, town.ailing = True, ("clock",)
        await hasty(one.engine, town)
        for endpoint in town.endpoints.values():
            await one.engine.patch(f"/endpoints/{endpoint}", {"orderHold": 0, "rate": RATE})
        await one.load.go()
        for place in (*PLACES, LAST):
            await one.some_time(1.0, 0.5)
            await jump(one, town, processes, url, place)
        await survived(one, town, killed=False)
        paced(one.witness)


async def jump(one: Lives, town: Town, processes: list[Engine], url: str, place: int) -> None:
    """Set the server's clock, and wait until everybody has followed."""
    before = [moves(process) for process in processes]
    began = time.monotonic()
    server().shift_clock(url, place)

    def followed() -> bool:
        return all(moves(process) > known for process, known in zip(processes, before, strict=True))

    await one.load.meanwhile(until(followed, "all follow"))
    town.faults.append((began, time.monotonic() + LEASE_SECONDS))


def moves(process: Engine) -> int:
    return sum(line.get("event") == "clock.moved" for line in process.log())


def paced(witness: Witness) -> None:
    """Look whether no jump let out more than a rate permits: to two for a moment, who both believe that it is theirs."""
    for path in ("/visits", "/points"):
        times = [request.at for request in witness.requests if request.path == path]
        crowd = max(sum(at <= other < at + 1 for other in times) for at in times)
        assert crowd <= 2 * RATE + SLACK, crowd
