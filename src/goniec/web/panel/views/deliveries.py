"""The mailbox: every message to an endpoint and what came of it; sending again and cancelling, one or many.

What stands on the page of one delivery is in `delivery`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from goniec.core.composing import EXAMPLE
from goniec.core.endpoint import Endpoint
from goniec.core.jobs import Job
from goniec.core.model import Delivery, Status
from goniec.core.times import HOUR
from goniec.flow.configure import Conflict, Outside, Refusal
from goniec.flow.deliveries import cancel_delivery, resend_delivery
from goniec.ports import Page
from goniec.web import deliveries_file
from goniec.web.lists import closed, opened
from goniec.web.panel.attention import WATCHED, Trouble, troubles
from goniec.web.panel.concerns import trouble_words
from goniec.web.panel.delivery_words import STATUSES, answer, moving
from goniec.web.panel.failures import NAMES as FAILURES
from goniec.web.panel.forms import Form, read_form
from goniec.web.panel.mailbox import (
    CANDIDATES,
    DATES,
    NAMES,
    NEWER_MOST,
    SIZE,
    Row,
    Wanted,
    looked_up,
    read_wanted,
    rows_of,
    silent,
)
from goniec.web.panel.page import Visit, page
from goniec.web.panel.people import called
from goniec.web.panel.picture import end_of_hour
from goniec.web.panel.showing import visible
from goniec.web.panel.wording import low
from goniec.web.reply import Reply

PICKED_MOST: Final = 200
"""How many deliveries can be sent again or cancelled at once."""

TROUBLES_SHOWN: Final = 3
"""How many endpoints in trouble are told of above the list."""

RULES_SHOWN: Final = 200
"""How many rules the filter offers; a rule's own page leads to its deliveries too."""

FOLDED: Final = ("period", "rule", "endpoint", "failure", "test", "contact")
"""The filters that a phone folds away."""

Act = Callable[[Outside, str], Awaitable[Delivery | Refusal]]


@page("GET", "/deliveries", role="viewer")
async def deliveries(visit: Visit) -> Reply:
    """Show the mailbox, as the address asks for it."""
    queries = visit.context.store.queries
    text = visit.query.text("q")
    found = await looked_up(queries, text, visit.context.country) if text else []
    if isinstance(found, Delivery):
        return visit.go(f"/deliveries/{found.id}")
    if len(found) == 1:
        return visit.go("/deliveries", None, **(address(visit.query) | {"contact": found[0].id}))
    wanted = read_wanted(visit.query, visit.now, visit.zone)
    endpoints = {endpoint.id: endpoint for endpoint in await queries.endpoints()}
    rows, following, looked_on = ([], None, False) if text else await _page(visit, wanted, endpoints)
    counts = None if wanted.narrow or text else await queries.standing()
    first = not visit.query.get("cursor")
    top = rows[0].delivery.id if rows else None
    asked = address(visit.query)
    waiting = [row.delivery.id for row in rows if moving(row.delivery)]
    return visit.page(
        "deliveries.html",
        text=text,
        found=found,
        candidates=CANDIDATES,
        title=lambda contact: called(contact, visit.words),
        wanted=wanted,
        rows=rows,
        next_cursor=following,
        looked_on=looked_on,
        first=first,
        newer=visit.url("/deliveries/newer", **asked, after=top, p=waiting) if first and not text else None,
        asked={name: value for name, value in asked.items() if name not in dict(wanted.unknown)},
        back=urlencode(visit.query.pairs),
        counts=counts,
        jobs=await running_jobs(visit),
        cancellable=cancellable(wanted),
        total=_total(visit, wanted, counts),
        troubles=await _troubles(visit, rows),
        any_filter=wanted.narrow or wanted.status is not None or bool(wanted.unknown) or bool(text),
        active=sum(bool(visit.query.text(name)) for name in FOLDED),
        about=await _about(visit, wanted),
        rules=await _rules(visit, wanted),
        endpoints=_endpoints(visit, wanted, endpoints),
        periods=_periods(visit),
        unknown=[(_parameter(visit, name), visible(value[:80])) for name, value in wanted.unknown],
        dates=DATES,
        failures=FAILURES,
        **_tools(visit),
    )


@page("GET", "/deliveries/newer", role="viewer")
async def newer(visit: Visit) -> Reply:
    """Count what has come since a page was made, and say how the rows that were pending stand now."""
    queries = visit.context.store.queries
    wanted = read_wanted(visit.query, visit.now, visit.zone)
    after = visit.query.text("after") or None
    waiting = visit.query.all("p")[:SIZE]
    come, found, endpoints = await asyncio.gather(
        queries.deliveries(wanted.filter, Page(NEWER_MOST + 1, after)),
        asyncio.gather(*(queries.delivery(id) for id in waiting)),
        queries.endpoints(),
    )
    known = {endpoint.id: endpoint for endpoint in endpoints}
    rows = [
        Row(delivery, endpoint=known.get(delivery.endpoint_id), attempt=attempts[-1] if attempts else None)
        for delivery, attempts in (one for one in found if one is not None)
    ]
    return visit.page(
        "deliveries_newer.html",
        come=len(come),
        most=NEWER_MOST,
        show=visit.url("/deliveries", **address(visit.query)),
        rows=rows,
        **_tools(visit),
    )


