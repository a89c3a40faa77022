"""Mail from the decision to the mail server and back: what is handed in, what is told, what is left out."""

from typing import Any

import pytest
from msgspec.structs import replace

from goniec.core import actions as a
from goniec.core.changes import LiftBounce
from goniec.core.decide import Call, Happening
from goniec.core.endpoint import MAIL
from goniec.core.identity import Who
from goniec.core.mailing import figure
from goniec.core.messages import Message
from goniec.core.model import Event, Failure, Status, User
from goniec.core.quiet import MailLimits, QuietHours
from goniec.core.times import HOUR, MINUTE
from goniec.flow.endpoint_drafts import EndpointDraft
from goniec.flow.endpoints import change_endpoint
from goniec.flow.mails import Mails, has_come, is_given_up, may_tell
from goniec.flow.merge import merge
from goniec.flow.messages import (
    create_message,
    message_figures,
)
from goniec.flow.users import add_user, change_user
from goniec.flow.workspace import change_mail_limits
from goniec.observe import counters
from goniec.ports import Answer, EventFilter, Finished, Moved, Page, Unavailable
from tests.core.build import happened
from tests.flow.desk import Desk
from tests.flow.passwords import Plain
from tests.flow.test_merge import ORIGIN, made
from tests.flow.workshop import Workshop, email, taken

HELLO = {"name": "Hello", "subject": "Hi {{ contact.name }}", "text": "Hi"}
VISIT = [{"type": "page.visited"}]


@pytest.fixture
def desk(shop: Workshop) -> Desk:
    return Desk(shop)


async def hello(desk: Desk, **fields: Any) -> Message:
    made = await create_message(desk.outside, HELLO | fields)
    assert isinstance(made, Message)
    return made


async def ready(desk: Desk, message: dict[str, Any] | None = None, **fields: Any) -> Message:
    """A rule that sends a message to who visits."""
    made = await hello(desk, **(message or {}))
    send = {"type": "sendEmail", "message": made.id}
    await desk.create(triggers=VISIT, **{"actions": [send], **fields})
    return made


async def visit(desk: Desk, address: str = "jan@example.pl", **fields: Any) -> None:
    await desk.shop.record(email(address, happenings=(happened(url="https://shop.example"),), **fields))
    await desk.shop.settle()


async def told(shop: Workshop, *kinds: str) -> list[Event]:
    found = [one for kind in kinds for one in await shop.store.queries.events(EventFilter(type=kind), Page(500))]
    return sorted(found, key=lambda event: event.id)


def refusing(failure: Failure, status: int | None = 550) -> Any:
    return lambda _: Answer(failure, "550 5.1.1 no such user here", status)


async def test_a_mail_is_handed_in_and_told_once_it_is_taken(desk: Desk) -> None:
    shop = desk.shop
    before = counters.mail["sent"]
    message = await ready(desk)
    await visit(desk)
    (envelope,) = shop.mail.envelopes
    assert (envelope.to, envelope.message, envelope.version) == ("jan@example.pl", message.id, 1)
    (delivery,) = await shop.deliveries()
    assert (delivery.status, delivery.endpoint_id, delivery.id) == (
        Status.DELIVERED,
        MAIL,
        shop.mail.posted[0].delivery_id,
    )
    (attempt,) = await shop.attempts(delivery.id)
    assert (attempt.status, attempt.body) == (250, b"250 OK")
    (sent,) = await told(shop, "email.sent")
    assert sent.data == {
        "message": message.id, "delivery": delivery.id, "subject": "Hi", "machine": False, "first": False,
    }  # fmt: skip
    assert (sent.cause, sent.source, sent.depth) == (delivery.run_id, "rule", 1)
    assert shop.sender.sent == []
    found = await message_figures(shop.store.queries, [message.id], shop.clock.now())
    assert found[message.id]["sent"] == 1
    assert counters.mail["sent"] == before + 1


async def test_a_mail_that_is_sent_once_more_is_told_once(desk: Desk) -> None:
    shop = desk.shop
    await ready(desk)
    await visit(desk)
    (delivery,) = await shop.deliveries()
    await shop.store.transact(lambda tx: tx.requeue(delivery.id, shop.clock.now()))
    await shop.later(1_000)
    assert [one.delivery_id for one in shop.mail.posted] == [delivery.id] * 2
    assert shop.mail.posted[0].body == shop.mail.posted[1].body
    assert len(await told(shop, "email.sent")) == 1


