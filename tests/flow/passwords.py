"""Passwords for tests: quick to hash, and they remember how often they were asked (argon2 has tests of its own)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Plain:
    """The `Passwords` port without the cost. `before` runs while a password is being looked at."""

    def __init__(self, mark: str = "1") -> None:
        self.mark = mark
        self.asked: list[str | None] = []
        self.before: Callable[[], Awaitable[object]] | None = None

    async def hash(self, password: str) -> str:
        return f"{self.mark}:{password[::-1]}"

    async def fits(self, password: str, kept: str | None) -> bool:
        self.asked.append(kept)
        if self.before is not None:
            await self.before()
        return kept is not None and kept.partition(":")[2] == password[::-1]

    def stale(self, kept: str) -> bool:
        return not kept.startswith(f"{self.mark}:")
