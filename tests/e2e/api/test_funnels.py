"""Funnels, tags and details over the API, and where they are used."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.e2e.api.client import Api, pointers
from tests.e2e.api.configured import Configured, configured

SALES = {"name": "Sprzedaż", "stages": ["Lead", "Oferta"]}


@pytest.fixture
async def rules(api: Api) -> AsyncIterator[Configured]:
    async with configured(api) as opened:
        yield opened


async def funnel(rules: Configured, **fields: Any) -> dict[str, Any]:
    rules.shop.clock.at += 1
    answer = await rules.post("/funnels", {**SALES, **fields})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_funnel_is_made_read_changed_and_deleted(rules: Configured) -> None:
    answer = await rules.post("/funnels", SALES)
    made = answer.json()
    path = f"/funnels/{made['id']}"
    assert (answer.status_code, answer.headers["location"]) == (201, f"/api/v1{path}")
    assert made == {**SALES, "id": made["id"], "version": 1, "usedBy": []}
    read = await rules.get(path, scope="read")
    assert (read.json(), read.headers["etag"]) == (made, '"1"')
    same = await rules.put(path, read.json(), headers={"if-match": '"1"'})
    assert (same.status_code, same.json()) == (200, made)
    changed = await rules.put(path, {"name": "Sales", "stages": ["Lead"]})
    assert (changed.json()["name"], changed.json()["version"]) == ("Sales", 2)
    assert (await rules.put(path, SALES, headers={"if-match": '"1"'})).status_code == 412
    assert (await rules.delete(path, headers={"if-match": '"1"'})).status_code == 412
    assert (await rules.delete(path)).status_code == 204
    assert (await rules.get(path)).status_code == 404


async def test_a_funnel_in_use_is_guarded(rules: Configured) -> None:
    made, other = await funnel(rules), await funnel(rules, name="Inny")
    trigger = {"type": "contact.stage_entered", "funnel": "Sprzedaż", "stages": ["Oferta"]}
    rule = await rules.rule(triggers=[trigger], actions=[{"type": "removeFromFunnel", "funnel": "Sprzedaż"}])
    used = [{"id": rule["id"], "name": rule["name"]}]
    path = f"/funnels/{made['id']}"
    assert (await rules.get(path)).json()["usedBy"] == used
    listed = (await rules.get("/funnels")).json()["items"]
    assert [(one["name"], one["usedBy"]) for one in listed] == [("Sprzedaż", used), ("Inny", [])]
    for answer in (
        await rules.delete(path),
        await rules.put(path, {**SALES, "name": "Sales"}),
        await rules.put(path, {**SALES, "stages": ["Lead"]}),
    ):
        assert (answer.status_code, answer.json()["code"], answer.json()["rules"]) == (409, "inUse", used)
    assert (await rules.put(path, {**SALES, "stages": ["Oferta", "Nowy"]})).json()["usedBy"] == used
    assert (await rules.delete(f"/funnels/{other['id']}")).status_code == 204


async def test_what_cannot_be_taken(rules: Configured) -> None:
    await funnel(rules)
    taken = await rules.post("/funnels", {"name": "SPRZEDAŻ", "stages": ["x"]})
    assert (taken.status_code, taken.json()["code"]) == (409, "nameTaken")
    wrong = await rules.post("/funnels", {"name": "", "stages": ["a", "A"]})
    assert (wrong.status_code, pointers(wrong)) == (422, ["/name", "/stages/1"])
    unknown = await rules.post("/funnels", {**SALES, "colour": "red"})
    assert (unknown.status_code, pointers(unknown)) == (422, ["/colour"])
    for method in ("GET", "PUT", "DELETE"):
        answer = await rules.ask(method, "/funnels/fun_x", json=SALES)
        assert (answer.status_code, answer.json()["detail"]) == (404, "there is no funnel with this id")


async def test_a_rule_can_only_name_stages_that_there_are(rules: Configured) -> None:
    action = {"type": "moveToStage", "funnel": "Sprzedaż", "stage": "Oferta"}
    trigger = [{"type": "contact.created"}]
    refused = await rules.post("/rules", {"name": "x", "triggers": trigger, "actions": [action]})
    assert (refused.status_code, pointers(refused)) == (422, ["/actions/0/funnel"])
    await funnel(rules)
    await rules.rule(triggers=trigger, actions=[action])
    contact = await rules.contact()
    found = (await rules.get(f"/contacts/{contact['id']}")).json()
    assert [(one["funnel"], one["stage"]) for one in found["stages"]] == [("Sprzedaż", "Oferta")]


# --- tags and details ------------------------------------------------------------------------------------------------


async def test_tags_are_listed_with_the_rules_that_use_them(rules: Configured) -> None:
    rule = await rules.rule(actions=[{"type": "addTag", "tag": "żółty"}])
    await rules.contact(tags=["vip", "nowy klient", "Клиент"])
    used = [{"id": rule["id"], "name": rule["name"]}]
    answer = (await rules.get("/tags", scope="read")).json()
    assert answer["items"] == [
        {"name": "NOWY_KLIENT", "usedBy": []},
        {"name": "VIP", "usedBy": used},
        {"name": "ZOLTY", "usedBy": used},
        {"name": "КЛИЕНТ", "usedBy": []},
    ]
    assert answer["more"] is False


async def test_details_are_listed_in_pages(rules: Configured) -> None:
    names = ["__proto__", "a.b", "e-mail z firmy", "id"]
    await rules.contact(details=dict.fromkeys(names, 1))
    first = (await rules.get("/details", params={"limit": 3})).json()
    rest = (await rules.get("/details", params={"cursor": first["nextCursor"]})).json()
    assert [one["name"] for one in (*first["items"], *rest["items"])] == names
    assert (first["more"], rest["more"]) == (True, False)
    last = (await rules.get("/details", params={"cursor": rest["nextCursor"]})).json()
    assert (last["items"], last["nextCursor"]) == ([], rest["nextCursor"])
