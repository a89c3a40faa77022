"""What each operator means, and which operands are refused."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.core.operators import (
    LIST_LIMIT,
    OPERATORS,
    SHOWN_LIMIT,
    Kind,
    Op,
    Operand,
    check,
    check_list,
    check_value,
    compile_test,
    reading,
    shown,
)
from goniec.core.times import LAST, parse_instant

WARSAW = ZoneInfo("Europe/Warsaw")
NOW = parse_instant("2026-11-25T10:00:00Z")
GREEK = "\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT TWO}"
WIDE = "\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT TWO}"


def holds(op: Op, operand: Operand, value: object, now: int = NOW, zone: ZoneInfo = WARSAW) -> bool:
    assert check(op, operand, Kind.ANY, "") == []
    return compile_test(op, operand, zone)(value, now)


@pytest.mark.parametrize(
    ("value", "read", "held"),
    [
        ("9", "number 9", False),
        (10, None, True),
        ("10.0", "number 10.0", True),
        ("abc", "no number", False),
        (None, "no value", False),
    ],
)
def test_a06_numbers_are_compared_as_numbers(value: object, read: str | None, held: bool) -> None:  # noqa: FBT001 - a column
    assert holds("gt", 9, value) is held
    assert reading("gt", 9, value) == read


def test_a06_numbers_are_never_compared_as_text() -> None:
    assert holds("lt", 10, "9")
    assert holds("gt", 9007199254740992, "9007199254740993")
    assert not holds("eq", 9007199254740992, 9007199254740993)
    assert holds("eq", 0.1, "0.10")


@pytest.mark.parametrize("digits", [GREEK, WIDE])
def test_a18_digits_of_other_scripts_are_no_numbers_by_accident(digits: str) -> None:
    assert not holds("eq", "12", digits)
    assert not holds("eq", 12, digits)
    assert not holds("gt", 5, digits)
    assert holds("eq", digits, digits)
    assert reading("gt", 5, digits) == "no number"


def test_a15_equality_is_exact() -> None:
    company = 'M&M <Żabka> "Łódź" 😱 \'s'
    assert holds("eq", company, company)
    assert not holds("eq", company.lower(), company)
    assert not holds("eq", "é", "e\N{COMBINING ACUTE ACCENT}")


@pytest.mark.parametrize(
    ("operand", "value", "equal"),
    [
        ("9", "9", True),
        ("9", "9.0", False),
        ("9", " 9", False),
        (9, "9", True),
        (9, " 9.0 ", True),
        ("9", 9, True),
        ("9.0", 9, True),
        ("nine", 9, False),
        (9, 9.0, True),
        (9, None, False),
        ("9", None, False),
        (True, True, True),
        (True, 1, False),
        (True, "true", False),
        (True, None, False),
        (False, False, True),
        (False, 0, False),
        (1, True, False),
        ("True", True, False),
        ("a", ["a"], False),
        (1, {"a": 1}, False),
    ],
)
def test_eq_and_neq(operand: str | float, value: object, equal: bool) -> None:  # noqa: FBT001 - a column
    assert holds("eq", operand, value) is equal
    assert holds("neq", operand, value) is not equal
    assert holds("in", (operand,), value) is equal
    assert holds("in", ("zzz", 77, operand), value) is equal


@pytest.mark.parametrize(
    ("op", "operand", "value", "held"),
    [
        ("exists", None, 0, True),
        ("exists", None, "", True),
        ("exists", None, None, False),
        ("in", ("a", "b"), "b", True),
        ("in", ("a", "b"), "c", False),
        ("in", ("a", "b"), 1, False),
        ("in", (1, 2), "2.0", True),
        ("in", ("1", "2"), 2, True),
        ("in", (True,), True, True),
        ("in", (True,), 1, False),
        ("in", ("a",), None, False),
        ("contains", "ab", "cabs", True),
        ("contains", "AB", "cabs", False),
        ("contains", "5", 15, True),
        ("contains", "5", True, False),
        ("contains", "5", None, False),
        ("contains", "5", {"5": 5}, False),
        ("contains", "5", ["5", 6], True),
        ("contains", 5, ["5", 6], True),
        ("contains", 5, "5", False),
        ("contains", "5", ["15"], False),
        ("contains", True, [1], False),
        ("startsWith", "48", 48600, True),
        ("startsWith", "48", "148", False),
        ("startsWith", "48", None, False),
        ("endsWith", ".pl", "x.pl", True),
        ("endsWith", ".pl", "x.pl ", False),
        ("endsWith", ".pl", ["x.pl"], False),
        ("matches", "b+", "abc", True),
        ("matches", "^b+$", "abc", False),
        ("matches", "(?i)ŁÓDŹ", "w łódź", True),
        ("matches", "^15$", 15, True),
        ("matches", "x", None, False),
        ("gt", 9, 9, False),
        ("gt", 9, 9.5, True),
        ("gte", 9, "9", True),
        ("gte", 9, 8, False),
        ("lt", 9, 8, True),
        ("lt", 9, 9, False),
        ("lte", 9, 9, True),
        ("lte", 9, 10, False),
        ("lte", 9, True, False),
        ("gt", -1, False, False),
        ("gt", 0, [1], False),
        ("between", (1, 9), 1, True),
        ("between", (1, 9), "9", True),
        ("between", (1, 9), 9.01, False),
        ("between", (1, 1), 1, True),
        ("between", (1, 9), "x", False),
    ],
)
def test_the_other_operators(op: Op, operand: Operand, value: object, held: bool) -> None:  # noqa: FBT001 - a column
    assert holds(op, operand, value) is held


def test_matches_takes_no_longer_for_an_evil_pattern() -> None:
    assert not holds("matches", "^(a+)+$", "a" * 5_000 + "b")


@pytest.mark.parametrize(
    ("op", "operand", "value", "held"),
    [
        # two instants
        ("before", "2026-11-25T10:00:00+01:00", "2026-11-25T08:59:59.999Z", True),
        ("before", "2026-11-25T10:00:00+01:00", "2026-11-25T09:00:00Z", False),
        ("after", "2026-11-25T10:00:00+01:00", "2026-11-25T09:00:00.001Z", True),
        ("after", "2026-11-25T10:00:00+01:00", "2026-11-25T09:00:00Z", False),
        # two dates
        ("before", "2026-11-25", "2026-11-24", True),
        ("before", "2026-11-25", "2026-11-25", False),
        ("after", "2026-11-25", "2026-11-26", True),
        ("after", "2026-11-25", "2026-11-25", False),
        # one of them has no time: the other's date in Warsaw
        ("after", "2026-11-25", "2026-11-25T23:30:00Z", True),
        ("before", "2026-11-25", "2026-11-24T22:59:59Z", True),
        ("before", "2026-11-25", "2026-11-24T23:00:00Z", False),
        ("after", "2026-11-25T23:30:00Z", "2026-11-26", False),
        ("after", "2026-11-25T23:30:00Z", "2026-11-27", True),
        # what is no time
        ("after", "2026-11-25", "2026-02-30", False),
        ("after", "2026-11-25", "2026-11-26 12:00", False),
        ("before", "2026-11-25", 7, False),
        ("before", "2026-11-25", None, False),
        ("before", "9999-12-31", "1970-01-01T00:00:00Z", True),
        ("before", "2026-11-25T23:30:00Z", "0001-01-01", True),
        # withinLast, now being 11:00 in Warsaw
        ("withinLast", "PT12H", "2026-11-24T22:00:00Z", False),
        ("withinLast", "PT12H", "2026-11-24T22:00:00.001Z", True),
        ("withinLast", "PT12H", "2026-11-25T10:00:00Z", True),
        ("withinLast", "PT12H", "2026-11-25T10:00:00.001Z", False),
        ("withinLast", "P7D", "2026-11-18T10:00:00.001Z", True),
        ("withinLast", "P7D", "2026-11-19", True),
        ("withinLast", "P7D", "2026-11-18", False),
        ("withinLast", "P7D", "2026-11-25", True),
        ("withinLast", "P7D", "2026-11-26", False),
        ("withinLast", "PT1H", "2026-11-25", True),
        ("withinLast", "PT1H", "2026-11-24", False),
        ("withinLast", "PT1H", "yesterday", False),
        ("withinLast", "PT1H", None, False),
    ],
)
def test_dates_and_instants(op: Op, operand: str, value: object, held: bool) -> None:  # noqa: FBT001 - a column
    assert holds(op, operand, value) is held


def test_within_the_last_days_counts_the_wall_clock_of_the_zone() -> None:
    after_the_clock_went_back = parse_instant("2026-10-25T11:00:00Z")
    assert holds("withinLast", "P1D", "2026-10-24T10:30:00Z", after_the_clock_went_back)
    assert not holds("withinLast", "PT24H", "2026-10-24T10:30:00Z", after_the_clock_went_back)


def test_the_last_instant_has_a_day_in_every_zone() -> None:
    assert holds("after", "9999-12-30", "9999-12-31T23:59:59Z", zone=ZoneInfo("Pacific/Kiritimati"))
    assert holds("before", "9999-12-31T23:59:59Z", "2026-11-25", NOW, ZoneInfo("Pacific/Kiritimati"))
    assert not holds("withinLast", "P1D", "9999-12-31", LAST - 3 * 86_400_000)


@pytest.mark.parametrize(
    ("kind", "op", "operand", "where"),
    [
        (Kind.TEXT, "gt", 1, "/op"),
        (Kind.TEXT, "withinLast", "P1D", "/op"),
        (Kind.NUMBER, "contains", "1", "/op"),
        (Kind.ANY, "exists", True, "/value"),
        (Kind.ANY, "eq", None, "/value"),
        (Kind.ANY, "neq", ("a",), "/value"),
        (Kind.ANY, "eq", "x" * 1001, "/value"),
        (Kind.ANY, "eq", float("nan"), "/value"),
        (Kind.ANY, "eq", 10**400, "/value"),
        (Kind.TEXT, "eq", " ", "/value"),
        (Kind.TEXT, "eq", 7, "/value"),
        (Kind.TEXT, "in", ("a", ""), "/value/1"),
        (Kind.NUMBER, "eq", "9", "/value"),
        (Kind.NUMBER, "eq", True, "/value"),
        (Kind.NUMBER, "in", (1, "2", None), "/value/1"),
        (Kind.ANY, "in", "a", "/value"),
        (Kind.ANY, "in", (), "/value"),
        (Kind.ANY, "in", None, "/value"),
        (Kind.ANY, "in", tuple(range(LIST_LIMIT + 1)), "/value"),
        (Kind.ANY, "contains", "", "/value"),
        (Kind.ANY, "contains", None, "/value"),
        (Kind.ANY, "contains", float("inf"), "/value"),
        (Kind.TEXT, "contains", 7, "/value"),
        (Kind.ANY, "startsWith", 7, "/value"),
        (Kind.ANY, "endsWith", ("a",), "/value"),
        (Kind.ANY, "startsWith", "x" * 1001, "/value"),
        (Kind.ANY, "matches", "(", "/value"),
        (Kind.ANY, "matches", "(?=x)", "/value"),
        (Kind.ANY, "matches", None, "/value"),
        (Kind.ANY, "matches", "", "/value"),
        (Kind.ANY, "gte", "abc", "/value"),
        (Kind.ANY, "gte", "9", "/value"),
        (Kind.ANY, "gt", True, "/value"),
        (Kind.ANY, "lt", None, "/value"),
        (Kind.ANY, "lte", float("inf"), "/value"),
        (Kind.ANY, "between", (9, 1), "/value"),
        (Kind.ANY, "between", (1, 2, 3), "/value"),
        (Kind.ANY, "between", (1, "2"), "/value"),
        (Kind.ANY, "between", 1, "/value"),
        (Kind.ANY, "withinLast", 7, "/value"),
        (Kind.ANY, "withinLast", "P1M", "/value"),
        (Kind.ANY, "withinLast", "PT0S", "/value"),
        (Kind.ANY, "before", "2026-02-30", "/value"),
        (Kind.ANY, "after", "2026-11-25T10:00:00", "/value"),
        (Kind.ANY, "after", 7, "/value"),
    ],
)
def test_what_makes_no_sense_is_refused_by_pointer(kind: Kind, op: Op, operand: Any, where: str) -> None:
    found = check(op, operand, kind, "/here")
    assert found[0].pointer == "/here" + where
    assert found[0].detail


def test_an_operator_that_makes_no_sense_names_those_that_do() -> None:
    (problem,) = check("gt", 1, Kind.TEXT, "")
    expected = "gt makes no sense for text; use one of contains, endsWith, eq, exists, in, matches, neq, startsWith"
    assert problem.detail == expected


def test_lists_and_values_are_checked_where_they_stand() -> None:
    assert [problem.pointer for problem in check_list(("a", float("nan")), "/values")] == ["/values/1"]
    assert [problem.pointer for problem in check_list((), "/values")] == ["/values"]
    assert [problem.pointer for problem in check_value(float("nan"), "/x")] == ["/x"]
    assert check_list(("a", 1, True), "") == check_value("", "") == []


@pytest.mark.parametrize(
    ("op", "operand", "value", "read"),
    [
        ("eq", 9, "9", "number 9"),
        ("eq", "9", "9", None),
        ("in", ("a", 9), "b", "no number"),
        ("neq", 9, True, None),
        ("between", (1, 2), [1], "no number"),
        ("contains", "1", 15, "text 15"),
        ("contains", "1", ["1"], None),
        ("matches", "1", ["1"], "no text"),
        ("before", "2026-11-25", "2026-11-24", "time 2026-11-24"),
        ("after", "2026-11-25", "2026-11-24T10:00:00+01:00", "time 2026-11-24T09:00:00.000Z"),
        ("withinLast", "P1D", "soon", "no time"),
        ("exists", None, "x", None),
        ("exists", None, None, "no value"),
        ("gt", 1, "0" * 399 + "7", "number 7"),
    ],
)
def test_a_trace_says_how_a_value_was_read(op: Op, operand: Operand, value: object, read: str | None) -> None:
    assert reading(op, operand, value) == read


def test_a_trace_keeps_no_more_than_it_shows() -> None:
    assert shown("x" * SHOWN_LIMIT) == "x" * SHOWN_LIMIT
    assert shown("x" * 201) == "x" * 199 + "…"
    assert shown(["ą", {"a": None}]) == '["ą",{"a":null}]'
    assert shown({"a": "x" * 500}) == '{"a":"' + "x" * 193 + "…"
    assert [shown(value) for value in (None, True, 7, 1.5)] == [None, True, 7, 1.5]


SCALARS = st.one_of(st.text(max_size=4), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans())
NUMERIC = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.one_of(st.none(), SCALARS, NUMERIC.map(str), st.lists(SCALARS, max_size=3))


@given(SCALARS, VALUES)
def test_exactly_one_of_eq_and_neq_holds(operand: Any, value: object) -> None:
    assert holds("eq", operand, value) is not holds("neq", operand, value)
    assert holds("in", (operand,), value) is holds("eq", operand, value)


@given(NUMERIC, VALUES)
def test_a_number_is_below_equal_or_above_and_anything_else_is_nothing_of_it(bound: float, value: object) -> None:
    found = [holds("lt", bound, value), holds("eq", bound, value), holds("gt", bound, value)]
    assert sum(found) == (reading("gt", bound, value) not in {"no number", "no value"})
    assert holds("lte", bound, value) is (found[0] or found[1])
    assert holds("gte", bound, value) is (found[1] or found[2])


@given(st.sampled_from(sorted(OPERATORS[Kind.ANY] - {"neq"})), st.data())
def test_a_missing_value_satisfies_nothing_but_neq(op: Op, data: st.DataObject) -> None:
    operand = data.draw(OPERANDS[op])
    assert not holds(op, operand, None)
    assert holds("neq", "x", None)


NUMBER_OPERAND = st.integers(-5, 5) | st.floats(-5, 5)
TIME_OPERAND = st.sampled_from(["2026-11-25", "2026-11-25T03:36:00Z"])
OPERANDS: dict[str, st.SearchStrategy[Any]] = {
    "exists": st.none(),
    "eq": SCALARS,
    "neq": SCALARS,
    "contains": st.text(min_size=1, max_size=3),
    "startsWith": st.text(min_size=1, max_size=3),
    "endsWith": st.text(min_size=1, max_size=3),
    "matches": st.sampled_from(["a", "^$", ".*", "[0-9]+"]),
    "gt": NUMBER_OPERAND,
    "gte": NUMBER_OPERAND,
    "lt": NUMBER_OPERAND,
    "lte": NUMBER_OPERAND,
    "between": st.tuples(NUMBER_OPERAND, NUMBER_OPERAND).map(lambda pair: tuple(sorted(pair))),
    "in": st.lists(SCALARS, min_size=1, max_size=3).map(tuple),
    "withinLast": st.sampled_from(["P1D", "PT1H", "P3650D"]),
    "before": TIME_OPERAND,
    "after": TIME_OPERAND,
}
