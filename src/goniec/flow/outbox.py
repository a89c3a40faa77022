"""An endpoint's deliveries in memory, or those of a part of it: what may go, and lanes in which a contact's go in turn.

Kept by `outboxes`, on the sender's loop. What is not here is in the queue table, which stays the truth: `more` says
that it has some for us.
"""

from collections import deque
from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING, Final

from goniec.core.breaker import CLOSED, Breaker
from goniec.core.model import Delivery
from goniec.core.parts import hands, pace, parsed
from goniec.core.times import Millis

if TYPE_CHECKING:
    import asyncio

    from goniec.core.endpoint import Endpoint
    from goniec.core.wire import Credentials


HELD_SURE: Final = 32
"""So many deliveries an endpoint may always have in memory, however slow it is and however much others hold."""
HELD_MOST: Final = 1_000
"""How many it may have at most."""
AHEAD_SECONDS: Final = 2
"""Between the two: what it gets done in so many seconds."""

FOLLOWING: Final = 8
"""So many may always be claimed along with the heads of their lanes, and what the endpoint gets done in a second."""

BURST_SECONDS: Final = 0.05
"""By how much a start may come before its time, so that timers need not be exact; the rate holds over any second."""


SLOW: Final = 1.0
"""Requests a second. Below that, one that another process started, or this one before its restart, may still count."""


class Lane:
    """A contact's deliveries to one endpoint: a head that is on its way, and those behind it.

    `unwritten` counts results of this lane that are not on disk yet. A `closed` lane takes nothing more, for the table
    has, or may have, what comes before: its head was claimed from there or has to be tried again, or one behind it did
    not fit into memory.
    """

    __slots__ = ("closed", "moving", "unwritten", "waiting")

    def __init__(self, *, closed: bool) -> None:
        self.closed = closed
        self.moving = True
        self.unwritten = 0
        self.waiting: deque[Delivery] = deque()


