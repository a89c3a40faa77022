"""A year of traffic on a virtual clock: the database stays bounded, what is pending stays, and the service goes on."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from goniec.core.endpoint import Pause
from goniec.core.model import Status
from goniec.core.times import DAY
from goniec.flow import upkeep
from goniec.flow.upkeep import Upkeep
from goniec.ports import Answer, EventFilter, Outgoing, Page, Store
from goniec.store.postgres import PostgresStore
from goniec.store.sqlite import SqliteStore
from tests.core.build import happened
from tests.flow.workshop import Workshop, email, failing, ok

DAYS, RETENTION, SETTLED = 365, 30, 60
PEOPLE = 12
"""Visits a day; one in so many is refused by its receiver, and given up."""

WEIGHED = 30
"""Once in so many days."""


async def test_a61_a_simulated_year(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "LOOK_SECONDS", 0.005)
    monkeypatch.setattr(upkeep, "REST_SECONDS", 0.001)
    await shop.endpoint(policy={"schedule": [], "breaker": False})
    await shop.endpoint("end_2", paused=Pause.BY_HAND)
    created = [{"type": "contact.created"}]
    await shop.rule("rul_2", triggers=created, actions=[{"type": "webhook", "endpointId": "end_2"}])
    await shop.record(email("waits@x.pl"))
    await shop.store.transact(lambda tx: tx.delete_rule("rul_2"))
    (waiting,) = await shop.deliveries()
    await shop.rule()
    shop.sender.script = refusing
    keeping = asyncio.create_task(Upkeep(shop.store, shop.clock, RETENTION, dedup_days=RETENTION).run())
    sizes: dict[int, int] = {}
    for day in range(DAYS):
        await shop.record(*(email(f"k{n}@x.pl", happenings=(happened(),)) for n in range(PEOPLE)))
        await shop.settle()
        shop.clock.at += DAY
        if day % WEIGHED == 0:
            sizes[day] = await size(shop.store)
        assert not keeping.done()
    await gone(shop)
    keeping.cancel()
    # sums by the hour grow for 400 days, all else must not
    settled, last = sizes[SETTLED], sizes[max(sizes)]
    assert last <= 1.3 * settled, f"{settled} bytes became {last}"
    assert [one.id for one in await shop.deliveries(status=Status.PENDING)] == [waiting.id]
    totals = await shop.store.queries.totals()
    assert totals == await shop.store.queries.recount()
    made = DAYS * PEOPLE
    assert {status: totals[f"deliveries.{status}"] for status in Status} == {
        Status.PENDING: 1,
        Status.HELD: 0,
        Status.DELIVERED: made - DAYS,
        Status.FAILED: DAYS,
        Status.CANCELLED: 0,
    }
    assert await shop.store.queries.balances("rule") == await shop.store.queries.recount_balances("rule")
    assert len(await shop.store.queries.sums("endpoint", ["end_1"], 0, shop.clock.at, DAY)) == DAYS
    await shop.endpoint("end_2", version=2)
    await shop.later(0)
    assert (await shop.attempts(waiting.id))[0].failure is None


async def size(store: Store) -> int:
    """The bytes that it takes up; a server clears up behind us from time to time, and here it is told when."""
    if not isinstance(store, PostgresStore):
        assert isinstance(store, SqliteStore)
        return Path(store.path).stat().st_size
    db = await asyncpg.connect(store.address.url)
    try:
        await db.execute("VACUUM")
        found: int = await db.fetchval(
            "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        return found
    finally:
        await db.close()


def refusing(request: Outgoing) -> Answer:
    """One of the contacts is never taken."""
    return failing(422) if b"k0@x.pl" in request.body else ok(request)


async def gone(shop: Workshop) -> None:
    """Wait until all has left that is due to."""
    oldest = shop.clock.at - RETENTION * DAY
    for _ in range(5_000):
        # what waits keeps its event, and only that
        kept = await shop.store.queries.events(EventFilter(until=oldest), Page())
        if len(kept) == 1:
            return
        await asyncio.sleep(0.002)
    raise AssertionError("retention does not come to an end")
