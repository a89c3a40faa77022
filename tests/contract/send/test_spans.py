"""The exporter by OpenTelemetry's SDK: what asks for it, what it samples, and that it holds nobody up."""

import socket
import subprocess
import sys
import threading

import pytest

from goniec.core.traces import Parent
from goniec.send import spans
from goniec.send.spans import open_exporter
from goniec.tracing import Span
from tests.collector import collector, told

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
TRACE, OTHER = "0" * 24 + "00000001", "0" * 16 + "f" * 16
SPAN = Span(
    name="attempt",
    kind="client",
    trace=TRACE,
    id="b7ad6b7169203331",
    parent="00f067aa0ba902b7",
    links=((OTHER, "00f067aa0ba902b8"),),
    start=1_000,
    end=1_250,
    attributes={"goniec.attempt": 2, "error.type": "timeout"},
    failed=True,
)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_SERVICE_NAME": "shop"},
        {**ENDPOINT, "OTEL_SDK_DISABLED": "True"},
        {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_asks_for_traces(environ: dict[str, str]) -> None:
    assert open_exporter(environ, "1") is None


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "grpc://u:secret@c:4317"}, "OTEL_EXPORTER_OTLP_ENDPOINT is no address"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://[c:4317"}, "OTEL_EXPORTER_OTLP_ENDPOINT is no address"),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER is 'zipkin': otlp or none"),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is 'grpc'"),
    ],
)
def test_what_cannot_be_had_is_told_by_name(environ: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}") as caught:
        open_exporter(environ, "1")
    assert "secret" not in str(caught.value)


def test_without_the_extra_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(ValueError, match=r"^OTEL_EXPORTER_OTLP_ENDPOINT asks .* install goniec\[otel\], or unset"):
        open_exporter(ENDPOINT, "1")


def test_the_sdk_is_imported_only_when_asked_for() -> None:
    script = (
        "import goniec.app, sys; goniec.app.open_exporter({}, '1');"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_span_arrives_as_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as taking:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", taking.url)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=shop,deployment.environment.name=test")
        exporter = open_exporter({"OTEL_EXPORTER_OTLP_ENDPOINT": taking.url}, "0.9")
        assert exporter is not None
        exporter.export(SPAN)
        exporter.close()
    (span,) = taking.spans
    assert (span.name, span.kind, span.trace_id.hex(), span.span_id.hex()) == ("attempt", 3, TRACE, SPAN.id)
    assert span.parent_span_id.hex() == SPAN.parent
    assert [(one.trace_id.hex(), one.span_id.hex()) for one in span.links] == list(SPAN.links)
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (10**9, 1_250 * 10**6)
    assert told(span) == SPAN.attributes
    assert span.status.code == 2
    (resource,) = taking.resources
    assert (resource["service.name"], resource["service.version"]) == ("shop", "0.9")
    assert resource["deployment.environment.name"] == "test"


def test_it_samples_as_the_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    exporter = open_exporter(ENDPOINT, "1")
    assert exporter is not None
    try:
        assert exporter.sampled(TRACE, None)
        assert not exporter.sampled(OTHER, None)
        assert exporter.sampled(OTHER, Parent(OTHER, "b7ad6b7169203331", sampled=True))
        assert not exporter.sampled(TRACE, Parent(TRACE, "b7ad6b7169203331", sampled=False))
    finally:
        exporter.close()


def test_a_collector_that_says_nothing_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "CLOSE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        exporter = open_exporter(ENDPOINT, "1")
        assert exporter is not None
        exporter.export(SPAN)
        exporter.close()
        (waiting,) = [thread for thread in threading.enumerate() if thread.name == "spans"]
        waiting.join()
