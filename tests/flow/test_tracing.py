"""Spans of recording and of attempts: whose trace they are in, what is above them, and what they keep to themselves."""

from collections.abc import Iterator

import pytest

from goniec.core.decide import Happening
from goniec.core.ids import event_of, root_of
from goniec.core.model import Failure
from goniec.core.traces import Parent, read_traceparent, span_of, trace_of
from goniec.flow.batch import Duplicate, Recorded
from goniec.flow.erase import erase
from goniec.flow.ingest import Origin
from goniec.flow.traced import events_of
from goniec.ports import Remembered
from goniec.tracing import Asked, Span, tracing
from tests.core.build import NOW, happened
from tests.flow.workshop import Workshop, email, failing, ok

CALLER = Parent("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True)
HEADER = f"00-{CALLER.trace}-{CALLER.span}-01"


class Kept:
    """Keeps spans; `all` says whether it wants traces that nobody else has decided about."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.all = True

    def sampled(self, _trace: str, parent: Parent | None) -> bool:
        return self.all if parent is None else parent.sampled

    def export(self, span: Span) -> None:
        self.spans.append(span)

    def named(self, name: str) -> list[Span]:
        return [one for one in self.spans if one.name == name]


@pytest.fixture
def kept() -> Iterator[Kept]:
    exporter = Kept()
    tracing.configure(exporter)
    yield exporter
    tracing.configure(None)


async def known(shop: Workshop, kept: Kept, *addresses: str) -> None:
    """Contacts that there are already, so that a visit is one event."""
    await shop.record(*(email(one) for one in addresses))
    kept.spans.clear()


async def visit(shop: Workshop, *addresses: str, header: str | None = None) -> Asked:
    """A request that records a visit of each."""
    asked = tracing.ask(header, shop.clock.now())
    await shop.record(*(email(one, happenings=(happened(url="https://s.example"),)) for one in addresses))
    await shop.settle()
    tracing.answered(asked, "POST", "/api/v1/events", 202, shop.clock.now())
    return asked


async def test_request_recording_and_attempt_are_one_trace(shop: Workshop, kept: Kept) -> None:
    await known(shop, kept, "jan@x.pl")
    await shop.rule()
    shop.sender.script = lambda _: failing(503, Failure.SERVER, millis=7)
    await visit(shop, "jan@x.pl")
    (delivery,) = await shop.deliveries()
    shop.clock.at += 60_000
    shop.sender.script = ok
    await shop.poll()
    await shop.settle()
    (request,), (record,), (first, second) = (kept.named(n) for n in ("POST /api/v1/events", "record", "attempt"))
    trace = trace_of(delivery.id)
    assert {one.trace for one in kept.spans} == {trace}
    assert (request.parent, record.parent, first.parent, second.parent) == (None, request.id, record.id, record.id)
    assert record.id == span_of(delivery.id)
    assert record.attributes == {"goniec.event": root_of(delivery.event_id), "goniec.deliveries": 1}
    assert first.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 503,
        "server.address": "end_1.example",
        "error.type": "serverError",
        "goniec.delivery": delivery.id,
        "goniec.endpoint": "end_1",
        "goniec.attempt": 1,
    }
    assert (first.failed, second.failed, first.end - first.start) == (True, False, 7)
    sent = [read_traceparent(dict(one.headers)["traceparent"]) for one in shop.sender.sent]
    assert sent == [Parent(trace, one.id, sampled=True) for one in (first, second)]
    assert "/hook" not in str(kept.spans)
    assert "jan@x.pl" not in str(kept.spans)


async def test_each_event_of_a_request_has_a_trace_of_its_own(shop: Workshop, kept: Kept) -> None:
    addresses = [f"{n}@x.pl" for n in range(40)]
    await known(shop, kept, *addresses)
    await visit(shop, *addresses)
    (request,) = kept.named("POST /api/v1/events")
    first, *others = sorted(kept.named("record"), key=lambda one: str(one.attributes["goniec.event"]))
    assert (request.trace, first.parent) == (first.trace, request.id)
    assert len({one.trace for one in kept.spans}) == 40
    assert all((one.parent, one.links) == (None, ((request.trace, request.id),)) for one in others)
    assert request.links == tuple((one.trace, one.id) for one in others[:32])


async def test_a_trace_that_came_along_holds_the_request_and_is_linked(shop: Workshop, kept: Kept) -> None:
    await known(shop, kept, "jan@x.pl")
    await visit(shop, "jan@x.pl", header=HEADER)
    (request,), (record,) = kept.named("POST /api/v1/events"), kept.named("record")
    assert (request.trace, request.parent) == (CALLER.trace, CALLER.span)
    assert request.links == ((record.trace, record.id),)
    assert record.links == ((CALLER.trace, request.id),)
    assert (record.parent, record.trace) == (None, trace_of(str(record.attributes["goniec.event"])))


async def test_a_request_is_in_the_trace_of_the_event_that_led_to_something(shop: Workshop, kept: Kept) -> None:
    await shop.rule()
    await visit(shop, "new@x.pl")
    (request,), (attempt,) = kept.named("POST /api/v1/events"), kept.named("attempt")
    made, visited = sorted(kept.named("record"), key=lambda one: str(one.attributes["goniec.event"]))
    assert request.trace == visited.trace == attempt.trace != made.trace
    assert made.links == ((request.trace, request.id),)


async def test_who_wants_no_spans_gets_none_and_receivers_are_told_so(shop: Workshop, kept: Kept) -> None:
    await shop.rule()
    kept.all = False
    await visit(shop, "jan@x.pl")
    assert kept.spans == []
    (request,) = shop.sender.sent
    assert dict(request.headers)["traceparent"].endswith("-00")


async def test_what_follows_by_itself_has_its_own_trace(shop: Workshop, kept: Kept) -> None:
    """Erasing tells who had been told; a delivery that fails for good is an event of its own."""
    await known(shop, kept, "jan@x.pl")
    await shop.endpoint(policy={"tellErasure": True, "schedule": []})
    await shop.rule()
    await shop.rule(
        "rul_2", triggers=[{"type": "webhook.failed"}], actions=[{"type": "webhook", "endpointId": "end_1"}]
    )
    shop.sender.script = lambda request: failing() if len(shop.sender.sent) == 1 else ok(request)
    await visit(shop, "jan@x.pl")
    await shop.until(lambda: len(kept.named("attempt")) == len(kept.named("record")))
    own = [one for one in kept.named("record") if one.parent is None]
    assert [one.attributes["goniec.deliveries"] for one in own] == [1]
    assert {one.parent for one in kept.named("attempt")} == {one.id for one in kept.named("record")}
    kept.spans.clear()
    (contact_id,) = {one.contact_id for one in await shop.deliveries()}
    asked = tracing.ask(None, NOW)
    await erase(
        shop.recorder, shop.store, Origin(now=NOW, country="PL", source="api", source_key="crm"), contact_id, None
    )
    await shop.settle()
    tracing.answered(asked, "DELETE", None, 500, NOW)
    (request,), (record,), (attempt,) = kept.named("DELETE"), kept.named("record"), kept.named("attempt")
    assert (record.parent, attempt.parent) == (request.id, record.id)
    assert request.failed


async def test_what_was_recorded_before_is_not_recorded_again(shop: Workshop, kept: Kept) -> None:
    await known(shop, kept, "jan@x.pl")
    once = Happening("page.visited", {"url": "https://s.example"}, dedup_key="k")
    results = [*await shop.record(email("jan@x.pl", happenings=(once,)))]
    results += await shop.record(email("jan@x.pl", happenings=(once,)))
    assert [type(one) for one in results] == [Recorded, Duplicate]
    assert len(kept.named("record")) == 1
    assert list(events_of(Remembered(b"d", 202, b"{}"))) == []


async def test_a_request_that_recorded_nothing_has_a_trace_too(kept: Kept) -> None:
    tracing.answered(tracing.ask(None, NOW), "POST", "/api/v1/keys", 422, NOW + 1)
    (request,) = kept.spans
    assert len(request.trace) == 32
    assert not request.failed


async def test_nothing_is_done_without_an_exporter(shop: Workshop) -> None:
    await shop.rule()
    asked = await visit(shop, "jan@x.pl", header=HEADER)
    assert asked.events == []
    assert tracing.asked() is None
    assert "traceparent" not in dict(shop.sender.sent[0].headers)
    tracing.recorded(None, [event_of(one.id) for one in await shop.deliveries()], {}, NOW, NOW)
