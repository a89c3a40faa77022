"""The figures of the overview: over which time, in which steps, and what they come to.

Figures are kept by whole hours, so the hour that is under way is the last step of every period, and what is compared
with the time before leaves it out; and the ledger of one endpoint or rule. Called by the views that show them.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from msgspec import Struct

from goniec.core.times import DAY, HOUR, Millis
from goniec.ports import Balance, Holder, Queries, Sum
from goniec.web.panel.charts import ticks
from goniec.web.panel.formats import Times
from goniec.web.panel.picture import end_of_hour

Period = Literal["hour", "day", "week", "month"]

PERIODS: Final[tuple[Period, ...]] = ("hour", "day", "week", "month")

_STEPS: Final[dict[Period, tuple[int, Millis]]] = {
    "hour": (12, HOUR),
    "day": (24, HOUR),
    "week": (28, 6 * HOUR),
    "month": (30, DAY),
}
"""How many whole steps of which length stand before the one that is under way."""

_LABELS: Final = 8
_ALMOST_ALL: Final = 0.99


class Span(Struct, frozen=True):
    """A period in steps: `since` to `until`, the last step being under way.

    Of `hour` the figures are those of its last step alone, and the steps before stand in the chart.
    """

    period: Period
    since: Millis
    until: Millis
    step: Millis

    @property
    def count(self) -> int:
        """How many steps."""
        return (self.until - self.since) // self.step


class Figures(Struct, frozen=True):
    """What happened in a period; `events_before` and `delivered_before` are compared with the same steps before it.

    `steps` has a sum for every step, `half` and `almost_all` are the milliseconds within which half of the deliveries
    and 99 % of them arrived.
    """

    span: Span
    steps: list[Sum]
    events: int
    runs: int
    made: int
    delivered: int
    failed: int
    events_change: float | None
    delivered_change: float | None
    half: Millis | None
    almost_all: Millis | None


def span_of(period: Period, times: Times, now: Millis) -> Span:
    """Give the steps of a period; those of a quarter of a day or a whole one begin where the viewer's day does."""
    whole, step = _STEPS[period]
    end = end_of_hour(now)
    if step > HOUR:
        offset = times.local(now).utcoffset()
        shift = 0 if offset is None else round(offset.total_seconds() * 1000)
        end = -(-(end + shift) // step) * step - shift
    return Span(period, end - (whole + 1) * step, end, step)


async def read_figures(queries: Queries, span: Span) -> Figures:
    """Read what happened in a period, and in the one before it."""
    whole = span.count - 1
    before = span.since - whole * span.step
    found = {one.at: one for one in await queries.sums("", None, before, span.until, span.step)}
    everything = [found.get(at) or Sum("", at) for at in range(before, span.until, span.step)]
    earlier, steps = everything[:whole], everything[whole:]
    counted = steps[-1:] if span.period == "hour" else steps
    since = counted[0].at
    waits = await queries.sums("wait", None, since, span.until, span.until - since)
    return Figures(
        span=span,
        steps=steps,
        events=sum(one.events for one in counted),
        runs=sum(one.runs for one in counted),
        made=sum(one.made for one in counted),
        delivered=sum(one.delivered for one in counted),
        failed=sum(one.failed for one in counted),
        events_change=_change((one.events for one in earlier), (one.events for one in steps[:-1])),
        delivered_change=_change((one.delivered for one in earlier), (one.delivered for one in steps[:-1])),
        half=within(waits, 0.5),
        almost_all=within(waits, _ALMOST_ALL),
    )


def within(waits: Sequence[Sum], share: float) -> Millis | None:
    """Give the milliseconds within which such a share arrived: an upper bound, None where nothing did.

    `waits` are sums of `wait`: their subjects are the bounds.
    """
    total, so_far = sum(one.delivered for one in waits), 0
    for one in sorted(waits, key=lambda one: int(one.subject)):
        so_far += one.delivered
        if so_far and so_far >= share * total:
            return int(one.subject)
    return None


def labels(span: Span, times: Times) -> list[str]:
    """Give the labels of the time axis, all at the same distance: hours of the day, or days."""
    form = "%H:%M" if span.step == HOUR else "%d.%m"
    return [times.local(span.since + n * span.step).strftime(form) for n in ticks(span.count, _LABELS)]


def _change(earlier: Iterable[int], later: Iterable[int]) -> float | None:
    """By which share it grew; None where there is nothing to compare with."""
    before, after = sum(earlier), sum(later)
    return (after - before) / before if before else None


async def balance_of(queries: Queries, holder: Holder, id: str) -> Balance | None:
    """Give the ledger of one endpoint or rule; None: it never had a delivery."""
    return next((one for one in await queries.balances(holder) if one.subject == id), None)
