"""Triggers: which events set a rule off, which filters are refused, and that the index loses nothing."""

import re
from itertools import pairwise
from typing import Any, get_args
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from goniec.core.events import EVENT_TYPES
from goniec.core.matching import ANYTHING, check, compile_trigger, event_keys, index_keys, type_of
from goniec.core.model import Event
from goniec.core.triggers import Trigger
from tests.core.build import NOW
from tests.core.test_events import SAMPLES

WARSAW = ZoneInfo("Europe/Warsaw")


def event(kind: str, data: dict[str, Any] | None = None, **fields: Any) -> Event:
    return Event(
        **{
            "id": "evt_1", "type": kind, "contact_id": "c1", "seq": 2, "occurred_at": NOW, "received_at": NOW,
            "source": "api", "source_key": "crm", "data": SAMPLES[kind][0] if data is None else data, **fields,
        }
    )  # fmt: skip


def trigger(kind: str, **filters: Any) -> Trigger:
    read: Trigger = msgspec.convert({"type": kind, **filters}, Trigger)
    assert check(read, "") == []
    return read


def fits(it: Trigger, what: Event) -> bool:
    answer = compile_trigger(it, WARSAW)(what)
    # the law of the index: an event finds whatever it fits
    assert not answer or set(index_keys(it)) & set(event_keys(what))
    return answer


def test_every_type_of_event_has_its_trigger() -> None:
    assert [str(kind.__struct_config__.tag) for kind in get_args(Trigger)] == list(EVENT_TYPES)


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_a_trigger_without_filters_fits_all_events_of_its_type_and_no_other(kind: str) -> None:
    it = trigger(kind)
    assert type_of(it) == kind
    for other, samples in SAMPLES.items():
        for data in samples:
            expected = other == kind and not data.get("machine") and data.get("scope", "contact") == "contact"
            assert fits(it, event(other, data)) is expected


@pytest.mark.parametrize(
    ("filters", "data", "fit"),
    [
        ({"tags": ["vip", " New "]}, {"tag": "VIP"}, True),
        ({"tags": ["vip", " New "]}, {"tag": "NEW"}, True),
        ({"tags": ["vip"]}, {"tag": "NEW"}, False),
    ],
)
def test_tags(filters: dict[str, Any], data: dict[str, Any], fit: bool) -> None:  # noqa: FBT001 - a column
    for kind in ("contact.tagged", "contact.untagged"):
        assert fits(trigger(kind, **filters), event(kind, data)) is fit


def score(old: int, new: int, **more: Any) -> Event:
    return event("contact.score_changed", {"old": old, "new": new, "scope": "contact"} | more)


def test_a03_crossed_fires_from_below_to_at_or_above_only() -> None:
    it = trigger("contact.score_changed", value=10)
    path = [0, 100, 101, 6, 16]
    assert [fits(it, score(old, new)) for old, new in pairwise(path)] == [True, False, False, True]
    assert fits(it, score(9, 10))
    assert not fits(it, score(10, 11))
    assert not fits(it, score(8, 9))


@pytest.mark.parametrize(
    ("filters", "changes"),
    [
        ({}, [(0, 1), (1, 0)]),
        ({"mode": "equals", "value": 10}, [(0, 10), (11, 10)]),
        ({"mode": "whileAbove", "value": 10}, [(0, 11), (11, 12), (99, 50)]),
        ({"mode": "crossed", "value": -3}, [(-4, -3), (-9, 0)]),
    ],
)
def test_the_modes_of_a_score(filters: dict[str, Any], changes: list[tuple[int, int]]) -> None:
    it = trigger("contact.score_changed", **filters)
    assert all(fits(it, score(old, new)) for old, new in changes)
    if "value" in filters:
        value = filters["value"]
        assert not fits(it, score(value - 2, value - 1))
        assert not fits(it, score(value + 1, value - 1))


