"""The set of rules that are on: which of them an event sets off, in which order, and what is broken."""

from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.core.conditions import first_failure, trace
from goniec.core.matching import compile_trigger
from goniec.core.model import Event
from goniec.core.rules import DEFAULT_ZONE, Rule, RuleDraft, RuleSet, compile_rule
from goniec.core.times import Duration, parse_instant
from tests.core.build import contact, rule
from tests.core.test_triggers import event


def tagged(tag: str = "VIP") -> Event:
    return event("contact.tagged", {"tag": tag, "tagScore": 0})


def matching(rules: RuleSet, what: Event) -> list[str]:
    return [compiled.rule.id for compiled in rules.matching(what)]


def on_tag(rule_id: str, *tags: str, **fields: Any) -> Rule:
    return rule(rule_id, triggers=[{"type": "contact.tagged", "tags": tags}], **fields)


def test_rules_come_by_position_and_then_by_id() -> None:
    rules = RuleSet(
        [on_tag("b", "VIP", position=1), on_tag("c", "VIP"), on_tag("a", "VIP", position=1), on_tag("d", "X")]
    )
    assert len(rules) == 4
    assert matching(rules, tagged()) == ["c", "a", "b"]
    assert matching(rules, tagged("X")) == ["d"]
    assert matching(rules, tagged("Y")) == []


def test_a_rule_comes_once_however_many_of_its_triggers_fit() -> None:
    many = [
        {"type": "contact.tagged"},
        {"type": "contact.tagged", "tags": ["VIP", "vip", "X"]},
        {"type": "contact.created"},
    ]
    rules = RuleSet([rule("a", triggers=many)])
    assert matching(rules, tagged()) == ["a"]
    assert matching(rules, event("contact.created")) == ["a"]


def test_what_is_off_does_not_run() -> None:
    rules = RuleSet([on_tag("a", "VIP", active=False)])
    assert matching(rules, tagged()) == []
    assert rules.get("a") is None
    assert len(rules) == 0


def test_a_rule_asked_for_by_hand_runs_whatever_its_triggers_are() -> None:
    asked = event("rule.requested", {"rule": "a", "by": "ola"})
    rules = RuleSet(
        [
            on_tag("a", "VIP", position=5),
            rule("by-hand", triggers=[{"type": "rule.requested"}]),
            rule("watches", triggers=[{"type": "rule.requested", "rules": ["a"]}]),
            on_tag("off", "VIP", active=False),
        ]
    )
    assert matching(rules, asked) == ["watches", "a"]
    assert matching(rules, event("rule.requested", {"rule": "by-hand", "by": "ola"})) == ["by-hand"]
    assert matching(rules, event("rule.requested", {"rule": "off", "by": "ola"})) == []


def test_a_broken_rule_is_left_out_and_named_and_stops_no_other() -> None:
    bad_pattern = {"type": "field", "field": "name", "op": "matches", "value": "("}
    rules = RuleSet(
        [
            on_tag("a", "VIP"),
            on_tag("zone", "VIP", timezone="Mars/Base"),
            on_tag("tag", "!"),
            on_tag("pattern", "VIP", conditions=bad_pattern),
            on_tag("time", "VIP", validFrom="soon"),
            on_tag("not", "VIP", conditions={"type": "not", "of": []}),
        ],
        unreadable={"row": "not JSON"},
    )
    assert matching(rules, tagged()) == ["a"]
    assert list(rules.broken) == ["row", "not", "pattern", "tag", "time", "zone"]
    assert rules.broken["tag"] == "ValueError: a tag needs a letter or a digit"
    assert rules.broken["row"] == "not JSON"


def test_a_compiled_rule_answers_and_explains() -> None:
    conditions = {"type": "all", "of": [{"type": "score", "op": "gte", "value": 10}]}
    compiled = RuleSet([on_tag("a", "VIP", conditions=conditions)]).get("a")
    assert compiled is not None
    low, what = contact(score=9), tagged()
    assert compiled.holds(contact(score=10), what)
    assert not compiled.holds(low, what)
    assert compiled.trace(low, what) == trace(compiled.rule.conditions, low, what, DEFAULT_ZONE)
    assert compiled.first_failure(low, what) == first_failure(compiled.rule.conditions, low, what, DEFAULT_ZONE)
    assert compiled.first_failure(low, what).pointer == "/conditions/of/0"


def test_no_conditions_mean_yes() -> None:
    compiled = compile_rule(rule())
    assert compiled.holds(contact(), tagged())
    assert [line.holds for line in compiled.trace(contact(), tagged())] == [True]


