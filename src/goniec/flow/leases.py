"""Leases: what this process owns, under which epoch, and until when on the clock that never jumps.

Each endpoint has one owner at a time, who alone sends to it. A lease counts from before it was asked for, so it is over
here before it is over in the database; and it is asked of it how long it lasts before a request starts, so that none is
under way when the next owner begins. Where one process has the database to itself, it owns all and asks nobody.
Called by `deliver`, `outboxes`, `shares` and `upkeep`; who gets how many is decided in `shares`.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Final, Protocol

from msgspec import Struct

from goniec.core.breaker import Breaker
from goniec.core.parts import parsed
from goniec.core.times import SECOND, Millis
from goniec.ports import WORKER, Clock, Lease, Store, Taken, Tx, Unavailable

LEASE_SECONDS: Final = 60.0
RENEW_SECONDS: Final = 15.0
"""How often they are renewed, and how young one is that need not be."""

MARGIN_SECONDS: Final = 5.0
"""By how much a lease has to outlast the longest that a request may take."""

DUTY: Final = "duty:"
"""Begins the name of a lease that is for work which one process does for all."""


def workers(known: Iterable[Lease]) -> dict[str, int]:
    """Tell of each process that lives and delivers how many endpoints it has, or parts of, just now, by their names."""
    living = [lease for lease in known if lease.left > 0]
    endpoints = [lease for lease in living if not lease.name.startswith((WORKER, DUTY))]
    owned = Counter(owner for owner, _ in {(lease.owner, parsed(lease.name)[0]) for lease in endpoints})
    return {lease.owner: owned[lease.owner] for lease in living if lease.name.startswith(WORKER)}


Known = tuple[Breaker, int]
"""How an endpoint is doing, and under which `afresh` that was learnt."""


class Leases(Protocol):
    """What a process owns. Its methods are called on one loop."""

    shared: bool
    """Whether others may own something too."""
    delivers: bool
    """Whether it may ever own an endpoint."""
    renewal: float
    """After how many seconds leases are to be renewed."""

    def owns(self, name: str) -> bool:
        """Whether it is ours, now."""
        ...

    def lasts(self, name: str, seconds: float) -> bool:
        """Whether it is ours for so long yet."""
        ...

    def epoch(self, name: str) -> int | None:
        """Under which epoch we own it; None where that says nothing."""
        ...

    def since(self, name: str) -> Millis:
        """When we took it, by the store's clock."""
        ...

    async def take(self, names: Iterable[str]) -> None:
        """Take those that nobody has. Raises `Unavailable`."""
        ...

    async def renew(self) -> bool:
        """Have all that we own for longer; False: the store cannot tell just now."""
        ...

    async def let_go(self, names: Iterable[str], breakers: Mapping[str, Known] | None = None) -> None:
        """Let others have them at once; they know then how these endpoints are doing. Never raises."""
        ...

    async def have(self, name: str) -> bool:
        """Whether a duty is ours for now: takes or renews it where that is needed. Never raises."""
        ...

    async def known(self) -> list[Lease]:
        """All that somebody owns. Raises `Unavailable`."""
        ...

    @property
    def owner(self) -> str:
        """How others know this process."""
        ...

    @property
    def names(self) -> Collection[str]:
        """All that we own."""
        ...


class Alone:
    """Owns everything, for ever: nobody else is there. It costs nothing and writes nothing."""

    shared = False
    delivers = True
    renewal = RENEW_SECONDS
    owner = ""
    names: Collection[str] = ()

    def owns(self, name: str) -> bool:  # noqa: ARG002 - whatever it is
        """Yes."""
        return True

    def lasts(self, name: str, seconds: float) -> bool:  # noqa: ARG002 - whatever it is
        """Yes."""
        return True

    def epoch(self, name: str) -> int | None:  # noqa: ARG002 - whatever it is
        """None is needed."""
        return None

    def since(self, name: str) -> Millis:  # noqa: ARG002 - whatever it is
        """Always."""
        return 0

    async def take(self, names: Iterable[str]) -> None:
        """It is ours."""

    async def renew(self) -> bool:
        """It need not be."""
        return True

    async def let_go(self, names: Iterable[str], breakers: Mapping[str, Known] | None = None) -> None:
        """There is nobody who could have it."""

    async def have(self, name: str) -> bool:  # noqa: ARG002 - whatever it is
        """Yes."""
        return True

    async def known(self) -> list[Lease]:
        """None is needed."""
        return []


