"""The ledger: what was received, what was made of it and how that stands, of the whole, each endpoint and each rule."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from goniec.core.times import DAY, Millis, format_instant
from goniec.ports import Balance, Subject, Sum
from goniec.web.operation import Ask, operation
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

    Each thing counts on the day on which it happened: what was made on one day may be delivered on the next, and what
    is sent again counts where it ends then.
    """

    day: str
    events: int
    runs: int
    made: int
    delivered: int
    failed: int
    cancelled: int
    attempts: int
    failed_attempts: int


class LedgerOut(Struct, rename="camel"):
    """The whole, each endpoint and each rule that ever had a delivery, and the days on which something happened."""

    totals: TotalsOut
    endpoints: list[BalanceOut]
    rules: list[BalanceOut]
    days: list[DayOut]


class LedgerQuery(Struct, frozen=True, kw_only=True, rename="camel"):
    """How far the days go back, and whose they are."""

    days: Annotated[int, Meta(ge=1, le=400, description="Days, today included.")] = 30
    of: Annotated[Literal["all", "endpoint", "rule"], Meta(description="Of what the days are told.")] = "all"
    id: Annotated[str | None, Meta(description="Of which endpoint or rule.")] = None


@operation("GET", "/ledger", scope="read", tag="deliveries", summary="Read the ledger", answers={200: LedgerOut})
async def read_ledger(ask: Ask, query: LedgerQuery) -> Reply:
    """Give how all deliveries stand, test sends included, and what happened by day.

    Retention takes nothing away from it: what has left counts as it stood. The days are kept for 400 days. `goniec
    doctor` counts all of it anew from the rows.
    """
    queries, now = ask.context.store.queries, ask.context.clock.now()
    totals = await queries.totals()
    kind: Subject = "" if query.of == "all" else query.of
    ids = None if query.of == "all" else [query.id or ""]
    since = (now // DAY - query.days + 1) * DAY
    days = await queries.sums(kind, ids, since, now + 1, DAY)
    names = TotalsOut.__struct_fields__
    return Reply(
        200,
        LedgerOut(
            TotalsOut(*(totals.get(name, totals.get(f"deliveries.{name}", 0)) for name in names)),
            [balance_out(one) for one in await queries.balances("endpoint")],
            [balance_out(one) for one in await queries.balances("rule")],
            [_day(one) for one in days],
        ),
    )


def balance_out(one: Balance) -> BalanceOut:
    """Show a balance."""
    return BalanceOut(one.subject, one.made, one.pending, one.held, one.delivered, one.failed, one.cancelled)


def _day(one: Sum) -> DayOut:
    figures = (one.events, one.runs, one.made, one.delivered, one.failed, one.cancelled)
    return DayOut(_date(one.at), *figures, one.attempts, one.failed_attempts)


def _date(at: Millis) -> str:
    return format_instant(at)[:10]
