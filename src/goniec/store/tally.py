"""What a transaction has to add to the sums by the hour: of the whole instance, of each rule and each endpoint.

A transaction tallies what it writes and adds all of it up in one statement before its commit, so that counting costs
next to nothing for each event. Test sends are nobody's statistics. Called by the rooms of each store that write.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from goniec.core.mailing import TELLING, figures
from goniec.core.model import Delivery, Event, Run, Status
from goniec.core.times import HOUR, Millis
from goniec.ports import FIRED, Finished, Subject, Sum

FIGURES: Final = Sum.__struct_fields__[2:]
"""What is counted, each in a column of that name."""
_EVENTS, _RUNS, _MADE, _DELIVERED, _FAILED, _CANCELLED, _ATTEMPTS, _FAILED_ATTEMPTS, _WAITED = range(len(FIGURES))
_NOTHING: Final = [0] * len(FIGURES)
_ENDS: Final = {Status.FAILED: _FAILED, Status.CANCELLED: _CANCELLED}

BOUNDS: Final = (*(round(step * 10**power) for power in range(7) for step in (1, 1.5, 2, 3, 5, 7)), 10**12 - 1)
"""Milliseconds that arrivals are sorted by: each counts under the smallest bound that it kept."""
_WAITS: Final = tuple(f"{bound:012}" for bound in BOUNDS)
"""Padded, so that they sort as numbers."""


class Tally:
    """What a transaction has to add."""

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows: dict[tuple[Subject, int, str], list[int]] = {}

    def saved(self, events: Sequence[Event], runs: Iterable[Run], deliveries: Iterable[Delivery]) -> None:
        """Count what was recorded."""
        for hour, n in Counter(event.received_at // HOUR for event in events).items():
            self._row("", hour, "")[_EVENTS] += n
        for event in events:
            if event.type in TELLING:
                for subject in figures(event):
                    self._row("message", event.received_at // HOUR, subject)[_EVENTS] += 1
        fired = Counter((run.at // HOUR, run.rule_id) for run in runs if run.outcome in FIRED)
        for (hour, rule), n in fired.items():
            self._row("", hour, "")[_RUNS] += n
            self._row("rule", hour, rule)[_RUNS] += n
        self._deliveries(_MADE, ((one.created_at, one) for one in deliveries if not one.test))

    def tried(self, finished: Iterable[tuple[Delivery, Finished]]) -> None:
        """Count attempts; beside each, the delivery that it was of."""
        ended = Counter(
            (one.attempt.at // HOUR, delivery.endpoint_id, one.attempt.failure is not None)
            for delivery, one in finished
            if not delivery.test
        )
        for (hour, endpoint, failed), n in ended.items():
            for row in (self._row("", hour, ""), self._row("endpoint", hour, endpoint)):
                row[_ATTEMPTS] += n
                row[_FAILED_ATTEMPTS] += n * failed

    def arrived(self, deliveries: Sequence[Delivery]) -> None:
        """Count deliveries that arrived for the first time."""
        arrived = [(one.delivered_at, one) for one in deliveries if one.delivered_at is not None and not one.test]
        self._deliveries(_DELIVERED, arrived)
        waits: Counter[tuple[int, str]] = Counter()
        for at, one in arrived:
            waited = max(0, at - one.created_at)
            waits[at // HOUR, _WAITS[min(bisect_left(BOUNDS, waited), len(_WAITS) - 1)]] += 1
            self._row("", at // HOUR, "")[_WAITED] += waited
            self._row("rule", at // HOUR, one.rule_id)[_WAITED] += waited
            self._row("endpoint", at // HOUR, one.endpoint_id)[_WAITED] += waited
        for (hour, bound), n in waits.items():
            self._row("wait", hour, bound)[_DELIVERED] += n

    def moved(self, was: Delivery, now: Delivery, at: Millis) -> None:
        """Count what a delivery has come to, if it has come to an end."""
        if was.delivered_at is None:
            self.arrived((now,))
        figure = _ENDS.get(now.status)
        if figure is not None and now.status is not was.status and not now.test:
            self._deliveries(figure, ((at, now),))

    def take(self) -> list[tuple[Any, ...]]:
        """Give what is to be added: rows of kind, hour, subject and `FIGURES`, sorted by them; and begin anew."""
        rows = [(*key, *figures) for key, figures in sorted(self._rows.items())]
        self._rows.clear()
        return rows

    def _deliveries(self, figure: int, deliveries: Iterable[tuple[Millis, Delivery]]) -> None:
        counted = Counter((at // HOUR, one.rule_id, one.endpoint_id) for at, one in deliveries)
        for (hour, rule, endpoint), n in counted.items():
            self._row("", hour, "")[figure] += n
            self._row("rule", hour, rule)[figure] += n
            self._row("endpoint", hour, endpoint)[figure] += n

    def _row(self, kind: Subject, hour: int, subject: str) -> list[int]:
        key = (kind, hour, subject)
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = _NOTHING.copy()
        return row
