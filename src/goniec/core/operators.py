"""What the operators of conditions and filters mean, and which operands make sense.

Called by `leaves` and `triggers`. A value that is looked at is text, a number, true or false, null (there is none), or,
in an event's data, a list or an object. One meaning for all:

* Two texts are equal when they are the same, character by character. Where one of the two is a number, both are read as
  numbers (`text.read_number`), exactly. True and false equal only themselves. Nothing equals a missing value, a list or
  an object.
* `neq` is whatever `eq` is not, so it holds for a missing value. Every other operator fails on one.
* `gt`, `gte`, `lt`, `lte` and `between` (both ends belong to it) read numbers; what is no number fails.
* `contains`, `startsWith`, `endsWith` compare letter case too; a number is taken as it is written. A list `contains`
  its items.
* `matches` finds an RE2 pattern anywhere in the text; `^` and `$` tie it to the ends.
* `before` and `after` compare two instants, or, as soon as one of the two has no time, two dates: an instant's date is
  that in the rule's zone. `withinLast` holds in (now - duration, now]; for dates, in as many days up to today.
"""

import enum
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Final, Literal, TypeGuard, assert_never
from zoneinfo import ZoneInfo

import msgspec
import re2

from goniec.core.problems import Problem
from goniec.core.text import read_number
from goniec.core.times import (
    DAY,
    LAST,
    SECOND,
    Millis,
    format_instant,
    parse_date,
    parse_duration,
    parse_instant,
    subtract,
)

Op = Literal[
    "exists",
    "eq",
    "neq",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "gt",
    "gte",
    "lt",
    "lte",
    "between",
    "in",
    "withinLast",
    "before",
    "after",
]
Scalar = str | int | float | bool
Operand = Scalar | tuple[Scalar, ...] | None
Test = Callable[[Any, Millis], bool]
"""(value, now) → does it hold."""

LIST_LIMIT: Final = 1_000
TEXT_LIMIT: Final = 1_000
SHOWN_LIMIT: Final = 200
"""How many characters of a value a trace keeps."""

_DATE_LENGTH: Final = len("2026-11-25")
_EQUALITY: Final = frozenset({"eq", "neq", "in"})
_ORDER: Final = frozenset({"gt", "gte", "lt", "lte", "between"})
_PARTS: Final = frozenset({"contains", "startsWith", "endsWith", "matches"})
_TIMES: Final = frozenset({"withinLast", "before", "after"})


class Kind(enum.Enum):
    """What a condition looks at: which operators it takes follows from this."""

    TEXT = "text"
    NUMBER = "a number"
    ANY = "any value"


OPERATORS: Final[dict[Kind, frozenset[str]]] = {
    Kind.TEXT: frozenset({"exists"}) | _EQUALITY | _PARTS,
    Kind.NUMBER: frozenset({"exists"}) | _EQUALITY | _ORDER,
    Kind.ANY: frozenset({"exists"}) | _EQUALITY | _PARTS | _ORDER | _TIMES,
}


def check(op: Op, operand: Operand, kind: Kind, pointer: str) -> list[Problem]:
    """Tell what makes no sense; `pointer` leads to the object that holds `op` and `value`."""
    if op not in OPERATORS[kind]:
        known = ", ".join(sorted(OPERATORS[kind]))
        return [Problem(f"{pointer}/op", f"{op} makes no sense for {kind.value}; use one of {known}")]
    fault = _fault(op, operand, kind)
    return [Problem(f"{pointer}/value{at}", detail) for at, detail in fault]


def check_list(operands: tuple[Scalar, ...], pointer: str) -> list[Problem]:
    """Tell what makes no sense in a list of values of any kind, which stands at `pointer`."""
    return [Problem(pointer + at, detail) for at, detail in _fault("in", operands, Kind.ANY)]


def check_value(operand: Scalar, pointer: str) -> list[Problem]:
    """Tell what makes no sense in a value of any kind that something has to equal; it stands at `pointer`."""
    return [Problem(pointer + at, detail) for at, detail in _fault("eq", operand, Kind.ANY)]


