"""The clock of processes that share a database: what it makes of the server's answers, and of machines that are wrong."""

import asyncio
from contextlib import suppress

import pytest

from goniec.core.times import MINUTE, Millis
from goniec.flow import timekeeping
from goniec.flow.timekeeping import SharedClock
from goniec.observe import log
from goniec.ports import Clock, Timed, Unavailable

NOW: Millis = 1_800_000_000_000


class World:
    """A machine whose clock is `wrong` by so much, and a server that is right and answers after some time."""

    def __init__(self, wrong: Millis = 0) -> None:
        self.at = float(NOW)
        self.wrong = wrong
        self.began = self.at
        self.ways: list[tuple[float, float]] = []
        """How many milliseconds the next questions take to get there, and how many the answers take to get back."""
        self.away = False
        self.asked = 0
        self.told = asyncio.Event()
        self.error = 0.0

    def now(self) -> Millis:
        return int(self.at) + self.wrong

    def monotonic(self) -> float:
        return (self.at - self.began) / 1000

    async def ask(self, clock: Clock) -> Timed:
        self.asked += 1
        if self.away:
            raise Unavailable("the server is away")
        there, back = self.ways.pop(0) if self.ways else (1, 1)
        asked = clock.monotonic()
        self.at += there
        at = self.at + self.error
        self.at += back
        self.told.set()
        return Timed(at, asked, clock.monotonic())

    async def clock(self) -> SharedClock:
        return await SharedClock.begin(self, self.ask)

    def off(self, clock: SharedClock) -> float:
        """By how much a clock is wrong."""
        return clock.now() - self.at - self.error


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, object]]]:
    """What was said."""
    said: list[tuple[str, dict[str, object]]] = []
    for name in ("info", "warning"):
        monkeypatch.setattr(log, name, lambda event, **fields: said.append((event, fields)))
    return said


@pytest.mark.parametrize("wrong", [-5 * MINUTE, 0, 5 * MINUTE])
async def test_it_is_right_whatever_the_machine_believes(wrong: Millis) -> None:
    world = World(wrong)
    clock = await world.clock()
    assert abs(world.off(clock)) <= 1
    world.at += 7_000
    assert abs(world.off(clock)) <= 1
    assert abs(clock.ahead() - wrong) <= 1
    assert clock.monotonic() == world.monotonic()


async def test_a_clock_that_is_set_changes_nothing_and_has_the_server_asked() -> None:
    world = World()
    clock = await world.clock()
    world.at += 2_000
    await clock.look()
    assert world.asked == 1, "nothing is wrong, so it is not asked"
    world.wrong = -10 * MINUTE
    assert abs(world.off(clock)) <= 1
    await clock.look()
    assert world.asked == 2
    await clock.look()
    assert world.asked == 2, "it was set once"
    assert abs(world.off(clock)) <= 1


async def test_it_is_asked_again_after_a_while_and_later_where_the_server_is_away() -> None:
    world = World()
    clock = await world.clock()
    world.at += 15_000
    world.away = True
    for _ in range(3):
        await clock.look()
    assert world.asked == 4
    assert abs(world.off(clock)) <= 1, "it goes on by itself"
    world.away = False
    await clock.look()
    await clock.look()
    assert world.asked == 5
    world.away = True
    with pytest.raises(Unavailable):
        await world.clock()


async def test_a_server_that_is_away_is_told_once_and_so_is_its_return(
    logged: list[tuple[str, dict[str, object]]],
) -> None:
    world = World()
    clock = await world.clock()
    world.away = True
    for _ in range(3):
        world.at += 15_000
        await clock.look()
    assert logged == [("database.away", {"reason": "the server is away"})]
    world.away = False
    await clock.look()
    await clock.look()
    assert logged[1:] == [("database.back", {"seconds": 30.0})]


async def test_of_slow_answers_the_quickest_counts() -> None:
    world = World()
    world.ways = [(0, 400), (30, 30), (300, 0)]
    clock = await world.clock()
    assert world.asked == 3
    assert abs(world.off(clock)) <= 1


async def test_what_an_answer_does_not_prove_wrong_is_left_alone() -> None:
    world = World()
    clock = await world.clock()
    for ways in ((900, 0), (0, 900)):
        world.ways = [ways] * 3
        world.at += 15_000
        await clock.look()
        assert abs(world.off(clock)) <= 1, "all of it may have been the way"


async def test_forward_it_is_put_right_at_once() -> None:
    world = World()
    clock = await world.clock()
    world.error = 300
    world.at += 15_000
    await clock.look()
    assert abs(world.off(clock)) <= 1


async def test_back_by_little_it_goes_slower() -> None:
    world = World()
    clock = await world.clock()
    world.error = -12
    world.at += 15_000
    shown, looks = clock.now(), 0
    while world.off(clock) > 1:
        await clock.look()
        world.at += 1_000
        assert clock.now() > shown
        shown, looks = clock.now(), looks + 1
    assert looks == 4
    world.at += 15_000
    await clock.look()
    assert abs(world.off(clock)) <= 1, "what was owed is paid once"


async def test_what_is_owed_is_forgotten_when_the_server_takes_it_back() -> None:
    world = World()
    clock = await world.clock()
    world.error = -500
    world.at += 15_000
    await clock.look()
    world.error = 0
    world.at += 15_000
    await clock.look()
    for _ in range(5):
        await clock.look()
    assert abs(world.off(clock)) <= 1


@pytest.mark.parametrize("jump", [-5 * MINUTE, 5 * MINUTE])
async def test_a_server_whose_clock_jumps_is_followed(
    jump: Millis, logged: list[tuple[str, dict[str, object]]]
) -> None:
    world = World()
    clock = await world.clock()
    world.error = jump
    world.at += 15_000
    await clock.look()
    assert abs(world.off(clock)) <= 1
    assert [event for event, _ in logged] == ["clock.moved", "clock.wrong"]
    moved = logged[0][1]["millis"]
    assert isinstance(moved, int)
    assert abs(moved - jump) <= 1


async def test_a_machine_that_is_wrong_is_named_once_and_when_it_is_right_again(
    monkeypatch: pytest.MonkeyPatch, logged: list[tuple[str, dict[str, object]]]
) -> None:
    monkeypatch.setattr(timekeeping, "LOOK_SECONDS", 0.0)
    world = World(5 * MINUTE)
    clock = await world.clock()
    assert not logged, "commands say nothing of it"

    async def pass_(seconds: float) -> None:
        world.at += seconds * 1000
        world.told.clear()
        await world.told.wait()

    running = asyncio.create_task(clock.run())
    await pass_(15)
    await pass_(15)
    world.wrong = 0
    await pass_(0)
    await pass_(15)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert [event for event, _ in logged] == ["clock.wrong", "clock.right"]
    ahead = logged[0][1]["ahead_millis"]
    assert isinstance(ahead, int)
    assert abs(ahead - 5 * MINUTE) <= 1
