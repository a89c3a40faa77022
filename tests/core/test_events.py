"""The types of event and the check of their data."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from goniec.core.changes import fold
from goniec.core.events import DATA_LIMIT, EVENT_TYPES, KINDS, check_data, outside, usual_kind
from goniec.core.model import Event
from goniec.core.problems import Invalid
from goniec.core.shapes import DEPTH_LIMIT
from tests.core.build import NOW, contact

SAMPLES: dict[str, list[dict[str, Any]]] = {
    "contact.created": [
        {"source": "api", "fields": {"email": "jan@x.pl", "phone": "600", "name": "Jan", "company": "M&M"}},
        {"source": "import", "fields": {"externalId": "7", "language": "pl", "timezone": "Europe/Warsaw"}},
    ],
    "contact.readded": [{"source": "panel"}],
    "contact.changed": [{"changes": [{"field": "name", "old": None, "new": "Jan"}]}],
    "contact.detail_added": [{"name": "a.b", "old": None, "new": True}],
    "contact.detail_changed": [{"name": "__proto__", "old": 1.5, "new": "x"}],
    "contact.detail_removed": [{"name": "e-mail z firmy", "old": 7, "new": None}],
    "contact.tagged": [{"tag": "VIP", "tagScore": 0}],
    "contact.untagged": [{"tag": "VIP", "tagScore": 3, "addedAt": 1}],
    "contact.score_changed": [
        {"old": 0, "new": 5, "scope": "contact"},
        {"old": 0, "new": 5, "scope": "tag", "tag": "VIP"},
        {"old": 0, "new": 5, "scope": "stage", "funnel": "F", "stage": "s"},
    ],
    "contact.stage_entered": [{"funnel": "F", "stage": "s", "from": None}],
    "contact.stage_left": [{"funnel": "F", "stage": "s", "stageScore": 1, "since": 1}],
    "contact.owner_changed": [{"old": None, "new": "ola"}],
    "contact.state_changed": [{"old": "UNKNOWN", "new": "CUSTOMER"}],
    "contact.note_added": [{"text": "n"}],
    "contact.opted_in": [{"channel": "email", "old": None}],
    "contact.opted_out": [
        {"channel": "phone", "old": True},
        {"channel": "email", "old": False, "message": "m", "delivery": "d", "complaint": True, "first": True},
    ],
    "contact.bounce_lifted": [{"email": "jan@x.pl"}],
    "consent.assigned": [{"consent": "news", "granted": True, "old": False}],
    "contact.merged": [{"from": "c2"}],
    "contact.erased": [{}],
    "email.sent": [{"message": "m", "machine": False, "first": True, "subject": "s"}],
    "email.opened": [{"message": "m", "machine": True, "first": False}],
    "email.clicked": [{"message": "m", "machine": False, "first": False, "url": "https://x.pl"}],
    "email.bounced": [{"message": "m", "machine": False, "first": False, "reason": "550"}],
    "page.visited": [{"url": "https://x.pl"}, {"url": "/a", "title": "t", "referrer": "", "seconds": 1.5}],
    "form.submitted": [{"form": "f", "fields": {"a": "1", "b": 2, "c": 1.5, "d": True, "e": None}}],
    "external_event.added": [
        {"kind": "PURCHASE", "value": 1, "products": ["1", 2, {"id": 3}], "detail20": "x", "properties": {"a": [{}]}}
    ],
    "external_event.changed": [
        {"kind": "x", "value": 1.5, "description": "d", "location": "l", "externalId": "e"}
    ],
    "date.upcoming": [{"detail": "birthday", "date": "2026-11-25", "days": 3}],
    "contact.inactive": [{"days": 30}],
    "webhook.failed": [{"delivery": "d", "endpoint": "e", "rule": "r"}],
    "rule.requested": [{"rule": "r", "by": "ola"}],
}  # fmt: skip


def refused(kind: str, data: object) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as caught:
        check_data(kind, data)
    return [(problem.pointer, problem.detail) for problem in caught.value.problems]


def test_every_type_has_a_sample_that_passes_unchanged() -> None:
    assert list(SAMPLES) == list(EVENT_TYPES)
    for kind, samples in SAMPLES.items():
        for data in samples:
            assert check_data(kind, data) == data


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_every_type_refuses_a_key_that_it_does_not_know(kind: str) -> None:
    for data in SAMPLES[kind]:
        assert refused(kind, data | {"a/b": 1}) == [("/a~1b", "unknown key")]


@pytest.mark.parametrize("kind", [kind for kind, samples in SAMPLES.items() if samples[0]])
def test_every_type_but_the_empty_one_misses_what_it_needs(kind: str) -> None:
    assert [detail for _, detail in refused(kind, {})] == ["is required"]


def test_what_may_come_from_outside() -> None:
    assert [kind.name for kind in EVENT_TYPES.values() if kind.outside] == [
        "email.sent", "email.opened", "email.clicked", "email.bounced",
        "page.visited", "form.submitted", "external_event.added", "external_event.changed",
    ]  # fmt: skip
    assert outside("page.visited") is EVENT_TYPES["page.visited"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("contact.tagged", "use POST /contacts/{id}/tags"),
        ("contact.erased", "use DELETE /contacts/{id}"),
        ("rule.requested", "use POST /rules/{id}/run"),
        ("webhook.failed", "Goniec raises it by itself"),
        ("page.visit", "there is no such event type (did you mean page.visited?); POST /events takes email.sent,"),
    ],
)
def test_what_may_not_come_from_outside_names_the_call_to_use(kind: str, said: str) -> None:
    with pytest.raises(Invalid) as caught:
        outside(kind)
    (problem,) = caught.value.problems
    assert problem.pointer == "/type"
    assert said in problem.detail


def test_behaviour_is_what_a_person_does() -> None:
    active = {kind for kind, known in EVENT_TYPES.items() if known.is_activity({})}
    assert active == {
        "email.opened", "email.clicked", "page.visited", "form.submitted", "external_event.added", "external_event.changed",
    }  # fmt: skip
    assert not EVENT_TYPES["email.opened"].is_activity({"machine": True})
    assert EVENT_TYPES["email.opened"].is_activity({"machine": False})


def test_a_machine_that_opens_a_message_does_not_make_the_contact_active() -> None:
    opened = Event(
        id="evt_1", type="email.opened", contact_id="c1", seq=2, occurred_at=NOW, received_at=NOW, source="api",
        data={"message": "m", "machine": True, "first": True},
    )  # fmt: skip
    assert fold(contact(), opened).last_activity_at is None
    by_a_person = replace(opened, data={"message": "m", "machine": False, "first": True})
    assert fold(contact(), by_a_person).last_activity_at == NOW


def test_the_keys_of_data_are_written_as_outside() -> None:
    assert EVENT_TYPES["contact.stage_left"].keys == ("funnel", "stage", "stageScore", "since")
    assert EVENT_TYPES["contact.stage_entered"].keys == ("funnel", "stage", "from")


def test_what_mail_events_leave_out_is_filled_in() -> None:
    assert check_data("email.opened", {"message": "m"}) == {"message": "m", "machine": False, "first": False}
    assert check_data("email.opened", {"message": "m", "first": True})["first"] is True
    assert check_data("form.submitted", {"form": "f"}) == {"form": "f", "fields": {}}


def test_data_that_needs_nothing_is_not_copied() -> None:
    visit = {"url": "https://x.pl"}
    assert check_data("page.visited", visit) is visit
    bought = {"kind": "PURCHASE"}
    assert check_data("external_event.added", bought) is bought


def test_a_usual_kind_is_written_in_capitals_and_any_other_as_given() -> None:
    given_data = {"kind": "purchase"}
    assert check_data("external_event.added", given_data) == {"kind": "PURCHASE"}
    assert given_data == {"kind": "purchase"}
    assert check_data("external_event.changed", {"kind": "Obejrzał film"}) == {"kind": "Obejrzał film"}
    assert [usual_kind(kind.lower()) for kind in KINDS] == list(KINDS)


@pytest.mark.parametrize(
    ("kind", "data", "pointer", "said"),
    [
        ("page.visited", [], "", "Expected object"),
        ("page.visited", None, "", "Expected object"),
        ("page.visited", {"url": 7}, "/url", "Expected text, got whole number"),
        ("page.visited", {"url": ""}, "/url", "Expected text of length >= 1"),
        ("page.visited", {"url": "x" * 2049}, "/url", "Expected text of length <= 2048"),
        ("page.visited", {"url": "x", "seconds": -1}, "/seconds", "Expected whole number >= 0"),
        ("page.visited", {"url": "x", "seconds": -0.5}, "/seconds", "Expected number >= 0.0"),
        ("page.visited", {"url": "x", "seconds": float("inf")}, "/seconds", "a number must be finite"),
        ("page.visited", {"url": "x\0"}, "/url", "a text cannot hold the character NUL (U+0000)"),
        ("page.visited", {"url": "\ud83d"}, "/url", "a text cannot hold half of a surrogate pair (U+D83D)"),
        ("email.sent", {"message": "m", "first": 1}, "/first", "Expected true or false, got whole number"),
        ("form.submitted", {"form": "f", "fields": {"a": []}}, "/fields", "Expected true or false or"),
        ("form.submitted", {"form": "f", "fields": {"a": 2**70}}, "/fields/a", "a whole number must fit into 64 bits"),
        ("external_event.added", {"kind": "x", "value": "9"}, "/value", "got text"),
        ("external_event.added", {"kind": "x", "value": True}, "/value", "got true or false"),
        ("external_event.added", {"kind": "x", "value": 2**63}, "/value", "Expected whole number <= 9223372036854775807"),
        ("external_event.added", {"kind": "x", "value": float("nan")}, "/value", "a number must be finite"),
        ("external_event.added", {"kind": "x", "products": [[]]}, "/products/0", "got list"),
        ("external_event.added", {"kind": "x", "detail21": "y"}, "/detail21", "unknown key"),
        ("external_event.added", {"kind": "x", "properties": {"a/b": ["\0"]}}, "/properties/a~1b/0", "NUL"),
        ("external_event.added", {"kind": "x", "properties": {"\0": 1}}, "/properties", "a key cannot hold the character"),
        ("external_event.added", {"kind": "x", "properties": {"a": -(2**64)}}, "/properties/a", "64 bits"),
    ],
)  # fmt: skip
def test_what_is_refused(kind: str, data: object, pointer: str, said: str) -> None:
    ((where, detail),) = refused(kind, data)
    assert where == pointer
    assert said in detail


def test_several_faults_that_no_type_shows_are_told_together() -> None:
    properties = {"a": "\0", "b": "\udfff", "c": float("nan"), "d": 2**65, "e": "fine"}
    found = refused("external_event.added", {"kind": "x", "properties": properties})
    assert [where for where, _ in found] == [f"/properties/{key}" for key in "abcd"]


def test_nesting_has_an_end() -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: Any = "x"
        for level in range(levels):
            value = [value] if level % 2 else {"k": value}
        return {"kind": "x", "properties": {"deep": value}}

    within = nested(DEPTH_LIMIT - 2)
    assert check_data("external_event.added", within) is within
    ((where, detail),) = refused("external_event.added", nested(DEPTH_LIMIT - 1))
    assert where.startswith("/properties/deep/")
    assert detail == "nested deeper than 32 levels"
    assert refused("external_event.added", nested(100_000))[0][1] == "nested deeper than 32 levels"


def test_size_has_an_end() -> None:
    frame = len(msgspec.json.encode({"kind": "x", "properties": {"a": ""}}))
    fits = {"kind": "x", "properties": {"a": "x" * (DATA_LIMIT - frame)}}
    assert check_data("external_event.added", fits) is fits
    fits["properties"] = {"a": "x" * (DATA_LIMIT - frame + 1)}
    assert refused("external_event.added", fits) == [("", "at most 65536 bytes as JSON, and this has 65537")]


@pytest.mark.parametrize(
    "properties",
    [
        {"a": None},
        {"a": "null"},
        {"a": "\\u0000"},
        {"a": [[], [], {}] * 20},
        {"a": 2**64 - 1, "b": -(2**63), "c": "😱 ąę \u2028 \t \x7f"},
    ],
)
def test_what_only_looks_suspicious_passes(properties: dict[str, Any]) -> None:
    data = {"kind": "x", "properties": properties}
    assert check_data("external_event.added", data) is data


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.sampled_from(sorted(EVENT_TYPES)),
    st.dictionaries(st.sampled_from(["kind", "url", "message", "form", "properties", "products", "fields"]), JSON) | JSON,
)  # fmt: skip
def test_data_is_refused_by_pointer_or_can_be_stored_and_passes_again(kind: str, data: object) -> None:
    try:
        checked = check_data(kind, data)
    except Invalid as invalid:
        problems = invalid.problems
    else:
        problems = ()
        assert "\\u0000" not in json.dumps(checked).replace("\\\\", "")
        assert check_data(kind, msgspec.json.decode(msgspec.json.encode(checked))) == checked
    assert all(problem.pointer == "" or problem.pointer.startswith("/") for problem in problems)
