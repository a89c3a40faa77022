"""Sums by the hour: each thing counts once, in the hour in which it happened, for everything that it belongs to."""

import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from goniec.core.model import Outcome, Status
from goniec.ports import Changes, Store, Subject, Sum, Tx
from tests.contract.store.conftest import BACKENDS
from tests.contract.store.scribe import DAY, ENDPOINT, NOW, RULE, Scribe, failed, succeeded

HOUR = 3_600_000
START = NOW // HOUR * HOUR
END = START + 100 * DAY
KINDS: tuple[Subject, ...] = ("", "rule", "endpoint")


async def whole(store: Store, kind: Subject = "", subject: str = "") -> dict[str, int]:
    """All that was counted for a subject, without what is nothing."""
    found = await store.queries.sums(kind, [subject], 0, END, END)
    assert len(found) <= 1
    return {
        name: n for one in found for name in Sum.__struct_fields__[2:] if (n := getattr(one, name)) or name == "events"
    }


async def test_nothing_happened(store: Store) -> None:
    for kind in (*KINDS, "wait"):
        assert await store.queries.sums(kind, None, 0, END, HOUR) == []
        assert await store.queries.sums(kind, [], 0, END, HOUR) == []
        assert await store.queries.sums(kind, ["x"], END, 0, HOUR) == []


async def test_what_is_recorded_counts_where_it_belongs(store: Store, scribe: Scribe) -> None:
    await scribe.save(scribe.sent(scribe.event("c1"), ["end_1", "end_2"]), scribe.sent(scribe.event("c2")))
    await scribe.save(scribe.sent(scribe.event("c1"), ["end_2"], rule_id="rul_2"), Changes(events=[scribe.event("c1")]))
    assert await whole(store) == {"events": 4, "runs": 3, "made": 4}
    assert await whole(store, "rule", RULE) == {"events": 0, "runs": 2, "made": 3}
    assert await whole(store, "rule", "rul_2") == {"events": 0, "runs": 1, "made": 1}
    assert await whole(store, "endpoint", ENDPOINT) == {"events": 0, "made": 2}
    assert await whole(store, "endpoint", "end_2") == {"events": 0, "made": 2}
    assert await whole(store, "rule", "rul_3") == {}


async def test_only_runs_that_did_something_count(store: Store, scribe: Scribe) -> None:
    for outcome in Outcome:
        part = scribe.sent(scribe.event("c1"))
        await scribe.save(Changes(events=part.events, runs=[replace(part.runs[0], outcome=outcome)]))
    assert await whole(store) == {"events": len(Outcome), "runs": 2}
    assert await whole(store, "rule", RULE) == {"events": 0, "runs": 2}


async def test_attempts_count_when_they_are_made_and_ends_when_they_come(store: Store, scribe: Scribe) -> None:
    one, two = await scribe.deliver("c1", ["end_1", "end_2"])
    await scribe.finish(failed(one, NOW, due_at=NOW + HOUR), succeeded(two, NOW + 20))
    found = (await store.queries.delivery(one.id) or pytest.fail("it is there"))[0]
    await scribe.finish(failed(found, NOW + HOUR))
    expected = {"made": 2, "delivered": 1, "attempts": 2, "failed_attempts": 1, "waited": 27}
    then, later = await store.queries.sums("", None, START, START + DAY, HOUR)
    assert then == Sum("", START, events=1, runs=1, **expected)
    assert later == Sum("", START + HOUR, failed=1, attempts=1, failed_attempts=1)
    assert await whole(store, "endpoint", "end_1") == {
        "events": 0,
        "made": 1,
        "failed": 1,
        "attempts": 2,
        "failed_attempts": 2,
    }
    assert await whole(store, "endpoint", "end_2") == {
        "events": 0,
        "made": 1,
        "delivered": 1,
        "attempts": 1,
        "waited": 27,
    }
    assert await whole(store, "rule", RULE) == {
        "events": 0,
        "runs": 1,
        "made": 2,
        "delivered": 1,
        "failed": 1,
        "waited": 27,
    }


