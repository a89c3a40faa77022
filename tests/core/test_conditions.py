"""Conditions: every leaf, the groups, what is refused, and what a trace tells."""

from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.core.conditions import (
    DEPTH_LIMIT,
    NODE_LIMIT,
    All,
    AnyOf,
    Condition,
    Not,
    check,
    compile_condition,
    compile_tree,
    first_failure,
    trace,
    walk,
)
from goniec.core.model import Contact, Event, Seen, Stage, Tag
from tests.core.build import NOW, contact

WARSAW = ZoneInfo("Europe/Warsaw")

JAN = contact(
    email="Jan.Kowalski@Sklep.PL",
    phone="600 100 200",
    name="Jan Kowalski",
    company='M&M <Żabka> "Łódź" 😱 \'s',
    external_id="7",
    language="pl",
    timezone="Europe/Warsaw",
    state="CUSTOMER",
    owner="ola@x.pl",
    score=12,
    tags={"VIP": Tag(NOW, 5), "NEW": Tag(NOW)},
    details={"a.b": "9", "__proto__": 10, "e-mail z firmy": True, "id": "x", "source": "x", "email": "y"},
    stages={"Sprzedaż": Stage("Lead", NOW, 3)},
    consents={"news": True, "ads": False},
    subscriptions={"email": True},
)
NOBODY = contact(email=None)


def event(**fields: Any) -> Event:
    return Event(
        **{
            "id": "evt_1", "type": "external_event.added", "contact_id": "c1", "seq": 2, "occurred_at": NOW,
            "received_at": NOW, "source": "api", "source_key": "crm", "data": {}, **fields,
        }
    )  # fmt: skip


BOUGHT = event(
    data={"kind": "PURCHASE", "value": 99.5, "products": ["1", {"id": 2}], "properties": {"a.b": {"/~": [7]}, "x": {"y": 1}}}
)  # fmt: skip


def condition(plain: dict[str, Any]) -> Condition:
    read: Condition = msgspec.convert(plain, Condition)
    assert check(read) == []
    return read


def leaf(kind: str, **fields: Any) -> Condition:
    return condition({"type": kind, **fields})


def holds(it: Condition, who: Contact = JAN, what: Event = BOUGHT) -> bool:
    return compile_condition(it, WARSAW)(who, what)


def seen(it: Condition, who: Contact = JAN, what: Event = BOUGHT) -> Seen:
    (only,) = trace(it, who, what, WARSAW)
    assert only.pointer == "/conditions"
    assert only.holds is holds(it, who, what)
    return only