async def test_greylisting_is_tried_again_on_the_schedule(desk: Desk) -> None:
    shop = desk.shop
    await ready(desk)
    shop.mail.script = refusing(Failure.RECIPIENT_DEFERRED, 451)
    await visit(desk)
    assert await told(shop, "email.sent", "email.bounced") == []
    shop.mail.script = taken
    await shop.later(MINUTE)
    assert [event.type for event in await told(shop, "email.sent", "email.bounced")] == ["email.sent"]


async def test_a_recipient_that_is_not_there_bounces_and_gets_no_more(desk: Desk) -> None:
    shop = desk.shop
    message = await ready(desk)
    shop.mail.script = refusing(Failure.RECIPIENT_REFUSED)
    await visit(desk, "Jan@Example.pl")
    shop.mail.script = taken
    (bounced,) = await told(shop, "email.bounced")
    assert (bounced.data["kind"], bounced.data["email"]) == ("hard", "jan@example.pl")
    assert (bounced.data["reason"], bounced.data["code"]) == ("550 5.1.1 no such user here", "5.1.1")
    await visit(desk, "jan@example.pl")
    assert len(shop.mail.posted) == 1
    found = await message_figures(shop.store.queries, [message.id], shop.clock.now())
    assert {name: n for name, n in found[message.id].items() if n} == {"bounced": 1}
    (delivery,) = await shop.deliveries()
    assert (delivery.status, delivery.counted) == (Status.FAILED, 1)


async def test_a_recipient_that_is_put_off_to_the_end_bounces_softly(desk: Desk) -> None:
    shop = desk.shop
    await ready(desk)
    await change_endpoint(desk.outside, MAIL, EndpointDraft(schedule=()), None)
    shop.deliverer.changed(MAIL)
    shop.mail.script = refusing(Failure.RECIPIENT_DEFERRED, 452)
    await visit(desk)
    assert [event.data["kind"] for event in await told(shop, "email.bounced")] == ["soft"]


async def test_a_message_that_is_refused_ends_and_is_no_bounce(desk: Desk) -> None:
    shop = desk.shop
    await ready(desk)
    shop.mail.script = refusing(Failure.MESSAGE_REFUSED, 554)
    await visit(desk)
    (delivery,) = await shop.deliveries()
    assert (delivery.status, delivery.failure) == (Status.FAILED, Failure.MESSAGE_REFUSED)
    assert await told(shop, "email.bounced", "webhook.failed", "email.sent") == []


async def test_a_mail_server_that_is_away_costs_no_mail(desk: Desk) -> None:
    shop = desk.shop
    await ready(desk)
    shop.mail.script = refusing(Failure.CONNECT, None)
    for n in range(8):
        await visit(desk, f"jan{n}@example.pl")
    assert (await told(shop, "email.sent")) == []
    shop.mail.script = taken
    for _ in range(4):
        await shop.later(HOUR)
    assert len(await told(shop, "email.sent")) == 8


async def test_a68_who_opted_out_before_it_fell_due_gets_none_and_what_comes_after_goes_on(desk: Desk) -> None:
    shop = desk.shop
    await change_mail_limits(desk.outside, MailLimits(QuietHours("00:00", "08:00")))
    message = await ready(desk)
    await desk.create(triggers=[{"type": "contact.opted_out"}], actions=[{"type": "addTag", "tag": "GONE"}])
    await visit(desk)
    (delivery,) = await shop.deliveries()
    assert (delivery.status, delivery.aside) == (Status.PENDING, True)
    assert shop.mail.posted == []
    await shop.record(email("jan@example.pl", changes=(a.LeaveByMail(message.id, delivery.id),), source="tracking"))
    await shop.later(5 * HOUR)
    (delivery,) = await shop.deliveries()
    assert (delivery.status, delivery.failure) == (Status.CANCELLED, Failure.OPTED_OUT)
    (attempt,) = await shop.attempts(delivery.id)
    assert "opted out" in attempt.detail
    assert shop.mail.posted == []
    contact = await shop.store.queries.contact(delivery.contact_id)
    assert contact is not None
    assert "GONE" in contact.tags
    (left,) = await told(shop, "contact.opted_out")
    assert (left.data["message"], left.data["delivery"]) == (message.id, delivery.id)
    found = await message_figures(shop.store.queries, [message.id], shop.clock.now())
    assert {name: n for name, n in found[message.id].items() if n} == {"left": 1}


async def test_what_waits_for_the_end_of_quiet_hours_holds_up_nothing_else(desk: Desk) -> None:
    shop = desk.shop
    await change_mail_limits(desk.outside, MailLimits(QuietHours("00:00", "08:00")))
    await ready(desk)
    await ready(desk, {"name": "Order", "transactional": True})
    await visit(desk)
    assert [one.subject for one in shop.mail.envelopes] == ["Hi"]
    assert not shop.mail.envelopes[0].marketing
    await shop.later(5 * HOUR)
    assert [one.marketing for one in shop.mail.envelopes] == [False, True]


