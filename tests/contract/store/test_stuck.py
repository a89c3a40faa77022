"""What nothing would ever move is found by name."""

from goniec.core.model import Status
from goniec.ports import Store, Stuck
from tests.contract.store.scribe import NOW, Scribe, endpoint, put


async def test_what_waits_for_an_endpoint_that_is_not_there(store: Store, scribe: Scribe) -> None:
    await put(store, endpoint())
    await scribe.deliver("con_1")
    await scribe.deliver("con_1", status=Status.FAILED)
    assert await store.queries.stuck() == []
    (lost,) = await scribe.deliver("con_2", ["end_2"])
    await scribe.deliver("con_3", ["end_2"])
    assert await store.queries.stuck() == [Stuck("homeless", "end_2", 2, lost.id)]
    await store.transact(lambda tx: tx.cancel_many([lost.id], NOW))
    (found,) = await store.queries.stuck()
    assert found.n == 1
