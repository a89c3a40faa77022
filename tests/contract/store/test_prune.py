"""Retention."""

from goniec.core.model import Status
from goniec.ports import Changes, Dedup, DeliveryFilter, EventFilter, Page, Pruned, Remembered, RunFilter, Store
from tests.contract.store.scribe import DAY, ENDPOINT, NOW, RULE, Scribe, failed, ids, succeeded

EVERYTHING = NOW + 1_000 * DAY


async def prune(store: Store, before: int = EVERYTHING, limit: int = 1_000) -> Pruned:
    return await store.transact(lambda tx: tx.prune(before, 0, 0, limit))


async def prune_all(store: Store, before: int = EVERYTHING, limit: int = 1_000) -> int:
    bites = 1
    while (await prune(store, before, limit)).more:
        bites += 1
        assert bites < 1_000
    return bites


async def test_what_is_older_goes_with_all_that_followed(store: Store, scribe: Scribe) -> None:
    (old,) = await scribe.deliver("c1")
    await scribe.finish(failed(old, NOW, NOW + 5), succeeded(old, NOW + 5))
    scribe.now += DAY
    (young,) = await scribe.deliver("c1")
    await scribe.finish(succeeded(young))
    assert await prune(store, NOW + DAY) == Pruned(events=1, runs=1, deliveries=1, attempts=2, keys=0, more=False)
    assert await store.queries.delivery(old.id) is None
    assert ids(await store.queries.deliveries(DeliveryFilter(), Page())) == [young.id]
    assert [event.seq async for event, *_ in store.queries.timeline("c1")] == [2]
    assert await prune(store, NOW + DAY) == Pruned(0, 0, 0, 0, 0, more=False)


async def test_contacts_stay(store: Store, scribe: Scribe) -> None:
    contact = await scribe.contact("c1", email="jan@x.pl")
    await prune_all(store)
    assert await store.queries.contact("c1") == contact


async def test_what_a_pending_delivery_needs_stays(store: Store, scribe: Scribe) -> None:
    (waiting,) = await scribe.deliver("c1")
    (done,) = await scribe.deliver("c2")
    await scribe.finish(succeeded(done))
    await prune_all(store)
    assert await store.queries.due(ENDPOINT, NOW, 9) == [waiting]
    assert await store.queries.event(waiting.event_id) is not None
    assert await store.queries.run(waiting.run_id) is not None
    assert await store.queries.delivery(done.id) is None
    await scribe.finish(succeeded(waiting))
    await prune_all(store)
    assert await store.queries.delivery(waiting.id) is None


async def test_a_chain_is_never_cut_in_the_middle(store: Store, scribe: Scribe) -> None:
    """Otherwise erasing would not find what lies behind the cut."""
    made = [(await scribe.deliver("c1"))[0] for _ in range(6)]
    await scribe.finish(*(succeeded(delivery) for n, delivery in enumerate(made) if n != 2))
    await prune_all(store)
    assert [event.seq async for event, *_ in store.queries.timeline("c1")] == [6, 5, 4, 3]
    await store.transact(lambda tx: tx.erase("c1", NOW))
    assert all(not delivery.body for delivery in await store.queries.deliveries(DeliveryFilter(), Page()))


async def test_bites_are_small_and_come_to_an_end(store: Store, scribe: Scribe) -> None:
    parts = [scribe.sent(scribe.event(f"c{n % 7}")) for n in range(200)]
    await scribe.save(*parts)
    waiting = [part.deliveries[0] for n, part in enumerate(parts) if n % 50 == 49]
    done = [part.deliveries[0] for n, part in enumerate(parts) if n % 50 != 49]
    await scribe.finish(*map(succeeded, done))
    first = await prune(store, limit=40)
    assert first.more
    assert 0 < first.events <= 40
    assert await prune_all(store, limit=40) >= 4
    left = await store.queries.deliveries(DeliveryFilter(), Page(limit=999))
    assert set(ids(waiting)) <= set(ids(left))
    assert len(left) < 200 - 40
    await scribe.finish(*map(succeeded, waiting))
    await prune_all(store, limit=40)
    assert await store.queries.events(EventFilter(), Page()) == []


async def test_many_that_must_stay_do_not_stop_the_rest(store: Store, scribe: Scribe) -> None:
    await scribe.save(*(scribe.sent(scribe.event(f"dead{n}")) for n in range(100)))
    (done,) = await scribe.deliver("c1", ["end_2"])
    await scribe.finish(succeeded(done))
    await prune_all(store, limit=20)
    assert await store.queries.delivery(done.id) is None
    assert len(await store.queries.due(ENDPOINT, NOW, 999)) == 100


async def test_a_test_send_without_an_event_goes_too(store: Store, scribe: Scribe) -> None:
    lone = scribe.sent(scribe.event("c9"), status=Status.HELD, due_at=None, test=True).deliveries
    await scribe.save(Changes(deliveries=lone))
    await scribe.finish(succeeded(lone[0]))
    scribe.now += DAY
    await scribe.happen("c1")
    assert await prune(store, NOW) == Pruned(0, 0, 0, 0, 0, more=False)
    assert await prune(store, NOW + DAY) == Pruned(events=0, runs=0, deliveries=1, attempts=1, keys=0, more=False)
    assert await store.queries.totals() == await store.queries.recount()


async def test_dedup_keys_and_answers_have_a_life_of_their_own(store: Store) -> None:
    for n in range(5):
        await fill(store, n)
    gone = await store.transact(lambda tx: tx.prune(0, NOW + 2, NOW + 3, 100))
    assert gone == Pruned(0, 0, 0, 0, keys=5, more=False)
    keys = [f"k{n}" for n in range(5)]
    assert set(await store.transact(lambda tx: tx.known_dedup(keys))) == {"k2", "k3", "k4"}
    assert await store.transact(lambda tx: tx.remembered("k2")) is None
    assert await store.transact(lambda tx: tx.remembered("k3")) is not None


async def test_keys_go_in_bites_too(store: Store) -> None:
    await store.transact(lambda tx: tx.dedup([Dedup(f"k{n}", bytes(32), "evt_1") for n in range(25)], NOW))
    bites = [await store.transact(lambda tx: tx.prune(0, NOW + 1, 0, 10)) for _ in range(3)]
    assert [(bite.keys, bite.more) for bite in bites] == [(10, True), (10, True), (5, False)]


async def fill(store: Store, n: int) -> None:
    await store.transact(lambda tx: tx.dedup([Dedup(f"k{n}", bytes(32), "evt_1")], NOW + n))
    await store.transact(lambda tx: tx.remember(f"k{n}", Remembered(bytes(32), 200, b""), NOW + n))


async def test_the_ledger_remembers_what_is_gone(store: Store, scribe: Scribe) -> None:
    for n in range(12):
        (made,) = await scribe.deliver(f"c{n}")
        if n % 3:
            await scribe.finish(succeeded(made) if n % 2 else failed(made))
    before = await store.queries.totals()
    await prune_all(store, limit=8)
    assert await store.queries.totals() == before == await store.queries.recount()
    assert len(await store.queries.runs(RunFilter(RULE), Page())) == before["deliveries.pending"] == 4
