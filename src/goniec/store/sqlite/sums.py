"""Sums by the hour: what happened, of the whole instance, of each rule and each endpoint, and how long arriving took.

Charts read a few rows. They outlive retention.
"""

from collections.abc import Sequence
from typing import Final

import apsw

from goniec.core.times import HOUR, Millis
from goniec.ports import Subject, Sum
from goniec.store.sqlite.sql import fetch, insert, numbers, texts
from goniec.store.tally import FIGURES, Tally

_ADD: Final = insert(
    "sums",
    f"kind, hour, subject, {', '.join(FIGURES)}",
    "ON CONFLICT (kind, hour, subject) DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in FIGURES),
)

LOOK_UPS: Final = 20_000
"""So many single rows are looked up rather than all subjects' hours read."""
_STEPS: Final = (
    f"SELECT s.subject, max(0, s.hour * {HOUR} - ?1) / ?2, {', '.join(f'sum(s.{name})' for name in FIGURES)} FROM {{}}"
    " GROUP BY 1, 2 ORDER BY 1, 2"
)
_ALL: Final = _STEPS.format("sums s WHERE s.kind = ?3 AND s.hour >= ?4 AND s.hour < ?5")
_SOME: Final = _STEPS.format("sums s WHERE s.kind = ?3 AND s.hour >= ?4 AND s.hour < ?5 AND s.subject IN carray(?6)")
_FEW: Final = _STEPS.format(
    "carray(?4) h CROSS JOIN carray(?5) i CROSS JOIN sums s ON s.kind = ?3 AND s.hour = h.value AND s.subject = i.value"
)


def sums(
    db: apsw.Connection, kind: Subject, ids: Sequence[str] | None, since: Millis, until: Millis, step: Millis
) -> list[Sum]:
    """What happened, by subject and step."""
    first, end = since // HOUR, -(-until // HOUR)
    if ids is None:
        found = fetch(db, _ALL, (since, step, kind, first, end))
    elif not ids or first >= end:
        return []
    elif len(ids) * (end - first) <= LOOK_UPS:
        found = fetch(db, _FEW, (since, step, kind, numbers(range(first, end)), texts(ids)))
    else:
        found = fetch(db, _SOME, (since, step, kind, first, end, texts(ids)))
    return [Sum(subject, since + n * step, *figures) for subject, n, *figures in found]


def add(db: apsw.Connection, tally: Tally) -> None:
    """Add what a transaction tallied to the table."""
    if rows := tally.take():
        _ADD.run(db, rows)
