"""Several Goniecs on one PostgreSQL, as on several machines: roles, taking over from one that died, rolling restarts."""

import asyncio
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import httpx

from tests.contract.send.receivers import Receiver, answer
from tests.e2e.engine import NO_TLS, Engine, eventually
from tests.e2e.machines import Place, figures, furnish, machines
from tests.e2e.panel.client import people

QUICK: Final = """
from goniec.flow import leases
leases.LEASE_SECONDS = 12.0
"""
"""A machine on which leases are so short that a test can wait for their end."""

ENDPOINTS: Final = 6
CONTACTS: Final = 5


def quick(*roles: str) -> list[Place]:
    """Such a machine for each role."""
    return [(QUICK, {"role": role}) for role in roles]


class Traffic:
    """Events of a few contacts, sent to whichever machine answers, until each is answered."""

    def __init__(self, engines: list[Engine]) -> None:
        self.engines = engines
        self.sent: list[str] = []
        self.ending = False

    async def run(self) -> None:
        """Send one after the other until told to end."""
        n = 0
        while not self.ending:
            await self.send(n)
            n += 1

    async def send(self, n: int) -> None:
        """Send one, to the next machine if one is away; under its key it is recorded once."""
        event = {
            "type": "page.visited", "contact": {"email": f"c{n % CONTACTS}@example.pl"}, "dedupKey": f"k{n}",
            "data": {"url": f"https://shop.example/{n % ENDPOINTS}"},
        }  # fmt: skip
        tries = 0
        while True:
            one = self.engines[(n + tries) % len(self.engines)]
            tries += 1
            try:
                answered = await one.http.post("/events", json=event)
            except (httpx.HTTPError, RuntimeError):
                await asyncio.sleep(0.05)
                continue
            if answered.status_code in {200, 202}:
                self.sent.append(answered.json()["ids"][0])
                return
            assert answered.status_code in {429, 503}, answered.text
            await asyncio.sleep(0.05)


async def pages(one: Engine, receiver: Receiver) -> None:
    """A rule and an endpoint for each, which soon tries again."""
    await furnish(one, receiver, ENDPOINTS, timeout=2, schedule=[1] * 20)


async def at_rest(one: Engine, traffic: Traffic) -> list[dict[str, Any]]:
    """Wait until all is delivered; gives the deliveries."""
    await one.quiet()
    found = await one.everything("/deliveries")
    assert Counter(row["status"] for row in found) == {"delivered": len(set(traffic.sent))}
    assert await one.doctor() == []
    return found


def arrived(receiver: Receiver) -> list[str]:
    """The ids of what arrived, in the order in which it did."""
    return [request.header("webhook-id") or "" for request in receiver.requests]


def in_order(found: list[dict[str, Any]], ids: list[str]) -> None:
    """To each endpoint each contact's deliveries came in the order in which they were recorded."""
    first = {id: at for at, id in reversed(list(enumerate(ids)))}
    lanes: dict[tuple[str, str], list[str]] = {}
    for row in sorted(found, key=lambda row: str(row["id"])):
        lanes.setdefault((row["endpointId"], row["contactId"]), []).append(row["id"])
    for lane in lanes.values():
        for one, another in pairwise(lane):
            assert first[one] < first[another], (one, another)


