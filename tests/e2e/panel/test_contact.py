"""One contact in the panel: its timeline, what an editor does to it, a rule by hand, its export, and its end."""

import json
from typing import Any

from tests.e2e.engine import Engine
from tests.e2e.panel.client import Page, Person, SignIn

FIRST = 30
"""Events on a page of the timeline."""


async def jan_of(engine: Engine, **fields: Any) -> str:
    made = await engine.contact(**{"email": "jan@example.pl", "name": "Jan Kowalski"} | fields)
    return str(made["id"])


async def did(person: Person, contact: str, **form: str) -> Page:
    """Press a button on a contact's page, and see the page after it."""
    return await person.follow(await person.send(f"/contacts/{contact}", form))


async def last(engine: Engine, contact: str, count: int = 1) -> list[dict[str, Any]]:
    """The latest events of a contact, in their order."""
    page = await engine.get("/events", contactId=contact)
    found: list[dict[str, Any]] = page["items"][-count:]
    return found


# --- what is seen -----------------------------------------------------------------------------------------------------


async def test_the_card_has_all_that_is_known(engine: Engine, sign_in: SignIn) -> None:
    await engine.post("/funnels", {"name": "Sales", "stages": ["Asked", "Won"]}, 201)
    await engine.post("/funnels", {"name": "Care", "stages": ["New"]}, 201)
    jan = await jan_of(
        engine, phone="600 100 200", company="Żabka", externalId="K-1", state="CUSTOMER", owner="Ala", language="pl",
        timezone="Europe/Warsaw", tags=["vip", "hurt"], details={"shoe size": 42, "rate": 2.5, "invoice": True, "note": "a\nb"},
        stages={"Sales": "Won"}, consents={"newsletter": True, "calls": False}, subscriptions={"email": True},
        score={"set": 1234},
    )  # fmt: skip
    viewer = await sign_in("viewer")
    text = (await viewer.get(f"/contacts/{jan}")).text
    for part in (
        "Jan Kowalski", "Żabka", "Customer", "E-mail jan@example.pl", "Phone 600 100 200", "Owner Ala", "External ID K-1",
        "Language pl", "Time zone Europe/Warsaw", "Score +1,234 in 7 days 1,234", "Tags 2 HURT VIP", "Sales Won since",
        "Care not in the funnel", "shoe size 42", "rate 2.5", "invoice yes", "note a b", "granted newsletter",
        "withdrawn calls", "Subscriptions subscribed E-mail", "no decision Phone",
        "No activity yet",
    ):  # fmt: skip
        assert part in text, part


async def test_the_timeline_tells_events_runs_and_deliveries(engine: Engine, sign_in: SignIn) -> None:
    score = {"type": "score", "op": "gte", "value": 100}
    await engine.rule({"type": "contact.tagged", "tags": ["VIP"]}, "inbox:crm", name="VIP to CRM")
    missed = await engine.rule({"type": "page.visited"}, name="A hundred", conditions={"type": "all", "of": [score]})
    jan = await jan_of(engine)
    await engine.post(f"/contacts/{jan}/tags", {"add": ["VIP"]})
    await engine.visit({"id": jan}, data={"url": "https://shop.example/price", "title": "Prices", "seconds": 134})
    (delivery,) = await engine.settled(1)
    viewer = await sign_in("viewer")
    page = await viewer.get(f"/contacts/{jan}")
    for part in (
        "Contact visited a URL https://shop.example/price, 2\N{NO-BREAK SPACE}min 14\N{NO-BREAK SPACE}s Prices by API, key test-admin",
        "Rule: A hundred Conditions not met See why",
        "Delivered to inbox:crm from the rule VIP to CRM",
        "Rule: VIP to CRM Fired Send information about the triggered rule: inbox:crm",
        "Tag VIP added by API, key test-admin",
        "Contact added to the system",
        "Today, ",
    ):  # fmt: skip
        assert " ".join(part.split()) in page.text, part
    assert page.text.index("Contact visited a URL") < page.text.index("Tag VIP added")
    assert f"/deliveries/{delivery['id']}" in page.links
    why = next(link for link in page.links if missed["id"] in link and "/why" in link)
    assert "because score was 0, and the rule needs at least 100" in (await viewer.get(why)).text
    only = {
        show: (await viewer.get(f"/contacts/{jan}?show={show}")).text for show in ("events", "runs", "deliveries", "x")
    }
    assert ["Tag VIP added" in text for text in only.values()] == [True, False, False, True]
    assert ["Rule: VIP to CRM" in text for text in only.values()] == [False, True, False, True]
    assert ["Delivered to inbox:crm" in text for text in only.values()] == [False, False, True, True]


