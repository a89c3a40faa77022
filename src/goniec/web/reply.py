"""An answer, and how it goes out over ASGI.

Every response of Goniec's own passes here, so all carry the same headers.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
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
    """Status, content, further headers.

    The content is what msgspec turns into JSON. Bytes go out as they are, an iterator of bytes piece by piece, and None
    means that there is no body.
    """

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
    """Send it. What fails in the middle of a body that goes out in pieces can only be told by breaking off."""
    if isinstance(reply.content, AsyncIterator):
        await send({"type": "http.response.start", "status": reply.status, "headers": fields(reply)})
        async for piece in reply.content:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    body = reply.body()
    headers = fields(reply)
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def fields(reply: Reply) -> list[tuple[bytes, bytes]]:
    """Give its header fields, but for the length of its body."""
    headers = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
    if reply.content is not None:
        headers.append((b"content-type", reply.media_type.encode()))
    # what a handler sets takes the place of what all carry
    own = [(name.encode(), value.encode("latin-1")) for name, value in reply.headers]
    named = {name for name, _ in own}
    return [header for header in headers if header[0] not in named] + own
