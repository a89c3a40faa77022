"""What has just happened: events, runs and deliveries in one list, the newest first. Called by `views.overview`."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from goniec.core import labels
from goniec.core.model import Attempt, Delivery, Event, Run, Status
from goniec.core.times import Millis
from goniec.ports import FIRED, DeliveryFilter, EventFilter, Page, RunFilter
from goniec.web.panel.failures import answer_name
from goniec.web.panel.fields import EVENT_ICONS
from goniec.web.panel.page import Visit
from goniec.web.panel.people import called, people
from goniec.web.panel.showing import visible

SHOWN: Final = 8

_TONES: Final[dict[Status, str]] = {
    Status.DELIVERED: "ok",
    Status.FAILED: "bad",
    Status.PENDING: "wait",
    Status.HELD: "",
    Status.CANCELLED: "",
}


class Item(Struct, frozen=True):
    """One thing that happened: who it was about, what, when, and where to read on."""

    at: Millis
    rank: int
    id: str
    contact_id: str
    tone: str
    icon: str
    what: str
    path: str
    who: str = ""


async def feed(visit: Visit) -> list[Item]:
    """Give the last things that happened."""
    queries = visit.context.store.queries
    page = Page(SHOWN, newest=True)
    events, runs, deliveries = await asyncio.gather(
        queries.events(EventFilter(), page),
        queries.runs(RunFilter(outcomes=FIRED), page),
        queries.deliveries(DeliveryFilter(), page),
    )
    tried, rules = await asyncio.gather(
        asyncio.gather(*(queries.delivery(one.id) for one in deliveries)),
        _rule_names(visit, {run.rule_id for run in runs} | {one.rule_id for one in deliveries}),
    )
    items = [
        *(_event(visit, one) for one in events),
        *(_run(one, rules) for one in runs),
        *(_delivery(visit, one[0], one[1], rules) for one in tried if one is not None),
    ]
    items.sort(key=lambda item: (item.at, item.rank, item.id), reverse=True)
    shown = items[:SHOWN]
    who = await people(queries, (item.contact_id for item in shown))
    return [replace(item, who=called(who.get(item.contact_id), visit.words)) for item in shown]


async def _rule_names(visit: Visit, ids: Iterable[str]) -> dict[str, str]:
    wanted = sorted(ids)
    found = await asyncio.gather(*(visit.context.store.queries.rule(id) for id in wanted))
    return {
        id: visible(rule.name) if rule else visit.say("Deleted rule") for id, rule in zip(wanted, found, strict=True)
    }


def _event(visit: Visit, event: Event) -> Item:
    return Item(
        at=event.received_at,
        rank=0,
        id=event.id,
        contact_id=event.contact_id,
        tone="",
        icon=EVENT_ICONS.get(event.type, "activity"),
        what=visit.words.named(labels.EVENTS, event.type),
        path=f"/contacts/{event.contact_id}",
    )


def _run(run: Run, rules: Mapping[str, str]) -> Item:
    return Item(
        at=run.at,
        rank=1,
        id=run.id,
        contact_id=run.contact_id,
        tone="ink",
        icon="bolt",
        what=rules[run.rule_id],
        path=f"/rules/{run.rule_id}/runs",
    )


def _delivery(visit: Visit, delivery: Delivery, attempts: Sequence[Attempt], rules: Mapping[str, str]) -> Item:
    last = attempts[-1] if attempts else None
    answer = _unsent(visit, delivery.status) if last is None else answer_name(last, visit.words)
    what = f"{rules[delivery.rule_id]}, {answer}"
    return Item(
        at=delivery.created_at if last is None else last.at,
        rank=2,
        id=delivery.id,
        contact_id=delivery.contact_id,
        tone=_TONES.get(delivery.status, ""),
        icon="send",
        what=visit.say("Test: %(what)s", what=what) if delivery.test else what,
        path=f"/deliveries/{delivery.id}",
    )


def _unsent(visit: Visit, status: Status) -> str:
    """What became of one that was never tried."""
    if not status.known:
        return status.value
    return visit.say("waiting") if status in {Status.PENDING, Status.HELD} else visit.say("not sent, cancelled")
