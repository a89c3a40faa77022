"""Which old events may go, and which have to stay: worked out from their ids. Called by `prune` in each store.

A chain is cut from its old end and never in the middle: behind an event that stays for a pending delivery, the
contact's later ones stay too, so that erasing still finds every row that tells of a contact.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, TypeAlias

from goniec.core.ids import EVENT

Candidate: TypeAlias = tuple[str, str | None]
"""An event's id, and that of the contact's event before it."""

PREFIX: Final = len(EVENT)
END: Final = "~"
"""Sorts behind every id."""

ROWS_OF_AN_EVENT: Final = 4
"""An event, a run, a delivery, an attempt."""


class Reach:
    """How far a round of retention has come, so that what must stay is not looked at again by every bite."""

    def __init__(self) -> None:
        self.after = EVENT


def outside(candidates: Sequence[Candidate]) -> list[str]:
    """The events that candidates name as those before them, and that are no candidates themselves."""
    ids = {id for id, _ in candidates}
    return [previous for _, previous in candidates if previous is not None and previous not in ids]


def staying(candidates: Sequence[Candidate], needed: AbstractSet[str], earlier: AbstractSet[str]) -> set[str]:
    """The events that stay.

    `needed` are codes of those with pending deliveries, `earlier` are those outside that are still there.
    """
    found: set[str] = set()
    for id, previous in candidates:
        if id[PREFIX:] in needed or previous in found or previous in earlier:
            found.add(id)
    return found


def stretches(low: str, high: str, kept: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The codes between which all may go: from `low` to `high`, without those that are kept."""
    for code in (*sorted(kept), high):
        if low < code:
            yield low, code
        low = code + END
