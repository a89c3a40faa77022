"""Messages in the panel: written, looked at, saved over what others saved, deleted, and by whom."""

from typing import Any

from playwright.async_api import Browser

from tests.e2e.engine import Engine
from tests.e2e.panel.browser import visitor
from tests.e2e.panel.client import Page, Person, SignIn, make_user
from tests.e2e.panel.looks import ALA

GIVEN = {
    "name": "Powitanie",
    "subject": "Dzień dobry, {{ contact.name }}",
    "html": "<p>Witaj, {{ contact.name }}!</p>",
    "text": "",
    "from": "Sklep <sklep@example.com>",
    "replyTo": "pomoc@example.com",
    "do": "save",
}


async def make(person: Person, **fields: Any) -> Page:
    """Fill in the empty form and save it."""
    page = await person.get("/messages/new")
    return await person.send("/messages/new", GIVEN | fields, page=page)


async def made(person: Person, **fields: Any) -> str:
    """Make a message and give its id."""
    saved = await make(person, **fields)
    assert saved.status == 303, saved.text
    return saved.location.rsplit("/", 1)[-1]


async def test_a_message_is_written_and_changed(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor", "pl")
    id = await made(ala)
    page = await ala.get(f"/messages/{id}")
    assert page.fields["html"] == [GIVEN["html"]]
    assert "My Shop <shop@example.com>." in page.text
    stored = await engine.get(f"/messages/{id}")
    assert {key: stored[key] for key in ("name", "subject", "html", "from", "replyTo", "transactional")} == {
        **{key: GIVEN[key] for key in ("name", "subject", "html", "from", "replyTo")},
        "transactional": False,
    }
    assert stored["text"] is None
    saved = await ala.send(
        f"/messages/{id}", {"transactional": "1", "text": "Witaj,\r\n\r\npa!", "do": "save"}, page=page
    )
    assert "Zapisano wiadomość: Powitanie." in (await ala.follow(saved)).text
    stored = await engine.get(f"/messages/{id}")
    assert (stored["transactional"], stored["text"], stored["version"]) == (True, "Witaj,\n\npa!", 2)
    listed = await ala.get("/messages")
    assert "Powitanie" in listed.text
    assert "transakcyjna" in listed.text
    assert "Powitanie" not in (await ala.get("/messages?q=nic")).text


async def test_every_problem_stands_at_its_field(sign_in: SignIn) -> None:
    ala = await sign_in("editor", "pl")
    wrong = {"name": "", "subject": "{{ x | nope }}", "html": "{% if x %}", "from": "sklep", "replyTo": "a@b@c"}
    page = await make(ala, **wrong)
    assert page.status == 422
    assert set(page.problems) == {"name", "subject", "html", "from", "replyTo"}
    assert "Wiersz 1: nie ma filtra nope." in page.text
    assert "Wiersz 1: {% if %} nie jest zamknięte" in page.text
    assert page.fields["html"] == ["{% if x %}"]
    assert (await make(ala, html="")).problems == ["html"]
    await made(ala)
    taken = await make(ala, name="POWITANIE")
    assert (taken.status, taken.problems) == (409, ["name"])


async def test_the_preview_is_for_the_contact_that_is_named(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("viewer", "pl")
    await engine.post("/contacts", {"email": "jan@example.pl", "name": "<b>Jan</b>"}, 201)
    seen = await ala.send("/messages/preview", GIVEN | {"_who": "jan@example.pl"}, **{"hx-request": "true"})
    assert seen.status == 200
    assert "Dzień dobry, <b>Jan</b>" in seen.text
    assert "Witaj, &amp;lt;b&amp;gt;Jan" in seen.html
    nobody = await ala.send("/messages/preview", GIVEN | {"_who": "nikt@example.pl"}, **{"hx-request": "true"})
    assert "Żaden kontakt nie pasuje." in nobody.text
    broken = await ala.send("/messages/preview", GIVEN | {"html": "{{ }}"}, **{"hx-request": "true"})
    assert "HTML: Wiersz 1: między {{ a }} nic nie ma." in broken.text


async def test_what_somebody_else_saved_is_not_lost(sign_in: SignIn) -> None:
    ala, ola = await sign_in("editor", "pl"), await sign_in("admin", "pl")
    id = await made(ala)
    old = await ala.get(f"/messages/{id}")
    await ola.send(f"/messages/{id}", {"subject": "Cześć", "do": "save"}, page=await ola.get(f"/messages/{id}"))
    late = await ala.send(f"/messages/{id}", {"subject": "Hej", "do": "save"}, page=old)
    assert late.status == 412
    assert "Ktoś inny zapisał w międzyczasie tę wiadomość." in late.text
    assert "Temat Cześć Hej" in late.text
    over = await ala.send(f"/messages/{id}", {"do": "save"}, page=late)
    assert (await ala.follow(over)).fields["subject"] == ["Hej"]


async def test_a_message_that_a_rule_sends_stays(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor", "pl")
    id = await made(ala)
    rule = {"name": "R", "triggers": [{"type": "contact.created"}], "actions": [{"type": "sendEmail", "message": id}]}
    kept = await engine.post("/rules", rule, 201)
    assert "Nie można jej usunąć: wysyła ją 1 reguła." in (await ala.get(f"/messages/{id}/delete")).text
    assert (await ala.send(f"/messages/{id}/delete", {})).status == 409
    await engine.ask("DELETE", f"/rules/{kept['id']}", 204)
    page = await ala.get(f"/messages/{id}/delete")
    assert (await ala.send(f"/messages/{id}/delete", {"tag": "9"}, page=page)).status == 409
    assert (await ala.send(f"/messages/{id}/delete", {}, page=page)).location.endswith("/messages")
    assert (await ala.get(f"/messages/{id}")).status == 404
    assert (await ala.send(f"/messages/{id}/delete", {}, page=page)).status == 404


async def test_who_may_only_look_changes_nothing(sign_in: SignIn) -> None:
    ala, jan = await sign_in("editor"), await sign_in("viewer")
    id = await made(ala)
    page = await jan.get(f"/messages/{id}")
    assert "Your role can only view." in page.text
    assert '<fieldset class="stack mform" disabled>' in page.html
    form = {"_message": id, "_who": "", "_contact": ""}
    assert "Jan Kowalski" in (await jan.send("/messages/preview", form, **{"hx-request": "true"})).text
    for path in ("/messages/new", f"/messages/{id}/delete"):
        assert (await jan.get(path)).status == 403
    for path in ("/messages/new", f"/messages/{id}", f"/messages/{id}/delete", f"/messages/{id}/test"):
        assert (await jan.send(path, GIVEN)).status == 403


async def test_the_delivery_of_a_mail_says_to_whom_it_goes_and_no_webhook_s_headers(
    engine: Engine, sign_in: SignIn
) -> None:
    ala = await sign_in("admin")
    id = await made(ala)
    sent = await engine.post(f"/messages/{id}/testSend", {"to": "ola@example.com"})
    assert sent["attempt"]["failure"] == "mailNotSetUp"
    page = await ala.get(f"/deliveries/{sent['deliveryId']}")
    for line in ("To ola@example.com", "Subject Dzień dobry, Jan Kowalski", "From Sklep"):
        assert line in page.text
    for never in ("webhook-signature", "HTTP/1.1", "cURL", "without a password"):
        assert never not in page.text


async def test_a_copy_is_another_message(sign_in: SignIn) -> None:
    ala = await sign_in("editor", "pl")
    id = await made(ala, transactional="1")
    page = await ala.get(f"/messages/new?copy={id}")
    assert page.fields["name"] == ["Powitanie (kopia)"]
    assert page.fields["transactional"] == ["1"]
    assert (await ala.get("/messages/new?copy=msg_nothing")).status == 404


HOSTILE = (
    '<style>p { color: rgb(1, 2, 3) }</style><p id="said">Witaj</p><img src="{picture}">'
    "<script>document.getElementById('said').textContent = 'ran'</script>"
    '<form action="https://elsewhere.example"><button>go</button></form>'
)


async def test_a_mail_runs_nothing_in_its_frame(engine: Engine, browser: Browser) -> None:
    await make_user(engine, ALA, "admin")
    picture = f"{engine.url.replace('127.0.0.1', 'localhost')}/assets/0/icon.svg"
    message = {"name": "Obca", "subject": "Temat", "html": HOSTILE.replace("{picture}", picture)}
    made = await engine.post("/messages", message, 201)
    async with visitor(browser, engine.url) as ala:
        await ala.sign_in(ALA)
        await ala.go(f"/messages/{made['id']}")
        said = ala.page.frame_locator("iframe.mframe").locator("#said")
        assert await said.inner_text() == "Witaj"
        assert await said.evaluate("one => getComputedStyle(one).color") == "rgb(1, 2, 3)"
        shown = await said.evaluate("() => document.images[0].decode().then(() => document.images[0].naturalWidth)")
        assert shown > 0
        assert [one for one in ala.complaints if "Blocked script execution" not in one] == []
        ala.complaints.clear()


async def test_the_preview_follows_what_is_typed(engine: Engine, browser: Browser) -> None:
    await make_user(engine, ALA, "admin")
    async with visitor(browser, engine.url) as ala:
        await ala.sign_in(ALA)
        await ala.go("/messages/new")
        await ala.page.fill("[name=subject]", "Dla {{ contact.name }}")
        await ala.page.fill("[name=html]", "<p>Kwiaty dla {{ contact.company }}</p>")
        await ala.page.get_by_text("Dla Jan Kowalski").wait_for()
        shown = ala.page.frame_locator("iframe.mframe").get_by_text("Kwiaty dla Przykładowa Sp. z o.o.")
        await shown.wait_for()


async def test_a_rule_sends_a_message_that_is_chosen_by_its_name(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor", "pl")
    id = await made(ala)
    page = await ala.get("/rules/new")
    for kind in ("sendEmail", "notifyUser"):
        page = await ala.send("/rules/new", {"do": f"act/actions/{kind}"}, page=page)
    page = await ala.send("/rules/new", {"do": "remove/actions/0"}, page=page)
    page = await ala.send("/rules/new", {"triggers/0/type": "email.opened", "do": "refresh"}, page=page)
    assert "Powitanie" in page.html
    assert "reguły z tą akcją nie da się włączyć" in page.text
    filled = {
        "name": "Poczta",
        "triggers/0/messages": [id],
        "actions/0/message": id,
        "actions/1/user": "owner",
        "actions/1/subject": "Nowy",
        "actions/1/text": "{{ contact.name }}",
        "mail/quietHours/from": "21:00",
        "mail/quietHours/until": "08:00",
        "mail/perDay": "2",
        "do": "save",
    }
    refused = await ala.send("/rules/new", filled | {"active": "1"}, page=page)
    assert refused.status == 422
    assert "Poczta nie jest ustawiona, więc reguły z tą akcją nie da się włączyć" in refused.text
    saved = await ala.send("/rules/new", filled, page=page)
    assert saved.status == 303, saved.text
    rule = saved.location.rsplit("/", 1)[-1]
    stored = await engine.get(f"/rules/{rule}")
    assert stored["mail"] == {"quietHours": {"from": "21:00", "until": "08:00"}, "perDay": 2}
    assert [one["type"] for one in stored["actions"]] == ["sendEmail", "notifyUser"]
    assert stored["triggers"] == [{"type": "email.opened", "messages": [id]}]
    again = await ala.get(f"/rules/{rule}")
    unchanged = await ala.send(f"/rules/{rule}", {"do": "save"}, page=again)
    assert unchanged.status == 303, unchanged.text
    assert (await engine.get(f"/rules/{rule}"))["version"] == stored["version"]
    assert "Ta reguła nie wysyła webhooka, tylko pocztę." in again.text
    assert '"contactId"' not in again.text
    listed = await ala.get("/rules")
    assert "Wyślij wiadomość: Powitanie" in listed.text
    assert "Kontakt otworzył e-mail: Powitanie" in listed.text
    half = await ala.send(f"/rules/{rule}", {"mail/quietHours/until": "", "do": "save"}, page=again)
    assert half.problems == ["mail/quietHours/until"]
