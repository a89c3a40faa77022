"""The `Store` port on PostgreSQL: one connection that writes, a few that read, in a loop of their own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from goniec.ports import Clock, Timed, Tx
from goniec.store import Refused
from goniec.store.address import Postgres
from goniec.store.postgres import setup, times
from goniec.store.postgres.connect import Server
from goniec.store.postgres.loop import Loop
from goniec.store.postgres.queries import PostgresQueries
from goniec.store.postgres.readers import Readers
from goniec.store.postgres.signals import PostgresSignals
from goniec.store.postgres.sql import Db
from goniec.store.postgres.writer import OLDER, Writer

T = TypeVar("T")


class PostgresStore:
    """An open database. `open_store` makes one; it is used from any loop of the process that opened it."""

    def __init__(self, address: Postgres, loop: Loop, server: Server) -> None:
        self.address = address
        self._server = server
        self._loop = loop
        self._writer = Writer(server)
        self._readers = Readers(loop, server)
        self._queries = PostgresQueries(self._readers, self.health)
        self.signals = PostgresSignals(loop, server)

    @property
    def queries(self) -> PostgresQueries:
        """The reading side."""
        return self._queries

    async def transact(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        return await self._loop.run(lambda: self._writer.submit(work))

    async def health(self) -> str | None:
        """None when it can be written, else why not."""
        return await self._loop.run(self._writer.health)

    async def backup(self, path: str) -> None:
        """PostgreSQL has tools of its own for this, and they do it better.

        Raises:
            Refused: always, with what to do.

        """
        raise Refused(
            f"{self.address} is backed up by PostgreSQL's own tools: pg_dump --format=custom --file={path} with this"
            " database's URL, or what your provider offers; pg_restore brings it back. Keep GONIEC_SECRET_KEY too"
        )

    def serve(self) -> None:
        """Serve the database from now on. Waits: call it before the loop runs.

        Raises:
            Refused: an older release does, which has to be alone.
            Unavailable: the server does not answer.

        """
        if not self._loop.wait(self._writer.serve()):
            raise Refused(f"{self.address}: {OLDER}")

    async def quarantined(self, limit: int = 100) -> list[tuple[int, int, str, bytes]]:
        """What could not be recorded, the newest first: number, time, reason, content."""
        return await self._readers.ask(_quarantined, limit)

    async def mark(self, name: str) -> bytes | None:
        """A mark's value, read without any lock."""
        return await self._readers.ask(setup.mark, name)

    async def time(self, clock: Clock) -> Timed:
        """The server's time, and when that was on this clock. Raises `Unavailable`."""
        return await self._readers.ask(times.ask, clock)

    @property
    def whole(self) -> str:
        """What to say of the database when nothing is wrong with it."""
        proxy = ", through a proxy that lends connections by the transaction" if self._server.pooling else ""
        return f"{self.address} answers{proxy}, and all of the setup can be read"

    async def integrity(self) -> list[str]:
        """What of rules, endpoints and the like cannot be read, a line each; pages are the server's to check."""
        return await self._readers.snapshot(setup.unreadable)

    async def close(self) -> None:
        """Finish what was begun, and give the connections back. More than once does no harm."""
        await asyncio.to_thread(self.end)

    def end(self) -> None:
        """Close it from where there is no loop."""
        self._loop.close(self._last)

    async def _last(self) -> None:
        await self.signals.close()
        await self._readers.close()
        await self._writer.close()


async def _quarantined(db: Db, limit: int) -> list[tuple[Any, ...]]:
    return await db.fetch("SELECT id, at, reason, content FROM quarantine ORDER BY id DESC LIMIT $1", limit)
