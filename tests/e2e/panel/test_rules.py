"""The list of rules, switching, deleting, and the history of runs, without a browser."""

import re
import sqlite3
from contextlib import closing
from typing import Any

from tests.e2e.engine import Engine
from tests.e2e.panel.client import Page, SignIn

TAGGED = {"type": "contact.tagged", "tags": ["VIP"]}
VISITED = {"type": "page.visited"}


def names(page: Page) -> list[str]:
    """The rules of a list, in its order."""
    return [re.sub(r"\s+", " ", one) for one in re.findall(r'<a class="t cut" href="[^"]*">(.*?)</a>', page.html)]


def tabs(page: Page) -> list[str]:
    """The numbers of the tabs: all, on, off, in need of attention."""
    return re.findall(r'<span class="n">(\d+)</span></a>', page.html)


def badges(page: Page) -> list[str]:
    """The badges of rules, in their order."""
    return re.findall(r'<a class="badge \w+"[^>]*>.*?</svg>(.*?)</a>', page.html)


async def some_rules(engine: Engine) -> dict[str, dict[str, Any]]:
    """Make a few rules."""
    note = [{"type": "addNote", "text": "x"}]
    return {
        "VIP": await engine.rule(TAGGED, "inbox:crm", name="Nowy VIP → CRM", group="CRM", description="karta klienta"),
        "visit": await engine.rule(VISITED, "inbox:shop", name="Wizyta", group="Sklep"),
        "note": await engine.rule(VISITED, name="Notatka", group="CRM", active=False, actions=note),
        "alone": await engine.rule({"type": "contact.created"}, name="Ania", actions=note),
    }


# --- the list ---------------------------------------------------------------------------------------------------------


async def test_an_empty_list_says_what_to_do(sign_in: SignIn) -> None:
    ala = await sign_in("editor", "pl")
    page = await ala.get("/rules")
    assert "Nie masz jeszcze żadnej reguły" in page.text
    assert "/rules/new?template=crm" in page.links
    assert "/welcome" in page.links
    ola = await sign_in("viewer")
    page = await ola.get("/rules")
    assert "You have no rule yet" in page.text
    assert not any(link.startswith("/rules/new") for link in page.links)


async def test_the_list_shows_rules_in_their_groups_and_in_words(engine: Engine, sign_in: SignIn) -> None:
    made = await some_rules(engine)
    await engine.contact(email="jan@example.pl", tags=["VIP"])
    await engine.settled(1)
    ala = await sign_in("editor", "pl")
    page = await ala.get("/rules")
    assert names(page) == ["Nowy VIP → CRM", "Notatka", "Wizyta", "Ania"]
    assert "4 reguły, w tym 3 włączone" in page.text
    assert "CRM 2 reguły" in page.text.replace("CRM2", "CRM 2")
    assert "Bez grupy" in page.text
    assert "Przypisano tag VIP" in page.text
    assert "inbox:crm" in page.text
    assert tabs(page) == ["4", "3", "1", "0"]
    assert "Jeszcze nie działała" in page.text
    for path in ("", "/runs", "/delete"):
        assert f"/rules/{made['VIP']['id']}{path}" in page.links
    assert f"/rules/new?copy={made['VIP']['id']}" in page.links
    assert f"/deliveries?rule={made['VIP']['id']}" in page.links
    assert 'aria-label="1 uruchomienie w ciągu 7 dni: Nowy VIP → CRM"' in page.html
    assert "100%" in page.text


