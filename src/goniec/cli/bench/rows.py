"""The rows of the table: what is measured, how, and which goal it is held against.

Where two things are compared, they take turns within one run, so that the machine's moods hit both. In every row
retention deletes what falls due while the load goes on, about as much as arrives.
"""

import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from goniec.cli.bench.history import Past
from goniec.cli.bench.machine import loop_nanoseconds
from goniec.cli.bench.processes import Sink, bare
from goniec.cli.bench.stage import PAGES, Cost, Stage, stage
from goniec.cli.opened import Machine
from goniec.core.times import SECOND

NAMES: Final = (
    "batches",
    "single",
    "sustained",
    "latency",
    "rules",
    "contacts",
    "lists",
    "tracking",
    "mails",
    "isolation",
    "backlog",
    "memory",
    "drain",
    "workers",
)

BATCH: Final = 100
BATCH_CONNECTIONS: Final = 8
SINGLE_CONNECTIONS: Final = 64
LATENCY_CONNECTIONS: Final = 64
LATENCY_RATE: Final = 500
FEW_RULES: Final = 10
TURNS: Final = 4
"""How often two that are compared take turns."""

BATCHES_GOAL: Final = 200
SINGLE_GOAL: Final = 350
SUSTAINED_GOAL: Final = 5_000
SUSTAINED_SHARE: Final = 0.2
P50_GOAL, P99_GOAL = 4.0, 20.0
RULES_GOAL: Final = 1.2
CONTACTS_SHARE: Final = 0.6
CONTACTS_P99_GOAL: Final = 50.0

FILL_ROWS: Final = 30_000
"""Events and contacts that are written into a file in a second, at least."""


class Plan(Struct, frozen=True):
    """What the user wants: seconds of load for each figure, and how large the files are.

    `small` are the contacts of the usual file, `contacts` and `events` those of the large one, `list_contacts` and
    `list_events` those of the one whose lists are read, `waiting` how many deliveries wait for dead endpoints, `fleets`
    how many workers share a database, in turn.
    """

    folder: Path
    sink: Sink
    seconds: float
    small: int
    contacts: int
    events: int
    list_contacts: int
    list_events: int
    rules: int
    waiting: int
    fleets: Sequence[int]

    @property
    def warm_up(self) -> float:
        """Seconds of load before anything is measured."""
        return self.seconds / 8


class Rates(Struct, frozen=True):
    """How many events a second this machine takes, about: so many have to fall due."""

    batches: float
    single: float


class Row(Struct, rename="camel", kw_only=True):
    """One figure.

    `goal` is the budget's words and `met` whether it was kept; `ratio` compares with what `ratio_to` says. `cpu_micros`
    is the engine's CPU for an event with its webhook, `loop_nanos` the state of the machine just before.
    """

    row: str
    what: str
    figure: float
    unit: str
    goal: str
    met: bool
    loop_nanos: float
    ratio: float | None = None
    ratio_to: str | None = None
    cpu_micros: float | None = None
    peak_mib: int | None = None
    detail: dict[str, Any] = {}


async def rates(plan: Plan) -> Rates:
    """Find out how fast this machine is, on an engine that is thrown away."""
    async with staged(plan, 0) as one:
        await _press(one, plan.warm_up)
        batches = await _press(one, plan.warm_up)
        single = await one.press(SINGLE_CONNECTIONS, 1, plan.warm_up)
    return Rates(batches.rate, single.rate)


