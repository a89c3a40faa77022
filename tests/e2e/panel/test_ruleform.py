"""The rule form as a thing of its own: from a rule to fields and back, and what its buttons do. No server in here."""

from typing import Any, get_args
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.core.actions import Action
from goniec.core.leaves import Leaf
from goniec.core.triggers import Trigger
from goniec.web.panel import fields as kinds
from goniec.web.panel.forms import Form
from goniec.web.panel.reshaping import reshaped, settled
from goniec.web.panel.ruleform import read, rule_of, shown

WARSAW = ZoneInfo("Europe/Warsaw")

TRIGGERS: list[dict[str, Any]] = [
    {"type": "contact.created"},
    {"type": "contact.created", "source": ["api", "import"], "notSourceKey": ["crm"]},
    {"type": "contact.changed", "fields": ["email", "phone"]},
    {"type": "contact.detail_added", "names": ["kolor"], "values": ["czerwony", 7, 7.5, True]},
    {"type": "contact.tagged", "tags": ["VIP", "HURT, DETAL"]},
    {"type": "contact.score_changed", "mode": "equals", "value": -100},
    {"type": "contact.score_changed", "mode": "crossed", "value": 5, "scope": "tag", "tag": "VIP"},
    {"type": "contact.score_changed"},
    {"type": "contact.stage_entered", "funnel": "Sprzedaż", "stages": ["Wygrana"]},
    {"type": "contact.opted_in", "channel": "phone"},
    {"type": "consent.assigned", "consent": "newsletter", "granted": False},
    {"type": "email.opened", "machine": None, "first": True},
    {"type": "email.opened", "machine": True},
    {"type": "email.clicked", "urls": ["https://a.example/**"], "messages": ["welcome"]},
    {"type": "external_event.added", "kinds": ["PURCHASE"], "value": {"op": "gte", "value": 99.5}, "products": ["A-1"]},
    {
        "type": "external_event.changed",
        "properties": {
            "kolor": "czerwony",
            "ilość": {"op": "between", "value": [1, 9]},
            "promocja": True,
            "kiedy": {"op": "withinLast", "value": "P1DT2H"},
            "rozmiar": {"op": "in", "value": ["M", 42]},
            "a/b": {"op": "exists"},
        },
    },
    {"type": "date.upcoming", "detail": "urodziny", "days": 0},
    {"type": "webhook.failed", "endpoints": ["end_1"], "rules": ["rul_1"]},
    {"type": "rule.requested", "rules": ["rul_2"]},
]
LEAVES: list[dict[str, Any]] = [
    {"type": "hasTag", "tags": ["VIP"]},
    {"type": "hasTag", "tags": ["A", "B"], "mode": "all"},
    {"type": "tagScore", "tag": "VIP", "op": "gt", "value": 3},
    {"type": "score", "op": "between", "value": [-5, 5]},
    {"type": "score", "op": "in", "value": [1, 2, 3]},
    {"type": "stageScore", "funnel": "Sprzedaż", "op": "exists"},
    {"type": "detail", "name": "data", "op": "withinLast", "value": "P90D"},
    {"type": "detail", "name": "data", "op": "withinLast", "value": "P1W"},
    {"type": "detail", "name": "data", "op": "before", "value": "2026-11-25T03:36:00Z"},
    {"type": "detail", "name": "liczba", "op": "eq", "value": "007"},
    {"type": "detail", "name": "liczba", "op": "eq", "value": 7},
    {"type": "detail", "name": "liczba", "op": "gte", "value": 7.25},
    {"type": "detail", "name": "zgoda", "op": "neq", "value": True},
    {"type": "detail", "name": "zgoda", "op": "eq", "value": "true"},
    {"type": "detail", "name": "x", "op": "contains", "value": " z odstępem "},
    {"type": "field", "field": "emailDomain", "op": "endsWith", "value": ".pl"},
    {"type": "state", "op": "eq", "value": "CUSTOMER"},
    {"type": "state", "op": "in", "value": ["CUSTOMER", "PARTNER"]},
    {"type": "state", "value": "OTHER"},
    {"type": "owner", "op": "exists"},
    {"type": "inStage", "funnel": "Sprzedaż"},
    {"type": "inStage", "funnel": "Sprzedaż", "stages": ["Nowa"]},
    {"type": "subscribed", "channel": "email", "value": None},
    {"type": "subscribed", "channel": "email"},
    {"type": "consent", "consent": "rodo", "granted": False},
    {"type": "hasEmail"},
    {"type": "eventData", "path": "properties.kolor", "op": "matches", "value": "^a+$"},
    {"type": "eventSource", "sources": ["rule"], "keys": ["crm"]},
]
ACTIONS: list[dict[str, Any]] = [
    {"type": "webhook", "url": "https://crm.example/hook", "endpointId": "end_1"},
    {"type": "addTag", "tag": "SYNC"},
    {"type": "addScore", "points": -10},
    {"type": "setDetail", "name": "kolor", "value": 7},
    {"type": "setDetail", "name": "kolor", "value": True},
    {"type": "setDetail", "name": "kolor", "value": "czerwony"},
    {"type": "setField", "field": "company", "value": None},
    {"type": "setOwner", "owner": None},
    {"type": "setState", "state": "PARTNER"},
    {"type": "moveToStage", "funnel": "Sprzedaż", "stage": "Wygrana"},
    {"type": "addNote", "text": "Zadzwoń\ndzisiaj"},
    {"type": "optOut", "channel": "email"},
    {"type": "emitEvent", "kind": "PURCHASE", "data": {"value": 12.5, "products": ["a"], "properties": {"x": None}}},
    {"type": "emitEvent", "kind": "OTHER", "data": {}},
]


