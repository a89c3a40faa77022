"""How spans leave: as OpenTelemetry's protocol over HTTP, by its SDK, where the extra `otel` is installed.

`app` asks for an exporter at start, and hands it to `tracing`. All is set by the variables of the OpenTelemetry
specification; without an endpoint among them there is no exporter, and nothing of the SDK is imported. A collector that
is slow or away costs nothing but its spans.
"""

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from goniec.core.times import Millis
from goniec.core.traces import Parent
from goniec.tracing import Link, Span

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import SpanContext

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
EXPORTERS: Final = "OTEL_TRACES_EXPORTER"
DISABLED: Final = "OTEL_SDK_DISABLED"

CLOSE_SECONDS: Final = 5.0
"""How long the end of the process waits for what is still to be exported."""

_NANOS: Final = 1_000_000


def open_exporter(environ: Mapping[str, str], version: str) -> "OtlpExporter | None":
    """Give the exporter that the environment asks for; None: it asks for none.

    Raises:
        ValueError: it asks for what cannot be had; the message names the variable.

    """
    endpoint = _first(environ, ENDPOINTS)
    if endpoint is None or environ.get(DISABLED, "").strip().lower() == "true":
        return None
    wanted = environ.get(EXPORTERS, "").strip() or "otlp"
    if wanted == "none":
        return None
    if wanted != "otlp":
        raise ValueError(f"{EXPORTERS} is {wanted!r}: otlp or none is expected")
    protocol = _first(environ, PROTOCOLS)
    if protocol is not None and protocol[1] != "http/protobuf":
        raise ValueError(f"{protocol[0]} is {protocol[1]!r}: http/protobuf is expected, usually on port 4318")
    _check(*endpoint)
    try:
        return OtlpExporter(version)
    except ImportError:
        raise ValueError(
            f"{endpoint[0]} asks for traces, which need the extra `otel`: install goniec[otel], or unset the variable"
        ) from None


class OtlpExporter:
    """Samples as `OTEL_TRACES_SAMPLER` says, and exports in a thread of its own (the `Exporter` of `tracing`)."""

    def __init__(self, version: str) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._version = version
        self._resource = _resource(version)
        self._sampler = _sampler()
        self._processor: SpanProcessor = BatchSpanProcessor(OTLPSpanExporter())

    def sampled(self, trace: str, parent: Parent | None) -> bool:
        """See `Exporter`."""
        from opentelemetry.context import Context
        from opentelemetry.sdk.trace.sampling import Decision
        from opentelemetry.trace import NonRecordingSpan, set_span_in_context

        context = Context()
        if parent is not None:
            above = _context(parent.trace, parent.span, sampled=parent.sampled, remote=True)
            context = set_span_in_context(NonRecordingSpan(above), context)
        return self._sampler.should_sample(context, int(trace, 16), "").decision is Decision.RECORD_AND_SAMPLE

    def export(self, span: Span) -> None:
        """See `Exporter`."""
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        from opentelemetry.trace import Link as SpanLink
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.status import Status, StatusCode

        self._processor.on_end(
            ReadableSpan(
                span.name,
                context=_context(span.trace, span.id),
                parent=None if span.parent is None else _context(span.trace, span.parent),
                resource=self._resource,
                attributes=span.attributes,
                links=[SpanLink(_of(link)) for link in span.links],
                kind=SpanKind[span.kind.upper()],
                status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
                start_time=_nanos(span.start),
                end_time=_nanos(span.end),
                instrumentation_scope=InstrumentationScope("goniec", self._version),
            )
        )

    def close(self) -> None:
        """Export what is left, for some seconds."""
        # a thread that nobody waits for: with a collector that hangs, the library would wait for much longer
        closing = threading.Thread(target=self._processor.shutdown, name="spans", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str] | None:
    return next(((name, environ[name].strip()) for name in names if environ.get(name, "").strip()), None)


def _check(name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:  # the text is not repeated: it may hold a password
        raise ValueError(f"{name} is no address of a collector: http://127.0.0.1:4318 is expected")


def _resource(version: str) -> "Resource":
    from opentelemetry.sdk.resources import Resource

    found = Resource.create({"service.version": version})
    named = not str(found.attributes.get("service.name", "unknown_service")).startswith("unknown_service")
    return found if named else found.merge(Resource({"service.name": "goniec"}))


def _sampler() -> "Sampler":
    from opentelemetry.sdk.trace import TracerProvider

    return TracerProvider(shutdown_on_exit=False).sampler


def _context(trace: str, span: str, *, sampled: bool = True, remote: bool = False) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags

    return SpanContext(int(trace, 16), int(span, 16), is_remote=remote, trace_flags=TraceFlags(int(sampled)))


def _of(link: Link) -> "SpanContext":
    return _context(*link)


def _nanos(at: Millis) -> int:
    return at * _NANOS
