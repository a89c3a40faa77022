"""The file between transactions: moving the log into it, emptying the log and wiping pages after an erasure.

The writer calls this on its thread. Checkpoints never happen inside a commit, where they would hold up whoever waits
for it.
"""

import time
from pathlib import Path
from typing import Final

import apsw

from goniec.store.sqlite.wipe import PAGE, Wiper

IDLE_SECONDS: Final = 0.05
"""After so long without work there is time to move the log."""

BITE_PAGES: Final = 1_000
"""So long a log is moved when nothing waits at the moment."""

FULL_PAGES: Final = 2_000
"""So long a log (8 MB) is moved even while work waits.

The longer, the longer the stop: with a million contacts, 4,000 pages stopped a saturated writer for 100 to 180 ms (99th
percentile, busy disk), 500 pages for 65 to 85 ms. The shorter, the more often the same pages are moved: 500 instead of
4,000 cost 8 % of the writer's CPU on a small file.
"""

RETRY_SECONDS: Final = 0.5
"""How often it is tried again to empty the log or to wipe, when a reader or another process is in the way."""

PATIENCE_SECONDS: Final = 0.5
"""How long emptying the log after an erasure waits for readers, before it is put off."""

WIPE_PAGES: Final = 2_000
"""Pages that are wiped in one go (8 MB)."""
AT_ONCE_PAGES: Final = 16_000
"""A file of so many pages (64 MB) is wiped before the erasure is answered, a larger one bit by bit."""

WIPING: Final = "wiping"
"""The mark that stands in the database from an erasure until a whole round of wiping is done."""


class Keeper:
    """Looks after the log and the pages of one file, through the writer's connection.

    `wipes` says whether it is this process's to wipe pages: the server's, and no other's.
    """

    def __init__(self, path: Path, db: apsw.Connection, busy_seconds: float, *, wipes: bool) -> None:
        self._path = path
        self._db = db
        self._busy_millis = round(busy_seconds * 1000)
        self._wipes = wipes
        self._pages = 0
        self._left = 0
        self._empty_wanted = False
        self._wipe_wanted = wipes and bool(
            db.execute("SELECT EXISTS (SELECT 1 FROM marks WHERE name = ?)", (WIPING,)).get
        )
        self._wiper: Wiper | None = None
        self._stuck = False
        self._tried = 0.0
        db.set_wal_hook(self._on_commit)

    @property
    def rest(self) -> float | None:
        """After how many seconds without work `idle` should be called; None when there is nothing to do."""
        if self._empty_wanted or (self._wipe_wanted and self._stuck):
            return RETRY_SECONDS
        if self._wipe_wanted or self._pages > self._left:
            return IDLE_SECONDS
        return None

    def between(self, *, waiting: bool) -> None:
        """After a commit; `waiting` says that more work is there, so that only what cannot wait is done."""
        grown = self._pages - self._left
        if grown >= FULL_PAGES or (grown >= BITE_PAGES and not waiting):
            self._move()
        if (self._empty_wanted or self._wipe_wanted) and time.monotonic() - self._tried > RETRY_SECONDS:
            self.idle()

    def erased(self) -> None:
        """After an erasure: empty the log, and wipe a small file at once."""
        self._empty_wanted = True
        self._empty(PATIENCE_SECONDS)
        if self._wipes:
            self._wipe_wanted = True
            self._end_round()  # what it has been through may be dirty again
            while self._wipe_wanted and not self._empty_wanted and self._small():
                self._wipe()
                if self._stuck:
                    break

    def idle(self) -> None:
        """While nothing waits: one piece of what is left to do."""
        self._tried = time.monotonic()
        if self._empty_wanted:
            self._empty(0)
        elif self._wipe_wanted:
            self._wipe()
        else:
            self._move()

    def close(self) -> None:
        """At the end: leave no log behind, if readers let it be moved."""
        self._end_round()
        self._empty(PATIENCE_SECONDS)

    # the log

    def _on_commit(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        if pages < self._pages:  # all was moved, so the log began anew
            self._left = 0
        self._pages = pages
        return apsw.SQLITE_OK

    def _move(self) -> bool:
        return self._checkpoint(apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _empty(self, patience: float) -> None:
        """Move the whole log and cut its file to nothing. What a reader holds for longer is tried again when idle."""
        self._db.set_busy_timeout(round(patience * 1000))
        try:
            if self._checkpoint(apsw.SQLITE_CHECKPOINT_TRUNCATE):
                self._empty_wanted = False
        finally:
            self._db.set_busy_timeout(self._busy_millis)

    def _checkpoint(self, mode: int) -> bool:
        """Move the log into the file, as far as readers let it; tell whether all of it was moved."""
        try:
            pages, moved = self._db.wal_checkpoint(mode=mode)
        except apsw.Error:  # nothing is lost: the log holds all of it, and it is tried again after the next commit
            self._left = self._pages
            return False
        self._left = self._pages
        return pages == moved

    # wiping

    def _small(self) -> bool:
        return self._path.stat().st_size <= AT_ONCE_PAGES * PAGE

    def _wipe(self) -> None:
        """Wipe some pages, unless that is not possible just now."""
        try:
            self._stuck = not self._wipe_some()
        except (apsw.Error, OSError):  # such as another process that writes
            self._stuck = True

    def _wipe_some(self) -> bool:
        db = self._db
        version = db.data_version()
        if not self._move():
            return False
        if self._wiper is None:
            self._wiper = Wiper(self._path)
        db.execute("BEGIN IMMEDIATE")
        try:
            if db.data_version() != version:
                return False  # another process has written to the log meanwhile
            wiped = self._wiper.wipe(WIPE_PAGES)
        finally:
            db.execute("ROLLBACK")
        if wiped:
            db.release_memory()  # the connection's own copies of the pages are as they were
        if not self._wiper.pages:
            self._end_round()
            db.execute("DELETE FROM marks WHERE name = ?", (WIPING,))
            self._wipe_wanted = False
            self._empty(0)
        return True

    def _end_round(self) -> None:
        if self._wiper is not None:
            self._wiper.close()
            self._wiper = None
