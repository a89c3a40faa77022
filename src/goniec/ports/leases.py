"""What one of several processes on a store has to itself for a while. `flow.leases` keeps them, `tx` writes them."""

from typing import Final

from msgspec import Struct

from goniec.core.times import Millis


class Lease(Struct, frozen=True):
    """Who owns an endpoint or a duty: `owner` names a process from its start to its end.

    `epoch` rises whenever it is taken; `left` are the milliseconds until it runs out, by the store's clock.
    """

    name: str
    owner: str
    epoch: int
    left: Millis


class Taken(Struct, frozen=True):
    """A lease that was just taken: under which epoch, and when, by the store's clock."""

    epoch: int
    at: Millis


WORKER: Final = "worker:"
"""Begins the name of the lease by which a process tells that it lives and delivers; its owner follows."""
