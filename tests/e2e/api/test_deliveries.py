"""Deliveries over the API: the log, every attempt, the exact bytes; sent once more, cancelled."""

import hashlib
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from goniec.core.model import Status
from goniec.core.times import MINUTE
from goniec.ports import Changes
from tests.e2e.api.client import Api, pointers
from tests.e2e.api.configured import Configured, configured, hook
from tests.flow.workshop import failing, ok

EVERY = [{"type": "contact.created"}]


@pytest.fixture
async def rules(api: Api) -> AsyncIterator[Configured]:
    async with configured(api) as opened:
        yield opened


async def only(rules: Configured, **query: Any) -> dict[str, Any]:
    (found,) = (await rules.get("/deliveries", params=query)).json()["items"]
    assert isinstance(found, dict)
    return found


async def test_the_log_has_every_attempt_and_the_exact_body(rules: Configured) -> None:
    rule = await rules.rule(triggers=EVERY, description="„ł” 😱")
    rules.shop.sender.script = lambda _: failing(503, retry_after="10", body=b"later\xff")
    contact = await rules.contact()
    await rules.shop.settle()
    rules.shop.sender.script = ok
    await rules.shop.later(MINUTE)
    listed = await only(rules)
    answer = await rules.get(f"/deliveries/{listed['id']}", scope="read")
    found = answer.json()
    body, attempts = found.pop("body"), found.pop("attempts")
    assert found.pop("bodyBase64") is None
    assert found == listed
    assert body.encode() == rules.shop.sender.sent[0].body == rules.shop.sender.sent[1].body
    assert found["bodySha256"] == hashlib.sha256(body.encode()).hexdigest()
    assert (found["status"], found["attemptCount"], found["test"], found["dueAt"]) == ("delivered", 2, False, None)
    assert (found["ruleId"], found["contactId"]) == (rule["id"], contact["id"])
    assert found["eventType"] == "contact.created"
    assert (await rules.get(f"/events/{found['eventId']}")).json()["seq"] == found["sequence"] == 1
    assert (await rules.get(f"/runs/{found['runId']}")).json()["deliveries"] == [found["id"]]
    first, second = attempts
    assert (first["number"], first["status"], first["failure"], first["body"]) == (1, 503, "serverError", "later\\xff")
    assert (second["number"], second["status"], second["failure"], second["address"]) == (
        2,
        200,
        None,
        "203.0.113.5:443",
    )
    assert found["firstAttemptAt"] == first["at"] == "2025-11-25T03:36:00.000Z"
    assert found["lastAttemptAt"] == second["at"]


async def test_the_log_is_searched(rules: Configured) -> None:
    one, two = (
        await rules.rule(triggers=EVERY),
        await rules.rule(triggers=EVERY, actions=[hook("https://two.example/")]),
    )
    contact = await rules.contact()
    rules.shop.clock.at += MINUTE
    await rules.contact(email="b@x.pl")
    await rules.shop.settle()

    async def count(**query: Any) -> int:
        answer = await rules.get("/deliveries", params=query)
        assert answer.status_code == 200, answer.text
        return len(answer.json()["items"])

    assert await count() == 4
    assert await count(ruleId=one["id"]) == 2
    assert await count(endpointId=two["actions"][0]["endpointId"]) == 2
    assert await count(contactId=contact["id"]) == 2
    assert await count(contactId=contact["id"], ruleId=one["id"], status="delivered") == 1
    assert await count(status="failed") == 0
    assert await count(since="2025-11-25T04:36:30+01:00") == 2
    assert await count(until="2025-11-25T03:36:30Z") == 2


async def test_the_log_is_searched_by_what_went_wrong(rules: Configured) -> None:
    rule = await rules.rule(triggers=EVERY)
    rules.shop.sender.script = lambda _: failing(503)
    contact = await rules.contact()
    await rules.shop.settle()
    (failing_one,) = (await rules.get("/deliveries", params={"error": "serverError"})).json()["items"]
    assert (failing_one["status"], failing_one["failure"]) == ("pending", "serverError")
    assert (await rules.get("/deliveries", params={"error": "timeout"})).json()["items"] == []
    rules.shop.sender.script = ok
    await rules.post(f"/rules/{rule['id']}/testSend", {"contactId": contact["id"]})
    (test,) = (await rules.get("/deliveries", params={"test": "true"})).json()["items"]
    assert test["test"]
    assert [one["id"] for one in (await rules.get("/deliveries", params={"test": "false"})).json()["items"]] == [
        failing_one["id"]
    ]
    await rules.shop.later(MINUTE)
    assert (await rules.get("/deliveries", params={"error": "serverError"})).json()["items"] == []
    runs = await rules.get(f"/rules/{rule['id']}/runs", params={"outcome": "fired"})
    assert [run["id"] for run in runs.json()["items"]] == [failing_one["runId"]]
    runs = await rules.get(f"/rules/{rule['id']}/runs", params={"outcome": "loopStopped"})
    assert runs.json()["items"] == []


async def test_the_log_is_read_in_pages_both_ways(rules: Configured) -> None:
    await rules.rule(triggers=EVERY)
    for n in range(3):
        await rules.contact(email=f"{n}@x.pl")
    await rules.shop.settle()
    ids = [one["id"] for one in (await rules.get("/deliveries")).json()["items"]]
    assert ids == sorted(ids)
    page = (await rules.get("/deliveries", params={"limit": 2})).json()
    rest = (await rules.get("/deliveries", params={"cursor": page["nextCursor"]})).json()
    assert [one["id"] for one in (*page["items"], *rest["items"])] == ids
    newest = (await rules.get("/deliveries", params={"limit": 2, "order": "desc"})).json()
    assert [one["id"] for one in newest["items"]] == ids[:0:-1]


