"""A mail server that has good and bad moments, and remembers every letter that it took."""

import asyncio
import random

from msgspec import Struct

from goniec.ports import Mail, Undelivered


class Told(Struct, frozen=True):
    """A letter that was taken, or refused for ever: to nobody's knowledge is it told again."""

    at: float
    endpoint: str
    failed: int
    key: str


class Postman:
    """The `Mailer` port of all processes."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.letters: list[Told] = []

    async def send(self, mail: Mail) -> None:
        """Take it, or say why not."""
        await asyncio.sleep(self._rng.random() * 0.3)
        chance = self._rng.random()
        if chance < 0.2:
            raise Undelivered("come back later")
        endpoint, failed, _ = mail.key.split(".", 2)
        self.letters.append(Told(asyncio.get_running_loop().time(), endpoint, int(failed), mail.key))
        await asyncio.sleep(self._rng.random() * 0.3)
        if chance < 0.25:
            raise Undelivered("nobody lives there", final=True)
