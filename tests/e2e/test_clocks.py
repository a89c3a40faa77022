"""Processes on one PostgreSQL whose machines' clocks are minutes wrong, one behind and one ahead: nobody notices."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from goniec.core.times import parse_instant
from tests.cli.commands import environment
from tests.contract.send.receivers import Receiver, answer
from tests.e2e.engine import MACHINE, Engine, eventually, until
from tests.e2e.machines import figures, furnish, machines
from tests.postbox import Postbox, postbox

WRONG_SECONDS: Final = 300
WRONG: Final = """
import time
from goniec.flow import owners
owners.LOOK_SECONDS = 0.1
now = time.time_ns
time.time_ns = lambda: now() + {seconds} * 10**9
"""
"""A machine whose clock is wrong by so much; it looks often for whom it has to tell something."""

STEP: Final = 3
JITTER: Final = 0.2
ENDPOINTS: Final = 8
SLACK: Final = 2.0
"""Seconds by which what two processes measure may differ here."""


@pytest.fixture
async def box() -> AsyncIterator[Postbox]:
    with postbox() as made:
        yield made


@asynccontextmanager
async def wrong(folder: Path, url: str, **settings: str) -> AsyncIterator[list[Engine]]:
    """Two machines, the one behind and the other ahead."""
    behind, ahead = (WRONG.format(seconds=seconds) for seconds in (-WRONG_SECONDS, WRONG_SECONDS))
    async with machines(folder, url, [(behind, settings), (ahead, settings)]) as two:
        yield two
        assert all(one.alive for one in two)


async def visit(one: Engine, n: int) -> None:
    await one.visit({"email": f"c{n}@example.pl"}, data={"url": f"https://shop.example/{n % ENDPOINTS}"})


async def both_work(two: list[Engine]) -> None:
    """Each is there to take its share."""

    async def known() -> bool:
        workers = (await asyncio.to_thread(examine, two[0], ""))["workers"]
        return str(workers["detail"]).startswith("2 running")

    await eventually(known, "both are there to deliver")


def examine(one: Engine, machine: str) -> dict[str, dict[str, Any]]:
    """What the doctor says on such a machine, by check."""
    command = [sys.executable, "-c", MACHINE.format(machine=machine), "doctor", "--json"]
    seen = environment(one.folder, **one.settings)
    ran = subprocess.run(command, cwd=one.folder, env=seen, capture_output=True, text=True, check=False)
    return {found["check"]: found for found in json.loads(ran.stdout)["findings"]}


async def test_retries_and_signatures_go_by_the_clock_of_the_database(tmp_path: Path, url: str) -> None:
    failing_at_first = Receiver([*[answer(500)] * ENDPOINTS * 2, answer(200)])
    async with failing_at_first as receiver, wrong(tmp_path, url) as two:
        await furnish(two[0], receiver, ENDPOINTS, schedule=[STEP] * 20)
        await both_work(two)
        began = time.time()
        for n in range(ENDPOINTS):
            await visit(two[n // 2 % 2], n)
        found = await two[1].settled(ENDPOINTS)
        ended = time.time()
        assert {row["status"] for row in found} == {"delivered"}
        for request in receiver.requests:
            assert began - SLACK < float(request.header("webhook-timestamp") or "") < ended + SLACK
        assert len(receiver.requests) == ENDPOINTS * 3
        for row in found:
            times = [parse_instant(attempt["at"]) / 1000 for attempt in row["attempts"]]
            assert began - SLACK < parse_instant(row["createdAt"]) / 1000 <= times[0]
            assert all(after - before >= STEP * (1 - JITTER) for before, after in pairwise(times))
        both = [sum(line.get("event") == "attempt" for line in one.log()) for one in two]
        assert min(both) > 0, "each has sent some"


async def test_a_wrong_clock_is_named(tmp_path: Path, url: str) -> None:
    async with wrong(tmp_path, url) as two:
        for one, seconds in zip(two, (-WRONG_SECONDS, WRONG_SECONDS), strict=True):
            (line,) = [line for line in one.log() if line.get("event") == "clock.wrong"]
            assert abs(line["ahead_millis"] / 1000 - seconds) < SLACK
            said = figures((await one.http.get(f"{one.url}/metrics")).text)
            assert abs(said["goniec_clock_ahead_seconds", None] - seconds) < SLACK
            clock = (await asyncio.to_thread(examine, one, one.machine))["clock"]
            assert clock["problem"]
            which = "behind" if seconds < 0 else "ahead of"
            assert f"this machine's clock is {WRONG_SECONDS} s {which} the database server's" in clock["detail"]
            assert "NTP" in clock["advice"]
        assert "problem" not in (await asyncio.to_thread(examine, two[0], ""))["clock"]


async def test_an_owner_is_told_once(tmp_path: Path, url: str, box: Postbox) -> None:
    """Within an hour nothing more comes, though both look ten times a second."""
    mail = {"smtp_url": f"smtp://127.0.0.1:{box.port}?starttls=never", "mail_from": "goniec@example.com"}
    async with Receiver(answer(500)) as receiver, wrong(tmp_path, url, **mail) as two:
        endpoints = await furnish(two[0], receiver, ENDPOINTS, schedule=[], owner="ala@example.com")

        def told() -> list[list[str]]:
            return [[line["endpoint"] for line in one.log() if line.get("event") == "owner.told"] for one in two]

        def letters(n: int) -> bool:
            return sum(map(len, told())) >= n

        await visit(two[0], 0)
        await until(lambda: letters(1), "the owner is told")
        await visit(two[1], 0)
        await two[0].settled(2)
        for n in range(1, ENDPOINTS):
            await visit(two[0], n)
            await until(lambda n=n: letters(n + 1), "the owner is told of this one, too")  # type: ignore[misc] # bound at once
        assert sorted(chain(*told())) == sorted(endpoints)
        assert len(box.letters) == ENDPOINTS
        now = time.time()
        for letter in box.letters:
            assert abs(letter["Date"].datetime.timestamp() - now) < WRONG_SECONDS / 2
