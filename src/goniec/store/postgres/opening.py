"""Opening the database: what must be true of the server, the encoding and the schema before a row is read."""

from typing import Final

import asyncpg

from goniec.ports import Unavailable
from goniec.store import Refused
from goniec.store.address import Postgres
from goniec.store.postgres import times
from goniec.store.postgres.connect import Server, close
from goniec.store.postgres.failures import EXPECTED, unavailable
from goniec.store.postgres.loop import Loop
from goniec.store.postgres.migrate import check, migrate, version
from goniec.store.postgres.sql import Db
from goniec.store.postgres.store import PostgresStore

OLDEST_SERVER: Final = 140_000
"""PostgreSQL 14, as `server_version_num` has it."""


_CONNECTING: Final[tuple[type[Exception], ...]] = (*EXPECTED, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What keeps us from connecting, files of certificates and the like included."""


def open_store(address: Postgres, *, server: bool) -> PostgresStore:
    """Open the database, making or migrating its tables where needed. It waits: call it before the loop runs.

    A `server` migrates, and serves beside others; other commands make tables where there are none, and leave
    older ones to it.

    Raises:
        Refused: it cannot be used as it stands; the message says what to do.

    """
    loop, place = Loop(), Server(address.url)
    try:
        loop.wait(_prepare(address, place, server=server))
    except BaseException:
        loop.close(_nothing)
        raise
    store = PostgresStore(address, loop, place)
    if server:
        try:
            store.serve()
        except Unavailable as error:
            store.end()
            raise Refused(f"{address}: {error}") from None
        except BaseException:
            store.end()
            raise
    return store


def schema_of(address: Postgres) -> tuple[bool, str | None]:
    """Tell, without changing anything, whether the schema is behind the program, and its version. Raises as above."""
    loop = Loop()
    try:
        return loop.wait(_look(address, Server(address.url)))
    finally:
        loop.close(_nothing)


async def _prepare(address: Postgres, place: Server, *, server: bool) -> None:
    try:
        raw = await place.connect()
    except _CONNECTING as error:
        raise Refused(f"{address}: {_why(error)}") from None
    db = Db(raw)
    try:
        await _check_server(db)
        if await check(db):
            found = await version(db)
            if found is not None and not server:
                raise Refused(f"{address} has schema {found}, which is behind this Goniec: run goniec migrate first")
            await migrate(db)
        if server:
            await times.begin(db)
    except EXPECTED as error:
        raise Refused(f"{address}: {unavailable(error)}") from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise Refused(f"{address}: the user may not make tables there: {error}") from None
    finally:
        await close(raw)


async def _look(address: Postgres, place: Server) -> tuple[bool, str | None]:
    try:
        raw = await place.connect()
    except _CONNECTING as error:
        raise Refused(f"{address}: {_why(error)}") from None
    try:
        return await check(Db(raw)), await version(Db(raw))
    finally:
        await close(raw)


async def _check_server(db: Db) -> None:
    number = int(await db.fetchval("SELECT current_setting('server_version_num')"))
    if number < OLDEST_SERVER:
        raise Refused(f"the server is PostgreSQL {number // 10_000}, and Goniec needs 14 or newer")
    encoding = await db.fetchval("SELECT current_setting('server_encoding')")
    if encoding != "UTF8":
        raise Refused(
            f"the database is encoded in {encoding}, and Goniec needs UTF8: create database … encoding 'UTF8'"
        )


def _why(error: BaseException) -> str:
    """What keeps us from connecting; of what the driver says about a URL, nothing is repeated."""
    if isinstance(error, EXPECTED):
        return str(unavailable(error))
    code = getattr(error, "sqlstate", None)
    return f"no connection can be made ({code or type(error).__name__})"


async def _nothing() -> None:
    pass