@pytest.mark.parametrize(
    ("plain", "value", "jan", "nobody"),
    [
        ({"type": "hasTag", "tags": [" vip "]}, '["VIP"]', True, False),
        ({"type": "hasTag", "tags": ["OLD"]}, "[]", False, False),
        ({"type": "hasTag", "tags": ["old", "new", "vip"]}, '["NEW","VIP"]', True, False),
        ({"type": "hasTag", "tags": ["old", "new"], "mode": "all"}, '["NEW"]', False, False),
        ({"type": "hasTag", "tags": ["vip", "new", "VIP"], "mode": "all"}, '["VIP","NEW"]', True, False),
        ({"type": "tagScore", "tag": "vip", "op": "gte", "value": 5}, 5, True, False),
        ({"type": "tagScore", "tag": "vip", "op": "neq", "value": 5}, 5, False, True),
        ({"type": "score", "op": "between", "value": [10, 12]}, 12, True, False),
        ({"type": "score", "op": "eq", "value": 0}, 12, False, True),
        ({"type": "stageScore", "funnel": "Sprzedaż", "op": "lt", "value": 4}, 3, True, False),
        ({"type": "detail", "name": "a.b", "op": "eq", "value": 9}, "9", True, False),
        ({"type": "detail", "name": "__proto__", "op": "gt", "value": 9}, 10, True, False),
        ({"type": "detail", "name": "e-mail z firmy", "op": "eq", "value": True}, True, True, False),
        ({"type": "detail", "name": "id", "op": "eq", "value": "x"}, "x", True, False),
        ({"type": "detail", "name": "email", "op": "eq", "value": "y"}, "y", True, False),
        ({"type": "detail", "name": "source", "op": "neq", "value": "x"}, "x", False, True),
        ({"type": "field", "field": "name", "op": "startsWith", "value": "Jan"}, "Jan Kowalski", True, False),
        ({"type": "field", "field": "company", "op": "eq", "value": JAN.company}, JAN.company, True, False),
        ({"type": "field", "field": "externalId", "op": "eq", "value": "7"}, "7", True, False),
        ({"type": "field", "field": "phone", "op": "matches", "value": "^600"}, "600 100 200", True, False),
        ({"type": "field", "field": "language", "op": "in", "value": ["pl", "en"]}, "pl", True, False),
        ({"type": "field", "field": "timezone", "op": "exists"}, "Europe/Warsaw", True, False),
        ({"type": "field", "field": "email", "op": "eq", "value": "JAN.kowalski@sklep.pl"}, JAN.email, True, False),
        ({"type": "field", "field": "email", "op": "in", "value": ["JAN.kowalski@sklep.pl"]}, JAN.email, True, False),
        ({"type": "field", "field": "email", "op": "matches", "value": "^jan[.]"}, JAN.email, True, False),
        ({"type": "field", "field": "email", "op": "exists"}, JAN.email, True, False),
        ({"type": "field", "field": "emailDomain", "op": "eq", "value": "sklep.pl"}, "Sklep.PL", True, False),
        ({"type": "field", "field": "emailDomain", "op": "neq", "value": "Sklep.pl"}, "Sklep.PL", False, True),
        ({"type": "state", "value": "CUSTOMER"}, "CUSTOMER", True, False),
        ({"type": "state", "op": "neq", "value": "CUSTOMER"}, "CUSTOMER", False, True),
        ({"type": "state", "op": "in", "value": ["OTHER", "CUSTOMER"]}, "CUSTOMER", True, False),
        ({"type": "owner", "op": "eq", "value": "ola@x.pl"}, "ola@x.pl", True, False),
        ({"type": "owner", "op": "exists"}, "ola@x.pl", True, False),
        ({"type": "inStage", "funnel": "Sprzedaż"}, "Lead", True, False),
        ({"type": "inStage", "funnel": "Sprzedaż", "stages": ["Oferta", "Lead"]}, "Lead", True, False),
        ({"type": "inStage", "funnel": "Sprzedaż", "stages": ["Oferta"]}, "Lead", False, False),
        ({"type": "subscribed", "channel": "email"}, True, True, False),
        ({"type": "subscribed", "channel": "email", "value": False}, True, False, False),
        ({"type": "subscribed", "channel": "email", "value": None}, True, False, True),
        ({"type": "consent", "consent": "ads", "granted": False}, False, True, False),
        ({"type": "consent", "consent": "ads"}, False, False, False),
        ({"type": "consent", "consent": "ads", "granted": None}, False, False, True),
        ({"type": "hasEmail"}, JAN.email, True, False),
        ({"type": "hasPhone"}, "600 100 200", True, False),
    ],
)
def test_what_a_leaf_sees(plain: dict[str, Any], value: object, jan: bool, nobody: bool) -> None:  # noqa: FBT001 - columns of the table
    it = condition(plain)
    assert seen(it).value == value
    assert seen(it).holds is jan
    assert seen(it, NOBODY).holds is nobody


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("kind", "PURCHASE"),
        ("/kind", "PURCHASE"),
        ("value", 99.5),
        ("products", '["1",{"id":2}]'),
        ("products.0", "1"),
        ("products.1.id", 2),
        ("/products/1/id", 2),
        ("products.2", None),
        ("products.-1", None),
        ("products.\N{ARABIC-INDIC DIGIT ONE}", None),
        ("products." + "9" * 30, None),
        ("products.0.id", None),
        ("properties.x.y", 1),
        ("/properties/a.b/~1~0/0", 7),
        ("properties.a.b", None),
        ("nothing.at.all", None),
    ],
)
def test_a_path_leads_into_the_events_data(path: str, value: object) -> None:
    found = seen(leaf("eventData", path=path, op="exists"))
    assert (found.value, found.holds) == (value, value is not None)
    assert found.read == (None if value is not None else "no value")


