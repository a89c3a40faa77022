"""Rules and endpoints are deleted while deliveries wait: sent or cancelled as announced, and nothing loops."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from msgspec.structs import replace

from goniec.core.jobs import Job, JobState
from goniec.core.model import Delivery, Status
from goniec.core.times import DAY, HOUR, MINUTE
from goniec.flow import endpoints
from goniec.flow.configure import Conflict, Outside
from goniec.flow.deliveries import cancel_delivery, resend_delivery
from goniec.flow.endpoints import delete_endpoint, pause_endpoint, resume_endpoint
from goniec.flow.jobs import Begun, Jobs, Range, cancel_range, resend_range
from goniec.flow.record import Locale, Recorder
from goniec.flow.rules import delete_rule
from goniec.flow.upkeep import Upkeep
from goniec.ports import DeliveryFilter, Page, Store, Tx
from goniec.store.address import Postgres
from goniec.store.postgres import open_store
from goniec.store.postgres.store import PostgresStore
from tests.contract.store.scribe import Scribe, endpoint, put
from tests.core.build import NOW, rule
from tests.e2e.engine import eventually
from tests.flow.desk import Desk, Guard
from tests.flow.workshop import Clock, Dice, Vault, Workshop, email
from tests.postgres import database

T = TypeVar("T")


@pytest.fixture
def desk(shop: Workshop) -> Desk:
    return Desk(shop)


async def test_a35_a_rule_is_deleted_with_deliveries_pending(desk: Desk) -> None:
    shop = desk.shop
    saved = await desk.create(triggers=[{"type": "contact.created"}])
    (endpoint,) = saved.endpoints.values()
    await pause_endpoint(desk.outside, endpoint.id)
    shop.deliverer.changed(endpoint.id)
    await shop.poll()
    await shop.record(email("a@x.pl"))
    assert await delete_rule(desk.outside, saved.rule.id, None) is None
    found = await delete_endpoint(desk.outside, endpoint.id)
    assert isinstance(found, Conflict)
    assert found.code == "pendingDeliveries"
    await shop.restart()
    await resume_endpoint(desk.outside, endpoint.id)
    shop.deliverer.changed(endpoint.id)
    await shop.later(MINUTE)
    (sent,) = await shop.deliveries()
    assert (sent.status, sent.rule_id) == (Status.DELIVERED, saved.rule.id)
    assert await delete_endpoint(desk.outside, endpoint.id) is None
    await shop.restart()
    await shop.later(MINUTE)
    assert [one.id for one in await shop.deliveries(endpoint_id=endpoint.id)] == [sent.id], "the log stays readable"
    refused = await resend_delivery(desk.outside, sent.id)
    assert isinstance(refused, Conflict)
    assert refused.code == "endpointDeleted"
    assert (len(shop.sender.sent), await shop.store.queries.stuck()) == (1, [])


async def test_a35_of_a_resend_and_a_deletion_the_second_is_refused(desk: Desk) -> None:
    shop = desk.shop
    outside = replace(desk.outside, notice=shop.deliverer)
    saved = await desk.create(triggers=[{"type": "contact.created"}])
    (endpoint,) = saved.endpoints.values()
    await shop.poll()
    await shop.record(email("a@x.pl"))
    await shop.settle()
    (sent,) = await shop.deliveries()
    await delete_rule(outside, saved.rule.id, None)
    await pause_endpoint(outside, endpoint.id)
    await shop.poll()
    assert isinstance(await resend_delivery(outside, sent.id), Delivery)
    refused = await delete_endpoint(outside, endpoint.id)
    assert isinstance(refused, Conflict)
    assert (refused.code, "(1)" in refused.detail) == ("pendingDeliveries", True)
    await cancel_delivery(outside, sent.id)
    job = await resend_range(outside, Range(since=NOW - HOUR, endpoint_id=endpoint.id), (Status.DELIVERED,))
    assert isinstance(job, Begun)
    assert await delete_endpoint(outside, endpoint.id) is None
    assert isinstance(await resend_delivery(outside, sent.id), Conflict)
    await Jobs(shop.store, shop.clock, shop.deliverer).round()
    ended = await shop.store.queries.job(job.job.id)
    assert ended is not None
    assert (ended.state, ended.failure) == (JobState.FAILED, "endpointDeleted")
    assert [one.status for one in await shop.deliveries()] == [Status.DELIVERED]
    assert await shop.store.queries.stuck() == []


async def test_more_than_anybody_wants_to_know_is_not_counted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "COUNTED_MOST", 2)
    scribe = Scribe(desk.shop.store)
    for n in range(3):
        await scribe.deliver(f"con_{n}", ["end_1"], created_at=desk.shop.clock.at + DAY)
    found = await delete_endpoint(desk.outside, "end_1")
    assert isinstance(found, Conflict)
    assert "(2 or more)" in found.detail


class Slow:
    """A store whose transactions do their work and then take their time before they commit."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self.queries = store.queries
        self.reached = threading.Event()
        self.gate = threading.Event()

    async def transact(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        async def slow(tx: Tx) -> T:
            done = await work(tx)
            self.reached.set()
            await asyncio.to_thread(self.gate.wait, 10)
            return done

        return await self._store.transact(slow)


class Quiet:
    """Nobody is to be told."""

    def changed(self, endpoint_id: str) -> None: ...
    def kick(self, endpoint_id: str) -> None: ...


class Nobody:
    """Takes no deliveries: the table has them."""

    def take(self, deliveries: Sequence[Delivery], busy: set[tuple[str, str]]) -> None: ...


class Two:
    """Two processes at one database, with a delivery to `end_1` that failed."""

    def __init__(self, url: str, stores: Sequence[PostgresStore], delivery: Delivery) -> None:
        self._url = url
        self.stores = stores
        self.delivery = delivery
        self.clock = Clock()

    def outside(self, store: object) -> Outside:
        return Outside(cast("Store", store), Vault(), self.clock, Dice(), Guard(), Quiet())

    async def resend(self, store: object) -> object:
        return await resend_delivery(self.outside(store), self.delivery.id)

    async def delete(self, store: object) -> object:
        return await delete_endpoint(self.outside(store), "end_1")

    async def job(self, store: object) -> object:
        await Jobs(cast("Store", store), self.clock, Quiet()).round()
        (job,) = await self.stores[0].queries.jobs(1)
        return job

    async def at_once(self, first: str, second: str) -> tuple[object, object]:
        """Let the second begin when the first has done all but commit."""
        slow = Slow(self.stores[0])
        one = asyncio.create_task(getattr(self, first)(slow))
        assert await asyncio.to_thread(slow.reached.wait, 10)
        other = asyncio.create_task(getattr(self, second)(self.stores[1]))
        db = await asyncpg.connect(self._url)
        try:
            async with asyncio.timeout(10):
                while not await db.fetchval("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)"):
                    assert not other.done(), "it did not wait for the first"
                    await asyncio.sleep(0.005)
        finally:
            slow.gate.set()
            await db.close()
        return await one, await other


@pytest.fixture
async def two() -> AsyncIterator[Two]:
    async with database() as url:
        stores = [await asyncio.to_thread(open_store, Postgres(url), server=False) for _ in range(2)]
        try:
            await put(stores[0], endpoint())
            (made,) = await Scribe(stores[0]).deliver("con_1", ["end_1"], status=Status.FAILED)
            yield Two(url, stores, made)
        finally:
            for store in stores:
                await store.close()


async def test_a35_an_endpoint_is_deleted_in_one_process_and_sent_to_in_another(two: Two) -> None:
    resent, refused = await two.at_once("resend", "delete")
    assert isinstance(resent, Delivery)
    assert isinstance(refused, Conflict)
    assert (resent.status, refused.code) == (Status.PENDING, "pendingDeliveries")
    await cancel_delivery(two.outside(two.stores[0]), resent.id)
    begun = await resend_range(
        two.outside(two.stores[0]), Range(since=1, endpoint_id="end_1"), (Status.CANCELLED, Status.FAILED)
    )
    assert isinstance(begun, Begun)
    job, refused = await two.at_once("job", "delete")
    assert isinstance(job, Job)
    assert isinstance(refused, Conflict)
    assert (job.done, refused.code) == (1, "pendingDeliveries")
    assert await two.stores[0].queries.stuck() == []


async def test_a35_an_endpoint_is_sent_to_in_one_process_as_it_is_deleted_in_another(two: Two) -> None:
    range_ = Range(since=1, endpoint_id="end_1")
    assert isinstance(await resend_range(two.outside(two.stores[0]), range_, (Status.FAILED,)), Begun)
    deleted, job = await two.at_once("delete", "job")
    assert isinstance(job, Job)
    assert (deleted, job.state, job.failure) == (None, JobState.FAILED, "endpointDeleted")
    await put(two.stores[0], endpoint())
    deleted, refused = await two.at_once("delete", "resend")
    assert isinstance(refused, Conflict)
    assert (deleted, refused.code) == (None, "endpointDeleted")
    found = await two.stores[0].queries.delivery(two.delivery.id)
    assert found is not None
    assert found[0].status is Status.FAILED
    assert await two.stores[0].queries.stuck() == []


async def test_a35_an_endpoint_is_deleted_in_one_process_while_another_records_for_it(two: Two) -> None:
    ours, theirs = two.stores
    watched = rule(triggers=[{"type": "contact.created"}])
    await put(ours, watched)
    slow = Slow(ours)
    slow.gate.set()
    recorder = Recorder(cast("Store", slow), two.clock, Dice(), Nobody(), Locale(ZoneInfo("Europe/Warsaw"), "PL"))
    running = asyncio.create_task(recorder.run())
    await recorder.record([email("a@x.pl", create=False)])  # whoever reads rules has setup alone until it commits
    slow.reached.clear()
    slow.gate.clear()
    recorded = asyncio.create_task(recorder.record([email("a@x.pl")]))
    try:
        assert await asyncio.to_thread(slow.reached.wait, 10)
        assert await delete_rule(two.outside(theirs), watched.id, None) is None
        assert await two.delete(theirs) is None, "what is not committed yet holds up nobody"
    finally:
        slow.gate.set()
    (found,) = cast("Any", await recorded)
    recorder.stop()
    await running
    (lost,) = found.deliveries
    assert await ours.queries.homeless() == ["end_1"]
    upkeep = asyncio.create_task(Upkeep(theirs, two.clock, 90, 30).run())

    async def ended() -> bool:
        return not await ours.queries.homeless()

    await eventually(ended, "it is cancelled")
    upkeep.cancel()
    (found,) = await ours.queries.deliveries(DeliveryFilter(endpoint_id="end_1", status=Status.CANCELLED), Page())
    assert found.id == lost
    assert await ours.queries.stuck() == []
    assert await ours.queries.totals() == await ours.queries.recount()


async def test_what_waits_for_an_endpoint_that_is_not_there_is_not_looped_over(desk: Desk) -> None:
    shop = desk.shop
    saved = await desk.create(triggers=[{"type": "contact.created"}])
    (endpoint,) = saved.endpoints.values()
    await pause_endpoint(desk.outside, endpoint.id)
    shop.deliverer.changed(endpoint.id)
    await shop.poll()
    await shop.record(email("a@x.pl"))
    await shop.store.transact(lambda tx: tx.delete_endpoint(endpoint.id))
    await shop.restart()
    await shop.poll()
    await shop.poll()
    assert shop.sender.sent == []
    assert [one.how for one in await shop.store.queries.stuck()] == ["homeless"]
    begun = await cancel_range(desk.outside, Range(endpoint_id=endpoint.id))
    assert isinstance(begun, Begun)
    await Jobs(shop.store, shop.clock, shop.deliverer).round()
    assert [one.status for one in await shop.deliveries()] == [Status.CANCELLED]
    assert await shop.store.queries.stuck() == []
