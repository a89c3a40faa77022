"""Where mail comes back to."""

from typing import Protocol


class Unread(Exception):
    """The mailbox cannot be read just now; the reason holds no secret."""


class Mailbox(Protocol):
    """Mail that nobody has looked at yet. Its methods are called one after the other."""

    async def fetch(self, most: int) -> list[tuple[str, bytes]]:
        """Give the oldest mails that are not marked, at most so many, each with its name; long ones are cut.

        A mail that is not marked comes again. Raises `Unread`.
        """
        ...

    async def done(self, names: list[str]) -> None:
        """Mark mails, so that they do not come again. Raises `Unread`."""
        ...

    async def close(self) -> None:
        """Let go of the server until the next call. Never raises."""
        ...
