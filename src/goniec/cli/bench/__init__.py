"""`goniec bench`: how fast the engine is on this machine, held against the goals that it was built for.

Everything is real: `goniec serve` in a process of its own on a file with a past, events over HTTP, webhooks to a sink
in another process. What is measured is in `rows`, how processes and load are made in the rooms beside it.
"""

import shlex
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import uvloop
from cyclopts import Parameter

from goniec.cli.bench import rows
from goniec.cli.bench.lists import lists
from goniec.cli.bench.machine import machine
from goniec.cli.bench.outage import backlog, isolation
from goniec.cli.bench.processes import sink
from goniec.cli.bench.report import Report, save, shown
from goniec.cli.bench.rows import Plan, Rates, Row
from goniec.cli.terminal import USAGE, CommandError, say

SECONDS: Final = 20.0
SMALL: Final = 20_000
CONTACTS, EVENTS = 500_000, 2_000_000
FULL_CONTACTS, FULL_EVENTS = 5_000_000, 20_000_000
FULL_LIST_CONTACTS, FULL_LIST_EVENTS = 1_000_000, 5_000_000
RULES: Final = 10_000
WAITING: Final = 1_000_000

QUICK_SECONDS: Final = 0.5
QUICK_CONTACTS, QUICK_EVENTS = 2_000, 4_000
QUICK_RULES: Final = 200
QUICK_WAITING: Final = 2_000


def bench(  # noqa: PLR0913 - its options
    *,
    only: Annotated[
        str | None, Parameter(name="--rows", help=f"only these, separated by commas: {', '.join(rows.NAMES)}")
    ] = None,
    seconds: Annotated[float | None, Parameter(help="how long each load lasts")] = None,
    contacts: Annotated[
        int | None, Parameter(help="contacts in the large files of the rows contacts and lists")
    ] = None,
    events: Annotated[int | None, Parameter(help="events in them")] = None,
    full: Annotated[
        bool,
        Parameter(
            name="--full",
            negative=(),
            help="5 million contacts, 20 million events: 20 GB and an hour; for lists 1 and 5 million: 10 GB",
        ),
    ] = False,
    quick: Annotated[
        bool, Parameter(name="--quick", negative=(), help="half a second each: shows that it works, measures nothing")
    ] = False,
    folder: Annotated[Path | None, Parameter(help="where the databases are made and removed again")] = None,
    json: Annotated[Path | None, Parameter(name="--json", help="write all figures to this file")] = None,
) -> int:
    """Measure how fast the engine is on this machine."""
    wanted = _wanted(only)
    where = Path(tempfile.gettempdir() if folder is None else folder).absolute()
    if not where.is_dir():
        raise CommandError(f"there is no folder {where}", USAGE)
    people, past = (FULL_CONTACTS, FULL_EVENTS) if full else (CONTACTS, EVENTS)
    listed = (FULL_LIST_CONTACTS, FULL_LIST_EVENTS) if full else (CONTACTS, EVENTS)
    if quick:
        people, past = listed = QUICK_CONTACTS, QUICK_EVENTS
    lasting = seconds or (QUICK_SECONDS if quick else SECONDS)
    sizes = (contacts or people, events or past), (contacts or listed[0], events or listed[1])
    measured = uvloop.run(_measure(wanted, where, lasting, sizes, quick=quick))
    command = shlex.join(["goniec", *sys.argv[1:]])
    at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    report = Report(command, at, machine(where), measured)
    print(shown(report))
    if json is not None:
        save(report, json)
    return 0


def _wanted(only: str | None) -> frozenset[str]:
    wanted = frozenset(rows.NAMES if only is None else (name.strip() for name in only.split(",")))
    if unknown := wanted - set(rows.NAMES):
        raise CommandError(f"{', '.join(sorted(unknown))}: no such row; there are {', '.join(rows.NAMES)}", USAGE)
    return wanted


async def _measure(
    wanted: frozenset[str],
    folder: Path,
    seconds: float,
    sizes: tuple[tuple[int, int], tuple[int, int]],
    *,
    quick: bool,
) -> list[Row]:
    """Measure the wanted rows, one after the other."""
    measured: list[Row] = []
    async with sink() as receiver:
        plan = Plan(
            folder=folder,
            sink=receiver,
            seconds=seconds,
            small=QUICK_CONTACTS if quick else SMALL,
            contacts=sizes[0][0],
            events=sizes[0][1],
            list_contacts=sizes[1][0],
            list_events=sizes[1][1],
            rules=QUICK_RULES if quick else RULES,
            waiting=QUICK_WAITING if quick else WAITING,
        )
        speed = Rates(0, 0)
        if wanted - {"lists", "isolation", "backlog", "memory", "drain"}:
            say("finding out how fast this machine is …")
            speed = await rows.rates(plan)
        if wanted & {"batches", "sustained"}:
            say("batches, sustained …")
            measured += [row for row in await rows.batches(plan, speed) if row.row in wanted]
        if "single" in wanted:
            say("single …")
            measured += await rows.single(plan, speed)
        if "latency" in wanted:
            say("latency …")
            measured += await rows.latency(plan)
        if "rules" in wanted:
            say("rules …")
            measured += await rows.rules(plan, speed)
        if "contacts" in wanted:
            say("contacts …")
            measured += await rows.contacts(plan, speed)
        if "lists" in wanted:
            say("lists …")
            measured += await lists(plan)
        if "isolation" in wanted:
            say("isolation …")
            measured += await isolation(plan)
        if wanted & {"backlog", "memory", "drain"}:
            say("backlog, memory, drain …")
            measured += [row for row in await backlog(plan) if row.row in wanted]
    return sorted(measured, key=lambda row: rows.NAMES.index(row.row))
