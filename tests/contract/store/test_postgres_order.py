"""Several processes record in one PostgreSQL at once: ids rise in the order of commits, and who polls misses nothing.

The processes are recorders of the flow, each with a store of its own and a clock that is wrong; some run in processes
of their own. Transactions are held up at random before their commit, so that they overtake each other.
"""

import asyncio
import multiprocessing
import os
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from goniec.core.decide import Call, Happening
from goniec.core.identity import Who
from goniec.core.ids import time_of
from goniec.core.model import Contact, Delivery, Event
from goniec.core.text import email_key, phone_key
from goniec.flow.batch import Recorded
from goniec.flow.record import Locale, Recorder
from goniec.ports import ContactFilter, EventFilter, Page, Store, Tx
from goniec.store.address import Postgres
from goniec.store.migrations.versions import v0008_floors
from goniec.store.postgres import PostgresStore, open_store
from goniec.store.postgres.sql import Db
from goniec.store.postgres.times import begin, horizon, moment
from tests.flow.workshop import Dice
from tests.postgres import database

T = TypeVar("T")

MINUTES = 60_000
ROUNDS = 40
CONTACTS = 6


class WrongClock:
    """The machine's clock, wrong by so many milliseconds."""

    def __init__(self, wrong: int) -> None:
        self._wrong = wrong

    def now(self) -> int:
        return time.time_ns() // 1_000_000 + self._wrong

    def monotonic(self) -> float:
        return time.monotonic()


class Held:
    """A store whose commits are held up at random."""

    def __init__(self, store: PostgresStore, seed: int) -> None:
        self._store = store
        self._rng = random.Random(seed)
        self.queries = store.queries

    async def transact(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        async def held(tx: Tx) -> T:
            result = await work(tx)
            await asyncio.sleep(self._rng.choice((0, 0, 0.001, 0.02)))
            return result

        return await self._store.transact(held)


class Nobody:
    """Takes no deliveries."""

    def take(self, deliveries: Sequence[Delivery], busy: set[tuple[str, str]]) -> None:
        """The table has them."""


@asynccontextmanager
async def recording(url: str, wrong: int, seed: int) -> AsyncIterator[Recorder]:
    """What records in one process."""
    store = await asyncio.to_thread(open_store, Postgres(url), server=False)
    dice = Dice()
    dice._random.seed(seed)
    held = cast("Store", Held(store, seed))
    recorder = Recorder(held, WrongClock(wrong), dice, Nobody(), Locale(ZoneInfo("Europe/Warsaw"), "PL"))
    running = asyncio.create_task(recorder.run())
    try:
        yield recorder
        recorder.stop()
        await running
    finally:
        running.cancel()
        await store.close()


async def hammer(url: str, wrong: int, seed: int) -> None:
    """Record events of contacts that others are at as well, and of some that nobody else is."""
    rng = random.Random(seed)
    async with recording(url, wrong, seed) as recorder:
        for n in range(ROUNDS):
            shared = [f"c{rng.randrange(CONTACTS)}@example.com" for _ in range(3)]
            mails = [*shared, f"only-{seed}-{n // 3}@example.com"]
            calls = [_seen(mail) for mail in mails]
            found = await asyncio.gather(*(recorder.record([call]) for call in calls))
            assert all(isinstance(result, Recorded) for results in found for result in cast("Any", results))


def _seen(mail: str) -> Call:
    return Call(
        who=Who(email=mail, email_key=email_key(mail)[1]),
        happenings=(Happening("page.visited", {"url": "https://shop.example/"}),),
    )


def hammer_apart(url: str, wrong: int, seed: int) -> None:
    """Do it in a process of its own."""
    asyncio.run(hammer(url, wrong, seed))


class Reader:
    """Polls the lists of events and contacts as a client does: on from the last that it has seen."""

    def __init__(self, store: PostgresStore) -> None:
        self._queries = store.queries
        self.events: list[Event] = []
        self.contacts: list[Contact] = []

    async def until(self, over: asyncio.Event) -> None:
        """Poll until all is over, and once more."""
        while True:
            last = over.is_set()
            while await self._poll():
                pass
            if last:
                return
            await asyncio.sleep(0)

    async def _poll(self) -> bool:
        events = await self._queries.events(EventFilter(), Page(7, _last(self.events), steady=True))
        contacts = await self._queries.contacts(ContactFilter(), Page(7, _last(self.contacts), steady=True))
        self.events += events
        self.contacts += contacts
        return bool(events or contacts)


def _last(rows: Sequence[Event] | Sequence[Contact]) -> str | None:
    return rows[-1].id if rows else None


async def check(url: str, reader: Reader, processes: int) -> None:
    """Compare what a reader has seen with what there is."""
    db = await asyncpg.connect(url)
    try:
        events = [row[0] for row in await db.fetch("SELECT id FROM events ORDER BY id")]
        contacts = [row[0] for row in await db.fetch("SELECT id FROM contacts ORDER BY id")]
        ahead = await db.fetchval("SELECT extract(epoch FROM clock_timestamp()) * 1000")
    finally:
        await db.close()
    assert [event.id for event in reader.events] == events
    assert [contact.id for contact in reader.contacts] == contacts
    assert len([event for event in reader.events if event.type == "page.visited"]) == 4 * ROUNDS * processes
    chains = defaultdict(list)
    for event in reader.events:
        chains[event.contact_id].append(event)
        assert abs(event.received_at - ahead) < 3 * MINUTES, "the database's clock rules"
    for chain in chains.values():
        assert [event.seq for event in chain] == list(range(1, len(chain) + 1))
        assert [later.previous for later in chain[1:]] == [event.id for event in chain[:-1]]
        assert all(earlier.received_at <= later.received_at for earlier, later in pairwise(chain))


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with database() as made:
        yield made


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    opened = open_store(Postgres(url), server=False)
    try:
        yield opened
    finally:
        await opened.close()


async def test_a_reader_of_what_three_record_misses_nothing(url: str, store: PostgresStore) -> None:
    reader, over = Reader(store), asyncio.Event()
    reading = asyncio.create_task(reader.until(over))
    await asyncio.gather(*(hammer(url, wrong * MINUTES, seed) for seed, wrong in enumerate((-5, 0, 5))))
    over.set()
    await reading
    await check(url, reader, 3)


async def test_processes_of_their_own(url: str, store: PostgresStore) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=hammer_apart, args=(url, wrong * MINUTES, wrong)) for wrong in (5, 600)]
    reader, over = Reader(store), asyncio.Event()
    reading = asyncio.create_task(reader.until(over))
    for process in processes:
        process.start()
    await asyncio.gather(*(asyncio.to_thread(process.join) for process in processes))
    over.set()
    await reading
    assert [process.exitcode for process in processes] == [os.EX_OK, os.EX_OK]
    await check(url, reader, 2)


