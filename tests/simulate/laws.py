"""What has to hold at the end of every history, whatever happened in it."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from goniec.core.ids import event_of
from goniec.core.model import Status
from goniec.core.parts import PARTS
from goniec.flow.outbox import BURST_SECONDS
from goniec.store.sqlite.driving import drive
from tests.simulate.receivers import Arrival
from tests.simulate.world import World


def broken(world: World) -> Iterator[str]:
    """Tell which laws were broken, in words."""
    rows: dict[str, dict[str, Any]] = {}
    names = ("id", "endpoint_id", "contact_id", "status", "counted", "attempts", "aside", "resend")
    for row in world.disk.db.execute(f"SELECT {', '.join(names)} FROM deliveries ORDER BY id"):
        rows[row[0]] = dict(zip(names, row, strict=True))
    arrivals: dict[str, list[Arrival]] = defaultdict(list)
    for arrival in world.network.arrivals:
        arrivals[arrival.delivery].append(arrival)
    yield from _nothing_lost(world, rows, arrivals)
    yield from _all_logged(world, rows, arrivals)
    yield from _once(world, rows, arrivals)
    yield from _order(world, rows, arrivals)
    yield from _limits(world)
    yield from _one_owner(world)
    yield from _ledger(world, rows)


def _nothing_lost(world: World, rows: dict[str, Any], arrivals: dict[str, list[Arrival]]) -> Iterator[str]:
    events = {id for (id,) in world.disk.db.execute("SELECT id FROM events")}
    told = {event_of(id) for id in rows}
    for id in world.accepted:
        if id not in events:
            yield f"{id} was accepted, and is gone"
        if id not in told:
            yield f"{id} was accepted, and nobody was told"
    for id in arrivals.keys() - rows.keys():
        yield f"{id} was sent, and is not on disk"
    for id, row in rows.items():
        yield from _ended(world, row, took=any(one.ok for one in arrivals[id]))


def _ended(world: World, row: dict[str, Any], *, took: bool) -> Iterator[str]:
    id, most = row["id"], len(world.policies[row["endpoint_id"]].schedule) + 1
    match row["status"]:
        case Status.DELIVERED if not took:
            yield f"{id} is delivered, and its receiver never took it"
        case Status.FAILED if row["counted"] != most:
            yield f"{id} has failed after {row['counted']} attempts of {most}"
        case Status.CANCELLED if id not in world.cancelled:
            yield f"{id} is cancelled, and nobody asked for it"
        case Status.PENDING | Status.HELD as other:
            yield f"{id} is still {other}"
        case _:
            pass


def _all_logged(world: World, rows: dict[str, Any], arrivals: dict[str, list[Arrival]]) -> Iterator[str]:
    """Only what was under way when a process was killed may be missing."""
    logged: dict[str, list[int]] = defaultdict(list)
    for id, number in world.disk.db.execute("SELECT delivery_id, number FROM attempts ORDER BY delivery_id, number"):
        logged[id].append(number)
    for id, row in rows.items():
        if logged[id] != list(range(1, row["attempts"] + 1)):
            yield f"{id} has attempts {logged[id]}, and counts {row['attempts']}"
        sure = sum(not world.lives[one.life].killed for one in arrivals[id])
        if sure > len(logged[id]):
            yield f"{id} was sent {sure} times, and {len(logged[id])} attempts are logged"


def _once(world: World, rows: dict[str, Any], arrivals: dict[str, list[Arrival]]) -> Iterator[str]:
    """A receiver that said yes and was heard is asked again only after a death, or when somebody wants it."""
    for id in rows.keys() - world.resent:
        took = [one for one in arrivals[id] if one.ok]
        for one, another in pairwise(took):
            if one.heard and not world.lives[one.life].cut_off and not _lost(world, one):
                yield f"{id} arrived at {one.at:.3f} and again at {another.at:.3f}"
    for id in world.network.twice:
        yield f"{id} was sent twice at the same time"


def _lost(world: World, one: Arrival) -> bool:
    """Whether its yes never came through."""
    found = world.disk.db.execute(
        "SELECT failure FROM attempts WHERE delivery_id = ? AND number = ?", (one.delivery, one.number)
    ).get
    return found is not None


def _order(world: World, rows: dict[str, Any], arrivals: dict[str, list[Arrival]]) -> Iterator[str]:
    """A contact's deliveries to an endpoint arrive in their order, unless one stepped aside or somebody meddled."""
    lanes: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for id, row in rows.items():
        meddled = row["aside"] or row["resend"] or id in world.cancelled or id in world.resent
        if world.policies[row["endpoint_id"]].order and not meddled:
            first = min((one.at for one in arrivals[id] if one.ok), default=None)
            if first is not None:
                lanes[row["endpoint_id"], row["contact_id"]].append((first, id))
    for found in lanes.values():
        for (at, id), (later, behind) in pairwise(found):
            if at >= later:
                yield f"{behind} arrived at {later:.3f}, before {id} at {at:.3f}"


def _one_owner(world: World) -> Iterator[str]:
    """No process sends to an endpoint while a request of another one's is under way to it."""
    for at, endpoint, one, another in world.network.two_owners:
        yield f"{endpoint} was sent to by life {another} at {at:.3f}, while life {one} was at it"


def _limits(world: World) -> Iterator[str]:
    for id, policy in world.policies.items():
        if world.network.most[id] > policy.concurrency:
            yield f"{id} had {world.network.most[id]} requests at a time, of {policy.concurrency}"
        starts = [(life, at, part) for at, life, endpoint, part in world.network.starts if endpoint == id]
        if policy.rate is not None:
            yield from _pace(starts, policy.rate)
            if policy.split and not world.turns:  # who was cut off may have lost a part, and what it knew of it
                yield from _pace([one for one in starts if not world.lives[one[0]].stalled], policy.rate / PARTS)
        for paused, since, until in world.paused:
            if paused == id and any(world.heard(since) < at < until for _, at, _ in starts):
                yield f"{id} got a request between {since:.3f} and {until:.3f}, while it was paused"


def _pace(starts: list[tuple[int, float, tuple[str, int]]], rate: float) -> Iterator[str]:
    """No process starts more than the rate allows; of what is split, more than its part may."""
    last: dict[tuple[int, tuple[str, int]], float] = {}
    latest = {part: life for life, _, part in starts[:1]}
    for life, at, part in starts:
        before = last.get((life, part)) if latest.get(part) == life else None
        if before is not None and at - before < 1 / rate - BURST_SECONDS - 1e-6:
            yield f"{part[0]} got requests at {before:.3f} and {at:.3f}, at {rate} a second"
        last[life, part] = at
        latest[part] = life


def _ledger(world: World, rows: dict[str, Any]) -> Iterator[str]:
    totals, counted = drive(world.disk.queries.totals()), drive(world.disk.queries.recount())
    for name, n in counted.items():
        if totals.get(name, 0) != n:
            yield f"the ledger says {totals.get(name, 0)} {name}, and there are {n}"
    if totals["made"] != len(rows):
        yield f"the ledger says {totals['made']} made, and there are {len(rows)}"
