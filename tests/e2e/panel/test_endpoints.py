"""Endpoints in the panel: the list, the health of one, settings, passwords, secrets, deleting; by role, with bad input."""

import re
from typing import Any

import pytest

from tests.contract.send.papers import self_made
from tests.e2e.engine import Engine, eventually
from tests.e2e.panel.client import Page, Person, SignIn

DEAD = "http://127.0.0.1:9/hook"
BASIC = {"username": "goniec", "password": "s3cret-of-the-receiver"}
EVERY = {"type": "contact.created"}
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{20,}")


def hook(url: str, **more: Any) -> dict[str, Any]:
    return {"actions": [{"type": "webhook", "url": url, **more}]}


async def made(engine: Engine, url: str = "inbox:crm", name: str = "Nowy kontakt → CRM", **more: Any) -> str:
    """Make a rule that sends there; gives the endpoint's id."""
    return await engine.endpoint(await engine.rule(EVERY, name=name, **hook(url, **more)))


async def tried(engine: Engine, count: int) -> None:
    """Let a contact come, and wait until so many deliveries were tried."""
    await engine.contact(name="Anna Wiśniewska", email="anna@example.com")

    async def all_tried() -> bool:
        found = await engine.everything("/deliveries")
        return len([one for one in found if one["attemptCount"]]) == count

    await eventually(all_tried, "every delivery was tried")


def form(page: Page, **changes: Any) -> dict[str, Any]:
    """The fields of a page, changed; None takes one out."""
    fields: dict[str, Any] = {**page.fields, **changes}
    return {name: value for name, value in fields.items() if value is not None}


async def test_the_list_says_how_each_endpoint_is_and_which_rules_use_it(engine: Engine, sign_in: SignIn) -> None:
    works = await made(engine, "inbox:crm")
    await made(engine, "inbox:crm", name="Druga reguła")
    dead = await made(engine, DEAD, name="Do martwego", basicAuth=BASIC)
    paused = await made(engine, "https://hurt.example/hook", name="Do hurtu")
    await engine.post(f"/endpoints/{paused}/pause", {})
    await tried(engine, 3)
    ala = await sign_in("viewer")
    page = await ala.get("/endpoints")
    for id in (works, dead, paused):
        assert f"/endpoints/{id}" in page.links
    assert "All 3 Working 1 With a backlog 0 Not accepting 1 Paused 1" in page.text
    assert f"/deliveries?status=pending&endpoint={dead}" in page.links
    assert "goniec" in page.text
    assert "100%" in page.text
    assert BASIC["password"] not in page.html
    assert "127.0.0.1:9" not in (await ala.get("/endpoints?state=paused")).text
    found = await ala.get("/endpoints?q=HURT.example")
    assert "hurt.example" in found.text
    assert "127.0.0.1:9" not in found.text
    assert "No matching endpoints" in (await ala.get("/endpoints?q=nothing")).text


async def test_an_empty_list_says_how_endpoints_come_about(sign_in: SignIn) -> None:
    ala = await sign_in("viewer", "pl")
    page = await ala.get("/endpoints")
    assert "Nie ma jeszcze endpointów" in page.text
    assert "/rules/new" not in page.links, "who may only look is not asked to make a rule"
    assert "/rules/new" in (await (await sign_in("editor", "pl")).get("/endpoints")).links


async def test_a_cursor_of_another_list_is_told(engine: Engine, sign_in: SignIn) -> None:
    await made(engine)
    assert (await (await sign_in("viewer")).get("/endpoints?cursor=ż")).status == 400


