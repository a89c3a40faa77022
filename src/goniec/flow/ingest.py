"""Events from outside: from the bytes of a request to calls that `record` can decide, or to what is wrong with them.

Pure but for its arguments: no clock, no store. Called by the API for `POST /events`. A body is decoded once, into
structs; only one that does not fit is taken apart, event by event, so that what is wrong with one does not hold up the
others.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from itertools import islice
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from goniec.core.decide import Call, Happening
from goniec.core.events import check_data, outside
from goniec.core.model import Source
from goniec.core.problems import Invalid, Problem
from goniec.core.shapes import DEPTH_LIMIT, faults, shaped
from goniec.core.times import DAY, Millis, parse_instant
from goniec.flow.contact import ContactIn, Faults, Funnels, meant
from goniec.flow.decoding import FAULTS_LIMIT, plainly

T = TypeVar("T")

EVENTS_LIMIT: Final = 1_000
"""How many events one call may bring."""

CHANGES_LIMIT: Final = 10_000
"""Tags, details, notes and the like that the contacts of one call may bring: each becomes an event of its own."""

DEDUP_KEY_LIMIT: Final = 200

AHEAD_LIMIT: Final[Millis] = DAY
"""How far in the future an event may lie: clocks are wrong, but not by more than a day."""


class EventIn(Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Something that happened to a contact. The contact is found by its keys, or made."""

    type: Annotated[str, Meta(description="Such as `page.visited` or `external_event.added`.")]
    contact: Annotated[ContactIn, Meta(description="At least one key; whatever else is given is changed as well.")]
    data: Annotated[dict[str, Any], Meta(description="What the type of event wants.")] = {}
    occurred_at: Annotated[
        str | None,
        Meta(description="When it happened, with an offset; now, unless given.", examples=["2026-11-25T03:36:00Z"]),
    ] = None
    dedup_key: Annotated[
        str | None,
        Meta(description="The same key again is a duplicate: the first event counts, whatever the second says."),
    ] = None
    fire_events: Annotated[bool, Meta(description="Whether rules run for it.")] = True


class EventsIn(Struct, kw_only=True, forbid_unknown_fields=True):
    """Several events, recorded in their order. What is wrong with one does not hold up the others."""

    events: Annotated[list[EventIn], Meta(min_length=1, max_length=EVENTS_LIMIT)]


class Origin(Struct, frozen=True):
    """Where a request comes from, and what it is read with."""

    now: Millis
    country: str
    source: Source
    source_key: str | None = None
    cause: str | None = None
    funnels: Funnels = {}


class Intake(Struct, frozen=True):
    """What a request came to: `calls` with the `places` of their events in it, and what is wrong, by place.

    `single` says that it was one event and no list.
    """

    calls: list[Call]
    places: list[int]
    refused: dict[int, Sequence[Problem]]
    single: bool

    @property
    def count(self) -> int:
        """How many events there were."""
        return len(self.calls) + len(self.refused)


class _Envelope(Struct, forbid_unknown_fields=True):
    events: list[EventIn]


class _Elements(Struct, forbid_unknown_fields=True):
    events: list[Any]


_LISTED: Final = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"events"')
_many: Final = msgspec.json.Decoder(_Envelope)
_one: Final = msgspec.json.Decoder(EventIn)
_sorted: Final = msgspec.json.Encoder(order="deterministic")
_BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_events(raw: bytes, origin: Origin) -> Intake:
    """Read one event or a list of them.

    Raises:
        Malformed: the body is no JSON.
        Invalid: it is neither an event nor a list of 1 to `EVENTS_LIMIT`.

    """
    try:
        if _LISTED.match(raw):
            return _intake(_few(_many.decode(raw).events), origin, single=False)
        return _intake([_one.decode(raw)], origin, single=True)
    except _BROKEN:
        events, single = _apart(raw)
        return _intake(events, origin, single=single)