class _Held(Struct):
    """A lease of ours; `until` in seconds on the clock that never jumps."""

    taken: Taken
    until: float


class Leased:
    """What a process owns of a database that it shares, as told by `owner`, which no other process has as its name."""

    shared = True

    def __init__(
        self, store: Store, clock: Clock, owner: str, seconds: float = LEASE_SECONDS, *, delivers: bool = True
    ) -> None:
        self.delivers = delivers
        self._store = store
        self._clock = clock
        self._owner = owner
        self._seconds = seconds
        self.renewal = min(RENEW_SECONDS, seconds / 4)
        self._held: dict[str, _Held] = {}
        self._owed: set[str] = set()
        """What was let go here, and the store could not be told."""

    @property
    def owner(self) -> str:
        """See `Leases`."""
        return self._owner

    @property
    def names(self) -> Collection[str]:
        """See `Leases`."""
        return list(self._held)

    def owns(self, name: str) -> bool:
        """See `Leases`."""
        return self.lasts(name, 0)

    def lasts(self, name: str, seconds: float) -> bool:
        """See `Leases`."""
        held = self._held.get(name)
        return held is not None and held.until > self._clock.monotonic() + seconds

    def epoch(self, name: str) -> int | None:
        """See `Leases`; of what is lost none is right, so 0, which no lease has."""
        held = self._held.get(name)
        return 0 if held is None else held.taken.epoch

    def since(self, name: str) -> Millis:
        """See `Leases`."""
        held = self._held.get(name)
        return 0 if held is None else held.taken.at

    async def known(self) -> list[Lease]:
        """See `Leases`."""
        return await self._store.queries.leases(self._clock.now())

    async def take(self, names: Iterable[str]) -> None:
        """See `Leases`."""
        until = self._clock.monotonic() + self._seconds
        wanted = [name for name in names if name not in self._held]
        if wanted:
            self._owed.difference_update(wanted)  # now, or what is ours again in a moment might be let go
            taken = await self._store.transact(partial(_take, self._owner, wanted, *self._times()))
            self._held.update((name, _Held(one, until)) for name, one in taken.items())

    async def renew(self) -> bool:
        """See `Leases`; what has run out or is somebody else's is ours no more."""
        asked = {name: held.taken.epoch for name, held in self._held.items()}
        if not asked:
            return True
        until = self._clock.monotonic() + self._seconds
        try:
            kept = await self._store.transact(partial(_renew, self._owner, list(asked), *self._times()))
        except Unavailable:
            return False
        for name, epoch in asked.items():
            held = self._held.get(name)
            if held is None or held.taken.epoch != epoch:
                continue  # let go, and perhaps taken anew, while the store was asked
            if name in kept:
                held.until = until
            else:
                del self._held[name]
        return True

    async def let_go(self, names: Iterable[str], breakers: Mapping[str, Known] | None = None) -> None:
        """See `Leases`."""
        self._owed.update(name for name in names if self._held.pop(name, None) is not None)
        if self._owed:
            going = sorted(self._owed)
            try:
                await self._store.transact(partial(_let_go, self._owner, going, breakers or {}))
            except Unavailable:
                return  # they run out by themselves, if there is no next time
            self._owed.difference_update(going)

    async def have(self, name: str) -> bool:
        """See `Leases`."""
        if not self.lasts(name, self._seconds - self.renewal):
            await self.renew()
        if not self.owns(name):
            self._held.pop(name, None)
            try:
                await self.take((name,))
            except Unavailable:
                return False
        return self.owns(name)

    def _times(self) -> tuple[Millis, Millis]:
        return self._clock.now(), round(self._seconds * SECOND)


async def _take(owner: str, names: list[str], now: Millis, millis: Millis, tx: Tx) -> dict[str, Taken]:
    return await tx.take_leases(owner, names, now, millis)


async def _renew(owner: str, names: list[str], now: Millis, millis: Millis, tx: Tx) -> set[str]:
    return await tx.renew_leases(owner, names, now, millis)


async def _let_go(owner: str, names: list[str], breakers: Mapping[str, Known], tx: Tx) -> None:
    for endpoint_id, (breaker, afresh) in breakers.items():
        await tx.keep_breaker(endpoint_id, breaker, afresh)
    await tx.release_leases(owner, names)
