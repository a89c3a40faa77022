"""A whole Goniec on PostgreSQL: the same engine and the same commands, and what only a server makes possible to go wrong."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

from tests.cli.commands import goniec
from tests.contract.send.receivers import Receiver, answer
from tests.cutter import Cut, cutter
from tests.e2e.engine import SETTINGS, Engine, engine
from tests.postgres import PostgresServer

KEY: Final = "k" * 32
JAN: Final = {"email": "jan@example.pl"}
PASSWORD: Final = "hunter2"


async def test_from_an_event_to_a_receiver_and_over_a_restart(tmp_path: Path, url: str) -> None:
    async with Receiver(answer(200)) as receiver, engine(tmp_path, database=url, secret_key=KEY) as one:
        await one.rule({"type": "page.visited"}, receiver.url())
        await asyncio.gather(*(one.visit({"email": f"{n % 5}@example.pl"}) for n in range(40)))
        await one.settled(40)
        assert len(receiver.requests) == 40
        assert await one.stop() == 0
        await one.start()
        await one.visit(JAN)
        done = await one.settled(41)
        assert [row["status"] for row in done] == ["delivered"] * 41
        assert len(await one.everything("/events", type="page.visited")) == 41
        assert await one.doctor() == []
        assert not (tmp_path / "goniec.db").exists()
        assert not (tmp_path / "goniec.key").exists()


async def test_connections_that_are_lost_at_the_commit(tmp_path: Path, url: str) -> None:
    """Callers have their answer at the first try, nothing is recorded or sent twice, and the log says the same."""
    async with (
        cutter(url) as (way, address),
        Receiver(answer(200)) as receiver,
        engine(tmp_path, database=address, secret_key=KEY) as one,
    ):
        await one.rule({"type": "page.visited"}, receiver.url())
        for n in range(20):
            way.arm(Cut.AFTER, Cut.BEFORE)
            await one.visit({"email": f"{n % 5}@example.pl"})
        done = await one.settled(20)
        way.cuts.clear()
        assert len(way.done) >= 20
        assert len(receiver.requests) == 20
        assert [row["attemptCount"] for row in done] == [1] * 20
        assert len(await one.everything("/events", type="page.visited")) == 20
        assert await one.doctor() == []
        assert not [line for line in one.log() if line.get("level") in {"error", "warning"}]


async def test_a_commit_of_which_nobody_knows(tmp_path: Path, url: str) -> None:
    """Callers are told that nobody knows, and find out by sending the same again."""
    visit: dict[str, Any] = {"type": "page.visited", "contact": JAN, "data": {"url": "https://shop.example/"}}
    async with cutter(url) as (way, address), engine(tmp_path, database=address, secret_key=KEY) as one:
        told = None
        while told is None or told.status_code == 202:  # a commit of the house's own may be hit first
            way.late.clear()
            way.arm(Cut.NEVER)
            visit["dedupKey"] = f"visit-{len(way.done)}"
            told = await one.ask("POST", "/events", json=visit)
            way.late.set()
        assert told.status_code == 503
        assert told.json()["code"] == "unavailable"
        assert told.json()["detail"].startswith("nobody knows whether this request was written: the connection")
        way.cuts.clear()
        before = len(await one.everything("/events", type="page.visited"))
        again = await one.post("/events", visit, 202)
        assert (await one.post("/events", visit, 202))["ids"] == again["ids"]
        assert len(await one.everything("/events", type="page.visited")) == before + 1


async def test_the_commands(tmp_path: Path, url: str) -> None:
    address = url.replace("postgres@", f"postgres:{PASSWORD}@")
    settings = {**SETTINGS, "database": address, "secret_key": KEY}

    def run(*arguments: str, code: int = 0, **more: str) -> str:
        ran = goniec(tmp_path, *arguments, **{**settings, **more})
        assert ran.returncode == code, ran.stderr
        assert PASSWORD not in ran.stdout + ran.stderr
        assert "Traceback" not in ran.stderr
        return ran.stdout + ran.stderr

    assert "PROBLEM  schema     schema none" in await asyncio.to_thread(run, "doctor", code=1)
    assert "has schema" in await asyncio.to_thread(run, "migrate")
    assert (await asyncio.to_thread(run, "key", "create", "sklep")).strip()
    made = await asyncio.to_thread(
        lambda: goniec(
            tmp_path, "user", "add", "jan@x.pl", "--password-stdin", stdin="a long pass phrase\n", **settings
        )
    )
    assert made.returncode == 0, made.stderr
    assert "jan@x.pl" in await asyncio.to_thread(run, "user", "list")
    assert await asyncio.to_thread(run, "deliveries", "list")
    told = json.loads((await asyncio.to_thread(run, "doctor", "--json")).partition("\n")[0])
    assert told["settings"]["database"] == url
    assert "pg_dump" in await asyncio.to_thread(run, "backup", "copy.db", code=1)
    assert "pg_restore" in await asyncio.to_thread(run, "restore", "copy.db", code=1)
    refused = await asyncio.to_thread(run, "serve", code=1, database=f"{address}_no")
    assert "there is no such database on the server" in refused


async def test_a_server_that_dies_and_comes_back(tmp_path: Path) -> None:
    server = PostgresServer(durable=True)
    try:
        server.start()
        url = await server.make(empty=True)
        async with Receiver(answer(200)) as receiver, engine(tmp_path, database=url, secret_key=KEY) as one:
            await one.rule({"type": "page.visited"}, receiver.url())
            accepted = [await one.visit(JAN) for _ in range(5)]
            server.kill()
            answered = await one.ask("POST", "/events", json={"type": "page.visited", "contact": JAN, "data": {}})
            assert answered.status_code == 503, answered.text
            server.start()
            accepted += await _insist(one, 5)
            done = await one.settled(len(accepted))
            assert {row["eventId"] for row in done} >= set(accepted)
            assert await one.doctor() == []
    finally:
        server.close()


async def _insist(one: Engine, count: int) -> list[str]:
    """Tell of so many visits, however often it takes."""
    ids: list[str] = []
    event = {"type": "page.visited", "contact": JAN, "data": {"url": "https://shop.example/"}}
    while len(ids) < count:
        answered = await one.ask("POST", "/events", json=event)
        assert answered.status_code in {202, 503}, answered.text
        if answered.status_code == 202:
            ids += answered.json()["ids"]
        else:
            await asyncio.sleep(0.1)
    return ids
