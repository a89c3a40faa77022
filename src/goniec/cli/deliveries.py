"""`goniec deliveries list`, `show`, `export` and `resend`: the delivery log from the terminal."""

import asyncio
import sys
from base64 import b64encode
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from cyclopts import Parameter
from msgspec.structs import replace

from goniec.cli.opened import Machine, opened
from goniec.cli.terminal import FAILED, USAGE, CommandError, printable, say, settings_in_force, shown_body, table
from goniec.core.endpoint import Endpoint, next_probe
from goniec.core.model import Attempt, Delivery, Failure, Status
from goniec.core.text import email_key
from goniec.core.times import Millis, format_instant, parse_instant
from goniec.flow.configure import Conflict, Refusal
from goniec.flow.deliveries import requeued
from goniec.ports import ContactFilter, DeliveryFilter, Page, Queries

LIMIT_MAX: Final = 1000
EVERYTHING: Final = 2**31
"""Rows that are looked at: whoever asks here can wait."""

_CODES: Final = {one.name: one.value for one in Failure}


def _code(name: str) -> str:
    """The word for a failure that everything else prints."""
    return _CODES.get(name, name)


Error = Annotated[
    Failure | None,
    Parameter(name="--error", name_transform=_code, help="only those whose last attempt failed with this"),
]
Json = Annotated[bool, Parameter(name="--json", negative=(), help="JSON instead of text")]


def list_deliveries(  # noqa: PLR0913 - each filter is an option
    *,
    status: Annotated[Status | None, Parameter(help="only those that stand so")] = None,
    rule: Annotated[str | None, Parameter(help="only those of this rule (id)")] = None,
    endpoint: Annotated[str | None, Parameter(help="only those to this endpoint (id)")] = None,
    contact: Annotated[str | None, Parameter(help="only those about this contact (id)")] = None,
    email: Annotated[str | None, Parameter(help="only those about the contact with this e-mail")] = None,
    error: Error = None,
    since: Annotated[str | None, Parameter(help="made at or after, such as 2026-11-25T03:36:00Z")] = None,
    until: Annotated[str | None, Parameter(help="made before")] = None,
    limit: Annotated[int, Parameter(help="at most so many")] = 50,
    json: Json = False,
) -> int:
    """List deliveries, the newest first."""
    if not 1 <= limit <= LIMIT_MAX:
        raise CommandError(f"--limit goes from 1 to {LIMIT_MAX}", USAGE)
    times = _instant("--since", since), _instant("--until", until)
    wanted = DeliveryFilter(status, rule, endpoint, contact, *times, failure=error)
    found, hosts = asyncio.run(_list(wanted, limit, _email(email)))
    if json:
        for delivery in found:
            print(_json(_as_json(delivery)))
        return 0
    rows = [
        (
            delivery.id,
            delivery.status.value,
            str(delivery.attempts),
            format_instant(delivery.created_at),
            hosts.get(delivery.endpoint_id, delivery.endpoint_id),
            delivery.event_type,
        )
        for delivery in found
    ]
    print(table(("delivery", "status", "attempts", "made", "endpoint", "event"), rows))
    if len(found) == limit:
        say(f"The newest {limit}; --limit shows more.")
    return 0


def show(id: Annotated[str, Parameter(help="dlv_…")], *, json: Json = False) -> int:
    """Show a delivery with its attempts and the exact body."""
    delivery, attempts, endpoint, now = asyncio.run(_show(id))
    if json:
        print(_json(_whole_as_json(delivery, attempts)))
        return 0
    host = "an endpoint that is gone" if endpoint is None else endpoint.host
    print(f"{delivery.id}  {delivery.status}{_coming(delivery, endpoint, now)}")
    print(f"  to       {host} ({delivery.endpoint_id})")
    print(f"  about    {delivery.contact_id}, number {delivery.seq}")
    if delivery.test:
        print(f"  because  somebody tried the rule {delivery.rule_id} out")
    else:
        print(f"  because  {delivery.event_type} ({delivery.event_id})")
        print(f"  rule     {delivery.rule_id}, run {delivery.run_id}")
    for attempt in attempts:
        print(f"\n{_headline(attempt)}")
        for part in (attempt.head.replace(b"\r\n", b"\n"), attempt.body):
            for line in shown_body(part).splitlines():
                print(f"    {line}")
    print(f"\n{shown_body(delivery.body)}")
    return 0