def a_rule(**changes: Any) -> dict[str, Any]:
    rule = {
        "name": "Reguła",
        "description": "opis",
        "group": "",
        "active": True,
        "triggers": [{"type": "contact.created"}],
    }
    return rule | {"conditions": {"type": "all", "of": []}, "actions": [], "otherwise": []} | changes


def pairs(fields: Any, name: str = "") -> list[tuple[str, str]]:
    """What a browser sends for these fields."""
    match fields:
        case dict():
            return [one for key, value in fields.items() for one in pairs(value, f"{name}/{key}" if name else key)]
        case list() if fields and isinstance(fields[0], dict):
            return [one for n, value in enumerate(fields) for one in pairs(value, f"{name}/{n}")]
        case list():
            return [(name, one) for one in fields]
        case _:
            return [(name, fields)]


def round_trip(rule: dict[str, Any], zone: ZoneInfo = WARSAW) -> dict[str, Any]:
    return rule_of(settled(read(Form(pairs(shown(rule, zone))))), zone)


@pytest.mark.parametrize("trigger", TRIGGERS, ids=str)
def test_a_trigger_comes_back_as_it_was(trigger: dict[str, Any]) -> None:
    rule = a_rule(triggers=[trigger])
    assert round_trip(rule) == rule


@pytest.mark.parametrize("leaf", LEAVES, ids=str)
def test_a_condition_comes_back_as_it_was(leaf: dict[str, Any]) -> None:
    for tree in (
        {"type": "all", "of": [leaf]},
        {"type": "any", "of": [leaf, {"type": "not", "of": [leaf]}]},
        {"type": "all", "of": [{"type": "not", "of": [{"type": "any", "of": [leaf, leaf]}]}]},
        leaf,
        {"type": "not", "of": [leaf]},
    ):
        rule = a_rule(conditions=tree)
        assert round_trip(rule) == rule


@pytest.mark.parametrize("action", ACTIONS, ids=str)
def test_an_action_comes_back_as_it_was(action: dict[str, Any]) -> None:
    rule = a_rule(actions=[action], otherwise=[action, action])
    assert round_trip(rule) == rule


