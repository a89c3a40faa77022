"""The overview, the first webhook, and the search, without a browser."""

import json
import re

from tests.e2e.engine import Engine, eventually
from tests.e2e.panel.client import Page, SignIn

TAGGED = {"type": "contact.tagged", "tags": ["VIP"]}
VISITED = {"type": "page.visited"}


def figures(page: Page) -> list[str]:
    """The big figures, in their order."""
    return re.findall(r'<p class="big [^"]*"[^>]*>(.*?)</p>', page.html)


def ledger(page: Page) -> dict[str, str]:
    """The rows of the ledger."""
    table = page.html.split('id="ledger"')[1].split("</section>")[0]
    rows = re.findall(r'<th scope="row">(.*?)</th><td>(.*?)</td>', table)
    return {re.sub("<.*?>", "", name): re.sub("<.*?>", "", value) for name, value in rows}


# --- the overview -----------------------------------------------------------------------------------------------------


async def test_an_empty_goniec_says_what_to_do_next(sign_in: SignIn) -> None:
    ala = await sign_in("admin", "pl")
    page = await ala.get("/")
    assert "Co teraz zrobić" in page.text
    assert {"/welcome", "/rules/new", "/keys"} <= set(page.links)
    assert "curl -X POST http" in page.text
    assert "/api/v1/contacts" in page.text
    assert figures(page) == []
    ola = await sign_in("viewer")
    page = await ola.get("/")
    assert "/welcome" not in page.links
    assert "/keys" not in page.links


async def test_the_figures_add_up_and_count_what_happened(engine: Engine, sign_in: SignIn) -> None:
    await engine.rule(TAGGED, "inbox:crm", name="Nowy VIP")
    await engine.contact(email="jan@example.pl", name="Jan Nowak", tags=["VIP"])
    await engine.contact(email="ola@example.pl", tags=["VIP"])
    await engine.ask("POST", "/events", 422, json={"type": "page.visited", "contact": {}})
    await engine.settled(2)
    ala = await sign_in("viewer", "pl")
    page = await ala.get("/")
    events, runs, delivered, success, took, oldest = figures(page)
    assert (events, runs, delivered, success, oldest) == ("4", "2", "2", "100%", "–")
    assert re.fullmatch(r"\d+(,\d)?\xa0(ms|s)", took)
    rows = ledger(page)
    assert rows == {
        "Przyjęte": "2",
        "Powtórzone, pominięte": "0",
        "Odrzucone": rows["Odrzucone"],
        "Otrzymane": str(2 + int(rows["Odrzucone"])),
        "Dostarczone": "2",
        "Oczekujące": "0",
        "Wstrzymane": "0",
        "Nieudane": "0",
        "Anulowane": "0",
        "Utworzone": "2",
    }
    assert "Zgadza się" in page.text
    assert "Nowy VIP, 200 OK" in page.text
    assert "Jan Nowak" in page.text
    assert "Zdarzenia i dostarczone wysyłki krok po kroku. Najwięcej zdarzeń o" in page.html
    assert "brak danych do porównania" in page.text