SEARCHES: list[tuple[str, list[str]]] = [
    ("state=on", ["Nowy VIP → CRM", "Wizyta", "Ania"]),
    ("state=off", ["Notatka"]),
    ("state=attention", []),
    ("state=nonsense", ["Nowy VIP → CRM", "Notatka", "Wizyta", "Ania"]),
    ("q=vip", ["Nowy VIP → CRM"]),  # the name, and the tag
    ("q=KLIENTA", ["Nowy VIP → CRM"]),  # the description
    ("q=inbox:sh", ["Wizyta"]),  # the endpoint
    ("q=sklep", ["Wizyta"]),  # the group
    ("q=zzz", []),
    ("q=%25", []),
    ("event=page.visited", ["Wizyta", "Notatka"]),
    ("event=page.visited&state=on", ["Wizyta"]),
    ("endpoint=inbox:crm", ["Nowy VIP → CRM"]),
    ("endpoint=end_nobody", []),
    ("sort=name", ["Ania", "Notatka", "Nowy VIP → CRM", "Wizyta"]),
    ("sort=runs", ["Nowy VIP → CRM", "Ania", "Wizyta", "Notatka"]),
    ("sort=last", ["Nowy VIP → CRM", "Ania", "Wizyta", "Notatka"]),
    ("cursor=1", ["Wizyta", "Notatka", "Ania"]),
    ("cursor=-1&sort=%3Cscript%3E", ["Nowy VIP → CRM", "Notatka", "Wizyta", "Ania"]),
    ("cursor=99999999999999999999", ["Nowy VIP → CRM", "Notatka", "Wizyta", "Ania"]),
]


async def test_the_list_is_searched_filtered_and_sorted(engine: Engine, sign_in: SignIn) -> None:
    await some_rules(engine)
    await engine.contact(email="jan@example.pl", tags=["VIP"])
    await engine.settled(1)
    ala = await sign_in("viewer")
    for query, wanted in SEARCHES:
        page = await ala.get(f"/rules?{query}")
        assert page.status == 200
        assert names(page) == wanted, query
        assert wanted or "No rule" in page.text


async def test_filters_go_along_with_each_other(engine: Engine, sign_in: SignIn) -> None:
    await some_rules(engine)
    page = await (await sign_in("viewer")).get("/rules?q=crm&event=page.visited&sort=name")
    assert "/rules?state=on&q=crm&event=page.visited&sort=name" in page.links
    assert page.fields["event"] == ["page.visited"]
    assert page.fields["q"] == ["crm"]


async def test_a_long_list_comes_in_pages(engine: Engine, sign_in: SignIn) -> None:
    for n in range(105):
        await engine.rule(VISITED, name=f"Rule {n:03}", active=False, actions=[{"type": "addTag", "tag": "x"}])
    ala = await sign_in("viewer")
    first = await ala.get("/rules")
    assert names(first) == [f"Rule {n:03}" for n in range(100)]
    assert "1–100 of 105" in first.text
    assert "/rules?cursor=100" in first.links
    second = await ala.get("/rules?cursor=100&sort=name")
    assert names(second) == [f"Rule {n:03}" for n in range(100, 105)]
    assert "/rules?sort=name" in second.links


async def test_rules_that_cannot_run_are_told(engine: Engine, sign_in: SignIn) -> None:
    """A trigger that nothing brings about, a validity that is over, an endpoint that is paused."""
    await engine.rule({"type": "contact.inactive", "days": 60}, "inbox:", name="Nothing raises it")
    await engine.rule(VISITED, "inbox:", name="Over", validTo="2020-01-01T00:00:00Z")
    await engine.rule(VISITED, "inbox:", name="Not yet", validFrom="2999-01-01T00:00:00Z")
    paused = await engine.rule(VISITED, "inbox:paused", name="Paused")
    await engine.rule([VISITED, {"type": "contact.inactive"}][0], "inbox:paused", name="Off", active=False)
    await engine.post(f"/endpoints/{await engine.endpoint(paused)}/pause", {})
    ala = await sign_in("viewer")
    page = await ala.get("/rules?state=attention")
    assert names(page) == ["Nothing raises it", "Over", "Not yet", "Paused"]
    assert badges(page) == ["Cannot fire", "No longer valid", "Not valid yet", "Endpoint paused"]
    assert tabs(page) == ["5", "4", "1", "4"]
    assert "raises no events by the calendar" in page.html


