"""A lane that is partly in memory and partly in the table: what is recorded meanwhile overtakes nothing."""

import asyncio
from collections.abc import Sequence

import pytest

from goniec.core.decide import Call
from goniec.core.model import Delivery, Status
from goniec.core.times import MINUTE
from goniec.flow import deliver, outbox
from tests.contract.store.scribe import by_hand
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


@pytest.fixture
async def waiting(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Twelve of one contact wait in the table; the receiver answers nothing before this is set.

    Nobody looks for them before a test does: its own hand in the table has to come first.
    """
    monkeypatch.setattr(deliver, "POLL_SECONDS", 600)
    await shop.rule()
    await shop.poll()
    shop.handing_over = False
    await shop.record(*(visit() for _ in range(12)))
    shop.handing_over = True
    gate = asyncio.Event()
    shop.sender.script = held(gate)
    return gate


async def claimed(shop: Workshop, count: int) -> None:
    """So many are in memory, of which the first is under way."""
    await shop.poll()
    await shop.until(lambda: shop.sender.flying == 1)
    assert shop.deliverer.in_memory == count


async def test_a_lane_that_waits_in_the_table_is_claimed_by_the_run(shop: Workshop, waiting: asyncio.Event) -> None:
    await claimed(shop, 1 + outbox.FOLLOWING)
    waiting.set()
    await in_order(shop)


async def test_a_long_lane_leaves_room_for_the_others(shop: Workshop, waiting: asyncio.Event) -> None:
    await claimed(shop, 1 + outbox.FOLLOWING)
    shop.handing_over = False
    await shop.record(*(visit(f"{n}@x.pl") for n in range(20)))
    await shop.poll()
    await shop.until(lambda: shop.sender.flying == 16)
    assert shop.deliverer.in_memory <= outbox.HELD_SURE
    waiting.set()
    for _ in range(10):
        await shop.later(0)
    assert {one.status for one in await shop.deliveries()} == {Status.DELIVERED}


async def test_one_that_has_a_time_of_its_own_ends_the_run(shop: Workshop, waiting: asyncio.Event) -> None:
    third = (await shop.deliveries())[2].id
    await by_hand(shop.store, f"UPDATE queue SET due_at = {shop.clock.at + MINUTE} WHERE delivery_id = '{third}'")
    await claimed(shop, 2)
    waiting.set()
    await shop.until(lambda: len(shop.sender.sent) == 2)
    await shop.settle()
    assert len(shop.sender.sent) == 2
    await shop.later(MINUTE)
    await in_order(shop)


async def test_one_of_a_contact_that_was_merged_ends_the_run(shop: Workshop, waiting: asyncio.Event) -> None:
    third = (await shop.deliveries())[2].id
    await by_hand(shop.store, f"UPDATE deliveries SET contact_id = 'con_gone' WHERE id = '{third}'")
    await claimed(shop, 2)
    waiting.set()
    await in_order(shop)


async def test_what_finds_no_room_behind_its_head_stays_in_the_table(
    shop: Workshop, waiting: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = shop.store.queries.followers

    async def crowded(heads: Sequence[str], each: int) -> dict[str, list[Delivery]]:
        monkeypatch.setattr(outbox, "HELD_SURE", 3)
        return await ask(heads, each)

    monkeypatch.setattr(shop.store.queries, "followers", crowded)
    await claimed(shop, 3)
    waiting.set()
    await in_order(shop)
