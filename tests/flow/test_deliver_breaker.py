"""An endpoint that is down: probes that count for nothing, the return, the pause after days, and what a restart remembers."""

import asyncio
from functools import partial
from typing import Any

import pytest

from goniec.core.breaker import FAILURES, PROBE_FIRST
from goniec.core.decide import Call
from goniec.core.endpoint import Endpoint, Pause
from goniec.core.model import Failure, Status
from goniec.core.times import DAY, HOUR, MINUTE, SECOND
from goniec.flow import health
from goniec.ports import Answer, Outgoing
from tests.core.build import NOW, happened
from tests.flow.workshop import Workshop, email, failing, held, ok

PROBE = PROBE_FIRST * SECOND


def visits(n: int, first: int = 0) -> list[Call]:
    return [email(f"k{k}@x.pl", happenings=(happened(),)) for k in range(first, first + n)]


async def busy(request: Outgoing) -> Answer:
    await asyncio.sleep(0)
    return ok(request)


async def endpoint(shop: Workshop) -> Endpoint:
    found = await shop.store.queries.endpoint("end_1")
    assert found is not None
    return found


def all_sent(shop: Workshop, n: int) -> bool:
    return len(shop.sender.sent) == n


async def outage(shop: Workshop, n: int = FAILURES) -> None:
    """So many deliveries have failed at once, and the breaker is open."""
    shop.sender.script = lambda _: failing()
    await shop.poll()
    await shop.rule()
    await shop.record(*visits(n))
    await shop.settle()
    assert (await endpoint(shop)).breaker.opened_at == NOW


