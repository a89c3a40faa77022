"""The demo's way in: the HTTP API, over a socket, as any other system uses it."""

import asyncio
import http.client
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from goniec.cli.terminal import CommandError

TRIES: Final = 20
OVERLOADED: Final = 503
REFUSED: Final = 400


class Api:
    """Calls the API, one call after the other on one connection."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    async def call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - whatever JSON it is
        """Give what the call answers; one that is refused is a `CommandError` with the reason."""
        sent = None if body is None else msgspec.json.encode(body)
        status, answer, retry_after = await asyncio.to_thread(self._exchange, method, "/api/v1" + path, sent)
        tries = 1
        while status == OVERLOADED and tries < TRIES:
            await asyncio.sleep(float(retry_after or 1))
            status, answer, retry_after = await asyncio.to_thread(self._exchange, method, "/api/v1" + path, sent)
            tries += 1
        if status >= REFUSED:
            raise CommandError(f"{method} {path} was refused with {status}: {answer.decode(errors='replace')}")
        return msgspec.json.decode(answer) if answer else None

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, bytes, str | None]:
        self._connection.request(method, path, body, self._headers)
        response = self._connection.getresponse()
        return response.status, response.read(), response.headers.get("Retry-After")
