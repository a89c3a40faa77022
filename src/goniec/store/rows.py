"""Rows and what they mean: one function each way for every noun that has a table of its own.

Called by the rooms beside this one, on the writer's thread and on the readers'. Structs that are stored whole
(contacts, rules, endpoints, funnels, API keys, users) are one JSON document; what queries look at stands in columns.
"""

import unicodedata
from typing import Any, Final, cast

import msgspec
from msgspec import Struct

from goniec.core.breaker import Breaker
from goniec.core.endpoint import Endpoint
from goniec.core.jobs import Job
from goniec.core.messages import Message
from goniec.core.model import (
    Ancestor,
    ApiKey,
    Attempt,
    Contact,
    Delivery,
    Event,
    Failure,
    Funnel,
    Miss,
    Outcome,
    Run,
    Seen,
    Session,
    Skipped,
    Source,
    Status,
    User,
)
from goniec.core.rules import Rule
from goniec.core.times import Millis

Row = tuple[Any, ...]

encode: Final = msgspec.json.Encoder().encode
decode_contact: Final = msgspec.json.Decoder(Contact).decode
decode_contacts: Final = msgspec.json.Decoder(list[Contact]).decode
decode_rule: Final = msgspec.json.Decoder(Rule).decode
decode_breaker: Final = msgspec.json.Decoder(Breaker).decode
decode_endpoint: Final = msgspec.json.Decoder(Endpoint).decode
decode_funnel: Final = msgspec.json.Decoder(Funnel).decode
decode_message: Final = msgspec.json.Decoder(Message).decode
decode_key: Final = msgspec.json.Decoder(ApiKey).decode
decode_user: Final = msgspec.json.Decoder(User).decode
decode_session: Final = msgspec.json.Decoder(Session).decode
decode_job: Final = msgspec.json.Decoder(Job).decode
decode_headers: Final = msgspec.json.Decoder(tuple[tuple[str, str], ...]).decode


class EventDoc(Struct, frozen=True, omit_defaults=True):
    """What of an event has no column. Its source is a `Source`, or one that only another release knows."""

    source: str
    source_key: str | None = None
    data: dict[str, Any] = {}
    cause: str | None = None
    ancestors: tuple[Ancestor, ...] = ()
    dedup_key: str | None = None
    fired: bool = True


class RunDoc(Struct, frozen=True, omit_defaults=True):
    """What of a run has no column."""

    trace: tuple[Seen, ...] = ()
    detail: str | None = None
    deliveries: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()


class MissDoc(Struct, frozen=True, array_like=True):
    """A `Miss`, with an outcome that only another release may know."""

    rule_id: str
    version: int
    outcome: str
    seen: Seen | None = None


decode_event_doc: Final = msgspec.json.Decoder(EventDoc).decode
decode_run_doc: Final = msgspec.json.Decoder(RunDoc).decode
_decode_misses: Final = msgspec.json.Decoder(tuple[MissDoc, ...]).decode

_STATUSES: Final = {status.value: status for status in Status}
_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}
"""Looking one up is quicker than asking the enum."""

# --- events ---------------------------------------------------------------------------------------------------------

EVENT: Final = "e.id, e.contact_id, e.type, e.seq, e.occurred_at, e.received_at, e.previous, e.doc, e.misses"


def event_row(event: Event, misses: tuple[Miss, ...] | None) -> Row:
    """The columns of `EVENT`."""
    doc = EventDoc(
        event.source, event.source_key, event.data, event.cause, event.ancestors, event.dedup_key, event.fired
    )
    return (
        event.id,
        event.contact_id,
        event.type,
        event.seq,
        event.occurred_at,
        event.received_at,
        event.previous,
        encode(doc),
        encode(misses) if misses else None,
    )


def chain(doc: bytes | None, rule_id: str, at: Millis) -> tuple[Ancestor, ...]:
    """The ancestors of what a run leads to, from the document of its event (None: it is gone) and the run itself."""
    above = () if doc is None else decode_event_doc(doc).ancestors
    return (*above, Ancestor(rule_id, at))


def event_of_row(row: Row) -> Event:
    """An event from the columns of `EVENT`."""
    doc = decode_event_doc(row[7])
    return Event(
        id=row[0],
        contact_id=row[1],
        type=row[2],
        seq=row[3],
        occurred_at=row[4],
        received_at=row[5],
        previous=row[6],
        source=cast("Source", doc.source),
        source_key=doc.source_key,
        data=doc.data,
        cause=doc.cause,
        ancestors=doc.ancestors,
        dedup_key=doc.dedup_key,
        fired=doc.fired,
    )


def misses_of_row(row: Row) -> tuple[Miss, ...]:
    """The evaluations beside the event, from the columns of `EVENT`."""
    return () if row[8] is None else tuple(_miss(one) for one in _decode_misses(row[8]))


def _miss(doc: MissDoc) -> Miss:
    return Miss(doc.rule_id, doc.version, _outcome(doc.outcome), doc.seen)


# --- runs -----------------------------------------------------------------------------------------------------------

RUN: Final = "r.id, r.rule_id, r.version, r.contact_id, r.at, r.outcome, r.doc"


def run_row(run: Run) -> Row:
    """The columns of `RUN`."""
    doc = RunDoc(run.trace, run.detail, run.deliveries, run.skipped)
    return (run.id, run.rule_id, run.version, run.contact_id, run.at, run.outcome.value, encode(doc))


