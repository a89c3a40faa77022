"""Spans of time as somebody writes them into one field: 30 s, 5 min, 1 h 30 min, 2 d. Called by forms.

Whole seconds, exact in both ways: what is shown, sent back unchanged, means the same.
"""

import re
from typing import Final

from goniec.web.panel.formats import NBSP

_UNITS: Final = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_NAMES: Final = {
    **dict.fromkeys(("s", "sec", "sek", "second", "seconds", "sekunda", "sekundy", "sekund"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes", "minuta", "minuty", "minut"), 60),
    **dict.fromkeys(("h", "g", "godz", "hour", "hours", "godzina", "godziny", "godzin"), 3600),
    **dict.fromkeys(("d", "day", "days", "dzień", "dni"), 86_400),
}
_PART: Final = re.compile(r"(\d{1,12})\s*([^\W\d]+)\.?\s*")
_SECONDS: Final = re.compile(r"\d{1,12}", re.ASCII)


def span_text(seconds: int) -> str:
    """Write a span with all its units: 1 h 30 min; nothing is 0."""
    parts = []
    for unit, length in reversed(_UNITS.items()):
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count}{NBSP}{unit}")
    return " ".join(parts) or "0"


def read_span(text: str) -> int:
    """Read a span as seconds; a mere number is seconds.

    Raises:
        ValueError: it is none.

    """
    text = text.strip()
    return int(text) if _SECONDS.fullmatch(text) else _read(text)


def spans_text(spans: tuple[int, ...]) -> str:
    """Write several spans."""
    return ", ".join(span_text(one) for one in spans)


def read_spans(text: str) -> tuple[int, ...]:
    """Read several spans, which commas, semicolons or line ends part; nothing is no span.

    Each has its units: else 1,5 h would be a second and five hours.

    Raises:
        ValueError: one of them is none; it carries the text of that one.

    """
    return tuple(_read(one.strip()) for one in re.split(r"[,;\n]", text) if one.strip())


def _read(text: str) -> int:
    at, total = 0, 0
    while at < len(text):
        found = _PART.match(text, at)
        if found is None or found[2].lower() not in _NAMES:
            raise ValueError(text)
        total += int(found[1]) * _NAMES[found[2].lower()]
        at = found.end()
    if not text:
        raise ValueError(text)
    return total