async def test_the_timeline_goes_back_page_by_page(engine: Engine, sign_in: SignIn) -> None:
    jan = await jan_of(engine)
    for n in range(65):
        await engine.post(f"/contacts/{jan}/notes", {"text": f"note-{n:02}-"})
    viewer = await sign_in("viewer")
    seen: list[str] = []
    path = f"/contacts/{jan}"
    page = await viewer.get(path)
    for pages in range(3):
        notes = [f"note-{n:02}-" for n in range(64, -1, -1) if f"note-{n:02}-" in page.text]
        assert len(notes) == min(FIRST, 65 - pages * FIRST)
        seen += notes
        path = next((link for link in page.links if "before=" in link), "")
        part = await viewer.get(path, **{"hx-request": "true"}) if path else None
        assert part is None or ("<html" not in part.html and "Today, " not in part.text)
        page = await viewer.get(path) if path else page
    assert seen == [f"note-{n:02}-" for n in range(64, -1, -1)]
    assert path == ""
    assert "This is where it begins." in page.text
    assert "Nothing of this kind" in (await viewer.get(f"/contacts/{jan}?show=deliveries")).text
    assert (await viewer.get(f"/contacts/{jan}?before=nonsense")).status == 200


async def test_news_are_told_once_something_happened(engine: Engine, sign_in: SignIn) -> None:
    jan = await jan_of(engine)
    viewer = await sign_in("viewer")
    assert (await viewer.get(f"/contacts/{jan}/news?seq=1")).text == ""
    await engine.visit({"id": jan})
    assert "1 new event. Show" in (await viewer.get(f"/contacts/{jan}/news?seq=1")).text
    for seq in ("", "x", "-1", "9" * 40):
        assert (await viewer.get(f"/contacts/{jan}/news?seq={seq}")).text == ""


