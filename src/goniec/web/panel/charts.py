"""Charts as SVG, made here and drawn by attributes alone, so that no script and no inline style is needed.

A chart is coordinates: nothing in here knows what is counted, and words (axis labels, the sentence for those who do not
see) come from the template. Called by views.
"""

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup
from msgspec import Struct

from goniec.web.panel.formats import NBSP, number
from goniec.web.panel.words import Language

WIDTH: Final = 960
HEIGHT: Final = 200
STRIP: Final = 40
"""What the plot and the strip below it measure, in their own units; the page stretches them."""

_SPARK_HEIGHT: Final = 22
_BAR: Final = 12.0
_THOUSAND: Final = 1_000
_MILLION: Final = 1_000_000
_SHORT_FROM: Final = 10_000


class Plot(Struct, frozen=True):
    """Two series over the same steps with one scale, and a third in a strip of its own with its own.

    The last step is under way, so the way to it is drawn apart. `top` and `strip_top` are what the upper ends of the
    scales stand for.
    """

    area: Markup
    line: Markup
    bars: Markup
    top: int
    strip_top: int


def plot(events: Sequence[int], delivered: Sequence[int], failed: Sequence[int]) -> Plot:
    """Draw the three series of the overview: an area, a line and bars; each has one value a step, at least two."""
    top = nice_top(max(*events, *delivered))
    strip_top = max(failed)
    whole = " ".join(_points(events, top)[:-1])
    area = Markup('<polygon class="a1" points="0,{h} {points} {end},{h}"/>')
    end = _at(len(events) - 2, len(events), WIDTH)
    return Plot(
        area.format(points=whole, end=end, h=HEIGHT) + _line("p1", _points(events, top)),
        _line("p2", _points(delivered, top)),
        _bars(failed, strip_top),
        top,
        strip_top,
    )


def sparkline(values: Sequence[int], tone: str = "", width: int = 88) -> Markup:
    """Draw a small line beside a number, which says what it shows; `tone` is `bad`, `off` or nothing."""
    height = _SPARK_HEIGHT
    top = max(values, default=0)
    # a line that lies on the edge would be cut in half
    inner = height - 4
    along = " ".join(
        f"{_at(n, len(values), width)},{_short(height - 2 - (inner * value / top if top else 0))}"
        for n, value in enumerate(values)
    )
    shape = Markup(
        '<svg class="{kind}" viewBox="0 0 {w} {h}" width="{w}" height="{h}" aria-hidden="true">'
        '<polygon points="0,{h} {points} {w},{h}"/><polyline points="{points}"/></svg>'
    )
    return shape.format(kind=f"spark {tone}".rstrip(), w=width, h=height, points=along)


def nice_top(greatest: int) -> int:
    """Give the next number that makes a good end of a scale: 2, 4, 6, 10, 20, 40 and so on; at least 2.

    Each is even, so that the middle of the scale is a whole number.
    """
    size = 1
    while True:
        for step in (2, 4, 6, 10):
            if greatest <= step * size:
                return step * size
        size *= 10


def scale(top: int, language: Language) -> list[str]:
    """Label a scale at its end, middle and beginning, in one unit: 10 tys., 5 tys., 0; or 10k, 5k, 0."""
    return [_in_unit(value, top, language) for value in (top, top // 2, 0)]


def _in_unit(value: int, top: int, language: Language) -> str:
    for size, polish, english in ((_MILLION, "mln", "M"), (_THOUSAND, "tys.", "k")):
        if value and top >= max(size, _SHORT_FROM):
            text = number(value / size, language, 0 if value % size == 0 else 1)
            return f"{text}{NBSP}{polish}" if language == "pl" else text + english
    return number(value, language)


def ticks(count: int, most: int = 7) -> list[int]:
    """Choose which of `count` steps get a label: the first, the last, and some at the same distance between."""
    gaps = count - 1
    if gaps <= 0:
        return list(range(count))
    parts = next(parts for parts in range(min(most - 1, gaps), 0, -1) if gaps % parts == 0)
    return list(range(0, count, gaps // parts))


def _points(values: Sequence[int], top: int) -> list[str]:
    return [f"{_at(n, len(values), WIDTH)},{_short(HEIGHT - HEIGHT * value / top)}" for n, value in enumerate(values)]


def _line(kind: str, points: Sequence[str]) -> Markup:
    shape = Markup('<polyline class="{kind}" points="{whole}"/><polyline class="{kind} part" points="{rest}"/>')
    return shape.format(kind=kind, whole=" ".join(points[:-1]), rest=" ".join(points[-2:]))


def _bars(values: Sequence[int], top: int) -> Markup:
    wide = min(_BAR, WIDTH / max(len(values), 1) * 0.6)
    made = Markup()
    for n, value in enumerate(values):
        if value:
            # even one in a million is seen
            high = max(2.0, STRIP * value / top)
            left = min(max(n * WIDTH / (len(values) - 1) - wide / 2, 0), WIDTH - wide)
            bar = Markup('<rect class="p3" x="{}" width="{}" y="{}" height="{}"/>')
            made += bar.format(_short(left), _short(wide), _short(STRIP - high), _short(high))
    return made


def _at(n: int, count: int, width: int) -> str:
    return _short(n * width / (count - 1) if count > 1 else width)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
