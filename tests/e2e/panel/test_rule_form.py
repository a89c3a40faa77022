"""Making and changing a rule through the form, without a browser: the reference path and everything that goes wrong."""

import json
import re
from typing import Any

import pytest

from tests.e2e.engine import Engine, eventually
from tests.e2e.panel.client import Page, Person, SignIn

HOSTILE = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "template": "{{ 7 * 7 }} {% raw %} %(name)s %s",
    "right to left": "kontakt \u202egnp.exe\u202c",
    "long": "ą" * 1_000,
    "emoji": "👩‍👩‍👧‍👦 🇵🇱",
    "quotes": "\"'`\\/&amp;&#39;",
}


async def make(person: Person, **fields: Any) -> Page:
    """Fill in the empty form and save it."""
    page = await person.get("/rules/new")
    given = {key.replace("__", "/"): value for key, value in fields.items()}
    return await person.send(
        "/rules/new", {"name": "Nowy klient", "actions/0/url": "inbox:", "do": "save"} | given, page=page
    )


async def made(person: Person, **fields: Any) -> str:
    """Make a rule and give its id."""
    saved = await make(person, **fields)
    assert saved.status == 303, saved.text
    return saved.location.rsplit("/", 1)[-1]


async def test_the_reference_path(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor", "pl")
    page = await ala.get("/rules/new")
    assert "Wyślij informacje na temat uruchomionej reguły" in page.text
    assert "1 Endpoint" in page.text
    assert "2 Wymagana autoryzacja basic" in page.text
    page = await ala.send("/rules/new", {"triggers/0/type": "contact.tagged", "do": "refresh"}, page=page)
    saved = await ala.send(
        "/rules/new",
        {
            "name": "Nowy klient VIP → CRM",
            "description": "założyć kartę",
            "triggers/0/tags": ["VIP", ""],
            "actions/0/url": "inbox:crm",
            "actions/0/auth": "1",
            "actions/0/username": "goniec",
            "actions/0/password": "tajne hasło",
            "active": "1",
            "do": "save",
        },
        page=page,
    )
    rule = await ala.follow(saved)
    assert "Zapisano regułę: Nowy klient VIP → CRM." in rule.text
    assert rule.fields["actions/0/password"] == [""]
    assert "tajne" not in rule.html
    stored = await engine.get(f"/rules/{saved.location.rsplit('/', 1)[-1]}")
    assert stored["triggers"] == [{"type": "contact.tagged", "tags": ["VIP"]}]
    assert stored["actions"][0]["basicAuth"] == {"username": "goniec", "passwordSet": True}
    await engine.post("/contacts", {"email": "jan@example.pl", "tags": ["VIP"]}, 201)

    async def delivered() -> bool:
        found = await engine.get("/deliveries", status="delivered")
        return len(found["items"]) == 1

    await eventually(delivered, "the webhook is delivered")


async def test_a25_a_test_send_hides_neither_that_the_rule_is_off_nor_that_nothing_sets_it_off(
    engine: Engine, sign_in: SignIn
) -> None:
    ala = await sign_in("editor", "pl")
    rule = await made(ala, triggers__0__type="contact.inactive")
    page = await ala.get(f"/rules/{rule}")
    sent = await ala.send(f"/rules/{rule}/test", {}, page=page, **{"hx-request": "true"})
    assert "200" in sent.text
    assert "Reguła jest wyłączona" in sent.text
    assert "nie tworzy zdarzeń według kalendarza" in sent.text
    plain = await ala.send(f"/rules/{rule}/test", {}, page=page)
    assert plain.location.startswith("/deliveries/dlv_")


async def test_a25_a_test_send_has_the_very_bytes_of_a_real_one(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    contact = await engine.post(
        "/contacts", {"email": "jan@example.pl", "phone": "600 100 200", "company": "Złoty „Kłos”"}, 201
    )
    rule = await made(ala, active="1", description="opis \N{SNOWMAN}", triggers__0__type="contact.note_added")
    page = await ala.get(f"/rules/{rule}")
    await ala.send(f"/rules/{rule}/test", {"_contact": contact["id"]}, page=page)
    await engine.post(f"/contacts/{contact['id']}/notes", {"text": "x"})

    async def both() -> bool:
        return len((await engine.get("/deliveries", status="delivered"))["items"]) == 2

    await eventually(both, "the test and the real one are delivered")
    test, real = [await engine.get(f"/deliveries/{one['id']}") for one in (await engine.get("/deliveries"))["items"]]
    assert test["test"]
    assert not real["test"]
    assert test["body"] == real["body"]


async def test_a_test_of_a_form_with_changes_is_not_sent_to_the_address_before(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    rule = await made(ala, actions__0__url="inbox:before")
    page = await ala.get(f"/rules/{rule}")
    edited = {"actions/0/url": "inbox:after"}
    told = await ala.send(f"/rules/{rule}/test", edited, page=page, **{"hx-request": "true"})
    assert "Not sent: there are unsaved changes." in told.text
    shown = await ala.send(f"/rules/{rule}/test", edited, page=page)
    assert (shown.status, shown.fields["actions/0/url"]) == (409, ["inbox:after"])
    assert (await engine.get("/deliveries"))["items"] == []
    saved = await ala.send(f"/rules/{rule}", edited | {"do": "test"}, page=page)
    tested = await ala.send(f"/rules/{rule}/test", page=await ala.follow(saved), **{"hx-request": "true"})
    assert "200 OK" in tested.text
    assert "inbox:after" in tested.text


async def test_who_else_uses_an_endpoint_is_counted_by_its_user_too(sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    auth = {"actions__0__auth": "1", "actions__0__username": "crm", "actions__0__password": "x"}
    for name in ("A", "B"):
        await made(ala, name=name, actions__0__url="inbox:x")
    rule = await made(ala, name="C", actions__0__url="inbox:x", **auth)
    assert "1 more rule uses it." not in (await ala.get(f"/rules/{rule}")).text
    another = await made(ala, name="D", actions__0__url="inbox:x")
    assert "2 more rules use it." in (await ala.get(f"/rules/{another}")).text


async def test_saving_for_a_test_sends_nothing_by_itself(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    page = await ala.get("/rules/new")
    saved = await ala.send("/rules/new", {"name": "Neu", "actions/0/url": "inbox:", "do": "test"}, page=page)
    assert saved.location.split("?")[0].endswith("/test")
    shown = await ala.follow(saved)
    assert 'hx-trigger="load, click"' in shown.html
    assert (await engine.get("/deliveries"))["items"] == []


async def test_problems_stand_at_their_fields_and_nothing_is_lost(sign_in: SignIn) -> None:
    ala = await sign_in("editor", "pl")
    page = await ala.get("/rules/new")
    for button in ("act/actions/addTag", "add/conditions/of", "add/triggers"):
        page = await ala.send("/rules/new", {"do": button}, page=page)
        assert page.status == 200
    wrong = {
        "name": "",
        "description": "zostaje",
        "actions/0/url": "ftp://crm.example",
        "actions/1/tag": "",
        "conditions/of/0/value": "sto",
        "limited": "1",
        "maxRuns": "0",
        "minInterval/count": "-3",
        "validFrom/at": "2027-01-01T00:00",
        "validTo/at": "2026-01-01T00:00",
        "do": "save",
    }
    saved = await ala.send("/rules/new", wrong, page=page)
    assert saved.status == 422
    assert {
        "name",
        "actions/0/url",
        "actions/1/tag",
        "conditions/of/0/value",
        "maxRuns",
        "minInterval/count",
        "validTo/at",
    } <= set(saved.problems)
    for name, value in wrong.items():
        if name != "do":
            assert value in saved.fields[name], name
    assert "potrzebna jest liczba" in saved.text.lower()
    assert "zacznij adres od https://" in saved.text.lower()


async def test_an_endpoint_that_may_not_be_reached_says_which_address_and_which_setting(sign_in: SignIn) -> None:
    ala = await sign_in("editor", "pl")
    saved = await make(ala, actions__0__url="http://10.1.2.3/hook")
    assert saved.status == 422
    assert saved.problems == ["actions/0/url"]
    assert "10.1.2.3 to adres prywatny" in saved.text
    assert "GONIEC_ALLOW_NETWORKS" in saved.text


async def test_a_password_that_is_needed_is_asked_for(sign_in: SignIn) -> None:
    ala = await sign_in("editor", "pl")
    saved = await make(ala, actions__0__auth="1", actions__0__username="goniec")
    assert saved.problems == ["actions/0/password"]
    assert saved.fields["actions/0/username"] == ["goniec"]


async def test_another_password_for_a_known_endpoint_asks_and_names_the_rules(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor", "pl")
    auth = {"actions/0/auth": "1", "actions/0/username": "goniec", "actions/0/url": "inbox:x"}
    page = await ala.get("/rules/new")
    first = await ala.send(
        "/rules/new", {"name": "Pierwsza", **auth, "actions/0/password": "jeden", "do": "save"}, page=page
    )
    assert first.status == 303, first.text
    again = {"name": "Druga", **auth, "actions/0/password": "dwa", "do": "save"}
    asked = await ala.send("/rules/new", again, page=page)
    assert asked.status == 409
    assert "Pierwsza" in asked.text
    assert asked.fields["actions/0/password"] == ["dwa"]
    kept = await ala.send("/rules/new", {"actions/0/password": ""}, page=asked)
    assert kept.status == 303, kept.text
    # what other rules use is for administrators
    refused = await ala.send("/rules/new", again | {"name": "Trzecia", "_replace": "1"}, page=page)
    assert refused.status == 409
    assert "Zmienić je wszędzie może administrator." in refused.text
    admin = await sign_in("admin", "pl")
    page = await admin.get("/rules/new")
    changed = await admin.send("/rules/new", again | {"name": "Trzecia", "_replace": "1"}, page=page)
    assert changed.status == 303, changed.text
    assert len((await engine.get("/endpoints"))["items"]) == 1


async def test_an_editor_mends_the_password_of_the_own_rule(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    saved = await make(
        ala,
        actions__0__url="inbox:x",
        actions__0__auth="1",
        actions__0__username="goniec",
        actions__0__password="jeden",
    )
    path = saved.location
    page = await ala.get(path)
    asked = await ala.send(path, {"actions/0/password": "dwa", "do": "save"}, page=page)
    assert asked.status == 409
    assert "Change everywhere" in asked.text
    mended = await ala.send(path, {"_replace": "1"}, page=asked)
    assert mended.status == 303, mended.text


async def test_a58_what_is_saved_unchanged_makes_no_new_version(engine: Engine, sign_in: SignIn) -> None:
    """The form sends back what it was given, whatever is in the rule."""
    rich = {
        "name": "Wszystko",
        "active": True,
        "group": "CRM",
        "maxRuns": 3,
        "minInterval": "P1DT2H",
        "maxAge": "PT90S",
        "validFrom": "2026-03-29T02:30:00+02:00",
        "validTo": "2030-01-01T00:00:00.250Z",
        "timezone": "America/New_York",
        "triggers": [
            {"type": "contact.tagged", "tags": ["VIP"], "notSourceKey": ["crm"]},
            {"type": "external_event.added", "properties": {"kolor": {"op": "in", "value": ["a", 7]}, "x.y": True}},
            {"type": "email.opened", "machine": None},
        ],
        "conditions": {
            "type": "any",
            "of": [
                {
                    "type": "not",
                    "of": [{"type": "all", "of": [{"type": "score", "op": "gte", "value": 10}, {"type": "hasPhone"}]}],
                },
                {"type": "detail", "name": "d", "op": "eq", "value": "007"},
                {"type": "state", "op": "in", "value": ["CUSTOMER", "OTHER"]},
            ],
        },
        "actions": [
            {"type": "webhook", "url": "inbox:crm", "basicAuth": {"username": "u", "password": "p"}},
            {"type": "setDetail", "name": "n", "value": True},
            {"type": "emitEvent", "kind": "PURCHASE", "data": {"value": 1.5}},
        ],
        "otherwise": [{"type": "addNote", "text": "raz\ndwa"}],
    }
    rule = await engine.post("/rules", rich, 201)
    ala = await sign_in("editor")
    page = await ala.get(f"/rules/{rule['id']}")
    saved = await ala.send(f"/rules/{rule['id']}", {"do": "save"}, page=page)
    assert saved.status == 303, saved.text
    assert await engine.get(f"/rules/{rule['id']}") == rule


async def test_the_second_of_two_people_is_told_and_sees_what_differs(engine: Engine, sign_in: SignIn) -> None:
    ala, jan = await sign_in("editor", "pl"), await sign_in("editor", "pl", "jan@example.com")
    rule = await made(ala)
    one, other = await ala.get(f"/rules/{rule}"), await jan.get(f"/rules/{rule}")
    await ala.send(f"/rules/{rule}", {"name": "Nazwa Ali", "do": "save"}, page=one)
    late = await jan.send(f"/rules/{rule}", {"description": "opis Jana", "do": "save"}, page=other)
    assert late.status == 412
    assert "Nazwa Ali" in late.text
    assert "opis Jana" in late.text
    assert late.fields["description"] == ["opis Jana"]
    assert (await engine.get(f"/rules/{rule}"))["name"] == "Nazwa Ali"
    insisted = await jan.send(f"/rules/{rule}", {"do": "save"}, page=late)
    assert insisted.status == 303, insisted.text
    stored = await engine.get(f"/rules/{rule}")
    assert (stored["name"], stored["description"]) == ("Nowy klient", "opis Jana")


async def test_what_differs_is_no_more_than_what_either_changed(engine: Engine, sign_in: SignIn) -> None:
    ala, jan = await sign_in("editor"), await sign_in("editor", email="jan@example.com")
    tagged = {"type": "hasTag", "tags": ["VIP", "HURT"]}
    rule = await engine.rule({"type": "contact.created"}, "inbox:crm", name="Before", conditions=tagged)
    path = f"/rules/{rule['id']}"
    one, other = await ala.get(path), await jan.get(path)
    await ala.send(path, {"name": "Hers", "conditions/of/0/tags": "VIP", "do": "save"}, page=one)
    late = await jan.send(path, {"description": "His", "do": "save"}, page=other)
    assert late.status == 412
    assert "Name Hers unchanged: Before" in late.text
    assert "unchanged: \N{EN DASH} His" in late.text
    assert "has the tag" in late.text
    for part in ('"mode"', "Events ", "Actions Send"):
        assert part not in late.text.partition("These are the differences:")[2].partition("Save mine")[0]
    assert re.findall("<h1.*</h1>", late.html) == ["<h1>Before</h1>"], "the form is his"
    # made from a version that is not known, it says no more than it knows
    odd = await jan.send(path, {"description": "His", "tag": "0" * 18, "do": "save"}, page=other)
    assert odd.status == 412
    assert "unchanged" not in odd.text
    assert "Name Hers Before" in odd.text


async def test_two_tabs_with_one_form_make_one_change(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    rule = await made(ala)
    tab = await ala.get(f"/rules/{rule}")
    first = await ala.send(f"/rules/{rule}", {"name": "zwei", "do": "save"}, page=tab)
    assert first.status == 303
    back = await ala.send(
        f"/rules/{rule}", {"name": "drei", "do": "save"}, page=tab
    )  # the back button, and saved again
    assert back.status == 412
    assert (await engine.get(f"/rules/{rule}"))["name"] == "zwei"


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_values_are_shown_as_text(engine: Engine, sign_in: SignIn, value: str) -> None:
    ala = await sign_in("editor")
    value_short = value[:200]
    rule = await made(
        ala, name=value_short, description=value, group=value[:200], triggers__0__type="external_event.added"
    )
    page = await ala.get(f"/rules/{rule}")
    assert page.fields["name"] == [value_short]
    assert page.fields["description"] == [value]
    assert "<script>alert" not in page.html
    assert "<img src=x" not in page.html
    assert (await engine.get(f"/rules/{rule}"))["name"] == value_short
    preview = await ala.send("/rules/preview", {}, page=page, **{"hx-request": "true"})
    assert preview.status == 200
    assert "<script>alert" not in preview.html


async def test_the_preview_has_the_very_bytes_that_are_sent(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    contact = await engine.post("/contacts", {"phone": "+48 600 100 200", "company": "Złoty Kłos"}, 201)
    rule = await made(ala, active="1", name="Zażółć", triggers__0__type="contact.note_added")
    page = await ala.get(f"/rules/{rule}")
    shown = await ala.send("/rules/preview", {"_contact": contact["id"]}, page=page, **{"hx-request": "true"})
    await engine.post(f"/contacts/{contact['id']}/notes", {"text": "x"})

    async def sent() -> bool:
        return bool((await engine.get("/deliveries"))["items"])

    await eventually(sent, "the webhook is made")
    delivery = (await engine.get("/deliveries"))["items"][0]
    body = (await engine.get(f"/deliveries/{delivery['id']}"))["body"]
    assert json.loads(body)["email"] is None, "a contact without an e-mail has null there"
    copied = shown.html.split('data-copy="')[1].split('"')[0].replace("&#34;", '"')
    assert copied == body


async def test_the_preview_says_what_each_condition_sees(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor", "pl")
    contact = await engine.post("/contacts", {"name": "Anna", "email": "anna@example.pl", "tags": ["VIP"]}, 201)
    page = await ala.get("/rules/new")
    for _ in range(2):
        page = await ala.send("/rules/new", {"do": "add/conditions/of", "_contact": contact["id"]}, page=page)
    page = await ala.send("/rules/new", {"conditions/of/1/type": "hasTag", "do": "refresh"}, page=page)
    shown = await ala.send(
        "/rules/preview",
        {"conditions/of/1/tags": "vip", "conditions/of/0/value": "10"},
        page=page,
        **{"hx-request": "true"},
    )
    assert "Anna: 0" in shown.text
    assert "Anna: VIP" in shown.text


async def test_templates_and_copies_start_a_form(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor", "pl")
    page = await ala.get("/rules/new?template=tag")
    assert page.fields["name"] == ["Segment dodany do kontaktu"]
    assert page.fields["triggers/0/tags"][0] == "VIP"
    rule = await made(ala, active="1")
    copy = await ala.get(f"/rules/new?copy={rule}")
    assert copy.fields["name"] == ["Nowy klient (kopia)"]
    assert "active" not in copy.fields
    assert (await ala.get("/rules/new?copy=rul_nothing")).status == 404


async def test_a_rule_that_names_what_is_gone_says_so(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor", "pl")
    funnel = await engine.post("/funnels", {"name": "Sprzedaż", "stages": ["Nowa", "Wygrana"]}, 201)
    rule = await engine.rule({"type": "contact.stage_entered", "funnel": "Sprzedaż"}, "inbox:", active=False)
    page = await ala.get(f"/rules/{rule['id']}")
    assert page.fields["triggers/0/funnel"] == ["Sprzedaż"]
    await engine.put(f"/rules/{rule['id']}", {**rule, "triggers": [{"type": "contact.created"}]})
    await engine.ask("DELETE", f"/funnels/{funnel['id']}", 204)
    stale = await ala.send(f"/rules/{rule['id']}", {"do": "save", "tag": ""}, page=page)
    assert stale.status == 422
    assert stale.fields["triggers/0/funnel"] == ["Sprzedaż"]
    assert "nie ma lejka" in stale.text.lower()


async def test_a_viewer_sees_the_rule_and_can_change_nothing(sign_in: SignIn) -> None:
    ala, jan = await sign_in("editor"), await sign_in("viewer")
    rule = await made(ala)
    page = await jan.get(f"/rules/{rule}")
    assert page.status == 200
    assert "Your role can only view." in page.text
    assert "Save changes" not in page.text.replace("Save changes", "", 1), "only the hidden one that viewers cannot use"
    assert (await jan.send(f"/rules/{rule}", {"name": "x", "do": "save"}, page=page)).status == 403


async def test_without_a_store_nothing_typed_is_lost(sign_in: SignIn) -> None:
    """Overlong forms are refused before they are read, with a page that says so."""
    ala = await sign_in("editor")
    page = await ala.get("/rules/new")
    sent = await ala.send("/rules/new", {"description": "x" * 5_000_000, "do": "save"}, page=page)
    assert sent.status == 413


@pytest.mark.parametrize("do", ["save", "add/triggers"])
@pytest.mark.parametrize(
    "name", ["validFrom", "validTo/0", "minInterval", "maxAge/0", "conditions/" + "of/0/" * 48 + "type"]
)
async def test_a_form_of_another_make_is_shown_or_refused_and_never_falls_over(
    sign_in: SignIn, name: str, do: str
) -> None:
    ala = await sign_in("editor")
    page = await ala.get("/rules/new")
    types = {"conditions/" + "of/0/" * n + "type": "all" for n in range(48)}
    deep = types if name.startswith("conditions") else {}
    sent = await ala.send("/rules/new", {"name": "VIP", **deep, name: "score", "do": do}, page=page)
    assert sent.status in {200, 422}


# --- whom the preview and the test send tell about -------------------------------------------------------------------

NOBODY = "No contact fits. Enter the whole e-mail, phone or ID."


async def twins(engine: Engine) -> list[dict[str, Any]]:
    """Two contacts of one name, and one that is too old for the list."""
    old = {"email": "stara@example.pl", "phone": "600100200", "externalId": "crm-7", "name": "Stara Znajoma"}
    people = [old, *({"email": f"jan{n}@example.pl", "name": "Jan Nowak"} for n in range(20))]
    return [await engine.post("/contacts", one, 201) for one in people]


async def test_the_list_tells_people_of_one_name_apart_and_has_each_once(engine: Engine, sign_in: SignIn) -> None:
    old, *_, new = await twins(engine)
    ala = await sign_in("editor")
    page = await ala.get("/rules/new")
    assert f'<option value="{new["id"]}" selected>Jan Nowak · jan19@example.pl</option>' in page.html
    assert old["id"] not in page.html
    page = await ala.send("/rules/new", {"do": "refresh", "_contact": old["id"]}, page=page)
    assert page.html.count(f'<option value="{old["id"]}"') == 1
    assert page.fields["_contact"] == [old["id"]]
    for phone in ("a", "b"):
        await engine.post("/contacts", {"externalId": phone, "name": "Ewa", "phone": "700100200"}, 201)
    page = await ala.get("/rules/new")
    assert page.html.count(">Ewa · 700100200 · 0") == 2


@pytest.mark.parametrize("text", [" Stara@Example.pl ", "600 100 200", "crm-7", "id"])
async def test_any_contact_is_found_by_what_names_it(engine: Engine, sign_in: SignIn, text: str) -> None:
    old, *_ = await twins(engine)
    text = old["id"] if text == "id" else text
    ala = await sign_in("editor")
    rule = await made(ala)
    page = await ala.get(f"/rules/{rule}")
    shown = await ala.send("/rules/preview", {"_who": text}, page=page, **{"hx-request": "true"})
    assert "stara@example.pl" in shown.text
    assert "Shown: Stara Znajoma · stara@example.pl" in shown.text
    plain = await ala.send(f"/rules/{rule}", {"_who": text, "do": "refresh"}, page=page)
    assert (plain.fields["_contact"], plain.fields["_who"]) == ([old["id"]], [""])
    sent = await ala.send(f"/rules/{rule}/test", {"_who": text}, page=page)
    assert "stara@example.pl" in (await ala.follow(sent)).text
    saved = await ala.send(f"/rules/{rule}", {"_who": text, "do": "test"}, page=page)
    assert (await ala.follow(saved)).fields["_contact"] == [old["id"]]


@pytest.mark.parametrize("text", ["nobody@example.pl", "Stara", "700 700 700", "x" * 10_000, *HOSTILE.values()])
async def test_a_text_that_names_nobody_sends_nothing(engine: Engine, sign_in: SignIn, text: str) -> None:
    ala = await sign_in("editor")
    rule = await made(ala)
    page = await ala.get(f"/rules/{rule}")
    asked = {"_who": text}
    for path, form in ((f"/rules/{rule}", {"do": "refresh"}), (f"/rules/{rule}/test", {})):
        told = await ala.send(path, asked | form, page=page)
        assert NOBODY in told.text
        assert told.problems == ["_who"]
        assert told.fields["_who"] == [text.strip()]
    for path in ("/rules/preview", f"/rules/{rule}/test"):
        assert NOBODY in (await ala.send(path, asked, page=page, **{"hx-request": "true"})).text
    told = await ala.send(f"/rules/{rule}", asked | {"do": "test", "name": "Other"}, page=page)
    assert (told.status, told.problems, told.fields["name"]) == (422, ["_who"], ["Other"])
    assert (await engine.get("/deliveries"))["items"] == []
    assert (await engine.get(f"/rules/{rule}"))["name"] == "Nowy klient"


async def test_a_phone_of_two_people_and_a_contact_that_is_gone_are_told(engine: Engine, sign_in: SignIn) -> None:
    for n in range(2):
        await engine.post("/contacts", {"email": f"jan{n}@example.pl", "phone": "600100200"}, 201)
    ala = await sign_in("editor")
    rule = await made(ala)
    page = await ala.get(f"/rules/{rule}")
    told = await ala.send(f"/rules/{rule}/test", {"_who": "600100200"}, page=page)
    assert "Several contacts fit. Enter an e-mail or ID." in told.text
    gone = {"_contact": "01900000-0000-7000-8000-000000000001"}
    assert "This contact no longer exists." in (await ala.send(f"/rules/{rule}/test", gone, page=page)).text
    assert (await engine.get("/deliveries"))["items"] == []


# --- funnels, which only the API makes -------------------------------------------------------------------------------


async def test_a_rule_about_stages_says_that_there_is_no_funnel_and_how_to_make_one(
    engine: Engine, sign_in: SignIn
) -> None:
    ala = await sign_in("editor")
    none = "There are no funnels yet, so no contact enters or leaves a stage. To create a funnel, use the API"
    page = await ala.get("/rules/new?template=stage")
    assert none in page.text
    assert "/docs" in page.links
    rule = await made(ala, active="1", triggers__0__type="contact.stage_entered")
    saved = await ala.get(f"/rules/{rule}")
    assert none in saved.text
    assert "there is no funnel yet" in saved.text.lower()
    await engine.post("/funnels", {"name": "Sprzedaż", "stages": ["Lead", "Klient"]}, 201)
    assert "funnels yet" not in (await ala.get(f"/rules/{rule}")).text
    gone = {"triggers/0/type": "contact.stage_left", "triggers/0/funnel": "Inny", "do": "refresh"}
    told = await ala.send("/rules/new", gone, page=page)
    assert "There is no funnel Inny, so no contact is in one of its stages." in told.text
