"""What is put off until the end of quiet hours: it waits where nothing but its hour finds it, and was not tried."""

from msgspec.structs import replace

from goniec.core.model import Attempt, Delivery, Failure, Status
from goniec.core.parts import part_of
from goniec.ports import Finished, Store
from tests.contract.store.scribe import ENDPOINT, NOW, Scribe, failed, ids, succeeded

LATER = NOW + 60_000


async def due(store: Store) -> list[str]:
    return ids(await store.queries.due(ENDPOINT, NOW, 100))


async def standing(store: Store, delivery: Delivery) -> Delivery:
    found = await store.queries.delivery(delivery.id)
    assert found is not None
    return found[0]


async def attempts(store: Store, delivery: Delivery) -> list[Attempt]:
    found = await store.queries.delivery(delivery.id)
    assert found is not None
    return found[1]


def quiet(delivery: Delivery, until: int) -> Finished:
    """It is put off, which is no attempt."""
    return failed(delivery, due_at=until, failure=Failure.QUIET)


async def test_what_is_put_off_until_an_hour_has_not_been_tried(store: Store, scribe: Scribe) -> None:
    (head,) = await scribe.deliver("c1")
    (follower,) = await scribe.deliver("c1")
    (after,) = await scribe.finish(quiet(head, LATER))
    assert after == replace(head, due_at=LATER, aside=True, failure=Failure.QUIET) == await standing(store, head)
    assert await due(store) == [follower.id]
    assert await attempts(store, head) == []
    assert not await store.transact(lambda tx: tx.hurry(ENDPOINT, NOW, 100))
    assert not await store.transact(lambda tx: tx.hurry(ENDPOINT, NOW, 100, part_of("c1")))
    assert await due(store) == [follower.id]
    assert (await store.queries.totals()) == (await store.queries.recount())
    await scribe.finish(succeeded(after))
    assert (await standing(store, head)).failure is None


async def test_what_was_tried_and_is_put_off_then_keeps_what_it_was_tried(store: Store, scribe: Scribe) -> None:
    (made,) = await scribe.deliver("c1")
    (tried,) = await scribe.finish(failed(made, due_at=NOW))
    (after,) = await scribe.finish(quiet(tried, LATER))
    assert (after.attempts, after.counted, after.last_at) == (1, 1, NOW)
    assert len(await attempts(store, made)) == 1
    assert not await store.transact(lambda tx: tx.hurry(ENDPOINT, NOW, 100))
    assert await due(store) == []
    (done,) = await scribe.finish(succeeded(after))
    assert (await standing(store, made)).failure is None
    assert done.attempts == 2


async def test_what_was_cancelled_or_is_another_s_is_not_put_off(store: Store, scribe: Scribe) -> None:
    made, other = (await scribe.deliver("c1"))[0], (await scribe.deliver("c2"))[0]
    await store.transact(lambda tx: tx.cancel(made.id, NOW))
    await store.transact(lambda tx: tx.take_leases("one", [ENDPOINT], NOW, LATER))
    await scribe.finish(quiet(made, LATER), replace(quiet(other, LATER), epoch=7))
    assert (await standing(store, made)).status is Status.CANCELLED
    assert (await standing(store, made)).failure is None
    assert await standing(store, other) == other
    await scribe.finish(quiet(other, LATER))
    await store.transact(lambda tx: tx.cancel(other.id, NOW))
    assert (await standing(store, other)).failure is None


async def test_a_late_failure_does_not_hide_why_nobody_wanted_it(store: Store, scribe: Scribe) -> None:
    (made,) = await scribe.deliver("c1")
    await scribe.finish(failed(made, status=Status.CANCELLED, failure=Failure.OPTED_OUT))
    await scribe.finish(failed(made, due_at=LATER, failure=Failure.RESET))
    assert (await standing(store, made)).failure is Failure.OPTED_OUT
    assert [one.failure for one in await attempts(store, made)] == [Failure.OPTED_OUT, Failure.RESET]
