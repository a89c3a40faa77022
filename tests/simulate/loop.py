"""A loop whose time is made up: where nothing is left to do now, it is at once later."""

import asyncio
from typing import Any

from typing_extensions import override


class Asleep(Exception):
    """Nothing will ever happen again: everybody waits for something that nobody will do."""


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
