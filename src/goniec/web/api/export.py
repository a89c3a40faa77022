"""Everything known of a contact, as one JSON document: itself, its timeline, and what was sent about it.

The timeline goes out piece by piece, as it is read: it may be long.
"""

from collections.abc import AsyncIterator

import msgspec
from msgspec import Struct

from goniec.core.model import Contact, Delivery, Event, Miss, Outcome, Run
from goniec.core.times import format_instant
from goniec.ports import Queries
from goniec.web.api.deliveries import DeliveryWhole, delivery_whole
from goniec.web.api.runs import RunOut, SeenOut, miss_trace, run_out
from goniec.web.operation import Ask, operation
from goniec.web.problems import missing
from goniec.web.reply import Reply
from goniec.web.shown import ContactOut, EventOut, contact_out, event_out


class MissOut(Struct, rename="camel"):
    """An evaluation of a rule that did not fire: what it came to, and the condition that failed first."""

    rule_id: str
    version: int
    outcome: Outcome
    trace: list[SeenOut]


class ExportedEvent(Struct, rename="camel"):
    """An event and what followed from it."""

    event: EventOut
    runs: list[RunOut]
    misses: list[MissOut]
    deliveries: list[DeliveryWhole]


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
    content = export_pieces(queries, contact, format_instant(ask.context.clock.now()))
    return Reply(200, content, (("content-disposition", disposition),))


async def export_pieces(queries: Queries, contact: Contact, now: str) -> AsyncIterator[bytes]:
    """Give the export of a contact, piece by piece; the panel offers the same to save."""
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
    missed = [MissOut(miss.rule_id, miss.version, miss.outcome, miss_trace(miss)) for miss in misses]
    sent = []
    for delivery in deliveries:
        found = await queries.delivery(delivery.id)
        sent.append(delivery_whole(delivery, [] if found is None else found[1]))
    return ExportedEvent(event_out(event), [run_out(run) for run in runs], missed, sent)
