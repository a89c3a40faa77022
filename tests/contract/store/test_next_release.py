"""What the next release has written is read as far as it is known here: it runs beside this one for a while."""

from functools import partial

import msgspec
import pytest
from msgspec.structs import replace

from goniec.core.jobs import Job, JobKind
from goniec.core.model import Delivery, Failure, Status
from goniec.core.times import DAY
from goniec.ports import DeliveryFilter, EventFilter, Page, RunFilter, Store, Tx
from goniec.store import documents
from goniec.store.rows import encode
from tests.contract.store.scribe import NOW, Scribe, by_hand, failed, succeeded

RESEND = Job(id="job_1", kind=JobKind.RESEND, created_at=NOW, until=NOW, endpoint_id="end_1", rate=5)


@pytest.fixture
async def odd(store: Store, scribe: Scribe) -> Delivery:
    """A delivery that failed once, in a way that only the next release has a code for."""
    (made,) = await scribe.deliver("con_1")
    await store.transact(lambda tx: tx.finish([failed(made, due_at=NOW)]))
    await by_hand(store, "UPDATE deliveries SET failure = 'quicBroken'")
    await by_hand(store, "UPDATE attempts SET failure = 'quicBroken'")
    return made


async def test_an_unknown_failure_is_read_as_it_stands(store: Store, odd: Delivery) -> None:
    found = await store.queries.delivery(odd.id)
    assert found is not None
    delivery, (attempt,) = found
    for failure in (delivery.failure, attempt.failure):
        assert failure is not None
        assert failure not in set(Failure)
        assert (failure, failure.value, str(failure), repr(failure)) == (
            *("quicBroken",) * 3,
            "<Failure.quicBroken: 'quicBroken'>",
        )
        assert msgspec.json.encode({"failure": failure}) == b'{"failure":"quicBroken"}'
    listed = await store.queries.deliveries(DeliveryFilter(), Page(10))
    assert [one.failure for one in listed] == ["quicBroken"]
    assert (await store.queries.last_attempts([odd.id]))[odd.id].failure == "quicBroken"
    assert (await store.queries.due("end_1", NOW + 10**9, 10))[0].failure == "quicBroken"


async def test_what_moves_such_a_delivery_keeps_the_code(store: Store, odd: Delivery) -> None:
    cancelled = await store.transact(lambda tx: tx.cancel(odd.id, NOW))
    assert cancelled is not None
    assert (cancelled.status, cancelled.failure) == (Status.CANCELLED, "quicBroken")
    await store.transact(lambda tx: tx.requeue(odd.id, NOW))
    found = await store.queries.delivery(odd.id)
    assert found is not None
    assert (found[0].status, found[0].failure) == (Status.PENDING, "quicBroken")
    (arrived,) = await Scribe(store).finish(succeeded(found[0]))
    assert (arrived.status, arrived.failure) == (Status.DELIVERED, None)


async def test_an_unknown_job_is_left_to_who_knows_it(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    documents._leave.cache_clear()
    for id, fields in (("job_2", {"kind": "replay"}), ("job_3", {"onlyTypes": ["page.visited"]})):
        job = replace(RESEND, id=id, endpoint_id=id)
        await store.transact(partial(_begin, job))
        doc = encode(msgspec.to_builtins(job) | fields)
        await by_hand(store, f"UPDATE jobs SET doc = {{}} WHERE id = '{id}'", doc)
    await store.transact(partial(_begin, RESEND))
    for _ in range(2):
        assert await store.queries.running_jobs() == [RESEND]
        assert await store.queries.jobs(10) == [RESEND]
        assert await store.queries.job("job_2") is None
        assert await store.transact(lambda tx: tx.job("job_3")) is None
    assert capsys.readouterr().err.count("job.unreadable") == 2
    # its place is taken all the same
    second = replace(RESEND, id="job_4", endpoint_id="job_3")
    assert await store.transact(lambda tx: tx.begin_job(second)) is None


async def _begin(job: Job, tx: Tx) -> None:
    assert await tx.begin_job(job) == job


@pytest.fixture
async def new(store: Store, scribe: Scribe) -> Delivery:
    """A delivery that is where only the next release knows a delivery can be."""
    (made,) = await scribe.deliver("con_1", status=Status.FAILED)
    await by_hand(store, "UPDATE deliveries SET status = 'parked'")
    await store.transact(lambda tx: tx.add_totals({"deliveries.failed": -1, "deliveries.parked": 1}))
    return made


async def test_an_unknown_status_is_read_as_it_stands(store: Store, new: Delivery) -> None:
    found = await store.queries.delivery(new.id)
    assert found is not None
    status = found[0].status
    assert (status, status.known, Status.FAILED.known, status in set(Status)) == ("parked", False, True, False)
    listed = await store.queries.deliveries(DeliveryFilter(), Page(10))
    assert [one.status for one in listed] == ["parked"]
    assert await store.queries.deliveries(DeliveryFilter(status=Status.FAILED), Page(10)) == []
    totals = await store.queries.totals()
    assert (totals["deliveries.parked"], totals["made"]) == (1, 1)
    assert await store.queries.recount() == totals
    (kept,) = await store.queries.recount_balances("endpoint")
    assert (kept.made, kept.failed) == (1, 0)


async def test_what_stands_so_is_left_to_who_knows_it_unless_it_arrives_or_somebody_wants_it(
    store: Store, new: Delivery
) -> None:
    left = await store.transact(lambda tx: tx.cancel(new.id, NOW))
    assert left is not None
    assert left.status == "parked"
    (failing,) = await Scribe(store).finish(failed(left, due_at=NOW))
    assert failing.status == "parked"
    asked = await store.transact(lambda tx: tx.requeue(new.id, NOW))
    assert asked is not None
    assert asked.status is Status.PENDING
    await by_hand(store, "UPDATE deliveries SET status = 'parked'")
    asked = await store.transact(lambda tx: tx.requeue(new.id, NOW))
    assert asked is not None
    (arrived,) = await Scribe(store).finish(succeeded(asked))
    assert arrived.status is Status.DELIVERED
    assert await store.queries.due_endpoints(NOW + DAY) == []


async def test_retention_takes_what_stands_so(store: Store, new: Delivery) -> None:
    before = await store.queries.totals()
    pruned = await store.transact(lambda tx: tx.prune(NOW + DAY, NOW, NOW, 1000))
    assert pruned.deliveries == 1
    assert await store.queries.totals() == before == await store.queries.recount()
    assert await store.queries.delivery(new.id) is None


async def test_an_unknown_outcome_and_source_are_read_as_they_stand(store: Store, scribe: Scribe) -> None:
    event = scribe.event("con_1")
    await scribe.save(scribe.sent(event))
    await by_hand(store, "UPDATE events SET doc = {}", encode({"source": "calendar", "data": {}}))
    await by_hand(store, "UPDATE events SET misses = {}", encode([["rul_2", 1, "outOfSeason", None, 7]]))
    await by_hand(store, "UPDATE runs SET outcome = 'postponed'")
    (found,) = await store.queries.events(EventFilter(), Page(10))
    assert str(found.source) == "calendar"
    read = await store.queries.event(event.id)
    assert read is not None
    ((other,),) = read[1:]
    assert (other.outcome, other.rule_id) == ("outOfSeason", "rul_2")
    for wanted in (RunFilter(), RunFilter(rule_id="rul_1")):
        (run,) = await store.queries.runs(wanted, Page(10))
        assert (run.outcome, run.outcome.known) == ("postponed", False)
