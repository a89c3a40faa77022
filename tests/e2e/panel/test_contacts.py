"""Contacts in the panel: found, added, changed by several people at once, with every bad input told at its field."""

from pathlib import Path
from typing import Any

import httpx

from tests.e2e.api.client import api
from tests.e2e.engine import Engine
from tests.e2e.panel.client import PASSWORD, Page, Person, SignIn

HOSTILE = '<script>alert(1)</script>"&\u202egnp.exe 🔥'
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&amp;\\u202egnp.exe 🔥"

ALL = {
    "email": "jan@example.pl",
    "phone": "600 100 200",
    "name": "Jan Kowalski",
    "company": "Żabka",
    "externalId": "K-1",
    "state": "CUSTOMER",
    "owner": "Ala",
    "language": "pl",
    "timezone": "Europe/Warsaw",
    "tags": ["vip", "hurt"],
}


async def events(engine: Engine, contact_id: str) -> list[dict[str, Any]]:
    page = await engine.get("/events", contactId=contact_id)
    found: list[dict[str, Any]] = page["items"]
    return found


def rows(page: Page) -> list[str]:
    """The ids of the contacts in the list, in their order."""
    return list(dict.fromkeys(link.split("/")[2] for link in page.links if link.startswith("/contacts/0")))


# --- the list ---------------------------------------------------------------------------------------------------------


async def test_an_empty_list_says_what_to_do(engine: Engine, sign_in: SignIn) -> None:
    editor, viewer = await sign_in("editor"), await sign_in("viewer")
    page = await editor.get("/contacts")
    assert "No contacts yet" in page.text
    assert "/contacts/new" in page.links
    assert "/contacts/new" not in (await viewer.get("/contacts")).links


async def test_the_list_is_searched_and_filtered(engine: Engine, sign_in: SignIn) -> None:
    await engine.post("/funnels", {"name": "Sales", "stages": ["Asked", "Won"]}, 201)
    jan = (await engine.contact(**ALL | {"stages": {"Sales": "Won"}}))["id"]
    ewa = (await engine.contact(email="ewa@firma_1.example", name="Ewa 100%", state="PARTNER", tags=["Żółty tag"]))[
        "id"
    ]
    viewer = await sign_in("viewer")
    assert rows(await viewer.get("/contacts")) == [ewa, jan]
    for text in ("JAN@example", "600 100", "kowal", "żabka", "k-1", "+48600100200", "600-100-200", jan):
        found = await viewer.get(f"/contacts?{httpx.QueryParams(q=text)}")
        assert rows(found) == [jan], text
    assert rows(await viewer.get("/contacts?q=100%25")) == [ewa]
    assert rows(await viewer.get("/contacts?q=%25")) == [ewa]
    assert rows(await viewer.get("/contacts?q=_1")) == [ewa]
    assert rows(await viewer.get("/contacts?tag=zolty+TAG")) == [ewa]
    assert rows(await viewer.get("/contacts?tag=VIP&q=jan")) == [jan]
    assert rows(await viewer.get("/contacts?tag=VIP&q=ewa")) == []
    assert rows(await viewer.get("/contacts?state=PARTNER")) == [ewa]
    assert rows(await viewer.get("/contacts?funnel=Sales&stage=Won")) == [jan]
    assert rows(await viewer.get("/contacts?funnel=Sales&stage=Asked")) == []


async def test_the_list_takes_any_address(engine: Engine, sign_in: SignIn) -> None:
    jan = (await engine.contact(**ALL))["id"]
    viewer = await sign_in("viewer")
    nothing = await viewer.get(f"/contacts?{httpx.QueryParams(q=HOSTILE)}")
    assert "No matching contacts" in nothing.text
    assert "<script>alert" not in nothing.html
    assert (await viewer.get("/contacts?tag=%21%21")).status == 200
    assert rows(await viewer.get("/contacts?state=NONSENSE&funnel=only")) == [jan]
    assert "too long" in (await viewer.get(f"/contacts?q={'x' * 201}")).text
    assert (await viewer.get("/contacts?cursor=%F0%9F")).status == 400
    assert (await viewer.get("/contacts?cursor=nonsense!")).status == 400


async def test_the_list_is_paged(engine: Engine, sign_in: SignIn) -> None:
    made = [(await engine.contact(email=f"k{n}@example.pl", name=HOSTILE))["id"] for n in range(53)]
    viewer = await sign_in("viewer")
    first = await viewer.get("/contacts")
    assert rows(first) == made[:2:-1]
    assert SHOWN in first.html
    older = next(link for link in first.links if "cursor=" in link)
    second = await viewer.get(older)
    assert rows(second) == made[2::-1]
    assert "Older" in second.text