@pytest.mark.parametrize(
    "settings",
    [
        {"maxRuns": 3, "minInterval": "P1D", "maxAge": "PT12H"},
        {"minInterval": "P1DT2H", "maxAge": "PT90S"},
        {"position": 7, "group": "CRM", "timezone": "America/New_York"},
    ],
)
def test_settings_come_back_as_they_were(settings: dict[str, Any]) -> None:
    rule = a_rule(**settings)
    assert round_trip(rule) == rule


@pytest.mark.parametrize("zone", ["Europe/Warsaw", "America/New_York", "Asia/Kathmandu", "UTC"])
@pytest.mark.parametrize(
    "at", ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-03-29T02:30:00+02:00", "2026-11-25T03:36:07.250Z"]
)
def test_a58_times_of_validity_are_the_same_to_the_second(zone: str, at: str) -> None:
    """A58: nothing of the browser's zone is asked, and what is not touched is sent back as it was written."""
    rule = a_rule(validFrom=at, validTo="2030-01-01T00:00:00Z")
    assert round_trip(rule, ZoneInfo(zone)) == rule


def test_a_time_that_was_changed_is_read_in_the_rules_zone() -> None:
    fields = shown(a_rule(validFrom="2026-11-25T03:36:00Z"), WARSAW)
    fields["validFrom"]["at"] = "2026-12-01T08:00"
    assert rule_of(fields, WARSAW)["validFrom"] == "2026-12-01T08:00:00+01:00"


def test_a_part_that_was_changed_is_read_anew() -> None:
    rule = a_rule(conditions={"type": "all", "of": [{"type": "detail", "name": "x", "op": "eq", "value": 7}]})
    fields = shown(rule, WARSAW)
    fields["conditions"]["of"][0]["value"] = "8"
    assert rule_of(fields, WARSAW)["conditions"]["of"][0] == {"type": "detail", "name": "x", "op": "eq", "value": "8"}


def test_every_field_of_every_kind_has_its_place_in_the_form() -> None:
    for union, table in ((Trigger, kinds.TRIGGERS), (Leaf, kinds.CONDITIONS), (Action, kinds.ACTIONS)):
        assert {str(kind.__struct_config__.tag) for kind in get_args(union)} == set(table)
        for kind in get_args(union):
            tag = str(kind.__struct_config__.tag)
            if tag == "webhook":
                continue  # its fields are drawn by hand
            asked = {field.key for field in table[tag]}
            if any(field.widget in {"operand", "state"} and not field.optional for field in table[tag]):
                asked.add("op")
            if table is kinds.TRIGGERS:
                asked |= {field.key for field in kinds.SOURCE_FIELDS}
            assert asked == set(kind.__struct_encode_fields__), tag


def test_every_kind_can_be_chosen() -> None:
    assert sorted(key for _, keys in kinds.TRIGGER_GROUPS for key in keys) == sorted(kinds.TRIGGERS)
    assert sorted(key for _, keys in kinds.ACTION_GROUPS for key in keys) == sorted(kinds.ACTIONS)
    assert set(kinds.ICONS) == set(kinds.ACTIONS)
    assert set(kinds.EVENT_ICONS) == set(kinds.TRIGGERS)


@pytest.mark.parametrize(
    ("button", "expected"),
    [
        ("add/triggers", {"triggers": 2}),
        ("remove/triggers/0", {"triggers": 0}),
        ("act/actions/addTag", {"actions": 3}),
        ("act/otherwise/webhook", {"otherwise": 1}),
        ("copy/actions/0", {"actions": 3}),
        ("branch/actions/1", {"actions": 1, "otherwise": 1}),
        ("add/conditions/of", {"conditions": 3}),
        ("group/conditions/of", {"conditions": 3}),
        ("remove/conditions/of/0", {"conditions": 1}),
        ("add/conditions/of/1/of", {"conditions": 2}),
    ],
)
def test_a_button_changes_the_shape_and_loses_nothing(button: str, expected: dict[str, int]) -> None:
    tree = {"type": "all", "of": [{"type": "hasEmail"}, {"type": "any", "of": [{"type": "hasPhone"}]}]}
    rule = a_rule(conditions=tree, actions=[{"type": "addTag", "tag": "A"}, {"type": "addTag", "tag": "B"}])
    fields = settled(reshaped(shown(rule, WARSAW), button))
    counts = {"triggers": 1, "actions": 2, "otherwise": 0, "conditions": 2} | expected
    made = rule_of(fields, WARSAW)
    assert {key: len(made[key]) for key in ("triggers", "actions", "otherwise")} == {
        key: counts[key] for key in ("triggers", "actions", "otherwise")
    }
    assert len(made["conditions"]["of"]) == counts["conditions"]
    assert made["name"] == rule["name"]


