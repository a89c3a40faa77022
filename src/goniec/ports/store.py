"""The database: a reading side, transactions, a copy while the service runs."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from goniec.ports.queries import Queries
from goniec.ports.tx import Tx

T = TypeVar("T")


class Unavailable(Exception):
    """The store cannot work just now (full disk, locked file, lost database); nothing was written. Try again later."""


class Unsure(Unavailable):
    """It was lost in the middle of a commit, and nobody knows whether that was. Send it again under the same keys."""


class Store(Protocol):
    """The database."""

    @property
    def queries(self) -> Queries:
        """The reading side."""
        ...

    async def transact(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        """Run `work` in one transaction and commit it to disk before returning; any exception undoes it all.

        Raises `Unavailable` when the store cannot work. `work` awaits nothing but the `Tx`, and may be run again from
        the start.
        """
        ...

    async def backup(self, path: str) -> None:
        """Write a consistent copy to a new file while the service runs."""
        ...

    async def close(self) -> None: ...
