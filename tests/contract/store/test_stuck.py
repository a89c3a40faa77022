"""What nothing would ever move is found by name."""

from goniec.core.model import Status
from goniec.ports import Store, Stuck
from tests.contract.store.scribe import NOW, Scribe, by_hand, endpoint, put


async def test_what_waits_for_an_endpoint_that_is_not_there(store: Store, scribe: Scribe) -> None:
    await put(store, endpoint())
    await scribe.deliver("con_1")
    await scribe.deliver("con_1", status=Status.FAILED)
    assert await store.queries.stuck() == []
    (lost,) = await scribe.deliver("con_2", ["end_2"])
    await scribe.deliver("con_3", ["end_2"])
    assert await store.queries.stuck() == [Stuck("homeless", "end_2", 2, lost.id)]
    assert await store.queries.homeless() == ["end_2"]
    await store.transact(lambda tx: tx.cancel_many([lost.id], NOW))
    (found,) = await store.queries.stuck()
    assert found.n == 1


async def test_an_endpoint_that_cannot_be_read_is_there(store: Store, scribe: Scribe) -> None:
    assert await store.queries.homeless() == []
    await put(store, endpoint("end_1"), endpoint("end_3"))
    for contact, to in (("con_1", "end_3"), ("con_2", "end_2"), ("con_3", "end_2"), ("con_4", "end_4")):
        await scribe.deliver(contact, [to])
    await by_hand(store, "UPDATE endpoints SET doc = {} WHERE id = 'end_3'", b"{}")
    assert await store.queries.endpoint("end_3") is None
    assert await store.queries.homeless() == ["end_2", "end_4"]
