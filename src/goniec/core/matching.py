"""How triggers are checked, compiled and indexed; what they are stands in `triggers`.

Called by `rules`. `index_keys` says under which keys a trigger is filed, and `event_keys` under which ones an event
looks: an event that a trigger fits shares a key with it, so that it meets only the rules that name its tag, stage,
kind, detail or form, and those that name none.
"""

from collections.abc import Callable
from typing import Any, Final, assert_never, get_args
from zoneinfo import ZoneInfo

from goniec.core.events import usual_kind
from goniec.core.model import Event
from goniec.core.names import detail_problems, list_problems, name_problems, tag_problems, url_problems
from goniec.core.operators import Kind, check_list, check_value, compile_test
from goniec.core.operators import check as check_operand
from goniec.core.problems import Problem
from goniec.core.shapes import escaped
from goniec.core.text import tag_key
from goniec.core.times import Millis
from goniec.core.triggers import (
    ContactChanged,
    DetailAdded,
    DetailChanged,
    DetailRemoved,
    EmailClicked,
    ExternalAdded,
    ExternalChanged,
    Filter,
    PageVisited,
    ScoreChanged,
    StageEntered,
    StageLeft,
    Trigger,
)

Matches = Callable[[Event], bool]
Data = dict[str, Any]
DataTest = Callable[[Data, Millis], bool]

ANYTHING: Final = "**"
"""What stands for any text, an empty one too, in a URL of a trigger; all else is meant literally."""

_NAMES: Final[dict[str, Callable[[str, str], list[Problem]]]] = {
    "tags": tag_problems,
    "tag": tag_problems,
    "names": detail_problems,
    "detail": detail_problems,
    "urls": url_problems,
    "funnel": name_problems,
    "stages": name_problems,
    "stage": name_problems,
    "consent": name_problems,
    "messages": name_problems,
    "forms": name_problems,
    "kinds": name_problems,
    "products": name_problems,
    "endpoints": name_problems,
    "rules": name_problems,
    "source_key": name_problems,
    "not_source_key": name_problems,
}
_NORMAL: Final[dict[str, Callable[[str], str]]] = {"tags": tag_key, "tag": tag_key, "kinds": usual_kind}
_LISTS_OF_CHOICES: Final = frozenset({"fields", "source", "not_source"})
_PRODUCT_KEYS: Final = ("id", "sku", "name")
_SEPARATOR: Final = "\0"


def type_of(trigger: Trigger) -> str:
    """The type of event that sets it off."""
    return str(trigger.__struct_config__.tag)


def check(trigger: Trigger, pointer: str) -> list[Problem]:
    """Tell everything in a trigger that makes no sense."""
    found: list[Problem] = []
    for attribute, name in zip(trigger.__struct_fields__, trigger.__struct_encode_fields__, strict=True):
        value = getattr(trigger, attribute)
        problems = _NAMES.get(attribute)
        if isinstance(value, tuple) and (problems or attribute in _LISTS_OF_CHOICES):
            found += list_problems(f"{pointer}/{name}", value, problems)
        elif isinstance(value, str) and problems:
            found += problems(f"{pointer}/{name}", value)
    return found + _problems(trigger, pointer)


def index_keys(trigger: Trigger) -> list[str]:
    """Say under which keys a trigger is filed: the longest that its filters spell."""
    match trigger:
        case ContactChanged(fields=fields) if fields:
            return [_key(type_of(trigger), field) for field in fields]
        case PageVisited(urls=urls) if urls and not any(ANYTHING in url for url in urls):
            return [_key(type_of(trigger), url) for url in urls]
        case ScoreChanged(scope="tag"):
            index: tuple[str, ...] = ("scope", "tag")
        case ScoreChanged():
            index = ("scope", "funnel", "stage")
        case _:
            index = trigger.index
    keys = [type_of(trigger)]
    for attribute in index:
        wanted = _wanted(trigger, attribute)
        if wanted is None:
            break
        keys = [_key(key, value) for key in keys for value in wanted]
    return keys


def event_keys(event: Event) -> list[str]:
    """Say under which keys the triggers that may fit an event are filed."""
    kind, data = event.type, event.data
    keys = [kind]
    if kind == "contact.changed":
        keys += [_key(kind, change["field"]) for change in data["changes"]]
        return keys
    key = kind
    for name in _SCORE_PATHS[data["scope"]] if kind == "contact.score_changed" else _PATHS.get(kind, ()):
        value = data.get(name)
        if value is None:
            break
        key = _key(key, value)
        keys.append(key)
    return keys


