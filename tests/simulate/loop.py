"""A loop whose time is made up: where nothing is left to do now, it is at once later."""

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any

from typing_extensions import override


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
        for step in backlog:
            asyncio.BaseEventLoop.call_soon(self.loop, step, context=step.context)


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class Step:
    """A callback of a process."""

    __slots__ = ("arguments", "callback", "context", "handle", "process")

    handle: asyncio.Handle

    def __init__(self, process: Process, callback: Callable[..., Any], arguments: Any, context: Context) -> None:
        self.process = process
        self.callback = callback
        self.arguments = arguments
        self.context = context

    def __call__(self) -> None:
        """Run it, or keep it for later."""
        if self.process.stalled:
            self.process.backlog.append(self)
        elif not self.handle.cancelled():
            self.callback(*self.arguments)


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in the order in which they are due, and waits for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = self
        self._seconds = 0.0
        self.faults: list[str] = []
        self.set_exception_handler(self._note)

    @override
    def time(self) -> float:
        return self._seconds

    @override
    def call_soon(  # type: ignore[override] # the arguments of any callback
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is None:
            return super().call_soon(callback, *args, context=context)
        step = Step(process, callback, args, context or copy_context())
        step.handle = super().call_soon(step, context=step.context)
        return step.handle

    @override
    def call_at(  # type: ignore[override] # the arguments of any callback
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        process = PROCESS.get() if context is None else context.get(PROCESS)
        if process is None:
            return super().call_at(when, callback, *args, context=context)
        step = Step(process, callback, args, context or copy_context())
        step.handle = handle = super().call_at(when, step, context=step.context)
        return handle

    @override
    def call_soon_threadsafe(  # type: ignore[override] # the arguments of any callback
        self, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def select(self, timeout: float | None) -> list[Any]:
        """What the loop takes for waiting."""
        if timeout is None:
            raise Asleep
        self._seconds += timeout
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """Nothing comes from outside."""

    def _write_to_self(self) -> None:
        """It is awake already."""

    def _note(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.faults.append(f"{context.get('message')}: {context.get('exception')!r}")
