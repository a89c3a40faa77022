"""`goniec bench`: how fast the engine is on this machine, held against the goals that it was built for.

Everything is real: `goniec serve` in a process of its own on a file with a past, events over HTTP, webhooks to a sink
in another process. What is measured is in `rows`, how processes and load are made in the rooms beside it.
"""

import shlex
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import uvloop
from cyclopts import Parameter

from goniec.cli.bench import rows
from goniec.cli.bench.lists import lists
from goniec.cli.bench.machine import machine
from goniec.cli.bench.mails import mails
from goniec.cli.bench.outage import backlog, isolation
from goniec.cli.bench.postgres import refuse_unless_empty
from goniec.cli.bench.processes import sink
from goniec.cli.bench.report import Report, save, shown
from goniec.cli.bench.rows import Plan, Rates, Row
from goniec.cli.bench.tracking import tracking
from goniec.cli.bench.workers import workers
from goniec.cli.terminal import USAGE, CommandError, say
from goniec.store.address import Postgres

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

WORKERS: Final = "workers"
FREE: Final = frozenset({"lists", "mails", "isolation", "backlog", "memory", "drain"})
"""Rows that need not know how fast the machine is."""

NEEDS: Final = (
    "needs an empty database on PostgreSQL: --database postgresql://user@host/name, the password in PGPASSWORD"
)

SECONDS: Final = 20.0
SMALL: Final = 20_000
CONTACTS, EVENTS = 500_000, 2_000_000
FULL_CONTACTS, FULL_EVENTS = 5_000_000, 20_000_000
FULL_LIST_CONTACTS, FULL_LIST_EVENTS = 1_000_000, 5_000_000
RULES: Final = 10_000
WAITING: Final = 1_000_000

FLEETS: Final = (1, 2, 4, 4, 2, 1)
"""Up and down again: what rises or falls steadily hits all alike."""

QUICK_SECONDS: Final = 0.5
QUICK_CONTACTS, QUICK_EVENTS = 2_000, 4_000
QUICK_RULES: Final = 200
QUICK_WAITING: Final = 2_000
QUICK_FLEETS: Final = (1, 2)


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
    database: Annotated[
        str | None, Parameter(help="an empty one on PostgreSQL for the row workers, which is left empty again")
    ] = None,
    json: Annotated[Path | None, Parameter(name="--json", help="write all figures to this file")] = None,
) -> int:
    """Measure how fast the engine is on this machine."""
    wanted = _wanted(only)
    lent = _lent(wanted, database, asked=only is not None)
    if lent is None:
        wanted -= {WORKERS}
    where = Path(tempfile.gettempdir() if folder is None else folder).absolute()
    if not where.is_dir():
        raise CommandError(f"there is no folder {where}", USAGE)
    people, past = (FULL_CONTACTS, FULL_EVENTS) if full else (CONTACTS, EVENTS)
    listed = (FULL_LIST_CONTACTS, FULL_LIST_EVENTS) if full else (CONTACTS, EVENTS)
    if quick:
        people, past = listed = QUICK_CONTACTS, QUICK_EVENTS
    lasting = seconds or (QUICK_SECONDS if quick else SECONDS)
    sizes = (contacts or people, events or past), (contacts or listed[0], events or listed[1])
    measured = uvloop.run(_measure(wanted, where, lasting, sizes, lent, quick=quick))
    command = shlex.join(["goniec", *(_shown(word, database, lent) for word in sys.argv[1:])])
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


def _lent(wanted: frozenset[str], database: str | None, *, asked: bool) -> Postgres | None:
    """Give the database for the row workers; None: that row is left out."""
    if database is None:
        if asked and WORKERS in wanted:
            raise CommandError(f"the row {WORKERS} {NEEDS}", USAGE)
        if WORKERS in wanted:
            say(f"The row {WORKERS} is left out: it {NEEDS}")
        return None
    if WORKERS not in wanted:
        raise CommandError(f"--database is for the row {WORKERS}, which --rows leaves out", USAGE)
    try:
        address = Postgres(database)
    except ValueError as error:
        raise CommandError(f"--database: {error}", USAGE) from None
    refuse_unless_empty(address)
    return address


def _shown(word: str, database: str | None, lent: Postgres | None) -> str:
    """Give a word of the command line without a password."""
    return word if database is None else word.replace(database, str(lent))


async def _measure(
    wanted: frozenset[str],
    folder: Path,
    seconds: float,
    sizes: tuple[tuple[int, int], tuple[int, int]],
    lent: Postgres | None,
    *,
    quick: bool,
) -> list[Row]:
    """Measure the wanted rows, one after the other."""
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
            fleets=QUICK_FLEETS if quick else FLEETS,
        )
        measured = await _alone(plan, wanted)
        if lent is not None:
            say("workers …")
            measured += await workers(plan, lent)
    return sorted(measured, key=lambda row: rows.NAMES.index(row.row))


async def _alone(plan: Plan, wanted: frozenset[str]) -> list[Row]:
    """The rows of engines that have a file to themselves."""
    speed = Rates(0, 0)
    if wanted - FREE - {WORKERS}:
        say("finding out how fast this machine is …")
        speed = await rows.rates(plan)
    steps: Sequence[tuple[Sequence[str], Callable[[], Awaitable[list[Row]]]]] = (
        (("batches", "sustained"), lambda: rows.batches(plan, speed)),
        (("single",), lambda: rows.single(plan, speed)),
        (("latency",), lambda: rows.latency(plan)),
        (("rules",), lambda: rows.rules(plan, speed)),
        (("contacts",), lambda: rows.contacts(plan, speed)),
        (("lists",), lambda: lists(plan)),
        (("tracking",), lambda: tracking(plan, speed)),
        (("mails",), lambda: mails(plan)),
        (("isolation",), lambda: isolation(plan)),
        (("backlog", "memory", "drain"), lambda: backlog(plan)),
    )
    measured: list[Row] = []
    for names, measure in steps:
        if wanted.intersection(names):
            say(f"{', '.join(names)} …")
            measured += [row for row in await measure() if row.row in wanted]
    return measured
