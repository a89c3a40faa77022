"""The ledger: what was received, what was made of it and how that stands, of the whole, each endpoint and each rule."""

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from goniec.core.problems import Problem
from goniec.core.times import DAY, Millis, format_instant
from goniec.ports import Balance, Queries, Subject, Sum
from goniec.web.operation import Ask, operation
from goniec.web.problems import invalid
from goniec.web.reply import Reply


class TotalsOut(Struct, rename="camel"):
    """Since the beginning. received = accepted + duplicates + refused; made = the statuses together."""

    received: int
    accepted: int
    duplicates: int
    refused: int
    events: int
    runs: int
    attempts: int
    made: int
    pending: int
    held: int
    delivered: int
    failed: int
    cancelled: int


class BalanceOut(Struct, rename="camel"):
    """How all deliveries of an endpoint or a rule stand, also of a deleted one; `made` is the sum of the others."""

    id: str
    made: int
    pending: int
    held: int
    delivered: int
    failed: int
    cancelled: int


class DayOut(Struct, rename="camel"):
    """What happened on a day (UTC), test sends left out.

    Each thing counts on the day on which it happened: what was made on one day may be delivered on the next. What is
    sent again is not made again, but ends again: failed, and delivered unless it had been before. So the ends of a day
    may be more than what was made. An endpoint has no `events` and `runs`, a rule no `events`, `attempts` and
    `failedAttempts`: these are left out there.
    """

    day: str
    made: int
    delivered: int
    failed: int
    cancelled: int
    events: int | UnsetType = UNSET
    runs: int | UnsetType = UNSET
    attempts: int | UnsetType = UNSET
    failed_attempts: int | UnsetType = UNSET


class LedgerOut(Struct, rename="camel"):
    """The whole, each endpoint and each rule that ever had a delivery, and the days on which something happened."""

    totals: TotalsOut
    endpoints: list[BalanceOut]
    rules: list[BalanceOut]
    days: list[DayOut]


class LedgerQuery(Struct, frozen=True, kw_only=True, rename="camel"):
    """How far the days go back, and whose they are."""

    days: Annotated[int, Meta(ge=1, le=400, description="Days, today included.")] = 30
    of: Annotated[
        Literal["all", "endpoint", "rule"], Meta(description="Whose days: of all, or of what `id` names.")
    ] = "all"
    id: Annotated[str | None, Meta(description="The endpoint or rule, where `of` asks for one; deleted ones too.")] = (
        None
    )


@operation("GET", "/ledger", scope="read", tag="deliveries", summary="Read the ledger", answers={200: LedgerOut})
async def read_ledger(ask: Ask, query: LedgerQuery) -> Reply:
    """Give how all deliveries stand, test sends included, and what happened by day.

    Retention takes nothing away from it: what has left counts as it stood. The days are kept for 400 days. `goniec
    doctor` counts all of it anew from the rows.
    """
    queries, now = ask.context.store.queries, ask.context.clock.now()
    totals = await queries.totals()
    balances = {"endpoint": await queries.balances("endpoint"), "rule": await queries.balances("rule")}
    kind: Subject = "" if query.of == "all" else query.of
    await _known(queries, query, balances.get(query.of, []))
    since = (now // DAY - query.days + 1) * DAY
    days = await queries.sums(kind, None if query.id is None else [query.id], since, now + 1, DAY)
    names = TotalsOut.__struct_fields__
    return Reply(
        200,
        LedgerOut(
            TotalsOut(*(totals.get(name, totals.get(f"deliveries.{name}", 0)) for name in names)),
            [balance_out(one) for one in balances["endpoint"]],
            [balance_out(one) for one in balances["rule"]],
            [_day(kind, one) for one in days],
        ),
    )


async def _known(queries: Queries, query: LedgerQuery, balances: Sequence[Balance]) -> None:
    """Refuse an id that nothing has or ever had, that is missing, or that is of no use."""
    match query.of, query.id:
        case "all", None:
            return
        case "all", _:
            what = "give `of` too, endpoint or rule: without it the days are those of all"
        case _, None:
            what = f"of={query.of} needs the id of one"
        case _, id if any(one.subject == id for one in balances):
            return
        case "endpoint", id if await queries.endpoint(id) is not None:
            return
        case "rule", id if await queries.rule(id) is not None:
            return
        case _:
            what = f"there is no {query.of} with this id, and there was none that had a delivery"
    raise invalid([Problem("/id", what)], "query")


def balance_out(one: Balance) -> BalanceOut:
    """Show a balance."""
    return BalanceOut(one.subject, one.made, one.pending, one.held, one.delivered, one.failed, one.cancelled)


def _day(kind: Subject, one: Sum) -> DayOut:
    day = DayOut(_date(one.at), one.made, one.delivered, one.failed, one.cancelled)
    if not kind:
        day.events = one.events
    if kind != "endpoint":
        day.runs = one.runs
    if kind != "rule":
        day.attempts, day.failed_attempts = one.attempts, one.failed_attempts
    return day


def _date(at: Millis) -> str:
    return format_instant(at)[:10]
