"""Endpoints: the list, one of them with its health, pausing and resuming, deleting.

What changes an endpoint's settings and secrets is in `endpoint_form`.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from goniec.core.endpoint import MAIL, Endpoint
from goniec.core.labels import Label
from goniec.core.model import Attempt, Delivery, Status
from goniec.core.rules import Rule
from goniec.core.times import DAY, HOUR, SECOND
from goniec.flow.configure import Conflict, Missing, Named, Refusal, Stale, usage
from goniec.flow.endpoints import EndpointSaved, delete_endpoint, endpoint_tag, pause_endpoint, resume_endpoint
from goniec.flow.mail_actions import mail_actions
from goniec.ports import DeliveryFilter, Page, Queries, Queue, Sum
from goniec.web.lists import closed, opened
from goniec.web.panel.attention import WATCHED, Trouble, troubles
from goniec.web.panel.delivery_words import STATUSES
from goniec.web.panel.endpoint_fields import rate_of
from goniec.web.panel.failures import answer_name
from goniec.web.panel.figures import balance_of
from goniec.web.panel.health import STATES, Seen, State, health, lately, state_of
from goniec.web.panel.page import PAGE_HEADERS, Visit, page
from goniec.web.panel.people import called, people
from goniec.web.panel.spans import span_text, spans_text
from goniec.web.panel.verifying import SNIPPETS, snippet
from goniec.web.panel.views.deliveries import running_jobs
from goniec.web.problems import missing
from goniec.web.refusals import cut, fault
from goniec.web.reply import Reply

ROWS: Final = 50
DAYS: Final = 7
"""Of which the list tells the success."""

TABS: Final = {
    "": Label("Wszystkie", "All"),
    "works": Label("Działające", "Working"),
    "waits": Label("Z kolejką", "With a backlog"),
    "fails": Label("Nie przyjmują", "Not accepting"),
    "paused": Label("Wstrzymane", "Paused"),
}

RECENT: Final = 8
"""Deliveries that an endpoint's page shows."""


class Row(Struct, frozen=True):
    """An endpoint in the list."""

    endpoint: Endpoint
    state: State
    queue: Queue | None
    week: Sum | None
    tried: Sum | None
    trouble: Trouble | None
    rules: int


class Sent(Struct, frozen=True):
    """A delivery on an endpoint's page: about whom, and what its last attempt came to."""

    seen: Seen
    who: str
    answer: str


@page("GET", "/endpoints", role="viewer")
async def endpoints(visit: Visit) -> Reply:
    """List endpoints, the newest first."""
    known = await visit.context.store.queries.endpoints()
    rows = await _rows(visit, known)
    wanted = visit.query.text("q").casefold()
    rows = [row for row in rows if wanted in f"{row.endpoint.url} {row.endpoint.username or ''}".casefold()]
    tabs = {tab: _count(rows, tab) if tab else len(rows) for tab in TABS}
    chosen = visit.query.get("state")
    rows = [row for row in rows if not chosen or _tab(row.state) == chosen]
    cursor = visit.query.get("cursor")
    shown = cut(Page(ROWS + 1, opened(cursor) if cursor else None, newest=True), rows, lambda row: row.endpoint.id)
    more = closed(shown[ROWS - 1].endpoint.id) if len(shown) > ROWS else None
    return visit.page(
        "endpoints.html",
        rows=[await _looked_at(visit.context.store.queries, row) for row in shown[:ROWS]],
        tabs=tabs,
        words=TABS,
        states=STATES,
        statuses=STATUSES,
        chosen=chosen,
        total=len(rows),
        known=len(known),
        more=more,
        first=not cursor,
    )