@page("GET", "/deliveries/export", role="viewer")
async def export(visit: Visit) -> Reply:
    """Give all deliveries that the address asks for as a file, the same as the API does."""
    wanted = read_wanted(visit.query, visit.now, visit.zone)
    pieces = deliveries_file.pieces(visit.context.store.queries, wanted.filter, "csv", visit.now)
    return Reply(200, pieces, (deliveries_file.named("csv"),), deliveries_file.MEDIA_TYPES["csv"])


@page("POST", "/deliveries/resend", role="editor")
async def resend_many(visit: Visit) -> Reply:
    """Send the chosen deliveries once more."""
    done = await _each(visit, resend_delivery)
    sent = sum(isinstance(one, Delivery) for one in done)
    erased = sum(isinstance(one, Conflict) for one in done)
    parts = [visit.many("%(n)s delivery goes out again.", "%(n)s deliveries go out again.", sent)] if sent else []
    if erased:
        parts.append(
            visit.many(
                "%(n)s has nothing left to send: its contact was erased.",
                "%(n)s have nothing left to send: their contacts were erased.",
                erased,
            )
        )
    return _back(visit, parts)


@page("POST", "/deliveries/cancel", role="editor")
async def cancel_many(visit: Visit) -> Reply:
    """Cancel those of the chosen deliveries that are pending."""
    queries = visit.context.store.queries
    before = await asyncio.gather(*(queries.delivery(id) for id in _picked(visit.form)))
    pending = {one[0].id for one in before if one is not None and one[0].status is Status.PENDING}
    done = await _each(visit, cancel_delivery)
    ended = sum(isinstance(one, Delivery) and one.id in pending for one in done)
    parts = [visit.many("%(n)s delivery was cancelled.", "%(n)s deliveries were cancelled.", ended)] if ended else []
    if len(done) > ended:
        rest = len(done) - ended
        parts.append(visit.many("%(n)s was no longer pending.", "%(n)s were no longer pending.", rest))
    return _back(visit, parts)


def cancellable(wanted: Wanted) -> bool:
    """Say whether a filter names pending deliveries as a job can: by endpoint, rule, contact and time, and by one."""
    named = any(one is not None for one in (wanted.endpoint, wanted.rule, wanted.contact, wanted.since, wanted.until))
    other = wanted.failure is not None or wanted.test is not None or bool(wanted.unknown)
    return wanted.status is Status.PENDING and named and not other and not wanted.backwards


async def running_jobs(visit: Visit, endpoint_id: str | None = None) -> list[Job]:
    """Give the jobs that go on, or those of one endpoint."""
    jobs = await visit.context.store.queries.running_jobs()
    return [one for one in jobs if endpoint_id in {None, one.endpoint_id}]


def _picked(form: Form) -> list[str]:
    return list(dict.fromkeys(form.all("id")))[:PICKED_MOST]


async def _each(visit: Visit, act: Act) -> list[Delivery | Refusal]:
    return list(await asyncio.gather(*(act(visit.context.outside, id) for id in _picked(visit.form))))


def _back(visit: Visit, parts: list[str]) -> Reply:
    """Go back to where the rows were chosen, and say what became of them."""
    query = read_form(visit.form.get("back").encode("ascii", "ignore"))
    note = " ".join(parts) or visit.say("Nothing is selected. Tick the deliveries first.")
    return visit.go("/deliveries", note, **address(query), cursor=query.get("cursor"))


def address(query: Form) -> dict[str, object]:
    """Give the parameters that say which deliveries are wanted, as they stand in an address."""
    return {name: query.text(name) for name in NAMES if query.text(name)}


async def _page(visit: Visit, wanted: Wanted, endpoints: Mapping[str, Endpoint]) -> tuple[list[Row], str | None, bool]:
    """The rows of a page, the cursor of the next one, and whether that goes on looking for rows not found yet."""
    if wanted.backwards:
        return [], None, False
    queries = visit.context.store.queries
    cursor = visit.query.get("cursor")
    found = await queries.deliveries(wanted.filter, Page(SIZE + 1, opened(cursor) if cursor else None, newest=True))
    rows = await rows_of(queries, found[:SIZE], endpoints)
    if len(found) > SIZE:
        return rows, closed(rows[-1].delivery.id), False
    stopped = found.stopped
    return rows, None if stopped is None else closed(stopped), stopped is not None


