"""The disk fills up under load: events are turned away, what was taken is kept, and all goes on once there is room."""

import json
import random
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.e2e.engine import Engine, eventually, until
from tests.faults.check import Town
from tests.faults.disk import Disk, SmallFiles, largest, nothing, small_disk
from tests.faults.load import Load
from tests.faults.trap import Trap
from tests.faults.witness import Witness

JSON: Final = {"content-type": "application/json"}

Kind = Callable[[Path], AbstractContextManager[Disk]]


def small_files(limit: Callable[[Path], int]) -> Kind:
    return lambda folder: nullcontext(SmallFiles(folder, limit))


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [small_disk, small_files(largest), small_files(nothing)],
    ids=["no room", "no growth", "no writing at all"],
)
async def test_a_full_disk_turns_events_away_and_loses_nothing(tmp_path: Path, kind: Kind) -> None:
    with kind(tmp_path) as disk:
        engine = Engine(disk.folder)
        if isinstance(disk, SmallFiles):
            disk.engine = engine
        trap, chance = Trap(), random.Random(41)
        async with Witness(trap, chance, fails=0.03) as witness:
            try:
                await engine.start()
                town = Town(engine, witness)
                await town.found()
                town.ailing = ("disk",)
                load = Load(engine, trap, chance)
                load.rest = 0.01
                try:
                    await fill_and_free(engine, disk, load)
                    await load.end()
                finally:
                    await load.cancel()
                assert await town.check(load.account, killed=False) >= len(load.account.recorded) > 20
                assert not [line for line in engine.log() if line.get("level") == "error"]
                assert await engine.stop() == 0
            finally:
                await engine.close()


async def fill_and_free(engine: Engine, disk: Disk, load: Load) -> None:
    await load.go()
    await until(lambda: len(load.account.recorded) > 10, "events are recorded")
    load.fat = 20_000  # what fits into pages that are there already is recorded even on a full disk
    disk.fill()
    await load.meanwhile(until(lambda: load.account.refused > 5, "events are turned away"))

    async def red() -> bool:
        return (await readiness(engine)).status_code == 503

    await eventually(red, "the engine says that it is not ready")
    assert (await engine.http.get(f"{engine.url}/healthz")).status_code == 200
    refused = await engine.ask("POST", "/events", 503, content=json.dumps(large()), headers=JSON)
    assert told(refused)["detail"].startswith("nothing of this request was written: ")
    assert not await engine.everything("/contacts", externalId="nobody")
    seen = len(load.account.recorded)
    assert len(await engine.everything("/events", type="external_event.added")) >= seen, "reading goes on"

    disk.free()
    load.fat = 0

    async def green() -> bool:
        return (await readiness(engine)).status_code == 200

    await eventually(green, "the engine is ready again")
    await load.meanwhile(until(lambda: len(load.account.recorded) > seen + 10, "events are recorded again"))


async def readiness(engine: Engine) -> httpx.Response:
    answer = await engine.http.get(f"{engine.url}/readyz")
    if answer.status_code != 200:
        told(answer)
    return answer


def told(answer: httpx.Response) -> dict[str, Any]:
    """What an answer tells of a disk that is full."""
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert int(answer.headers["retry-after"]) > 0
    problem: dict[str, Any] = answer.json()
    assert "the disk is full" in problem["detail"] or "cannot be read or written" in problem["detail"]
    return problem


def large() -> dict[str, Any]:
    """An event that fits into no page that is there already."""
    data = {"kind": "VISIT", "products": [{"fat": "x" * 60_000}]}
    return {"type": "external_event.added", "contact": {"externalId": "nobody"}, "data": data}