async def batches(plan: Plan, speed: Rates) -> list[Row]:
    """Rows "batches" and "sustained": one load, beside the bare client before and after it."""
    loop = loop_nanoseconds()
    before = await bare(plan.sink.port, plan.seconds / 4)
    async with staged(plan, speed.batches) as one:
        await _press(one, plan.warm_up)
        cost = await _press(one, plan.seconds)
        peak = one.engine.peak()
    after = await bare(plan.sink.port, plan.seconds / 4)
    alone = (before.sent + after.sent) / (before.seconds + after.seconds)
    share = cost.rate / alone
    detail = detail_of(cost) | {
        "bare": {
            "perSecond": round(alone),
            "cpuMicros": round((before.cpu + after.cpu) / (before.sent + after.sent) * 1e6, 1),
        }
    }
    return [
        Row(
            row="batches",
            what=f"CPU per event with one webhook, batches of {BATCH}",
            figure=cost.micros,
            unit="µs",
            goal=f"≤ {BATCHES_GOAL} µs",
            met=cost.micros <= BATCHES_GOAL,
            loop_nanos=loop,
            cpu_micros=cost.micros,
            peak_mib=peak,
            detail=detail,
        ),
        Row(
            row="sustained",
            what=f"delivered webhooks a second for {plan.seconds:g} s, batches of {BATCH}",
            figure=cost.rate,
            unit="/s",
            goal=f"≥ {SUSTAINED_GOAL}/s and ≥ {SUSTAINED_SHARE} × the bare client",
            met=cost.rate >= SUSTAINED_GOAL and share >= SUSTAINED_SHARE,
            loop_nanos=loop,
            ratio=share,
            ratio_to="the bare client",
            cpu_micros=cost.micros,
            peak_mib=peak,
            detail=detail,
        ),
    ]


async def single(plan: Plan, speed: Rates) -> list[Row]:
    """Row "single": one event in each request."""
    loop = loop_nanoseconds()
    async with staged(plan, speed.single) as one:
        await one.press(SINGLE_CONNECTIONS, 1, plan.warm_up)
        cost = await one.press(SINGLE_CONNECTIONS, 1, plan.seconds)
        peak = one.engine.peak()
    return [
        Row(
            row="single",
            what=f"CPU per event with one webhook, one event a request, {SINGLE_CONNECTIONS} connections",
            figure=cost.micros,
            unit="µs",
            goal=f"≤ {SINGLE_GOAL} µs",
            met=cost.micros <= SINGLE_GOAL,
            loop_nanos=loop,
            cpu_micros=cost.micros,
            peak_mib=peak,
            detail=detail_of(cost),
        )
    ]


async def latency(plan: Plan) -> list[Row]:
    """Row "latency": single events at a steady rate."""
    loop = loop_nanoseconds()
    async with staged(plan, LATENCY_RATE) as one:
        await one.pace(LATENCY_CONNECTIONS, LATENCY_RATE, plan.warm_up)
        cost, waits = await one.pace(LATENCY_CONNECTIONS, LATENCY_RATE, plan.seconds)
        peak = one.engine.peak()
    told = percentiles(waits)
    return [
        Row(
            row="latency",
            what=f"from request to the receiver's first byte at {LATENCY_RATE} events/s: p99",
            figure=told["p99"],
            unit="ms",
            goal=f"p50 ≤ {P50_GOAL:g} ms, p99 ≤ {P99_GOAL:g} ms",
            met=told["p50"] <= P50_GOAL and told["p99"] <= P99_GOAL,
            loop_nanos=loop,
            cpu_micros=cost.micros,
            peak_mib=peak,
            detail=detail_of(cost) | told,
        )
    ]


async def rules(plan: Plan, speed: Rates) -> list[Row]:
    """Row "rules": two engines take turns, one with few rules and one with many."""
    loop = loop_nanoseconds()
    half = speed.batches / 2
    async with (
        staged(plan, half, pages=FEW_RULES) as few,
        staged(plan, half, pages=FEW_RULES, rules=plan.rules) as many,
    ):
        with_few, with_many = await _turns(plan, few, many)
        peak = many.engine.peak()
    ratio = with_many.micros / with_few.micros
    return [
        Row(
            row="rules",
            what=f"CPU per event with {plan.rules:,} active rules, against {FEW_RULES}",
            figure=with_many.micros,
            unit="µs",
            goal=f"≤ {RULES_GOAL} ×",
            met=ratio <= RULES_GOAL,
            loop_nanos=loop,
            ratio=ratio,
            ratio_to=f"{FEW_RULES} rules",
            cpu_micros=with_many.micros,
            peak_mib=peak,
            detail=detail_of(with_many) | {"fewMicros": round(with_few.micros, 1)},
        )
    ]


