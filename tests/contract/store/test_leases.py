"""Leases: one owner at a time, epochs that only rise, and attempts of an owner that is none any more."""

import asyncio

import pytest
from msgspec.structs import replace

from goniec.core.model import Delivery, Status
from goniec.core.parts import PARTS, part_name, part_of
from goniec.ports import WORKER, Finished, Lease, Store
from tests.contract.store.scribe import ENDPOINT, NOW, Scribe, endpoint, failed, ids, put, succeeded

MINUTE = 60_000
OVER = 0
"""So long a lease that has run out by the time somebody looks."""


async def take(store: Store, owner: str, *names: str, millis: int = MINUTE) -> dict[str, int]:
    taken = await store.transact(lambda tx: tx.take_leases(owner, names, NOW, millis))
    return {name: one.epoch for name, one in taken.items()}


async def renew(store: Store, owner: str, *names: str, millis: int = MINUTE) -> set[str]:
    return await store.transact(lambda tx: tx.renew_leases(owner, names, NOW, millis))


async def release(store: Store, owner: str, *names: str) -> None:
    await store.transact(lambda tx: tx.release_leases(owner, names))


async def owners(store: Store) -> dict[str, str]:
    return {lease.name: lease.owner for lease in await store.queries.leases(NOW)}


async def test_what_nobody_has_can_be_taken_and_then_by_nobody_else(store: Store) -> None:
    assert await take(store, "one", "end_1", "end_2") == {"end_1": 1, "end_2": 1}
    assert await take(store, "two", "end_2", "end_3") == {"end_3": 1}
    assert await owners(store) == {"end_1": "one", "end_2": "one", "end_3": "two"}


async def test_how_long_it_lasts(store: Store) -> None:
    await take(store, "one", "end_1")
    (lease,) = await store.queries.leases(NOW)
    assert lease == Lease("end_1", "one", 1, lease.left)
    assert 0 < lease.left <= MINUTE


async def test_when_it_was_taken(store: Store) -> None:
    first = await store.transact(lambda tx: tx.take_leases("one", ("end_1",), NOW, MINUTE))
    second = await store.transact(lambda tx: tx.take_leases("one", ("end_1",), NOW, 2 * MINUTE))
    assert NOW <= first["end_1"].at <= second["end_1"].at
    assert second["end_1"].at - first["end_1"].at < MINUTE


async def test_one_that_has_run_out_can_be_taken(store: Store) -> None:
    await take(store, "one", "end_1", millis=OVER)
    (lease,) = await store.queries.leases(NOW)
    assert lease.left <= 0
    assert await take(store, "two", "end_1") == {"end_1": 2}
    assert await take(store, "one", "end_1") == {}


async def test_an_owner_that_does_not_know_that_it_has_one_takes_it_anew(store: Store) -> None:
    await take(store, "one", "end_1")
    assert await take(store, "one", "end_1") == {"end_1": 2}


async def test_renewing_gives_what_is_still_had(store: Store) -> None:
    await take(store, "one", "end_1", "end_2", "end_3", millis=OVER)
    await take(store, "two", "end_2")
    assert await renew(store, "one", "end_1", "end_2", "end_4") == {"end_1"}
    assert await take(store, "two", "end_1", "end_3") == {"end_3": 2}
    assert await renew(store, "one", "end_1", millis=OVER) == {"end_1"}
    assert await take(store, "two", "end_1") == {"end_1": 2}


async def test_what_is_let_go_is_free_at_once_and_its_epoch_goes_on(store: Store) -> None:
    await take(store, "one", "end_1", "end_2")
    await take(store, "two", "end_3")
    await release(store, "one", "end_1", "end_3", "end_4")
    assert await owners(store) == {"end_2": "one", "end_3": "two"}
    assert await take(store, "two", "end_1") == {"end_1": 2}
    assert await renew(store, "one", "end_1") == set()


async def test_nothing_asked_for_is_nothing_done(store: Store) -> None:
    assert await take(store, "one") == {}
    assert await renew(store, "one") == set()
    await release(store, "one")
    assert await owners(store) == {}


async def test_workers_that_have_gone_are_forgotten_when_one_comes(store: Store) -> None:
    await take(store, "one", WORKER + "one", millis=OVER)
    await take(store, "two", WORKER + "two")
    assert await take(store, "three", "end_1", WORKER + "three") == {"end_1": 1, WORKER + "three": 1}
    assert list(await owners(store)) == ["end_1", WORKER + "three", WORKER + "two"]


async def test_many_take_the_same_at_once_and_each_has_one_owner(store: Store) -> None:
    names = [f"end_{n}" for n in range(20)]
    taken = await asyncio.gather(*(take(store, f"w{n}", *names[n:], *names[:n]) for n in range(8)))
    assert sorted(name for some in taken for name in some) == sorted(names)


async def test_a_deleted_endpoint_has_no_owner(store: Store) -> None:
    await put(store, endpoint())
    await take(store, "one", ENDPOINT)
    await store.transact(lambda tx: tx.delete_endpoint(ENDPOINT))
    assert await owners(store) == {}
    assert await renew(store, "one", ENDPOINT) == set()


