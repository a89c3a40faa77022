"""A proxy before PostgreSQL that lends its connections by the transaction, as PgBouncer does in that mode.

Nothing that a session has set or prepared is there in the next transaction: that one gets another connection. It makes
up the process id that a client is told, for it stands for many.
"""

import asyncio
import contextlib
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from typing_extensions import override

from tests.proxy import Proxy, greeted, listening, message

CONNECTIONS = 4
READY = b"Z\x00\x00\x00\x05I"


class _Server:
    """A connection that is lent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.told: list[bytes] = []

    @classmethod
    async def connect(cls, port: int, startup: bytes) -> "_Server":
        made = cls(*await asyncio.open_connection("127.0.0.1", port))
        made.writer.write(startup)
        kind = b""
        while kind != b"Z":
            kind, whole = await message(made.reader)
            if kind == b"S":
                made.told.append(whole)
        return made


class _Pooler(Proxy):
    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.idle: deque[_Server] = deque()
        self.lent = 0

    @override
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            startup = await self._greeted(reader, writer)
            lending = _Lending(self, writer)
            try:
                while (sent := await message(reader))[0] != b"X":
                    lending.send(*sent)
            finally:
                if await lending.end():
                    self.idle.append(await _Server.connect(self.port, startup))

    async def _greeted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        startup = await greeted(reader, writer)
        while len(self.idle) < CONNECTIONS and not self.lent:
            self.idle.append(await _Server.connect(self.port, startup))
        told = b"".join(self.idle[0].told)
        writer.write(b"R" + struct.pack("!II", 8, 0) + told + b"K" + struct.pack("!III", 12, 1, 2) + READY)
        return startup

    @override
    async def close(self) -> None:
        await super().close()
        for server in self.idle:
            server.writer.close()


class _Lending:
    """A client, and the connection that it has while it is in a transaction."""

    def __init__(self, proxy: _Pooler, writer: asyncio.StreamWriter) -> None:
        self.proxy = proxy
        self.writer = writer
        self.server: _Server | None = None
        self.asked = 0
        self.answering: asyncio.Task[None] | None = None

    def send(self, kind: bytes, whole: bytes) -> None:
        if self.server is None:
            self.server = self.proxy.idle.popleft()
            self.proxy.lent += 1
            self.answering = asyncio.create_task(self._answer(self.server))
        self.asked += kind in {b"S", b"Q"}
        self.server.writer.write(whole)

    async def _answer(self, server: _Server) -> None:
        """Pass on what the server says, until it is out of any transaction."""
        while True:
            kind, whole = await message(server.reader)
            self.asked -= kind == b"Z"
            if whole == READY and not self.asked:
                self.server = None
                self.proxy.idle.append(server)
                self.writer.write(whole)
                return
            self.writer.write(whole)

    async def end(self) -> bool:
        """Close a connection whose client has left it in the middle; tell whether there was one."""
        if self.server is None or self.answering is None:
            return False
        self.answering.cancel()
        await asyncio.gather(self.answering, return_exceptions=True)
        self.server.writer.close()
        return True


@asynccontextmanager
async def pooler(url: str) -> AsyncIterator[str]:
    """The address of such a proxy before a database."""
    async with listening(_Pooler, url) as (proxy, address):
        yield address
        assert proxy.lent > CONNECTIONS, "each transaction had another connection"
