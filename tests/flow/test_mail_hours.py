"""Mails that wait for the end of quiet hours, whatever happens to them, and owners who hear of those given up."""

import asyncio
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from goniec.core.breaker import FAILURES, PROBE_FIRST, PROBE_LAST
from goniec.core.endpoint import MAIL, MAIL_URL, Pause
from goniec.core.messages import Message
from goniec.core.model import Delivery, Failure, Status
from goniec.core.quiet import MailLimits, QuietHours
from goniec.core.times import MINUTE, SECOND
from goniec.flow import owners
from goniec.flow.merge import merge
from goniec.flow.workspace import MAIL_LIMITS
from goniec.ports import Answer, Posting, Tx
from tests.core.build import NOW, happened
from tests.flow.test_merge import ORIGIN, made
from tests.flow.workshop import Workshop, email

NIGHT = QuietHours("04:00", "06:00")
"""It is 4:36 where contacts are; two rules send, the one by night too."""
DAWN = NOW + 84 * MINUTE

SOON = QuietHours("05:00", "06:00")
"""They begin when what was decided may already be on its way."""
NIGHTFALL = NOW + 24 * MINUTE

TEXTS = {"msg_1": False, "msg_2": True}


async def mailing(
    shop: Workshop, hours: QuietHours | None = NIGHT, rule: dict[str, Any] | None = None, **policy: Any
) -> None:
    """A rule that sends marketing, and one that sends what goes at any hour."""

    async def work(tx: Tx) -> None:
        for id, transactional in TEXTS.items():
            message = Message(
                id=id, version=1, name=id, subject="Hi", text="Hi", transactional=transactional, created_at=NOW,
                updated_at=NOW,
            )  # fmt: skip
            await tx.put_message(message)
        await limit(tx, hours)

    await shop.store.transact(work)
    await shop.endpoint(MAIL, url=MAIL_URL, policy=policy)
    for n, message in enumerate(TEXTS):
        await shop.rule(f"rul_{n}", actions=[{"type": "sendEmail", "message": message}], **(rule or {}))


async def limit(tx: Tx, hours: QuietHours | None) -> None:
    await tx.put_mark(MAIL_LIMITS, msgspec.json.encode(MailLimits(hours)))
    await tx.changed()


async def marketing(shop: Workshop) -> Delivery:
    """The one that minds the hours."""
    (found,) = [one for one in await shop.deliveries() if one.rule_id == "rul_0"]
    return found


def refused(_: Posting) -> Answer:
    return Answer(Failure.MAIL_REFUSED, "go away", 554)


def posted(shop: Workshop) -> set[str]:
    return {one.delivery_id for one in shop.mail.posted}


async def visit(shop: Workshop, n: int = 1) -> None:
    await shop.record(*(email(f"k{k}@x.pl", happenings=(happened(),)) for k in range(n)))
    await shop.settle()


@pytest.mark.parametrize("failure", [Failure.MAIL_REFUSED, Failure.MESSAGE_REFUSED, Failure.MESSAGE_DEFERRED])
async def test_owners_hear_of_mails_that_have_to_be_mended_here(shop: Workshop, failure: Failure) -> None:
    """A sender whom the server does not let send any more has every mail refused for good."""
    await mailing(shop, owner="jan@example.com", schedule=[], breaker=False)
    shop.mail.script = lambda _: Answer(failure, "5.7.1 relay access denied", 554)
    await visit(shop)
    kept = await shop.store.transact(lambda tx: tx.mark(owners.MARK))
    assert kept is not None
    assert msgspec.json.decode(kept)[MAIL]["failed"] == 1


async def test_owners_hear_nothing_of_what_is_about_a_recipient(shop: Workshop) -> None:
    await mailing(shop, owner="jan@example.com", schedule=[], breaker=False)
    shop.mail.script = lambda _: Answer(Failure.RECIPIENT_REFUSED, "no such user", 550)
    await visit(shop)
    assert (await shop.deliveries(status=Status.FAILED))[0].endpoint_id == MAIL
    assert await shop.store.transact(lambda tx: tx.mark(owners.MARK)) is None


async def test_quiet_hours_are_kept_when_the_server_is_resumed(shop: Workshop) -> None:
    await mailing(shop)
    await visit(shop)
    waiting, done = sorted(await shop.deliveries(), key=lambda one: one.rule_id)
    await resume(shop)
    await shop.later(MINUTE)
    assert posted(shop) == {done.id}
    await shop.later(DAWN - shop.clock.at)
    assert posted(shop) == {done.id, waiting.id}


