"""A way to PostgreSQL that is cut at a COMMIT: before it arrives, after it was executed, or while nobody knows.

It leads messages on one by one, and until it is armed nothing happens to them.
"""

import asyncio
import contextlib
import enum
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from typing_extensions import override

from tests.proxy import Proxy, greeted, listening, message

COMMIT = b"COMMIT\x00"


class Cut(enum.Enum):
    """Where the way is cut."""

    BEFORE = enum.auto()
    """The COMMIT is lost; the server hears that the client is gone."""
    AFTER = enum.auto()
    """It was executed, and the answer is lost."""
    MEANWHILE = enum.auto()
    """It arrives late, when the client is gone already."""
    NEVER = enum.auto()
    """It is lost, and the server does not hear that the client is gone."""


class Cutter(Proxy):
    """The proxy; `arm` says what happens at the next COMMITs, `done` holds what has happened."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.cuts: list[Cut] = []
        self.done: list[Cut] = []
        self.hit = asyncio.Event()
        """Set once a COMMIT was cut."""
        self.late = asyncio.Event()
        """Set by the test: what arrives late may arrive now."""

    def arm(self, *cuts: Cut) -> None:
        """Cut at the next COMMITs."""
        self.cuts += cuts

    @override
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            startup = await greeted(reader, writer)
            there, back = await asyncio.open_connection("127.0.0.1", self.port)
            self._writers.append(back)
            back.write(startup)
            answers = asyncio.create_task(_lead(there, writer))
            try:
                await self._talk(reader, writer, there, back, answers)
            finally:
                answers.cancel()
                await asyncio.gather(answers, return_exceptions=True)
                back.transport.abort()
                writer.transport.abort()

    async def _talk(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
        answers: "asyncio.Task[None]",
    ) -> None:
        while True:
            kind, whole = await message(reader)
            if self.cuts and kind == b"Q" and whole.endswith(COMMIT):
                break
            back.write(whole)
        answers.cancel()
        await asyncio.gather(answers, return_exceptions=True)
        cut = self.cuts.pop(0)
        self.done.append(cut)
        self.hit.set()
        if cut is Cut.AFTER:
            back.write(whole)
            while (await message(there))[0] != b"Z":
                pass
        writer.transport.abort()
        if cut in {Cut.MEANWHILE, Cut.NEVER}:
            await self.late.wait()
        if cut is Cut.MEANWHILE:
            back.write(whole)
            while (await message(there))[0] != b"Z":
                pass


async def _lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Lead on what the server says, a whole message at a time, so that nothing is left half said."""
    with contextlib.suppress(asyncio.IncompleteReadError, OSError):
        while True:
            writer.write((await message(reader))[1])
    writer.close()


@asynccontextmanager
async def cutter(url: str) -> AsyncIterator[tuple[Cutter, str]]:
    """Such a proxy before a database, and the address that leads over it."""
    async with listening(Cutter, url) as made:
        yield made
