"""Receivers that are dead: ports that nobody listens on, and ports where connections are taken and forgotten."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from typing_extensions import override

from goniec.cli.bench.sink import ADDRESS


class Refusing:
    """A port that turns everybody away, until it is given up to somebody who listens."""

    def __init__(self, taken: socket.socket) -> None:
        self.port: int = taken.getsockname()[1]
        self.give_up = taken.close


@contextmanager
def refusing() -> Iterator[Refusing]:
    """Take a port; it refuses for want of a listen."""
    with socket.socket() as taken:
        taken.bind((ADDRESS, 0))
        yield Refusing(taken)


class Silent(asyncio.Protocol):
    """A connection on which no request ever gets an answer; all of a port are `taken`."""

    def __init__(self, taken: "set[Silent]") -> None:
        self._taken = taken

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.hang_up = transport.close
        self._taken.add(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._taken.discard(self)


@asynccontextmanager
async def silent() -> AsyncIterator[tuple[int, Callable[[], None]]]:
    """Have a port of silent connections; gives it, and what hangs up on all, so that nobody has to wait any longer."""
    taken: set[Silent] = set()

    def hang_up() -> None:
        server.close()
        for one in list(taken):
            one.hang_up()

    server = await asyncio.get_running_loop().create_server(lambda: Silent(taken), ADDRESS, 0, backlog=1024)
    async with server:
        yield server.sockets[0].getsockname()[1], hang_up
