"""HTTP/1.1 as strangers may speak it: uvicorn's protocol, with an end to all that a connection can make us keep.

`app` hands the class to uvicorn, which makes one for each connection. Bounded are what is not a request's body (its
head, trailers, what stands between chunks), requests that wait for the answer to another one, answers that nobody
reads, and time. What cannot be a request is answered like any other error, in its turn, and ends the connection. What
is asked for, and who may ask, is not known here.
"""

import asyncio
import fcntl
import sys
import termios
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import httptools
from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from goniec.observe import log
from goniec.ports import Dice
from goniec.web.problems import Fault, problem
from goniec.web.reply import Reply, fields

OVERHEAD: Final = 256 * 1024
"""Bytes of a request that are not its body: its head, its trailers, what stands between its chunks."""

FIELDS: Final = 1_000
"""Lines of a head, or of trailers."""

CHUNK_LINE: Final = 8
"""So many bytes around each piece of a body are not counted: who sends small chunks does nothing wrong."""

PIECE: Final = 1024
"""What is no longer is parsed in one go, without looking for heads in it: it cannot hold many."""

_EMPTY_LINE: Final = b"\r\n\r\n"
_FOUND: Final = (
    "on_message_begin",
    "on_url",
    "on_header",
    "on_headers_complete",
    "on_body",
    "on_message_complete",
)


class Protocol(HttpToolsProtocol):
    """One connection.

    It is read no further than to where a request waits for the answer to another one; what else a read has brought is
    kept as bytes. A watch looks at times that cannot be met without the client; it runs only while there is something
    to wait for. The seconds are attributes, so that tests need not wait as long as callers may take.
    """

    head_seconds = 30.0
    """From the first byte of a request to the end of its head."""

    still_seconds = 30.0
    """How long a body may bring nothing, and an answer may not be read."""

    body_seconds = 900.0
    """From the first byte of a request to its last."""

    linger_seconds = 2.0
    """How long a client that is refused may go on sending: closing at once would reset it, and it would not see why."""

    dice: Dice

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.ws_protocol_class = None  # found where a library for it is installed, and it would know no bounds
        self.headers = []
        self._data = b""  # what has come, and how far it has been read
        self._at = 0
        self._overhead = 0
        self._framing = b""  # of a body behind a head that offers another protocol
        self._receiving = False
        self._asked: RequestResponseCycle | None = None  # the request being received, from the end of its head on
        self._running: RequestResponseCycle | None = None
        self._fault: Fault | None = None
        self._begun = self._moved = 0.0
        self._unsent = 0  # at the look when something was first seen to stand still, and when that was
        self._unsent_since = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._leaving: asyncio.TimerHandle | None = None

    # --- the connection

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        # who connects and says nothing has as long as one who says nothing more
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self.timeout_keep_alive_task, self._watch, self._leaving):
            if timer is not None:
                timer.cancel()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True  # uvicorn tells only the request that came last
        self._data = b""
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self._fault is not None:
            return
        if len(data) > PIECE or self._data:
            self._data, self._at = self._data[self._at :] + data, 0
            self._read()
        else:
            self._parse(data)

    @override
    def resume_writing(self) -> None:
        self._unsent = 0
        super().resume_writing()

    # --- what comes

    def _read(self) -> None:
        """Read on, a piece at a time, until a request waits; a piece ends at an empty line, so it holds one head."""
        data, size = self._data, len(self._data)
        while self._at < size and not self.pipeline and self._fault is None:
            start = self._at
            end = data.find(_EMPTY_LINE, start) + len(_EMPTY_LINE)
            self._at = end if end >= len(_EMPTY_LINE) else size
            self._parse(data[start : self._at])
        if self._at >= size or self._fault is not None:
            self._data = b""

    def _parse(self, piece: bytes) -> None:
        self._overhead += len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            self._carry_on(piece[upgrade.args[0] :])
        except httptools.HttpParserCallbackError:
            self._refuse(self._fault or Fault(400, "the target of the request, or its head, makes no sense"))
        except httptools.HttpParserError as error:
            self._refuse(Fault(400, f"this is no request in HTTP/1.1: {error or 'it cannot be read'}"))
        else:
            if self._too_much():
                self._refuse(_too_large())

    def _carry_on(self, rest: bytes) -> None:
        """Read on behind a head that offers another protocol, which is answered as if it had not.

        The parser takes what follows such a head for the other protocol, so a body needs a parser that has seen a head
        without the offer.
        """
        if self._framing:
            passing = _Passing(self)
            self.parser = httptools.HttpRequestParser(passing)
            self.parser.feed_data(b"POST / HTTP/1.1\r\n%s\r\n\r\n" % self._framing)
            passing.on = True
            self._framing = b""
        if rest:
            self._overhead -= len(rest)
            self._parse(rest)

    @override
    def on_message_begin(self) -> None:
        self._unset_keepalive_if_required()
        self._receiving = True
        self._asked = None
        self._begun = self._moved = self.loop.time()
        if self._watch is None:
            self._keep_watch()
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        if self._too_much():
            self._fault = _too_large()
            raise self._fault
        super().on_headers_complete()
        self._asked = self.cycle
        if not self.pipeline:
            self._running = self.cycle
        self._moved = self.loop.time()
        if self.parser.should_upgrade():
            self._framing = _framing(self.headers)
        self.headers = []  # trailers would join the head, which has been judged

    @override
    def on_body(self, body: bytes) -> None:
        self._moved = self.loop.time()
        overhead = self._overhead - len(body) - CHUNK_LINE
        self._overhead = overhead if overhead > 0 else 0  # noqa: FURB136 - half the time of max, for each chunk
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        if len(self.headers) > FIELDS:
            self._fault = _too_large()
            raise self._fault
        if self._framing:
            return
        self._receiving = False
        self._overhead = 0
        super().on_message_complete()

    def _too_much(self) -> bool:
        return self._overhead > OVERHEAD or len(self.headers) > FIELDS

    # --- answers

    @override
    def on_response_complete(self) -> None:
        if self.pipeline:
            self._running = self.pipeline[-1][0]
        super().on_response_complete()
        self._unsent = 0
        if self.transport.is_closing():
            return
        if self._receiving:
            self._unset_keepalive_if_required()
        if self._fault is not None:
            self._part()
        elif self._data:
            self._read()

    @property
    def _busy(self) -> bool:
        """Whether somebody works on an answer that is still wanted."""
        running = self._running
        return running is not None and not running.response_complete and not running.disconnected

    def _refuse(self, fault: Fault) -> None:
        """Read nothing any more, and answer this to the request being received, when its turn has come."""
        log.debug("http.refused", status=fault.status, reason=fault.detail)
        self._fault = fault
        asked = self._asked if self._receiving else None
        if asked is not None:
            if asked.response_started:
                self.transport.close()  # it has its answer, or half of one
                return
            if asked is not self._running:
                self.pipeline.popleft()
            asked.disconnected = True
            asked.message_event.set()
        self._part()

    def _part(self) -> None:
        """Give the last answer and close, unless others come before it."""
        if self._busy or self.pipeline or self.transport.is_closing():
            return
        assert self._fault is not None, "there is a reason to part"  # noqa: S101 - tells the type checker
        self._unset_keepalive_if_required()
        self.transport.write(_wire(problem(self._fault, self.dice, "", ""), self.server_state.default_headers))
        self.transport.write_eof()
        self.flow.resume_reading()  # and throw away what comes
        self._keep_watch()
        self._leaving = self.loop.call_later(self.linger_seconds, self.transport.close)

    # --- time

    def _keep_watch(self) -> None:
        if self._watch is None:
            self._watch = self.loop.call_later(min(self.head_seconds, self.still_seconds), self._look)

    def _look(self) -> None:
        """End what takes too long, and look again while there is something to wait for."""
        now = self.loop.time()
        unsent = self._unread()
        if not 0 < self._unsent <= unsent:
            self._unsent, self._unsent_since = unsent, now
        elif now >= self._unsent_since + self.still_seconds:
            log.debug("http.unread", bytes=unsent)
            self.transport.abort()
            return
        due = now + self.still_seconds
        if self._receiving and self._fault is None:
            if self._waits_for_us():
                self._begun = self._moved = now
            if self._due() > now:
                due = min(due, self._due())
            else:
                self._refuse(self._late())
        elif not unsent and not self._busy:
            self._watch = None
            return
        self._watch = self.loop.call_later(due - now, self._look)

    def _unread(self) -> int:
        """Bytes that the client has not taken, where there is more than the system buffers.

        What the system has is counted in: until a third of that has gone it takes nothing more from us.
        """
        ours = self.transport.get_write_buffer_size()
        if not ours:
            return 0
        queued = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        return ours + int.from_bytes(queued, sys.byteorder)

    def _waits_for_us(self) -> bool:
        if self.flow.read_paused or (self._asked is not None and self._asked.waiting_for_100_continue):
            return True
        return self._busy and self._asked is not self._running

    def _due(self) -> float:
        if self._asked is None:
            return self._begun + self.head_seconds
        return min(self._moved + self.still_seconds, self._begun + self.body_seconds)

    def _late(self) -> Fault:
        if self._asked is None:
            detail = f"the head of the request was not whole after {self.head_seconds:g} s"
        elif self._moved + self.still_seconds < self._begun + self.body_seconds:
            detail = f"the body of the request stood still for {self.still_seconds:g} s"
        else:
            detail = f"the request was not whole after {self.body_seconds:g} s"
        return Fault(408, detail, code="requestTimeout")


