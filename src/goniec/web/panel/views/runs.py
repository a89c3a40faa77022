"""The run history of a rule: what fired or was stopped, newest first."""

import asyncio
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from goniec.core import labels
from goniec.core.ids import event_of
from goniec.core.model import ROWS, Contact, Delivery, Event, Outcome, Run
from goniec.ports import Page, Queries, RunFilter
from goniec.web.lists import closed, opened
from goniec.web.panel.delivery_words import STATUSES
from goniec.web.panel.fields import EVENT_ICONS
from goniec.web.panel.figures import balance_of
from goniec.web.panel.page import Visit, page
from goniec.web.panel.people import called, people
from goniec.web.panel.phrases import skipped_words
from goniec.web.panel.showing import visible
from goniec.web.panel.timeline import OTHER, TONES
from goniec.web.problems import missing
from goniec.web.reply import Reply

SIZE: Final = 50
"""Runs on a page."""

DELIVERIES_SHOWN: Final = 3
"""How many deliveries of a run stand in its row; the others are counted."""


class Row(Struct, frozen=True):
    """A run as its row shows it; `more` counts the deliveries that are not among `deliveries`."""

    run: Run
    who: str
    known: bool
    tone: str
    icon: str
    event: Event | None
    event_icon: str
    detail: str
    deliveries: list[Delivery]
    more: int


@page("GET", "/rules/{id}/runs", role="viewer")
async def runs(visit: Visit, id: str) -> Reply:
    """Show the runs of a rule; a rule that was deleted still has them."""
    queries = visit.context.store.queries
    chosen = next((one for one in Outcome if one in ROWS and one.value == visit.query.get("outcome")), None)
    cursor = visit.query.get("cursor")
    wanted = RunFilter(rule_id=id, outcomes=(chosen,) if chosen else ())
    asked = Page(SIZE + 1, opened(cursor) if cursor else None, newest=True)
    rule, found = await asyncio.gather(queries.rule(id), queries.runs(wanted, asked))
    if rule is None and not found and not cursor and chosen is None:
        raise missing("rule")
    shown = found[:SIZE]
    following = closed(shown[-1].id) if len(found) > SIZE else closed(found.stopped) if found.stopped else None
    return visit.page(
        "runs.html",
        rule=rule,
        rule_id=id,
        balance=await balance_of(queries, "rule", id),
        name=visible(rule.name) if rule else visit.say("Deleted rule"),
        rows=await _rows(visit, queries, shown),
        chosen=chosen.value if chosen else "",
        outcomes=[(one.value, visit.words.named(labels.OUTCOMES, one.value)) for one in Outcome if one in ROWS],
        first=not cursor,
        next_cursor=following,
        looked_on=bool(found.stopped) and len(found) <= SIZE,
        labels=labels,
        statuses=STATUSES,
    )


async def _rows(visit: Visit, queries: Queries, found: list[Run]) -> list[Row]:
    shown = [id for run in found for id in run.deliveries[:DELIVERIES_SHOWN]]
    who, events, deliveries = await asyncio.gather(
        people(queries, (run.contact_id for run in found)),
        _events(queries, {event_of(run.id) for run in found}),
        asyncio.gather(*(queries.delivery(id) for id in shown)),
    )
    by_id = {one[0].id: one[0] for one in deliveries if one is not None}
    return [_row(visit, run, who, events, by_id) for run in found]


async def _events(queries: Queries, ids: Iterable[str]) -> dict[str, Event]:
    found = await asyncio.gather(*(queries.event(id) for id in sorted(ids)))
    return {one[0].id: one[0] for one in found if one is not None}


def _row(visit: Visit, run: Run, who: dict[str, Contact], events: dict[str, Event], by_id: dict[str, Delivery]) -> Row:
    tone, icon = TONES.get(run.outcome, OTHER)
    event = events.get(run.event_id)
    contact = who.get(run.contact_id)
    deliveries = [by_id[id] for id in run.deliveries[:DELIVERIES_SHOWN] if id in by_id]
    return Row(
        run=run,
        who=called(contact, visit.words),
        known=contact is not None,
        tone=tone,
        icon=icon,
        event=event,
        event_icon=EVENT_ICONS.get(event.type, "activity") if event else "activity",
        detail=visit.hint(run.detail) if run.detail else skipped_words(run.skipped, visit.words),
        deliveries=deliveries,
        more=len(run.deliveries) - len(deliveries),
    )
