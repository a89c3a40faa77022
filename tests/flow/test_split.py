"""A hot endpoint among several processes: in parts, each with one owner; per contact in order, and within its limits."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from goniec.core.model import Failure, Status
from goniec.core.parts import PARTS, part_name, part_names, part_of
from goniec.ports import WORKER, ContactFilter, DeliveryFilter, Outgoing, Page, Signal
from tests.flow.crew import Crew, Worker, crew, delivered, visit
from tests.flow.workshop import Opening, Workshop, email, failing, held, ok

CONTACTS = [f"c{n}@x.pl" for n in range(24)]
"""So many that each part has some."""

SPLIT = {"schedule": [60, 120], "concurrency": 16, "split": True}


@pytest.fixture
async def team(opening: Opening, tmp_path: Path) -> AsyncIterator[Crew]:
    """Nobody yet, and a split endpoint with a rule."""
    async with crew(tmp_path, opening) as made:
        await made.shop.endpoint("end_0", notice=False, policy=SPLIT)
        await made.shop.rule(
            "rul_0", triggers=[{"type": "page.visited", "urls": ["**/0/"]}],
            actions=[{"type": "webhook", "endpointId": "end_0"}],
        )  # fmt: skip
        yield made


class Saved:
    """Versions of the endpoint, as somebody saves it."""

    version = 1


async def save(team: Crew, **policy: Any) -> None:
    """Save the endpoint with another policy; nobody is told."""
    Saved.version += 1
    await team.shop.endpoint("end_0", notice=False, version=Saved.version, policy={**SPLIT, **policy})


async def crowd(team: Crew, by: Worker | None = None) -> None:
    """A visit of every contact."""
    for contact in CONTACTS:
        await visit(team, 0, by=by, contact=contact)


async def senders(team: Crew, *workers: Worker) -> dict[str, list[str]]:
    """By contact the deliveries that went out, in order; no worker sent another's, and each is of one contact."""
    found = await team.store.queries.deliveries(DeliveryFilter(), Page(1_000))
    of = {one.id: one.contact_id for one in found}
    sent: dict[str, list[str]] = defaultdict(list)
    by: dict[str, set[str]] = defaultdict(set)
    for worker in workers:
        for id in worker.sender.ids():
            sent[of[id]].append(id)
            by[of[id]].add(worker.name)
    assert all(len(names) == 1 for names in by.values()), by
    return sent


def in_order(sent: dict[str, list[str]]) -> bool:
    return all(ids == sorted(set(ids)) for ids in sent.values())


def parts(*workers: Worker) -> list[str]:
    return sorted(name for worker in workers for name in worker.owned)


# --- parts ----------------------------------------------------------------------------------------------------------


async def test_its_parts_are_shared_like_endpoints(team: Crew) -> None:
    one, two = await team.join("one"), await team.join("two")
    await team.later(2)
    await crowd(team)
    await delivered(team)
    assert len(one.owned) == len(two.owned) == PARTS // 2
    assert parts(one, two) == part_names("end_0")
    sent = await senders(team, one, two)
    assert len(sent) == len(CONTACTS)
    assert {part_of(contact) for contact in sent} == set(range(PARTS)), "all parts have contacts"


async def test_each_contact_keeps_its_order_wherever_it_was_recorded(team: Crew) -> None:
    one, two, web = await team.join("one"), await team.join("two"), await team.join("web", delivers=False)
    await team.later(2)
    for n in range(6):
        await crowd(team, by=(one, two, web, None)[n % 4])
        await team.later(n % 2)
    await delivered(team)
    sent = await senders(team, one, two)
    assert in_order(sent)
    assert all(len(ids) == 6 for ids in sent.values())


