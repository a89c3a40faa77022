"""What is recorded is sent, what fails is tried again, what belongs together stays in order, whatever the receiver does."""

import asyncio
from functools import partial
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from goniec.core import wire
from goniec.core.decide import Call
from goniec.core.endpoint import Endpoint, Pause
from goniec.core.model import Delivery, Failure, Status
from goniec.core.signing import verify
from goniec.core.times import DAY, HOUR, MINUTE, SECOND
from goniec.flow import health, outbox, outboxes, sending
from goniec.ports import Answer, EventFilter, Finished, Outgoing, Page, RunFilter, Tx, Unavailable
from goniec.tracing import Tracing
from tests.contract.store.scribe import by_hand
from tests.core.build import NOW, happened
from tests.flow.workshop import SECRET, Workshop, email, failing, held, ok


def visit(address: str = "jan@x.pl", n: int = 1) -> Call:
    return email(address, happenings=tuple(happened(url=f"https://s.example/{k}") for k in range(n)))


def one(deliveries: list[Delivery]) -> Delivery:
    (delivery,) = deliveries
    return delivery


class TestTheWayOfOne:
    async def test_a_recorded_delivery_arrives_signed_without_a_query(self, shop: Workshop) -> None:
        await shop.endpoint(username="jan", password=shop.vault.seal("end_1", "pa:ss#?@€ż"))
        await shop.poll()
        await shop.rule(description="opis")
        await shop.record(visit())
        await shop.settle()
        (request,) = shop.sender.sent
        head = dict(request.headers)
        assert head["Authorization"] == "Basic amFuOnBhOnNzIz9A4oKsxbw="
        assert verify(SECRET, head, request.body, NOW) is None
        assert request.url == "https://end_1.example/hook"
        assert list(msgspec.json.decode(request.body)) == [
            "id", "name", "contactId", "description", "email", "phone", "company",
        ]  # fmt: skip
        delivery = one(await shop.deliveries())
        assert (delivery.status, delivery.attempts, delivery.delivered_at) == (Status.DELIVERED, 1, NOW + 3)
        (attempt,) = await shop.attempts(delivery.id)
        assert (attempt.number, attempt.status, attempt.body, attempt.address) == (1, 200, b"ok", "203.0.113.5:443")

    async def test_what_a_dead_process_left_is_found_in_the_table(self, shop: Workshop) -> None:
        await shop.rule()
        shop.handing_over = False
        await shop.record(visit())
        await shop.later(0)
        assert one(await shop.deliveries()).status is Status.DELIVERED

    async def test_the_first_delivery_of_an_endpoint_that_is_not_known_yet_waits_for_it(self, shop: Workshop) -> None:
        await shop.endpoint("end_2", notice=False)
        await shop.rule(actions=[{"type": "webhook", "endpointId": "end_2"}])
        await shop.record(visit(), visit("ala@x.pl"))
        await shop.later(0)
        assert len(shop.sender.sent) == 2


