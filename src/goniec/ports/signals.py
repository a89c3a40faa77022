"""Telling whoever sends that there is something for it: in this process, or in others on the same store."""

import enum
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from goniec.core.model import Delivery


class Handover(Protocol):
    """Takes freshly recorded deliveries without a query; what it does not keep, the queue table still has."""

    def take(self, deliveries: Sequence[Delivery], busy: set[tuple[str, str]]) -> None:
        """`busy` lanes had earlier pending deliveries.

        Called after the commit, from any thread; never raises, never waits.
        """
        ...


class Notice(Protocol):
    """Is told what somebody changed about an endpoint: after the commit, from any thread; never raises, never waits."""

    def changed(self, endpoint_id: str) -> None:
        """Its settings are others now, or it is gone."""
        ...

    def kick(self, endpoint_id: str) -> None:
        """Deliveries to it may have become due."""
        ...


class Signal(enum.StrEnum):
    """What one process tells the others that share its store."""

    DUE = "due"
    """Something of this endpoint may be due."""
    CHANGED = "changed"
    """The settings of this endpoint are others now, or it is gone."""
    LEASES = "leases"
    """Somebody has let go of what this endpoint's id names, or of more (an empty id)."""


class Signals(Protocol):
    """Tells other processes what they would find out by themselves a little later; it may be lost."""

    def tell(self, signal: Signal, endpoint_ids: Iterable[str] = ()) -> None:
        """Tell all others: after the commit, from any thread; never raises, never waits."""
        ...

    def hear(self, heard: Callable[[Signal, str], None]) -> None:
        """Call `heard` with what others tell from now on, a call for each id, in a thread of the store's."""
        ...