def event_call(event: EventIn, origin: Origin) -> Call | list[Problem]:
    """Read one event: the call that it comes to, or all that is wrong with it."""
    problems = Faults("/contact")
    contact = meant(event.contact, origin.country, problems, origin.funnels)
    found = problems.found
    data = _data(event, found)
    occurred = None
    if event.occurred_at is not None:
        occurred = instant(event.occurred_at, origin.now, found, "/occurredAt")
    if event.dedup_key is not None:
        _check_dedup_key(event.dedup_key, found)
    if found:
        return found
    digest = b"" if event.dedup_key is None else _digest(event)
    happening = Happening(event.type, data, occurred, event.dedup_key, digest)
    return Call(
        who=contact.who,
        fields=contact.fields,
        changes=contact.changes,
        happenings=(happening,),
        source=origin.source,
        source_key=origin.source_key,
        cause=origin.cause,
        fire=event.fire_events,
    )


def instant(text: str, now: Millis, found: list[Problem], pointer: str) -> Millis | None:
    """Read when something happened; what is wrong with it goes to `found`."""
    try:
        at = parse_instant(text)
    except ValueError as error:
        found.append(Problem(pointer, str(error)))
        return None
    if at > now + AHEAD_LIMIT:
        found.append(Problem(pointer, "more than 24 hours ahead of now"))
    return at


def _intake(events: Sequence[EventIn | list[Problem]], origin: Origin, *, single: bool) -> Intake:
    intake = Intake([], [], {}, single)
    changes = 0
    for n, event in enumerate(events):
        call = event_call(event, origin) if isinstance(event, EventIn) else event
        if isinstance(call, Call):
            intake.calls.append(call)
            intake.places.append(n)
            changes += len(call.changes)
        else:
            intake.refused[n] = call
    if changes > CHANGES_LIMIT:
        detail = (
            f"at most {CHANGES_LIMIT} changes of contacts in one call, and this asks for {changes}; send fewer events"
        )
        raise Invalid(Problem("/events" if not single else "/contact", detail))
    return intake


def _data(event: EventIn, found: list[Problem]) -> dict[str, Any]:
    try:
        outside(event.type)
    except Invalid as error:
        found += error.problems
        return {}
    try:
        return check_data(event.type, event.data)
    except Invalid as error:
        found += [Problem("/data" + problem.pointer, problem.detail) for problem in error.problems]
        return {}


def _check_dedup_key(key: str, found: list[Problem]) -> None:
    faults = Faults()
    faults.named("/dedupKey", key, DEDUP_KEY_LIMIT)
    found += faults.found


def _digest(event: EventIn) -> bytes:
    """What the event says, as it was given: the order of keys in its objects does not matter."""
    said = (event.type, event.contact, event.data, event.occurred_at)
    return sha256(_sorted.encode(said)).digest()


# --- bodies that did not fit ------------------------------------------------------------------------------------------


def _apart(raw: bytes) -> tuple[list[EventIn | list[Problem]], bool]:
    """Take a body apart that could not be decoded in one go; the second value says that it is no list."""
    plain = plainly(raw)
    if not isinstance(plain, dict) or "events" not in plain:
        alone = _element(plain)
        if isinstance(alone, list):
            raise Invalid(*alone)
        return [alone], True
    events = shaped(plain, _Elements).events
    return [_element(event) for event in _few(events)], False


def _element(plain: object) -> EventIn | list[Problem]:
    # the event's data is its second level, and may be as deep as data ever is
    if found := list(islice(faults(plain, limit=DEPTH_LIMIT + 1), FAULTS_LIMIT)):
        return found
    try:
        return shaped(plain, EventIn)
    except Invalid as error:
        return list(error.problems)


def _few(events: Sequence[T]) -> Sequence[T]:
    if not events:
        raise Invalid(Problem("/events", f"give 1 to {EVENTS_LIMIT} events"))
    if len(events) > EVENTS_LIMIT:
        raise Invalid(Problem("/events", f"at most {EVENTS_LIMIT} events in one call, and this has {len(events)}"))
    return events