class TestRetries:
    async def test_the_schedule_runs_out_and_tells_so(self, shop: Workshop) -> None:
        await shop.endpoint(policy={"schedule": [1, 2]})
        await shop.rule()
        await shop.rule(
            "rul_2", triggers=[{"type": "webhook.failed"}], actions=[{"type": "addTag", "tag": "NIEDORĘCZONE"}]
        )
        shop.sender.script = lambda _: failing()
        await shop.record(visit())
        await shop.settle()
        delivery = one(await shop.deliveries())
        assert (delivery.status, delivery.due_at, delivery.counted) == (Status.PENDING, NOW + SECOND, 1)
        await shop.later(SECOND - 1)
        assert len(shop.sender.sent) == 1
        await shop.later(1)
        await shop.later(2 * SECOND)
        delivery = one(await shop.deliveries())
        assert (delivery.status, delivery.attempts, delivery.due_at) == (Status.FAILED, 3, None)
        assert [attempt.number for attempt in await shop.attempts(delivery.id)] == [1, 2, 3]
        contact = await shop.store.queries.contact(delivery.contact_id)
        assert contact is not None
        assert "NIEDORECZONE" in contact.tags
        assert (await shop.store.queries.totals())["deliveries.failed"] == 1

    async def test_a26_three_steps_are_four_numbered_attempts_and_one_event(self, shop: Workshop) -> None:
        await shop.endpoint(policy={"schedule": [1, 1, 1]})
        await shop.rule()
        shop.sender.script = lambda _: failing(403, Failure.REJECTED)
        await shop.record(visit())
        await shop.settle()
        for _ in range(9):
            await shop.later(SECOND)
        delivery = one(await shop.deliveries())
        assert delivery.status is Status.FAILED
        assert [attempt.number for attempt in await shop.attempts(delivery.id)] == [1, 2, 3, 4]
        failed = await shop.store.queries.events(EventFilter(type="webhook.failed"), Page())
        assert [event.data["delivery"] for event in failed] == [delivery.id]

    @pytest.mark.parametrize("status", [Status.PENDING, Status.FAILED])
    async def test_a_result_that_comes_after_the_end_tells_of_no_second_one(
        self, shop: Workshop, status: Status
    ) -> None:
        await shop.endpoint(policy={"schedule": []})
        await shop.rule()
        shop.sender.script = lambda _: failing()
        await shop.record(visit())
        await shop.settle()
        ended = one(await shop.deliveries())
        (attempt,) = await shop.attempts(ended.id)
        late = Finished(replace(ended, status=status, due_at=NOW), attempt)
        written: list[Delivery] = []
        shop.recorder.finish([late], written.extend)
        await shop.until(lambda: bool(written))
        assert one(written).status is Status.FAILED
        assert len(await shop.store.queries.events(EventFilter(type="webhook.failed"), Page())) == 1

    async def test_a27_a_lost_wake_up_an_hour_of_standstill_and_a_clock_set_back_leave_nothing_due(
        self, shop: Workshop
    ) -> None:
        await shop.rule()
        shop.handing_over = False
        await shop.record(visit())
        await shop.until(lambda: len(shop.sender.sent) == 1)
        shop.sender.script = lambda _: failing()
        await shop.record(visit())
        await shop.until(lambda: len(shop.sender.sent) == 2)
        await shop.settle()
        shop.sender.script = ok
        await shop.later(60 * 60 * SECOND)
        assert len(shop.sender.sent) == 3
        await shop.later(-10 * 60 * SECOND)
        await shop.record(visit(), visit("ola@x.pl"))
        await shop.poll()
        await shop.settle()
        assert {delivery.status for delivery in await shop.deliveries()} == {Status.DELIVERED}

    async def test_webhook_failed_cannot_feed_itself(self, shop: Workshop) -> None:
        await shop.endpoint(policy={"schedule": []})
        await shop.rule(triggers=[{"type": "page.visited"}, {"type": "webhook.failed"}])
        shop.sender.script = lambda _: failing()
        await shop.record(visit())
        await shop.settle()
        runs = await shop.store.queries.runs(RunFilter("rul_1"), Page())
        assert [run.outcome for run in runs] == ["fired", "loopStopped"]

    async def test_a39_every_attempt_carries_everything(self, shop: Workshop) -> None:
        await shop.endpoint(username="jan", password=shop.vault.seal("end_1", "x"))
        await shop.rule()
        shop.sender.script = lambda _: failing()
        await shop.record(visit())
        await shop.settle()
        shop.sender.script = ok
        await shop.later(6 * SECOND)
        first, second = (dict(request.headers) for request in shop.sender.sent)
        assert first["webhook-id"] == second["webhook-id"]
        assert (first["goniec-attempt"], second["goniec-attempt"]) == ("1", "2")
        assert first["Authorization"] == second["Authorization"]
        assert int(second["webhook-timestamp"]) == int(first["webhook-timestamp"]) + 6
        assert verify(SECRET, second, shop.sender.sent[1].body, shop.clock.at) is None

    async def test_a28_a_name_that_does_not_resolve_has_a_code_of_its_own_and_is_tried_again(
        self, shop: Workshop
    ) -> None:
        await shop.rule()
        shop.sender.script = lambda _: Answer(Failure.DNS, "no such name")
        await shop.record(visit())
        await shop.settle()
        shop.sender.script = ok
        await shop.later(5 * SECOND)
        delivery = one(await shop.deliveries())
        assert delivery.status is Status.DELIVERED
        assert [attempt.failure for attempt in await shop.attempts(delivery.id)] == [Failure.DNS, None]

    async def test_a_dead_kept_alive_connection_is_logged_and_tried_again_at_once_afresh(self, shop: Workshop) -> None:
        await shop.rule()
        shop.sender.script = lambda request: ok(request) if request.fresh else Answer(Failure.STALE, "closed under us")
        await shop.record(visit(n=2))
        await shop.settle()
        assert [request.fresh for request in shop.sender.sent] == [False, True, False, True]
        for delivery in await shop.deliveries():
            assert (delivery.status, delivery.attempts, delivery.counted) == (Status.DELIVERED, 2, 1)
            assert [attempt.failure for attempt in await shop.attempts(delivery.id)] == [Failure.STALE, None]

    async def test_a_fault_of_ours_is_an_attempt_too(self, shop: Workshop) -> None:
        await shop.rule()

        def broken(_: Outgoing) -> Answer:
            raise RuntimeError("boom")

        shop.sender.script = broken
        await shop.record(visit())
        await shop.settle()
        (attempt,) = await shop.attempts(one(await shop.deliveries()).id)
        assert attempt.failure is Failure.INTERNAL

    @pytest.mark.parametrize(("where", "name"), [(wire, "sign"), (Tracing, "attempt")])
    async def test_so_is_one_in_making_the_request_and_nobody_waits_behind_it_for_good(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch, where: object, name: str
    ) -> None:
        def broken(*_: object) -> bytes:
            raise RuntimeError("boom")

        await shop.rule()
        with monkeypatch.context() as fault:
            fault.setattr(where, name, broken)
            await shop.record(visit(n=2))
            await shop.settle()
        assert shop.sender.sent == []
        await shop.later(HOUR)
        first, second = await shop.deliveries()
        assert [attempt.failure for attempt in await shop.attempts(first.id)] == [Failure.INTERNAL, None]
        assert shop.sender.ids() == [first.id, second.id]

    async def test_retry_after_holds_the_endpoint_also_over_a_restart(self, shop: Workshop) -> None:
        await shop.rule()
        shop.sender.script = lambda _: failing(503, Failure.SERVER, retry_after="3600")
        await shop.record(visit())
        await shop.settle()
        shop.sender.script = ok
        await shop.record(visit("ala@x.pl"))
        await shop.later(30 * MINUTE)
        assert len(shop.sender.sent) == 1
        endpoint = await shop.store.queries.endpoint("end_1")
        assert endpoint is not None
        assert endpoint.held_until == NOW + HOUR
        shop.deliverer.changed("end_1")
        await shop.later(0)
        assert len(shop.sender.sent) == 1
        await shop.later(30 * MINUTE)
        await shop.later(0)
        assert {d.status for d in await shop.deliveries()} == {Status.DELIVERED}

    async def test_410_pauses_the_endpoint_and_keeps_what_waits(self, shop: Workshop) -> None:
        await shop.rule()
        shop.sender.script = lambda _: failing(410, Failure.GONE)
        await shop.record(visit(n=2))
        await shop.settle()
        await shop.later(DAY)
        assert len(shop.sender.sent) == 1
        assert {d.status for d in await shop.deliveries()} == {Status.PENDING}
        endpoint = await shop.store.queries.endpoint("end_1")
        assert endpoint is not None
        assert (endpoint.paused, endpoint.paused_at, endpoint.version) == (Pause.GONE, NOW, 2)
        shop.sender.script = ok
        await shop.endpoint(version=3)
        await shop.later(0)
        await shop.later(0)
        assert {d.status for d in await shop.deliveries()} == {Status.DELIVERED}


