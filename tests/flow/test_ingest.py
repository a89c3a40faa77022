"""What events from outside come to: calls, or faults with their places; quickly or slowly, the same."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.core.actions import AddScore, AddTag, MoveToStage, OptOut, RemoveDetail, SetDetail, SetOwner, SetState
from goniec.core.changes import SetConsent
from goniec.core.decide import Call
from goniec.core.identity import Who
from goniec.core.problems import Invalid, Problem
from goniec.core.times import DAY, format_instant
from goniec.flow import ingest
from goniec.flow.decoding import Malformed
from goniec.flow.ingest import Intake, Origin, read_events
from tests.core.build import NOW

ORIGIN = Origin(NOW, "PL", "api", "shop", funnels={"Sales": ("New", "Won")})
VISIT = {"type": "page.visited", "contact": {"email": "Jan@Example.pl"}, "data": {"url": "https://shop.example/"}}


def read(value: object, origin: Origin = ORIGIN) -> Intake:
    return read_events(msgspec.json.encode(value), origin)


def one(value: object) -> Call:
    (call,) = read(value).calls
    return call


def test_an_event_becomes_a_call_about_its_contact() -> None:
    call = one(VISIT | {"occurredAt": "2025-11-25T03:36:00+01:00", "fireEvents": False})
    assert call.who == Who(email="Jan@Example.pl", email_key="jan@example.pl")
    (happening,) = call.happenings
    assert (happening.type, happening.data) == ("page.visited", {"url": "https://shop.example/"})
    assert format_instant(happening.occurred_at or 0) == "2025-11-25T02:36:00.000Z"
    assert (call.source, call.source_key, call.cause, call.fire, call.create) == ("api", "shop", None, False, True)
    assert (call.fields, call.changes, happening.dedup_key, happening.digest) == ({}, (), None, b"")


def test_changes_stand_in_one_order_however_they_were_given() -> None:
    contact: dict[str, Any] = {
        "notes": [],
        "subscriptions": {"phone": False},
        "consents": {"rodo": True},
        "stages": {"Sales": "Won"},
        "score": {"add": 3},
        "tags": ["vip", "VIP", "new"],
        "details": {"b": 1, "a": None, "c": " "},
        "state": "CUSTOMER",
        "owner": "ola",
        "email": "a@example.pl",
    }
    assert one(VISIT | {"contact": contact}).changes == (
        SetOwner("ola"),
        SetState("CUSTOMER"),
        SetDetail("b", 1),
        RemoveDetail("a"),
        RemoveDetail("c"),
        AddTag("VIP"),
        AddTag("NEW"),
        AddScore(3),
        MoveToStage("Sales", "Won"),
        SetConsent("rodo", granted=True),
        OptOut("phone"),
    )


@pytest.mark.parametrize(
    ("contact", "who", "fields"),
    [
        ({"phone": "600 100 200"}, Who(phone="600 100 200", phone_key="+48600100200"), {}),
        ({"phone": "call me"}, Who(phone="call me"), {}),
        ({"phone": "600100200", "externalId": "C-1"}, Who(external_id="C-1", phone="600100200"), {}),
        ({"id": "x", "email": None, "externalId": "", "phone": " "}, Who(id="x"), dict.fromkeys(("email", "externalId", "phone"))),
        ({"id": "x", "email": "a@b"}, Who(id="x", email="a@b", email_key="a@b"), {"email": "a@b"}),
        ({"id": "x", "externalId": "C"}, Who(id="x", external_id="C"), {"externalId": "C"}),
        ({"email": "\u00e9@b", "name": " J "}, Who(email="\u00e9@b", email_key="\u00e9@b"), {"name": " J "}),
        ({"email": "a@b", "company": "", "language": "pl", "timezone": "UTC"}, Who(email="a@b", email_key="a@b"),
         {"company": None, "language": "pl", "timezone": "UTC"}),
    ],
)  # fmt: skip
def test_keys_and_fields(contact: dict[str, Any], who: Who, fields: dict[str, str | None]) -> None:
    call = one(VISIT | {"contact": contact})
    assert (call.who, call.fields) == (who, fields)


def test_a_list_goes_on_past_what_is_refused() -> None:
    intake = read({"events": [VISIT, VISIT | {"type": "nothing"}, VISIT | {"data": {"url": 1, "x": 2}}, VISIT]})
    assert (len(intake.calls), intake.places, sorted(intake.refused), intake.count) == (2, [0, 3], [1, 2], 4)
    assert not intake.single
    assert read(VISIT).single


def test_all_that_is_wrong_with_an_event_is_told() -> None:
    event = {
        "type": "page.visited",
        "contact": {"email": "no", "stages": {"Sales": "Lost", "Other": "x"}},
        "data": {},
        "occurredAt": "today",
        "dedupKey": " ",
    }
    assert [problem.pointer for problem in read(event).refused[0]] == [
        "/contact/email",
        "/contact/stages/Sales",
        "/contact/stages/Other",
        "/data/url",
        "/occurredAt",
        "/dedupKey",
    ]


def test_a_day_ahead_is_the_end_of_what_clocks_may_be_wrong() -> None:
    assert read(VISIT | {"occurredAt": format_instant(NOW + DAY)}).calls
    (problem,) = read(VISIT | {"occurredAt": format_instant(NOW + DAY + 1)}).refused[0]
    assert problem == Problem("/occurredAt", "more than 24 hours ahead of now")


def test_the_digest_is_of_what_was_said() -> None:
    def digest(**fields: Any) -> bytes:
        return one(VISIT | {"dedupKey": "k"} | fields).happenings[0].digest

    assert len(digest()) == 32
    assert digest() == digest(dedupKey="other") == digest(fireEvents=False)
    assert digest(data={"url": "u", "title": "t"}) == digest(data={"title": "t", "url": "u"})
    others = [
        digest(),
        digest(data={"url": "u"}),
        digest(contact={"email": "x@y"}),
        digest(contact={"email": "Jan@Example.pl", "name": "x"}),
        digest(type="form.submitted", data={"form": "f"}),
        digest(occurredAt="2025-11-25T03:36:00Z"),
    ]
    assert len(set(others)) == len(others)


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (b"5", ""),
        (b'{"events": 5}', "/events"),
        (b'{"events": {}}', "/events"),
        (b'{"events": []}', "/events"),
        (b'{"events": [], "more": 1}', "/more"),
        (b'{"more": 1, "events": []}', "/more"),
        (b'{"events": [%s]}' % b",".join([b"{}"] * 1_001), "/events"),
        (b'{"type": "page.visited"}', "/contact"),
    ],
)
def test_what_is_neither_an_event_nor_a_list_of_some(raw: bytes, pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_events(raw, ORIGIN)
    assert [problem.pointer for problem in caught.value.problems] == [pointer]


def test_data_may_be_as_deep_inside_an_event_as_data_ever_is() -> None:
    def nested(levels: int) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        for _ in range(levels - 2):
            properties = {"x": properties}
        return {
            "type": "external_event.added",
            "contact": {"email": "a@b"},
            "data": {"kind": "X", "properties": properties},
        }

    assert read(nested(32)).calls
    assert read(nested(33)).refused
    # beside one that does not fit, each is read slowly: to the same end
    both = read({"events": [nested(32), nested(33), {}]})
    assert (both.places, sorted(both.refused)) == ([0], [1, 2])


def test_faults_of_one_event_are_told_up_to_a_number() -> None:
    event = VISIT | {"data": {str(n): "\0" for n in range(100)}}
    intake = read({"events": [event, {}]})
    assert len(intake.refused[0]) == 20


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
contacts = st.fixed_dictionaries(
    {},
    optional={
        name: json_values | good
        for name, good in {
            "id": st.text(),
            "email": st.emails(),
            "phone": st.just("600100200"),
            "externalId": st.text(max_size=5),
            "name": st.text(),
            "tags": st.lists(st.text(max_size=5), max_size=3),
            "details": st.dictionaries(st.text(max_size=5), json_values, max_size=3),
            "score": st.builds(lambda n: {"add": n}, st.integers(-5, 5)),
            "stages": st.just({"Sales": "Won"}),
            "notes": st.lists(st.text(max_size=5), max_size=2),
        }.items()
    },
)
events = st.fixed_dictionaries(
    {"type": st.sampled_from(["page.visited", "form.submitted", "contact.tagged"]) | json_values, "contact": contacts},
    optional={
        "data": st.just({"url": "u"}) | json_values,
        "occurredAt": st.just("2025-11-25T03:36:00Z") | json_values,
        "dedupKey": st.text(max_size=5) | json_values,
        "other": json_values,
    },
)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_is_read_or_refused(raw: bytes) -> None:
    try:
        intake = read_events(raw, ORIGIN)
    except (Malformed, Invalid):
        return
    assert intake.count >= 1


@given(st.lists(events, min_size=1, max_size=4))
def test_every_event_is_taken_or_refused_with_a_place_and_a_reason(given_events: list[Any]) -> None:
    intake = read_events(json.dumps({"events": given_events}).encode(), ORIGIN)
    assert sorted([*intake.places, *intake.refused]) == list(range(len(given_events)))
    for problems in intake.refused.values():
        assert problems
        assert all(problem.detail and (not problem.pointer or problem.pointer[0] == "/") for problem in problems)
    # what was taken can be written down, and comes back the same
    for call in intake.calls:
        msgspec.json.encode(call)


@given(st.lists(events, min_size=1, max_size=3))
def test_the_slow_way_comes_to_the_same(given_events: list[Any]) -> None:
    raw = json.dumps({"events": given_events}).encode()
    quick = read_events(raw, ORIGIN)
    apart, single = ingest._apart(raw)
    slow = ingest._intake(apart, ORIGIN, single=single)
    assert (quick.calls, quick.places) == (slow.calls, slow.places)
    assert quick.refused.keys() == slow.refused.keys()


@pytest.mark.parametrize("pointer", ["/contact", "/events"])
def test_one_call_brings_only_so_many_changes(monkeypatch: pytest.MonkeyPatch, pointer: str) -> None:
    monkeypatch.setattr(ingest, "CHANGES_LIMIT", 3)
    event = {
        "type": "page.visited",
        "contact": {"email": "a@x.pl", "tags": ["A", "B"]},
        "data": {"url": "https://x.pl/"},
    }
    read(event)
    more = (
        {**event, "contact": {"email": "b@x.pl", "tags": ["A", "B", "C", "D"]}}
        if pointer == "/contact"
        else {"events": [event, event]}
    )
    with pytest.raises(Invalid) as refused:
        read(more)
    (problem,) = refused.value.problems
    assert problem.pointer == pointer
    assert "at most 3 changes of contacts in one call, and this asks for 4" in problem.detail
