"""Deliver: write down attempts and move their deliveries on, send again, cancel.

Which deliveries may go is read from the queue, never stored: in a lane the first pending one, aside ones freely. What
is kept in step here is *when*: a follower is due at no time, and at once when it has become the head of its lane.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from goniec.core.model import Delivery, Status
from goniec.core.parts import part_of
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
from goniec.store.sqlite import leases
from goniec.store.sqlite.sql import ManyRows, fetch, insert, texts
from goniec.store.sqlite.transaction import Transaction

_ADD_ATTEMPTS: Final = insert("attempts", rows.ATTEMPT.replace("a.", ""))

_BODY, _NO_BODY = " d.body,", " x'',"
_STANDING: Final = (
    f"SELECT {rows.DELIVERY.replace(_BODY, _NO_BODY)}, q.contact_id, q.lane"
    " FROM deliveries d LEFT JOIN queue q ON q.delivery_id = d.id WHERE d.id IN carray(?)"
)
"""As `rows.DELIVERY`, but without the body, which may be long and is not needed; behind it the place in the queue."""

_MOVE: Final = ManyRows(
    f"UPDATE deliveries SET {', '.join(f'{name} = v.column{n}' for n, name in enumerate(MOVED, 2))} FROM (",
    len(MOVED) + 1,
    ") AS v WHERE deliveries.id = v.column1",
)
_WAIT: Final = "UPDATE queue SET due_at = ?, lane = ? WHERE delivery_id = ?"
_QUEUE_ASIDE: Final = insert("queue", "delivery_id, endpoint_id, contact_id, lane, due_at")

_FOLLOWED: Final = (
    "SELECT json_group_array(json_array(q.endpoint_id, q.contact_id)) FROM queue q"
    " WHERE q.delivery_id IN carray(?) AND q.lane = 1 AND EXISTS (SELECT 1 FROM queue n WHERE n.lane = 1"
    " AND n.endpoint_id = q.endpoint_id AND n.contact_id = q.contact_id AND n.delivery_id > q.delivery_id)"
)
"""The lanes in which somebody stands behind one of these."""
_FREE: Final = (
    "UPDATE queue SET due_at = min(?1, coalesce((SELECT d.created_at FROM deliveries d WHERE d.id = delivery_id), ?1))"
    " WHERE delivery_id = (SELECT n.delivery_id FROM queue n WHERE n.endpoint_id = ?2 AND n.contact_id = ?3"
    f" AND n.lane = 1 ORDER BY n.delivery_id LIMIT 1) AND due_at = {rows.BEHIND}"
)
"""Who is the head of its lane now has been due since it was made."""
_BITE: Final = (
    "SELECT due_at, delivery_id FROM queue WHERE endpoint_id = ? AND (due_at, delivery_id) > (?, ?)"
    f" AND due_at < {rows.BEHIND} ORDER BY due_at, delivery_id LIMIT 1 OFFSET ?"
)
_PUT_OFF: Final = (
    "SELECT delivery_id, contact_id FROM queue WHERE endpoint_id = ?"
    f" AND (due_at, delivery_id) > (?, ?) AND (due_at, delivery_id) <= (?, ?) AND {rows.PUT_OFF}"
)

_FRESH: Final = (
    "SELECT json_group_array(id) FROM deliveries"
    " WHERE id IN carray(?) AND status = 'pending' AND attempts = 0 AND body_sha256 IS NULL"
)
"""All ids in one row: apsw lets go of the interpreter's lock at every row."""
_ARRIVE: Final = ManyRows(
    "UPDATE deliveries SET status = 'delivered', counted = 1, attempts = 1, first_at = v.column2, last_at = v.column2,"
    " delivered_at = v.column3, failure = NULL FROM (",
    3,
    ") AS v WHERE deliveries.id = v.column1",
)
_LEAVE: Final = "DELETE FROM queue WHERE delivery_id IN carray(?)"

_decode_ids: Final = msgspec.json.Decoder(list[str]).decode
_decode_lanes: Final = msgspec.json.Decoder(list[tuple[str, str]]).decode


