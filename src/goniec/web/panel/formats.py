"""How numbers, times and durations are written for a person, in both languages.

Called by templates and views. Numbers are grouped by a no-break space (Polish) or a comma (English) from four digits
up; a time stands in the viewer's zone, and its exact form goes into `title`. Nothing here asks for a clock: `now` is an
argument.
"""

from datetime import datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

from markupsafe import Markup

from goniec.core.times import Millis
from goniec.web.panel.words import Language, Words

NBSP: Final = "\N{NO-BREAK SPACE}"

SECOND: Final = 1000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_RELATIVE_DAYS: Final = 7
_GROUP: Final = 4

_POLISH_MONTHS: Final = (
    "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia"
)
_ENGLISH_MONTHS: Final = "January February March April May June July August September October November December"
_POLISH_DAYS: Final = "Poniedziałek Wtorek Środa Czwartek Piątek Sobota Niedziela"
_ENGLISH_DAYS: Final = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
_WEEKDAYS: Final = {"pl": _POLISH_DAYS.split(" "), "en": _ENGLISH_DAYS.split(" ")}
_MONTHS: Final = {"pl": _POLISH_MONTHS.split(" "), "en": _ENGLISH_MONTHS.split(" ")}


def number(value: float, language: Language, digits: int | None = None) -> str:
    """Write a number: 48 213 or 48,213; `digits` after the decimal sign, or as many as a whole number has: none."""
    text = f"{abs(value):,.{digits or 0}f}"
    comma, point = (NBSP, ",") if language == "pl" else (",", ".")
    whole, _, rest = text.partition(".")
    sign = "\N{MINUS SIGN}" if value < 0 and float(text.replace(",", "")) else ""
    return sign + whole.replace(",", comma) + (point + rest if rest else "")


def percent(part: float, whole: float, language: Language) -> str:
    """Write a share: 99,91% or 99.91%; never 100% where something is missing, and a dash where there is nothing."""
    if not whole:
        return "\N{EN DASH}"
    share = 100 * part / whole
    if part == whole or not part:
        return number(share, language) + "%"
    shown = min(max(share, 0.01), 99.99)
    return number(shown, language, 2 if shown > 99 or shown < 1 else 1) + "%"  # noqa: PLR2004 - near the ends two digits tell more


def size(count: int, language: Language) -> str:
    """Write bytes as kB or MB, from a kilobyte on."""
    if count < 1000:  # noqa: PLR2004 - a kilobyte
        return f"{number(count, language)}{NBSP}B"
    if count < 1_000_000:  # noqa: PLR2004 - a megabyte
        return f"{number(count / 1000, language, 1)}{NBSP}kB"
    return f"{number(count / 1_000_000, language, 1)}{NBSP}MB"


def duration(millis: float, language: Language) -> str:
    """Write a span of time with its two greatest units: 84 ms, 1,5 s, 7 min 57 s, 3 h 5 min, 2 d 4 h."""
    millis = max(millis, 0)
    if millis < SECOND:
        return f"{number(round(millis), language)}{NBSP}ms"
    if millis < 10 * SECOND:
        return f"{number(millis / SECOND, language, 0 if millis % SECOND == 0 else 1)}{NBSP}s"
    whole = int(millis // SECOND)
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next(place for place, (value, _) in enumerate(parts) if value)
    return " ".join(f"{value}{NBSP}{unit}" for value, unit in parts[first : first + 2] if value)


class Times:
    """Writes times as a viewer sees them: words and zone are the viewer's, `now` is when the page is made."""

    def __init__(self, words: Words, zone: ZoneInfo, now: Millis) -> None:
        self._words = words
        self._zone = zone
        self._now = now

    def short(self, at: Millis) -> str:
        """As in lists: 14:32:08 today, 18.11, 09:14 this year, 18.11.2025 before."""
        local, today = self.local(at), self.local(self._now)
        if local.date() == today.date():
            return f"{local:%H:%M:%S}"
        if local.year == today.year:
            return f"{local:%d.%m}, {local:%H:%M}"
        return f"{local:%d.%m.%Y}"

    def long(self, at: Millis) -> str:
        """As in a sentence, to the second, with the zone's name."""
        local = self.local(at)
        return f"{self.day(at)}, {local:%H:%M:%S} ({self._zone.key})"

    def day(self, at: Millis) -> str:
        """The day in words: 24 listopada 2026, 24 November 2026."""
        local = self.local(at)
        return f"{local.day} {_MONTHS[self._words.language][local.month - 1]} {local.year}"

    def clock(self, at: Millis) -> str:
        """The time of day, to the second, where the day is told elsewhere."""
        return f"{self.local(at):%H:%M:%S}"

    def minute(self, at: Millis) -> str:
        """A day and a time of day inside a sentence, to the minute."""
        return f"{self.day(at)}, {self.local(at):%H:%M}"

    def heading(self, at: Millis) -> str:
        """A day as a heading: Today, 24 November; Monday, 23 November; Sunday, 23 November 2025."""
        local, today = self.local(at).date(), self.local(self._now).date()
        month = _MONTHS[self._words.language][local.month - 1]
        day = f"{local.day} {month}" if local.year == today.year else f"{local.day} {month} {local.year}"
        match (today - local).days:
            case 0:
                return self._words.say("Today, %(day)s", day=day)
            case 1:
                return self._words.say("Yesterday, %(day)s", day=day)
            case _:
                return f"{_WEEKDAYS[self._words.language][local.weekday()]}, {day}"

    def ago(self, at: Millis) -> str:
        """How long ago, up to seven days; after that the date."""
        since = self._now - at
        if since < 10 * SECOND:
            return self._words.say("just now")
        if since >= _RELATIVE_DAYS * DAY:
            return self.short(at)
        return self._words.say("%(span)s ago", span=self._span(since))

    def until(self, at: Millis) -> str:
        """How long it still takes; at once when it is due."""
        left = at - self._now
        return (
            self._words.say("at once")
            if left <= 0
            else self._words.say("in %(span)s", span=duration(left, self._words.language))
        )

    def time(self, at: Millis | None, form: Literal["short", "long", "ago", "day", "clock"] = "short") -> Markup:
        """A `<time>` element; the exact time is its title."""
        if at is None:
            return Markup('<span class="dim">\N{EN DASH}</span>')
        text: str = getattr(self, form)(at)
        stamp = self.local(at).isoformat(timespec="seconds")
        return Markup('<time datetime="{}" title="{}">{}</time>').format(stamp, self.long(at), text)

    def local(self, at: Millis) -> datetime:
        """The instant in the viewer's zone."""
        return datetime.fromtimestamp(at / 1000, self._zone)

    def _span(self, millis: Millis) -> str:
        if millis >= DAY:
            return self._words.many("%(n)s day", "%(n)s days", millis // DAY)
        if millis >= HOUR:
            return f"{millis // HOUR}{NBSP}h"
        if millis >= MINUTE:
            return f"{millis // MINUTE}{NBSP}min"
        return f"{millis // SECOND}{NBSP}s"
