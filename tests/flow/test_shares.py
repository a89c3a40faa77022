"""Several processes on one database: each endpoint has one owner, all get their share, and nothing is lost on the way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from goniec.core.model import Failure, Status
from goniec.core.times import SECOND
from goniec.flow.endpoints import pause_endpoint
from goniec.flow.outbox import Outbox
from goniec.observe import log
from goniec.ports import WORKER, DeliveryFilter, Outgoing, Page, Signal, Tx
from tests.flow.crew import Crew, Worker, crew, delivered, visit
from tests.flow.desk import Desk
from tests.flow.workshop import Opening, failing, held, ok


@pytest.fixture
async def team(opening: Opening, tmp_path: Path) -> AsyncIterator[Crew]:
    """Nobody yet, and six endpoints with a rule for each."""
    async with crew(tmp_path, opening) as made:
        for n in range(6):
            await made.shop.endpoint(f"end_{n}", notice=False, policy={"schedule": [60, 120]})
            await made.shop.rule(
                f"rul_{n}", triggers=[{"type": "page.visited", "urls": [f"**/{n}/"]}],
                actions=[{"type": "webhook", "endpointId": f"end_{n}"}],
            )  # fmt: skip
        yield made


# --- taking and letting go ------------------------------------------------------------------------------------------


async def test_what_is_due_and_nobody_s_is_taken_and_let_go_when_it_rests(team: Crew) -> None:
    one = await team.join("one")
    await visit(team, 0, 1)
    await delivered(team)
    assert one.owned == ["end_0", "end_1"]
    assert list(await team.leases()) == ["end_0", "end_1", WORKER + "one"]
    await team.later(55)
    assert one.owned == ["end_0", "end_1"]
    await visit(team, 1)
    await team.later(15)
    assert one.owned == ["end_1"]
    await team.later(60)
    assert list(await team.leases()) == [WORKER + "one"]
    assert one.deliverer._outboxes.boxes == {}
    await visit(team, 0)
    await delivered(team)
    assert len(one.sender.sent) == 4


async def test_an_endpoint_that_waits_for_its_next_attempt_rests_too(team: Crew) -> None:
    one = await team.join("one")
    one.sender.script = lambda _: failing()
    await visit(team, 0)
    await team.until(lambda: len(one.sender.sent) == 2)
    await team.later(80)
    assert one.owned == []
    one.sender.script = ok
    await team.until(lambda: len(one.sender.sent) == 3)
    await delivered(team)


async def test_two_share_what_there_is(team: Crew) -> None:
    one, two = await team.join("one"), await team.join("two")
    await team.later(2)
    await visit(team, *range(6))
    await delivered(team)
    assert len(one.owned) == len(two.owned) == 3
    assert sorted([*one.owned, *two.owned]) == [f"end_{n}" for n in range(6)]
    assert sorted(one.sender.ids() + two.sender.ids()) == sorted({*one.sender.ids(), *two.sender.ids()})


async def test_who_joins_gets_a_share_of_what_others_have(team: Crew) -> None:
    one = await team.join("one")
    await visit(team, *range(6))
    await delivered(team)
    assert len(one.owned) == 6
    gate = asyncio.Event()
    one.sender.script = held(gate)
    await visit(team, 0)
    await team.until(lambda: one.sender.flying == 1)
    two = await team.join("two")
    await team.until(lambda: len(one.owned) == 3)
    assert "end_0" in one.owned, "what has a request under way goes last"
    await visit(team, *(int(id[-1]) for id in (f"end_{n}" for n in range(6)) if id not in one.owned))
    await team.until(lambda: len(two.sender.sent) == 3)
    gate.set()
    await delivered(team)
    await team.later(10)
    assert len(one.owned) == len(two.owned) == 3, "they stay where they are"


async def test_what_others_do_not_take_is_taken_after_a_while(team: Crew) -> None:
    two = await team.join("two")
    await team.later(1)
    await two.leases.renew()
    two.running.cancel()  # it stands still, and its lease goes on
    await asyncio.wait([two.running])
    one = await team.join("one")
    await visit(team, *range(6))
    await team.later(1)
    assert len(one.owned) == 3
    await team.until(lambda: len(one.owned) == 6)
    await delivered(team)
    del team.workers["two"]


async def test_what_was_taken_and_is_needed_no_more_is_let_go(team: Crew) -> None:
    one = await team.join("one")
    await team.later(1)
    await one.leases.take(("end_3",))
    await one.round()
    assert one.owned == []
    assert "end_3" not in await team.leases()


async def test_how_an_endpoint_does_goes_over_to_its_next_owner(team: Crew) -> None:
    one = await team.join("one")
    one.sender.script = lambda _: failing()
    await visit(team, 0)
    await team.until(lambda: len(one.sender.sent) == 2)
    await team.later(1)
    since = one.deliverer._outboxes.boxes["end_0"].breaker.failing
    assert since
    await one.stop()
    endpoint = await team.store.queries.endpoint("end_0")
    assert endpoint is not None
    assert endpoint.breaker.failing == since
    two = await team.join("two")
    two.sender.script = lambda _: failing()
    await team.until(lambda: len(two.sender.sent) == 1)
    await team.later(1)
    assert two.deliverer._outboxes.boxes["end_0"].breaker.failing > since


# --- handing over, signals and looking ------------------------------------------------------------------------------


async def test_an_owner_s_own_deliveries_go_at_once(team: Crew) -> None:
    one = await team.join("one")
    await visit(team, 0, by=one)
    await delivered(team)
    rounds = one.deliverer.rounds
    await visit(team, 0, by=one)
    for _ in range(5_000):
        if len(one.sender.sent) == 2:
            break
        await asyncio.sleep(0.001)
    assert len(one.sender.sent) == 2
    assert one.deliverer.rounds <= rounds + 2


@pytest.mark.parametrize("talking", [True, False])
async def test_what_is_recorded_elsewhere_is_its_owner_s(team: Crew, *, talking: bool) -> None:
    team.talking = talking
    one, two = await team.join("one"), await team.join("two")
    await two.round(2)
    await visit(team, 0)
    await two.round()
    await team.until(lambda: len(two.sender.sent) == 1)
    assert two.owned == ["end_0"]
    await one.round()
    await visit(team, 0, by=one)
    await delivered(team)
    assert one.sender.sent == []
    assert (Signal.DUE, ("end_0",)) in one.told
    assert len(two.sender.sent) == 2


async def test_who_does_not_deliver_tells_those_who_do(team: Crew) -> None:
    web = await team.join("web", delivers=False)
    await visit(team, 0, by=web)
    await team.later(10)
    assert web.owned == []
    assert await team.leases() == {}
    one = await team.join("one")
    await delivered(team)
    await visit(team, 0, by=web)
    await delivered(team)
    assert web.sender.sent == []
    assert len(one.sender.sent) == 2
    assert web.told == [(Signal.DUE, ("end_0",))] * 2


async def test_a_kick_and_a_change_reach_the_owner(team: Crew) -> None:
    one, two = await team.join("one"), await team.join("two")
    await visit(team, 0)
    await two.round(2)
    await team.until(lambda: len(two.sender.sent) == 1)
    await one.round()
    box = two.deliverer._outboxes.boxes["end_0"]
    changes = box.changes
    one.deliverer.changed("end_0")
    for _ in range(100):
        await asyncio.sleep(0.001)
    assert box.changes == changes + 1
    one.deliverer.kick("end_0")
    await two.round(2)
    assert one.told[-2:] == [(Signal.CHANGED, ("end_0",)), (Signal.DUE, ("end_0",))]
    two.deliverer.changed("end_0")
    two.deliverer.kick("end_0")
    await two.round(2)
    assert not two.told, "what it owns itself it need not tell"
    for heard in two.heard:
        heard(Signal.CHANGED, "")
        heard(Signal.DUE, "")
    await two.round(2)
    assert box.changes == changes + 3


async def test_what_an_operator_pauses_elsewhere_rests_within_a_second(team: Crew) -> None:
    team.talking = False
    one = await team.join("one")
    await visit(team, 0)
    await delivered(team)
    desk = Desk(team.shop)
    await pause_endpoint(desk.outside, "end_0")
    await team.later(1)
    await visit(team, 0, by=one)
    await team.later(5)
    assert len(one.sender.sent) == 1
    await team.store.transact(lambda tx: tx.delete_endpoint("end_1"))
    await team.later(2)
    assert one.deliverer._outboxes.boxes["end_0"].endpoint is not None


async def test_a_contact_s_deliveries_keep_their_order_wherever_they_were_recorded(team: Crew) -> None:
    one = await team.join("one")
    await visit(team, 0, by=one)
    await delivered(team)
    gate = asyncio.Event()
    one.sender.script = held(gate)
    await visit(team, 0, by=one)
    await team.until(lambda: one.sender.flying == 1)
    await visit(team, 0)
    await visit(team, 0, by=one)
    await visit(team, 0, by=one, contact="eva@x.pl")
    gate.set()
    await delivered(team)
    found = await team.store.queries.deliveries(DeliveryFilter(), Page())
    jan = [one.id for one in found if one.contact_id == found[0].contact_id]
    assert [id for id in one.sender.ids() if id in jan] == jan
    assert len(one.sender.sent) == 5


async def test_what_was_recorded_before_we_owned_it_is_looked_up(team: Crew) -> None:
    one = await team.join("one")
    await visit(team, 0)
    await delivered(team)
    (sent,) = await team.store.queries.deliveries(DeliveryFilter(), Page())
    assert sent.status is Status.DELIVERED
    stale = replace(sent, status=Status.PENDING, created_at=one.leases.since("end_0") - 1)
    one.deliverer.take([stale], set())
    await team.later(3)
    assert len(one.sender.sent) == 1


# --- losing ---------------------------------------------------------------------------------------------------------


async def test_who_is_asked_to_stop_finishes_and_others_go_on_at_once(team: Crew) -> None:
    one = await team.join("one")
    gate = asyncio.Event()
    one.sender.script = held(gate)
    await visit(team, 0)
    await team.until(lambda: one.sender.flying == 1)
    await visit(team, 0, by=one)
    two = await team.join("two")
    await team.later(3)
    stopping = asyncio.create_task(one.stop())
    await team.workers["two"].round(3)
    assert two.sender.sent == []
    gate.set()
    await stopping
    assert one.told[-1] == (Signal.LEASES, ("end_0",))
    await two.round(2)
    await delivered(team)
    assert len(one.sender.sent) == len(two.sender.sent) == 1
    assert list(await team.leases()) == ["end_0", WORKER + "two"]


async def stand_still(team: Crew, worker: Worker) -> None:
    """It neither renews nor looks for longer than its lease; what is under way stays so."""
    del team.workers[worker.name]
    await team.later(70)


async def test_another_takes_over_from_one_that_stands_still(team: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, dict[str, object]]] = []
    monkeypatch.setattr(log, "info", lambda event, **fields: said.append((event, fields)))
    one, two = await team.join("one"), await team.join("two")
    gate = asyncio.Event()
    one.sender.script = held(gate, lambda _: failing())
    await one.round(2)
    await visit(team, 0)
    await one.round()
    await team.until(lambda: one.sender.flying == 1)
    await visit(team, 0)
    await stand_still(team, one)
    assert two.owned == ["end_0"]
    assert said == [("endpoints.taken_over", {"endpoints": 1, "of": "one"})]
    assert len(two.sender.sent) == 2
    gate.set()
    team.workers["one"] = one
    await team.later(3)
    assert one.owned == []
    first, second = await team.store.queries.deliveries(DeliveryFilter(), Page())
    assert (first.status, first.attempts, first.counted) == (Status.DELIVERED, 2, 1)
    assert second.status is Status.DELIVERED


async def test_a_late_failure_of_one_that_stood_still_changes_nothing(team: Crew) -> None:
    one, two = await team.join("one"), await team.join("two")
    gate = asyncio.Event()
    one.sender.script = held(gate, lambda _: failing(410))
    two.sender.script = lambda _: failing()
    await one.round(2)
    await visit(team, 0)
    await one.round()
    await team.until(lambda: one.sender.flying == 1)
    await stand_still(team, one)
    assert len(two.sender.sent) >= 1
    (before,) = await team.store.queries.deliveries(DeliveryFilter(), Page())
    while not before.attempts:  # sent, and not yet written down
        await asyncio.sleep(0.001)
        (before,) = await team.store.queries.deliveries(DeliveryFilter(), Page())
    gate.set()
    team.workers["one"] = one
    await team.later(3)
    (after,) = await team.store.queries.deliveries(DeliveryFilter(), Page())
    assert after.attempts == before.attempts + 1
    assert (after.status, after.counted, after.due_at) == (before.status, before.counted, before.due_at)


async def test_no_request_starts_that_the_lease_might_not_outlast(team: Crew) -> None:
    one = await team.join("one")
    gate = asyncio.Event()
    one.sender.script = held(gate)
    await visit(team, 0)
    await team.until(lambda: one.sender.flying == 1)
    box = one.deliverer._outboxes.boxes["end_0"]
    for contact in ("eva@x.pl", "ola@x.pl"):
        await visit(team, 0, by=one, contact=contact)
    await visit(team, 0, by=one)
    await asyncio.sleep(0.01)
    assert box.flying == 3
    team.shop.clock.at += 41 * SECOND
    await visit(team, 0, by=one, contact="zoe@x.pl")
    gate.set()
    await one.round(3)
    assert one.sender.flying == 0
    assert len(one.sender.sent) == 3
    assert one.owned == ["end_0"]
    assert await one.leases.renew()
    await delivered(team)
    assert len(one.sender.sent) == 5


async def test_a_request_that_came_too_late_to_start_waits_in_the_table(team: Crew) -> None:
    one = await team.join("one")
    await visit(team, 0, by=one)
    await delivered(team)
    sending = one.deliverer._sending._work

    async def later(box: object) -> None:
        team.shop.clock.at += 41 * SECOND
        await sending(box)  # type: ignore[arg-type] # a box

    one.deliverer._sending._work = later  # type: ignore[method-assign] # as if the machine had stood still
    await visit(team, 0, by=one)
    await one.round(3)
    assert len(one.sender.sent) == 1
    one.deliverer._sending._work = sending  # type: ignore[method-assign] # as it was
    await one.leases.renew()
    await delivered(team)
    assert len(one.sender.sent) == 2


async def test_a_turn_that_comes_when_the_lease_is_short_is_none(team: Crew) -> None:
    one = await team.join("one")
    await team.shop.endpoint("end_0", notice=False, policy={"rate": 0.1})
    await visit(team, 0)
    await delivered(team)
    await visit(team, 0, by=one)
    await asyncio.sleep(0.01)
    box = one.deliverer._outboxes.boxes["end_0"]
    assert len(box.ready) == 1
    team.shop.clock.at += 45 * SECOND
    one.deliverer._sending._ring(box)
    assert not box.ready
    assert len(one.sender.sent) == 1
    await one.leases.renew()
    await delivered(team)


async def test_a_dead_connection_is_not_tried_anew_when_the_lease_is_short(team: Crew) -> None:
    one = await team.join("one")

    def stale(request: Outgoing) -> object:
        team.shop.clock.at += 41 * SECOND
        return failing(0, Failure.STALE)

    one.sender.script = stale  # type: ignore[assignment] # an answer
    await visit(team, 0)
    await team.until(lambda: len(one.sender.sent) == 1)
    await one.round(2)
    assert len(one.sender.sent) == 1
    one.sender.script = ok
    await one.leases.renew()
    await delivered(team)
    assert len(one.sender.sent) == 2


async def test_a_lease_that_could_not_be_renewed_is_taken_up_again_if_nobody_else_has_it(team: Crew) -> None:
    one = await team.join("one")
    await visit(team, 0)
    await delivered(team)
    team.shop.clock.at += 70 * SECOND
    await visit(team, 0, by=one)
    await delivered(team)
    assert len(one.sender.sent) == 2
    assert one.owned == ["end_0"]


async def test_the_store_is_told_of_a_pause_before_anybody_else_has_the_endpoint(team: Crew) -> None:
    one = await team.join("one")
    one.sender.script = lambda _: failing(410, Failure.GONE)
    insist = one.deliverer._health._insist
    gate = asyncio.Event()

    async def slowly(box: Outbox, work: Callable[[Tx], Awaitable[None]]) -> bool:
        await gate.wait()
        return await insist(box, work)

    one.deliverer._health._insist = slowly  # type: ignore[method-assign] # as if the store were slow
    await visit(team, 0)
    await team.until(lambda: len(one.sender.sent) == 1)
    box = one.deliverer._outboxes.boxes["end_0"]
    await team.later(1)
    assert not box.quiet
    gate.set()
    for _ in range(100):
        await asyncio.sleep(0.001)
    assert box.quiet
