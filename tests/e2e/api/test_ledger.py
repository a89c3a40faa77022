"""The ledger over the API: the whole, each endpoint and rule, and what happened by day."""

from collections.abc import AsyncIterator

import pytest

from goniec.core.times import DAY, MINUTE
from tests.e2e.api.client import Api, pointers
from tests.e2e.api.configured import Configured, configured
from tests.flow.workshop import failing, ok

EVERY = [{"type": "contact.created"}]


@pytest.fixture
async def rules(api: Api) -> AsyncIterator[Configured]:
    async with configured(api) as opened:
        yield opened


async def test_it_adds_up_from_whichever_side(rules: Configured) -> None:
    first = await rules.rule(triggers=EVERY)
    second = await rules.rule(
        triggers=EVERY, name="Other", actions=[{"type": "webhook", "url": "https://erp.example/hook"}]
    )
    endpoint = await rules.endpoint_of(first)
    await rules.contact(email="a@x.pl")
    await rules.shop.settle()
    rules.shop.clock.at += DAY
    rules.shop.sender.script = lambda request: failing() if "erp" in request.url else ok(request)
    await rules.contact(email="b@x.pl")
    await rules.shop.settle()
    found = (await rules.get("/ledger", scope="read")).json()
    totals = found["totals"]
    assert (totals["received"], totals["accepted"], totals["refused"]) == (2, 2, 0)
    assert (totals["made"], totals["delivered"], totals["pending"], totals["attempts"]) == (4, 3, 1, 4)
    statuses = ("pending", "held", "delivered", "failed", "cancelled")
    for whose in ("endpoints", "rules"):
        for one in found[whose]:
            assert one["made"] == sum(one[status] for status in statuses) == 2
        for name in ("made", *statuses):
            assert sum(one[name] for one in found[whose]) == totals[name]
    assert {one["id"] for one in found["rules"]} == {first["id"], second["id"]}
    days = found["days"]
    assert [(day["made"], day["delivered"], day["failedAttempts"]) for day in days] == [(2, 2, 0), (2, 1, 1)]
    assert [day["day"] for day in days] == ["2025-11-25", "2025-11-26"]
    mine = (await rules.get("/ledger", params={"of": "endpoint", "id": endpoint["id"], "days": 1})).json()["days"]
    assert [(day["day"], day["made"], day["attempts"]) for day in mine] == [("2025-11-26", 1, 1)]
    rules.shop.clock.at += MINUTE
    of_rule = (await rules.get("/ledger", params={"of": "rule", "id": second["id"]})).json()["days"]
    assert [day["delivered"] for day in of_rule] == [1, 0]
    keys = ["day", "made", "delivered", "failed", "cancelled"]
    assert [*days[0]] == [*keys, "events", "runs", "attempts", "failedAttempts"]
    assert [*mine[0]] == [*keys, "attempts", "failedAttempts"]
    assert [*of_rule[0]] == [*keys, "runs"]


async def test_days_are_those_of_something_that_there_is_or_was(rules: Configured) -> None:
    rule = await rules.rule(triggers=EVERY)
    endpoint = await rules.endpoint_of(rule)
    for query in ({"of": "rule", "id": rule["id"]}, {"of": "endpoint", "id": endpoint["id"]}):
        assert (await rules.get("/ledger", params=query)).json()["days"] == []
    await rules.contact(email="a@x.pl")
    await rules.shop.settle()
    await rules.ask("DELETE", f"/rules/{rule['id']}")
    for id in (rule["id"], endpoint["id"]):
        of = "rule" if id == rule["id"] else "endpoint"
        assert len((await rules.get("/ledger", params={"of": of, "id": id})).json()["days"]) == 1
        for query in ({"of": of}, {"id": id}, {"of": of, "id": "end_x"}):
            answer = await rules.get("/ledger", params=query)
            assert (answer.status_code, pointers(answer)) == (400, ["/id"]), query


async def test_queries_that_make_no_sense(rules: Configured) -> None:
    for query in ({"days": "0"}, {"days": "401"}, {"of": "contact"}):
        answer = await rules.get("/ledger", params=query)
        assert (answer.status_code, pointers(answer)) == (400, ["/" + next(iter(query))])
