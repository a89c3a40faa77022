"""The row about several workers on one PostgreSQL: what each adds, and what a delivery costs then.

One process of the role web takes events in for all; workers come and go beside it, so many at a time, in turns that go
up and down again. Each turn is measured twice: from requests to the receivers, where the process that takes events in
may be what bounds, and from a backlog that was let in while the endpoints were paused, where nothing comes in. There
are as many contacts as in the other rows, and no past: nothing falls due.
"""

import asyncio
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import reduce
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from goniec.cli.bench.bare import Bare
from goniec.cli.bench.load import Load, order, until
from goniec.cli.bench.machine import loop_nanoseconds
from goniec.cli.bench.postgres import Lent, lent
from goniec.cli.bench.processes import Serving, Sink, bare, serving
from goniec.cli.bench.rows import BATCH, BATCH_CONNECTIONS, Plan, Row
from goniec.cli.bench.stage import SETTLE_SECONDS, api_key, places
from goniec.store.address import Postgres
from goniec.store.postgres import open_store

ENDPOINTS: Final = 64
FIRST, LAST = 0.1, 0.9
"""Which part of a backlog is measured: at its ends some endpoints have nothing to do."""
SLACK: Final = 1.25
"""So many times its share a worker may have when a turn begins."""
LOOK_SECONDS: Final = 0.1


class Spent(Struct, frozen=True):
    """What some deliveries have come to: how many, in which time, for which CPU (seconds).

    `web` and `workers` are all processes of these roles, `postgres` the server, None where it is elsewhere.
    """

    count: int
    seconds: float
    web: float
    workers: float
    postgres: float | None

    @property
    def rate(self) -> float:
        """Webhooks a second."""
        return self.count / self.seconds

    @property
    def micros(self) -> float:
        """CPU microseconds of Goniec's processes for each."""
        return (self.web + self.workers) / self.count * 1e6

    def plus(self, other: "Spent") -> "Spent":
        """Both together."""
        server = None if self.postgres is None or other.postgres is None else self.postgres + other.postgres
        return Spent(
            self.count + other.count,
            self.seconds + other.seconds,
            self.web + other.web,
            self.workers + other.workers,
            server,
        )

    def told(self, one: "Spent") -> dict[str, Any]:
        """For the JSON, beside what one worker did."""
        told = {
            "events": self.count,
            "seconds": round(self.seconds, 2),
            "perSecond": round(self.rate),
            "ratio": round(self.rate / one.rate, 2),
            "cpuMicros": round(self.micros, 1),
            "cpuRatio": round(self.micros / one.micros, 2),
            "webMicros": round(self.web / self.count * 1e6, 1),
            "workerMicros": round(self.workers / self.count * 1e6, 1),
        }
        if self.postgres is not None:
            told["postgresMicros"] = round(self.postgres / self.count * 1e6, 1)
        return told


class Turn(Struct, frozen=True):
    """A number of workers: what came from a backlog, what from requests, and the most memory of one, in MiB."""

    backlog: Spent
    requests: Spent
    peak: int

    def plus(self, other: "Turn") -> "Turn":
        """Both together."""
        return Turn(self.backlog.plus(other.backlog), self.requests.plus(other.requests), max(self.peak, other.peak))


async def workers(plan: Plan, address: Postgres) -> list[Row]:
    """Row "workers"."""
    loop = loop_nanoseconds()
    before = await bare(plan.sink.port, plan.seconds / 4)
    turns: dict[int, list[Turn]] = {}
    async with _town(plan, address) as town:
        await town.meet(plan.small)
        for count in plan.fleets:
            turns.setdefault(count, []).append(await town.turn(count, plan))
        disorder, twice = await town.disorder(), await town.twice()
        version = town.database.version
    after = await bare(plan.sink.port, plan.seconds / 4)
    found = {count: reduce(Turn.plus, some) for count, some in sorted(turns.items())}
    one, most = found[min(found)], found[max(found)]
    detail = {
        "events": sum(turn.requests.count + turn.backlog.count for turn in found.values()),
        "workers": {
            str(count): {"backlog": turn.backlog.told(one.backlog), "requests": turn.requests.told(one.requests)}
            for count, turn in found.items()
        },
        "bare": _bare(before, after, one),
        "postgres": version,
        "disorder": disorder,
        "twice": twice,
    }
    return [
        Row(
            row="workers",
            what=f"webhooks a second of {max(found)} workers from a backlog for {ENDPOINTS} endpoints, on PostgreSQL",
            figure=most.backlog.rate,
            unit="/s",
            goal="in order, each once",
            met=not disorder and not twice,
            loop_nanos=loop,
            ratio=most.backlog.rate / one.backlog.rate,
            ratio_to="one worker",
            cpu_micros=most.backlog.micros,
            peak_mib=max(turn.peak for turn in found.values()),
            detail=detail,
        )
    ]


def _bare(before: Bare, after: Bare, one: Turn) -> dict[str, float]:
    """The client alone, and how one worker stands beside it."""
    sent = before.sent + after.sent
    rate, micros = sent / (before.seconds + after.seconds), (before.cpu + after.cpu) / sent * 1e6
    return {
        "perSecond": round(rate),
        "cpuMicros": round(micros, 1),
        "oneWorkerRatio": round(one.backlog.rate / rate, 2),
        "oneWorkerCpuRatio": round(one.backlog.micros / micros, 2),
    }


