"""Reading what a user gives for a rule: what passes, and every fault with its pointer, all at once."""

import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.core.actions import Action, EmitEvent, Webhook
from goniec.core.checks import SETTABLE
from goniec.core.conditions import All
from goniec.core.drafts import PROBLEM_LIMIT, check, decode_draft, read_draft
from goniec.core.events import EVENT_TYPES
from goniec.core.problems import Invalid
from goniec.core.rules import RuleDraft, RuleSet
from goniec.core.triggers import Trigger
from tests.core.build import NOW, rule
from tests.core.test_events import JSON

FUNNELS = {"Sprzedaż": ("Lead", "Oferta")}
HOOK = {"type": "webhook", "url": "https://crm.example/hook", "basicAuth": {"username": "goniec", "password": "pa:ss"}}
PLAIN: dict[str, Any] = {
    "name": "VIP to CRM",
    "description": "new VIP\nfor the CRM",
    "active": True,
    "triggers": [{"type": "contact.tagged", "tags": ["VIP"]}],
    "conditions": {"type": "all", "of": [{"type": "score", "op": "gte", "value": 10}]},
    "actions": [HOOK, {"type": "addTag", "tag": "SYNCED"}],
    "otherwise": [],
    "maxRuns": None,
    "minInterval": None,
    "validFrom": None,
    "validTo": None,
}


def refused(data: object) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        read_draft(data, FUNNELS)
    found = {problem.pointer: problem.detail for problem in caught.value.problems}
    assert len(found) == len(caught.value.problems)
    assert all(found.values())
    return found


def test_a_rule_as_the_contract_shows_it() -> None:
    draft = read_draft(PLAIN, FUNNELS)
    assert draft.name == "VIP to CRM"
    assert draft.position is None
    assert isinstance(draft.actions[0], Webhook)
    assert draft == decode_draft(PLAIN) == msgspec.convert(PLAIN, RuleDraft)
    assert check(draft, FUNNELS) == []


def test_the_least_that_a_rule_needs() -> None:
    draft = read_draft({"name": "n", "triggers": [{"type": "contact.created"}]}, {})
    assert draft.conditions == All()
    assert (draft.active, draft.actions, draft.max_runs) == (False, (), None)


def test_what_was_read_can_be_sent_back() -> None:
    stored = json.loads(msgspec.json.encode(rule(maxRuns=3))) | {"createdAt": "2026-11-25T03:36:00Z", "updatedAt": NOW}
    draft = read_draft(stored, {})
    assert (draft.id, draft.version, draft.position, draft.max_runs) == ("rul_1", 1, 0, 3)
    stored["actions"] = [
        {"type": "webhook", "endpointId": "end_1", "url": "https://x.example", "basicAuth": {"username": "u", "passwordSet": True}}
    ]  # fmt: skip
    assert read_draft(stored, {}).actions[0] == msgspec.convert(stored["actions"][0], Webhook)


def test_all_faults_are_told_at_once() -> None:
    found = refused(
        {
            "name": " ",
            "nmae": "typo",
            "maxRuns": 0,
            "validFrom": "2026-01-01",
            "triggers": [{"type": "contact.taged"}, {"type": "contact.tagged", "tags": ["!"]}, 7, {}],
            "conditions": {
                "type": "all",
                "of": [
                    {"type": "score", "op": "gte", "value": "abc"},
                    {"type": "scroe"},
                    {"type": "any", "of": [], "off": 1},
                    {"type": "not", "of": 7},
                    {"type": "any"},
                ],
            },
            "actions": [{"type": "addTag"}, {"type": "webhook", "basicAuth": {"username": "a:b"}}, "x"],
            "otherwise": 7,
        }
    )
    assert found == {
        "/name": "cannot be empty",
        "/nmae": found["/nmae"],
        "/maxRuns": "Expected whole number >= 1",
        "/validFrom": found["/validFrom"],
        "/triggers/0/type": f"unknown (did you mean contact.tagged?); it is one of {', '.join(EVENT_TYPES)}",
        "/triggers/1/tags/0": "a tag needs a letter or a digit",
        "/triggers/2": "Expected object",
        "/triggers/3/type": f"is required; it is one of {', '.join(EVENT_TYPES)}",
        "/conditions/of/0/value": 'a number is needed, such as 9 (not "9")',
        "/conditions/of/1/type": found["/conditions/of/1/type"],
        "/conditions/of/2/off": "unknown key (did you mean of?)",
        "/conditions/of/3/of": "Expected list, got whole number",
        "/conditions/of/4/of": "is required",
        "/actions/0/tag": "is required",
        "/actions/1/url": "a URL is needed, or the id of an endpoint (endpointId)",
        "/actions/1/basicAuth/username": "cannot hold a colon: it would end the user name (RFC 7617)",
        "/actions/2": "Expected object",
        "/otherwise": "Expected list",
    }
    assert found["/nmae"].startswith("unknown key (did you mean name?); known are id, version, name, ")
    assert found["/conditions/of/1/type"].startswith(
        "unknown (did you mean score?); it is one of all, any, not, hasTag, "
    )