async def test_an_owner_s_own_deliveries_go_at_once_and_others_are_told_of_their_part(team: Crew) -> None:
    one, two = await team.join("one"), await team.join("two")
    await team.later(2)
    await crowd(team)
    await delivered(team)
    sent = await senders(team, one)
    contact = next(iter(sent))
    team.talking = False
    (wanted,) = [address for address in CONTACTS if (await person(team, address)) == contact]
    await visit(team, 0, by=one, contact=wanted)
    await soon(lambda: len(one.sender.sent) == sum(map(len, sent.values())) + 1)
    await visit(team, 0, by=two, contact=wanted)
    await soon(lambda: two.told[-1] == (Signal.DUE, (part_name("end_0", part_of(contact)),)))


async def test_beside_it_a_whole_one_goes_as_ever(team: Crew) -> None:
    await team.shop.endpoint("end_1", notice=False)
    await team.shop.rule(
        "rul_1", triggers=[{"type": "page.visited", "urls": ["**/1/"]}],
        actions=[{"type": "webhook", "endpointId": "end_1"}],
    )  # fmt: skip
    one = await team.join("one")
    await crowd(team)
    await delivered(team)
    await visit(team, 1, by=one)
    await delivered(team)
    assert [request.url for request in one.sender.sent[len(CONTACTS) :]] == ["https://end_1.example/hook"]


async def person(team: Crew, address: str) -> str:
    """The id of the contact with an address."""
    (found,) = await team.store.queries.contacts(ContactFilter(email=address), Page())
    return found.id


async def soon(wanted: Any) -> None:
    """Wait for what needs no time of the clock's."""
    for _ in range(5_000):
        if wanted():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never happens")


async def test_a_part_s_retries_and_resting_are_its_own(team: Crew) -> None:
    one = await team.join("one")
    one.sender.script = lambda _: failing(422)
    await visit(team, 0)
    await team.until(lambda: len(one.sender.sent) == 1)
    (waiting,) = await team.store.queries.deliveries(DeliveryFilter(), Page())
    name = part_name("end_0", part_of(waiting.contact_id))
    await team.later(1)
    assert name in one.owned
    one.sender.script = ok
    await team.until(lambda: len(one.sender.sent) == 2)
    await delivered(team)
    await team.later(70)
    assert list(await team.leases()) == [WORKER + "one"]
    assert one.deliverer._outboxes.boxes == {}


async def test_a_killed_owner_s_parts_are_taken_over(team: Crew) -> None:
    one, two = await team.join("one"), await team.join("two")
    await team.later(2)
    gate = asyncio.Event()
    one.sender.script = held(gate)
    await crowd(team)
    await team.until(lambda: one.sender.flying == 8)
    one.running.cancel()
    del team.workers["one"]
    for task in one.deliverer._outboxes.tasks:
        task.cancel()
    await asyncio.wait([one.running])
    one.heard.clear()
    await team.later(30)
    assert len(two.owned) == PARTS // 2
    await team.later(40)
    assert two.owned == part_names("end_0")
    await delivered(team)
    found = await team.store.queries.deliveries(DeliveryFilter(), Page(1_000))
    assert set(two.sender.ids()) == {one.id for one in found}


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [8, 13])
async def test_all_parts_together_have_as_many_requests_under_way_as_the_endpoint_takes(
    team: Crew, concurrency: int
) -> None:
    await save(team, concurrency=concurrency)
    one, two = await team.join("one"), await team.join("two")
    await team.later(2)
    gate = asyncio.Event()
    one.sender.script = two.sender.script = held(gate)
    for _ in range(3):
        await crowd(team)
    await team.later(5)
    assert one.sender.flying + two.sender.flying == concurrency
    gate.set()
    await delivered(team)
    assert one.sender.most + two.sender.most == concurrency
    assert in_order(await senders(team, one, two))


async def test_all_parts_together_keep_to_the_rate(team: Crew) -> None:
    await save(team, rate=4)
    one, two = await team.join("one"), await team.join("two")
    await team.later(2)
    for _ in range(3):
        await crowd(team)
    await one.round(3)
    await two.round(3)
    started: list[int] = []
    for _ in range(20):
        await team.later(1)
        for worker in (one, two):
            for box in worker.deliverer._outboxes.boxes.values():
                worker.deliverer._sending._ring(box)
        await asyncio.sleep(0.01)
        started.append(len(one.sender.sent) + len(two.sender.sent))
    assert started[0] <= PARTS + 4
    assert started[-1] <= PARTS + 4 * 20
    assert started[-1] >= min(3 * len(CONTACTS), 4 * 20) - PARTS, "and makes use of it"


