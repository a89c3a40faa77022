"""The queue: what may go, and how deliveries move on."""

from goniec.core.model import Delivery, Status
from goniec.core.parts import part_of
from goniec.ports import DUE_MOST, Place, Queue, Store, Tx
from tests.contract.store.scribe import ENDPOINT, NOW, Scribe, attempt, by_hand, endpoint, failed, ids, put, succeeded

SOON = NOW + 5_000
LATER = NOW + 60_000


async def due(store: Store, at: int = NOW, endpoint_id: str = ENDPOINT, limit: int = 100) -> list[str]:
    return ids(await store.queries.due(endpoint_id, at, limit))


async def now(store: Store, delivery: Delivery) -> Delivery:
    found = await store.queries.delivery(delivery.id)
    assert found is not None
    return found[0]


async def send_again(store: Store, delivery: Delivery) -> Delivery | None:
    return await store.transact(lambda tx: tx.requeue(delivery.id, SOON))


# --- what may go ----------------------------------------------------------------------------------------------------


async def test_the_oldest_due_comes_first(store: Store, scribe: Scribe) -> None:
    made = [(await scribe.deliver(f"c{n}", due_at=NOW - n))[0] for n in range(5)]
    assert await due(store) == ids(reversed(made))
    assert await due(store, limit=2) == ids(made[:2:-1])
    assert await due(store, NOW - 2) == ids(made[:1:-1])
    assert await due(store, endpoint_id="end_2") == []


async def test_in_a_lane_only_the_first_may_go(store: Store, scribe: Scribe) -> None:
    first, second = [(await scribe.deliver("c1"))[0] for _ in range(2)]
    (other,) = await scribe.deliver("c2")
    (elsewhere,) = await scribe.deliver("c1", ["end_2"])
    assert await due(store) == ids([first, other])
    assert await due(store, endpoint_id="end_2") == [elsewhere.id]
    await scribe.finish(succeeded(first))
    assert await due(store) == ids([second, other])


async def test_deliveries_of_one_event_keep_their_order(store: Store, scribe: Scribe) -> None:
    made = await scribe.deliver("c1", [ENDPOINT] * 4)
    for delivery in made:
        assert await due(store) == [delivery.id]
        await scribe.finish(succeeded(delivery))
    assert await due(store) == []


async def test_what_stands_aside_goes_freely(store: Store, scribe: Scribe) -> None:
    (aside,) = await scribe.deliver("c1", aside=True)
    (first,) = await scribe.deliver("c1")
    (another,) = await scribe.deliver("c1", aside=True)
    assert await due(store) == ids([aside, first, another])


async def test_those_behind_heads(store: Store, scribe: Scribe) -> None:
    made = [(await scribe.deliver("c1"))[0] for _ in range(4)]
    (other,) = await scribe.deliver("c2")
    (later,) = await scribe.deliver("c2")
    (alone,) = await scribe.deliver("c3")
    (aside,) = await scribe.deliver("c1", aside=True)
    await scribe.deliver("c1", ["end_2"])
    await by_hand(store, f"UPDATE queue SET due_at = {SOON} WHERE delivery_id = '{made[2].id}'")
    heads = ids([made[0], other, alone, aside])
    behind = await store.queries.followers(heads, 2)
    assert {head: [(one.id, one.due_at) for one in found] for head, found in behind.items()} == {
        made[0].id: [(made[1].id, None), (made[2].id, SOON)],
        other.id: [(later.id, None)],
    }
    assert [one.body for one in behind[made[0].id]] == [made[1].body, made[2].body]
    assert ids((await store.queries.followers([made[1].id], 9))[made[1].id]) == ids(made[2:])
    assert await store.queries.followers(["dlv_none"], 9) == {}
    # a lane is where the queue says
    await by_hand(store, f"UPDATE queue SET contact_id = 'c2' WHERE delivery_id = '{alone.id}'")
    assert ids((await store.queries.followers([other.id], 9))[other.id]) == ids([later, alone])


async def test_what_is_not_pending_is_not_queued(store: Store, scribe: Scribe) -> None:
    for status in (Status.HELD, Status.CANCELLED, Status.DELIVERED, Status.FAILED):
        await scribe.deliver("c1", status=status, due_at=None)
    assert await due(store) == []
    assert await store.queries.due_endpoints(LATER) == []


