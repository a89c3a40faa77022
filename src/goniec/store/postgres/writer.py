"""The connection that writes. The transactions of one process come one after the other, those of several at once.

One after the other costs nothing: the recorder brings all that waits in one, and the last thing of each is the ledger,
for which they would have to wait anyway.
"""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg
from asyncpg import Connection, Record

from goniec.ports import Tx, Unavailable, Unsure
from goniec.store.postgres import locks, slots
from goniec.store.postgres.connect import CLOSE_SECONDS, WRITING, Server, close
from goniec.store.postgres.failures import AGAIN, EXPECTED, LOST, Undone, unavailable
from goniec.store.postgres.outcome import Outcome, age, outcome
from goniec.store.postgres.sql import Db
from goniec.store.postgres.tx import PostgresTx
from goniec.store.pruning import Reach

T = TypeVar("T")

TRIES: Final = 12
"""So often a transaction that others were in the way of begins anew."""
PAUSE_SECONDS: Final = 0.01
"""The longest pause before the second try; each further one may be twice as long."""

FRESH_SECONDS: Final = 5.0
"""A commit so young proves that the next one will work."""

PATIENCE_SECONDS: Final = 3.0
"""How long a process that ended is waited for."""

COMMITTED: Final = "COMMIT"
"""What the server answers to it, if all went well."""

PROBE: Final = "health"
ROOM: Final = 64 * 1024
"""Bytes that a disk has to have room for once it was full. A small row still finds its place on a full one."""
OLDER: Final = "an older Goniec serves the database, which works with no other beside it: stop it first"

_UNREACHED: Final[tuple[type[Exception], ...]] = (*EXPECTED, asyncpg.InterfaceError)
"""What keeps us from a connection that can be used; the driver refuses one that was cut as soon as it was made."""


_UNANSWERED: Final[tuple[type[Exception], ...]] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,
)
"""What leaves it open whether the transaction was committed; whatever else the server says, it was not."""


class Writer:
    """Runs transactions, in the store's loop."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._reach = Reach()
        self._turn = asyncio.Lock()
        self._db: Connection[Record] | None = None
        self._failure: str | None = None
        self._full = False
        self._last = 0.0
        self._serving = False
        self._slot = slots.by_chance()
        self._age: str | None = None

    async def submit(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Run `work` in a transaction of its own, after those that wait already.

        Raises:
            Unavailable: the server does not let it be written.
            Unsure: nobody knows whether it was.

        """
        async with self._turn:
            try:
                result = await self._insist(work)
            except Unavailable as error:
                self._failure = str(error)
                raise
        self._last = time.monotonic()
        self._failure = None
        return result

    async def health(self) -> str | None:
        """None when it can be written, else why not. It costs a commit when the last one was long ago or failed.

        A disk that was full counts as full until it takes more than fits where something was before.
        """
        if self._failure is None and not self._full and time.monotonic() - self._last < FRESH_SECONDS:
            return None
        try:
            await self.submit(self._probe)
        except Unavailable as error:
            return str(error)
        self._full = False
        return None

    async def serve(self) -> bool:
        """Serve the database from now on; False: a release that has to be alone does.

        Behind a proxy that lends connections nobody can tell, so it is taken not to be so.
        """
        db = await self._connected()
        self._serving = self._server.pooling or await self._served(db)
        return self._serving

    async def close(self) -> None:
        """Close the connection."""
        if self._db is not None:
            await close(self._db)
            self._db = None

    async def _probe(self, tx: Tx) -> None:
        if self._full:
            await tx.put_mark(PROBE, secrets.token_bytes(ROOM))  # what repeats itself would be packed
        await tx.put_mark(PROBE, b"")

    async def _insist(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        lost = False
        for n in range(TRIES):
            try:
                return await self._transact(work)
            except AGAIN as error:
                lost = isinstance(error, Undone)
                await asyncio.sleep(random.uniform(0, PAUSE_SECONDS * 2**n))  # noqa: S311 - spreads tries, guards nothing
        raise Unavailable(LOST if lost else "other processes are in the way again and again")

    async def _transact(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        db = await self._connected()
        tx = PostgresTx(Db(db), self._reach)
        try:
            await db.execute(WRITING)
            result = await work(tx)
            xid = await tx.settle(self._slot)
            ended = await self._commit(db, xid)
        except AGAIN:
            await self._undo(db)
            raise
        except Unsure:
            await self._undo(db)
            raise
        except EXPECTED as error:
            self._full = self._full or isinstance(error, asyncpg.DiskFullError)
            await self._undo(db)
            raise unavailable(error) from None
        except BaseException as error:
            lost = db.is_closed()
            if isinstance(error, asyncpg.PostgresError):
                error.detail = None  # it repeats what stands in rows, and messages come into logs
            await self._undo(db)
            if lost:
                raise Unavailable(LOST) from None
            raise
        if ended != COMMITTED:
            raise RuntimeError("the transaction's work has gone on after a statement had failed")
        return result

    async def _commit(self, db: "Connection[Record]", xid: str | None) -> str:
        """Commit; where the answer is lost, find out what it would have been.

        Raises:
            Undone: it was not committed.
            Unsure: the server does not say, or cannot.

        """
        try:
            return await db.execute("COMMIT")
        except _UNANSWERED as error:
            if isinstance(error, asyncpg.InterfaceError) and not db.is_closed():
                raise
            db.terminate()
            if xid is None:
                raise Undone from None
            match await outcome(self._server, xid, self._age):
                case Outcome.COMMITTED:
                    return COMMITTED
                case Outcome.UNDONE:
                    raise Undone from None
                case Outcome.UNKNOWN:
                    raise Unsure(str(unavailable(error))) from None

    async def _connected(self) -> "Connection[Record]":
        if self._db is not None and not self._db.is_closed():
            return self._db
        try:
            db = await self._server.connect()
            if self._serving and not self._server.pooling and not await self._served(db):
                await close(db)
                raise Unavailable(OLDER)
            await self._settle_in(db)
        except _UNREACHED as error:
            raise unavailable(error) from None
        self._db = db
        return db

    async def _settle_in(self, db: "Connection[Record]") -> None:
        """Note in which age of the server it is, and choose a slot."""
        try:
            self._age = await age(Db(db))
            free = None if self._server.pooling else await slots.free(Db(db))
        except BaseException:
            db.terminate()
            raise
        self._slot = self._slot if free is None else free

    async def _served(self, db: "Connection[Record]") -> bool:
        until = time.monotonic() + PATIENCE_SECONDS
        # who has just ended may not be gone yet
        while not await locks.serve(Db(db)):
            if time.monotonic() > until:
                return False
            await asyncio.sleep(PATIENCE_SECONDS / 20)
        return True

    async def _undo(self, db: "Connection[Record]") -> None:
        """Roll back; a connection that cannot even do that is thrown away, and the server undoes it by itself."""
        if not db.is_closed():
            with contextlib.suppress(*EXPECTED, asyncpg.PostgresError, asyncpg.InterfaceError):
                await db.execute("ROLLBACK", timeout=CLOSE_SECONDS)
                return
            db.terminate()
        self._db = None
