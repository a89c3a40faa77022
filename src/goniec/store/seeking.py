"""Searching a list for a page: by one way or another, in the order of ids, and never for longer than is bearable.

A way knows a tree that names all rows that can match (an index, a contact's chain, the table itself), and gives the
matches among the next so many of them. The ways to a page take turns, in bites that grow: the first that fills the page
or comes to the end of the list has the answer. When as much has been looked at as is bearable, the one that came
furthest has it, with the place to go on from. So no statistics are needed to choose between them, and no filter is
hopeless. Called by the rooms of the lists in each store, which know the ways.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from goniec.core.ids import lowest
from goniec.core.times import Millis
from goniec.ports import Page
from goniec.store.rows import Row

FIRST_BITE: Final = 200
GROWTH: Final = 4

PACE: Final = 4
"""Reading on in a table, so many rows cost what one costs that is looked up."""

_NEXT: Final = "!"
"""Behind an id, sorts behind it and before any other."""

AHEAD: Final = "ahead"
"""The counter of milliseconds by which ids have run ahead of the clock, because that was set back."""


class Bounds(NamedTuple):
    """Between which ids the rest of the list lies; both are no ids of rows any more."""

    low: str
    high: str
    newest: bool

    def beyond(self, after: str) -> "Bounds":
        """What is left behind a row."""
        if self.newest:
            return self._replace(high=min(self.high, after))
        return self._replace(low=max(self.low, after))

    def between(self, key: str) -> str:
        """The condition; its values are `low` and `high`."""
        return f"{key} > ? AND {key} < ?"

    def order(self, key: str) -> str:
        """The order of the list."""
        return f"ORDER BY {key}{' DESC' if self.newest else ''}"


Found = tuple[list[Row], str | None]
"""What a way gives: rows that match, ids first, and the last that it looked at; None: it came to the end."""

Way = Callable[[Bounds, int], Awaitable[Found]]
"""Looks at so many rows within bounds."""


class Where:
    """Conditions that must all hold, with their values."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.values: list[Any] = []

    def add(self, part: str, *values: object) -> None:
        self.parts.append(part)
        self.values += values

    def text(self) -> str:
        """Joined, to stand behind another condition."""
        return "".join(f" AND {part}" for part in self.parts)


def bounded(prefix: str, since: Millis | None, until: Millis | None, ahead: Millis, page: Page) -> Bounds:
    """Bounds by time, as far as ids tell it: what `since` and `until` compare has to be asked of each row too.

    `ahead` is the counter of that name.
    """
    low, high = prefix, prefix + "~"
    if since is not None:
        low = lowest(prefix, max(0, since))
    if until is not None:
        high = lowest(prefix, max(0, until) + ahead)
    found = Bounds(low, high, page.newest)
    return found if page.after is None else found.beyond(page.after)


def before(within: Bounds, high: str | None) -> Bounds:
    """What of it lies before an id, if one is given."""
    return within if high is None else within._replace(high=min(within.high, high))


def held_back(prefix: str, horizon: Millis | None) -> str | None:
    """What no id sorts before that is not to be told yet; None: all may be told."""
    return None if horizon is None else lowest(prefix, horizon)


async def seek(ways: Sequence[Way], within: Bounds, page: Page) -> Found:
    """A page, and where the search stopped if it has neither filled it nor come to the end."""
    walks = [_Walk(way, within) for way in ways]
    left = max(page.most, len(walks))
    size = max(page.limit, FIRST_BITE)
    while left > 0:
        size = min(size, max(1, left // len(walks)))
        for walk in walks:
            await walk.go(size)
            if len(walk.found) >= page.limit:
                return walk.found[: page.limit], None
            if walk.stopped is None:
                return walk.found, None
        left -= size * len(walks)
        size *= GROWTH
    best = min(walks, key=_stopped) if page.newest else max(walks, key=_stopped)
    return best.found, best.stopped


class _Walk:
    """How far one of the ways has led."""

    __slots__ = ("_way", "_within", "found", "stopped")

    def __init__(self, way: Way, within: Bounds) -> None:
        self._way = way
        self._within = within
        self.found: list[Row] = []
        self.stopped: str | None = None

    async def go(self, size: int) -> None:
        """Look at so many rows more."""
        rows, self.stopped = await self._way(self._within, size)
        self.found += rows
        if self.stopped is not None:
            self._within = self._within.beyond(self.stopped)


def _stopped(walk: _Walk) -> str:
    return walk.stopped or ""


def known(ids: Iterable[str]) -> Callable[[Bounds, int], list[str]]:
    """The first so many within bounds of ids that are known, in whatever order."""
    known = sorted(ids)

    def stream(within: Bounds, size: int) -> list[str]:
        found = [id for id in known if within.low < id < within.high]
        return (found[::-1] if within.newest else found)[:size]

    return stream


def through(within: Bounds, last: str) -> Bounds:
    """The part that ends with a row, that one included."""
    if within.newest:
        return within._replace(low=max(within.low, last[:-1] + chr(ord(last[-1]) - 1) + "~"))
    return within._replace(high=min(within.high, last + _NEXT))
