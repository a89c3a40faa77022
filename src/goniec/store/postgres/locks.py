"""What two processes may not do at once: locks that end with the transaction that took them.

They are numbers that mean nothing to the server, in the one space that each database has for them; ours begin with
`Goni`. Behind a proxy that lends connections by the transaction they hold all the same.
"""

from collections.abc import Sequence
from typing import Final

from goniec.store.postgres.sql import Db

_OURS: Final = 0x476F_6E69_0000_0000
MIGRATING: Final = _OURS + 1
SETUP: Final = _OURS + 2
"""Whoever reads setup in order to change it: what it has read then stays so until it is done."""
RETENTION: Final = _OURS + 3
"""Shared by what moves deliveries on, and retention's alone: it must not take away what is just asked for again."""
SERVING: Final = _OURS + 4
"""Shared by all that serve, for as long as their connections last. A release that knew no leases has it alone."""
_PHONES: Final = _OURS >> 32
_BUCKETS: Final = 256
"""Numbers share locks: the server has room for some thousand of them, and a batch may bring as many numbers."""
_SLOT: Final = _OURS + 0x100
"""The first of `slots.SLOTS` numbers."""


_LOCK_PHONES: Final = (
    f"SELECT pg_advisory_xact_lock({_PHONES}, bucket) FROM"
    f" (SELECT DISTINCT abs(hashtext(number) % {_BUCKETS}) AS bucket FROM unnest($1::text[]) number ORDER BY bucket) b"
)
"""In a space of locks of its own, in an order, so that nobody waits in a circle."""


async def phones(db: Db, numbers: Sequence[str]) -> None:
    """Wait until nobody else looks for the owner of one of these numbers, in order to make one where there is none."""
    await db.fetch(_LOCK_PHONES, list(numbers))


async def alone(db: Db, lock: int) -> None:
    """Wait until nobody else has it, and have it alone."""
    await db.execute(f"SELECT pg_advisory_xact_lock({lock})")


async def serve(db: Db) -> bool:
    """Share the lock of those that serve, unless somebody has it alone."""
    found: bool = await db.fetchval(f"SELECT pg_try_advisory_lock_shared({SERVING})")
    return found


async def try_slot(db: Db, slot: int) -> bool:
    """Take the lock of a slot of the ledger if nobody has it, for as long as the connection lasts."""
    taken: bool = await db.fetchval(f"SELECT pg_try_advisory_lock({_SLOT + slot})")
    return taken


async def together(db: Db, lock: int) -> None:
    """Wait until nobody has it alone, and share it."""
    await db.execute(f"SELECT pg_advisory_xact_lock_shared({lock})")
