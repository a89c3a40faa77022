"""Receivers and the way to them: each has good and bad times, and all that arrives is written down."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from msgspec import Struct

from goniec.core.endpoint import MAIL
from goniec.core.model import Failure
from goniec.ports import Answer, Outgoing

MODES: Final = ("ok", "down", "silent", "refusing", "resetting", "busy", "picky", "slow", "gone", "stale")
WEIGHTS: Final = (10, 4, 2, 2, 2, 1, 2, 2, 1, 1)
HINT: Final = 7
"""Seconds that a busy receiver asks for."""

PartOf = Callable[[str, str], str]
"""Gives what a delivery, the second, to an endpoint, the first, counts for."""


class Arrival(Struct):
    """A request at a receiver. `ok`: it answered with 2xx; `heard`: the sender has its answer."""

    at: float
    endpoint: str
    delivery: str
    number: int
    life: int
    resend: bool
    ok: bool = False
    heard: bool = False


class Start(Struct, frozen=True):
    """A request begins, from a process in its `life`: what it counts for, and how many are under way with it.

    It had its `turn` when its endpoint's rate and settings let it go, which for a mail is a little before.
    """

    at: float
    life: int
    endpoint: str
    delivery: str
    part: tuple[str, int]
    at_once: int
    turn: float


class Network:
    """All receivers, by the host in the URL."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.modes: dict[str, str] = {}
        self.arrivals: list[Arrival] = []
        self.part: PartOf = lambda endpoint, _: endpoint
        """What of an endpoint has one owner, which is all of it but where it is split."""
        self.tenure: Callable[[str], int] = lambda _: 0
        """How often an endpoint, or a part of it, was taken until now, as far as that counts."""
        self.look: Callable[[str, Outgoing], None] | None = None
        """Looks at every request, where there is something to see."""
        self.starts: list[Start] = []
        self.flying: Counter[tuple[int, str]] = Counter()
        self.at_once: Counter[str] = Counter()
        self.twice: list[str] = []
        self.two_owners: list[tuple[float, str, int, int]] = []
        self._under_way: set[tuple[int, str]] = set()

    async def send(self, life: int, request: Outgoing) -> Answer:
        """One request of a process in its `life`."""
        endpoint = request.url.split("/")[2].partition(".")[0]
        head = dict(request.headers)
        delivery = head["webhook-id"]
        if self.look is not None:
            self.look(endpoint, request)
        with self._flight(life, endpoint, delivery) as loop:
            await asyncio.sleep(self.rng.random() * 0.05)
            arrival = Arrival(
                loop.time(), endpoint, delivery, int(head["goniec-attempt"]), life, "goniec-resend" in head
            )
            answer = await self._answer(endpoint, arrival, request)
            arrival.heard = True
            return answer

    async def hand_in(
        self, life: int, delivery: str, turn: float, serve: Callable[[Arrival], Awaitable[Answer]]
    ) -> Answer:
        """One mail of a process in its `life`; what the server said of one that it took was heard if it was yes."""
        with self._flight(life, MAIL, delivery, turn) as loop:
            await asyncio.sleep(self.rng.random() * 0.05)
            arrival = Arrival(loop.time(), MAIL, delivery, 0, life, resend=False)
            self.arrivals.append(arrival)
            answer = await serve(arrival)
            arrival.heard = answer.failure is None
            return answer

    @contextmanager
    def _flight(
        self, life: int, endpoint: str, delivery: str, turn: float | None = None
    ) -> Iterator[asyncio.AbstractEventLoop]:
        """Count what is under way."""
        loop = asyncio.get_running_loop()
        part = self.part(endpoint, delivery)
        if (life, delivery) in self._under_way:
            self.twice.append(delivery)
        self._under_way.add((life, delivery))
        for (other, where), n in self.flying.items():
            if n and where == part and other != life:
                self.two_owners.append((loop.time(), part, other, life))
        self.flying[life, part] += 1
        self.at_once[endpoint] += 1
        at, own = loop.time(), (part, self.tenure(part))
        turn = at if turn is None else turn
        self.starts.append(Start(at, life, endpoint, delivery, own, self.at_once[endpoint], turn))
        try:
            yield loop
        finally:
            self.flying[life, part] -= 1
            self.at_once[endpoint] -= 1
            self._under_way.discard((life, delivery))

    async def _answer(self, endpoint: str, arrival: Arrival, request: Outgoing) -> Answer:
        mode = self.modes.get(endpoint, "ok")
        if mode == "refusing":
            return Answer(Failure.CONNECT, "refused")
        if mode == "stale" and not request.fresh and self.rng.random() < 0.5:
            return Answer(Failure.STALE, "the kept connection had died")
        self.arrivals.append(arrival)
        if mode == "silent":
            await asyncio.sleep(request.timeout)
            return Answer(Failure.TIMEOUT, "no answer")
        await asyncio.sleep(self.rng.random() * (2 if mode == "slow" else 0.1))
        match mode:
            case "down":
                return Answer(Failure.SERVER, "down", 503)
            case "busy":
                return Answer(Failure.BUSY, "busy", 429, retry_after=str(HINT))
            case "gone":
                return Answer(Failure.GONE, "gone", 410)
            case "picky" if sum(arrival.delivery.encode()) % 3 == 0:
                return Answer(Failure.REJECTED, "no such thing here", 422)
            case "resetting" if self.rng.random() < 0.5:
                arrival.ok = self.rng.random() < 0.5
                return Answer(Failure.RESET, "cut")
        arrival.ok = True
        return Answer(None, "delivered", 200, body=b"seen")
