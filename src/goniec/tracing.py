"""Traces: a span for each request that changes something, for the recording of each event, and for each attempt.

Called by `web`, `record` and `sending`; `app` hands in who exports the spans, and without one nothing is done here. An
event's trace is its own (see `core.traces`). A request is in that of the first event from which a delivery followed, or
in the trace that it brought along; it and the traces of its other events are linked. A span names an endpoint by id and
host and holds no path, query, payload or contact.
"""

import random
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Final, Literal, Protocol

from msgspec import Struct

from goniec.core.ids import root_of
from goniec.core.model import Delivery
from goniec.core.times import Millis
from goniec.core.traces import Parent, read_traceparent, span_of, trace_of, traceparent
from goniec.ports import Answer

LINKS: Final = 32
"""So many events of one request are linked from its span; the others link to it all the same."""

SERVER_ERROR: Final = 500

Kind = Literal["server", "internal", "client"]
Link = tuple[str, str]
"""Trace and span."""


class Span(Struct, frozen=True, kw_only=True):
    """A span that has ended. Ids are hexadecimal, `parent` is a span of the same trace, times are milliseconds."""

    name: str
    kind: Kind
    trace: str
    id: str
    start: Millis
    end: Millis
    parent: str | None = None
    links: tuple[Link, ...] = ()
    attributes: Mapping[str, str | int] = {}
    failed: bool = False


class Exporter(Protocol):
    """Where spans go. Called from several threads; never raises, never waits."""

    def sampled(self, trace: str, parent: Parent | None) -> bool:
        """Whether spans of a trace are wanted."""
        ...

    def export(self, span: Span) -> None:
        """Take a span."""
        ...


class Asked:
    """A request under way: its span, and the events that were recorded for it."""

    __slots__ = ("events", "id", "parent", "sampled", "start", "trace")

    def __init__(self, parent: Parent | None, start: Millis) -> None:
        self.id = _span()
        self.parent = parent
        self.trace = None if parent is None else parent.trace
        self.start = start
        self.sampled = False
        self.events: list[Link] = []


class Attempting(Struct, frozen=True):
    """An attempt under way."""

    trace: str
    id: str
    start: Millis
    sampled: bool

    @property
    def header(self) -> str:
        """What the receiver gets as `traceparent`."""
        return traceparent(self.trace, self.id, sampled=self.sampled)


_asked: Final[ContextVar[Asked | None]] = ContextVar("asked", default=None)


class Tracing:
    """Makes spans for an exporter; off until there is one."""

    def __init__(self) -> None:
        self._exporter: Exporter | None = None

    @property
    def on(self) -> bool:
        """Whether there are traces."""
        return self._exporter is not None

    def configure(self, exporter: Exporter | None) -> None:
        """Switch on, or off."""
        self._exporter = exporter

    def trace(self, id: str) -> str | None:
        """Give the trace that an event, run or delivery belongs to, for the log; None while this is off."""
        return None if self._exporter is None else trace_of(id)

    # a request

    def ask(self, header: str | None, now: Millis) -> Asked:
        """Begin a request, for all that its task does from here on; `header` is the `traceparent` that came."""
        asked = Asked(None if header is None else read_traceparent(header), now)
        _asked.set(asked)
        return asked

    def asked(self) -> Asked | None:
        """Give the request under way in this task."""
        return None if self._exporter is None else _asked.get()

    def answered(self, asked: Asked, method: str, route: str | None, status: int, now: Millis) -> None:
        """End a request; `route` is the pattern of its path."""
        if self._exporter is None:
            return
        trace = asked.trace or f"{random.getrandbits(127) + 1:032x}"
        if not self._exporter.sampled(trace, asked.parent):
            return
        told: dict[str, str | int] = {"http.request.method": method, "http.response.status_code": status}
        if route is not None:
            told["http.route"] = route
        self._exporter.export(
            Span(
                name=method if route is None else f"{method} {route}",
                kind="server",
                trace=trace,
                id=asked.id,
                parent=None if asked.parent is None else asked.parent.span,
                start=asked.start,
                end=now,
                links=tuple(asked.events[:LINKS]),
                attributes=told,
                failed=status >= SERVER_ERROR,
            )
        )

    # the recording of events

    def recorded(
        self, asked: Asked | None, events: Iterable[str], made: Mapping[str, int], start: Millis, end: Millis
    ) -> None:
        """Tell of events that one transaction has recorded, for a request or by themselves.

        `made` is how many deliveries followed from each root.
        """
        if self._exporter is None:
            return
        # the first event that has led to something is what the request was about
        for root in sorted({root_of(id) for id in events}, key=lambda root: (root not in made, root)):
            trace, span = trace_of(root), span_of(root)
            within = asked is not None and asked.trace in {None, trace}
            if asked is not None and within:
                asked.trace = trace
            elif asked is not None:
                asked.events.append((trace, span))
            if not self._exporter.sampled(trace, None):
                continue
            self._exporter.export(
                Span(
                    name="record",
                    kind="internal",
                    trace=trace,
                    id=span,
                    parent=asked.id if asked is not None and within else None,
                    links=((asked.trace, asked.id),) if asked is not None and asked.trace and not within else (),
                    start=start,
                    end=end,
                    attributes={"goniec.event": root, "goniec.deliveries": made.get(root, 0)},
                )
            )

    # an attempt

    def attempt(self, delivery: Delivery, now: Millis) -> Attempting | None:
        """Begin an attempt; None while this is off."""
        if self._exporter is None:
            return None
        trace = trace_of(delivery.id)
        return Attempting(trace, _span(), now, self._exporter.sampled(trace, None))

    def attempted(self, attempting: Attempting | None, delivery: Delivery, host: str, answer: Answer) -> None:
        """End an attempt."""
        if self._exporter is None or attempting is None or not attempting.sampled:
            return
        told: dict[str, str | int] = {
            "http.request.method": "POST",
            **_server(host),
            "goniec.delivery": delivery.id,
            "goniec.endpoint": delivery.endpoint_id,
            "goniec.attempt": delivery.attempts + 1,
        }
        if answer.status is not None:
            told["http.response.status_code"] = answer.status
        if answer.failure is not None:
            told["error.type"] = answer.failure
        self._exporter.export(
            Span(
                name="attempt",
                kind="client",
                trace=attempting.trace,
                id=attempting.id,
                parent=span_of(delivery.id),
                start=attempting.start,
                end=attempting.start + answer.millis,
                attributes=told,
                failed=answer.failure is not None,
            )
        )


tracing: Final = Tracing()


def _server(host: str) -> Mapping[str, str | int]:
    name, _, port = host.rpartition(":")
    return {"server.address": name, "server.port": int(port)} if name and port.isdecimal() else {"server.address": host}


def _span() -> str:
    return f"{random.getrandbits(63) + 1:016x}"
