"""What a process owns, and for how long: by its own clock that never jumps, and never for longer than the table says."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from goniec.core.breaker import Breaker
from goniec.flow.leases import DUTY, Alone, Leased, workers
from goniec.ports import Lease, Store, Tx, Unavailable
from goniec.store.sqlite import open_store
from tests.core.build import NOW
from tests.flow.workshop import Clock

T = TypeVar("T")


class Moody:
    """A store that is away at times; `after` runs once a transaction is done and not yet answered."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.queries = store.queries
        self.away = False
        self.after: Callable[[], Awaitable[None]] | None = None

    async def transact(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        if self.away:
            raise Unavailable("the server is away")
        done = await self.store.transact(work)
        after, self.after = self.after, None
        if after is not None:
            await after()
        return done

    async def backup(self, path: str) -> None:
        """Nobody asks for one."""

    async def close(self) -> None:
        await self.store.close()


class Desk:
    """A store, a clock, and owners."""

    def __init__(self, folder: Path) -> None:
        self.store = Moody(open_store(folder / "goniec.db", server=True, durable=False))
        self.clock = Clock()

    def owner(self, name: str) -> Leased:
        return Leased(self.store, self.clock, name)

    def pass_(self, seconds: float) -> None:
        self.clock.at += int(seconds * 1000)


@pytest.fixture
async def desk(tmp_path: Path) -> "Desk":
    return Desk(tmp_path)


@pytest.fixture(autouse=True)
async def closed(desk: Desk) -> object:
    yield
    await desk.store.close()


async def test_who_is_alone_owns_everything_and_writes_nothing(desk: Desk) -> None:
    alone = Alone()
    desk.store.away = True
    assert alone.owns("end_1")
    assert alone.lasts("end_1", 1e9)
    assert alone.epoch("end_1") is None
    assert alone.since("end_1") == 0
    await alone.take(("end_1",))
    assert await alone.renew()
    assert await alone.have(DUTY + "upkeep")
    await alone.let_go(("end_1",))
    assert await alone.known() == []
    assert alone.owns("end_1")
    assert list(alone.names) == []


def test_who_lives_and_delivers() -> None:
    known = [
        Lease("worker:a", "a", 1, 5_000),
        Lease("worker:b", "b", 1, 1),
        Lease("worker:dead", "dead", 1, 0),
        Lease("end_1", "a", 1, 5_000),
        Lease("end_2", "a", 2, 1),
        Lease("end_3", "a", 1, -1),
        Lease("end_4", "dead", 1, 9),
        Lease("end_5/0", "b", 1, 5_000),
        Lease("end_5/3", "b", 1, 5_000),
        Lease("end_5/4", "a", 1, 5_000),
        Lease("duty:upkeep", "b", 1, 5_000),
    ]
    assert workers(known) == {"a": 3, "b": 1}
    assert workers([]) == {}


async def test_what_is_taken_lasts_a_minute(desk: Desk) -> None:
    one, two = desk.owner("one"), desk.owner("two")
    await one.take(("end_1",))
    assert one.owns("end_1")
    assert one.epoch("end_1") == 1
    assert one.since("end_1") == NOW
    assert one.lasts("end_1", 59)
    assert not one.lasts("end_1", 60)
    await two.take(("end_1", "end_2"))
    assert not two.owns("end_1")
    assert list(two.names) == ["end_2"]
    assert [lease.owner for lease in await two.known()] == ["one", "two"]
    desk.pass_(60)
    assert not one.owns("end_1")
    await two.take(("end_1",))
    assert two.epoch("end_1") == 2


async def test_of_what_is_not_ours_no_epoch_is_right(desk: Desk) -> None:
    one = desk.owner("one")
    assert one.epoch("end_1") == 0
    assert one.since("end_1") == 0
    assert not one.owns("end_1")


async def test_what_is_ours_is_not_taken_again(desk: Desk) -> None:
    one = desk.owner("one")
    await one.take(("end_1",))
    await one.take(("end_1",))
    assert one.epoch("end_1") == 1


async def test_renewing(desk: Desk) -> None:
    one = desk.owner("one")
    assert await one.renew()
    await one.take(("end_1",))
    desk.pass_(50)
    assert await one.renew()
    desk.pass_(50)
    assert one.owns("end_1")


async def test_what_has_run_out_and_nobody_took_is_ours_again(desk: Desk) -> None:
    one = desk.owner("one")
    await one.take(("end_1",))
    desk.pass_(70)
    assert not one.owns("end_1")
    assert await one.renew()
    assert one.owns("end_1")
    assert one.epoch("end_1") == 1


async def test_what_somebody_took_meanwhile_is_lost(desk: Desk) -> None:
    one, two = desk.owner("one"), desk.owner("two")
    await one.take(("end_1", "end_2"))
    desk.pass_(70)
    await two.take(("end_1",))
    assert await one.renew()
    assert list(one.names) == ["end_2"]
    assert one.owns("end_2")


async def test_a_lease_counts_from_before_it_was_asked_for(desk: Desk) -> None:
    one = desk.owner("one")

    async def slowly() -> None:
        desk.pass_(20)

    desk.store.after = slowly
    await one.take(("end_1",))
    assert one.lasts("end_1", 39)
    assert not one.lasts("end_1", 40)
    desk.store.after = slowly
    assert await one.renew()
    assert one.lasts("end_1", 39)
    assert not one.lasts("end_1", 40)


async def test_a_store_that_is_away_renews_nothing(desk: Desk) -> None:
    one = desk.owner("one")
    await one.take(("end_1",))
    desk.pass_(50)
    desk.store.away = True
    assert not await one.renew()
    assert one.lasts("end_1", 9)
    desk.pass_(10)
    assert not one.owns("end_1")
    with pytest.raises(Unavailable):
        await one.take(("end_2",))


async def test_letting_go(desk: Desk) -> None:
    one, two = desk.owner("one"), desk.owner("two")
    await one.take(("end_1", "end_2"))
    await one.let_go(("end_3",))
    await one.let_go(("end_1", "end_3"), {"end_1": (Breaker(), 0)})
    assert not one.owns("end_1")
    assert one.owns("end_2")
    await two.take(("end_1", "end_2"))
    assert list(two.names) == ["end_1"]


async def test_what_cannot_be_let_go_runs_out(desk: Desk) -> None:
    one, two = desk.owner("one"), desk.owner("two")
    await one.take(("end_1",))
    desk.store.away = True
    await one.let_go(("end_1",))
    assert not one.owns("end_1")
    desk.store.away = False
    await two.take(("end_1",))
    assert not two.owns("end_1")
    desk.pass_(60)
    await two.take(("end_1",))
    assert two.owns("end_1")


async def test_what_could_not_be_let_go_is_with_the_next(desk: Desk) -> None:
    one, two = desk.owner("one"), desk.owner("two")
    await one.take(("end_1", "end_2", "end_3"))
    desk.store.away = True
    await one.let_go(("end_1", "end_2"))
    desk.store.away = False
    await two.take(("end_1", "end_2"))
    assert not two.names
    await one.take(("end_2",))
    await one.let_go(("end_3",))
    await two.take(("end_1", "end_2", "end_3"))
    assert sorted(two.names) == ["end_1", "end_3"]
    assert one.names == ["end_2"]


async def test_what_was_let_go_and_taken_anew_while_it_was_renewed(desk: Desk) -> None:
    one = desk.owner("one")
    await one.take(("end_1", "end_2"))

    async def meanwhile() -> None:
        await one.let_go(("end_1", "end_2"))
        desk.pass_(20)
        await one.take(("end_1",))

    desk.store.after = meanwhile
    assert await one.renew()
    assert one.epoch("end_1") == 2
    assert one.lasts("end_1", 59)
    assert not one.owns("end_2")


async def test_one_process_has_a_duty_and_the_next_when_it_is_gone(desk: Desk) -> None:
    one, two = desk.owner("one"), desk.owner("two")
    assert await one.have(DUTY + "jobs")
    assert not await two.have(DUTY + "jobs")
    for _ in range(20):
        desk.pass_(10)
        assert await one.have(DUTY + "jobs")
        assert not await two.have(DUTY + "jobs")
    desk.pass_(60)
    assert await two.have(DUTY + "jobs")
    assert not await one.have(DUTY + "jobs")
    await two.let_go(two.names)
    assert await one.have(DUTY + "jobs")


async def test_a_duty_is_nobody_s_while_the_store_is_away(desk: Desk) -> None:
    one = desk.owner("one")
    assert await one.have(DUTY + "jobs")
    desk.store.away = True
    desk.pass_(20)
    assert await one.have(DUTY + "jobs")
    desk.pass_(50)
    assert not await one.have(DUTY + "jobs")