def test_a08_a_rule_can_leave_out_what_an_integrator_wrote_itself() -> None:
    others = condition({"type": "not", "of": [{"type": "eventSource", "sources": ["api"], "keys": ["crm"]}]})
    assert not holds(others, what=event(source="api", source_key="crm"))
    assert holds(others, what=event(source="api", source_key="shop"))
    assert holds(others, what=event(source="panel", source_key="crm"))
    assert holds(others, what=event(source="import", source_key=None))


def test_a_source_may_be_given_without_keys_and_keys_without_a_source() -> None:
    assert holds(leaf("eventSource", sources=["panel", "import"]), what=event(source="import"))
    assert not holds(leaf("eventSource", sources=["panel"]), what=event(source="import"))
    assert holds(leaf("eventSource", keys=["crm"]))
    assert not holds(leaf("eventSource", keys=["shop"]))
    assert seen(leaf("eventSource", keys=["shop"])).value == '["api","crm"]'


def test_dates_are_counted_in_the_rules_zone_and_from_the_recording_time() -> None:
    born = contact(details={"born": "2026-11-25"})
    today = leaf("detail", name="born", op="withinLast", value="P1D")
    just_before_midnight_in_warsaw = event(received_at=1_795_647_540_000)  # 2026-11-25T22:59:00Z
    just_after = event(received_at=1_795_647_660_000)
    assert compile_condition(today, WARSAW)(born, just_before_midnight_in_warsaw)
    assert not compile_condition(today, WARSAW)(born, just_after)
    assert compile_condition(today, ZoneInfo("UTC"))(born, just_after)


YES: dict[str, Any] = {"type": "hasTag", "tags": ["VIP"]}
NO: dict[str, Any] = {"type": "hasTag", "tags": ["OLD"]}


@pytest.mark.parametrize(
    ("plain", "held", "lines"),
    [
        ({"type": "all", "of": []}, True, {"": True}),
        ({"type": "all"}, True, {"": True}),
        ({"type": "all", "of": [YES]}, True, {"": True, "/of/0": True}),
        ({"type": "all", "of": [YES, NO]}, False, {"": False, "/of/0": True, "/of/1": False}),
        ({"type": "all", "of": [NO, YES]}, False, {"": False, "/of/0": False}),
        ({"type": "all", "of": [YES, YES, NO, YES]}, False, {"": False, "/of/0": True, "/of/1": True, "/of/2": False}),
        ({"type": "any", "of": [NO]}, False, {"": False, "/of/0": False}),
        ({"type": "any", "of": [NO, YES, YES]}, True, {"": True, "/of/0": False, "/of/1": True}),
        ({"type": "any", "of": [NO, NO]}, False, {"": False, "/of/0": False, "/of/1": False}),
        ({"type": "not", "of": [NO]}, True, {"": True, "/of/0": False}),
        ({"type": "not", "of": [{"type": "any", "of": [NO, YES]}]}, False,
         {"": False, "/of/0": True, "/of/0/of/0": False, "/of/0/of/1": True}),
    ],
)  # fmt: skip
def test_groups_and_their_traces(plain: dict[str, Any], held: bool, lines: dict[str, bool]) -> None:  # noqa: FBT001 - a column
    it = condition(plain)
    assert holds(it) is held
    told = trace(it, JAN, BOUGHT, WARSAW)
    assert {line.pointer.removeprefix("/conditions"): line.holds for line in told} == lines
    assert len(told) == len(lines)


@pytest.mark.parametrize(
    ("plain", "where", "held"),
    [
        (NO, "", False),
        ({"type": "all", "of": [YES, NO, NO]}, "/of/1", False),
        ({"type": "any", "of": [NO, NO]}, "/of/0", False),
        ({"type": "all", "of": [YES, {"type": "any", "of": [{"type": "all", "of": [YES, NO]}, NO]}]}, "/of/1/of/0/of/1", False),
        ({"type": "not", "of": [YES]}, "/of/0", True),
        ({"type": "not", "of": [{"type": "any", "of": [NO, YES]}]}, "/of/0/of/1", True),
        ({"type": "not", "of": [{"type": "all", "of": [YES, YES]}]}, "/of/0/of/0", True),
        ({"type": "not", "of": [{"type": "not", "of": [NO]}]}, "/of/0/of/0", False),
    ],
)  # fmt: skip
def test_the_leaf_that_made_it_fail(plain: dict[str, Any], where: str, held: bool) -> None:  # noqa: FBT001 - a column
    it = condition(plain)
    assert not holds(it)
    failure = first_failure(it, JAN, BOUGHT, WARSAW)
    assert (failure.pointer, failure.holds) == ("/conditions" + where, held)
    assert failure.value in ('["VIP"]', "[]")


