"""What ends the engine at a chosen step of its work. All steps are seen from outside: by its clients and receivers."""

import asyncio
import enum
import random
from collections.abc import Callable


class Step(enum.StrEnum):
    """Where a kill can be aimed at."""

    HALF_SENT = "half of a request is sent"
    SENT = "a request is sent"
    ACCEPTED = "a request is answered"
    SEEN = "a webhook is seen, not answered"
    HALF_ANSWERED = "a webhook is half answered"
    ANSWERED = "a webhook is answered"
    NAMED = "a mail's recipient is named"
    TAKEN = "a mail is taken, and nobody was told"
    TOLD = "the mail server has said that it took a mail"
    FOLLOWED = "a link is followed, and not answered"
    LED = "a link was answered"


class Trap:
    """Does `spring` once, when `step` has come up `count` times, or `after` that many seconds more."""

    def __init__(self) -> None:
        self._step: Step | None = None
        self._left = 0
        self._after = 0.0
        self._spring: Callable[[], None] = _nothing
        self.sprung = asyncio.Event()

    def set(self, step: Step, count: int, spring: Callable[[], None], after: float = 0.0) -> None:
        self._step, self._left, self._spring, self._after = step, count, spring, after
        self.sprung.clear()

    def step(self, step: Step) -> bool:
        """Tell that a step was taken; True: it was the one."""
        if step is not self._step:
            return False
        self._left -= 1
        if self._left > 0:
            return False
        self._step = None
        if self._after:
            asyncio.get_running_loop().call_later(self._after, self._now)
        else:
            self._now()
        return True

    def _now(self) -> None:
        self._spring()
        self.sprung.set()


def aimed(chance: random.Random) -> float:
    """A delay within which results of attempts are being written down."""
    return chance.uniform(0.001, 0.05)


def _nothing() -> None:
    raise AssertionError("the trap was not set")