async def test_what_a_receiver_asks_of_one_part_all_do(team: Crew) -> None:
    one, two = await team.join("one"), await team.join("two")
    await team.later(2)
    await crowd(team)
    await delivered(team)
    contact = next(iter(await senders(team, one)))
    (address,) = [address for address in CONTACTS if (await person(team, address)) == contact]
    one.sender.script = lambda _: failing(429, retry_after="100")
    await visit(team, 0, by=one, contact=address)
    endpoint = part_name("end_0", part_of(contact))
    await soon(lambda: one.deliverer._outboxes.boxes[endpoint].held_until > team.shop.clock.now())
    await soon(lambda: (Signal.CHANGED, ("end_0",)) in one.told)
    until = one.deliverer._outboxes.boxes[endpoint].held_until
    await team.later(1)
    await crowd(team)
    before = len(one.sender.sent) + len(two.sender.sent)
    one.sender.script = ok
    await team.later(90)
    assert len(one.sender.sent) + len(two.sender.sent) == before
    assert team.shop.clock.now() < until
    await delivered(team)


async def test_a_410_to_one_part_pauses_all(team: Crew) -> None:
    one, two = await team.join("one"), await team.join("two")
    await team.later(2)
    await crowd(team)
    await delivered(team)
    one.sender.script = two.sender.script = lambda _: failing(410, Failure.GONE)
    await visit(team, 0)
    await team.until(lambda: len(one.sender.sent) + len(two.sender.sent) == len(CONTACTS) + 1)
    await team.later(1)
    await crowd(team)
    await team.later(30)
    assert len(one.sender.sent) + len(two.sender.sent) == len(CONTACTS) + 1


async def test_each_part_probes_by_itself_and_hurries_its_own(team: Crew) -> None:
    await save(team, schedule=[3_600] * 3)
    one = await team.join("one")
    one.sender.script = lambda _: failing(500)
    for _ in range(2):
        await crowd(team)
    await team.later(2)
    boxes = one.deliverer._outboxes.boxes
    opened = {name for name, box in boxes.items() if box.breaker.open}
    assert opened, "some had five failures of three deliveries"
    one.sender.script = ok
    await team.until(lambda: not any(boxes[name].breaker.open for name in opened if name in boxes))
    mine: list[Status] = []
    for _ in range(20):
        await team.later(1)
        found = await team.store.queries.deliveries(DeliveryFilter(), Page(1_000))
        mine = [row.status for row in found if part_name("end_0", part_of(row.contact_id)) in opened]
    assert set(mine) == {Status.DELIVERED}, "nobody waits for the end of the hour"


# --- switched on and off --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("talking", [True, False])
async def test_it_is_split_while_deliveries_are_under_way(team: Crew, *, talking: bool) -> None:
    await save(team, split=False)
    one, two = await team.join("one"), await team.join("two")
    await team.later(1)
    gate = asyncio.Event()
    one.sender.script = two.sender.script = held(gate)
    await crowd(team)
    await team.until(lambda: one.sender.flying + two.sender.flying == 16)
    assert parts(one, two) == ["end_0"]
    team.talking = talking
    await save(team)
    if talking:
        one.deliverer.changed("end_0")
    await team.later(2)
    for by in (one, two, None):
        await crowd(team, by=by)
    await team.later(10)
    assert parts(one, two) == ["end_0"], "nobody has a part while the whole is under way"
    assert one.sender.flying + two.sender.flying == 16
    gate.set()
    await team.until(lambda: parts(one, two) == part_names("end_0"))
    await delivered(team)
    assert len(one.owned) == len(two.owned) == PARTS // 2
    await whole_order(team, one, two)


