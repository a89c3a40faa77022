"""Rules over the API: made, read, changed, switched, tried out, explained."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from goniec.core.ids import RUN, is_id
from tests.core.build import rule as stored
from tests.e2e.api.client import Api, pointers
from tests.e2e.api.configured import SECRETS, URL, Configured, configured, draft, hook
from tests.flow.workshop import failing

EVERY = [{"type": "contact.created"}]


@pytest.fixture
async def rules(api: Api) -> AsyncIterator[Configured]:
    async with configured(api) as opened:
        yield opened


# --- made and read ---------------------------------------------------------------------------------------------------


async def test_a_rule_is_made_and_read_back(rules: Configured) -> None:
    answer = await rules.post("/rules", draft(description="new VIP"))
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["location"] == f"/api/v1/rules/{made['id']}"
    assert made["actions"] == [
        {
            "type": "webhook",
            "url": URL,
            "basicAuth": {"username": "jan", "passwordSet": True},
            "endpointId": made["actions"][0]["endpointId"],
        }
    ]
    assert (made["version"], made["position"], made["maxRuns"]) == (1, 0, None)
    assert made["createdAt"] == made["updatedAt"] == "2025-11-25T03:36:00.000Z"
    read = await rules.get(f"/rules/{made['id']}", scope="read")
    assert (read.status_code, read.json()) == (200, made)
    assert read.headers["etag"] == answer.headers["etag"]


async def test_put_takes_exactly_what_get_gave(rules: Configured) -> None:
    made = await rules.rule()
    read = await rules.get(f"/rules/{made['id']}")
    saved = await rules.put(f"/rules/{made['id']}", read.json(), headers={"if-match": read.headers["etag"]})
    assert (saved.status_code, saved.json()) == (200, made)
    assert saved.headers["etag"] == read.headers["etag"]


async def test_a_change_makes_a_version_and_earlier_ones_can_be_read(rules: Configured) -> None:
    made = await rules.rule()
    changed = await rules.put(f"/rules/{made['id']}", draft(description="two"))
    assert (changed.json()["version"], changed.json()["description"]) == (2, "two")
    first = await rules.get(f"/rules/{made['id']}", params={"version": 1})
    assert first.json() == made
    assert (await rules.get(f"/rules/{made['id']}", params={"version": 3})).status_code == 404
    for beyond in (0, 2**31, 2**63, 10**30):
        refused = await rules.get(f"/rules/{made['id']}", params={"version": beyond})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/version")


async def test_a_version_of_a_rule_that_lost_its_endpoint_can_be_read(rules: Configured) -> None:
    made = await rules.rule()
    endpoint = made["actions"][0]["endpointId"]
    await rules.store.transact(lambda tx: tx.delete_endpoint(endpoint))
    first = await rules.get(f"/rules/{made['id']}", params={"version": 1})
    assert first.json()["actions"] == [{"type": "webhook", "endpointId": endpoint}]


async def test_what_was_changed_meanwhile_is_not_overwritten(rules: Configured) -> None:
    made = await rules.rule()
    path = f"/rules/{made['id']}"
    old = {"if-match": (await rules.get(path)).headers["etag"]}
    now = await rules.put(path, draft(description="two"), headers=old)
    assert now.status_code == 200
    late = await rules.put(path, draft(), headers=old)
    assert (late.status_code, late.json()["code"]) == (412, "preconditionFailed")
    assert late.headers["etag"] == now.headers["etag"]
    assert (await rules.delete(path, headers=old)).status_code == 412
    assert (await rules.post(f"{path}/deactivate", None, headers=old)).status_code == 412


async def test_a24_saving_five_times_makes_one_endpoint_and_one_webhook(rules: Configured) -> None:
    made = await rules.rule(triggers=EVERY)
    for n in range(4):
        assert (await rules.put(f"/rules/{made['id']}", draft(triggers=EVERY, description=str(n)))).status_code == 200
    await rules.contact()
    await rules.shop.settle()
    found = (await rules.get("/endpoints")).json()["items"]
    assert [endpoint["url"] for endpoint in found if endpoint["id"] != "end_1"] == [URL]
    assert len(rules.shop.sender.sent) == 1


async def test_a_rule_is_switched_off_and_on(rules: Configured) -> None:
    made = await rules.rule(triggers=EVERY)
    off = await rules.post(f"/rules/{made['id']}/deactivate", None)
    assert (off.json()["active"], off.json()["version"]) == (False, 2)
    await rules.contact(email="a@x.pl")
    on = await rules.post(f"/rules/{made['id']}/activate", None)
    assert (on.json()["active"], on.json()["version"]) == (True, 3)
    await rules.contact(email="b@x.pl")
    await rules.shop.settle()
    assert len(rules.shop.sender.sent) == 1


async def test_a_rule_is_deleted_and_its_runs_stay(rules: Configured) -> None:
    made = await rules.rule(triggers=EVERY)
    await rules.contact()
    assert (await rules.delete(f"/rules/{made['id']}")).status_code == 204
    assert (await rules.get(f"/rules/{made['id']}")).status_code == 404
    assert len((await rules.get(f"/rules/{made['id']}/runs")).json()["items"]) == 1


@pytest.mark.parametrize("path", ["", "/activate", "/deactivate", "/testSend", "/run", "/put", "/delete"])
async def test_a_rule_that_is_not_there(rules: Configured, path: str) -> None:
    match path:
        case "":
            answer = await rules.get("/rules/rul_x")
        case "/put":
            answer = await rules.put("/rules/rul_x", draft())
        case "/delete":
            answer = await rules.delete("/rules/rul_x")
        case _:
            answer = await rules.post(f"/rules/rul_x{path}", {"contactId": "c"})
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no rule with this id")


async def test_rules_are_listed_in_pages_and_by_filter(rules: Configured) -> None:
    ids = []
    for n in range(4):
        rules.shop.clock.at += 1
        ids.append((await rules.rule(active=n % 2 == 0, group="ab"[n // 2]))["id"])
    first = (await rules.get("/rules", params={"limit": 3})).json()
    assert [rule["id"] for rule in first["items"]] == ids[:3]
    rest = (await rules.get("/rules", params={"cursor": first["nextCursor"]})).json()
    assert ([rule["id"] for rule in rest["items"]], rest["more"]) == (ids[3:], False)
    back = (await rules.get("/rules", params={"order": "desc", "limit": 2})).json()
    assert [rule["id"] for rule in back["items"]] == ids[:1:-1]
    back = (await rules.get("/rules", params={"order": "desc", "cursor": back["nextCursor"]})).json()
    assert [rule["id"] for rule in back["items"]] == ids[1::-1]
    assert back["nextCursor"] is None
    active = (await rules.get("/rules", params={"active": "true", "group": "b"})).json()
    assert [rule["id"] for rule in active["items"]] == [ids[2]]


async def test_making_a_rule_twice_with_one_key_makes_one(rules: Configured) -> None:
    key = {"idempotency-key": "one"}
    first = await rules.post("/rules", draft(), headers=key)
    again = await rules.post("/rules", draft(), headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["etag"] == first.headers["etag"]
    assert len((await rules.get("/rules")).json()["items"]) == 1
    other = await rules.post("/rules", draft(name="other"), headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotencyKeyReused")


# --- refused ---------------------------------------------------------------------------------------------------------


async def test_every_fault_of_a_rule_has_its_pointer(rules: Configured) -> None:
    data = draft(
        name="",
        conditions={"type": "any", "of": [{"type": "score", "op": "between", "value": [9, 1]}]},
        actions=[hook("ftp://x"), hook(username="a:b"), {"type": "addTag", "tag": ""}],
        colour="red",
    )
    answer = await rules.post("/rules", data)
    assert answer.status_code == 422
    assert set(pointers(answer)) == {
        "/name",
        "/colour",
        "/conditions/of/0/value",
        "/actions/1/basicAuth/username",
        "/actions/2/tag",
    }
    del data["colour"]
    answer = await rules.post("/rules", data)
    assert "/actions/0/url" in pointers(answer)


async def test_a36_a_colon_in_the_user_name_is_refused_at_the_field(rules: Configured) -> None:
    answer = await rules.post("/rules", draft(actions=[hook(username="jan:x")]))
    assert (answer.status_code, pointers(answer)) == (422, ["/actions/0/basicAuth/username"])


async def test_a40_credentials_in_the_url_are_refused_and_not_echoed(rules: Configured) -> None:
    url = "https://jan:p%40ss@h.example/hook"
    answer = await rules.post("/rules", draft(actions=[{"type": "webhook", "url": url}]))
    assert (answer.status_code, pointers(answer)) == (422, ["/actions/0/url"])
    assert "p%40ss" not in answer.text
    assert "user name and password" in answer.json()["errors"][0]["detail"]


async def test_a45_a_private_address_is_refused_with_the_setting_that_allows_it(rules: Configured) -> None:
    answer = await rules.post("/rules", draft(actions=[hook("http://192.168.1.9/hook", None)]))
    assert (answer.status_code, pointers(answer)) == (422, ["/actions/0/url"])
    assert "192.168.1.9" in answer.text
    assert "GONIEC_ALLOW_NETWORKS" in answer.text


async def test_a21_urls_are_trimmed_and_never_cut(rules: Configured) -> None:
    made = await rules.rule(actions=[hook(" https://żółw.example/ścieżka?q=ą\n", None)])
    assert made["actions"][0]["url"] == "https://xn--w-uga1v8h.example/%C5%9Bcie%C5%BCka?q=%C4%85"
    answer = await rules.post("/rules", draft(actions=[hook("https://crm.example/a b", None)]))
    assert pointers(answer) == ["/actions/0/url"]


@pytest.mark.parametrize("scope", ["read", "ingest"])
async def test_only_admin_changes_rules(rules: Configured, scope: str) -> None:
    answer = await rules.post("/rules", draft(), scope=scope)
    assert (answer.status_code, answer.json()["code"]) == (403, "scopeMissing")


async def test_bodies_that_are_no_rules(rules: Configured) -> None:
    assert (await rules.raw("/rules", b"")).status_code == 400
    assert (await rules.raw("/rules", b"[" * 10_000)).status_code in {400, 422}
    assert (await rules.raw("/rules", b"[]")).status_code == 422
    deep = b'{"name":"x","triggers":[],"conditions":' + b'{"type":"not","of":[' * 300 + b"]}" * 300 + b"}"
    assert (await rules.raw("/rules", deep)).status_code == 422
    long = await rules.post("/rules", draft(name="x" * 10_000))
    assert (long.status_code, pointers(long)) == (422, ["/name"])


# --- passwords -------------------------------------------------------------------------------------------------------


async def test_another_password_is_refused_with_the_rules_that_use_it(rules: Configured) -> None:
    made = await rules.rule()
    other = draft(name="second", actions=[hook(password="geheim")])
    answer = await rules.post("/rules", other)
    assert (answer.status_code, answer.json()["code"]) == (409, "credentialsDiffer")
    assert answer.json()["rules"] == [{"id": made["id"], "name": "VIP to CRM"}]
    assert (await rules.post("/rules?replace=true", other)).status_code == 201
    await rules.contact(tags=["VIP"])
    await rules.shop.settle()
    sent = {dict(request.headers)["Authorization"] for request in rules.shop.sender.sent}
    assert sent == {"Basic amFuOmdlaGVpbQ=="}


async def test_a37_an_empty_password_and_an_empty_user_are_sent_as_they_are(rules: Configured) -> None:
    await rules.rule(triggers=EVERY, actions=[hook(password=""), hook(username="", password="tajne")])
    await rules.contact()
    await rules.shop.settle()
    sent = sorted(dict(request.headers)["Authorization"] for request in rules.shop.sender.sent)
    assert sent == ["Basic OnRham5l", "Basic amFuOg=="]


async def test_another_host_gets_no_stored_password(rules: Configured) -> None:
    made = await rules.rule(triggers=EVERY)
    made["actions"][0]["url"] = "https://other.example/hook"
    saved = await rules.put(f"/rules/{made['id']}", made)
    assert saved.json()["actions"][0]["basicAuth"] == {"username": "jan", "passwordSet": False}
    await rules.contact()
    await rules.shop.settle()
    (request,) = rules.shop.sender.sent
    assert dict(request.headers)["Authorization"] == "Basic amFuOg=="


async def test_no_secret_is_in_any_answer_nor_in_the_log(rules: Configured, capsys: pytest.CaptureFixture[str]) -> None:
    made = await rules.rule(triggers=EVERY)
    key = {"name": "X-Key", "value": "geheim", "secret": True}
    endpoint = made["actions"][0]["endpointId"]
    await rules.patch(f"/endpoints/{endpoint}", {"headers": [key]})
    rules.shop.sender.script = lambda _: failing()
    contact = await rules.contact()
    await rules.shop.settle()
    await rules.post(f"/rules/{made['id']}/testSend", {})
    await rules.post("/rules", draft(actions=[hook(password="tajne")]))
    await rules.put(f"/rules/{made['id']}", draft(actions=[hook(username="x" * 999, password="tajne")]))
    await rules.post("/rules", draft(actions=[hook(password=["tajne"])]))
    for path in (
        "/rules",
        f"/rules/{made['id']}",
        f"/rules/{made['id']}/runs",
        "/endpoints",
        f"/endpoints/{endpoint}",
        "/deliveries",
        f"/explain?ruleId={made['id']}&contactId={contact['id']}",
        "/keys",
    ):
        assert (await rules.get(path)).status_code == 200
    for delivery in (await rules.get("/deliveries")).json()["items"]:
        await rules.get(f"/deliveries/{delivery['id']}")
    written = capsys.readouterr()
    assert SECRETS.search(written.out + written.err) is None
    assert " attempt " in written.err


# --- tried out -------------------------------------------------------------------------------------------------------


async def test_a25_a_test_send_tells_what_came_back_and_what_it_does_not_prove(rules: Configured) -> None:
    made = await rules.rule(active=False, triggers=[{"type": "contact.inactive", "days": 3}], description="ą")
    contact = await rules.contact(company="M&M", phone="600 100 200")
    answer = await rules.post(f"/rules/{made['id']}/testSend", {"contactId": contact["id"]})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["status"], told["url"], told["ruleActive"], told["triggersCanOccur"]) == (
        "delivered",
        URL,
        False,
        False,
    )
    assert len(told["hints"]) == 3
    assert (told["attempt"]["status"], told["attempt"]["body"], told["attempt"]["number"]) == (200, "ok", 1)
    assert msgspec.json.decode(told["body"]) == {
        "id": made["id"],
        "name": "VIP to CRM",
        "contactId": contact["id"],
        "description": "ą",
        "email": "jan@example.pl",
        "phone": "600 100 200",
        "company": "M&M",
    }
    (request,) = rules.shop.sender.sent
    assert request.body.decode() == told["body"]
    assert dict(request.headers)["goniec-test"] == "true"
    stored = (await rules.get(f"/deliveries/{told['deliveryId']}")).json()
    assert (stored["test"], stored["eventId"], stored["runId"], stored["body"]) == (True, None, None, told["body"])
    assert stored["attempts"] == [told["attempt"]]


async def test_a_test_send_that_fails_is_told(rules: Configured) -> None:
    made = await rules.rule()
    rules.shop.sender.script = lambda _: failing(500, head=b"HTTP/1.1 500 \xff", body=b"\x00\xffbroken")
    told = (await rules.post(f"/rules/{made['id']}/testSend", {})).json()
    assert (told["status"], told["hints"]) == ("failed", [])
    attempt = told["attempt"]
    assert (attempt["failure"], attempt["status"]) == ("serverError", 500)
    assert attempt["head"] == "HTTP/1.1 500 \\xff"
    assert attempt["body"] == "\x00\\xffbroken"


async def test_a_test_send_is_sent_once_for_one_key(rules: Configured) -> None:
    made = await rules.rule()
    key = {"idempotency-key": "one"}
    first = await rules.post(f"/rules/{made['id']}/testSend", {}, headers=key)
    again = await rules.post(f"/rules/{made['id']}/testSend", {}, headers=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    assert len(rules.shop.sender.sent) == 1


async def test_which_webhook_is_tried(rules: Configured) -> None:
    two = "https://two.example/"
    made = await rules.rule(actions=[{"type": "addTag", "tag": "x"}, hook()], otherwise=[hook(two)])
    path = f"/rules/{made['id']}/testSend"
    assert (await rules.post(path, {"action": 1})).json()["url"] == URL
    assert (await rules.post(path, {"action": "/otherwise/0"})).json()["url"] == two
    wrong = await rules.post(path, {"action": 0})
    assert (wrong.status_code, pointers(wrong)) == (422, ["/action"])
    none = await rules.rule(actions=[])
    answer = await rules.post(f"/rules/{none['id']}/testSend", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "noWebhook")
    assert (await rules.post(path, {"contactId": "x"})).json()["detail"] == "there is no contact with this id"


async def test_a_run_by_hand_runs_this_rule_alone(rules: Configured) -> None:
    made, other = await rules.rule(), await rules.rule()
    contact = await rules.contact()
    answer = await rules.post(f"/rules/{made['id']}/run", {"contactId": contact["id"]})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["outcome"], told["detail"], len(told["deliveries"])) == ("fired", None, 1)
    assert is_id(RUN, told["runId"])
    run = (await rules.get(f"/runs/{told['runId']}")).json()
    assert (run["eventId"], run["outcome"], run["deliveries"]) == (told["eventId"], "fired", told["deliveries"])
    assert (await rules.get(f"/rules/{other['id']}/runs")).json()["items"] == []
    event = (await rules.get(f"/events/{told['eventId']}")).json()
    assert (event["type"], event["data"]) == ("rule.requested", {"rule": made["id"], "by": "key-admin"})
    await rules.shop.settle()


async def test_a_run_by_hand_that_comes_to_a_miss_says_why(rules: Configured) -> None:
    made = await rules.rule(conditions={"type": "score", "op": "gte", "value": 10})
    contact = await rules.contact()
    told = (await rules.post(f"/rules/{made['id']}/run", {"contactId": contact["id"]})).json()
    assert (told["outcome"], told["trace"]) == (
        "conditionsFailed",
        [{"pointer": "/conditions", "holds": False, "value": 0, "read": None}],
    )
    assert (await rules.get(f"/runs/{told['runId']}")).status_code == 404


async def test_runs_by_hand_that_cannot_be(rules: Configured) -> None:
    made = await rules.rule()
    answer = await rules.post(f"/rules/{made['id']}/run", {"contactId": "x"})
    assert (answer.status_code, pointers(answer)) == (422, ["/contactId"])
    await rules.post(f"/rules/{made['id']}/deactivate", None)
    answer = await rules.post(f"/rules/{made['id']}/run", {"contactId": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "ruleInactive")


async def test_a_run_by_hand_happens_once_for_one_key(rules: Configured) -> None:
    made, contact = await rules.rule(), await rules.contact()
    key = {"idempotency-key": "one"}
    first = await rules.post(f"/rules/{made['id']}/run", {"contactId": contact["id"]}, headers=key)
    again = await rules.post(f"/rules/{made['id']}/run", {"contactId": contact["id"]}, headers=key)
    assert again.json()["eventId"] == first.json()["eventId"]
    assert len((await rules.get(f"/rules/{made['id']}/runs")).json()["items"]) == 1
    await rules.shop.settle()


# --- runs and why ----------------------------------------------------------------------------------------------------


async def test_runs_are_listed_with_their_traces(rules: Configured) -> None:
    made = await rules.rule(triggers=EVERY, conditions={"type": "hasTag", "tags": ["VIP"]}, otherwise=[hook()])
    await rules.contact(email="a@x.pl", tags=["VIP"])
    await rules.contact(email="b@x.pl")
    first = (await rules.get(f"/rules/{made['id']}/runs", params={"limit": 1})).json()
    (run,) = first["items"]
    assert (run["outcome"], run["version"]) == ("fired", 1)
    assert run["trace"] == [{"pointer": "/conditions", "holds": True, "value": '["VIP"]', "read": None}]
    rest = (await rules.get(f"/rules/{made['id']}/runs", params={"cursor": first["nextCursor"]})).json()
    assert [run["outcome"] for run in rest["items"]] == ["firedOtherwise"]
    await rules.shop.settle()


async def test_explain_says_why(rules: Configured) -> None:
    made = await rules.rule(conditions={"type": "detail", "name": "A", "op": "gt", "value": 9}, maxRuns=1)
    contact = await rules.contact(details={"A": "9"}, tags=["VIP"])
    await rules.contact(details={"A": "10.0"}, tags=["inny"])
    await rules.post(f"/contacts/{contact['id']}/tags", {"remove": ["VIP"]})
    await rules.post(f"/contacts/{contact['id']}/tags", {"add": ["VIP"]})
    query = {"ruleId": made["id"], "contactId": contact["id"]}
    told = (await rules.get("/explain", params=query)).json()
    fired, missed = told["evaluations"]
    assert (fired["outcome"], fired["runId"] is not None, len(fired["deliveries"])) == ("fired", True, 1)
    assert (missed["outcome"], missed["runId"]) == ("conditionsFailed", None)
    assert missed["trace"] == [{"pointer": "/conditions", "holds": False, "value": "9", "read": "number 9"}]
    assert {"type": "contact.created", "reason": "noTrigger", "count": 1} in told["silences"]
    assert (told["now"]["outcome"], told["now"]["webhooks"]) == ("limitReached", 0)
    assert (told["ruleActive"], told["doubts"], told["complete"]) == (True, [], True)
    assert any("conditionsFailed: once" in line for line in told["summary"])
    await rules.shop.settle()


async def test_explain_of_what_would_happen(rules: Configured) -> None:
    contact = await rules.contact()
    query = {"contactId": contact["id"]}
    off = await rules.rule(active=False)
    told = (await rules.get("/explain", params={**query, "ruleId": off["id"]})).json()
    assert (told["now"]["outcome"], told["now"]["webhooks"], len(told["doubts"])) == ("fired", 1, 1)
    failing_rule = await rules.rule(conditions={"type": "score", "op": "gt", "value": 0})
    told = (await rules.get("/explain", params={**query, "ruleId": failing_rule["id"]})).json()
    assert (told["now"]["outcome"], told["now"]["trace"][0]["value"]) == ("conditionsFailed", 0)


async def test_explain_of_a_rule_that_cannot_run(rules: Configured) -> None:
    broken = stored("rul_broken", timezone="Europe/Nowhere")
    await rules.store.transact(lambda tx: tx.put_rule(broken))
    contact = await rules.contact()
    told = (await rules.get("/explain", params={"ruleId": "rul_broken", "contactId": contact["id"]})).json()
    assert told["now"]["outcome"] is None
    assert "Nowhere" in told["now"]["detail"]


async def test_explain_needs_both(rules: Configured) -> None:
    answer = await rules.get("/explain", params={"ruleId": "x"})
    assert (answer.status_code, pointers(answer)) == (400, ["/contactId"])
    answer = await rules.get("/explain", params={"ruleId": "x", "contactId": "y"})
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no rule with this id")