# --- adding -----------------------------------------------------------------------------------------------------------


async def test_a_contact_is_added_with_all_its_fields(engine: Engine, sign_in: SignIn) -> None:
    editor = await sign_in("editor")
    form = await editor.get("/contacts/new")
    saved = await editor.send("/contacts/new", ALL, page=form)
    shown = await editor.follow(saved)
    assert "Contact added: Jan Kowalski" in shown.text
    contact = await engine.get(f"/contacts/{saved.location.rsplit('/')[-1]}")
    assert {name: contact[name] for name in ALL if name != "tags"} == {k: v for k, v in ALL.items() if k != "tags"}
    assert sorted(tag["tag"] for tag in contact["tags"]) == ["HURT", "VIP"]
    told = await events(engine, contact["id"])
    assert {(one["source"], one["sourceKey"]) for one in told} == {("panel", "editor@example.com")}
    assert told[0]["type"] == "contact.created"


async def test_rules_run_for_what_is_added(engine: Engine, sign_in: SignIn) -> None:
    await engine.rule({"type": "contact.created"}, "inbox:")
    editor = await sign_in("editor")
    await editor.send("/contacts/new", {"email": "jan@example.pl"}, page=await editor.get("/contacts/new"))
    (sent,) = await engine.settled(1)
    assert sent["status"] == "delivered"


async def test_tags_may_stand_with_commas_between_them(engine: Engine, sign_in: SignIn) -> None:
    editor = await sign_in("editor")
    form = await editor.get("/contacts/new")
    saved = await editor.send("/contacts/new", {"email": "jan@example.pl", "tags": "vip, hurt,,\n b2b"}, page=form)
    contact = await engine.get(f"/contacts/{saved.location.rsplit('/')[-1]}")
    assert sorted(tag["tag"] for tag in contact["tags"]) == ["B2B", "HURT", "VIP"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "email"),
    ({"name": "nobody"}, "email"),
    ({"email": "no address"}, "email"),
    ({"email": "a@b@c"}, "email"),
    ({"email": "x" * 300 + "@example.pl"}, "email"),
    ({"phone": "call me"}, "phone"),
    ({"email": "jan@example.pl", "phone": "1" * 201}, "phone"),
    ({"email": "jan@example.pl", "name": "x" * 10_000}, "name"),
    ({"email": "jan@example.pl", "company": "a\x01b"}, "company"),
    ({"externalId": "x" * 201}, "externalId"),
    ({"email": "jan@example.pl", "owner": "x" * 201}, "owner"),
    ({"email": "jan@example.pl", "language": "x" * 36}, "language"),
    ({"email": "jan@example.pl", "timezone": "Mars/Base"}, "timezone"),
    ({"email": "jan@example.pl", "state": "KING"}, "state"),
    ({"email": "jan@example.pl", "tags": ["fine", "!!!"]}, "tags"),
    ({"email": "jan@example.pl", "tags": "x" * 101}, "tags"),
]


async def test_what_cannot_be_is_told_at_its_field(engine: Engine, sign_in: SignIn) -> None:
    editors = [await sign_in("editor"), await sign_in("admin", "pl")]
    for editor in editors:
        form = await editor.get("/contacts/new")
        for wrong, field in WRONG:
            given = {"company": "kept & shown"} | wrong
            back = await editor.send("/contacts/new", given, page=form)
            assert back.status == 422, given
            assert field in back.problems, given
            for name, value in given.items():
                if name != "state":
                    kept = [one for one in back.fields[name] if one]
                    assert kept == ([value] if isinstance(value, str) else value), given
    assert (await engine.get("/contacts"))["items"] == []


async def test_several_mistakes_are_told_at_once(engine: Engine, sign_in: SignIn) -> None:
    editor = await sign_in("editor", "pl")
    form = await editor.get("/contacts/new")
    back = await editor.send("/contacts/new", {"email": "a b", "timezone": "Mars", "tags": "!"}, page=form)
    assert sorted(back.problems) == ["email", "tags", "timezone"]
    assert "3 pola wymagają poprawy" in back.text
    assert "To nie jest nazwa strefy czasowej" in back.text


