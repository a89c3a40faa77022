"""Users over the API: made, listed without their hashes, changed, removed."""

import re
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from goniec.flow.users import SignedIn, sign_in
from tests.e2e.api.client import Api, pointers
from tests.e2e.api.configured import Configured, configured, on_disk

PASSWORD = "zażółć gęślą"
EWA = {"email": "Ewa@X.pl", "password": PASSWORD, "role": "admin", "name": "Ewa Żak"}


@pytest.fixture
async def rules(api: Api) -> AsyncIterator[Configured]:
    async with configured(api) as opened:
        yield opened


async def made(rules: Configured, **fields: Any) -> dict[str, Any]:
    answer = await rules.post("/users", {**EWA, **fields})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def enters(rules: Configured, email: str, password: str = PASSWORD) -> bool:
    context = rules.context
    found = await sign_in(context.outside, context.gate, email=email, password=password, address="198.51.100.7")
    return isinstance(found, SignedIn)


def digest(answer: httpx.Response) -> bytes:
    """What a request is known by again."""
    request = answer.request
    return sha256(b"\0".join((request.method.encode(), request.url.raw_path, request.content))).digest()


async def test_a_user_is_made_and_may_sign_in(rules: Configured, tmp_path: Path) -> None:
    answer = await rules.post("/users", {**EWA, "language": "en", "timezone": "Asia/Tokyo"})
    assert answer.status_code == 201
    ewa = answer.json()
    assert re.fullmatch(r"usr_[0-9A-Z]{26}", ewa["id"])
    assert ewa == {
        "id": ewa["id"],
        "version": 1,
        "email": "Ewa@X.pl",
        "name": "Ewa Żak",
        "role": "admin",
        "language": "en",
        "timezone": "Asia/Tokyo",
        "createdAt": "2025-11-25T03:36:00.000Z",
        "updatedAt": "2025-11-25T03:36:00.000Z",
        "disabledAt": None,
    }
    assert (answer.headers["etag"], answer.headers["location"]) == ('"1"', f"/api/v1/users/{ewa['id']}")
    assert await enters(rules, "ewa@x.pl")
    assert (await rules.get(f"/users/{ewa['id']}")).json() == ewa
    assert (await rules.get("/users")).json()["items"] == [ewa]
    assert PASSWORD.encode() not in on_disk(tmp_path)


async def test_no_answer_has_a_hash(rules: Configured) -> None:
    ewa = await made(rules)
    path = f"/users/{ewa['id']}"
    answers = [await rules.get("/users"), await rules.get(path), await rules.patch(path, {"password": "another one"})]
    for answer in answers:
        assert answer.status_code == 200
        assert not re.search(r"argon|\$|password", answer.text)


async def test_a_user_is_changed_in_the_version_that_was_read(rules: Configured) -> None:
    ewa = await made(rules)
    await made(rules, email="ola@x.pl")
    path = f"/users/{ewa['id']}"
    rules.shop.clock.at += 1_000
    changed = await rules.patch(path, {"role": "viewer", "name": "", "language": "pl"}, headers={"if-match": '"1"'})
    expected = {"version": 2, "role": "viewer", "name": "", "language": "pl", "updatedAt": "2025-11-25T03:36:01.000Z"}
    assert (changed.status_code, changed.json()) == (200, ewa | expected)
    late = await rules.patch(path, {"name": "E"}, headers={"if-match": '"1"'})
    assert (late.status_code, late.headers["etag"]) == (412, '"2"')
    assert (await rules.patch(path, {"language": None})).json()["language"] is None
    assert (await rules.delete(path, headers={"if-match": '"1"'})).status_code == 412


