"""`goniec bench` runs from end to end and tells every figure. How fast anything is, is not for tests to say."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from goniec.cli.bench import mix
from goniec.cli.bench.backlog import Place, wait
from goniec.cli.bench.history import Past, contact_id, fill
from goniec.cli.bench.rows import NAMES
from goniec.core.times import DAY, Millis
from goniec.ports import ContactFilter, DeliveryFilter, Page
from goniec.store.sqlite import open_store
from tests.cli.commands import GONIEC, environment, goniec

START: Millis = 1_800_000_000_000


@pytest.mark.slow
def test_every_row_is_measured(tmp_path: Path) -> None:
    report = tmp_path / "figures.json"
    ran = subprocess.run(
        [*GONIEC, "bench", "--quick", "--folder", str(tmp_path), "--json", str(report)],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert (ran.returncode, "Traceback" in ran.stderr) == (0, False), ran.stderr
    told = json.loads(report.read_text())
    assert told["machine"]["cores"] >= 1
    assert told["command"].startswith("goniec bench --quick")
    rows: dict[str, dict[str, Any]] = {row["row"]: row for row in told["rows"]}
    assert tuple(rows) == NAMES
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
    for name in ("isolation", "backlog", "drain"):
        assert 0 < rows[name]["detail"]["p50"] <= rows[name]["detail"]["p99"]
    assert rows["memory"]["figure"] == rows["memory"]["peakMib"]
    assert rows["drain"]["detail"]["disorder"] == 0
    assert rows["drain"]["detail"]["capped"] > 1
    assert 0 < rows["drain"]["ratio"] < 2
    for one in rows["lists"]["detail"]["lists"].values():
        assert 0 < one["p50"] <= one["p95"] <= one["p99"] <= one["max"]
        assert one["pages"] > 0
    assert [path.name for path in tmp_path.iterdir()] == [report.name]


def test_a_row_that_there_is_not(tmp_path: Path) -> None:
    ran = goniec(tmp_path, "bench", "--rows", "batches,speed")
    assert ran.returncode == 2
    assert ran.stderr == f"goniec: speed: no such row; there are {', '.join(NAMES)}\n"


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