async def test_a_contact_that_is_known_is_only_changed_when_asked(engine: Engine, sign_in: SignIn) -> None:
    jan = (await engine.contact(email="jan@example.pl", name="Jan", company="Żabka"))["id"]
    editor = await sign_in("editor")
    form = await editor.get("/contacts/new")
    back = await editor.send("/contacts/new", {"email": "JAN@example.pl", "name": "Janek", "tags": "vip"}, page=form)
    assert back.status == 409
    assert "This contact already exists." in back.text
    assert f"/contacts/{jan}" in back.links
    assert back.problems == ["email"]
    assert (await engine.get(f"/contacts/{jan}"))["name"] == "Jan"
    saved = await editor.send("/contacts/new", {"do": "onto"}, page=back)
    assert saved.location == f"/contacts/{jan}"
    contact = await engine.get(f"/contacts/{jan}")
    assert (contact["name"], contact["company"], contact["tags"][0]["tag"]) == ("Janek", "Żabka", "VIP")


async def test_a_contact_is_known_by_each_of_its_keys(engine: Engine, sign_in: SignIn) -> None:
    there = (await engine.contact(phone="600 100 200", externalId="K-1"))["id"]
    editor = await sign_in("editor")
    form = await editor.get("/contacts/new")
    for given, field in (({"phone": "+48600100200"}, "phone"), ({"externalId": "K-1"}, "externalId")):
        back = await editor.send("/contacts/new", given, page=form)
        assert (back.status, back.problems) == (409, [field])
        assert f"/contacts/{there}" in back.links


async def test_keys_of_two_contacts_are_told_with_links_to_both(engine: Engine, sign_in: SignIn) -> None:
    one = (await engine.contact(email="jan@example.pl", name="Jan"))["id"]
    other = (await engine.contact(externalId="K-2", name="Ewa"))["id"]
    editor = await sign_in("editor")
    form = await editor.get("/contacts/new")
    back = await editor.send("/contacts/new", {"email": "jan@example.pl", "externalId": "K-2"}, page=form)
    assert back.status == 409
    assert back.problems == ["email"]
    assert {f"/contacts/{one}", f"/contacts/{other}"} <= set(back.links)
    assert back.fields["externalId"] == ["K-2"]


async def test_a_phone_of_several_contacts_is_told_with_links_to_them(engine: Engine, sign_in: SignIn) -> None:
    ids = [(await engine.contact(email=f"k{n}@example.pl", phone="600 100 200"))["id"] for n in range(2)]
    editor = await sign_in("editor")
    back = await editor.send("/contacts/new", {"phone": "600100200"}, page=await editor.get("/contacts/new"))
    assert back.status == 409
    assert back.problems == ["phone"]
    assert "Several contacts share this phone number" in back.text
    assert {f"/contacts/{id}" for id in ids} <= set(back.links)


# --- changing ---------------------------------------------------------------------------------------------------------


async def test_what_is_saved_unchanged_makes_no_event(engine: Engine, sign_in: SignIn) -> None:
    jan = (await engine.contact(**ALL | {"name": " Jan  z Rudy \u202e", "details": {"a": 1}}))["id"]
    before = await events(engine, jan)
    editor = await sign_in("editor")
    saved = await editor.send(f"/contacts/{jan}/edit", {}, page=await editor.get(f"/contacts/{jan}/edit"))
    assert saved.location == f"/contacts/{jan}"
    assert await events(engine, jan) == before


async def test_fields_are_changed_cleared_and_retagged(engine: Engine, sign_in: SignIn) -> None:
    jan = (await engine.contact(**ALL))["id"]
    editor = await sign_in("editor")
    form = await editor.get(f"/contacts/{jan}/edit")
    change = {"name": "Janek", "phone": "", "owner": "", "state": "OTHER", "tags": ["HURT", "nowy"]}
    await editor.follow(await editor.send(f"/contacts/{jan}/edit", change, page=form))
    contact = await engine.get(f"/contacts/{jan}")
    assert (contact["name"], contact["phone"], contact["owner"], contact["state"]) == ("Janek", None, None, "OTHER")
    assert sorted(tag["tag"] for tag in contact["tags"]) == ["HURT", "NOWY"]
    told = [one["type"] for one in await events(engine, jan) if one["source"] == "panel"]
    assert sorted(told) == [
        "contact.changed", "contact.owner_changed", "contact.state_changed", "contact.tagged", "contact.untagged",
    ]  # fmt: skip