@page("GET", "/endpoints/{id}", role="viewer")
async def endpoint(visit: Visit, id: str) -> Reply:
    """Show one endpoint; while something waits for it, its page asks by itself for what changes."""
    found = await load(visit, id)
    if visit.htmx and visit.query.get("version") != str(found.version):
        # it was paused, resumed or changed: other buttons, other settings
        return Reply(204, None, (*PAGE_HEADERS, ("hx-refresh", "true")))
    queries = visit.context.store.queries
    queue = await _queue(visit, id)
    latest = await queries.deliveries(DeliveryFilter(endpoint_id=id), Page(RECENT, newest=True))
    pending = await queries.deliveries(DeliveryFilter(endpoint_id=id, status=Status.PENDING), Page(1))
    recent = await _seen(queries, latest)
    oldest = next(iter(await _seen(queries, pending)), None)
    (row,) = await _rows(visit, [found])
    last = await _last(queries, id, recent, tests=row.tried is None)
    state = state_of(found, queue, row.tried, row.trouble, last, visit.now)
    policy = found.policy
    return visit.page(
        "endpoint_live.html" if visit.htmx else "endpoint.html",
        endpoint=found,
        tag=endpoint_tag(found),
        states=STATES,
        statuses=STATUSES,
        queue=queue,
        health=health(
            state,
            found,
            queue,
            row.tried,
            last,
            oldest,
            fresh=not recent,
            words=visit.words,
            times=visit.times,
            now=visit.now,
        ),
        sent=await _sent(visit, recent),
        rules=await rules_of(visit, id),
        jobs=await running_jobs(visit, id),
        balance=await balance_of(queries, "endpoint", id),
        attempts=len(policy.schedule) + 1,
        schedule=spans_text(policy.schedule),
        reach=sum(policy.schedule) * SECOND,
        order_hold=span_text(policy.order_hold),
        rate=rate_of(found, visit.words),
        mail=visit.context.mail,
        setup=visit.context.mail_setup,
        snippets=[(name, word, snippet(name)) for name, word in SNIPPETS.items()],
    )


@page("POST", "/endpoints/{id}/pause", role="admin")
async def pause(visit: Visit, id: str) -> Reply:
    """Send nothing to it until it is resumed."""
    done = await pause_endpoint(visit.context.outside, id)
    said = visit.say("Paused. Deliveries to this endpoint wait until you resume it.")
    return _after(visit, id, done, said)


@page("POST", "/endpoints/{id}/resume", role="admin")
async def resume(visit: Visit, id: str) -> Reply:
    """Send to it again."""
    done = await resume_endpoint(visit.context.outside, id)
    return _after(visit, id, done, visit.say("Resumed. Waiting deliveries are being sent."))


@page("GET", "/endpoints/{id}/delete", role="admin")
async def deleting(visit: Visit, id: str) -> Reply:
    """Ask whether it is to be deleted, or say why that cannot be."""
    return await _deleting(visit, await load_receiver(visit, id))


@page("POST", "/endpoints/{id}/delete", role="admin")
async def delete(visit: Visit, id: str) -> Reply:
    """Delete an endpoint that nothing needs."""
    found = await load_receiver(visit, id)
    tag = visit.form.get("tag")
    refused = await delete_endpoint(visit.context.outside, id, frozenset({tag}) if tag else None)
    match refused:
        case None:
            return visit.go("/endpoints", note=visit.say("Deleted: %(name)s.", name=found.host))
        case Missing():
            raise missing("endpoint")
        case Stale() | Conflict():
            return await _deleting(visit, await load(visit, id), refused)


async def load(visit: Visit, id: str) -> Endpoint:
    """Give an endpoint; what is not there is a page that says so."""
    found = await visit.context.store.queries.endpoint(id)
    if found is None:
        raise missing("endpoint")
    return found


async def load_receiver(visit: Visit, id: str) -> Endpoint:
    """Give an endpoint of webhooks: the mail server has neither an address nor credentials that could be set here."""
    if id == MAIL:
        raise missing("endpoint")
    return await load(visit, id)


async def rules_of(visit: Visit, id: str) -> list[Named]:
    """Give the rules that use an endpoint."""
    return _using(await visit.context.store.queries.rules()).get(id, [])


