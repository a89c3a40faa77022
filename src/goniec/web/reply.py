"""An answer, and how it goes out over ASGI.

Every response of Goniec's own passes here, so all carry the same headers.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import msgspec
from msgspec import Struct

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
"""ASGI 3, as its specification says it."""

JSON: Final = "application/json"

_encode: Final = msgspec.json.Encoder().encode


class Reply(Struct, frozen=True):
    """Status, content (what msgspec turns into JSON; bytes go out as they are; None: no body), further headers."""

    status: int
    content: Any = None
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str = JSON

    def body(self) -> bytes:
        """The bytes that go out."""
        if self.content is None:
            return b""
        return self.content if isinstance(self.content, bytes) else _encode(self.content)


async def send_reply(reply: Reply, send: Send) -> None:
    """Send it."""
    body = reply.body()
    headers: list[tuple[bytes, bytes]] = [
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if reply.content is not None:
        headers.append((b"content-type", reply.media_type.encode()))
    # what a handler sets takes the place of what all carry
    own = [(name.encode(), value.encode("latin-1")) for name, value in reply.headers]
    named = {name for name, _ in own}
    headers = [header for header in headers if header[0] not in named] + own
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