def test_the_scopes_of_a_score() -> None:
    tag, stage = {"scope": "tag", "tag": "VIP"}, {"scope": "stage", "funnel": "F", "stage": "s"}
    assert fits(trigger("contact.score_changed", scope="tag"), score(0, 1, **tag))
    assert fits(trigger("contact.score_changed", scope="tag", tag="vip"), score(0, 1, **tag))
    assert not fits(trigger("contact.score_changed", scope="tag", tag="NEW"), score(0, 1, **tag))
    assert not fits(trigger("contact.score_changed", scope="tag"), score(0, 1))
    assert not fits(trigger("contact.score_changed"), score(0, 1, **tag))
    assert fits(trigger("contact.score_changed", scope="stage"), score(0, 1, **stage))
    assert fits(trigger("contact.score_changed", scope="stage", funnel="F", stage="s", value=1), score(0, 1, **stage))
    assert not fits(trigger("contact.score_changed", scope="stage", funnel="F", stage="t"), score(0, 1, **stage))


@pytest.mark.parametrize(
    ("kind", "filters", "data", "fit"),
    [
        ("contact.stage_entered", {"funnel": "F"}, {"funnel": "F", "stage": "s"}, True),
        ("contact.stage_entered", {"funnel": "G"}, {"funnel": "F", "stage": "s"}, False),
        ("contact.stage_left", {"funnel": "F", "stages": ["s", "t"]}, {"funnel": "F", "stage": "t"}, True),
        ("contact.stage_left", {"funnel": "F", "stages": ["s", "t"]}, {"funnel": "F", "stage": "u"}, False),
        ("contact.changed", {"fields": ["name", "email"]}, {"changes": [{"field": "phone"}, {"field": "email"}]}, True),
        ("contact.changed", {"fields": ["name"]}, {"changes": [{"field": "phone"}]}, False),
        ("contact.detail_added", {"names": ["a.b"]}, {"name": "a.b", "old": None, "new": 1}, True),
        ("contact.detail_added", {"names": ["a.b"]}, {"name": "b", "old": None, "new": 1}, False),
        ("contact.detail_changed", {"values": [1, "x"]}, {"name": "a", "old": 2, "new": "1.0"}, True),
        ("contact.detail_changed", {"values": [1, "x"]}, {"name": "a", "old": 1, "new": "X"}, False),
        ("contact.detail_changed", {"values": [1]}, {"name": "a", "old": 2, "new": True}, False),
        ("contact.detail_removed", {"values": ["x"]}, {"name": "a", "old": "x", "new": None}, True),
        ("contact.detail_removed", {"names": ["a"], "values": ["y"]}, {"name": "a", "old": "x", "new": None}, False),
        ("contact.opted_in", {"channel": "email"}, {"channel": "email"}, True),
        ("contact.opted_out", {"channel": "email"}, {"channel": "phone"}, False),
        ("consent.assigned", {"consent": "news"}, {"consent": "news", "granted": False}, True),
        ("consent.assigned", {"consent": "news"}, {"consent": "ads", "granted": False}, False),
        ("consent.assigned", {"granted": True}, {"consent": "ads", "granted": False}, False),
        ("consent.assigned", {"granted": False}, {"consent": "ads", "granted": False}, True),
        ("email.sent", {"messages": ["m", "n"]}, {"message": "n", "machine": False, "first": False}, True),
        ("email.bounced", {"messages": ["m"]}, {"message": "n", "machine": False, "first": False}, False),
        ("email.opened", {}, {"message": "m", "machine": True, "first": False}, False),
        ("email.opened", {"machine": True}, {"message": "m", "machine": True, "first": False}, True),
        ("email.opened", {"machine": True}, {"message": "m", "machine": False, "first": False}, False),
        ("email.opened", {"machine": None}, {"message": "m", "machine": True, "first": False}, True),
        ("email.opened", {"machine": None}, {"message": "m", "machine": False, "first": False}, True),
        ("email.opened", {"first": True}, {"message": "m", "machine": False, "first": False}, False),
        ("email.opened", {"first": True}, {"message": "m", "machine": False, "first": True}, True),
        ("email.clicked", {"urls": ["https://x.pl/**"]}, {"message": "m", "machine": False, "url": "https://x.pl/a"}, True),
        ("email.clicked", {"urls": ["https://x.pl/**"]}, {"message": "m", "machine": False, "url": None}, False),
        ("email.clicked", {"urls": ["https://x.pl/**"]}, {"message": "m", "machine": False}, False),
        ("form.submitted", {"forms": ["f"]}, {"form": "f"}, True),
        ("form.submitted", {"forms": ["f"]}, {"form": "F"}, False),
        ("external_event.added", {"kinds": ["purchase"]}, {"kind": "PURCHASE"}, True),
        ("external_event.added", {"kinds": ["Film"]}, {"kind": "film"}, False),
        ("external_event.added", {"value": {"op": "gte", "value": 100}}, {"kind": "x", "value": 100}, True),
        ("external_event.added", {"value": {"op": "gte", "value": 100}}, {"kind": "x", "value": 99.9}, False),
        ("external_event.added", {"value": {"op": "gte", "value": 100}}, {"kind": "x"}, False),
        ("external_event.added", {"value": {"op": "exists"}}, {"kind": "x", "value": 0}, True),
        ("external_event.added", {"products": ["12"]}, {"kind": "x", "products": ["11", "12"]}, True),
        ("external_event.added", {"products": ["12"]}, {"kind": "x", "products": [12]}, True),
        ("external_event.added", {"products": ["12"]}, {"kind": "x", "products": [{"id": 12}]}, True),
        ("external_event.added", {"products": ["12"]}, {"kind": "x", "products": [{"sku": "12"}]}, True),
        ("external_event.added", {"products": ["But"]}, {"kind": "x", "products": [{"id": 1, "name": "But"}]}, True),
        ("external_event.added", {"products": ["1"]}, {"kind": "x", "products": [{"ean": "1", "id": {"id": 1}}]}, False),
        ("external_event.added", {"products": ["True", "1.5"]}, {"kind": "x", "products": [{"id": True, "sku": 1.5}]}, False),
        ("external_event.added", {"products": ["1"]}, {"kind": "x", "products": None}, False),
        ("external_event.added", {"products": ["1"]}, {"kind": "x"}, False),
        ("external_event.changed", {"properties": {"a.b": "x"}}, {"kind": "x", "properties": {"a.b": "x"}}, True),
        ("external_event.changed", {"properties": {"n": 9}}, {"kind": "x", "properties": {"n": "9"}}, True),
        ("external_event.changed", {"properties": {"n": {"op": "lt", "value": 9}, "m": True}},
         {"kind": "x", "properties": {"n": 8, "m": True}}, True),
        ("external_event.changed", {"properties": {"n": {"op": "lt", "value": 9}, "m": True}},
         {"kind": "x", "properties": {"n": 8}}, False),
        ("external_event.changed", {"properties": {"n": {"op": "neq", "value": 9}}}, {"kind": "x"}, True),
        ("date.upcoming", {"detail": "birthday", "days": 3}, {"detail": "birthday", "date": "2026-11-25", "days": 3}, True),
        ("date.upcoming", {"detail": "birthday", "days": 0}, {"detail": "birthday", "date": "2026-11-25", "days": 3}, False),
        ("contact.inactive", {"days": 30}, {"days": 30}, True),
        ("contact.inactive", {"days": 30}, {"days": 31}, False),
        ("webhook.failed", {"endpoints": ["e"], "rules": ["r"]}, {"delivery": "d", "endpoint": "e", "rule": "r"}, True),
        ("webhook.failed", {"rules": ["q"]}, {"delivery": "d", "endpoint": "e", "rule": "r"}, False),
        ("rule.requested", {"rules": ["r"]}, {"rule": "r", "by": "ola"}, True),
        ("rule.requested", {"rules": ["q"]}, {"rule": "r", "by": "ola"}, False),
    ],
)  # fmt: skip
def test_filters(kind: str, filters: dict[str, Any], data: dict[str, Any], fit: bool) -> None:  # noqa: FBT001 - a column
    assert fits(trigger(kind, **filters), event(kind, data)) is fit


