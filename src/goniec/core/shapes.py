"""Turning plain JSON values into structs, so that what does not fit is told as a `Problem` with a pointer.

Called by the rooms that take what a user wrote (events, rules). msgspec does the work; this room only reads its messages,
and tests hold their wording, so that another one in a later version is found by a test and not by a user.
"""

import re
from typing import Final, TypeVar

import msgspec

from goniec.core.problems import Invalid, Problem

T = TypeVar("T")

_PLACE: Final = re.compile(r" - at (?:`key` in )?`\$(.*)`\Z", re.DOTALL)
_STEP: Final = re.compile(r"\.(\w+)|\[(\d+)\]")
_NAMED: Final = re.compile(r"Object (contains unknown|missing required) field `(.*)`\Z", re.DOTALL)
_JSON_NAMES: Final = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "array": "list"}
_NAMES: Final = re.compile("`(" + "|".join(_JSON_NAMES) + ")`|`([a-z| ]+)`")


def shaped(value: object, kind: type[T], pointer: str = "") -> T:
    """Give `value` as a `kind`; `pointer` is where it stands.

    Raises:
        Invalid: it does not fit. Only the first fault is told, because msgspec stops there.

    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Invalid(_problem(str(error), pointer)) from None
    except RecursionError:
        raise Invalid(Problem(pointer, "nested too deep")) from None


def escaped(key: str) -> str:
    """Write a key as a step of a JSON pointer (RFC 6901, section 3)."""
    return key.replace("~", "~0").replace("/", "~1")


def _problem(message: str, pointer: str) -> Problem:
    place = _PLACE.search(message)
    if place is not None:
        message = message[: place.start()]
        # msgspec writes [...] for a key of an object that is no struct: the pointer ends above it
        for key, index in _STEP.findall(place[1].partition("[...]")[0]):
            pointer += "/" + escaped(key or index)
    named = _NAMED.match(message)
    if named is not None:
        detail = "unknown key" if named[1] == "contains unknown" else "is required"
        return Problem(f"{pointer}/{escaped(named[2])}", detail)
    return Problem(pointer, _NAMES.sub(_plain, message))


def _plain(found: re.Match[str]) -> str:
    return " or ".join(_JSON_NAMES.get(part, part) for part in (found[1] or found[2]).split(" | "))
