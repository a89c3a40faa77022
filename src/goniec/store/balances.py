"""How the deliveries of each endpoint and rule stand: what a transaction has to add to the ledger of each.

The same figures as the whole ledger has, test sends included, so that they add up to it. Tallied like the sums by the
hour, and written in one statement before the commit. Called by the rooms of each store that write.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from goniec.core.model import Delivery, Status
from goniec.ports import Balance, Holder
from goniec.store.ledger import PRUNED

FIGURES: Final = ("made", *(status.value for status in Status))
"""What is counted, each in a column of that name."""

HOLDERS: Final[tuple[Holder, ...]] = ("endpoint", "rule")

Change = tuple[str, str, str]
"""Endpoint, rule, figure."""


class Moved:
    """What a transaction has to add."""

    __slots__ = ("_changes", "_gone")

    def __init__(self) -> None:
        self._changes: Counter[Change] = Counter()
        self._gone: Counter[Change] = Counter()

    def made(self, deliveries: Iterable[Delivery]) -> None:
        """Count new deliveries."""
        for (endpoint, rule, status), n in Counter(
            (d.endpoint_id, d.rule_id, d.status.value) for d in deliveries
        ).items():
            self._changes[endpoint, rule, "made"] += n
            self._changes[endpoint, rule, status] += n

    def moved(self, was: Status, now: Status, deliveries: Iterable[Delivery]) -> None:
        """Count deliveries that stand otherwise than before."""
        for (endpoint, rule), n in Counter((d.endpoint_id, d.rule_id) for d in deliveries).items():
            self._changes[endpoint, rule, was.value] -= n
            self._changes[endpoint, rule, now.value] += n

    def pruned(self, endpoint: str, rule: str, status: str, n: int) -> None:
        """Count deliveries that retention took away."""
        self._gone[endpoint, rule, "made"] += n
        self._gone[endpoint, rule, status] += n

    def take(self) -> list[tuple[Any, ...]]:
        """Give what is to be added: rows of kind, subject and `FIGURES`, sorted by them; and begin anew."""
        found: dict[tuple[str, str], list[int]] = {}
        for prefix, counted in (("", self._changes), (PRUNED, self._gone)):
            for (endpoint, rule, figure), n in counted.items():
                if figure not in FIGURES:
                    continue  # a status that only another release knows has no column here
                for kind, subject in (("endpoint", endpoint), ("rule", rule)):
                    row = found.setdefault((f"{prefix}{kind}", subject), [0] * len(FIGURES))
                    row[FIGURES.index(figure)] += n
            counted.clear()
        return [(*key, *figures) for key, figures in sorted(found.items()) if any(figures)]


def balances(rows: Iterable[tuple[Any, ...]]) -> list[Balance]:
    """Rows of subject and `FIGURES`, in the order of subjects."""
    return [Balance(*row) for row in sorted(rows)]


def recounted(standing: Iterable[tuple[str, str, int]], pruned: Iterable[tuple[Any, ...]]) -> list[Balance]:
    """The same, from how many rows each subject has in each status, with what retention took away added."""
    found: dict[str, dict[str, int]] = {}
    for subject, *figures in pruned:
        found[subject] = dict(zip(FIGURES, figures, strict=True))
    for subject, status, n in standing:
        kept: dict[str, int] = found.setdefault(subject, dict.fromkeys(FIGURES, 0))
        kept["made"] += n
        kept[status] = kept.get(status, 0) + n
    return balances((subject, *_ordered(kept)) for subject, kept in found.items())


def _ordered(figures: Mapping[str, int]) -> list[int]:
    return [figures[name] for name in FIGURES]