async def whole_order(team: Crew, *workers: Worker) -> None:
    """All went in the order of their contacts, whoever sent them: whole and parts were never had at once."""
    found = await team.store.queries.deliveries(DeliveryFilter(), Page(1_000))
    assert all(row.attempts == 1 for row in found)
    ends: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row in found:
        ends[row.contact_id].append((row.last_at or 0, row.id))
    assert all(times == sorted(times) for times in ends.values())
    assert sum(len(worker.sender.sent) for worker in workers) == len(found)


async def test_it_is_whole_again_while_deliveries_are_under_way(team: Crew) -> None:
    one, two = await team.join("one"), await team.join("two")
    await team.later(2)
    gate = asyncio.Event()
    one.sender.script = held(gate)
    await crowd(team)
    await team.until(lambda: one.sender.flying == 8)
    await save(team, split=False)
    await team.later(3)
    assert two.owned == [], "what is not under way goes at once"
    assert parts(one)
    assert "end_0" not in await team.leases()
    await crowd(team, by=two)
    await team.later(3)
    gate.set()
    await team.until(lambda: parts(one, two) == ["end_0"])
    await delivered(team)
    await whole_order(team, one, two)


async def test_one_that_lost_the_whole_takes_no_part_while_it_has_requests_under_way(team: Crew) -> None:
    await save(team, split=False)
    one = await team.join("one")
    gate = asyncio.Event()
    one.sender.script = held(gate)
    await crowd(team)
    await team.until(lambda: one.sender.flying == 16)
    two = await team.join("two")
    two.sender.script = held(gate)
    await save(team)
    del team.workers["one"]
    await team.later(70)  # it stands still, and its requests too
    assert two.owned == part_names("end_0")
    for task in two.deliverer._outboxes.tasks:
        task.cancel()
    two.running.cancel()
    await asyncio.wait([two.running])
    await two.leases.let_go(two.leases.names)
    team.workers = {"one": one}
    await team.later(5)
    assert one.owned == []
    gate.set()
    await team.until(lambda: one.owned == part_names("end_0"))
    await delivered(team)


async def test_who_does_not_know_yet_is_told_what_it_knows(team: Crew) -> None:
    await save(team, split=False)
    one = await team.join("one")
    await visit(team, 0)
    await delivered(team)
    for heard in one.heard:
        heard(Signal.DUE, "end_0/3")
    await one.round()
    assert one.owned == ["end_0"]
    await save(team)
    await team.until(lambda: "end_0" not in one.owned)
    await crowd(team)
    await delivered(team)
    for heard in one.heard:
        heard(Signal.DUE, "end_0")
        heard(Signal.DUE, "end_0/3")
    await one.round()
    assert one.owned == part_names("end_0")


async def test_one_process_with_a_database_to_itself_divides_nothing(shop: Workshop) -> None:
    await shop.endpoint("end_1", policy=SPLIT)
    await shop.rule(actions=[{"type": "webhook", "endpointId": "end_1"}])
    for contact in CONTACTS:
        await shop.record(email(contact, happenings=()))
    await shop.settle()
    assert list(shop.deliverer._outboxes.boxes) in ([], ["end_1"])


async def test_many_changes_of_mind_lose_nothing(team: Crew) -> None:
    one, two = await team.join("one"), await team.join("two")
    for n in range(6):
        await save(team, split=bool(n % 2))
        await crowd(team, by=(one, two, None)[n % 3])
        await team.later(n % 3)

    def slowly(request: Outgoing) -> Any:
        async def answer() -> Any:
            await asyncio.sleep(0.002)
            return ok(request)

        return answer()

    one.sender.script = two.sender.script = slowly
    for n in range(6):
        await save(team, split=bool(n % 2))
        await crowd(team, by=(two, None, one)[n % 3])
        await team.later(n % 3)
    await delivered(team)
    await whole_order(team, one, two)