class Town:
    """A web process, its load and its sink, and what is needed to have workers beside them."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that stands in it
        self,
        folder: Path,
        settings: Mapping[str, str],
        web: Serving,
        database: Lent,
        sink: Sink,
        load: Load,
        key: str,
        endpoints: Sequence[str],
        before: int,
    ) -> None:
        self.database = database
        self._folder = folder
        self._settings = settings
        self._web = web
        self._sink = sink
        self._load = load
        self._key = key
        self._endpoints = endpoints
        self._before = before

    async def meet(self, contacts: int) -> None:
        """Let each contact have an event."""
        async with self._staff(1):
            while self._load.sent < contacts:
                await self._press(LOOK_SECONDS)
            await self._settled()

    async def turn(self, count: int, plan: Plan) -> Turn:
        """Measure so many workers."""
        async with self._staff(count) as staff:
            await self._share_out(count)
            await self._press(plan.warm_up)
            await self._settled()
            requests = await self._from_requests(staff, plan.seconds)
            backlog = await self._from_backlog(staff, plan.seconds)
            return Turn(backlog, requests, max(one.peak() for one in (self._web, *staff)))

    async def disorder(self) -> int:
        """How many deliveries arrived before an earlier one of their contact."""
        return await self.database.disorder()

    async def twice(self) -> int:
        """How many webhooks came that nobody expected any more."""
        return await self._came() - self._load.awaited

    async def _from_requests(self, staff: Sequence[Serving], seconds: float) -> Spent:
        started, came, spent = time.monotonic(), await self._came(), self._spent(staff)
        await self._press(seconds)
        await self._arrived(self._load.awaited)
        took, count = time.monotonic() - started, await self._came() - came
        await self._settled()
        return _between(count, took, spent, self._spent(staff))

    async def _from_backlog(self, staff: Sequence[Serving], seconds: float) -> Spent:
        await self._all("pause")
        await self._press(seconds)
        came = await self._came()
        size = self._load.awaited - came
        resuming = asyncio.create_task(self._all("resume"))
        await self._arrived(came + int(size * FIRST))
        started, first, spent = time.monotonic(), await self._came(), self._spent(staff)
        await self._arrived(came + int(size * LAST))
        took, count, after = time.monotonic() - started, await self._came() - first, self._spent(staff)
        await resuming
        await self._arrived(self._load.awaited)
        await self._settled()
        return _between(count, took, spent, after)

    @asynccontextmanager
    async def _staff(self, count: int) -> AsyncIterator[list[Serving]]:
        """Have so many workers, who know of each other."""
        async with AsyncExitStack() as stack:
            contexts = [
                serving(self._folder, {**self._settings, "role": "worker"}, f"worker{n}.log") for n in range(count)
            ]
            staff = [await stack.enter_async_context(one) for one in contexts]

            async def known() -> bool:
                return len(await self.database.owned()) == count

            await until(known, SETTLE_SECONDS, "the workers did not come to know each other")
            yield staff

    async def _share_out(self, count: int) -> None:
        """Give them something to do until each has about as many endpoints as the others."""
        most = ENDPOINTS / count * SLACK
        shared = False
        until_then = time.monotonic() + SETTLE_SECONDS
        while not shared and time.monotonic() < until_then:
            await self._press(LOOK_SECONDS)
            owned = (await self.database.owned()).values()
            shared = sum(owned) == ENDPOINTS and max(owned) <= most

    async def _press(self, seconds: float) -> None:
        await self._load.press(BATCH_CONNECTIONS, BATCH, seconds)

    async def _all(self, what: str) -> None:
        """Pause or resume all endpoints."""
        for id_ in self._endpoints:
            await order(self._web.port, self._key, f"/endpoints/{id_}/{what}", {})

    async def _came(self) -> int:
        return await self._sink.count() - self._before

    async def _arrived(self, count: int) -> None:
        async def wanted() -> bool:
            return await self._came() >= count

        await until(wanted, SETTLE_SECONDS, "the sink did not get every webhook")

    async def _settled(self) -> None:
        await self._arrived(self._load.awaited)

        async def written() -> bool:
            return not await self.database.pending()

        await until(written, SETTLE_SECONDS, "the workers did not finish every delivery")

    def _spent(self, staff: Sequence[Serving]) -> tuple[float, float, float | None]:
        return self._web.cpu(), sum(one.cpu() for one in staff), self.database.cpu()


def _between(
    count: int, seconds: float, before: tuple[float, float, float | None], after: tuple[float, float, float | None]
) -> Spent:
    server = None if before[2] is None or after[2] is None else after[2] - before[2]
    return Spent(count, seconds, after[0] - before[0], after[1] - before[1], server)


@asynccontextmanager
async def _town(plan: Plan, address: Postgres) -> AsyncIterator[Town]:
    with tempfile.TemporaryDirectory(prefix="goniec-bench-", dir=plan.folder) as name:
        folder = Path(name)
        async with lent(address) as database:
            key = await api_key(open_store(address, server=False))
            settings = {"database": address.url, "secret_key": secrets.token_urlsafe(32)}
            async with serving(folder, {**settings, "role": "web"}, "web.log") as web:
                made = await places(web.port, key, [plan.sink.port] * ENDPOINTS)
                load = Load(web.port, key, plan.small, ENDPOINTS)
                endpoints = [place.endpoint for place in made]
                try:
                    yield Town(
                        folder, settings, web, database, plan.sink, load, key, endpoints, await plan.sink.count()
                    )
                finally:
                    load.close()
