"""The one thread that writes. A transaction runs on it in one hop; between commits it moves the log into the file.

Its connection belongs to it alone. Work is a coroutine whose awaits never wait for anything, so it runs to its end at
once.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

import apsw

from goniec.ports import Tx, Unavailable
from goniec.store.answering import answer
from goniec.store.pruning import Reach
from goniec.store.sqlite.driving import drive
from goniec.store.sqlite.failures import EXPECTED, unavailable
from goniec.store.sqlite.files import Erasures
from goniec.store.sqlite.keeper import Keeper
from goniec.store.sqlite.tx import SqliteTx

T = TypeVar("T")

FRESH_SECONDS: Final = 5.0
"""A commit so young proves that the next one will work."""

PROBE: Final = "health"
PROBE_BYTES: Final = 65_536


class Writer:
    """Runs transactions one after the other. `submit` may be called from any loop."""

    def __init__(self, path: Path, db: apsw.Connection, keeper: Keeper) -> None:
        self._db = db
        self._keeper = keeper
        self._erasures = Erasures(path)
        self._reach = Reach()
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        self._failure: str | None = None
        self._unnoted: list[str] = []
        self._journal: str | None = None
        self._last = 0.0
        self._thread = threading.Thread(target=self._serve, name="writer", daemon=True)
        self._thread.start()

    async def submit(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Run `work` in a transaction of its own, after those that wait already.

        Raises:
            Unavailable: the machine does not let it be written.

        """
        if self._closed:
            raise Unavailable("the store is closed")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(work, done))
        return await done

    async def health(self) -> str | None:
        """None when it can be written, else why not. It costs a commit when the last one was long ago or failed."""
        if self._failure is None and time.monotonic() - self._last < FRESH_SECONDS:
            return self._journal
        try:
            # room for new pages has to be there, so a row that fits into the old ones proves nothing
            await self.submit(lambda tx: tx.put_mark(PROBE, bytes(PROBE_BYTES)))
            await self.submit(lambda tx: tx.put_mark(PROBE, b""))
        except Unavailable as error:
            return str(error)
        # a row that fits where others would not is no proof either, so only this takes a failure back
        self._failure = None
        return self._journal

    def close(self) -> None:
        """End the thread when all that was submitted is done; the log is moved into the file and emptied."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
        self._thread.join()

    # its own thread

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            self._run(job)
            self._keeper.between(waiting=not self._jobs.empty())
        self._keeper.close()
        self._db.close()

    def _next(self) -> "_Job | None":
        while (rest := self._keeper.rest) is not None:
            try:
                return self._jobs.get(timeout=rest)
            except Empty:
                self._keeper.idle()
        return self._jobs.get()

    def _run(self, job: "_Job") -> None:
        try:
            result, erased = self._transact(job.work)
        except EXPECTED as error:
            failure = unavailable(error)
            self._failure = str(failure)
            answer(job.done, error=failure)
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
            answer(job.done, error=error)
        else:
            self._last = time.monotonic()
            if erased or self._unnoted:
                self._note(erased)
            if erased:
                self._keeper.erased()
            answer(job.done, result)

    def _transact(self, work: Callable[[Tx], Awaitable[T]]) -> tuple[T, list[str]]:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            tx = SqliteTx(db, self._reach)
            result = drive(work(tx))
            tx.settle()
            db.execute("COMMIT")
        except BaseException:
            # some failures have rolled back already
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return result, tx.erased

    def _note(self, erased: list[str]) -> None:
        """Write down who was erased. What the disk does not take is tried again after the next commit."""
        self._unnoted += erased
        try:
            self._erasures.add(self._unnoted)
        except OSError as error:
            self._journal = f"the journal of erased contacts cannot be written: {error.strerror}"
        else:
            self._unnoted, self._journal = [], None


class _Job:
    __slots__ = ("done", "work")

    def __init__(self, work: Callable[[Tx], Awaitable[Any]], done: "asyncio.Future[Any]") -> None:
        self.work = work
        self.done = done
