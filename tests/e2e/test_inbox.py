"""The built-in receiver, from a rule to the log of what arrived: no receiver at hand, no network, no settings."""

import base64
import json

from tests.e2e.engine import Engine

USER, PASSWORD = "goniec", "very secret"


async def test_a_webhook_arrives_in_goniec_itself(engine: Engine) -> None:
    action = {"type": "webhook", "url": " INBOX:Sklep ", "basicAuth": {"username": USER, "password": PASSWORD}}
    rule = await engine.rule({"type": "page.visited"}, actions=[action])
    endpoint = await engine.get(f"/endpoints/{rule['actions'][0]['endpointId']}")
    assert endpoint["url"] == rule["actions"][0]["url"] == "inbox:sklep"

    await engine.visit({"email": "jan@example.pl"})
    (delivery,) = await engine.settled(1)
    assert delivery["status"] == "delivered"
    assert json.loads(delivery["body"])["email"] == "jan@example.pl"
    (attempt,) = delivery["attempts"]
    assert (attempt["status"], attempt["failure"], attempt["address"]) == (200, None, "inbox")
    assert attempt["head"].startswith("HTTP/1.1 200 OK\r\n")
    assert json.loads(attempt["body"]) == {
        "received": True,
        "bytes": len(delivery["body"].encode()),
        "authorization": f"Basic, user {USER}",
        "signature": "v1",
    }
    for secret in (PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()):
        assert secret not in json.dumps(delivery)
    (line,) = [line for line in engine.log() if line["event"] == "attempt"]
    assert line["host"] == "inbox:sklep"


async def test_a_contact_s_deliveries_keep_their_order_there_and_can_be_sent_again(engine: Engine) -> None:
    await engine.rule({"type": "page.visited"}, "inbox:")
    for _ in range(20):
        await engine.visit({"email": "jan@example.pl"})
    done = await engine.settled(20)
    assert [one["status"] for one in done] == ["delivered"] * 20
    # two of them may arrive within a millisecond
    arrived = [one["deliveredAt"] for one in sorted(done, key=lambda one: one["sequence"])]
    assert arrived == sorted(arrived)
    await engine.post(f"/deliveries/{done[0]['id']}/resend", {}, 200)
    (again, *_) = await engine.settled()
    assert [(attempt["resend"], attempt["status"]) for attempt in again["attempts"]] == [(False, 200), (True, 200)]


async def test_credentials_do_not_follow_from_elsewhere_to_an_inbox_or_from_one_to_another(engine: Engine) -> None:
    action = {"type": "webhook", "url": "https://crm.example/hook", "basicAuth": {"username": USER, "password": "x"}}
    rule = await engine.rule({"type": "page.visited"}, actions=[action])
    endpoint_id = await engine.endpoint(rule)
    path = f"/endpoints/{endpoint_id}"
    assert (await engine.patch(path, {"url": "inbox:a"}))["basicAuth"]["passwordSet"] is False
    with_password = await engine.patch(path, {"basicAuth": {"username": USER, "password": "y"}})
    assert with_password["basicAuth"]["passwordSet"] is True
    assert (await engine.patch(path, {"url": "inbox:b"}))["basicAuth"]["passwordSet"] is False


async def test_a_name_that_is_none_is_told_at_the_field(engine: Engine) -> None:
    draft = {
        "name": "Rule",
        "triggers": [{"type": "page.visited"}],
        "actions": [{"type": "webhook", "url": "inbox:a b"}, {"type": "webhook", "url": "inbox:a/b"}],
    }
    answer = await engine.post("/rules", draft, 422)
    found = {error["pointer"]: error["detail"] for error in answer["errors"]}
    assert set(found) == {"/actions/0/url", "/actions/1/url"}
    assert "at most 50 letters" in found["/actions/1/url"]
