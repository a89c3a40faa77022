"""The ledger, whatever keeps it: its names, what it shows, and how the rows that are left and those that went make it.

Called by the room of the same name in each store, with what stands in the table of totals.
"""

from collections.abc import Mapping
from typing import Final

from goniec.core.model import Status

DELIVERIES: Final = "deliveries."
BY_STATUS: Final = {status.value: f"{DELIVERIES}{status.value}" for status in Status}
"""The ledger's name for the deliveries in a status; one that only another release knows is named alike."""

FROM_OUTSIDE: Final = ("received", "accepted", "duplicates", "refused")
COUNTED: Final = ("made", *BY_STATUS.values(), "attempts", "events", "runs")
NAMES: Final = (*FROM_OUTSIDE, *COUNTED)
"""What the ledger always shows, also when it is nothing."""

TABLES: Final = ("attempts", "events", "runs")
"""What is counted whole."""

PRUNED: Final = "pruned."
"""Begins the names of what retention took away; they stand beside the others in the table and are not shown."""


def totals(kept: Mapping[str, int]) -> dict[str, int]:
    """The ledger as it was kept."""
    return dict.fromkeys(NAMES, 0) | {name: n for name, n in kept.items() if not name.startswith(PRUNED)}


def standing(kept: Mapping[str, int]) -> dict[Status, int]:
    """Where deliveries stand that retention has left."""
    return {
        status: kept.get(name, 0) - kept.get(f"{PRUNED}{name}", 0) for status in Status for name in (BY_STATUS[status],)
    }


def recounted(kept: Mapping[str, int], by_status: Mapping[str, int], counted: Mapping[str, int]) -> dict[str, int]:
    """The ledger from rows: deliveries `by_status` and those of `TABLES` are there, what retention took is added.

    What was refused or known left no row, so `received`, `duplicates` and `refused` are taken as they were kept, and
    `accepted` is what is left of them.
    """
    found = {name: kept.get(name, 0) for name in FROM_OUTSIDE}
    found["accepted"] = found["received"] - found["duplicates"] - found["refused"]
    names = dict.fromkeys((*BY_STATUS.values(), *(name for name in kept if name.startswith(DELIVERIES))))
    for name in names | dict.fromkeys(map(name_of, by_status)):
        found[name] = by_status.get(name.removeprefix(DELIVERIES), 0) + kept.get(f"{PRUNED}{name}", 0)
    found["made"] = sum(n for name, n in found.items() if name.startswith(DELIVERIES))
    for table in TABLES:
        found[table] = counted[table] + kept.get(f"{PRUNED}{table}", 0)
    return found | {name: n for name, n in kept.items() if name not in found and not name.startswith(PRUNED)}


def name_of(status: str) -> str:
    """As `BY_STATUS`, also where only another release knows the status."""
    return f"{DELIVERIES}{status}"