async def test_the_ledger_says_what_it_counts_and_the_tiles_do_not(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule(TAGGED, "inbox:crm")
    await engine.contact(email="jan@example.pl", tags=["VIP"])
    await engine.settled(1)
    await engine.post(f"/rules/{rule['id']}/testSend", {})
    page = await (await sign_in("viewer")).get("/")
    assert (figures(page)[0], ledger(page)["Accepted"]) == ("2", "1")
    assert (figures(page)[2], ledger(page)["Delivered"]) == ("1", "2")
    assert "Received from outside" in page.text
    assert "so the Events tile may show a different number." in page.text
    assert "Test sends are counted among the deliveries here, but not in the tiles." in page.text


async def test_endpoints_of_one_host_are_told_apart(engine: Engine, sign_in: SignIn) -> None:
    for path in ("crm", "sklep/nowe?token=secret"):
        await engine.rule(TAGGED, f"http://127.0.0.1:9/{path}")
    page = await (await sign_in("viewer")).get("/")
    assert "127.0.0.1:9/crm" in page.text
    assert "127.0.0.1:9/sklep/nowe" in page.text
    assert "token=secret" not in page.html


async def test_each_period_has_its_chart(engine: Engine, sign_in: SignIn) -> None:
    await engine.contact(email="jan@example.pl")
    ala = await sign_in("viewer")
    steps = {"hour": 13, "day": 25, "week": 29, "month": 31, "nonsense": 25}
    for period, count in steps.items():
        page = await ala.get(f"/?period={period}")
        assert page.status == 200
        assert figures(page)[0] == "1"
        (whole, rest) = re.findall(r'<polyline class="p1(?: part)?" points="([^"]*)"', page.html)
        assert len(whole.split()) + 1 == count
        assert len(rest.split()) == 2
        assert f"/overview/now{'' if period in {'day', 'nonsense'} else '?'}" in page.html
    assert "The last month" in (await ala.get("/?period=month")).text


async def test_live_parts_come_by_themselves(engine: Engine, sign_in: SignIn) -> None:
    await engine.rule(VISITED, "inbox:", name="Wizyta")
    ala = await sign_in("viewer")
    await engine.visit({"email": "jan@example.pl"})
    await engine.settled(1)
    now = await ala.get("/overview/now?period=day", **{"hx-request": "true"})
    assert "<html" not in now.html
    assert figures(now)[2] == "1"
    assert 'hx-swap-oob="true"' in now.html
    feed = await ala.get("/overview/feed", **{"hx-request": "true"})
    assert "<html" not in feed.html
    assert feed.html.count("<li") == 4  # two events, a run, a delivery
    assert "Contact visited a URL" in feed.text
    assert "Wizyta, 200 OK" in feed.text
    stranger = await sign_in(None)
    assert (await stranger.get("/overview/feed", **{"hx-request": "true"})).status == 401


async def test_what_needs_somebody_is_told(engine: Engine, sign_in: SignIn) -> None:
    """An endpoint that refuses connections, one that is paused, and the rules that use them."""
    down = await engine.rule(VISITED, "http://127.0.0.1:9/", name="Odbiorca leży")
    paused = await engine.rule(VISITED, "inbox:paused", name="Wstrzymana")
    await engine.post(f"/endpoints/{await engine.endpoint(paused)}/pause", {})
    await engine.visit({"email": "jan@example.pl"})
    await engine.attempted(1, endpointId=await engine.endpoint(down))
    ala = await sign_in("viewer", "pl")
    page = await ala.get("/")
    assert re.search(
        r"Odbiorca leży 127\.0\.0\.1:9: Nie przyjmuje wysyłek mniej więcej od \d\d:\d\d; 1 wysyłka czeka", page.text
    )
    assert "inbox:paused: Wstrzymany ręcznie; 1 wysyłka czeka" in page.text
    assert f"/endpoints/{await engine.endpoint(down)}" in page.links
    assert "2 wysyłki w kolejce" in page.text
    assert "/deliveries?status=pending" in page.links
    assert ledger(page)["Oczekujące"] == "2"
    for one in await engine.everything("/deliveries", endpointId=await engine.endpoint(paused)):
        await engine.post(f"/deliveries/{one['id']}/cancel", {})
    assert "Wstrzymana, nie wysłano, anulowana" in (await ala.get("/overview/feed")).text


async def test_what_has_failed_and_arrived_since_is_no_concern(engine: Engine, sign_in: SignIn) -> None:
    endpoint = await engine.endpoint(await engine.rule(VISITED, "http://127.0.0.1:9/"), schedule=[])
    await engine.visit({"email": "jan@example.pl"})
    await engine.quiet()
    ala = await sign_in("viewer")
    assert "1 delivery of the last day stands as failed" in (await ala.get("/")).text
    assert "The last delivery failed: Connection error." in (await ala.get(f"/endpoints/{endpoint}")).text
    await engine.patch(f"/endpoints/{endpoint}", {"url": "inbox:mended"})
    for one in await engine.deliveries():
        await engine.post(f"/deliveries/{one['id']}/resend", {})
    await engine.quiet()
    assert "stands as failed" not in (await ala.get("/")).text
    assert "It works. The last delivery arrived" in (await ala.get(f"/endpoints/{endpoint}")).text
    assert "Working 1" in (await ala.get("/endpoints")).text


async def test_a_test_send_is_no_figure_but_stands_in_the_feed(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule(VISITED, "inbox:", name="Próba")
    await engine.contact(email="jan@example.pl")
    await engine.post(f"/rules/{rule['id']}/testSend", {})
    page = await (await sign_in("viewer")).get("/")
    assert figures(page)[2] == "0"
    assert "Jan Kowalski Test: Próba, 200 OK" in page.text


# --- the first webhook ------------------------------------------------------------------------------------------------


async def test_one_press_leads_to_the_first_webhook(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("admin", "pl")
    page = await ala.get("/welcome")
    assert "Pierwszy webhook w minutę" in page.text
    sent = await ala.send("/welcome", page=page)
    assert sent.location.startswith("/welcome?contact=")

    async def arrived() -> bool:
        return "Pierwszy webhook dotarł" in (await ala.get(sent.location)).text

    await eventually(arrived, "the first webhook arrives")
    page = await ala.get(sent.location)
    assert "Odbiorca odpowiedział 200 OK" in page.text
    assert '"jan@probny.example"' in page.text
    (rule,) = await engine.everything("/rules")
    assert (rule["name"], rule["active"], rule["actions"][0]["url"]) == ("Kontakty do CRM", True, "inbox:")
    assert f"/rules/{rule['id']}" in page.links
    (delivery,) = await engine.settled(1)
    assert json.loads(delivery["body"])["email"] == "jan@probny.example"
    (event, *_) = await engine.everything("/events")
    assert (event["source"], event["sourceKey"]) == ("panel", "admin@example.com")
    # pressing again adds another contact and no rule
    await ala.send("/welcome", page=page)
    assert len(await engine.everything("/rules")) == 1
    assert [one["email"] for one in await engine.everything("/contacts")] == [
        "jan@probny.example",
        "jan2@probny.example",
    ]
    assert "Co teraz zrobić" not in (await ala.get("/")).text


async def test_the_part_that_asks_again_is_only_that_part(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    sent = await ala.send("/welcome", page=await ala.get("/welcome"))
    await engine.settled(1)
    part = await ala.get(sent.location, **{"hx-request": "true"})
    assert part.html.lstrip().startswith('<section class="card" id="arrival">')
    assert "The first webhook has arrived" in part.text


async def test_other_rules_that_the_trial_contact_sets_off_are_told_before(engine: Engine, sign_in: SignIn) -> None:
    await engine.rule({"type": "contact.created"}, "https://crm.example/hook", name="Do CRM")
    ala = await sign_in("editor", "pl")
    page = await ala.get("/welcome")
    assert "Na nowe kontakty czeka też 1 inna włączona reguła." in page.text


async def test_a_contact_of_which_no_inbox_was_told(engine: Engine, sign_in: SignIn) -> None:
    jan = await engine.contact(email="jan@example.pl")
    ala = await sign_in("editor")
    assert "No rule notified the built-in receiver" in (await ala.get(f"/welcome?contact={jan['id']}")).text
    # one that is not there is no reason to fail
    assert "The first webhook in a minute" in (await ala.get("/welcome?contact=nobody")).text


async def test_who_may_only_look_is_told_whom_to_ask(engine: Engine, sign_in: SignIn) -> None:
    ola = await sign_in("viewer", "pl")
    page = await ola.get("/welcome")
    assert "Twoja rola pozwala tylko oglądać." in page.text
    assert (await ola.send("/welcome", page=page)).status == 403
    assert await engine.everything("/rules") == []


# --- the search -------------------------------------------------------------------------------------------------------


async def test_the_search_finds_rules_contacts_endpoints_and_deliveries(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule(TAGGED, "inbox:crm-vip", name="Nowy VIP → CRM")
    jan = await engine.contact(
        email="jan.zolty@example.pl",
        name="Jan Żółty",
        phone="600 100 200",
        externalId="K-7",
        company="Vipro",
        tags=["VIP"],
    )
    (delivery,) = await engine.settled(1)
    (event, *_) = await engine.everything("/events")
    ala = await sign_in("viewer", "pl")
    contact, about = f"/contacts/{jan['id']}", f"/deliveries?contact={jan['id']}"
    for q in ("żółty", "JAN.ZOLTY@example.pl", "zolty@", "+48600100200", "600 100 200", "K-7", "vipro"):
        links = (await ala.get(f"/search?q={q.replace('+', '%2B')}")).links
        assert contact in links, q
        assert about in links, q
    page = await ala.get("/search?q=vip")
    assert f"/rules/{rule['id']}" in page.links
    assert f"/endpoints/{rule['actions'][0]['endpointId']}" in page.links
    assert contact in page.links
    straight = {
        rule["id"]: f"/rules/{rule['id']}",
        rule["actions"][0]["endpointId"]: f"/endpoints/{rule['actions'][0]['endpointId']}",
        delivery["id"]: f"/deliveries/{delivery['id']}",
        jan["id"]: contact,
        event["id"]: contact,
    }
    for id, path in straight.items():
        found = await ala.get(f"/search?q={id}")
        assert (found.status, found.location) == (303, path)
        shown = await ala.get(f"/search?q={id}", **{"hx-request": "true"})
        assert shown.status == 200
        assert path in shown.links
    for nothing in ("rul_01M8HB1R65TB4SRE3EYN8NHZHY", "dlv_01M8HB0DNP96ZR4MXA000000000000VV5HT1", "zzzz"):
        page = await ala.get(f"/search?q={nothing}")
        assert page.status == 200
        assert "Nic nie znaleziono" in page.text


async def test_the_search_leads_to_pages_that_one_may_open(sign_in: SignIn) -> None:
    ola = await sign_in("viewer", "pl")
    page = await ola.get("/search")
    assert "/keys" not in page.links[page.links.index("/search") :]
    assert {"/contacts", "/deliveries"} <= set(page.links)
    ala = await sign_in("admin", "pl")
    page = await ala.get("/search?q=klucze")
    assert page.html.split('id="hits"')[1].count("<li>") == 1
    assert "/keys" in page.links


async def test_hostile_searches_are_only_text(engine: Engine, sign_in: SignIn) -> None:
    await engine.contact(email="jan@example.pl", name="<img src=x onerror=alert(1)>")
    ala = await sign_in("viewer")
    for q in (
        "<script>alert(1)</script>",
        "%",
        "_",
        "'",
        '"',
        "\\",
        "%00",
        "%ED%A0%80",
        "a" * 5000,
        "%(name)s",
        "{{7*7}}",
        "img",
    ):
        page = await ala.get(f"/search?q={q}")
        assert page.status in {200, 400}, q[:50]
        assert "<script>alert" not in page.html
        assert "<img" not in page.html
