"""Time and chance: whoever needs them is handed them, so that a test can say what they are."""

from typing import Protocol

from msgspec import Struct

from goniec.core.times import Millis


class Clock(Protocol):
    """Wall time and a clock that never jumps."""

    def now(self) -> Millis:
        """Milliseconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...


class Timed(Struct, frozen=True):
    """The time of a server, in milliseconds, at some moment between two of our clock that never goes back."""

    at: float
    asked: float
    answered: float


class Dice(Protocol):
    """Chance, as an argument."""

    def bits(self, n: int) -> int:
        """`n` random bits, fit for secrets."""
        ...

    def jitter(self) -> float:
        """A number in [-1, 1]."""
        ...
