"""Values inside a sentence: numbers, texts, lists, dates, and what an operator asks of them.

Called by `phrases` and by whoever tells about contacts and rules. Whatever a user typed is cut to a length that a line
can bear, and what cannot be seen is written as an escape.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final
from zoneinfo import ZoneInfo

from goniec.core import labels
from goniec.core.endpoint import MAIL, Endpoint
from goniec.core.operators import Op, Operand
from goniec.core.times import Duration, parse_date, parse_duration, parse_instant
from goniec.web.panel.formats import DAY, HOUR, MINUTE, SECOND, Times, duration, number
from goniec.web.panel.showing import visible
from goniec.web.panel.words import Words

SHOWN: Final = 60
"""Characters of a value inside a phrase."""

FEW: Final = 3
"""How many items of a list a phrase names; the others are counted."""

_UTC: Final = ZoneInfo("UTC")
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DATE_LENGTH: Final = len("2026-11-25")
_PLAIN_DIGITS: Final = 15
"""A float of more digits is not what anybody typed."""


def brief(text: str, limit: int = SHOWN) -> str:
    """Give a text on one line, cut, with everything unseen made visible."""
    shown = visible(" ".join(text[: limit + 1].split()))
    return shown if len(text) <= limit else shown[: limit - 1] + "…"


def receiver(endpoint: Endpoint, words: Words) -> str:
    """What an endpoint is called in a line: its host; the mail server is no receiver of webhooks."""
    return words.say("Mail server") if endpoint.id == MAIL else brief(endpoint.host)


def quoted(text: str, words: Words, limit: int = SHOWN) -> str:
    """Give a text in the quotation marks of the language."""
    return f"„{brief(text, limit)}”" if words.language == "pl" else f"“{brief(text, limit)}”"


def low(text: str) -> str:
    """Give a label as it stands inside a sentence: with a small letter, unless it begins with an abbreviation."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def figure(value: float, words: Words) -> str:
    """Write a number with as many digits as it has."""
    if isinstance(value, int):
        return number(value, words.language)
    digits = repr(value).partition(".")[2]
    if not digits.isdecimal() or len(digits) > _PLAIN_DIGITS:
        return str(value)
    return number(value, words.language, 0 if digits == "0" else len(digits))


def either(items: Sequence[str], words: Words) -> str:
    """Say that one of several is meant: A, B or C; of more than a few the others are counted."""
    shown = [brief(item) for item in items[:FEW]]
    if len(items) > FEW:
        return f"{', '.join(shown)} (+{number(len(items) - FEW, words.language)})"
    if len(shown) == 1:
        return shown[0]
    return ", ".join(shown[:-1]) + " " + words.say("or") + " " + shown[-1]


def several(items: Sequence[str], words: Words) -> str:
    """Name several: A, B, C; of more than a few the others are counted."""
    shown = ", ".join(brief(item) for item in items[:FEW])
    return shown if len(items) <= FEW else f"{shown} (+{number(len(items) - FEW, words.language)})"


def value_words(value: object, words: Words, limit: int = SHOWN) -> str:
    """Give a value as somebody would write it who looks at the contact: no value, yes, a number, a text."""
    match value:
        case None | "" | [] | {}:
            return words.say("no value")
        case bool():
            return words.say("yes") if value else words.say("no")
        case int() | float():
            return figure(value, words)
        case list() | tuple():
            return several([value_words(item, words, limit) for item in value], words)
        case _:
            return brief(str(value), limit)


def moment_words(text: str, words: Words) -> str:
    """Write a date, or an instant in UTC, in words; what is neither stays as it is."""
    times = Times(words, _UTC, 0)
    try:
        if len(text) == _DATE_LENGTH:
            day = parse_date(text)
            return times.day((day.toordinal() - _EPOCH_DAY) * DAY)
        at = parse_instant(text)
    except ValueError:
        return brief(text)
    return f"{times.day(at)}, {times.local(at):%H:%M} (UTC)"


def span_words(text: str, words: Words) -> str:
    """Write a duration (ISO 8601): 7 days, 12 hours, 1 d 12 h."""
    try:
        span = parse_duration(text)
    except ValueError:
        return brief(text)
    match _single(span):
        case ("days", n):
            return words.many("%(n)s day", "%(n)s days", n)
        case ("hours", n):
            return words.many("%(n)s hour", "%(n)s hours", n)
        case ("minutes", n):
            return words.many("%(n)s minute", "%(n)s minutes", n)
        case _:
            return duration(_millis(span), words.language)


def asked_words(op: Op, operand: Operand, words: Words) -> str:
    """Say what an operator asks of a value: at least 100, contains “abc”, in the last 90 days."""
    name = words.named(labels.OPERATORS, op)
    match op, operand:
        case "exists", _:
            return name
        case "between", (low_end, high_end):
            return words.say("between %(low)s and %(high)s", low=_plain(low_end, words), high=_plain(high_end, words))
        case "in", tuple():
            return f"{name}: {several([_item(item, words) for item in operand], words)}"
        case "withinLast", str():
            return _within(operand, words)
        case (("before" | "after"), str()):
            return f"{name} {moment_words(operand, words)}"
        case (("gt" | "gte" | "lt" | "lte"), int() | float()):
            return f"{name} {figure(operand, words)}"
        case _:
            return f"{name} {_item(operand, words)}"


def _plain(value: object, words: Words) -> str:
    return figure(value, words) if isinstance(value, int | float) else brief(str(value))


def _item(value: Any, words: Words) -> str:  # noqa: ANN401 - any operand
    """An operand that something equals: a number as it was typed, for it may be a year or a code."""
    match value:
        case bool():
            return words.say("yes") if value else words.say("no")
        case str():
            return quoted(value, words)
        case _:
            return brief(str(value))


def _within(text: str, words: Words) -> str:
    try:
        span = parse_duration(text)
    except ValueError:
        return brief(text)
    match _single(span):
        case ("days", n):
            return words.many("in the last %(n)s day", "in the last %(n)s days", n)
        case ("hours", n):
            return words.many("in the last %(n)s hour", "in the last %(n)s hours", n)
        case ("minutes", n):
            return words.many("in the last %(n)s minute", "in the last %(n)s minutes", n)
        case _:
            return words.say("in the last %(span)s", span=duration(_millis(span), words.language))


def _single(span: Duration) -> tuple[str, int] | None:
    """The one unit that a duration is whole in, weeks being days."""
    days = span.weeks * 7 + span.days
    match bool(days), bool(span.hours), bool(span.minutes), bool(span.seconds):
        case True, False, False, False:
            return "days", days
        case False, True, False, False:
            return "hours", span.hours
        case False, False, True, False:
            return "minutes", span.minutes
        case _:
            return None


def _millis(span: Duration) -> int:
    days = span.weeks * 7 + span.days
    return days * DAY + span.hours * HOUR + span.minutes * MINUTE + span.seconds * SECOND