@pytest.mark.parametrize(
    ("filters", "source", "key", "fit"),
    [
        ({"source": ["api", "panel"]}, "api", "crm", True),
        ({"source": ["panel"]}, "api", "crm", False),
        ({"notSource": ["import"]}, "import", None, False),
        ({"notSource": ["import"]}, "api", None, True),
        ({"sourceKey": ["crm"]}, "api", "crm", True),
        ({"sourceKey": ["crm"]}, "api", None, False),
        ({"notSourceKey": ["crm"]}, "api", "crm", False),
        ({"notSourceKey": ["crm"]}, "api", None, True),
        ({"source": ["api"], "notSourceKey": ["crm"]}, "api", "shop", True),
        ({"source": ["api"], "notSourceKey": ["crm"]}, "panel", "ola", False),
    ],
)
def test_a08_every_trigger_can_leave_out_what_a_system_wrote_itself(
    filters: dict[str, Any], source: str, key: str | None, fit: bool  # noqa: FBT001 - a column
) -> None:  # fmt: skip
    for kind in EVENT_TYPES:
        assert fits(trigger(kind, **filters), event(kind, source=source, source_key=key)) is (
            fit and not SAMPLES[kind][0].get("machine")
        )


@pytest.mark.parametrize(
    ("pattern", "url", "fit"),
    [
        ("https://x.pl/a", "https://x.pl/a", True),
        ("https://x.pl/a", "https://x.pl/a?b", False),
        ("https://x.pl/a", "https://x.pl/A", False),
        ("https://x.pl/**", "https://x.pl/", True),
        ("**/cart", "https://x.pl/cart", True),
        ("**/cart", "https://x.pl/cart/", False),
        ("**cart**", "https://x.pl/cart/1?x", True),
        ("a**b**c", "a-b-c", True),
        ("a**b**c", "a-c-b", False),
        ("a**a", "a", False),
        ("a**a", "aa", True),
        ("a**b**b", "ab", False),
        ("**b**b**", "b", False),
        ("**b**b**", "bb", True),
        ("**", "", True),
        ("****", "x", True),
        ("x.pl/*", "x.pl/a", False),
        ("x.pl/*", "x.pl/*", True),
        ("x.pl/?", "x.pl/a", False),
        ("x.pl/***", "x.pl/*", True),
    ],
)
def test_two_stars_in_a_url_are_anything_and_all_else_is_itself(pattern: str, url: str, fit: bool) -> None:  # noqa: FBT001 - a column
    it = trigger("page.visited", urls=["/never", pattern])
    assert fits(it, event("page.visited", {"url": url})) is fit


