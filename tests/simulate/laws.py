"""What has to hold at the end of every history, whatever happened in it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise, product
from typing import Any, Final

from goniec.core.ids import event_of
from goniec.core.model import UNWANTED, Status
from goniec.core.parts import PARTS
from goniec.core.retry import FOR_GOOD
from goniec.flow.outbox import BURST_SECONDS
from goniec.store.sqlite.driving import drive
from tests.simulate import mail_laws, promises
from tests.simulate.life import LEASE_SECONDS
from tests.simulate.past import Past
from tests.simulate.receivers import Arrival, Start
from tests.simulate.world import World

LONGEST: Final = 6.0
"""No request is under way for so many seconds."""


def broken(world: World) -> Iterator[str]:
    """Tell which laws were broken, in words."""
    rows: dict[str, dict[str, Any]] = {}
    names = (
        "id",
        "endpoint_id",
        "contact_id",
        "rule_id",
        "status",
        "counted",
        "attempts",
        "aside",
        "resend",
        "failure",
    )
    for row in world.disk.db.execute(f"SELECT {', '.join(names)} FROM all_deliveries ORDER BY id"):
        rows[row[0]] = dict(zip(names, row, strict=True))
    arrivals: dict[str, list[Arrival]] = defaultdict(list)
    for arrival in world.network.arrivals:
        arrivals[arrival.delivery].append(arrival)
    past = Past(world)
    yield from _nothing_lost(world, rows, arrivals, past)
    yield from _all_logged(world, rows, arrivals, past)
    yield from _once(world, rows, arrivals, past)
    yield from _order(world, rows, arrivals, past)
    yield from _limits(world)
    yield from _one_owner(world)
    yield from _ledger(world, rows)
    yield from promises.broken(world, past)
    yield from mail_laws.broken(world, past)


def _nothing_lost(world: World, rows: dict[str, Any], arrivals: dict[str, list[Arrival]], past: Past) -> Iterator[str]:
    events = {id for (id,) in world.disk.db.execute("SELECT id FROM all_events")}
    told = {(event_of(id), row["rule_id"]) for id, row in rows.items()}
    telling = [id for id in world.telling if id not in world.people.deleted]
    for id in world.accepted:
        if id not in events:
            yield f"{id} was accepted, and is gone"
        for rule in telling:
            if (id, rule) not in told:
                yield f"{id} was accepted, and nobody was told what {rule} tells"
    for id in arrivals.keys() - rows.keys():
        yield f"{id} was sent, and is not on disk"
    for id, row in rows.items():
        yield from _ended(world, row, past, took=any(one.ok for one in arrivals[id]))


def _ended(world: World, row: dict[str, Any], past: Past, *, took: bool) -> Iterator[str]:
    id = row["id"]
    match row["status"]:
        case Status.DELIVERED if not took:
            yield f"{id} is delivered, and its receiver never took it"
        case Status.FAILED if not past.failures[id] & FOR_GOOD:
            most = {len(one.policy.schedule) + 1 for one in world.people.settings[row["endpoint_id"]]}
            if not min(most) <= row["counted"] <= max(most):
                yield f"{id} has failed after {row['counted']} attempts of {most}"
        case Status.CANCELLED if id not in past.called_off and not past.failures[id] & UNWANTED:
            yield f"{id} is cancelled, and nobody asked for it"
        case Status.PENDING | Status.HELD as other:
            yield f"{id} is still {other}"
        case _:
            pass


def _all_logged(world: World, rows: dict[str, Any], arrivals: dict[str, list[Arrival]], past: Past) -> Iterator[str]:
    """Only what was under way when a process was killed, or retention took the delivery away, may be missing."""
    logged: dict[str, list[int]] = defaultdict(list)
    sql = "SELECT delivery_id, number FROM all_attempts ORDER BY delivery_id, number"
    for id, number in world.disk.db.execute(sql):
        logged[id].append(number)
    for id, row in rows.items():
        if logged[id] != list(range(1, row["attempts"] + 1)):
            yield f"{id} has attempts {logged[id]}, and counts {row['attempts']}"
        sure = sum(not world.lives[one.life].killed for one in arrivals[id])
        if sure > len(logged[id]) and id not in past.gone:
            yield f"{id} was sent {sure} times, and {len(logged[id])} attempts are logged"


def _once(world: World, rows: dict[str, Any], arrivals: dict[str, list[Arrival]], past: Past) -> Iterator[str]:
    """A receiver that said yes and was heard is asked again only after a death, or as often as somebody wants it."""
    for id in rows.keys() - past.gone.keys():
        took = [one for one in arrivals[id] if one.ok]
        wanted = len(past.asked[id])
        for place, one in enumerate(took[:-1]):
            again = took[place + 1].at
            if one.heard and not world.lives[one.life].cut_off and not _lost(world, one):
                if not wanted and not _outlasted(world, one.at, again):
                    yield f"{id} arrived at {one.at:.3f} and again at {again:.3f}"
                    break
                wanted -= 1
    for id in world.network.twice:
        yield f"{id} was sent twice at the same time"


def _outlasted(world: World, since: float, until: float) -> bool:
    """Whether the disk took nothing for so long that a lease ran out, with what it covered unwritten."""
    shared = world.plan.workers is not None
    return shared and any(
        well - ill > LEASE_SECONDS / 2 and ill < until and since < well for ill, well in world.troubles
    )


def _lost(world: World, one: Arrival) -> bool:
    """Whether its yes never came through."""
    found = world.disk.db.execute(
        "SELECT failure FROM attempts WHERE delivery_id = ? AND number = ?", (one.delivery, one.number)
    ).get
    return found is not None


def _order(world: World, rows: dict[str, Any], arrivals: dict[str, list[Arrival]], past: Past) -> Iterator[str]:
    """A contact's deliveries to an endpoint arrive in their order, unless one stepped aside or was called off."""
    lanes: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    ordered = {id for id, known in world.people.settings.items() if all(one.policy.order for one in known)}
    for id, row in rows.items():
        meddled = row["aside"] or row["resend"] or id in past.called_off
        if row["endpoint_id"] in ordered and not meddled:
            first = min((one.at for one in arrivals[id] if one.ok), default=None)
            if first is not None:
                lanes[row["endpoint_id"], row["contact_id"]].append((first, id))
    for found in lanes.values():
        for (at, id), (later, behind) in pairwise(found):
            if at >= later and not _made_way(world, arrivals[id], arrivals[behind]):
                yield f"{behind} arrived at {later:.3f}, before {id} at {at:.3f}"
    yield from _one_line(world, lanes, past)


