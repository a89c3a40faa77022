"""What processes tell each other by NOTIFY: that somewhere is work, or that something was changed.

It only saves the others the time until they look by themselves, so nothing depends on it: what is told while the
connection is lost stays untold, and behind a proxy that lends connections nobody could listen, so nothing is told at
all. It goes out after the commit, on a connection of its own: inside a transaction it would hold up all others.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import asyncpg
from asyncpg import Connection, Record

from goniec.ports import Signal
from goniec.store.postgres.connect import CLOSE_SECONDS, Server, close
from goniec.store.postgres.failures import EXPECTED
from goniec.store.postgres.loop import Loop

CHANNEL: Final = "goniec"
GATHER_SECONDS: Final = 0.02
"""The least time between two messages: what is told meanwhile goes together."""
RETRY_SECONDS: Final = 1.0
BEAT_SECONDS: Final = 15.0
"""How often it is asked whether the server is still at the other end: who only listens would not notice."""

PAYLOAD: Final = 7_500
"""The server takes 8,000 bytes a message."""

_TELL: Final = f"SELECT pg_notify('{CHANNEL}', told) FROM unnest($1::text[]) told"

_KNOWN: Final[Mapping[str, Signal]] = {signal.value: signal for signal in Signal}
"""A newer release may tell more than this one knows."""

_FAILURES: Final[tuple[type[Exception], ...]] = (*EXPECTED, asyncpg.PostgresError, asyncpg.InterfaceError)

Heard = Callable[[Signal, str], None]


class PostgresSignals:
    """The `Signals` port; its connection lives in the store's loop, and is made when it is first needed."""

    def __init__(self, loop: Loop, server: Server) -> None:
        self._loop = loop
        self._server = server
        self._me = server.name.rpartition(" ")[2]
        self._heard: Heard | None = None
        self._turn = asyncio.Lock()
        self._db: Connection[Record] | None = None
        self._gone = asyncio.Event()
        self._waiting: dict[Signal, set[str]] = {}
        self._telling: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None

    def tell(self, signal: Signal, endpoint_ids: Iterable[str] = ()) -> None:
        """See `Signals`."""
        self._loop.call(self._gather, signal, tuple(endpoint_ids))

    def hear(self, heard: Heard) -> None:
        """See `Signals`."""
        self._loop.call(self._begin, heard)

    async def close(self) -> None:
        """Tell what was told, then close the connection, in the store's loop."""
        if self._telling is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._telling
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})
        await self._drop()

    # the store's loop

    def _gather(self, signal: Signal, endpoint_ids: Iterable[str]) -> None:
        self._waiting.setdefault(signal, set()).update(endpoint_ids)
        if (self._telling is None or self._telling.done()) and not self._server.pooling:
            self._telling = asyncio.create_task(self._tell())

    def _begin(self, heard: Heard) -> None:
        self._heard = heard
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())

    async def _tell(self) -> None:
        """Send what waits; what cannot be sent now is given up, for it would come too late."""
        while self._waiting:
            waiting, self._waiting = self._waiting, {}
            told = [text for signal, ids in waiting.items() for text in messages(self._me, signal, ids)]
            with contextlib.suppress(*_FAILURES):
                await self._ask(_TELL, told)
            await asyncio.sleep(GATHER_SECONDS)

    async def _listen(self) -> None:
        """Listen, on one connection after the other."""
        while not self._server.pooling:
            try:
                await self._ask("SELECT 1")
            except _FAILURES:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_SECONDS):
                        await self._gone.wait()

    async def _ask(self, sql: str, *args: object) -> None:
        """Run a statement on the connection, which is made anew when it was lost; not at all where there can be none.

        Raises what the driver raises; the connection is given up then.
        """
        async with self._turn:
            try:
                db = await self._connected()
                if db is not None:
                    await db.execute(sql, *args, timeout=BEAT_SECONDS)
            except BaseException:
                await self._drop()
                raise

    async def _connected(self) -> "Connection[Record] | None":
        if self._db is None or self._db.is_closed():
            db = await self._server.connect()
            if self._server.pooling:
                await close(db)
                return None
            self._gone.clear()
            db.add_termination_listener(lambda _: self._gone.set())
            self._db = db
        if self._heard is not None:
            await self._db.add_listener(CHANNEL, self._receive)
        return self._db

    async def _drop(self) -> None:
        if self._db is not None:
            db, self._db = self._db, None
            await close(db)

    def _receive(self, _db: object, _pid: int, _channel: str, payload: object) -> None:
        sender, _, told = str(payload).partition(" ")
        name, *endpoint_ids = told.split(" ")
        signal = _KNOWN.get(name)
        if self._heard is None or sender == self._me or signal is None:
            return
        for endpoint_id in endpoint_ids:
            self._heard(signal, endpoint_id)


def messages(sender: str, signal: Signal, endpoint_ids: Iterable[str]) -> Iterable[str]:
    """Pack ids into as few messages as the server takes; a signal without any is one with an empty id."""
    head = f"{sender} {signal}"
    text = head
    for endpoint_id in sorted(endpoint_ids) or [""]:
        if len(text) + 1 + len(endpoint_id) > PAYLOAD:
            yield text
            text = head
        text = f"{text} {endpoint_id}"
    yield text