# --- times ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def sessions(url: str) -> AsyncIterator[list["asyncpg.Connection[asyncpg.Record]"]]:
    made = [await asyncpg.connect(url) for _ in range(3)]
    try:
        yield made
    finally:
        for db in made:
            await db.close()


Sessions = list["asyncpg.Connection[asyncpg.Record]"]


async def test_what_is_later_than_a_transaction_under_way_is_held_back(sessions: Sessions) -> None:
    one, other, reader = sessions
    await one.execute("BEGIN")
    await other.execute("BEGIN")
    first, second = await moment(Db(one), 0), await moment(Db(other), 0)
    assert first.floor < second.floor
    assert await horizon(Db(reader)) == first.floor
    await other.execute("COMMIT")
    assert await horizon(Db(reader)) == first.floor
    await one.execute("ROLLBACK")
    assert await horizon(Db(reader)) == second.floor + 1


async def test_times_rise_while_the_clock_is_behind(sessions: Sessions) -> None:
    one, other, _ = sessions
    far = 2**44
    first = await moment(Db(one), far)
    second = await moment(Db(other), 0)
    assert [first.floor, second.floor] == [far + 1, far + 2]
    assert max(first.at, second.at) < far


async def test_times_begin_behind_all_ids_that_are_there(sessions: Sessions) -> None:
    db = Db(sessions[0])
    await begin(db)
    event = "evt_7ZZZZZZZZZ000000000000000000"[:30]
    await db.execute(
        "INSERT INTO events (id, type, contact_id, seq, occurred_at, received_at, doc)"
        " VALUES ($1, 'a', 'c', 1, 0, 0, '')",
        event,
    )
    await begin(db)
    assert (await moment(db, 0)).floor == time_of(event) + 2


async def test_a_statement_that_is_cancelled_leaves_the_gate_open(sessions: Sessions) -> None:
    one, other, reader = sessions
    await one.execute(f"SELECT pg_advisory_lock({v0008_floors.GATE})")
    await other.execute("BEGIN")
    with pytest.raises(asyncpg.LockNotAvailableError):
        await other.execute("SET LOCAL lock_timeout = '50ms'; SELECT goniec_floor(0)")
    await one.execute(f"SELECT pg_advisory_unlock({v0008_floors.GATE})")
    await other.execute("ROLLBACK")
    # a sequence that is out of reach fails it behind the gate
    await other.execute("ALTER SEQUENCE floors RENAME TO away")
    with pytest.raises(asyncpg.UndefinedTableError):
        await moment(Db(other), 0)
    await other.execute("ALTER SEQUENCE away RENAME TO floors")
    assert (await moment(Db(reader), 0)).floor > 0
    assert await reader.fetchval("SELECT count(*) FROM pg_locks WHERE objid = $1", v0008_floors.GATE & 0xFFFF_FFFF) == 0


async def test_two_that_meet_the_same_unknown_phone_make_one_contact() -> None:
    def call(n: int) -> Call:
        phone = f"+48 600 100 {n:03}"
        who = Who(phone=phone, phone_key=phone_key(phone, "PL"))
        visit = Happening("page.visited", {"url": "https://x.example/"})
        return Call(who=who, fields={"phone": phone}, happenings=(visit,))

    async with database() as url, recording(url, 0, 1) as one, recording(url, 0, 2) as other:
        for n in range(20):
            found = await asyncio.gather(one.record([call(n)]), other.record([call(n)]))
            (first,), (second,) = cast("list[list[Recorded]]", found)
            assert first.contact.id == second.contact.id