async def test_a_dead_address_gets_not_even_what_waited(desk: Desk) -> None:
    shop = desk.shop
    await change_mail_limits(desk.outside, MailLimits(QuietHours("00:00", "08:00")))
    await ready(desk)
    await visit(desk)
    (delivery,) = await shop.deliveries()
    bounce = Happening("email.bounced", {"message": "m", "kind": "hard", "email": "jan@example.pl"})
    await shop.record(email("jan@example.pl", happenings=(bounce,)))
    await shop.later(5 * HOUR)
    (delivery,) = await shop.deliveries()
    assert (delivery.status, delivery.failure) == (Status.CANCELLED, Failure.BOUNCED)


@pytest.mark.parametrize("now", ["new@example.pl", None])
async def test_an_address_that_was_given_up_gets_nothing_that_still_waited(desk: Desk, now: str | None) -> None:
    """Transactional mail neither; what is decided from then on goes to the new one."""
    shop = desk.shop
    await ready(desk, {"name": "Order", "transactional": True})
    shop.mail.script = refusing(Failure.CONNECT, None)
    await visit(desk)
    (waiting,) = await shop.deliveries()
    await shop.record(Call(who=Who(id=waiting.contact_id), fields={"externalId": "7", "email": now}))
    shop.mail.script = taken
    shop.mail.posted.clear()
    await shop.later(HOUR)
    (delivery,) = await shop.deliveries()
    assert (delivery.status, delivery.failure) == (Status.CANCELLED, Failure.MOVED)
    assert shop.mail.posted == []
    assert await told(shop, "email.bounced", "webhook.failed") == []
    await shop.record(Call(who=Who(id=waiting.contact_id), happenings=(happened(),)))
    await shop.settle()
    assert [one.to for one in shop.mail.envelopes] == ([] if now is None else [now])


async def test_an_address_that_is_written_another_way_is_the_same(desk: Desk) -> None:
    shop = desk.shop
    await ready(desk)
    shop.mail.script = refusing(Failure.CONNECT, None)
    await visit(desk)
    await shop.record(email("jan@example.pl", fields={"email": "Jan@Example.pl"}))
    shop.mail.script = taken
    await shop.later(HOUR)
    assert [one.status for one in await shop.deliveries()] == [Status.DELIVERED]


async def test_what_was_for_a_contact_that_was_merged_goes_to_the_address_it_had(desk: Desk) -> None:
    shop = desk.shop
    await ready(desk)
    shop.mail.script = refusing(Failure.CONNECT, None)
    kept, gone = await made(shop, "a@x.pl"), await made(shop, "b@x.pl")
    await visit(desk, "b@x.pl")
    await merge(shop.recorder, shop.store, ORIGIN, kept, gone, None)
    shop.mail.script = taken
    shop.mail.posted.clear()
    await shop.later(HOUR)
    assert [one.to for one in shop.mail.envelopes] == ["b@x.pl"]


async def test_a09_only_the_first_opening_of_a_message_scores(desk: Desk) -> None:
    shop = desk.shop
    await ready(desk)
    await desk.create(triggers=[{"type": "email.opened", "first": True}], actions=[{"type": "addScore", "points": 5}])
    await visit(desk)
    await visit(desk)
    one, other = await shop.deliveries()
    for delivery, times in ((one, 5), (other, 1)):
        for _ in range(times):
            seen = Happening("email.opened", {"message": "m", "delivery": delivery.id, "machine": False})
            await shop.record(email("jan@example.pl", happenings=(seen,)))
    contact = await shop.store.queries.contact(one.contact_id)
    assert contact is not None
    assert contact.score == 10


async def test_a_notice_goes_to_a_user_who_is_made_later_too(desk: Desk) -> None:
    shop = desk.shop
    notify = {"type": "notifyUser", "user": "owner", "subject": "{{ contact.email }} is here", "text": "Look."}
    await desk.create(triggers=VISIT, actions=[notify])
    await visit(desk, changes=(a.SetOwner("ola@firma.example"),))
    assert shop.mail.posted == []
    await add_user(
        shop.store, shop.clock, shop.dice, Plain(), email="ola@firma.example", password="long enough", role="editor"
    )
    await visit(desk)
    (envelope,) = shop.mail.envelopes
    assert (envelope.to, envelope.subject) == ("ola@firma.example", "jan@example.pl is here")
    assert await told(shop, "email.sent") == []


