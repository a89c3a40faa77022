"""Figures that `queries` gives: sums by the hour, balances, queues, and what is stuck."""

from typing import Final, Literal

from msgspec import Struct

from goniec.core.times import Millis

Subject = Literal["", "rule", "endpoint", "wait", "message"]
"""What is counted by the hour: the whole instance, each rule, each endpoint, how long deliveries took to arrive, and
each figure of a message (`core.mailing.figure`).
"""


class Sum(Struct, frozen=True):
    """What happened from `at` on for one step; each thing in the hour in which it happened, test sends left out.

    `runs` are those that fired, either way. `delivered` counts deliveries that arrived for the first time, `failed`
    those that were given up, `cancelled` those that were called off: one that is sent again later counts where it ends
    then. `waited` are the milliseconds from being made to arriving, all of `delivered` together. What is no matter of
    its subject is 0: a rule has no events and attempts, an endpoint no events and runs.
    """

    subject: str
    at: Millis
    events: int = 0
    runs: int = 0
    made: int = 0
    delivered: int = 0
    failed: int = 0
    cancelled: int = 0
    attempts: int = 0
    failed_attempts: int = 0
    waited: Millis = 0


Holder = Literal["endpoint", "rule"]
"""Whose deliveries a balance is of."""


class Balance(Struct, frozen=True):
    """How all deliveries of an endpoint or a rule stand, test sends included; those that retention took as they stood.

    `made` is the sum of the others.
    """

    subject: str
    made: int
    pending: int
    held: int
    delivered: int
    failed: int
    cancelled: int


class Stuck(Struct, frozen=True):
    """Deliveries to an endpoint that nothing would ever move: how many, and the id of one.

    `unqueued` are pending without a place in the queue, `unwanted` have one though they are not pending or not there,
    `homeless` wait in the queue for an endpoint that is not there, `headless` behind one of their lane that has gone.
    """

    how: Literal["unqueued", "unwanted", "homeless", "headless"]
    endpoint_id: str
    n: int
    example: str


DUE_MOST: Final = 1_000
"""So many due deliveries of an endpoint are counted, so that asking costs the same however many there are."""


class Queue(Struct, frozen=True):
    """One endpoint's pending deliveries: how many, how many are due, and when the oldest due one fell due.

    `pending` is the ledger's figure and exact, `due` is counted up to `DUE_MOST`.
    """

    endpoint_id: str
    pending: int
    due: int
    oldest_due: Millis | None

    @property
    def more_due(self) -> bool:
        """Whether more may be due than were counted."""
        return self.due == DUE_MOST
