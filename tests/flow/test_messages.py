"""Saving messages, and what rules lean on of them; limits; test sends."""

from collections.abc import Awaitable
from typing import Any

import pytest
from msgspec.structs import replace

from goniec.core.composing import Composer
from goniec.core.endpoint import MAIL
from goniec.core.messages import Message
from goniec.core.model import Failure, Status
from goniec.core.problems import Invalid
from goniec.core.quiet import MailLimits, QuietHours
from goniec.flow.configure import Conflict, Missing, Stale
from goniec.flow.endpoint_drafts import EndpointDraft, HeaderDraft
from goniec.flow.endpoints import change_endpoint, delete_endpoint
from goniec.flow.messages import change_message, create_message, delete_message, message_figures, shown_message
from goniec.flow.rules import RuleSaved, create_rule, switch_rule
from goniec.flow.testing import MailTrial, send_mail_test
from goniec.flow.workspace import change_mail_limits, mail_limits
from goniec.ports import Answer, EventFilter, Page
from tests.flow.desk import Desk, draft
from tests.flow.workshop import Workshop

HELLO = {"name": "Hello", "subject": "Hi {{ contact.name }}", "text": "Hi"}


@pytest.fixture
def desk(shop: Workshop) -> Desk:
    return Desk(shop)


async def hello(desk: Desk, **fields: Any) -> Message:
    made = await create_message(desk.outside, HELLO | fields)
    assert isinstance(made, Message)
    return made


async def problems(work: Awaitable[Any]) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        await work
    return {problem.pointer: problem.detail for problem in caught.value.problems}


async def test_a_message_that_cannot_be_made_is_refused_with_its_line(desk: Desk) -> None:
    told = await problems(create_message(desk.outside, HELLO | {"text": "a\n{{ 5 | divided_by: 0 }}"}))
    assert list(told) == ["/text"]
    assert told["/text"].startswith("line 2: ")


async def test_messages_have_names_of_their_own_and_versions(desk: Desk) -> None:
    made = await hello(desk)
    assert isinstance(await create_message(desk.outside, HELLO | {"name": "HELLO"}), Conflict)
    assert await change_message(desk.outside, made.id, HELLO, None) == made
    changed = await change_message(desk.outside, made.id, HELLO | {"subject": "Ho"}, frozenset({"1"}))
    assert isinstance(changed, Message)
    assert (changed.version, shown_message(changed).subject) == (2, "Ho")
    assert await change_message(desk.outside, made.id, HELLO, frozenset({"1"})) == Stale("2")
    assert await change_message(desk.outside, "msg_0", HELLO, None) == Missing("message")
    other = await hello(desk, name="Other")
    assert isinstance(await change_message(desk.outside, other.id, HELLO, None), Conflict)


async def test_a_message_that_a_rule_sends_stays(desk: Desk) -> None:
    made = await hello(desk)
    await desk.create(actions=[{"type": "sendEmail", "message": made.id}])
    refused = await delete_message(desk.outside, made.id, None)
    assert isinstance(refused, Conflict)
    assert refused.rules
    other = await hello(desk, name="Other")
    assert await delete_message(desk.outside, other.id, frozenset({"7"})) == Stale("1")
    assert await delete_message(desk.outside, other.id, None) is None
    assert await delete_message(desk.outside, other.id, None) == Missing("message")
    assert await desk.shop.store.queries.messages() == [made]


async def test_of_no_message_there_are_no_figures(desk: Desk) -> None:
    assert await message_figures(desk.shop.store.queries, [], desk.shop.clock.now()) == {}


async def test_a_rule_names_messages_and_users_that_there_are(desk: Desk) -> None:
    actions = [
        {"type": "sendEmail", "message": "msg_0"},
        {"type": "notifyUser", "user": "nobody@firma.example", "subject": "x", "text": "y"},
        {"type": "notifyUser", "user": "owner", "subject": "x", "text": "y"},
    ]
    told = await problems(create_rule(desk.outside, draft(actions=actions)))
    assert list(told) == ["/actions/0/message", "/actions/1/user"]


async def test_without_a_mail_server_a_rule_that_sends_is_saved_but_not_switched_on(desk: Desk) -> None:
    made = await hello(desk)
    outside = replace(desk.outside, mail=False)
    rule = draft(otherwise=[{"type": "sendEmail", "message": made.id}])
    told = await problems(create_rule(outside, rule))
    assert list(told) == ["/otherwise/0"]
    assert "GONIEC_SMTP_URL" in told["/otherwise/0"]
    saved = await create_rule(outside, rule | {"active": False})
    assert isinstance(saved, RuleSaved)
    assert list(await problems(switch_rule(outside, saved.rule.id, None, active=True))) == ["/otherwise/0"]
    assert isinstance(await switch_rule(desk.outside, saved.rule.id, None, active=True), RuleSaved)


async def test_the_mail_server_is_no_receiver(desk: Desk) -> None:
    await hello(desk)
    given = EndpointDraft(headers=(HeaderDraft("x-a", "b"),), tell_erasure=True)
    assert list(await problems(change_endpoint(desk.outside, MAIL, given, None))) == ["/headers", "/tellErasure"]
    assert isinstance(await delete_endpoint(desk.outside, MAIL), Conflict)
    hook = {"type": "webhook", "endpointId": MAIL}
    assert list(await problems(create_rule(desk.outside, draft(actions=[hook])))) == ["/actions/0/endpointId"]


async def test_limits_are_kept_and_make_sense(desk: Desk) -> None:
    assert await mail_limits(desk.shop.store) == MailLimits()
    limits = MailLimits(QuietHours("21:00", "08:00"), 3)
    assert await change_mail_limits(desk.outside, limits) == limits
    assert await mail_limits(desk.shop.store) == limits
    wrong = MailLimits(QuietHours("21:00", "24:00"))
    assert list(await problems(change_mail_limits(desk.outside, wrong))) == ["/quietHours/until"]


async def test_a_test_send_goes_to_the_address_given_and_tells_nothing(desk: Desk) -> None:
    shop = desk.shop
    made = await hello(desk)
    trial = await send_mail_test(desk.bench, made, None, "me@firma.example", Composer())
    assert isinstance(trial, MailTrial)
    assert (trial.delivery.status, trial.attempt.status) == (Status.DELIVERED, 250)
    (envelope,) = shop.mail.envelopes
    assert (envelope.to, envelope.subject) == ("me@firma.example", "Hi Jan Kowalski")
    assert (envelope.tracked, envelope.marketing) == (False, False)
    shop.mail.script = lambda _: Answer(Failure.RECIPIENT_REFUSED, "no such user", 550)
    trial = await send_mail_test(desk.bench, made, None, "you@firma.example", Composer())
    assert isinstance(trial, MailTrial)
    assert trial.delivery.status is Status.FAILED
    for kind in ("email.sent", "email.bounced"):
        assert await shop.store.queries.events(EventFilter(type=kind), Page()) == []


async def test_a_test_send_that_cannot_be(desk: Desk) -> None:
    made = await hello(desk)
    assert await send_mail_test(desk.bench, made, "c0", "me@firma.example", Composer()) == Missing("contact")
    assert list(await problems(send_mail_test(desk.bench, made, None, "me@@firma", Composer()))) == ["/to"]
    broken = replace(made, text="{{ 5 | divided_by: 0 }}")
    assert list(await problems(send_mail_test(desk.bench, broken, None, "me@firma.example", Composer()))) == [""]
