"""The ledger adds up, whatever happens in whatever order."""

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goniec.core.model import Delivery, Status
from goniec.ports import Changes, DeliveryFilter, Page, Store, Tx
from tests.contract.store.conftest import BACKENDS, Opening
from tests.contract.store.scribe import NOW, Scribe, failed, succeeded

STEPS = (
    "deliver",
    "deliver",
    "hold",
    "test",
    "succeed",
    "fail",
    "retry",
    "aside",
    "cancel",
    "requeue",
    "erase",
    "merge",
    "prune",
    "undo",
)
CONTACTS = ("c0", "c1", "c2", "c3")


async def test_what_the_flow_counts_stands_beside_what_the_store_counts(store: Store, scribe: Scribe) -> None:
    assert await store.queries.totals() == {
        "received": 0,
        "accepted": 0,
        "duplicates": 0,
        "refused": 0,
        "made": 0,
        "deliveries.pending": 0,
        "deliveries.held": 0,
        "deliveries.delivered": 0,
        "deliveries.failed": 0,
        "deliveries.cancelled": 0,
        "attempts": 0,
        "events": 0,
        "runs": 0,
    }
    changes = scribe.sent(scribe.event("c1"), ["end_1", "end_2"])
    changes.totals = {"received": 5, "accepted": 2, "duplicates": 2, "refused": 1}
    await scribe.save(changes)
    await store.transact(lambda tx: tx.add_totals({"received": 1, "refused": 1}))
    totals = await store.queries.totals()
    assert totals == await store.queries.recount()
    assert (totals["received"], totals["accepted"], totals["duplicates"], totals["refused"]) == (6, 2, 2, 2)
    assert (totals["made"], totals["deliveries.pending"], totals["events"], totals["runs"]) == (2, 2, 1, 1)


@settings(max_examples=40)
@given(
    steps=st.lists(st.sampled_from(STEPS), min_size=5, max_size=40),
    seed=st.integers(0, 2**32),
    backend=st.sampled_from(sorted(BACKENDS)),
)
async def test_it_adds_up_under_any_sequence(steps: list[str], seed: int, backend: str) -> None:
    opening: Opening = BACKENDS[backend]
    with tempfile.TemporaryDirectory() as folder:
        async with opening(Path(folder)) as store:
            scribe = Scribe(store)
            life = _Life(scribe, random.Random(seed))
            for contact in CONTACTS:
                await scribe.contact(contact, email=f"{contact}@x.pl")
            for step in steps:
                await life.step(step)
                totals = await store.queries.totals()
                assert totals == await store.queries.recount(), step
                assert totals["made"] == sum(totals[f"deliveries.{status}"] for status in Status)
                pending = await store.queries.deliveries(DeliveryFilter(status=Status.PENDING), Page(limit=999))
                assert len(pending) == totals["deliveries.pending"]
                queued = await store.queries.queues(NOW)
                assert sum(queue.pending for queue in queued) == len(pending)


class _Life:
    """Random things that happen to a store."""

    def __init__(self, scribe: Scribe, chance: random.Random) -> None:
        self.scribe = scribe
        self.store = scribe.store
        self.chance = chance

    async def step(self, name: str) -> None:
        self.scribe.now += 1_000
        await getattr(self, name)()

    async def deliver(self) -> None:
        contact = self.chance.choice(CONTACTS)
        await self.scribe.deliver(contact, self.chance.choices(["end_1", "end_2"], k=self.chance.randint(0, 3)))

    async def hold(self) -> None:
        await self.scribe.deliver(self.chance.choice(CONTACTS), status=Status.HELD, due_at=None)

    async def test(self) -> None:
        event = self.scribe.event(self.chance.choice(CONTACTS))
        made = self.scribe.sent(event, status=Status.HELD, due_at=None, test=True).deliveries
        await self.scribe.save(Changes(deliveries=made))

    async def any(self) -> Delivery | None:
        made = await self.store.queries.deliveries(DeliveryFilter(), Page(limit=999))
        return self.chance.choice(made) if made else None

    async def succeed(self) -> None:
        if found := await self.any():
            await self.scribe.finish(succeeded(found, self.scribe.now))

    async def fail(self) -> None:
        if found := await self.any():
            await self.scribe.finish(failed(found, self.scribe.now))

    async def retry(self) -> None:
        if found := await self.any():
            await self.scribe.finish(failed(found, self.scribe.now, self.scribe.now + 5_000))

    async def aside(self) -> None:
        if found := await self.any():
            await self.scribe.finish(failed(found, self.scribe.now, self.scribe.now + 5_000, aside=True))

    async def cancel(self) -> None:
        if found := await self.any():
            await self.store.transact(lambda tx: tx.cancel(found.id, self.scribe.now))

    async def requeue(self) -> None:
        if found := await self.any():
            await self.store.transact(lambda tx: tx.requeue(found.id, self.scribe.now))

    async def erase(self) -> None:
        contact = self.chance.choice(CONTACTS)
        await self.store.transact(lambda tx: tx.erase(contact, self.scribe.now))

    async def merge(self) -> None:
        kept, gone = self.chance.sample(CONTACTS, 2)
        await self.store.transact(lambda tx: tx.merge_chain(kept, gone))

    async def prune(self) -> None:
        before = self.scribe.now - self.chance.randint(0, 20_000)
        await self.store.transact(lambda tx: tx.prune(before, before, before, self.chance.randint(1, 30)))

    async def undo(self) -> None:
        """Everything at once, and then it did not happen."""
        found = await self.any()

        async def work(tx: Tx) -> None:
            await tx.prune(self.scribe.now, 0, 0, 1_000)
            await tx.erase(self.chance.choice(CONTACTS), self.scribe.now)
            if found:
                await tx.finish([succeeded(found, self.scribe.now)])
            raise LookupError

        with pytest.raises(LookupError):
            await self.store.transact(work)
