"""What the next release has written is read as far as it is known here: it runs beside this one for a while."""

from functools import partial

import msgspec
import pytest
from msgspec.structs import replace

from goniec.core.jobs import Job, JobKind
from goniec.core.model import Delivery, Failure, Status
from goniec.ports import DeliveryFilter, Page, Store, Tx
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
    (arrived,) = await store.transact(lambda tx: tx.finish([succeeded(found[0])]))
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
