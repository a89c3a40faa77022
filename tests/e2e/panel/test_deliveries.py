"""The mailbox: who sees what, filters in the address, live updates, sending again and cancelling many at once."""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.contract.send.receivers import Receiver, answer
from tests.e2e.engine import Engine
from tests.e2e.panel.client import Page, SignIn

VISITED = {"type": "page.visited"}
INBOX = "inbox:"


async def visited(engine: Engine, *emails: str, **fields: Any) -> list[dict[str, Any]]:
    """One delivery about each contact, the first one first."""
    before = {one["id"] for one in await engine.everything("/deliveries")}
    for email in emails:
        await engine.visit({"email": email, **fields})
    await engine.settled(len(before) + len(emails))
    return [one for one in await engine.deliveries() if one["id"] not in before]


async def paused(engine: Engine, url: str = "inbox:paused", name: str = "Waiting") -> dict[str, Any]:
    """A rule whose endpoint is paused."""
    rule = await engine.rule(VISITED, url, name=name)
    await engine.post(f"/endpoints/{rule['actions'][0]['endpointId']}/pause", {})
    return rule


def shown(page: Page) -> set[str]:
    """The ids of the deliveries that a page lists."""
    return {link.rpartition("/")[2] for link in page.links if "/deliveries/dlv_" in link}