def compile_trigger(trigger: Trigger, zone: ZoneInfo) -> Matches:
    """Make the function that says whether an event sets a trigger off; `check` has passed it.

    Raises:
        ValueError: `check` would not have passed it.

    """
    kind = type_of(trigger)
    tests = [*_source_tests(trigger), *map(_of_event, _data_tests(trigger, zone))]
    match tests:
        case []:
            return lambda event: event.type == kind
        case [test]:
            return lambda event: event.type == kind and test(event)
        case _:
            return lambda event: event.type == kind and all(test(event) for test in tests)


def _key(start: str, value: object) -> str:
    return f"{start}{_SEPARATOR}{value}"


def _wanted(trigger: Trigger, attribute: str) -> tuple[Any, ...] | None:
    """The values that a filter takes, as they stand in data."""
    value = getattr(trigger, attribute)
    if value is None:
        return None
    values = value if isinstance(value, tuple) else (value,)
    normal = _NORMAL.get(attribute)
    return tuple(map(normal, values)) if normal else values


def _problems(trigger: Trigger, pointer: str) -> list[Problem]:
    match trigger:
        case ScoreChanged():
            return _score_problems(trigger, pointer)
        case StageEntered(funnel=None, stages=tuple()) | StageLeft(funnel=None, stages=tuple()):
            return [Problem(f"{pointer}/funnel", "is required where stages are given")]
        case DetailAdded(values=values) | DetailChanged(values=values) | DetailRemoved(values=values) if (
            values is not None
        ):
            return check_list(values, f"{pointer}/values")
        case ExternalAdded() | ExternalChanged():
            return _external_problems(trigger, pointer)
        case _:
            return []


def _score_problems(trigger: ScoreChanged, pointer: str) -> list[Problem]:
    found = []
    if trigger.value is None and trigger.mode != "crossed":
        found.append(Problem(f"{pointer}/value", f"is required for {trigger.mode}"))
    if trigger.tag is not None and trigger.scope != "tag":
        found.append(Problem(f"{pointer}/tag", "goes only with the scope tag"))
    if trigger.funnel is not None and trigger.scope != "stage":
        found.append(Problem(f"{pointer}/funnel", "goes only with the scope stage"))
    if trigger.stage is not None and trigger.funnel is None:
        found.append(Problem(f"{pointer}/funnel", "is required where a stage is given"))
    return found


def patterns(trigger: Trigger, pointer: str) -> list[str]:
    """Say where a trigger looks for a pattern (`matches`)."""
    if not isinstance(trigger, ExternalAdded | ExternalChanged):
        return []
    return [
        f"{pointer}/properties/{escaped(name)}"
        for name, wanted in (trigger.properties or {}).items()
        if isinstance(wanted, Filter) and wanted.op == "matches"
    ]


def _external_problems(trigger: ExternalAdded | ExternalChanged, pointer: str) -> list[Problem]:
    found = []
    if trigger.value is not None:
        found += check_operand(trigger.value.op, trigger.value.value, Kind.NUMBER, f"{pointer}/value")
    if trigger.properties is not None and not trigger.properties:
        found.append(Problem(f"{pointer}/properties", "cannot be empty; leave it out"))
    for name, wanted in (trigger.properties or {}).items():
        place = f"{pointer}/properties/{escaped(name)}"
        found += name_problems(place, name)
        if isinstance(wanted, Filter):
            found += check_operand(wanted.op, wanted.value, Kind.ANY, place)
        else:
            found += check_value(wanted, place)
    return found


def _source_tests(trigger: Trigger) -> list[Matches]:
    tests: list[Matches] = []
    if trigger.source is not None:
        sources = frozenset[str](trigger.source)
        tests.append(lambda event: event.source in sources)
    if trigger.source_key is not None:
        keys = frozenset(trigger.source_key)
        tests.append(lambda event: event.source_key in keys)
    if trigger.not_source is not None:
        other_sources = frozenset[str](trigger.not_source)
        tests.append(lambda event: event.source not in other_sources)
    if trigger.not_source_key is not None:
        other_keys = frozenset(trigger.not_source_key)
        tests.append(lambda event: event.source_key not in other_keys)
    return tests


