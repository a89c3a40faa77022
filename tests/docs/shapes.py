"""How the documents write what a struct takes: its keys, those that must be given in bold, each with its kind of value."""

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct
from msgspec import inspect as shapes

SAME: Final = "detail"
"""Twenty keys of an external event differ by their number only."""

OPERATORS: Final = 16

SHORTER: Final = {
    "whole number or number": "number",
    "text or number or true or false or list (any value)": "any value or a list of them",
    "text or number or true or false": "any value",
}
"""A value is a text, a number, true or false."""


def keys(kind: type[Struct], but: Iterable[str] = ()) -> str:
    """Write the keys of a struct as they stand in JSON."""
    info = shapes.type_info(kind)
    assert isinstance(info, shapes.StructType)
    given = [one for one in info.fields if one.encode_name not in set(but)]
    numbered = [one for one in given if one.encode_name.removeprefix(SAME).isdecimal()]
    written = []
    for one in given:
        name = one.encode_name
        if one in numbered:
            if one is not numbered[0]:
                continue
            name = f"{name} … {numbered[-1].encode_name}"
        shown = value(one.type)
        if one.default is None:
            shown = shown.removesuffix(" or null")  # null is then what leaving it out is
        written.append(f"**{name}**: {shown}" if one.required else f"{name}: {shown}")
    return "; ".join(written)


def value(kind: shapes.Type) -> str:
    """Write a kind of value."""
    match kind:
        case shapes.UnionType(types=types):
            shown = " or ".join(dict.fromkeys(map(value, types)))
            for long, short in SHORTER.items():
                shown = shown.replace(long, short)
            return shown
        case shapes.LiteralType(values=values):
            return "an operator" if len(values) == OPERATORS else ", ".join(f"`{one}`" for one in values)
        case shapes.StrType(max_length=most):
            return "text" if most is None else f"text ≤ {most:,}"
        case shapes.ListType(item_type=item) | shapes.VarTupleType(item_type=item):
            return f"list ({value(item)})"
        case shapes.DictType(value_type=item):
            return "object" if isinstance(item, shapes.AnyType) else f"object ({value(item)})"
        case _:
            return _plain(kind)


def _plain(kind: Any) -> str:
    names = {
        shapes.IntType: "whole number",
        shapes.FloatType: "number",
        shapes.BoolType: "true or false",
        shapes.NoneType: "null",
        shapes.StructType: "object",
        shapes.AnyType: "anything",
    }
    return next(name for known, name in names.items() if type(kind) is known)
