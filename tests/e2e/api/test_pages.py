"""Beside the API: health, readiness, metrics, the page with its policy."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from typing_extensions import override

from goniec import web
from goniec.core.breaker import Breaker
from goniec.core.endpoint import Pause
from goniec.core.mailing import Figure
from goniec.observe import Counters, counters
from goniec.ports import Balance, Queue, Unavailable
from goniec.web import create_app
from goniec.web.metrics import NAMED, OTHER, Figures, exposition
from tests.contract.store.scribe import endpoint
from tests.core.build import NOW
from tests.e2e.api.client import Api
from tests.flow.workshop import failing

ROOT = "http://goniec.test"


async def test_it_is_alive_and_ready(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await api.http.get(f"{ROOT}/healthz")).json() == {"status": "alive"}
    ready = (await api.http.get(f"{ROOT}/readyz")).json()
    assert ready == {"status": "ready", "instance": ready["instance"]}
    assert (await api.http.get(f"{ROOT}/readyz")).json() == ready

    async def unhealthy() -> str:
        return "the disk is full"

    monkeypatch.setattr(api.store.queries, "health", unhealthy)
    red = await api.http.get(f"{ROOT}/readyz")
    assert (red.status_code, red.json()["code"], red.json()["detail"]) == (503, "notReady", "the disk is full")
    assert "retry-after" in red.headers
    assert (await api.http.get(f"{ROOT}/healthz")).status_code == 200


async def test_a_process_that_stops_is_not_ready(api: Api) -> None:
    stopping = create_app(replace(api.context, ready=lambda: "it is stopping"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(stopping), base_url=ROOT) as http:
        assert (await http.get("/readyz")).status_code == 503


async def test_a_reader_of_pages_survives_a_store_that_is_away(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*arguments: object) -> Any:
        raise Unavailable("the file is locked")

    monkeypatch.setattr(api.store.queries, "totals", away)
    assert (await api.http.get(f"{ROOT}/metrics")).status_code == 503


async def test_metrics_are_what_prometheus_reads(api: Api) -> None:
    api.shop.sender.script = lambda _: failing()
    await api.shop.rule(triggers=[{"type": "contact.created"}], actions=[{"type": "webhook", "endpointId": "end_1"}])
    await api.contact()
    await api.contact(email="ola@example.pl")
    await api.post("/contacts", {"name": "nobody"})
    await api.shop.settle()
    api.shop.clock.at += 60_000
    answer = await api.http.get(f"{ROOT}/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}

    def value(name: str, **labels: str) -> float:
        return next(
            sample.value
            for family in families.values()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    assert value("goniec_build_info", version="0.0.test") == 1
    assert value("goniec_process_info", role="all") == value("goniec_workers") == value("goniec_process_endpoints") == 1
    assert value("goniec_received_total") == 3
    assert value("goniec_calls_total", outcome="accepted") == 2
    assert value("goniec_calls_total", outcome="refused") == 1
    assert value("goniec_deliveries_made_total") == value("goniec_deliveries", status="pending") == 2
    assert value("goniec_queue_pending", endpoint="end_1") == value("goniec_queue_due", endpoint="end_1") == 2
    assert value("goniec_queue_pending", host="end_1.example") == 2
    assert value("goniec_endpoint_deliveries", endpoint="end_1", host="end_1.example", status="pending") == 2
    assert value("goniec_endpoint_deliveries", endpoint="end_1", status="delivered") == 0
    assert "/hook" not in answer.text
    assert value("goniec_rules_broken") == 0
    assert 50 < value("goniec_queue_oldest_due_seconds", endpoint="end_1") <= 60
    for outcome, n in counters.attempts.items():
        assert value("goniec_attempts_total", outcome=outcome) == n
    for what in get_args(Figure):
        assert value("goniec_mail_total", what=what) == counters.mail[what]
    assert value("goniec_waiting_calls") == 0
    assert value("goniec_endpoints") == 1
    assert value("goniec_endpoint_paused", endpoint="end_1", host="end_1.example") == 0
    assert value("goniec_endpoint_breaker_open", endpoint="end_1") == 0


def test_endpoints_beyond_the_named_ones_stand_together() -> None:
    opened = Breaker(failures=9, opened_at=NOW, failing=7_200_000)
    endpoints = [endpoint(f"end_{n:03}", paused=Pause.GONE, breaker=opened) for n in range(NAMED + 3)]
    queues = [Queue(one.id, 2, 1, NOW - 1000 * n) for n, one in enumerate(endpoints)]
    queues += [Queue("gone", 2, 0, None)]
    text = exposition(Figures(endpoints=endpoints, queues=queues, now=NOW), Counters())
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["goniec_endpoints"].samples[0].value == NAMED + 3
    together = {}
    for name, family in families.items():
        by_endpoint = {one.labels["endpoint"]: one.value for one in family.samples if "endpoint" in one.labels}
        if by_endpoint:
            assert len(by_endpoint) == len(family.samples) == NAMED + 1
            assert {key for one in family.samples for key in one.labels} == {"endpoint", "host"}
            together[name] = by_endpoint[OTHER]
    assert together == {
        "goniec_queue_pending": 8,
        "goniec_queue_due": 3,
        "goniec_queue_oldest_due_seconds": NAMED + 2,
        "goniec_endpoint_paused": 3,
        "goniec_endpoint_breaker_open": 3,
        "goniec_endpoint_failing_seconds": 7200,
    }


def test_large_figures_and_odd_names_stay_whole() -> None:
    counted = Counters()
    for latency in (1, 7, 60_000):
        counted.attempt('a"b\\c\nd')
        counted.first(None if latency == 7 else latency - 1, latency)
    queues = [Queue("end_1", 1_234_567, 0, None)]
    text = exposition(Figures(totals={"received": 12_345_678}, queues=queues, now=NOW), counted)
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["goniec_received"].samples[0].value == 12_345_678
    assert families["goniec_queue_pending"].samples[0].value == 1_234_567
    assert families["goniec_queue_oldest_due_seconds"].samples == []
    assert families["goniec_attempts"].samples[0].labels == {"outcome": 'a"b\\c\nd'}
    assert [one.value for one in families["goniec_first_byte_seconds"].samples][-2:] == [59.999, 2]
    histogram = {s.labels.get("le", s.name[-5:]): s.value for s in families["goniec_first_attempt_seconds"].samples}
    assert (histogram["0.005"], histogram["0.01"], histogram["30"], histogram["+Inf"]) == (1, 2, 2, 3)
    assert (histogram["count"], histogram["s_sum"]) == (3, 60.008)


def test_the_ledger_of_endpoints_has_few_labels_and_adds_up() -> None:
    many = [Balance(f"end_{n:04}", n, 0, 0, n, 0, 0) for n in range(1, NAMED + 50)]
    endpoints = [endpoint(one.subject) for one in many[1:]]
    text = exposition(Figures(balances=many, endpoints=endpoints, now=NOW), Counters())
    (family,) = (one for one in text_string_to_metric_families(text) if one.name == "goniec_endpoint_deliveries")
    delivered = {s.labels["endpoint"]: s.value for s in family.samples if s.labels["status"] == "delivered"}
    assert len(delivered) == NAMED + 1
    assert sum(delivered.values()) == sum(one.made for one in many)
    assert "end_0001" not in delivered, "a deleted one is among the others"


class Links(HTMLParser):
    """Everything that a page loads, and what it has inline."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.inline: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [link for name in ("src", "href") if (link := given.get(name)) is not None]
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)


