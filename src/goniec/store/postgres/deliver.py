"""Deliver: write down attempts and move their deliveries on, send again, cancel.

Which deliveries may go is read from the queue, never stored: in a lane the first pending one, aside ones freely. What
is kept in step here is *when*: a follower is due at no time, and at once when it has become the head of its lane.
Deliveries are locked by row, in the order of their ids.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from goniec.core.model import Delivery, Status
from goniec.core.times import Millis
from goniec.ports import Finished, Moved, Place
from goniec.store import rows
from goniec.store.ledger import BY_STATUS, name_of
from goniec.store.moves import (
    MOVED,
    Standing,
    after,
    asked_for,
    by_delivery,
    by_id,
    by_number,
    called_off,
    end,
    is_plain,
    moved_row,
    under,
)
from goniec.store.postgres import leases
from goniec.store.postgres.locks import RETENTION
from goniec.store.postgres.record import ADD_QUEUE
from goniec.store.postgres.sql import BYTES, FLAG, NUMBER, SMALL, TEXT, ManyRows, fetch, in_part, insert
from goniec.store.postgres.transaction import Transaction

_ADD_ATTEMPTS: Final = insert(
    "attempts",
    rows.ATTEMPT.replace("a.", ""),
    *(TEXT, NUMBER, NUMBER, NUMBER, SMALL, TEXT, TEXT, TEXT, BYTES, BYTES, TEXT, FLAG),
)

_LOCK: Final = "SELECT 1 FROM deliveries WHERE id = ANY($1) ORDER BY id FOR UPDATE"
_BODY, _NO_BODY = " d.body,", " ''::bytea,"
_STANDING: Final = (
    f"SELECT {rows.DELIVERY.replace(_BODY, _NO_BODY)}, q.contact_id, q.lane"
    " FROM deliveries d LEFT JOIN queue q ON q.delivery_id = d.id WHERE d.id = ANY($1)"
)
"""As `rows.DELIVERY`, but without the body, which may be long and is not needed; behind it the place in the queue."""

_MOVE: Final = ManyRows(
    f"UPDATE deliveries d SET {', '.join(f'{name} = v.{name}' for name in MOVED)}"
    f" FROM {{}} AS v (id, {', '.join(MOVED)}) WHERE d.id = v.id",
    *(TEXT, TEXT, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, FLAG, FLAG, TEXT),
)
_WAIT: Final = "UPDATE queue SET due_at = $1, lane = $2 WHERE delivery_id = $3 RETURNING endpoint_id, contact_id"

_FREE: Final = (
    "UPDATE queue q SET due_at ="
    " least($1, coalesce((SELECT d.created_at FROM deliveries d WHERE d.id = q.delivery_id), $1))"
    " FROM unnest($2::text[], $3::text[]) AS v (endpoint_id, contact_id) CROSS JOIN LATERAL ("
    "SELECT n.delivery_id FROM queue n WHERE n.endpoint_id = v.endpoint_id AND n.contact_id = v.contact_id AND n.lane"
    f" ORDER BY n.delivery_id LIMIT 1) h WHERE q.delivery_id = h.delivery_id AND q.due_at = {rows.BEHIND}"
)
"""Who is the head of its lane now has been due since it was made."""

_BITE: Final = (
    "SELECT due_at, delivery_id FROM queue WHERE endpoint_id = $1 AND (due_at, delivery_id) > ($2, $3)"
    f" AND due_at < {rows.BEHIND} ORDER BY due_at, delivery_id OFFSET $4 LIMIT 1"
)
_HURRY: Final = (
    "UPDATE queue SET due_at = $1 WHERE delivery_id = ANY(ARRAY(SELECT q.delivery_id FROM queue q"
    " WHERE q.endpoint_id = $2 AND (q.due_at, q.delivery_id) > ($3, $4) AND (q.due_at, q.delivery_id) <= ($5, $6){}"
    f" AND {rows.PUT_OFF} ORDER BY q.delivery_id FOR UPDATE OF q SKIP LOCKED))"
)
"""What somebody is just moving on is passed over: who hurries may have setup alone, for which that one may wait."""

_FRESH: Final = (
    "SELECT id FROM deliveries"
    " WHERE id = ANY($1) AND status = 'pending' AND attempts = 0 AND body_sha256 IS NULL ORDER BY id FOR UPDATE"
)
_ARRIVE: Final = ManyRows(
    "UPDATE deliveries d SET status = 'delivered', counted = 1, attempts = 1, first_at = v.at, last_at = v.at,"
    " delivered_at = v.ended, failure = NULL FROM {} AS v (id, at, ended) WHERE d.id = v.id",
    *(TEXT, NUMBER, NUMBER),
)
_LEAVE: Final = "DELETE FROM queue WHERE delivery_id = ANY($1) RETURNING endpoint_id, contact_id, lane"


class DeliverTx(Transaction):
    """Deliver, inside a transaction."""

    async def finish(self, finished: Sequence[Finished]) -> list[Moved]:
        self.ended = self.ended or bool(finished)
        times = Counter(one.delivery.id for one in finished)
        plain = await self._arrive([one for one in finished if is_plain(one) and times[one.delivery.id] == 1])
        later = iter(await self._finish([one for one in finished if one.delivery.id not in plain]))
        return [Moved(one.delivery, Status.PENDING) if one.delivery.id in plain else next(later) for one in finished]

    async def _arrive(self, finished: Sequence[Finished]) -> set[str]:
        """Write down those that arrived at once, as nearly all do; gives those to which nothing happened meanwhile."""
        if not finished:
            return set()
        db = self.db
        ids = {id for (id,) in await fetch(db, _FRESH, ([one.delivery.id for one in finished],))}
        if not ids:
            return ids
        plain = sorted((one for one in finished if one.delivery.id in ids), key=by_delivery)
        await _ADD_ATTEMPTS.run(db, [_attempt_row(one, 1, erased=False) for one in plain])
        await _ARRIVE.run(db, [(one.delivery.id, one.attempt.at, end(one.attempt)) for one in plain])
        await self._leave(sorted(ids), max(end(one.attempt) for one in plain))
        self.tally.tried((one.delivery, one) for one in plain)
        self.tally.arrived([one.delivery for one in plain])
        self.moved.moved(Status.PENDING, Status.DELIVERED, [one.delivery for one in plain])
        self.count("attempts", len(ids))
        self.count(BY_STATUS[Status.PENDING], -len(ids))
        self.count(BY_STATUS[Status.DELIVERED], len(ids))
        return ids

    async def _finish(self, finished: Sequence[Finished]) -> list[Moved]:
        """Write down attempts one by one, each as its delivery stands."""
        if not finished:
            return []
        standing = await self._standing(one.delivery.id for one in finished)
        epochs = await leases.epochs(self.db, {under(one) for one in finished if one.epoch is not None})
        attempts: list[rows.Row] = []
        moved: list[Moved] = []
        for one in finished:
            found = standing.get(one.delivery.id)
            if found is None:  # retention was quicker; there is nothing left to keep in step
                moved.append(Moved(one.delivery, one.delivery.status))
                continue
            erased = found.was.body_sha256 is not None
            fenced = one.epoch is not None and epochs.get(under(one), one.epoch) != one.epoch
            was = found.now.status
            found.now = after(found.now, one, b"" if erased else one.delivery.body, fenced=fenced)
            if not one.put_off:
                attempts.append(_attempt_row(one, found.now.attempts, erased=erased))
            moved.append(Moved(found.now, was))
        await _ADD_ATTEMPTS.run(self.db, sorted(attempts, key=by_number))
        made = [one for one in finished if one.delivery.id in standing and not one.put_off]
        self.tally.tried((standing[one.delivery.id].was, one) for one in made)
        self.count("attempts", len(attempts))
        await self._move(standing.values(), max(end(one.attempt) for one in finished))
        return moved

    async def requeue(self, delivery_id: str, now: Millis) -> Delivery | None:
        found = (await self._standing((delivery_id,))).get(delivery_id)
        if found is None:
            return None
        found.now = asked_for(found.was, now)
        await self._move((found,), now)
        return await self._whole(found.now)

    async def cancel(self, delivery_id: str, now: Millis) -> Delivery | None:
        found = (await self._standing((delivery_id,))).get(delivery_id)
        if found is None:
            return None
        await self._cancel((found,), now)
        return await self._whole(found.now)

    async def delivery(self, delivery_id: str) -> Delivery | None:
        found = (await self._standing((delivery_id,))).get(delivery_id)
        return None if found is None else await self._whole(found.was)

    async def requeue_many(self, delivery_ids: Sequence[str], statuses: Sequence[Status], now: Millis) -> int:
        standing = await self._standing(delivery_ids)
        wanted = [found for found in standing.values() if found.was.status in statuses]
        for found in wanted:
            found.now = asked_for(found.was, now)
        await self._move(wanted, now)
        return sum(found.now is not found.was for found in wanted)

    async def cancel_many(self, delivery_ids: Sequence[str], now: Millis) -> int:
        return await self.withdraw(delivery_ids, now)

    async def hurry(
        self, endpoint_id: str, now: Millis, limit: int, part: int | None = None, after: Place | None = None
    ) -> Place | None:
        since = after or (now, rows.LAST)
        last = await self.db.fetchrow(_BITE, endpoint_id, *since, limit - 1)
        sql, values = in_part(_HURRY, (now, endpoint_id, *since, *(last or (rows.BEHIND, ""))), part)
        await self.db.execute(sql, *values)
        return None if last is None else (last[0], last[1])

    async def withdraw(self, delivery_ids: Iterable[str], now: Millis) -> int:
        """Take all of these that are pending out of the queue; gives how many."""
        return await self._cancel((await self._standing(delivery_ids)).values(), now)

    async def _cancel(self, standing: Iterable[Standing], now: Millis) -> int:
        standing = [found for found in standing if found.was.status is Status.PENDING]
        for found in standing:
            found.now = called_off(found.was)
        await self._move(standing, now)
        return len(standing)

    async def _standing(self, ids: Iterable[str]) -> dict[str, Standing]:
        wanted = sorted(set(ids))
        await self.together(RETENTION)
        await fetch(self.db, _LOCK, (wanted,))
        found = {}
        # read only now: a statement that waited for a lock sees other tables as they were before it
        for row in await fetch(self.db, _STANDING, (wanted,)):
            delivery = rows.delivery_of_row(row)
            lane = (delivery.endpoint_id, row[21]) if row[22] else None
            found[delivery.id] = Standing(delivery, delivery, lane)
        return found

    async def _whole(self, delivery: Delivery) -> Delivery:
        body = await self.db.fetchval("SELECT body FROM deliveries WHERE id = $1", delivery.id)
        return replace(delivery, body=body)

    async def _move(self, standing: Iterable[Standing], at: Millis) -> None:
        """Bring rows, queue, followers and ledger to where deliveries stand now."""
        moved = sorted((found for found in standing if found.now is not found.was), key=by_id)
        await _MOVE.run(self.db, [moved_row(found.now) for found in moved])
        gone = [found.now.id for found in moved if found.was.status is Status.PENDING is not found.now.status]
        await self._leave(gone, at)
        for found in moved:
            was, now = found.was, found.now
            self.tally.moved(was, now, at)
            if was.status is not now.status:
                self.moved.moved(was.status, now.status, (now,))
                self.count(name_of(was.status), -1)
                self.count(name_of(now.status), 1)
            if now.status is Status.PENDING:
                await self._wait(found, at)

    async def _leave(self, ids: Sequence[str], at: Millis) -> None:
        """Take deliveries out of the queue; those who are the heads of their lanes then are due.

        Whoever adds to a lane holds its head, so a statement that begins once the head has gone sees all who followed.
        The lanes are told by the rows as they go: somebody may just have merged their contact into another.
        """
        if ids:
            gone = await fetch(self.db, _LEAVE, (ids,))
            await self._free({(endpoint_id, contact_id) for endpoint_id, contact_id, lane in gone if lane}, at)

    async def _free(self, lanes: Collection[tuple[str, str]], at: Millis) -> None:
        if lanes:
            endpoints, contacts = zip(*sorted(lanes), strict=True)
            await self.db.execute(_FREE, at, endpoints, contacts)

    async def _wait(self, found: Standing, at: Millis) -> None:
        now, due = found.now, found.now.due_at
        if not found.queued:
            await ADD_QUEUE.run(self.db, [(now.id, now.endpoint_id, now.contact_id, False, at if due is None else due)])
            return
        behind = rows.BEHIND if due is None else due
        lanes = await fetch(self.db, _WAIT, (behind, not now.aside and found.lane is not None, now.id))
        if found.lane is not None and (now.aside or due is None):
            await self._free([(endpoint_id, contact_id) for endpoint_id, contact_id in lanes], at)


def _attempt_row(one: Finished, number: int, *, erased: bool) -> rows.Row:
    """The row of an attempt; what was heard or happened on the way may hold NUL, and a text column may not."""
    return tuple(
        value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value
        for value in rows.attempt_row(one.attempt, number, erased=erased)
    )