def _fault(op: Op, operand: Operand, kind: Kind) -> list[tuple[str, str]]:  # noqa: C901, PLR0912 - one arm per operator
    match op:
        case "exists":
            return [] if operand is None else [("", "exists takes no value; for the opposite put it into a not group")]
        case "eq" | "neq":
            return _whole(_scalar_fault(operand, kind))
        case "in":
            if not isinstance(operand, tuple) or not operand:
                return [("", "a list with at least one value is needed")]
            if len(operand) > LIST_LIMIT:
                return [("", f"at most {LIST_LIMIT} values, and this has {len(operand)}")]
            return [(f"/{n}", fault) for n, item in enumerate(operand) if (fault := _scalar_fault(item, kind))]
        case "contains":
            if kind is Kind.ANY and operand is not None and not isinstance(operand, str | tuple):
                return _whole(_scalar_fault(operand, kind))  # an item of a list
            return _whole(_text_fault(operand))
        case "startsWith" | "endsWith":
            return _whole(_text_fault(operand))
        case "matches":
            return _whole(_text_fault(operand) or _pattern_fault(str(operand)))
        case "gt" | "gte" | "lt" | "lte":
            return [] if _is_number(operand) else [("", 'a number is needed, such as 9 (not "9")')]
        case "between":
            if not isinstance(operand, tuple) or len(operand) != 2 or not all(map(_is_number, operand)):  # noqa: PLR2004 - a range has two ends
                return [("", "two numbers are needed, as in [1, 9]")]
            low, high = map(_number, operand)
            return [("", "the first number must not be above the second")] if low > high else []
        case "withinLast":
            return _whole(_duration_fault(operand))
        case "before" | "after":
            if isinstance(operand, str) and _moment(operand) is not None:
                return []
            return [("", "a date such as 2026-11-25 or a time with an offset such as 2026-11-25T03:36:00Z is needed")]
        case _:
            assert_never(op)


def _whole(fault: str | None) -> list[tuple[str, str]]:
    return [("", fault)] if fault else []


def _scalar_fault(operand: Operand, kind: Kind) -> str | None:
    match operand:
        case None:
            return "a value is needed; whether there is one at all is asked with exists"
        case tuple():
            return "one value is needed, not a list"
        case str() if len(operand) > TEXT_LIMIT:
            return f"at most {TEXT_LIMIT} characters, and this has {len(operand)}"
        case str() if kind is Kind.TEXT and not operand.strip():
            return "no field holds an empty text: an empty one is stored as none; ask with exists"
        case int() | float() if not isinstance(operand, bool) and read_number(operand) is None:
            return "a number must be finite, with at most 400 digits"
        case _ if kind is Kind.TEXT and not isinstance(operand, str):
            return "a text is needed"
        case _ if kind is Kind.NUMBER and not _is_number(operand):
            return 'a number is needed, such as 9 (not "9")'
        case _:
            return None


def _text_fault(operand: Operand) -> str | None:
    if not isinstance(operand, str) or not operand:
        return "a text is needed, and not an empty one"
    return f"at most {TEXT_LIMIT} characters, and this has {len(operand)}" if len(operand) > TEXT_LIMIT else None


def _pattern_fault(pattern: str) -> str | None:
    try:
        _pattern(pattern)
    except re2.error as error:
        reason = error.args[0]
        return f"not an RE2 pattern: {reason.decode() if isinstance(reason, bytes) else reason}"
    return None


def _duration_fault(operand: Operand) -> str | None:
    if not isinstance(operand, str):
        return "a duration is needed, such as P7D or PT12H"
    try:
        duration = parse_duration(operand)
    except ValueError as error:
        return str(error)
    return None if duration != parse_duration("PT0S") else "a duration of nothing never holds"


def compile_test(op: Op, operand: Any, zone: ZoneInfo) -> Test:  # noqa: ANN401, C901 - the check has seen the operand; one arm per operator
    """Make the test of an operator with an operand that `check` has passed."""
    match op:
        case "exists":
            return lambda value, _: value is not None
        case "eq":
            return _equals(operand)
        case "neq":
            equals = _equals(operand)
            return lambda value, now: not equals(value, now)
        case "in":
            return _among(operand)
        case "contains":
            return _contains(operand)
        case "startsWith":
            return lambda value, _: (text := _text(value)) is not None and text.startswith(operand)
        case "endsWith":
            return lambda value, _: (text := _text(value)) is not None and text.endswith(operand)
        case "matches":
            find = _pattern(operand).search
            return lambda value, _: (text := _text(value)) is not None and find(text) is not None
        case "gt" | "gte" | "lt" | "lte" | "between":
            return _ordered(op, operand)
        case "withinLast":
            return _within(operand, zone)
        case "before" | "after":
            return _beside(op, operand, zone)
        case _:
            assert_never(op)


def reading(op: Op, operand: Any, value: object) -> str | None:  # noqa: ANN401 - as above
    """Tell how a value was understood, where that is not plain to see."""
    if value is None:
        return "no value"
    if op in _ORDER or (op in _EQUALITY and isinstance(value, str) and _has_number(operand)):
        return None if _is_number(value) else _reading_of(_number(value), "number")
    if op in _PARTS and not isinstance(value, str):
        return None if op == "contains" and isinstance(value, list) else _reading_of(_text(value), "text")
    if op in _TIMES:
        moment = _moment(value)
        return _reading_of(format_instant(moment) if isinstance(moment, int) else moment, "time")
    return None


