"""Times in texts: how they are read, and how they are written in Polish and English. Only `liquid_filters` calls it.

What is written is put together here, not by the system's `strftime`, whose words are those of the machine's language
and whose widths (`%999999999d`) fill the memory.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from goniec.core.letters import Language
from goniec.core.times import LAST, SECOND, parse_date, parse_instant

MILLIS_FROM: Final = 100_000_000_000
"""Numbers from here on are milliseconds (since March 1973), smaller ones are seconds (until the year 5138)."""

_NOON: Final = 12
_LOCAL: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?", re.ASCII)
_DIRECTIVE: Final = re.compile(r"%([-^]?)(.?)", re.DOTALL)
_DAY_BEFORE: Final = re.compile(r"%-?[de]\.?\s*$")


def read(value: object, zone: tzinfo, named: str | None) -> datetime | None:
    """Read a time or a day: RFC 3339, or a number of milliseconds or seconds; None: it is none.

    A time is moved into the zone, or the one that is named; a day, and a time without an offset, are not.

    Raises:
        ValueError: there is no zone of that name.

    """
    into = zone if named is None else _zone(named)
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _from_number(value, into)
    if isinstance(value, datetime):
        return value.astimezone(into) if value.tzinfo else value.replace(tzinfo=into)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=into)
    return _from_text(str(value).strip(), into)


def _from_number(value: float, zone: tzinfo) -> datetime | None:
    millis = value if abs(value) >= MILLIS_FROM else value * SECOND
    return datetime.fromtimestamp(millis / SECOND, UTC).astimezone(zone) if 0 <= millis <= LAST else None


def _from_text(text: str, zone: tzinfo) -> datetime | None:
    try:
        if _LOCAL.fullmatch(text):
            return datetime.fromisoformat(text).replace(tzinfo=zone)
        if text.isdecimal():
            return _from_number(int(text), zone)
        if len(text) == len("2026-11-25"):
            day = parse_date(text)
            return datetime(day.year, day.month, day.day, tzinfo=zone)
        return _from_number(parse_instant(text), zone)
    except ValueError:
        return None


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name[:60]!r}; one is called as Europe/Warsaw is") from None


def write(at: datetime, pattern: str, language: Language) -> str:
    """Write a time by a pattern with the directives of `strftime`; one that there is not stays as it is."""

    def put(found: re.Match[str]) -> str:
        flag, letter = found.groups()
        one = _DIRECTIVES.get(letter)
        if one is None:
            return found[0]
        after_day = letter == "B" and _DAY_BEFORE.search(pattern, 0, found.start()) is not None
        written = _OF_MONTHS[language][at.month - 1] if after_day else one(at, language)
        if flag == "^":
            return written.upper()
        return written.lstrip("0 ") or "0" if flag == "-" else written

    return _DIRECTIVE.sub(put, pattern)


_MONTHS: Final[Mapping[Language, tuple[str, ...]]] = {
    "en": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ),
    "pl": (
        "styczeń", "luty", "marzec", "kwiecień", "maj", "czerwiec", "lipiec", "sierpień", "wrzesień", "październik",
        "listopad", "grudzień",
    ),
}  # fmt: skip
_OF_MONTHS: Final[Mapping[Language, tuple[str, ...]]] = {
    "en": _MONTHS["en"],
    "pl": (
        "stycznia", "lutego", "marca", "kwietnia", "maja", "czerwca", "lipca", "sierpnia", "września", "października",
        "listopada", "grudnia",
    ),
}  # fmt: skip
"""As they stand behind a day: 25 listopada."""

_SHORT_MONTHS: Final[Mapping[Language, tuple[str, ...]]] = {
    "en": tuple(month[:3] for month in _MONTHS["en"]),
    "pl": ("sty", "lut", "mar", "kwi", "maj", "cze", "lip", "sie", "wrz", "paź", "lis", "gru"),
}
_DAYS: Final[Mapping[Language, tuple[str, ...]]] = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "pl": ("poniedziałek", "wtorek", "środa", "czwartek", "piątek", "sobota", "niedziela"),
}
_SHORT_DAYS: Final[Mapping[Language, tuple[str, ...]]] = {
    "en": tuple(day[:3] for day in _DAYS["en"]),
    "pl": ("pon.", "wt.", "śr.", "czw.", "pt.", "sob.", "niedz."),
}


def _offset(at: datetime, _: Language) -> str:
    minutes = int((at.utcoffset() or at - at).total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"


_DIRECTIVES: Final[Mapping[str, Callable[[datetime, Language], str]]] = {
    "%": lambda _, __: "%",
    "A": lambda at, language: _DAYS[language][at.weekday()],
    "B": lambda at, language: _MONTHS[language][at.month - 1],
    "F": lambda at, _: f"{at.year:04}-{at.month:02}-{at.day:02}",
    "H": lambda at, _: f"{at.hour:02}",
    "I": lambda at, _: f"{at.hour % 12 or 12:02}",
    "M": lambda at, _: f"{at.minute:02}",
    "R": lambda at, _: f"{at.hour:02}:{at.minute:02}",
    "S": lambda at, _: f"{at.second:02}",
    "T": lambda at, _: f"{at.hour:02}:{at.minute:02}:{at.second:02}",
    "Y": lambda at, _: f"{at.year:04}",
    "Z": lambda at, _: at.tzname() or "",
    "a": lambda at, language: _SHORT_DAYS[language][at.weekday()],
    "b": lambda at, language: _SHORT_MONTHS[language][at.month - 1],
    "d": lambda at, _: f"{at.day:02}",
    "e": lambda at, _: f"{at.day:2}",
    "j": lambda at, _: f"{at.timetuple().tm_yday:03}",
    "m": lambda at, _: f"{at.month:02}",
    "p": lambda at, _: "AM" if at.hour < _NOON else "PM",
    "s": lambda at, _: str(int(at.timestamp())),
    "u": lambda at, _: str(at.isoweekday()),
    "y": lambda at, _: f"{at.year % 100:02}",
    "z": _offset,
}
