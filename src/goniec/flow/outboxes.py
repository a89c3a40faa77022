"""The outboxes of this process: what is in memory, of which endpoints, and what is going on for them.

Made by `deliver`, on the sender's loop; `shares`, `health`, `sending` and `claim` hold it too, and know of
each other's doings by it. Nothing here sends, waits or asks the store: what leaves memory is in the queue table all the
same.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from goniec.core.model import Delivery
from goniec.flow.leases import MARGIN_SECONDS, Leases
from goniec.flow.outbox import Outbox
from goniec.ports import Clock

MEMORY: Final = 4_000
"""How many deliveries are held in memory, over all endpoints, before each has to do with the few that it is sure of."""


class Outboxes:
    """One for each endpoint, or part of one, that had something to do; `boxes` has them by the name that owns them."""

    def __init__(self, leases: Leases, clock: Clock) -> None:
        self._leases = leases
        self._clock = clock
        self._born = clock.monotonic()
        self.boxes: dict[str, Outbox] = {}
        self._known: dict[str, int] = {}
        """Deliveries in memory: 1 for the delivery itself and 1 for each result of it that is not on disk yet."""
        self.settled: set[str] | None = None
        """While the table is being asked: what has left memory meanwhile, and may still be in the answer."""
        self.tasks: set[asyncio.Task[None]] = set()
        """What is going on, and has to come to its end before the process may."""
        self.wake = asyncio.Event()
        """Set when the next round is to begin at once."""
        self.stopping = False

    @property
    def in_memory(self) -> int:
        """How many deliveries are held in memory."""
        return len(self._known)

    @property
    def wanting(self) -> bool:
        """Whether the table has something for one that takes it now, or may have."""
        now = self._clock.now()
        ours = [box for box in self.boxes.values() if self.owns(box.id)]
        return any(box.more and (box.endpoint is None or box.open(now)) for box in ours)

    def box(self, name: str) -> Outbox:
        """Give the one of this name, a new one if need be."""
        box = self.boxes.get(name)
        if box is None:
            now = self._clock.monotonic()
            box = self.boxes[name] = Outbox(name, now if self._leases.shared else self._born)
            box.used_at = now
        return box

    def owns(self, name: str) -> bool:
        """Whether what has this name is ours just now."""
        return self._leases.owns(name)

    def lasts(self, box: Outbox) -> bool:
        """Whether it is ours for longer than a request may take, so that the next owner's meets none of ours."""
        seconds = 0.0 if box.endpoint is None else box.endpoint.policy.timeout
        return self._leases.lasts(box.id, seconds + MARGIN_SECONDS)

    def lease(self, box: Outbox) -> tuple[int | None, str | None]:
        """Under what it is ours: the epoch, and the name of the lease where that is one on a part."""
        return self._leases.epoch(box.id), None if box.part is None else box.id

    def room(self, box: Outbox) -> int:
        """How many deliveries more it may have in memory."""
        return box.room(crowded=len(self._known) >= MEMORY)

    def put(self, box: Outbox, delivery: Delivery, *, claimed: bool = False, probe: bool = False) -> bool:
        """Hold a delivery in memory; False when it stays in the table only."""
        if delivery.id in self._known:
            return True
        shut = self.stopping or self.room(box) <= 0 or not self.lasts(box)
        shut = shut or not box.open(self._clock.now(), probe=probe)
        if shut or not box.enter(delivery, claimed=claimed):
            box.leave_out(delivery)
            if box.endpoint is None:
                self.wake.set()
            return False
        box.held += 1
        self._known[delivery.id] = 1
        return True

    def hold(self, box: Outbox, delivery: Delivery) -> bool:
        """Count a delivery that is only to be put off as one in memory; False: it is there already."""
        if delivery.id in self._known:
            return False
        box.held += 1
        self._known[delivery.id] = 1
        return True

    def keep(self, delivery: Delivery) -> None:
        """A result of it has to be written: it stays in memory until that is on disk, too."""
        self._known[delivery.id] += 1

    def release(self, box: Outbox, delivery: Delivery) -> None:
        """It has come to its end here, or a result of it is on disk; it leaves memory with the last of these."""
        left = self._known[delivery.id] - 1
        if left:
            self._known[delivery.id] = left
            return
        del self._known[delivery.id]
        box.held -= 1
        if self.settled is not None:
            self.settled.add(delivery.id)

    def drop(self, box: Outbox) -> None:
        """Give up all of it that is not under way."""
        for delivery in box.empty():
            self.release(box, delivery)

    def look(self, box: Outbox) -> None:
        """See in the next round, at once, what is due."""
        box.more = True
        self.wake.set()

    def forget(self, name: str) -> None:
        """Read an endpoint's settings again before its next request, if it is ours."""
        if self.owns(name):
            box = self.box(name)
            box.endpoint = None
            box.changes += 1
            box.hush()
            self.drop(box)
            self.look(box)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something go on beside all else."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def stop(self) -> None:
        """Take nothing in any more, and let nothing go that is not under way."""
        self.stopping = True
        for box in self.boxes.values():
            self.drop(box)
        self.wake.set()
