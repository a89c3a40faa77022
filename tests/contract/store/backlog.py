"""What happens to endpoints while another has a long queue; the tests of each store weigh the work that it makes."""

from goniec.flow.claim import EVER
from goniec.ports import Store
from tests.contract.store.scribe import ENDPOINT, NOW, Scribe, failed, succeeded

DEAD = "end_dead"
EVENTS = 30


async def life(store: Store) -> None:
    """What happens to an endpoint that is well, and to its neighbour that is asked whether it is back."""
    scribe = Scribe(store)
    for n in range(EVENTS):
        (made,) = await scribe.deliver(f"c{n % 7}")
        await store.queries.due_endpoints(NOW)
        await store.queries.due(ENDPOINT, NOW, 32)
        if n % 5:
            await scribe.finish(succeeded(made))
        else:
            await scribe.finish(failed(made, due_at=NOW + 60_000))
        await store.queries.due(DEAD, EVER, 1)
        await store.queries.totals()
    await store.transact(lambda tx: tx.prune(NOW - 10**11, NOW - 10**11, 0, 500))
