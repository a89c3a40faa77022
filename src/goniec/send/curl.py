"""The engine room: many libcurl transfers on one asyncio loop. `http` drives it; it knows sockets and time, not HTTP.

libcurl's sockets are in an epoll set of their own, and the loop watches that set as one descriptor: a kept-alive
connection then stays registered between its requests, and starting or ending one costs no system call. Timers are one
deadline, moved lazily; transfers started in the same turn of the loop are kicked off together.

libcurl tells nothing of the bytes that are neither head nor body, such as the extensions of chunks or what TLS says by
itself, and would read an endless one at full speed. So a transfer that has woken us more than a few times is weighed by
what its connection has received in all, and cut.
"""

import asyncio
import logging
import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import pycurl

READ: Final = select.EPOLLIN
EVENTS: Final = {
    pycurl.POLL_IN: READ,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: READ | select.EPOLLOUT,
}
"""What to watch for, by what libcurl wishes."""

BROKEN: Final = select.EPOLLERR | select.EPOLLHUP
ANY: Final = READ | select.EPOLLOUT | BROKEN
MASKS: Final = {
    events: (pycurl.CSELECT_IN if events & (READ | BROKEN) else 0)
    | (pycurl.CSELECT_OUT if events & (select.EPOLLOUT | BROKEN) else 0)
    for events in range(ANY + 1)
}
"""What to tell libcurl, by what came; an error shows in whatever it does next."""

CONNECTIONS: Final = 512
"""Open connections that are kept for reuse, busy ones included; the oldest idle ones go first."""

TURNS_FREE: Final = 2
"""Times that a transfer may wake us to read before its connection is weighed: nearly all need one or two."""

RAW_MAX: Final = 256 * 1024
"""Bytes of any kind that are received for a transfer from then on: far more than head and body may have."""

TURNS_MAX: Final = 4096
"""Times that a transfer may wake us to read, however little comes each time."""

FLOODED: Final = -1
"""Stands for libcurl's code where a transfer was cut because too much came that is neither head nor body."""

RECEIVED: Final = struct.Struct("128xQ")
"""Linux's tcp_info up to the bytes that have arrived in order."""

_log = logging.getLogger(__name__)


class EndedError(Exception):
    """The driver was closed while the transfer was under way."""


