"""Sums by the hour: what happened, of the whole instance, of each rule and each endpoint, and how long arriving took.

Charts read a few rows. They outlive retention.
"""

from collections.abc import Sequence
from typing import Final

from goniec.core.times import HOUR, Millis
from goniec.ports import Subject, Sum
from goniec.store.postgres.slots import Shared, both
from goniec.store.postgres.sql import NUMBER, TEXT, Db, fetch
from goniec.store.tally import FIGURES, Tally

_KEY: Final = ("kind", "hour", "subject")
_SUMS: Final = Shared("sums", _KEY, FIGURES, *(TEXT, NUMBER, TEXT, *(NUMBER for _ in FIGURES)))
_BOTH: Final = both("sums", ", ".join((*_KEY, *FIGURES)))

LOOK_UPS: Final = 20_000
"""So many single rows are looked up rather than all subjects' hours read."""
_STEPS: Final = (
    f"SELECT s.subject, greatest(0, s.hour * {HOUR} - $1::bigint) / $2::bigint AS step,"
    f" {', '.join(f'sum(s.{name})::bigint' for name in FIGURES)} FROM {{}} GROUP BY 1, 2 ORDER BY 1, 2"
)
_ALL: Final = _STEPS.format(f"{_BOTH} s WHERE s.kind = $3 AND s.hour >= $4 AND s.hour < $5")
_SOME: Final = _STEPS.format(f"{_BOTH} s WHERE s.kind = $3 AND s.hour >= $4 AND s.hour < $5 AND s.subject = ANY($6)")
_FEW: Final = _STEPS.format(
    "unnest($4::bigint[]) h (hour) CROSS JOIN unnest($5::text[]) i (subject)"
    f" JOIN {_BOTH} s ON s.kind = $3 AND s.hour = h.hour AND s.subject = i.subject"
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


async def add(db: Db, slot: int, tally: Tally) -> None:
    """Add what a transaction tallied to the table."""
    await _SUMS.add(db, slot, tally.take())