def test_not_of_nothing_fails_by_itself() -> None:
    never = Not((All(),))
    assert check(never) != []
    assert first_failure(never, JAN, BOUGHT, WARSAW) == Seen("/conditions/of/0", holds=True)


def test_a_tree_that_was_never_checked_says_so_when_it_is_compiled() -> None:
    with pytest.raises(ValueError, match="unpack"):
        compile_tree(Not(()), WARSAW)


def test_long_values_are_cut_in_a_trace() -> None:
    it = leaf("field", field="company", op="eq", value="x")
    assert seen(it, contact(company="x" * 999)).value == "x" * 199 + "…"


@pytest.mark.parametrize(
    ("plain", "where"),
    [
        ({"type": "hasTag", "tags": []}, ["/tags"]),
        ({"type": "hasTag", "tags": ["ok", "  ", "!"]}, ["/tags/1", "/tags/2"]),
        ({"type": "hasTag", "tags": ["x"] * 1001}, ["/tags"]),
        ({"type": "tagScore", "tag": "", "op": "gte", "value": "abc"}, ["/value", "/tag"]),
        ({"type": "score", "op": "contains", "value": "1"}, ["/op"]),
        ({"type": "detail", "name": "", "op": "eq", "value": 1}, ["/name"]),
        ({"type": "detail", "name": "x" * 101, "op": "eq", "value": 1}, ["/name"]),
        ({"type": "detail", "name": "a\0b", "op": "eq", "value": 1}, ["/name"]),
        ({"type": "field", "field": "name", "op": "gt", "value": 1}, ["/op"]),
        ({"type": "state", "op": "in", "value": "OTHER"}, ["/value"]),
        ({"type": "state", "op": "in", "value": []}, ["/value"]),
        ({"type": "state", "op": "eq", "value": ["OTHER"]}, ["/value"]),
        ({"type": "inStage", "funnel": "F", "stages": []}, ["/stages"]),
        ({"type": "consent", "consent": " "}, ["/consent"]),
        ({"type": "eventData", "path": "", "op": "exists"}, ["/path"]),
        ({"type": "eventData", "path": "a..b", "op": "exists"}, ["/path"]),
        ({"type": "eventData", "path": "/a~2", "op": "exists"}, ["/path"]),
        ({"type": "eventData", "path": "/a/b~/c", "op": "exists"}, ["/path"]),
        ({"type": "eventData", "path": "a" * 1001, "op": "exists"}, ["/path"]),
        ({"type": "eventSource"}, [""]),
        ({"type": "eventSource", "sources": [], "keys": ["a", ""]}, ["/sources", "/keys/1"]),
        ({"type": "any", "of": []}, ["/of"]),
        ({"type": "all", "of": [{"type": "all", "of": []}]}, ["/of/0/of"]),
        ({"type": "not", "of": []}, ["/of"]),
        ({"type": "not", "of": [YES, YES]}, ["/of"]),
        ({"type": "any", "of": [YES, {"type": "all", "of": [{"type": "score", "op": "in", "value": []}]}]},
         ["/of/1/of/0/value"]),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_pointer(plain: dict[str, Any], where: list[str]) -> None:
    found = check(msgspec.convert(plain, Condition), "/here")
    assert [problem.pointer for problem in found] == ["/here" + pointer for pointer in where]
    assert all(problem.detail for problem in found)


def test_nesting_and_number_have_an_end() -> None:
    deep = condition(YES)
    for _ in range(DEPTH_LIMIT):
        deep = All((deep,))
    assert check(deep) == []
    assert [problem.detail for problem in check(All((deep,)))] == ["groups nested deeper than 20 levels"]
    wide = AnyOf((condition(YES),) * (NODE_LIMIT - 1))
    assert check(wide) == []
    assert [problem.detail for problem in check(All((wide,)))] == ["at most 500 conditions and groups"]


def test_a_tree_is_walked_from_its_root() -> None:
    it = condition({"type": "all", "of": [{"type": "not", "of": [YES]}, NO]})
    assert [(pointer, depth) for _, pointer, depth in walk(it)] == [
        ("/conditions", 1), ("/conditions/of/0", 2), ("/conditions/of/0/of/0", 3), ("/conditions/of/1", 2),
    ]  # fmt: skip


# --- laws ------------------------------------------------------------------------------------------------------------

TEXTS = st.sampled_from(["9", "10", "a", "ab", "VIP", "2026-11-25"])
LEAVES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("hasTag"),
            "tags": st.lists(st.sampled_from(["A", "B", "C"]), min_size=1, max_size=3),
            "mode": st.sampled_from(["any", "all"]),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("score"),
            "op": st.sampled_from(["gt", "gte", "lt", "lte", "eq", "neq"]),
            "value": st.integers(-2, 2),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("detail"),
            "name": st.sampled_from(["x", "y"]),
            "op": st.sampled_from(["eq", "neq"]),
            "value": TEXTS | st.integers(8, 10),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("eventData"),
            "path": st.sampled_from(["a", "b.0", "b.c"]),
            "op": st.sampled_from(["contains", "startsWith", "eq", "before"]),
            "value": st.just("2026-11-25"),
        }
    ),
    st.just({"type": "hasPhone"}),
    st.fixed_dictionaries({"type": st.just("subscribed"), "channel": st.just("email"), "value": st.sampled_from([True, None])}),
)  # fmt: skip
TREES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda of: {"type": "all", "of": of}, st.lists(inner, min_size=1, max_size=4)),
        st.builds(lambda of: {"type": "any", "of": of}, st.lists(inner, min_size=1, max_size=4)),
        st.builds(lambda of: {"type": "not", "of": [of]}, inner),
    ),
    max_leaves=12,
)
CONTACTS = st.builds(
    contact,
    score=st.integers(-3, 3),
    phone=st.none() | st.just("600"),
    tags=st.dictionaries(st.sampled_from(["A", "B"]), st.just(Tag(NOW))),
    details=st.dictionaries(st.sampled_from(["x", "y"]), TEXTS | st.integers(8, 10) | st.booleans()),
    subscriptions=st.dictionaries(st.just("email"), st.booleans()),
)
HAPPENINGS = st.builds(
    event,
    data=st.dictionaries(
        st.sampled_from(["a", "b"]), TEXTS | st.lists(TEXTS, max_size=2) | st.dictionaries(st.just("c"), TEXTS)
    ),
)


