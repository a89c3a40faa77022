"""A store that fails the sender: for one endpoint only, while leases are renewed, or in a way that nobody foresaw."""

import asyncio
from typing import Any

import pytest
from typing_extensions import override

from goniec.core.breaker import FAILURES
from goniec.core.endpoint import Endpoint, Pause
from goniec.core.model import Delivery, Failure, Status
from goniec.flow import health
from goniec.flow.deliver import Deliverer
from goniec.flow.health import Health
from goniec.flow.leases import Alone
from goniec.ports import Unavailable
from tests.flow.test_deliver_breaker import outage, visits
from tests.flow.workshop import Workshop, failing, ok

BOTH = [{"type": "webhook", "endpointId": "end_1"}, {"type": "webhook", "endpointId": "end_2"}]


class Faulty(Alone):
    """Leases whose renewal meets a fault."""

    shared = True
    renewal = 0.001

    @override
    async def renew(self) -> bool:
        raise ZeroDivisionError("a fault of ours")


async def test_one_endpoint_that_cannot_be_asked_about_starves_no_other(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    due = shop.store.queries.due

    async def away_for_one(endpoint_id: str, now: int, limit: int, part: int | None) -> list[Delivery]:
        if endpoint_id == "end_1":
            raise Unavailable("the server does not answer")
        return await due(endpoint_id, now, limit, part)

    await shop.endpoint("end_2")
    await shop.rule(actions=BOTH)
    shop.handing_over = False
    with monkeypatch.context() as broken:
        broken.setattr(shop.store.queries, "due", away_for_one)
        await shop.record(*visits(1))
        await shop.until(lambda: len(shop.sender.sent) == 1)
        assert [request.url for request in shop.sender.sent] == ["https://end_2.example/hook"]
        for _ in range(3):
            await shop.poll()
    assert capsys.readouterr().err.count("claim.unavailable") == 1
    await shop.later(0)
    assert {one.status for one in await shop.deliveries()} == {Status.DELIVERED}


async def test_a_store_that_goes_away_again_is_told_of_again(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def away(_now: int) -> list[str]:
        raise Unavailable("the server does not answer")

    for _ in range(2):
        with monkeypatch.context() as broken:
            broken.setattr(shop.store.queries, "due_endpoints", away)
            await shop.poll()
            await shop.poll()
        await shop.poll()
    assert capsys.readouterr().err.count("claim.unavailable") == 2


async def test_who_cannot_renew_ends(shop: Workshop) -> None:
    made = Deliverer(
        shop.store, shop.sender, shop.vault, shop.clock, shop.dice, shop.recorder.finish, "Goniec/test", Faulty()
    )
    with pytest.raises(ZeroDivisionError):
        await asyncio.wait_for(made.run(), 10)


@pytest.fixture
def faulty(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of what the sender tells the store; what stands in it meets a fault."""
    transact = shop.store.transact
    names: set[str] = set()

    async def write(work: Any) -> Any:
        function = getattr(work, "func", work)
        if function.__qualname__ in names:
            raise ZeroDivisionError("a fault of ours")
        return await transact(work)

    monkeypatch.setattr(shop.store, "transact", write)
    return names


async def test_a_pause_that_cannot_be_written_holds_in_memory(
    shop: Workshop, faulty: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    faulty.add(health._paused.__qualname__)
    await shop.rule()
    shop.sender.script = lambda _: failing(410, Failure.GONE)
    await shop.record(*visits(1))
    await shop.settle()
    box = shop.deliverer._outboxes.boxes["end_1"]
    await shop.until(lambda: box.quiet)
    assert box.endpoint is not None
    assert box.endpoint.paused is Pause.GONE
    assert "endpoint.not_written" in capsys.readouterr().err


async def test_a_breaker_that_could_not_be_written_is_written_with_the_next_attempt(
    shop: Workshop, faulty: set[str]
) -> None:
    faulty.add(health._kept.__qualname__)
    shop.sender.script = lambda _: failing()
    await shop.rule()
    await shop.record(*visits(FAILURES))
    await shop.settle()
    box = shop.deliverer._outboxes.boxes["end_1"]
    await shop.until(lambda: box.quiet)
    faulty.clear()
    await shop.later(60_000)
    await shop.until(lambda: box.quiet)
    endpoint = await shop.store.queries.endpoint("end_1")
    assert endpoint is not None
    assert endpoint.breaker.open


async def test_what_cannot_be_hurried_goes_in_its_own_time(shop: Workshop, faulty: set[str]) -> None:
    await shop.endpoint(policy={"schedule": [3_600]})
    await outage(shop)
    faulty.add(Health._hurry.__qualname__ + ".<locals>.work")
    shop.sender.script = ok
    await shop.later(60_000)
    assert {one.status for one in await shop.deliveries()} == {Status.DELIVERED, Status.PENDING}
    await shop.later(3_600_000)
    assert {one.status for one in await shop.deliveries()} == {Status.DELIVERED}


async def test_an_endpoint_that_was_deleted_is_not_asked_for_again_and_again(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.endpoint()
    await shop.rule()
    await shop.record(*visits(1))
    await shop.settle()
    await shop.store.transact(lambda tx: tx.delete_rule("rul_1"))
    await shop.store.transact(lambda tx: tx.delete_endpoint("end_1"))
    shop.deliverer.changed("end_1")
    await shop.poll()
    await shop.settle()
    asked: list[str] = []
    endpoint = shop.store.queries.endpoint

    async def counted(endpoint_id: str) -> Endpoint | None:
        asked.append(endpoint_id)
        return await endpoint(endpoint_id)

    with monkeypatch.context() as counting:
        counting.setattr(shop.store.queries, "endpoint", counted)
        await shop.poll()
    assert not asked
    await shop.endpoint()
    await shop.rule()
    await shop.record(*visits(1))
    await shop.settle()
    assert [one.status for one in await shop.deliveries()] == [Status.DELIVERED] * 2