async def resume(shop: Workshop) -> None:
    """As a person does after a pause."""
    await shop.store.transact(lambda tx: tx.hurry(MAIL, shop.clock.now(), 100))
    shop.deliverer.changed(MAIL)


async def test_quiet_hours_are_kept_from_probes_too(shop: Workshop) -> None:
    await mailing(shop)
    await shop.poll()
    shop.mail.script = refused
    await visit(shop, FAILURES)
    timed = {one.id for one in await shop.deliveries() if one.rule_id == "rul_0"}
    for tried in posted(shop):
        await shop.store.transact(lambda tx, id=tried: tx.cancel(id, NOW))  # type: ignore[misc] # bound at once
    for _ in range(5):
        await shop.later(PROBE_FIRST * SECOND)
    assert not timed & posted(shop)
    shop.mail.script = lambda _: Answer(None, "taken", 250)
    await shop.later(DAWN - shop.clock.at)
    assert timed <= posted(shop)


async def test_quiet_hours_are_kept_by_what_a_merge_sets_off(shop: Workshop) -> None:
    await mailing(shop)
    for n, message in enumerate(TEXTS):
        actions = [{"type": "sendEmail", "message": message}]
        await shop.rule(f"rul_{n}", triggers=[{"type": "contact.merged"}], actions=actions)
    kept, gone = await made(shop, "a@x.pl"), await made(shop, "b@x.pl")
    await merge(shop.recorder, shop.store, ORIGIN, kept, gone, None)
    await shop.settle()
    waiting, done = sorted(await shop.deliveries(), key=lambda one: one.rule_id)
    assert posted(shop) == {done.id}
    await shop.later(DAWN - shop.clock.at)
    assert posted(shop) == {done.id, waiting.id}


# --- at every attempt -------------------------------------------------------------------------------------------------


def deferred(_: Posting) -> Answer:
    return Answer(Failure.MESSAGE_DEFERRED, "greylisted", 451)


def took(_: Posting) -> Answer:
    return Answer(None, "taken", 250)


async def waits(shop: Workshop, tries: int, counted: int) -> None:
    """It waits for the end of the hours, which was no attempt, and then goes."""
    one = await marketing(shop)
    assert (one.status, one.due_at, one.failure, one.aside) == (Status.PENDING, DAWN, Failure.QUIET, True)
    assert (one.attempts, one.counted) == (tries, counted)
    assert len(await shop.attempts(one.id)) == tries
    handed_in = len(shop.mail.posted)
    await shop.later(DAWN - MINUTE - shop.clock.at)
    assert len(shop.mail.posted) == handed_in
    await shop.later(MINUTE)
    one = await marketing(shop)
    assert (one.status, one.failure, one.attempts) == (Status.DELIVERED, None, tries + 1)


async def test_a_retry_waits_for_the_end_of_quiet_hours(shop: Workshop) -> None:
    await mailing(shop, SOON, schedule=[30 * 60])
    shop.mail.script = deferred
    await visit(shop)
    shop.mail.script = took
    await shop.later(30 * MINUTE)
    assert [one.marketing for one in shop.mail.envelopes] == [True, False]
    await waits(shop, 1, 1)


async def test_the_hours_of_the_rule_and_the_zone_of_the_contact_count(shop: Workshop) -> None:
    """At 5:36 it is 4:36 in London; where somebody lives may be known only when the mail is on its way."""
    await mailing(shop, None, {"mail": {"quietHours": {"from": "05:00", "until": "06:00"}}}, schedule=[3_600])
    shop.mail.script = deferred
    await visit(shop, 2)
    shop.mail.script = took
    await shop.record(email("k1@x.pl", fields={"timezone": "Europe/London"}))
    await shop.later(60 * MINUTE)
    assert [one.to for one in shop.mail.envelopes[2:] if one.marketing] == ["k1@x.pl"]
    await shop.later(DAWN - shop.clock.at)
    assert [one.to for one in shop.mail.envelopes[2:] if one.marketing] == ["k1@x.pl", "k0@x.pl"]


async def test_a_pause_that_ends_in_quiet_hours_lets_only_the_others_go(shop: Workshop) -> None:
    """A contact's later mails do not wait for the one that has to."""
    await mailing(shop, SOON)
    await paused(shop)
    await shop.later(MINUTE)
    assert [one.marketing for one in shop.mail.envelopes] == [False]
    await waits(shop, 0, 0)


async def paused(shop: Workshop, n: int = 1) -> None:
    """Let some come while the server is paused, and resume it at nightfall."""
    await shop.store.transact(lambda tx: pause(tx, why=Pause.BY_HAND))
    shop.deliverer.changed(MAIL)
    await visit(shop, n)
    await shop.later(NIGHTFALL - shop.clock.at)
    await shop.store.transact(lambda tx: pause(tx, why=None))
    await resume(shop)


