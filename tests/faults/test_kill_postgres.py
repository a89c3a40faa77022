"""The same on PostgreSQL: Goniec is killed, and PostgreSQL is killed, both under load.

Whoever is killed here is one of the processes of `lives`; several that share a database die in the same ways.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from tests.faults.check import Town
from tests.faults.lives import BRIEF, DEATHS, EAGER, KEY, OUTAGES, Lives, hasty, lives, on_postgres, survived
from tests.faults.trap import Step
from tests.postgres import PostgresServer

DEATHS_EACH: Final = 10
SOAK_KILLS: Final = int(os.environ.get("GONIEC_SOAK_LIVES", "2000")) // 10
STEPS: Final = (Step.SENT, Step.SEEN, Step.ANSWERED)
"""With each of them a transaction begins, runs, or is about to."""


@pytest.fixture
async def server() -> AsyncIterator[PostgresServer]:
    """A server of the test's own, which it may kill."""
    made = PostgresServer(durable=True)
    try:
        await asyncio.to_thread(made.start)
        yield made
    finally:
        made.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(91, 92))
async def test_goniec_is_killed(tmp_path: Path, seed: int) -> None:
    await series(tmp_path, seed)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", range(9_000, 9_000 + SOAK_KILLS // DEATHS_EACH))
async def test_goniec_is_killed_for_hours(tmp_path: Path, seed: int) -> None:
    await series(tmp_path, seed)


async def series(folder: Path, seed: int) -> None:
    """Die in some of the ways."""
    async with on_postgres(folder, seed) as (one, town):
        deaths = [death for name, death in (DEATHS | OUTAGES).items() if "log" not in name]
        for death in one.chance.sample(deaths, DEATHS_EACH):
            await one.live(death)
        await survived(one, town)
        assert await one.engine.stop() == 0
        assert one.kills >= DEATHS_EACH


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(101, 102))
async def test_postgresql_is_killed_in_the_middle_of_transactions(
    tmp_path: Path, server: PostgresServer, seed: int
) -> None:
    machine = EAGER + BRIEF
    async with lives(tmp_path, seed, machine=machine, database=await server.make(), secret_key=KEY) as (one, town):
        await hasty(one.engine, town)
        await one.load.go()
        for step in STEPS * 2:
            await away(one, town, server, step)
        await survived(one, town, killed=False)
        assert await one.engine.stop() == 0


async def away(one: Lives, town: Town, server: PostgresServer, step: Step) -> None:
    """Kill the server at a step, and start it again after a moment in which the engine has to do without."""
    one.trap.set(step, one.chance.randint(1, 100), server.kill)
    await one.sprung()
    began = time.monotonic()
    await one.some_time(0.5)
    await one.load.meanwhile(asyncio.to_thread(server.start))
    await one.some_time(0.5, 0.2)
    town.faults.append((began, time.monotonic()))
