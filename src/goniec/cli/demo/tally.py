"""What arrived, as the receiver saw it, and whether that is all that had to arrive.

Called by the demo alone. What the engine believes to have sent counts for nothing here: its ledger has to say the same.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from goniec.cli.receiver import Received

KEYS: Final = ["id", "name", "contactId", "description", "email", "phone", "company"]
STATUSES: Final = ("pending", "held", "delivered", "failed", "cancelled")


class Tally:
    """Counts webhooks while they arrive."""

    def __init__(self) -> None:
        self.arrived: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._ids: set[str] = set()
        self._sequences: dict[tuple[str, str], int] = {}

    @property
    def webhooks(self) -> int:
        """How many arrived and were taken."""
        return self.arrived.total()

    def take(self, received: Received) -> None:
        """Count one, and what is wrong with it."""
        if received.fault is not None:
            self.faults[received.fault] += 1
            return
        self.arrived[received.target] += 1
        self.faults.update(self._faults(received))

    def _faults(self, received: Received) -> Iterator[str]:
        id = received.header("webhook-id") or ""
        if id in self._ids:
            yield "arrived twice"
        self._ids.add(id)
        body = msgspec.json.decode(received.body)
        if [*body] != KEYS:
            yield "has other keys than the seven"
        lane = received.target, body.get("contactId", "")
        sequence = int(received.header("goniec-sequence") or 0)
        if sequence < self._sequences.get(lane, 0):
            yield "came before an earlier one about the same contact"
        self._sequences[lane] = sequence


class Check(Struct, frozen=True):
    """Something that has to hold, in words, and whether it does."""

    holds: bool
    text: str


def checks(
    tally: Tally, expected: Mapping[str, int], sent: int, accepted: int, totals: Mapping[str, int]
) -> list[Check]:
    """Hold what arrived against the demo's own arithmetic, and the ledger against itself and what arrived."""
    wanted = sum(expected.values())
    kept = {status: totals.get(f"deliveries.{status}", 0) for status in STATUSES}
    inward = [totals.get(name, 0) for name in ("received", "accepted", "duplicates", "refused")]
    made = totals.get("made", 0)
    lost = {path: count - tally.arrived[path] for path, count in expected.items() if count != tally.arrived[path]}
    return [
        Check(accepted == sent, f"events: {sent:,} sent, {accepted:,} accepted"),
        Check(not lost, f"webhooks: {wanted:,} had to arrive, {tally.webhooks:,} did" + _differences(lost)),
        Check(not tally.faults, "each came once, in order, signed, with user and password" + _listed(tally.faults)),
        Check(
            inward[0] == sum(inward[1:]),
            "ledger: received {:,} = accepted {:,} + duplicates {:,} + refused {:,}".format(*inward),
        ),
        Check(
            made == sum(kept.values()) and kept["delivered"] == wanted,
            f"ledger: made {made:,} = " + " + ".join(f"{status} {count:,}" for status, count in kept.items()),
        ),
    ]


def _differences(lost: Mapping[str, int]) -> str:
    return "".join(f"; {path}: {count:+,} missing" for path, count in lost.items())


def _listed(faults: Mapping[str, int]) -> str:
    return "".join(f"; {count:,} {fault}" for fault, count in faults.items())
