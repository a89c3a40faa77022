"""Trouble with the database under an engine that runs: it says what is wrong, loses nothing, and goes on by itself."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from tests.cli.commands import goniec
from tests.contract.send.receivers import Receiver, answer
from tests.e2e.engine import Engine

VISIT = {"type": "page.visited", "contact": {"email": "ola@example.pl"}, "data": {"url": "https://shop.example/"}}


@contextmanager
def database(folder: Path) -> Iterator[apsw.Connection]:
    """The file in the hands of another program."""
    db = apsw.Connection(str(folder / "goniec.db"))
    try:
        yield db
    finally:
        db.close()


@pytest.mark.slow
async def test_another_program_holds_the_file_locked(engine: Engine) -> None:
    async with Receiver([answer(500), answer(200)]) as receiver:
        rule = await engine.rule({"type": "page.visited"}, receiver.url())
        await engine.endpoint(rule, schedule=[1] * 50)
        await engine.visit({"email": "jan@example.pl"})
        with database(engine.folder) as db:
            db.execute("BEGIN EXCLUSIVE")
            refused = await engine.ask("POST", "/events", 503, json=VISIT)
            assert int(refused.headers["retry-after"]) > 0
            detail = refused.json()["detail"]
            assert detail.startswith("nothing of this request was written: the database file is locked by another")
            red = await engine.http.get(f"{engine.url}/readyz")
            assert (red.status_code, red.json()["code"]) == (503, "notReady")
            assert "locked by another program" in red.json()["detail"]
            assert (await engine.http.get(f"{engine.url}/healthz")).status_code == 200
            assert len(await engine.everything("/events", type="page.visited")) == 1
            db.execute("ROLLBACK")
        await engine.post("/events", VISIT, 202)
        deliveries = await engine.settled(2)
        assert (await engine.http.get(f"{engine.url}/readyz")).status_code == 200
        # what was tried while nothing could be written was written down later
        assert sum(one["attemptCount"] for one in deliveries) == len(receiver.requests)
        assert {one["status"] for one in deliveries} == {"delivered"}
        await engine.doctor()


async def test_a_rule_that_cannot_be_read_stops_no_other_and_is_mended_by_saving_it(engine: Engine) -> None:
    async with Receiver(answer(200)) as receiver:
        broken = await engine.rule({"type": "page.visited"}, receiver.url("/broken"), name="Broken")
        await engine.rule({"type": "page.visited"}, receiver.url("/sound"), name="Sound")
        assert await engine.stop() == 0
        with database(engine.folder) as db:
            db.execute("UPDATE rules SET doc = CAST('{\"name\": 1' AS BLOB) WHERE id = ?", (broken["id"],))
        await engine.start()
        await engine.visit({"email": "jan@example.pl"})
        await engine.settled(1)
        assert [request.target for request in receiver.requests] == ["/sound"]
        shown = await engine.get(f"/rules/{broken['id']}")
        assert (shown["active"], shown["name"]) == (False, f"(unreadable rule) {broken['id']}")
        (found,) = await engine.doctor("database")
        assert broken["id"] in found["detail"]
        assert "anew" in found["advice"]
        told = await asyncio.to_thread(goniec, engine.folder, "doctor", **engine.settings)
        assert (told.returncode, broken["id"] in told.stdout) == (1, True)

        await engine.put(f"/rules/{broken['id']}", broken)
        await engine.doctor()
        await engine.visit({"email": "jan@example.pl"})
        await engine.settled(3)
        assert sorted(request.target for request in receiver.requests) == ["/broken", "/sound", "/sound"]


async def test_an_endpoint_that_cannot_be_read_stops_no_other_and_shows(engine: Engine) -> None:
    async with Receiver(answer(200)) as receiver:
        broken = await engine.rule({"type": "page.visited"}, receiver.url("/broken"))
        await engine.rule({"type": "page.visited"}, receiver.url("/sound"))
        endpoint = await engine.endpoint(broken)
        assert await engine.stop() == 0
        with database(engine.folder) as db:
            whole = db.execute("SELECT doc FROM endpoints WHERE id = ?", (endpoint,)).get
            db.execute("UPDATE endpoints SET doc = x'00' WHERE id = ?", (endpoint,))
        await engine.start()
        await engine.visit({"email": "jan@example.pl"})
        await engine.settled(1)
        assert [request.target for request in receiver.requests] == ["/sound"]
        (run,) = (await engine.get(f"/rules/{broken['id']}/runs"))["items"]
        assert (run["outcome"], run["deliveries"]) == ("configError", [])
        assert endpoint in run["detail"]
        (found,) = await engine.doctor("database")
        assert endpoint in found["detail"]
        assert await engine.stop() == 0
        with database(engine.folder) as db:
            db.execute("UPDATE endpoints SET doc = ? WHERE id = ?", (whole, endpoint))
        await engine.start()
        await engine.visit({"email": "jan@example.pl"})
        await engine.settled(3)
        assert sorted(request.target for request in receiver.requests) == ["/broken", "/sound", "/sound"]
        await engine.doctor()
