"""HTTP on a connection, for callers that mean no good: what uvicorn's protocol takes without end has an end here.

`app` gives this class to uvicorn. Four things are bounded: requests that are sent without reading the answers to those
before (`HELD`), what is no body (`OVERHEAD`: the head, trailers, chunk extensions), how long a request may take to
arrive, and how long a connection may say nothing. An ordinary request, which arrives in one piece, costs nothing more.
"""

import asyncio
import http
from typing import TYPE_CHECKING, Any, Final

import httptools
import msgspec
from typing_extensions import override
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from collections import deque

SLICE: Final = 8 * 1024
"""Bytes that are parsed before we look whether requests wait already; so few small ones can wait at once."""

OVERHEAD: Final = 256 * 1024
"""Bytes of a request that are not its body."""


class Protocol(HttpToolsProtocol):
    """One connection. The seconds are attributes, so that tests need not wait as long as callers may take."""

    head_seconds = 30.0
    """From a request's first byte to the end of its head."""

    still_seconds = 30.0
    """How long its body may stand still while we would read."""

    body_seconds = 900.0
    """How long it may take in all."""

    def __init__(self, *arguments: Any, **more: Any) -> None:  # noqa: ANN401 - uvicorn's, handed on
        super().__init__(*arguments, **more)
        self._held = b""
        self._overhead = 0
        self._body = 0
        self._arriving = False
        self._in_head = False
        self._broken = False
        self._began = 0.0
        self._moved = 0.0
        self._watch: asyncio.TimerHandle | None = None

    # --- uvicorn's callbacks

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self.flow = _Flow(transport, self.pipeline)
        self._wait_for_request()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        self._unset_keepalive_if_required()
        self._held = b""
        for cycle, _ in self.pipeline:
            cycle.disconnected = True
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._moved = self.loop.time()
        if self._held:  # reading was not paused in time
            self._held += data
            return
        self._feed(data)

    @override
    def on_message_begin(self) -> None:
        self._arriving = self._in_head = True
        self._overhead = self._body = 0
        self._began = self._moved
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._arriving = False
        super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline and not self.transport.is_closing():
            self.flow.resume_reading()
            if self._held:
                held, self._held = self._held, b""
                self._unset_keepalive_if_required()
                self._feed(held)

    # --- what is bounded

    def _feed(self, data: bytes) -> None:
        for start in range(0, len(data), SLICE):
            if not self.parser or self._broken or self.transport.is_closing():
                return
            if self.pipeline:
                self._held = data[start:]
                self.flow.pause_reading()
                return
            self._parse(data[start : start + SLICE] if len(data) > SLICE else data)
        self._look()

    def _parse(self, piece: bytes) -> None:
        self._body = 0
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserError:
            self._refuse(400, "badRequest", "this is no HTTP/1.1 that can be understood")
            return
        except httptools.HttpParserUpgrade:
            pass  # not taken up: the request was answered as any other
        if self._arriving:
            self._overhead += len(piece) - self._body
            if self._overhead > OVERHEAD:
                detail = f"what is no body of a request (head, trailers) may have {OVERHEAD // 1024} KiB"
                self._refuse(431, "headTooLarge", detail)

    def _look(self) -> None:
        """Watch a request that has not arrived whole, or the silence before the next one."""
        if self._arriving and not self._broken:
            if self._watch is None:
                self._watch = self.loop.call_later(self._patience(), self._check)
            return
        self._unwatch()
        if not self.cycle:
            self._wait_for_request()

    def _check(self) -> None:
        self._watch = None
        if not self._arriving or self.transport.is_closing():
            return
        now = self.loop.time()
        waiting = self.flow.read_paused or self.pipeline or (self._in_head and self._answering())
        if waiting:
            self._moved = now  # it is we who do not read
        slow = now - self._began > (self.head_seconds if self._in_head else self.body_seconds)
        if not waiting and (slow or now - self._moved > self.still_seconds):
            self._refuse(408, "requestTimeout", "the request did not arrive in time")
        else:
            self._watch = self.loop.call_later(self._patience(), self._check)

    def _patience(self) -> float:
        return min(self.head_seconds, self.still_seconds) / 4

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _wait_for_request(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _answering(self) -> bool:
        return bool(self.cycle) and not self.cycle.response_complete

    def _refuse(self, status: int, code: str, detail: str) -> None:
        """Answer for a request that reaches no application, and take nothing more on this connection."""
        self._broken = True
        self._held = b""
        self._unwatch()
        if self._answering() and (self._in_head or not self._arriving):
            # answers to requests before it go out first, and the connection ends with the last of them
            self.cycle.keep_alive = False
            return
        if self._answering():
            if self.cycle.response_started:
                self.transport.close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(_answer(status, code, detail))
        self.transport.close()


class _Flow(FlowControl):
    """Reads on only while no request waits for its turn."""

    def __init__(self, transport: asyncio.Transport, pipeline: "deque[Any]") -> None:
        super().__init__(transport)
        self._pipeline = pipeline

    @override
    def resume_reading(self) -> None:
        if not self._pipeline:
            super().resume_reading()


def _answer(status: int, code: str, detail: str) -> bytes:
    title = http.HTTPStatus(status).phrase
    problem = {"type": f"urn:goniec:problem:{code}", "title": title, "status": status, "detail": detail, "code": code}
    body = msgspec.json.encode(problem)
    head = (
        f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
        "cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
