"""The first page: what happens just now, whether the figures add up, and what needs somebody."""

import asyncio
from collections.abc import Mapping, Sequence, Sized
from typing import Any, Final

from markupsafe import Markup
from msgspec import Struct
from msgspec.structs import replace

from goniec.core.endpoint import Endpoint
from goniec.core.model import Status
from goniec.core.rules import Rule
from goniec.core.times import HOUR, MINUTE, Millis
from goniec.ports import DeliveryFilter, EventFilter, Page, Queries, Sum
from goniec.web.panel.attention import WATCHED, Trouble
from goniec.web.panel.charts import plot, scale, sparkline
from goniec.web.panel.concerns import Concern, concerns, trouble_words
from goniec.web.panel.delivery_words import STATUSES
from goniec.web.panel.feed import feed
from goniec.web.panel.figures import PERIODS, Figures, Period, labels, read_figures, span_of
from goniec.web.panel.page import Visit, page
from goniec.web.panel.picture import Picture, end_of_hour, picture
from goniec.web.panel.showing import visible
from goniec.web.panel.views.welcome import curl_line
from goniec.web.reply import Reply

SHOWN: Final = 5
"""So many endpoints and rules stand on the page; the lists have all of them."""

COUNTED: Final = 500
"""The events of the last minute, and what stands as failed, are counted up to here."""

SPARK: Final = 72
"""How wide a sparkline is, in pixels."""


class Ledger(Struct, frozen=True):
    """What came in and went out since the beginning, and whether each side is the sum of its parts."""

    totals: Mapping[str, int]

    @property
    def adds_up(self) -> bool:
        """Whether nothing is lost between the figures."""
        totals = self.totals
        came = totals["accepted"] + totals["duplicates"] + totals["refused"]
        # all there are: another release may know statuses that this one does not
        standing = sum(n for name, n in totals.items() if name.startswith("deliveries."))
        return totals["received"] == came and totals["made"] == standing


class Line(Struct, frozen=True):
    """An endpoint on the page: how it is, in a word and a picture."""

    endpoint: Endpoint
    tone: str
    text: str
    spark: Markup

    @property
    def address(self) -> str:
        """Where it is, as several may share a host; without the query, in which some receivers want their secret."""
        _, found, rest = self.endpoint.url.partition("://")
        return visible((rest if found else self.endpoint.url).partition("?")[0].rstrip("/"))


@page("GET", "/", role="viewer")
async def overview(visit: Visit) -> Reply:
    """Show how things are."""
    queries = visit.context.store.queries
    seen, now, items = await asyncio.gather(picture(visit), _now(visit, _period(visit)), feed(visit))
    totals = now["ledger"].totals
    steps = [
        bool(seen.rules),
        bool(totals["events"]),
        bool(totals["deliveries.delivered"]),
    ]
    attention = seen.attention()
    return visit.page(
        "overview.html",
        **now,
        periods=PERIODS,
        empty=not seen.rules and not totals["events"],
        begun=steps,
        curl=curl_line(visit),
        endpoints=await _endpoints(visit, seen),
        endpoint_count=len(seen.endpoints),
        rules=[_needy(visit, seen, rule) for rule in attention[:SHOWN]],
        attention=len(attention),
        items=items,
        chart=_chart(visit, now["figures"]),
        per_minute=await _per_minute(queries, visit.now),
        counted=COUNTED,
    )


@page("GET", "/overview/now", role="viewer")
async def overview_now(visit: Visit) -> Reply:
    """Give the live figures and the ledger again."""
    return visit.page("overview_now.html", **await _now(visit, _period(visit)))


@page("GET", "/overview/feed", role="viewer")
async def overview_feed(visit: Visit) -> Reply:
    """Give the last things that happened again."""
    return visit.page("overview_feed.html", items=await feed(visit))


async def _now(visit: Visit, period: Period) -> dict[str, Any]:
    queries = visit.context.store.queries
    span = span_of(period, visit.times, visit.now)
    figures, totals, oldest = await asyncio.gather(
        read_figures(queries, span),
        queries.totals(),
        queries.deliveries(DeliveryFilter(status=Status.PENDING), Page(1)),
    )
    team = await visit.context.workers()
    return {
        "period": period,
        "figures": figures,
        "ledger": Ledger(totals),
        # the ledger knows without counting a queue of a million
        "pending": totals[f"deliveries.{Status.PENDING}"],
        "oldest": oldest[0].created_at if oldest else None,
        "team": _team(visit, team),
        "statuses": {status.value: badge for status, badge in STATUSES.items()},
    }