async def test_endpoints_that_have_something_due(store: Store, scribe: Scribe) -> None:
    assert await store.queries.due_endpoints(LATER) == []
    await scribe.deliver("c1", ["end_3", "end_1"])
    await scribe.deliver("c2", ["end_1"])
    await scribe.deliver("c3", ["end_2"], due_at=SOON)
    assert await store.queries.due_endpoints(NOW - 1) == []
    assert await store.queries.due_endpoints(NOW) == ["end_1", "end_3"]
    assert await store.queries.due_endpoints(SOON) == ["end_1", "end_2", "end_3"]


async def test_queues(store: Store, scribe: Scribe) -> None:
    assert await store.queries.queues(NOW) == []
    await scribe.deliver("c1", ["end_1", "end_2"], due_at=SOON)
    await scribe.deliver("c2", ["end_1"], due_at=NOW - 9)
    await scribe.deliver("c3", ["end_1"])
    one, two = Queue("end_1", 3, 2, NOW - 9), Queue("end_2", 1, 0, None)
    assert await store.queries.queues(NOW) == [one, two]
    assert await store.queries.queues(NOW, ["end_2", "end_3"]) == [two]
    assert await store.queries.queues(NOW, []) == []
    assert not one.more_due


async def test_of_a_long_queue_a_part_is_counted(store: Store, scribe: Scribe) -> None:
    await scribe.deliver("c1", due_at=NOW - 5_000)
    rows = f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {DUE_MOST})"
    rows += f" SELECT 'dlv_' || i, 'end_1', 'con_' || i, true, {NOW} - i FROM n"
    await by_hand(store, f"INSERT INTO queue (delivery_id, endpoint_id, contact_id, lane, due_at) {rows}")
    (found,) = await store.queries.queues(NOW)
    assert found == Queue("end_1", 1, DUE_MOST, NOW - 5_000)
    assert found.more_due


# --- attempts -------------------------------------------------------------------------------------------------------


async def test_a_success(store: Store, scribe: Scribe) -> None:
    (made,) = await scribe.deliver("c1")
    (moved,) = await scribe.finish(succeeded(made, NOW + 10))
    assert moved.status is Status.DELIVERED
    assert (moved.due_at, moved.counted, moved.attempts, moved.first_at) == (None, 1, 1, NOW + 10)
    assert moved.delivered_at == NOW + 17
    assert moved.body == made.body
    found = await store.queries.delivery(made.id)
    assert found is not None
    assert found[0] == moved
    assert found[1] == [attempt(made, NOW + 10, number=1, status=200, detail="delivered")]
    assert await store.queries.due_endpoints(LATER) == []


async def test_a_failure_that_is_tried_again(store: Store, scribe: Scribe) -> None:
    (made,) = await scribe.deliver("c1")
    (moved,) = await scribe.finish(failed(made, NOW, SOON, refusals=1))
    assert (moved.status, moved.due_at, moved.counted, moved.refusals) == (Status.PENDING, SOON, 1, 1)
    assert await due(store, SOON - 1) == []
    assert await store.queries.due(ENDPOINT, SOON, 9) == [moved]
    (moved,) = await scribe.finish(failed(moved, SOON, LATER))
    assert (moved.attempts, moved.first_at, moved.last_at, moved.due_at) == (2, NOW, SOON, LATER)
    found = await store.queries.delivery(made.id)
    assert found is not None
    assert [(one.number, one.at) for one in found[1]] == [(1, NOW), (2, SOON)]


async def test_several_attempts_of_one_delivery_in_one_go(store: Store, scribe: Scribe) -> None:
    (made,) = await scribe.deliver("c1")
    moved = await scribe.finish(failed(made, NOW, SOON), succeeded(made, SOON), failed(made, LATER, LATER))
    assert [(one.status, one.attempts) for one in moved] == [
        (Status.PENDING, 1),
        (Status.DELIVERED, 2),
        (Status.DELIVERED, 3),
    ]
    assert await now(store, made) == moved[-1]
    assert (await store.queries.totals())["attempts"] == 3


async def test_an_arrival_of_what_was_put_off_cancelled_or_erased_meanwhile(store: Store, scribe: Scribe) -> None:
    made = [(await scribe.deliver(f"c{n}"))[0] for n in range(4)]
    contact = made[3].contact_id
    await scribe.finish(failed(made[1], NOW, SOON))
    await store.transact(lambda tx: tx.cancel(made[2].id, NOW))
    await store.transact(lambda tx: tx.erase(contact, NOW))
    moved = await scribe.finish(*map(succeeded, made))
    assert [(one.status, one.attempts) for one in moved] == [(Status.DELIVERED, n) for n in (1, 2, 1, 1)]
    assert [one.body == b"" for one in moved] == [False, False, False, True]
    for one in moved:
        assert await now(store, one) == one
    assert await store.queries.due_endpoints(LATER) == []
    assert await store.queries.totals() == await store.queries.recount()


