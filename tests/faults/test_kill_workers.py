"""Three workers on one PostgreSQL, of which one is killed, again and again, while another process takes the events.

What a worker owned rests until its lease is over; leases are short here, so that a test can wait for it.
"""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.engine import Engine, eventually
from tests.faults.check import Town
from tests.faults.lives import BRIEF, EAGER, KEY, Lives, hasty, lives, survived, worker
from tests.postgres import database

WORKERS: Final = 3
KILLS: Final = 5
REST_SECONDS: Final = 0.1


@asynccontextmanager
async def crew(one: Engine) -> AsyncIterator[list[Engine]]:
    """Workers on the database of an engine that only takes events."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(worker(one, f"worker-{number}")) for number in range(WORKERS)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(121, 122))
async def test_one_of_three_workers_is_killed(tmp_path: Path, seed: int) -> None:
    """Whatever it had under way, the others bring to an end: nothing is lost, and order holds."""
    async with (
        database() as url,
        lives(tmp_path, seed, machine=EAGER + BRIEF, role="web", database=url, secret_key=KEY) as (one, town),
        crew(one.engine) as workers,
    ):
        one.load.rest = REST_SECONDS
        await hasty(one.engine, town)
        await one.load.go()
        for number in range(KILLS):
            await bereave(one, town, workers, taken_over=number % 2 == 0)
        await survived(one, town)
        assert await one.engine.stop() == 0


async def bereave(one: Lives, town: Town, workers: list[Engine], *, taken_over: bool) -> None:
    """Kill the worker whose webhooks came last, so that it is one that has something to do; another one rises."""
    await one.some_time(0.5, 0.2)
    victim = await at_work(one, workers)
    began = time.monotonic()
    victim.kill()
    await victim.gone()
    town.faults.append((began, time.monotonic()))
    if taken_over:
        seen = len(one.witness.requests)
        await one.load.meanwhile(one.witness.seen(seen + 100))
    await victim.start()


async def at_work(one: Lives, workers: list[Engine]) -> Engine:
    """A worker that has logged an attempt since its start."""
    found: list[Engine] = []

    async def busy() -> bool:
        found[:] = [worker for worker in workers if any(line.get("event") == "attempt" for line in worker.log())]
        return bool(found)

    await one.load.meanwhile(eventually(busy, "a worker delivers"))
    return one.chance.choice(found)
