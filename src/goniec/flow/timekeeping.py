"""The clock of processes that share a database: the server's time, so that they agree whatever their machines believe.

It is asked for now and then and goes on by the clock that never jumps, so setting a machine's clock changes nothing
here. Each answer proves between which bounds the server's time lies; what is within them is left as it is. Forward, and
back by more than a second, it is put right at once, as a clock that is set; back by less it only goes slower.
Built by `app`, and by commands for a moment; where one process has a file to itself, its machine's clock is as good.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from goniec.core.times import SECOND, Millis
from goniec.observe import log
from goniec.ports import Clock, Timed, Unavailable

ASK_SECONDS: Final = 15.0
"""How often the server is asked."""
LOOK_SECONDS: Final = 1.0
"""How often it is looked whether the machine's clock was set, or the machine stood still; then it is asked at once."""

TRIES: Final = 3
"""So often it is asked in a row; the quickest answer counts, for it is the most exact."""
QUICK_SECONDS: Final = 0.02
"""An answer so quick is exact enough to ask no further."""

APART: Final[Millis] = SECOND // 2
"""By so much the machine's two clocks may drift apart between two looks before that is taken for a set clock."""
STEP: Final[Millis] = SECOND
"""By more than this it is set back, by less it goes slower."""
SLOWER: Final = 5.0
"""Milliseconds by which it is held back with each look."""

WRONG: Final[Millis] = 2 * SECOND
"""From here on the machine's clock is called wrong."""


Ask = Callable[[Clock], Awaitable[Timed]]
"""Asks the server for its time, noting on this clock when; raises `Unavailable`."""


class SharedClock:
    """The server's time (the `Clock` port), from any thread; `begin` makes one, and `run` keeps it right."""

    def __init__(self, machine: Clock, ask: Ask) -> None:
        self._machine = machine
        self._ask = ask
        self._steady = machine.monotonic
        self._zero = 0.0
        """What the server's time was, in milliseconds, when the steady clock was at 0."""
        self._owed = 0.0
        """Milliseconds by which it is ahead yet."""
        self._apart = 0.0
        self._asked = 0.0
        self._wrong = False
        self._away: float | None = None
        """Since when the server does not answer, on the steady clock."""

    @classmethod
    async def begin(cls, machine: Clock, ask: Ask) -> "SharedClock":
        """Ask for the first time. Raises `Unavailable`."""
        made = cls(machine, ask)
        low, high = await made._bounds()
        made._zero = (low + high) / 2
        made._note()
        return made

    def now(self) -> Millis:
        """See `Clock`."""
        return int(self._steady() * SECOND + self._zero)

    def monotonic(self) -> float:
        """See `Clock`."""
        return self._steady()

    def ahead(self) -> Millis:
        """By how many milliseconds the machine's own clock is ahead of this one; negative: behind it."""
        return self._machine.now() - self.now()

    async def run(self) -> None:
        """Keep it right; ended by cancelling."""
        self._tell()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Ask where it is time to, and pay off a part of what is owed. A server that does not answer is asked later."""
        part = min(self._owed, SLOWER)
        self._zero -= part
        self._owed -= part
        if self._steady() - self._asked < ASK_SECONDS and abs(self._between() - self._apart) < APART:
            return
        try:
            low, high = await self._bounds()
        except Unavailable as error:
            self._lost(error)
            return  # it goes on by itself
        self._found()
        self._correct(low, high)
        self._note()
        self._tell()

    def _correct(self, low: float, high: float) -> None:
        self._owed = 0.0
        if low <= self._zero <= high:
            return
        shift = (low + high) / 2 - self._zero
        if -STEP <= shift < 0:
            self._owed = -shift
            return
        self._zero += shift
        if shift > STEP or shift < 0:
            log.warning("clock.moved", millis=round(shift))

    async def _bounds(self) -> tuple[float, float]:
        """Between what and what `_zero` has to be."""
        best = await self._ask(self._machine)
        for _ in range(1, TRIES):
            if best.answered - best.asked < QUICK_SECONDS:
                break
            best = min(best, await self._ask(self._machine), key=_took)
        return best.at - best.answered * SECOND, best.at - best.asked * SECOND

    def _between(self) -> float:
        """How far the machine's two clocks are apart, in milliseconds."""
        return self._machine.now() - self._steady() * SECOND

    def _note(self) -> None:
        self._asked = self._steady()
        self._apart = self._between()

    def _lost(self, error: Unavailable) -> None:
        """Say it once; a process that only answers has nobody else to say so."""
        if self._away is None:
            self._away = self._steady()
            log.warning("database.away", reason=str(error))

    def _found(self) -> None:
        if self._away is not None:
            log.info("database.back", seconds=round(self._steady() - self._away, 1))
            self._away = None

    def _tell(self) -> None:
        ahead = self.ahead()
        wrong = abs(ahead) > WRONG
        if wrong != self._wrong:
            self._wrong = wrong
            tell = log.warning if wrong else log.info
            tell("clock.wrong" if wrong else "clock.right", ahead_millis=ahead)


def _took(answer: Timed) -> float:
    return answer.answered - answer.asked
