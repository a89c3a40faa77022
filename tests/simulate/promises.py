"""What has to hold of what people and upkeep did: sent again, called off, erased, merged, let go, told."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from goniec.core.endpoint import MAIL
from goniec.core.ids import time_of
from goniec.core.jobs import Job, JobKind, JobState
from goniec.core.model import MAIL_ITSELF, Status
from goniec.core.times import SECOND
from goniec.store.sqlite.driving import drive
from tests.core.build import NOW
from tests.simulate import mail_laws
from tests.simulate.diary import Move
from tests.simulate.life import RETENTION_DAYS
from tests.simulate.past import Past
from tests.simulate.world import World

HANDED_OVER: Final = 5.0
"""After so many seconds a process has what was recorded for it."""

_NEVER: Final = {
    (Status.CANCELLED, Status.FAILED),
    (Status.DELIVERED, Status.FAILED),
    (Status.DELIVERED, Status.CANCELLED),
    (Status.FAILED, Status.CANCELLED),
}
"""What is over stays so, but that it may arrive after all, or be sent once more."""


def broken(world: World, past: Past) -> Iterator[str]:
    """Tell which of these was broken, in words."""
    yield from _moves(world, past)
    yield from _asked(past)
    yield from _called_off(world, past)
    for steps in past.jobs.values():
        yield from _job(world, past, steps)
    yield from _failures(world, past)
    yield from _retention(world, past)
    yield from _chains(world)
    yield from _erased(world, past)
    yield from _told(world, past)
    for stuck in drive(world.disk.queries.stuck()):
        yield f"{stuck.n} deliveries to {stuck.endpoint_id} are {stuck.how}, {stuck.example} is one"


def _moves(world: World, past: Past) -> Iterator[str]:
    ranged = {move.id for steps in past.jobs.values() for move in _moved(past, steps)}
    for id, moves in past.moves.items():
        for move in moves:
            if (move.was, move.now) in _NEVER:
                yield f"{id} was {move.was}, and then {move.now}"
        if past.asked[id] and id not in world.people.resent and id not in ranged:
            yield f"{id} was sent again, and nobody asked for it"


def _asked(past: Past) -> Iterator[str]:
    """What somebody wanted sent once more was, or it was called off."""
    for id, asked in past.asked.items():
        moves = past.moves[id]
        for ask in asked:
            after = next((move for move in moves if move.turn > ask.turn), None)
            if after is not None and after.attempts == ask.attempts and id not in past.called_off:
                yield f"{id} was to be sent again, and was not"


def _called_off(world: World, past: Past) -> Iterator[str]:
    """Where one process has all, nothing that is called off is begun once that was answered."""
    if world.lag:
        return
    begun: dict[str, list[float]] = {}
    for start in world.network.starts:
        begun.setdefault(start.delivery, []).append(start.turn)
    for id, since in world.people.heard:
        if (time_of(id) - NOW) / SECOND > since - HANDED_OVER:
            continue  # who recorded it may just be about to hand it over
        until = next((past.at(move.turn) for move in past.asked[id] if past.at(move.turn) > since), float("inf"))
        standing = [move.now for move in past.moves[id] if past.at(move.turn) <= since]
        if standing and standing[-1] is not Status.PENDING:
            late = [at for at in begun.get(id, ()) if since < at < until and standing[-1] is Status.CANCELLED]
            if late:
                yield f"{id} was called off at {since:.3f}, and sent at {late[0]:.3f}"


# --- jobs ------------------------------------------------------------------------------------------------------------


def _moved(past: Past, steps: list[tuple[int, Job]]) -> list[Move]:
    """What a job did: all that moved with it in the same transaction."""
    turns = {turn for turn, _ in steps[1:]}
    wanted = Status.PENDING if steps[0][1].kind is JobKind.RESEND else None
    return [
        move
        for moves in past.moves.values()
        for move in moves
        if move.turn in turns and (move.now is wanted if wanted else move.was is Status.PENDING)
    ]


def _job(world: World, past: Past, steps: list[tuple[int, Job]]) -> Iterator[str]:
    begun, job = steps[0][0], steps[-1][1]
    moved = _moved(past, steps)
    for id, n in Counter(move.id for move in moved).items():
        if n > 1:
            yield f"{job.id} did {n} times what it does to {id}"
    if len(moved) != job.done:
        yield f"{job.id} says that it did it to {job.done}, and did it to {len(moved)}"
    if job.state is JobState.RUNNING:
        yield f"{job.id} still runs"
    if job.state is JobState.DONE:
        yield from _left_out(world, past, job, begun, steps[-1][0], {move.id for move in moved})
    if job.kind is JobKind.RESEND and world.steady:
        yield from _hasty(past, job, steps)


def _left_out(world: World, past: Past, job: Job, begun: int, ended: int, did: set[str]) -> Iterator[str]:
    """What stood so all the time while the job ran, it did something to."""
    sql = "SELECT id, contact_id, status FROM all_deliveries WHERE endpoint_id = ? AND created_at < ?"
    for id, contact, status in world.disk.db.execute(sql, (job.endpoint_id, min(job.until, past.millis(begun)))):
        if id in did or id in past.gone or contact in past.erased:
            continue
        moves = past.moves[id]
        if any(begun <= move.turn <= ended for move in moves):
            continue
        later = [move for move in moves if move.turn > ended]
        stood = Status(later[0].was if later else status)
        if stood in job.statuses and id not in world.people.deleted:
            yield f"{job.id} left out {id}, which was {stood}"


def _hasty(past: Past, job: Job, steps: list[tuple[int, Job]]) -> Iterator[str]:
    """Of a rate that was the same all the time, a second's worth may be saved up, or one delivery."""
    rates = {one.rate for _, one in steps}
    if None in rates or not rates:
        return
    rate = max(rate for rate in rates if rate is not None)
    done = [(past.at(turn), one.done) for turn, one in steps]
    for place, (since, before) in enumerate(done):
        for until, after in done[place + 1 :]:
            if after - before > rate * (until - since + 1) + 2:
                yield f"{job.id} sent {after - before} again from {since:.3f} to {until:.3f}, at {rate} a second"
                return


