"""Test sends, runs by hand and explanations, over the real store."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec.structs import replace

from goniec.core.actions import AddTag, RemoveTag
from goniec.core.composing import EXAMPLE, Composer
from goniec.core.decide import Call, Happening
from goniec.core.endpoint import Endpoint
from goniec.core.ids import DELIVERY, is_id, run_id
from goniec.core.messages import Message
from goniec.core.model import Attempt, Contact, Delivery, Failure, Outcome, Status
from goniec.core.problems import Invalid
from goniec.flow import explain as explaining
from goniec.flow.batch import Recorded
from goniec.flow.configure import Conflict, Missing, Refusal
from goniec.flow.deliveries import resend_delivery
from goniec.flow.endpoints import pause_endpoint
from goniec.flow.explain import Explanation, explain
from goniec.flow.messages import create_message
from goniec.flow.rules import switch_rule
from goniec.flow.testing import INTERRUPTED, Trial, _end_lost, asked_run, end_interrupted, send_mail_test, send_test
from goniec.ports import DeliveryFilter, Page, Tx
from tests.flow.desk import Desk, hook
from tests.flow.workshop import Workshop, email, failing, held

ZONE = ZoneInfo("Europe/Warsaw")


@pytest.fixture
def desk(shop: Workshop) -> Desk:
    return Desk(shop)


async def contact(desk: Desk, address: str = "a@x.pl", **fields: Any) -> Contact:
    (result,) = await desk.shop.record(email(address, **fields))
    assert isinstance(result, Recorded)
    return result.contact


async def trying(desk: Desk, rule_id: str, contact_id: str | None = None, pointer: str | None = None) -> Trial:
    found = await send_test(desk.bench, rule_id, contact_id, pointer)
    assert isinstance(found, Trial), found
    return found


async def stored(desk: Desk, trial: Trial) -> Delivery:
    found = await desk.shop.store.queries.delivery(trial.delivery.id)
    assert found is not None
    delivery, attempts = found
    assert attempts == [trial.attempt]
    return delivery


# --- test sends ------------------------------------------------------------------------------------------------------


async def test_a25_a_test_send_has_the_bytes_of_a_real_one_but_for_its_mark(desk: Desk) -> None:
    saved = await desk.create(triggers=[{"type": "contact.created"}], description="ł")
    who = await contact(desk, fields={"company": "M&M", "phone": "600 100 200"})
    await desk.shop.settle()
    tried = await trying(desk, saved.rule.id, who.id)
    real, test = desk.shop.sender.sent
    assert (test.body, test.url) == (real.body, real.url)
    ours = [name for name, _ in real.headers]
    assert [name for name, _ in test.headers] == [*ours, "goniec-test"]
    changing = {"webhook-id", "webhook-signature", "goniec-cause", "goniec-test"}
    assert [header for header in test.headers if header[0] not in changing] == [
        header for header in real.headers if header[0] not in changing
    ]
    assert is_id(DELIVERY, tried.delivery.id)
    assert (tried.can_occur, tried.hints) == (True, ())


async def test_a_test_send_that_arrives_is_a_row_in_the_log(desk: Desk) -> None:
    saved = await desk.create()
    tried = await trying(desk, saved.rule.id)
    delivery = await stored(desk, tried)
    assert (delivery.status, delivery.test, delivery.attempts) == (Status.DELIVERED, True, 1)
    assert msgspec.json.decode(delivery.body)["contactId"] == EXAMPLE.id
    assert delivery.event_type == "contact.tagged"
    totals = await desk.shop.store.queries.totals()
    assert (totals["made"], totals["deliveries.delivered"]) == (1, 1)
    assert totals.get("deliveries.held", 0) == 0


async def test_a_test_send_that_fails_has_failed_and_is_not_tried_again(desk: Desk) -> None:
    saved = await desk.create()
    desk.shop.sender.script = lambda _: failing(403, Failure.REJECTED)
    tried = await trying(desk, saved.rule.id)
    assert (await stored(desk, tried)).status is Status.FAILED
    assert tried.attempt.status == 403
    await desk.shop.later(24 * 3_600_000)
    assert len(desk.shop.sender.sent) == 1


async def test_of_a_contact_that_is_erased_meanwhile_nothing_is_written_or_sent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = await desk.create()
    message = await create_message(desk.outside, {"name": "Hello", "subject": "{{ contact.name }}", "text": "Hi"})
    assert isinstance(message, Message)
    shop = desk.shop
    transact = shop.store.transact

    async def after_an_erasure(id: str, work: Callable[[Tx], Awaitable[Any]]) -> Any:
        monkeypatch.undo()
        await transact(lambda tx: tx.erase(id, shop.clock.now()))
        return await transact(work)

    sends: tuple[Callable[[str], Awaitable[Any]], ...] = (
        lambda id: send_test(desk.bench, saved.rule.id, id, None),
        lambda id: send_mail_test(desk.bench, message, id, "me@firma.example", Composer()),
    )
    for send in sends:
        who = await contact(desk, fields={"name": "Jan"})
        monkeypatch.setattr(shop.store, "transact", partial(after_an_erasure, who.id))
        assert await send(who.id) == Missing("contact")
    assert list(await shop.store.queries.deliveries(DeliveryFilter(), Page())) == []
    assert (shop.sender.sent, shop.mail.posted) == ([], [])


async def test_the_row_is_there_before_anything_is_sent(desk: Desk) -> None:
    saved = await desk.create()
    seen: list[Status] = []

    async def look(_: Any) -> Any:
        seen.extend(one.status for one in await desk.shop.store.queries.deliveries(DeliveryFilter(), Page()))
        return failing()

    desk.shop.sender.script = look
    await trying(desk, saved.rule.id)
    assert seen == [Status.HELD]


async def test_the_last_transaction_can_be_another_stores(desk: Desk) -> None:
    saved = await desk.create()
    found = await send_test(desk.bench, saved.rule.id, None, None, desk.shop.store)
    assert isinstance(found, Trial)


async def test_a25_a_test_send_does_not_hide_that_the_real_one_would_not_come(desk: Desk) -> None:
    saved = await desk.create(active=False, triggers=[{"type": "date.upcoming"}])
    (endpoint_id,) = saved.endpoints
    await pause_endpoint(desk.outside, endpoint_id)
    tried = await trying(desk, saved.rule.id)
    assert tried.delivery.status is Status.DELIVERED
    assert not tried.can_occur
    off, none, which, paused = tried.hints
    assert "off" in off
    assert "none of the rule's triggers" in none
    assert "date.upcoming" in which
    assert "paused (byHand)" in paused


async def test_which_webhook_is_tried(desk: Desk) -> None:
    two = "https://two.example/"
    saved = await desk.create(actions=[{"type": "addTag", "tag": "x"}, hook()], otherwise=[hook(two)])
    assert (await trying(desk, saved.rule.id)).endpoint.url == hook()["url"]
    assert (await trying(desk, saved.rule.id, pointer="/otherwise/0")).endpoint.url == two
    with pytest.raises(Invalid, match="/actions/1, /otherwise/0"):
        await send_test(desk.bench, saved.rule.id, None, "/actions/0")


async def refusal(desk: Desk, rule_id: str, contact_id: str | None = None) -> Refusal:
    found = await send_test(desk.bench, rule_id, contact_id, None)
    assert not isinstance(found, Trial)
    assert desk.shop.sender.sent == []
    assert await desk.shop.deliveries() == []
    return found


async def test_what_cannot_be_tried(desk: Desk) -> None:
    assert await refusal(desk, "rul_x") == Missing("rule")
    saved = await desk.create()
    assert await refusal(desk, saved.rule.id, "c9") == Missing("contact")
    (endpoint,) = saved.endpoints.values()
    await desk.shop.store.transact(lambda tx: tx.put_endpoint(replace(endpoint, secret=b"nobody:x")))
    unopened = await refusal(desk, saved.rule.id)
    assert isinstance(unopened, Conflict)
    assert unopened.code == "secretsUnreadable"
    await desk.shop.store.transact(lambda tx: tx.delete_endpoint(endpoint.id))
    assert await refusal(desk, saved.rule.id) == Missing("endpoint")
    without = await desk.create(actions=[{"type": "addTag", "tag": "x"}])
    conflict = await refusal(desk, without.rule.id)
    assert isinstance(conflict, Conflict)
    assert conflict.code == "noWebhook"
    with pytest.raises(Invalid, match="its webhooks: none"):
        await send_test(desk.bench, without.rule.id, None, "/actions/0")


async def test_erasing_a_contact_empties_its_test_sends(desk: Desk) -> None:
    saved = await desk.create()
    who = await contact(desk)
    tried = await trying(desk, saved.rule.id, who.id)
    await desk.shop.store.transact(lambda tx: tx.erase(who.id, desk.shop.clock.at))
    found = await desk.shop.store.queries.delivery(tried.delivery.id)
    assert found is not None
    assert (found[0].body, found[0].status) == (b"", Status.DELIVERED)


# --- runs by hand ----------------------------------------------------------------------------------------------------


async def test_a_run_by_hand_runs_this_rule_and_no_other_whatever_its_triggers(desk: Desk) -> None:
    saved, other = await desk.create(), await desk.create()
    who = await contact(desk)
    asked = await asked_run(desk.shop.store.queries, saved.rule.id, who.id, "sklep")
    assert isinstance(asked, Call)
    (result,) = await desk.shop.record(asked)
    assert isinstance(result, Recorded)
    (event_id,) = result.happened
    run = await desk.shop.store.queries.run(run_id(event_id, saved.rule.id))
    assert run is not None
    assert run.outcome is Outcome.FIRED
    assert await desk.shop.store.queries.run(run_id(event_id, other.rule.id)) is None
    found = await desk.shop.store.queries.event(event_id)
    assert found is not None
    assert (found[0].type, found[0].data) == ("rule.requested", {"rule": saved.rule.id, "by": "sklep"})


async def test_a_rule_that_is_off_is_not_run_by_hand(desk: Desk) -> None:
    queries = desk.shop.store.queries
    saved = await desk.create(active=False)
    found = await asked_run(queries, saved.rule.id, "c1", "sklep")
    assert isinstance(found, Conflict)
    assert found.code == "ruleInactive"
    assert await asked_run(queries, "rul_x", "c1", "sklep") == Missing("rule")


# --- explain ---------------------------------------------------------------------------------------------------------


async def explained(desk: Desk, rule_id: str, contact_id: str) -> Explanation:
    found = await explain(desk.shop.store.queries, ZONE, rule_id, contact_id, desk.shop.clock.at)
    assert isinstance(found, Explanation), found
    return found


async def test_explain_tells_runs_misses_and_silence_newest_first(desk: Desk) -> None:
    before = await contact(desk)
    desk.shop.clock.at += 1_000
    saved = await desk.create(maxRuns=1, conditions={"type": "score", "op": "gte", "value": 0})
    for tag in ("VIP", "inny"):
        await contact(desk, changes=(AddTag(tag),))
    await contact(desk, happenings=(Happening("page.visited", {"url": "https://x"}),), fire=False)
    await contact(desk, changes=(RemoveTag("VIP"), AddTag("VIP")))
    await switch_rule(desk.outside, saved.rule.id, None, active=False)
    await contact(desk, changes=(RemoveTag("VIP"),))
    await contact(desk, changes=(AddTag("VIP"),))
    found = await explained(desk, saved.rule.id, before.id)
    assert [one.outcome for one in found.evaluations] == [Outcome.LIMIT_REACHED, Outcome.FIRED]
    assert [len(one.deliveries) for one in found.evaluations] == [0, 1]
    assert {(silence.value, kind): count for (silence, kind), count in found.silences.items()} == {
        ("noTrigger", "contact.tagged"): 1,
        ("unfired", "page.visited"): 1,
        ("noTrigger", "contact.untagged"): 2,
        ("notListening", "contact.tagged"): 1,
    }
    assert (found.looked_at, found.complete) == (7, True)
    assert len(found.doubts) == 1
    assert found.now.run is not None
    assert found.now.run.outcome is Outcome.LIMIT_REACHED
    assert "limitReached" in found.summary[-1]


async def test_explain_looks_at_so_many_events(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "EVENTS_LIMIT", 2)
    monkeypatch.setattr(explaining, "SHOWN_LIMIT", 1)
    saved = await desk.create(triggers=[{"type": "contact.created"}, {"type": "contact.tagged"}])
    who = await contact(desk, changes=(AddTag("a"), AddTag("b")))
    found = await explained(desk, saved.rule.id, who.id)
    assert (found.looked_at, found.complete, len(found.evaluations)) == (2, False, 1)
    assert "2 times" in found.summary[0]


async def test_explain_of_a_contact_that_is_younger_than_the_rule(desk: Desk) -> None:
    saved = await desk.create(triggers=[{"type": "contact.created"}])
    who = await contact(desk)
    found = await explained(desk, saved.rule.id, who.id)
    assert (found.looked_at, found.complete, len(found.evaluations)) == (1, True, 1)


async def test_explain_needs_both(desk: Desk) -> None:
    queries = desk.shop.store.queries
    assert await explain(queries, ZONE, "rul_x", "c1", 0) == Missing("rule")
    saved = await desk.create()
    assert await explain(queries, ZONE, saved.rule.id, "c1", 0) == Missing("contact")


async def test_a_test_send_is_written_down_though_who_asked_has_gone(desk: Desk) -> None:
    shop, saved = desk.shop, await desk.create()
    gate = asyncio.Event()
    shop.sender.script = held(gate)
    asking = asyncio.create_task(send_test(desk.bench, saved.rule.id, None, None))
    await shop.until(lambda: len(shop.sender.sent) == 1)
    (one,) = await shop.deliveries()
    refused = await resend_delivery(desk.outside, one.id)
    assert isinstance(refused, Conflict)
    assert refused.code == "testUnderWay"
    asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled()
    gate.set()
    for _ in range(1_000):
        (one,) = await shop.deliveries()
        if one.status is not Status.HELD:
            break
        await asyncio.sleep(0.005)
    assert (one.status, one.attempts, len(shop.sender.sent)) == (Status.DELIVERED, 1, 1)


async def test_a_test_send_whose_process_died_is_ended_after_a_while(desk: Desk) -> None:
    shop, saved = desk.shop, await desk.create()

    async def dies(_endpoint: Endpoint, _delivery: Delivery) -> Attempt:
        raise OSError("the process dies")

    with pytest.raises(OSError, match="dies"):
        await send_test(replace(desk.bench, try_out=dies), saved.rule.id, None, None)
    assert await end_interrupted(shop.store, shop.clock.at) == 0
    await shop.store.transact(partial(_end_lost, ["dlv_0"]))
    shop.clock.at += INTERRUPTED + 1
    assert await end_interrupted(shop.store, shop.clock.at) == 1
    (one,) = await shop.deliveries()
    (attempt,) = await shop.attempts(one.id)
    assert (one.status, one.attempts, attempt.failure) == (Status.FAILED, 1, Failure.INTERNAL)
    assert "before it had written down" in attempt.detail
    assert await end_interrupted(shop.store, shop.clock.at) == 0
    assert await shop.store.queries.totals() == await shop.store.queries.recount()
    again = await resend_delivery(replace(desk.outside, notice=shop.deliverer), one.id)
    assert isinstance(again, Delivery)
