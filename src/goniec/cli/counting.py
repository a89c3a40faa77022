"""The checks of `goniec doctor` that count: whether the ledger adds up, and whether a delivery is stuck in the queue.

Called by `diagnosis`. A server that goes on meanwhile may move any figure, so what differs is looked at again.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from goniec.cli.finding import Finding
from goniec.cli.terminal import printable
from goniec.core.model import Attempt, Failure, Status
from goniec.core.times import HOUR, MINUTE, Millis, format_instant
from goniec.ports import Balance, DeliveryFilter, Holder, Page, Queries, Stuck

OVERDUE: Final[Millis] = MINUTE
"""So long after its time a delivery to an open endpoint should be on its way."""

RECOUNTS: Final = 3
SHOWN: Final = 3
"""Of how many endpoints or rules a finding tells that their figures differ."""

_HOLDERS: Final[tuple[Holder, ...]] = ("endpoint", "rule")
_DELIVERIES: Final = "deliveries."
_FAULT: Final = "keep a copy (goniec backup) and tell the authors of Goniec: this should not happen"


async def ledger(queries: Queries) -> Finding:
    """Compare the totals as kept and as counted anew, of the whole and of each endpoint and rule."""
    wrong: list[str] = []
    counted: Mapping[str, int] = {}
    for _ in range(RECOUNTS):
        before = await queries.totals()
        counted = await queries.recount()
        after = await queries.totals()
        wrong = _differing("", counted, before, after)
        if not wrong or before == after:
            break
    inward = counted["received"] == counted["accepted"] + counted["duplicates"] + counted["refused"]
    for holder in _HOLDERS:
        wrong += await _balances(queries, holder)
    if wrong or not inward:
        told = "; ".join(wrong) or "received is not accepted + duplicates + refused"
        return Finding("ledger", told, problem=True, advice=_FAULT)
    statuses = [name for name in counted if name.startswith(_DELIVERIES)]
    kept = " + ".join(f"{name.removeprefix(_DELIVERIES)} {counted[name]}" for name in statuses)
    taken = " + ".join(f"{outcome} {counted[outcome]}" for outcome in ("accepted", "duplicates", "refused"))
    return Finding("ledger", f"received {counted['received']} = {taken}; made {counted['made']} = {kept}")


async def queue(queries: Queries, now: Millis) -> list[Finding]:
    """Look for deliveries that are late or stuck, and say what to do for each."""
    queues = await queries.queues(now)
    endpoints = {endpoint.id: endpoint for endpoint in await queries.endpoints()}
    found = []
    for one in queues:
        endpoint = endpoints.get(one.endpoint_id)
        if endpoint is None:
            continue  # told of by name below
        if endpoint.paused is not None:
            told = f"{endpoint.id} is paused; deliveries that wait for it: {one.pending}"
            found.append(Finding("queue", told, advice=f"POST /api/v1/endpoints/{endpoint.id}/resume lets them go"))
        elif (last := await _last_failure(queries, endpoint.id)) is not None and last.failure is Failure.ADDRESS:
            told = f"{endpoint.id} may not be reached ({last.failure}); deliveries that wait for it: {one.pending}"
            advice = f"{printable(last.detail)}; GONIEC_ALLOW_NETWORKS of the server that sends says what is allowed"
            found.append(Finding("queue", told, problem=True, advice=advice))
        elif endpoint.breaker.open:
            why = "" if last is None else f" ({_answer(last)})"
            told = f"{endpoint.id} takes nothing{why} and is asked now and then; deliveries that wait for it: "
            advice = "see its attempts; what waits goes out once it takes one"
            found.append(Finding("queue", f"{told}{one.pending}", advice=advice))
        elif (endpoint.held_until or 0) <= now and one.oldest_due is not None and one.oldest_due < now - OVERDUE:
            due = f"{one.due} or more" if one.more_due else f"{one.due}"
            told = f"deliveries due at {endpoint.id}: {due}, the oldest since {format_instant(one.oldest_due)}"
            sums = await queries.sums("endpoint", [endpoint.id], now - now % HOUR, now + 1, HOUR)
            if sums and sums[0].attempts:
                advice = f"it made {sums[0].attempts} attempts in this hour: if the backlog grows, see its rate,"
                advice += " concurrency and timeout; is the server running?"
            else:
                advice = "is the server running? If it is, look at its log and at the endpoint's attempts"
            found.append(Finding("queue", told, problem=True, advice=advice))
    stuck = await queries.stuck()
    if stuck:
        # what is being recorded or finished right now may stand in one of two tables only
        again = {(one.how, one.endpoint_id, one.example) for one in await queries.stuck()}
        stuck = [one for one in stuck if (one.how, one.endpoint_id, one.example) in again]
    found += [_stuck(one) for one in stuck]
    pending = sum(one.pending for one in queues)
    return found or [Finding("queue", f"deliveries pending: {pending}, none stuck")]


def _stuck(one: Stuck) -> Finding:
    match one.how:
        case "unqueued":
            told = f"pending deliveries to {one.endpoint_id} that are in no queue: {one.n}, such as {one.example}"
            advice = "goniec deliveries resend puts one back; goniec deliveries list --status pending names them"
        case "unwanted":
            told = f"in the queue for {one.endpoint_id}, but not pending or not there: {one.n}, such as {one.example}"
            advice = f"goniec deliveries resend {one.example} sends one that is there once more; {_FAULT}"
        case "headless":
            told = f"waiting for {one.endpoint_id} behind one that has gone: {one.n}, such as {one.example}"
            advice = f"goniec deliveries resend {one.example} lets its contact's go on; {_FAULT}"
        case _:
            told = f"in the queue for {one.endpoint_id}, which is not there: {one.n}, such as {one.example}"
            asked = f'POST /api/v1/deliveries/cancel {{"endpointId": "{one.endpoint_id}"}}'
            advice = f"a server cancels them within minutes; {asked} does it at once"
    return Finding("queue", told, problem=True, advice=advice)


async def _last_failure(queries: Queries, endpoint_id: str) -> Attempt | None:
    """What the oldest delivery that waits for an endpoint has failed with so far."""
    wanted = DeliveryFilter(endpoint_id=endpoint_id, status=Status.PENDING)
    for last in (await queries.last_attempts([one.id for one in await queries.deliveries(wanted, Page(1))])).values():
        return None if last.failure is None else last
    return None


def _answer(attempt: Attempt) -> str:
    code = str(attempt.failure)
    return code if attempt.status is None else f"{code}, status {attempt.status}"


async def _balances(queries: Queries, holder: Holder) -> list[str]:
    wrong: list[str] = []
    for _ in range(RECOUNTS):
        before = _by_subject(await queries.balances(holder))
        counted = _by_subject(await queries.recount_balances(holder))
        after = _by_subject(await queries.balances(holder))
        wrong = []
        for subject in sorted({*before, *counted, *after}):
            none: Mapping[str, int] = {}
            now = counted.get(subject, dict.fromkeys(after.get(subject, none), 0))
            wrong += _differing(f"{subject} ", now, before.get(subject, none), after.get(subject, none))
        if not wrong or before == after:
            break
    return wrong[:SHOWN]


def _by_subject(balances: Sequence[Balance]) -> dict[str, dict[str, int]]:
    names = Balance.__struct_fields__[1:]
    return {one.subject: {name: getattr(one, name) for name in names} for one in balances}


def _differing(
    whose: str, counted: Mapping[str, int], before: Mapping[str, int], after: Mapping[str, int]
) -> list[str]:
    """What was counted and lies outside of what was kept before and after."""
    return [
        f"{whose}{name} {after.get(name, 0)}, counted {count}"
        for name, count in counted.items()
        if not min(before.get(name, 0), after.get(name, 0)) <= count <= max(before.get(name, 0), after.get(name, 0))
    ]
