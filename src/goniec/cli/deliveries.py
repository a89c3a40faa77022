"""`goniec deliveries list`, `show` and `resend`: the delivery log from the terminal."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from goniec.cli.opened import Machine, opened
from goniec.cli.terminal import FAILED, USAGE, CommandError, printable, say, settings_in_force, shown_body, table
from goniec.core.endpoint import Endpoint
from goniec.core.model import Attempt, Delivery, Status
from goniec.core.times import Millis, format_instant, parse_instant
from goniec.ports import DeliveryFilter, Page, Queries, Tx

LIMIT_MAX: Final = 1000

Json = Annotated[bool, Parameter(name="--json", negative=(), help="JSON instead of text")]


def list_deliveries(  # noqa: PLR0913 - filters
    *,
    status: Annotated[Status | None, Parameter(help="only those that stand so")] = None,
    rule: Annotated[str | None, Parameter(help="only those of this rule (id)")] = None,
    endpoint: Annotated[str | None, Parameter(help="only those to this endpoint (id)")] = None,
    contact: Annotated[str | None, Parameter(help="only those about this contact (id)")] = None,
    since: Annotated[str | None, Parameter(help="made at or after, such as 2026-11-25T03:36:00Z")] = None,
    until: Annotated[str | None, Parameter(help="made before")] = None,
    limit: Annotated[int, Parameter(help="at most so many")] = 50,
    json: Json = False,
) -> int:
    """List deliveries, the newest first."""
    if not 1 <= limit <= LIMIT_MAX:
        raise CommandError(f"--limit goes from 1 to {LIMIT_MAX}", USAGE)
    wanted = DeliveryFilter(status, rule, endpoint, contact, _instant("--since", since), _instant("--until", until))
    found, hosts = asyncio.run(_list(wanted, limit))
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
    delivery, attempts, host = asyncio.run(_show(id))
    if json:
        made = _as_json(delivery) | {"attempts": [_attempt_as_json(attempt) for attempt in attempts]}
        print(_json(made | {"body": delivery.body.decode(errors="replace")}))
        return 0
    due = f", next attempt {format_instant(delivery.due_at)}" if delivery.due_at is not None else ""
    print(f"{delivery.id}  {delivery.status}{due}")
    print(f"  to       {host} ({delivery.endpoint_id})")
    print(f"  about    {delivery.contact_id}, number {delivery.seq}")
    print(f"  because  {delivery.event_type} ({delivery.event_id})")
    print(f"  rule     {delivery.rule_id}, run {delivery.run_id}")
    for attempt in attempts:
        print(f"\n{_headline(attempt)}")
        for part in (attempt.head, attempt.body):
            for line in shown_body(part).splitlines():
                print(f"    {line}")
    print(f"\n{shown_body(delivery.body)}")
    return 0


def resend(ids: Annotated[tuple[str, ...], Parameter(help="dlv_…", negative=())]) -> int:
    """Send deliveries once more: the same ids and bytes, now."""
    known = asyncio.run(_resend(ids))
    for id, is_known in zip(ids, known, strict=True):
        say(f"{id} will be sent again by the server that runs." if is_known else f"{id}: there is no such delivery")
    return 0 if all(known) else FAILED


async def _list(wanted: DeliveryFilter, limit: int) -> tuple[list[Delivery], dict[str, str]]:
    async with opened(settings_in_force()) as store:
        found = await store.queries.deliveries(wanted, Page(limit, newest=True))
        return found, {endpoint.id: _host(endpoint) for endpoint in await store.queries.endpoints()}


async def _show(id: str) -> tuple[Delivery, list[Attempt], str]:
    async with opened(settings_in_force()) as store:
        queries: Queries = store.queries
        found = await queries.delivery(id)
        if found is None:
            raise CommandError(f"there is no delivery {id}; goniec deliveries list shows them")
        endpoint = await queries.endpoint(found[0].endpoint_id)
        return *found, "an endpoint that is gone" if endpoint is None else _host(endpoint)


async def _resend(ids: Sequence[str]) -> list[bool]:
    now = Machine().now()
    async with opened(settings_in_force()) as store:
        return [await store.transact(partial(_requeue, id, now)) for id in ids]


async def _requeue(id: str, now: Millis, tx: Tx) -> bool:
    return await tx.requeue(id, now) is not None


def _host(endpoint: Endpoint) -> str:
    """An endpoint is named by its host: the rest of a URL may be secret."""
    return endpoint.url.split("/", 3)[2]


def _headline(attempt: Attempt) -> str:
    came = f"status {attempt.status}" if attempt.status is not None else "no answer"
    failed = f", {attempt.failure}: {printable(attempt.detail)}" if attempt.failure is not None else ", delivered"
    noted = f"; {printable(attempt.note)}" if attempt.note else ""
    again = " (asked for by hand)" if attempt.resend else ""
    address = f" at {attempt.address}" if attempt.address else ""
    start = f"attempt {attempt.number}{again} {format_instant(attempt.at)}{address}"
    return f"{start}: {came}{failed}{noted}, {attempt.millis} ms"


def _as_json(delivery: Delivery) -> dict[str, Any]:
    times = {"createdAt": delivery.created_at, "dueAt": delivery.due_at, "deliveredAt": delivery.delivered_at}
    return {
        "id": delivery.id,
        "status": delivery.status,
        "endpointId": delivery.endpoint_id,
        "contactId": delivery.contact_id,
        "ruleId": delivery.rule_id,
        "runId": delivery.run_id,
        "eventId": delivery.event_id,
        "eventType": delivery.event_type,
        "sequence": delivery.seq,
        "attemptCount": delivery.attempts,
        **{name: None if at is None else format_instant(at) for name, at in times.items()},
    }


def _attempt_as_json(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "at": format_instant(attempt.at),
        "millis": attempt.millis,
        "status": attempt.status,
        "failure": attempt.failure,
        "detail": attempt.detail,
        "address": attempt.address,
        "head": attempt.head.decode(errors="replace"),
        "body": attempt.body.decode(errors="replace"),
        "note": attempt.note,
        "resend": attempt.resend,
    }


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _instant(option: str, text: str | None) -> Millis | None:
    if text is None:
        return None
    try:
        return parse_instant(text)
    except ValueError as error:
        raise CommandError(f"{option}: {error}", USAGE) from None
