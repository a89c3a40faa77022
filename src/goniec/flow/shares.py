"""Shares: which endpoints, and which parts of split ones, each of several processes delivers to, and how they pass on.

What is due and nobody's is taken, but by nobody more than its fair share as long as others take theirs. What has
nothing to do for a while is let go; so is what is more than fair, some seconds after others had room for it, once all
of it that was under way is written down. An endpoint that is split from now on, or no more, is let go in its old shape
the same way, and nobody takes it in the new one before. Called by `claim`, on the sender's loop, in each round;
`deliver` and `health` say here what has happened to an endpoint, so that whoever has it hears of it. Where one process
has the database to itself, all is its own and nobody else listens.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, assert_never

from goniec.core.breaker import kept
from goniec.core.model import Delivery
from goniec.core.parts import parsed, part_name, part_names, part_of
from goniec.flow.leases import DUTY, Leases
from goniec.flow.outbox import Outbox
from goniec.flow.outboxes import Outboxes
from goniec.observe import log
from goniec.ports import WORKER, Clock, Queries, Signal, Signals

LOOK_SECONDS: Final = 1.0
"""How often it is looked at who owns what, unless something turns up that nobody is known to own."""

PATIENCE_SECONDS: Final = 3.0
"""How long that is left to others of which we have enough."""

SURPLUS_SECONDS: Final = 5.0
"""How long we keep more than our share while others have room."""

IDLE_SECONDS: Final = 60.0
"""How long we keep what has nothing to do."""

SLACK: Final = 8
"""By one in so many we may have more than our share: evening out costs more than it gives."""


class Nobody:
    """Nobody else is there: nothing to tell, nothing to hear."""

    def tell(self, signal: Signal, endpoint_ids: Iterable[str] = ()) -> None:
        """Nobody hears."""

    def hear(self, heard: Callable[[Signal, str], None]) -> None:
        """Nobody tells."""


class Shares:
    """Which boxes of a process are its own and stay so, and what it tells the others of them, and hears."""

    def __init__(self, leases: Leases, signals: Signals, queries: Queries, clock: Clock, outboxes: Outboxes) -> None:
        self._leases = leases
        self._signals = signals
        self._queries = queries
        self._clock = clock
        self._outboxes = outboxes
        self._boxes = outboxes.boxes
        self._worker = WORKER + leases.owner
        self._foreign: set[str] = set()
        self._spared: dict[str, float] = {}
        """What is free and left to others, and since when."""
        self._blocked: set[str] = set()
        """Endpoints that somebody has in a shape which they are to have no more."""
        self._over: float | None = None
        self._next = 0.0
        self._setup = -1
        self.split: frozenset[str] = frozenset()
        """The endpoints that are had in parts: none where one process has the database to itself."""

    def name(self, delivery: Delivery) -> str:
        """Under which name it is owned who sends it."""
        if delivery.endpoint_id in self.split:
            return part_name(delivery.endpoint_id, part_of(delivery.contact_id))
        return delivery.endpoint_id

    def names(self, name: str) -> Sequence[str]:
        """Give what an endpoint's id, or the name of a part, stands for as we know it: a whole, or parts."""
        endpoint_id, part = parsed(name)
        if endpoint_id not in self.split:
            return (endpoint_id,)
        return part_names(endpoint_id) if part is None else (name,)

    def kick(self, endpoint_id: str) -> None:
        """Let whoever owns it, or parts of it, look at what is due."""
        for name in self.names(endpoint_id):
            self.look(name)
        self._tell(Signal.DUE, endpoint_id)

    def changed(self, endpoint_id: str) -> None:
        """Let whoever owns it, or parts of it, read its settings again."""
        self.hear(Signal.CHANGED, endpoint_id)
        self._tell(Signal.CHANGED, endpoint_id)

    def elsewhere(self, names: Collection[str]) -> None:
        """Something has come that is due, and was none of ours to take in."""
        for name in names:
            self.look(name)
        self._signals.tell(Signal.DUE, names)

    def hear(self, kind: Signal, about: str) -> None:
        """Do what another process would have done itself, had the endpoint, or the part of it, been its own."""
        match kind:
            case Signal.DUE:
                for name in self.names(about) if about else tuple(self._boxes):
                    self.look(name)
            case Signal.CHANGED:
                for name in self.names(about) if about else tuple(self._boxes):
                    self._outboxes.forget(name)
                self._wake()  # it may be split now, or whole again
            case Signal.LEASES:
                self._wake()
            case _:
                assert_never(kind)

    def look(self, name: str) -> None:
        """See in the next round what is due; of what another process owns it is that one's affair."""
        if self._leases.owns(name):
            self._outboxes.look(self._outboxes.box(name))
        elif name not in self._foreign:
            self._outboxes.wake.set()

    async def round(self, waiting: Collection[str]) -> set[str]:
        """Take what is due and free, as far as it is ours to take; let go what is not.

        Of the endpoints `waiting`, and of what has more in the table, gives all that is due. Raises `Unavailable`.
        """
        if not self._leases.shared:
            return self._due(waiting)
        self._lose()
        mono = self._clock.monotonic()
        due = self._due(waiting)
        if mono >= self._next or any(self._is_new(name) for name in due):
            self._next = mono + LOOK_SECONDS
            await self._heed_changes()
            due = self._due(waiting)
            await self._look(due, mono)
            self._leave_idle(due, mono)
        await self._part(due)
        return due

    async def end(self) -> None:
        """Let all go, last of all."""
        if self._leases.shared:
            await self._release(list(self._leases.names))

    def _tell(self, signal: Signal, endpoint_id: str) -> None:
        """Tell the others, where it concerns any: what is ours as a whole does not."""
        if not all(self._leases.owns(name) for name in self.names(endpoint_id)):
            self._signals.tell(signal, (endpoint_id,))

    def _wake(self) -> None:
        """Look at once who owns what."""
        self._next = 0.0
        self._outboxes.wake.set()

    def _due(self, waiting: Iterable[str]) -> set[str]:
        due = {name for id in waiting for name in self.names(id)} if self.split else set(waiting)
        due.update(box.id for box in self._boxes.values() if box.more)
        return due

    def _is_new(self, name: str) -> bool:
        """Whether nobody is known to own it, and it could be had."""
        known = self._leases.owns(name) or name in self._foreign or name in self._spared
        return not known and parsed(name)[0] not in self._blocked

    def _misshapen(self, name: str) -> bool:
        """Whether it is a whole of which there are parts now, or the other way round."""
        endpoint_id, part = parsed(name)
        return (part is not None) != (endpoint_id in self.split)

    def _lose(self) -> None:
        """Forget what is not ours any more; all of it is in the table."""
        for box in list(self._boxes.values()):
            if self._leases.owns(box.id):
                continue
            if box.endpoint is not None:
                log.warning("lease.lost", endpoint=box.id, host=box.host, under_way=box.flying)
            self._outboxes.drop(box)
            box.lose()
            if box.quiet:
                del self._boxes[box.id]

    async def _heed_changes(self) -> None:
        """Read those endpoints anew that somebody has saved, whether or not we were told."""
        version = await self._queries.setup_version()
        if version == self._setup:
            return
        endpoints = await self._queries.endpoints()
        self.split = frozenset(endpoint.id for endpoint in endpoints if endpoint.policy.split)
        found = {endpoint.id: endpoint.version for endpoint in endpoints}
        for box in list(self._boxes.values()):
            if box.endpoint is not None and found.get(box.endpoint_id) != box.endpoint.version:
                self._outboxes.forget(box.id)
            if self._misshapen(box.id) and self._leases.owns(box.id):
                self._leave(box)
        self._setup = version

    async def _look(self, due: set[str], mono: float) -> None:
        """See who owns what, take our share of what is free, and choose what we have too much of."""
        known = await self._leases.known()
        others = {lease.name for lease in known if lease.left > 0 and lease.owner != self._leases.owner}
        workers = 1 + sum(name.startswith(WORKER) for name in others)
        self._foreign = {name for name in others if _is_endpoint(name)}
        mine = [name for name in self._leases.names if _is_endpoint(name)]
        had = (*self._foreign, *mine, *self._boxes)
        self._blocked = {parsed(name)[0] for name in had if self._misshapen(name)}
        free = due - self._foreign - set(mine)
        if self._blocked:
            free = {name for name in free if parsed(name)[0] not in self._blocked}
        share = -(-(len(mine) + len(self._foreign) + len(free)) // workers)
        self._spared = {id: self._spared.get(id, mono) for id in free}
        wanted = sorted(free, key=self._taste)[: max(0, share - len(mine))]
        wanted += [id for id, since in self._spared.items() if mono - since >= PATIENCE_SECONDS]
        if self._worker not in self._leases.names:
            wanted.append(self._worker)
        await self._leases.take(dict.fromkeys(wanted))
        for id in wanted:
            self._spared.pop(id, None)
        self._inherit({lease.name: lease.owner for lease in known if lease.left <= 0}, wanted)
        self._choose(len(mine), share, workers, mono)

    def _inherit(self, before: Mapping[str, str], wanted: Iterable[str]) -> None:
        """Say of whom endpoints were taken over: of processes that let their leases run out."""
        ours = {(parsed(name)[0], before[name]) for name in wanted if name in before and self._leases.owns(name)}
        for owner, n in Counter(owner for _, owner in ours if owner != self._leases.owner).items():
            log.info("endpoints.taken_over", endpoints=n, of=owner)

    def _taste(self, name: str) -> int:
        """Each process has an order of its own, so that two do not reach for the same."""
        return zlib.crc32(f"{self._leases.owner} {name}".encode())

    def _choose(self, mine: int, share: int, workers: int, mono: float) -> None:
        """What is too much for some seconds goes: that which is under way the least."""
        if workers == 1 or mine <= share + share // SLACK:
            self._over = None
        elif self._over is None:
            self._over = mono
        elif mono - self._over >= SURPLUS_SECONDS:
            self._over = None
            staying = [box for box in self._boxes.values() if not box.leaving and self._leases.owns(box.id)]
            for box in sorted(staying, key=lambda box: (box.held, box.id))[: mine - share]:
                self._leave(box)

    def _leave_idle(self, due: set[str], mono: float) -> None:
        for box in self._boxes.values():
            if box.id in due or box.more or not box.quiet:
                box.used_at = mono
            elif mono - box.used_at >= IDLE_SECONDS:
                self._leave(box)

    def _leave(self, box: Outbox) -> None:
        box.leaving = True
        self._outboxes.drop(box)

    async def _part(self, due: set[str]) -> None:
        """Let those go of which nothing is under way any more, and what we took and had no need of."""
        going = [box.id for box in self._boxes.values() if box.leaving and box.quiet]
        going += [id for id in self._leases.names if _is_endpoint(id) and id not in self._boxes and id not in due]
        if going:
            await self._release(going)

    async def _release(self, names: list[str]) -> None:
        going = [self._boxes.pop(name) for name in names if name in self._boxes]
        breakers = {box.endpoint_id: (state, box.afresh) for box in going if (state := kept(box.breaker)) != box.kept}
        await self._leases.let_go(names, breakers)
        self._signals.tell(Signal.LEASES, [name for name in names if _is_endpoint(name)])


def _is_endpoint(name: str) -> bool:
    return not name.startswith((WORKER, DUTY))