async def test_many_attempts_at_once(store: Store, scribe: Scribe) -> None:
    made = [(await scribe.deliver(f"c{n}"))[0] for n in range(241)]
    moved = await scribe.finish(*(succeeded(one) if n % 3 else failed(one, NOW, SOON) for n, one in enumerate(made)))
    assert ids(moved) == ids(made)
    assert [one.status is Status.DELIVERED for one in moved] == [n % 3 > 0 for n in range(241)]
    assert len(await due(store, SOON, limit=999)) == 81
    assert await scribe.finish() == []


async def test_giving_up(store: Store, scribe: Scribe) -> None:
    (made,) = await scribe.deliver("c1")
    (moved,) = await scribe.finish(failed(made))
    assert (moved.status, moved.due_at) == (Status.FAILED, None)
    assert await store.queries.due_endpoints(LATER) == []


async def test_an_attempt_of_a_delivery_that_retention_took_is_let_go(store: Store, scribe: Scribe) -> None:
    (made,) = await scribe.deliver("c1")
    await store.transact(lambda tx: tx.cancel(made.id, NOW))
    await store.transact(lambda tx: tx.prune(NOW + 1, 0, 0, 100))
    (moved,) = await scribe.finish(succeeded(made))
    assert moved.id == made.id
    assert await store.queries.totals() == await store.queries.recount()


async def test_a_held_one_is_decided_by_its_attempt(store: Store, scribe: Scribe) -> None:
    good, bad = await scribe.deliver("c1", ["end_1", "end_2"], status=Status.HELD, due_at=None, test=True)
    moved = await scribe.finish(succeeded(good), failed(bad))
    assert [one.status for one in moved] == [Status.DELIVERED, Status.FAILED]
    assert await store.queries.due_endpoints(LATER) == []


# --- followers ------------------------------------------------------------------------------------------------------


async def test_followers_wait_with_the_head_of_their_lane(store: Store, scribe: Scribe) -> None:
    first, second = [(await scribe.deliver("c1"))[0] for _ in range(2)]
    (other,) = await scribe.deliver("c2")
    await scribe.finish(failed(first, NOW, LATER))
    assert (await now(store, second)).due_at is None, "whenever the first has gone"
    assert (await now(store, other)).due_at == NOW
    assert await due(store) == [other.id]
    await scribe.finish(succeeded(other))
    assert await store.queries.due_endpoints(LATER - 1) == []


async def test_a_follower_that_comes_later_waits_too(store: Store, scribe: Scribe) -> None:
    (first,) = await scribe.deliver("c1")
    await scribe.finish(failed(first, NOW, LATER))
    (second,) = await scribe.deliver("c1")
    assert await due(store, LATER - 1) == []
    await scribe.finish(succeeded(first, LATER))
    assert await due(store, LATER + 7) == [second.id]


async def test_followers_go_at_once_when_the_head_arrives(store: Store, scribe: Scribe) -> None:
    first, second, third = [(await scribe.deliver("c1"))[0] for _ in range(3)]
    await scribe.finish(failed(first, NOW, LATER))
    await scribe.finish(succeeded(first, SOON))
    assert await due(store, SOON + 7) == [second.id]
    await scribe.finish(succeeded(second, SOON + 7))
    assert await due(store, SOON + 7) == [third.id]


async def test_followers_go_at_once_when_the_head_steps_aside(store: Store, scribe: Scribe) -> None:
    first, second, third = [(await scribe.deliver("c1"))[0] for _ in range(3)]
    await scribe.finish(failed(first, NOW, SOON))
    (moved,) = await scribe.finish(failed(first, SOON, LATER, aside=True))
    assert (moved.aside, moved.due_at) == (True, LATER)
    assert await due(store, SOON + 7) == [second.id]
    await scribe.finish(failed(second, SOON + 7, LATER + 99))
    assert (await now(store, third)).due_at is None
    assert await due(store, LATER) == [first.id]
    assert await due(store, LATER + 99) == [first.id, second.id]
    await scribe.finish(succeeded(second, LATER + 99))
    assert (await now(store, third)).due_at == NOW, "since it was made"


