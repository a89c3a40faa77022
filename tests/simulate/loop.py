"""A loop whose time is made up: where nothing is left to do now, it is at once later.

Ten thousand histories are mostly steps of this loop, so it has ways of its own for them, and asyncio's for all the rest.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

if TYPE_CHECKING:
    from collections import deque

RESOLUTION: Final = 1e-9
"""Seconds; what is due that soon is due now, or a sum of fractions would come a little too early for ever."""

MANY: Final = 100
"""Timers; of no more it does not matter how many will not ring."""


class Asleep(Exception):
    """Nothing will ever happen again: everybody waits for something that nobody will do."""


class Process:
    """What stands still as a whole when its machine does: no step of it runs, and all that was due comes afterwards."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self.loop = loop
        self.stalled = False
        self.backlog: list[Step] = []
        self.context = copy_context()
        self.context.run(PROCESS.set, self)

    def wake(self) -> None:
        """Go on."""
        self.stalled = False
        backlog, self.backlog = self.backlog, []
        self.loop.steps.extend(backlog)


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class Step(asyncio.TimerHandle):
    """A callback that is due, of a process or of nobody's."""

    __slots__ = ("process",)

    _when: float

    def __init__(
        self, loop: "VirtualLoop", when: float, callback: Callable[..., Any], arguments: Any, context: Context | None
    ) -> None:
        # asyncio's own asks for more than any step here has
        self._loop = loop
        self._when = when
        self._callback = callback
        self._args = arguments
        self._context = context = copy_context() if context is None else context
        self._cancelled = self._scheduled = False
        self.process = context.get(PROCESS)

    @override
    def __lt__(self, other: Any) -> bool:
        earlier: bool = self._when < other._when
        return earlier

    @override
    def cancel(self) -> None:
        if not self._cancelled:
            self._cancelled = True
            if self._scheduled:
                self._loop.cancelled += 1

    def run(self) -> None:
        """Run it, or keep it for later."""
        process = self.process
        if process is not None and process.stalled:
            process.backlog.append(self)
            return
        try:
            self._context.run(self._callback, *self._args)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the history
            self._loop.call_exception_handler({"message": "a callback failed", "exception": error})


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in the order in which they are due, and waits for nothing."""

    _ready: "deque[Step]"
    _stopping: bool

    def __init__(self) -> None:
        super().__init__()
        self.steps = self._ready
        self.cancelled = 0
        """How many timers will not ring, and are still there."""
        self.faults: list[str] = []
        self._seconds = 0.0
        self._timers: list[Step] = []
        self.set_exception_handler(self._note)

    @override
    def time(self) -> float:
        return self._seconds

    @override
    def call_soon(  # type: ignore[override] # the arguments of any callback
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> Step:
        step = Step(self, self._seconds, callback, args, context)
        self.steps.append(step)
        return step

    @override
    def call_at(  # type: ignore[override] # the arguments of any callback
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Step:
        step = Step(self, when, callback, args, context)
        heappush(self._timers, step)
        step._scheduled = True
        return step

    @override
    def call_later(  # type: ignore[override] # the arguments of any callback
        self, delay: float, callback: Any, *args: Any, context: Context | None = None
    ) -> Step:
        return self.call_at(self._seconds + delay, callback, *args, context=context)

    @override
    def call_soon_threadsafe(  # type: ignore[override] # the arguments of any callback
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> Step:
        return self.call_soon(callback, *args, context=context)

    def _run_once(self) -> None:
        """Run what is due; if nothing is, let it be later first."""
        self._tidy()
        steps, timers = self.steps, self._timers
        if not steps and not self._stopping:
            if not timers:
                raise Asleep
            self._seconds += max(0.0, timers[0]._when - self._seconds)
        end = self._seconds + RESOLUTION
        while timers and timers[0]._when < end:
            step = heappop(timers)
            step._scheduled = False
            steps.append(step)
        for _ in range(len(steps)):  # what these bring about comes in the next round
            step = steps.popleft()
            if not step._cancelled:
                step.run()

    def _tidy(self) -> None:
        """Take timers away that will not ring: as asyncio does it, so that what is due at once keeps its order."""
        timers = self._timers
        if len(timers) > MANY and self.cancelled * 2 > len(timers):
            timers[:] = [step for step in timers if not step._cancelled]
            heapify(timers)
            self.cancelled = 0
        else:
            while timers and timers[0]._cancelled:
                heappop(timers)._scheduled = False
                self.cancelled -= 1

    def _write_to_self(self) -> None:
        """It is awake already."""

    def _note(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.faults.append(f"{context.get('message')}: {context.get('exception')!r}")
