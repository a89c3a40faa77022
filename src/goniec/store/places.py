"""Where deliveries lie: which statuses are rare, and what their ids tell of the events that they follow from.

Called by `delivery_lists` in each store.
"""

from typing import Final

from goniec.core.ids import DELIVERY, EVENT
from goniec.core.model import Status
from goniec.ports import DeliveryFilter
from goniec.store.seeking import Bounds

RARE: Final = (Status.HELD, Status.FAILED, Status.CANCELLED)
"""What somebody looks for has indexes of its own. Pending ones stand in the queue, delivered ones are everywhere."""

FEW: Final = 2_000
"""So many pending deliveries of an endpoint are read whole; where there are more, they are no rarity."""

CODE: Final = slice(len(DELIVERY), len(DELIVERY) + 26)
"""Where in a delivery's id its event stands."""
WHOLE: Final = len(DELIVERY) + 26 + 10
LAST: Final = "Z" * 10
"""Behind an event's code: sorts behind all its deliveries."""


def statuses(wanted: DeliveryFilter) -> frozenset[Status]:
    """The statuses that may be found."""
    found = frozenset(wanted.statuses or Status)
    return found if wanted.status is None else found & {wanted.status}


def of_events(prefix: str, within: Bounds) -> tuple[str, str]:
    """Between which ids of events, or of runs, those lie that may have deliveries within bounds."""
    low, high = prefix + within.low[CODE], prefix + within.high[CODE]
    # the event of a delivery seen may have more, unless it was gone through
    if within.low.endswith(LAST):
        low += "~"
    elif prefix == EVENT and len(within.low) == WHOLE:
        low = low[:-1]
    return low, high + "~" if len(within.high) == WHOLE else high
