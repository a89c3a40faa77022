"""The other side of the measured webhooks: a process that answers every POST with a tiny 200 and counts.

`processes` runs `main`; it prints its port, and ends when its standard input does. It is as thin as an HTTP server in
Python can be, so that it takes as little as possible of the machine that is measured. `GET /count` tells how many
webhooks came, `GET /times` when, for the contacts of a measured latency.
"""

import asyncio
import re
import sys
import time
from array import array
from typing import Final, cast

import httptools
import uvloop
from typing_extensions import override

ADDRESS: Final = "127.0.0.1"
DONE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
COUNT: Final = b"/count"

WHO: Final = re.compile(rb'"email":"k(\d+)@')
"""The contact's number, in the body of a webhook."""


class Seen:
    """What has come so far; `times` holds number of the contact and arrival (monotonic nanoseconds) in turn."""

    def __init__(self) -> None:
        self.count = 0
        self.times: array[int] = array("q")

    def told(self, path: bytes) -> bytes:
        """Answer a GET; times that were told are forgotten."""
        if path == COUNT:
            return str(self.count).encode()
        times = self.times.tobytes()
        del self.times[:]
        return times


class Conversation(asyncio.Protocol):
    """One connection; those of its methods that begin with `on` are the parser's callbacks."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._body = b""
        self._came = self._first = 0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tcp = cast("asyncio.Transport", transport)  # uvloop's is one in all but its ancestors
        self._write = tcp.write

    @override
    def data_received(self, data: bytes) -> None:
        self._came = time.monotonic_ns()
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """Note when it came."""
        self._first = self._came
        self._path = self._body = b""

    def on_url(self, url: bytes) -> None:
        """Keep the path."""
        self._path += url

    def on_body(self, body: bytes) -> None:
        """Keep the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer."""
        seen = self._seen
        if self._parser.get_method() != b"POST":
            told = seen.told(self._path)
            self._write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told))
            return
        seen.count += 1
        self._write(DONE)
        if who := WHO.search(self._body):
            seen.times.extend((int(who[1]), self._first))


async def listen(port: int) -> None:
    """Serve until standard input ends, on a free port if it is 0."""
    loop = asyncio.get_running_loop()
    seen = Seen()
    server = await loop.create_server(lambda: Conversation(seen), ADDRESS, port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await loop.run_in_executor(None, sys.stdin.buffer.read)


def main() -> None:
    """Be the process."""
    uvloop.run(listen(int(sys.argv[1])))