async def test_who_is_disabled_or_has_another_password_signs_in_no_more(rules: Configured) -> None:
    ewa = await made(rules, role="editor")
    path = f"/users/{ewa['id']}"
    assert (await rules.patch(path, {"disabled": True})).json()["disabledAt"] == "2025-11-25T03:36:00.000Z"
    assert not await enters(rules, "ewa@x.pl")
    assert (await rules.patch(path, {"disabled": False, "password": "another one"})).json()["disabledAt"] is None
    assert not await enters(rules, "ewa@x.pl")
    assert await enters(rules, "ewa@x.pl", "another one")
    assert (await rules.delete(path)).status_code == 204
    assert not await enters(rules, "ewa@x.pl", "another one")
    assert (await rules.get(path)).status_code == 404


async def test_an_email_is_one_users(rules: Configured) -> None:
    await made(rules)
    answer = await rules.post("/users", {**EWA, "email": "EWA@x.pl"})
    assert (answer.status_code, answer.json()["code"]) == (409, "emailTaken")


@pytest.mark.parametrize("change", [{"role": "editor"}, {"disabled": True}, None])
async def test_the_last_administrator_stays(rules: Configured, change: dict[str, Any] | None) -> None:
    ewa = await made(rules)
    await made(rules, email="ola@x.pl", role="editor")
    path = f"/users/{ewa['id']}"
    answer = await (rules.delete(path) if change is None else rules.patch(path, change))
    assert (answer.status_code, answer.json()["code"]) == (409, "lastAdmin")
    assert (await rules.get(path)).json() == ewa


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"email": "ewa"}, ["/email"]),
        ({"password": "short"}, ["/password"]),
        ({"password": "EWA@x.pl  "}, ["/password"]),
        ({"role": "root"}, ["/role"]),
        ({"language": "de"}, ["/language"]),
        ({"timezone": "Mars/Olympus", "name": "x" * 101}, ["/name", "/timezone"]),
        ({"passwordHash": "x"}, ["/passwordHash"]),
    ],
)
async def test_what_is_no_user(rules: Configured, fields: dict[str, str], wrong: list[str]) -> None:
    answer = await rules.post("/users", {**EWA, **fields})
    assert (answer.status_code, pointers(answer)) == (422, wrong)
    assert PASSWORD not in answer.text
    assert (await rules.get("/users")).json()["items"] == []
    if "email" not in fields:
        ewa = await made(rules)
        answer = await rules.patch(f"/users/{ewa['id']}", fields)
        assert (answer.status_code, pointers(answer)) == (422, wrong)


async def test_nobody_is_told_so(rules: Configured) -> None:
    for answer in (
        await rules.get("/users/usr_1"),
        await rules.patch("/users/usr_1", {}),
        await rules.delete("/users/usr_1"),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (404, "there is no user with this id")


async def test_a_request_that_is_sent_again_makes_nobody_twice(rules: Configured, tmp_path: Path) -> None:
    once = {"idempotency-key": "one"}
    first = await rules.post("/users", EWA, headers=once)
    again = await rules.post("/users", EWA, headers=once)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    other = await rules.post("/users", {**EWA, "password": "another one"}, headers=once)
    assert (other.status_code, other.json()["code"]) == (422, "idempotencyKeyReused")
    plain = await rules.post("/funnels", {"name": "Sales", "stages": ["Lead"]}, headers={"idempotency-key": "two"})
    assert digest(plain) in on_disk(tmp_path)
    assert digest(first) not in on_disk(tmp_path), "a password could be guessed from it"


@pytest.mark.parametrize("secret_first", [True, False])
async def test_an_idempotency_key_is_of_one_call_secret_or_not(rules: Configured, *, secret_first: bool) -> None:
    once = {"idempotency-key": "one"}
    calls: list[tuple[str, dict[str, Any]]] = [("/users", EWA), ("/funnels", {"name": "Sales", "stages": ["Lead"]})]
    first, second = calls if secret_first else reversed(calls)
    assert (await rules.post(*first, headers=once)).status_code == 201
    answer = await rules.post(*second, headers=once)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotencyKeyReused")


@pytest.mark.parametrize("scope", ["read", "ingest"])
async def test_only_admin_sees_users(rules: Configured, scope: str) -> None:
    assert (await rules.get("/users", scope=scope)).status_code == 403
    assert (await rules.post("/users", EWA, scope=scope)).status_code == 403