@given(st.text("ab*", max_size=8), st.text("ab*", max_size=10))
@example("a**ab**b", "aabab")
def test_url_patterns_mean_what_the_regular_expression_means(pattern: str, url: str) -> None:
    assume(pattern.strip())
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split(ANYTHING))), url, re.DOTALL) is not None
    assert fits(trigger("page.visited", urls=[pattern]), event("page.visited", {"url": url})) is expected


@pytest.mark.parametrize(
    ("kind", "filters", "where"),
    [
        ("contact.tagged", {"tags": []}, ["/tags"]),
        ("contact.tagged", {"tags": ["ok", "?"]}, ["/tags/1"]),
        ("contact.created", {"source": []}, ["/source"]),
        ("contact.created", {"notSource": []}, ["/notSource"]),
        ("contact.created", {"sourceKey": ["a", " "], "notSourceKey": []}, ["/sourceKey/1", "/notSourceKey"]),
        ("contact.changed", {"fields": []}, ["/fields"]),
        ("contact.detail_added", {"names": ["x" * 101]}, ["/names/0"]),
        ("contact.detail_added", {"values": []}, ["/values"]),
        ("contact.detail_removed", {"values": ["x", "y" * 1001]}, ["/values/1"]),
        ("contact.score_changed", {"mode": "equals"}, ["/value"]),
        ("contact.score_changed", {"mode": "whileAbove"}, ["/value"]),
        ("contact.score_changed", {"tag": "VIP"}, ["/tag"]),
        ("contact.score_changed", {"scope": "tag", "tag": "!"}, ["/tag"]),
        ("contact.score_changed", {"funnel": "F"}, ["/funnel"]),
        ("contact.score_changed", {"scope": "stage", "stage": "s"}, ["/funnel"]),
        ("contact.stage_entered", {"stages": ["s"]}, ["/funnel"]),
        ("contact.stage_left", {"stages": ["s"]}, ["/funnel"]),
        ("consent.assigned", {"consent": ""}, ["/consent"]),
        ("page.visited", {"urls": ["", "x" * 2049]}, ["/urls/0", "/urls/1"]),
        ("external_event.added", {"kinds": [" "]}, ["/kinds/0"]),
        ("external_event.added", {"value": {"op": "gte", "value": "abc"}}, ["/value/value"]),
        ("external_event.added", {"value": {"op": "contains", "value": "1"}}, ["/value/op"]),
        ("external_event.changed", {"properties": {}}, ["/properties"]),
        ("external_event.changed", {"properties": {"a/b": {"op": "in", "value": []}, "": "x", "c": "y" * 1001}},
         ["/properties/a~1b/value", "/properties/", "/properties/c"]),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_pointer(kind: str, filters: dict[str, Any], where: list[str]) -> None:
    found = check(msgspec.convert({"type": kind, **filters}, Trigger), "/here")
    assert [problem.pointer for problem in found] == ["/here" + pointer for pointer in where]
    assert all(problem.detail for problem in found)


@pytest.mark.parametrize(
    ("kind", "filters", "keys"),
    [
        ("contact.created", {}, ["contact.created"]),
        ("contact.tagged", {"tags": ["vip", "new"]}, ["contact.tagged\0VIP", "contact.tagged\0NEW"]),
        ("contact.changed", {"fields": ["name"]}, ["contact.changed\0name"]),
        ("contact.stage_entered", {"funnel": "F"}, ["contact.stage_entered\0F"]),
        ("contact.stage_entered", {"funnel": "F", "stages": ["s", "t"]},
         ["contact.stage_entered\0F\0s", "contact.stage_entered\0F\0t"]),
        ("contact.score_changed", {}, ["contact.score_changed\0contact"]),
        ("contact.score_changed", {"scope": "tag", "tag": "vip"}, ["contact.score_changed\0tag\0VIP"]),
        ("contact.score_changed", {"scope": "stage", "funnel": "F"}, ["contact.score_changed\0stage\0F"]),
        ("external_event.added", {"kinds": ["cart"]}, ["external_event.added\0CART"]),
        ("page.visited", {"urls": ["/a", "/b"]}, ["page.visited\0/a", "page.visited\0/b"]),
        ("page.visited", {"urls": ["/a", "/b**"]}, ["page.visited"]),
        ("date.upcoming", {"days": 3}, ["date.upcoming"]),
        ("date.upcoming", {"detail": "d", "days": 3}, ["date.upcoming\0d\x003"]),
    ],
)  # fmt: skip
def test_a_trigger_is_filed_under_what_it_names(kind: str, filters: dict[str, Any], keys: list[str]) -> None:
    assert index_keys(trigger(kind, **filters)) == keys


def test_an_event_looks_under_what_it_is_about() -> None:
    stage = event("contact.stage_entered", {"funnel": "F", "stage": "s", "from": None})
    assert event_keys(stage) == ["contact.stage_entered", "contact.stage_entered\0F", "contact.stage_entered\0F\0s"]
    both = event("contact.changed", {"changes": [{"field": "name"}, {"field": "email"}]})
    assert event_keys(both) == ["contact.changed", "contact.changed\0name", "contact.changed\0email"]
    assert event_keys(score(0, 1)) == ["contact.score_changed", "contact.score_changed\0contact"]
    assert event_keys(event("contact.erased")) == ["contact.erased"]
    assert event_keys(event("email.opened", {"message": None})) == ["email.opened"]


NAMES = st.sampled_from(["a", "b", "A"])
SOME = st.lists(NAMES, min_size=1, max_size=2)
FILTERS: dict[str, st.SearchStrategy[Any]] = {
    "tags": SOME, "names": SOME, "messages": SOME, "forms": SOME, "kinds": SOME, "products": SOME, "endpoints": SOME,
    "rules": SOME, "sourceKey": SOME, "notSourceKey": SOME, "consent": NAMES, "detail": NAMES,
    "urls": st.lists(st.sampled_from(["a", "b", "a**", "**"]), min_size=1, max_size=2),
    "source": st.just(["api"]), "notSource": st.just(["panel"]),
    "fields": st.lists(st.sampled_from(["name", "email"]), min_size=1), "channel": st.sampled_from(["email", "phone"]),
    "granted": st.booleans(), "machine": st.none() | st.booleans(), "first": st.none() | st.booleans(),
    "days": st.integers(0, 2), "values": SOME, "mode": st.sampled_from(["crossed", "equals"]),
    "properties": st.dictionaries(NAMES, NAMES, min_size=1),
}  # fmt: skip
SPECIAL = {"contact.score_changed", "contact.stage_entered", "contact.stage_left"}
DATA: dict[str, st.SearchStrategy[Any]] = {
    "tag": NAMES.map(str.upper), "name": NAMES, "message": NAMES, "form": NAMES, "kind": NAMES, "endpoint": NAMES,
    "rule": NAMES, "consent": NAMES, "detail": NAMES, "url": st.sampled_from(["a", "b", "ab"]), "old": NAMES,
    "new": NAMES, "channel": st.sampled_from(["email", "phone"]), "granted": st.booleans(), "machine": st.booleans(),
    "first": st.booleans(), "days": st.integers(0, 2), "products": st.lists(NAMES),
    "properties": st.dictionaries(NAMES, NAMES),
    "changes": st.lists(st.sampled_from([{"field": "name"}, {"field": "email"}]), min_size=1),
}  # fmt: skip


@given(st.sampled_from(sorted(set(EVENT_TYPES) - SPECIAL)), st.data())
def test_an_event_shares_a_key_with_every_trigger_that_it_fits(kind: str, data: st.DataObject) -> None:
    known = next(known for known in get_args(Trigger) if known.__struct_config__.tag == kind)
    optional = {name: FILTERS[name] for name in known.__struct_encode_fields__ if name in FILTERS}
    it = trigger(kind, **data.draw(st.fixed_dictionaries({}, optional=optional)))
    keys = {name: DATA[name] for name in EVENT_TYPES[kind].keys if name in DATA}
    what = event(kind, data.draw(st.fixed_dictionaries(keys)), source_key=data.draw(st.none() | NAMES))
    fits(it, what)


@given(
    st.fixed_dictionaries({"scope": st.sampled_from(["contact", "tag", "stage"])}),
    st.fixed_dictionaries({}, optional={"tag": NAMES, "funnel": NAMES, "stage": NAMES, "value": st.integers(-2, 2)}),
    st.sampled_from([("contact", {}), ("tag", {"tag": "A"}), ("stage", {"funnel": "a", "stage": "b"})]),
    st.tuples(st.integers(-3, 3), st.integers(-3, 3)),
)  # fmt: skip
def test_and_so_it_does_for_scores(
    scope: dict[str, str], filters: dict[str, Any], about: tuple[str, dict[str, str]], change: tuple[int, int]
) -> None:
    read: Trigger = msgspec.convert({"type": "contact.score_changed"} | scope | filters, Trigger)
    assume(not check(read, ""))
    fits(read, event("contact.score_changed", {"old": change[0], "new": change[1], "scope": about[0], **about[1]}))
