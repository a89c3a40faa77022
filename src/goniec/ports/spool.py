"""Keeping what was heard on disk until it is recorded, where whoever told it cannot wait for the database."""

from collections.abc import Collection, Sequence
from typing import Protocol


class Spool(Protocol):
    """A queue on this machine's disk. What it says of an item it says of all that were given in one call."""

    async def keep(self, items: Sequence[bytes]) -> None:
        """Put items at the end, on disk when it returns.

        Raises:
            Unavailable: the disk does not take them.

        """
        ...

    async def waiting(self, most: int) -> list[tuple[int, bytes]]:
        """Give the first items and their numbers, which rise.

        What a process left that has died is among them; it may be there twice.

        Raises:
            Unavailable: the disk does not give them.

        """
        ...

    async def drop(self, numbers: Collection[int]) -> None:
        """Let go of items; of one that has gone, nothing.

        Raises:
            Unavailable: the disk does not let them go.

        """
        ...