async def test_queries_that_make_no_sense(rules: Configured) -> None:
    answer = await rules.get("/deliveries", params={"status": "lost", "since": "2025-11-25T03:36:00Z"})
    assert (answer.status_code, pointers(answer)) == (400, ["/status"])
    answer = await rules.get("/deliveries", params={"since": "yesterday"})
    assert (answer.status_code, pointers(answer)) == (400, ["/since"])


async def test_a_delivery_is_sent_once_more_with_the_same_id_and_bytes(rules: Configured) -> None:
    await rules.rule(triggers=EVERY)
    await rules.contact()
    await rules.shop.settle()
    found = await only(rules)
    answer = await rules.post(f"/deliveries/{found['id']}/resend", None)
    assert (answer.status_code, answer.json()["status"], answer.json()["resend"]) == (200, "pending", True)
    await rules.shop.poll()
    await rules.shop.settle()
    first, second = rules.shop.sender.sent
    assert (first.body, dict(first.headers)["webhook-id"]) == (second.body, dict(second.headers)["webhook-id"])
    assert dict(second.headers)["goniec-resend"] == "true"
    again = (await rules.get(f"/deliveries/{found['id']}")).json()
    assert (again["status"], [one["resend"] for one in again["attempts"]]) == ("delivered", [False, True])


async def test_a_resend_with_a_key_happens_once(rules: Configured) -> None:
    await rules.rule(triggers=EVERY)
    await rules.contact()
    await rules.shop.settle()
    path, key = f"/deliveries/{(await only(rules))['id']}/resend", {"idempotency-key": "one"}
    for _ in range(2):
        assert (await rules.post(path, None, headers=key)).json()["status"] == "pending"
        await rules.shop.poll()
        await rules.shop.settle()
    assert len(rules.shop.sender.sent) == 2


async def test_what_was_erased_cannot_be_sent_again(rules: Configured) -> None:
    await rules.rule(triggers=EVERY)
    contact = await rules.contact()
    await rules.shop.settle()
    before = await only(rules)
    assert (await rules.delete(f"/contacts/{contact['id']}")).status_code == 204
    answer = await rules.post(f"/deliveries/{before['id']}/resend", None)
    assert (answer.status_code, answer.json()["code"]) == (409, "bodyErased")
    found = (await rules.get(f"/deliveries/{before['id']}")).json()
    assert (found["body"], found["bodySha256"]) == ("", before["bodySha256"])


async def test_a_pending_delivery_is_cancelled_and_the_next_one_goes(rules: Configured) -> None:
    await rules.rule(triggers=[{"type": "contact.created"}, {"type": "contact.tagged"}])
    rules.shop.sender.script = lambda _: failing()
    contact = await rules.contact()
    await rules.shop.settle()
    await rules.post(f"/contacts/{contact['id']}/tags", {"add": ["VIP"]})
    first, second = (await rules.get("/deliveries")).json()["items"]
    rules.shop.sender.script = ok
    answer = await rules.post(f"/deliveries/{first['id']}/cancel", None)
    assert (answer.status_code, answer.json()["status"], answer.json()["dueAt"]) == (200, "cancelled", None)
    assert (await rules.post(f"/deliveries/{first['id']}/cancel", None)).json()["status"] == "cancelled"
    await rules.shop.poll()
    await rules.shop.settle()
    assert (await rules.get(f"/deliveries/{second['id']}")).json()["status"] == "delivered"
    assert rules.shop.sender.ids()[1:] == [second["id"]]


async def test_what_is_over_cannot_be_cancelled(rules: Configured) -> None:
    rule = await rules.rule()
    rules.shop.sender.script = lambda _: failing()
    tried = (await rules.post(f"/rules/{rule['id']}/testSend", {})).json()
    answer = await rules.post(f"/deliveries/{tried['deliveryId']}/cancel", None)
    assert (answer.status_code, answer.json()["code"]) == (409, "notPending")


async def test_a_body_that_is_no_text_is_shown_as_base64(rules: Configured) -> None:
    rule = await rules.rule()
    tried = (await rules.post(f"/rules/{rule['id']}/testSend", {})).json()
    found = await rules.store.queries.delivery(tried["deliveryId"])
    assert found is not None
    odd = replace(found[0], id=found[0].id[:-1] + "Z", body=b"\xff\x00", status=Status.HELD)
    await rules.store.transact(lambda tx: tx.save(Changes(deliveries=[odd])))
    shown = (await rules.get(f"/deliveries/{odd.id}")).json()
    assert (shown["body"], b64decode(shown["bodyBase64"])) == (None, b"\xff\x00")


@pytest.mark.parametrize("path", ["", "/resend", "/cancel"])
async def test_a_delivery_that_is_not_there(rules: Configured, path: str) -> None:
    answer = await rules.ask("POST" if path else "GET", f"/deliveries/dlv_x{path}")
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no delivery with this id")


@pytest.mark.parametrize("scope", ["read", "ingest"])
async def test_only_admin_sends_again(rules: Configured, scope: str) -> None:
    assert (await rules.post("/deliveries/dlv_x/resend", None, scope=scope)).status_code == 403