# --- owners, and what followed from a failure --------------------------------------------------------------------------


def _failures(world: World, past: Past) -> Iterator[str]:
    """Each failure is one event, unless nothing is left of its contact."""
    failed = Counter(
        id for id, moves in past.moves.items() for move in moves if move.now is Status.FAILED and move.endpoint != MAIL
    )
    sql = "SELECT doc ->> '$.data.delivery' FROM all_events WHERE type = 'webhook.failed'"
    told = Counter(id for (id,) in world.disk.db.execute(sql) if id is not None)
    for id in failed.keys() | told.keys():
        contact = world.disk.db.execute("SELECT contact_id FROM all_deliveries WHERE id = ?", (id,)).get
        if failed[id] != told[id] and not past.erased:
            yield f"{id} of {contact} has failed {failed[id]} times, and {told[id]} events say so"


def _told(world: World, past: Past) -> Iterator[str]:
    """Owners hear of each failure, and where nobody died of none twice, and not too often."""
    if "mail" not in world.people.chores:
        return
    failed = Counter(
        move.endpoint
        for moves in past.moves.values()
        for move in moves
        if move.now is Status.FAILED and mail_laws.failure(world, move) not in MAIL_ITSELF
    )
    letters = world.people.postman.letters
    told: Counter[str] = Counter()
    for letter in letters:
        told[letter.endpoint] += letter.failed
    for id, n in failed.items():
        if told[id] < n and id not in world.people.deleted:
            yield f"{n} deliveries to {id} have failed, and its owner was told of {told[id]}"
        if told[id] > n and world.steady:
            yield f"{n} deliveries to {id} have failed, and its owner was told of {told[id]}"
    if world.steady:
        for one, another in pairwise(sorted(letters, key=lambda letter: (letter.endpoint, letter.at))):
            if one.endpoint == another.endpoint and another.at - one.at < 19:
                yield f"the owner of {one.endpoint} got letters at {one.at:.3f} and {another.at:.3f}"


# --- retention, and care of contacts -----------------------------------------------------------------------------------


def _retention(world: World, past: Past) -> Iterator[str]:
    for one in past.gone.values():
        if one.status in {Status.PENDING, Status.HELD} or one.waiting:
            yield f"{one.id} was {one.status}, and retention took it"
    if world.steady:
        sql = "SELECT id, received_at, turn FROM gone_events"
        for id, received, turn in world.disk.db.execute(sql):
            if past.at(turn) - (received - NOW) / SECOND < RETENTION_DAYS:
                yield f"{id} was taken away too early"


def _chains(world: World) -> Iterator[str]:
    """All events of a contact, or of those that are a part of it now, are found along its chain."""
    db = world.disk.db
    owner = dict(db.execute("SELECT gone, kept FROM merged"))
    standing: dict[str, set[str]] = {}
    for id, contact in db.execute("SELECT id, contact_id FROM events"):
        standing.setdefault(owner.get(contact, contact), set()).add(id)
    for contact, ids in standing.items():
        found = drive(_timeline(world, contact))
        if ids - found:
            yield f"{sorted(ids - found)} of {contact} are not in its chain"


async def _timeline(world: World, contact: str) -> set[str]:
    return {event.id async for event, *_ in world.disk.queries.timeline(contact)}


def _erased(world: World, past: Past) -> Iterator[str]:
    """Nothing that was known of an erased contact is left, and nothing of it is sent."""
    if not past.erased:
        return
    db = world.disk.db
    for contact, turn in past.erased.items():
        if db.execute("SELECT 1 FROM contacts WHERE id = ?", (contact,)).get:
            yield f"{contact} was erased, and is there"
        for (id,) in db.execute(
            "SELECT id FROM deliveries WHERE contact_id = ? AND body <> x'' AND event_type <> 'contact.erased'",
            (contact,),
        ):
            yield f"{id} has its body, and {contact} was erased in {turn}"
        for (id,) in db.execute(
            "SELECT delivery_id FROM attempts WHERE body <> x'' AND delivery_id IN (SELECT id FROM deliveries"
            " WHERE contact_id = ? AND event_type <> 'contact.erased')",
            (contact,),
        ):
            yield f"{id} has an answer, and {contact} was erased in {turn}"
        for (id,) in db.execute(
            "SELECT id FROM events WHERE contact_id = ? AND doc ->> '$.data.url' IS NOT NULL", (contact,)
        ):
            yield f"{id} has its data, and {contact} was erased in {turn}"
