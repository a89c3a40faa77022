"""Acceptance cases, each under its id, where they can really fail: from the API of a whole engine to a receiver's socket.

What needs no socket is tested where it is decided; those tests carry the same ids.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from standardwebhooks import Webhook

from tests.contract.send.nameserver import NameServer
from tests.contract.send.receivers import Behaviour, Receiver, Talk, answer, say, wait_for
from tests.e2e.engine import NAME_SERVER, Engine, until

VISITED: Final = {"type": "page.visited"}
DIGITS: Final = "\u0661\u0662 \uff11\uff12"
JAN: Final = {"email": "jan@example.pl"}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver(answer(200)) as one:
        yield one


def tagged(*tags: str) -> dict[str, Any]:
    return {"type": "contact.tagged", "tags": list(tags)}


async def outcomes(engine: Engine, rule: dict[str, Any]) -> list[str]:
    return [run["outcome"] for run in await engine.everything(f"/rules/{rule['id']}/runs")]


async def types(engine: Engine, contact: dict[str, Any]) -> list[str]:
    return [event["type"] for event in await engine.everything("/events", contactId=contact["id"])]


# --- rules -----------------------------------------------------------------------------------------------------------


async def test_a01_three_spellings_of_a_tag_are_one_webhook(engine: Engine, receiver: Receiver) -> None:
    rule = await engine.rule(tagged("VIP"), receiver.url())
    contact = await engine.contact(**JAN, tags=["VIP", "vip", " Vip "])
    await engine.settled(1)
    assert len(receiver.requests) == 1
    assert await types(engine, contact) == ["contact.created", "contact.tagged"]
    assert await outcomes(engine, rule) == ["fired"]


async def test_a02_two_triggers_of_one_request_and_a_limit_of_one(engine: Engine, receiver: Receiver) -> None:
    triggers = [{"type": "contact.created"}, tagged("NEW")]
    rule = await engine.rule({}, receiver.url(), triggers=triggers, maxRuns=1)
    await engine.contact(**JAN, tags=["NEW"])
    await engine.settled(1)
    assert len(receiver.requests) == 1
    assert await outcomes(engine, rule) == ["fired", "limitReached"]


async def test_a03_a_score_is_crossed_from_below_only(engine: Engine, receiver: Receiver) -> None:
    await engine.rule({"type": "contact.score_changed", "mode": "crossed", "value": 10}, receiver.url())
    contact = await engine.contact(**JAN)
    for score in (100, 101, 6, 16):
        await engine.post(f"/contacts/{contact['id']}/score", {"set": score})
    deliveries = await engine.settled(2)
    events = [await engine.get(f"/events/{one['eventId']}") for one in deliveries]
    assert [(event["data"]["old"], event["data"]["new"]) for event in events] == [(0, 100), (6, 16)]
    assert len(receiver.requests) == 2


async def test_a04_a_tag_that_is_there_is_no_event(engine: Engine, receiver: Receiver) -> None:
    rule = await engine.rule(tagged("X"), receiver.url())
    contact = await engine.contact(**JAN)
    for change in ({"add": ["X"]}, {"add": ["X"]}, {"remove": ["X"]}, {"add": ["X"]}):
        await engine.post(f"/contacts/{contact['id']}/tags", change)
    await engine.settled(2)
    assert len(receiver.requests) == 2
    assert await outcomes(engine, rule) == ["fired", "fired"]
    assert await types(engine, contact) == ["contact.created", "contact.tagged", "contact.untagged", "contact.tagged"]


@pytest.mark.parametrize(("value", "expected"), [("new", ["fired"]), ("other", ["fired", "loopStopped"])])
async def test_a05_a_rule_that_answers_itself_stops(
    engine: Engine, receiver: Receiver, value: str, expected: list[str]
) -> None:
    webhook = {"type": "webhook", "url": receiver.url()}
    actions = [{"type": "setDetail", "name": "A", "value": value}, webhook]
    rule = await engine.rule({"type": "contact.detail_changed", "names": ["A"]}, actions=actions)
    await engine.contact(**JAN, details={"A": "old"})
    await engine.contact(**JAN, details={"A": "new"})
    await engine.settled(1)
    assert len(receiver.requests) == 1
    assert await outcomes(engine, rule) == expected


@pytest.mark.parametrize(
    ("detail", "fires", "value", "read"),
    [
        ("9", False, "9", "number 9"),
        (10, True, 10, None),
        ("10.0", True, "10.0", "number 10.0"),
        ("abc", False, "abc", "no number"),
        (None, False, None, "no value"),
    ],
)
async def test_a06_numbers_are_compared_as_numbers_and_the_trace_says_how(
    engine: Engine, receiver: Receiver, detail: object, fires: bool, value: object, read: str | None  # noqa: FBT001 - a column of the table
) -> None:  # fmt: skip
    condition = {"type": "detail", "name": "A", "op": "gt", "value": 9}
    rule = await engine.rule(VISITED, receiver.url(), conditions=condition)
    contact = await engine.contact(**JAN, details={"A": detail})
    await engine.visit(JAN)
    await engine.settled(int(fires))
    assert len(receiver.requests) == int(fires)
    told = await engine.get("/explain", ruleId=rule["id"], contactId=contact["id"])
    (seen,) = told["evaluations"][0]["trace"]
    assert (seen["holds"], seen["value"], seen["read"]) == (fires, value, read)


async def test_a08_a_receiver_that_writes_back_does_not_set_its_own_rule_off(engine: Engine) -> None:
    """The CRM answers each webhook with a change of the contact, with a key of its own."""
    crm_key = {"authorization": f"Bearer {await engine.key('ingest')}"}
    answered: list[int] = []

    async def write_back(talk: Talk) -> None:
        fields = {**JAN, "company": f"Firma {len(answered)}"}
        told = await engine.http.post("/contacts", json=fields, headers=crm_key)
        answered.append(told.status_code)
        await answer(200)(talk)

    async with Receiver(write_back) as crm:
        others = {"type": "not", "of": [{"type": "eventSource", "keys": ["test-ingest"]}]}
        await engine.rule({"type": "contact.changed"}, crm.url(), conditions=others)
        contact = await engine.contact(**JAN)
        await engine.contact(**JAN, phone="600 100 200")
        await engine.settled(1)
        await until(lambda: len(answered) == 1, "the CRM has written back")
        await engine.contact(**JAN, phone="600 100 201")
        await engine.settled(2)
        assert len(crm.requests) == 2
        assert answered == [200, 200]
    changed = [event for event in await types(engine, contact) if event == "contact.changed"]
    assert len(changed) == 4, "what was written back is an event, and sets nothing off"


# --- what the receiver reads -----------------------------------------------------------------------------------------


async def test_a10_what_is_cleared_is_null_in_the_webhook_and_what_is_left_out_stays(
    engine: Engine, receiver: Receiver
) -> None:
    await engine.rule(VISITED, receiver.url())
    contact = await engine.contact(**JAN, phone="600 100 200", company="Żabka", tags=["A"], details={"X": "1"})
    path = f"/contacts/{contact['id']}"
    for change in ({}, {"phone": None}, {"company": ""}):
        await engine.patch(path, change)
        await engine.visit(JAN)
    changed = await engine.patch(path, {"tags": [], "details": {"X": None}})
    assert ([tag["tag"] for tag in changed["tags"]], changed["details"]) == (["A"], {})
    await engine.settled(3)
    bodies = [json.loads(request.body) for request in receiver.requests]
    assert [(body["phone"], body["company"]) for body in bodies] == [
        ("600 100 200", "Żabka"),
        (None, "Żabka"),
        (None, None),
    ]


async def test_a11_an_external_id_keeps_its_contact_and_a_taken_address_is_refused(engine: Engine) -> None:
    jan = await engine.contact(externalId="C-1", email="jan@example.pl")
    await engine.contact(email="ola@example.pl")
    moved = await engine.contact(externalId="C-1", email="jan.nowy@example.pl")
    assert (moved["id"], moved["email"]) == (jan["id"], "jan.nowy@example.pl")
    refused = await engine.ask("POST", "/contacts", 409, json={"externalId": "C-1", "email": "ola@example.pl"})
    assert refused.json()["code"] == "conflict"
    assert (await engine.get(f"/contacts/{jan['id']}")) == moved


async def test_a12_details_shadow_nothing(engine: Engine, receiver: Receiver) -> None:
    names = ["source", "id", "email", "a.b", "e-mail z firmy", "__proto__"]
    conditions = {"type": "all", "of": [{"type": "detail", "name": n, "op": "eq", "value": f"«{n}»"} for n in names]}
    await engine.rule(VISITED, receiver.url(), conditions=conditions)
    contact = await engine.contact(**JAN, details={name: f"«{name}»" for name in names})
    assert (contact["email"], contact["details"]) == ("jan@example.pl", {name: f"«{name}»" for name in names})
    await engine.visit(JAN)
    await engine.settled(1)
    body = json.loads(receiver.requests[0].body)
    assert (body["contactId"], body["email"]) == (contact["id"], "jan@example.pl")


@pytest.mark.parametrize(
    "company",
    [
        pytest.param('M&M <Żabka> "Łódź" 😱 \'s', id="a15 entities"),
        pytest.param("ñ \u2028 </script> 🦊 🏳️\u200d🌈", id="a16 what others escape"),
        pytest.param(DIGITS, id="a18 digits of other scripts"),
        pytest.param("Привет😱" * 100, id="a19 long"),
    ],
)
async def test_text_arrives_exactly_and_its_signature_verifies(
    engine: Engine, receiver: Receiver, company: str
) -> None:
    exact = {"type": "field", "field": "company", "op": "eq", "value": company}
    text = company[:50].strip()
    rule = await engine.rule(VISITED, receiver.url(), name=text, description=company, conditions=exact)
    endpoint = await engine.endpoint(rule)
    secret = (await engine.post(f"/endpoints/{endpoint}/rotateSecret", {"overlapDays": 0}))["secret"]
    contact = await engine.contact(**JAN, company=company, phone=company if company == DIGITS else None)
    await engine.visit(JAN)
    await engine.settled(1)
    (request,) = receiver.requests
    read = Webhook(secret).verify(request.body, dict(request.headers))
    assert (read["company"], read["name"], read["contactId"]) == (company, text, contact["id"])
    assert read["phone"] == (DIGITS if company == DIGITS else None)
    assert company.replace('"', '\\"').encode() in request.body, "as UTF-8, without escapes but those that must be"
    assert request.header("content-length") == str(len(request.body))
    assert request.header("transfer-encoding") is None


async def test_a19_emoji_and_cyrillic_in_each_of_the_seven(engine: Engine, receiver: Receiver) -> None:
    await engine.rule(VISITED, receiver.url(), name="Правило ♝", description="Описание 😱")
    await engine.contact(email="Ёжик@почта.example", phone="☎ 600 100 200", company="Ромашка 🌼")
    await engine.visit({"email": "ёжик@почта.example"})
    await engine.settled(1)
    (request,) = receiver.requests
    assert list(json.loads(request.body).values())[1::2] == ["Правило ♝", "Описание 😱", "☎ 600 100 200"]
    assert json.loads(request.body)["email"] == "Ёжик@почта.example"
    assert int(request.header("content-length") or 0) == len(request.body) > len(request.body.decode())


# --- the wire --------------------------------------------------------------------------------------------------------


async def test_a20_small_and_large_bodies_have_a_length(engine: Engine, receiver: Receiver) -> None:
    await engine.rule(VISITED, receiver.url("/small"))
    await engine.rule(VISITED, receiver.url("/large"), description="😱" * 10_000)
    await engine.visit(JAN)
    await engine.settled(2)
    sizes = {request.target: len(request.body) for request in receiver.requests}
    assert (sizes["/small"] < 300, sizes["/large"] > 40_000) == (True, True)
    for request in receiver.requests:
        assert request.header("content-length") == str(len(request.body))
        assert request.header("transfer-encoding") is request.header("expect") is None


async def test_a21_what_stands_around_a_url_is_trimmed_and_a_blank_inside_refused(
    engine: Engine, receiver: Receiver
) -> None:
    await engine.rule(VISITED, f"  {receiver.url('/ścieżka?q=ą')}\n")
    await engine.visit(JAN)
    await engine.settled(1)
    assert [request.target for request in receiver.requests] == ["/%C5%9Bcie%C5%BCka?q=%C4%85"]
    draft = {"name": "n", "triggers": [VISITED], "actions": [{"type": "webhook", "url": "https://x.example/a b"}]}
    refused = (await engine.ask("POST", "/rules", 422, json=draft)).json()
    assert [error["pointer"] for error in refused["errors"]] == ["/actions/0/url"]
    draft["actions"] = [{"type": "webhook", "url": "https://żółw.example/"}]
    assert (await engine.post("/rules", draft, 201))["actions"][0]["url"] == "https://xn--w-uga1v8h.example/"


async def test_a22_a_redirect_is_a_failed_attempt_that_says_where_to(engine: Engine) -> None:
    moved = answer(301, headers=["Location: /hook/"])
    async with Receiver(moved) as receiver:
        await engine.rule(VISITED, receiver.url("/hook"))
        await engine.visit(JAN)
        (delivery,) = await engine.attempted(1)
        (attempt,) = delivery["attempts"]
        assert (delivery["status"], attempt["status"], attempt["failure"]) == ("pending", 301, "redirect")
        assert "/hook/" in attempt["detail"]
        assert [request.target for request in receiver.requests] == ["/hook"]


@pytest.mark.parametrize(
    "answered",
    [answer(204), answer(200), answer(200, b"OK"), answer(200, b'{"broken":', ["Content-Type: application/json"])],
    ids=["204", "empty", "OK", "broken JSON"],
)
async def test_a23_any_2xx_is_delivered(engine: Engine, answered: Behaviour) -> None:
    async with Receiver(answered) as receiver:
        await engine.rule(VISITED, receiver.url())
        await engine.visit(JAN)
        (delivery,) = await engine.settled(1)
        assert (delivery["status"], len(receiver.requests)) == ("delivered", 1)


async def test_a24_saved_five_times_it_is_one_endpoint_and_one_webhook(engine: Engine, receiver: Receiver) -> None:
    basic = {"username": "jan", "password": "tajne"}
    rule = await engine.rule(VISITED, actions=[{"type": "webhook", "url": receiver.url(), "basicAuth": basic}])
    for number in range(5):
        rule = await engine.put(f"/rules/{rule['id']}", {**rule, "description": str(number)})
    await engine.visit(JAN)
    await engine.settled(1)
    assert len(await engine.everything("/endpoints")) == len(receiver.requests) == 1
    assert receiver.requests[0].header("authorization") == "Basic amFuOnRham5l"


@pytest.mark.parametrize(
    ("username", "password", "header"),
    [
        pytest.param("jan", "pa:ss#?@€ż", "Basic amFuOnBhOnNzIz9A4oKsxbw=", id="a36"),
        pytest.param("jan", "", "Basic amFuOg==", id="a37 no password"),
        pytest.param("", "tajne", "Basic OnRham5l", id="a37 no user"),
    ],
)
async def test_credentials_go_out_exactly_and_in_the_first_request(
    engine: Engine, receiver: Receiver, username: str, password: str, header: str
) -> None:
    basic = {"username": username, "password": password}
    rule = await engine.rule(VISITED, actions=[{"type": "webhook", "url": receiver.url(), "basicAuth": basic}])
    assert rule["actions"][0]["basicAuth"] == {"username": username, "passwordSet": True}
    await engine.visit(JAN)
    await engine.settled(1)
    assert [request.header("authorization") for request in receiver.requests] == [header]


async def test_a39_every_attempt_carries_everything(engine: Engine) -> None:
    async with Receiver([answer(500, close=True), say(b"", "reset"), answer(200)]) as receiver:
        basic = {"username": "jan", "password": "tajne"}
        rule = await engine.rule(VISITED, actions=[{"type": "webhook", "url": receiver.url(), "basicAuth": basic}])
        endpoint = await engine.endpoint(rule, schedule=[1, 1, 1])
        secret = (await engine.post(f"/endpoints/{endpoint}/rotateSecret", {"overlapDays": 0}))["secret"]
        await engine.visit(JAN)
        (delivery,) = await engine.settled(1)
        assert [attempt["failure"] for attempt in delivery["attempts"]] == ["serverError", "connectionReset", None]
        assert [request.header("goniec-attempt") for request in receiver.requests] == ["1", "2", "3"]
        for request, attempt in zip(receiver.requests, delivery["attempts"], strict=True):
            assert request.header("webhook-id") == delivery["id"]
            assert request.header("authorization") == "Basic amFuOnRham5l"
            assert request.body == delivery["body"].encode()
            Webhook(secret).verify(request.body, dict(request.headers))
            assert attempt["address"] == receiver.address


async def test_a40_credentials_in_a_url_are_refused_and_not_echoed(engine: Engine) -> None:
    webhook = {"type": "webhook", "url": "https://jan:p%40ss@h.example/hook"}
    refused = await engine.ask("POST", "/rules", 422, json={"name": "n", "triggers": [VISITED], "actions": [webhook]})
    (error,) = refused.json()["errors"]
    assert error["pointer"] == "/actions/0/url"
    assert "user name and password" in error["detail"]
    assert "p%40ss" not in refused.text
    assert "p%40ss" not in (engine.folder / "serve.log").read_text()


async def test_a41_a_key_file_that_ends_in_a_newline_is_the_same_key(engine: Engine, receiver: Receiver) -> None:
    """As an editor leaves it, or a secret that was mounted."""
    basic = {"username": "jan", "password": "tajne"}
    await engine.rule(VISITED, actions=[{"type": "webhook", "url": receiver.url(), "basicAuth": basic}])
    assert await engine.stop() == 0
    key = engine.folder / "goniec.key"
    text = key.read_text().rstrip("\n")
    for ending in ("\n", "\r\n", ""):
        key.write_text(text + ending)
        await engine.start()
        await engine.doctor()
        await engine.visit(JAN)
        await engine.quiet()
        assert await engine.stop() == 0
    assert [request.header("authorization") for request in receiver.requests] == ["Basic amFuOnRham5l"] * 3
    await engine.start()


# --- names, addresses, contacts at once ------------------------------------------------------------------------------


NO_SUCH_NAME: Final = 3
KEPT_SECONDS: Final = 2.5
"""Longer than an answer or its lack is kept at least."""


@pytest.fixture
async def names() -> AsyncIterator[NameServer]:
    async with NameServer() as server:
        yield server


@pytest.fixture
async def resolving(tmp_path: Path, names: NameServer) -> AsyncIterator[Engine]:
    """A Goniec on a machine that asks this name server."""
    engine = Engine(tmp_path)
    engine.machine = NAME_SERVER.format(address=names.address)
    try:
        await engine.start()
        yield engine
        assert await engine.stop() == 0
    finally:
        await engine.close()


@pytest.mark.slow
async def test_a28_a_name_that_does_not_resolve_for_a_while(
    resolving: Engine, names: NameServer, receiver: Receiver
) -> None:
    engine = resolving
    names.records["crm.example"] = NO_SUCH_NAME
    rule = await engine.rule(VISITED, receiver.url(host="crm.example"))
    await engine.endpoint(rule, schedule=[1] * 50)
    await engine.visit(JAN)
    (waiting,) = await engine.attempted(1)
    assert (waiting["status"], waiting["attempts"][0]["failure"]) == ("pending", "dnsFailed")
    names.records["crm.example"] = (1, "127.0.0.1")
    (delivery,) = await engine.settled(1)
    assert delivery["status"] == "delivered"
    assert {attempt["failure"] for attempt in delivery["attempts"][:-1]} == {"dnsFailed"}
    assert len(receiver.requests) == 1
    assert receiver.requests[0].header("host") == f"crm.example:{receiver.port}"


@pytest.mark.slow
async def test_a45_a_name_that_turns_private_later(resolving: Engine, names: NameServer, receiver: Receiver) -> None:
    engine = resolving
    names.records["crm.example"] = (1, "10.0.0.1")
    webhook = {"type": "webhook", "url": receiver.url(host="crm.example")}
    refused = await engine.ask("POST", "/rules", 422, json={"name": "n", "triggers": [VISITED], "actions": [webhook]})
    (error,) = refused.json()["errors"]
    assert error["pointer"] == "/actions/0/url"
    assert "10.0.0.1" in error["detail"]
    assert "GONIEC_ALLOW_NETWORKS" in error["detail"]

    names.records["crm.example"] = (1, "127.0.0.1")
    await asyncio.sleep(KEPT_SECONDS)
    rule = await engine.rule(VISITED, receiver.url(host="crm.example"))
    await engine.endpoint(rule, schedule=[3600])
    names.records["crm.example"] = (1, "10.0.0.1")
    await asyncio.sleep(KEPT_SECONDS)
    await engine.visit(JAN)
    (delivery,) = await engine.attempted(1)
    assert delivery["attempts"][0]["failure"] == "addressRefused"
    assert "10.0.0.1" in delivery["attempts"][0]["detail"]
    assert receiver.connections == 0


async def test_a47_ten_contacts_do_not_wait_for_one_another(engine: Engine) -> None:
    """The receiver answers nobody until all ten have asked."""
    all_here = asyncio.Event()
    async with Receiver(wait_for(all_here, answer(200))) as receiver:
        await engine.rule(VISITED, receiver.url())
        events = [{**VISITED, "contact": {"email": f"k{n}@example.pl"}, "data": {"url": "u"}} for n in range(10)]
        await engine.post("/events", {"events": events}, 202)
        await until(lambda: len(receiver.requests) == 10, "all ten are sent at once")
        all_here.set()
        assert {one["status"] for one in await engine.settled(10)} == {"delivered"}
