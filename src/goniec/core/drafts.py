"""Drafts: reading what a user gives for a rule, with a pointer to every fault.

Called by whoever takes a rule: the API, the panel's form, rules as code. A rule that has passed here compiles. msgspec
stops at the first fault of a document, so this room goes through it piece by piece.
"""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from goniec.core import checks
from goniec.core.actions import Action, EmitEvent
from goniec.core.conditions import DEPTH_LIMIT, Condition, Group
from goniec.core.events import usual_kind
from goniec.core.leaves import Leaf
from goniec.core.meant import meant, one_of
from goniec.core.problems import Invalid, Problem
from goniec.core.rules import RuleDraft
from goniec.core.shapes import escaped, faults, shaped
from goniec.core.triggers import Trigger

PROBLEM_LIMIT: Final = 100
"""How many problems are told at once."""

_NESTING_LIMIT: Final = 100
"""More than any rule needs that keeps the limits of its parts."""


def read_draft(data: object, funnels: checks.Funnels) -> RuleDraft:
    """Read a rule, as it comes out of JSON, and check that it makes sense, too.

    Raises:
        Invalid: with every problem that was found, up to `PROBLEM_LIMIT`.

    """
    reading = _read(data)
    problems = reading.problems + checks.check(reading.given, funnels)
    if problems:
        raise Invalid(*problems[:PROBLEM_LIMIT])
    return RuleDraft(**reading.given)


def decode_draft(data: object) -> RuleDraft:
    """Read a rule without asking whether it makes sense.

    Raises:
        Invalid: keys are unknown or missing, or of another type.

    """
    reading = _read(data)
    if reading.problems:
        raise Invalid(*reading.problems[:PROBLEM_LIMIT])
    return RuleDraft(**reading.given)


def check(draft: RuleDraft, funnels: checks.Funnels) -> list[Problem]:
    """Tell all that makes no sense in a rule that could be read."""
    return checks.check({key: getattr(draft, key) for key in draft.__struct_fields__}, funnels)


class _Reading:
    """A rule while it is read: what could be, by attribute, and what could not."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}
        self.problems: list[Problem] = []
        self.leaves: list[tuple[Leaf, str]] = []

    def shaped(self, value: object, kind: Any, pointer: str) -> Any:  # noqa: ANN401 - whatever the kind is
        """Give `value` as a `kind`, or None and a problem."""
        try:
            return shaped(value, kind, pointer)
        except Invalid as invalid:
            self.problems += invalid.problems
            return None

    def one_of(self, value: object, kinds: Mapping[str, type[Struct]], pointer: str) -> Any:  # noqa: ANN401 - one of the kinds
        """Give `value` as the kind that its `type` names, or None and a problem."""
        name = value.get("type") if isinstance(value, dict) else None
        kind = kinds.get(name) if isinstance(name, str) else None
        if kind is not None:
            return self.shaped(value, kind, pointer)
        if not isinstance(value, dict):
            self.problems.append(Problem(pointer, "Expected object"))
        else:
            known = list(kinds)
            why = f"is required; it is one of {', '.join(known)}" if name is None else one_of(name, known)
            self.problems.append(Problem(f"{pointer}/type", why))
        return None

    def items(self, value: object, kinds: Mapping[str, type[Struct]], pointer: str) -> tuple[Any, ...] | None:
        """Give the items of a list, with None for what could not be read; or None where it is no list."""
        if not isinstance(value, list):
            self.problems.append(Problem(pointer, "Expected list"))
            return None
        return tuple(self.one_of(item, kinds, f"{pointer}/{n}") for n, item in enumerate(value))

    def tree(self, value: object, pointer: str, depth: int = 1) -> Condition | None:
        """Give a tree of conditions, or None where any of it could not be read."""
        name = value.get("type") if isinstance(value, dict) else None
        if not isinstance(value, dict) or not isinstance(name, str) or name not in _GROUPS:
            leaf: Leaf | None = self.one_of(value, _CONDITIONS, pointer)
            if leaf is not None:
                self.leaves.append((leaf, pointer))
            return leaf
        if depth > DEPTH_LIMIT:
            self.problems.append(Problem(pointer, f"groups nested deeper than {DEPTH_LIMIT} levels"))
            return None
        given = value.get("of")
        inside = given if isinstance(given, list) else []
        group = self.shaped(value if inside is not given else {**value, "of": []}, _GROUPS[name], pointer)
        parts = tuple(self.tree(part, f"{pointer}/of/{n}", depth + 1) for n, part in enumerate(inside))
        return None if group is None or None in parts else replace(group, of=parts)


def _read(data: object) -> _Reading:
    if not isinstance(data, dict):
        raise Invalid(Problem("", "Expected object"))
    if unfit := list(islice(faults(data, limit=_NESTING_LIMIT), PROBLEM_LIMIT)):
        raise Invalid(*unfit)
    reading = _Reading()
    for key, value in data.items():
        field = _FIELDS.get(key)
        if field is None:
            detail = f"unknown key{meant(key, _FIELDS)}; known are {', '.join(_FIELDS)}"
            reading.problems.append(Problem(f"/{escaped(key)}", detail))
            continue
        known = len(reading.problems)
        read = _READERS.get(key, _plain(field.type))(reading, value, f"/{key}")
        if known == len(reading.problems) or isinstance(read, tuple):
            reading.given[field.name] = read
    for key, field in _FIELDS.items():
        if field.required and key not in data:
            reading.problems.append(Problem(f"/{key}", "is required"))
    return reading


Reader = Callable[[_Reading, object, str], Any]


def _plain(kind: Any) -> Reader:  # noqa: ANN401 - the type of a field
    return lambda reading, value, pointer: reading.shaped(value, kind, pointer)


def _triggers(reading: _Reading, value: object, pointer: str) -> tuple[Trigger | None, ...] | None:
    return reading.items(value, _TRIGGERS, pointer)


def _conditions(reading: _Reading, value: object, pointer: str) -> Condition | None:
    tree = reading.tree(value, pointer)
    if tree is None:  # else `checks` looks at all of it
        reading.problems += [problem for leaf, place in reading.leaves for problem in leaf.problems(place)]
    return tree


def _actions(reading: _Reading, value: object, pointer: str) -> tuple[Action | None, ...] | None:
    actions = reading.items(value, _ACTIONS, pointer)
    if actions is None:
        return None
    return tuple(
        replace(action, kind=usual_kind(action.kind)) if isinstance(action, EmitEvent) else action for action in actions
    )


def _by_type(kinds: object) -> dict[str, type[Struct]]:
    return {str(kind.__struct_config__.tag): kind for kind in get_args(kinds)}


_TRIGGERS: Final = _by_type(Trigger)
_GROUPS: Final = _by_type(Group)
_CONDITIONS: Final = _GROUPS | _by_type(Leaf)
_ACTIONS: Final = _by_type(Action)
_FIELDS: Final = {field.encode_name: field for field in msgspec.structs.fields(RuleDraft)}
_READERS: Final[dict[str, Reader]] = {
    "triggers": _triggers,
    "conditions": _conditions,
    "actions": _actions,
    "otherwise": _actions,
}
