"""A way that is cut and a clock that jumps, under an engine that works: nothing is lost, and little comes twice.

That is what was under way at the cut, and under the same id; a clock makes nothing come twice.
Thirty seconds without a word are scaled: an attempt may take a second here, and the way is cut for three times that.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.faults.check import Town
from tests.faults.lives import DEATHS, EAGER, Lives, lives, survived

TIMEOUT: Final = 1
CUT_SECONDS: Final = 3.0
CUTS: Final = 2

SOAK_CUTS: Final = int(os.environ.get("GONIEC_SOAK_CUTS", "20"))

JUMPS: Final = """
import random
from goniec import app
chance = random.Random({seed})
places = [chance.choice((0, -600_000, 3_600_000, 90_000, -7_200_000)) for _ in range(64)]
begun = app.SystemClock().monotonic()
class Jumping(app.SystemClock):
    def now(self):
        return super().now() + places[int((self.monotonic() - begun) / 0.3) % 64]
app.SystemClock = Jumping
"""
"""An engine whose clock jumps three times a second: minutes and hours back, an hour ahead, and again."""

AHEAD: Final = """
from goniec import app
class Ahead(app.SystemClock):
    def now(self):
        return super().now() + 7_200_000
app.SystemClock = Ahead
"""
"""The same later, when the clock goes evenly, ahead of all that it has ever shown."""


async def cut(one: Lives, town: Town, seconds: float) -> None:
    """Cut the way to the receivers; every other time the connections do not live to see it mended."""
    began = time.monotonic()
    one.wire.cut()
    await one.load.meanwhile(asyncio.sleep(seconds))
    if len(town.faults) % 2:
        one.wire.break_off()
    one.wire.mend()
    town.faults.append((began, time.monotonic()))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(71, 72))
async def test_the_way_to_the_receivers_is_cut(tmp_path: Path, seed: int) -> None:
    async with lives(tmp_path, seed, wired=True) as (one, town):
        for endpoint in town.endpoints.values():
            await one.engine.patch(f"/endpoints/{endpoint}", {"timeout": TIMEOUT, "connectTimeout": TIMEOUT})
        await one.load.go()
        for _ in range(CUTS):
            await one.some_time(0.5, 0.2)
            await cut(one, town, CUT_SECONDS)
        await survived(one, town, killed=False)
        assert any(line.get("failure") == "timeout" for line in one.engine.log())
        assert await one.engine.stop() == 0


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", range(7_000, 7_000 + SOAK_CUTS))
async def test_the_way_is_cut_for_thirty_seconds(tmp_path: Path, seed: int) -> None:
    """As it is, with the time-outs that an endpoint has by itself."""
    async with lives(tmp_path, seed, machine="", wired=True) as (one, town):
        one.load.rest = 0.2
        await one.load.go()
        await one.some_time(2)
        for _ in range(2):
            await cut(one, town, 30)
        await survived(one, town, killed=False)
        assert await one.engine.stop() == 0


@asynccontextmanager
async def jumping(folder: Path, seed: int) -> AsyncIterator[tuple[Lives, Town]]:
    """A clock that jumps hours ahead would make what has failed step aside, so here nothing may."""
    async with lives(folder, seed, machine=EAGER + JUMPS.format(seed=seed)) as (one, town):
        town.jumps, town.ailing = True, ("clock",)
        for endpoint in town.endpoints.values():
            await one.engine.patch(f"/endpoints/{endpoint}", {"orderHold": 0})
        yield one, town


@pytest.mark.slow
async def test_killed_while_the_clock_jumps(tmp_path: Path) -> None:
    """What was planned by a clock that ran ahead is due once it is as late again; nothing is lost on the way."""
    async with jumping(tmp_path, 81) as (one, town):
        deaths = [death for name, death in DEATHS.items() if "log" not in name]
        one.chance.shuffle(deaths)
        for death in deaths:
            await one.live(death)
        await one.load.go()
        await one.some_time(0.6)
        one.load.pause()
        one.kill()
        await one.engine.gone()
        one.engine.machine = EAGER + AHEAD
        await one.rise()
        await survived(one, town)
        assert await one.engine.stop() == 0


@pytest.mark.slow
async def test_a_clock_that_jumps_under_an_engine_that_lives_on(tmp_path: Path) -> None:
    """Without a kill every request is on record, and nothing arrives twice."""
    async with jumping(tmp_path, 82) as (one, town):
        await one.load.go()
        await one.load.meanwhile(asyncio.sleep(3))
        one.load.pause()
        assert await one.engine.stop() == 0
        one.engine.machine = EAGER + AHEAD
        await one.rise()
        await survived(one, town, killed=False)
        assert await one.engine.stop() == 0