async def test_a_pending_delivery_is_told_anew_until_it_went(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule({"type": "contact.tagged", "tags": ["VIP"]}, "inbox:crm", name="VIP to CRM")
    endpoint = await engine.endpoint(rule)
    await engine.post(f"/endpoints/{endpoint}/pause", {})
    jan = await jan_of(engine)
    other = await jan_of(engine, email="ewa@example.com")
    viewer = await sign_in("viewer")
    assert "/waiting" not in (await viewer.get(f"/contacts/{jan}")).html, "nothing is pending"
    await engine.post(f"/contacts/{jan}/tags", {"add": ["VIP"]})
    (delivery,) = await engine.everything("/deliveries")
    page = await viewer.get(f"/contacts/{jan}")
    assert "Delivery waits for inbox:crm endpoint paused" in page.text
    assert f'<li id="{delivery["id"]}"' in page.html
    path = f"/contacts/{jan}/waiting?of={delivery['id']}"
    assert f'hx-get="{path}" hx-trigger="every 3s"' in page.html
    head = {"hx-request": "true", "hx-trigger": "waiting"}
    part = await viewer.get(path, **head)
    assert "endpoint paused" in part.text
    assert f'hx-get="{path}"' in part.html
    await engine.post(f"/endpoints/{endpoint}/resume", {})
    await engine.settled(1)
    part = await viewer.get(path, **head)
    assert f'<li id="{delivery["id"]}" hx-swap-oob="true"' in part.html
    assert "Delivered to inbox:crm" in part.text
    assert "hx-get" not in part.html, "it need not ask again"
    assert "/waiting" not in (await viewer.get(f"/contacts/{jan}")).html
    foreign = await viewer.get(f"/contacts/{other}/waiting?of={delivery['id']}.dlv_nonsense", **head)
    assert (foreign.status, foreign.text) == (200, "")


async def test_an_event_is_shown_exactly(engine: Engine, sign_in: SignIn) -> None:
    await engine.rule({"type": "external_event.added"}, "inbox:", name="Bought")
    jan = await jan_of(engine)
    data = {"kind": "PURCHASE", "value": 12.5, "properties": {"colour": "<b>"}}
    answer = await engine.post("/events", {"type": "external_event.added", "contact": {"id": jan}, "data": data}, 202)
    event = answer["ids"][0]
    await engine.settled(1)
    viewer = await sign_in("viewer")
    page = await viewer.get(f"/contacts/{jan}/events/{event}")
    assert "New external event: PURCHASE 12.5" in page.text
    assert "Rule: Bought Fired" in page.text
    assert "Delivered to inbox:" in page.text
    assert '"colour"' in page.text
    assert "<b>" not in page.html.replace("<b>New", "").replace("<b>Rule", "").replace("<b>Delivered", "")
    other = (await engine.contact(email="ewa@example.pl"))["id"]
    assert (await viewer.get(f"/contacts/{other}/events/{event}")).status == 404
    assert (await viewer.get(f"/contacts/{jan}/events/evt_nonsense")).status == 404


# --- what is done -----------------------------------------------------------------------------------------------------


async def test_every_change_is_an_event_of_the_panel(engine: Engine, sign_in: SignIn) -> None:
    await engine.post("/funnels", {"name": "Sales", "stages": ["Asked", "Won"]}, 201)
    jan = await jan_of(engine)
    editor = await sign_in("editor")
    for form, type, data, note in (
        ({"do": "addTag", "tag": "vip"}, "contact.tagged", {"tag": "VIP", "tagScore": 0}, "Tag added: VIP"),
        ({"do": "score", "how": "add", "points": "+10"}, "contact.score_changed", {"old": 0, "new": 10}, "Score changed."),
        ({"do": "score", "how": "add", "points": "\u22123"}, "contact.score_changed", {"new": 7}, "Score changed."),
        ({"do": "score", "how": "set", "points": " 100 "}, "contact.score_changed", {"new": 100}, "Score changed."),
        ({"do": "setDetail", "new": "1", "name": "size", "kind": "number", "value": "42"}, "contact.detail_added", {"new": 42}, "Detail saved: size"),
        ({"do": "setDetail", "name": "size", "kind": "number", "value": "42,5"}, "contact.detail_changed", {"old": 42, "new": 42.5}, "Detail saved"),
        ({"do": "setDetail", "name": "size", "kind": "text", "value": "42"}, "contact.detail_changed", {"new": "42"}, "Detail saved"),
        ({"do": "setDetail", "name": "size", "kind": "truth", "value": "yes"}, "contact.detail_changed", {"new": True}, "Detail saved"),
        ({"do": "removeDetail", "name": "size"}, "contact.detail_removed", {"old": True}, "Detail removed: size"),
        ({"do": "stage", "place": "Sales\nWon"}, "contact.stage_entered", {"stage": "Won"}, "Moved to the stage Won."),
        ({"do": "stage", "place": "Sales"}, "contact.stage_left", {"stage": "Won"}, "Removed from the funnel Sales."),
        ({"do": "note", "text": "Call back.\nSoon."}, "contact.note_added", {"text": "Call back.\nSoon."}, "Note added."),
        ({"do": "consent", "consent": "calls", "granted": "1"}, "consent.assigned", {"granted": True}, "Consent granted: calls"),
        ({"do": "consent", "consent": "calls", "granted": "0"}, "consent.assigned", {"granted": False}, "Consent withdrawn: calls"),
        ({"do": "subscription", "channel": "email", "wanted": "1"}, "contact.opted_in", {"channel": "email"}, "Subscribed: E-mail"),
        ({"do": "subscription", "channel": "email", "wanted": "0"}, "contact.opted_out", {"old": True}, "Unsubscribed: E-mail"),
        ({"do": "removeTag", "tag": "VIP"}, "contact.untagged", {"tag": "VIP"}, "Tag removed: VIP"),
    ):  # fmt: skip
        page = await did(editor, jan, **form)
        assert note in page.text, form
        (event,) = await last(engine, jan)
        assert event["type"] == type
        assert event["data"] | data == event["data"], form
        assert (event["source"], event["sourceKey"]) == ("panel", "editor@example.com")
    assert "in the panel, editor@example.com" in (await editor.get(f"/contacts/{jan}")).text


async def test_an_address_that_mail_came_back_from_can_get_it_again(engine: Engine, sign_in: SignIn) -> None:
    jan = await jan_of(engine)
    (known,) = [one for one in await engine.everything("/contacts") if one["id"] == jan]
    reason = "550 5.1.1 <no such user>"
    bounce = {"type": "bounce", "kind": "hard", "email": known["email"], "reason": reason}
    await engine.post("/mail/feedback", {"events": [bounce]}, 202)
    editor = await sign_in("editor")
    page = (await editor.get(f"/contacts/{jan}")).text
    assert f"Mail to {known['email']} came back" in page
    assert reason in page
    viewer = (await (await sign_in("viewer", "pl")).get(f"/contacts/{jan}")).text
    assert f"Wiadomość na adres {known['email']} wróciła" in viewer
    assert "Odblokuj adres" not in viewer
    page = (await did(editor, jan, do="liftBounce")).text
    assert "Mail may go to this address again." in page
    assert "came back" not in page
    (event,) = await last(engine, jan)
    assert (event["type"], event["data"]) == ("contact.bounce_lifted", {"email": known["email"]})
    assert "Nothing to change" in (await did(editor, jan, do="liftBounce")).text


async def test_several_tags_are_added_at_once_and_rules_run(engine: Engine, sign_in: SignIn) -> None:
    await engine.rule({"type": "contact.tagged", "tags": ["HURT"]}, "inbox:")
    jan = await jan_of(engine)
    await did(await sign_in("editor"), jan, do="addTag", tag="vip, hurt")
    assert [one["data"]["tag"] for one in await last(engine, jan, 2)] == ["VIP", "HURT"]
    assert len(await engine.settled(1)) == 1


async def test_what_changes_nothing_says_so(engine: Engine, sign_in: SignIn) -> None:
    jan = await jan_of(engine, tags=["vip"])
    editor = await sign_in("editor")
    for form in ({"do": "addTag", "tag": "VIP"}, {"do": "removeTag", "tag": "NONE"}, {"do": "score", "points": "0"}):
        assert "Nothing to change" in (await did(editor, jan, **form)).text, form


async def test_what_cannot_be_comes_back_opened_and_as_typed(engine: Engine, sign_in: SignIn) -> None:
    await engine.post("/funnels", {"name": "Sales", "stages": ["Asked", "Won"]}, 201)
    jan = await jan_of(engine, details={"size": 42, "name": "x", "paid": True})
    editor, admin = await sign_in("editor", "en"), await sign_in("admin", "pl")
    before = await last(engine, jan, 100)
    for form, field, english in (
        ({"do": "addTag", "tag": ""}, "tag", "A tag cannot be empty."),
        ({"do": "addTag", "tag": "x" * 101}, "tag", "A tag has at most 100 characters, and this has 101."),
        ({"do": "addTag", "tag": "!!!"}, "tag", "A tag needs a letter or a digit."),
        ({"do": "score", "points": "many"}, "points", "Enter a whole number, such as 10 or -5."),
        ({"do": "score", "points": "1.5"}, "points", "Enter a whole number, such as 10 or -5."),
        ({"do": "score", "points": "1" * 30}, "points", "Enter a whole number, such as 10 or -5."),
        ({"do": "score", "how": "set", "points": "3000000000"}, "points", "A score goes from -2147483648 to 2147483647."),
        ({"do": "setDetail", "new": "1", "name": "", "kind": "text", "value": "x"}, "value", "Cannot be empty."),
        ({"do": "setDetail", "new": "1", "name": "n" * 101, "kind": "text", "value": "x"}, "value", "At most 100 characters, and this has 101."),
        ({"do": "setDetail", "new": "1", "name": "n", "kind": "text", "value": "  "}, "value", "Enter a value, or remove the detail."),
        ({"do": "setDetail", "new": "1", "name": "n", "kind": "number", "value": "four"}, "value", "Enter a number, such as 10 or 2.5."),
        ({"do": "setDetail", "new": "1", "name": "n", "kind": "number", "value": "1e999"}, "value", "Enter a number, such as 10 or 2.5."),
        ({"do": "setDetail", "new": "1", "name": "n", "kind": "number", "value": "9" * 30}, "value", "A whole number must fit into 64 bits."),
        ({"do": "setDetail", "new": "1", "name": "n", "kind": "truth", "value": "maybe"}, "value", "Choose yes or no."),
        ({"do": "setDetail", "new": "1", "name": "n", "kind": "text", "value": "x" * 10_001}, "value", "At most 10000 characters, and this has 10001."),
        ({"do": "setDetail", "name": "size", "kind": "number", "value": "four"}, "value", "Enter a number, such as 10 or 2.5."),
        ({"do": "stage", "place": "Sales\nNever"}, "place", "This funnel has no such stage"),
        ({"do": "stage", "place": "Nowhere\nWon"}, "place", "There is no such funnel"),
        ({"do": "stage", "place": "Nowhere"}, "place", "Choose a stage."),
        ({"do": "note", "text": " \n "}, "text", "Cannot be empty."),
        ({"do": "note", "text": "x" * 10_001}, "text", "At most 10000 characters, and this has 10001."),
        ({"do": "consent", "consent": "", "granted": "1"}, "consent", "Cannot be empty."),
        ({"do": "consent", "consent": "c" * 201, "granted": "1"}, "consent", "At most 200 characters, and this has 201."),
        ({"do": "subscription", "channel": "pigeon", "wanted": "1"}, "consent", "Choose a channel."),
    ):  # fmt: skip
        back = await editor.send(f"/contacts/{jan}", form)
        assert back.status == 422, form
        assert back.problems == [field], form
        assert english in back.text, form
        if field in form and field != "place":
            assert form[field] in back.fields[field], form
        polish = await admin.send(f"/contacts/{jan}", form)
        assert polish.status == 422
        assert english not in polish.text, form
    assert await last(engine, jan, 100) == before


async def test_a_contact_that_grew_too_large_says_so(engine: Engine, sign_in: SignIn) -> None:
    jan = await jan_of(engine, details={f"d{n}": "x" * 10_000 for n in range(26)})
    editor = await sign_in("editor")
    back = await editor.send(
        f"/contacts/{jan}", {"do": "setDetail", "new": "1", "name": "n", "kind": "text", "value": "y" * 9_000}
    )
    assert back.status == 422
    assert "larger than 256 KiB" in back.text
    assert back.fields["value"][0] == "y" * 9_000


async def test_an_unknown_button_does_nothing(engine: Engine, sign_in: SignIn) -> None:
    jan = await jan_of(engine)
    editor = await sign_in("editor")
    for form in ({}, {"do": ""}, {"do": "explode"}):
        assert (await editor.send(f"/contacts/{jan}", form)).status == 400
    assert (await editor.send(f"/contacts/{jan}", {"do": "note", "text": "x", "_csrf": "forged"})).status == 403
    assert len(await last(engine, jan, 100)) == 1


# --- a rule by hand ---------------------------------------------------------------------------------------------------


async def test_a_rule_is_run_by_hand(engine: Engine, sign_in: SignIn) -> None:
    score = {"type": "all", "of": [{"type": "score", "op": "gte", "value": 100}]}
    fires = await engine.rule({"type": "contact.merged"}, "inbox:", name="Any time")
    fails = await engine.rule({"type": "contact.merged"}, "inbox:", name="A hundred", conditions=score)
    off = await engine.rule({"type": "contact.merged"}, "inbox:", name="Off", active=False)
    jan = await jan_of(engine)
    editor = await sign_in("editor")
    page = await editor.get(f"/contacts/{jan}")
    assert "Any time" in page.text
    assert f'<button name="rule" value="{fires["id"]}"' in page.html
    assert f'<button name="rule" value="{off["id"]}"' not in page.html
    assert "Any time: Fired" in (await did(editor, jan, do="run", rule=fires["id"])).text
    (event,) = await last(engine, jan)
    assert (event["type"], event["data"]) == ("rule.requested", {"rule": fires["id"], "by": "editor@example.com"})
    assert (event["source"], event["sourceKey"]) == ("panel", "editor@example.com")
    assert "A hundred: Conditions not met" in (await did(editor, jan, do="run", rule=fails["id"])).text
    (sent,) = await engine.settled(1)
    assert sent["ruleId"] == fires["id"]
    back = await editor.send(f"/contacts/{jan}", {"do": "run", "rule": off["id"]})
    assert back.status == 409
    assert "The rule is off" in back.text
    for rule in ("rul_nonsense", "", "<script>"):
        back = await editor.send(f"/contacts/{jan}", {"do": "run", "rule": rule})
        assert back.status == 409
        assert "This rule no longer exists." in back.text


# --- export and erasing -----------------------------------------------------------------------------------------------


async def test_the_export_is_that_of_the_api(engine: Engine, sign_in: SignIn) -> None:
    jan = await jan_of(engine, tags=["vip"], details={"a": "ż"})
    viewer = await sign_in("viewer")
    answer = await viewer.http.get(f"/contacts/{jan}/export")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == f'attachment; filename="contact-{jan}.json"'
    ours, theirs = json.loads(answer.content), await engine.get(f"/contacts/{jan}/export")
    assert ours | {"exportedAt": ""} == theirs | {"exportedAt": ""}


async def test_a_contact_is_erased_once_its_address_is_typed(engine: Engine, sign_in: SignIn) -> None:
    await engine.rule({"type": "contact.created"}, "http://127.0.0.1:9/dead")
    jan = await jan_of(engine)
    editor = await sign_in("editor")
    asked = await editor.get(f"/contacts/{jan}/erase")
    assert "Erase the data of the contact Jan Kowalski?" in asked.text
    assert "What disappears" in asked.text
    assert "What stays" in asked.text
    for wrong in ("", "jan", "ewa@example.pl", "<script>", "x" * 10_000):
        back = await editor.send(f"/contacts/{jan}/erase", {"confirm": wrong}, page=asked)
        assert (back.status, back.problems) == (422, ["confirm"]), wrong
    assert (await engine.get(f"/contacts/{jan}"))["name"] == "Jan Kowalski"
    done = await editor.send(f"/contacts/{jan}/erase", {"confirm": " JAN@example.pl "}, page=asked)
    assert done.location == "/contacts"
    assert "The contact's data is erased." in (await editor.follow(done)).text
    assert (await editor.get(f"/contacts/{jan}")).status == 404
    assert (await editor.send(f"/contacts/{jan}/erase", {"confirm": "jan@example.pl"})).status == 404
    (delivery,) = await engine.deliveries()
    assert delivery["status"] == "cancelled"


async def test_a_contact_without_an_address_is_erased_by_a_word(engine: Engine, sign_in: SignIn) -> None:
    ids = [(await engine.contact(phone=f"600 100 20{n}"))["id"] for n in range(2)]
    for id, language, wrong, word in ((ids[0], "en", "USUŃ", "erase"), (ids[1], "pl", "ERASE", "usuń")):
        editor = await sign_in("editor", language)
        assert word.upper() in (await editor.get(f"/contacts/{id}/erase")).text
        assert (await editor.send(f"/contacts/{id}/erase", {"confirm": wrong})).status == 422
        assert (await editor.send(f"/contacts/{id}/erase", {"confirm": word})).status == 303
