"""How contacts and events look outside: camelCase keys, times as RFC 3339 in UTC.

What rules count inside stays inside.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from goniec.core.model import Contact, DetailValue, Event, Source, State
from goniec.core.times import format_instant


class TagOut(Struct, rename="camel"):
    """A tag, its own score, and since when the contact has it."""

    tag: str
    score: int
    added_at: str


class StageOut(Struct, rename="camel"):
    """The stage of a funnel that the contact is in, its own score, and since when."""

    funnel: str
    stage: str
    score: int
    since: str


class ContactOut(Struct, rename="camel", kw_only=True):
    """A contact. `seq` counts its events and is its `ETag`; a key with the scope `ingest` gets only `id` and `seq`.

    `merged` are ids of contacts that became a part of this one; they lead here for ever. `bounced` is an address that
    mail had come back from for good, in lower case: while it is the contact's, no mail goes there.
    """

    id: str
    seq: int
    email: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    company: str | UnsetType | None = UNSET
    external_id: str | UnsetType | None = UNSET
    language: str | UnsetType | None = UNSET
    timezone: str | UnsetType | None = UNSET
    state: State | UnsetType = UNSET
    owner: str | UnsetType | None = UNSET
    score: int | UnsetType = UNSET
    tags: list[TagOut] | UnsetType = UNSET
    details: dict[str, DetailValue] | UnsetType = UNSET
    stages: list[StageOut] | UnsetType = UNSET
    consents: dict[str, bool] | UnsetType = UNSET
    subscriptions: dict[str, bool] | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET
    last_activity_at: str | UnsetType | None = UNSET
    merged: list[str] | UnsetType = UNSET
    bounced: str | UnsetType | None = UNSET


class EventOut(Struct, rename="camel", kw_only=True):
    """Something that happened to a contact.

    `occurredAt` is when it happened, `receivedAt` when it was recorded, `seq` its place among the contact's events.
    `cause` is the run that made it or that its sender answered to, `depth` how many runs stand above it, `fired`
    whether rules looked at it.
    """

    id: str
    type: str
    contact_id: str
    seq: int
    occurred_at: str
    received_at: str
    source: Source
    source_key: str | None
    data: dict[str, Any]
    cause: str | None
    depth: int
    dedup_key: str | None
    fired: bool


def contact_out(contact: Contact) -> ContactOut:
    """Show a contact whole."""
    return ContactOut(
        id=contact.id,
        seq=contact.seq,
        email=contact.email,
        phone=contact.phone,
        name=contact.name,
        company=contact.company,
        external_id=contact.external_id,
        language=contact.language,
        timezone=contact.timezone,
        state=contact.state,
        owner=contact.owner,
        score=contact.score,
        tags=[TagOut(name, tag.score, format_instant(tag.at)) for name, tag in contact.tags.items()],
        details=contact.details,
        stages=[StageOut(name, on.stage, on.score, format_instant(on.at)) for name, on in contact.stages.items()],
        consents=contact.consents,
        subscriptions=contact.subscriptions,
        created_at=format_instant(contact.created_at),
        updated_at=format_instant(contact.updated_at),
        last_activity_at=None if contact.last_activity_at is None else format_instant(contact.last_activity_at),
        merged=list(contact.merged),
        bounced=contact.bounced,
    )


def event_out(event: Event) -> EventOut:
    """Show an event."""
    return EventOut(
        id=event.id,
        type=event.type,
        contact_id=event.contact_id,
        seq=event.seq,
        occurred_at=format_instant(event.occurred_at),
        received_at=format_instant(event.received_at),
        source=event.source,
        source_key=event.source_key,
        data=event.data,
        cause=event.cause,
        depth=event.depth,
        dedup_key=event.dedup_key,
        fired=event.fired,
    )
