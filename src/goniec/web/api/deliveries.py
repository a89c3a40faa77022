"""Deliveries: the log of what was sent, with every attempt and the exact bytes; sending once more, cancelling."""

from base64 import b64encode
from hashlib import sha256
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from goniec.core.model import Attempt, Delivery, Failure, Status
from goniec.core.problems import Problem
from goniec.core.text import email_key
from goniec.core.times import Millis, format_instant
from goniec.flow.configure import Refusal
from goniec.flow.deliveries import cancel_delivery, resend_delivery
from goniec.ports import ContactFilter, DeliveryFilter, Page, Queries, Store
from goniec.web.lists import Listed, PageQuery, listed
from goniec.web.once import once
from goniec.web.operation import Ask, operation
from goniec.web.problems import invalid, missing
from goniec.web.reading import Instant
from goniec.web.refusals import fault
from goniec.web.reply import Reply

NOBODY: Final = "con_"
"""An id that no contact has."""


class DeliveryOut(Struct, rename="camel", kw_only=True):
    """One message for one endpoint.

    `id` is its `webhook-id`, `sequence` its `goniec-sequence`. A test send has no event and no run, and is `held` while
    it is under way. `aside` means that it has left its contact's lane, `resend` that somebody asked for it once more.
    `failure` is what the last attempt failed with, null when it went well or there was none; `quietHours` is of no
    attempt: the mail waits until `dueAt`, for the end of quiet hours or for a day that has room for it. `bodySha256`
    stays when a contact is erased.
    """

    id: str
    status: Status
    endpoint_id: str
    contact_id: str
    rule_id: str
    run_id: str | None
    event_id: str | None
    event_type: str
    sequence: int
    created_at: str
    due_at: str | None
    first_attempt_at: str | None
    last_attempt_at: str | None
    delivered_at: str | None
    attempt_count: int
    failure: Failure | None
    aside: bool
    resend: bool
    test: bool
    body_sha256: str


class AttemptOut(Struct, rename="camel", kw_only=True):
    """One HTTP request: when, how long, to which address, and what came back, as far as it is kept.

    `failure` is null when it was delivered; `detail` says more in a sentence, `note` what went wrong after a 2xx. Bytes
    that are no UTF-8 are shown by their numbers.
    """

    number: int
    at: str
    millis: int
    status: int | None
    failure: Failure | None
    detail: str
    address: str | None
    head: str
    body: str
    note: str | None
    resend: bool


class DeliveryWhole(DeliveryOut, rename="camel", kw_only=True):
    """A delivery with its attempts and the exact body; `bodyBase64` holds that where it is no UTF-8."""

    body: str | None
    body_base64: str | None
    attempts: list[AttemptOut]


About = Annotated[str | None, Meta(description="About the contact with this e-mail, whatever its case.")]
Since = Annotated[Instant | None, Meta(description="Made at this time or later.")]
Until = Annotated[Instant | None, Meta(description="Made before this time.")]
Error = Annotated[Failure | None, Meta(description="The last attempt failed with this.")]
Test = Annotated[bool | None, Meta(description="Only test sends, or only others.")]


class DeliveryQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Which deliveries; all that is given must hold."""

    status: Status | None = None
    rule_id: str | None = None
    endpoint_id: str | None = None
    contact_id: str | None = None
    email: About = None
    since: Since = None
    until: Until = None
    error: Error = None
    test: Test = None


class ExportQuery(Struct, frozen=True, kw_only=True, rename="camel"):
    """Which deliveries, all that is given must hold; and as what."""

    format: Annotated[Literal["csv", "jsonl"], Meta(description="`jsonl` is a JSON object on each line.")] = "csv"
    status: Status | None = None
    rule_id: str | None = None
    endpoint_id: str | None = None
    contact_id: str | None = None
    email: About = None
    since: Since = None
    until: Until = None
    error: Error = None
    test: Test = None


@operation(
    "GET",
    "/deliveries",
    scope="read",
    tag="deliveries",
    summary="List deliveries",
    answers={200: Listed[DeliveryOut]},
)
async def list_deliveries(ask: Ask, query: DeliveryQuery) -> Reply:
    """Deliveries in the order in which they were made, test sends included."""
    wanted = await wanted_of(ask.context.store.queries, query)
    rows = await ask.context.store.queries.deliveries(wanted, query.page())
    return listed(query, rows, lambda delivery: delivery.id, delivery_out)


@operation(
    "GET",
    "/deliveries/{id}",
    scope="read",
    tag="deliveries",
    summary="Read a delivery",
    answers={200: DeliveryWhole},
)
async def read_delivery(ask: Ask, id: str) -> Reply:
    """One delivery with all its attempts and the bytes that were, or will be, sent."""
    found = await ask.context.store.queries.delivery(id)
    if found is None:
        raise missing("delivery")
    delivery, attempts = found
    return Reply(200, delivery_whole(delivery, attempts))


@operation(
    "POST",
    "/deliveries/{id}/resend",
    scope="admin",
    tag="deliveries",
    summary="Send a delivery once more",
    answers={200: DeliveryOut},
    errors=(409,),
)
async def resend(ask: Ask, id: str) -> Reply:
    """Send the same bytes once more, now, under the same `webhook-id`, with the header `goniec-resend: true`.

    It has the whole schedule of attempts before it again and waits for no other delivery. One that is pending is just
    due at once. One whose contact was erased has nothing left to send (409 `bodyErased`).
    """

    async def act(store: Store) -> Delivery | Refusal:
        return await resend_delivery(replace(ask.context.outside, store=store), id)

    return await once(ask, act, _tell)


@operation(
    "POST",
    "/deliveries/{id}/cancel",
    scope="admin",
    tag="deliveries",
    summary="Cancel a delivery",
    answers={200: DeliveryOut},
    errors=(409,),
)
async def cancel(ask: Ask, id: str) -> Reply:
    """Take a pending delivery out of the queue; later ones of the same contact go on.

    An attempt under way is still written down, and if it arrives the delivery is `delivered`. What had been delivered
    before somebody asked for it again stays so. One that has failed is 409 `notPending`.
    """

    async def act(store: Store) -> Delivery | Refusal:
        return await cancel_delivery(replace(ask.context.outside, store=store), id)

    return await once(ask, act, _tell)


async def wanted_of(queries: Queries, query: DeliveryQuery | ExportQuery) -> DeliveryFilter:
    """Give what the store is asked for a query; raises a `Fault` (400) where the e-mail is none."""
    contact_id = query.contact_id
    if query.email is not None:
        try:
            key = email_key(query.email)[1]
        except ValueError as error:
            raise invalid([Problem("/email", str(error))], "query") from None
        contact_id = await about(queries, key, contact_id)
    return DeliveryFilter(
        status=query.status,
        rule_id=query.rule_id,
        endpoint_id=query.endpoint_id,
        contact_id=contact_id,
        since=query.since,
        until=query.until,
        failure=query.error,
        test=query.test,
    )


async def about(queries: Queries, email: str, contact_id: str | None) -> str:
    """Give the contact with an e-mail in its compared form; one that nobody has where there is none, or another."""
    found = await queries.contacts(ContactFilter(email=email), Page(1))
    if not found:
        return NOBODY
    if contact_id is not None:
        meant = await queries.contact(contact_id)
        if meant is None or meant.id != found[0].id:
            return NOBODY
    return found[0].id


def delivery_out(delivery: Delivery) -> DeliveryOut:
    """Show a delivery without its body."""
    return DeliveryOut(**_shown(delivery))


def delivery_whole(delivery: Delivery, attempts: list[Attempt]) -> DeliveryWhole:
    """Show a delivery with its body and attempts."""
    text = text_of(delivery.body)
    return DeliveryWhole(
        **_shown(delivery),
        body=text,
        body_base64=b64encode(delivery.body).decode() if text is None else None,
        attempts=[attempt_out(attempt) for attempt in attempts],
    )


def attempt_out(attempt: Attempt) -> AttemptOut:
    """Show an attempt."""
    return AttemptOut(
        number=attempt.number,
        at=format_instant(attempt.at),
        millis=attempt.millis,
        status=attempt.status,
        failure=attempt.failure,
        detail=attempt.detail,
        address=attempt.address,
        head=attempt.head.decode(errors="backslashreplace"),
        body=attempt.body.decode(errors="backslashreplace"),
        note=attempt.note,
        resend=attempt.resend,
    )


def text_of(body: bytes) -> str | None:
    """Give a body as text, if it is UTF-8."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _tell(found: Delivery | Refusal) -> Reply:
    if not isinstance(found, Delivery):
        raise fault(found)
    return Reply(200, delivery_out(found))


def _shown(delivery: Delivery) -> dict[str, Any]:
    own = delivery.body_sha256 or sha256(delivery.body).digest()
    return {
        "id": delivery.id,
        "status": delivery.status,
        "endpoint_id": delivery.endpoint_id,
        "contact_id": delivery.contact_id,
        "rule_id": delivery.rule_id,
        "run_id": None if delivery.test else delivery.run_id,
        "event_id": None if delivery.test else delivery.event_id,
        "event_type": delivery.event_type,
        "sequence": delivery.seq,
        "created_at": format_instant(delivery.created_at),
        "due_at": _instant(delivery.due_at),
        "first_attempt_at": _instant(delivery.first_at),
        "last_attempt_at": _instant(delivery.last_at),
        "delivered_at": _instant(delivery.delivered_at),
        "attempt_count": delivery.attempts,
        "failure": delivery.failure,
        "aside": delivery.aside,
        "resend": delivery.resend,
        "test": delivery.test,
        "body_sha256": own.hex(),
    }


def _instant(at: Millis | None) -> str | None:
    return None if at is None else format_instant(at)
