"""Events: taken in, and read back."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType, to_builtins

from goniec.core.events import EVENT_TYPES
from goniec.core.identity import Refusal
from goniec.core.meant import one_of
from goniec.core.problems import Problem
from goniec.flow.batch import Duplicate, Recorded, Result
from goniec.flow.ingest import EventIn, EventsIn, Intake, read_events
from goniec.ports import EventFilter
from goniec.web.api.asking import origin, refused
from goniec.web.lists import Listed, PageQuery, listed
from goniec.web.once import recorded
from goniec.web.operation import Ask, operation
from goniec.web.problems import Fault, invalid, missing, problem
from goniec.web.reading import Instant
from goniec.web.reply import Reply
from goniec.web.shown import EventOut, event_out

BODY_LIMIT: Final = 2 * 1024 * 1024
"""Bytes of a request with events."""

CONTACT: Final = "/contact"


class RefusedOut(Struct, rename="camel"):
    """An event that was not taken: its place in the list, what is wrong and where (a pointer into the event)."""

    index: int
    detail: str
    pointer: str
    code: str
    contacts: list[str] | UnsetType = UNSET


class ConflictOut(Struct, rename="camel"):
    """A duplicate whose content was another than that of the first event with its key; the first one stands."""

    index: int
    dedup_key: str
    id: str


class Taken(Struct, rename="camel"):
    """What became of the events. All that was accepted is on disk.

    `ids` has an entry for each event that was sent: its id, the first one's id for a duplicate, null when refused.
    """

    accepted: int
    duplicates: int
    refused: list[RefusedOut]
    conflicts: list[ConflictOut]
    ids: list[str | None]


class EventQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Which events; `since` and `until` compare the time of recording."""

    contact_id: str | None = None
    type: Annotated[str | None, Meta(extra_json_schema={"enum": list(EVENT_TYPES)})] = None
    since: Annotated[Instant | None, Meta(description="Recorded at this time or later.")] = None
    until: Annotated[Instant | None, Meta(description="Recorded before this time.")] = None


_VISIT = {
    "type": "page.visited",
    "contact": {"email": "jan@example.pl"},
    "data": {"url": "https://shop.example/buty/42"},
    "occurredAt": "2026-11-25T04:36:00+01:00",
    "dedupKey": "visit-1201",
}
_PURCHASE = {
    "type": "external_event.added",
    "contact": {"externalId": "C-17", "email": "jan@example.pl", "tags": ["VIP"]},
    "data": {"kind": "PURCHASE", "value": 129.9, "products": ["42"]},
}


@operation(
    "POST",
    "/events",
    scope="ingest",
    tag="events",
    summary="Send events",
    answers={202: Taken},
    errors=(409,),
    examples={"one event": _VISIT, "several": {"events": [_VISIT, _PURCHASE]}},
    limit=BODY_LIMIT,
    raw=(EventIn, EventsIn),
)
async def send_events(ask: Ask) -> Reply:
    """Take one event, or a list of up to 1000 under `events`.

    **202 means that they are on disk.** An unknown contact is made. Rules run for the events of a contact one after
    the other, in the order in which they were recorded. A single event that cannot be taken is an error; in a list it
    is told under `refused`, and the others go on. When all are refused, the whole is an error (422).

    Only what happens outside comes this way (`email.*`, `page.visited`, `form.submitted`, `external_event.*`): what
    changes a contact has calls of its own. A `dedupKey` is kept for `GONIEC_DEDUP_DAYS`; the first event with it
    counts, later ones are duplicates, and are listed in `conflicts` where they say something else.
    """
    intake = read_events(ask.raw, await origin(ask))
    return await recorded(ask, intake.calls, partial(_tell, ask, intake), refused=len(intake.refused))


@operation("GET", "/events", scope="read", tag="events", summary="List events", answers={200: Listed[EventOut]})
async def list_events(ask: Ask, query: EventQuery) -> Reply:
    """Events in the order in which they were recorded. With `contactId` those of one contact, erased ones too."""
    if query.type is not None and query.type not in EVENT_TYPES:
        raise invalid([Problem("/type", one_of(query.type, list(EVENT_TYPES)))], "query")
    wanted = EventFilter(query.contact_id, query.type, query.since, query.until)
    rows = await ask.context.store.queries.events(wanted, query.page())
    return listed(query, rows, lambda event: event.id, event_out)


@operation("GET", "/events/{id}", scope="read", tag="events", summary="Read an event", answers={200: EventOut})
async def read_event(ask: Ask, id: str) -> Reply:
    """One event."""
    found = await ask.context.store.queries.event(id)
    if found is None:
        raise missing("event")
    return Reply(200, event_out(found[0]))


def _tell(ask: Ask, intake: Intake, results: Sequence[Result]) -> Reply:
    """Give the answer, once all is on disk."""
    if intake.single:
        return _tell_one(ask, intake, results)
    taken = _taken(intake, results)
    if taken.accepted or taken.duplicates:
        return Reply(202, taken)
    errors = [Problem(f"/events/{one.index}{one.pointer}", one.detail) for one in taken.refused]
    status = 500 if all(one.code == "internalError" for one in taken.refused) else 422
    fault = Fault(
        status, "none of these events was taken", code="nothingTaken", errors=errors, extra=to_builtins(taken)
    )
    return problem(fault, ask.context.dice, ask.method, ask.target)


def _tell_one(ask: Ask, intake: Intake, results: Sequence[Result]) -> Reply:
    wrong = intake.refused.get(0)
    if wrong is not None:
        fault = invalid(wrong)
    elif isinstance(results[0], Refusal):
        fault = refused(results[0], CONTACT)
    else:
        return Reply(202, _taken(intake, results))
    return problem(fault, ask.context.dice, ask.method, ask.target)


def _taken(intake: Intake, results: Sequence[Result]) -> Taken:
    taken = Taken(0, 0, [], [], [None] * intake.count)
    for n, problems in intake.refused.items():
        taken.refused += [RefusedOut(n, one.detail, one.pointer, "invalid") for one in problems]
    for n, result in zip(intake.places, results, strict=True):
        if isinstance(result, Recorded):
            taken.accepted += 1
            taken.ids[n] = result.happened[0]
        elif isinstance(result, Duplicate):
            taken.duplicates += 1
            taken.ids[n] = result.event_id
            if result.conflict:
                taken.conflicts.append(ConflictOut(n, result.key, result.event_id))
        else:
            contacts = list(result.contacts) or UNSET
            taken.refused.append(RefusedOut(n, result.detail, CONTACT + result.pointer, result.code, contacts))
    taken.refused.sort(key=lambda one: one.index)
    return taken
