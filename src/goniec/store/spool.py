"""The spool: openings and clicks on this machine's disk, from when they are answered until they are recorded.

Small SQLite files in a folder of their own, whatever the database is. A process takes the first file that no other has,
and moves into it what processes that have died left in theirs. Nothing is made before there is something to keep. `app`
opens it; what the items say is not known here.
"""

import asyncio
import fcntl
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar

from goniec.observe import log
from goniec.ports import Unavailable
from goniec.store import Refused
from goniec.store.answering import answer

if TYPE_CHECKING:
    import apsw

T = TypeVar("T")

TOGETHER: Final = 1_000
"""So many pieces of work share a commit."""

IDLE_SECONDS: Final = 1.0
"""After so long without work the log of a file that holds nothing is emptied: it tells of people."""

LOOK_SECONDS: Final = 30.0
"""How often a process that is asked what waits looks for what others left behind."""

LOG_PAGES: Final = 1_000
"""So long a log (4 MB) is moved into the file."""

BUSY_SECONDS: Final = 0.1
"""How long it waits for another program that has the file open, such as one that makes a copy."""


class DiskSpool:
    """The `Spool` port. One thread does the work, what has come together in one commit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: _File | None = None
        self._damaged: set[Path] = set()
        self._looked = -LOOK_SECONDS
        self._stale = True
        self._closed = False
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def keep(self, items: Sequence[bytes]) -> None:
        """See `Spool`."""
        await self._submit(lambda file: file.keep(items), makes=True)

    async def waiting(self, most: int) -> list[tuple[int, bytes]]:
        """See `Spool`."""
        return await self._submit(lambda file: file.waiting(most)) or []

    async def drop(self, numbers: Collection[int]) -> None:
        """See `Spool`."""
        await self._submit(lambda file: file.drop(numbers))

    async def close(self) -> None:
        """Do what was asked for, and let go of the file. More than once does no harm."""
        if not self._closed:
            self._closed = True
            if self._thread is not None:
                self._jobs.put(None)
                await asyncio.to_thread(self._thread.join)

    async def _submit(self, work: "Callable[[_File], T]", *, makes: bool = False) -> T | None:
        if self._closed:
            raise Unavailable("the spool is closed")
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="spool", daemon=True)
            self._thread.start()
        done: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(work, done, makes=makes))
        return await done

    # its own thread

    def _serve(self) -> None:
        while jobs := self._next():
            self._run(jobs)
        if self._file is not None:
            self._file.close()

    def _next(self) -> "list[_Job]":
        """Wait for work, and give all that is there; none: there will be no more."""
        try:
            job = self._jobs.get(timeout=IDLE_SECONDS if self._stale else None)
            self._stale = True
        except Empty:
            self._stale = False
            if self._file is not None:
                self._file.empty_log()
            job = self._jobs.get()
        jobs: list[_Job] = []
        while job is not None:
            jobs.append(job)
            if len(jobs) == TOGETHER or self._jobs.empty():
                return jobs
            job = self._jobs.get()
        if jobs:
            self._jobs.put(None)
        return jobs

    def _run(self, jobs: "Sequence[_Job]") -> None:
        try:
            file = self._opened(makes=any(job.makes for job in jobs))
            if file is None:
                results = [None] * len(jobs)
            else:
                with file.commit():
                    results = [job.work(file) for job in jobs]
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is awaited
            failure = _failure(error, self._folder)
            if self._file is not None and _is_damaged(error):
                log.error("spool.damaged", file=str(self._file.path), reason=str(failure))
                self._damaged.add(self._file.path)
                self._file.close()
                self._file = None
            for job in jobs:
                answer(job.done, error=failure)
        else:
            for job, result in zip(jobs, results, strict=True):
                answer(job.done, result)

    def _opened(self, *, makes: bool) -> "_File | None":
        """Give the file of this process; None: it is not there yet, nor is anybody else's."""
        if self._file is None:
            if not makes and not self._folder.is_dir():
                return None
            self._file = _take(self._folder, self._damaged)
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            _gather(self._folder, self._file, self._damaged)
        return self._file


class _Job:
    """Work on the file, and the future that waits for it; one that `makes` wants a file where there is none."""

    __slots__ = ("done", "makes", "work")

    def __init__(self, work: "Callable[[_File], Any]", done: "asyncio.Future[Any]", *, makes: bool) -> None:
        self.work = work
        self.done = done
        self.makes = makes


