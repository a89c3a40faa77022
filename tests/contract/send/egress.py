"""An HTTP proxy on the loopback that writes down what it was asked for, and opens tunnels, or does not."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self


class Egress:
    """Answers CONNECT; `refusing` are the addresses that get another status, or None: no answer at all."""

    def __init__(self, refusing: Mapping[str, int | None] | None = None, *, answer: int | None = 200) -> None:
        self.refusing = refusing or {}
        self.answer = answer
        self.asked: list[str] = []
        self.heads: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        method, target, _ = head.split(" ", 2)
        self.asked.append(target)
        host, _, port = target.rpartition(":")
        status = self.refusing.get(host.strip("[]"), self.answer) if method == "CONNECT" else 405
        if status is None:
            await reader.read()
            return
        writer.write(f"HTTP/1.1 {status} Whatever\r\nX-Proxy: yes\r\n\r\n".encode())
        await writer.drain()
        if status != 200:
            return
        inner, outer = await asyncio.open_connection(host.strip("[]"), int(port))
        await asyncio.gather(_pump(reader, outer), _pump(inner, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