class Driver:
    """Runs prepared easy handles to their end. Belongs to the loop that it was made on."""

    def __init__(self) -> None:
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[pycurl.Curl, asyncio.Future[tuple[int, str]]] = {}
        self._registered: dict[int, int] = {}
        self._wanted: set[int] = set()
        self._stirred: dict[int, Callable[[], None]] = {}
        self._turns: dict[int, int] = {}
        self._weights: dict[int, int] = {}
        self._deadline: float | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0
        self._kick: asyncio.Handle | None = None
        self._epoll = select.epoll()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_wish)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, CONNECTIONS)
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_NOTHING)
        self._loop.add_reader(self._epoll.fileno(), self._on_ready)

    def start(self, curl: pycurl.Curl) -> asyncio.Future[tuple[int, str]]:
        """Begin a transfer. The future gives libcurl's code (0: done) and its words; then the handle is free again."""
        future = self._waiting[curl] = self._loop.create_future()
        try:
            self._multi.add_handle(curl)
        except pycurl.error:
            self._give_up()
        return future

    def abandon(self, curl: pycurl.Curl) -> None:
        """End a transfer at once, and its connection with it."""
        if self._waiting.pop(curl, None) is not None:
            with suppress(pycurl.error):
                self._multi.remove_handle(curl)

    def opened(self, descriptor: int, stirred: Callable[[], None]) -> None:
        """A new socket has this number. `stirred` is called when something comes in, or it ends, while it is idle."""
        self._forget(descriptor)
        self._stirred[descriptor] = stirred

    def close_soon(self, made: socket.socket) -> None:
        """Close a socket when libcurl has taken its duplicate."""
        self._loop.call_soon(made.close)

    def close(self) -> None:
        """Close all connections; transfers under way end with `EndedError`."""
        if self.closed:
            return
        self.closed = True
        for curl, future in list(self._waiting.items()):
            self.abandon(curl)
            if not future.done():
                future.set_exception(EndedError())
        self._loop.remove_reader(self._epoll.fileno())
        # closing connections calls us back once more
        self._multi.close()
        for handle in (self._alarm, self._kick):
            if handle is not None:
                handle.cancel()
        self._epoll.close()

    # --- what libcurl wishes: called from within it, so nothing here may call it back --------------------------------

    def _on_wish(self, wish: int, descriptor: int, _multi: object, _data: object) -> None:
        registered = self._registered.get(descriptor)
        if wish == pycurl.POLL_REMOVE:
            self._wanted.discard(descriptor)
            # only reading may stay: a socket that can be written to would wake us for ever
            if registered != READ:
                self._forget(descriptor)
            return
        if descriptor not in self._wanted:
            self._wanted.add(descriptor)
            self._turns[descriptor] = 0
        events = EVENTS[wish]
        if events == registered:
            return
        if registered is None:
            self._epoll.register(descriptor, events)
        else:
            self._epoll.modify(descriptor, events)
        self._registered[descriptor] = events

    def _on_timer(self, milliseconds: int) -> None:
        if milliseconds < 0:
            self._deadline = None
        elif milliseconds == 0:
            self._deadline = None
            if self._kick is None:
                self._kick = self._loop.call_soon(self._on_kick)
        else:
            self._deadline = self._loop.time() + milliseconds / 1000
            if self._alarm is None or self._alarm_at > self._deadline:
                self._set_alarm(self._deadline)

    def _set_alarm(self, at: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm, self._alarm_at = self._loop.call_at(at, self._on_alarm), at

    # --- what the loop tells us --------------------------------------------------------------------------------------

    def _on_kick(self) -> None:
        self._kick = None
        self._act([(pycurl.SOCKET_TIMEOUT, 0)])

    def _on_alarm(self) -> None:
        self._alarm = None
        if self._deadline is None:
            return
        if self._deadline > self._loop.time():
            self._set_alarm(self._deadline)
            return
        self._deadline = None
        self._on_kick()

    def _on_ready(self) -> None:
        ready = self._epoll.poll(0)
        for descriptor, _ in ready:
            if descriptor not in self._wanted:
                self._forget(descriptor)
                if stirred := self._stirred.pop(descriptor, None):
                    stirred()
        self._act([(descriptor, MASKS[events & ANY]) for descriptor, events in ready])

    def _act(self, happened: list[tuple[int, int]]) -> None:
        try:
            for descriptor, mask in happened:
                # idle, or closed just now: what libcurl is told of one may end others whose time is up
                if mask and descriptor not in self._wanted:
                    continue
                if mask & pycurl.CSELECT_IN:
                    turns = self._turns[descriptor] = self._turns.get(descriptor, 0) + 1
                    if turns >= TURNS_FREE and self._floods(descriptor, turns) and self._cut(descriptor):
                        continue
                self._multi.socket_action(descriptor, mask)
            self._collect()
        except pycurl.error:
            self._give_up()

    def _give_up(self) -> None:
        """After a fault in one of our callbacks libcurl refuses all further work; another driver has to take over."""
        _log.exception("libcurl gave up")
        self.close()

    def _floods(self, descriptor: int, turns: int) -> bool:
        """Whether too much has come on a connection since its transfer began, or shortly after."""
        received = _received(descriptor)
        if turns == TURNS_FREE:
            self._weights[descriptor] = received
        return turns > TURNS_MAX or received - self._weights[descriptor] > RAW_MAX

    def _cut(self, descriptor: int) -> bool:
        """End the transfer that a connection is at work for; False: it is at work for none."""
        hit = [curl for curl in self._waiting if curl.getinfo(pycurl.ACTIVESOCKET) == descriptor]
        for curl in hit:
            self._finish(curl, FLOODED, "it sent too much that is neither head nor body")
        return bool(hit)

    def _collect(self) -> None:
        left = 1
        while left:
            left, done, failed = self._multi.info_read()
            for curl in done:
                self._finish(curl, 0, "")
            for curl, code, words in failed:
                self._finish(curl, code, words)

    def _finish(self, curl: pycurl.Curl, code: int, words: str) -> None:
        future = self._waiting.pop(curl)
        self._multi.remove_handle(curl)
        if not future.done():
            future.set_result((code, words))

    def _forget(self, descriptor: int) -> None:
        if self._registered.pop(descriptor, 0):
            # one that was closed has left the set by itself
            with suppress(OSError):
                self._epoll.unregister(descriptor)


def _received(descriptor: int) -> int:
    """How many bytes have come on a connection in all, read by us or not."""
    looked_at = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=descriptor)
    try:
        told: int = RECEIVED.unpack(looked_at.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, RECEIVED.size))[0]
    finally:
        looked_at.detach()
    return told