async def test_the_version_of_the_setup_is_read(store: Store) -> None:
    before = await store.queries.setup_version()
    await put(store, endpoint())
    assert await store.queries.setup_version() > before
    assert await store.transact(lambda tx: tx.setup_version()) == await store.queries.setup_version()


# --- attempts under a lease -----------------------------------------------------------------------------------------


async def standing(store: Store, delivery: Delivery) -> tuple[Delivery, int]:
    found = await store.queries.delivery(delivery.id)
    assert found is not None
    return found[0], len(found[1])


def under(epoch: int | None, finished: Finished) -> Finished:
    return replace(finished, epoch=epoch)


@pytest.mark.parametrize("epoch", [1, None])
async def test_the_owner_s_attempts_move_their_delivery(store: Store, scribe: Scribe, epoch: int | None) -> None:
    await scribe.contact("c1")
    (delivery,) = await scribe.deliver("c1")
    await take(store, "one", ENDPOINT)
    await scribe.finish(under(epoch, failed(delivery, due_at=NOW + 5_000)))
    now, attempts = await standing(store, delivery)
    assert (now.status, now.counted, now.due_at, attempts) == (Status.PENDING, 1, NOW + 5_000, 1)


@pytest.mark.parametrize("due_at", [NOW + 5_000, None])
async def test_a_failure_of_an_owner_that_was_is_logged_and_moves_nothing(
    store: Store, scribe: Scribe, due_at: int | None
) -> None:
    await scribe.contact("c1")
    (delivery,) = await scribe.deliver("c1")
    (follower,) = await scribe.deliver("c1")
    await take(store, "one", ENDPOINT, millis=OVER)
    await take(store, "two", ENDPOINT)
    (said,) = await scribe.finish(under(1, failed(delivery, due_at=due_at, aside=True)))
    now, attempts = await standing(store, delivery)
    assert (now.status, now.counted, now.due_at, now.aside) == (Status.PENDING, 0, NOW, False)
    assert (now.attempts, attempts, now.first_at, said.status) == (1, 1, NOW, Status.PENDING)
    assert ids(await store.queries.due(ENDPOINT, NOW, 9)) == [delivery.id]
    await scribe.finish(under(2, failed(now, NOW + 10, due_at=NOW + 9_000)))
    assert await store.queries.due(ENDPOINT, NOW + 8_999, 9) == []
    now, attempts = await standing(store, delivery)
    assert (now.counted, now.attempts, attempts) == (1, 2, 2)
    await scribe.finish(under(2, succeeded(now, NOW + 9_000)))
    assert ids(await store.queries.due(ENDPOINT, NOW + 9_007, 9)) == [follower.id]


@pytest.mark.parametrize("tries", [0, 1])
async def test_a_late_success_of_an_owner_that_was_wins(store: Store, scribe: Scribe, tries: int) -> None:
    await scribe.contact("c1")
    (delivery,) = await scribe.deliver("c1")
    (follower,) = await scribe.deliver("c1")
    await take(store, "one", ENDPOINT, millis=OVER)
    for _ in range(tries):
        (delivery,) = await scribe.finish(under(1, failed(delivery, due_at=NOW)))
    await take(store, "two", ENDPOINT)
    await scribe.finish(under(1, succeeded(delivery, NOW + 20)))
    now, attempts = await standing(store, delivery)
    assert (now.status, now.delivered_at, attempts) == (Status.DELIVERED, NOW + 27, tries + 1)
    assert ids(await store.queries.due(ENDPOINT, NOW + 27, 9)) == [follower.id]
    await scribe.finish(under(2, failed(delivery, NOW + 30, due_at=NOW + 9_000)))
    now, attempts = await standing(store, delivery)
    assert (now.status, attempts) == (Status.DELIVERED, tries + 2)
    assert (await store.queries.totals())["attempts"] == tries + 2


async def test_where_nobody_ever_had_a_lease_an_attempt_counts(store: Store, scribe: Scribe) -> None:
    await scribe.contact("c1")
    (delivery,) = await scribe.deliver("c1")
    await scribe.finish(under(3, failed(delivery)))
    assert (await standing(store, delivery))[0].status is Status.FAILED


# --- parts of a split endpoint --------------------------------------------------------------------------------------


async def test_parts_have_an_owner_each(store: Store) -> None:
    assert await take(store, "one", "end_1/0", "end_1/7") == {"end_1/0": 1, "end_1/7": 1}
    assert await take(store, "two", "end_1/6", "end_1/7", "end_2") == {"end_1/6": 1, "end_2": 1}
    assert await owners(store) == {"end_1/0": "one", "end_1/6": "two", "end_1/7": "one", "end_2": "two"}


@pytest.mark.parametrize("by", ["one", "two"])
async def test_while_somebody_has_the_whole_nobody_gets_a_part(store: Store, by: str) -> None:
    await take(store, "one", "end_1")
    assert await take(store, by, "end_1/3", "end_2/3") == {"end_2/3": 1}
    await release(store, "one", "end_1")
    assert await take(store, by, "end_1/3") == {"end_1/3": 1}


