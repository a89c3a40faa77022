"""Connections to the server, set up for what they are for. The only room that knows the driver's settings.

A proxy that lends server connections by the transaction forgets what a session has set and prepared. Nothing here is
set for a session, so only prepared statements are left out there; it is noticed by the process id of the server, which
such a proxy makes up.
"""

import asyncio
import secrets
from typing import Final

import asyncpg
from asyncpg import Connection, Record

CONNECT_SECONDS: Final = 10.0
COMMAND_SECONDS: Final = 30.0
"""No statement of the engine takes so long, unless the server or the way to it is gone."""
CLOSE_SECONDS: Final = 5.0

STATEMENTS: Final = 300
"""Prepared statements that are kept."""

_ALWAYS: Final = (
    "SET LOCAL jit = off; SET LOCAL lock_timeout = '20s'; SET LOCAL idle_in_transaction_session_timeout = '60s'"
)
BY_KEY: Final = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"
"""For what only ever asks by keys. The server keeps plans, and one made while a table was empty, as the queue is again
and again, reads all of it when it has grown, row by row or even once for each row, until it is analyzed anew."""
WRITING: Final = (
    f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {_ALWAYS}; {BY_KEY}; SET LOCAL synchronous_commit = on"
)
"""Each statement sees what was committed before it, and what it has locked nobody changes."""
READING: Final = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_ALWAYS}"
"""All statements see the same."""
READING_BY_KEY: Final = f"{READING}; {BY_KEY}"


class Server:
    """Where the database is, and whether a proxy stands before it that lends connections by the transaction.

    `name` is how the server knows our connections from those of all other processes.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.pooling = False
        self.name = f"goniec {secrets.token_hex(8)}"

    async def connect(self) -> "Connection[Record]":
        """Open a connection. Raises what the driver raises."""
        statements = 0 if self.pooling else STATEMENTS
        db: Connection[Record] = await asyncpg.connect(
            self._url,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            statement_cache_size=statements,
            server_settings={"application_name": self.name},
        )
        if self.pooling or db.get_server_pid() == await db.fetchval("SELECT pg_backend_pid()"):
            return db
        await close(db)
        self.pooling = True
        return await self.connect()


async def close(db: "Connection[Record]") -> None:
    """Close a connection, politely if the server answers."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await db.close()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        db.terminate()
