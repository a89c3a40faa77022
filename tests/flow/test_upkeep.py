"""What is too old goes, in bites, and a store that is away is asked again later."""

import asyncio

import pytest

from goniec.core.endpoint import Pause
from goniec.core.model import Failure, Status
from goniec.core.times import DAY, SECOND
from goniec.flow import upkeep
from goniec.flow.leases import DUTY, Leased
from goniec.flow.testing import INTERRUPTED
from goniec.flow.upkeep import Upkeep
from goniec.ports import EventFilter, Page, Unavailable
from tests.contract.store.scribe import Scribe
from tests.core.build import happened
from tests.flow.workshop import Workshop, email


async def kept(shop: Workshop) -> int:
    return len(await shop.store.queries.events(EventFilter(), Page()))


@pytest.fixture
def keeping(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Upkeep:
    """Retention of 90 days that looks all the time and bites small."""
    monkeypatch.setattr(upkeep, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(upkeep, "REST_SECONDS", 0.001)
    monkeypatch.setattr(upkeep, "BITE", 2)
    return Upkeep(shop.store, shop.clock, retention_days=90, dedup_days=30)


async def test_old_events_leave_and_pending_deliveries_never(shop: Workshop, keeping: Upkeep) -> None:
    await shop.record(*(email(f"k{n}@x.pl", happenings=(happened(),)) for n in range(5)))
    await shop.rule()
    await shop.endpoint(version=2, paused=Pause.BY_HAND)
    await shop.poll()
    await shop.record(email("waits@x.pl", happenings=(happened(),)))
    shop.clock.at += 90 * DAY + SECOND
    await shop.record(email("new@x.pl"))
    work = asyncio.create_task(keeping.run())
    for _ in range(1000):
        await asyncio.sleep(0.001)
        if await kept(shop) <= 3:
            break
    work.cancel()
    types = [event.type for event in await shop.store.queries.events(EventFilter(), Page())]
    assert types[-2:] == ["page.visited", "contact.created"]
    assert len(types) <= 3
    assert [d.status.value for d in await shop.deliveries()] == ["pending"]
    assert await shop.store.queries.totals() == await shop.store.queries.recount()


async def test_where_nothing_is_old_nothing_goes(shop: Workshop, keeping: Upkeep) -> None:
    await shop.record(email("a@x.pl"))
    work = asyncio.create_task(keeping.run())
    await asyncio.sleep(0.01)
    work.cancel()
    assert await kept(shop) == 1


async def test_a_store_that_is_away_is_asked_again(
    shop: Workshop, keeping: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def away(_: object) -> None:
        nonlocal asked
        asked += 1
        raise Unavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(shop.store, "transact", away)
        work = asyncio.create_task(keeping.run())
        await shop.until(lambda: asked > 2)
        work.cancel()
    assert (await shop.record(email("a@x.pl")))[0]


async def test_of_several_processes_one_keeps_the_house(shop: Workshop, keeping: Upkeep) -> None:
    other = Leased(shop.store, shop.clock, "other")
    assert await other.have(DUTY + "upkeep")
    ours = Upkeep(shop.store, shop.clock, 90, 30, Leased(shop.store, shop.clock, "ours"))
    await shop.record(email("a@x.pl"))
    shop.clock.at += 91 * DAY - 30_000
    assert await other.renew()
    work = asyncio.create_task(ours.run())
    await asyncio.sleep(0.05)
    assert await kept(shop) == 1
    await other.let_go(other.names)
    async with asyncio.timeout(10):
        while await kept(shop):
            shop.clock.at += 1
            await asyncio.sleep(0.005)
    work.cancel()


async def test_a_test_send_that_nobody_is_left_to_end_is_ended(shop: Workshop, keeping: Upkeep) -> None:
    scribe = Scribe(shop.store)
    await scribe.deliver("con_1", status=Status.HELD, test=True)
    shop.clock.at += INTERRUPTED + 1
    work = asyncio.create_task(keeping.run())
    (one,) = await shop.deliveries()
    while one.status is Status.HELD:
        await asyncio.sleep(0.001)
        (one,) = await shop.deliveries()
    work.cancel()
    assert (one.status, one.failure) == (Status.FAILED, Failure.INTERNAL)