class TestWhileItIsOpen:
    async def test_only_probes_go_one_at_a_time(self, shop: Workshop) -> None:
        await outage(shop)
        await shop.record(*visits(20, first=100))
        await shop.later(PROBE - 1)
        assert len(shop.sender.sent) == FAILURES
        gate = asyncio.Event()
        shop.sender.script = held(gate, lambda _: failing())
        shop.sender.most = 0
        shop.clock.at += 1
        await shop.poll()
        await shop.poll()
        assert shop.sender.flying == 1
        gate.set()
        await shop.settle()
        await shop.later(2 * PROBE)
        assert (shop.sender.most, len(shop.sender.sent)) == (1, FAILURES + 2)

    async def test_a_probe_is_logged_but_uses_up_nothing(self, shop: Workshop) -> None:
        await shop.endpoint(policy={"schedule": [HOUR // SECOND]})
        await outage(shop)
        for _ in range(30):
            await shop.later(20 * MINUTE)
        deliveries = await shop.deliveries()
        assert {one.status for one in deliveries} == {Status.PENDING}
        assert {one.counted for one in deliveries} == {1}
        assert sum(one.attempts for one in deliveries) == len(shop.sender.sent) == FAILURES + 30
        probed = deliveries[0]
        assert [one.number for one in await shop.attempts(probed.id)] == list(range(1, probed.attempts + 1))

    async def test_who_asks_for_a_break_is_not_probed_before(self, shop: Workshop) -> None:
        await outage(shop)
        shop.sender.script = lambda _: failing(429, Failure.BUSY, retry_after="7200")
        await shop.later(PROBE)
        await shop.later(2 * HOUR - 1)
        assert len(shop.sender.sent) == FAILURES + 1
        await shop.later(1)
        assert len(shop.sender.sent) == FAILURES + 2

    async def test_what_was_under_way_when_it_opened_is_not_counted_either(self, shop: Workshop) -> None:
        gate = asyncio.Event()
        answered = 0

        async def script(_: Outgoing) -> Answer:
            nonlocal answered
            if len(shop.sender.sent) > FAILURES:
                await gate.wait()
            answered += 1
            return failing()

        shop.sender.script = script
        await shop.poll()
        await shop.rule()
        await shop.record(*visits(FAILURES + 3))
        await shop.until(lambda: answered == FAILURES)
        gate.set()
        await shop.settle()
        assert sorted(one.counted for one in await shop.deliveries()) == [0] * 3 + [1] * FAILURES


class TestTheReturn:
    async def test_a32_one_probe_first_then_all_that_waits_within_its_concurrency(self, shop: Workshop) -> None:
        await shop.endpoint(policy={"concurrency": 3})
        await outage(shop)
        await shop.record(*visits(2_000, first=100))
        before = len(shop.sender.sent)
        shop.sender.most = 0
        gate = asyncio.Event()
        shop.sender.script = held(gate)
        shop.clock.at += PROBE
        await shop.poll()
        assert len(shop.sender.sent) == before + 1
        shop.sender.script = busy
        gate.set()
        await shop.until(lambda: len(shop.sender.sent) == before + 2_000 + FAILURES)
        await shop.settle()
        queues = await shop.store.queries.queues(shop.clock.at)
        assert [queue.pending for queue in queues] == []
        assert shop.sender.most == 3
        assert (await endpoint(shop)).breaker.opened_at is None

    async def test_a31_six_failures_in_a_row_switch_nothing_off(self, shop: Workshop) -> None:
        await shop.rule()
        shop.sender.script = lambda _: failing()
        await shop.record(*visits(1))
        await shop.settle()
        for _ in range(5):
            await shop.later(3 * HOUR)
        assert len(shop.sender.sent) == 6
        shop.sender.script = ok
        await shop.record(*visits(3))
        await shop.later(6 * HOUR)
        assert {one.status for one in await shop.deliveries()} == {Status.DELIVERED}
        assert (await endpoint(shop)).paused is None

    @pytest.mark.parametrize("bite", [health.HURRY, 2])
    async def test_what_was_put_off_need_not_wait_for_its_time(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch, bite: int
    ) -> None:
        monkeypatch.setattr(health, "HURRY", bite)
        await shop.endpoint(policy={"schedule": [DAY // SECOND]})
        await outage(shop)
        shop.sender.script = ok
        await shop.later(PROBE)
        await shop.until(partial(all_sent, shop, 2 * FAILURES))
        await shop.settle()
        assert {one.status for one in await shop.deliveries()} == {Status.DELIVERED}

    async def test_an_answer_that_blames_the_message_is_counted_and_lets_the_others_go(self, shop: Workshop) -> None:
        await outage(shop)
        shop.sender.script = lambda request: (
            failing(422, Failure.REJECTED) if len(shop.sender.sent) == FAILURES + 1 else ok(request)
        )
        await shop.later(PROBE)
        await shop.later(0)
        deliveries = await shop.deliveries()
        assert [one.status for one in deliveries].count(Status.DELIVERED) == FAILURES - 1
        assert [one.counted for one in deliveries if one.status is Status.PENDING] == [2]

    async def test_a_person_who_changes_the_address_need_not_wait(self, shop: Workshop) -> None:
        await outage(shop)
        shop.sender.script = ok
        known = await endpoint(shop)
        version = known.version + 1
        await shop.endpoint(url="https://new.example/hook", version=version, afresh=version)
        await shop.later(10 * SECOND)
        assert {one.status for one in await shop.deliveries()} == {Status.DELIVERED}

    async def test_it_stays_open_while_it_is_still_being_written_down_and_the_settings_are_read_anew(
        self, shop: Workshop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gate = asyncio.Event()
        transact = shop.store.transact
        keeping = 0

        async def slow_to_keep(work: Any) -> Any:
            nonlocal keeping
            if isinstance(work, partial) and work.func is health._kept:
                keeping += 1
                await gate.wait()
            return await transact(work)

        monkeypatch.setattr(shop.store, "transact", slow_to_keep)
        shop.sender.script = lambda _: failing()
        await shop.poll()
        await shop.rule()
        await shop.record(*visits(FAILURES))
        await shop.until(lambda: keeping == 1)
        known = await endpoint(shop)
        assert known.breaker.opened_at is None
        await shop.endpoint(version=known.version + 1, policy={"concurrency": 2})
        await shop.later(10 * SECOND)
        assert len(shop.sender.sent) == FAILURES
        gate.set()
        await shop.later(PROBE)
        assert len(shop.sender.sent) == FAILURES + 1


class TestARestart:
    async def test_an_open_breaker_stays_open(self, shop: Workshop) -> None:
        await outage(shop)
        await shop.restart()
        await shop.later(10 * SECOND)
        assert len(shop.sender.sent) == FAILURES
        await shop.later(PROBE)
        assert len(shop.sender.sent) == FAILURES + 1

    async def test_the_days_of_failing_go_on(self, shop: Workshop) -> None:
        await shop.endpoint(policy={"schedule": [60] * 50})
        await shop.rule()
        shop.sender.script = lambda _: failing()
        await shop.record(*visits(1))
        await shop.settle()
        await shop.later(HOUR)
        await shop.restart()
        await shop.later(HOUR)
        assert (await endpoint(shop)).breaker.failing == 2 * HOUR


class TestThePause:
    async def test_the_second_try_on_a_fresh_connection_waits_as_well(self, shop: Workshop) -> None:
        async def dying(_: Outgoing) -> Answer:
            await shop.endpoint(paused=Pause.BY_HAND, version=2)
            await asyncio.sleep(0)
            return failing(0, Failure.STALE)

        await shop.poll()
        await shop.rule()
        shop.sender.script = dying
        await shop.record(*visits(1))
        await shop.settle()
        assert len(shop.sender.sent) == 1
        shop.sender.script = ok
        await shop.endpoint(version=3)
        await shop.later(0)
        assert [(one.status, one.attempts) for one in await shop.deliveries()] == [(Status.DELIVERED, 2)]

    async def test_after_five_days_of_trying_it_is_paused_and_all_waits_until_it_is_resumed(
        self, shop: Workshop
    ) -> None:
        await outage(shop)
        for _ in range(5 * 24):
            assert (await endpoint(shop)).paused is None
            await shop.later(HOUR)
        known = await endpoint(shop)
        assert (known.paused, known.paused_at) == (Pause.FAILING, shop.clock.at)
        sent = len(shop.sender.sent)
        await shop.later(DAY)
        assert len(shop.sender.sent) == sent
        assert {one.status for one in await shop.deliveries()} == {Status.PENDING}
        shop.sender.script = ok
        await shop.endpoint(version=known.version + 1)
        await shop.later(0)
        assert {one.status for one in await shop.deliveries()} == {Status.DELIVERED}

    async def test_without_a_breaker_too(self, shop: Workshop) -> None:
        await shop.endpoint(policy={"breaker": False, "schedule": [86_400] * 10})
        shop.sender.script = lambda _: failing()
        await shop.rule()
        await shop.record(*visits(6))
        await shop.settle()
        for _ in range(5):
            await shop.later(DAY)
        assert (await endpoint(shop)).paused is Pause.FAILING