async def test_a_page_says_first_how_the_endpoint_is(engine: Engine, sign_in: SignIn) -> None:
    works, dead = await made(engine), await made(engine, DEAD, name="Do martwego")
    ala = await sign_in("viewer")
    assert "Nothing has been sent here yet." in (await ala.get(f"/endpoints/{works}")).text
    await tried(engine, 2)
    page = await ala.get(f"/endpoints/{works}")
    assert "It works. The last delivery arrived" in page.text
    assert "200 OK" in page.text
    assert "Anna Wiśniewska" in page.text
    page = await ala.get(f"/endpoints/{dead}")
    assert "The receiver does not take deliveries: Connection" in page.text
    assert "1 delivery waits; none is lost." in page.text
    assert "The next attempt is due" in page.text
    await engine.post(f"/endpoints/{dead}/pause", {})
    page = await ala.get(f"/endpoints/{dead}")
    assert "Paused by hand. 1 delivery waits, and is sent when someone resumes it." in page.text


async def test_a_receiver_that_asked_for_a_break_gets_one(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await made(engine, DEAD)
    await engine.patch(f"/endpoints/{endpoint}", {"schedule": []})
    await tried(engine, 1)
    page = await (await sign_in("viewer")).get(f"/endpoints/{endpoint}")
    assert "The last delivery failed: Connection" in page.text
    assert "one, without any retry" in page.text


async def test_a_page_shows_policy_headers_rules_and_code_but_no_secret(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await made(engine, basicAuth=BASIC)
    headers = [
        {"name": "X-Api-Key", "value": "hush-hush-value", "secret": True},
        {"name": "X-Kanal", "value": "sklep"},
    ]
    await engine.patch(f"/endpoints/{endpoint}", {"headers": headers, "tellErasure": True, "orderHold": 0})
    for role in ("viewer", "editor", "admin"):
        page = await (await sign_in(role)).get(f"/endpoints/{endpoint}")
        assert BASIC["password"] not in page.html
        assert "hush-hush-value" not in page.html
        assert SECRET.search(page.html) is None
        assert "at most 11, over about 3 d 3 h" in page.text.replace("\u00a0", " ")
        assert "the others wait until the first one arrives" in page.text
        assert "Erased contacts notified" in page.text
        assert "X-Api-Key hidden X-Kanal sklep" in page.text
        assert "hmac.compare_digest" in page.text
        assert "timingSafeEqual" in page.text
        assert "hash_equals" in page.text
        assert "hmac.Equal" in page.text
        changing = f"/endpoints/{endpoint}/edit" in page.links
        assert changing == (role == "admin"), "only an administrator is offered changes"
        assert ("Pause" in page.text) == (role == "admin")


ADMINS = ("edit", "password", "secret", "delete")


async def test_only_an_administrator_changes_an_endpoint(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await made(engine)
    for role in ("viewer", "editor"):
        person = await sign_in(role)
        for page in ADMINS:
            assert (await person.get(f"/endpoints/{endpoint}/{page}")).status == 403, page
        for change in (*ADMINS, "pause", "resume"):
            assert (await person.send(f"/endpoints/{endpoint}/{change}", {})).status == 403, change
    assert (await engine.get(f"/endpoints/{endpoint}"))["version"] == 1


async def test_what_does_not_come_from_our_pages_changes_nothing(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await made(engine)
    ala = await sign_in("admin")
    for change in (*ADMINS, "pause"):
        path = f"/endpoints/{endpoint}/{change}"
        assert (await ala.send(path, {"_csrf": ""})).status == 403, change
        assert (await ala.send(path, {"_csrf": "0" * 32})).status == 403, change
        ala.http.headers["sec-fetch-site"] = "cross-site"
        assert (await ala.send(path, {})).status == 403, change
        del ala.http.headers["sec-fetch-site"]
    assert (await engine.get(f"/endpoints/{endpoint}"))["version"] == 1


async def test_pages_of_what_is_not_there_say_so(sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    for page in ("", "/edit", "/password", "/secret", "/delete"):
        assert (await ala.get(f"/endpoints/end_nothing{page}")).status == 404, page
    for change in (*ADMINS, "pause", "resume"):
        assert (await ala.send(f"/endpoints/end_nothing/{change}", {"url": "inbox:"})).status == 404, change


async def test_pausing_and_resuming(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await made(engine)
    ala = await sign_in("admin")
    page = await ala.follow(await ala.send(f"/endpoints/{endpoint}/pause"))
    assert "Paused. Deliveries to this endpoint wait until you resume it." in page.text
    assert "Nothing is waiting now." in page.text
    await engine.contact(email="jan@example.com")
    assert "1 delivery waits" in (await ala.get(f"/endpoints/{endpoint}")).text
    assert "Resumed." in (await ala.follow(await ala.send(f"/endpoints/{endpoint}/resume"))).text
    await engine.quiet()
    assert "It works." in (await ala.get(f"/endpoints/{endpoint}")).text


async def test_a_page_is_live_while_something_waits(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await made(engine)
    ala = await sign_in("viewer")
    assert "every 3s" not in (await ala.get(f"/endpoints/{endpoint}")).html
    await engine.post(f"/endpoints/{endpoint}/pause", {})
    await engine.contact(email="jan@example.com")
    page = await ala.get(f"/endpoints/{endpoint}")
    found = re.search(r'id="standing" data-tick hx-get="([^"]+)" hx-trigger="every 3s"', page.html)
    assert found
    head = {"hx-request": "true", "hx-trigger": "standing"}
    part = await ala.get(found[1], **head)
    assert "<html" not in part.html
    assert "1 delivery waits" in part.text
    assert 'id="standing" data-tick' in part.html
    await engine.post(f"/endpoints/{endpoint}/resume", {})
    await engine.quiet()
    changed = await ala.get(found[1], **head)
    assert changed.answer.headers["hx-refresh"] == "true", "its buttons are others now"
    page = await ala.get(f"/endpoints/{endpoint}")
    assert "every 3s" not in page.html
    version = (await engine.get(f"/endpoints/{endpoint}"))["version"]
    part = await ala.get(f"/endpoints/{endpoint}?version={version}", **head)
    assert "It works." in part.text
    assert "Delivered" in part.text
    assert 'id="how" hx-swap-oob="true"' in part.html
    assert "every 3s" not in part.html


# --- settings ---------------------------------------------------------------------------------------------------------


async def test_what_is_saved_unchanged_makes_no_version(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await made(engine, basicAuth=BASIC)
    headers = [{"name": "X-Api-Key", "value": "hush", "secret": True}, {"name": "X-Kanal", "value": "sklep"}]
    await engine.patch(f"/endpoints/{endpoint}", {"headers": headers, "timeout": 7.5, "schedule": [90, 5400, 90_061]})
    before = await engine.get(f"/endpoints/{endpoint}")
    for language in ("pl", "en"):
        ala = await sign_in("admin", language)
        page = await ala.get(f"/endpoints/{endpoint}/edit")
        assert page.fields["timeout"] == ["7,5" if language == "pl" else "7.5"]
        assert "hush" not in page.html
        saved = await ala.send(f"/endpoints/{endpoint}/edit", {"do": "save"}, page=page)
        assert saved.location == f"/endpoints/{endpoint}"
    assert await engine.get(f"/endpoints/{endpoint}") == before


async def test_settings_are_changed(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await made(engine)
    ala = await sign_in("admin")
    page = await ala.get(f"/endpoints/{endpoint}/edit")
    changes = {
        "schedule": "10 s, 2 min; 1 h 30 min\n1 d",
        "timeout": "2,5",
        "connectTimeout": "1.5",
        "concurrency": "3",
        "rate": "0,5",
        "breaker": None,
        "order": None,
        "orderHold": "0",
        "tellErasure": "1",
        "owner": " ops@example.com ",
        "header/0/name": "X-Kanal",
        "header/0/value": "sklep",
    }
    saved = await ala.send(f"/endpoints/{endpoint}/edit", form(page, **changes, do="save"))
    assert "Endpoint saved" in (await ala.follow(saved)).text
    found = await engine.get(f"/endpoints/{endpoint}")
    assert found["schedule"] == [10, 120, 5400, 86_400]
    assert (found["timeout"], found["connectTimeout"], found["concurrency"]) == (2.5, 1.5, 3)
    assert (found["rate"], found["breaker"]) == (0.5, False)
    assert found["owner"] == "ops@example.com"
    assert (found["order"], found["orderHold"], found["tellErasure"]) == (False, 0, True)
    assert [(one["name"], one["value"]) for one in found["headers"]] == [("X-Kanal", "sklep")]


WRONG = [
    ({"url": "ftp://x.example/"}, {"url"}),
    ({"url": "http://10.0.0.7/hook"}, {"url"}),
    ({"url": ""}, {"url"}),
    ({"schedule": "5 s, soon"}, {"schedule"}),
    ({"schedule": "soon", "timeout": "99", "header/0/name": "webhook-id"}, {"schedule", "timeout", "header/0/name"}),
    ({"schedule": "0"}, {"schedule"}),
    ({"schedule": ", ".join(["1 s"] * 51)}, {"schedule"}),
    ({"timeout": "31"}, {"timeout"}),
    ({"timeout": "nan", "connectTimeout": "1_0"}, {"timeout", "connectTimeout"}),
    ({"connectTimeout": "0"}, {"connectTimeout"}),
    ({"concurrency": "0"}, {"concurrency"}),
    ({"concurrency": "1.5"}, {"concurrency"}),
    ({"concurrency": "7", "split": "1"}, {"concurrency"}),
    ({"rate": "0"}, {"rate"}),
    ({"owner": "jan"}, {"owner"}),
    ({"rate": "fast"}, {"rate"}),
    ({"orderHold": "half an hour"}, {"orderHold"}),
    ({"orderHold": "99999 d"}, {"orderHold"}),
    ({"header/0/name": "webhook-id", "header/0/value": "x"}, {"header/0/name"}),
    ({"header/0/name": "X Kanal", "header/0/value": "x"}, {"header/0/name"}),
    ({"header/0/name": "", "header/0/value": "x"}, {"header/0/name"}),
    ({"header/0/name": "X-Kanal", "header/0/value": "Łódź"}, {"header/0/value"}),
    ({"header/0/name": "X-Kanal", "header/0/value": "", "header/0/secret": "1"}, {"header/0/value"}),
]


async def test_what_makes_no_sense_is_told_at_its_field_and_nothing_typed_is_lost(
    engine: Engine, sign_in: SignIn
) -> None:
    endpoint = await made(engine)
    path = f"/endpoints/{endpoint}/edit"
    for language in ("en", "pl"):
        ala = await sign_in("admin", language)
        page = await ala.get(path)
        for wrong, fields in WRONG:
            told = await ala.send(path, form(page, **wrong, do="save"))
            assert (told.status, set(told.problems)) == (422, fields), (wrong, told.text)
            for name, value in wrong.items():
                assert told.fields.get(name) in ([value], ["1"]), f"{name} keeps what was typed"
    assert (await engine.get(f"/endpoints/{endpoint}"))["version"] == 1


async def test_the_guard_says_which_address_and_which_setting(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await made(engine)
    ala = await sign_in("admin", "pl")
    page = await ala.get(f"/endpoints/{endpoint}/edit")
    told = await ala.send(f"/endpoints/{endpoint}/edit", form(page, url="http://10.0.0.7/hook", do="save"))
    assert "10.0.0.7" in told.text
    assert "GONIEC_ALLOW_NETWORKS" in told.text


async def test_headers_come_and_go_without_script(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await made(engine)
    path = f"/endpoints/{endpoint}/edit"
    ala = await sign_in("admin")
    page = await ala.get(path)
    first = {"header/0/name": "X-A", "header/0/value": "top", "header/0/secret": "1"}
    page = await ala.send(path, form(page, **first, do="header"))
    assert page.fields["header"] == ["0", "1"], "there is room for one more"
    second = {"header/1/name": "X-B", "header/1/value": "b"}
    await ala.send(path, form(page, **second, do="save"))
    page = await ala.get(path)
    assert page.fields["header/0/value"] == [""], "a secret value is in no form"
    assert (await ala.send(path, form(page, do="save"))).status == 303
    assert [one["name"] for one in (await engine.get(f"/endpoints/{endpoint}"))["headers"]] == ["X-A", "X-B"]
    page = await ala.send(path, form(page, do="drop/0"))
    assert page.fields["header/0/name"] == ["X-B"]
    await ala.send(path, form(page, do="save"))
    assert [one["name"] for one in (await engine.get(f"/endpoints/{endpoint}"))["headers"]] == ["X-B"]
    # one that is no longer secret needs its value anew
    await ala.send(path, form(page, **first, do="save"))
    page = await ala.get(path)
    told = await ala.send(path, form(page, **{"header/0/secret": None}, do="save"))
    assert (await engine.get(f"/endpoints/{endpoint}"))["headers"][0]["secret"] is (told.status == 422)


async def test_another_server_asks_for_the_password_again(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await made(engine, "http://127.0.0.1:9/hook", basicAuth=BASIC)
    path = f"/endpoints/{endpoint}/edit"
    ala = await sign_in("admin")
    page = await ala.get(path)
    assert "password" not in page.fields
    moved = "http://127.0.0.1:10/hook"
    asked = await ala.send(path, form(page, url=moved, do="save"))
    assert (asked.status, asked.problems) == (422, ["password"])
    assert asked.fields["url"] == [moved]
    again = await ala.send(path, form(asked, password="a\nb", do="save"))
    assert (again.status, again.problems) == (422, ["password"])
    assert (await engine.get(f"/endpoints/{endpoint}"))["url"] == "http://127.0.0.1:9/hook"
    assert (await ala.send(path, form(asked, password="another", do="save"))).status == 303
    found = await engine.get(f"/endpoints/{endpoint}")
    assert (found["url"], found["basicAuth"]) == (moved, {"username": "goniec", "passwordSet": True})


async def test_the_second_of_two_who_save_is_told_and_sees_the_difference(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await made(engine)
    path = f"/endpoints/{endpoint}/edit"
    ala = await sign_in("admin")
    page = await ala.get(path)
    await engine.patch(f"/endpoints/{endpoint}", {"timeout": 9, "headers": [{"name": "X-A", "value": "a"}]})
    told = await ala.send(path, form(page, timeout="12", do="save"))
    assert told.status == 412
    assert "Timeout 9 12" in told.text
    assert "Custom headers X-A: a –" in told.text
    assert (await engine.get(f"/endpoints/{endpoint}"))["timeout"] == 9
    assert (await ala.send(path, form(told, do="save"))).status == 303
    found = await engine.get(f"/endpoints/{endpoint}")
    assert (found["timeout"], found["headers"]) == (12, [])


async def test_an_address_that_another_endpoint_has_is_told(engine: Engine, sign_in: SignIn) -> None:
    first, second = await made(engine, "inbox:a"), await made(engine, "inbox:b", name="Druga")
    ala = await sign_in("admin")
    page = await ala.get(f"/endpoints/{second}/edit")
    told = await ala.send(f"/endpoints/{second}/edit", form(page, url="inbox:a", do="save"))
    assert (told.status, told.problems) == (409, ["url"])
    assert first in told.text
    other = await made(engine, "inbox:a", name="Trzecia", basicAuth=BASIC)
    page = await ala.get(f"/endpoints/{first}/password")
    told = await ala.send(
        f"/endpoints/{first}/password", form(page, auth="1", username="goniec", password="s3cret-of-the-receiver")
    )
    assert (told.status, told.problems) == (409, ["username"])
    assert other in told.text


# --- passwords and secrets --------------------------------------------------------------------------------------------


async def test_a_password_is_changed_for_the_rules_that_are_named(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await made(engine, basicAuth=BASIC)
    await made(engine, name="Druga reguła", basicAuth=BASIC)
    path = f"/endpoints/{endpoint}/password"
    ala = await sign_in("admin")
    page = await ala.get(path)
    assert "It will apply to 2 rules Nowy kontakt → CRM , Druga reguła" in page.text
    assert BASIC["password"] not in page.html
    # left empty, the saved one stays
    assert (await ala.send(path, form(page))).status == 303
    assert (await engine.get(f"/endpoints/{endpoint}"))["version"] == 1
    saved = await ala.send(path, form(page, password="another secret"))
    assert "already uses it" in (await ala.follow(saved)).text
    assert (await engine.get(f"/endpoints/{endpoint}"))["version"] == 2
    # somebody with the old page is told
    assert (await ala.send(path, form(page, password="a third one"))).status == 412
    page = await ala.get(path)
    await ala.send(path, form(page, auth=None))
    assert (await engine.get(f"/endpoints/{endpoint}"))["basicAuth"] is None


async def test_a_wrong_user_or_password_is_told_at_its_field(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await made(engine)
    path = f"/endpoints/{endpoint}/password"
    ala = await sign_in("admin")
    page = await ala.get(path)
    told = await ala.send(path, form(page, auth="1"))
    assert (told.status, told.problems) == (422, ["username", "password"])
    told = await ala.send(path, form(page, auth="1", username="a:b", password="pass word"))
    assert (told.status, told.problems) == (422, ["username"])
    told = await ala.send(path, form(page, auth="1", username="ala", password="x" * 1025))
    assert (told.status, told.problems, told.fields["username"]) == (422, ["password"], ["ala"])
    assert told.fields["password"] == [""], "a password is never sent back"


async def test_a_new_secret_is_shown_once(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await made(engine)
    path = f"/endpoints/{endpoint}/secret"
    ala = await sign_in("admin")
    page = await ala.get(path)
    assert page.fields["overlapDays"] == ["1"]
    shown = await ala.send(path, form(page, overlapDays="3"))
    assert shown.status == 200
    assert shown.answer.headers["cache-control"] == "no-store"
    (secret,) = SECRET.findall(shown.text)
    assert "The old one still signs beside it, until" in shown.text
    for later in ("", "/edit", "/secret"):
        assert secret not in (await ala.get(f"/endpoints/{endpoint}{later}")).html
    assert "The previous secret still signs beside the current one" in (await ala.get(f"/endpoints/{endpoint}")).text
    # who has the old page is told, and nothing is changed twice
    assert (await ala.send(path, form(page))).status == 412
    shown = await ala.send(path, form(await ala.get(path), overlapDays="0"))
    assert "The old one signs nothing any more." in shown.text
    assert "The previous secret" not in (await ala.get(f"/endpoints/{endpoint}")).text


async def test_a_secret_of_ones_own_is_taken_and_shown_to_nobody(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await made(engine)
    path = f"/endpoints/{endpoint}/secret"
    ala = await sign_in("admin")
    page = await ala.get(path)
    told = await ala.send(path, form(page, secret="whsec_short"))
    assert (told.status, told.problems) == (422, ["secret"])
    own = "whsec_" + "QUJD" * 10
    saved = await ala.send(path, form(page, secret=own))
    assert saved.location == f"/endpoints/{endpoint}"
    assert own not in (await ala.follow(saved)).html


# --- deleting ---------------------------------------------------------------------------------------------------------


async def test_one_that_is_used_stays_and_the_page_says_by_what(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule(EVERY, name="Nowy kontakt → CRM", **hook(DEAD))
    endpoint = await engine.endpoint(rule)
    path = f"/endpoints/{endpoint}/delete"
    ala = await sign_in("admin")
    page = await ala.get(path)
    assert "1 rule uses it." in page.text
    assert f"/rules/{rule['id']}" in page.links
    assert (await ala.send(path, {})).status == 409
    await tried(engine, 1)
    await engine.ask("DELETE", f"/rules/{rule['id']}", 204)
    page = await ala.get(path)
    assert "1 delivery is waiting for it." in page.text
    assert f"/deliveries?status=pending&endpoint={endpoint}" in page.links
    assert (await ala.send(path, {})).status == 409
    (delivery,) = await engine.everything("/deliveries")
    await engine.post(f"/deliveries/{delivery['id']}/cancel", {})
    page = await ala.get(path)
    stale = form(page, tag="7")
    assert (await ala.send(path, stale)).status == 409
    gone = await ala.send(path, {}, page=page)
    assert "Deleted: 127.0.0.1:9." in (await ala.follow(gone)).text
    assert (await engine.get("/endpoints"))["items"] == []


# --- hostile values, sessions that end --------------------------------------------------------------------------------


HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202ekot\u202c 🐈")


async def test_hostile_names_are_text(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("admin")
    for n, text in enumerate(HOSTILE):
        basic = {"username": text[:50], "password": "x"}
        endpoint = await made(engine, f"inbox:{n}", name=text, basicAuth=basic)
        await engine.contact(name=text, email=f"{n}@example.com")
        await engine.quiet()
        for page in ("/endpoints", *(f"/endpoints/{endpoint}{one}" for one in ("", "/edit", "/password", "/delete"))):
            shown = await ala.get(page)
            assert shown.status == 200, page
            assert "<script>alert" not in shown.html, page
            assert "<img src=x" not in shown.html, page


async def test_a_session_that_ends_while_typing_keeps_what_was_typed(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await made(engine)
    path = f"/endpoints/{endpoint}/edit"
    ala: Person = await sign_in("admin")
    page = await ala.get(path)
    typed = form(page, timeout="11", do="save")
    ala.http.cookies.delete("goniec_session")
    ended = await ala.send(path, typed)
    assert ended.status == 401
    entered = await ala.send("/login", {"email": "admin@example.com", "password": "correct horse battery"}, page=ended)
    assert entered.status == 200, entered.text
    assert entered.fields["timeout"] == ["11"]
    done = await ala.send(path, {}, page=entered)
    assert done.location == f"/endpoints/{endpoint}", done.text
    assert (await engine.get(f"/endpoints/{endpoint}"))["timeout"] == 11


# --- certificates ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a42_private_authorities_are_pasted_and_shown(engine: Engine, sign_in: SignIn) -> None:
    id = await made(engine)
    ala, authority = await sign_in("admin"), self_made("authority")[0]
    page = await ala.get(f"/endpoints/{id}/edit")
    saved = await ala.send(f"/endpoints/{id}/edit", form(page, caBundle=authority, do="save"))
    assert "private authorities only" in (await ala.get(saved.location)).text
    assert (await engine.get(f"/endpoints/{id}"))["caBundle"] == authority
    page = await ala.get(f"/endpoints/{id}/edit")
    assert authority.strip() in page.html
    refused = await ala.send(f"/endpoints/{id}/edit", form(page, caBundle="nonsense", do="save"))
    assert (refused.status, "BEGIN CERTIFICATE" in refused.text) == (422, True)
    await ala.send(f"/endpoints/{id}/edit", form(page, caBundle="", do="save"))
    assert (await engine.get(f"/endpoints/{id}"))["caBundle"] is None


async def test_a_client_certificate_is_given_and_taken_away(engine: Engine, sign_in: SignIn) -> None:
    id = await made(engine)
    path = f"/endpoints/{id}/certificate"
    certificate, key = self_made("goniec.example")
    assert (await (await sign_in("editor")).get(path)).status == 403
    ala = await sign_in("admin", "pl")
    page = await ala.get(path)
    refused = await ala.send(path, form(page, certificate=certificate, privateKey="", do="save"))
    assert "bez swojego klucza" in refused.text
    refused = await ala.send(path, form(page, certificate="x", privateKey=key, do="save"))
    assert (refused.status, key.splitlines()[1] in refused.html) == (422, False)
    saved = await ala.send(path, form(page, certificate=certificate, privateKey=key, do="save"))
    assert "CN=goniec.example" in (await ala.get(saved.location)).text
    page = await ala.get(path)
    assert key.splitlines()[1] not in page.html
    late = form(page, certificate=certificate, tag="another", do="save")
    assert (await ala.send(path, late)).status == 412
    await ala.send(path, form(page, do="remove"))
    assert (await engine.get(f"/endpoints/{id}"))["clientCertificate"] is None


# --- OAuth2 ----------------------------------------------------------------------------------------------------------


async def test_oauth2_takes_the_place_of_a_password_and_the_other_way_round(engine: Engine, sign_in: SignIn) -> None:
    id = await made(engine, basicAuth=BASIC)
    path = f"/endpoints/{id}/oauth2"
    assert (await (await sign_in("editor")).get(path)).status == 403
    ala = await sign_in("admin", "pl")
    page = await ala.get(path)
    assert "Włączona jest autoryzacja basic" in page.text
    given = {"tokenUrl": "https://login.example/token", "clientId": "goniec-crm", "scope": "a b", "do": "save"}
    refused = await ala.send(path, form(page, **given))
    assert (refused.status, "podaj sekret" in refused.text.lower()) == (422, True)
    wrong = await ala.send(path, form(page, **given, clientSecret="s3cret-of-ours", audience="x" * 2000))
    assert (wrong.status, "s3cret-of-ours" in wrong.html, "goniec-crm" in wrong.html) == (422, False, True)
    saved = await ala.send(path, form(page, **given, clientSecret="s3cret-of-ours", auth="body"))
    shown = await ala.get(saved.location)
    assert "goniec-crm sekret zapisany" in shown.text
    told = await engine.get(f"/endpoints/{id}")
    assert (told["basicAuth"], told["oauth2"]["scope"], told["oauth2"]["auth"]) == (None, "a b", "body")
    page = await ala.get(path)
    assert "s3cret-of-ours" not in page.html
    # without the secret it stays, and somebody else's change is not overwritten
    assert (await ala.send(path, form(page, audience="crm"))).location == f"/endpoints/{id}"
    assert (await engine.get(f"/endpoints/{id}"))["oauth2"]["audience"] == "crm"
    assert (await ala.send(path, form(page, audience="late"))).status == 412
    # a user and a password again
    page = await ala.get(f"/endpoints/{id}/password")
    assert "Włączone jest OAuth2" in page.text
    await ala.send(f"/endpoints/{id}/password", form(page, auth="1", username="jan", password="tajne"))
    told = await engine.get(f"/endpoints/{id}")
    assert (told["basicAuth"]["username"], told["oauth2"]) == ("jan", None)


async def test_oauth2_is_turned_off_and_two_endpoints_stay_two(engine: Engine, sign_in: SignIn) -> None:
    client = {"tokenUrl": "https://login.example/token", "clientId": "goniec", "clientSecret": "s3cret-of-ours"}
    id = await made(engine, "https://crm.example/hook", oauth2=client)
    other = await made(engine, "https://crm.example/hook", name="Druga reguła", basicAuth=BASIC)
    ala = await sign_in("admin")
    page = await ala.get(f"/endpoints/{other}/oauth2")
    given = {"tokenUrl": "https://login.example/token", "clientId": "x", "clientSecret": "y", "do": "save"}
    taken = await ala.send(f"/endpoints/{other}/oauth2", form(page, **given))
    assert (taken.status, id in taken.text) == (409, True)
    # another server gets no secret
    page = await ala.get(f"/endpoints/{id}/edit")
    await ala.send(f"/endpoints/{id}/edit", form(page, url="https://new.example/hook", do="save"))
    assert "no secret saved: enter it again" in (await ala.get(f"/endpoints/{id}")).text
    page = await ala.get(f"/endpoints/{id}/oauth2")
    await ala.send(f"/endpoints/{id}/oauth2", form(page, do="remove"))
    assert (await engine.get(f"/endpoints/{id}"))["oauth2"] is None
    assert (await ala.get("/endpoints/end_x/oauth2")).status == 404