async def _rows(visit: Visit, known: Sequence[Endpoint]) -> list[Row]:
    queries, now = visit.context.store.queries, visit.now
    ids = [known[0].id] if len(known) == 1 else None
    queues = {queue.endpoint_id: queue for queue in await queries.queues(now, ids)}
    used = _using(await queries.rules())
    # the hour that has begun counts too
    weeks = await queries.sums("endpoint", ids, now - DAYS * DAY, now + HOUR, DAYS * DAY + 2 * HOUR)
    hours = await queries.sums("endpoint", ids, now - WATCHED, now + HOUR, HOUR)
    by_week = {one.subject: one for one in weeks}
    by_hour: dict[str, list[Sum]] = {}
    for hour in hours:
        by_hour.setdefault(hour.subject, []).append(hour)
    found = troubles(known, queues.values(), hours)
    rows = []
    for one in known:
        queue, week, trouble = queues.get(one.id), by_week.get(one.id), found.get(one.id)
        tried = lately(by_hour.get(one.id, ()), week)
        state = state_of(one, queue, tried, trouble, None, now)
        rows.append(Row(one, state, queue, week, tried, trouble, len(used.get(one.id, []))))
    return rows


async def _looked_at(queries: Queries, row: Row) -> Row:
    """A row that is shown: of an endpoint that took some, whether it works by now."""
    if row.state != "some":
        return row
    latest = await queries.deliveries(DeliveryFilter(endpoint_id=row.endpoint.id), Page(RECENT, newest=True))
    last = await _last(queries, row.endpoint.id, await _seen(queries, latest))
    return row if last is None or last.failure is not None else replace(row, state="works")


async def _last(queries: Queries, id: str, recent: Sequence[Seen], *, tests: bool = False) -> Attempt | None:
    """The newest attempt as far as it is known: of its latest deliveries, and of those that stand as failed."""
    given_up = await queries.deliveries(DeliveryFilter(endpoint_id=id, status=Status.FAILED), Page(RECENT, newest=True))
    seen = [*recent, *await _seen(queries, given_up)]
    tried = [one.last for one in seen if one.last is not None and (tests or not one.delivery.test)]
    return max(tried, key=lambda one: one.at, default=None)


def _using(rules: Sequence[Rule]) -> dict[str, list[Named]]:
    """By endpoint the rules that use it: the mail server is used by all that send mail, without naming it."""
    mailing = [Named(rule.id, rule.name) for rule in rules if any(mail_actions(rule))]
    return {MAIL: mailing} | {use[1]: named for use, named in usage(rules).items() if use[0] == "endpoint"}


def _tab(state: State) -> str:
    """Those that rest wait too, and who takes some works."""
    return {"rests": "waits", "some": "works"}.get(state, state)


def _count(rows: Sequence[Row], tab: str) -> int:
    return sum(_tab(row.state) == tab for row in rows)


async def _queue(visit: Visit, id: str) -> Queue | None:
    return next(iter(await visit.context.store.queries.queues(visit.now, [id])), None)


async def _seen(queries: Queries, deliveries: Sequence[Delivery]) -> list[Seen]:
    last = await queries.last_attempts([one.id for one in deliveries])
    return [Seen(one, last.get(one.id)) for one in deliveries]


async def _sent(visit: Visit, recent: Sequence[Seen]) -> list[Sent]:
    known = await people(visit.context.store.queries, (one.delivery.contact_id for one in recent))
    return [
        Sent(
            one,
            called(known.get(one.delivery.contact_id), visit.words),
            "" if one.last is None else answer_name(one.last, visit.words),
        )
        for one in recent
    ]


def _after(visit: Visit, id: str, done: EndpointSaved | Refusal, said: str) -> Reply:
    if not isinstance(done, EndpointSaved):
        raise fault(done)
    return visit.go(f"/endpoints/{id}", note=said)


async def _deleting(visit: Visit, found: Endpoint, refused: Stale | Conflict | None = None) -> Reply:
    queue = await _queue(visit, found.id)
    return visit.page(
        "endpoint_delete.html",
        status=200 if refused is None else 409,
        endpoint=found,
        tag=endpoint_tag(found),
        rules=await rules_of(visit, found.id),
        pending=0 if queue is None else queue.pending,
        refused=refused,
    )
