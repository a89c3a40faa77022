"""The database, opened by a command beside a server that may have it: short transactions, no lock, no waiting loops.

Called by the commands that read or write it. They need no more of the machine than the time and chance.
"""

import random
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from goniec.cli.terminal import CommandError, say
from goniec.core.times import Millis
from goniec.flow.timekeeping import SharedClock
from goniec.settings import Settings
from goniec.store.opening import Database, is_there, open_store


class Machine:
    """Time and chance (the ports `Clock` and `Dice`), without what a server loads beside them.

    With `ahead`, it is known to be ahead of the clock that rules by so many milliseconds.
    """

    def __init__(self, ahead: Millis = 0) -> None:
        self.ahead = ahead

    @classmethod
    async def beside(cls, store: Database) -> "Machine":
        """One that goes by the clock that all go by who share this database. Raises `Unavailable`."""
        machine = cls()
        return machine if store.time is None else cls((await SharedClock.begin(machine, store.time)).ahead())

    def now(self) -> Millis:
        """See `Clock`."""
        return time.time_ns() // 1_000_000 - self.ahead

    def monotonic(self) -> float:
        """See `Clock`."""
        return time.monotonic()

    def bits(self, n: int) -> int:
        """See `Dice`."""
        return secrets.randbits(n)

    def jitter(self) -> float:
        """See `Dice`."""
        return random.uniform(-1, 1)  # noqa: S311 - spreads retries, guards nothing


@asynccontextmanager
async def opened(settings: Settings, *, make: bool = False) -> AsyncIterator[Database]:
    """Open the database; without `make` it has to be there."""
    if not make and not is_there(settings.database):
        raise CommandError(no_database(settings))
    fresh = not is_there(settings.database)
    store = open_store(settings.database, server=False)
    if fresh:
        say(made(settings))
    try:
        yield store
    finally:
        await store.close()


def no_database(settings: Settings) -> str:
    """Say that there is none, and where it was looked for."""
    return (
        f"there is no database at {settings.database}: set GONIEC_DATA_DIR to its folder, or start goniec serve first"
    )


def made(settings: Settings) -> str:
    """Say that there was none: in another folder than the server's it would be of no use."""
    return (
        f"A new database was made at {settings.database}; if there is one elsewhere, set GONIEC_DATA_DIR to its folder."
    )