def export(  # noqa: PLR0913 - each filter is an option
    *,
    form: Annotated[
        Literal["csv", "jsonl"], Parameter(name="--format", help="csv, or jsonl: a JSON object on each line")
    ] = "csv",
    status: Annotated[Status | None, Parameter(help="only those that stand so")] = None,
    rule: Annotated[str | None, Parameter(help="only those of this rule (id)")] = None,
    endpoint: Annotated[str | None, Parameter(help="only those to this endpoint (id)")] = None,
    contact: Annotated[str | None, Parameter(help="only those about this contact (id)")] = None,
    email: Annotated[str | None, Parameter(help="only those about the contact with this e-mail")] = None,
    error: Error = None,
    since: Annotated[str | None, Parameter(help="made at or after, such as 2026-11-25T03:36:00Z")] = None,
    until: Annotated[str | None, Parameter(help="made before")] = None,
) -> int:
    """Write deliveries to stdout as CSV or JSON Lines, the oldest first."""
    times = _instant("--since", since), _instant("--until", until)
    wanted = DeliveryFilter(status, rule, endpoint, contact, *times, failure=error)
    asyncio.run(_export(wanted, form, _email(email)))
    return 0


def resend(ids: Annotated[tuple[str, ...], Parameter(help="dlv_…, one or more", negative=())]) -> int:
    """Send deliveries once more: the same ids and bytes, now."""
    found = asyncio.run(_resend(ids))
    for id, one in zip(ids, found, strict=True):
        match one:
            case Delivery():
                say(f"{id} will be sent again by the server that runs.")
            case Conflict(detail=detail):
                say(f"{id}: {detail}")
            case _:
                say(f"{id}: there is no such delivery")
    return 0 if all(isinstance(one, Delivery) for one in found) else FAILED


async def _list(wanted: DeliveryFilter, limit: int, email: str | None) -> tuple[list[Delivery], dict[str, str]]:
    async with opened(settings_in_force()) as store:
        wanted = await _about(store.queries, wanted, email)
        found = await store.queries.deliveries(wanted, Page(limit, newest=True, most=EVERYTHING))
        if not found:
            await _none(store.queries, wanted)
        return found, {endpoint.id: endpoint.host for endpoint in await store.queries.endpoints()}


async def _export(wanted: DeliveryFilter, form: Literal["csv", "jsonl"], email: str | None) -> None:
    # brings the whole web floor with it, which the other commands do without
    from goniec.web.deliveries_file import pieces

    async with opened(settings_in_force()) as store:
        wanted = await _about(store.queries, wanted, email)
        await _none(store.queries, wanted)
        async for piece in pieces(store.queries, wanted, form, (await Machine.beside(store)).now()):
            sys.stdout.buffer.write(piece)


async def _about(queries: Queries, wanted: DeliveryFilter, email: str | None) -> DeliveryFilter:
    """The filter, with the contact that has an e-mail in its compared form."""
    if email is None:
        return wanted
    found = await queries.contacts(ContactFilter(email=email), Page(1))
    if not found:
        raise CommandError("there is no contact with this e-mail")
    if wanted.contact_id not in {None, found[0].id}:
        raise CommandError(f"the contact with this e-mail is {found[0].id}, and not {wanted.contact_id}")
    return replace(wanted, contact_id=found[0].id)