class _File:
    """One file, and the lock that says whose it is."""

    def __init__(self, path: Path, lock: int) -> None:
        from goniec.store.sqlite import connect

        self.path = path
        self._lock = lock
        # its owner's only, and so will be the files that SQLite puts beside it
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self.db: apsw.Connection = connect.writer(path, busy_seconds=BUSY_SECONDS)
        try:
            self.db.wal_autocheckpoint(LOG_PAGES)
            self.db.execute(
                "CREATE TABLE IF NOT EXISTS items (n INTEGER PRIMARY KEY AUTOINCREMENT, item BLOB NOT NULL)"
            )
        except BaseException:
            self.db.close()
            raise

    @contextmanager
    def commit(self) -> Iterator[None]:
        """Do what is in the block wholly, and have it on disk at its end, or not at all."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            # some failures have rolled back already
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise

    def keep(self, items: Sequence[bytes]) -> None:
        self.db.executemany("INSERT INTO items (item) VALUES (?)", [(item,) for item in items])

    def waiting(self, most: int) -> list[tuple[int, bytes]]:
        rows: list[Any] = self.db.execute("SELECT n, item FROM items ORDER BY n LIMIT ?", (most,)).fetchall()
        return rows

    def drop(self, numbers: Collection[int]) -> None:
        self.db.executemany("DELETE FROM items WHERE n = ?", [(number,) for number in numbers])

    def take_over(self, other: "_File") -> int:
        """Add all that another file holds; give how much that was."""
        before = self.db.total_changes()
        with self.commit():
            self.db.executemany(
                "INSERT INTO items (item) VALUES (?)", other.db.execute("SELECT item FROM items ORDER BY n")
            )
        return self.db.total_changes() - before

    def empty_log(self) -> None:
        """Leave nothing in the log where nothing is left in the file. What stands in the way is tried again later."""
        import apsw

        try:
            if not self.waiting(1):
                self.db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except apsw.Error as error:
            log.debug("spool.log", reason=str(error))

    def close(self) -> None:
        self.db.close()
        os.close(self._lock)

    def remove(self) -> None:
        """Delete it; the lock's own file stays, for whoever is about to lock it."""
        self.db.close()
        for suffix in ("-wal", "-shm", ""):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        os.close(self._lock)


def _take(folder: Path, damaged: set[Path]) -> _File:
    """Take the first file that no process has, which may be a new one; one that is `damaged` stays where it is."""
    from goniec.store.sqlite.files import sync_folder

    if not folder.is_dir():
        folder.mkdir(0o700)
        sync_folder(folder.parent)
    for n in count(1):
        path = folder / f"{n}.db"
        try:
            if path not in damaged and (file := _locked(path)) is not None:
                return file
        except Exception as error:
            if not _is_damaged(error):
                raise
    raise AssertionError("there is always one more number")


def _is_damaged(error: Exception) -> bool:
    import apsw

    return isinstance(error, apsw.CorruptError | apsw.NotADBError)


def _gather(folder: Path, own: _File, damaged: set[Path]) -> None:
    """Take over what processes left that have died. What cannot be read stays where it is."""
    for path in sorted(folder.glob("*.db")):
        if path == own.path or path in damaged:
            continue
        try:
            if (other := _locked(path)) is None:
                continue
            try:
                found = own.take_over(other)
            except BaseException:
                other.close()
                raise
            other.remove()
        except Exception as error:  # noqa: BLE001 - what is our own has to go on, whatever others left
            log.error("spool.left", file=str(path), reason=str(_failure(error, path)))
        else:
            log.info("spool.taken_over", file=str(path), items=found)


def _locked(path: Path) -> _File | None:
    """Open a file that nobody has; None: somebody has it."""
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return _File(path, lock)
    except BlockingIOError:
        os.close(lock)
        return None
    except BaseException:
        os.close(lock)
        raise


def _failure(error: Exception, place: Path) -> Exception:
    """Say what the machine refused; what is our own mistake stays as it is."""
    from goniec.store.sqlite.failures import EXPECTED, unavailable

    match error:
        case Refused():
            return Unavailable(str(error))
        case OSError():
            return Unavailable(f"{place}: {error.strerror}")
        case _ if isinstance(error, EXPECTED):
            return Unavailable(f"{place}: {unavailable(error)}")
        case _:
            return error
