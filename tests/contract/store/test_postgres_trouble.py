"""PostgreSQL: a server that dies or is full, connections that are cut, processes in each other's way, a proxy."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from goniec.core.model import Contact, Delivery
from goniec.ports import Changes, ContactFilter, EventFilter, Page, Tx, Unavailable
from goniec.store.address import Postgres
from goniec.store.postgres import PostgresStore, connect, open_store, readers, writer
from goniec.store.postgres.locks import SERVING
from tests.contract.store.scribe import ENDPOINT, NOW, Scribe, endpoint, failed, ids, put, succeeded
from tests.faults.wire import Wire
from tests.pooler import pooler
from tests.postgres import PostgresServer, database
from tests.postgres import server as shared


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with database() as made:
        yield made


@pytest.fixture
async def pair(url: str) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    """Two processes, as far as the database can tell."""
    one, other = (open_store(Postgres(url), server=False) for _ in range(2))
    try:
        yield one, other
    finally:
        await one.close()
        await other.close()


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of the test's own, which it may harm."""
    made = PostgresServer(durable=True)
    try:
        made.start()
        yield made
    finally:
        made.close()


async def cut(url: str) -> None:
    """Cut all connections to a database, as a firewall or an operator may."""
    db = await asyncpg.connect(url)
    try:
        sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        await db.execute(f"{sql} WHERE datname = current_database() AND pid <> pg_backend_pid()")
    finally:
        await db.close()


# --- the server -----------------------------------------------------------------------------------------------------


async def test_a_server_that_is_killed_and_comes_back(server: PostgresServer) -> None:
    store = open_store(Postgres(await server.make()), server=True)
    try:
        scribe = Scribe(store)
        before = await scribe.happen("c1")
        server.kill()
        with pytest.raises(Unavailable, match=r"connection|reached|listens"):
            await put(store, endpoint())
        with pytest.raises(Unavailable, match=r"connection|reached|listens"):
            await store.queries.totals()
        assert await store.queries.health() is not None
        server.start()
        assert await store.queries.event(before.id) == (before, ())
        assert await store.queries.endpoints() == []
        assert await store.queries.health() is None
        await scribe.happen("c1")
        assert await store.queries.totals() == await store.queries.recount()
    finally:
        await store.close()


async def test_a_server_that_is_killed_in_the_middle_of_a_transaction(server: PostgresServer) -> None:
    store = open_store(Postgres(await server.make()), server=True)
    try:

        async def work(tx: Tx) -> None:
            await tx.put_endpoint(endpoint())
            server.kill()
            await tx.put_endpoint(endpoint("end_2"))

        with pytest.raises(Unavailable):
            await store.transact(work)
        server.start()
        assert await store.queries.endpoints() == []
    finally:
        await store.close()


async def test_a_server_that_is_told_to_stop(server: PostgresServer) -> None:
    store = open_store(Postgres(await server.make()), server=True)
    try:
        await put(store, endpoint())
        server.stop()
        with pytest.raises(Unavailable):
            await store.queries.endpoints()
        with pytest.raises(Unavailable):
            await put(store, endpoint("end_2"))
        server.start()
        assert ids(await store.queries.endpoints()) == [ENDPOINT]
    finally:
        await store.close()


async def test_connections_that_were_cut_are_made_anew(url: str) -> None:
    store = open_store(Postgres(url), server=True)
    try:
        await put(store, endpoint())
        await store.queries.endpoints()
        await cut(url)
        assert ids(await store.queries.endpoints()) == [ENDPOINT]
        await put(store, endpoint("end_2"))
    finally:
        await store.close()


