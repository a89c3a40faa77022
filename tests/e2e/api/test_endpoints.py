"""Endpoints over the API: read without secrets, changed, paused, resumed, given another secret, deleted."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from goniec.core.signing import encode_secret
from tests.contract.send.papers import self_made
from tests.e2e.api.client import Api, pointers
from tests.e2e.api.configured import PASSWORD, URL, Configured, configured, draft, on_disk
from tests.flow.workshop import STORES, failing, ok

EVERY = [{"type": "contact.created"}]


@pytest.fixture
async def rules(api: Api) -> AsyncIterator[Configured]:
    async with configured(api) as opened:
        yield opened


@pytest.fixture
async def rule(rules: Configured) -> dict[str, Any]:
    return await rules.rule(triggers=EVERY)


@pytest.fixture
async def path(rule: dict[str, Any]) -> str:
    return f"/endpoints/{rule['actions'][0]['endpointId']}"


async def test_an_endpoint_is_read_with_its_policy_and_its_rules(rules: Configured, rule: Any, path: str) -> None:
    answer = await rules.get(path, scope="read")
    assert answer.headers["etag"] == '"1"'
    found = answer.json()
    assert found | {"id": "", "createdAt": "", "updatedAt": ""} == {
        "id": "",
        "version": 1,
        "url": URL,
        "basicAuth": {"username": "jan", "passwordSet": True},
        "headers": [],
        "caBundle": None,
        "clientCertificate": None,
        "oauth2": None,
        "schedule": [5, 60, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400],
        "timeout": 15.0,
        "connectTimeout": 5.0,
        "rate": None,
        "concurrency": 16,
        "order": True,
        "orderHold": 1800,
        "breaker": True,
        "tellErasure": False,
        "owner": None,
        "split": False,
        "paused": None,
        "pausedAt": None,
        "heldUntil": None,
        "failingSince": None,
        "nextProbeAt": None,
        "previousSecretUntil": None,
        "createdAt": "",
        "updatedAt": "",
        "pending": 0,
        "usedBy": [{"id": rule["id"], "name": "VIP to CRM"}],
    }
    assert found in (await rules.get("/endpoints")).json()["items"]


async def test_endpoints_are_listed_in_pages(rules: Configured, path: str) -> None:
    ids = sorted(["end_1", path.removeprefix("/endpoints/")])
    first = (await rules.get("/endpoints", params={"limit": 1})).json()
    rest = (await rules.get("/endpoints", params={"cursor": first["nextCursor"]})).json()
    assert [one["id"] for one in (*first["items"], *rest["items"])] == ids
    assert (first["more"], rest["more"]) == (True, False)


async def test_an_endpoint_without_user_says_so(rules: Configured) -> None:
    assert (await rules.get("/endpoints/end_1")).json()["basicAuth"] is None


async def test_a_policy_is_patched(rules: Configured, path: str) -> None:
    answer = await rules.patch(path, {"timeout": 3, "schedule": [1]}, headers={"if-match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    assert (answer.json()["timeout"], answer.json()["schedule"], answer.json()["version"]) == (3.0, [1], 2)
    late = await rules.patch(path, {"timeout": 4}, headers={"if-match": '"1"'})
    assert (late.status_code, late.headers["etag"]) == (412, '"2"')


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"timeout": 31}, ["/timeout"]),
        ({"timeout": "x"}, ["/timeout"]),
        ({"rate": 0}, ["/rate"]),
        ({"owner": "jan@example.com\r\nBcc: ola@example.com"}, ["/owner"]),
        ({"owner": "Jan <jan@example.com>"}, ["/owner"]),
        ({"owner": ""}, ["/owner"]),
        ({"schedule": [0], "concurrency": 0}, ["/schedule", "/concurrency"]),
        ({"split": 1}, ["/split"]),
        ({"split": True, "concurrency": 7}, ["/concurrency"]),
        ({"url": "http://127.0.0.1/"}, ["/url"]),
        ({"url": "https://jan:p%40ss@crm.example/"}, ["/url"]),
        ({"headers": [{"name": "Authorization", "value": "x"}]}, ["/headers/0/name"]),
        ({"headers": [{"name": "X-A", "value": "x\r\nX-B: 1"}]}, ["/headers/0/value"]),
        ({"headers": [{"name": "X-A", "value": "\u0105"}]}, ["/headers/0/value"]),
        ({"basicAuth": {"username": "a:b"}}, ["/basicAuth/username"]),
    ],
)
async def test_what_cannot_be_taken(rules: Configured, path: str, change: dict[str, Any], where: list[str]) -> None:
    answer = await rules.patch(path, change)
    assert (answer.status_code, pointers(answer)) == (422, where)
    assert "p%40ss" not in answer.text
    assert (await rules.get(path)).json()["version"] == 1


async def test_headers_of_its_own_are_sent_and_secret_ones_not_told(rules: Configured, path: str) -> None:
    plain, secret = {"name": "X-Plain", "value": "a"}, {"name": "X-Key", "value": "geheim", "secret": True}
    answer = await rules.patch(path, {"headers": [plain, secret]})
    assert answer.json()["headers"] == [
        {"name": "X-Plain", "value": "a", "secret": False, "valueSet": True},
        {"name": "X-Key", "value": None, "secret": True, "valueSet": True},
    ]
    again = await rules.patch(path, {"headers": answer.json()["headers"]})
    assert (again.status_code, again.json()["version"]) == (200, 2)
    await rules.contact()
    await rules.shop.settle()
    (request,) = rules.shop.sender.sent
    assert request.headers[-2:] == (("X-Plain", "a"), ("X-Key", "geheim"))


async def test_another_host_drops_password_and_secret_headers(rules: Configured, path: str) -> None:
    secret = {"name": "X-Key", "value": "geheim", "secret": True}
    await rules.patch(path, {"headers": [secret]})
    answer = await rules.patch(path, {"url": "https://other.example/hook"})
    assert (answer.json()["basicAuth"], answer.json()["headers"]) == ({"username": "jan", "passwordSet": False}, [])
    await rules.contact()
    await rules.shop.settle()
    (request,) = rules.shop.sender.sent
    assert request.url == "https://other.example/hook"
    assert PASSWORD.encode() not in str(request.headers).encode()
    assert dict(request.headers)["Authorization"] == "Basic amFuOg=="


async def test_a_url_and_user_that_another_endpoint_has(rules: Configured, path: str) -> None:
    url = (await rules.get("/endpoints/end_1")).json()["url"]
    answer = await rules.patch(path, {"url": url, "basicAuth": None})
    assert (answer.status_code, answer.json()["code"]) == (409, "endpointExists")
    assert "rules" not in answer.json()


async def test_what_waits_for_a_paused_endpoint_goes_out_when_it_is_resumed(rules: Configured, path: str) -> None:
    paused = (await rules.post(f"{path}/pause", None)).json()
    assert (paused["paused"], paused["pausedAt"]) == ("byHand", "2025-11-25T03:36:00.000Z")
    await rules.contact()
    await rules.shop.settle()
    assert rules.shop.sender.sent == []
    assert (await rules.get(path)).json()["pending"] == 1
    resumed = (await rules.post(f"{path}/resume", None)).json()
    assert (resumed["paused"], resumed["pausedAt"]) == (None, None)
    await rules.shop.poll()
    await rules.shop.settle()
    assert len(rules.shop.sender.sent) == 1
    assert (await rules.get(path)).json()["pending"] == 0


# --- secrets ---------------------------------------------------------------------------------------------------------


async def test_a_new_secret_is_told_once_and_two_sign_while_it_is_rotated(rules: Configured, path: str) -> None:
    own = encode_secret(b"m" * 32)
    rules.expects_secret = True
    sent = await rules.post(f"{path}/rotateSecret", {"secret": own, "overlapDays": 0})
    assert (sent.json()["secret"], sent.json()["previousSecretUntil"]) == (None, None)
    made = await rules.post(f"{path}/rotateSecret", {})
    secret = made.json()["secret"]
    assert made.json()["previousSecretUntil"] == "2025-11-26T03:36:00.000Z"
    rules.expects_secret = False
    await rules.get(path)
    await rules.contact()
    await rules.shop.settle()
    (request,) = rules.shop.sender.sent
    headers = dict(request.headers)
    assert len(headers["webhook-signature"].split()) == 2
    for one in (secret, own):
        # the clock of the test stands in another year than that of the library
        signed = Webhook(one).sign(headers["webhook-id"], at(headers["webhook-timestamp"]), request.body.decode())
        assert signed in headers["webhook-signature"].split()


def at(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


async def test_a_new_secret_is_told_again_for_the_same_key_and_kept_sealed(
    rules: Configured, path: str, tmp_path: Path
) -> None:
    rules.expects_secret = True
    key = {"idempotency-key": "one"}
    first = await rules.post(f"{path}/rotateSecret", {}, headers=key)
    again = await rules.post(f"{path}/rotateSecret", {}, headers=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    database = on_disk(tmp_path)
    assert first.json()["id"].encode() in database
    assert first.json()["secret"].encode() not in database
    reused = await rules.post(f"{path}/rotateSecret", {"overlapDays": 3}, headers=key)
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotencyKeyReused")


@pytest.mark.parametrize("body", [{"secret": "geheim"}, {"overlapDays": 8}, {"overlapDays": -1}])
async def test_what_is_no_secret_or_no_time(rules: Configured, path: str, body: dict[str, Any]) -> None:
    answer = await rules.post(f"{path}/rotateSecret", body)
    assert (answer.status_code, pointers(answer)) == (422, [f"/{next(iter(body))}"])


# --- deleting --------------------------------------------------------------------------------------------------------


async def test_an_endpoint_is_deleted_when_nothing_needs_it(rules: Configured, rule: Any, path: str) -> None:
    answer = await rules.delete(path)
    assert (answer.status_code, answer.json()["code"]) == (409, "inUse")
    assert answer.json()["rules"] == [{"id": rule["id"], "name": rule["name"]}]
    rules.shop.sender.script = lambda _: failing()
    await rules.contact()
    await rules.shop.settle()
    await rules.delete(f"/rules/{rule['id']}")
    answer = await rules.delete(path)
    assert (answer.status_code, answer.json()["code"]) == (409, "pendingDeliveries")
    rules.shop.sender.script = ok
    await rules.shop.later(6_000)
    assert (await rules.delete(path, headers={"if-match": '"9"'})).status_code == 412
    assert (await rules.delete(path)).status_code == 204
    assert (await rules.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/rotateSecret"),
    ],
)
async def test_an_endpoint_that_is_not_there(rules: Configured, method: str, path: str) -> None:
    answer = await rules.ask(method, f"/endpoints/end_x{path}", json={})
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is no endpoint with this id")


@pytest.mark.parametrize("scope", ["read", "ingest"])
async def test_only_admin_changes_endpoints(rules: Configured, path: str, scope: str) -> None:
    assert (await rules.patch(path, {"timeout": 3}, scope=scope)).status_code == 403
    assert (await rules.post(f"{path}/pause", None, scope=scope)).status_code == 403


async def test_where_an_endpoint_is_used_follows_the_rules(rules: Configured, rule: Any, path: str) -> None:
    second = await rules.rule(name="second", active=False)
    assert [one["id"] for one in (await rules.get(path)).json()["usedBy"]] == [rule["id"], second["id"]]
    await rules.put(f"/rules/{rule['id']}", draft(actions=[{"type": "addTag", "tag": "x"}]))
    assert [one["name"] for one in (await rules.get(path)).json()["usedBy"]] == ["second"]


@pytest.mark.parametrize("opening", STORES.values(), ids=STORES)
async def test_a42_certificates_are_told_and_a_key_never(rules: Configured, path: str, tmp_path: Path) -> None:
    certificate, key = self_made("goniec")
    client = {"certificate": certificate, "key": key}
    answer = await rules.patch(path, {"caBundle": certificate, "clientCertificate": client})
    told = answer.json()["clientCertificate"]
    assert (answer.json()["caBundle"], told["subject"], told["keySet"]) == (certificate, "CN=goniec", True)
    assert "key" not in told
    assert told["notAfter"].endswith("Z")
    # what was read may be sent back
    again = await rules.patch(path, {"clientCertificate": told})
    assert (again.status_code, again.json()["version"]) == (200, 2)
    middle = key.splitlines()[1]
    assert middle not in answer.text + again.text
    assert middle.encode() not in on_disk(tmp_path)
    assert middle not in repr(await rules.store.queries.endpoints())
    wrong = await rules.patch(path, {"caBundle": certificate + key, "clientCertificate": {"certificate": certificate}})
    assert wrong.status_code == 422
    assert pointers(wrong) == ["/caBundle"]
    assert middle not in wrong.text


async def test_an_oauth2_client_is_told_and_its_secret_never(rules: Configured, path: str, tmp_path: Path) -> None:
    client = {"tokenUrl": "https://login.example/token", "clientId": "goniec", "clientSecret": "s3cret-of-ours"}
    told = await rules.patch(path, {"oauth2": client})
    assert (told.status_code, pointers(told)) == (422, ["/oauth2"])
    saved = await rules.patch(path, {"oauth2": client, "basicAuth": None})
    assert saved.json()["basicAuth"] is None
    assert saved.json()["oauth2"] == {
        "tokenUrl": "https://login.example/token",
        "clientId": "goniec",
        "secretSet": True,
        "scope": None,
        "audience": None,
        "auth": "basic",
    }
    # what was read may be sent back
    again = await rules.patch(path, {"oauth2": saved.json()["oauth2"]})
    assert (again.status_code, again.json()["version"]) == (200, saved.json()["version"])
    wrong = await rules.patch(
        path, {"oauth2": {**client, "tokenUrl": "http://10.0.0.1/", "auth": "basic", "scope": '"'}}
    )
    assert pointers(wrong) == ["/oauth2/tokenUrl"]
    assert (await rules.patch(path, {"oauth2": {**client, "auth": "jwt"}})).status_code == 422
    for one in (told, saved, again, wrong):
        assert "s3cret-of-ours" not in one.text
    assert b"s3cret-of-ours" not in on_disk(tmp_path)
    assert (await rules.patch(path, {"oauth2": None})).json()["oauth2"] is None
