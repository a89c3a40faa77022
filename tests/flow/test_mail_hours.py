"""Mails that wait for the end of quiet hours, and owners who hear of those that are given up."""

from typing import Any

import msgspec
import pytest

from goniec.core.breaker import FAILURES, PROBE_FIRST
from goniec.core.endpoint import MAIL, MAIL_URL
from goniec.core.messages import Message
from goniec.core.model import Failure, Status
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

TEXTS = {"msg_1": False, "msg_2": True}


async def mailing(shop: Workshop, **policy: Any) -> None:
    """A rule that sends marketing, and one that sends what goes at any hour."""

    async def work(tx: Tx) -> None:
        for id, transactional in TEXTS.items():
            message = Message(
                id=id, version=1, name=id, subject="Hi", text="Hi", transactional=transactional, created_at=NOW,
                updated_at=NOW,
            )  # fmt: skip
            await tx.put_message(message)
        await tx.put_mark(MAIL_LIMITS, msgspec.json.encode(MailLimits(NIGHT)))

    await shop.store.transact(work)
    await shop.endpoint(MAIL, url=MAIL_URL, policy=policy)
    for n, message in enumerate(TEXTS):
        await shop.rule(f"rul_{n}", actions=[{"type": "sendEmail", "message": message}])


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
