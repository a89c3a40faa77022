"""A spool in memory, which a test may let fail."""

import asyncio
from collections.abc import Collection, Sequence

from goniec.ports import Unavailable


class MemorySpool:
    """The `Spool` port; while `broken` it takes and gives nothing. `empty` is set while there is nothing in it."""

    def __init__(self) -> None:
        self.items: dict[int, bytes] = {}
        self.broken = False
        self.empty = asyncio.Event()
        self.empty.set()
        self._n = 0

    async def keep(self, items: Sequence[bytes]) -> None:
        self._check()
        for item in items:
            self._n += 1
            self.items[self._n] = item
            self.empty.clear()

    async def waiting(self, most: int) -> list[tuple[int, bytes]]:
        self._check()
        return list(self.items.items())[:most]

    async def drop(self, numbers: Collection[int]) -> None:
        self._check()
        for number in numbers:
            self.items.pop(number, None)
        if not self.items:
            self.empty.set()

    async def close(self) -> None:
        """Nothing to close."""

    def _check(self) -> None:
        if self.broken:
            raise Unavailable("the disk is full")