class Outbox:
    """An endpoint, or a part of one that is split, with what is held for it.

    It is ours `since` then (seconds on the clock that never jumps): nobody here knows what was sent before, so a slow
    rate counts from there (that of parts holds but for one a part anyway).

    `id` is the name under which it is owned, `hands` how many of its requests may be under way at a time. `flying`
    counts its requests under way, `held` all its deliveries in memory, `changes` how often its settings were saved,
    `afresh` says since which version what is known of it was learnt (-1: it was not read yet). `kept` is what the store
    knows of the `breaker`, `keeping` says that it is being told more; `alarm` is the timer that waits for the rate to
    let the next request go. `notes` counts what the store is being told otherwise, `leaving` says that it is let go to
    another process, `used_at` when it had something to do (seconds on the clock that never jumps).
    """

    __slots__ = (
        "_done",
        "_pace",
        "_second",
        "_since",
        "_started",
        "afresh",
        "alarm",
        "breaker",
        "changes",
        "credentials",
        "endpoint",
        "endpoint_id",
        "flying",
        "hands",
        "held",
        "held_until",
        "host",
        "id",
        "keeping",
        "kept",
        "lanes",
        "last_success",
        "leaving",
        "more",
        "notes",
        "part",
        "ready",
        "used_at",
    )

    def __init__(self, name: str, since: float = -inf) -> None:
        self.id = name
        self.endpoint_id, self.part = parsed(name)
        self.endpoint: Endpoint | None = None
        self.credentials: Credentials | None = None
        self.host: str | None = None
        self.afresh = -1
        self.held_until: Millis = 0
        self.last_success: Millis = 0
        self.breaker: Breaker = CLOSED
        self.kept: Breaker = CLOSED
        self.keeping = False
        self.alarm: asyncio.TimerHandle | None = None
        self.more = False
        self.leaving = False
        self.notes = 0
        self.used_at = 0.0
        self.changes = 0
        self.flying = 0
        self.hands = 0
        self.held = 0
        self.ready: deque[Delivery] = deque()
        self.lanes: dict[str, Lane] = {}
        self._since = since
        self._started = -inf
        self._pace: float | None = None
        self._second = 0
        self._done = [0, 0]

    def read(self, endpoint: "Endpoint") -> None:
        """These are its settings now."""
        self.endpoint = endpoint
        self.host = endpoint.host
        held_until = self.held_until if self.afresh == endpoint.afresh else 0
        self.afresh = endpoint.afresh
        self.held_until = max(held_until, endpoint.held_until or 0)
        self.hands = hands(endpoint.policy.concurrency, self.part)
        self._pace = pace(endpoint.policy.rate, self.part)

    def open(self, now: Millis, *, probe: bool = False) -> bool:
        """Whether requests may start (or a probe may).

        It is known and ours to keep, its secrets could be opened, it is not paused, nothing asked us to wait and its
        breaker is closed.
        """
        if self.leaving or self.endpoint is None or self.credentials is None or (self.breaker.open and not probe):
            return False
        return self.endpoint.paused is None and self.held_until <= now

    @property
    def quiet(self) -> bool:
        """Whether nothing of it is in memory, under way or being written down."""
        return not (self.held or self.flying or self.notes or self.keeping)

    def lose(self) -> None:
        """It is another process's: what we knew of it counts no more."""
        self.endpoint = None
        self.changes += 1
        self.held_until = 0
        self.more = False
        self.leaving = False

    def may_probe(self, now: Millis) -> bool:
        """Whether it is time for the next probe: one at a time, with nothing else of the endpoint's under way."""
        return self.breaker.probe_at <= now and not self.held and self.open(now, probe=True)

    def room(self, *, crowded: bool) -> int:
        """How many deliveries more it may have in memory, which a slow endpoint is not to fill.

        Where it is `crowded` already, each has to do with what it is sure of.
        """
        most = HELD_SURE if crowded else min(HELD_SURE + AHEAD_SECONDS * max(self._done), HELD_MOST)
        return most - self.held

    @property
    def ahead(self) -> int:
        """How many may be claimed along with the heads of their lanes: few where it is slow, or others had no room."""
        waiting = self.held - self.flying - len(self.ready)
        return max(0, FOLLOWING + max(self._done) - waiting)

    def done(self, mono: float) -> None:
        """Count an attempt that has ended, at `mono` seconds on the clock that never jumps."""
        second = int(mono)
        if second != self._second:
            self._done = [self._done[1] if second == self._second + 1 else 0, 0]
            self._second = second
        self._done[1] += 1

    def wait(self, mono: float) -> float:
        """For how many seconds its rate lets no request start; 0: one may."""
        if self._pace is None:
            return 0
        slow = self._pace < SLOW and self.part is None
        started = max(self._started, self._since) if slow else self._started
        return max(0.0, started + 1 / self._pace - BURST_SECONDS - mono)

    def start(self, mono: float) -> None:
        """Note that a request starts, and when its time was; with whatever rate is then in force the next one waits."""
        self._started = mono if self._pace is None else max(self._started + 1 / self._pace, mono)

    def hush(self) -> None:
        """Let no timer ring any more: the rate may have been changed."""
        if self.alarm is not None:
            self.alarm.cancel()
            self.alarm = None

    def laned(self, delivery: Delivery) -> bool:
        """Whether a delivery goes in a lane."""
        return not delivery.aside and (self.endpoint is None or self.endpoint.policy.order)

    def enter(self, delivery: Delivery, *, claimed: bool) -> bool:
        """Put a delivery behind those of its lane, or let it go at once; False when its lane is closed.

        What was `claimed` behind a head that was claimed with it goes in all the same, as long as none is left out.
        """
        if self.laned(delivery):
            lane = self.lanes.get(delivery.contact_id)
            if lane is None:
                self.lanes[delivery.contact_id] = Lane(closed=claimed)
            elif lane.closed and not claimed:
                return False
            elif lane.moving:
                lane.waiting.append(delivery)
                return True
            else:
                lane.moving = True
        self.ready.append(delivery)
        return True

    def leave_out(self, delivery: Delivery) -> None:
        """A delivery stays in the table only: nothing that comes later may go before it."""
        self.more = True
        if self.laned(delivery) and (lane := self.lanes.get(delivery.contact_id)) is not None:
            lane.closed = True

    def advance(self, contact_id: str) -> None:
        """The head of a lane has left it for good: the next one may go."""
        lane = self.lanes[contact_id]
        if lane.waiting:
            self.ready.append(lane.waiting.popleft())
        else:
            lane.moving = False

    def block(self, contact_id: str) -> Iterator[Delivery]:
        """The head of a lane has to be tried again later: close the lane; gives those behind it, which leave memory."""
        lane = self.lanes[contact_id]
        lane.moving = False
        yield from self._close(lane)

    def written(self, contact_id: str) -> None:
        """A result of a lane is on disk; the lane ends with its last one."""
        lane = self.lanes[contact_id]
        lane.unwritten -= 1
        if not lane.unwritten and not lane.moving:
            self.more = self.more or lane.closed
            del self.lanes[contact_id]

    def empty(self) -> Iterator[Delivery]:
        """Give up all that is not under way; it stays in the table."""
        for delivery in self.ready:
            if delivery.contact_id in self.lanes and not delivery.aside:
                self.lanes[delivery.contact_id].moving = False
            yield delivery
        self.ready.clear()
        for contact_id, lane in list(self.lanes.items()):
            yield from self._close(lane)
            if not lane.moving and not lane.unwritten:
                del self.lanes[contact_id]
        self.more = True

    def _close(self, lane: Lane) -> Iterator[Delivery]:
        lane.closed = True
        yield from lane.waiting
        lane.waiting.clear()
        self.more = True