def shown(value: object) -> object:
    """Give a value as a trace keeps it: texts cut, lists and objects as JSON."""
    if isinstance(value, dict | list | tuple):
        value = msgspec.json.encode(value).decode()
    if isinstance(value, str) and len(value) > SHOWN_LIMIT:
        return value[: SHOWN_LIMIT - 1] + "…"
    return value


def _reading_of(result: object, word: str) -> str:
    return f"no {word}" if result is None else f"{word} {result}"[:SHOWN_LIMIT]


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and read_number(value) is not None


def _has_number(operand: Any) -> bool:  # noqa: ANN401 - any operand
    return any(map(_is_number, operand if isinstance(operand, tuple) else (operand,)))


def _number(value: Any) -> Any:  # noqa: ANN401 - int and Decimal compare, but have no type in common
    return value if type(value) is int else read_number(value)


def _text(value: object) -> str | None:
    if type(value) is str:
        return value
    return str(value) if _is_number(value) else None


def _pattern(pattern: str) -> Any:  # noqa: ANN401 - re2 ships no types
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def _equals(operand: Scalar) -> Test:
    if isinstance(operand, bool):
        return lambda value, _: value is operand
    number = read_number(operand)
    if isinstance(operand, str):
        return lambda value, _: (
            value == operand if type(value) is str else number is not None and _number(value) == number
        )
    return lambda value, _: _number(value) == number


def _among(operands: tuple[Scalar, ...]) -> Test:
    tests = [_equals(operand) for operand in operands if not isinstance(operand, str)]
    texts = frozenset(operand for operand in operands if isinstance(operand, str))
    numbers = frozenset(number for text in texts if (number := read_number(text)) is not None)

    def test(value: Any, now: Millis) -> bool:  # noqa: ANN401 - any value
        found = value in texts if type(value) is str else bool(numbers) and _number(value) in numbers
        return found or any(equals(value, now) for equals in tests)

    return test


def _contains(operand: Scalar) -> Test:
    equals = _equals(operand)

    def test(value: Any, now: Millis) -> bool:  # noqa: ANN401 - any value
        if isinstance(value, list):
            return any(equals(item, now) for item in value)
        text = _text(value)
        return text is not None and isinstance(operand, str) and operand in text

    return test


def _ordered(op: Literal["gt", "gte", "lt", "lte", "between"], operand: Any) -> Test:  # noqa: ANN401 - as above
    if op == "between":
        low, high = map(_number, operand)
        return lambda value, _: (number := _number(value)) is not None and low <= number <= high
    bound = _number(operand)
    match op:
        case "gt":
            return lambda value, _: (number := _number(value)) is not None and number > bound
        case "gte":
            return lambda value, _: (number := _number(value)) is not None and number >= bound
        case "lt":
            return lambda value, _: (number := _number(value)) is not None and number < bound
        case "lte":
            return lambda value, _: (number := _number(value)) is not None and number <= bound
        case _:
            assert_never(op)


def _within(operand: str, zone: ZoneInfo) -> Test:
    duration = parse_duration(operand)

    def test(value: Any, now: Millis) -> bool:  # noqa: ANN401 - any value
        moment = _moment(value)
        if moment is None:
            return False
        start = subtract(now, duration, zone)
        if isinstance(moment, int):
            return start < moment <= now
        today = _day(now, zone)
        return _day(start, zone) < moment <= today or moment == today

    return test


def _beside(op: Literal["before", "after"], operand: str, zone: ZoneInfo) -> Test:
    bound = _read_moment(operand)
    bound_day = _day(bound, zone)
    sign = 1 if op == "after" else -1

    def test(value: Any, _: Millis) -> bool:  # noqa: ANN401 - any value
        moment = _moment(value)
        if moment is None:
            return False
        if isinstance(moment, int) and isinstance(bound, int):
            return (moment - bound) * sign > 0
        return (_day(moment, zone).toordinal() - bound_day.toordinal()) * sign > 0

    return test


def _moment(value: object) -> date | Millis | None:
    """Read a date without time, or an instant; neither is None."""
    if not isinstance(value, str):
        return None
    try:
        return _read_moment(value)
    except ValueError:
        return None


def _read_moment(text: str) -> date | Millis:
    return parse_date(text) if len(text) == _DATE_LENGTH else parse_instant(text)


def _day(moment: date | Millis, zone: ZoneInfo) -> date:
    if isinstance(moment, date):
        return moment
    # the last day of the calendar could lie beyond it in the zone
    return datetime.fromtimestamp(min(moment, LAST - DAY) // SECOND, zone).date()
