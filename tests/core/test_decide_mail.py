"""Mail that a rule sends: to whom, when, and why not; and what is known once it was read."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from goniec.core.changes import undo
from goniec.core.composing import Colleague, Composer
from goniec.core.decide import Decision, Happening, World, decide
from goniec.core.endpoint import MAIL
from goniec.core.explain import Listening, summary
from goniec.core.mailing import Envelope, opened, unwelcome, zone_of
from goniec.core.messages import Message
from goniec.core.model import CLICKED, OPENED, READ_MOST, RETURNED, Contact, Failure, Skip, Skipped
from goniec.core.quiet import NO_LIMITS, MailLimits, QuietHours
from goniec.core.rules import Rule, RuleSet
from goniec.core.times import HOUR, SECOND
from tests.core.build import ENDPOINT, NOW, call, contact, happened, minting, outcomes, rule, types

SEND = {"type": "sendEmail", "message": "msg_1"}
NOTIFY = {"type": "notifyUser", "user": "owner", "subject": "{{ contact.name }}", "text": "look"}
VISIT = ({"type": "page.visited"},)


def message(**fields: Any) -> Message:
    return Message(
        **{
            "id": "msg_1", "version": 1, "name": "m", "subject": "Hi", "text": "Hi {{ contact.score | divided_by: 1 }}",
            "created_at": NOW, "updated_at": NOW, **fields,
        }
    )  # fmt: skip


def sending(*actions: Any, **fields: Any) -> Rule:
    return rule("rul_1", triggers=VISIT, actions=list(actions), **fields)


def sent(
    person: Contact,
    *rules: Rule,
    messages: Iterable[Message] = (message(),),
    limits: MailLimits | None = None,
    now: int = NOW,
    what: Any = None,
    endpoints: frozenset[str] = frozenset({MAIL}),
) -> Decision:
    users = [Colleague("usr_1", "ola@firma.example")]
    world = World(RuleSet(rules), endpoints, {}, Composer(messages, users, limits or MailLimits()))
    return decide(person, what or call(happenings=(happened(),)), (), world, now, minting(now))


def test_a_mail_is_a_delivery_for_the_mail_server() -> None:
    decision = sent(contact(score=5), sending(SEND))
    (delivery,) = decision.deliveries
    assert (delivery.endpoint_id, delivery.rule_id, delivery.due_at, delivery.aside) == (MAIL, "rul_1", NOW, False)
    envelope = opened(delivery.body)
    assert envelope is not None
    assert (envelope.to, envelope.subject, envelope.text) == (
        "jan@x.pl",
        "Hi",
        "Hi 5\n\n-- \nUnsubscribe: goniec:unsubscribe\n",
    )
    assert decision.runs[0].deliveries == (delivery.id,)
    assert decision.contact.mailed == {"2025-11-25": 1}


def test_a_mail_is_made_of_what_the_actions_before_it_left() -> None:
    decision = sent(contact(score=5), sending({"type": "addScore", "points": 2}, SEND))
    envelope = opened(decision.deliveries[0].body)
    assert envelope is not None
    assert envelope.text is not None
    assert envelope.text.startswith("Hi 7")


@pytest.mark.parametrize(
    ("person", "why"),
    [
        ({"email": None, "phone": "600100200"}, "noAddress"),
        ({"subscriptions": {"email": False}}, "optedOut"),
        ({"bounced": "jan@x.pl", "email": "Jan@X.pl"}, "addressBounced"),
    ],
)
def test_who_gets_none_is_left_out_and_the_run_says_why(person: dict[str, Any], why: str) -> None:
    decision = sent(contact(**person), sending({"type": "addTag", "tag": "A"}, SEND, {"type": "addTag", "tag": "B"}))
    assert outcomes(decision) == [("rul_1", "fired")]
    assert decision.runs[0].skipped == (Skipped("/actions/1", why),)
    assert (decision.deliveries, sorted(decision.contact.tags)) == ([], ["A", "B"])
    assert decision.contact.mailed == {}


def test_a_rule_says_of_the_other_branch_too_what_was_left_out() -> None:
    never = {"type": "score", "op": "gte", "value": 1_000}
    made = sending(conditions=never, otherwise=[SEND])
    assert sent(contact(email=None, phone="1"), made).runs[0].skipped == (Skipped("/otherwise/0", "noAddress"),)


@pytest.mark.parametrize(
    "person",
    [{"subscriptions": {"email": True}}, {"subscriptions": {"phone": False}}, {"bounced": "jan@old.pl"}],
)
def test_who_said_nothing_against_it_gets_it(person: dict[str, Any]) -> None:
    assert len(sent(contact(**person), sending(SEND)).deliveries) == 1


def test_what_is_no_marketing_goes_to_who_has_opted_out_at_any_hour_and_is_not_counted() -> None:
    night = MailLimits(QuietHours("00:00", "23:59"), per_day=1)
    person = contact(subscriptions={"email": False}, mailed={"2025-11-25": 1})
    decision = sent(person, sending(SEND), messages=[message(transactional=True)], limits=night)
    (delivery,) = decision.deliveries
    assert (delivery.due_at, decision.contact.mailed) == (NOW, {"2025-11-25": 1})


def test_a_day_takes_only_so_many_also_within_one_call() -> None:
    decision = sent(contact(), sending(SEND, SEND, SEND), limits=MailLimits(per_day=2))
    assert len(decision.deliveries) == 2
    assert decision.runs[0].skipped == (Skipped("/actions/2", "dayFull"),)
    tighter = sending(SEND, SEND, mail={"perDay": 1})
    assert len(sent(contact(), tighter, limits=MailLimits(per_day=2)).deliveries) == 1


def test_in_quiet_hours_it_waits_outside_its_lane() -> None:
    # 04:36 in Warsaw
    quiet = MailLimits(QuietHours("22:00", "08:00"))
    (delivery,) = sent(contact(), sending(SEND), limits=quiet).deliveries
    assert (delivery.due_at, delivery.aside) == (NOW + 3 * HOUR + 24 * 60 * SECOND, True)
    assert (delivery.failure, delivery.timed) == (Failure.QUIET, True)
    # and 22:36 of the day before in New York
    (delivery,) = sent(contact(timezone="America/New_York"), sending(SEND), limits=quiet).deliveries
    assert datetime.fromtimestamp((delivery.due_at or 0) / SECOND, ZoneInfo("America/New_York")).hour == 8
    tighter = sending(SEND, mail={"quietHours": {"from": "00:00", "until": "12:00"}})
    (delivery,) = sent(contact(), tighter, limits=quiet).deliveries
    assert delivery.due_at == NOW + 7 * HOUR + 24 * 60 * SECOND


def test_a_mail_knows_the_hours_of_its_rule_for_as_long_as_it_waits() -> None:
    def put(**fields: Any) -> Envelope:
        (delivery,) = sent(contact(), sending(SEND, **fields)).deliveries
        envelope = opened(delivery.body)
        assert envelope is not None
        assert (delivery.failure, delivery.timed) == (None, False)
        return envelope

    night = MailLimits(QuietHours("04:00", "05:00"))
    dawn = NOW + 24 * 60 * SECOND
    plain = put(timezone="Europe/Kyiv")
    assert (plain.wait(contact(), NOW, night), plain.wait(contact(), NOW, NO_LIMITS)) == (None, None)
    assert plain.wait(contact(timezone="Europe/Warsaw"), NOW, night) == dawn
    own = put(mail={"quietHours": {"from": "05:00", "until": "06:00"}})
    assert own.wait(contact(), dawn, NO_LIMITS) == dawn + HOUR
    assert own.wait(contact(), NOW, night) == dawn + HOUR
    assert replace(own, zone=None).wait(contact(), NOW, night) is None  # as of before: 03:36 UTC
    assert replace(own, zone="Nowhere/At_All").wait(contact(), NOW, night) is None
    assert replace(own, marketing=False).wait(contact(), NOW, night) is None


def test_a_mail_knows_the_day_on_which_it_counts() -> None:
    def put(limits: MailLimits = NO_LIMITS, **fields: Any) -> Envelope:
        (delivery,) = sent(contact(), sending(SEND, **fields), limits=limits).deliveries
        envelope = opened(delivery.body)
        assert envelope is not None
        return envelope

    two = MailLimits(per_day=2)
    one, today, tomorrow = put(mail={"perDay": 1}), "2025-11-25", "2025-11-26"
    assert (one.day, one.per_day, one.rationed(NO_LIMITS)) == (today, 1, True)
    assert put(MailLimits(QuietHours("04:00", "03:00"))).day == tomorrow
    plain = put(two)
    assert (plain.rationed(two), plain.rationed(NO_LIMITS), replace(plain, day="").rationed(two)) == (
        True,
        False,
        False,
    )
    # on its day it has been counted, and makes room only for what came late
    full = contact(mailed={today: 2, tomorrow: 1})
    assert plain.fits(full, today, two, [today, today])
    assert plain.fits(full, today, two, ["2025-11-24"])
    assert not plain.fits(full, today, two, [today, "2025-11-24"])
    # on another it goes where the day's own leave it room
    assert plain.fits(full, tomorrow, two, [tomorrow])
    assert not plain.fits(full, tomorrow, two, [today])
    assert not one.fits(full, tomorrow, two, [])
    assert plain.fits(full, "2025-11-27", two, [today])


def test_what_waits_for_a_day_begins_with_it_unless_that_is_quiet() -> None:
    (delivery,) = sent(contact(), sending(SEND, mail={"quietHours": {"from": "05:00", "until": "06:00"}})).deliveries
    envelope = opened(delivery.body)
    assert envelope is not None
    midnight = NOW + 19 * HOUR + 24 * 60 * SECOND
    assert envelope.tomorrow(contact(), NOW, NO_LIMITS) == midnight
    assert envelope.tomorrow(contact(timezone="Europe/London"), NOW, NO_LIMITS) == midnight + HOUR
    assert envelope.tomorrow(contact(), NOW, MailLimits(QuietHours("22:00", "05:00"))) == midnight + 6 * HOUR


def test_a_text_that_cannot_be_made_fails_the_run_whole() -> None:
    broken = message(text="{{ contact.score | divided_by: contact.details.none }}")
    made = sending({"type": "addTag", "tag": "A"}, {"type": "emitEvent", "kind": "X"}, SEND, maxRuns=1)
    other = rule("rul_2", triggers=[{"type": "contact.tagged"}, {"type": "external_event.added"}])
    decision = sent(contact(), made, other, messages=[broken])
    (run,) = decision.runs
    assert (run.outcome.value, run.deliveries, run.skipped) == ("configError", (), ())
    assert run.detail is not None
    assert run.detail.startswith("action 3: its text, line 1: ")
    assert types(decision) == ["page.visited"]
    assert (decision.contact.tags, decision.contact.fired, decision.deliveries) == ({}, {}, [])


def test_a_rule_whose_message_is_gone_does_nothing_and_says_so() -> None:
    (run,) = sent(contact(), sending(SEND), messages=()).runs
    assert (run.outcome.value, run.detail) == ("configError", "action 1: the message msg_1 does not exist")


@pytest.mark.parametrize("action", [SEND, NOTIFY])
def test_a_rule_without_a_mail_server_does_nothing_and_says_so(action: dict[str, Any]) -> None:
    (run,) = sent(contact(), sending(action), endpoints=frozenset()).runs
    assert (run.outcome.value, run.detail) == ("configError", "action 1: mail is not set up")


def test_a_notice_goes_to_the_owner_who_is_a_user() -> None:
    decision = sent(contact(name="Jan", owner="ola@firma.example", subscriptions={"email": False}), sending(NOTIFY))
    envelope = opened(decision.deliveries[0].body)
    assert envelope is not None
    assert (envelope.to, envelope.subject, envelope.text, envelope.tracked) == (
        "ola@firma.example",
        "Jan",
        "look",
        False,
    )
    assert sent(contact(), sending(NOTIFY)).runs[0].skipped == (Skipped("/actions/0", "noUser"),)


def told(person: Contact, type_: str, **data: Any) -> Decision:
    given = {"message": "msg_1", "machine": False, "first": False, **data}
    return sent(person, what=call(happenings=(Happening(type_, given, NOW, "key"),)))


def test_of_a_mail_the_first_opening_is_known() -> None:
    first = told(contact(), "email.opened", delivery="dlv_1")
    assert [event.data["first"] for event in first.events] == [True]
    assert first.contact.read == {"dlv_1": OPENED}
    again = told(first.contact, "email.opened", delivery="dlv_1")
    assert [event.data["first"] for event in again.events] == [False]
    other = told(again.contact, "email.opened", delivery="dlv_2")
    assert [event.data["first"] for event in other.events] == [True]


def test_a67_a_click_without_an_opening_makes_one_that_is_derived() -> None:
    decision = told(contact(), "email.clicked", delivery="dlv_1", url="https://shop.example/")
    opening, click = decision.events
    assert (opening.type, opening.data) == (
        "email.opened",
        {"message": "msg_1", "delivery": "dlv_1", "machine": False, "first": True, "derived": True},
    )
    assert (click.type, click.data["first"], click.dedup_key) == ("email.clicked", True, "key")
    assert [event.id for event in decision.happened] == [click.id]
    assert decision.contact.read == {"dlv_1": OPENED | CLICKED}
    again = told(decision.contact, "email.clicked", delivery="dlv_1", url="https://shop.example/")
    assert [(event.type, event.data["first"]) for event in again.events] == [("email.clicked", False)]


def test_a_mail_comes_back_for_the_first_time_once() -> None:
    soft = told(contact(read={"dlv_1": OPENED}), "email.bounced", delivery="dlv_1", kind="soft", first=True)
    assert (soft.events[0].data["first"], soft.contact.read) == (True, {"dlv_1": OPENED | RETURNED})
    hard = told(soft.contact, "email.bounced", delivery="dlv_1", kind="hard", email="jan@x.pl", first=True)
    assert (hard.events[0].data["first"], hard.contact.bounced) == (False, "jan@x.pl")


def test_what_the_server_refused_has_not_come_back() -> None:
    refused = told(contact(), "email.bounced", delivery="dlv_1", kind="hard", email="jan@x.pl")
    assert (refused.events[0].data["first"], refused.contact.read) == (False, {})


def test_a_machine_has_read_nothing() -> None:
    decision = told(contact(), "email.clicked", delivery="dlv_1", machine=True)
    assert (types(decision), decision.events[0].data["first"], decision.contact.read) == (["email.clicked"], False, {})


def test_of_a_mail_that_somebody_else_sent_nothing_is_known() -> None:
    decision = told(contact(), "email.clicked", first=True)
    assert (types(decision), decision.events[0].data["first"], decision.contact.read) == (["email.clicked"], True, {})


def test_only_the_newest_mails_are_remembered() -> None:
    person = contact(read={f"dlv_{n:03}": OPENED for n in range(READ_MOST)})
    after = told(person, "email.opened", delivery="dlv_999").contact
    assert len(after.read) == READ_MOST
    assert "dlv_000" not in after.read
    assert "dlv_999" in after.read


def test_an_address_that_mail_came_back_from_gets_no_more() -> None:
    bounced = told(contact(), "email.bounced", kind="hard", email="jan@x.pl").contact
    assert unwelcome(bounced, marketing=False) is Skip.BOUNCED
    written = told(contact(email="Jan@X.pl"), "email.bounced", kind="hard", email=" Jan@X.PL").contact
    assert (written.bounced, unwelcome(written, marketing=False)) == ("jan@x.pl", Skip.BOUNCED)
    assert told(contact(), "email.bounced", kind="hard", email="Jan").contact.bounced == "Jan"
    assert unwelcome(told(contact(), "email.bounced", kind="soft", email="jan@x.pl").contact, marketing=True) is None
    assert unwelcome(told(contact(), "email.bounced", kind="hard").contact, marketing=True) is None


@pytest.mark.parametrize(
    ("zone", "found"), [("America/New_York", "America/New_York"), (None, "Europe/Warsaw"), ("Mars", "Europe/Warsaw")]
)
def test_hours_go_by_the_contact_s_zone(zone: str | None, found: str) -> None:
    assert zone_of(contact(timezone=zone), ZoneInfo("Europe/Warsaw")) == ZoneInfo(found)


def test_a_rule_that_sends_mail_is_explained_by_its_messages() -> None:
    def told(one: Rule, **fields: Any) -> str:
        composer = Composer([message()], [Colleague("usr_1", "ola@firma.example")])
        found = Listening(one, ZoneInfo("Europe/Warsaw")).prospect(
            one, contact(**fields), frozenset({MAIL, ENDPOINT}), {}, NOW, composer
        )
        return summary(one, (), {}, found)[-1]

    hook = {"type": "webhook", "endpointId": ENDPOINT}
    fired = "asked for now, it would end as fired"
    assert told(sending(SEND)) == f"{fired}, with 1 mail"
    both = sending(SEND, SEND, {**NOTIFY, "user": "usr_1"}, hook)
    assert told(both) == f"{fired}, with 3 mails and 1 webhook"
    assert told(both, subscriptions={"email": False}) == (
        f"{fired}, with 1 mail and 1 webhook; left out: the contact has opted out"
    )


def test_what_a_bounce_covers_is_known_again_once_it_is_undone() -> None:
    person = contact(email="jan@x.pl", bounced="old@x.pl")
    decision = told(person, "email.bounced", kind="hard", email="jan@x.pl", old="made@up.pl")
    (event,) = decision.events
    assert (decision.contact.bounced, event.data["old"]) == ("jan@x.pl", "old@x.pl")
    assert undo(decision.contact, event).bounced == "old@x.pl"
    (first,) = told(contact(), "email.bounced", kind="hard", email="jan@x.pl", old="made@up.pl").events
    assert "old" not in first.data