def test_the_settings_are_read_once() -> None:
    plain = compile_rule(rule())
    assert (plain.max_runs, plain.min_interval, plain.max_age, plain.valid_from, plain.valid_to) == (None,) * 5
    assert plain.zone == DEFAULT_ZONE
    full = compile_rule(
        rule(
            maxRuns=1,
            minInterval="P1D",
            maxAge="PT0S",
            validFrom="2026-01-01T00:00:00+01:00",
            validTo="2026-12-31T00:00:00Z",
            timezone="Pacific/Auckland",
        )
    )
    assert (full.max_runs, full.min_interval, full.max_age) == (1, Duration(days=1), Duration())
    assert full.valid_from == parse_instant("2025-12-31T23:00:00Z")
    assert full.valid_to == parse_instant("2026-12-31T00:00:00Z")
    assert full.zone == ZoneInfo("Pacific/Auckland")
    assert compile_rule(rule(), ZoneInfo("UTC")).zone == ZoneInfo("UTC")


def test_only_what_changed_is_compiled_again() -> None:
    first = RuleSet([on_tag("a", "VIP"), on_tag("b", "VIP"), on_tag("c", "VIP")])
    second = RuleSet([on_tag("a", "VIP"), on_tag("b", "VIP", name="other"), on_tag("d", "VIP")], before=first)
    assert matching(second, tagged()) == ["a", "b", "d"]
    assert second.get("a") is first.get("a")
    assert second.get("b") is not first.get("b")
    assert matching(first, tagged()) == ["a", "b", "c"]
    elsewhere = RuleSet([on_tag("a", "VIP")], ZoneInfo("UTC"), before=second)
    assert elsewhere.get("a") is not first.get("a")
    moved = RuleSet([on_tag("a", "VIP", position=9), on_tag("b", "VIP")], before=first)
    assert matching(moved, tagged()) == ["b", "a"]


def test_a_rule_is_a_draft_with_what_it_got_by_being_stored() -> None:
    assert Rule.__struct_fields__ == RuleDraft.__struct_fields__
    assert Rule.__struct_encode_fields__[:4] == ("id", "version", "name", "description")
    it = on_tag("a", "VIP")
    assert msgspec.json.decode(msgspec.json.encode(it), type=Rule) == it


@pytest.mark.parametrize("missing", ["id", "version", "createdAt", "updatedAt", "name", "triggers"])
def test_a_stored_rule_is_whole(missing: str) -> None:
    plain = msgspec.to_builtins(on_tag("a", "VIP"))
    del plain[missing]
    with pytest.raises(msgspec.ValidationError, match=f"missing required field `{missing}`"):
        msgspec.convert(plain, Rule)


TRIGGERS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(
        lambda kind, tags: {"type": kind} | ({"tags": tags} if tags else {}),
        st.sampled_from(["contact.tagged", "contact.untagged"]),
        st.lists(st.sampled_from(["A", "B"]), max_size=2),
    ),
    st.builds(
        lambda urls, source: {"type": "page.visited", "urls": urls} | ({"source": source} if source else {}),
        st.lists(st.sampled_from(["a", "b", "a**", "**"]), min_size=1, max_size=2),
        st.lists(st.sampled_from(["api", "panel"]), max_size=1),
    ),
    st.builds(lambda value: {"type": "contact.score_changed", "value": value}, st.none() | st.integers(-2, 2)),
)
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        lambda kind, tag: event(kind, {"tag": tag}),
        st.sampled_from(["contact.tagged", "contact.untagged"]),
        st.sampled_from("ABC"),
    ),
    st.builds(lambda url: event("page.visited", {"url": url}), st.sampled_from(["a", "b", "ab"])),
    st.builds(
        lambda old, new: event("contact.score_changed", {"old": old, "new": new, "scope": "contact"}),
        st.integers(-3, 3),
        st.integers(-3, 3),
    ),
)


@given(
    st.lists(st.tuples(st.lists(TRIGGERS, min_size=1, max_size=3), st.integers(0, 2), st.booleans()), max_size=6),
    EVENTS,
)
def test_the_index_finds_what_a_scan_finds(drawn: list[tuple[list[dict[str, Any]], int, bool]], what: Event) -> None:
    rules = [
        rule(f"r{n}", triggers=triggers, position=position, active=active)
        for n, (triggers, position, active) in enumerate(drawn)
    ]  # fmt: skip
    scanned = [
        one.id
        for one in sorted(rules, key=lambda one: (one.position, one.id))
        if one.active and any(compile_trigger(trigger, DEFAULT_ZONE)(what) for trigger in one.triggers)
    ]
    assert matching(RuleSet(rules), what) == scanned
