"""What processes tell each other: it arrives elsewhere and not at home, in few messages, after a loss too."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest

from goniec.ports import Signal
from goniec.store.address import Postgres
from goniec.store.postgres import PostgresStore, open_store
from goniec.store.postgres.signals import PAYLOAD, messages
from tests.contract.store.scribe import endpoint, put
from tests.pooler import pooler
from tests.postgres import PostgresServer, database


class Process:
    """A process that shares the database, and what it has heard."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.heard: list[tuple[Signal, str]] = []
        store.signals.hear(lambda signal, endpoint_id: self.heard.append((signal, endpoint_id)))

    def tell(self, signal: Signal, *endpoint_ids: str) -> None:
        self.store.signals.tell(signal, endpoint_ids)


@asynccontextmanager
async def processes(url: str, n: int = 2) -> AsyncIterator[list[Process]]:
    stores = [await asyncio.to_thread(open_store, Postgres(url), server=False) for _ in range(n)]
    try:
        yield [Process(store) for store in stores]
    finally:
        for store in stores:
            await store.close()


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with database() as made:
        yield made


async def until(done: Callable[[], bool]) -> None:
    for _ in range(1_500):
        if done():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it does not happen")


async def until_heard(teller: Process, *hearers: Process) -> None:
    """Tell until all others hear, and forget what came."""

    def heard() -> bool:
        teller.tell(Signal.CHANGED, "end_hello")
        return all(one.heard for one in hearers)

    await until(heard)
    await asyncio.sleep(0.1)
    for one in (teller, *hearers):
        one.heard.clear()


async def test_all_others_hear_it_and_who_tells_it_does_not(url: str) -> None:
    async with processes(url, 3) as (one, other, third):
        await until_heard(one, other, third)
        await until_heard(third, one, other)
        one.tell(Signal.DUE, "end_1", "end_2")
        one.tell(Signal.LEASES)
        one.tell(Signal.DUE, "end_1")
        wanted = {(Signal.DUE, "end_1"), (Signal.DUE, "end_2"), (Signal.LEASES, "")}

        def heard() -> bool:
            return set(other.heard) == set(third.heard) == wanted

        await until(heard)
        assert one.heard == []


async def test_it_goes_on_after_the_server_was_killed() -> None:
    server = PostgresServer()
    try:
        server.start()
        async with processes(await server.make()) as (one, other):
            await until_heard(one, other)
            server.kill()
            one.tell(Signal.DUE, "end_1")
            server.start()
            await until_heard(one, other)
            await until_heard(other, one)
    finally:
        server.close()


async def test_it_goes_on_after_its_connection_was_cut(url: str) -> None:
    async with processes(url) as (one, other):
        await until_heard(one, other)
        db = await asyncpg.connect(url)
        try:
            sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            await db.execute(f"{sql} WHERE datname = current_database() AND pid <> pg_backend_pid()")
        finally:
            await db.close()
        await until_heard(one, other)


async def test_what_was_told_last_goes_out_before_the_store_closes(url: str) -> None:
    async with processes(url) as (one, other):
        await until_heard(one, other)
        one.tell(Signal.LEASES, "end_1")
        await one.store.close()

        def heard() -> bool:
            return other.heard == [(Signal.LEASES, "end_1")]

        await until(heard)
        one.tell(Signal.LEASES, "end_2")  # nobody is there any more, and nobody minds


async def test_behind_a_proxy_that_lends_connections_nothing_is_told(url: str) -> None:
    async with pooler(url) as lent:
        async with processes(lent) as (one, other):
            one.tell(Signal.DUE, "end_1")
            await put(one.store, endpoint())
            await put(other.store, endpoint("end_2"))
            one.tell(Signal.DUE, "end_1")
        assert (one.heard, other.heard) == ([], [])


async def test_what_a_newer_release_tells_is_passed_over(url: str) -> None:
    async with processes(url) as (one, other):
        await until_heard(one, other)
        db = await asyncpg.connect(url)
        try:
            await db.execute("SELECT pg_notify('goniec', 'somebody whatever end_1')")
            await db.execute("SELECT pg_notify('goniec', '')")
            await db.execute("SELECT pg_notify('goniec', 'somebody due end_1')")
        finally:
            await db.close()

        def heard() -> bool:
            return (Signal.DUE, "end_1") in other.heard

        await until(heard)
        assert other.heard == [(Signal.DUE, "end_1")]


def test_many_ids_take_as_few_messages_as_fit() -> None:
    ids = [f"end_{n:026d}" for n in range(1_000)]
    told = list(messages("me", Signal.DUE, ids))
    assert [one for text in told for one in text.split(" ")[2:]] == ids
    assert all(len(text) <= PAYLOAD for text in told)
    assert len(told) == 5
    assert list(messages("me", Signal.LEASES, [])) == ["me leases "]