async def test_one_that_is_sent_again_counts_where_it_ends(store: Store, scribe: Scribe) -> None:
    (one,) = await scribe.deliver("c1")
    await scribe.finish(failed(one))
    again = await store.transact(lambda tx: tx.requeue(one.id, NOW))
    assert again is not None
    assert await whole(store) == {"events": 1, "runs": 1, "made": 1, "failed": 1, "attempts": 1, "failed_attempts": 1}
    (arrived,) = await scribe.finish(succeeded(again, NOW + 10))
    counted = await whole(store)
    assert (counted["made"], counted["failed"], counted["delivered"], counted["attempts"]) == (1, 1, 1, 2)
    # it has arrived already: what becomes of it now is only attempts
    again = await store.transact(lambda tx: tx.requeue(arrived.id, NOW))
    assert again is not None
    await scribe.finish(succeeded(again, NOW + 30))
    assert await whole(store) == counted | {"attempts": 3}


async def test_one_that_is_called_off_counts(store: Store, scribe: Scribe) -> None:
    (one,) = await scribe.deliver("c1")
    await store.transact(lambda tx: tx.cancel(one.id, NOW))
    await store.transact(lambda tx: tx.cancel(one.id, NOW))
    assert await whole(store, "endpoint", ENDPOINT) == {"events": 0, "made": 1, "cancelled": 1}
    await scribe.deliver("c1")
    await store.transact(lambda tx: tx.erase("c1", NOW))
    assert await whole(store, "endpoint", ENDPOINT) == {"events": 0, "made": 2, "cancelled": 2}


async def test_test_sends_are_nobodys_statistics(store: Store, scribe: Scribe) -> None:
    lone = scribe.sent(scribe.event("c1"), status=Status.HELD, due_at=None, test=True).deliveries
    await scribe.save(Changes(deliveries=lone))
    await scribe.finish(succeeded(lone[0]))
    for kind in (*KINDS, "wait"):
        assert await store.queries.sums(kind, None, 0, END, HOUR) == []


async def test_how_long_arriving_took(store: Store, scribe: Scribe) -> None:
    waits = (0, 1, 2, 14, 15, 16, 100, 5_000, 3_000_000, 10 * DAY)
    for wait in waits:
        (one,) = await scribe.deliver("c1")
        await scribe.finish(succeeded(one, NOW + wait, millis=0))
    found = await store.queries.sums("wait", None, 0, END, END)
    within = {int(one.subject): one.delivered for one in found}
    assert list(within) == sorted(within)
    assert (within[1], within[2], within[15], within[20], within[100]) == (2, 1, 2, 1, 1)
    assert sum(within.values()) == len(waits)


