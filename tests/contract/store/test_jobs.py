"""Jobs on many deliveries: kept, one at a time for a key; and many deliveries moved at once."""

from functools import partial

from msgspec.structs import replace

from goniec.core.jobs import Job, JobKind, JobState
from goniec.core.model import Delivery, Status
from goniec.ports import DeliveryFilter, Page, Store, Tx
from tests.contract.store.scribe import NOW, Scribe

JOB = Job(
    id="job_1", kind=JobKind.RESEND, created_at=NOW, until=NOW, statuses=(Status.FAILED,), endpoint_id="end_1", rate=5
)


async def standing(store: Store, delivery: Delivery) -> Delivery:
    found = await store.queries.delivery(delivery.id)
    assert found is not None
    return found[0]


async def test_a_job_is_kept_as_it_stands(store: Store) -> None:
    assert await store.transact(lambda tx: tx.begin_job(JOB)) == JOB
    assert await store.queries.job("job_1") == JOB
    assert await store.queries.running_jobs() == [JOB]
    moved = replace(JOB, cursor="dlv_5", done=7, skipped=1, paced_at=NOW)
    await store.transact(lambda tx: tx.put_job(moved))
    assert await store.transact(lambda tx: tx.job("job_1")) == moved
    assert await store.queries.running_jobs() == [moved]


async def test_a_job_that_is_not_there(store: Store) -> None:
    assert await store.queries.job("job_0") is None
    assert await store.queries.job("job_\0") is None
    assert await store.transact(lambda tx: tx.job("job_0")) is None


async def test_one_job_runs_for_a_key_and_the_next_when_it_has_ended(store: Store) -> None:
    await store.transact(lambda tx: tx.begin_job(JOB))
    second = replace(JOB, id="job_2", statuses=(Status.CANCELLED,))
    assert await store.transact(lambda tx: tx.begin_job(second)) == JOB
    assert await store.queries.job("job_2") is None
    elsewhere = replace(JOB, id="job_3", endpoint_id="end_2")
    assert await store.transact(lambda tx: tx.begin_job(elsewhere)) == elsewhere
    ended = replace(JOB, state=JobState.DONE, ended_at=NOW)
    await store.transact(lambda tx: tx.put_job(ended))
    assert await store.transact(lambda tx: tx.begin_job(second)) == second
    assert await store.queries.running_jobs() == [second, elsewhere]
    assert await store.queries.jobs(10) == [elsewhere, second, ended]
    assert await store.queries.jobs(1) == [elsewhere]


async def test_jobs_that_have_ended_leave_with_the_events_of_their_time(store: Store) -> None:
    await store.transact(lambda tx: tx.begin_job(JOB))
    old = replace(JOB, id="job_2", endpoint_id="end_2")
    await store.transact(lambda tx: tx.begin_job(old))
    await store.transact(lambda tx: tx.put_job(replace(old, state=JobState.CANCELLED, ended_at=NOW)))
    await store.transact(lambda tx: tx.prune(NOW, 0, 0, 100))
    assert len(await store.queries.jobs(10)) == 2
    await store.transact(lambda tx: tx.prune(NOW + 1, 0, 0, 100))
    assert await store.queries.jobs(10) == [JOB]


async def test_many_are_sent_again_at_once(store: Store, scribe: Scribe) -> None:
    made = [(await scribe.deliver(f"con_{n}", status=status))[0] for n, status in enumerate(Status)]
    by_status = {one.status: one for one in made}
    ids = [one.id for one in made]
    wanted = (Status.FAILED, Status.DELIVERED)
    assert await store.transact(lambda tx: tx.requeue_many([*ids, "dlv_0", "dlv_\0"], wanted, NOW + 5)) == 2
    for status, one in by_status.items():
        found = await standing(store, one)
        again = status in wanted
        assert found.status is (Status.PENDING if again else status)
        assert (found.resend, found.aside) == (again, again)
    due = await store.queries.due("end_1", NOW + 5, 10)
    assert [one.id for one in due] == [by_status[s].id for s in (Status.PENDING, Status.DELIVERED, Status.FAILED)]
    assert await store.queries.totals() == await store.queries.recount()
    assert await store.transact(lambda tx: tx.requeue_many([], wanted, NOW)) == 0


async def test_what_was_erased_is_not_sent_again_with_many(store: Store, scribe: Scribe) -> None:
    (gone,) = await scribe.deliver("con_1", status=Status.FAILED)
    (kept,) = await scribe.deliver("con_2", status=Status.FAILED)
    await store.transact(lambda tx: tx.erase("con_1", NOW))
    assert await store.transact(lambda tx: tx.requeue_many([gone.id, kept.id], (Status.FAILED,), NOW)) == 1
    assert (await standing(store, gone)).status is Status.FAILED


async def test_many_are_called_off_at_once(store: Store, scribe: Scribe) -> None:
    first, second = [(await scribe.deliver("con_1"))[0] for _ in range(2)]
    (behind,) = await scribe.deliver("con_1")
    (over,) = await scribe.deliver("con_2", status=Status.FAILED)
    ids = [first.id, second.id, over.id, "dlv_0"]
    assert await store.transact(lambda tx: tx.cancel_many(ids, NOW)) == 2
    assert [(await standing(store, one)).status for one in (first, over)] == [Status.CANCELLED, Status.FAILED]
    assert [one.id for one in await store.queries.due("end_1", NOW, 10)] == [behind.id]
    assert await store.queries.totals() == await store.queries.recount()
    assert await store.transact(lambda tx: tx.cancel_many([], NOW)) == 0


async def test_a_delivery_is_read_in_a_transaction(store: Store, scribe: Scribe) -> None:
    (made,) = await scribe.deliver("con_1")
    found = await store.transact(lambda tx: tx.delivery(made.id))
    assert found == await standing(store, made)
    assert await store.transact(lambda tx: tx.delivery("dlv_0")) is None


async def _requeue(ids: list[str], tx: Tx) -> None:
    await tx.requeue_many(ids, (Status.FAILED,), NOW)


async def test_pages_of_a_job_find_each_delivery_once_while_they_change(store: Store, scribe: Scribe) -> None:
    made = [(await scribe.deliver(f"con_{n}", status=Status.FAILED))[0].id for n in range(7)]
    seen: list[str] = []
    wanted = DeliveryFilter(endpoint_id="end_1", statuses=(Status.FAILED, Status.DELIVERED), until=NOW + 1, test=False)
    after = None
    while found := await store.queries.deliveries(wanted, Page(3, after)):
        ids = [one.id for one in found]
        await store.transact(partial(_requeue, ids))
        seen += ids
        after = ids[-1]
    assert seen == made
