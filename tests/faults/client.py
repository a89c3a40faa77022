"""A client of one connection, spare enough to put the engine under load from the same two processors.

It tells an answer that came whole from one that did not: after a kill that is all that a client can know.
"""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """An answer that came whole."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Sends to the engine at `url`, one request after the other, over a connection that it keeps while it can."""

    def __init__(self, url: str, key: str) -> None:
        self._host, _, port = url.removeprefix("http://").rpartition(":")
        self._port = int(port)
        self._key = key
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def post(self, path: str, body: bytes, **headers: str) -> Answer | None:
        """POST these bytes; None: the connection ended before the answer was whole."""
        return await self.send(self.request("POST", path, body, **headers))

    async def send(self, request: bytes) -> Answer | None:
        """Send a whole request, and give its answer."""
        return await self.answer() if await self.write(request) else None

    async def write(self, data: bytes) -> bool:
        """Send bytes, whatever they are, and wait for no answer; False: the connection is gone."""
        try:
            writer = await self._open()
            writer.write(data)
            await writer.drain()
        except OSError:
            await self.close()
            return False
        return True

    async def answer(self) -> Answer | None:
        """Read an answer."""
        try:
            return await self._read()
        except (OSError, asyncio.IncompleteReadError):
            await self.close()
            return None

    async def _read(self) -> Answer:
        assert self._reader is not None
        head = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(first.split(" ")[1]), headers, body)

    async def ended(self) -> bool:
        """Wait for the other side to close; gives whether it did so without a further word."""
        assert self._reader is not None
        with suppress(ConnectionError):
            return not await self._reader.read()
        return True

    async def close(self) -> None:
        """Give the connection up."""
        writer, self._writer, self._reader = self._writer, None, None
        if writer is not None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
        """Give the bytes of a request; a header's `_` stands for `-`, and one given as "" is left out."""
        fields = {
            "host": f"{self._host}:{self._port}",
            "authorization": f"Bearer {self._key}",
            "content-type": "application/json",
            "content-length": str(len(body)),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = [f"{method} /api/v1{path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value)]
        return "\r\n".join([*lines, "", ""]).encode() + body

    async def _open(self) -> asyncio.StreamWriter:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self._writer
