"""Turning plain JSON values into structs, so that what does not fit is told as a `Problem` with a pointer.

Called by the rooms that take what a user wrote (events, rules). msgspec does the work, and this room reads its
messages; tests hold their wording, so that another one in a later version is found by a test and not by a user.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, Final, TypeVar

import msgspec

from goniec.core.meant import keys_at, meant, one_of, values_at
from goniec.core.problems import Invalid, Problem

T = TypeVar("T")

DEPTH_LIMIT: Final = 32
"""How deep objects and lists may be nested, the outermost being the first."""

_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**64 - 1
_UNFIT: Final = re.compile("[\x00\ud800-\udfff]")
_PLACE: Final = re.compile(r" - at (?:`key` in )?`\$(.*)`\Z", re.DOTALL)
_STEP: Final = re.compile(r"\.(\w+)|\[(\d+)\]")
_NAMED: Final = re.compile(r"Object (contains unknown|missing required) field `(.*)`\Z", re.DOTALL)
_OTHER: Final = re.compile(r"Invalid (?:enum )?value '?(.*?)'?\Z", re.DOTALL)
_JSON_NAMES: Final = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "array": "list"}
_NAMES: Final = re.compile("`(" + "|".join(_JSON_NAMES) + ")`|`([a-z| ]+)`")


def shaped(value: object, kind: type[T], pointer: str = "") -> T:
    """Give `value` as a `kind`; `pointer` is where it stands.

    Raises:
        Invalid: it does not fit. Only the first fault is told, because msgspec stops there; or it holds half of a
            surrogate pair where msgspec stumbles over that.

    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Invalid(told(error, kind, value, pointer)) from None
    except UnicodeEncodeError:
        raise Invalid(*faults(value, pointer)) from None
    except RecursionError:
        raise Invalid(Problem(pointer, "nested too deep")) from None


def told(error: msgspec.ValidationError, kind: Any, value: object, pointer: str = "") -> Problem:  # noqa: ANN401 - whatever the kind is
    """Give what msgspec found wrong with `value` as a `kind`; `pointer` is where the whole stands."""
    message = str(error)
    steps: list[str | int] = []
    place = _PLACE.search(message)
    if place is not None:
        message = message[: place.start()]
        # msgspec writes [...] for a key of an object that is no struct: the pointer ends above it
        steps = [key or int(index) for key, index in _STEP.findall(place[1].partition("[...]")[0])]
    pointer += "".join(f"/{escaped(str(step))}" for step in steps)
    named = _NAMED.match(message)
    if named is not None and named[1] == "contains unknown":
        detail = "unknown key" + meant(named[2], keys_at(kind, value, steps))
        return Problem(f"{pointer}/{escaped(named[2])}", detail)
    if named is not None:
        return Problem(f"{pointer}/{escaped(named[2])}", "is required")
    other = _OTHER.match(message)
    if other is not None and (known := values_at(kind, value, steps)):
        return Problem(pointer, one_of(other[1], known))
    return Problem(pointer, _NAMES.sub(_plain, message))


def escaped(key: str) -> str:
    """Write a key as a step of a JSON pointer (RFC 6901, section 3)."""
    return key.replace("~", "~0").replace("/", "~1")


def faults(value: object, pointer: str = "", depth: int = 1, limit: int = DEPTH_LIMIT) -> Iterator[Problem]:
    """Walk through what came out of JSON and tell what no type shows.

    That is a NUL, half of a surrogate pair, a number that is not finite or needs more than 64 bits, and objects and
    lists nested deeper than `limit`.
    """
    match value:
        case dict() | list() if depth > limit:
            yield Problem(pointer, f"nested deeper than {limit} levels")
        case dict():
            for key, item in value.items():
                # what cannot be written cannot be pointed at either
                if fault := _unfit(key):
                    yield Problem(pointer, f"a key cannot hold {fault}")
                else:
                    yield from faults(item, f"{pointer}/{escaped(key)}", depth + 1, limit)
        case list():
            for n, item in enumerate(value):
                yield from faults(item, f"{pointer}/{n}", depth + 1, limit)
        case _:
            if fault := _fault(value):
                yield Problem(pointer, fault)


def _fault(value: object) -> str | None:
    match value:
        case str():
            fault = _unfit(value)
            return f"a text cannot hold {fault}" if fault else None
        case float() if not math.isfinite(value):
            return "a number must be finite"
        case int() if not _INT_MIN <= value <= _INT_MAX:
            return "a whole number must fit into 64 bits"
        case _:
            return None


def _unfit(text: str) -> str | None:
    found = _UNFIT.search(text)
    if found is None:
        return None
    return "the character NUL (U+0000)" if found[0] == "\0" else f"half of a surrogate pair (U+{ord(found[0]):04X})"


def _plain(found: re.Match[str]) -> str:
    return " or ".join(_JSON_NAMES.get(part, part) for part in (found[1] or found[2]).split(" | "))