async def test_a_way_on_which_nothing_comes_through_any_more(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads or writes is told that the server does not answer, and is heard again once the way is mended."""
    for room, name in ((connect, "COMMAND_SECONDS"), (readers, "CLOSE_SECONDS"), (writer, "CLOSE_SECONDS")):
        monkeypatch.setattr(room, name, 0.3)
    port = shared().port
    async with Wire(port) as wire:
        there = Postgres(url.replace(f":{port}/", f":{wire.port}/"))
        # opening waits, and the way lives in this loop
        store = await asyncio.to_thread(open_store, there, server=False)
        try:
            await put(store, endpoint())
            ways = (
                store.queries.endpoints,
                store.queries.totals,
                store.queries.recount,
                lambda: put(store, endpoint()),
            )
            for ask in ways:
                await store.queries.endpoints()
                wire.cut()
                with pytest.raises(Unavailable, match="does not answer"):
                    await ask()
                wire.mend()
            assert ids(await store.queries.endpoints()) == [ENDPOINT]
            await put(store, endpoint("end_2"))
        finally:
            await store.close()


async def test_who_gets_its_connection_back_waits_for_a_release_that_has_to_be_alone(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PATIENCE_SECONDS", 0.2)
    store = open_store(Postgres(url), server=True)
    await cut(url)
    old = await asyncpg.connect(url)
    await old.fetchval(f"SELECT pg_advisory_lock({SERVING})")
    with pytest.raises(Unavailable, match="an older Goniec serves the database"):
        await store.transact(lambda tx: tx.put_mark("who", b"first"))
    await old.close()
    await store.transact(lambda tx: tx.put_mark("who", b"first"))
    assert await store.mark("who") == b"first"
    await store.close()


async def until_it_works(store: PostgresStore) -> None:
    """Ask until it can be read again."""
    async with asyncio.timeout(60):
        while True:
            try:
                await store.queries.due_endpoints(NOW)
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return


async def test_a_closed_store(url: str) -> None:
    store = open_store(Postgres(url), server=True)
    await store.close()
    await store.close()
    with pytest.raises(Unavailable, match="closed"):
        await store.transact(lambda tx: tx.setup_version())
    with pytest.raises(Unavailable, match="closed"):
        await store.queries.totals()


# --- what a text may not hold ---------------------------------------------------------------------------------------


async def test_nothing_is_found_under_a_name_with_nul(url: str) -> None:
    store = open_store(Postgres(url), server=True)
    try:
        await Scribe(store).contact("c1", email="jan@x.pl")
        queries = store.queries
        assert await queries.contact("c1\0") is None
        assert await queries.event("evt_\0") is None
        assert await queries.run("run_\0") is None
        assert await queries.delivery("dlv_\0") is None
        assert await queries.rule("rul_\0") is None
        assert await queries.endpoint("end_\0") is None
        assert await queries.user("usr_\0") is None
        assert await queries.events(EventFilter(contact_id="c\0", type="a\0"), Page()) == []
        assert await queries.contacts(ContactFilter(q="\0"), Page()) == []
        assert await queries.last_attempts(["dlv_\0"]) == {}
        assert await queries.deliveries_by_id(["dlv_\0"]) == {}
        assert await store.transact(lambda tx: tx.requeue("dlv_\0", NOW)) is None
        assert await store.transact(lambda tx: tx.owners(["e:\0"])) == {}
    finally:
        await store.close()


async def test_an_answer_with_nul_in_its_words_is_written_down(url: str) -> None:
    store = open_store(Postgres(url), server=True)
    try:
        scribe = Scribe(store)
        (made,) = await scribe.deliver("c1")
        await scribe.finish(succeeded(made, note="a\0b", head=b"\0"))
        found = await store.queries.delivery(made.id)
        assert found is not None
        assert (found[1][0].note, found[1][0].head) == ("a\ufffdb", b"\0")
    finally:
        await store.close()


# --- a proxy --------------------------------------------------------------------------------------------------------


async def test_behind_a_proxy_that_lends_connections_by_the_transaction(url: str) -> None:
    async with pooler(url) as proxied:
        # opening waits, and the proxy lives in this loop
        store = await asyncio.to_thread(open_store, Postgres(proxied), server=True)
        try:
            assert "through a proxy" in store.whole
            scribe = Scribe(store)
            for n in range(5):
                (made,) = await scribe.deliver(f"c{n}")
                await asyncio.gather(scribe.finish(succeeded(made)), store.queries.totals(), store.queries.health())
            assert await store.queries.totals() == await store.queries.recount()
            assert len(await store.queries.events(EventFilter(), Page())) == 5
        finally:
            await store.close()


# --- several processes ----------------------------------------------------------------------------------------------


async def test_two_that_change_one_contact_lose_nothing(pair: tuple[PostgresStore, PostgresStore]) -> None:
    async def add(tx: Tx) -> None:
        (contact,) = (await tx.contacts(["c1"])).values()
        changed = Contact(id="c1", created_at=NOW, updated_at=NOW, score=contact.score + 1)
        await tx.save(Changes(contacts=[changed], totals={"received": 1}))

    await pair[0].transact(lambda tx: tx.save(Changes(contacts=[Contact(id="c1", created_at=NOW, updated_at=NOW)])))
    await asyncio.gather(*(pair[n % 2].transact(add) for n in range(60)))
    contact = await pair[0].queries.contact("c1")
    assert contact is not None
    assert contact.score == 60
    assert (await pair[1].queries.totals())["received"] == 60


async def test_two_that_lock_contacts_in_a_circle_both_come_to_an_end(
    pair: tuple[PostgresStore, PostgresStore],
) -> None:
    made = [Contact(id=id, created_at=NOW, updated_at=NOW) for id in ("c1", "c2")]
    await pair[0].transact(lambda tx: tx.save(Changes(contacts=made)))
    met = threading.Barrier(2)  # each store has a thread of its own
    tries = {"c1": 0, "c2": 0}

    async def work(tx: Tx, first: str, second: str) -> None:
        tries[first] += 1
        await tx.contacts([first])
        if tries[first] == 1:
            met.wait(60)
        await tx.contacts([second])
        await tx.add_totals({"received": 1})

    await asyncio.gather(
        pair[0].transact(lambda tx: work(tx, "c1", "c2")), pair[1].transact(lambda tx: work(tx, "c2", "c1"))
    )
    assert sorted(tries.values()) == [1, 2]
    assert (await pair[0].queries.totals())["received"] == 2


@pytest.mark.parametrize("put_off", [True, False])
async def test_a_follower_is_due_at_once_though_its_head_left_while_it_was_written(
    pair: tuple[PostgresStore, PostgresStore], *, put_off: bool
) -> None:
    scribe = Scribe(pair[0])
    (head,) = await scribe.deliver("c1")
    if put_off:
        await scribe.finish(failed(head, due_at=NOW + 60_000))
    changes = scribe.sent(scribe.event("c1"))
    changes.contacts = [scribe.contacts["c1"]]
    began = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def work(tx: Tx) -> None:
        assert await tx.busy_lanes([(ENDPOINT, "c1")]) == {(ENDPOINT, "c1")}
        loop.call_soon_threadsafe(began.set)
        await asyncio.sleep(0.3)  # the other one wants to end the head, and has to wait for us
        await tx.save(changes)

    async def end() -> None:
        await began.wait()
        await pair[1].transact(lambda tx: tx.finish([succeeded(head, NOW + 9)]))

    await asyncio.gather(pair[0].transact(work), end())
    due = await pair[0].queries.due(ENDPOINT, NOW + 16, 9)
    assert ids(due) == ids(changes.deliveries)


async def test_who_comes_while_the_head_is_leaving_is_no_follower(pair: tuple[PostgresStore, PostgresStore]) -> None:
    scribe = Scribe(pair[0])
    (head,) = await scribe.deliver("c1")
    began = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def end(tx: Tx) -> None:
        await tx.finish([succeeded(head, NOW + 9)])
        loop.call_soon_threadsafe(began.set)
        await asyncio.sleep(0.3)  # the other one finds the head, and has to wait for us

    async def follow() -> list[Delivery]:
        await began.wait()
        scribe.store = pair[1]
        return await scribe.deliver("c1")

    _, made = await asyncio.gather(pair[0].transact(end), follow())
    assert ids(await pair[0].queries.due(ENDPOINT, NOW + 16, 9)) == ids(made)


async def test_two_that_save_setup_see_each_other(pair: tuple[PostgresStore, PostgresStore]) -> None:
    async def add(tx: Tx) -> None:
        known = await tx.endpoints()
        await tx.put_endpoint(endpoint(f"end_{len(known)}"))

    await asyncio.gather(*(pair[n % 2].transact(add) for n in range(20)))
    assert len(await pair[0].queries.endpoints()) == 20