def _team(visit: Visit, workers: Sized | None) -> int | None:
    """How many processes deliver, where that is not this one alone."""
    if workers is None or (len(workers) == 1 and visit.context.role != "web"):
        return None
    return len(workers)


def _period(visit: Visit) -> Period:
    return next((one for one in PERIODS if one == visit.query.get("period")), "day")


async def _per_minute(queries: Queries, now: Millis) -> int:
    return len(await queries.events(EventFilter(since=now - MINUTE), Page(COUNTED, newest=True)))


def _chart(visit: Visit, figures: Figures) -> dict[str, Any]:
    events = [one.events for one in figures.steps]
    drawn = plot(events, [one.delivered for one in figures.steps], [one.failed_attempts for one in figures.steps])
    span, most = figures.span, max(events)
    at = visit.times.local(span.since + events.index(most) * span.step)
    return {
        "plot": drawn,
        "scale": scale(drawn.top, visit.language),
        "strip": scale(drawn.strip_top, visit.language)[0],
        "labels": labels(span, visit.times),
        "most": most,
        "most_at": f"{at:%H:%M}" if span.period in {"hour", "day"} else f"{at:%d.%m, %H:%M}",
        "failed": sum(one.failed_attempts for one in figures.steps),
    }


def _needy(visit: Visit, seen: Picture, rule: Rule) -> tuple[str, Concern, Markup | None]:
    """A rule that somebody should look at: its name, the worst reason, and its week."""
    why, week = concerns(visit, seen, rule)[0], seen.weeks.get(rule.id)
    tone = "bad" if why.tone == "bad" else ""
    spark = None if week is None else sparkline(week.runs, tone if week.runs[-1] else "off", SPARK)
    return visible(rule.name), why, spark


async def _endpoints(visit: Visit, seen: Picture) -> list[Line]:
    """The endpoints that need somebody, the worst first, then those that work, the busiest first."""
    hours: dict[str, list[Sum]] = {}
    for hour in seen.hours:
        hours.setdefault(hour.subject, []).append(hour)

    def urgency(endpoint: Endpoint) -> tuple[int, int]:
        trouble = seen.troubles.get(endpoint.id)
        done = sum(hour.delivered for hour in hours.get(endpoint.id, ()))
        return (2 if trouble is None else trouble.tone != "bad", -done)

    shown = sorted(seen.endpoints.values(), key=urgency)[:SHOWN]
    lines = []
    for one in shown:
        trouble = await _unmended(visit, one.id, seen.troubles.get(one.id))
        lines.append(_line(visit, one, trouble, hours.get(one.id, []), end_of_hour(seen.now)))
    return lines


async def _unmended(visit: Visit, id: str, trouble: Trouble | None) -> Trouble | None:
    """What is still wrong: of the deliveries that were given up, those that have not arrived since."""
    if trouble is None or trouble.kind != "failing":
        return trouble
    # no more than were given up in that time can have stayed so, save for tests, which are no figure
    wanted = DeliveryFilter(endpoint_id=id, status=Status.FAILED, test=False)
    stand = await visit.context.store.queries.deliveries(wanted, Page(COUNTED, newest=True))
    left = sum((one.last_at or 0) >= visit.now - WATCHED for one in stand)
    return replace(trouble, failed=trouble.failed if left == COUNTED else min(left, trouble.failed)) if left else None


def _line(visit: Visit, endpoint: Endpoint, trouble: Trouble | None, hours: Sequence[Sum], end: Millis) -> Line:
    delivered = sum(hour.delivered for hour in hours)
    if trouble is not None:
        values = _by_hour({hour.at: hour.failed_attempts for hour in hours}, end)
        tone = "bad" if trouble.tone == "bad" else "off"
        return Line(endpoint, trouble.tone, trouble_words(visit, trouble), sparkline(values, tone, SPARK))
    values = _by_hour({hour.at: hour.delivered for hour in hours}, end)
    if delivered:
        text = visit.many("%(n)s delivered in the last day", "%(n)s delivered in the last day", delivered)
        return Line(endpoint, "okd", text, sparkline(values, "", SPARK))
    return Line(endpoint, "off", visit.say("nothing delivered in the last day"), sparkline(values, "off", SPARK))


def _by_hour(values: Mapping[Millis, int], end: Millis) -> list[int]:
    return [values.get(at, 0) for at in range(end - WATCHED, end, HOUR)]
