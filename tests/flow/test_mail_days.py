"""Of marketing a day brings its contact only so much, also where mails come on a later day than they were decided for."""

from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from goniec.core.decide import Happening
from goniec.core.model import Delivery, Failure, Status
from goniec.core.quiet import midnight
from goniec.core.times import HOUR, MINUTE
from goniec.flow.days import KEPT_SECONDS, Days
from goniec.ports import Answer, Posting
from tests.core.build import NOW, happened
from tests.flow.test_mail_hours import mailing, took
from tests.flow.workshop import Workshop, email

WARSAW = ZoneInfo("Europe/Warsaw")
ONE: dict[str, Any] = {"mail": {"perDay": 1}}


def away(_: Posting) -> Answer:
    return Answer(Failure.CONNECT, "nobody is there")


async def visit(shop: Workshop) -> Delivery:
    """The mail that it sets off."""
    known = {one.id for one in await shop.deliveries()}
    await shop.record(email("jan@x.pl", happenings=(happened(),)))
    await shop.settle()
    (made,) = [one for one in await shop.deliveries() if one.id not in known and one.rule_id == "rul_0"]
    return made


async def standing(shop: Workshop, delivery: Delivery) -> Delivery:
    (found,) = [one for one in await shop.deliveries() if one.id == delivery.id]
    return found


def went(shop: Workshop) -> list[str]:
    """Marketing that was handed in, in order."""
    return [one.delivery_id for one, seen in zip(shop.mail.posted, shop.mail.envelopes, strict=True) if seen.marketing]


async def day(shop: Workshop, ahead: int = 1) -> None:
    """Let so many days of the contact's calendar begin, and a minute go by."""
    await shop.later(midnight(shop.clock.at, WARSAW, ahead) - shop.clock.at + MINUTE)


async def test_after_an_outage_of_days_each_day_brings_one(shop: Workshop) -> None:
    await mailing(shop, None, ONE, breaker=False, schedule=[3_600] * 9)
    shop.mail.script = away
    made = []
    for _ in range(3):
        made.append(await visit(shop))
        await day(shop)
    shop.mail.posted.clear()
    shop.mail.script = took
    for n in range(3):
        await shop.later(2 * HOUR)
        assert len(went(shop)) == n + 1
        waiting = [one for one in await shop.deliveries() if one.status is Status.PENDING]
        due = midnight(shop.clock.at, WARSAW, 1)
        assert {(one.failure, one.due_at, one.aside) for one in waiting} == {(Failure.QUIET, due, True)} or n == 2
        await shop.later(due - shop.clock.at - MINUTE)
        assert len(went(shop)) == n + 1
        await shop.later(2 * MINUTE)
    assert set(went(shop)) == {one.id for one in made}


async def test_what_comes_late_leaves_today_s_its_room_and_takes_what_is_left(shop: Workshop) -> None:
    await mailing(shop, None, ONE, breaker=False, schedule=[3_600] * 9)
    shop.mail.script = away
    late = await visit(shop)
    await day(shop)
    today = await visit(shop)
    shop.mail.script = took
    shop.mail.posted.clear()
    await shop.later(12 * HOUR)
    assert went(shop) == [today.id]
    assert (await standing(shop, late)).failure is Failure.QUIET
    await day(shop)
    assert went(shop) == [today.id, late.id]
    third = await visit(shop)
    assert (third.failure, third.due_at) == (Failure.QUIET, midnight(shop.clock.at, WARSAW, 1))
    await day(shop)
    assert went(shop) == [today.id, late.id, third.id]


async def test_a_mail_that_did_not_go_takes_no_room(shop: Workshop) -> None:
    await mailing(shop, None, ONE, breaker=False, schedule=[3_600] * 9)
    shop.mail.script = away
    first = await visit(shop)
    await day(shop)
    second = await visit(shop)
    shop.mail.script = lambda one: (
        Answer(Failure.MESSAGE_REFUSED, "spam", 554) if one.delivery_id == first.id else took(one)
    )
    shop.mail.posted.clear()
    await day(shop)
    await shop.later(12 * HOUR)
    assert [(await standing(shop, one)).status for one in (first, second)] == [Status.FAILED, Status.DELIVERED]


async def test_what_somebody_wants_sent_again_waits_for_a_day_with_room(shop: Workshop) -> None:
    await mailing(shop, None, ONE)
    first = await visit(shop)
    await day(shop)
    second = await visit(shop)
    assert went(shop) == [first.id, second.id]
    await shop.store.transact(lambda tx: tx.requeue(first.id, shop.clock.now()))
    await shop.later(MINUTE)
    assert (await standing(shop, first)).failure is Failure.QUIET
    await day(shop)
    assert went(shop) == [first.id, second.id, first.id]


async def test_what_is_told_of_mails_of_others_counts_nothing_nor_what_went_long_ago(shop: Workshop) -> None:
    await mailing(shop, None, ONE)
    first = await visit(shop)
    sent = [
        Happening("email.sent", {"message": "m", **more}) for more in ({}, {"delivery": first.id}, {"delivery": "x"})
    ]
    await day(shop)
    await shop.record(email("jan@x.pl", happenings=tuple(sent)))
    second = await visit(shop)
    assert went(shop) == [first.id, second.id]


async def test_what_is_on_its_way_is_known_for_some_minutes(shop: Workshop) -> None:
    await mailing(shop, None, ONE)
    shop.mail.script = away
    one = await visit(shop)
    days = Days(shop.store.queries, shop.clock)

    async def gone(today: str) -> list[str]:
        other = one.id + "x"
        return await days.gone(replace(one, id=other), one.contact_id, today, NOW)

    days.hold(one, "2025-11-25", "2025-11-24")
    assert (await gone("2025-11-25"), await gone("2025-11-26")) == (["2025-11-24"], [])
    days.drop(one)
    assert await gone("2025-11-25") == []
    days.hold(one, "2025-11-25", "2025-11-24")
    shop.clock.at += int(KEPT_SECONDS * 1_000) + 1
    later = replace(one, id=one.id + "y", contact_id="con_other")
    days.hold(later, "2025-11-25", "2025-11-25")
    assert await gone("2025-11-25") == []
