"""Sums by the hour: what happened, of the whole instance, of each rule and each endpoint, and how long arriving took.

Charts read a few rows. They outlive retention.
"""

from collections.abc import Sequence
from typing import Final

from goniec.core.times import HOUR, Millis
from goniec.ports import Subject, Sum
from goniec.store.postgres.sql import NUMBER, TEXT, Db, fetch, insert
from goniec.store.tally import FIGURES, Tally

_ADD: Final = insert(
    "sums",
    f"kind, hour, subject, {', '.join(FIGURES)}",
    *(TEXT, NUMBER, TEXT, *(NUMBER for _ in FIGURES)),
    after="ON CONFLICT (kind, hour, subject) DO UPDATE SET "
    + ", ".join(f"{name} = sums.{name} + excluded.{name}" for name in FIGURES),
)

LOOK_UPS: Final = 20_000
"""So many single rows are looked up rather than all subjects' hours read."""
_STEPS: Final = (
    f"SELECT s.subject, greatest(0, s.hour * {HOUR} - $1::bigint) / $2::bigint AS step,"
    f" {', '.join(f'sum(s.{name})::bigint' for name in FIGURES)} FROM {{}} GROUP BY 1, 2 ORDER BY 1, 2"
)
_ALL: Final = _STEPS.format("sums s WHERE s.kind = $3 AND s.hour >= $4 AND s.hour < $5")
_SOME: Final = _STEPS.format("sums s WHERE s.kind = $3 AND s.hour >= $4 AND s.hour < $5 AND s.subject = ANY($6)")
_FEW: Final = _STEPS.format(
    "unnest($4::bigint[]) h (hour) CROSS JOIN unnest($5::text[]) i (subject)"
    " JOIN sums s ON s.kind = $3 AND s.hour = h.hour AND s.subject = i.subject"
)


async def sums(
    db: Db, kind: Subject, ids: Sequence[str] | None, since: Millis, until: Millis, step: Millis
) -> list[Sum]:
    """What happened, by subject and step."""
    first, end = since // HOUR, -(-until // HOUR)
    if ids is None:
        found = await fetch(db, _ALL, (since, step, kind, first, end))
    elif not ids or first >= end:
        return []
    elif len(ids) * (end - first) <= LOOK_UPS:
        found = await fetch(db, _FEW, (since, step, kind, list(range(first, end)), list(ids)))
    else:
        found = await fetch(db, _SOME, (since, step, kind, first, end, list(ids)))
    return [Sum(subject, since + n * step, *figures) for subject, n, *figures in found]


async def add(db: Db, tally: Tally) -> None:
    """Add what a transaction tallied to the table."""
    await _ADD.run(db, tally.take())
