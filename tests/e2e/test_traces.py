"""Traces of a whole engine, as a collector gets them: from the request to what the receiver is told."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.collector import Collector, collector, told
from tests.e2e.engine import Engine, until

CALLER, ABOVE = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
MACHINE = """
import os
os.environ.update({variables})
"""

WITHOUT_THE_EXTRA = """
import sys
sys.modules["opentelemetry"] = None
"""


@pytest.fixture
def taking() -> Iterator[Collector]:
    with collector() as one:
        yield one


@pytest.fixture
async def traced(tmp_path: Path, taking: Collector) -> AsyncIterator[Engine]:
    one = Engine(tmp_path)
    one.machine = MACHINE.format(variables={"OTEL_EXPORTER_OTLP_ENDPOINT": taking.url, "OTEL_BSP_SCHEDULE_DELAY": "50"})
    try:
        await one.start()
        yield one
    finally:
        await one.close()


async def test_one_trace_from_the_request_to_the_receiver(traced: Engine, taking: Collector) -> None:
    rule = await traced.rule({"type": "page.visited"}, f"{taking.url}/hook/path-secret?token=query-secret")
    event = {"type": "page.visited", "contact": {"email": "jan@example.pl"}, "data": {"url": "https://shop.example/"}}
    await traced.post("/events", event, 202)
    await traced.contact(email="ola@example.pl")
    await until(lambda: bool(taking.named("attempt")), "the attempt is told")
    assert await traced.stop() == 0
    (request,), (attempt,) = taking.named("POST /api/v1/events"), taking.named("attempt")
    (record,) = [one for one in taking.named("record") if one.parent_span_id == request.span_id]
    assert request.trace_id == record.trace_id == attempt.trace_id
    assert (request.parent_span_id, attempt.parent_span_id) == (b"", record.span_id)
    assert (request.kind, record.kind, attempt.kind) == (2, 1, 3)
    (hook,) = taking.hooks
    assert hook["traceparent"] == f"00-{attempt.trace_id.hex()}-{attempt.span_id.hex()}-01"
    assert request.start_time_unix_nano <= record.start_time_unix_nano <= attempt.start_time_unix_nano
    assert attempt.start_time_unix_nano <= attempt.end_time_unix_nano
    assert told(request) == {
        "http.request.method": "POST", "http.route": "/api/v1/events", "http.response.status_code": 202,
    }  # fmt: skip
    assert told(attempt)["goniec.endpoint"] == rule["actions"][0]["endpointId"]
    assert told(attempt)["http.response.status_code"] == 200
    (logged,) = [one for one in traced.log() if one.get("event") == "attempt"]
    assert logged["trace"] == attempt.trace_id.hex()
    assert [one["service.name"] for one in taking.resources] == ["goniec"] * len(taking.resources)
    assert taking.named("POST /api/v1/rules"), "whatever changes something is a span"
    (made,) = taking.named("POST /api/v1/contacts")
    assert made.span_id in {one.parent_span_id for one in taking.named("record")}
    for secret in (b"path-secret", b"query-secret", b"jan@example.pl", (await traced.key()).encode()):
        assert secret not in taking.raw


async def test_the_callers_trace_holds_the_request_and_leads_on(traced: Engine, taking: Collector) -> None:
    await traced.rule({"type": "page.visited"}, f"{taking.url}/hook")
    event = {"type": "page.visited", "contact": {"email": "jan@example.pl"}, "data": {"url": "https://shop.example/"}}
    headers = {"traceparent": f"00-{CALLER}-{ABOVE}-01"}
    await traced.ask("POST", "/events", 202, json=event, headers=headers)
    await until(lambda: bool(taking.named("attempt")), "the attempt is told")
    (request,), (attempt,) = taking.named("POST /api/v1/events"), taking.named("attempt")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (CALLER, ABOVE)
    assert attempt.trace_id in {link.trace_id for link in request.links}
    (record,) = [one for one in taking.named("record") if one.span_id == attempt.parent_span_id]
    assert [(link.trace_id, link.span_id) for link in record.links] == [(request.trace_id, request.span_id)]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc': http/protobuf is expected"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is no address"),
        ({}, "OTEL_EXPORTER_OTLP_ENDPOINT asks for traces, which need the extra `otel`"),
    ],
)
async def test_what_cannot_be_had_ends_the_start_with_a_reason(
    tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    one = Engine(tmp_path)
    one.machine = MACHINE.format(variables={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", **variables})
    if not variables:
        one.machine += WITHOUT_THE_EXTRA
    one.spawn()
    try:
        assert await one.gone() == 1
        (line,) = one.log()
        assert line["text"].startswith(f"goniec: {said}")
        assert not (tmp_path / "goniec.db").exists()
    finally:
        await one.close()
