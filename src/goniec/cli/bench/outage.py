"""The rows about receivers that are down: what they cost those that are not, and how it goes on when they are back.

As in `rows`, what is compared takes turns within one run.
"""

import asyncio
from functools import reduce
from itertools import chain
from statistics import median
from typing import Final

from msgspec import Struct

from goniec.cli.bench.dead import Refusing, refusing, silent
from goniec.cli.bench.load import until
from goniec.cli.bench.machine import loop_nanoseconds
from goniec.cli.bench.processes import Sink, sink
from goniec.cli.bench.rows import Plan, Row, detail_of, percentiles, staged
from goniec.cli.bench.stage import SETTLE_SECONDS, Cost, Stage

ENDPOINTS: Final = 100
DEAD: Final = 50
"""So many of them are dead: half of those refuse connections, half never answer."""
RATE: Final = 200
"""Events a second, over all endpoints: few enough that a machine keeps up, so that what is measured is not a queue."""
CONNECTIONS: Final = 64
TURNS: Final = 16
CAPPED_RATE: Final = 100
"""Requests a second that one of the endpoints that come back may get."""

_SECOND: Final = 1_000_000_000
"""In the sink's unit."""

ISOLATION_GOAL: Final = 1.2
MEMORY_GOAL: Final = 143
"""150 MB."""
CAP_GOAL: Final = 1.1
"""By so much a second may hold more than the rate: a request that started at its end arrives in the next."""


class Compared(Struct, frozen=True):
    """What two engines have come to, one that is well (`alone`) and one that is not (`beside`).

    `before` and `told` are the percentiles of each in milliseconds, over all of its turns; `p50s` and `p99s` are those
    of single turns, in the middle, first of the one that is well: what else the machine does now and then hits few.
    """

    alone: Cost
    beside: Cost
    before: dict[str, float]
    told: dict[str, float]
    p50s: tuple[float, float]
    p99s: tuple[float, float]

    @property
    def ratio(self) -> float:
        """By how much longer the slowest took."""
        return self.p99s[1] / self.p99s[0]

    def row(self, name: str, what: str, ratio_to: str, loop: float, peak: int | None) -> Row:
        """Give the row."""
        ratio = round(self.p50s[1] / self.p50s[0], 2)
        detail = detail_of(self.beside) | self.told | {"p50Ratio": ratio}
        return Row(
            row=name,
            what=what,
            figure=self.p99s[1],
            unit="ms",
            goal=f"≤ {ISOLATION_GOAL} ×",
            met=self.ratio <= ISOLATION_GOAL,
            loop_nanos=loop,
            ratio=self.ratio,
            ratio_to=ratio_to,
            cpu_micros=self.beside.micros,
            peak_mib=peak,
            detail=detail | {"without": detail_of(self.alone) | self.before},
        )


