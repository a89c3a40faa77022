"""The processes of a measurement: the engine, the sink and the bare client, each with what it has cost so far.

The engine is `goniec serve` itself, on a database and settings of its own. Its CPU time is that of its process alone:
neither the client nor the sink are in it.
"""

import asyncio
import os
import sys
from array import array
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from goniec.cli.bench.bare import Bare
from goniec.cli.bench.history import DEDUP_DAYS, RETENTION_DAYS
from goniec.cli.bench.load import ask
from goniec.cli.terminal import CommandError
from goniec.settings import PREFIX
from goniec.store.sqlite.connect import reader

DATABASE: Final = "goniec.db"
LOG: Final = "serve.log"
SETTINGS: Final = {
    "port": "0",
    "allow_networks": "127.0.0.0/8",
    "retention_days": str(RETENTION_DAYS),
    "dedup_days": str(DEDUP_DAYS),
    "log_format": "json",
    "log_level": "info",
}
PATIENCE_SECONDS: Final = 120.0
"""How long the engine may take to start and to stop: it may have a large log to move."""

LOOK_SECONDS: Final = 0.02

_NONE: Final[Mapping[str, str]] = {}

_DISORDER: Final = """
SELECT count(*) FROM (
    SELECT delivered_at, lag(id) OVER earlier AS before, lag(delivered_at) OVER earlier AS before_at
    FROM deliveries WHERE endpoint_id = ? WINDOW earlier AS (PARTITION BY contact_id ORDER BY id)
) WHERE delivered_at IS NOT NULL AND before IS NOT NULL AND (before_at IS NULL OR before_at > delivered_at)
"""

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Sink:
    """A sink that runs."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def count(self) -> int:
        """How many webhooks it has answered since it was started."""
        return int(await ask(self.port, "/count"))

    async def times(self) -> "array[int]":
        """What came since it was last asked: numbers of contacts and arrivals in turn, as `sink.Seen` keeps them."""
        told = array("q")
        told.frombytes(await ask(self.port, "/times"))
        return told


class Office(Sink):
    """A mail server that runs; it counts mails."""

    def __init__(self, smtp: int, port: int) -> None:
        super().__init__(port)
        self.smtp = smtp


class Used(Struct, frozen=True):
    """What the engine has used and done up to a moment: seconds of CPU in user and system mode, events deleted."""

    cpu: float
    deleted: int


class Serving:
    """A `goniec serve` that runs, seen from outside."""

    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port

    def cpu(self) -> float:
        """Seconds of CPU that it has used so far, in user and system mode."""
        return cpu_seconds(self.pid)

    def peak(self) -> int:
        """The most memory that it has had resident, in MiB, rounded up."""
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(-(-int(line.split()[1]) // 1024) for line in lines if line.startswith("VmHWM"))


class Engine(Serving):
    """One that has a file to itself, which may be looked into."""

    def __init__(self, pid: int, port: int, folder: Path) -> None:
        super().__init__(pid, port)
        self._db = reader(folder / DATABASE)

    def used(self) -> Used:
        """Take the figures that a measurement is the difference of."""
        return Used(self.cpu(), self.totals().get("pruned.events", 0))

    def totals(self) -> dict[str, int]:
        """The ledger as it stands on disk, with what retention took away; asking costs the engine nothing."""
        return dict(self._db.execute("SELECT name, value FROM totals"))

    def disorder(self, endpoint_id: str) -> int:
        """How many of an endpoint's deliveries arrived before an earlier one of their contact."""
        found: int = self._db.execute(_DISORDER, (endpoint_id,)).get
        return found

    def close(self) -> None:
        """Stop looking into its database."""
        self._db.close()


@asynccontextmanager
async def sink(port: int = 0) -> AsyncIterator[Sink]:
    """Run a sink, on a free port if none is given."""
    process = await asyncio.create_subprocess_exec(*_python("sink"), str(port), stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        yield Sink(int(await process.stdout.readline()))
    finally:
        await process.communicate(b"")


@asynccontextmanager
async def office() -> AsyncIterator[Office]:
    """Run a mail server."""
    process = await asyncio.create_subprocess_exec(*_python("office"), stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        smtp, port = (await process.stdout.readline()).split()
        yield Office(int(smtp), int(port))
    finally:
        await process.communicate(b"")


@asynccontextmanager
async def engine(folder: Path, settings: Mapping[str, str] = _NONE) -> AsyncIterator[Engine]:
    """Run an engine in a folder that holds its database, with these settings beside the usual ones."""
    async with serving(folder, settings) as process:
        running = Engine(process.pid, process.port, folder)
        try:
            yield running
        finally:
            running.close()


@asynccontextmanager
async def serving(folder: Path, settings: Mapping[str, str] = _NONE, log: str = LOG) -> AsyncIterator[Serving]:
    """Run `goniec serve` in a folder, with these settings beside the usual ones; what it logs goes to a file there."""
    with (folder / log).open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "goniec", "serve", cwd=folder, env=_environment(settings), stdin=DEVNULL, stderr=file
        )
    try:
        yield Serving(process.pid, await _port(process, folder / log))
    finally:
        await _stop(process)


async def bare(port: int, seconds: float, room: str = "bare") -> Bare:
    """Measure a client library alone, in a process of its own, whose room this is."""
    process = await asyncio.create_subprocess_exec(*_python(room), str(port), str(seconds), stdout=PIPE)
    told, _ = await process.communicate()
    if process.returncode:
        raise CommandError("the bare client could not send; its traceback stands above")
    return msgspec.json.decode(told, type=Bare)


def _python(room: str) -> tuple[str, ...]:
    """The command that runs one of the rooms beside this one."""
    return sys.executable, "-c", f"from goniec.cli.bench.{room} import main; main()"


def cpu_seconds(pid: int, *, children: bool = False) -> float:
    """Give the CPU that a process has used, with that of its children that have ended if wanted."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if children else 13])) / _TICKS


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the user's own settings: a figure is of what is measured."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return others | {PREFIX + name.upper(): value for name, value in {**SETTINGS, **settings}.items()}


async def _port(process: Process, log: Path) -> int:
    """Wait until the engine says that it is ready."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while process.returncode is None:
            if (port := _told(log)) is not None:
                return port
            await asyncio.sleep(LOOK_SECONDS)
    raise CommandError(f"the engine did not start:\n{_said(log)}")


def _told(log: Path) -> int | None:
    """The port, once the log names it."""
    for line in log.read_bytes().splitlines():
        if b'"ready"' in line:
            return int(msgspec.json.decode(line)["url"].rpartition(":")[2])
    return None


def _said(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


async def _stop(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