@given(TREES, CONTACTS, HAPPENINGS)
def test_trace_and_failure_tell_what_was_decided(plain: dict[str, Any], who: Contact, what: Event) -> None:
    it = condition(plain)
    decided = compile_condition(it, WARSAW)(who, what)
    told = trace(it, who, what, WARSAW)
    assert told[0].holds is decided
    by_pointer = {line.pointer: line for line in told}
    assert len(by_pointer) == len(told)
    everywhere = {pointer: compile_tree(node, WARSAW, pointer) for node, pointer, _ in walk(it)}
    assert all(everywhere[line.pointer].holds(who, what) is line.holds for line in told)
    if not decided:
        failure = first_failure(it, who, what, WARSAW)
        assert by_pointer[failure.pointer] == failure


@given(TREES, CONTACTS, HAPPENINGS)
def test_not_turns_every_answer_round(plain: dict[str, Any], who: Contact, what: Event) -> None:
    it = condition(plain)
    assert holds(Not((it,)), who, what) is not holds(it, who, what)
    assert holds(All((it, it, it)), who, what) is holds(AnyOf((it, it)), who, what) is holds(it, who, what)


@given(st.sampled_from(["x", "y", "z"]), TEXTS | st.integers(8, 10), CONTACTS, HAPPENINGS)
def test_for_every_contact_exactly_one_of_eq_and_neq_holds(name: str, value: object, who: Contact, what: Event) -> None:
    equal = leaf("detail", name=name, op="eq", value=value)
    unequal = leaf("detail", name=name, op="neq", value=value)
    assert holds(equal, who, what) is not holds(unequal, who, what)
    assert holds(Not((equal,)), who, what) is holds(unequal, who, what)


@given(TREES)
def test_a_condition_survives_being_stored(plain: dict[str, Any]) -> None:
    it = condition(plain)
    assert msgspec.json.decode(msgspec.json.encode(it), type=Condition) == it
