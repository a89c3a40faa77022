"""What could have stood where something unknown stands: the names that a type knows at a place, and the nearest one.

Called where a fault is put into words: by `shapes`, `drafts` and the reading of a query. Only after something went
wrong, because looking into a type is slow.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cache, lru_cache
from typing import Any, Final

from msgspec import inspect

NEAR: Final = 0.75
"""How like one another two names are (0 to 1, as difflib counts) for one to be taken for the other misspelt."""


LONGEST: Final = 64
"""Characters of a name that is compared."""

REMEMBERED: Final = 1024
"""Comparisons that are remembered: who misspells one key mostly does it in every event of a list."""


def meant(name: str, known: Iterable[str]) -> str:
    """Ask, in parentheses after a space, whether the nearest known name was meant; empty when none is near."""
    # nothing so long is misspelt, and comparing it would take its time
    return _meant(name, tuple(known)) if len(name) <= LONGEST else ""


@lru_cache(REMEMBERED)
def _meant(name: str, known: tuple[str, ...]) -> str:
    by_letters = {one.casefold(): one for one in known}
    near = get_close_matches(name.casefold(), by_letters, 1, NEAR)
    return f" (did you mean {by_letters[near[0]]}?)" if near else ""


def one_of(value: object, known: Sequence[str]) -> str:
    """Say that a value is none of the known ones, and which these are."""
    return f"unknown{meant(str(value), known)}; it is one of {', '.join(known)}"


def keys_at(kind: Any, value: object, steps: Sequence[str | int]) -> list[str]:  # noqa: ANN401 - whatever the kind is
    """Give the keys that an object may have there; `value` is what did not fit `kind`. Empty: it cannot be told."""
    found = _inside(*_reached(_looked_at(kind), value, steps))
    if not isinstance(found, inspect.StructType):
        return []
    return [*([] if found.tag_field is None else [found.tag_field]), *(field.encode_name for field in found.fields)]


def values_at(kind: Any, value: object, steps: Sequence[str | int]) -> list[str]:  # noqa: ANN401 - whatever the kind is
    """Give the values of which one is wanted there; the last step may be the key that tells a union's members apart."""
    info, there = _reached(_looked_at(kind), value, steps)
    match _inside(info, there):
        case inspect.LiteralType(values):
            return [str(one) for one in values]
        case inspect.EnumType(cls):
            return [str(one.value) for one in cls]
        case _:
            above, _ = _reached(_looked_at(kind), value, steps[:-1])
            structs = [one for one in _members(above) if isinstance(one, inspect.StructType)]
            return [str(one.tag) for one in structs if one.tag is not None]


def _looked_at(kind: Any) -> inspect.Type:  # noqa: ANN401 - whatever the kind is
    # only classes can be counted on to be hashable: what annotates the others may hold anything
    return _looked_at_class(kind) if isinstance(kind, type) else inspect.type_info(kind)


@cache
def _looked_at_class(kind: type) -> inspect.Type:
    return inspect.type_info(kind)


def _reached(info: inspect.Type, value: Any, steps: Sequence[str | int]) -> tuple[inspect.Type, Any]:  # noqa: ANN401 - came out of JSON
    """Follow the steps from a type and the value that was meant for it, as far as both go together."""
    for step in steps:
        match _inside(info, value):
            case inspect.StructType(fields=fields) if step in {field.encode_name for field in fields}:
                info = next(field.type for field in fields if field.encode_name == step)
            case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
                info = item
            case _:
                return inspect.AnyType(), None
        value = value[step]
    return info, value


def _inside(info: inspect.Type, value: object) -> inspect.Type:
    """Give the member of a union that the value was meant for."""
    return next((one for one in _members(info) if _was_meant_for(value, one)), inspect.AnyType())


def _members(info: inspect.Type) -> list[inspect.Type]:
    match info:
        case inspect.Metadata(type=plain):
            return _members(plain)
        case inspect.UnionType(types):
            return [one for part in types for one in _members(part)]
        case _:
            return [info]


def _was_meant_for(value: object, info: inspect.Type) -> bool:
    match value, info:
        case dict(), inspect.StructType(tag_field=field, tag=tag):
            return field is None or value.get(field) == tag
        case list(), inspect.ListType() | inspect.VarTupleType():
            return True
        case _:
            return isinstance(info, inspect.LiteralType | inspect.EnumType)
