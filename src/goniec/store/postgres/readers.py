"""The reading side's connections: a few that see the last commit and wait for nobody."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

import asyncpg
from asyncpg import Connection, Pool, Record

from goniec.ports import Unavailable
from goniec.store.postgres.connect import CLOSE_SECONDS, READING, READING_BY_KEY, Server
from goniec.store.postgres.failures import EXPECTED, LOST, unavailable
from goniec.store.postgres.loop import Loop
from goniec.store.postgres.sql import Db

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

P = ParamSpec("P")
T = TypeVar("T")
Read = Callable[Concatenate[Db, P], Awaitable[T]]

CONNECTIONS: Final = 4
IDLE_SECONDS: Final = 300.0


class Readers:
    """Runs reading functions, from any loop."""

    def __init__(self, loop: Loop, server: Server) -> None:
        self._loop = loop
        self._server = server
        self._making = asyncio.Lock()
        self._pool: Pool[Record] | None = None

    async def snapshot(self, read: "Read[P, T]", *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `read` with a connection as its first argument, all its statements in one snapshot.

        Raises:
            Unavailable: the database cannot be read.

        """
        return await self._within(READING, lambda db: read(db, *args, **kwargs))

    async def by_key(self, read: "Read[P, T]", *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the same for what finds all that it reads by keys. Raises as `snapshot` does."""
        return await self._within(READING_BY_KEY, lambda db: read(db, *args, **kwargs))

    async def ask(self, read: "Read[P, T]", *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `read`, which takes one statement. Raises as `snapshot` does."""
        return await self._loop.run(lambda: self._patiently(lambda db: read(db, *args, **kwargs)))

    async def close(self) -> None:
        """Close the connections, in the store's loop."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    async def _within(self, begin: str, read: Callable[[Db], Awaitable[T]]) -> T:
        async def whole(db: Db) -> T:
            await db.execute(begin)
            try:
                return await read(db)
            finally:
                await _end(db)

        return await self._loop.run(lambda: self._patiently(whole))

    async def _patiently(self, read: Callable[[Db], Awaitable[T]]) -> T:
        """A connection that was lost while nobody looked is noticed only now, so it is tried once more."""
        try:
            return await self._lent(read)
        except _Lost:
            pass
        try:
            return await self._lent(read)
        except _Lost as error:
            raise Unavailable(str(error)) from None

    async def _lent(self, read: Callable[[Db], Awaitable[T]]) -> T:
        try:
            pool = await self._ready()
            raw = await pool.acquire()
        except EXPECTED as error:
            raise unavailable(error) from None
        try:
            return await read(Db(raw))
        except (asyncpg.InvalidCachedStatementError, asyncpg.SerializationError) as error:
            raise _Lost(LOST) from error
        except EXPECTED as error:
            if _is_gone(raw):
                raise _Lost(str(unavailable(error))) from None
            raise unavailable(error) from None
        except asyncpg.InterfaceError:
            if _is_gone(raw):
                raise _Lost(LOST) from None
            raise
        finally:
            # a server that has not answered does not do so now: the pool ends the connection, and the reason is known
            with contextlib.suppress(*EXPECTED, asyncpg.InterfaceError):
                await pool.release(raw, timeout=CLOSE_SECONDS)

    async def _ready(self) -> "Pool[Record]":
        async with self._making:
            if self._pool is None:
                self._pool = await self._made()
            return self._pool

    async def _made(self) -> "Pool[Record]":
        async def connect(*_: object, **__: object) -> "Connection[Record]":
            return await self._server.connect()

        async def as_it_is(_: object) -> None:
            """Nothing is ever set for a session, so nothing has to be set back."""

        return await asyncpg.create_pool(
            min_size=0,
            max_size=CONNECTIONS,
            max_inactive_connection_lifetime=IDLE_SECONDS,
            connect=connect,
            reset=as_it_is,
        )


async def _end(db: Db) -> None:
    """Roll back; one that was lost, or cannot even do that, is thrown away, and is told by what was raised before."""
    with contextlib.suppress(*EXPECTED, asyncpg.InterfaceError):
        await db.raw.execute("ROLLBACK", timeout=CLOSE_SECONDS)
        return
    with contextlib.suppress(asyncpg.InterfaceError):
        db.raw.terminate()


def _is_gone(raw: "PoolConnectionProxy[Record]") -> bool:
    """Whether a connection was lost; the pool may have taken it back for that already, and then it answers nothing."""
    try:
        return raw.is_closed()
    except asyncpg.InterfaceError:
        return True


class _Lost(Exception):
    """The connection went; reading once more does no harm."""