async def test_however_many_stand_behind_a_head_nobody_looks_at_them(store: Store, scribe: Scribe) -> None:
    made = [scribe.sent(scribe.event("c1")) for _ in range(500)]
    await scribe.save(*made)
    head, *followers = [part.deliveries[0] for part in made]
    (queue,) = await store.queries.queues(LATER)
    assert (queue.pending, queue.due) == (500, 1)
    await scribe.finish(failed(head, NOW, LATER))
    assert await due(store, LATER - 1) == []
    assert await due(store, LATER) == [head.id]
    assert not await store.transact(lambda tx: tx.hurry(ENDPOINT, SOON, 100))
    assert await due(store, SOON) == [head.id]
    await store.transact(lambda tx: tx.cancel_many(ids([head, *followers[:-1]]), SOON))
    assert await due(store, SOON) == [followers[-1].id]


async def test_who_comes_after_the_head_has_gone_in_the_same_transaction_is_no_follower(
    store: Store, scribe: Scribe
) -> None:
    first, second = scribe.sent(scribe.event("c1")), scribe.sent(scribe.event("c1"))
    lanes = [(ENDPOINT, "c1")]

    async def work(tx: Tx) -> None:
        await tx.busy_lanes(lanes)
        await tx.save(first)
        assert await tx.busy_lanes(lanes) == set(lanes)
        await tx.cancel(first.deliveries[0].id, NOW)
        assert await tx.busy_lanes(lanes) == set()
        await tx.save(second)

    await store.transact(work)
    assert await due(store) == ids(second.deliveries)


async def test_a_follower_that_leaves_lets_nobody_pass_its_head(store: Store, scribe: Scribe) -> None:
    first, second, third = [(await scribe.deliver("c1"))[0] for _ in range(3)]
    await scribe.finish(failed(first, NOW, LATER))
    await store.transact(lambda tx: tx.cancel(second.id, SOON))
    assert await due(store, LATER) == [first.id]
    await scribe.finish(succeeded(first, LATER))
    assert await due(store, LATER + 7) == [third.id]


async def test_who_arrives_with_its_follower_lets_the_one_behind_both_go(store: Store, scribe: Scribe) -> None:
    first, second, third = [(await scribe.deliver("c1"))[0] for _ in range(3)]
    (other,) = await scribe.deliver("c2")
    await scribe.finish(succeeded(second), succeeded(first), failed(other, NOW, LATER))
    assert await due(store, NOW) == [third.id]


async def test_a_head_that_steps_aside_at_its_first_failure_holds_nobody(store: Store, scribe: Scribe) -> None:
    first, second = [(await scribe.deliver("c1"))[0] for _ in range(2)]
    await scribe.finish(failed(first, NOW, LATER, aside=True))
    assert await due(store, NOW + 7) == [second.id]


async def test_followers_go_at_once_when_the_head_is_given_up(store: Store, scribe: Scribe) -> None:
    first, second = [(await scribe.deliver("c1"))[0] for _ in range(2)]
    await scribe.finish(failed(first, NOW, LATER))
    await scribe.finish(failed(first, SOON))
    assert await due(store, SOON + 7) == [second.id]


async def test_followers_go_at_once_when_the_head_is_cancelled(store: Store, scribe: Scribe) -> None:
    first, second = [(await scribe.deliver("c1"))[0] for _ in range(2)]
    await scribe.finish(failed(first, NOW, LATER))
    await store.transact(lambda tx: tx.cancel(first.id, SOON))
    assert await due(store, SOON) == [second.id]


async def test_what_stands_aside_holds_nobody(store: Store, scribe: Scribe) -> None:
    (aside,) = await scribe.deliver("c1", aside=True)
    (first,) = await scribe.deliver("c1")
    await scribe.finish(failed(aside, NOW, LATER, aside=True))
    assert await due(store) == [first.id]


# --- cancelling -----------------------------------------------------------------------------------------------------


async def test_cancelling(store: Store, scribe: Scribe) -> None:
    (made,) = await scribe.deliver("c1")
    cancelled = await store.transact(lambda tx: tx.cancel(made.id, SOON))
    assert cancelled is not None
    assert (cancelled.status, cancelled.due_at, cancelled.body) == (Status.CANCELLED, None, made.body)
    assert await now(store, made) == cancelled
    assert await store.queries.due_endpoints(LATER) == []
    assert await store.transact(lambda tx: tx.cancel("dlv_0", SOON)) is None


async def test_only_what_is_pending_is_cancelled(store: Store, scribe: Scribe) -> None:
    (made,) = await scribe.deliver("c1")
    (delivered,) = await scribe.finish(succeeded(made))
    assert await store.transact(lambda tx: tx.cancel(made.id, SOON)) == delivered


