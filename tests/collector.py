"""A collector of traces that a test runs and reads, and a receiver of webhooks beside it: real HTTP on 127.0.0.1."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from typing_extensions import override


class Collector:
    """What came in: spans with the attributes of their resource, and the headers of webhooks."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.spans: list[Span] = []
        self.resources: list[Mapping[str, str]] = []
        self.raw = b""
        self.hooks: list[Mapping[str, str]] = []

    def take(self, body: bytes) -> None:
        """Keep what one export brings."""
        self.raw += body
        for one in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append({pair.key: pair.value.string_value for pair in one.resource.attributes})
            for scope in one.scope_spans:
                self.spans += scope.spans

    def named(self, name: str) -> list[Span]:
        """The spans of a name."""
        return [one for one in self.spans if one.name == name]


def told(span: Span) -> dict[str, str | int]:
    """A span's attributes."""
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


@contextmanager
def collector() -> Iterator[Collector]:
    """Both at work; webhooks go to `/hook`, with whatever follows."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/traces":
                found.take(body)
            else:
                found.hooks.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        @override
        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Collector(server.server_port)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
