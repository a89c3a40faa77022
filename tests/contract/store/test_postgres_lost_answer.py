"""PostgreSQL: the connection is lost at the COMMIT. What was written counts once, and what was not is written then."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from goniec.ports import Tx, Unavailable, Unsure
from goniec.store.address import Postgres
from goniec.store.postgres import PostgresStore, open_store, outcome, writer
from goniec.store.postgres.connect import Server
from goniec.store.postgres.outcome import Outcome
from goniec.store.postgres.sql import Db
from tests.contract.store.scribe import Scribe, succeeded
from tests.cutter import Cut, Cutter, cutter
from tests.pooler import pooler
from tests.postgres import PostgresServer, database


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with database() as made:
        yield made


@asynccontextmanager
async def wired(url: str) -> AsyncIterator[tuple[PostgresStore, Cutter]]:
    """A store whose way to its database may be cut."""
    async with cutter(url) as (way, address):
        # opening waits, and the way lies in this loop
        store = await asyncio.to_thread(open_store, Postgres(address), server=True)
        try:
            yield store, way
        finally:
            await store.close()


class Counting:
    """Work that counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0

    async def add(self, tx: Tx) -> int:
        """Count one call, in a total that shows it when it is counted twice."""
        self.begun += 1
        await tx.add_totals({"received": 1})
        return self.begun

    async def mark(self, tx: Tx) -> int:
        """Write what is in no total."""
        self.begun += 1
        await tx.put_mark("who", b"%d" % self.begun)
        return self.begun

    async def look(self, tx: Tx) -> int:
        """Write nothing at all."""
        self.begun += 1
        await tx.mark("who")
        return self.begun


@pytest.mark.parametrize(("cut", "begun"), [(Cut.AFTER, 1), (Cut.BEFORE, 2)])
async def test_it_is_written_once_wherever_the_way_is_cut(url: str, cut: Cut, begun: int) -> None:
    async with wired(url) as (store, way):
        work = Counting()
        way.arm(cut)
        assert await store.transact(work.add) == begun
        assert (await store.queries.totals())["received"] == 1
        way.arm(cut)
        work.begun = 0
        assert await store.transact(work.mark) == begun
        assert await store.mark("who") == b"%d" % begun
        assert way.done == [cut] * 2
        await store.transact(work.add)
        assert (await store.queries.totals())["received"] == 2


async def test_what_has_written_nothing_is_begun_anew(url: str) -> None:
    async with wired(url) as (store, way):
        work = Counting()
        way.arm(Cut.AFTER)
        assert await store.transact(work.look) == 2


async def test_a_delivery_is_recorded_and_ended_once(url: str) -> None:
    async with wired(url) as (store, way):
        scribe = Scribe(store)
        way.arm(Cut.AFTER)
        (made,) = await scribe.deliver("c1")
        way.arm(Cut.AFTER, Cut.AFTER)
        await scribe.finish(succeeded(made))
        await scribe.contact("c2")
        found = await store.queries.delivery(made.id)
        assert found is not None
        assert len(found[1]) == 1, "the attempt is in the log once"
        assert await store.queries.totals() == await store.queries.recount()
        assert way.done == [Cut.AFTER] * 3


async def test_it_is_asked_until_the_server_knows(url: str) -> None:
    async with wired(url) as (store, way):
        work = Counting()
        way.arm(Cut.MEANWHILE)
        adding = asyncio.create_task(store.transact(work.add))
        await asyncio.wait_for(way.hit.wait(), 60)
        await asyncio.sleep(0.2)  # it is asked meanwhile, and the server is at it
        assert not adding.done()
        way.late.set()
        assert await adding == 1
        assert (await store.queries.totals())["received"] == 1


async def test_a_server_that_does_not_get_to_know_is_not_asked_for_ever(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome, "PATIENCE_SECONDS", 0.3)
    async with wired(url) as (store, way):
        way.arm(Cut.NEVER)
        with pytest.raises(Unsure, match="connection"):
            await store.transact(Counting().mark)


async def test_who_is_cut_again_and_again_is_told_so(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "TRIES", 3)
    async with wired(url) as (store, way):
        way.arm(*[Cut.BEFORE] * 3)
        with pytest.raises(Unavailable, match="connection"):
            await store.transact(Counting().add)
        assert (await store.queries.totals()).get("received", 0) == 0
        await store.transact(Counting().add)
        assert (await store.queries.totals())["received"] == 1


async def test_behind_a_proxy_that_lends_connections_by_the_transaction(url: str) -> None:
    async with pooler(url) as proxied, wired(proxied) as (store, way):
        work = Counting()
        for cut, begun in ((Cut.AFTER, 1), (Cut.BEFORE, 3)):
            way.arm(cut)
            assert await store.transact(work.add) == begun
        for _ in range(3):
            await asyncio.gather(store.queries.totals(), store.transact(work.mark))
        assert (await store.queries.totals())["received"] == 2


async def test_two_processes_of_which_one_is_cut(url: str) -> None:
    """Whoever waits for its rows meanwhile gets them, and nothing is lost of either's."""
    other = open_store(Postgres(url), server=True)
    try:
        async with wired(url) as (store, way):
            both = Counting()
            way.arm(Cut.AFTER, Cut.BEFORE, Cut.AFTER)
            await asyncio.gather(*(one.transact(both.add) for one in (store, other) for _ in range(4)))
            assert (await store.queries.totals())["received"] == 8
    finally:
        await other.close()


# --- a server that crashes ------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of the test's own, which it may harm."""
    made = PostgresServer(durable=True)
    try:
        made.start()
        yield made
    finally:
        made.close()


async def test_an_id_that_a_crash_wiped_out_and_that_is_given_once_more(server: PostgresServer) -> None:
    """The server calls it committed, for it was another's who has it now."""
    place = Server(await server.make())
    raw = await place.connect()
    then = await outcome.age(Db(raw))
    await raw.execute("BEGIN")
    lost = await raw.fetchval(f"SELECT {outcome.XID}")
    server.kill()
    raw.terminate()
    server.start()
    assert await outcome.outcome(place, lost, then) is Outcome.UNDONE, "nobody has it"
    raw = await place.connect()
    now = await outcome.age(Db(raw))
    assert now != then
    assert await raw.fetchval(f"SELECT {outcome.XID}") == lost
    assert await outcome.outcome(place, lost, now) is Outcome.COMMITTED
    assert await outcome.outcome(place, lost, then) is Outcome.UNKNOWN
    assert await outcome.outcome(place, lost, None) is Outcome.UNKNOWN
    await raw.close()


async def test_a_restart_as_it_should_be_begins_no_new_age(server: PostgresServer) -> None:
    place = Server(await server.make())
    raw = await place.connect()
    then = await outcome.age(Db(raw))
    assert await outcome.xid(Db(raw)) is None, "nothing was written"
    mine = await raw.fetchval(f"SELECT {outcome.XID}")
    await raw.close()
    server.stop()
    server.start()
    assert await outcome.outcome(place, mine, then) is Outcome.COMMITTED