@pytest.mark.parametrize("data", [None, [], "x", 7])
def test_a_rule_is_an_object(data: object) -> None:
    assert refused(data) == {"": "Expected object"}


def test_nothing_at_all() -> None:
    assert refused({}) == {"/name": "is required", "/triggers": "is required"}


def test_decoding_asks_only_for_the_shape() -> None:
    assert decode_draft(PLAIN | {"name": "", "triggers": []}).triggers == ()
    with pytest.raises(Invalid) as caught:
        decode_draft(PLAIN | {"name": 7, "triggers": [{}]})
    assert [problem.pointer for problem in caught.value.problems] == ["/name", "/triggers/0/type"]


def test_the_list_of_faults_has_an_end() -> None:
    assert len(refused(PLAIN | {f"k{n}": 1 for n in range(200)})) == PROBLEM_LIMIT


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"name": "x" * 201}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"name": None}, "/name"),
        ({"name": "a\0b"}, "/name"),
        ({"description": "x" * 10_001}, "/description"),
        ({"description": "\x07"}, "/description"),
        ({"description": None}, "/description"),
        ({"group": "x" * 201}, "/group"),
        ({"active": "yes"}, "/active"),
        ({"position": -1}, "/position"),
        ({"maxRuns": 0}, "/maxRuns"),
        ({"maxRuns": True}, "/maxRuns"),
        ({"minInterval": "1 day"}, "/minInterval"),
        ({"minInterval": "P1Y"}, "/minInterval"),
        ({"maxAge": "-PT1S"}, "/maxAge"),
        ({"validFrom": "2026-01-01T00:00:00"}, "/validFrom"),
        ({"validTo": "x"}, "/validTo"),
        ({"validFrom": "2026-01-01T00:00:00Z", "validTo": "2026-01-01T01:00:00+01:00"}, "/validTo"),
        ({"timezone": "Mars/Base"}, "/timezone"),
        ({"timezone": "../../etc/passwd"}, "/timezone"),
        ({"timezone": ""}, "/timezone"),
        ({"timezone": "Europe"}, "/timezone"),
        ({"triggers": []}, "/triggers"),
        ({"triggers": {}}, "/triggers"),
        ({"triggers": [{"type": "contact.created"}] * 51}, "/triggers"),
        ({"triggers": [{"type": ["contact.created"]}]}, "/triggers/0/type"),
        ({"triggers": [{"type": "contact.tagged", "tag": "x"}]}, "/triggers/0/tag"),
        ({"triggers": [{"type": "contact.stage_entered", "funnel": "Zakup"}]}, "/triggers/0/funnel"),
        ({"triggers": [{"type": "contact.stage_entered", "funnel": "Sprzedaż", "stages": ["Lead", "x"]}]},
         "/triggers/0/stages/1"),
        ({"triggers": [{"type": "contact.score_changed", "scope": "stage", "funnel": "Sprzedaż", "stage": "x"}]},
         "/triggers/0/stage"),
        ({"conditions": None}, "/conditions"),
        ({"conditions": {"type": "any", "of": []}}, "/conditions/of"),
        ({"conditions": {"type": "inStage", "funnel": "x"}}, "/conditions/funnel"),
        ({"conditions": {"type": "all", "of": [{"type": "stageScore", "funnel": "x", "op": "exists"}]}},
         "/conditions/of/0/funnel"),
        ({"conditions": {"type": "eventData", "path": "url", "op": "exists"}}, "/conditions/path"),
        ({"conditions": {"type": "eventData", "path": "..", "op": "exists"}}, "/conditions/path"),
        ({"actions": [{"type": "addTag", "tag": "x"}] * 51}, "/actions"),
        ({"otherwise": [{"type": "moveToStage", "funnel": "Sprzedaż", "stage": "x"}]}, "/otherwise/0/stage"),
        ({"otherwise": [{"type": "removeFromFunnel", "funnel": "x"}]}, "/otherwise/0/funnel"),
        ({"mail": {"perDay": 0}}, "/mail/perDay"),
        ({"mail": {"quietHours": {"from": "25:00", "until": "08:00"}}}, "/mail/quietHours/from"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_in_a_rule(changed: dict[str, Any], where: str) -> None:
    assert list(refused(PLAIN | changed)) == [where]


@pytest.mark.parametrize(
    "changed",
    [
        {"group": ""},
        {"group": "Sklep"},
        {"description": ""},
        {"minInterval": "PT0S", "maxAge": "P1DT1H"},
        {"validFrom": "2026-01-01T00:00:00Z", "validTo": "2026-01-01T01:00:00.001+01:00"},
        {"validFrom": "2026-01-01T00:00:00Z"},
        {"timezone": "Pacific/Auckland"},
        {"position": 0},
        {"maxRuns": 1},
        {"triggers": [{"type": "contact.stage_entered", "funnel": "Sprzedaż", "stages": ["Lead"]}]},
        {"conditions": {"type": "all", "of": []}},
        {"conditions": {"type": "eventData", "path": "tag", "op": "eq", "value": "VIP"}},
        {"actions": [], "otherwise": [HOOK]},
    ],
)
def test_what_makes_sense(changed: dict[str, Any]) -> None:
    assert read_draft(PLAIN | changed, FUNNELS)


def test_a_path_is_looked_for_in_all_events_of_the_rule() -> None:
    triggers = [{"type": "contact.tagged"}, {"type": "page.visited"}, {"type": "contact.erased"}]
    conditions = {"type": "eventData", "path": "title", "op": "exists"}
    assert read_draft(PLAIN | {"triggers": triggers, "conditions": conditions}, {})
    conditions["path"] = "titel"
    detail = refused(PLAIN | {"triggers": triggers, "conditions": conditions})["/conditions/path"]
    assert detail.endswith("what they have: referrer, seconds, tag, tagScore, title, url")
    only_empty = PLAIN | {"triggers": triggers[2:], "conditions": conditions}
    assert refused(only_empty)["/conditions/path"].endswith("what they have: none at all")
    unreadable = PLAIN | {"triggers": [{}], "conditions": conditions}
    assert list(refused(unreadable)) == ["/triggers/0/type"]


ACTIONS: list[tuple[dict[str, Any], list[str]]] = [
    ({"type": "webhook", "endpointId": "end_1"}, []),
    ({"type": "webhook", "url": "x" * 2049}, ["/url"]),
    ({"type": "webhook", "url": "\thttps://x.pl \n"}, []),
    ({"type": "webhook", "url": " "}, ["/url"]),
    ({"type": "webhook", "endpointId": ""}, ["/endpointId"]),
    ({"type": "webhook", "url": "https://x.pl", "basicAuth": {"username": "", "password": ""}}, []),
    ({"type": "webhook", "url": "https://x.pl", "basicAuth": {"username": "jan", "password": "pa:ss#?@€ż"}}, []),
    ({"type": "webhook", "url": "https://x.pl", "basicAuth": {"username": "jan", "password": None}}, []),
    ({"type": "webhook", "url": "https://x.pl", "basicAuth": {"username": "jan"}}, []),
    ({"type": "webhook", "url": "https://x.pl", "basicAuth": {"username": "a\nb", "password": "c\x7f"}},
     ["/basicAuth/username", "/basicAuth/password"]),
    ({"type": "webhook", "url": "https://x.pl", "basicAuth": {"username": "a" * 1001}}, ["/basicAuth/username"]),
    ({"type": "webhook", "url": "https://x.pl", "basicAuth": {}}, ["/basicAuth/username"]),
    ({"type": "addTag", "tag": "nowy klient"}, []),
    ({"type": "addTag", "tag": ""}, ["/tag"]),
    ({"type": "removeTag", "tag": "x" * 101}, ["/tag"]),
    ({"type": "addScore", "points": -5}, []),
    ({"type": "addScore", "points": 2**31}, ["/points"]),
    ({"type": "addScore", "points": "5"}, ["/points"]),
    ({"type": "setScore", "value": -(2**31) - 1}, ["/value"]),
    ({"type": "setDetail", "name": "__proto__", "value": True}, []),
    ({"type": "setDetail", "name": "e-mail z firmy", "value": "a\nb"}, []),
    ({"type": "setDetail", "name": " ", "value": " "}, ["/name", "/value"]),
    ({"type": "setDetail", "name": "a.b", "value": "x" * 10_001}, ["/value"]),
    ({"type": "setDetail", "name": "a.b", "value": None}, ["/value"]),
    ({"type": "setDetail", "name": "a.b", "value": 1.5}, []),
    ({"type": "setDetail", "name": "a.b", "value": float("inf")}, ["/value"]),
    ({"type": "removeDetail", "name": ""}, ["/name"]),
    ({"type": "setField", "field": "email", "value": "x@y.pl"}, ["/field"]),
    ({"type": "setField", "field": "company", "value": None}, []),
    ({"type": "setField", "field": "company", "value": " "}, ["/value"]),
    ({"type": "setField", "field": "name", "value": "a\nb"}, ["/value"]),
    ({"type": "setField", "field": "phone", "value": "6" * 65}, ["/value"]),
    ({"type": "setField", "field": "timezone", "value": "Europe/Warsaw"}, []),
    ({"type": "setField", "field": "timezone", "value": "Mars"}, ["/value"]),
    ({"type": "setState", "state": "PARTNER"}, []),
    ({"type": "setState", "state": "partner"}, ["/state"]),
    ({"type": "setOwner", "owner": None}, []),
    ({"type": "setOwner", "owner": ""}, ["/owner"]),
    ({"type": "moveToStage", "funnel": "Sprzedaż", "stage": "Oferta"}, []),
    ({"type": "removeFromFunnel", "funnel": "Sprzedaż"}, []),
    ({"type": "addNote", "text": "a\nb"}, []),
    ({"type": "addNote", "text": ""}, ["/text"]),
    ({"type": "optIn", "channel": "email"}, []),
    ({"type": "optOut", "channel": "fax"}, ["/channel"]),
    ({"type": "emitEvent", "kind": "CART", "data": {"value": 5}}, []),
    ({"type": "emitEvent", "kind": "", "data": {}}, ["/kind"]),
    ({"type": "emitEvent", "kind": "CART", "data": {"value": "5"}}, ["/data/value"]),
    ({"type": "emitEvent", "kind": "CART", "data": {"kind": "x"}}, ["/data/kind"]),
    ({"type": "emitEvent", "kind": "CART", "data": {"properties": {"a": "x" * 70_000}}}, ["/data"]),
    ({"type": "sendEmail", "message": "msg_1"}, []),
    ({"type": "sendEmail", "message": ""}, ["/message"]),
    ({"type": "sendEmail"}, ["/message"]),
    ({"type": "notifyUser", "user": "owner", "subject": "Hi {{ contact.name }}", "text": "a\nb"}, []),
    ({"type": "notifyUser", "user": "", "subject": "a\nb", "text": "{% if %}"}, ["/user", "/subject", "/text"]),
    ({"type": "addTag", "tag": "x", "delay": "PT1H"}, ["/delay"]),
    ({"type": "sing"}, ["/type"]),
]  # fmt: skip


@pytest.mark.parametrize(("action", "where"), ACTIONS)
def test_actions(action: dict[str, Any], where: list[str]) -> None:
    data = PLAIN | {"otherwise": [{"type": "addTag", "tag": "FIRST"}, action]}
    if where:
        assert list(refused(data)) == ["/otherwise/1" + pointer for pointer in where]
    else:
        assert read_draft(data, FUNNELS)


def test_every_kind_of_action_was_tried() -> None:
    known = {str(kind.__struct_config__.tag) for kind in get_args(Action)}
    assert {action["type"] for action, _ in ACTIONS} == known | {"sing"}
    assert {action["field"] for action, where in ACTIONS if "field" in action and not where} <= set(SETTABLE)


def test_an_event_to_be_raised_gets_its_usual_kind() -> None:
    draft = read_draft(PLAIN | {"actions": [{"type": "emitEvent", "kind": "purchase"}]}, {})
    assert draft.actions == (EmitEvent("PURCHASE"),)


def test_groups_nested_without_end() -> None:
    tree: dict[str, Any] = {"type": "score", "op": "gte", "value": 1}
    for _ in range(20):
        tree = {"type": "not", "of": [tree]}
    assert read_draft(PLAIN | {"conditions": tree}, {})
    assert list(refused(PLAIN | {"conditions": {"type": "all", "of": [tree]}})) == ["/conditions" + "/of/0" * 20]
    for _ in range(10_000):
        tree = {"type": "not", "of": [tree]}
    ((pointer, detail),) = refused(PLAIN | {"conditions": tree}).items()
    assert pointer.startswith("/conditions/of/0/of/0")
    assert detail == "nested deeper than 100 levels"


def test_a_password_is_never_repeated() -> None:
    secret = "tajne\x01hasło"
    hook = {"type": "webhook", "url": "https://x.pl", "basicAuth": {"username": "a:b", "password": secret}}
    told = json.dumps(refused(PLAIN | {"actions": [hook]}), ensure_ascii=False)
    assert "tajne" not in told
    assert "hasło" not in told


KINDS = [str(kind.__struct_config__.tag) for kind in get_args(Trigger)]
LOOSE = st.fixed_dictionaries(
    {"name": st.text(max_size=3), "triggers": st.lists(st.fixed_dictionaries({"type": st.sampled_from(KINDS)}), max_size=3)},
    optional={
        "conditions": st.recursive(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["score", "detail", "eventData", "hasTag"])},
                optional={
                    "op": st.sampled_from(["eq", "gt", "in", "matches", "between", "withinLast"]),
                    "value": JSON, "name": st.text(max_size=2), "path": st.text("a./~", max_size=4), "tags": JSON,
                },
            ),
            lambda inner: st.fixed_dictionaries(
                {"type": st.sampled_from(["all", "any", "not"]), "of": st.lists(inner, max_size=3)}
            ),
            max_leaves=5,
        ),
        "actions": st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["addTag", "setDetail", "addScore", "emitEvent", "webhook"])},
                optional={"tag": JSON, "name": JSON, "value": JSON, "points": JSON, "kind": JSON, "data": JSON, "url": JSON},
            ),
            max_size=2,
        ),
        "minInterval": st.text("PT1DHM", max_size=4), "validFrom": JSON, "timezone": st.text(max_size=4), "x": JSON,
    },
)  # fmt: skip


