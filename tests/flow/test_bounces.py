"""Bounces come back: from a real mailbox into events, each once, whatever is away meanwhile."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest
from msgspec.structs import replace
from typing_extensions import override

from goniec.core import actions as a
from goniec.core.bounces import Report
from goniec.core.changes import LiftBounce
from goniec.core.decide import Call
from goniec.core.identity import Who
from goniec.core.ids import of_number
from goniec.core.model import Attempt, Delivery
from goniec.core.tokens import bounce
from goniec.flow import bounces as room
from goniec.flow.bounces import Bounces, Mailed, Returns, Told, find_mail, told_call
from goniec.flow.messages import delivered, message_figures
from goniec.flow.record import Overloaded
from goniec.ports import Finished, Unavailable, Unread
from goniec.send.imap import ImapMailbox, parse_mailbox
from goniec.send.reports import read
from tests.flow.mails import ANNA, KEYS, M, events, sent
from tests.flow.workshop import Workshop
from tests.imapserver import MailboxHost, mailbox
from tests.returned import sample


@pytest.fixture
def box() -> Iterator[MailboxHost]:
    with mailbox() as host:
        yield host


def at_work(shop: Workshop, box: MailboxHost) -> Bounces:
    returns = Returns(ImapMailbox(parse_mailbox(box.url)), read, KEYS)
    return Bounces(returns, shop.store, shop.recorder, shop.clock)


def returned(name: str, delivery: Delivery) -> bytes:
    """A mail about one that went out."""
    return sample(name, bounce(KEYS, delivery.id), f"{delivery.id.lower()}.{bounce(KEYS, delivery.id)}")


async def test_a_bounce_becomes_an_event_of_its_contact(shop: Workshop, box: MailboxHost) -> None:
    delivery = await sent(shop, "Anna@Firma.example")
    box.put(returned("postfix", delivery))
    await at_work(shop, box).empty()
    (event,) = await events(shop)
    assert event.data == {
        "message": M,
        "delivery": delivery.id,
        "kind": "hard",
        "code": "5.1.1",
        "reason": "550 5.1.1 <anna@firma.example>: Recipient address rejected: User unknown in virtual mailbox table",
        "email": ANNA,
        "machine": False,
        "first": True,
    }
    assert (event.contact_id, event.source, event.source_key) == (delivery.contact_id, "tracking", None)
    assert (box.count(), box.count("SEEN", "Goniec")) == (0, 1)


async def test_the_same_mail_twice_is_one_event_and_another_kind_is_another(shop: Workshop, box: MailboxHost) -> None:
    delivery = await sent(shop)
    box.put(*[returned("postfix", delivery)] * 2, returned("sendmail", delivery))
    bounces = at_work(shop, box)
    await bounces.empty()
    box.put(returned("postfix", delivery))
    await bounces.empty()
    assert [event.data["kind"] for event in await events(shop)] == ["hard", "soft"]
    found = (await message_figures(shop.store.queries, [M], shop.clock.now()))[M]
    assert (found["bounced"], found["returned"]) == (1, 1)
    assert delivered({**found, "sent": 3}) == 2, "it is one mail"
    assert delivered(found) == 0


async def test_a_mail_that_was_sent_again_may_come_back_again(shop: Workshop, box: MailboxHost) -> None:
    delivery = await sent(shop, attempts=1)
    bounces = at_work(shop, box)

    async def dead_after_a_report() -> bool:
        box.put(returned("postfix", delivery))
        await bounces.empty()
        contact = await shop.store.queries.contact(delivery.contact_id)
        assert contact is not None
        return contact.bounced == ANNA

    assert await dead_after_a_report()
    await shop.record(Call(who=Who(id=delivery.contact_id), changes=(LiftBounce(),)))
    assert not await dead_after_a_report(), "it is still of the first time"
    again = Attempt(delivery_id=delivery.id, number=2, at=shop.clock.now(), millis=1, resend=True)
    await shop.store.transact(lambda tx: tx.finish([Finished(replace(delivery, attempts=2), again)]))
    assert await dead_after_a_report()
    assert [event.data["first"] for event in await events(shop)] == [True, False]


async def test_a_bounce_in_a_charset_of_its_own(shop: Workshop, box: MailboxHost) -> None:
    box.put(returned("wild-charset", await sent(shop)))
    await at_work(shop, box).empty()
    (event,) = await events(shop)
    assert event.data["reason"] == "550 5.1.1 Nie ma takiego użytkownika [31m"


async def test_a_complaint_opts_out(shop: Workshop, box: MailboxHost) -> None:
    delivery = await sent(shop)
    box.put(*[returned("complaint", delivery)] * 2)
    await at_work(shop, box).empty()
    (event,) = await events(shop, "contact.opted_out")
    assert (event.data["channel"], event.source, event.contact_id) == ("email", "tracking", delivery.contact_id)
    assert await events(shop) == []


async def test_a_complaint_of_who_has_left_already_is_told_once(shop: Workshop, box: MailboxHost) -> None:
    delivery = await sent(shop)
    await shop.record(Call(who=Who(id=delivery.contact_id), changes=(a.OptOut("email"),)))
    box.put(*[returned("complaint", delivery)] * 2)
    await at_work(shop, box).empty()
    assert [event.data.get("complaint") for event in await events(shop, "contact.opted_out")] == [None, True]
    found = (await message_figures(shop.store.queries, [M], shop.clock.now()))[M]
    assert {name: n for name, n in found.items() if n} == {"complained": 1}


async def test_that_a_mail_arrived_is_no_event(shop: Workshop, box: MailboxHost) -> None:
    before = await shop.store.queries.totals()
    box.put(returned("postfix-delivered", await sent(shop)))
    await at_work(shop, box).empty()
    assert (await shop.store.queries.totals())["events"] == before["events"] + 1  # the contact's
    assert box.count() == 0
    found = (await message_figures(shop.store.queries, [M], shop.clock.now()))[M]
    assert set(found.values()) == {0}, "what was sent counts as delivered already"


async def test_an_address_behind_the_one_that_we_know_is_not_ours_to_call_dead(
    shop: Workshop, box: MailboxHost
) -> None:
    box.put(returned("postfix", await sent(shop, "zespol@firma.example")))
    await at_work(shop, box).empty()
    (event,) = await events(shop)
    assert (event.data["kind"], event.data["email"]) == ("soft", "zespol@firma.example")


async def test_three_hundred_mails(shop: Workshop, box: MailboxHost) -> None:
    deliveries = [await sent(shop, f"anna{n}@firma.example") for n in range(30)]
    box.put(*(returned("qmail", one) for one in deliveries), *[sample("away")] * 270)
    await at_work(shop, box).empty()
    found = await events(shop)
    assert sorted(event.data["delivery"] for event in found) == sorted(one.id for one in deliveries)
    assert (box.count(), box.count(folder="Goniec")) == (0, 300)


async def test_what_is_none_of_ours_is_marked_and_told_without_its_content(
    shop: Workshop, box: MailboxHost, capsys: pytest.CaptureFixture[str]
) -> None:
    notice = await sent(shop, "szef@example.com", message="")
    test = await sent(shop, "ja@example.com", test=True)
    erased = await sent(shop, "nikt@example.com", body=b"")
    hook = await sent(shop, "hak@example.com", endpoint_id="end_1")
    unknown = of_number("dlv_", 7)
    forged = sample("postfix")
    other = sample("postfix", "jan", "1@example.com")
    mails = [returned("postfix", one) for one in (notice, test, erased, hook)]
    box.put(*mails, sample("postfix", bounce(KEYS, unknown)), forged, other, sample("answer"), b"x")
    await at_work(shop, box).empty()
    assert await events(shop) == []
    assert box.count() == 0
    told = capsys.readouterr().err
    assert (told.count("bounce.unknown"), told.count("bounce.unread")) == (7, 2)
    assert "firma" not in told


async def test_a_contact_that_is_gone_meanwhile(
    shop: Workshop, box: MailboxHost, capsys: pytest.CaptureFixture[str]
) -> None:
    box.put(returned("postfix", await sent(shop, contact_id="00000000-0000-7000-8000-000000000000")))
    await at_work(shop, box).empty()
    assert "bounce.refused" in capsys.readouterr().err
    assert box.count() == 0


# --- what goes wrong --------------------------------------------------------------------------------------------------


async def test_a_kill_between_recording_and_marking_records_nothing_twice(
    shop: Workshop, box: MailboxHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.put(returned("postfix", await sent(shop)))
    killed = at_work(shop, box)
    with monkeypatch.context() as patch:
        patch.setattr(ImapMailbox, "done", dying)
        with pytest.raises(asyncio.CancelledError):
            await killed.empty()
    assert (len(await events(shop)), box.count("UNSEEN")) == (1, 1)
    await at_work(shop, box).empty()
    assert (len(await events(shop)), box.count("UNSEEN")) == (1, 0)


async def dying(*_: object) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("error", [Unavailable("the database is away"), Overloaded()])
async def test_nothing_is_marked_that_is_not_recorded(
    shop: Workshop, box: MailboxHost, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    box.put(returned("postfix", await sent(shop)))
    bounces = at_work(shop, box)

    async def away(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(shop.recorder, "record", away)
        await bounces.empty()
    assert (await events(shop), box.count("UNSEEN")) == ([], 1)
    await bounces.empty()
    assert (len(await events(shop)), box.count("UNSEEN")) == (1, 0)


async def test_a_server_that_marks_nothing_is_not_asked_for_ever(
    shop: Workshop, box: MailboxHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.put(returned("postfix", await sent(shop)))

    async def forgetful(*_: object) -> None:
        pass

    monkeypatch.setattr(ImapMailbox, "done", forgetful)
    await at_work(shop, box).empty()
    assert len(await events(shop)) == 1


async def test_a_mailbox_that_cannot_be_read_is_told_of_without_the_password(
    shop: Workshop, box: MailboxHost, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = Returns(ImapMailbox(parse_mailbox(box.url.replace("p%40ss", "wr0ng"))), read, KEYS)
    await Bounces(wrong, shop.store, shop.recorder, shop.clock).empty()
    box.down()
    await at_work(shop, box).empty()
    told = capsys.readouterr().err
    assert "AUTHENTICATIONFAILED" in told
    assert "ConnectionRefusedError" in told
    assert "wr0ng" not in told


class Endless:
    """A mailbox that tells when it is looked into."""

    def __init__(self) -> None:
        self.looks = 0
        self.looked = asyncio.Event()

    async def fetch(self, most: int) -> list[tuple[str, bytes]]:
        self.looks += 1
        self.looked.set()
        raise Unread(f"not even {most}")

    async def done(self, names: list[str]) -> None:
        raise AssertionError(names)

    async def close(self) -> None:
        pass


class Duties:
    """Leases of which this process has the duty, or not."""

    def __init__(self) -> None:
        self.asked = 0
        self.mine = False

    async def have(self, name: str) -> bool:
        assert name == "duty:bounces"
        self.asked += 1
        return self.mine


async def test_who_has_the_duty_looks_every_minute(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.001)
    box, duties = Endless(), Duties()
    bounces = Bounces(Returns(box, read, KEYS), shop.store, shop.recorder, shop.clock, duties)  # type: ignore[arg-type] # asks for nothing else
    running = asyncio.create_task(bounces.run())
    await shop.until(lambda: duties.asked > 2)
    assert box.looks == 0
    duties.mine = True
    await box.looked.wait()
    before = duties.asked
    await shop.until(lambda: duties.asked > before + 2)
    assert box.looks == 1
    shop.clock.at += 60_000
    await shop.until(lambda: box.looks == 2)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


# --- what is told of a mail -------------------------------------------------------------------------------------------


async def test_a_mail_is_found_by_its_delivery(shop: Workshop) -> None:
    delivery = await sent(shop, "Anna@Firma.example")
    found = await find_mail(shop.store.queries, delivery.id)
    assert found == Mailed(delivery.id, delivery.run_id, delivery.contact_id, M, ANNA)
    assert await find_mail(shop.store.queries, of_number("dlv_", 7)) is None


def test_what_is_told_of_a_contact_whose_mail_nobody_knows() -> None:
    who = Who(email=ANNA, email_key=ANNA)
    call = told_call(Told(kind="soft", at=5), None, who, "provider")
    assert call is not None
    (happening,) = call.happenings
    assert happening.data == {"machine": False, "first": False, "reason": "", "kind": "soft"}
    assert (happening.occurred_at, happening.dedup_key, call.source, call.source_key) == (
        5,
        None,
        "tracking",
        "provider",
    )
    named = told_call(Told(kind="hard", code="5.1.1", email=ANNA), None, who)
    assert named is not None
    assert named.happenings[0].data["email"] == ANNA
    assert told_call(Told(kind="delivered"), None, who) is None


async def test_a_recipient_that_is_no_address_says_nothing(shop: Workshop) -> None:
    delivery = await sent(shop)
    odd = Report(bounce(KEYS, delivery.id), "hard", "5.1.1", "no", "a@b@c")
    nobody = Report(bounce(KEYS, delivery.id), "soft", "", "no", None)

    class Once(Endless):
        @override
        async def fetch(self, most: int) -> list[tuple[str, bytes]]:
            self.looks += 1
            return [("1.1", b"x")] if self.looks <= most // 50 else []

        @override
        async def done(self, names: list[str]) -> None:
            assert names == ["1.1"]

    await Bounces(Returns(Once(), lambda _: [odd, nobody], KEYS), shop.store, shop.recorder, shop.clock).empty()
    assert [event.data["kind"] for event in await events(shop)] == ["hard", "soft"]
    found = (await message_figures(shop.store.queries, [M], shop.clock.now()))[M]
    assert (found["bounced"], found["returned"]) == (1, 1)
    assert delivered({**found, "sent": 3}) == 2, "it is one mail"
    assert delivered(found) == 0
