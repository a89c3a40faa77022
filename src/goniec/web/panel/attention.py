"""What somebody should look at: endpoints that fail or are paused, rules that cannot run, fell silent or went wild.

Judged from figures and settings alone; the words are the viewer's. Called by the list of rules and the overview, so
that both say the same of the same thing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from goniec.core.endpoint import Endpoint, Pause
from goniec.core.rules import Rule
from goniec.core.times import DAY, HOUR, Millis
from goniec.ports import Queue, Sum
from goniec.web.panel.rule_list import facts

Tone = Literal["bad", "wait"]

WATCHED: Final = 24 * HOUR
"""How far back an endpoint's attempts are looked at."""

WEEK: Final = 7
"""Days of which a rule's runs are looked at, the present one the last."""

_EXPECTED: Final = 6
"""So many runs should have come in the days of silence before it is told: by chance that many seldom fail to come."""

_LEAST_QUIET_DAYS: Final = 2
_SURGE: Final = 5
_LEAST_SURGE: Final = 20
_LEAST_BEFORE: Final = 6


class Trouble(Struct, frozen=True):
    """What is wrong with an endpoint.

    `paused`: it gets nothing until it is resumed. `silent`: every attempt of the latest hours failed, and something
    waits. `failing`: deliveries were given up. `pending` wait for it, `failed` were given up in the last day, and since
    the hour of `since` no attempt went well.
    """

    kind: Literal["paused", "silent", "failing"]
    pause: Pause | None = None
    pending: int = 0
    failed: int = 0
    since: Millis | None = None

    @property
    def tone(self) -> Tone:
        """How bad it is."""
        return "bad" if self.kind == "silent" or self.pause in {Pause.GONE, Pause.FAILING} else "wait"


class Pace(Struct, frozen=True):
    """How a rule runs against its habit of `usual` runs a day.

    `silent` for so many `days`, or `surge`: `times` as often, that is `last` times in the last day.
    """

    kind: Literal["silent", "surge"]
    usual: float
    days: int = 0
    times: int = 0
    last: int = 0


def troubles(endpoints: Iterable[Endpoint], queues: Iterable[Queue], hours: Iterable[Sum]) -> dict[str, Trouble]:
    """Give the endpoints with which something is wrong, by id; `hours` are the sums of endpoints, hour by hour."""
    pending = {queue.endpoint_id: queue.pending for queue in queues}
    by_endpoint: dict[str, list[Sum]] = {}
    for hour in hours:
        by_endpoint.setdefault(hour.subject, []).append(hour)
    found: dict[str, Trouble] = {}
    for endpoint in endpoints:
        waits, seen = pending.get(endpoint.id, 0), by_endpoint.get(endpoint.id, [])
        failed = sum(hour.failed for hour in seen)
        since = _failing_since(seen)
        if endpoint.paused is not None:
            found[endpoint.id] = Trouble("paused", endpoint.paused, waits, failed)
        elif waits and (since := endpoint.breaker.opened_at or since) is not None:
            found[endpoint.id] = Trouble("silent", None, waits, failed, since)
        elif failed:
            found[endpoint.id] = Trouble("failing", None, waits, failed)
    return found


def pace(rule: Rule, days: Sequence[int], end: Millis) -> Pace | None:
    """Say whether a rule that is on runs much less or much more than it used to.

    `days` are its runs by day, the last one ending at `end`. What was changed in that time is not judged by its past.
    """
    if not rule.active or len(days) < WEEK:
        return None
    quiet = next((n for n, runs in enumerate(reversed(days)) if runs), len(days))
    before = days[: len(days) - quiet]
    if before and quiet >= _LEAST_QUIET_DAYS:
        usual = sum(before) / len(before)
        old = rule.updated_at < end - quiet * DAY
        return Pace("silent", usual, days=quiet) if old and usual * quiet >= _EXPECTED else None
    *earlier, last = days
    usual = sum(earlier) / len(earlier)
    wild = last >= max(_LEAST_SURGE, _SURGE * usual) and sum(earlier) >= _LEAST_BEFORE
    return Pace("surge", usual, times=round(last / usual), last=last) if wild and rule.updated_at < end - DAY else None


def worst(rule: Rule, found: Mapping[str, Trouble]) -> tuple[str, Trouble] | None:
    """Give the endpoint of a rule that is worst off, and what is wrong with it; only a rule that is on suffers."""
    if not rule.active:
        return None
    hit = [(id, found[id]) for id in sorted(facts(rule).endpoints) if id in found and found[id].kind != "failing"]
    return min(hit, key=lambda one: one[1].kind != "silent", default=None)


def _failing_since(hours: Sequence[Sum]) -> Millis | None:
    """Since which hour every attempt has failed; None where the latest ones went well, or there were none."""
    since = None
    for hour in reversed(hours):
        if not hour.attempts:
            continue
        if hour.failed_attempts < hour.attempts:
            break
        since = hour.at
    return since
