"""Events over the API: one or many, what is refused, duplicates, reading them back."""

from typing import Any

import pytest

from goniec.core.times import HOUR, format_instant
from tests.core.build import NOW
from tests.e2e.api.client import Api, pointers


def visit(email: str = "jan@example.pl", **fields: Any) -> dict[str, Any]:
    return {"type": "page.visited", "contact": {"email": email}, "data": {"url": "https://shop.example/"}, **fields}


async def test_one_event_makes_its_contact_and_is_on_disk(api: Api) -> None:
    answer = await api.post("/events", visit(), scope="ingest")
    assert answer.status_code == 202
    taken = answer.json()
    assert (taken["accepted"], taken["duplicates"], taken["refused"], taken["conflicts"]) == (1, 0, [], [])
    (event_id,) = taken["ids"]
    event = (await api.get(f"/events/{event_id}")).json()
    assert event["type"] == "page.visited"
    assert event["data"] == {"url": "https://shop.example/"}
    assert (event["source"], event["sourceKey"], event["depth"], event["cause"]) == ("api", "key-ingest", 0, None)
    assert event["occurredAt"] == event["receivedAt"] == format_instant(NOW)
    contact = (await api.get(f"/contacts/{event['contactId']}")).json()
    assert contact["email"] == "jan@example.pl"
    assert await api.event_types(contact["id"]) == ["contact.created", "page.visited"]
    assert (await api.get("/events/evt_nothing")).status_code == 404


async def test_an_event_may_bring_changes_of_its_contact(api: Api) -> None:
    await api.shop.funnel("Sales", "New")
    contact = {"email": "jan@example.pl", "name": "Jan", "tags": ["vip"], "stages": {"Sales": "New"}}
    answer = await api.post("/events", visit(contact=contact))
    assert answer.status_code == 202
    found = (await api.get("/contacts")).json()["items"][0]
    assert (found["name"], found["stages"][0]["stage"]) == ("Jan", "New")
    assert await api.event_types(found["id"]) == [
        "contact.created",
        "contact.tagged",
        "contact.stage_entered",
        "page.visited",
    ]


async def test_one_bad_event_does_not_hold_up_the_others(api: Api) -> None:
    await api.contact(email="a@example.pl", externalId="A")
    other = await api.contact(email="b@example.pl")
    events: list[Any] = [
        visit(),
        visit(data={"url": 5}),
        visit(contact={"email": "b@example.pl", "externalId": "A"}),
        "no event",
        visit(contact={"email": "no", "name": "x" * 1_001}),
        visit(type="contact.tagged"),
        visit(dedupKey="k"),
        visit(dedupKey="k"),
        visit(dedupKey="k", data={"url": "https://another.example/"}),
        visit(contact={"id": "nobody"}),
    ]
    answer = await api.post("/events", {"events": events})
    assert answer.status_code == 202
    taken = answer.json()
    assert (taken["accepted"], taken["duplicates"]) == (2, 2)
    assert [(one["index"], one["pointer"], one["code"]) for one in taken["refused"]] == [
        (1, "/data/url", "invalid"),
        (2, "/contact/email", "conflict"),
        (3, "", "invalid"),
        (4, "/contact/email", "invalid"),
        (4, "/contact/name", "invalid"),
        (5, "/type", "invalid"),
        (9, "/contact/id", "unknownContact"),
    ]
    assert other["id"] in taken["refused"][1]["contacts"]
    assert "POST /contacts/{id}/tags" in taken["refused"][5]["detail"]
    first = taken["ids"][6]
    assert taken["ids"][1] is taken["ids"][9] is None
    assert taken["ids"][7] == taken["ids"][8] == first
    assert taken["conflicts"] == [{"index": 8, "dedupKey": "k", "id": first}]
    totals = await api.store.queries.totals()
    assert totals["received"] == totals["accepted"] + totals["duplicates"] + totals["refused"] == 12


async def test_a_duplicate_of_an_earlier_call_is_told_with_the_first_id(api: Api) -> None:
    first = (await api.post("/events", visit(dedupKey="k"))).json()
    again = await api.post("/events", visit(dedupKey="k"))
    assert (again.status_code, again.json()["duplicates"], again.json()["ids"]) == (202, 1, first["ids"])
    other = (await api.post("/events", visit("ola@example.pl", dedupKey="k"))).json()
    assert other["conflicts"] == [{"index": 0, "dedupKey": "k", "id": first["ids"][0]}]
    reordered = {"dedupKey": "k", **dict(reversed(visit().items()))}
    assert (await api.post("/events", reordered)).json()["conflicts"] == []


