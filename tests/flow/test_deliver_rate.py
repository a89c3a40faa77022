"""An endpoint's rate: a limit that delays, and never counts as an attempt."""

import asyncio
from functools import partial

import pytest

from goniec.core.model import Status
from goniec.core.times import MINUTE, SECOND
from tests.flow.test_deliver_breaker import visits
from tests.flow.workshop import Workshop


def sent(shop: Workshop, n: int) -> bool:
    return len(shop.sender.sent) == n


async def test_requests_start_no_more_often_than_it_allows(shop: Workshop) -> None:
    await shop.endpoint(policy={"rate": 10})
    await shop.poll()
    await shop.rule()
    await shop.record(*visits(6))
    for n in range(1, 7):
        await shop.until(partial(sent, shop, n))
        await shop.poll()
        await asyncio.sleep(0.06)  # the timer rings after 50 ms, and finds that no time has passed
        assert sent(shop, n)
        shop.clock.at += 100
    await shop.settle()
    deliveries = await shop.deliveries()
    assert {(one.status, one.attempts, one.counted) for one in deliveries} == {(Status.DELIVERED, 1, 1)}


async def test_what_waited_gives_no_right_to_hurry(shop: Workshop) -> None:
    await shop.endpoint(policy={"rate": 2})
    await shop.poll()
    await shop.rule()
    shop.clock.at += 60_000
    await shop.record(*visits(5))
    await shop.poll()
    assert len(shop.sender.sent) == 1


@pytest.mark.parametrize("rate", [None, 1_000])
async def test_a_change_of_the_rate_counts_at_once(shop: Workshop, rate: float | None) -> None:
    shop.clock.at += 1_000 * SECOND
    made = await shop.endpoint(policy={"rate": 0.001})
    await shop.poll()
    await shop.rule()
    await shop.record(*visits(5))
    await shop.poll()
    assert len(shop.sender.sent) == 1
    shop.clock.at += 10
    await shop.endpoint(version=made.version + 1, policy={"rate": rate})
    await shop.later(0)
    assert len(shop.sender.sent) == 5


@pytest.mark.parametrize("rate", [None, 1_000, 0.5])
async def test_a_new_rate_counts_from_the_last_request_on(shop: Workshop, rate: float | None) -> None:
    """So that no second sees more than it allows, whatever was allowed before."""
    shop.clock.at += 2 * SECOND
    made = await shop.endpoint(policy={"rate": rate})
    await shop.poll()
    await shop.rule()
    await shop.record(*visits(1))
    await shop.settle()
    await shop.endpoint(version=made.version + 1, policy={"rate": 1})
    await shop.poll()
    await shop.record(*visits(3, first=10))
    for n in range(1, 4):
        shop.clock.at += 940
        await shop.poll()
        assert sent(shop, n)
        shop.clock.at += 60
        await shop.poll()
        await shop.until(partial(sent, shop, n + 1))


async def test_thirty_a_minute_is_kept_across_restarts(shop: Workshop) -> None:
    await shop.endpoint(policy={"rate": 0.5})
    await shop.rule()
    await shop.record(*visits(150))
    starts: list[int] = []
    for second in range(240):
        if second % 37 == 36:
            await shop.restart()
        shop.clock.at += SECOND
        await shop.poll()
        # an alarm of the rate rings by the real clock, and a round lets go of what it would have
        for box in shop.deliverer._outboxes.boxes.values():
            shop.deliverer._sending._ring(box)
        await shop.until(lambda: not shop.sender.flying)
        starts += [shop.clock.at] * (len(shop.sender.sent) - len(starts))
    assert all(len([at for at in starts if since < at <= since + MINUTE]) <= 30 for since in starts)
    assert len(starts) >= 120 - 2 * 6, "and it makes use of it"
