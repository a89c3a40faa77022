"""What became of a transaction when the connection was lost before the answer to its COMMIT: the server is asked.

It knows by the transaction's id. Ids that a crash has wiped out, before anything of them was on disk, are given once
more to others; so are those that a standby had not heard of when it took over. So what the server says counts only for
the age in which the id was given: what it calls committed in another one may be somebody else's.
Called by the writer.
"""

import asyncio
import enum
import time
from typing import Final

import asyncpg

from goniec.store.postgres.connect import Server, close
from goniec.store.postgres.failures import EXPECTED
from goniec.store.postgres.sql import Db

PATIENCE_SECONDS: Final = 5.0
"""For so long it is asked, where the server does not answer or is at it yet."""
PAUSE_SECONDS: Final = 0.05

XID: Final = "pg_current_xact_id()::text"
"""The id, in a statement that writes anyway."""

_XID: Final = "SELECT pg_current_xact_id_if_assigned()::text"
_AGE: Final = (
    "SELECT concat(extract(epoch FROM pg_stat_get_bgwriter_stat_reset_time()), ' ',"
    " CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END)"
)
"""Since when there are statistics, which a crash wipes out, and the timeline: a standby that takes over begins one."""
_STATUS: Final = "SELECT pg_xact_status($1::text::xid8)"

_UNREACHED: Final[tuple[type[Exception], ...]] = (*EXPECTED, asyncpg.InterfaceError)


class Outcome(enum.Enum):
    """What became of it."""

    COMMITTED = enum.auto()
    UNDONE = enum.auto()
    UNKNOWN = enum.auto()


async def xid(db: Db) -> str | None:
    """The id of the transaction, None where it has written nothing."""
    found: str | None = await db.fetchval(_XID)
    return found


async def age(db: Db) -> str | None:
    """Between which crashes we are; None where that is not told to everybody."""
    try:
        found: str = await db.fetchval(_AGE)
    except asyncpg.InsufficientPrivilegeError:
        return None
    return found


async def outcome(server: Server, xid: str, then: str | None) -> Outcome:
    """Ask what became of a transaction of the age `then`, on a connection of its own, until the server says."""
    until = time.monotonic() + PATIENCE_SECONDS
    while (found := await _ask(server, xid, then)) is None:
        if time.monotonic() > until:
            return Outcome.UNKNOWN
        await asyncio.sleep(PAUSE_SECONDS)
    return found


async def _ask(server: Server, xid: str, then: str | None) -> Outcome | None:
    """Ask once; None: it is to be asked again."""
    try:
        raw = await server.connect()
    except _UNREACHED:
        return None
    try:
        db = Db(raw)
        status = await db.fetchval(_STATUS, xid)
        same = then is not None and await age(db) == then
    except asyncpg.InvalidParameterValueError:
        return Outcome.UNDONE  # an id that is still to be given: it was wiped out
    except _UNREACHED:
        return None
    finally:
        await close(raw)
    match status:
        case "in progress":
            return None
        case "aborted":
            return Outcome.UNDONE
        case "committed" if same:
            return Outcome.COMMITTED
        case _:
            return Outcome.UNKNOWN
