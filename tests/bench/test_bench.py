"""`goniec bench` runs from end to end and tells every figure. How fast anything is, is not for tests to say."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from goniec.cli.bench import NEEDS, mix
from goniec.cli.bench.backlog import Place, wait
from goniec.cli.bench.dead import refusing
from goniec.cli.bench.history import Past, contact_id, fill
from goniec.cli.bench.processes import office
from goniec.cli.bench.rows import NAMES
from goniec.core.times import DAY, Millis
from goniec.ports import ContactFilter, DeliveryFilter, Page
from goniec.store.address import Postgres
from goniec.store.opening import schema_of
from goniec.store.sqlite import open_store
from tests.cli.commands import GONIEC, environment, goniec
from tests.postgres import database

START: Millis = 1_800_000_000_000


@pytest.mark.slow
def test_every_row_is_measured(tmp_path: Path) -> None:
    report = tmp_path / "figures.json"
    ran = measured(tmp_path, "--json", str(report))
    assert f"The row workers is left out: it {NEEDS}\n" in ran.stderr
    told = json.loads(report.read_text())
    assert told["machine"]["cores"] >= 1
    assert told["command"].startswith("goniec bench --quick")
    rows: dict[str, dict[str, Any]] = {row["row"]: row for row in told["rows"]}
    assert tuple(rows) == tuple(name for name in NAMES if name != "workers")
    for name, row in rows.items():
        assert row["figure"] > 0
        assert name == "lists" or row["cpuMicros"] > 0
        assert row["loopNanos"] > 0
        assert row["peakMib"] > 0
        assert isinstance(row["met"], bool)
        assert row["detail"]["events"] > 0
        assert f"{name} " in ran.stdout
    assert rows["sustained"]["ratioTo"] == "the bare client"
    assert rows["sustained"]["detail"]["bare"]["perSecond"] > 0
    assert 0 < rows["latency"]["detail"]["p50"] <= rows["latency"]["detail"]["p99"] <= rows["latency"]["detail"]["max"]
    assert rows["rules"]["ratio"] > 0
    assert rows["contacts"]["ratio"] > 0
    for name in ("tracking", "isolation", "backlog", "drain"):
        assert 0 < rows[name]["detail"]["p50"] <= rows[name]["detail"]["p99"]
    assert rows["memory"]["figure"] == rows["memory"]["peakMib"]
    assert rows["drain"]["detail"]["disorder"] == 0
    assert rows["drain"]["detail"]["capped"] > 1
    assert 0 < rows["drain"]["ratio"] < 2
    assert rows["tracking"]["detail"]["recordedSeconds"] >= 0
    assert rows["mails"]["ratioTo"] == "the bare client"
    assert rows["mails"]["detail"]["bare"]["perSecond"] > 0
    for one in rows["lists"]["detail"]["lists"].values():
        assert 0 < one["p50"] <= one["p95"] <= one["p99"] <= one["max"]
        assert one["pages"] > 0
    assert [path.name for path in tmp_path.iterdir()] == [report.name]


@pytest.mark.slow
async def test_several_workers_are_measured(tmp_path: Path) -> None:
    report = tmp_path / "figures.json"
    async with database(empty=True) as address:
        # a server that asks for no password is not told it
        lent = address.replace("//postgres@", "//postgres:hunter2@")
        ran = measured(tmp_path, "--rows", "workers", "--database", lent, "--json", str(report))
        assert schema_of(Postgres(address)) == (True, None), "it is as empty as it was"
    assert "hunter2" not in report.read_text() + ran.stdout + ran.stderr
    told = json.loads(report.read_text())
    assert f"--database {address}" in told["command"]
    (row,) = told["rows"]
    assert min(row["figure"], row["ratio"], row["cpuMicros"], row["peakMib"], row["loopNanos"]) > 0
    assert (row["met"], row["detail"]["disorder"], row["detail"]["twice"]) == (True, 0, 0)
    assert list(row["detail"]["workers"]) == ["1", "2"]
    for turn in row["detail"]["workers"].values():
        assert list(turn) == ["backlog", "requests"]
        for one in turn.values():
            assert min(one["events"], one["ratio"], one["cpuRatio"], one["workerMicros"], one["postgresMicros"]) > 0
    assert [turn["ratio"] for turn in row["detail"]["workers"]["1"].values()] == [1, 1]
    assert row["detail"]["bare"]["oneWorkerRatio"] > 0
    assert ran.stdout.count("workers: ") == 5
    assert [path.name for path in tmp_path.iterdir()] == [report.name]


async def test_the_mail_server_of_the_bench_takes_commands_that_come_together() -> None:
    async with office() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.smtp)
        both = b"MAIL FROM:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n"
        mail = b"Subject: x\r\n\r\nx\r\n.\r\n"
        for part in (b"EHLO x\r\n" + both + mail + both + mail[:-3], mail[-3:] + b"QUIT\r\n"):
            writer.write(part)
            await writer.drain()
        said = [line[:3] for line in (await reader.read()).splitlines() if line[3:4] == b" "]
        assert said == [b"220", *[b"250"] * 3, b"354", *[b"250"] * 3, b"354", b"250", b"221"]
        assert await server.count() == 2
        writer.close()
        await writer.wait_closed()


def measured(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        [*GONIEC, "bench", "--quick", "--folder", str(folder), *arguments],
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert (ran.returncode, "Traceback" in ran.stderr) == (0, False), ran.stderr
    return ran


def test_a_row_that_there_is_not(tmp_path: Path) -> None:
    ran = goniec(tmp_path, "bench", "--rows", "batches,speed")
    assert ran.returncode == 2
    assert ran.stderr == f"goniec: speed: no such row; there are {', '.join(NAMES)}\n"


def test_the_row_of_workers_needs_a_database(tmp_path: Path) -> None:
    ran = goniec(tmp_path, "bench", "--rows", "workers")
    assert (ran.returncode, ran.stderr) == (2, f"goniec: the row workers {NEEDS}\n")


def test_a_database_that_no_row_needs(tmp_path: Path) -> None:
    ran = goniec(tmp_path, "bench", "--rows", "lists", "--database", "postgresql://bench@127.0.0.1:9/b")
    assert (ran.returncode, ran.stderr) == (
        2,
        "goniec: --database is for the row workers, which --rows leaves out\n",
    )


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite:///goniec.db", "a URL that begins with postgresql:// is expected"),
        ("postgresql://u:hunter2@h/", "the database's name is missing at the end"),
    ],
)
def test_what_is_no_database_on_postgresql(tmp_path: Path, url: str, reason: str) -> None:
    ran = goniec(tmp_path, "bench", "--rows", "workers", "--database", url)
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"goniec: --database: {reason}")
    assert "hunter2" not in ran.stderr


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with refusing() as nobody:
        url = f"postgresql://bench:hunter2@127.0.0.1:{nobody.port}/b"
        ran = goniec(tmp_path, "bench", "--rows", "workers", "--database", url)
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"goniec: postgresql://bench@127.0.0.1:{nobody.port}/b: ")


async def test_a_database_that_has_something_in_it_is_left_alone(tmp_path: Path) -> None:
    async with database() as ours, database(empty=True) as theirs:
        db = await asyncpg.connect(theirs)
        await db.execute("CREATE TABLE orders (id int); INSERT INTO orders VALUES (7)")
        for url, what in ((ours, "the tables of a Goniec"), (theirs, "orders")):
            ran = goniec(tmp_path, "bench", "--quick", "--rows", "workers", "--database", url)
            assert ran.returncode == 1
            assert f"{url} is not empty, it has {what}: " in ran.stderr
            assert "workers" in ran.stderr
        assert await db.fetchval("SELECT id FROM orders") == 7
        await db.close()
        assert schema_of(Postgres(ours)) != (True, None)


async def test_a_past_is_one_that_an_engine_could_have_written(tmp_path: Path) -> None:
    past = Past(contacts=70, events=500, start=START, rate=10, seconds=20, quiet=3)
    store = open_store(tmp_path / "goniec.db", server=False)
    await store.close()
    fill(tmp_path / "goniec.db", past)
    store = open_store(tmp_path / "goniec.db", server=False)
    try:
        queries = store.queries
        assert await store.integrity() == []
        assert await queries.totals() == await queries.recount()
        contact = (await queries.contacts(ContactFilter(email="k000000042@bench.example"), Page()))[0]
        chain = [event async for event, _, _, _ in queries.timeline(contact.id)]
        assert [event.seq for event in chain] == [*range(contact.seq, 0, -1)]
        due = await store.transact(lambda tx: tx.prune(START - 90 * DAY + 10_000, START - 30 * DAY, 0, 10_000))
        assert (due.events, due.deliveries, due.keys) == (100, 100, 0)
        assert await queries.totals() == await queries.recount()
    finally:
        await store.close()


async def test_a_backlog_is_one_that_an_outage_could_have_left(tmp_path: Path) -> None:
    past = Past(contacts=70, events=900, start=START, rate=10, seconds=20, quiet=1_000)
    store = open_store(tmp_path / "goniec.db", server=False)
    await store.close()
    fill(tmp_path / "goniec.db", past)
    places = [Place("rul_1", "end_1"), Place("rul_1", "end_1"), Place("rul_2", "end_2")]
    wait(tmp_path / "goniec.db", past, 600, places)
    store = open_store(tmp_path / "goniec.db", server=False)
    try:
        queries = store.queries
        assert await store.integrity() == []
        assert await queries.totals() == await queries.recount()
        kept = [one for one in await queries.balances("endpoint") if one.subject in {"end_1", "end_2"}]
        assert [(one.made, one.pending) for one in kept] == [(400, 400), (200, 200)]
        assert set(kept) <= set(await queries.recount_balances("endpoint"))
        assert {one.endpoint_id: one.pending for one in await queries.queues(START)} == {"end_1": 400, "end_2": 200}
        due = await queries.due("end_1", START, 1_000)
        assert len(due) == len({one.contact_id for one in due}) == 70
    finally:
        await store.close()


async def test_a_mixed_past_is_one_too(tmp_path: Path) -> None:
    past = Past(contacts=500, events=4_000, start=START, rate=1, seconds=1, mixed=True)
    store = open_store(tmp_path / "goniec.db", server=False)
    await store.close()
    fill(tmp_path / "goniec.db", past)
    store = open_store(tmp_path / "goniec.db", server=False)
    try:
        queries = store.queries
        assert await store.integrity() == []
        totals = await queries.totals()
        assert totals == await queries.recount()
        (everything,) = await queries.sums("", None, 0, 2 * START, 2 * START)
        assert (everything.events, everything.made, everything.attempts) == (
            totals["events"],
            totals["made"],
            totals["attempts"],
        )
        assert everything.delivered == totals["deliveries.delivered"]
        assert everything.failed == totals["deliveries.failed"] > 0
        for number, events in ((500, 16), (250, 0), (1, 8)):
            contact = await queries.contact(contact_id(number))
            assert contact is not None
            chain = [event async for event, _, _, _ in queries.timeline(contact.id)]
            assert [event.seq for event in chain] == [*range(contact.seq, 0, -1)]
            assert contact.seq == events
        one = DeliveryFilter(failure=mix.ONCE)
        assert [found.failure for found in await queries.deliveries(one, Page())] == [mix.ONCE]
        assert len(await queries.contacts(ContactFilter(state="PARTNER"), Page())) == 1
    finally:
        await store.close()
