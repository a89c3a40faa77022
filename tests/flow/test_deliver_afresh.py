"""Somebody has mended a receiver and means now: nothing that was learnt of it before holds anything up any more."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from goniec.core.endpoint import Endpoint, Pause
from goniec.core.model import Failure, Status
from goniec.core.times import DAY, HOUR, SECOND
from goniec.flow import endpoints, health
from goniec.flow.configure import Outside
from goniec.flow.endpoint_drafts import EndpointDraft, HeaderDraft
from goniec.flow.endpoints import change_endpoint, pause_endpoint, resume_endpoint
from goniec.ports import Tx
from tests.core.build import NOW
from tests.flow.crew import Crew, crew
from tests.flow.desk import Desk
from tests.flow.test_deliver_breaker import endpoint, outage, visits
from tests.flow.workshop import Opening, Workshop, failing, held, ok

Act = Callable[[Outside], Awaitable[object]]

ELSEWHERE = EndpointDraft(url="https://new.example/hook")
ANOTHER_HEADER = EndpointDraft(headers=(HeaderDraft("X-Tenant", "7"),))


async def pause_and_resume(outside: Outside) -> None:
    await pause_endpoint(outside, "end_1")
    await resume_endpoint(outside, "end_1")


async def resume(outside: Outside) -> None:
    await resume_endpoint(outside, "end_1")


def change(draft: EndpointDraft) -> Act:
    return partial(change_endpoint, endpoint_id="end_1", draft=draft, expected=None)


MENDED = [
    pytest.param(pause_and_resume, id="pause and resume"),
    pytest.param(resume, id="resume"),
    pytest.param(change(ELSEWHERE), id="another address"),
    pytest.param(change(ANOTHER_HEADER), id="another header"),
]


@pytest.fixture
def outside(shop: Workshop) -> Outside:
    return replace(Desk(shop).outside, notice=shop.deliverer)


async def busy(shop: Workshop, n: int = 3) -> None:
    """It has asked to be left alone for a day."""
    shop.sender.script = lambda _: failing(503, Failure.SERVER, retry_after="86400")
    await shop.rule()
    await shop.record(*visits(n))
    await shop.settle()
    await shop.until(lambda: shop.deliverer._outboxes.boxes["end_1"].quiet)
    assert (await endpoint(shop)).held_until == NOW + DAY
    shop.sender.script = ok


async def arrived(shop: Workshop) -> bool:
    return {one.status for one in await shop.deliveries()} == {Status.DELIVERED}


@pytest.mark.parametrize("mend", MENDED)
async def test_a_break_that_it_asked_for_is_over(shop: Workshop, outside: Outside, mend: Act) -> None:
    await busy(shop)
    await mend(outside)
    await shop.later(SECOND)
    assert await arrived(shop)
    assert (await endpoint(shop)).held_until is None
    await shop.restart()
    await shop.record(*visits(1, first=50))
    await shop.later(SECOND)
    assert await arrived(shop)


@pytest.mark.parametrize("mend", MENDED)
async def test_what_was_put_off_goes_at_once(
    shop: Workshop, outside: Outside, mend: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "AT_ONCE", 2)  # the rest is the sender's to see to
    await shop.endpoint(policy={"schedule": [HOUR // SECOND]})
    await outage(shop)
    shop.sender.script = ok
    await mend(outside)
    for _ in range(3):
        await shop.later(SECOND)
    assert await arrived(shop)


async def test_who_puts_off_is_not_hurried_by_another_setting(shop: Workshop, outside: Outside) -> None:
    await busy(shop)
    await change_endpoint(outside, "end_1", EndpointDraft(timeout=7), None)
    await shop.later(HOUR)
    assert (await endpoint(shop)).held_until == NOW + DAY
    assert not await arrived(shop)


async def test_a_breaker_that_is_switched_off_closes_and_a_break_stays(shop: Workshop, outside: Outside) -> None:
    await outage(shop)
    shop.sender.script = lambda _: failing(429, Failure.BUSY, retry_after="86400")
    await shop.later(60 * SECOND)
    known = await endpoint(shop)
    assert known.breaker.open
    await change_endpoint(outside, "end_1", EndpointDraft(breaker=False), None)
    after = await endpoint(shop)
    assert not after.breaker.open
    assert (after.held_until, after.breaker.failing) == (known.held_until, known.breaker.failing)
    await shop.later(HOUR)
    assert (await endpoint(shop)).breaker == after.breaker


async def test_what_is_mended_while_it_is_paused_stays_paused(shop: Workshop, outside: Outside) -> None:
    await busy(shop)
    await pause_endpoint(outside, "end_1")
    await change_endpoint(outside, "end_1", ELSEWHERE, None)
    await shop.later(HOUR)
    known = await endpoint(shop)
    assert (known.paused, known.held_until) == (Pause.BY_HAND, None)
    assert not await arrived(shop)


@pytest.mark.parametrize(("status", "failure"), [(429, Failure.BUSY), (410, Failure.GONE), (500, Failure.SERVER)])
@pytest.mark.parametrize("read_anew", [True, False])
async def test_an_answer_from_before_says_nothing_of_it(
    shop: Workshop, outside: Outside, status: int, failure: Failure, *, read_anew: bool
) -> None:
    await shop.endpoint(policy={"schedule": [HOUR // SECOND] * 50})
    await shop.rule()
    gate = asyncio.Event()
    shop.sender.script = held(gate, lambda _: failing(status, failure, retry_after="86400"))
    await shop.record(*visits(6))
    await shop.until(lambda: shop.sender.flying == 6)
    await change_endpoint(outside, "end_1", ELSEWHERE, None)
    if read_anew:
        await shop.poll()
    shop.sender.script = ok
    gate.set()
    await shop.until(lambda: not shop.sender.flying)
    await shop.settle()
    await shop.record(*visits(1, first=50))
    await shop.later(SECOND)
    known = await endpoint(shop)
    assert (known.paused, known.held_until, known.breaker.open) == (None, None, False)
    assert shop.sender.sent[-1].url == ELSEWHERE.url


async def test_what_is_still_being_written_down_of_before_is_not_written(
    shop: Workshop, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    transact = shop.store.transact
    late = 0

    async def slow_to_note(work: Any) -> Any:
        nonlocal late
        if isinstance(work, partial) and work.func in {health._kept, health._held, health._paused}:
            late += 1
            await gate.wait()
        return await transact(work)

    monkeypatch.setattr(shop.store, "transact", slow_to_note)
    answers = [failing(410, Failure.GONE), failing(503, Failure.SERVER, retry_after="86400"), *[failing()] * 5]
    answering = asyncio.Event()
    shop.sender.script = held(answering, lambda _: answers.pop())
    await shop.rule()
    await shop.record(*visits(len(answers)))
    await shop.until(lambda: shop.sender.flying == len(answers))
    answering.set()
    await shop.until(lambda: late == 3 and not shop.deliverer._sending.unwritten)
    shop.sender.script = ok
    await change_endpoint(outside, "end_1", ELSEWHERE, None)
    await shop.poll()
    gate.set()
    await shop.until(lambda: shop.deliverer._outboxes.boxes["end_1"].quiet)
    await shop.later(SECOND)
    known = await endpoint(shop)
    assert (known.paused, known.held_until, known.breaker.open) == (None, None, False)
    assert await arrived(shop)


@pytest.fixture
async def team(opening: Opening, tmp_path: Path) -> AsyncIterator[Crew]:
    async with crew(tmp_path, opening) as made:
        await made.shop.endpoint(notice=False)
        await made.shop.rule()
        yield made


@pytest.mark.parametrize("talking", [True, False])
async def test_another_process_which_owns_it_takes_it_up(team: Crew, *, talking: bool) -> None:
    shop = team.shop
    one = await team.join("one")
    two = await team.join("two", delivers=False)
    one.sender.script = lambda _: failing(503, Failure.SERVER, retry_after="86400")
    await shop.record(*visits(3))
    await team.until(lambda: len(one.sender.sent) > 0 and one.deliverer._outboxes.boxes["end_1"].quiet)
    one.sender.script = ok
    sent = len(one.sender.sent)
    team.talking = talking
    await pause_and_resume(replace(Desk(shop).outside, notice=two.deliverer))
    await team.until(lambda: len(one.sender.sent) == sent + 3)
    await shop.until(lambda: not one.deliverer._sending.unwritten)
    assert await arrived(shop)


async def test_a_pause_by_the_receiver_that_meets_a_saved_endpoint_is_one_of_it(shop: Workshop) -> None:
    known = await endpoint(shop)

    async def work(tx: Tx) -> Endpoint | None:
        await health._paused("end_1", Pause.GONE, NOW, 1, tx)
        return await tx.endpoint("end_1")

    assert await shop.store.transact(work) == known
