"""What waits for one endpoint costs the others nothing: every statement of theirs does as much work as without it.

Work is counted in steps of SQLite's machine, which are the same on every computer.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from goniec.cli.bench.backlog import Place, wait
from goniec.cli.bench.history import Past, fill
from goniec.flow.claim import EVER
from goniec.store.sqlite import open_store
from tests.contract.store.backlog import DEAD, life
from tests.contract.store.scribe import NOW

WAITING = 30_000


@pytest.fixture
def steps() -> Iterator[Counter[str]]:
    """The steps of each statement, on every connection that is opened from now on."""
    counted: Counter[str] = Counter()

    def count(told: dict[str, Any]) -> None:
        counted[told["sql"]] += told["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"]

    def watch(db: apsw.Connection) -> None:
        db.trace_v2(apsw.SQLITE_TRACE_PROFILE, count)

    apsw.connection_hooks.append(watch)
    yield counted
    apsw.connection_hooks.remove(watch)


async def test_a60_what_waits_for_a_dead_endpoint_makes_no_work_for_the_others(
    tmp_path: Path, steps: Counter[str]
) -> None:
    work = []
    for waiting in (0, WAITING):
        folder = tmp_path / str(waiting)
        folder.mkdir()
        path = folder / "goniec.db"
        await open_store(path, server=False).close()
        past = Past(contacts=1_000, events=WAITING + 10, start=NOW - 1, rate=1, seconds=1, quiet=2 * WAITING)
        fill(path, past)
        wait(path, past, waiting, [Place("rul_dead", DEAD)])
        store = open_store(path, server=False)
        try:
            steps.clear()
            await life(store)
            work.append(steps.total())
            assert steps.total() > 1_000
            if waiting:
                assert len(await store.queries.due(DEAD, EVER, WAITING)) == past.contacts
        finally:
            await store.close()
    idle, full = work
    assert full <= 1.1 * idle, (idle, full)


async def test_how_long_the_queues_are_is_known_without_counting_them(tmp_path: Path, steps: Counter[str]) -> None:
    path = tmp_path / "goniec.db"
    await open_store(path, server=False).close()
    past = Past(contacts=1_000, events=WAITING + 10, start=NOW - 1, rate=1, seconds=1, quiet=2 * WAITING)
    fill(path, past)
    wait(path, past, WAITING, [Place("rul_dead", DEAD)])
    store = open_store(path, server=False)
    try:
        steps.clear()
        (found,) = await store.queries.queues(NOW + 10**9, [DEAD])
        assert found.pending == WAITING
        assert steps.total() < WAITING
    finally:
        await store.close()
