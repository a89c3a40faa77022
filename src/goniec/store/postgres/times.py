"""Times of recording that rise over all processes, and how far a reader may read on without missing anything.

Ids begin with a time, and lists that are polled go on behind the last id seen. So a transaction takes its time only
once it holds its contacts, whose events then stand in the order in which they were recorded; no two take the same; and
each is noted until its transaction ends. A reader that goes on stops before the earliest that is under way. Functions
of the database do the rest (the migration that makes them says how), where nobody is held up for longer than a moment.
"""

from typing import Final

from goniec.core.ids import time_of
from goniec.core.times import Millis
from goniec.ports import Clock, Moment, Timed
from goniec.store.postgres.sql import Db

_NOW: Final = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8"


async def ask(db: Db, clock: Clock) -> Timed:
    """Ask the server for its time; when it was asked and has answered is taken here, where nothing waits between."""
    asked = clock.monotonic()
    at: float = await db.fetchval(_NOW)
    return Timed(at, asked, clock.monotonic())


async def moment(db: Db, known: Millis) -> Moment:
    """Take the next time, later than any taken and than `known`, and note it until the transaction ends."""
    row = await db.fetchrow("SELECT here, taken FROM goniec_floor($1)", known)
    assert row is not None  # noqa: S101 - tells the type checker
    return Moment(row[0], row[1])


async def horizon(db: Db) -> Millis:
    """All that has an earlier time is committed or undone, so a snapshot that is taken after this has it all."""
    found: int = await db.fetchval("SELECT goniec_horizon()")
    return found


async def begin(db: Db) -> None:
    """Let the times to come be later than all ids that are there, whichever release and clock has made them."""
    last = await db.fetchval("SELECT id FROM events ORDER BY id DESC LIMIT 1")
    test = await db.fetchval("SELECT id FROM deliveries ORDER BY id DESC LIMIT 1")
    await moment(db, max((time_of(id) for id in (last, test) if id is not None), default=0))