class DeliverTx(Transaction):
    """Deliver, inside a transaction."""

    async def finish(self, finished: Sequence[Finished]) -> list[Moved]:
        times = Counter(one.delivery.id for one in finished)
        plain = self._arrive([one for one in finished if is_plain(one) and times[one.delivery.id] == 1])
        later = iter(self._finish([one for one in finished if one.delivery.id not in plain]))
        return [Moved(one.delivery, Status.PENDING) if one.delivery.id in plain else next(later) for one in finished]

    def _arrive(self, finished: Sequence[Finished]) -> set[str]:
        """Write down those that arrived at once, as nearly all do; gives those to which nothing happened meanwhile."""
        if not finished:
            return set()
        db = self.db
        ids = set(_decode_ids(db.execute(_FRESH, (texts(one.delivery.id for one in finished),)).get))
        if not ids:
            return ids
        plain = sorted((one for one in finished if one.delivery.id in ids), key=by_delivery)
        _ADD_ATTEMPTS.run(db, [rows.attempt_row(one.attempt, 1, erased=False) for one in plain])
        _ARRIVE.run(db, [(one.delivery.id, one.attempt.at, end(one.attempt)) for one in plain])
        self._leave(ids, max(end(one.attempt) for one in plain))
        self.tally.tried((one.delivery, one) for one in plain)
        self.tally.arrived([one.delivery for one in plain])
        self.count("attempts", len(ids))
        self.count(BY_STATUS[Status.PENDING], -len(ids))
        self.count(BY_STATUS[Status.DELIVERED], len(ids))
        self.moved.moved(Status.PENDING, Status.DELIVERED, [one.delivery for one in plain])
        return ids

    def _finish(self, finished: Sequence[Finished]) -> list[Moved]:
        """Write down attempts one by one, each as its delivery stands."""
        if not finished:
            return []
        standing = self._standing(one.delivery.id for one in finished)
        epochs = leases.epochs(self.db, {under(one) for one in finished if one.epoch is not None})
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
                attempts.append(rows.attempt_row(one.attempt, found.now.attempts, erased=erased))
            moved.append(Moved(found.now, was))
        _ADD_ATTEMPTS.run(self.db, sorted(attempts, key=by_number))
        made = [one for one in finished if one.delivery.id in standing and not one.put_off]
        self.tally.tried((standing[one.delivery.id].was, one) for one in made)
        self.count("attempts", len(attempts))
        self._move(standing.values(), max(end(one.attempt) for one in finished))
        return moved

    async def requeue(self, delivery_id: str, now: Millis) -> Delivery | None:
        found = self._standing((delivery_id,)).get(delivery_id)
        if found is None:
            return None
        found.now = asked_for(found.was, now)
        self._move((found,), now)
        return self._whole(found.now)

    async def hurry(
        self, endpoint_id: str, now: Millis, limit: int, part: int | None = None, after: Place | None = None
    ) -> Place | None:
        since = after or (now, rows.LAST)
        last: Place | None = self.db.execute(_BITE, (endpoint_id, *since, limit - 1)).fetchone()
        waiting = fetch(self.db, _PUT_OFF, (endpoint_id, *since, *(last or (rows.BEHIND, ""))))
        ids = [(now, id) for id, contact_id in waiting if part is None or part_of(contact_id) == part]
        self.db.executemany("UPDATE queue SET due_at = ? WHERE delivery_id = ?", ids)
        return last

    async def requeue_many(self, delivery_ids: Sequence[str], statuses: Sequence[Status], now: Millis) -> int:
        wanted = [found for found in self._standing(delivery_ids).values() if found.was.status in statuses]
        for found in wanted:
            found.now = asked_for(found.was, now)
        self._move(wanted, now)
        return sum(found.now is not found.was for found in wanted)

    async def cancel_many(self, delivery_ids: Sequence[str], now: Millis) -> int:
        return self.withdraw(delivery_ids, now)

    async def delivery(self, delivery_id: str) -> Delivery | None:
        found = self._standing((delivery_id,)).get(delivery_id)
        return None if found is None else self._whole(found.was)

    async def cancel(self, delivery_id: str, now: Millis) -> Delivery | None:
        found = self._standing((delivery_id,)).get(delivery_id)
        if found is None:
            return None
        self._cancel((found,), now)
        return self._whole(found.now)

    def withdraw(self, delivery_ids: Iterable[str], now: Millis) -> int:
        """Take all of these that are pending out of the queue; gives how many."""
        return self._cancel(self._standing(delivery_ids).values(), now)

    def _cancel(self, standing: Iterable[Standing], now: Millis) -> int:
        standing = [found for found in standing if found.was.status is Status.PENDING]
        for found in standing:
            found.now = called_off(found.was)
        self._move(standing, now)
        return len(standing)

    def _standing(self, ids: Iterable[str]) -> dict[str, Standing]:
        wanted = tuple(ids)
        if not wanted:
            return {}
        found = {}
        for row in self.db.execute(_STANDING, (texts(wanted),)):
            delivery = rows.delivery_of_row(row)
            lane = (delivery.endpoint_id, row[21]) if row[22] else None
            found[delivery.id] = Standing(delivery, delivery, lane)
        return found

    def _whole(self, delivery: Delivery) -> Delivery:
        body = self.db.execute("SELECT body FROM deliveries WHERE id = ?", (delivery.id,)).get
        return replace(delivery, body=body)

    def _move(self, standing: Iterable[Standing], at: Millis) -> None:
        """Bring rows, queue, followers and ledger to where deliveries stand now."""
        moved = sorted((found for found in standing if found.now is not found.was), key=by_id)
        _MOVE.run(self.db, [moved_row(found.now) for found in moved])
        self._leave([found.now.id for found in moved if found.was.status is Status.PENDING is not found.now.status], at)
        for found in moved:
            was, now = found.was, found.now
            self.tally.moved(was, now, at)
            if was.status is not now.status:
                self.count(name_of(was.status), -1)
                self.count(name_of(now.status), 1)
                self.moved.moved(was.status, now.status, (now,))
            if now.status is Status.PENDING:
                self._wait(found, at)

    def _leave(self, ids: Collection[str], at: Millis) -> None:
        """Take deliveries out of the queue; those who are the heads of their lanes then are due."""
        if ids:
            lanes = _decode_lanes(self.db.execute(_FOLLOWED, (texts(ids),)).get)
            self.db.execute(_LEAVE, (texts(ids),))
            for lane in set(lanes):
                self.db.execute(_FREE, (at, *lane))

    def _wait(self, found: Standing, at: Millis) -> None:
        now, due = found.now, found.now.due_at
        if not found.queued:
            _QUEUE_ASIDE.run(self.db, [(now.id, now.endpoint_id, now.contact_id, False, at if due is None else due)])
            return
        self.db.execute(_WAIT, (rows.BEHIND if due is None else due, not now.aside and found.lane is not None, now.id))
        if found.lane is not None and (now.aside or due is None):
            self.db.execute(_FREE, (at, *found.lane))
