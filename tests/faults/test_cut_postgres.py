"""The way to PostgreSQL is cut under load: of the only process, or of one of several, for a moment or half a minute.

While it is cut, nobody is told so: what was sent stands still, and comes late or never. Leases that are brief run out
meanwhile; those that a process has by itself last longer than one of half a minute, and nothing is taken from it.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.engine import Engine, eventually, until
from tests.faults.check import Town
from tests.faults.lives import BRIEF, EAGER, KEY, Lives, hasty, lives, survived, worker
from tests.faults.wire import Wire
from tests.postgres import database, server

CUTS: Final = 2
CUT_SECONDS: Final = 3.0
"""Longer than what is left of a brief lease once requests take their time."""
LONG_SECONDS: Final = 30.0
REST_SECONDS: Final = 0.2

SOAK_CUTS: Final = int(os.environ.get("GONIEC_SOAK_CUTS", "20"))


@asynccontextmanager
async def wired(url: str) -> AsyncIterator[tuple[Wire, str]]:
    """A way to the server that can be cut, and a database's address on it."""
    port = server().port
    async with Wire(port) as wire:
        yield wire, url.replace(f":{port}/", f":{wire.port}/")


async def cut(one: Lives, town: Town, wire: Wire, seconds: float, *, broken: bool) -> None:
    """Cut the way under load; where it is `broken`, the connections do not live to see it mended."""
    began = time.monotonic()
    wire.cut()
    await one.load.meanwhile(asyncio.sleep(seconds))
    if broken:
        wire.break_off()
    wire.mend()
    recorded = len(one.load.account.recorded)

    async def again() -> bool:
        return len(one.load.account.recorded) > recorded

    await one.load.meanwhile(eventually(again, "events are recorded again"))
    await one.some_time(0.5, 0.2)
    town.faults.append((began, time.monotonic()))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(111, 112))
async def test_the_way_to_postgresql_is_cut(tmp_path: Path, seed: int) -> None:
    async with (
        database() as direct,
        wired(direct) as (wire, url),
        lives(tmp_path, seed, machine=EAGER + BRIEF, database=url, secret_key=KEY) as (one, town),
    ):
        await hasty(one.engine, town)
        await one.load.go()
        for number in range(CUTS):
            await one.some_time(0.5, 0.2)
            await cut(one, town, wire, CUT_SECONDS, broken=number % 2 == 1)
        await survived(one, town, killed=False)
        assert await one.engine.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(131, 132))
async def test_it_is_cut_for_thirty_seconds(tmp_path: Path, seed: int) -> None:
    """Leases outlast it."""
    log = await long(tmp_path, seed, 1, LONG_SECONDS)
    assert not any(line.get("event") == "lease.lost" for line in log)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", range(13_000, 13_000 + SOAK_CUTS))
async def test_it_is_cut_for_thirty_seconds_again_and_again(tmp_path: Path, seed: int) -> None:
    """A little less than a statement may take, and a little more."""
    await long(tmp_path, seed, CUTS, random.Random(seed).uniform(LONG_SECONDS - 2, LONG_SECONDS + 6))


async def long(folder: Path, seed: int, cuts: int, seconds: float) -> list[dict[str, Any]]:
    """Cut it as it is, with the leases and time-outs that there are by themselves; gives the log."""
    async with (
        database() as direct,
        wired(direct) as (wire, url),
        lives(folder, seed, database=url, secret_key=KEY) as (one, town),
    ):
        one.load.rest = REST_SECONDS
        await one.load.go()
        for number in range(cuts):
            await one.some_time(2, 1)
            await cut(one, town, wire, seconds, broken=number % 2 == 0)
        await survived(one, town, killed=False)
        assert await one.engine.stop() == 0
        return one.engine.log()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(141, 142))
async def test_the_way_of_one_process_is_cut_and_another_takes_over(tmp_path: Path, seed: int) -> None:
    await apart(tmp_path, seed, EAGER + BRIEF, CUT_SECONDS * 2)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", range(14_000, 14_000 + SOAK_CUTS))
async def test_the_way_of_one_process_is_cut_for_thirty_seconds(tmp_path: Path, seed: int) -> None:
    await apart(tmp_path, seed, random.Random(seed).choice((EAGER, EAGER + BRIEF)), LONG_SECONDS)


async def apart(folder: Path, seed: int, machine: str, seconds: float) -> None:
    """Two processes send what a third one records; the way of one of them is cut, and mended."""
    async with (
        database() as direct,
        wired(direct) as (wire, url),
        lives(folder, seed, machine=machine, role="web", database=direct, secret_key=KEY) as (one, town),
        worker(one.engine, "whole") as whole,
        worker(one.engine, "lame", database=url) as lame,
    ):
        await hasty(one.engine, town)
        one.load.rest = REST_SECONDS
        await one.load.go()
        for number in range(CUTS):
            before = sent(lame)
            await one.load.meanwhile(until(lambda least=before: sent(lame) > least, "it sends"))  # type: ignore[misc] # bound at once
            await cut(one, town, wire, seconds, broken=number % 2 == 0)
        await survived(one, town, killed=False)
        assert sent(whole)
        assert await one.engine.stop() == 0


def sent(process: Engine) -> int:
    """How many requests a process has logged."""
    return sum(line.get("event") == "attempt" for line in process.log())
