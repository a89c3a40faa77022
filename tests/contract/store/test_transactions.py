"""A transaction is whole or nothing, and several at once are one after the other."""

import asyncio

import pytest

from goniec.core.model import Contact
from goniec.ports import Changes, Store, Tx
from tests.contract.store.scribe import NOW, Scribe, endpoint


async def test_it_returns_what_the_work_returns(store: Store) -> None:
    async def work(tx: Tx) -> int:
        return await tx.setup_version() + 41

    assert await store.transact(work) == 41


async def test_an_exception_undoes_it_all(store: Store, scribe: Scribe) -> None:
    event = scribe.event("c1")

    async def work(tx: Tx) -> None:
        await tx.put_endpoint(endpoint())
        await tx.claim_keys([("e:jan@x.pl", "c1")])
        changes = scribe.sent(event)
        changes.contacts = [scribe.contacts["c1"]]
        changes.totals = {"received": 1}
        await tx.save(changes)
        await tx.add_totals({"refused": 1})
        raise LookupError("a surprise")

    before = await store.queries.totals()
    with pytest.raises(LookupError, match="a surprise"):
        await store.transact(work)
    queries = store.queries
    assert await queries.contact("c1") is None
    assert await queries.event(event.id) is None
    assert await queries.endpoints() == []
    assert await queries.due_endpoints(NOW) == []
    assert await queries.totals() == before
    assert await store.transact(lambda tx: tx.owners(["e:jan@x.pl"])) == {}


async def test_after_a_failure_the_next_one_works(store: Store, scribe: Scribe) -> None:
    event = await scribe.happen("c1")
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):
        await store.transact(lambda tx: tx.save(Changes(events=[event])))
    assert (await scribe.happen("c1")).previous == event.id


async def test_of_many_at_once_none_is_lost(store: Store) -> None:
    async def add(tx: Tx) -> None:
        found = (await tx.contacts(["c1"])).get("c1")
        score = 0 if found is None else found.score
        await tx.save(Changes(contacts=[Contact(id="c1", created_at=NOW, updated_at=NOW, score=score + 1)]))

    await store.transact(add)
    await asyncio.gather(*(store.transact(add) for _ in range(50)))
    contact = await store.queries.contact("c1")
    assert contact is not None
    assert contact.score == 51


async def test_a_reader_sees_what_is_committed_and_only_that(store: Store) -> None:
    await store.transact(lambda tx: tx.put_endpoint(endpoint("end_1")))

    async def two(tx: Tx) -> None:
        await tx.put_endpoint(endpoint("end_2"))
        await tx.put_endpoint(endpoint("end_3"))

    async def look() -> set[int]:
        return {len(await store.queries.endpoints()) for _ in range(20)}

    _, seen = await asyncio.gather(store.transact(two), look())
    assert seen <= {1, 3}
    assert len(await store.queries.endpoints()) == 3


async def test_work_that_is_given_up_by_its_caller_is_still_whole(store: Store, scribe: Scribe) -> None:
    event = scribe.event("c1")
    changes = Changes(contacts=[scribe.contacts["c1"]], events=[event])
    task = asyncio.create_task(store.transact(lambda tx: tx.save(changes)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.transact(lambda tx: tx.setup_version())
    contact = await store.queries.contact("c1")
    assert (contact is None) == (await store.queries.event(event.id) is None)


async def test_a_healthy_store_says_so(store: Store) -> None:
    assert await store.queries.health() is None