async def isolation(plan: Plan) -> list[Row]:
    """Row "isolation": two engines take turns, one whose receivers all live and one that has dead ones."""
    loop = loop_nanoseconds()
    with refusing() as closed:
        async with (
            silent() as (port, hang_up),
            staged(plan, RATE, pages=ENDPOINTS) as well,
            staged(plan, RATE, pages=ENDPOINTS, dead=[closed.port, port] * (DEAD // 2)) as ill,
        ):
            found = await _compared(plan, well, ill)
            peak = ill.engine.peak()
            hang_up()
    what = f"the others' p99 with {DEAD} of {ENDPOINTS} endpoints dead, at {RATE} events/s"
    return [found.row("isolation", what, "none dead", loop, peak)]


async def backlog(plan: Plan) -> list[Row]:
    """Rows "backlog", "memory", "drain": an engine for which much waits, beside one for which nothing does."""
    loop = loop_nanoseconds()
    with refusing() as free, refusing() as capped:
        async with (
            staged(plan, RATE, rules=plan.rules, events=plan.waiting) as empty,
            staged(plan, RATE, rules=plan.rules, dead=[free.port, capped.port], waiting=plan.waiting) as full,
        ):
            found = await _compared(plan, empty, full)
            peak = full.engine.peak()
            drained = await _drained(plan, full, free, capped)
    waiting = f"{plan.waiting:,} deliveries pending for a dead endpoint"
    return [
        found.row("backlog", f"the others' p99 with {waiting}, at {RATE} events/s", "none pending", loop, peak),
        Row(
            row="memory",
            what=f"the most resident memory with {waiting} and {plan.rules:,} rules, at {RATE} events/s",
            figure=peak,
            unit="MiB",
            goal=f"≤ {MEMORY_GOAL} MiB",
            met=peak <= MEMORY_GOAL,
            loop_nanos=loop,
            cpu_micros=found.beside.micros,
            peak_mib=peak,
            detail={"events": found.beside.events},
        ),
        drained.row(loop, plan),
    ]


class Drained(Struct, frozen=True):
    """How two endpoints that are back got what had waited, one of them at a rate, beside the usual load.

    `disorder` counts deliveries that arrived before an earlier one of their contact, `most` what the one with the rate
    got in its fullest second.
    """

    count: int
    per_second: float
    capped: int
    most: int
    disorder: int
    cost: Cost
    others: dict[str, float]
    peak: int

    def row(self, loop: float, plan: Plan) -> Row:
        """Give the row."""
        return Row(
            row="drain",
            what=f"webhooks a second to an endpoint that is back with {plan.waiting:,} pending, {RATE} events/s beside",
            figure=self.per_second,
            unit="/s",
            goal=f"in order, ≤ {CAP_GOAL} × the rate of one with {CAPPED_RATE}/s",
            met=not self.disorder and self.most <= CAP_GOAL * CAPPED_RATE,
            loop_nanos=loop,
            ratio=self.most / CAPPED_RATE,
            ratio_to="that rate",
            cpu_micros=self.cost.cpu / (self.cost.events + self.count + self.capped) * 1e6,
            peak_mib=self.peak,
            detail=self.others
            | {"events": self.count, "capped": self.capped, "cappedMost": self.most, "disorder": self.disorder},
        )


async def _compared(plan: Plan, well: Stage, ill: Stage) -> Compared:
    """Let them take turns."""
    costs: tuple[list[Cost], list[Cost]] = [], []
    waits: tuple[list[list[float]], list[list[float]]] = [], []
    for one in (well, ill):
        await one.pace(CONNECTIONS, RATE, plan.warm_up)
    share = 2 * plan.seconds / TURNS
    for one in (well, ill, ill, well) * (TURNS // 4):
        # whoever came last begins: what rises or falls steadily hits both alike
        cost, took = await one.pace(CONNECTIONS, RATE, share)
        costs[one is ill].append(cost)
        waits[one is ill].append(took)
    alone, beside = (reduce(Cost.plus, some) for some in costs)
    before, told = (percentiles(sorted(chain.from_iterable(turns))) for turns in waits)
    p50s, p99s = ((_middle(waits[0], name), _middle(waits[1], name)) for name in ("p50", "p99"))
    return Compared(alone, beside, before, told, p50s, p99s)


def _middle(turns: list[list[float]], name: str) -> float:
    """What half of the turns had at most."""
    return median(percentiles(took)[name] for took in turns if took)


async def _drained(plan: Plan, full: Stage, free: Refusing, capped: Refusing) -> Drained:
    """Bring the endpoints of the last two pages back, and look what they get."""
    *_, of_free, of_capped = full.places
    await full.change(f"/endpoints/{of_capped.endpoint}", {"rate": CAPPED_RATE})
    for port in (free, capped):
        port.give_up()
    async with sink(free.port) as at_free, sink(capped.port) as at_capped:
        for place in (of_free, of_capped):
            await full.order(f"/endpoints/{place.endpoint}/resume")
        cost, waits = await full.pace(CONNECTIONS, RATE, plan.seconds)
        got, got_capped = await asyncio.gather(_arrivals(at_free), _arrivals(at_capped))
    disorder = sum(full.engine.disorder(place.endpoint) for place in (of_free, of_capped))
    seconds = (got[-1] - got[0]) / _SECOND
    return Drained(
        count=len(got),
        per_second=len(got) / seconds,
        capped=len(got_capped),
        most=_most(got_capped),
        disorder=disorder,
        cost=cost,
        others=percentiles(waits),
        peak=full.engine.peak(),
    )


async def _arrivals(at: Sink) -> list[int]:
    """When its webhooks came, in nanoseconds: two at least, which make a rate."""

    async def enough() -> bool:
        return await at.count() > 1

    await until(enough, SETTLE_SECONDS, "an endpoint that is back got nothing")
    return sorted((await at.times())[1::2])


def _most(arrivals: list[int]) -> int:
    """How many came in the fullest second."""
    most = first = 0
    for last, at in enumerate(arrivals):
        while at - arrivals[first] >= _SECOND:
            first += 1
        most = max(most, last + 1 - first)
    return most
