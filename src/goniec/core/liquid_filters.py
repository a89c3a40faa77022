"""The filters of texts in Liquid: those of the library that a mail has use for, and ours. Only `liquid_box` calls it.

Filters do not count what they make; those that could make much of little (`join`, `replace`) look first how much that
would be. Everything else makes at most a few times what went in, and what went in was weighed.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, Final

import msgspec
import re2
from liquid import Environment, Markup
from liquid.builtin.filters import array, math, misc, string
from liquid.exceptions import FilterArgumentError
from liquid.filter import with_environment
from liquid.undefined import Undefined, is_undefined
from msgspec import Struct

from goniec.core.letters import Language
from goniec.core.liquid_dates import read, write
from goniec.core.text import read_number

VALUE_MAX: Final = 262_144
"""What a value may weigh: a character one, an item of a list or a dict eight beside what it holds."""

ITEM: Final = 8
DIGITS_MAX: Final = 20
"""Digits behind the point."""

INTEGER_END: Final = 10**30
"""No filter is given integers from here on."""

_TAG: Final = re2.compile("<[^>]*>")


class TooLarge(FilterArgumentError):
    """A value is too large, or would become so."""

    def __init__(self) -> None:
        super().__init__(f"a value is larger than {VALUE_MAX} characters", token=None)


class Filter(Struct, frozen=True):
    """A function and how many values it takes behind the colon; `settled`: it wants to know zone, language and now."""

    call: Callable[..., Any]
    least: int = 0
    most: int = 0
    settled: bool = False


class Settings(Struct, frozen=True):
    """What a text is rendered for."""

    zone: tzinfo
    language: Language
    now: object


def weigh(value: object) -> int:
    """Say how large a value is."""
    total = 0
    rest = [value]
    while rest:
        one = rest.pop()
        if isinstance(one, str):
            total += len(one)
        elif isinstance(one, dict):
            total += ITEM * len(one)
            rest += one.keys()
            rest += one.values()
        elif isinstance(one, list | tuple):
            total += ITEM * len(one)
            rest += one
        elif isinstance(one, range):
            total += ITEM * len(one)
        elif isinstance(one, int):
            total += one.bit_length() // ITEM
        if total > VALUE_MAX:
            raise TooLarge
    return total


@with_environment
def _join(value: object, separator: object = " ", *, environment: Environment) -> str:
    pieces = [one if isinstance(one, str) else str(one) for one in _items(value)]
    between = separator if isinstance(separator, str) else str(separator)
    if environment.autoescape and between == " ":
        between = Markup(" ")
    if len(pieces) * len(between) > VALUE_MAX:
        raise TooLarge
    return between.join(pieces)


def _replace(value: object, old: object, new: object = "") -> str:
    text, old, new = _text(value), _text(old), _text(new)
    if text.count(old) * len(new) > VALUE_MAX:
        raise TooLarge
    return text.replace(old, new)


def _strip_html(value: object) -> str:
    stripped: str = _TAG.sub("", str(_text(value)))
    return Markup(stripped) if isinstance(value, Markup) else stripped


def _concat(value: object, more: object) -> list[object]:
    if not isinstance(more, list | tuple | range):
        raise FilterArgumentError("what is added must be a list", token=None)
    return [*_items(value), *more]


def _uniq(value: object, key: object = None) -> list[object]:
    """Take each once, the first of the same; the library compares each with each."""
    kept: dict[str, object] = {}
    for one in _items(value):
        of = one.get(key) if key is not None and isinstance(one, dict) else one
        kept.setdefault(repr(of), one)
    return list(kept.values())


def _json(value: object) -> str:
    return msgspec.json.encode(value, enc_hook=_plain).decode()


def _raw(value: object) -> Markup:
    return Markup(_text(value))


def _number(value: object, digits: object = None, *, settings: Settings) -> str:
    """Write a number as one writes it in the language; what is none stays."""
    number = value if isinstance(value, int | float) else read_number(str(value))
    if number is None or isinstance(number, bool):
        return _text(value)
    exact = Decimal(str(number))
    if not exact.is_finite():
        return _text(value)
    if digits is not None and not is_undefined(digits):
        behind = int(str(digits))
        if not 0 <= behind <= DIGITS_MAX:
            raise FilterArgumentError(f"a number has 0 to {DIGITS_MAX} digits behind the point", token=None)
        with localcontext(prec=400 + DIGITS_MAX):
            exact = exact.quantize(Decimal(1).scaleb(-behind), ROUND_HALF_UP)
    written = f"{exact:,f}"
    return written.translate(_SEPARATORS[settings.language])


def _date(value: object, pattern: object = None, zone: object = None, *, settings: Settings) -> str:
    """Write a time by a pattern; what is none stays, as everywhere in Liquid."""
    at = read(settings.now if value in {"now", "today"} else value, settings.zone, None if zone is None else str(zone))
    if at is None or pattern is None or is_undefined(pattern):
        return _text(value)
    return write(at, str(pattern), settings.language)


_SEPARATORS: Final[Mapping[Language, dict[int, str]]] = {
    "en": {},
    "pl": str.maketrans({",": "\N{NO-BREAK SPACE}", ".": ","}),
}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else str(value)


def _items(value: object) -> Iterable[object]:
    if isinstance(value, list | tuple | range):
        return value
    return [] if value is None or is_undefined(value) else [value]


def _plain(value: object) -> object:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, range):
        return list(value)
    if isinstance(value, Undefined):
        return None
    raise TypeError(f"{type(value).__name__} has no form in JSON")


FILTERS: Final[dict[str, Filter]] = {
    "abs": Filter(math.abs_),
    "append": Filter(string.append, 1, 1),
    "at_least": Filter(math.at_least, 1, 1),
    "at_most": Filter(math.at_most, 1, 1),
    "capitalize": Filter(string.capitalize),
    "ceil": Filter(math.ceil),
    "compact": Filter(array.compact, 0, 1),
    "concat": Filter(_concat, 1, 1),
    "date": Filter(_date, 1, 2, settled=True),
    "default": Filter(misc.default, 0, 1),
    "divided_by": Filter(math.divided_by, 1, 1),
    "downcase": Filter(string.downcase),
    "escape": Filter(string.escape),
    "escape_once": Filter(string.escape_once),
    "find": Filter(array.find, 1, 2),
    "first": Filter(array.first),
    "floor": Filter(math.floor),
    "has": Filter(array.has, 1, 2),
    "join": Filter(_join, 0, 1),
    "json": Filter(_json),
    "last": Filter(array.last),
    "lstrip": Filter(string.lstrip),
    "map": Filter(array.map_, 1, 1),
    "minus": Filter(math.minus, 1, 1),
    "modulo": Filter(math.modulo, 1, 1),
    "newline_to_br": Filter(string.newline_to_br),
    "number": Filter(_number, 0, 1, settled=True),
    "plus": Filter(math.plus, 1, 1),
    "prepend": Filter(string.prepend, 1, 1),
    "raw": Filter(_raw),
    "reject": Filter(array.reject, 1, 2),
    "remove": Filter(string.remove, 1, 1),
    "remove_first": Filter(string.remove_first, 1, 1),
    "remove_last": Filter(string.remove_last, 1, 1),
    "replace": Filter(_replace, 1, 2),
    "replace_first": Filter(string.replace_first, 1, 2),
    "replace_last": Filter(string.replace_last, 2, 2),
    "reverse": Filter(array.reverse),
    "round": Filter(math.round_, 0, 1),
    "rstrip": Filter(string.rstrip),
    "size": Filter(misc.size),
    "slice": Filter(string.slice_, 1, 2),
    "sort": Filter(array.sort, 0, 1),
    "sort_natural": Filter(array.sort_natural, 0, 1),
    "split": Filter(string.split, 1, 1),
    "squish": Filter(string.squish),
    "strip": Filter(string.strip),
    "strip_html": Filter(_strip_html),
    "strip_newlines": Filter(string.strip_newlines),
    "sum": Filter(array.sum_, 0, 1),
    "times": Filter(math.times, 1, 1),
    "truncate": Filter(string.truncate, 0, 2),
    "truncatewords": Filter(string.truncatewords, 0, 2),
    "uniq": Filter(_uniq, 0, 1),
    "upcase": Filter(string.upcase),
    "url_decode": Filter(string.url_decode),
    "url_encode": Filter(string.url_encode),
    "where": Filter(array.where, 1, 2),
}