async def test_an_attempt_under_way_does_not_bring_a_cancelled_one_back(store: Store, scribe: Scribe) -> None:
    (made,) = await scribe.deliver("c1")
    await store.transact(lambda tx: tx.cancel(made.id, SOON))
    (moved,) = await scribe.finish(failed(made, NOW, LATER))
    assert (moved.status, moved.due_at, moved.attempts) == (Status.CANCELLED, None, 1)
    (moved,) = await scribe.finish(failed(made))
    assert moved.status is Status.CANCELLED
    assert await store.queries.due_endpoints(LATER) == []
    found = await store.queries.delivery(made.id)
    assert found is not None
    assert len(found[1]) == 2


async def test_a_late_success_always_counts(store: Store, scribe: Scribe) -> None:
    cancelled, given_up = await scribe.deliver("c1", ["end_1", "end_2"])
    await store.transact(lambda tx: tx.cancel(cancelled.id, SOON))
    await scribe.finish(failed(given_up))
    moved = await scribe.finish(succeeded(cancelled), succeeded(given_up))
    assert [one.status for one in moved] == [Status.DELIVERED, Status.DELIVERED]
    assert (await store.queries.totals())["deliveries.delivered"] == 2


async def test_a_late_failure_takes_no_success_away(store: Store, scribe: Scribe) -> None:
    (made,) = await scribe.deliver("c1")
    await scribe.finish(succeeded(made))
    (moved,) = await scribe.finish(failed(made, SOON, LATER))
    assert (moved.status, moved.due_at, moved.delivered_at) == (Status.DELIVERED, None, NOW + 7)


# --- sending again --------------------------------------------------------------------------------------------------


async def test_sending_again(store: Store, scribe: Scribe) -> None:
    (made,) = await scribe.deliver("c1")
    await scribe.finish(failed(made, NOW, refusals=2))
    again = await send_again(store, made)
    assert again is not None
    assert (again.status, again.due_at, again.counted, again.refusals) == (Status.PENDING, SOON, 0, 0)
    assert (again.aside, again.resend, again.attempts, again.first_at) == (True, True, 1, NOW)
    assert again.body == made.body
    assert await store.queries.due(ENDPOINT, SOON, 9) == [again]
    (moved,) = await scribe.finish(succeeded(again, SOON, resend=True))
    assert (moved.status, moved.attempts) == (Status.DELIVERED, 2)
    found = await store.queries.delivery(made.id)
    assert found is not None
    assert [(one.number, one.resend) for one in found[1]] == [(1, False), (2, True)]
    assert await store.transact(lambda tx: tx.requeue("dlv_0", SOON)) is None


async def test_what_is_sent_again_enters_no_lane(store: Store, scribe: Scribe) -> None:
    first, second = [(await scribe.deliver("c1"))[0] for _ in range(2)]
    await scribe.finish(succeeded(first))
    again = await store.transact(lambda tx: tx.requeue(first.id, NOW))
    assert again is not None
    assert set(await due(store)) == {first.id, second.id}
    await scribe.finish(failed(again, NOW, LATER, aside=True))
    assert await due(store) == [second.id]
    assert await store.transact(lambda tx: tx.busy_lanes([(ENDPOINT, "c1")])) == {(ENDPOINT, "c1")}


async def test_what_had_arrived_has_arrived_even_when_sending_again_fails(store: Store, scribe: Scribe) -> None:
    (made,) = await scribe.deliver("c1")
    await scribe.finish(succeeded(made))
    again = await send_again(store, made)
    assert again is not None
    assert (await store.queries.totals())["deliveries.pending"] == 1
    (moved,) = await scribe.finish(failed(again, SOON))
    assert (moved.status, moved.delivered_at, moved.attempts) == (Status.DELIVERED, NOW + 7, 2)
    again = await send_again(store, made)
    cancelled = await store.transact(lambda tx: tx.cancel(made.id, SOON))
    assert cancelled is not None
    assert cancelled.status is Status.DELIVERED


async def test_sending_a_pending_one_again_only_makes_it_due(store: Store, scribe: Scribe) -> None:
    first, second = [(await scribe.deliver("c1"))[0] for _ in range(2)]
    await scribe.finish(failed(first, NOW, LATER))
    again = await store.transact(lambda tx: tx.requeue(first.id, SOON))
    assert again is not None
    assert (again.status, again.due_at, again.aside, again.resend) == (Status.PENDING, SOON, False, False)
    assert await due(store, SOON) == [first.id]
    follower = await store.transact(lambda tx: tx.requeue(second.id, SOON))
    assert follower == await now(store, second)
    assert follower.due_at is None, "nobody passes its head"
    await scribe.finish(succeeded(first, SOON))
    assert await due(store, SOON + 7) == [second.id]