async def test_hostile_names_are_only_text(engine: Engine, sign_in: SignIn) -> None:
    for name in ("<script>alert(1)</script>", "a\u202eb\u200b", "ą" * 200, "👩‍👩‍👧‍👦", "{{ 7 * 7 }}", "%(name)s %"):
        await engine.rule(
            VISITED, name=name, group=name[:100], description=name, actions=[{"type": "addNote", "text": name}]
        )
    ala = await sign_in("editor", "pl")
    page = await ala.get("/rules")
    assert page.status == 200
    assert "<script>alert" not in page.html
    assert "\u202e" not in page.html
    assert "a\\u202eb\\u200b" in page.text
    assert "{{ 7 * 7 }}" in page.text
    for rule in await engine.everything("/rules"):
        for path in ("delete", "runs"):
            shown = await ala.get(f"/rules/{rule['id']}/{path}")
            assert shown.status == 200
            assert "<script>alert" not in shown.html
        switched = await ala.send(f"/rules/{rule['id']}/switch", {"active": "0"})
        assert (await ala.follow(switched)).status == 200


# --- switching --------------------------------------------------------------------------------------------------------


async def test_a_switch_works_without_scripts_and_stays_in_the_list_that_it_was_in(
    engine: Engine, sign_in: SignIn
) -> None:
    made = await some_rules(engine)
    id = made["visit"]["id"]
    ala = await sign_in("editor", "pl")
    page = await ala.get("/rules?state=on&q=wizyta")
    assert f'formaction="/rules/{id}/switch?state=on&amp;q=wizyta" name="active" value="0"' in page.html
    sent = await ala.send(f"/rules/{id}/switch?state=on&q=wizyta", {"active": "0"})
    assert sent.location == "/rules?state=on&q=wizyta"
    page = await ala.follow(sent)
    assert "Wyłączono: Wizyta" in page.text
    assert names(page) == []
    assert (await engine.get(f"/rules/{id}"))["active"] is False
    page = await ala.follow(await ala.send(f"/rules/{id}/switch", {"active": "1"}))
    assert "Włączono: Wizyta" in page.text
    assert (await engine.get(f"/rules/{id}"))["active"] is True
    # once more is no new version
    version = (await engine.get(f"/rules/{id}"))["version"]
    await ala.send(f"/rules/{id}/switch", {"active": "1"})
    assert (await engine.get(f"/rules/{id}"))["version"] == version


async def test_a_switch_sends_its_row_again_with_all_that_changes(engine: Engine, sign_in: SignIn) -> None:
    made = await some_rules(engine)
    ala = await sign_in("editor")
    answer = await ala.send(f"/rules/{made['visit']['id']}/switch", {"active": "0"}, **{"hx-request": "true"})
    assert answer.status == 200
    assert answer.html.lstrip().startswith("<tr>")
    assert names(answer) == ["Wizyta"]
    assert 'aria-checked="false"' in answer.html
    assert tabs(answer) == ["4", "2", "2", "0"]
    assert "4 rules, 2 of them on" in answer.text
    assert "Switched off: Wizyta" in answer.text
    assert "<html" not in answer.html


async def test_a_rule_that_makes_no_sense_any_more_is_not_switched_on(engine: Engine, sign_in: SignIn) -> None:
    """The API lets no funnel go that a rule names; a restored database may still lack it."""
    await engine.post("/funnels", {"name": "Sprzedaż", "stages": ["Nowy"]}, 201)
    action = {"type": "moveToStage", "funnel": "Sprzedaż", "stage": "Nowy"}
    rule = await engine.rule(VISITED, name="Etap", active=False, actions=[action])
    with closing(sqlite3.connect(engine.folder / "goniec.db", timeout=60)) as db, db:
        db.execute("DELETE FROM funnels")
    ala = await sign_in("editor", "pl")
    path = f"/rules/{rule['id']}/switch"
    page = await ala.follow(await ala.send(path, {"active": "1"}))
    assert "Nie włączono: Etap." in page.text
    assert "Sprzedaż" in page.text
    answer = await ala.send(path, {"active": "1"}, **{"hx-request": "true"})
    assert answer.status == 200
    assert 'aria-checked="false"' in answer.html
    assert 'class="toast bad"' in answer.html
    assert (await engine.get(f"/rules/{rule['id']}"))["active"] is False