def _data_tests(trigger: Trigger, zone: ZoneInfo) -> list[DataTest]:
    tests = [
        _one_of(key, wanted)
        for attribute, key in trigger.filters.items()
        if (wanted := _wanted(trigger, attribute)) is not None
    ]
    match trigger:
        case ScoreChanged(value=int()):
            tests.append(_score_test(trigger))
        case ContactChanged(fields=fields) if fields is not None:
            wanted_fields = frozenset[str](fields)
            tests.append(lambda data, _: any(change["field"] in wanted_fields for change in data["changes"]))
        case DetailAdded(values=values) | DetailChanged(values=values) | DetailRemoved(values=values) if (
            values is not None
        ):
            key = "old" if isinstance(trigger, DetailRemoved) else "new"
            equal = compile_test("in", values, zone)
            tests.append(lambda data, now: equal(data[key], now))
        case PageVisited(urls=urls) | EmailClicked(urls=urls) if urls is not None:
            tests.append(_url_test(urls))
        case ExternalAdded() | ExternalChanged():
            tests += _external_tests(trigger, zone)
        case _:
            pass
    return tests


def _of_event(test: DataTest) -> Matches:
    return lambda event: test(event.data, event.received_at)


def _one_of(key: str, wanted: tuple[Any, ...]) -> DataTest:
    if len(wanted) == 1:
        (only,) = wanted
        return lambda data, _: data.get(key) == only
    values = frozenset(wanted)
    return lambda data, _: data.get(key) in values


def _score_test(trigger: ScoreChanged) -> DataTest:
    value = trigger.value
    match trigger.mode:
        case "crossed":
            return lambda data, _: data["old"] < value <= data["new"]
        case "equals":
            return lambda data, _: data["new"] == value
        case "whileAbove":
            return lambda data, _: data["new"] > value
        case _:
            assert_never(trigger.mode)


def _url_test(urls: tuple[str, ...]) -> DataTest:
    exact = frozenset(url for url in urls if ANYTHING not in url)
    patterns = tuple(_pattern(url) for url in urls if ANYTHING in url)

    def test(data: Data, _: Millis) -> bool:
        url = data.get("url")
        return url is not None and (url in exact or any(fits(url) for fits in patterns))

    return test


def _pattern(pattern: str) -> Callable[[str], bool]:
    first, *middle, last = pattern.split(ANYTHING)

    def fits(url: str) -> bool:
        at, end = len(first), len(url) - len(last)
        if at > end or not url.startswith(first) or not url.endswith(last):
            return False
        for part in middle:
            # the first place is always good enough: it leaves most to the parts behind it
            found = url.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True

    return fits


def _external_tests(trigger: ExternalAdded | ExternalChanged, zone: ZoneInfo) -> list[DataTest]:
    tests: list[DataTest] = []
    if trigger.value is not None:
        value_test = compile_test(trigger.value.op, trigger.value.value, zone)
        tests.append(lambda data, now: value_test(data.get("value"), now))
    if trigger.products is not None:
        products = frozenset(trigger.products)
        tests.append(lambda data, _: any(_is_named(product, products) for product in data.get("products") or ()))
    for name, wanted in (trigger.properties or {}).items():
        filter_ = wanted if isinstance(wanted, Filter) else Filter("eq", wanted)
        tests.append(_property_test(name, compile_test(filter_.op, filter_.value, zone)))
    return tests


def _property_test(name: str, test: Callable[[Any, Millis], bool]) -> DataTest:
    return lambda data, now: test((data.get("properties") or {}).get(name), now)


def _is_named(product: object, names: frozenset[str]) -> bool:
    match product:
        case dict():
            return any(
                _is_named(product.get(key), names) for key in _PRODUCT_KEYS if not isinstance(product.get(key), dict)
            )
        case bool():
            return False
        case str() | int():
            return str(product) in names
        case _:
            return False


_PATHS: Final[dict[str, tuple[str, ...]]] = {
    str(kind.__struct_config__.tag): tuple(kind.filters[attribute] for attribute in kind.index)
    for kind in get_args(Trigger)
} | {"page.visited": ("url",)}
_SCORE_PATHS: Final = {
    "contact": ("scope",),
    "tag": ("scope", "tag"),
    "stage": ("scope", "funnel", "stage"),
}