class TestSteps:
    @pytest.fixture(autouse=True)
    async def past(self, scribe: Scribe) -> None:
        """An event with a delivery every half hour, by two rules in turn, from half past on."""
        for n in range(20):
            scribe.now = START + HOUR // 2 + n * HOUR // 2
            await scribe.save(scribe.sent(scribe.event("c1"), [f"end_{n % 2}"], rule_id=f"rul_{n % 2}"))

    async def counts(self, store: Store, *asked: Any) -> list[tuple[str, int, int]]:
        return [(one.subject, (one.at - START) // HOUR, one.made) for one in await store.queries.sums(*asked)]

    async def test_hours(self, store: Store) -> None:
        found = await self.counts(store, "", None, START, START + DAY, HOUR)
        assert found == [("", 0, 1), *(("", n, 2) for n in range(1, 10)), ("", 10, 1)]

    async def test_longer_steps(self, store: Store) -> None:
        found = await self.counts(store, "", None, START, START + DAY, 4 * HOUR)
        assert found == [("", 0, 7), ("", 4, 8), ("", 8, 5)]

    async def test_hours_that_are_cut_count_whole(self, store: Store) -> None:
        cut = 2 * HOUR + HOUR // 3
        found = await store.queries.sums("", None, START + cut, START + cut + 2 * HOUR, HOUR)
        assert [(one.at - START - cut, one.made) for one in found] == [(0, 4), (HOUR, 2)]

    @pytest.mark.parametrize("ids", [None, ["rul_0", "rul_1"]])
    async def test_all_subjects_at_once(self, store: Store, ids: list[str] | None) -> None:
        found = await self.counts(store, "rule", ids, START, START + DAY, DAY)
        assert found == [("rul_0", 0, 10), ("rul_1", 0, 10)]

    async def test_some_subjects(self, store: Store) -> None:
        for ids in (["rul_1", "rul_7"], ["rul_1", *map(str, range(2_000))]):
            found = await self.counts(store, "rule", ids, START, START + DAY, 6 * HOUR)
            assert found == [("rul_1", 0, 5), ("rul_1", 6, 5)]

    async def test_they_outlive_the_events(self, store: Store) -> None:
        await store.transact(lambda tx: tx.prune(END, END, END, 1_000))
        assert (await whole(store))["events"] == 20

    async def test_they_are_pruned_by_their_own_time(self, store: Store) -> None:
        bites = 1
        while (await store.transact(lambda tx: tx.prune(0, 0, 0, 7, START + 4 * HOUR))).more:
            bites += 1
        assert bites > 1
        for kind in KINDS:
            found = await self.counts(store, kind, None, 0, END, HOUR)
            assert min(at for _, at, _ in found) == 4
            assert sum(n for *_, n in found) == 13


@settings(max_examples=30)
@given(steps=st.lists(st.integers(0, 6), min_size=5, max_size=30), backend=st.sampled_from(sorted(BACKENDS)))
async def test_they_add_up_whatever_happens(steps: list[int], backend: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with BACKENDS[backend](Path(folder)) as store:
            expected = await _live(store, steps)
            for kind in KINDS:
                found = await store.queries.sums(kind, None, 0, END, HOUR)
                for name in ("made", "delivered", "failed", "cancelled"):
                    total = Counter[tuple[str, int]]()
                    for one in found:
                        total[one.subject, one.at // HOUR] += getattr(one, name)
                    assert +total == expected[kind, name], (kind, name)
            totals = await store.queries.totals()
            (everything,) = await store.queries.sums("", None, 0, END, END)
            assert (everything.events, everything.runs) == (totals["events"], totals["runs"])
            assert (everything.made, everything.attempts) == (totals["made"], totals["attempts"])
            waits = await store.queries.sums("wait", None, 0, END, END)
            assert sum(one.delivered for one in waits) == everything.delivered


async def _live(store: Store, steps: list[int]) -> dict[tuple[Subject, str], Counter[tuple[str, int]]]:
    """A life in which each delivery ends at most once; gives what has to be counted."""
    scribe, chance = Scribe(store), random.Random(len(steps))
    expected: dict[tuple[Subject, str], Counter[tuple[str, int]]] = {
        (kind, name): Counter() for kind in KINDS for name in ("made", "delivered", "failed", "cancelled")
    }

    def count(name: str, delivery: Any, at: int) -> None:
        expected["", name]["", at // HOUR] += 1
        expected["rule", name][delivery.rule_id, at // HOUR] += 1
        expected["endpoint", name][delivery.endpoint_id, at // HOUR] += 1

    waiting: list[str] = []
    for step in steps:
        scribe.now += chance.randint(1, HOUR)
        if step < 3 or not waiting:
            for one in await scribe.deliver(f"c{step}", [f"end_{n}" for n in range(step + 1)], rule_id=f"rul_{step}"):
                count("made", one, scribe.now)
                waiting.append(one.id)
            continue
        found = await store.queries.delivery(waiting.pop(chance.randrange(len(waiting))))
        assert found is not None
        one = found[0]
        match step:
            case 3:
                await scribe.finish(failed(one, scribe.now, due_at=scribe.now + 1))
                waiting.append(one.id)
            case 4:
                await scribe.finish(succeeded(one, scribe.now))
                count("delivered", one, scribe.now + 7)
            case 5:
                await scribe.finish(failed(one, scribe.now))
                count("failed", one, scribe.now + 7)
            case _:
                await store.transact(_cancelling(one.id, scribe.now))
                count("cancelled", one, scribe.now)
    return expected


def _cancelling(delivery_id: str, now: int) -> Any:
    async def work(tx: Tx) -> None:
        await tx.cancel(delivery_id, now)

    return work
