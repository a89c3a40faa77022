"""What has to hold of mail: each that was decided goes or says why not, and what became of it is told once."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec

from goniec.core.endpoint import MAIL
from goniec.core.ids import event_of, run_id
from goniec.core.mailing import opened
from goniec.core.model import BOUNCES, UNWANTED, Failure, Skip, Status
from goniec.store.rows import RunDoc
from tests.simulate.diary import Move
from tests.simulate.mailing import FOLLOWING, MARKETING
from tests.simulate.past import Past
from tests.simulate.world import World

_decode_run = msgspec.json.Decoder(RunDoc).decode


def broken(world: World, past: Past) -> Iterator[str]:
    """Tell which of these was broken, in words."""
    if not world.mailing.on:
        return
    sql = "SELECT id, contact_id, rule_id, status, delivered_at, body FROM all_deliveries WHERE endpoint_id = ?"
    names = ("id", "contact", "rule", "status", "delivered_at", "body")
    rows = [dict(zip(names, row, strict=True)) for row in world.disk.db.execute(sql, (MAIL,))]
    reasons = _Reasons(world, past)
    yield from _decided(world, past, {(event_of(row["id"]), row["rule"]) for row in rows}, reasons)
    for row in rows:
        for why in past.failures[row["id"]] & UNWANTED:
            if not reasons(why, row["contact"]):
                yield f"{row['id']} was not sent ({why}), and nothing of the kind was ever told"
    if not past.erased:
        yield from _told(world, past, rows)
    if not past.merged:
        yield from _capped(world, rows)


def failure(world: World, move: Move) -> Failure | None:
    """Why a delivery has failed."""
    found = world.disk.db.execute(
        "SELECT failure FROM all_attempts WHERE delivery_id = ? AND number = ?", (move.id, move.attempts)
    ).get
    return None if found is None else Failure.of(found)


class _Reasons:
    """Tells whether a reason for sending nothing is one: whether anything was told of the contact that bears it out."""

    def __init__(self, world: World, past: Past) -> None:
        self._world = world
        self._erased = past.erased
        self._kept = {gone: kept for _, gone, kept in past.merged}
        self._told: dict[str, set[str]] = defaultdict(set)
        sql = "SELECT type, contact_id, coalesce(doc ->> '$.data.kind', '') FROM all_events WHERE type IN (?, ?)"
        for kind, contact, how in world.disk.db.execute(sql, ("contact.opted_out", "email.bounced")):
            self._told[f"{kind} {how}".strip()].add(self._one(contact))

    def __call__(self, why: str, contact: str) -> bool:
        match why:
            case Skip.OPTED_OUT | Failure.OPTED_OUT:
                return self._one(contact) in self._told["contact.opted_out"] or contact in self._erased
            case Skip.BOUNCED | Failure.BOUNCED:
                return self._one(contact) in self._told["email.bounced hard"] or contact in self._erased
            case Skip.DAY_FULL:
                return self._world.mailing.limits.per_day is not None
            case _:
                return False

    def _one(self, contact: str) -> str:
        while contact in self._kept:
            contact = self._kept[contact]
        return contact


def _decided(world: World, past: Past, made: set[tuple[str, str]], reasons: _Reasons) -> Iterator[str]:
    """Every event that was accepted has its mails, or its run says why not."""
    gone = {id for (id,) in world.disk.db.execute("SELECT id FROM gone_events")}
    for id in world.accepted:
        for rule in world.mailing.rules.keys() - world.people.deleted:
            if (id, rule) in made or id in gone:
                continue
            row = world.disk.db.execute("SELECT contact_id, doc FROM runs WHERE id = ?", (run_id(id, rule),)).fetchone()
            if row is None:
                yield f"{id} was accepted, and {rule} sent no mail"
            elif row[0] not in past.erased and not any(reasons(one.why, row[0]) for one in _decode_run(row[1]).skipped):
                yield f"{id} was accepted, and {rule} sent no mail for no good reason"


def _told(world: World, past: Past, rows: list[dict[str, Any]]) -> Iterator[str]:
    """What was taken is told once, and what was refused for ever as often as that happened."""
    sql = "SELECT id, type, doc ->> '$.data.delivery', doc ->> '$.data.kind' FROM all_events WHERE type IN (?, ?)"
    told: Counter[tuple[str, str]] = Counter()
    sent = []
    for id, kind, delivery, how in world.disk.db.execute(
        f"{sql} AND doc ->> '$.source' = 'rule'", ("email.sent", "email.bounced")
    ):
        told[delivery, how or "sent"] += 1
        sent += [id] if kind == "email.sent" else []
    for row in rows:
        id = row["id"]
        if told[id, "sent"] != (row["delivered_at"] is not None):
            yield f"{id} is {row['status']}, and {told[id, 'sent']} events say that it was sent"
        ends = list(_ends(world, past.moves[id]))
        for how, n in (("hard", sum(one in BOUNCES for one in ends)), ("soft", ends.count(Failure.RECIPIENT_DEFERRED))):
            # one that is sent again and called off after it was put off ends with a failure that ended nothing
            if told[id, how] != n and not (how == "soft" and id in past.called_off):
                yield f"{id} has come back {how} {n} times, and {told[id, how]} events say so"
    if world.mailing.follows and FOLLOWING not in world.people.deleted:
        following = {
            event_of(id)
            for (id,) in world.disk.db.execute("SELECT id FROM all_deliveries WHERE rule_id = ?", (FOLLOWING,))
        }
        for id in set(sent) - following:
            yield f"{id} says that a mail was sent, and nobody was told"


def _ends(world: World, moves: list[Move]) -> Iterator[Failure | None]:
    """With which failures attempts have ended it, or the wish to send it once more."""
    tried = 0
    for move in moves:
        again = move.was is Status.PENDING and move.now is Status.DELIVERED
        if move.now is Status.FAILED or (again and move.attempts > tried):
            yield failure(world, move)
        tried = move.attempts


def _capped(world: World, rows: list[dict[str, Any]]) -> Iterator[str]:
    """Nobody is to get more marketing in a day than is allowed; a history is shorter than a day."""
    most = world.mailing.limits.per_day
    if most is None:
        return
    for contact, n in Counter(
        row["contact"] for row in rows if (one := opened(row["body"])) and one.message == MARKETING
    ).items():
        if n > most:
            yield f"{contact} was to get {n} mails in a day, of {most}"
