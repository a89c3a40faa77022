"""The ledger: totals that every transaction keeps in step, and the same figures counted anew from the rows."""

from typing import Final

import apsw

from goniec.core.model import Status
from goniec.store.sqlite.transaction import BY_STATUS

FROM_OUTSIDE: Final = ("received", "accepted", "duplicates", "refused")
COUNTED: Final = ("made", *BY_STATUS.values(), "attempts", "events", "runs")
NAMES: Final = (*FROM_OUTSIDE, *COUNTED)
"""What the ledger always shows, also when it is nothing."""


def totals(db: apsw.Connection) -> dict[str, int]:
    """The ledger as it was kept. `pruned.*` stands beside it in the table and is not shown."""
    return {name: n for name, n in _kept(db).items() if not name.startswith("pruned.")}


def standing(db: apsw.Connection) -> dict[Status, int]:
    """Where deliveries stand that retention has left."""
    kept = _kept(db)
    return {status: kept[name] - kept.get(f"pruned.{name}", 0) for status in Status for name in (BY_STATUS[status],)}


def recount(db: apsw.Connection) -> dict[str, int]:
    """The ledger counted from the rows, those that retention took away added.

    What was refused or known left no row, so `received`, `duplicates` and `refused` are taken as they were kept, and
    `accepted` is what is left of them.
    """
    kept = _kept(db)
    found = {name: kept[name] for name in FROM_OUTSIDE}
    found["accepted"] = kept["received"] - kept["duplicates"] - kept["refused"]
    by_status = dict(db.execute("SELECT status, count(*) FROM deliveries GROUP BY status"))
    for status, name in BY_STATUS.items():
        found[name] = by_status.get(status, 0) + kept.get(f"pruned.{name}", 0)
    found["made"] = sum(found[name] for name in BY_STATUS.values())
    for table in ("attempts", "events", "runs"):
        found[table] = db.execute(f"SELECT count(*) FROM {table}").get + kept.get(f"pruned.{table}", 0)
    return found | {name: n for name, n in kept.items() if name not in NAMES and not name.startswith("pruned.")}


def _kept(db: apsw.Connection) -> dict[str, int]:
    return dict.fromkeys(NAMES, 0) | dict(db.execute("SELECT name, value FROM totals ORDER BY name"))