async def contacts(plan: Plan, speed: Rates) -> list[Row]:
    """Row "contacts": two engines take turns, one on a small file and one on a large one."""
    loop = loop_nanoseconds()
    half = speed.batches / 2
    async with (
        staged(plan, half) as small,
        staged(plan, half, people=plan.contacts, events=plan.events) as large,
    ):
        in_small, in_large = await _turns(plan, small, large)
        await large.pace(LATENCY_CONNECTIONS, LATENCY_RATE, plan.warm_up)
        _, waits = await large.pace(LATENCY_CONNECTIONS, LATENCY_RATE, plan.seconds)
        peak = large.engine.peak()
    ratio = in_large.rate / in_small.rate
    told = percentiles(waits)
    return [
        Row(
            row="contacts",
            what=f"webhooks a second with {plan.contacts:,} contacts and {plan.events:,} events in the file",
            figure=in_large.rate,
            unit="/s",
            goal=f"≥ {CONTACTS_SHARE} × a small file, p99 ≤ {CONTACTS_P99_GOAL:g} ms",
            met=ratio >= CONTACTS_SHARE and told["p99"] <= CONTACTS_P99_GOAL,
            loop_nanos=loop,
            ratio=ratio,
            ratio_to=f"{plan.small:,} contacts",
            cpu_micros=in_large.micros,
            peak_mib=peak,
            detail=detail_of(in_large) | told | {"small": detail_of(in_small)},
        )
    ]


async def _turns(plan: Plan, one: Stage, other: Stage) -> tuple[Cost, Cost]:
    await _press(one, plan.warm_up)
    await _press(other, plan.warm_up)
    share = plan.seconds / TURNS
    first, second = await _press(one, share), await _press(other, share)
    for turn in range(1, TURNS):
        # whoever came last begins: what rises or falls steadily hits both alike
        for stage_of in (other, one) if turn % 2 else (one, other):
            cost = await _press(stage_of, share)
            if stage_of is one:
                first = first.plus(cost)
            else:
                second = second.plus(cost)
    return first, second


async def _press(one: Stage, seconds: float) -> Cost:
    return await one.press(BATCH_CONNECTIONS, BATCH, seconds)


@asynccontextmanager
async def staged(  # noqa: PLR0913 - what an engine may differ in
    plan: Plan,
    rate: float,
    *,
    pages: int = PAGES,
    rules: int = 0,
    people: int = 0,
    events: int = 0,
    dead: Sequence[int] = (),
    waiting: int = 0,
) -> AsyncIterator[Stage]:
    """Set an engine up in a folder of its own; `rate` events a second fall due as long as the measurement lasts.

    The last pages lead to these `dead` ports, for which so many deliveries are `waiting`.
    """
    past = past_of(plan, rate, people=people, events=events, waiting=waiting)
    with room(plan) as folder:
        async with stage(folder, plan.sink, past, pages=pages, rules=rules, dead=dead, waiting=waiting) as one:
            yield one


@contextmanager
def room(plan: Plan) -> Iterator[Path]:
    """Have a folder that goes again."""
    with tempfile.TemporaryDirectory(prefix="goniec-bench-", dir=plan.folder) as folder:
        yield Path(folder)


def past_of(plan: Plan, rate: float, *, people: int = 0, events: int = 0, waiting: int = 0) -> Past:
    """Give the past of an engine; `rate` events a second fall due as long as the measurement lasts."""
    people = people or plan.small
    lasting = 2 * (plan.seconds + plan.warm_up) + 10
    events = max(events, int(rate * lasting) + waiting)
    start = Machine().now() + int((people + events + waiting) / FILL_ROWS * SECOND)
    # only what falls due has had webhooks where others wait: no event is to have two
    quiet = events + 1 if waiting else 10
    return Past(contacts=people, events=events, start=start, rate=rate or 1, seconds=lasting, quiet=quiet)


def detail_of(cost: Cost) -> dict[str, Any]:
    """Give what a load has come to, for the JSON."""
    return {
        "events": cost.events,
        "seconds": round(cost.seconds, 2),
        "perSecond": round(cost.rate),
        "cpuMicros": round(cost.micros, 1),
        "turnedAway": cost.turned_away,
        "deleted": cost.deleted,
    }


def percentiles(waits: Sequence[float]) -> dict[str, float]:
    """From values in rising order."""
    return {
        name: round(waits[min(len(waits) - 1, int(len(waits) * share))], 2)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
    } | {"max": round(waits[-1], 2)}
