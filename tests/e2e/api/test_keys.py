"""API keys over the API: told once, listed without themselves, revoked."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from goniec.ports import Tx
from goniec.web.once import remembered_as
from tests.e2e.api.client import Api, pointers
from tests.e2e.api.configured import Configured, configured, on_disk


@pytest.fixture
async def rules(api: Api) -> AsyncIterator[Configured]:
    async with configured(api) as opened:
        yield opened


async def test_a_key_is_made_told_once_and_opens_what_its_scope_says(rules: Configured) -> None:
    answer = await rules.post("/keys", {"name": "sklep", "scope": "ingest"})
    assert answer.status_code == 201
    made = answer.json()
    key = made.pop("key")
    assert made | {"id": "", "createdAt": ""} == {
        "id": "",
        "name": "sklep",
        "scope": "ingest",
        "createdAt": "",
        "revokedAt": None,
    }
    listed = await rules.get("/keys")
    assert made in listed.json()["items"]
    assert key not in listed.text
    rules.keys = {**rules.keys, "new": key}
    assert (await rules.post("/contacts", {"email": "a@x.pl"}, scope="new")).status_code == 201
    assert (await rules.get("/contacts", scope="new")).status_code == 403


async def test_a_revoked_key_opens_nothing(rules: Configured) -> None:
    made = (await rules.post("/keys", {"name": "sklep", "scope": "read"})).json()
    rules.keys = {**rules.keys, "new": made["key"]}
    assert (await rules.get("/rules", scope="new")).status_code == 200
    assert (await rules.delete(f"/keys/{made['id']}")).status_code == 204
    rules.shop.clock.at += 2_001
    assert (await rules.get("/rules", scope="new")).status_code == 401
    (found,) = [one for one in (await rules.get("/keys")).json()["items"] if one["id"] == made["id"]]
    assert found["revokedAt"] == "2025-11-25T03:36:00.000Z"


async def test_a_name_is_one_keys(rules: Configured) -> None:
    body = {"name": "sklep", "scope": "read"}
    made = (await rules.post("/keys", body)).json()
    taken = await rules.post("/keys", body)
    assert (taken.status_code, taken.json()["code"]) == (409, "nameTaken")
    await rules.delete(f"/keys/{made['id']}")
    assert (await rules.post("/keys", body)).status_code == 201


async def test_a_key_is_told_again_for_the_same_request(rules: Configured, tmp_path: Path) -> None:
    once = {"idempotency-key": "one"}
    first = await rules.post("/keys", {"name": "sklep", "scope": "read"}, headers=once)
    again = await rules.post("/keys", {"name": "sklep", "scope": "read"}, headers=once)
    assert (again.status_code, again.json()) == (201, first.json())
    database = on_disk(tmp_path)
    assert b"sklep" in database
    assert first.json()["key"].encode() not in database


async def test_a_key_that_was_revoked_meanwhile_is_not_told_again(rules: Configured) -> None:
    once = {"idempotency-key": "one"}
    made = (await rules.post("/keys", {"name": "sklep", "scope": "read"}, headers=once)).json()
    await rules.delete(f"/keys/{made['id']}")
    again = await rules.post("/keys", {"name": "sklep", "scope": "read"}, headers=once)
    assert (again.status_code, again.json()["code"]) == (409, "keyRevoked")
    assert made["key"] not in again.text
    assert [key.name for key in await rules.store.queries.keys()].count("sklep") == 1, "nothing was made anew"


async def test_a_remembered_secret_that_no_key_opens_is_not_told(rules: Configured) -> None:
    once = {"idempotency-key": "one"}
    await rules.post("/keys", {"name": "sklep", "scope": "read"}, headers=once)
    (admin,) = [key.id for key in await rules.store.queries.keys() if key.name == "key-admin"]

    async def spoil(tx: Tx) -> None:
        name = remembered_as(admin, "one")
        known = await tx.remembered(name)
        assert known is not None
        await tx.remember(name, replace(known, body=b"x:ydobon"), 0)

    await rules.store.transact(spoil)
    answer = await rules.post("/keys", {"name": "sklep", "scope": "read"}, headers=once)
    assert answer.status_code == 409


async def test_what_is_no_key(rules: Configured) -> None:
    answer = await rules.post("/keys", {"name": "x", "scope": "root"})
    assert (answer.status_code, pointers(answer)) == (422, ["/scope"])
    answer = await rules.post("/keys", {"name": "x" * 101, "scope": "read"})
    assert (answer.status_code, pointers(answer)) == (422, ["/name"])
    assert (await rules.delete("/keys/key_x")).json()["detail"] == "there is no key with this id"


@pytest.mark.parametrize("scope", ["read", "ingest"])
async def test_only_admin_sees_keys(rules: Configured, scope: str) -> None:
    assert (await rules.get("/keys", scope=scope)).status_code == 403
    assert (await rules.post("/keys", {"name": "x", "scope": "admin"}, scope=scope)).status_code == 403