async def pause(tx: Tx, why: Pause | None) -> None:
    endpoint = await tx.endpoint(MAIL)
    assert endpoint is not None
    await tx.put_endpoint(replace(endpoint, paused=why, version=endpoint.version + 1))


async def test_what_was_in_memory_when_quiet_hours_began_waits_too(shop: Workshop) -> None:
    await mailing(shop, SOON, concurrency=1)
    gate = asyncio.Event()

    async def slow(_: Posting) -> Answer:
        await gate.wait()
        return took(_)

    shop.mail.script = slow
    await shop.record(email("first@x.pl", happenings=(happened(),)))
    await shop.until(lambda: len(shop.mail.posted) == 1)
    await shop.store.transact(lambda tx: tx.delete_rule("rul_0"))
    await shop.rule("rul_2", actions=[{"type": "sendEmail", "message": message} for message in TEXTS])
    await shop.record(email("k0@x.pl", happenings=(happened(),)))
    shop.clock.at = NIGHTFALL
    gate.set()
    await shop.settle()
    assert [(one.to, one.marketing) for one in shop.mail.envelopes] == [
        ("first@x.pl", True), ("k0@x.pl", False), ("first@x.pl", False), ("k0@x.pl", False),
    ]  # fmt: skip
    await shop.later(DAWN - shop.clock.at)
    assert [(one.to, one.marketing) for one in shop.mail.envelopes][4:] == [("k0@x.pl", True)]


async def test_what_waits_takes_no_turn_from_others(shop: Workshop) -> None:
    """However slowly the server is to be sent to, and however many have to wait."""
    await mailing(shop, SOON, rate=0.001)
    await paused(shop, 20)
    waiting: list[Delivery] = []
    while len(waiting) < 20:
        await shop.poll()
        waiting = [one for one in await shop.deliveries() if one.failure is Failure.QUIET]
    await shop.until(lambda: bool(shop.mail.posted))
    assert [one.marketing for one in shop.mail.envelopes] == [False]
    assert {(one.attempts, one.due_at) for one in waiting} == {(0, DAWN)}


async def test_what_somebody_wants_sent_again_in_quiet_hours_waits(shop: Workshop) -> None:
    await mailing(shop, SOON)
    await visit(shop)
    one = await marketing(shop)
    await shop.later(NIGHTFALL - shop.clock.at)
    for _ in range(3):
        await shop.store.transact(lambda tx: tx.requeue(one.id, shop.clock.now()))
        await shop.later(MINUTE)
    await waits(shop, 1, 0)


async def test_what_waits_can_be_called_off_and_says_nothing_of_the_hour_then(shop: Workshop) -> None:
    await mailing(shop)
    await visit(shop)
    one = await marketing(shop)
    assert one.failure is Failure.QUIET
    await shop.store.transact(lambda tx: tx.cancel(one.id, NOW))
    one = await marketing(shop)
    assert (one.status, one.failure) == (Status.CANCELLED, None)


async def test_hours_that_are_changed_count_for_what_waits(shop: Workshop) -> None:
    await mailing(shop)
    await visit(shop)
    await shop.store.transact(lambda tx: limit(tx, QuietHours("05:30", "07:00")))
    await shop.later(DAWN - shop.clock.at)
    one = await marketing(shop)
    assert (one.status, one.due_at) == (Status.PENDING, DAWN + 60 * MINUTE)
    await shop.store.transact(lambda tx: limit(tx, None))
    await shop.later(60 * MINUTE)
    assert (await marketing(shop)).status is Status.DELIVERED


async def test_a_probe_is_no_mail_that_has_to_wait(shop: Workshop) -> None:
    """What was due before the hours began is put off once, and then no probe meets it again."""
    await mailing(shop, SOON)
    await shop.poll()
    shop.mail.script = refused
    await visit(shop, FAILURES)
    await shop.later(NIGHTFALL - shop.clock.at)
    handed_in = len(shop.mail.posted)
    for _ in range(12):
        await shop.later(PROBE_LAST * SECOND // 4)
    probes = shop.mail.envelopes[handed_in:]
    assert probes
    assert not any(one.marketing for one in probes)
    shop.mail.script = took
    await shop.later(PROBE_LAST * SECOND * 2)
    await shop.later(MINUTE)
    assert {one.status for one in await shop.deliveries()} == {Status.DELIVERED, Status.PENDING}
    assert not any(one.marketing for one in shop.mail.envelopes[handed_in:])
    await shop.later(DAWN - shop.clock.at)
    assert {one.status for one in await shop.deliveries()} == {Status.DELIVERED}
