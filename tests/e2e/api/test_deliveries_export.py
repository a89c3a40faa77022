"""The delivery log as a file: CSV and JSON Lines, by any filter, of any length, and nothing that a spreadsheet runs."""

import csv
import io
import json
from collections.abc import AsyncIterator

import pytest

from goniec.web import deliveries_file
from goniec.web.deliveries_file import COLUMNS, cell
from tests.e2e.api.client import Api, pointers
from tests.e2e.api.configured import Configured, configured

EVERY = [{"type": "contact.created"}]
EXPORT = "/deliveries/export"


@pytest.fixture
async def rules(api: Api, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Configured]:
    monkeypatch.setattr(deliveries_file, "PAGE", 2)
    async with configured(api) as opened:
        yield opened


async def sent(rules: Configured, *emails: str) -> None:
    await rules.rule(triggers=EVERY)
    for email in emails:
        await rules.contact(email=email)
    await rules.shop.settle()


async def test_csv_has_a_line_for_each_delivery_in_columns_that_stay(rules: Configured) -> None:
    await sent(rules, *(f"k{n}@x.pl" for n in range(5)))
    answer = await rules.get(EXPORT, scope="read")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="deliveries.csv"'
    head, *rows = csv.reader(io.StringIO(answer.text))
    assert tuple(head) == COLUMNS
    assert head[:8] == ["id", "status", "endpointId", "contactId", "ruleId", "runId", "eventId", "eventType"]
    listed = (await rules.get("/deliveries")).json()["items"]
    assert rows == [[cell(one[name]) for name in head] for one in listed]
    assert len(rows) == 5


async def test_json_lines_are_what_the_list_has(rules: Configured) -> None:
    await sent(rules, "a@x.pl", "b@x.pl", "c@x.pl")
    answer = await rules.get(EXPORT, params={"format": "jsonl"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == 'attachment; filename="deliveries.jsonl"'
    assert [json.loads(line) for line in answer.text.splitlines()] == (await rules.get("/deliveries")).json()["items"]


async def test_a_file_of_nothing(rules: Configured) -> None:
    assert (await rules.get(EXPORT)).text == ",".join(COLUMNS) + "\r\n"
    assert (await rules.get(EXPORT, params={"format": "jsonl"})).text == ""


async def test_an_export_has_what_the_same_filter_lists(rules: Configured) -> None:
    await sent(rules, "a@x.pl", "B@x.pl")
    one = (await rules.get("/deliveries", params={"email": "b@X.PL"})).json()["items"]
    assert len(one) == 1
    for query in (
        {"email": "b@X.PL"},
        {"contactId": one[0]["contactId"]},
        {"contactId": one[0]["contactId"], "email": "b@x.pl"},
        {"status": "delivered", "since": "2020-01-01T00:00:00Z", "email": "b@x.pl"},
    ):
        assert (await rules.get("/deliveries", params=query)).json()["items"] == one
        answer = await rules.get(EXPORT, params={**query, "format": "jsonl"})
        assert [json.loads(line) for line in answer.text.splitlines()] == one
    for query in (
        {"email": "nobody@x.pl"},
        {"email": "a@x.pl", "contactId": one[0]["contactId"]},
        {"email": "a@x.pl", "contactId": "con_0"},
        {"status": "failed"},
        {"until": "2020-01-01T00:00:00Z"},
    ):
        assert (await rules.get("/deliveries", params=query)).json()["items"] == []
        assert (await rules.get(EXPORT, params={**query, "format": "jsonl"})).text == ""


async def test_queries_that_make_no_sense(rules: Configured) -> None:
    for query in ({"format": "xml"}, {"email": "nobody"}, {"limit": "5"}):
        answer = await rules.get(EXPORT, params=query)
        assert (answer.status_code, pointers(answer)) == (400, ["/" + next(iter(query))])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (-5, "-5"),
        ("plain=1", "plain=1"),
        ("=1+1", "'=1+1"),
        ("+48", "'+48"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
    ],
)
def test_no_cell_is_a_formula(value: object, shown: str) -> None:
    assert cell(value) == shown