async def test_a_single_event_that_cannot_be_taken_is_an_error(api: Api) -> None:
    bad = await api.post("/events", visit(data={}))
    assert (bad.status_code, pointers(bad)) == (422, ["/data/url"])
    inside = await api.post("/events", visit(type="contact.created"))
    assert (inside.status_code, pointers(inside)) == (422, ["/type"])
    assert "POST /contacts" in inside.json()["detail"]
    await api.contact(email="a@example.pl", externalId="A")
    await api.contact(email="b@example.pl")
    conflict = await api.post("/events", visit(contact={"email": "b@example.pl", "externalId": "A"}))
    assert (conflict.status_code, conflict.json()["code"], len(conflict.json()["contacts"])) == (409, "conflict", 2)
    keyless = await api.post("/events", visit(contact={}))
    assert (keyless.status_code, keyless.json()["code"], pointers(keyless)) == (422, "noKey", ["/contact"])
    totals = await api.store.queries.totals()
    assert totals["received"] == totals["accepted"] + totals["refused"] == 6


async def test_when_all_are_refused_the_whole_is_an_error(api: Api) -> None:
    answer = await api.post("/events", {"events": [visit(data={}), visit(contact={})]})
    assert answer.status_code == 422
    problem = answer.json()
    assert (problem["code"], problem["accepted"], problem["ids"]) == ("nothingTaken", 0, [None, None])
    assert pointers(answer) == ["/events/0/data/url", "/events/1/contact"]
    assert [one["index"] for one in problem["refused"]] == [0, 1]


async def test_how_many_events_a_call_may_bring(api: Api) -> None:
    many = await api.post("/events", {"events": [visit()] * 1_000})
    assert (many.status_code, many.json()["accepted"]) == (202, 1_000)
    too_many = await api.post("/events", {"events": [visit()] * 1_001})
    assert (too_many.status_code, pointers(too_many)) == (422, ["/events"])
    assert "1001" in too_many.json()["detail"]
    assert (await api.post("/events", {"events": []})).status_code == 422


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"occurredAt": "2026-11-25T03:36:00"}, "/occurredAt"),
        ({"occurredAt": format_instant(NOW + 25 * HOUR)}, "/occurredAt"),
        ({"occurredAt": "1969-12-31T23:59:59Z"}, "/occurredAt"),
        ({"occurredAt": 1}, "/occurredAt"),
        ({"dedupKey": "x" * 201}, "/dedupKey"),
        ({"dedupKey": ""}, "/dedupKey"),
        ({"dedupKey": "a\u0000"}, "/dedupKey"),
        ({"type": "no.such"}, "/type"),
        ({"type": "webhook.failed"}, "/type"),
        ({"data": []}, "/data"),
        ({"data": {"url": "a\u0000"}}, "/data/url"),
        ({"unknown": 1}, "/unknown"),
        ({"fireEvents": "yes"}, "/fireEvents"),
    ],
)
async def test_what_an_event_cannot_be(api: Api, fields: dict[str, Any], pointer: str) -> None:
    answer = await api.post("/events", visit(**fields))
    assert (answer.status_code, pointers(answer)) == (422, [pointer]), answer.text


async def test_times_may_lie_far_back_and_a_little_ahead(api: Api) -> None:
    for text in ("1970-01-01T00:00:00Z", format_instant(NOW + 23 * HOUR)):
        answer = await api.post("/events", visit(occurredAt=text))
        assert answer.status_code == 202, answer.text


async def test_the_caller_joins_the_chain_that_it_answers(api: Api) -> None:
    await api.shop.rule(actions=[{"type": "webhook", "endpointId": "end_1"}])
    await api.post("/events", visit())
    await api.shop.settle()
    (request,) = api.shop.sender.sent
    headers = dict(request.headers)
    answered = await api.post("/events", visit(), headers={"goniec-cause": headers["goniec-cause"]})
    event = (await api.get(f"/events/{answered.json()['ids'][0]}")).json()
    assert (event["cause"], event["depth"]) == (headers["goniec-cause"], 1)
    await api.shop.settle()
    assert len(api.shop.sender.sent) == 1, "a rule is not set off by what answers it"
    wrong = await api.post("/events", visit(), headers={"goniec-cause": "run_x"})
    assert (wrong.status_code, pointers(wrong), wrong.json()["errors"][0]["in"]) == (400, ["/goniec-cause"], "header")


