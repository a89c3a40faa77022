"""Passwords, hashed by argon2id (the `Passwords` port).

19 MiB and two passes for each, as OWASP's cheat sheet has it, and no more than two at a time: a flood of tries may cost
time, never memory. argon2 is imported when the first password is looked at, not at start.
"""

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from argon2 import PasswordHasher

AT_A_TIME: Final = 2
MEMORY_KIB: Final = 19 * 1024
PASSES: Final = 2

_NOBODYS: Final = "a password that nobody has"


class Argon2:
    """The `Passwords` port."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(AT_A_TIME)

    async def hash(self, password: str) -> str:
        """See `Passwords`."""
        async with self._turn:
            return await asyncio.to_thread(_hash, password)

    async def fits(self, password: str, kept: str | None) -> bool:
        """See `Passwords`."""
        async with self._turn:
            return await asyncio.to_thread(_fits, password, kept)

    def stale(self, kept: str) -> bool:
        """See `Passwords`."""
        return _hasher().check_needs_rehash(kept)


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1)


def _hash(password: str) -> str:
    return _hasher().hash(_bytes(password))


def _fits(password: str, kept: str | None) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    nobodys = _of_nobody()  # made with the first password of all, whoever's it is
    try:
        _hasher().verify(nobodys if kept is None else kept, _bytes(password))
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


@cache
def _of_nobody() -> str:
    return _hash(_NOBODYS)


def _bytes(password: str) -> bytes:
    # half of a surrogate pair may come from anywhere, and is in no password
    return password.encode(errors="surrogatepass")
