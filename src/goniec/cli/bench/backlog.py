"""What waits for an endpoint that is down: deliveries of the newest events of a past, none of which was tried yet.

Written by `stage` into a file that has the past and the endpoints, as an outage of days would have left it.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from goniec.cli.bench.history import CHUNK, Past, delivery_of, event_of, run_of, writing
from goniec.core.model import Status
from goniec.store import rows
from goniec.store.sqlite.sql import insert
from goniec.store.sqlite.transaction import Transaction

_RUNS = insert("runs", rows.RUN.replace("r.", ""))
_DELIVERIES = insert("deliveries", rows.DELIVERY.replace("d.", "").removesuffix(", q.due_at"))
_QUEUE = insert("queue", "delivery_id, endpoint_id, contact_id, lane, due_at")


class Place(Struct, frozen=True):
    """Where a webhook goes: a rule and its endpoint."""

    rule: str
    endpoint: str


def wait(path: Path, past: Past, count: int, places: Sequence[Place]) -> None:
    """Let so many deliveries wait, for one place after the other; the past has to have that many events left."""
    with writing(path) as db:
        for low in range(past.events - count, past.events, CHUNK):
            tx = Transaction(db)
            _some(tx, past, range(low, min(low + CHUNK, past.events)), places)
            tx.settle()


def _some(tx: Transaction, past: Past, numbers: range, places: Sequence[Place]) -> None:
    runs, waiting = [], []
    for n in numbers:
        place, event = places[n % len(places)], event_of(past, n)
        runs.append(replace(run_of(past, n, event), rule_id=place.rule))
        made = replace(delivery_of(past, n, event), rule_id=place.rule, endpoint_id=place.endpoint)
        untried = {"counted": 0, "attempts": 0, "first_at": None, "last_at": None, "delivered_at": None}
        waiting.append(replace(made, status=Status.PENDING, **untried))
    _RUNS.run(tx.db, [rows.run_row(run) for run in runs])
    _DELIVERIES.run(tx.db, [rows.delivery_row(one) for one in waiting])
    _QUEUE.run(tx.db, [(one.id, one.endpoint_id, one.contact_id, True, one.created_at) for one in waiting])
    tx.tally.saved((), runs, waiting)
    tx.moved.made(waiting)
    for name, n in Counter({"runs": len(runs), "made": len(waiting), "deliveries.pending": len(waiting)}).items():
        tx.count(name, n)