async def test_a_damaged_rule_stands_in_the_list_and_can_be_deleted(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule(VISITED, name="Ganz", actions=[{"type": "addNote", "text": "x"}])
    with closing(sqlite3.connect(engine.folder / "goniec.db", timeout=60)) as db, db:
        db.execute("UPDATE rules SET doc = ?", (b"{",))
        db.execute("UPDATE counters SET value = value + 1 WHERE name = 'setup'")
    ala = await sign_in("editor")
    page = await ala.get("/rules?state=attention")
    assert badges(page) == ["Cannot be read"]
    page = await ala.get(f"/rules/{rule['id']}/delete")
    await ala.follow(await ala.send(f"/rules/{rule['id']}/delete", page=page))
    assert "You have no rule yet" in (await ala.get("/rules")).text


async def test_what_is_gone_is_told(sign_in: SignIn) -> None:
    ala = await sign_in("editor")
    await ala.get("/rules")
    for path in ("/rules/rul_nobody/switch", "/rules/rul_nobody/delete"):
        assert (await ala.send(path, {"active": "1"})).status == 404
    assert (await ala.get("/rules/rul_nobody/delete")).status == 404
    assert (await ala.get("/rules/rul_nobody/runs")).status == 404


async def test_who_may_only_look_changes_nothing(engine: Engine, sign_in: SignIn) -> None:
    made = await some_rules(engine)
    id = made["visit"]["id"]
    ola = await sign_in("viewer")
    page = await ola.get("/rules")
    assert f"/rules/{id}/delete" not in page.links
    assert "disabled" in page.html
    assert (await ola.send(f"/rules/{id}/switch", {"active": "0"})).status == 403
    assert (await ola.get(f"/rules/{id}/delete")).status == 403
    assert (await ola.send(f"/rules/{id}/delete")).status == 403
    assert (await ola.get(f"/rules/{id}/runs")).status == 200
    assert (await engine.get(f"/rules/{id}"))["active"] is True


# --- deleting ---------------------------------------------------------------------------------------------------------


async def test_deleting_says_where_a_rule_is_used_and_what_stays(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule(TAGGED, "inbox:crm", name="Nowy VIP")
    await engine.rule(VISITED, "inbox:crm", name="Inna")
    await engine.rule(
        {"type": "webhook.failed", "rules": [rule["id"]]},
        name="Czeka na porażkę",
        actions=[{"type": "addTag", "tag": "x"}],
    )
    await engine.contact(email="jan@example.pl", tags=["VIP"])
    await engine.settled(1)
    ala = await sign_in("editor", "pl")
    page = await ala.get(f"/rules/{rule['id']}/delete")
    assert "Usunąć regułę Nowy VIP?" in page.text
    assert "Reguła jest włączona." in page.text
    assert "zadziałała 1 raz." in page.text
    assert "Czeka na porażkę" in page.text
    assert "inbox:crm : endpoint zostaje, używa go jeszcze 1 reguła." in page.text
    assert "Usuń: Nowy VIP" in page.text
    gone = await ala.send(f"/rules/{rule['id']}/delete", page=page)
    assert gone.location == "/rules"
    page = await ala.follow(gone)
    assert "Usunięto: Nowy VIP" in page.text
    assert names(page) == ["Inna", "Czeka na porażkę"]
    # its history can still be read
    runs = await ala.get(f"/rules/{rule['id']}/runs")
    assert "Usunięta reguła" in runs.text
    assert "jan@example.pl" in runs.text


async def test_a_rule_that_was_changed_meanwhile_is_not_deleted_unseen(engine: Engine, sign_in: SignIn) -> None:
    made = await some_rules(engine)
    path = f"/rules/{made['visit']['id']}"
    ala = await sign_in("editor")
    page = await ala.get(f"{path}/delete")
    await engine.post(f"{path}/deactivate", {})
    answer = await ala.send(f"{path}/delete", page=page)
    assert answer.status == 409
    assert "Someone has changed this rule in the meantime." in answer.text
    assert (await ala.send(f"{path}/delete", page=answer)).status == 303
    await engine.get(path, 404)


async def test_a_form_from_elsewhere_deletes_and_switches_nothing(engine: Engine, sign_in: SignIn) -> None:
    made = await some_rules(engine)
    path = f"/rules/{made['visit']['id']}"
    ala = await sign_in("editor")
    assert (await ala.send(f"{path}/delete", {"_csrf": "guessed"})).status == 403
    assert (await ala.send(f"{path}/switch", {"_csrf": "guessed", "active": "0"})).status == 403
    assert (await engine.get(path))["active"] is True


# --- the history of runs ----------------------------------------------------------------------------------------------


async def test_the_history_shows_each_run_with_what_followed(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule(VISITED, "inbox:crm", name="Raz", maxRuns=1)
    jan = await engine.contact(email="jan@example.pl", name="Jan Nowak")
    await engine.visit({"email": "jan@example.pl"})
    await engine.visit({"email": "jan@example.pl"})
    (delivery,) = await engine.settled(1)
    ala = await sign_in("viewer", "pl")
    page = await ala.get(f"/rules/{rule['id']}/runs")
    assert re.findall(r"Wykorzystana liczba uruchomień|Zadziałała(?=<)", page.html.split("<tbody>")[1]) == [
        "Wykorzystana liczba uruchomień",
        "Zadziałała",
    ]
    assert "Kontakt odwiedził adres URL" in page.text
    assert "Dostarczona" in page.text
    assert f"/deliveries/{delivery['id']}" in page.links
    assert f"/contacts/{jan['id']}" in page.links
    only = await ala.get(f"/rules/{rule['id']}/runs?outcome=limitReached")
    assert "Zadziałała" not in only.html.split("<tbody>")[1].split("</tbody>")[0]
    none = await ala.get(f"/rules/{rule['id']}/runs?outcome=loopStopped")
    assert "Brak uruchomień z tym wynikiem" in none.text
    assert "Raz" in (await ala.get(f"/rules/{rule['id']}/runs?outcome=nonsense")).text


async def test_a_rule_without_runs_says_when_it_will_have_some(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule(VISITED, "inbox:", name="Neu")
    page = await (await sign_in("viewer")).get(f"/rules/{rule['id']}/runs")
    assert "This rule has not run yet" in page.text


async def test_the_history_goes_back_by_cursor(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule(VISITED, name="Viel", actions=[{"type": "addNote", "text": "x"}])
    await engine.contact(email="jan@example.pl")
    for _ in range(53):
        await engine.visit({"email": "jan@example.pl"})
    ala = await sign_in("viewer")
    first = await ala.get(f"/rules/{rule['id']}/runs")
    assert first.html.count("<tr>") == 51
    (older,) = [link for link in first.links if "cursor=" in link]
    second = await ala.get(older)
    assert second.html.count("<tr>") == 4
    assert f"/rules/{rule['id']}/runs" in second.links
    broken = await ala.get(f"/rules/{rule['id']}/runs?cursor=%3Cscript%3E")
    assert broken.status == 400
    assert "<script>" not in broken.html.split("<body")[1].replace("<script src", "")


async def test_an_erased_contact_stands_in_the_history_without_its_name(engine: Engine, sign_in: SignIn) -> None:
    rule = await engine.rule(VISITED, "inbox:", name="Wizyta")
    jan = await engine.contact(email="jan@example.pl", name="Jan Nowak")
    await engine.visit({"email": "jan@example.pl"})
    await engine.settled(1)
    await engine.ask("DELETE", f"/contacts/{jan['id']}")
    page = await (await sign_in("viewer", "pl")).get(f"/rules/{rule['id']}/runs")
    assert page.status == 200
    assert "Jan Nowak" not in page.text
    assert f"/contacts/{jan['id']}" not in page.links
