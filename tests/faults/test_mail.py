"""Mail through SIGKILL, a way that is cut and a full disk: each goes, and again only where nobody heard that it had.

Openings and clicks that were answered are recorded, each once. Seeds are in the names of tests.
"""

import asyncio
import os
import random
import time
from pathlib import Path
from typing import Final

import pytest

from tests.faults.disk import SmallFiles, small_disk
from tests.faults.lives import (
    BRIEF,
    EAGER,
    KEY,
    Death,
    at,
    at_any_time,
    while_recovering,
    while_starting,
    while_stopping,
)
from tests.faults.mail import Post, mailing
from tests.faults.trap import Step
from tests.postgres import database

DEATHS: Final[dict[str, Death]] = {
    "a request is sent": at(Step.SENT, 30),
    "a recipient is named": at(Step.NAMED, 60),
    "a mail is taken": at(Step.TAKEN, 40),
    "it is told": at(Step.TOLD, 40),
    "it is told, and a moment": at(Step.TOLD, 40, within=0.05),
    "a link is followed": at(Step.FOLLOWED, 40),
    "a link was answered": at(Step.LED, 40),
    "a link was answered, and a moment": at(Step.LED, 40, within=0.05),
    "at any time": at_any_time,
    "recovering": while_recovering,
    "starting": while_starting,
    "stopping": while_stopping,
}
SOAK_KILLS: Final = int(os.environ.get("GONIEC_SOAK_LIVES", "2000"))
TIMEOUT: Final = 1


async def series(post: Post, deaths: list[Death]) -> None:
    post.one.chance.shuffle(deaths)
    for death in deaths:
        await post.live(death)
    await post.survived(40)
    assert await post.one.engine.stop() == 0
    assert post.one.kills >= len(deaths)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(201, 202))
async def test_killed_in_every_way(tmp_path: Path, seed: int) -> None:
    async with mailing(tmp_path, seed) as post:
        await series(post, [*DEATHS.values()])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(211, 212))
async def test_killed_on_postgresql(tmp_path: Path, seed: int) -> None:
    await on_postgresql(tmp_path, seed, random.Random(seed).sample([*DEATHS.values()], 2))


async def on_postgresql(folder: Path, seed: int, deaths: list[Death]) -> None:
    async with (
        database() as url,
        mailing(folder, seed, machine=EAGER + BRIEF, rest=0.2, database=url, secret_key=KEY) as post,
    ):
        await hasty(post)
        await series(post, deaths)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", range(20_000, 20_000 + SOAK_KILLS // len(DEATHS)))
async def test_killed_in_every_way_for_hours(tmp_path: Path, seed: int) -> None:
    async with mailing(tmp_path, seed) as post:
        await series(post, [*DEATHS.values()])


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", range(30_000, 30_000 + SOAK_KILLS // len(DEATHS)))
async def test_killed_on_postgresql_for_hours(tmp_path: Path, seed: int) -> None:
    await on_postgresql(tmp_path, seed, [*DEATHS.values()])


async def hasty(post: Post) -> None:
    """Let an attempt take a second at most."""
    await post.tune(timeout=TIMEOUT, connectTimeout=TIMEOUT)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(221, 222))
async def test_the_way_to_the_mail_server_is_cut(tmp_path: Path, seed: int) -> None:
    """Twice, and the second time the connections do not live to see it mended."""
    async with mailing(tmp_path, seed, reading=False) as post:
        one = post.one
        await hasty(post)
        await one.load.go()
        for broken in (False, True):
            await one.some_time(0.5, 0.2)
            began = time.monotonic()
            one.wire.cut()
            await one.load.meanwhile(asyncio.sleep(2.5))
            if broken:
                one.wire.break_off()
            one.wire.mend()
            post.faults.append((began, time.monotonic()))
        await post.survived(40)
        assert any(line.get("failure") == "timeout" for line in one.engine.log())
        assert await one.engine.stop() == 0


@pytest.mark.slow
async def test_a_full_disk_loses_no_mail_and_doubles_none(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        async with mailing(disk.folder, 231, reading=False) as post:
            if isinstance(disk, SmallFiles):
                disk.engine = post.one.engine
            load = post.one.load
            await load.go()
            await post.one.some_time(0.3, 0.2)
            load.fat = 20_000
            disk.fill()
            await load.meanwhile(asyncio.sleep(1.5))
            load.fat = 0
            disk.free()
            post.ailing = ("disk",)
            await post.survived(20)
            assert load.account.refused
            assert await post.one.engine.stop() == 0