def asked(page: Page) -> dict[str, str]:
    """The parameters of the address that a page leads to."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.location).query).items()}


# --- what stands there -----------------------------------------------------------------------------------------------


async def test_an_empty_mailbox_says_what_to_do_next(engine: Engine, sign_in: SignIn) -> None:
    editor, viewer = await sign_in("editor"), await sign_in("viewer", "pl")
    page = await editor.get("/deliveries")
    assert "No deliveries yet" in page.text
    assert "/rules/new" in page.links
    page = await viewer.get("/deliveries")
    assert "Nie ma jeszcze żadnej wysyłki" in page.text
    assert "/rules/new" not in page.links


async def test_a_row_tells_who_why_where_and_what_was_answered(engine: Engine, sign_in: SignIn) -> None:
    async with Receiver(answer(201)) as receiver:
        await engine.rule(VISITED, receiver.url(), name="Visit → CRM")
        await engine.contact(email="jan@example.pl", name="Jan Kowalski")
        (one,) = await visited(engine, "jan@example.pl")
        ala = await sign_in("viewer")
        page = await ala.get("/deliveries")
    assert shown(page) == {one["id"]}
    for text in ("Delivered", "Jan Kowalski", "jan@example.pl", "Visit → CRM", receiver.address, "201 Created"):
        assert text in page.text
    assert "All deliveries 1 Delivered 1 Pending 0 Failed 0 Held 0 Cancelled 0" in page.text
    assert "1 delivery" in page.text
    assert "whsec" not in page.html


async def test_each_status_says_what_follows(engine: Engine, sign_in: SignIn) -> None:
    failing = await engine.rule(VISITED, "http://127.0.0.1:1/", name="Dead")
    await engine.endpoint(failing, schedule=[])
    await paused(engine)
    await engine.visit({"email": "jan@example.pl"})
    await engine.attempted(1)
    ala = await sign_in("admin", "pl")
    page = await ala.get("/deliveries")
    assert "Nieudana" in page.text
    assert "Błąd połączenia koniec prób" in page.text
    assert "Oczekująca" in page.text
    assert "Jeszcze nie wysłano endpoint wstrzymany" in page.text
    assert shown(await ala.get("/deliveries?status=failed")) != shown(await ala.get("/deliveries?status=pending"))
    assert len(shown(await ala.get("/deliveries?status=failed"))) == 1


async def test_who_and_what_is_gone_is_said_so(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule(VISITED, INBOX, name="To be deleted")
    (one,) = await visited(engine, "jan@example.pl", name="Jan Secret")
    await engine.ask("DELETE", f"/rules/{rule['id']}", 204)
    await engine.ask("DELETE", f"/contacts/{one['contactId']}", 204)
    await engine.ask("DELETE", f"/endpoints/{one['endpointId']}", 204)
    ala = await sign_in("viewer")
    page = await ala.get("/deliveries")
    assert "Erased contact" in page.text
    assert "Deleted rule deleted endpoint" in page.text
    assert "Jan Secret" not in page.html
    assert "jan@example.pl" not in page.html


async def test_hostile_names_are_text(engine: Engine, sign_in: SignIn) -> None:
    name = "<script>alert(1)</script>\u202e" + "x" * 150
    await engine.rule(VISITED, INBOX, name=name)
    await visited(engine, "jan@example.pl", name=name)
    ala = await sign_in("viewer")
    page = await ala.get("/deliveries")
    assert "<script>alert" not in page.html
    assert "\u202e" not in page.html
    assert "\\u202e" in page.text


# --- filters ---------------------------------------------------------------------------------------------------------


async def test_filters_live_in_the_address_and_add_up(engine: Engine, sign_in: SignIn) -> None:
    first = await engine.rule(VISITED, INBOX, "http://127.0.0.1:1/", name="First")
    await engine.endpoint(first, 1, schedule=[])
    second = await engine.rule(VISITED, "inbox:second", name="Second")
    await engine.visit({"email": "jan@example.pl"})
    await engine.settled(3)
    await engine.visit({"email": "ala@example.pl"})
    done = await engine.settled(6)
    test = await engine.post(f"/rules/{second['id']}/testSend", {})
    ala = await sign_in("viewer")

    async def found(**query: str) -> set[str]:
        page = await ala.get("/deliveries?" + "&".join(f"{name}={value}" for name, value in query.items()))
        assert page.status == 200
        return shown(page)

    def those(**wanted: Any) -> set[str]:
        return {one["id"] for one in done if all(one[name] == value for name, value in wanted.items())}

    endpoint, contact = done[0]["endpointId"], done[0]["contactId"]
    assert await found() == {*those(), test["deliveryId"]}
    assert await found(test="yes") == {test["deliveryId"]}
    assert await found(test="no") == those()
    assert await found(rule=first["id"]) == those(ruleId=first["id"])
    assert await found(endpoint=endpoint) == those(endpointId=endpoint)
    assert await found(contact=contact) == those(contactId=contact)
    assert await found(status="failed") == those(status="failed")
    assert await found(failure="connectFailed") == those(status="failed")
    assert await found(failure="timeout") == set()
    assert await found(rule=first["id"], contact=contact, status="failed") == those(contactId=contact, status="failed")
    assert await found(period="hour") == await found(period="week") == await found()
    assert await found(period="dates", **{"from": "2020-01-01", "to": "2020-01-31"}) == set()
    assert await found(period="dates", **{"from": "2020-01-01"}) == await found()


async def test_a_filter_that_is_set_is_named_and_can_be_taken_off(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule(VISITED, INBOX, name="Named rule")
    (one,) = await visited(engine, "jan@example.pl", name="Jan Kowalski")
    ala = await sign_in("viewer")
    query = f"rule={rule['id']}&contact={one['contactId']}&failure=timeout&period=dates&from=2026-11-01&to=30.11.2026"
    page = await ala.get(f"/deliveries?{query}")
    for text in ("Rule: Named rule", "Contact: Jan Kowalski", "Error: Timed out", "Period: 01.11.2026 – 30.11.2026"):
        assert text in page.text
    assert "No matching deliveries" in page.text
    assert "/deliveries" in page.links
    without = next(link for link in page.links if "rule=" in link and "contact=" not in link)
    assert "failure=timeout" in without
    # the counts are those of all deliveries, so they are not shown beside a filter
    assert "Delivered 1" not in page.text


SENSELESS = {
    "status=arrived": "The filter “Status” does not know “arrived”",
    "failure=%3Cb%3E": "The filter “Error” does not know “<b>”",
    "period=year": "The filter “Period” does not know “year”",
    "test=maybe": "The filter “Test sends” does not know “maybe”",
    "period=dates&from=tomorrow": "The filter “From day” does not know “tomorrow”",
    "period=dates&to=2026-02-30": "The filter “To day” does not know “2026-02-30”",
    "period=dates&from=2026-11-28&to=2026-11-27": "The last day lies before the first.",
    "status=%00%E2%80%AE" + "x" * 1000: "does not know “\\u202exxx",
}


async def test_a_filter_that_makes_no_sense_is_told(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("viewer")
    for query, told in SENSELESS.items():
        page = await ala.get(f"/deliveries?{query}")
        assert page.status == 200
        assert told in page.text
        assert "<b></b>" not in page.html
        assert "\u202e" not in page.html


async def test_a_cursor_that_is_none_is_refused(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("viewer")
    for cursor in ("!", "~", "\u0105", "a" * 300):
        assert (await ala.get(f"/deliveries?cursor={cursor}")).status == 400


# --- the search ------------------------------------------------------------------------------------------------------


async def test_the_search_leads_to_a_delivery_or_to_a_contact_s(engine: Engine, sign_in: SignIn) -> None:
    await engine.rule(VISITED, INBOX)
    jan = await engine.contact(
        email="Jan@Example.pl", phone="600 100 200", name="Jan Kowalski", company="Żabka", externalId="K-1"
    )
    (one,) = await visited(engine, "jan@example.pl")
    ala = await sign_in("viewer")
    page = await ala.get(f"/deliveries?q=%20{one['id']}%20")
    assert (page.status, page.location) == (303, f"/deliveries/{one['id']}")
    for text in ("jan@EXAMPLE.pl", "600100200", "%2B48%20600%20100%20200", jan["id"], "K-1", "kowal", "%C5%BBabka"):
        page = await ala.get(f"/deliveries?q={text}&status=delivered&cursor=x")
        assert (page.status, asked(page)) == (303, {"contact": jan["id"], "status": "delivered"}), text
    assert shown(await ala.follow(page)) == {one["id"]}


async def test_where_several_fit_one_is_asked_for(engine: Engine, sign_in: SignIn) -> None:
    jan = await engine.contact(email="jan@example.pl", name="Kowalski <Jan>")
    ala = await engine.contact(email="ala@example.pl", name="Kowalska Ala")
    person = await sign_in("viewer", "pl")
    page = await person.get("/deliveries?q=kowalsk&status=failed")
    assert page.status == 200
    assert "do „kowalsk” pasują 2 kontakty" in page.text
    assert "Kowalski <Jan>" in page.text
    for one in (jan, ala):
        assert any(f"contact={one['id']}" in link and "status=failed" in link for link in page.links)
    for n in range(25):
        await engine.contact(email=f"p{n}@many.example")
    page = await person.get("/deliveries?q=many.example")
    assert "pierwsze 20 pasujących do „many.example”" in page.text
    assert sum("contact=" in link for link in page.links) == 20


async def test_what_nobody_has_is_told_and_stays_in_the_field(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("viewer")
    for text in ("nobody@example.pl", "dlv_01M8HAWYB450WCE28H000000000000B31ZR0", "\u202e<b>", "x" * 2000):
        page = await ala.get(f"/deliveries?{urlencode({'q': text})}")
        assert page.status == 200
        assert "Nothing found" in page.text
        assert set(page.fields["q"]) == {text}
        assert "“<b>" not in page.html
    page = await ala.get("/deliveries?q=%00%00")
    assert "No deliveries yet" in page.text


# --- pages, and what comes meanwhile ---------------------------------------------------------------------------------


async def test_older_ones_are_a_page_away(engine: Engine, sign_in: SignIn) -> None:
    await engine.rule(VISITED, INBOX)
    events = [
        {"type": "page.visited", "contact": {"email": f"p{n}@example.pl"}, "data": {"url": "https://s.example/"}}
        for n in range(53)
    ]
    await engine.post("/events", {"events": events}, 202)
    done = {one["id"] for one in await engine.settled(53)}
    ala = await sign_in("viewer")
    first = await ala.get("/deliveries")
    assert len(shown(first)) == 50
    assert len(first.html.encode()) < 60_000
    (older,) = {link for link in first.links if "cursor=" in link}
    second = await ala.get(older)
    assert len(shown(second)) == 3
    assert shown(first) | shown(second) == done
    assert "/deliveries/newer" not in second.html
    assert max(shown(second)) < min(shown(first))


async def test_newer_ones_are_counted_and_nothing_jumps(engine: Engine, sign_in: SignIn) -> None:
    await engine.rule(VISITED, INBOX, name="Here")
    await paused(engine)
    await engine.visit({"email": "jan@example.pl"})
    await engine.attempted(1)
    ala = await sign_in("admin", "pl")
    page = await ala.get("/deliveries")
    path = page.html.partition('hx-get="')[2].partition('"')[0].replace("&amp;", "&")
    assert path.startswith("/deliveries/newer?")
    waiting = next(one["id"] for one in await engine.everything("/deliveries") if one["status"] == "pending")
    assert parse_qs(urlsplit(path).query)["p"] == [waiting]
    quiet = await ala.get(path)
    assert "Pokaż" not in quiet.text
    assert f"innerHTML:#{waiting}>.st" in quiet.html
    assert "Oczekująca" in quiet.text

    await engine.post(f"/deliveries/{waiting}/cancel", {})
    await engine.visit({"email": "ala@example.pl"})
    await engine.attempted(2)
    page = await ala.get(path)
    assert "2 nowe wysyłki. Pokaż" in page.text
    assert "Anulowana" in page.text
    assert page.links == ["/deliveries"]
    mine = await ala.get(path.replace("?", "?status=pending&"))
    assert "1 nowa wysyłka. Pokaż" in mine.text
    assert mine.links == ["/deliveries?status=pending"]


async def test_a_live_question_without_sense_is_no_fault_of_ours(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("viewer")
    for query in ("", "?after=nonsense", "?p=1&p=2&after=%00", "?" + "&".join(["p=dlv_x"] * 500)):
        assert (await ala.get(f"/deliveries/newer{query}")).status == 200


async def test_an_endpoint_in_trouble_is_told_above_the_list(engine: Engine, sign_in: SignIn) -> None:
    dead = await engine.rule(VISITED, "http://127.0.0.1:1/", name="Dead")
    quiet = await paused(engine)
    await engine.endpoint(dead, schedule=[3600])
    for email in ("jan@example.pl", "ola@example.pl", "ela@example.pl"):
        await engine.visit({"email": email})
    await engine.attempted(3)
    ala = await sign_in("viewer", "pl")
    page = await ala.get("/deliveries")
    assert "127.0.0.1:1: nie przyjmuje wysyłek mniej więcej od" in page.text
    assert "inbox:paused: " in page.text
    assert "Wyjdą, gdy ktoś wznowi endpoint." in page.text
    for rule in (dead, quiet):
        assert f"/endpoints/{await engine.endpoint(rule)}" in page.links
    # only about what the list shows
    assert "nie przyjmuje" not in (await ala.get(f"/deliveries?rule={quiet['id']}")).text
    assert "Wyjdą, gdy" not in (await ala.get(f"/deliveries?rule={dead['id']}")).text


# --- many at once ----------------------------------------------------------------------------------------------------


async def test_chosen_ones_are_sent_again(engine: Engine, sign_in: SignIn) -> None:
    async with Receiver(answer(200)) as receiver:
        await engine.rule(VISITED, receiver.url())
        jan, ola, ela = await visited(engine, "jan@example.pl", "ola@example.pl", "ela@example.pl")
        await engine.ask("DELETE", f"/contacts/{ela['contactId']}", 204)
        ala = await sign_in("editor", "pl")
        page = await ala.get("/deliveries?status=delivered&period=day")
        sent = await ala.send(
            "/deliveries/resend",
            {"id": [jan["id"], ola["id"], jan["id"], ela["id"], "dlv_nonsense"], "back": page.fields["back"]},
        )
        assert asked(sent) == {"status": "delivered", "period": "day"}
        told = await ala.follow(sent)
        assert "2 wysyłki pójdą ponownie. 1 nie ma już treści, bo usunięto kontakt." in told.text
        await engine.attempted(5)
        assert sum(request.header("goniec-resend") == "true" for request in receiver.requests) == 2


async def test_chosen_ones_are_cancelled_if_they_wait(engine: Engine, sign_in: SignIn) -> None:
    await engine.rule(VISITED, INBOX)
    await paused(engine)
    for email in ("jan@example.pl", "ola@example.pl"):
        await engine.visit({"email": email})
    await engine.attempted(2)
    every = [one["id"] for one in await engine.everything("/deliveries")]
    ala = await sign_in("editor")
    told = await ala.follow(await ala.send("/deliveries/cancel", {"id": every, "back": ""}))
    assert "2 deliveries were cancelled. 2 were no longer pending." in told.text
    states = sorted(one["status"] for one in await engine.everything("/deliveries"))
    assert states == ["cancelled", "cancelled", "delivered", "delivered"]


async def test_nothing_chosen_is_told_and_a_strange_way_back_is_not_taken(engine: Engine, sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    for action in ("resend", "cancel"):
        sent = await ala.send(f"/deliveries/{action}", {"back": "status=failed&next=//evil.example&x=%0d%0a"})
        assert sent.location == "/deliveries?status=failed"
        assert "Nothing is selected" in (await ala.follow(sent)).text


async def test_a_viewer_looks_and_changes_nothing(engine: Engine, sign_in: SignIn) -> None:
    await paused(engine)
    await engine.visit({"email": "jan@example.pl"})
    (one,) = await engine.everything("/deliveries")
    viewer = await sign_in("viewer")
    page = await viewer.get("/deliveries")
    assert "checkbox" not in page.html.partition("<table")[2]
    assert "Resend" not in page.text
    for path in (
        "/deliveries/resend",
        "/deliveries/cancel",
        f"/deliveries/{one['id']}/resend",
        f"/deliveries/{one['id']}/cancel",
    ):
        assert (await viewer.send(path, {"id": one["id"]})).status == 403
    nobody = await sign_in(None)
    assert (await nobody.get("/deliveries")).location.startswith("/login")
    editor = await sign_in("editor")
    assert (await editor.send("/deliveries/cancel", {"id": one["id"], "_csrf": "forged"})).status == 403
    assert (await engine.get(f"/deliveries/{one['id']}"))["status"] == "pending"


async def test_what_the_address_asks_for_is_saved_as_a_file(engine: Engine, sign_in: SignIn) -> None:
    await engine.rule(VISITED, INBOX)
    await visited(engine, "a@example.pl", "b@example.pl")
    ala = await sign_in("viewer")
    assert "/deliveries/export?status=delivered" in (await ala.get("/deliveries?status=delivered")).links
    page = await ala.get("/deliveries/export?status=delivered")
    assert page.answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert len(page.html.splitlines()) == 3
    assert len((await ala.get("/deliveries/export?status=failed")).html.splitlines()) == 1