async def test_of_two_people_the_second_is_told_and_loses_nothing(engine: Engine, sign_in: SignIn) -> None:
    jan = (await engine.contact(**ALL))["id"]
    ala, ola = await sign_in("editor"), await sign_in("admin")
    path = f"/contacts/{jan}/edit"
    hers, theirs = await ala.get(path), await ola.get(path)
    await ola.follow(await ola.send(path, {"company": "Lewiatan", "phone": "700 000 000"}, page=theirs))
    told = await ala.send(path, {"company": "Biedronka", "name": "Janek"}, page=hers)
    assert told.status == 412
    assert "Someone else has changed this contact in the meantime." in told.text
    assert "Company Lewiatan Biedronka" in told.text
    assert "Phone 700 000 000 700 000 000" in told.text
    assert told.fields["company"] == ["Biedronka"]
    assert told.fields["phone"] == ["700 000 000"]
    assert (await engine.get(f"/contacts/{jan}"))["company"] == "Lewiatan"
    await ala.follow(await ala.send(path, {}, page=told))
    contact = await engine.get(f"/contacts/{jan}")
    assert (contact["company"], contact["name"], contact["phone"]) == ("Biedronka", "Janek", "700 000 000")


async def test_two_people_who_save_the_same_do_not_disturb_each_other(engine: Engine, sign_in: SignIn) -> None:
    jan = (await engine.contact(**ALL))["id"]
    ala = await sign_in("editor")
    path = f"/contacts/{jan}/edit"
    form = await ala.get(path)
    await engine.patch(f"/contacts/{jan}", {"company": "Lewiatan"})
    assert (await ala.send(path, {"company": "Lewiatan"}, page=form)).status == 303


async def test_what_a_contact_does_meanwhile_is_no_conflict(engine: Engine, sign_in: SignIn) -> None:
    jan = (await engine.contact(**ALL))["id"]
    ala = await sign_in("editor")
    path = f"/contacts/{jan}/edit"
    form = await ala.get(path)
    await engine.visit({"id": jan})
    await engine.post(f"/contacts/{jan}/score", {"add": 5})
    saved = await ala.send(path, {"name": "Janek"}, page=form)
    assert saved.status == 303
    assert (await engine.get(f"/contacts/{jan}"))["name"] == "Janek"


async def test_a_change_that_cannot_be_comes_back_as_typed(engine: Engine, sign_in: SignIn) -> None:
    jan = (await engine.contact(**ALL))["id"]
    ewa = (await engine.contact(email="ewa@example.pl", externalId="K-2", name="Ewa"))["id"]
    ala = await sign_in("editor")
    path = f"/contacts/{jan}/edit"
    form = await ala.get(path)
    for change, field, status in (
        ({"email": "ewa@example.pl"}, "email", 409),
        ({"externalId": "K-2"}, "externalId", 409),
        ({"email": "", "phone": "", "externalId": ""}, "email", 422),
        ({"timezone": "Mars"}, "timezone", 422),
        ({"tags": ["HURT", "!"]}, "tags", 422),
    ):
        back = await ala.send(path, change, page=form)
        assert (back.status, back.problems) == (status, [field]), change
        assert {name: back.fields[name] for name in change} == {
            name: [value] if isinstance(value, str) else [*value, ""] for name, value in change.items()
        }
        if status == 409:
            assert f"/contacts/{ewa}" in back.links
            again = await ala.send(path, {"email": ALL["email"], "externalId": ALL["externalId"]}, page=back)
            assert again.status == 303
    assert (await engine.get(f"/contacts/{jan}"))["email"] == "jan@example.pl"


async def test_hostile_values_are_shown_as_they_are(engine: Engine, sign_in: SignIn) -> None:
    given = {
        "email": "evil@hostile.example", "name": HOSTILE, "company": HOSTILE * 20, "externalId": HOSTILE, "owner": HOSTILE,
        "tags": [HOSTILE], "details": {HOSTILE: HOSTILE * 200, "lines": "a\nb\t<b>"}, "consents": {HOSTILE: True},
        "notes": [HOSTILE * 200],
    }  # fmt: skip
    evil = (await engine.contact(**given))["id"]
    editor = await sign_in("editor")
    for path in ("", "/edit", "/erase", "/why"):
        page = await editor.get(f"/contacts/{evil}{path}")
        assert page.status == 200
        assert "<script>alert" not in page.html
        assert SHOWN in page.html, path
    form = await editor.get(f"/contacts/{evil}/edit")
    assert form.fields["name"] == [HOSTILE]
    before = await events(engine, evil)
    assert (await editor.send(f"/contacts/{evil}/edit", {}, page=form)).status == 303
    assert await events(engine, evil) == before


# --- who may, and what is not there -----------------------------------------------------------------------------------


