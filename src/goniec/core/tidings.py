"""What the owner of an endpoint is to be told by mail, and when: a fold over what went wrong.

The `owners` flow keeps one of these for each endpoint with something to tell, and asks here what follows. At most one
letter an hour goes out for an endpoint; what happens meanwhile is counted for the next.
"""

from msgspec import Struct
from msgspec.structs import replace

from goniec.core.endpoint import Pause
from goniec.core.times import HOUR, MINUTE, Millis

TAKEN: Millis = 5 * MINUTE
"""For so long a letter is in the hands of who took it: then it is sent by whoever comes next, for that one has died.

Much longer than sending takes, so that clocks of two machines may differ by minutes.
"""

_AGAIN_FIRST: Millis = MINUTE
_AGAIN_LAST: Millis = 16 * MINUTE
"""The wait after a mail server that took nothing, and what it doubles to."""

_PAUSES = frozenset(pause.value for pause in Pause)


class Tidings(Struct, frozen=True, omit_defaults=True):
    """What is to be told of one endpoint.

    `failed` counts the deliveries that failed for good and were not told of, `delivery` is the newest of them. `paused`
    (a `Pause`, or a word of another release) and `paused_at` are a pause that was not told of. `told_at` is when the
    last letter went, `wait_until` when the next may be tried, `tries` how often it was tried in vain.
    """

    failed: int = 0
    delivery: str = ""
    paused: str | None = None
    paused_at: Millis = 0
    told_at: Millis | None = None
    wait_until: Millis = 0
    tries: int = 0

    @property
    def empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.failed and self.paused is None

    @property
    def foreign(self) -> bool:
        """Whether it is of a pause that this release has no words for."""
        return self.paused is not None and self.paused not in _PAUSES

    def quiet(self, now: Millis) -> bool:
        """Whether the last letter is less than an hour old; one from a time to come says nothing."""
        return self.told_at is not None and 0 <= now - self.told_at < HOUR

    def due(self, now: Millis) -> bool:
        """Whether a letter is to go now."""
        waits = 0 < self.wait_until - now <= _AGAIN_LAST
        return not (self.empty or waits or self.quiet(now))


NOTHING = Tidings()


def taken(tidings: Tidings, now: Millis) -> Tidings:
    """Give what stands while somebody sends the letter."""
    return replace(tidings, wait_until=now + TAKEN)


def put_off(tidings: Tidings, now: Millis) -> Tidings:
    """Give what stands after the mail server took nothing."""
    wait = min(_AGAIN_FIRST << min(tidings.tries, 10), _AGAIN_LAST)
    return replace(tidings, wait_until=now + wait, tries=tidings.tries + 1)


def told(tidings: Tidings, letter: Tidings, now: Millis) -> Tidings:
    """Give what is left to tell when a letter about `letter` has gone: what came while it was on its way."""
    left = Tidings(failed=max(0, tidings.failed - letter.failed), delivery=tidings.delivery, told_at=now)
    if (tidings.paused, tidings.paused_at) != (letter.paused, letter.paused_at):
        left = replace(left, paused=tidings.paused, paused_at=tidings.paused_at)
    return left
