"""Openings and clicks come through: each is recorded once, whatever is away meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from goniec.core import actions as a
from goniec.core.decide import Happening
from goniec.core.ids import DELIVERY, MESSAGE, of_number
from goniec.core.model import Event
from goniec.core.tokens import Mark
from goniec.flow import tracking as room
from goniec.flow.batch import Recorded
from goniec.flow.record import Overloaded
from goniec.flow.tracking import Tracking, leaving, returning
from goniec.observe import counters
from goniec.ports import EventFilter, Page, Spool, Unavailable
from goniec.store.spool import DiskSpool
from tests.flow.spool import MemorySpool
from tests.flow.workshop import Workshop, email

D, M = of_number(DELIVERY, 7), of_number(MESSAGE, 9)
NOBODY = "00000000-0000-7000-8000-000000000000"


@asynccontextmanager
async def tracking(shop: Workshop, spool: Spool) -> AsyncIterator[Tracking]:
    """Openings and clicks, being recorded."""
    tracked = Tracking(spool, shop.recorder, shop.clock, shop.dice)
    running = asyncio.create_task(tracked.run())
    try:
        yield tracked
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def mark(shop: Workshop, url: str | None = None, message: str = M) -> Mark:
    (made,) = await shop.record(email("jan@example.com"))
    assert isinstance(made, Recorded)
    return Mark(D, made.contact.id, message, url)


async def events(shop: Workshop, kind: str) -> list[Event]:
    return await shop.store.queries.events(EventFilter(type=kind), Page(500))


def failing(work: Callable[..., Any], *errors: Exception) -> Callable[..., Any]:
    """Fail so often, and then do it."""
    left = list(errors)

    async def tried(*arguments: Any, **named: Any) -> Any:
        if left:
            raise left.pop(0)
        return await work(*arguments, **named)

    return tried


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "AWAY_SECONDS", 0.001)


async def test_an_opening_and_a_click_become_events(shop: Workshop) -> None:
    spool = MemorySpool()
    who = await mark(shop, "https://sklep.example/?" + "q" * 10_000)
    recorded = counters.sightings["recorded"]
    async with tracking(shop, spool) as tracked:
        await tracked.note("email.opened", Mark(who.delivery_id, who.contact_id, ""), machine=True)
        at = shop.clock.now()
        shop.clock.at += 5_000
        await tracked.note("email.clicked", who, machine=False)
        await spool.empty.wait()
    # what was seen, and what the click proves
    opened, derived = await events(shop, "email.opened")
    (clicked,) = await events(shop, "email.clicked")
    assert (derived.data["derived"], derived.data["first"], derived.occurred_at) == (True, True, at + 5_000)
    assert opened.data == {"delivery": D, "machine": True}
    assert (opened.contact_id, opened.occurred_at, opened.source) == (who.contact_id, at, "tracking")
    assert clicked.data["message"] == M
    assert clicked.data["delivery"] == D
    assert clicked.data["machine"] is False
    assert clicked.data["url"] == ("https://sklep.example/?" + "q" * 10_000)[:8_192]
    assert clicked.occurred_at == at + 5_000
    assert counters.sightings["recorded"] == recorded + 2


async def test_what_waited_on_disk_when_the_process_died_is_recorded_by_the_next(
    shop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = DiskSpool(tmp_path / "spool")
    who = await mark(shop)
    await Tracking(spool, shop.recorder, shop.clock, shop.dice).note("email.opened", who, machine=False)
    await spool.close()
    again = DiskSpool(tmp_path / "spool")
    dropped = asyncio.Event()
    drop = again.drop

    async def noticed(numbers: Collection[int]) -> None:
        await drop(numbers)
        dropped.set()

    monkeypatch.setattr(again, "drop", noticed)
    async with tracking(shop, again):
        await dropped.wait()
    await again.close()
    assert len(await events(shop, "email.opened")) == 1


async def test_what_is_told_twice_is_recorded_once(shop: Workshop) -> None:
    spool = MemorySpool()
    who = await mark(shop)
    await Tracking(spool, shop.recorder, shop.clock, shop.dice).note("email.opened", who, machine=False)
    await spool.keep(list(spool.items.values()))
    async with tracking(shop, spool):
        await spool.empty.wait()
    assert len(await events(shop, "email.opened")) == 1


async def test_two_openings_are_two(shop: Workshop) -> None:
    spool = MemorySpool()
    who = await mark(shop)
    async with tracking(shop, spool) as tracked:
        for _ in range(450):
            await tracked.note("email.opened", who, machine=False)
        await spool.empty.wait()
    assert len(await events(shop, "email.opened")) == 450


async def test_what_is_away_is_waited_for(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = MemorySpool()
    who = await mark(shop)
    away = Unavailable("away")
    monkeypatch.setattr(shop.recorder, "record", failing(shop.recorder.record, away, Overloaded(), away))
    monkeypatch.setattr(spool, "waiting", failing(spool.waiting, away))
    monkeypatch.setattr(spool, "drop", failing(spool.drop, away))
    async with tracking(shop, spool) as tracked:
        await tracked.note("email.opened", who, machine=False)
        await spool.empty.wait()
    assert len(await events(shop, "email.opened")) == 1


async def test_a_disk_that_is_full_is_told(shop: Workshop) -> None:
    spool = MemorySpool()
    spool.broken = True
    with pytest.raises(Unavailable, match="the disk is full"):
        await Tracking(spool, shop.recorder, shop.clock, shop.dice).note("email.opened", await mark(shop), machine=True)


async def test_what_cannot_be_recorded_holds_nothing_up(shop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    spool = MemorySpool()
    await spool.keep([b"garbage"])
    async with tracking(shop, spool) as tracked:
        await spool.empty.wait()
        await tracked.note("email.opened", Mark(D, NOBODY, M), machine=False)
        await tracked.note("email.opened", await mark(shop), machine=False)
        await spool.empty.wait()
    assert len(await events(shop, "email.opened")) == 1
    said = capsys.readouterr().err
    assert "tracking.unreadable" in said
    assert "tracking.refused" in said
    assert "unknownContact" in said


async def test_what_others_left_is_found_without_anything_new(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.001)
    spool, left = MemorySpool(), MemorySpool()
    await Tracking(left, shop.recorder, shop.clock, shop.dice).note("email.opened", await mark(shop), machine=False)
    looked = asyncio.Event()
    waiting = spool.waiting

    async def noticed(most: int) -> list[tuple[int, bytes]]:
        looked.set()
        return await waiting(most)

    monkeypatch.setattr(spool, "waiting", noticed)
    async with tracking(shop, spool):
        await looked.wait()
        await spool.keep(list(left.items.values()))
        await spool.empty.wait()
    assert len(await events(shop, "email.opened")) == 1


async def test_a_person_opts_out_and_in_again(shop: Workshop) -> None:
    who = await mark(shop)
    await shop.record(leaving(who), leaving(who))
    assert await back(shop, who)
    assert not await back(shop, who)
    (left,) = await events(shop, "contact.opted_out")
    assert (left.source, left.data["channel"]) == ("tracking", "email")
    assert len(await events(shop, "contact.opted_in")) == 1
    contact = await shop.store.queries.contact(who.contact_id)
    assert contact is not None
    assert contact.subscriptions == {"email": True}


async def back(shop: Workshop, who: Mark) -> bool:
    """Return by a mail, if it is by this one that the person is out."""
    call = await returning(shop.store.queries, who)
    if call is not None:
        (done,) = await shop.record(call)
        assert isinstance(done, Recorded)
    return call is not None


async def test_nobody_returns_who_left_in_another_way(shop: Workshop) -> None:
    who = await mark(shop)
    assert not await back(shop, who), "never left"
    for left in (a.OptOut("email"), a.LeaveByMail(M, "dlv_2"), a.LeaveByMail(M, D, complaint=True)):
        await shop.record(email("jan@example.com", changes=(a.OptIn("email"),)))
        await shop.record(email("jan@example.com", changes=(left,)))
        await shop.record(leaving(who))
        assert not await back(shop, who)
    assert not await back(shop, Mark(D, NOBODY, M))


async def test_who_returns_left_mail_and_is_not_known_to_have_the_address_again(shop: Workshop) -> None:
    who = await mark(shop)
    dead = Happening("email.bounced", {"message": M, "kind": "hard", "email": "jan@example.com"})
    await shop.record(email("jan@example.com", happenings=(dead,)))
    await shop.record(leaving(who))
    await shop.record(email("jan@example.com", changes=(a.OptOut("phone"),)))
    assert await back(shop, who)
    contact = await shop.store.queries.contact(who.contact_id)
    assert contact is not None
    assert (contact.bounced, contact.subscriptions) == ("jan@example.com", {"email": True, "phone": False})