async def test_a_viewer_reads_and_changes_nothing(engine: Engine, sign_in: SignIn) -> None:
    jan = (await engine.contact(**ALL))["id"]
    rule = await engine.rule({"type": "contact.created"})
    viewer, stranger = await sign_in("viewer"), await sign_in(None)
    for path in ("", "/why", f"/why?rule={rule['id']}", "/export", "/news?seq=1"):
        assert (await viewer.get(f"/contacts/{jan}{path}")).status == 200, path
        assert (await stranger.get(f"/contacts/{jan}{path}")).status == 303, path
    page = await viewer.get(f"/contacts/{jan}")
    assert f"/contacts/{jan}/edit" not in page.links
    assert "do" not in page.fields
    for path in ("/contacts/new", f"/contacts/{jan}/edit", f"/contacts/{jan}/erase"):
        assert (await viewer.get(path)).status == 403, path
        assert (await viewer.send(path, {"email": "x@example.pl", "confirm": "jan@example.pl"})).status == 403, path
    assert (await viewer.send(f"/contacts/{jan}", {"do": "score", "points": "5"})).status == 403
    assert (await engine.get(f"/contacts/{jan}"))["score"] == 0


async def test_a_contact_that_is_not_there_is_404_everywhere(engine: Engine, sign_in: SignIn) -> None:
    admin = await sign_in("admin")
    gone = (await engine.contact(email="gone@example.pl"))["id"]
    await engine.ask("DELETE", f"/contacts/{gone}", 204)
    for id in ("01a222ac-0000-7000-8000-000000000000", "nonsense", gone, "%3Cscript%3E"):
        for path in ("", "/edit", "/erase", "/why", "/export", "/news", "/events/evt_1"):
            page = await admin.get(f"/contacts/{id}{path}")
            assert page.status == 404, (id, path)
            assert "There is nothing here" in page.text
        for path in ("", "/edit", "/erase"):
            assert (await admin.send(f"/contacts/{id}{path}", {"do": "note", "text": "x"})).status == 404, (id, path)


async def test_a_merged_contact_leads_to_the_one_that_was_kept(engine: Engine, sign_in: SignIn) -> None:
    kept = (await engine.contact(email="jan@example.pl"))["id"]
    gone = (await engine.contact(email="janek@example.pl", tags=["vip"]))["id"]
    await engine.post(f"/contacts/{kept}/merge", {"from": gone})
    admin = await sign_in("admin")
    for path in ("", "/edit", "/erase", "/why"):
        assert (await admin.get(f"/contacts/{gone}{path}")).location == f"/contacts/{kept}{path}"
    assert (await admin.send(f"/contacts/{gone}", {"do": "addTag", "tag": "new"})).location == f"/contacts/{kept}"
    page = await admin.get(f"/contacts/{kept}")
    assert "Contacts merged" in page.text
    for link in {link for link in page.links if "/events/" in link}:
        assert (await admin.get(link)).status == 200, link


async def test_an_overload_keeps_what_was_typed(tmp_path: Path) -> None:
    """Nothing is taken while too much waits: every form comes back as it was sent, with 503."""
    async with api(tmp_path) as inside:
        jan = (await inside.contact(name="Jan"))["id"]
        ala = await _signed_in(inside.app, inside)
        inside.shop.recorder.stop()
        form = await ala.get("/contacts/new")
        back = await ala.send("/contacts/new", {"email": "ewa@example.pl", "name": "Ewa"}, page=form)
        assert back.status == 503
        assert back.fields["name"] == ["Ewa"]
        form = await ala.get(f"/contacts/{jan}/edit")
        back = await ala.send(f"/contacts/{jan}/edit", {"name": "Janek"}, page=form)
        assert back.status == 503
        assert back.fields["name"] == ["Janek"]
        back = await ala.send(f"/contacts/{jan}", {"do": "note", "text": "Call back."})
        assert back.status == 503
        assert back.fields["text"] == ["Call back."]
        assert "Goniec cannot save right now" in back.text


async def _signed_in(app: Any, inside: Any) -> Person:
    from goniec.flow.users import add_user

    await add_user(
        inside.store, inside.shop.clock, inside.shop.dice, inside.context.gate.passwords,
        email="ala@example.com", password=PASSWORD, role="editor",
    )  # fmt: skip
    person = Person("http://goniec.test")
    await person.http.aclose()
    person.http = httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://goniec.test",
        headers={"accept": "text/html", "accept-language": "en"},
    )  # fmt: skip
    await person.get("/login")
    entered = await person.send("/login", {"email": "ala@example.com", "password": PASSWORD, "next": "/contacts"})
    await person.follow(entered)
    return person
