"""The replay: visitors go in through the API, a crowd at a time, and what follows is shown as it happens."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from goniec.cli.demo.client import Api
from goniec.cli.demo.screen import Screen
from goniec.cli.demo.tally import Tally
from goniec.cli.demo.visitors import Step, visitor
from goniec.cli.receiver import Received
from goniec.ports import Queries

FIRST: Final = 40
"""So many visits are shown one by one before the crowd comes."""

CROWD: Final = 500
LEISURE_CROWD: Final = 100
LEISURE_SECONDS: Final = 0.12
"""When a person watches, they come in smaller crowds, with a moment between them."""

PROGRESS_SECONDS: Final = 1.0
STALLED_SECONDS: Final = 60.0
SHOWN_EACH: Final = 3
"""So many webhooks are shown between two lines of progress; the others are only counted."""

RUNS_PAGE: Final = 1000


class Replay:
    """Sends the steps and keeps count: of events accepted, of rules fired (by id), of webhooks (in `tally`)."""

    def __init__(self, screen: Screen, tally: Tally) -> None:
        self.tally = tally
        self.accepted = 0
        self.fired: Counter[str] = Counter()
        self.seconds = 0.0
        self._screen = screen
        self._quota = SHOWN_EACH
        self._known: set[str] = set()
        self._cursors: dict[str, str] = {}

    def webhook(self, received: Received) -> None:
        """Take what the receiver got."""
        self.tally.take(received)
        if self._quota > 0:
            self._quota -= 1
            self._screen.webhook(received)

    async def run(
        self,
        api: Api,
        queries: Queries,
        names: Mapping[str, str],
        steps: Sequence[Step],
        stop: asyncio.Event,
        *,
        leisure: bool,
    ) -> bool:
        """Send all of it and wait until nothing is under way any more; False when `stop` came first."""
        started = shown = time.monotonic()
        sent = 0
        for crowd in _crowds(steps, LEISURE_CROWD if leisure else CROWD):
            await self._send(api, crowd)
            sent += len(crowd)
            one_by_one = len(crowd) == 1
            if one_by_one:
                self._screen.event(crowd[0])
                self._quota = SHOWN_EACH
            if one_by_one or time.monotonic() - shown > PROGRESS_SECONDS:
                await self._look(api, names, show=one_by_one)
            if not one_by_one and time.monotonic() - shown > PROGRESS_SECONDS:
                shown = time.monotonic()
                self._quota = SHOWN_EACH
                self._screen.progress(sent, len(steps), self.fired.total(), self.tally.webhooks)
            await asyncio.sleep(LEISURE_SECONDS if leisure else 0)
            if stop.is_set():
                return False
        await self._settle(queries, stop)
        await self._look(api, names, show=False)
        self.seconds = time.monotonic() - started
        return not stop.is_set()

    async def _send(self, api: Api, crowd: Sequence[Step]) -> None:
        for id in dict.fromkeys(step.visitor for step in crowd):
            if id not in self._known:
                self._known.add(id)
                await api.call("POST", "/contacts", visitor(id))
        answer = await api.call("POST", "/events", {"events": [step.event for step in crowd]})
        self.accepted += answer["accepted"]

    async def _look(self, api: Api, names: Mapping[str, str], *, show: bool) -> None:
        """Read which rules have fired since the last look."""
        for rule_id, name in names.items():
            fired = 0
            while True:
                cursor = self._cursors.get(rule_id)
                path = f"/rules/{rule_id}/runs?limit={RUNS_PAGE}" + (f"&cursor={cursor}" if cursor else "")
                page = await api.call("GET", path)
                fired += sum(run["outcome"] == "fired" for run in page["items"])
                if page["nextCursor"] is not None:
                    self._cursors[rule_id] = page["nextCursor"]
                if not page["more"]:
                    break
            self.fired[rule_id] += fired
            if fired and show:
                self._screen.rule(name, fired)

    async def _settle(self, queries: Queries, stop: asyncio.Event) -> None:
        """Wait until every delivery is at its end, or nothing has moved for long."""
        before, since = -1, time.monotonic()
        while not stop.is_set() and time.monotonic() - since < STALLED_SECONDS:
            pending = (await queries.totals()).get("deliveries.pending", 0)
            if not pending:
                return
            if pending != before:
                before, since = pending, time.monotonic()
            await asyncio.sleep(0.05)


def _crowds(steps: Sequence[Step], size: int) -> Iterator[Sequence[Step]]:
    yield from ([step] for step in steps[:FIRST])
    yield from (steps[n : n + size] for n in range(FIRST, len(steps), size))