async def test_who_has_been_shut_out_gets_no_notice(desk: Desk) -> None:
    shop = desk.shop
    ola = await add_user(
        shop.store, shop.clock, shop.dice, Plain(), email="ola@firma.example", password="long enough", role="editor"
    )
    assert isinstance(ola, User)
    await desk.create(triggers=VISIT, actions=[{"type": "notifyUser", "user": "owner", "subject": "x", "text": "y"}])
    await change_user(shop.store, shop.clock, Plain(), ola.id, {"disabled": True})
    await visit(desk, changes=(a.SetOwner("ola@firma.example"),))
    assert shop.mail.posted == []


# --- the room itself -------------------------------------------------------------------------------------------------


class Away:
    """A store that cannot be asked."""

    async def contact(self, _: str) -> None:
        raise Unavailable("away")


async def test_nothing_goes_without_a_mail_server_or_a_text(desk: Desk) -> None:
    shop = desk.shop
    await ready(desk)
    await visit(desk)
    (delivery,) = await shop.deliveries()
    endpoint = await shop.store.queries.endpoint(MAIL)
    assert endpoint is not None

    async def sent(mails: Mails, **changed: Any) -> Failure | None:
        answer = await mails.send(endpoint, replace(delivery, **changed))
        assert isinstance(answer, Answer)
        return answer.failure

    assert await sent(Mails(shop.store.queries, None, shop.clock)) is Failure.MAIL_OFF
    mails = Mails(shop.store.queries, shop.mail, shop.clock)
    assert await sent(mails, body=b"") is Failure.INTERNAL
    assert await sent(mails, contact_id="c0") is Failure.OPTED_OUT
    away = Mails(Away(), shop.mail, shop.clock)  # type: ignore[arg-type] # all that is asked of it
    assert await sent(away) is Failure.INTERNAL
    assert len(shop.mail.posted) == 1


async def test_a_result_that_is_about_no_message_tells_nothing(desk: Desk) -> None:
    shop = desk.shop
    await ready(desk)
    await visit(desk)
    (delivery,) = await shop.deliveries()
    (attempt,) = await shop.attempts(delivery.id)
    assert may_tell(Finished(replace(delivery, body=b""), attempt)) is None
    assert may_tell(Finished(replace(delivery, test=True), attempt)) is None
    one = Finished(replace(delivery, status=Status.FAILED), replace(attempt, failure=Failure.CONNECT))
    assert may_tell(one) is None
    assert is_given_up(one)
    assert not has_come(one, Moved(replace(one.delivery, test=True), Status.PENDING))
    assert not has_come(one, Moved(delivery, Status.PENDING))
    assert figure("msg_1", "sent") == "msg_1:sent"


# --- addresses that mail came back from -------------------------------------------------------------------------------


async def test_a_resend_that_finds_nobody_any_more_bounces_and_what_had_arrived_stays_so(desk: Desk) -> None:
    shop = desk.shop
    message = await ready(desk)
    await visit(desk)
    (delivery,) = await shop.deliveries()
    shop.mail.script = refusing(Failure.RECIPIENT_REFUSED)
    await shop.store.transact(lambda tx: tx.requeue(delivery.id, shop.clock.now()))
    await shop.later(1_000)
    (delivery,) = await shop.deliveries()
    assert (delivery.status, delivery.attempts) == (Status.DELIVERED, 2)
    (bounced,) = await told(shop, "email.bounced")
    assert (bounced.data["kind"], bounced.data["email"]) == ("hard", "jan@example.pl")
    assert len(await told(shop, "email.sent")) == 1
    await visit(desk)
    assert len(shop.mail.posted) == 2
    found = await message_figures(shop.store.queries, [message.id], shop.clock.now())
    assert found[message.id]["bounced"] == 1


async def test_once_the_bounce_is_lifted_mail_goes_there_and_what_was_called_off_only_when_asked_for(
    desk: Desk,
) -> None:
    shop = desk.shop
    await change_mail_limits(desk.outside, MailLimits(QuietHours("00:00", "08:00")))
    await ready(desk)
    await visit(desk)
    bounce = Happening("email.bounced", {"message": "m", "kind": "hard", "email": "jan@example.pl"})
    await shop.record(email("jan@example.pl", happenings=(bounce,)))
    await shop.later(5 * HOUR)
    (delivery,) = await shop.deliveries()
    assert (delivery.status, delivery.failure) == (Status.CANCELLED, Failure.BOUNCED)
    await shop.record(email("jan@example.pl", changes=(LiftBounce(),)))
    await shop.later(MINUTE)
    assert shop.mail.posted == []
    await shop.store.transact(lambda tx: tx.requeue(delivery.id, shop.clock.now()))
    await shop.later(MINUTE)
    await visit(desk)
    assert len(shop.mail.posted) == 2