@pytest.mark.parametrize("by", ["one", "two"])
async def test_while_somebody_has_a_part_nobody_gets_the_whole(store: Store, by: str) -> None:
    await take(store, "one", "end_1/3", "end_1/4")
    await release(store, "one", "end_1/4")
    assert await take(store, by, "end_1", "end_2") == {"end_2": 1}
    await release(store, "one", "end_1/3")
    assert await take(store, by, "end_1") == {"end_1": 1}


async def test_who_asks_for_both_gets_the_whole(store: Store) -> None:
    assert await take(store, "one", "end_1/3", "end_1") == {"end_1": 1}


async def test_a_part_that_has_run_out_ends_when_the_whole_is_taken(store: Store) -> None:
    await take(store, "one", "end_1/3", millis=OVER)
    assert await take(store, "two", "end_1") == {"end_1": 1}
    assert await renew(store, "one", "end_1/3") == set()
    assert await owners(store) == {"end_1": "two"}


async def test_a_whole_that_has_run_out_ends_when_a_part_is_taken(store: Store) -> None:
    await take(store, "one", "end_1", millis=OVER)
    assert await take(store, "two", "end_1/3", "end_1/4") == {"end_1/3": 1, "end_1/4": 1}
    assert await renew(store, "one", "end_1") == set()
    assert await owners(store) == {"end_1/3": "two", "end_1/4": "two"}


async def test_wholes_and_parts_that_are_wanted_at_once_are_never_both_had(store: Store) -> None:
    shapes = [[f"end_{n}" for n in range(6)], [f"end_{n}/{part}" for n in range(6) for part in (1, 5)]]
    taken = await asyncio.gather(*(take(store, f"w{n}", *shapes[n % 2]) for n in range(8)))
    had = [name for some in taken for name in some]
    assert len(had) == len(set(had))
    wholes = {name for name in had if "/" not in name}
    assert not wholes & {name.partition("/")[0] for name in had if "/" in name}
    assert had, "who meets another may go without, but not all"


async def test_a_deleted_endpoint_s_parts_have_no_owner(store: Store) -> None:
    await put(store, endpoint())
    await take(store, "one", part_name(ENDPOINT, 0), part_name(ENDPOINT, 7))
    await store.transact(lambda tx: tx.delete_endpoint(ENDPOINT))
    assert await owners(store) == {}


async def test_an_attempt_counts_under_the_lease_of_its_part(store: Store, scribe: Scribe) -> None:
    await scribe.contact("c1")
    (delivery,) = await scribe.deliver("c1")
    name = part_name(ENDPOINT, part_of("c1"))
    await take(store, "one", ENDPOINT, millis=OVER)
    await take(store, "two", name, millis=OVER)
    late = failed(delivery, due_at=NOW + 9_000)
    await scribe.finish(under(1, late))
    assert (await standing(store, delivery))[0].counted == 0, "of who had the whole"
    await scribe.finish(replace(under(1, failed(delivery, NOW + 1, due_at=NOW)), lease=name))
    now, attempts = await standing(store, delivery)
    assert (now.counted, attempts) == (1, 2)
    await take(store, "one", ENDPOINT)
    await scribe.finish(replace(under(1, failed(now, NOW + 2, due_at=NOW + 9_000)), lease=name))
    now, attempts = await standing(store, delivery)
    assert (now.counted, attempts) == (1, 3), "of who had the part, which has gone with the others to who has the whole"


async def test_what_is_due_of_a_part(store: Store, scribe: Scribe) -> None:
    made: dict[int, list[str]] = {}
    for n in range(40):
        await scribe.contact(f"c{n}")
        made.setdefault(part_of(f"c{n}"), []).append((await scribe.deliver(f"c{n}"))[0].id)
    await scribe.deliver("c3")
    assert sorted(made) == list(range(PARTS))
    for part, wanted in made.items():
        assert ids(await store.queries.due(ENDPOINT, NOW, 99, part)) == wanted
        assert ids(await store.queries.due(ENDPOINT, NOW, 2, part)) == wanted[:2]
    assert await store.queries.due("end_2", NOW, 99, 3) == []


async def test_a_part_is_hurried_by_itself(store: Store, scribe: Scribe) -> None:
    for n in range(16):
        await scribe.contact(f"c{n}")
        (delivery,) = await scribe.deliver(f"c{n}")
        await scribe.finish(failed(delivery, due_at=NOW + 60_000 + n))
    mine = [f"c{n}" for n in range(16) if part_of(f"c{n}") == part_of("c0")]
    place = await store.transact(lambda tx: tx.hurry(ENDPOINT, NOW, 1, part_of("c0")))
    assert place is not None
    assert place[0] == NOW + 60_000
    assert [one.contact_id for one in await store.queries.due(ENDPOINT, NOW, 99)] == mine[:1]
    assert await store.transact(lambda tx: tx.hurry(ENDPOINT, NOW, 99, part_of("c0"), place)) is None
    assert sorted(one.contact_id for one in await store.queries.due(ENDPOINT, NOW, 99)) == sorted(mine)
