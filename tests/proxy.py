"""What proxies before PostgreSQL have in common: how its messages are read, and a place where clients come."""

import asyncio
import struct
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar
from urllib.parse import urlsplit

ENCRYPTION: Final = {80877103, 80877104}
"""What a client asks first, with the number of a protocol that is none."""

Message = tuple[bytes, bytes]
"""Its kind, and all of it."""


class Proxy(ABC):
    """Leads clients to the server that listens on `port`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """See to a client until it or the server goes."""

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client has come."""
        self._writers.append(writer)
        task = asyncio.create_task(self.serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Break off whatever is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)


P = TypeVar("P", bound=Proxy)


@asynccontextmanager
async def listening(made: Callable[[int], P], url: str) -> AsyncIterator[tuple[P, str]]:
    """A proxy before a database, and the address that leads over it."""
    parts = urlsplit(url)
    assert parts.port is not None
    proxy = made(parts.port)
    listener = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    try:
        yield proxy, url.replace(f":{parts.port}/", f":{port}/")
    finally:
        listener.close()
        await proxy.close()


async def greeted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Refuse to encrypt; gives what the client then begins with."""
    while True:
        head = await reader.readexactly(8)
        length, number = struct.unpack("!II", head)
        startup = head + await reader.readexactly(length - 8)
        if number not in ENCRYPTION:
            return startup
        writer.write(b"N")


async def message(reader: asyncio.StreamReader) -> Message:
    """Read the next message."""
    head = await reader.readexactly(5)
    (length,) = struct.unpack("!I", head[1:])
    return head[:1], head + await reader.readexactly(length - 4)