def _made_way(world: World, head: list[Arrival], follower: list[Arrival]) -> bool:
    """Whether the head stepped aside in a life that ended before that was written, and nobody knew of it after."""
    went = next(one for one in follower if one.ok)
    refused = [one.at for one in head if not one.ok and one.life == went.life and one.at < went.at]
    hold = min(one.policy.order_hold for one in world.people.settings[went.endpoint])
    return bool(refused) and world.lives[went.life].cut_off and refused[-1] - head[0].at >= hold - 1


def _one_line(world: World, lanes: Mapping[tuple[str, str], list[tuple[float, str]]], past: Past) -> Iterator[str]:
    """What waited for a contact goes before what is recorded once it is a part of another."""
    made = dict(world.disk.db.execute("SELECT id, created_at FROM all_deliveries")) if past.merged else {}
    for turn, gone, kept in past.merged:
        merged_at = past.millis(turn)
        for endpoint in world.policies:
            before = lanes.get((endpoint, gone), ())
            ahead = [one for one in before if made[one[1]] <= merged_at and past.waited(one[1], turn)]
            behind_them = [one for one in lanes.get((endpoint, kept), ()) if made[one[1]] > merged_at]
            for (at, id), (later, behind) in product(ahead, behind_them):
                if at >= later:
                    yield f"{behind} arrived at {later:.3f}, before {id} of a part of it at {at:.3f}"


def _one_owner(world: World) -> Iterator[str]:
    """No process sends to an endpoint while a request of another one's is under way to it."""
    for at, endpoint, one, another in world.network.two_owners:
        yield f"{endpoint} was sent to by life {another} at {at:.3f}, while life {one} was at it"


def _limits(world: World) -> Iterator[str]:
    for id, known in world.people.settings.items():
        mine = [start for start in world.network.starts if start.endpoint == id]
        for start in mine:
            in_force = known if len(known) == 1 else world.in_force(id, start.at - LONGEST, start.at)
            most = max(one.policy.concurrency for one in in_force)
            if start.at_once > most:
                yield f"{id} had {start.at_once} requests at a time at {start.at:.3f}, of {most}"
        rate = known[0].policy.rate
        if rate is not None:
            rates = [rate] if len(known) == 1 else [one.policy.rate or 0 for one in known]
            yield from _pace(mine, max(rates))
            if known[0].policy.split and not world.turns:  # who was cut off may have lost a part, and what it knew
                whole = [one for one in mine if not world.lives[one.life].stalled]
                yield from _pace(whole, max(rates) / PARTS)
        for paused, since, until in world.people.paused:
            if paused == id and any(world.heard(since) < start.turn < until for start in mine):
                yield f"{id} got a request between {since:.3f} and {until:.3f}, while it was paused"


def _pace(starts: list[Start], rate: float) -> Iterator[str]:
    """No process starts more than the rate allows; of what is split, more than its part may."""
    last: dict[tuple[int, tuple[str, int]], float] = {}
    latest = {start.part: start.life for start in starts[:1]}
    for start in sorted(starts, key=lambda start: start.turn):
        life, at, part = start.life, start.turn, start.part
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
