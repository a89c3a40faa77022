"""API keys in the panel: the list, one that is shown once, revoking; by role, with bad input."""

import re

from tests.e2e.engine import Engine
from tests.e2e.panel.client import SignIn

KEY = re.compile(r"gnc_[A-Za-z0-9_-]{40,}")


async def test_a_key_is_shown_once_and_opens_what_it_may(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    page = await ala.get("/keys/new")
    assert page.fields["scope"] == ["ingest"], "the least that is of use is chosen"
    shown = await ala.send("/keys/new", {"name": "sklep", "scope": "ingest"})
    assert shown.status == 200
    assert shown.answer.headers["cache-control"] == "no-store"
    (key,) = KEY.findall(shown.text)
    assert "/api/v1/contacts" in shown.text
    bearer = {"authorization": f"Bearer {key}"}
    sent = await ala.http.post(f"{engine.url}/api/v1/contacts", json={"email": "x@example.com"}, headers=bearer)
    assert sent.status_code == 201
    assert (await ala.http.get(f"{engine.url}/api/v1/contacts", headers=bearer)).status_code == 403
    for later in ("/keys", "/keys/new"):
        assert KEY.search((await ala.get(later)).html) is None


async def test_the_list_says_what_each_key_may_and_which_rules_filter_by_it(engine: Engine, sign_in: SignIn) -> None:
    await engine.post("/keys", {"name": "sklep", "scope": "ingest"}, 201)
    trigger = {"type": "contact.created", "sourceKey": ["sklep"]}
    rules = [await engine.rule(trigger, "inbox:", name=f"Reguła {n}") for n in range(4)]
    ala = await sign_in("admin", "pl")
    page = await ala.get("/keys")
    assert "sklep Wysyłanie danych Reguła 0 , Reguła 1 , Reguła 2 i jeszcze 1" in page.text
    assert f"/rules/{rules[0]['id']}" in page.links
    assert "test-admin Pełny dostęp" in page.text


async def test_a_key_is_revoked_after_a_question(engine: Engine, sign_in: SignIn) -> None:
    made = await engine.post("/keys", {"name": "sklep", "scope": "read"}, 201)
    await engine.rule({"type": "contact.created", "sourceKey": ["sklep"]}, "inbox:", name="Z klucza")
    path = f"/keys/{made['id']}/revoke"
    ala = await sign_in("admin")
    page = await ala.get(path)
    assert "Revoke the key sklep?" in page.text
    assert "1 rule filters by what it sends" in page.text
    assert "Z klucza" in page.text
    page = await ala.follow(await ala.send(path, {}, page=page))
    assert "Revoked: sklep. It no longer works." in page.text
    assert path not in page.links
    assert "already revoked" in (await ala.follow(await ala.get(path))).text
    assert (await ala.send(path)).status == 303, "a second time changes nothing"
    assert (await engine.get("/keys"))["items"][-1]["revokedAt"] is not None
    # the name is free again
    assert (await ala.send("/keys/new", {"name": "sklep", "scope": "read"})).status == 200


WRONG = [
    ({"name": ""}, "name"),
    ({"name": "x" * 101}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"name": "TEST-Admin"}, "name"),
]


async def test_what_makes_no_sense_is_told_at_its_field_and_stays(engine: Engine, sign_in: SignIn) -> None:
    for language in ("en", "pl"):
        ala = await sign_in("admin", language)
        for wrong, field in WRONG:
            told = await ala.send("/keys/new", {"scope": "read", **wrong})
            assert told.status in {409, 422}
            assert told.problems == [field], wrong
            assert told.fields["name"] == [wrong["name"].strip()]
            assert told.fields["scope"] == ["read"]
        told = await ala.send("/keys/new", {"name": "sklep", "scope": "everything"})
        assert told.status == 422
        assert told.fields["name"] == ["sklep"]
    assert len((await engine.get("/keys"))["items"]) == 1


async def test_keys_are_an_administrators(engine: Engine, sign_in: SignIn) -> None:
    made = await engine.post("/keys", {"name": "sklep", "scope": "read"}, 201)
    for role in ("viewer", "editor"):
        person = await sign_in(role)
        for path in ("/keys", "/keys/new", f"/keys/{made['id']}/revoke"):
            assert (await person.get(path)).status == 403, path
        assert (await person.send("/keys/new", {"name": "x", "scope": "admin"})).status == 403
        assert (await person.send(f"/keys/{made['id']}/revoke")).status == 403
        assert "/keys" not in (await person.get("/account")).links, "nobody is shown what the role may not open"
    ala = await sign_in("admin")
    assert (await ala.send("/keys/new", {"_csrf": "", "name": "x", "scope": "admin"})).status == 403
    assert (await ala.send(f"/keys/{made['id']}/revoke", {"_csrf": ""})).status == 403
    assert (await ala.get("/keys/key_nothing/revoke")).status == 404
    assert (await ala.send("/keys/key_nothing/revoke")).status == 404
    found = (await engine.get("/keys"))["items"]
    assert [(one["name"], one["revokedAt"]) for one in found] == [("test-admin", None), ("sklep", None)]


async def test_hostile_names_are_text(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    for text in ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "kot 🐈 " + "ż" * 80):
        shown = await ala.send("/keys/new", {"name": text, "scope": "read"})
        assert shown.status == 200
        assert "<script>alert" not in shown.html
    page = await ala.get("/keys")
    assert "<script>alert" not in page.html
    assert "<img src=x" not in page.html
    for key in (await engine.get("/keys"))["items"]:
        assert "<script>alert" not in (await ala.get(f"/keys/{key['id']}/revoke")).html


async def test_more_than_fit_on_a_page_go_on_by_cursor(engine: Engine, sign_in: SignIn) -> None:
    for n in range(51):
        await engine.post("/keys", {"name": f"klucz {n:02}", "scope": "read"}, 201)
    ala = await sign_in("admin")
    page = await ala.get("/keys")
    assert "klucz 50" in page.text
    assert "klucz 01" in page.text
    assert "52 keys" in page.text
    assert "klucz 00" not in page.text
    older = next(link for link in page.links if "cursor=" in link)
    page = await ala.get(older)
    assert "klucz 00" in page.text
    assert "klucz 01" not in page.text