class TestOrder:
    async def test_a_contacts_deliveries_go_one_after_the_other_others_beside_them(self, shop: Workshop) -> None:
        await shop.rule()
        gate = asyncio.Event()
        shop.sender.script = held(gate)
        await shop.record(visit(n=3), visit("ala@x.pl"), visit("ola@x.pl"))
        await shop.until(lambda: shop.sender.flying == 3)
        gate.set()
        await shop.settle()
        jan = (await shop.deliveries())[0].contact_id
        sent = [b for b in shop.sender.ids() if b in {d.id for d in await shop.deliveries(contact_id=jan)}]
        assert sent == sorted(sent)
        assert len(sent) == 3

    async def test_a47_ten_contacts_go_side_by_side(self, shop: Workshop) -> None:
        await shop.rule()
        gate = asyncio.Event()
        shop.sender.script = held(gate)
        await shop.record(*(visit(f"k{n}@x.pl") for n in range(10)))
        await shop.until(lambda: shop.sender.flying == 10)
        gate.set()
        await shop.settle()
        assert len(shop.sender.sent) == 10

    async def test_a46_failures_keep_their_lane_waiting_and_nobody_else(self, shop: Workshop) -> None:
        await shop.rule()
        failures = 2

        def first_fails_twice(request: Outgoing) -> Answer:
            nonlocal failures
            if b"jan@x.pl" in request.body and failures:
                failures -= 1
                return failing()
            return ok(request)

        shop.sender.script = first_fails_twice
        await shop.record(visit(n=3), visit("ala@x.pl"))
        await shop.settle()
        assert len(shop.sender.sent) == 2
        await shop.record(visit())
        await shop.settle()
        assert len(shop.sender.sent) == 2
        await shop.later(5 * SECOND)
        await shop.later(MINUTE)
        await shop.later(0)
        await shop.later(0)
        await shop.later(0)
        delivered = [d for d in await shop.deliveries() if d.status is Status.DELIVERED]
        assert len(delivered) == 5
        successes = [i for i in shop.sender.ids()[3:] if b"jan" in next(d.body for d in delivered if d.id == i)]
        assert successes == sorted(successes)

    async def test_a_poisoned_delivery_steps_aside(self, shop: Workshop) -> None:
        await shop.rule()
        poisoned: set[str] = set()

        def script(request: Outgoing) -> Answer:
            identity = dict(request.headers)["webhook-id"]
            if not poisoned:
                poisoned.add(identity)
            return failing(422, Failure.REJECTED) if identity in poisoned else ok(request)

        shop.sender.script = script
        await shop.record(visit(n=2))
        await shop.settle()
        assert len(shop.sender.sent) == 1
        await shop.later(5 * SECOND)
        await shop.later(0)
        first, second = await shop.deliveries()
        assert (first.status, first.aside, second.status) == (Status.PENDING, True, Status.DELIVERED)

    async def test_without_order_nothing_waits(self, shop: Workshop) -> None:
        await shop.endpoint(policy={"order": False})
        await shop.poll()
        await shop.rule()
        gate = asyncio.Event()
        shop.sender.script = held(gate)
        await shop.record(visit(n=3))
        await shop.until(lambda: shop.sender.flying == 3)
        gate.set()
        await shop.settle()

    async def test_concurrency_is_the_endpoints(self, shop: Workshop) -> None:
        await shop.endpoint(policy={"concurrency": 2})
        await shop.rule()
        gate = asyncio.Event()
        shop.sender.script = held(gate)
        await shop.record(*(visit(f"k{n}@x.pl") for n in range(6)))
        await shop.poll()
        await shop.until(lambda: shop.sender.flying == 2)
        gate.set()
        await shop.settle()
        assert (shop.sender.most, len(shop.sender.sent)) == (2, 6)