def test_order_and_negation() -> None:
    rule = a_rule(
        actions=[{"type": "addTag", "tag": "A"}, {"type": "addTag", "tag": "B"}],
        conditions={"type": "all", "of": [{"type": "hasEmail"}]},
    )
    fields = shown(rule, WARSAW)
    assert [one["tag"] for one in rule_of(reshaped(fields, "up/actions/1"), WARSAW)["actions"]] == ["B", "A"]
    assert [one["tag"] for one in rule_of(reshaped(fields, "down/actions/0"), WARSAW)["actions"]] == ["A", "B"]
    negated = rule_of(reshaped(fields, "negate/conditions/of/0"), WARSAW)["conditions"]
    assert negated == {"type": "all", "of": [{"type": "not", "of": [{"type": "hasEmail"}]}]}
    assert rule_of(reshaped(fields, "negate/conditions/of/0"), WARSAW)["conditions"] == rule["conditions"]


@pytest.mark.parametrize(
    "button",
    [
        "",
        "up/actions/0",
        "remove/actions/9",
        "remove/x/y/z",
        "add/a/b/c",
        "act/actions/nothing",
        "boo",
        "remove/conditions",
        "copy/actions/-1",
        "remove/actions/" + "9" * 5_000,
        "up/actions/²",
        "add/conditions/of/" + "9" * 5_000 + "/of",
    ],
)
def test_a_button_that_leads_nowhere_changes_nothing(button: str) -> None:
    rule = a_rule(actions=[{"type": "addTag", "tag": "A"}])
    assert rule_of(settled(reshaped(shown(rule, WARSAW), button)), WARSAW) == rule


NAMES = st.lists(
    st.sampled_from(["triggers", "conditions", "of", "0", "1", "type", "actions", "value", "~was", "op", ""]),
    max_size=6,
).map("/".join)


@given(st.lists(st.tuples(NAMES, st.text(max_size=20)), max_size=20), NAMES)
def test_whatever_is_sent_is_read(sent: list[tuple[str, str]], button: str) -> None:
    """Nothing that a browser can send makes the form fall over; what makes no sense is for the core to refuse."""
    made = rule_of(settled(reshaped(read(Form(sent)), button)), WARSAW)
    msgspec.json.encode(made)


@pytest.mark.parametrize(
    "name",
    [
        "actions/" + "9" * 5_000 + "/url",
        "conditions/of/" + "9" * 5_000 + "/type",
        "conditions/" + "of/0/" * 2_000 + "type",
        "/" * 3_000,
    ],
)
def test_names_without_end_lead_nowhere(name: str) -> None:
    sent = [("name", "VIP"), ("actions/0/type", "addTag"), ("actions/0/tag", "A"), (name, "x")]
    assert rule_of(settled(read(Form(sent))), WARSAW)["actions"] == [{"type": "addTag", "tag": "A"}]


def test_what_was_is_forgotten_where_nobody_can_read_it() -> None:
    sent = [("actions/0/type", "addTag"), ("actions/0/tag", "A"), ("actions/0/~was", '{"fields":' * 5_000)]
    assert rule_of(settled(read(Form(sent))), WARSAW)["actions"] == [{"type": "addTag", "tag": "A"}]
