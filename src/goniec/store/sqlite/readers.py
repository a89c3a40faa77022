"""The reading side's threads: a few connections that see the last commit and wait for nobody."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

import apsw

from goniec.ports import Unavailable
from goniec.store.answering import answer
from goniec.store.sqlite import connect
from goniec.store.sqlite.failures import EXPECTED, unavailable

P = ParamSpec("P")
T = TypeVar("T")

THREADS: Final = 3


class Readers:
    """Runs reading functions, each in a snapshot of its own. May be called from any loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._serve, name=f"reader-{n}", daemon=True) for n in range(THREADS)]
        self._closed = False
        for thread in self._threads:
            thread.start()

    async def run(self, read: Callable[Concatenate[apsw.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `read` with a connection as its first argument, all its statements in one snapshot.

        Raises:
            Unavailable: the file cannot be read.

        """
        if self._closed:
            raise Unavailable("the store is closed")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(lambda db: read(db, *args, **kwargs), done))
        return await done

    def close(self) -> None:
        """End the threads after what they are doing."""
        self._closed = True
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        db: apsw.Connection | None = None
        while (job := self._jobs.get()) is not None:
            try:
                if db is None:
                    db = connect.reader(self._path)
                result = _in_snapshot(db, job.read)
            except EXPECTED as error:
                answer(job.done, error=unavailable(error))
            except Exception as error:  # noqa: BLE001 - it is raised where the answer is awaited
                answer(job.done, error=error)
            else:
                answer(job.done, result)
        if db is not None:
            db.close()


class _Job:
    __slots__ = ("done", "read")

    def __init__(self, read: Callable[[apsw.Connection], Any], done: "asyncio.Future[Any]") -> None:
        self.read = read
        self.done = done


def _in_snapshot(db: apsw.Connection, read: Callable[[apsw.Connection], T]) -> T:
    db.execute("BEGIN")
    try:
        return read(db)
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