class TestMemory:
    async def test_what_does_not_fit_stays_in_the_table_and_comes_in_order(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outboxes, "MEMORY", 5)
        monkeypatch.setattr(outbox, "HELD_SURE", 3)
        await shop.poll()
        await shop.rule()
        gate = asyncio.Event()
        shop.sender.script = held(gate)
        await shop.record(*(visit(f"k{n % 4}@x.pl") for n in range(20)))
        await shop.until(lambda: shop.deliverer.in_memory == 3)
        gate.set()
        for _ in range(30):
            await shop.later(0)
        deliveries = await shop.deliveries()
        assert {d.status for d in deliveries} == {Status.DELIVERED}
        assert sorted(shop.sender.ids()) == [d.id for d in deliveries]
        by_contact: dict[str, list[str]] = {}
        contact_of = {d.id: d.contact_id for d in deliveries}
        for sent in shop.sender.ids():
            by_contact.setdefault(contact_of[sent], []).append(sent)
        assert all(sent == sorted(sent) for sent in by_contact.values())

    async def test_requests_under_way_are_bounded_over_all_endpoints(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sending, "FLYING", 2)
        await shop.endpoint("end_2")
        await shop.poll()
        await shop.rule(
            actions=[{"type": "webhook", "endpointId": "end_1"}, {"type": "webhook", "endpointId": "end_2"}]
        )
        gate = asyncio.Event()
        shop.sender.script = held(gate)
        await shop.record(*(visit(f"k{n}@x.pl") for n in range(4)))
        await shop.poll()
        await asyncio.sleep(0.02)
        gate.set()
        await shop.settle()
        # two of the one, and the one that the other is sure of
        assert (shop.sender.most, len(shop.sender.sent)) == (3, 8)

    async def test_nobody_waits_for_the_requests_of_others(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sending, "FLYING", 1)
        await shop.endpoint("end_2")
        await shop.poll()
        await shop.rule()
        await shop.rule(
            "rul_2", triggers=[{"type": "form.submitted"}], actions=[{"type": "webhook", "endpointId": "end_2"}]
        )
        gate = asyncio.Event()
        shop.sender.script = held(gate)
        await shop.record(visit(), visit("ola@x.pl"))
        await shop.until(lambda: shop.sender.flying == 1)
        await shop.record(email("ewa@x.pl", happenings=(happened("form.submitted", form="f"),)))
        await shop.until(lambda: shop.sender.flying == 2)
        gate.set()
        await shop.settle()
        assert len(shop.sender.sent) == 3

    async def test_a_slow_endpoint_holds_few(self, shop: Workshop) -> None:
        await shop.poll()
        await shop.rule()
        gate = asyncio.Event()
        shop.sender.script = held(gate)
        await shop.record(*(visit(f"k{n}@x.pl") for n in range(100)))
        await shop.until(lambda: shop.sender.flying == 16)
        assert shop.deliverer.in_memory == outbox.HELD_SURE
        gate.set()
        await shop.until(lambda: len(shop.sender.sent) == 100)