def protocol(dice: Dice) -> type[Protocol]:
    """Give the class for connections whose refusals draw their `requestId` from `dice`."""

    class Drawing(Protocol):
        """Of one application."""

    Drawing.dice = dice
    return Drawing


class _Flow(FlowControl):
    """Uvicorn reads on after each answer; here nothing is read while a request waits."""

    def __init__(self, transport: asyncio.Transport, waiting: deque[Any]) -> None:
        super().__init__(transport)
        self._waiting = waiting

    @override
    def resume_reading(self) -> None:
        if not self._waiting:
            super().resume_reading()


class _Passing:
    """Passes what a parser finds on to a connection, when it is `on`."""

    def __init__(self, connection: Protocol) -> None:
        self.on = False
        for name in _FOUND:
            setattr(self, name, partial(self._pass, getattr(connection, name)))

    def _pass(self, found: Callable[..., None], *arguments: bytes) -> None:
        if self.on:
            found(*arguments)


def _framing(head: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Give the field of a head that says how long its body is; empty where there is none."""
    for name, value in head:
        if name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0")):
            return b"%s: %s" % (name, value)
    return b""


def _wire(reply: Reply, default: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Write an answer as it goes over the wire."""
    body = reply.body()
    lines = [*default, *fields(reply), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    return b"".join([STATUS_LINE[reply.status], *(b"%s: %s\r\n" % line for line in lines), b"\r\n", body])


def _too_large() -> Fault:
    bytes_, lines = f"{OVERHEAD // 1024} KiB", f"{FIELDS:,} lines"
    detail = f"the head of a request, and what else is not its body, have at most {bytes_} and {lines}"
    return Fault(431, detail, code="headTooLarge")