def run_of_row(row: Row) -> Run:
    """A run from the columns of `RUN`."""
    doc = decode_run_doc(row[6])
    return Run(
        id=row[0],
        rule_id=row[1],
        version=row[2],
        contact_id=row[3],
        at=row[4],
        outcome=_outcome(row[5]),
        trace=doc.trace,
        detail=doc.detail,
        deliveries=doc.deliveries,
        skipped=doc.skipped,
    )


def _outcome(code: str) -> Outcome:
    return _OUTCOMES.get(code) or Outcome.of(code)


# --- deliveries -----------------------------------------------------------------------------------------------------

DELIVERY: Final = (
    "d.id, d.endpoint_id, d.contact_id, d.rule_id, d.event_type, d.seq, d.created_at, d.status, d.counted, d.refusals,"
    " d.attempts, d.first_at, d.last_at, d.delivered_at, d.aside, d.test, d.resend, d.failure, d.body_sha256, d.body,"
    " q.due_at"
)
"""The columns of a delivery; the last is the queue's, which alone knows when it is due."""

BEHIND: Final = 2**63 - 1
"""When a follower is due as long as it stands behind the head of its lane: at no time that anybody asks for.

So whoever looks for what is due passes followers by unseen, however many there are, and putting a head off moves none.
"""

LAST: Final = "~"
"""Behind the id of any delivery."""

PUT_OFF: Final = (
    "(lane OR EXISTS (SELECT 1 FROM deliveries d WHERE d.id = delivery_id AND (d.attempts > 0 OR d.resend)"
    " AND coalesce(d.failure, '') <> 'quietHours'))"
)
"""Of what the queue has for later: that it would have gone by now, and does not wait for an hour of its own."""


def delivery_row(delivery: Delivery) -> Row:
    """The columns of `DELIVERY`, without the queue's."""
    return (
        delivery.id,
        delivery.endpoint_id,
        delivery.contact_id,
        delivery.rule_id,
        delivery.event_type,
        delivery.seq,
        delivery.created_at,
        delivery.status.value,
        delivery.counted,
        delivery.refusals,
        delivery.attempts,
        delivery.first_at,
        delivery.last_at,
        delivery.delivered_at,
        delivery.aside,
        delivery.test,
        delivery.resend,
        None if delivery.failure is None else delivery.failure.value,
        delivery.body_sha256,
        delivery.body,
    )


def delivery_of_row(row: Row) -> Delivery:
    """A delivery from the columns of `DELIVERY`."""
    return Delivery(
        id=row[0],
        endpoint_id=row[1],
        contact_id=row[2],
        rule_id=row[3],
        event_type=row[4],
        seq=row[5],
        created_at=row[6],
        status=_STATUSES.get(row[7]) or Status.of(row[7]),
        counted=row[8],
        refusals=row[9],
        attempts=row[10],
        first_at=row[11],
        last_at=row[12],
        delivered_at=row[13],
        aside=bool(row[14]),
        test=bool(row[15]),
        resend=bool(row[16]),
        failure=None if row[17] is None else Failure.of(row[17]),
        body_sha256=row[18],
        body=row[19],
        due_at=None if row[20] == BEHIND else row[20],
    )


# --- attempts -------------------------------------------------------------------------------------------------------

ATTEMPT: Final = (
    "a.delivery_id, a.number, a.at, a.millis, a.status, a.failure, a.detail, a.address, a.head, a.body,"
    " a.note, a.resend"
)


def attempt_row(attempt: Attempt, number: int, *, erased: bool) -> Row:
    """The columns of `ATTEMPT`, with the number that the store gives; of an erased delivery nothing said is kept."""
    return (
        attempt.delivery_id,
        number,
        attempt.at,
        attempt.millis,
        attempt.status,
        None if attempt.failure is None else attempt.failure.value,
        "" if erased else attempt.detail,
        attempt.address,
        b"" if erased else attempt.head,
        b"" if erased else attempt.body,
        None if erased else attempt.note,
        attempt.resend,
    )


def attempt_of_row(row: Row) -> Attempt:
    """An attempt from the columns of `ATTEMPT`."""
    return Attempt(
        delivery_id=row[0],
        number=row[1],
        at=row[2],
        millis=row[3],
        status=row[4],
        failure=None if row[5] is None else Failure.of(row[5]),
        detail=row[6],
        address=row[7],
        head=row[8],
        body=row[9],
        note=row[10],
        resend=bool(row[11]),
    )


# --- what is searched for -------------------------------------------------------------------------------------------


def fold(text: str) -> str:
    """Text as search compares it: letter case and ways of composing a letter make no difference, anything else does."""
    return unicodedata.normalize("NFC", text.casefold())


def searched(contact: Contact) -> tuple[str | None, ...]:
    """What `q` looks at."""
    return (contact.email, contact.phone, contact.name, contact.company, contact.external_id)


def folded(contact: Contact) -> str:
    """What `q` looks at, ready to be compared: a line for each value, so that none runs into the next."""
    return "\n".join(fold(text).replace("\n", " ") for text in searched(contact) if text)


Facet = tuple[str, str]
"""A kind and a value by which contacts are listed."""


def state_facet(state: str) -> Facet:
    """The facet of those in a state."""
    return "state", state


def stage_facet(funnel: str, stage: str) -> Facet:
    """The facet of those in a stage of a funnel."""
    return "stage", encode((funnel, stage)).decode()


def facets(contact: Contact) -> set[Facet]:
    """What a contact is listed by; nearly all begin in no known state, so that is none."""
    found = {stage_facet(funnel, held.stage) for funnel, held in contact.stages.items()}
    return found if contact.state == "UNKNOWN" else {state_facet(contact.state), *found}