async def test_events_can_be_kept_from_rules(api: Api) -> None:
    await api.shop.rule(actions=[{"type": "webhook", "endpointId": "end_1"}])
    await api.post("/events", visit(fireEvents=False))
    await api.shop.settle()
    assert not api.shop.sender.sent


async def test_events_are_listed_by_type_time_and_contact(api: Api) -> None:
    await api.post("/events", {"events": [visit(), visit("ola@example.pl")]})
    api.shop.clock.at += HOUR
    await api.post("/events", visit(occurredAt=format_instant(NOW - HOUR)))

    async def found(**query: str) -> int:
        answer = await api.get("/events", params=query)
        assert answer.status_code == 200, answer.text
        return len(answer.json()["items"])

    assert await found() == 5
    assert await found(type="page.visited") == 3
    assert await found(since=format_instant(NOW + 1)) == 1
    assert await found(until=format_instant(NOW + HOUR)) == 4
    assert await found(type="page.visited", until=format_instant(NOW + 1)) == 2
    wrong = await api.get("/events", params={"since": "yesterday"})
    assert (wrong.status_code, pointers(wrong)) == (400, ["/since"])


async def test_a_key_that_stands_twice_counts_the_last_time(api: Api) -> None:
    body = b'{"type": 5, "type": "page.visited", "contact": {"email": "a@example.pl"}, "data": {"url": "u"}}'
    assert (await api.raw("/events", body)).status_code == 202
    by_another_spelling = b'{"\\u0065vents": [%s]}' % body
    assert (await api.raw("/events", by_another_spelling)).json()["accepted"] == 1


async def test_halves_of_surrogates_hold_up_only_their_own_event(api: Api) -> None:
    body = b"""{"events": [
        {"type": "page.visited", "contact": {"email": "a@example.pl"}, "data": {"url": "https://x.example/"}},
        {"type": "page.visited", "contact": {"email": "b@example.pl"}, "data": {"url": "\\ud800"}},
        {"type": "page.visited", "contact": {"email": "c@example.pl"}, "data": {"url": "u", "seconds": 1e400}},
        {"type": "page.visited", "contact": {"email": "d@example.pl"}, "data": {"url": "u", "seconds": %s}}
    ]}""" % (b"9" * 5_000)
    answer = await api.raw("/events", body)
    assert answer.status_code == 202, answer.text
    assert [(one["index"], one["pointer"]) for one in answer.json()["refused"]] == [
        (1, "/data/url"),
        (2, "/data/seconds"),
        (3, "/data/seconds"),
    ]


async def test_the_same_request_again_gets_the_same_answer(api: Api) -> None:
    key = {"idempotency-key": "first"}
    first = await api.post("/events", {"events": [visit(), visit(data={})]}, headers=key)
    again = await api.post("/events", {"events": [visit(), visit(data={})]}, headers=key)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    other = await api.post("/events", visit(), headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotencyKeyReused")
    by_another = await api.post("/events", visit(), headers=key, scope="ingest")
    assert by_another.status_code == 202, "each API key has names of its own"
    refused = {"idempotency-key": "second"}
    for _ in range(2):
        bad = await api.post("/events", visit(data={}), headers=refused)
        assert (bad.status_code, bad.headers["content-type"]) == (422, "application/problem+json")
    assert len((await api.get("/events", params={"type": "page.visited"})).json()["items"]) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "a b", "ż"])
async def test_which_idempotency_keys_are_none(api: Api, key: str) -> None:
    answer = await api.post("/events", visit(), headers={"idempotency-key": key.encode()})
    assert (answer.status_code, pointers(answer)) == (400, ["/Idempotency-Key"])


async def test_a_type_of_event_that_does_not_exist_is_no_filter(api: Api) -> None:
    await api.post("/events", visit())
    assert len((await api.get("/events", params={"type": "page.visited"})).json()["items"]) == 1
    answer = await api.get("/events", params={"type": "page.visit"})
    assert (answer.status_code, pointers(answer)) == (400, ["/type"])
    assert answer.json()["detail"].startswith(
        "/type: unknown (did you mean page.visited?); it is one of contact.created,"
    )


async def test_what_is_misspelt_in_a_query_is_told_with_what_was_meant(api: Api) -> None:
    answer = await api.get("/events", params={"contactid": "c"})
    assert "/contactid: unknown parameter (did you mean contactId?); this call takes" in answer.json()["detail"]
    answer = await api.get("/deliveries", params={"status": "deliverd"})
    assert (answer.status_code, pointers(answer)) == (400, ["/status"])
    assert "unknown (did you mean delivered?); it is one of pending, held, delivered," in answer.json()["detail"]
