"""A process that takes events wakes the one that delivers them: nothing waits until that one looks by itself."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.contract.send.receivers import Receiver, answer
from tests.e2e.engine import Engine, engine, until
from tests.postgres import database

KEY: Final = "k" * 32
NEVER: Final = """
from goniec.flow import deliver
deliver.POLL_SECONDS = 86_400.0
"""
"""A worker that never looks into the table by itself, only when it is woken."""

EVENTS: Final = 1_000
CLIENTS: Final = 20


@pytest.mark.slow
async def test_a30_a_thousand_single_events_wake_the_worker(tmp_path: Path) -> None:
    async with database() as url, Receiver(answer(200)) as receiver:
        (tmp_path / "web").mkdir()
        (tmp_path / "worker").mkdir()
        async with engine(tmp_path / "web", database=url, secret_key=KEY, role="web") as web:
            await web.rule({"type": "page.visited"}, receiver.url())
            worker = Engine(tmp_path / "worker", database=url, secret_key=KEY, role="worker")
            worker.machine = NEVER
            worker.share_keys([web])
            try:
                await worker.start()
                for _ in range(EVENTS // CLIENTS):
                    await asyncio.gather(*(web.visit({"email": f"c{n}@example.pl"}) for n in range(CLIENTS)))
                await until(lambda: len(receiver.requests) >= EVENTS, "everything is delivered")
                await web.quiet()
                arrived = Counter(request.header("webhook-id") for request in receiver.requests)
                assert (len(arrived), max(arrived.values())) == (EVENTS, 1)
                assert await worker.stop() == 0
            finally:
                await worker.close()