class TestResendAndCancel:
    async def test_a_resend_is_the_same_message_marked(self, shop: Workshop) -> None:
        await shop.rule()
        await shop.record(visit())
        await shop.settle()
        delivery = one(await shop.deliveries())
        await shop.store.transact(lambda tx: tx.requeue(delivery.id, shop.clock.at))
        shop.deliverer.kick("end_1")
        await shop.later(0)
        first, second = shop.sender.sent
        assert (first.body, "goniec-resend" in dict(first.headers)) == (second.body, False)
        assert dict(second.headers)["goniec-resend"] == "true"
        assert dict(second.headers)["goniec-attempt"] == "2"
        again = one(await shop.deliveries())
        assert (again.status, again.delivered_at) == (Status.DELIVERED, NOW + 3)

    async def test_a_delivered_one_whose_resend_fails_stays_delivered(self, shop: Workshop) -> None:
        await shop.endpoint(policy={"schedule": []})
        await shop.rule()
        await shop.record(visit())
        await shop.later(0)
        delivery = one(await shop.deliveries())
        shop.sender.script = lambda _: failing()
        await shop.store.transact(lambda tx: tx.requeue(delivery.id, shop.clock.at))
        await shop.later(0)
        again = one(await shop.deliveries())
        assert (again.status, again.attempts) == (Status.DELIVERED, 2)
        assert await shop.store.queries.totals() == await shop.store.queries.recount()

    async def test_a_cancelled_one_is_not_sent_but_a_running_attempt_is_recorded(self, shop: Workshop) -> None:
        await shop.rule()
        gate = asyncio.Event()
        shop.sender.script = held(gate, lambda _: failing())
        await shop.record(visit())
        await shop.poll()
        await asyncio.sleep(0.02)
        delivery = one(await shop.deliveries())
        await shop.store.transact(lambda tx: tx.cancel(delivery.id, shop.clock.at))
        gate.set()
        await shop.settle()
        assert one(await shop.deliveries()).status is Status.CANCELLED
        assert len(await shop.attempts(delivery.id)) == 1