async def test_the_page_loads_only_from_us_and_has_nothing_inline(api: Api) -> None:
    page = await api.http.get(f"{ROOT}/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    found = Links()
    found.feed(page.text)
    assert not found.inline
    assert len(found.links) == 5
    for link in found.links:
        if link != "data:,":
            loaded = await api.http.get(f"{ROOT}/{link}")
            assert loaded.status_code == 200, link
            assert len(loaded.content) > 100
    script = await api.http.get(f"{ROOT}/docs/page.js")
    assert re.findall(r'url: "([^"]+)"', script.text) == ["api/openapi.json"]
    assert (await api.http.get(f"{ROOT}/docs/other.js")).status_code == 404
    assert (await api.http.get(f"{ROOT}/docs/..%2fpages.py")).status_code == 404


async def test_the_pages_files_come_compressed_to_who_can_read_that(api: Api) -> None:
    path = f"{ROOT}/docs/swagger-ui.css"
    small = await api.http.get(path, headers={"accept-encoding": "gzip, br"})
    plain = await api.http.get(path, headers={"accept-encoding": "identity"})
    assert small.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert small.content == plain.content
    assert int(small.headers["content-length"]) * 3 < int(plain.headers["content-length"])


def test_what_is_vendored_has_its_licence_beside_it() -> None:
    folder = Path(web.__file__).parent / "docs"
    assert "Apache License" in (folder / "LICENSE.swagger-ui").read_text()
    assert "swagger-ui" in (folder / "NOTICE.swagger-ui").read_text()
    assert "MIT" in (folder / "swagger-ui-bundle.js.LICENSE.txt").read_text()
    assert "5.35.0" in (folder / "VENDORED.md").read_text()
