"""Everything known of a contact, as one JSON document: itself, its timeline, and what was sent about it.

The timeline goes out piece by piece, as it is read: it may be long.
"""

from collections.abc import AsyncIterator

import msgspec
from msgspec import Struct

from goniec.core.model import Attempt, Contact, Delivery, Event, Miss, Run, Seen
from goniec.core.times import format_instant
from goniec.ports import Queries
from goniec.web.operation import Ask, operation
from goniec.web.problems import missing
from goniec.web.reply import Reply
from goniec.web.shown import ContactOut, EventOut, contact_out, event_out


class ExportedAttempt(Struct, rename="camel"):
    """One request: when, what came back."""

    number: int
    at: str
    status: int | None
    failure: str | None
    detail: str
    answer: str


class ExportedDelivery(Struct, rename="camel"):
    """One message: to which endpoint, its exact text, how it stands, its attempts."""

    id: str
    endpoint_id: str
    status: str
    created_at: str
    body: str
    attempts: list[ExportedAttempt]


class ExportedRun(Struct, rename="camel"):
    """One evaluation of a rule: what it came to, and the conditions with the values seen."""

    rule_id: str
    version: int
    outcome: str
    trace: list[Seen]


class ExportedEvent(Struct, rename="camel"):
    """An event and what followed from it."""

    event: EventOut
    runs: list[ExportedRun]
    deliveries: list[ExportedDelivery]


class ContactExport(Struct, rename="camel"):
    """All that is known of a contact; the timeline begins with the newest event and ends where retention has cut."""

    exported_at: str
    contact: ContactOut
    timeline: list[ExportedEvent]


@operation(
    "GET",
    "/contacts/{id}/export",
    scope="read",
    tag="contacts",
    summary="Export all that is known of a contact",
    answers={200: ContactExport},
)
async def export_contact(ask: Ask, id: str) -> Reply:
    """Give the contact, its events from the newest back, the runs of rules for them, and deliveries with attempts."""
    queries = ask.context.store.queries
    contact = await queries.contact(id)
    if contact is None:
        raise missing("contact")
    disposition = f'attachment; filename="contact-{contact.id}.json"'
    content = _export(queries, contact, format_instant(ask.context.clock.now()))
    return Reply(200, content, (("content-disposition", disposition),))


async def _export(queries: Queries, contact: Contact, now: str) -> AsyncIterator[bytes]:
    encode = msgspec.json.encode
    yield b'{"exportedAt":' + encode(now) + b',"contact":' + encode(contact_out(contact)) + b',"timeline":['
    separator = b""
    async for event, misses, runs, deliveries in queries.timeline(contact.id):
        yield separator + encode(await _entry(queries, event, misses, runs, deliveries))
        separator = b","
    yield b"]}"


async def _entry(
    queries: Queries, event: Event, misses: tuple[Miss, ...], runs: list[Run], deliveries: list[Delivery]
) -> ExportedEvent:
    shown = [ExportedRun(run.rule_id, run.version, run.outcome, list(run.trace)) for run in runs]
    shown += [ExportedRun(one.rule_id, one.version, one.outcome, _seen(one)) for one in misses]
    sent = []
    for delivery in deliveries:
        found = await queries.delivery(delivery.id)
        sent.append(_delivery(delivery, [] if found is None else found[1]))
    return ExportedEvent(event_out(event), shown, sent)


def _seen(miss: Miss) -> list[Seen]:
    return [] if miss.seen is None else [miss.seen]


def _delivery(delivery: Delivery, attempts: list[Attempt]) -> ExportedDelivery:
    return ExportedDelivery(
        delivery.id,
        delivery.endpoint_id,
        delivery.status,
        format_instant(delivery.created_at),
        delivery.body.decode(),
        [_attempt(attempt) for attempt in attempts],
    )


def _attempt(attempt: Attempt) -> ExportedAttempt:
    return ExportedAttempt(
        attempt.number,
        format_instant(attempt.at),
        attempt.status,
        attempt.failure,
        attempt.detail,
        (attempt.head + attempt.body).decode(errors="replace"),
    )
