"""The disk: a database in memory that outlives the processes which use it, and the store that each of them has of it.

Statements are SQLite's own rooms. Between a call and its answer time passes, a process may die there, the disk may be
full for a while, and an answer may have been overtaken when it arrives.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import apsw
from typing_extensions import override

from goniec.core.times import Millis
from goniec.ports import Moment, Queries, Taken, Tx, Unavailable
from goniec.store.pruning import Reach
from goniec.store.sqlite.driving import drive
from goniec.store.sqlite.migrate import FRESH
from goniec.store.sqlite.queries import SqliteQueries
from goniec.store.sqlite.tx import SqliteTx
from tests.simulate.diary import Diary

if TYPE_CHECKING:
    from goniec.core.model import Contact

T = TypeVar("T")


@cache
def _connection() -> Diary:
    """One for all histories: what a history has written is rolled back at its end, and prepared statements stay."""
    db = apsw.Connection(":memory:", statementcachesize=500)
    db.execute(FRESH.read_text()).fetchall()
    return Diary(db)


class SharedTx(SqliteTx):
    """A transaction of a database that has a clock of its own, whatever the processes think how late it is."""

    disk: "Disk"

    @override
    async def take_leases(self, owner: str, names: Iterable[str], now: Millis, millis: Millis) -> dict[str, Taken]:
        return await super().take_leases(owner, names, self.disk.clock() or now, millis)

    @override
    async def renew_leases(self, owner: str, names: Iterable[str], now: Millis, millis: Millis) -> set[str]:
        return await super().renew_leases(owner, names, self.disk.clock() or now, millis)

    @override
    async def moment(self, now: Millis, known: Millis) -> Moment:
        at = self.disk.clock() or now
        self.disk.recorded_at = max(at, self.disk.recorded_at + 1, known + 1)
        return Moment(at, self.disk.recorded_at)


class Disk:
    """What is committed, which is a savepoint inside the one transaction that a history is. `clock` is its own."""

    def __init__(self, rng: random.Random, clock: Callable[[], Millis]) -> None:
        self.rng = rng
        self.recorded_at: Millis = 0
        self.clock = clock
        self.diary = _connection()
        self.diary.turns = []
        self.db = self.diary.db
        self.db.execute("BEGIN")
        self.full = False
        self.slow = 0.0
        self.queries = SqliteQueries(cast("Any", self), cast("Any", None))
        self._reach = Reach()

    async def run(self, read: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Read at once (what `SqliteQueries` asks of its readers)."""
        return read(self.db, *args, **kwargs)

    def commit(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Run a transaction, at once."""
        self.db.execute("SAVEPOINT work")
        try:
            tx = SharedTx(self.db, self._reach)
            tx.disk = self
            result = drive(work(tx))
            tx.settle()
            self._fit()
        except BaseException:
            self.db.execute("ROLLBACK TO work")
            self.db.execute("RELEASE work")
            raise
        self.db.execute("RELEASE work")
        self.diary.turns.append(self.clock())
        return result

    def _fit(self) -> None:
        if self.full:
            raise Unavailable("the disk is full")

    def close(self) -> None:
        """End the history."""
        self.db.execute("ROLLBACK")

    def delay(self) -> float:
        """How long something takes just now, in seconds."""
        return self.rng.random() ** 4 * 0.2 + self.slow * self.rng.random()


class Attached:
    """A process's own way to the disk (the `Store` port). A dead process waits for its answer for ever."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.alive = True
        self.cut_off = False
        self.asked: dict[asyncio.Task[Any] | None, tuple[float, Contact | None]] = {}
        """When a contact was asked for last, and what the answer was, by who asked."""
        self.queries = cast("Queries", _Reading(self))
        self._turn = asyncio.Lock()

    async def transact(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        async with self._turn:
            await self.passes()
            if self.disk.full and self.disk.rng.random() < 0.5:
                raise Unavailable("the disk is full")
            done = self.disk.commit(work)
        await self.comes_back()
        return done

    async def comes_back(self) -> None:
        """Let time pass until an answer is there; the dead stay here."""
        await asyncio.sleep(self.disk.delay())
        if not self.alive:
            await asyncio.get_running_loop().create_future()

    async def passes(self) -> None:
        """Let time pass; the dead stay here, and those that are cut off hear of it at last."""
        await asyncio.sleep(self.disk.delay())
        if self.cut_off:
            raise Unavailable("there is no way to the disk")
        if not self.alive:
            await asyncio.get_running_loop().create_future()

    async def backup(self, path: str) -> None:
        """Nobody asks for one."""

    async def close(self) -> None:
        """The disk stays."""


class _Reading:
    """Each query sees what is committed at one moment, and its answer arrives at a later one."""

    def __init__(self, store: Attached) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        ask = getattr(self._store.disk.queries, name)

        async def asked(*args: Any, **kwargs: Any) -> Any:
            at = asyncio.get_running_loop().time()
            await self._store.passes()
            if self._store.disk.full and self._store.disk.rng.random() < 0.3:
                raise Unavailable("the file cannot be read")
            if name == "leases":
                args = (self._store.disk.clock(),)
            found = await ask(*args, **kwargs)
            if name == "contact":  # of two dead addresses of one that was merged it tells one
                self._store.asked[asyncio.current_task()] = at, found
            await self._store.comes_back()
            return found

        return asked