class TestTrouble:
    async def test_secrets_that_cannot_be_opened_leave_deliveries_waiting(self, shop: Workshop) -> None:
        await shop.endpoint(secret=b"sealed by another key")
        await shop.rule()
        await shop.record(visit())
        await shop.later(DAY)
        delivery = one(await shop.deliveries())
        assert (delivery.status, delivery.attempts, shop.sender.sent) == (Status.PENDING, 0, [])

    async def test_a_store_that_is_away_only_costs_time(self, shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
        async def away(now: int) -> list[str]:
            raise Unavailable("the disk is away")

        with monkeypatch.context() as broken:
            broken.setattr(shop.store.queries, "due_endpoints", away)
            await shop.poll()
        await shop.rule()
        await shop.record(visit())
        await shop.later(0)
        assert one(await shop.deliveries()).status is Status.DELIVERED

    async def test_stopping_waits_for_what_is_under_way_and_starts_nothing(self, shop: Workshop) -> None:
        await shop.endpoint(policy={"concurrency": 1})
        await shop.poll()
        await shop.rule()
        gate = asyncio.Event()
        shop.sender.script = held(gate)
        await shop.record(visit(), visit("ala@x.pl"))
        await asyncio.sleep(0.02)
        shop.deliverer.stop()
        await asyncio.sleep(0.02)
        gate.set()
        await shop.settle()
        assert sorted(d.status.value for d in await shop.deliveries()) == ["delivered", "pending"]

    async def test_an_endpoint_that_is_gone_is_asked_for_in_vain(self, shop: Workshop) -> None:
        shop.deliverer.kick("end_9")
        await shop.poll()
        assert shop.sender.sent == []

    async def test_before_it_runs_nothing_is_taken(self, shop: Workshop) -> None:
        idle = shop.new_deliverer()
        idle.kick("end_1")
        idle.stop()
        assert idle.in_memory == 0

    async def test_410_while_the_endpoint_is_saved_or_paused_by_hand(self, shop: Workshop) -> None:
        await shop.rule()
        gate = asyncio.Event()
        shop.sender.script = held(gate, lambda _: failing(410, Failure.GONE))
        await shop.record(visit())
        await shop.until(lambda: shop.sender.flying == 1)
        await shop.endpoint(version=2, paused=Pause.BY_HAND)
        await shop.poll()
        gate.set()
        await shop.settle()
        endpoint = await shop.store.queries.endpoint("end_1")
        assert endpoint is not None
        assert (endpoint.paused, endpoint.version) == (Pause.BY_HAND, 2)

    async def test_a_pause_is_written_as_soon_as_the_store_is_back(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(health, "AWAY_SECONDS", 0.001)
        await shop.rule()
        transact = shop.store.transact
        asked = 0

        async def away_for_pausing(work: Any) -> Any:
            nonlocal asked
            if isinstance(work, partial) and work.func is health._paused:
                asked += 1
                if asked < 3:
                    raise Unavailable("the disk is full")
            return await transact(work)

        monkeypatch.setattr(shop.store, "transact", away_for_pausing)
        shop.sender.script = lambda _: failing(410, Failure.GONE)
        await shop.record(visit())
        await shop.until(lambda: asked >= 3)
        await shop.settle()
        endpoint = await shop.store.queries.endpoint("end_1")
        assert endpoint is not None
        assert endpoint.paused is Pause.GONE

    async def test_stopping_does_not_wait_for_a_store_that_is_away_to_write_a_pause(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(health, "AWAY_SECONDS", 0.001)
        await shop.rule()
        transact = shop.store.transact
        asked = 0

        async def away_for_pausing(work: Any) -> Any:
            nonlocal asked
            if isinstance(work, partial) and work.func is health._paused:
                asked += 1
                raise Unavailable("the disk is full")
            return await transact(work)

        monkeypatch.setattr(shop.store, "transact", away_for_pausing)
        shop.sender.script = lambda _: failing(410, Failure.GONE)
        await shop.record(visit())
        await shop.until(lambda: asked >= 1)
        shop.deliverer.stop()
        await shop.until(shop.parts[1].done)
        assert [d.status for d in await shop.deliveries()] == [Status.PENDING]

    async def test_what_was_dropped_while_it_waited_comes_again(self, shop: Workshop) -> None:
        await shop.endpoint(policy={"concurrency": 1})
        await shop.rule()
        await shop.record(visit("a@x.pl"), visit("b@x.pl"))
        await shop.later(0)
        for delivery in await shop.deliveries():
            await shop.store.transact(partial(_requeued, delivery.id))
        gate = asyncio.Event()
        shop.sender.script = held(gate)
        await shop.record(visit("b@x.pl"), visit("a@x.pl"))
        shop.deliverer.kick("end_1")
        await shop.until(lambda: shop.sender.flying == 1 and shop.deliverer.in_memory == 4)
        await shop.endpoint(version=2)
        gate.set()
        await shop.later(0)
        await shop.later(0)
        assert [d.attempts for d in await shop.deliveries()] == [2, 2, 1, 1]


async def _requeued(delivery_id: str, tx: Tx) -> None:
    await tx.requeue(delivery_id, NOW)


async def test_an_endpoint_that_is_saved_while_it_is_read_is_read_again(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the read gives may be what was before; kept, it would sign with the secret before until the next start."""
    await shop.rule()
    queries = shop.store.queries
    read, gate, reading = queries.endpoint, asyncio.Event(), asyncio.Event()

    async def slow(endpoint_id: str) -> Endpoint | None:
        found = await read(endpoint_id)
        reading.set()
        await gate.wait()
        return found

    with monkeypatch.context() as slowly:
        slowly.setattr(queries, "endpoint", slow)
        shop.deliverer.changed("end_1")  # it may have been read already, and is not read twice
        await shop.record(email("jan@x.pl", happenings=(happened(),)))
        polling = asyncio.create_task(shop.poll())
        await reading.wait()
        before = await read("end_1")
        assert before is not None
        await shop.endpoint("end_1", url="https://elsewhere.example/hook")
        slowly.setattr(queries, "endpoint", read)
        gate.set()
        await polling
    await shop.until(lambda: bool(shop.sender.sent))
    assert shop.sender.sent[0].url == "https://elsewhere.example/hook"


async def test_an_error_code_of_the_next_release_stops_nobody(shop: Workshop) -> None:
    """Its processes run beside these for a while and write what these have no word for."""
    await shop.rule()
    shop.sender.script = lambda _: failing()
    await shop.record(visit())
    await shop.settle()
    await by_hand(shop.store, "UPDATE deliveries SET failure = 'quicBroken'")
    shop.sender.script = ok
    await shop.later(HOUR)
    arrived = one(await shop.deliveries())
    assert (arrived.status, arrived.attempts, arrived.failure) == (Status.DELIVERED, 2, None)
