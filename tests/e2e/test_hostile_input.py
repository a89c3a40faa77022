"""Bad input over real connections: each gets a clear problem that names field and reason, and the engine works on.

What the API makes of each body is tested without sockets, case by case; here the whole way from the wire is.
"""

import asyncio
import json
from typing import Any, Final

import httpx
import pytest

from tests.contract.send.receivers import Receiver, answer
from tests.e2e.engine import Engine
from tests.faults.client import Client

MIB: Final = 1024 * 1024
VISIT: Final[dict[str, Any]] = {
    "type": "page.visited",
    "contact": {"email": "jan@example.pl"},
    "data": {"url": "https://shop.example/"},
}
HOOK: Final = {"type": "webhook", "url": "https://crm.example/hook"}
RULE: Final[dict[str, Any]] = {"name": "Rule", "triggers": [{"type": "contact.created"}], "actions": [HOOK]}


def encoded(body: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({**body, **fields}).encode()


def event(**fields: Any) -> bytes:
    return encoded(VISIT, **fields)


def raw(data: bytes) -> bytes:
    """A visit with this value, written as it is."""
    return b'{"type":"page.visited","contact":{"email":"jan@example.pl"},"data":{"url":"u","seconds":' + data + b"}}"


def rule(**fields: Any) -> bytes:
    return encoded(RULE, **fields)


BAD: Final[dict[str, tuple[str, bytes, int, str | None, str]]] = {
    # what: path, body, status, pointer (None: it is about the whole body), words of the reason
    "empty": ("/events", b"", 400, None, "empty"),
    "no JSON": ("/events", b"<event/>", 400, None, "no JSON"),
    "10 MB": ("/events", b" " * (10 * MIB), 413, None, "2 MiB"),
    "10 MB of JSON": ("/contacts", b'{"name":"' + b"x" * (10 * MIB) + b'"}', 413, None, "1 MiB"),
    "10,000 deep": ("/events", b"[" * 10_000 + b"]" * 10_000, 400, None, "too deep"),
    "10,000 deep inside": ("/events", raw(b'{"a":' * 10_000 + b"1" + b"}" * 10_000), 400, None, "too deep"),
    "a rule 10,000 deep": ("/rules", b'{"not":' * 10_000 + b"1" + b"}" * 10_000, 400, None, "too deep"),
    "wrong type": ("/events", event(contact=7), 422, "/contact", "object"),
    "a list": ("/events", b"[1,2]", 422, "", "object"),
    "unknown key": ("/events", event(contcat={}), 422, "/contcat", "unknown"),
    "unknown key of a contact": ("/contacts", b'{"email":"a@example.pl","emial":"b"}', 422, "/emial", "unknown"),
    "NUL": ("/events", event(data={"url": "a\0b"}), 422, "/data/url", ""),
    "NUL in a name": ("/contacts", encoded({"email": "a@example.pl"}, name="a\0b"), 422, "/name", ""),
    "half a surrogate": ("/events", raw(b'"\\ud800"'), 422, "/data/seconds", "surrogate"),
    "half a surrogate in a key": ("/contacts", b'{"email":"a@example.pl","\\udfff":1}', 422, None, "surrogate"),
    "1e400": ("/events", raw(b"1e400"), 422, "/data/seconds", "finite"),
    "5,000 digits": ("/events", raw(b"9" * 5_000), 422, "/data/seconds", "64 bits"),
    "5,000 digits in a score": ("/contacts", b'{"email":"a@example.pl","details":{"x":' + b"9" * 5_000 + b"}}", 422, "/details/x", "64 bits"),
    "1,001 events": ("/events", json.dumps({"events": [VISIT] * 1_001}).encode(), 422, "/events", "1001"),
    "no events": ("/events", b'{"events":[]}', 422, "/events", "1 to 1000"),
    "an unknown type": ("/events", event(type="page.visted"), 422, "/type", "page.visited"),
    "an unknown trigger": ("/rules", rule(triggers=[{"type": "page.visted"}]), 422, "/triggers/0/type", "page.visited"),
    "an unknown action": ("/rules", rule(actions=[{"type": "webhok"}]), 422, "/actions/0/type", "webhook"),
    "a refused URL": ("/rules", rule(actions=[{**HOOK, "url": "http://169.254.169.254/latest"}]), 422, "/actions/0/url", "GONIEC_ALLOW_NETWORKS"),
    "a URL in disguise": ("/rules", rule(actions=[{**HOOK, "url": "http://[::ffff:10.0.0.1]/"}]), 422, "/actions/0/url", "::ffff:a00:1"),
    "a URL of another kind": ("/rules", rule(actions=[{**HOOK, "url": "file:///etc/passwd"}]), 422, "/actions/0/url", "http"),
    "a name of 10,000 characters": ("/rules", rule(name="ż" * 10_000), 422, "/name", "200 characters"),
    "a contact's name of 10,000 characters": ("/contacts", encoded({"email": "a@example.pl"}, name="ż" * 10_000), 422, "/name", "1000"),
    "a time without zone": ("/events", event(occurredAt="2026-11-25T10:00:00"), 422, "/occurredAt", "offset"),
    "validity without zone": ("/rules", rule(validFrom="2026-11-25T10:00:00"), 422, "/validFrom", "offset"),
    "a broken address": ("/contacts", b'{"email":"jan@@example.pl"}', 422, "/email", "@"),
    "no key": ("/events", event(contact={}), 422, "/contact", ""),
}  # fmt: skip


async def test_each_is_a_problem_that_names_field_and_reason(engine: Engine) -> None:
    wrong = []
    for name, (path, body, status, pointer, words) in BAD.items():
        got = await engine.ask("POST", path, content=body, headers={"content-type": "application/json"})
        if complaint := unclear(got, status, pointer, words):
            wrong.append((name, complaint))
    assert wrong == []
    assert await engine.everything("/contacts") == []
    assert await engine.everything("/rules") == []
    await works(engine)


def unclear(got: httpx.Response, status: int, pointer: str | None, words: str) -> str | None:
    """What is wrong with a problem; None: nothing."""
    if (got.status_code, got.headers.get("content-type")) != (status, "application/problem+json"):
        return f"{got.status_code} {got.headers} {got.text[:300]!r}"
    told = got.json()
    pointers = {error["pointer"] for error in told.get("errors", ())}
    if pointer is not None and pointers != {pointer}:
        return f"it points to {pointers}: {told}"
    if words not in got.text or not told["detail"] or told["requestId"] != got.headers["x-request-id"]:
        return f"it does not say {words!r}: {told}"
    return None


async def test_the_same_address_in_other_case_is_the_same_contact(engine: Engine) -> None:
    first = await engine.contact(email="Jan.Kowalski@Example.PL")
    event_id = await engine.visit({"email": " jan.kowalski@example.pl "})
    assert (await engine.get(f"/events/{event_id}"))["contactId"] == first["id"]
    (contact,) = await engine.everything("/contacts")
    assert contact["email"] == "Jan.Kowalski@Example.PL", "stored and sent as it was entered first"
    types = [event["type"] for event in await engine.everything("/events", contactId=contact["id"])]
    assert types == ["contact.created", "page.visited"]


async def test_two_contacts_claimed_by_one_event_are_told_apart(engine: Engine) -> None:
    jan = await engine.contact(email="jan@example.pl")
    ola = await engine.contact(externalId="C-2")
    claimed = {**VISIT, "contact": {"email": "jan@example.pl", "externalId": "C-2"}}
    problem = (await engine.ask("POST", "/events", 409, json=claimed)).json()
    assert (problem["code"], set(problem["contacts"])) == ("conflict", {jan["id"], ola["id"]})
    taken = await engine.post("/events", {"events": [claimed, VISIT]}, 202)
    assert (taken["accepted"], taken["refused"][0]["code"], taken["ids"][0]) == (1, "conflict", None)
    await works(engine)


# --- connections -----------------------------------------------------------------------------------------------------


async def test_clients_who_never_finish_hold_nobody_up(engine: Engine) -> None:
    """Heads a byte at a time, bodies that stop half-way, and silence: a hundred of each."""
    key = await engine.key()
    clients = [Client(engine.url, key) for _ in range(300)]
    request = clients[0].request("POST", "/events", event())
    try:
        for place, client in enumerate(clients):
            assert await client.write((request[:40], request[:-5], b"P")[place % 3])
        for place in range(40, 60):
            for client in clients[::3]:
                assert await client.write(request[place : place + 1])
        await works(engine)
        # those who do finish are served
        assert await clients[1].write(request[-5:])
        taken = await clients[1].answer()
        assert taken is not None
        assert taken.status == 202
    finally:
        for client in clients:
            await client.close()


async def test_a_client_that_wants_to_close_reads_why_its_body_was_too_large(engine: Engine) -> None:
    """As urllib, and nginx before us, ask: a reset while they send would lose them the answer."""
    async with Client(engine.url, await engine.key()) as client:
        got = await client.post("/events", b" " * (10 * MIB), connection="close")
    assert got is not None
    assert (got.status, got.json["code"]) == (413, "bodyTooLarge")
    await works(engine)


async def test_a_body_that_is_cut_leaves_nothing_behind(engine: Engine) -> None:
    client = Client(engine.url, await engine.key())
    request = client.request("POST", "/events", event())
    assert await client.write(request[:-1])
    await client.close()
    await works(engine)
    assert {one["email"] for one in await engine.everything("/contacts")} == {"ola@example.pl"}


async def test_pipelined_requests_are_answered_in_their_order(engine: Engine) -> None:
    async with Client(engine.url, await engine.key()) as client:
        emails = [f"k{number}@example.pl" for number in range(20)]
        bodies = [event(contact={"email": email}) if number % 3 else b"{" for number, email in enumerate(emails)]
        assert await client.write(b"".join(client.request("POST", "/events", body) for body in bodies))
        answers = [await client.answer() for _ in bodies]
    assert [one and one.status for one in answers] == [202 if number % 3 else 400 for number in range(20)]
    ids = [one.json["ids"][0] for one in answers if one is not None and one.status == 202]
    contacts = {one["id"]: one["email"] for one in await engine.everything("/contacts")}
    visited = [contacts[(await engine.get(f"/events/{event_id}"))["contactId"]] for event_id in ids]
    assert visited == [email for number, email in enumerate(emails) if number % 3]


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /api/v1/events HTTP/1.1\r\nHo\x00st: x\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/v1/nothing HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"GET /%00%ff/..%2f..%2fetc HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=[
        "TLS", "half a line", "HTTP/9.9", "a negative length", "two lengths", "a bad chunk", "length and chunks",
        "NUL in a header", "200 KB of path", "20,000 headers", "an odd path",
    ],
)  # fmt: skip
async def test_what_is_no_request_ends_in_an_error_and_does_no_harm(engine: Engine, data: bytes) -> None:
    async with Client(engine.url, "no key") as client:
        await client.write(data)
        async with asyncio.timeout(20):
            got = await client.answer()
    assert got is None or 400 <= got.status < 500
    await works(engine)
    assert not [line for line in engine.log() if line.get("level") == "error"]


async def works(engine: Engine) -> None:
    """An event still becomes a webhook."""
    async with Receiver(answer(200)) as receiver:
        made = await engine.rule({"type": "page.visited"}, receiver.url())
        await engine.visit({"email": "ola@example.pl"})
        await engine.quiet()
        assert len(receiver.requests) == 1
        assert (await engine.ask("DELETE", f"/rules/{made['id']}")).status_code == 204


async def test_one_call_cannot_ask_for_ever_so_many_changes(engine: Engine) -> None:
    """Each tag becomes an event of its own: 1,000 events with 360 tags each would be one transaction of 360,000 rows."""
    tags = [f"T{n}" for n in range(360)]
    event = {"type": "page.visited", "data": {"url": "https://a.example/"}}
    many = [{**event, "contact": {"email": f"v{n}@example.pl", "tags": tags}} for n in range(30)]
    refused = await engine.post("/events", {"events": many}, 422)
    assert refused["errors"][0]["pointer"] == "/events"
    assert "10000 changes" in refused["errors"][0]["detail"]
    assert (await engine.get("/events"))["items"] == []
    await engine.post("/events", {"events": many[:27]}, 202)
    assert len(await engine.everything("/contacts")) == 27