async def test_one_takes_calls_and_others_deliver(tmp_path: Path, url: str) -> None:
    async with (
        Receiver(answer(200)) as receiver,
        machines(tmp_path, url, quick("web", "worker", "worker")) as all_of_them,
    ):
        web, *workers = all_of_them
        await pages(web, receiver)
        traffic = Traffic([web])
        await asyncio.gather(*(traffic.send(n) for n in range(60)))
        found = await at_rest(web, traffic)
        assert sorted(arrived(receiver)) == sorted(row["id"] for row in found)
        owned = 0
        for worker in workers:
            async with httpx.AsyncClient(base_url=worker.url, verify=NO_TLS) as plain:
                metrics = figures((await plain.get("/metrics")).text)
                assert (await plain.get("/healthz")).json() == {"status": "alive"}
                for path, status in (("/", 404), ("/api/v1/contacts", 503), ("/docs", 404)):
                    refused = await plain.get(path)
                    assert refused.status_code == status
                    assert "this process is a worker" in refused.json()["detail"]
                assert metrics["goniec_process_info", "worker"] == 1
                assert metrics["goniec_workers", None] == 2
                owned += int(metrics["goniec_process_endpoints", None])
        assert 0 < owned <= ENDPOINTS, "what has nothing to do may be nobody's by now"
        both = [sum(line.get("event") == "attempt" for line in one.log()) for one in workers]
        assert sum(both) == 60
        assert min(both) > 0, "each has its share"
        assert not [line for line in web.log() if line.get("event") == "attempt"]
        await told_when_nobody_delivers(web, workers)


async def told_when_nobody_delivers(web: Engine, workers: list[Engine]) -> None:
    """Stop them one after the other, and see it in the panel and on `/metrics`."""
    async with people(web) as sign_in:
        ala, ola = await sign_in("viewer", "pl"), await sign_in("viewer", "en")
        assert "Wysyłkami dzielą się 2 procesy." in (await ala.get("/")).text
        assert await workers[0].stop() == 0
        assert "1 process sends the deliveries." in (await ola.get("/overview/now")).text
        assert await workers[1].stop() == 0
        assert "Żaden proces nie wysyła. Zdarzenia są zapisywane, wysyłki czekają" in (await ala.get("/")).text
        assert "No process is sending anything." in (await ola.get("/overview/now")).text
    async with httpx.AsyncClient(base_url=web.url, verify=NO_TLS) as plain:
        metrics = figures((await plain.get("/metrics")).text)
    assert metrics["goniec_process_info", "web"] == 1
    assert metrics["goniec_workers", None] == metrics["goniec_process_endpoints", None] == 0


async def test_another_takes_over_from_one_that_was_killed_and_all_are_restarted_in_turn(
    tmp_path: Path, url: str
) -> None:
    async with Receiver(answer(200)) as receiver, machines(tmp_path, url, quick("all", "all", "all")) as three:
        await pages(three[0], receiver)
        traffic = Traffic(three)
        sending = asyncio.create_task(traffic.run())
        await eventually(lambda: _so_many(receiver, 60), "the first have arrived")
        three[1].kill()
        await three[1].gone()
        await eventually(lambda: _so_many(receiver, 200), "some more have arrived")
        await three[1].start()
        traffic.ending = True
        await sending
        found = await at_rest(three[0], traffic)
        ids = arrived(receiver)
        in_order(found, ids)
        assert set(ids) == {row["id"] for row in found}
        twice = [id for id, n in Counter(ids).items() if n > 1]
        assert len(twice) <= ENDPOINTS * CONTACTS, "only what was under way when it was killed"

        receiver.requests.clear()
        traffic = Traffic(three)
        sending = asyncio.create_task(_from(traffic, len(ids) + 10_000))
        for one in three:
            before = len(receiver.requests)
            assert await one.stop() == 0
            await eventually(lambda before=before: _so_many(receiver, before + 30), "others go on")  # type: ignore[misc] # bound at once
            await one.start()
        traffic.ending = True
        await sending
        await three[0].quiet()
        ids = arrived(receiver)
        assert Counter(Counter(ids).values()) == {1: len(set(traffic.sent))}
        in_order([row for row in await three[0].everything("/deliveries") if row["id"] in set(ids)], ids)
        assert await three[0].doctor() == []


async def _from(traffic: Traffic, n: int) -> None:
    while not traffic.ending:
        await traffic.send(n)
        n += 1


async def _so_many(receiver: Receiver, n: int) -> bool:
    return len(receiver.requests) >= n
