"""The disk of PostgreSQL fills up under load: the one that has its tables, or the one that has its log.

Without room for its tables it refuses what needs more, and goes on. Without room for its log it dies on the spot, comes
up again if it can, and else waits for somebody who makes room and starts it. Mounting a small disk wants root;
without it the database has a rule that refuses to write, by the code of a full disk, or the server is killed.
"""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import asyncpg
import pytest

from tests.e2e.engine import eventually, until
from tests.faults.disk import SmallDisk, mounted
from tests.faults.lives import KEY, Lives, lives, survived
from tests.faults.test_full_disk import JSON, large
from tests.postgres import PostgresServer

TABLES_MIB: Final = 48
LOG_MIB: Final = 24
LEAST: Final = 20
FAT: Final = 20_000
"""What fits into pages that are there already is recorded even on a full disk."""

REFUSE: Final = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'there is no room' USING ERRCODE = 'disk_full';
END $$;
"""
REFUSING: Final = "CREATE TRIGGER refuse BEFORE INSERT ON {} EXECUTE FUNCTION refuse()"
REFUSED: Final = ("events", "marks")


class Disk(NamedTuple):
    """A database whose disk can be filled up; `free` makes room, and sees that the server runs."""

    url: str
    fill: Callable[[], Awaitable[None]]
    free: Callable[[], Awaitable[None]]


@contextmanager
def small(size: int) -> Iterator[tuple[Path, SmallDisk | None]]:
    """A place that the server can get at, and the small disk there, if it can be had."""
    place = Path(tempfile.mkdtemp(prefix="goniec-disk-"))
    try:
        with mounted(place, size) as had:
            yield place, SmallDisk(place) if had else None
    finally:
        shutil.rmtree(place)


@asynccontextmanager
async def under_the_tables() -> AsyncIterator[Disk]:
    with small(TABLES_MIB) as (place, disk):
        server = PostgresServer(durable=True)
        try:
            await asyncio.to_thread(server.start)
            url = await server.make()
            if disk is None:
                refusing = [REFUSE, *(REFUSING.format(table) for table in REFUSED)]
                yield Disk(url, lambda: tell(url, *refusing), lambda: tell(url, "DROP FUNCTION refuse() CASCADE"))
                return
            tables = place / "tables"
            tables.mkdir()
            server.own(tables)
            place.chmod(0o711)
            await tell(server.url(), f"CREATE TABLESPACE small LOCATION '{tables}'")
            await tell(server.url(), f"ALTER DATABASE {url.rpartition('/')[2]} SET TABLESPACE small")
            yield Disk(url, lambda: asyncio.to_thread(disk.fill), lambda: asyncio.to_thread(disk.free))
        finally:
            server.close()


@asynccontextmanager
async def under_the_log() -> AsyncIterator[Disk]:
    with small(LOG_MIB) as (place, disk):
        log = place / "log"
        log.mkdir()
        place.chmod(0o711)
        server = PostgresServer(durable=True, log=log, segment=1, min_wal_size="2MB", max_wal_size="8MB")

        async def fill() -> None:
            await asyncio.to_thread(server.kill if disk is None else disk.fill)

        async def free() -> None:
            if disk is not None:
                await asyncio.to_thread(disk.free)
            if not server.alive:
                await asyncio.to_thread(server.start)

        try:
            await asyncio.to_thread(server.start)
            yield Disk(await server.make(), fill, free)
        finally:
            server.close()


async def tell(url: str, *statements: str) -> None:
    db = await asyncpg.connect(url)
    try:
        for sql in statements:
            await db.execute(sql)
    finally:
        await db.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (under_the_tables, ("the database server's disk is full (53100)",)),
        (under_the_log, ("disk is full", "crashed", "starting or stopping", "nothing listens", "is lost")),
    ],
    ids=["tables", "log"],
)
async def test_a_full_disk_turns_events_away_and_loses_nothing(
    tmp_path: Path, kind: Callable[[], AbstractAsyncContextManager[Disk]], words: tuple[str, ...]
) -> None:
    async with kind() as disk, lives(tmp_path, 151, database=disk.url, secret_key=KEY) as (one, town):
        await one.load.go()
        await one.load.meanwhile(until(lambda: len(one.load.account.recorded) > 10, "events are recorded"))
        one.load.fat = FAT
        await disk.fill()
        await refused(one, words)
        await disk.free()
        one.load.fat = 0
        await ready(one, 200)
        await survived(one, town, LEAST, killed=False)
        assert not [line for line in one.engine.log() if line.get("level") == "error"]
        assert await one.engine.stop() == 0


async def refused(one: Lives, words: tuple[str, ...]) -> None:
    """Everybody is told what is wrong, and that nothing was written."""
    await one.load.meanwhile(until(lambda: one.load.account.refused > 5, "events are turned away"))
    await ready(one, 503)
    answer = await one.engine.ask("POST", "/events", 503, content=json.dumps(large()), headers=JSON)
    assert int(answer.headers["retry-after"]) > 0
    assert any(word in answer.json()["detail"] for word in words), answer.json()
    reasons = [line["reason"] for line in one.engine.log() if line.get("event") == "store.unavailable"]
    assert any(word in reason for word in words for reason in reasons), reasons


async def ready(one: Lives, status: int) -> None:
    async def so() -> bool:
        return (await one.engine.http.get(f"{one.engine.url}/readyz")).status_code == status

    await one.load.meanwhile(eventually(so, f"/readyz answers {status}"))