async def test_an_attempt_under_way_does_not_end_what_was_asked_for_meanwhile(store: Store, scribe: Scribe) -> None:
    (made,) = await scribe.deliver("c1")
    await store.transact(lambda tx: tx.cancel(made.id, NOW))
    await send_again(store, made)
    (moved,) = await scribe.finish(failed(made, NOW))
    assert (moved.status, moved.due_at, moved.counted, moved.attempts) == (Status.PENDING, SOON, 0, 1)
    assert await due(store, SOON) == [made.id]


async def test_sending_again_what_was_cancelled_or_held(store: Store, scribe: Scribe) -> None:
    (cancelled,) = await scribe.deliver("c1")
    (held,) = await scribe.deliver("c1", status=Status.HELD, due_at=None)
    await store.transact(lambda tx: tx.cancel(cancelled.id, NOW))
    for delivery in (cancelled, held):
        again = await send_again(store, delivery)
        assert again is not None
        assert again.status is Status.PENDING
    assert set(await due(store, SOON)) == {cancelled.id, held.id}
    assert await store.queries.totals() == await store.queries.recount()


async def test_deleting_an_endpoint_leaves_its_log_readable(store: Store, scribe: Scribe) -> None:
    await put(store, endpoint())
    (made,) = await scribe.deliver("c1")
    await store.transact(lambda tx: tx.delete_endpoint(ENDPOINT))
    assert await now(store, made) == made
    assert await due(store) == [made.id]


# --- an endpoint that is back ---------------------------------------------------------------------------------------


async def hurry(store: Store, limit: int = 100, after: Place | None = None) -> Place | None:
    return await store.transact(lambda tx: tx.hurry(ENDPOINT, NOW, limit, after=after))


async def test_what_was_put_off_becomes_due(store: Store, scribe: Scribe) -> None:
    (put_off,) = await scribe.deliver("c1")
    (follower,) = await scribe.deliver("c1")
    (other,) = await scribe.deliver("c2", due_at=NOW - 5)
    (elsewhere,) = await scribe.deliver("c3", ["end_2"], due_at=LATER)
    await scribe.finish(failed(put_off, due_at=LATER))
    assert await due(store) == [other.id]
    assert not await hurry(store)
    assert await due(store) == ids([other, put_off])
    assert await due(store, endpoint_id=elsewhere.endpoint_id) == []
    await scribe.finish(succeeded(put_off))
    assert await due(store) == ids([other, follower])


async def test_the_soonest_hurry_first(store: Store, scribe: Scribe) -> None:
    made = [(await scribe.deliver(f"c{n}", due_at=LATER - n))[0] for n in range(5)]
    assert await hurry(store, 2)
    assert await due(store) == ids([made[3], made[4]]) or await due(store) == ids([made[4], made[3]])
    assert await hurry(store, 3)
    assert not await hurry(store, 3)
    assert set(await due(store)) == set(ids(made))


async def test_hurrying_goes_past_what_has_an_hour_of_its_own_bite_by_bite(store: Store, scribe: Scribe) -> None:
    for n in range(5):
        await scribe.deliver(f"t{n}", due_at=LATER + n, aside=True)
    (put_off,) = await scribe.deliver("c1", due_at=LATER + 9)
    place = await hurry(store, 2)
    place = await hurry(store, 2, place)
    assert place is not None
    assert place[0] == LATER + 3
    assert await due(store) == []
    assert await hurry(store, 4, place) is None
    assert await due(store) == [put_off.id]


async def test_what_has_an_hour_of_its_own_is_not_hurried(store: Store, scribe: Scribe) -> None:
    (timed,) = await scribe.deliver("c1", due_at=LATER, aside=True)
    (tried,) = await scribe.deliver("c2", due_at=NOW - 1, aside=True)
    await scribe.finish(failed(tried, due_at=LATER))
    assert not await hurry(store)
    assert await due(store) == [tried.id]
    assert not await store.transact(lambda tx: tx.hurry(ENDPOINT, NOW, 100, part_of("c1")))
    assert await due(store) == [tried.id]
    await store.transact(lambda tx: tx.requeue(timed.id, NOW))
    assert set(await due(store)) == {tried.id, timed.id}