async def _troubles(visit: Visit, rows: Sequence[Row]) -> list[dict[str, str]]:
    """What is wrong with the endpoints of these rows, the worst first: those that are paused or do not answer."""
    shown = {row.endpoint.id: row.endpoint for row in rows if row.endpoint is not None}
    if not shown:
        return []
    queries, end = visit.context.store.queries, end_of_hour(visit.now)
    queues, hours = await asyncio.gather(
        queries.queues(visit.now, list(shown)), queries.sums("endpoint", list(shown), end - WATCHED, end, HOUR)
    )
    found = troubles(shown.values(), queues, hours)
    pending = {queue.endpoint_id: queue.pending for queue in queues}
    # sums are by the hour; what fails only now is seen in the rows
    for id, since in silent(rows).items():
        if id not in found or found[id].kind == "failing":
            found[id] = Trouble("silent", None, pending.get(id, 0), 0, since)
    told = [
        (shown[id], one) for id, one in found.items() if one.kind == "silent" or (one.kind == "paused" and one.pending)
    ]
    return [
        {
            "id": endpoint.id,
            "tone": one.tone,
            "icon": "player-pause" if one.kind == "paused" else "alert-triangle",
            "title": f"{visit.receiver(endpoint)}: {low(trouble_words(visit, one))}.",
            "text": visit.say("They are sent when someone resumes the endpoint.")
            if one.kind == "paused"
            else visit.say("They are retried on schedule. None is lost."),
        }
        for endpoint, one in sorted(told, key=lambda pair: (pair[1].tone != "bad", -pair[1].pending))
    ][:TROUBLES_SHOWN]


def _total(visit: Visit, wanted: Wanted, counts: Mapping[Status, int] | None) -> str:
    if counts is None:
        return ""
    total = sum(counts.values()) if wanted.status is None else counts[wanted.status]
    return visit.many("%(n)s delivery", "%(n)s deliveries", total)


async def _about(visit: Visit, wanted: Wanted) -> str | None:
    """The name of the contact that is asked for."""
    if wanted.contact is None:
        return None
    if wanted.contact == EXAMPLE.id:
        return visit.say("Example contact")
    return called(await visit.context.store.queries.contact(wanted.contact), visit.words)


async def _rules(visit: Visit, wanted: Wanted) -> list[tuple[str, str]]:
    rules = await visit.context.store.queries.rules()
    named = sorted(((rule.id, visible(rule.name)) for rule in rules), key=lambda one: one[1].casefold())
    shown = named[:RULES_SHOWN]
    if wanted.rule is not None and wanted.rule not in dict(shown):
        shown.insert(0, (wanted.rule, dict(named).get(wanted.rule, visit.say("Deleted rule"))))
    return [("", visit.say("All rules")), *shown]


def _endpoints(visit: Visit, wanted: Wanted, endpoints: Mapping[str, Endpoint]) -> list[tuple[str, str]]:
    """Endpoints by host; those that share one are told apart by what else they have."""
    hosts = [endpoint.host for endpoint in endpoints.values()]
    named = [
        (one.id, visit.receiver(one) if hosts.count(one.host) == 1 else _whole(one))
        for one in sorted(endpoints.values(), key=lambda one: (one.host, one.url))
    ]
    if wanted.endpoint is not None and wanted.endpoint not in endpoints:
        named.insert(0, (wanted.endpoint, visit.say("Deleted endpoint")))
    return [("", visit.say("All endpoints")), *named]


def _whole(endpoint: Endpoint) -> str:
    url = endpoint.url.partition("://")[2] or endpoint.url
    return visible(url if endpoint.username is None else f"{url} ({endpoint.username})")


def _periods(visit: Visit) -> list[tuple[str, str]]:
    return [
        ("", visit.say("All time")),
        ("hour", visit.say("the last hour")),
        ("day", visit.say("the last 24 hours")),
        ("week", visit.say("the last 7 days")),
    ]


def _parameter(visit: Visit, name: str) -> str:
    """What a parameter of the address is called on the page."""
    named = {
        "status": visit.say("Status"),
        "period": visit.say("Period"),
        "from": visit.say("From day"),
        "to": visit.say("To day"),
        "failure": visit.say("Error"),
        "test": visit.say("Test sends"),
    }
    return named[name]


def _tools(visit: Visit) -> dict[str, Any]:
    """What the templates of rows call."""

    def who(row: Row) -> str:
        if row.delivery.contact_id == EXAMPLE.id:
            return visit.say("Example contact")
        return called(row.contact, visit.words)

    return {
        "who": who,
        "answered": lambda row: answer(visit, row.delivery, row.attempt, row.endpoint),
        "statuses": STATUSES,
        "visible": visible,
        "moving": moving,
    }
