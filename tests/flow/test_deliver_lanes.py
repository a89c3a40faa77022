"""A lane that is partly in memory and partly in the table: what is recorded meanwhile overtakes nothing."""

import asyncio

import pytest

from goniec.core.decide import Call
from goniec.core.model import Status
from goniec.flow import outbox
from tests.core.build import happened
from tests.flow.workshop import Workshop, email, failing, held, ok


def visit(address: str = "jan@x.pl") -> Call:
    return email(address, happenings=(happened(),))


async def in_order(shop: Workshop) -> None:
    """Everything arrives, in the order in which it was recorded."""
    for _ in range(10):
        await shop.later(0)
    deliveries = await shop.deliveries()
    assert {one.status for one in deliveries} == {Status.DELIVERED}
    assert shop.sender.ids() == [one.id for one in deliveries]


async def test_what_is_recorded_while_a_dead_process_s_lane_goes_on_waits_behind_all_of_it(shop: Workshop) -> None:
    await shop.rule()
    shop.handing_over = False
    await shop.record(visit(), visit(), visit())
    shop.handing_over = True
    gate = asyncio.Event()
    shop.sender.script = held(gate)
    await shop.poll()
    await shop.until(lambda: shop.sender.flying == 1)
    await shop.record(visit())
    gate.set()
    await in_order(shop)


async def test_what_finds_room_again_does_not_overtake_what_found_none(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.poll()
    await shop.rule()
    gate = asyncio.Event()
    shop.sender.script = held(gate)
    await shop.record(visit())
    await shop.until(lambda: shop.sender.flying == 1)
    with monkeypatch.context() as small:
        small.setattr(outbox, "HELD_SURE", 1)
        await shop.record(visit())
    await shop.record(visit())
    gate.set()
    await in_order(shop)


async def test_who_waits_in_memory_behind_a_head_that_fails_goes_back_to_the_table_and_overtakes_nobody(
    shop: Workshop,
) -> None:
    await shop.poll()
    await shop.rule()
    gate = asyncio.Event()
    shop.sender.script = held(gate, lambda _: failing() if len(shop.sender.sent) == 1 else ok(_))
    await shop.record(visit(), visit())
    await shop.until(lambda: shop.sender.flying == 1)
    gate.set()
    for _ in range(10):
        await shop.later(10_000)
    first, second = await shop.deliveries()
    assert (first.status, second.status) == (Status.DELIVERED, Status.DELIVERED)
    assert shop.sender.ids() == [first.id, first.id, second.id]
