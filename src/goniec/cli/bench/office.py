"""The other side of the measured mails: a mail server in a process of its own that takes every mail and drops it.

`processes` runs `main`; it prints its port and that of the count, and ends when its standard input does. It knows as
much of SMTP as a client needs that sends plain mail, and takes commands that come together (RFC 2920). How many mails
came is asked over HTTP, as of the sink of webhooks.
"""

import asyncio
import sys
from collections.abc import Mapping
from typing import Final, cast

import uvloop
from typing_extensions import override

from goniec.cli.bench.sink import ADDRESS, Conversation, Seen

GREETING: Final = b"220 bench.example ESMTP\r\n"
BYE: Final = b"221 bye\r\n"
_HELLO: Final = b"250-bench.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
_FINE: Final = b"250 OK\r\n"
_ANSWERS: Final[Mapping[bytes, bytes]] = {
    b"EHLO": _HELLO,
    b"DATA": b"354 go on\r\n",
    b"QUIT": BYE,
}
_LINE: Final = b"\r\n"
_DOT: Final = b"\r\n.\r\n"


class Talk(asyncio.Protocol):
    """One connection."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._data = bytearray()
        self._in_mail = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tcp = cast("asyncio.Transport", transport)  # uvloop's is one in all but its ancestors
        self._tcp.write(GREETING)

    @override
    def data_received(self, data: bytes) -> None:
        self._data += data
        while (answer := self._next()) is not None:
            self._tcp.write(answer)
            if answer == BYE:
                self._tcp.close()
                return

    def _next(self) -> bytes | None:
        """Answer the next command, or the mail; None: it is not all there yet."""
        end = _DOT if self._in_mail else _LINE
        at = self._data.find(end)
        if at < 0:
            return None
        command = bytes(self._data[:4]).upper()
        del self._data[: at + len(end)]
        if self._in_mail:
            self._in_mail = False
            self._seen.count += 1
            return _FINE
        self._in_mail = command == b"DATA"
        return _ANSWERS.get(command, _FINE)


async def listen() -> None:
    """Serve until standard input ends, on free ports."""
    loop = asyncio.get_running_loop()
    seen = Seen()
    mails = await loop.create_server(lambda: Talk(seen), ADDRESS, 0, backlog=1024)
    count = await loop.create_server(lambda: Conversation(seen), ADDRESS, 0)
    print(mails.sockets[0].getsockname()[1], count.sockets[0].getsockname()[1], flush=True)
    async with mails, count:
        await loop.run_in_executor(None, sys.stdin.buffer.read)


def main() -> None:
    """Be the process."""
    uvloop.run(listen())
