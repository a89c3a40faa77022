"""A range sent again after an outage, and all that match called off: in bites, at a rate, over restarts."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import pytest
from msgspec.structs import replace

from goniec.core.endpoint import Pause
from goniec.core.jobs import Job, JobState
from goniec.core.model import Status
from goniec.core.problems import Invalid
from goniec.core.times import HOUR, SECOND
from goniec.flow import jobs
from goniec.flow.configure import Conflict, Missing, Outside, Refusal
from goniec.flow.deliveries import resend_delivery
from goniec.flow.jobs import Begun, Jobs, Range, cancel_range, resend_range, stop_job
from goniec.ports import Store, Tx, Unavailable
from tests.contract.store.scribe import by_hand
from tests.core.build import NOW, happened
from tests.flow.desk import Guard
from tests.flow.workshop import Workshop, email, failing, held, ok

T = TypeVar("T")

FAILED = (Status.FAILED,)
AT_ONCE: dict[str, Any] = {"policy": {"schedule": [], "breaker": False}}
"""Given up after the first attempt."""


@pytest.fixture
async def outside(shop: Workshop) -> Outside:
    await shop.endpoint(**AT_ONCE)
    await shop.rule()
    return Outside(shop.store, shop.vault, shop.clock, shop.dice, Guard(), shop.deliverer)


def jobs_of(shop: Workshop) -> Jobs:
    """As a process that was started anew has them."""
    return Jobs(shop.store, shop.clock, shop.deliverer)


async def outage(shop: Workshop, n: int) -> list[str]:
    """So many deliveries that were given up, the oldest first."""
    shop.sender.script = lambda _: failing()
    for one in range(n):
        await shop.record(email(f"k{one}@x.pl", happenings=(happened(),)))
        await shop.settle()
        shop.clock.at += 1
    shop.sender.script = ok
    shop.sender.sent.clear()
    found = await shop.deliveries()
    assert {one.status for one in found} == {Status.FAILED}
    return [one.id for one in found]


def begun(found: Begun | Refusal, *, fresh: bool = True) -> Job:
    assert isinstance(found, Begun)
    assert found.fresh is fresh
    return found.job


async def resend(outside: Outside, **fields: Any) -> Begun | Refusal:
    rate, statuses = fields.pop("rate", 1_000), fields.pop("statuses", FAILED)
    wanted = Range(**{"since": NOW - HOUR, "endpoint_id": "end_1", **fields})
    return await resend_range(outside, wanted, statuses, rate, "test")


async def through(shop: Workshop, job: Job) -> Job:
    """Go on until it has ended, each round in a process that was started anew."""
    for _ in range(1_000):
        await jobs_of(shop).round()
        found = await shop.store.queries.job(job.id)
        assert found is not None
        if found.state is not JobState.RUNNING:
            await shop.poll()
            await shop.settle()
            return found
        shop.clock.at += SECOND
    raise AssertionError("it does not end")


async def test_each_of_a_range_goes_once_more_from_the_oldest_on(
    shop: Workshop, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BITE", 3)
    ids = await outage(shop, 8)
    job = await through(shop, begun(await resend(outside)))
    assert shop.sender.ids() == ids
    assert (job.state, job.done, job.skipped, job.progress) == (JobState.DONE, 8, 0, 1.0)
    assert (job.by, job.ended_at, job.first) == ("test", shop.clock.at, ids[0])
    assert {one.status for one in await shop.deliveries()} == {Status.DELIVERED}
    assert await shop.store.queries.totals() == await shop.store.queries.recount()


async def test_only_what_was_made_in_the_range_goes(shop: Workshop, outside: Outside) -> None:
    ids = await outage(shop, 6)
    made = [one.created_at for one in await shop.deliveries()]
    job = await through(shop, begun(await resend(outside, since=made[1], until=made[4])))
    assert (job.done, sorted(shop.sender.ids())) == (3, ids[1:4])


async def test_a_rate_is_kept(shop: Workshop, outside: Outside) -> None:
    await outage(shop, 12)
    job = begun(await resend(outside, rate=4))
    for second in range(3):
        await jobs_of(shop).round()
        await jobs_of(shop).round()
        now = await shop.store.queries.job(job.id)
        assert now is not None
        assert (now.done, now.state) == (4 * (second + 1), JobState.RUNNING)
        shop.clock.at += SECOND
    assert (await through(shop, job)).done == 12


@pytest.mark.parametrize(("rate", "own", "done"), [(3, 2, 2), (2, 3, 2), (2, None, 2)])
async def test_the_endpoint_s_own_rate_counts_too(
    shop: Workshop, outside: Outside, rate: float, own: float | None, done: int
) -> None:
    await outage(shop, 5)
    job = begun(await resend(outside, rate=rate))
    await shop.endpoint(version=2, policy={"schedule": [], "breaker": False, "rate": own})
    await jobs_of(shop).round()
    found = await shop.store.queries.job(job.id)
    assert found is not None
    assert found.done == done


async def test_a34_the_same_range_asked_for_twice_at_once_is_one_job(shop: Workshop, outside: Outside) -> None:
    ids = await outage(shop, 5)
    first, second = await asyncio.gather(resend(outside), resend(outside))
    assert isinstance(first, Begun)
    assert isinstance(second, Begun)
    assert first.job == second.job
    assert [first.fresh, second.fresh] == [True, False]
    at_once = await asyncio.gather(*(jobs_of(shop).round() for _ in range(3)))
    assert len(at_once) == 3
    await through(shop, first.job)
    assert sorted(shop.sender.ids()) == ids
    begun(await resend(outside))  # once it is over, asking again is asking anew


class Overtaken:
    """A store in which another process is quicker by a round, between what we read and what we write."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self.queries = shop.store.queries

    async def transact(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        await jobs_of(self._shop).round()
        return await self._shop.store.transact(work)


async def test_two_processes_at_one_job_do_and_count_each_delivery_once(
    shop: Workshop, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BITE", 3)
    ids = await outage(shop, 5)
    job = begun(await resend(outside))
    await Jobs(cast("Store", Overtaken(shop)), shop.clock, shop.deliverer).round()
    job = await through(shop, job)
    assert (job.done, job.skipped) == (5, 0)
    assert shop.sender.ids() == ids


async def test_the_same_range_at_another_rate_goes_on_at_that_one(shop: Workshop, outside: Outside) -> None:
    await outage(shop, 12)
    job = begun(await resend(outside, rate=2))
    await jobs_of(shop).round()
    for rate, kept, done in ((None, 2, 4), (5, 5, 9), (1, 1, 10)):
        found = begun(await resend(outside, rate=rate), fresh=False)
        assert (found.id, found.rate) == (job.id, kept)
        shop.clock.at += SECOND
        await jobs_of(shop).round()
        now = await shop.store.queries.job(job.id)
        assert now is not None
        assert (now.rate, now.done) == (kept, done)


async def test_another_range_waits_its_turn(shop: Workshop, outside: Outside) -> None:
    await outage(shop, 2)
    job = begun(await resend(outside))
    for other in ({"since": NOW}, {"statuses": (Status.DELIVERED,)}, {"until": NOW + 1}):
        found = await resend(outside, **other)
        assert isinstance(found, Conflict)
        assert found.code == "jobRunning"
        assert job.id in found.detail
    await shop.endpoint("end_2")
    begun(await resend(outside, endpoint_id="end_2"))


async def test_what_changed_before_its_turn_is_left_alone(
    shop: Workshop, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await outage(shop, 3)
    job = begun(await resend(outside))
    transact = shop.store.transact

    async def slow(work: Any) -> Any:
        monkeypatch.setattr(shop.store, "transact", transact)
        await resend_delivery(outside, ids[1])
        return await transact(work)

    monkeypatch.setattr(shop.store, "transact", slow)
    ended = await through(shop, job)
    assert (ended.done, ended.skipped) == (2, 1)
    assert sorted(shop.sender.ids()) == ids


async def test_it_waits_while_the_endpoint_is_paused_or_asked_to_be_left_alone(
    shop: Workshop, outside: Outside
) -> None:
    await outage(shop, 2)
    job = begun(await resend(outside))
    for fields in ({"paused": Pause.BY_HAND}, {"held_until": shop.clock.at + 1, "afresh": 2}):
        await shop.endpoint(version=2, **AT_ONCE, **fields)
        await jobs_of(shop).round()
        assert await shop.store.queries.job(job.id) == job
    await shop.endpoint(version=3, **AT_ONCE)
    assert (await through(shop, job)).done == 2


async def test_an_endpoint_that_is_deleted_meanwhile_ends_it(shop: Workshop, outside: Outside) -> None:
    ids = await outage(shop, 2)
    job = begun(await resend(outside))
    await shop.store.transact(lambda tx: tx.delete_endpoint("end_1"))
    ended = await through(shop, job)
    assert (ended.state, ended.failure, ended.done) == (JobState.FAILED, "endpointDeleted", 0)
    assert {one.status for one in await shop.deliveries()} == {Status.FAILED}
    assert await resend(outside) == Missing("endpoint")
    one = await resend_delivery(outside, ids[0])
    assert isinstance(one, Conflict)
    assert one.code == "endpointDeleted"
    assert await resend_delivery(outside, "dlv_0") == Missing("delivery")


async def test_stopping_keeps_what_was_done(shop: Workshop, outside: Outside) -> None:
    await outage(shop, 5)
    job = begun(await resend(outside, rate=2))
    await jobs_of(shop).round()
    stopped = await stop_job(outside, job.id)
    assert isinstance(stopped, Job)
    assert (stopped.state, stopped.done, stopped.ended_at) == (JobState.CANCELLED, 2, shop.clock.at)
    shop.clock.at += SECOND
    await jobs_of(shop).round()
    assert await stop_job(outside, job.id) == stopped == await shop.store.queries.job(job.id)
    assert await stop_job(outside, "job_0") == Missing("job")


async def test_a_bite_that_a_stop_overtakes_does_nothing(
    shop: Workshop, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    await outage(shop, 2)
    job = begun(await resend(outside))
    transact = shop.store.transact

    async def slow(work: Any) -> Any:
        monkeypatch.setattr(shop.store, "transact", transact)
        await stop_job(outside, job.id)
        return await transact(work)

    monkeypatch.setattr(shop.store, "transact", slow)
    await jobs_of(shop).round()
    assert {one.status for one in await shop.deliveries()} == {Status.FAILED}


async def test_it_goes_on_where_a_filter_has_found_too_little(
    shop: Workshop, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    await outage(shop, 2)
    job = begun(await resend(outside, statuses=(Status.DELIVERED,)))
    real = shop.store.queries.deliveries

    async def hasty(wanted: Any, page: Any) -> Any:
        return await real(wanted, replace(page, most=1))

    monkeypatch.setattr(shop.store.queries, "deliveries", hasty)
    assert (await through(shop, job)).state is JobState.DONE


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"since": None}, "/since"),
        ({"since": NOW + HOUR}, "/since"),
        ({"until": NOW - HOUR}, "/until"),
        ({"statuses": ()}, "/status"),
        ({"statuses": (Status.PENDING,)}, "/status"),
        ({"statuses": (Status.FAILED, Status.HELD)}, "/status"),
        ({"rate": 0}, "/rate"),
        ({"rate": -1}, "/rate"),
        ({"rate": 1_001}, "/rate"),
        ({"rate": float("nan")}, "/rate"),
    ],
)
async def test_ranges_that_make_no_sense(outside: Outside, fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as caught:
        await resend(outside, **fields)
    assert [problem.pointer for problem in caught.value.problems] == [pointer]


async def test_without_a_rate_it_is_fifty_in_a_second(outside: Outside) -> None:
    assert begun(await resend(outside, rate=None)).rate == 50


async def test_a33_all_that_match_are_cancelled_while_one_is_being_sent(
    shop: Workshop, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "BITE", 2)
    gate = asyncio.Event()
    shop.sender.script = held(gate)
    for _ in range(4):
        await shop.record(email("a@x.pl", happenings=(happened(),)))
    await shop.until(lambda: len(shop.sender.sent) == 1)
    job = begun(await cancel_range(outside, Range(endpoint_id="end_1"), "test"))
    shop.clock.at += 2
    await shop.record(email("a@x.pl", happenings=(happened(),)))  # came later, and is none of its business
    for _ in range(3):
        await jobs_of(shop).round()
    gate.set()
    ended = await through(shop, job)
    assert (ended.state, ended.done) == (JobState.DONE, 4)
    found = await shop.deliveries()
    # the one under way arrived after all
    assert [one.status.value for one in found] == ["delivered", *["cancelled"] * 3, "delivered"]
    assert shop.sender.ids() == [found[0].id, found[4].id]
    assert len(await shop.attempts(found[0].id)) == 1
    assert await shop.store.queries.totals() == await shop.store.queries.recount()


async def test_calling_off_twice_at_once_is_one_job(shop: Workshop, outside: Outside) -> None:
    await shop.rule("rul_2")
    job = begun(await cancel_range(outside, Range(rule_id="rul_1")))
    assert begun(await cancel_range(outside, Range(rule_id="rul_1")), fresh=False) == job
    begun(await cancel_range(outside, Range(rule_id="rul_2")))


async def test_calling_off_everything_by_mistake_is_refused(outside: Outside) -> None:
    with pytest.raises(Invalid, match="everything"):
        await cancel_range(outside, Range())
    begun(await cancel_range(outside, Range(until=NOW)))


async def test_calling_off_what_never_was_is_refused(outside: Outside) -> None:
    with pytest.raises(Invalid, match="no endpoint") as refused:
        await cancel_range(outside, Range(endpoint_id="end_x", rule_id="rul_x"))
    assert [one.pointer for one in refused.value.problems] == ["/endpointId", "/ruleId"]


async def test_calling_off_one_rule_leaves_the_others(shop: Workshop, outside: Outside) -> None:
    await shop.rule("rul_2")
    await shop.endpoint(version=2, paused=Pause.BY_HAND)
    await shop.poll()
    await shop.record(email("a@x.pl", happenings=(happened(),)))
    job = await through(shop, begun(await cancel_range(outside, Range(rule_id="rul_2"))))
    assert job.done == 1
    stands = {one.rule_id: one.status.value for one in await shop.deliveries()}
    assert stands == {"rul_1": "pending", "rul_2": "cancelled"}


async def test_its_loop_goes_on_when_the_store_was_away(
    shop: Workshop, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LOOK_SECONDS", 0.001)
    await outage(shop, 2)
    asked = 0

    async def away() -> list[Job]:
        nonlocal asked
        asked += 1
        raise Unavailable("the disk is full")

    work = asyncio.create_task(jobs_of(shop).run())
    with monkeypatch.context() as broken:
        broken.setattr(shop.store.queries, "running_jobs", away)
        await shop.until(lambda: asked > 2)
    begun(await resend(outside))
    await shop.until(lambda: len(shop.sender.sent) == 2)
    work.cancel()


async def test_a_job_of_another_release_has_its_range_to_itself(shop: Workshop, outside: Outside) -> None:
    await outage(shop, 1)
    job = begun(await resend(outside))
    doc = b'{"id":"%s","kind":"replay","created_at":1,"until":2}' % job.id.encode()
    await by_hand(shop.store, "UPDATE jobs SET doc = {}", doc)
    assert await jobs_of(shop).round() == jobs.LOOK_SECONDS
    found = await resend(outside)
    assert isinstance(found, Conflict)
    assert found.code == "jobRunning"
