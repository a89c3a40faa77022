"""SIGTERM under load: what is under way is finished and written down, nothing is lost, and nothing is sent twice."""

import asyncio
import json
import random
from pathlib import Path

import pytest

from tests.contract.send.receivers import Receiver, answer, wait_for
from tests.e2e.engine import Engine, until
from tests.e2e.engine import engine as running
from tests.faults.check import Town
from tests.faults.client import Client
from tests.faults.load import Load
from tests.faults.trap import Trap
from tests.faults.witness import Witness


@pytest.mark.slow
async def test_stopped_under_load_again_and_again(tmp_path: Path) -> None:
    """Unlike after a kill, every request is on record, and nothing arrives twice."""
    chance, trap = random.Random(51), Trap()
    engine = Engine(tmp_path)
    async with Witness(trap, chance, fails=0.03) as witness:
        try:
            await engine.start()
            town = Town(engine, witness)
            await town.found()
            load = Load(engine, trap, chance)
            try:
                for _ in range(4):
                    await load.go()
                    await load.meanwhile(asyncio.sleep(chance.uniform(0.1, 0.6)))
                    engine.terminate()
                    await load.meanwhile(asyncio.sleep(0.05))
                    load.pause()
                    assert await engine.gone() == 0
                    await witness.next_life()
                    await engine.start()
                await load.go()
                await load.end()
            finally:
                await load.cancel()
            assert await town.check(load.account, killed=False) >= len(load.account.recorded) > 100
            assert await engine.stop() == 0
            assert not [line for line in engine.log() if line.get("level") == "error"]
        finally:
            await engine.close()


async def test_a_webhook_under_way_is_finished_and_written_down(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with running(tmp_path) as engine, Receiver(wait_for(gate, answer(200, b"late"))) as receiver:
        await engine.rule({"type": "page.visited"}, receiver.url())
        await engine.visit({"email": "jan@example.pl"})
        await receiver.asked.wait()
        engine.terminate()
        await until(lambda: any(line.get("event") == "stopping" for line in engine.log()), "it stops")
        gate.set()
        assert await engine.gone() == 0
        await engine.start()
        (delivery,) = await engine.deliveries()
        assert (delivery["status"], delivery["attempts"][0]["body"]) == ("delivered", "late")
        assert len(receiver.requests) == 1


async def test_what_waits_behind_it_is_sent_once_before_or_after_the_next_start(tmp_path: Path) -> None:
    gate = asyncio.Event()
    async with running(tmp_path) as engine, Receiver(wait_for(gate, answer(200))) as receiver:
        await engine.rule({"type": "page.visited"}, receiver.url())
        for _ in range(3):
            await engine.visit({"email": "jan@example.pl"})
        await receiver.asked.wait()
        engine.terminate()
        await until(lambda: any(line.get("event") == "stopping" for line in engine.log()), "it stops")
        await asyncio.sleep(0.5)  # whether it would still send the others by now is its own affair
        gate.set()
        assert await engine.gone() == 0
        await engine.start()
        deliveries = await engine.settled(3)
        assert [request.header("webhook-id") for request in receiver.requests] == [one["id"] for one in deliveries]


async def test_a_request_that_is_half_sent_is_still_taken(tmp_path: Path) -> None:
    async with running(tmp_path) as engine, Client(engine.url, await engine.key("ingest")) as client:
        visit = {"type": "page.visited", "contact": {"email": "jan@example.pl"}, "data": {"url": "u"}}
        request = client.request("POST", "/events", json.dumps(visit).encode())
        assert await client.write(request[:-10])
        # its first half has been read for certain once a request behind it has been answered
        await engine.get("/events")
        engine.terminate()
        await until(lambda: any(line.get("event") == "stopping" for line in engine.log()), "it stops")
        assert await client.write(request[-10:])
        taken = await client.answer()
        assert taken is not None
        assert (taken.status, taken.json["accepted"]) == (202, 1)
        assert await engine.gone() == 0
        await engine.start()
        assert [event["id"] for event in await engine.everything("/events", type="page.visited")] == taken.json["ids"]


async def test_idle_connections_hold_nothing_up(tmp_path: Path) -> None:
    async with running(tmp_path) as engine, Client(engine.url, await engine.key()) as client:
        assert await client.send(client.request("GET", "/events")) is not None
        assert await engine.stop() == 0
        assert await client.ended()
