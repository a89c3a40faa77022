"""How the deliveries of each endpoint and rule stand: in step with every change, and beyond retention."""

from goniec.core.model import Attempt, Status
from goniec.ports import Balance, Finished, Holder, Store
from tests.contract.store.scribe import DAY, NOW, Scribe, failed, succeeded

HOLDERS: tuple[Holder, ...] = ("endpoint", "rule")


async def agreed(store: Store, holder: Holder = "endpoint") -> list[Balance]:
    """What is kept, which is what is counted and adds up to the whole."""
    totals = await store.queries.totals()
    for one in HOLDERS:
        kept = await store.queries.balances(one)
        assert kept == await store.queries.recount_balances(one)
        assert sum(balance.made for balance in kept) == totals["made"]
        for status in Status:
            assert sum(getattr(balance, status.value) for balance in kept) == totals[f"deliveries.{status}"]
    return await store.queries.balances(holder)


async def test_nothing_at_first(store: Store) -> None:
    assert await agreed(store) == []


async def test_every_move_is_counted_where_it_belongs(store: Store, scribe: Scribe) -> None:
    first, second = await scribe.deliver("con_1", ["end_1", "end_2"])
    (other,) = await scribe.deliver("con_2", ["end_2"], rule_id="rul_2")
    assert await agreed(store) == [Balance("end_1", 1, 1, 0, 0, 0, 0), Balance("end_2", 2, 2, 0, 0, 0, 0)]
    await scribe.finish(succeeded(first))
    await store.transact(lambda tx: tx.cancel(second.id, NOW))
    assert await agreed(store) == [Balance("end_1", 1, 0, 0, 1, 0, 0), Balance("end_2", 2, 1, 0, 0, 0, 1)]
    assert await agreed(store, "rule") == [Balance("rul_1", 2, 0, 0, 1, 0, 1), Balance("rul_2", 1, 1, 0, 0, 0, 0)]
    await store.transact(lambda tx: tx.requeue_many([second.id, first.id], (Status.CANCELLED, Status.DELIVERED), NOW))
    assert await agreed(store, "rule") == [Balance("rul_1", 2, 2, 0, 0, 0, 0), Balance("rul_2", 1, 1, 0, 0, 0, 0)]
    await store.transact(lambda tx: tx.erase("con_2", NOW))
    assert (await agreed(store))[1] == Balance("end_2", 2, 1, 0, 0, 0, 1)
    assert other.endpoint_id == "end_2"


async def test_what_is_given_up(store: Store, scribe: Scribe) -> None:
    (made,) = await scribe.deliver("con_1")
    await scribe.finish(failed(made))
    assert await agreed(store) == [Balance("end_1", 1, 0, 0, 0, 1, 0)]


async def test_it_outlives_retention(store: Store, scribe: Scribe) -> None:
    await scribe.deliver("con_1", status=Status.FAILED)
    await scribe.deliver("con_2", status=Status.DELIVERED)
    scribe.now += DAY
    await scribe.deliver("con_3")
    before = await agreed(store)
    pruned = await store.transact(lambda tx: tx.prune(scribe.now, 0, 0, 1000))
    assert pruned.deliveries == 2
    assert await agreed(store) == before == [Balance("end_1", 3, 1, 0, 1, 1, 0)]


async def test_a_test_send_counts_too(store: Store, scribe: Scribe) -> None:
    (made,) = await scribe.deliver("con_1", status=Status.HELD, test=True)
    assert await agreed(store) == [Balance("end_1", 1, 0, 1, 0, 0, 0)]
    attempt = Attempt(delivery_id=made.id, number=1, at=NOW, millis=1, status=200)
    await store.transact(lambda tx: tx.finish([Finished(made, attempt)]))
    assert await agreed(store) == [Balance("end_1", 1, 0, 0, 1, 0, 0)]