@given(LOOSE | JSON)
def test_whatever_is_given_is_refused_by_pointer_or_compiles(data: object) -> None:
    try:
        draft = read_draft(data, {})
    except Invalid as invalid:
        pointers = [problem.pointer for problem in invalid.problems]
    else:
        pointers = []
        plain = {key: value for key, value in msgspec.to_builtins(draft).items() if value is not None}
        stored = rule(**{"conditions": {"type": "all"}} | plain | {"active": True})
        assert RuleSet([stored]).broken == {}
    assert all(pointer == "" or pointer.startswith("/") for pointer in pointers)


def matching_rule(conditions: int, filters: int) -> dict[str, Any]:
    properties = {f"p{n}": {"op": "matches", "value": "a+$"} for n in range(filters)}
    parts = [{"type": "detail", "name": "d", "op": "matches", "value": "(a+)+$"} for _ in range(conditions)]
    trigger = {"type": "external_event.added"} | ({"properties": properties} if properties else {})
    return {"name": "x", "triggers": [trigger], "conditions": {"type": "any", "of": [{"type": "hasEmail"}, *parts]}}


@pytest.mark.parametrize(("conditions", "filters"), [(20, 0), (0, 20), (10, 10)])
def test_a_rule_may_look_for_some_patterns(conditions: int, filters: int) -> None:
    read_draft(matching_rule(conditions, filters), {})


@pytest.mark.parametrize(
    ("conditions", "filters", "place"),
    [(21, 0, "/conditions/of/21/op"), (0, 21, "/triggers/0/properties/p20/op"), (11, 10, "/conditions/of/11/op")],
)
def test_a_rule_may_not_look_for_many_patterns(conditions: int, filters: int, place: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_draft(matching_rule(conditions, filters), {})
    assert [problem.pointer for problem in refused.value.problems] == [place]
    assert "at most 20" in refused.value.problems[0].detail
