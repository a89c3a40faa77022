"""The table and the JSON of a run: every row with its goal, and the machine that it was measured on."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from goniec.cli.bench.machine import Machine
from goniec.cli.bench.rows import Row
from goniec.cli.terminal import table


class Report(Struct, frozen=True, rename="camel"):
    """All of it, as it stands in the JSON."""

    command: str
    at: str
    machine: Machine
    rows: list[Row]


def shown(report: Report) -> str:
    """Write the table."""
    head = ("row", "figure", "goal", "", "ratio", "CPU/event", "peak", "loop")
    lines = table(head, [_cells(row) for row in report.rows])
    notes = [f"  {row.row:<10} {row.what}" for row in report.rows]
    machine = report.machine
    where = (
        f"{machine.cpu}, {machine.cores} cores, {machine.memory_gib:g} GiB, kernel {machine.kernel}, "
        f"{machine.filesystem}; Python {machine.python}, SQLite {machine.sqlite}, libcurl {machine.libcurl}, "
        f"Goniec {machine.goniec}"
    )
    return "\n".join([lines, "", *notes, "", where, *(_extras(report.rows))])


def save(report: Report, path: Path) -> None:
    """Write the JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def _cells(row: Row) -> Sequence[str]:
    return (
        row.row,
        f"{row.figure:,.0f} {row.unit}" if row.figure >= 100 else f"{row.figure:.1f} {row.unit}",  # noqa: PLR2004 - three digits say enough
        row.goal,
        "met" if row.met else "MISSED",
        "" if row.ratio is None else f"{row.ratio:.2f} × {row.ratio_to}",
        "" if row.cpu_micros is None else f"{row.cpu_micros:,.0f} µs",
        "" if row.peak_mib is None else f"{row.peak_mib} MiB",
        f"{row.loop_nanos:.0f} ns",
    )


def _extras(rows: Sequence[Row]) -> Sequence[str]:
    of_lists = [
        f"{row.row}: {name} p50 {one['p50']:g} ms, p95 {one['p95']:g} ms, p99 {one['p99']:g} ms, "
        f"slowest {one['max']:g} ms; {one['pages']:,} pages, {one['short']:,} of them short"
        for row in rows
        for name, one in row.detail.get("lists", {}).items()
    ]
    of_waits = [
        f"{row.row}: p50 {row.detail['p50']:g} ms, p99 {row.detail['p99']:g} ms, p99.9 {row.detail['p999']:g} ms, "
        f"slowest {row.detail['max']:g} ms"
        for row in rows
        if "p50" in row.detail
    ]
    of_records = [
        f"{row.row}: {row.detail['events']:,} were answered, and all recorded {row.detail['recordedSeconds']:g} s later"
        for row in rows
        if "recordedSeconds" in row.detail
    ]
    return [
        *of_lists,
        *(line for row in rows if "workers" in row.detail for line in _of_workers(row)),
        *of_waits,
        *of_records,
    ]


def _of_workers(row: Row) -> Iterator[str]:
    for count, turn in row.detail["workers"].items():
        for whence, one in turn.items():
            yield (
                f"{row.row}: {count} from {whence} {one['perSecond']:,}/s, {one['ratio']:g} × one; CPU"
                f" {one['cpuMicros']:,.0f} µs, {one['cpuRatio']:g} × one, {one['webMicros']:,.0f} of it the web's;"
                f" {_beside(one)}"
            )
    bare = row.detail["bare"]
    yield (
        f"{row.row}: the bare client {bare['perSecond']:,}/s, {bare['cpuMicros']:,.0f} µs; one worker from backlog"
        f" {bare['oneWorkerRatio']:g} × and {bare['oneWorkerCpuRatio']:g} × that; PostgreSQL {row.detail['postgres']}"
    )


def _beside(one: Mapping[str, Any]) -> str:
    """What the server took beside it."""
    server = one.get("postgresMicros")
    return "PostgreSQL is elsewhere" if server is None else f"PostgreSQL's beside it {server:,.0f} µs"