async def _none(queries: Queries, wanted: DeliveryFilter) -> None:
    """Say it when what was asked for is not there at all; what is gone may still have deliveries."""
    if wanted.rule_id is not None and await queries.rule(wanted.rule_id) is None:
        listed = "".join(f"\n  {rule.id}  {rule.name}" for rule in await queries.rules())
        raise CommandError(f"there is no rule {wanted.rule_id}; there are:{listed or ' none'}")
    if wanted.endpoint_id is not None and await queries.endpoint(wanted.endpoint_id) is None:
        listed = "".join(f"\n  {one.id}  {one.host}" for one in await queries.endpoints())
        raise CommandError(f"there is no endpoint {wanted.endpoint_id}; there are:{listed or ' none'}")
    if wanted.contact_id is not None and await queries.contact(wanted.contact_id) is None:
        raise CommandError(f"there is no contact with the id {wanted.contact_id}")


async def _show(id: str) -> tuple[Delivery, list[Attempt], Endpoint | None, Millis]:
    async with opened(settings_in_force()) as store:
        queries: Queries = store.queries
        found = await queries.delivery(id)
        if found is None:
            raise CommandError(f"there is no delivery {id}; goniec deliveries list shows them")
        return *found, await queries.endpoint(found[0].endpoint_id), (await Machine.beside(store)).now()


async def _resend(ids: Sequence[str]) -> list[Delivery | Refusal]:
    async with opened(settings_in_force()) as store:
        now = (await Machine.beside(store)).now()
        return [await store.transact(partial(requeued, id, now)) for id in ids]


def _coming(delivery: Delivery, endpoint: Endpoint | None, now: Millis) -> str:
    """When a pending delivery is tried next, or what it waits for."""
    if delivery.due_at is None:
        return ""
    if endpoint is not None and endpoint.paused is not None:
        return ", waits until its endpoint is resumed"
    if endpoint is not None and (probe := next_probe(endpoint)) is not None:
        return f", waits until its endpoint answers, which is asked next at {format_instant(max(probe, now))}"
    held = 0 if endpoint is None else endpoint.held_until or 0
    return f", next attempt {format_instant(max(delivery.due_at, held))}"


def _headline(attempt: Attempt) -> str:
    came = f"status {attempt.status}" if attempt.status is not None else "no answer"
    failed = (
        f", {attempt.failure}: {printable(attempt.detail).rstrip('.')}"
        if attempt.failure is not None
        else ", delivered"
    )
    noted = f"; {printable(attempt.note)}" if attempt.note else ""
    again = " (asked for by hand)" if attempt.resend else ""
    address = f" at {attempt.address}" if attempt.address else ""
    start = f"attempt {attempt.number}{again} {format_instant(attempt.at)}{address}"
    return f"{start}: {came} after {attempt.millis} ms{failed}{noted}"


def _as_json(delivery: Delivery) -> dict[str, Any]:
    """As the API gives it."""
    # brings the whole web floor with it, which text does without
    from goniec.web.api.deliveries import delivery_out

    shown: dict[str, Any] = msgspec.to_builtins(delivery_out(delivery))
    return shown


def _whole_as_json(delivery: Delivery, attempts: Sequence[Attempt]) -> dict[str, Any]:
    from goniec.web.api.deliveries import attempt_out, text_of

    text = text_of(delivery.body)
    return _as_json(delivery) | {
        "body": text,
        "bodyBase64": b64encode(delivery.body).decode() if text is None else None,
        "attempts": msgspec.to_builtins([attempt_out(attempt) for attempt in attempts]),
    }


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _email(text: str | None) -> str | None:
    try:
        return None if text is None else email_key(text)[1]
    except ValueError as error:
        raise CommandError(f"--email: {error}", USAGE) from None


def _instant(option: str, text: str | None) -> Millis | None:
    if text is None:
        return None
    try:
        return parse_instant(text)
    except ValueError as error:
        raise CommandError(f"{option}: {error}", USAGE) from None
