"""A spool in memory, which a test may let fail."""

from collections.abc import Collection, Sequence

from goniec.ports import Unavailable


class MemorySpool:
    """The `Spool` port; while `broken` it takes and gives nothing."""

    def __init__(self) -> None:
        self.items: dict[int, bytes] = {}
        self.broken = False
        self._n = 0

    async def keep(self, items: Sequence[bytes]) -> None:
        self._check()
        for item in items:
            self._n += 1
            self.items[self._n] = item

    async def waiting(self, most: int) -> list[tuple[int, bytes]]:
        self._check()
        return list(self.items.items())[:most]

    async def drop(self, numbers: Collection[int]) -> None:
        self._check()
        for number in numbers:
            self.items.pop(number, None)

    async def close(self) -> None:
        """Nothing to close."""

    def _check(self) -> None:
        if self.broken:
            raise Unavailable("the disk is full")
