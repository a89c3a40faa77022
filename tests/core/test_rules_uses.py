"""Where things are used, and the labels of everything that a rule is made of."""

from typing import Any, get_args

import msgspec
import pytest

from goniec.core import labels
from goniec.core.actions import Action
from goniec.core.conditions import Condition, Group
from goniec.core.events import EVENT_TYPES
from goniec.core.leaves import Field, Leaf
from goniec.core.model import Channel, Outcome, Source, State
from goniec.core.operators import Op
from goniec.core.triggers import Trigger
from goniec.core.uses import names_used
from tests.core.build import rule


def tags_of(kinds: object) -> list[str]:
    return [str(kind.__struct_config__.tag) for kind in get_args(kinds)]


TRIGGERS: dict[str, tuple[dict[str, Any], set[tuple[str, ...]]]] = {
    "contact.tagged": ({"tags": ["vip", "new"], "notSourceKey": ["crm"]}, {("tag", "VIP"), ("tag", "NEW"), ("key", "crm")}),
    "contact.untagged": ({"tags": ["vip"]}, {("tag", "VIP")}),
    "contact.created": ({"source": ["api"], "sourceKey": ["shop"]}, {("key", "shop")}),
    "contact.detail_added": ({"names": ["a.b"], "values": ["x"]}, {("detail", "a.b")}),
    "contact.score_changed": ({"scope": "tag", "tag": "vip"}, {("tag", "VIP")}),
    "contact.stage_entered": ({"funnel": "F", "stages": ["s", "t"]}, {("funnel", "F"), ("stage", "F", "s"), ("stage", "F", "t")}),
    "contact.stage_left": ({"funnel": "F"}, {("funnel", "F")}),
    "contact.changed": ({"fields": ["name"]}, set()),
    "consent.assigned": ({"consent": "news"}, {("consent", "news")}),
    "email.clicked": ({"messages": ["m"], "urls": ["/x"]}, {("message", "m")}),
    "form.submitted": ({"forms": ["f"]}, {("form", "f")}),
    "external_event.added": ({"kinds": ["K"], "products": ["p"]}, {("kind", "K")}),
    "date.upcoming": ({"detail": "birthday", "days": 3}, {("detail", "birthday")}),
    "webhook.failed": ({"endpoints": ["end_1"], "rules": ["rul_2"]}, {("endpoint", "end_1"), ("rule", "rul_2")}),
    "rule.requested": ({"rules": ["rul_2"]}, {("rule", "rul_2")}),
}  # fmt: skip
CONDITIONS: list[tuple[dict[str, Any], set[tuple[str, ...]]]] = [
    ({"type": "hasTag", "tags": ["vip"]}, {("tag", "VIP")}),
    ({"type": "tagScore", "tag": "vip", "op": "exists"}, {("tag", "VIP")}),
    ({"type": "score", "op": "exists"}, set()),
    ({"type": "stageScore", "funnel": "F", "op": "exists"}, {("funnel", "F")}),
    ({"type": "detail", "name": "a.b", "op": "eq", "value": "x"}, {("detail", "a.b")}),
    ({"type": "field", "field": "name", "op": "eq", "value": "x"}, set()),
    ({"type": "inStage", "funnel": "F", "stages": ["s"]}, {("funnel", "F"), ("stage", "F", "s")}),
    ({"type": "consent", "consent": "news"}, {("consent", "news")}),
    ({"type": "eventSource", "keys": ["crm"]}, {("key", "crm")}),
    ({"type": "not", "of": [{"type": "any", "of": [{"type": "hasTag", "tags": ["a", "b"]}]}]}, {("tag", "A"), ("tag", "B")}),
]  # fmt: skip
ACTIONS: list[tuple[dict[str, Any], set[tuple[str, ...]]]] = [
    ({"type": "webhook", "endpointId": "end_1"}, {("endpoint", "end_1")}),
    ({"type": "webhook", "url": "https://x.pl"}, set()),
    ({"type": "addTag", "tag": "vip"}, {("tag", "VIP")}),
    ({"type": "removeTag", "tag": "vip"}, {("tag", "VIP")}),
    ({"type": "setDetail", "name": "d", "value": "x"}, {("detail", "d")}),
    ({"type": "removeDetail", "name": "d"}, {("detail", "d")}),
    ({"type": "setField", "field": "name", "value": "x"}, set()),
    ({"type": "setState", "state": "OTHER"}, set()),
    ({"type": "moveToStage", "funnel": "F", "stage": "s"}, {("funnel", "F"), ("stage", "F", "s")}),
    ({"type": "removeFromFunnel", "funnel": "F"}, {("funnel", "F")}),
    ({"type": "emitEvent", "kind": "K", "data": {"tag": "x"}}, {("kind", "K")}),
    ({"type": "addNote", "text": "n"}, set()),
]


@pytest.mark.parametrize("kind", TRIGGERS)
def test_what_a_trigger_names(kind: str) -> None:
    filters, used = TRIGGERS[kind]
    assert names_used(rule(triggers=[{"type": kind, **filters}], actions=[])) == used


@pytest.mark.parametrize(("condition", "used"), CONDITIONS)
def test_what_a_condition_names(condition: dict[str, Any], used: set[tuple[str, ...]]) -> None:
    assert names_used(rule(conditions=condition, actions=[])) == used


@pytest.mark.parametrize(("action", "used"), ACTIONS)
def test_what_an_action_names(action: dict[str, Any], used: set[tuple[str, ...]]) -> None:
    assert names_used(rule(actions=[action])) == used
    assert names_used(rule(actions=[], otherwise=[action])) == used


def test_a_condition_of_every_group_is_looked_into() -> None:
    assert msgspec.convert(CONDITIONS[-1][0], Condition)
    assert tags_of(Group) == ["all", "any", "not"]


@pytest.mark.parametrize(
    ("labelled", "kinds"),
    [
        (labels.EVENTS, list(EVENT_TYPES)),
        (labels.EVENTS, tags_of(Trigger)),
        (labels.CONDITIONS, tags_of(Group) + tags_of(Leaf)),
        (labels.OPERATORS, list(get_args(Op))),
        (labels.ACTIONS, tags_of(Action)),
        (labels.OUTCOMES, [outcome.value for outcome in Outcome]),
        (labels.STATES, list(get_args(State))),
        (labels.FIELDS, list(get_args(Field))),
        (labels.SOURCES, list(get_args(Source))),
        (labels.CHANNELS, list(get_args(Channel))),
    ],
)
def test_everything_has_its_label_in_both_languages(labelled: dict[str, labels.Label], kinds: list[str]) -> None:
    assert sorted(labelled) == sorted(kinds)
    for label in labelled.values():
        assert label.pl.strip() == label.pl != ""
        assert label.en.strip() == label.en != ""
    assert len({label.pl for label in labelled.values()}) == len(labelled)
    assert len({label.en for label in labelled.values()}) == len(labelled)
