"""Keeping secrets: those that have to come out again are sealed, of passwords it is enough that they fit."""

from typing import Protocol


class Vault(Protocol):
    """Seals secrets for the database (AES-GCM, the row's id as associated data) and opens them again."""

    def seal(self, row_id: str, text: str) -> bytes:
        """Encrypt `text` for the row `row_id`."""
        ...

    def unseal(self, row_id: str, sealed: bytes) -> str:
        """Decrypt; raises `ValueError` when no key at hand fits."""
        ...

    def derived(self, purpose: str) -> tuple[bytes, ...]:
        """Give keys that are for one purpose only, one for each key at hand, the newest first."""
        ...


class Passwords(Protocol):
    """Hashes passwords, slowly on purpose, away from the loop."""

    async def hash(self, password: str) -> str:
        """Give what is kept of a password."""
        ...

    async def fits(self, password: str, kept: str | None) -> bool:
        """Say whether a password is the one; None costs the same time and never fits."""
        ...

    def stale(self, kept: str) -> bool:
        """Say whether it was hashed more weakly than is done now."""
        ...
