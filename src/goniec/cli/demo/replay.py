"""The replay: visitors go in through the API, a crowd at a time, and what follows is shown as it happens."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from goniec.cli.demo.client import Api
from goniec.cli.demo.screen import Screen
from goniec.cli.demo.tally import Tally
from goniec.cli.demo.visitors import Step, visitor
from goniec.cli.receiver import Received
from goniec.ports import Queries

FIRST: Final = 40
LEISURE_FIRST: Final = 170
"""So many steps are shown one by one before the crowd comes; among more of them is the first purchase."""

CROWD: Final = 500
LEISURE_CROWD: Final = 150
LEISURE_SECONDS: Final = 0.08
"""When a person watches, they come in smaller crowds, with a moment between them."""

PROGRESS_SECONDS: Final = 1.0
STALLED_SECONDS: Final = 60.0
RUNS_PAGE: Final = 1000


class Replay:
    """Sends the steps and keeps count: of events accepted, of rules fired (by name), of webhooks (in `tally`)."""

    def __init__(self, screen: Screen, tally: Tally) -> None:
        self.tally = tally
        self.accepted = 0
        self.fired: Counter[str] = Counter()
        self.seconds = 0.0
        self._screen = screen
        self._shown: set[str] = set()
        self._held: list[Received] | None = None
        self._known: set[str] = set()
        self._cursors: dict[str, str] = {}

    def webhook(self, received: Received) -> None:
        """Take what the receiver got; from the crowd one of each kind is shown between two lines of progress."""
        self.tally.take(received)
        if self._held is not None:
            self._held.append(received)
        elif received.target not in self._shown:
            self._shown.add(received.target)
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
        first = LEISURE_FIRST if leisure else FIRST
        for step in steps[:first]:
            await self._show(api, names, step)
            await asyncio.sleep(LEISURE_SECONDS if leisure else 0)
            if stop.is_set():
                return False
        size = LEISURE_CROWD if leisure else CROWD
        for n in range(first, len(steps), size):
            await self._send(api, steps[n : n + size])
            if time.monotonic() - shown > PROGRESS_SECONDS:
                await self._look(api, names)
                self._screen.progress(min(n + size, len(steps)), len(steps), self.fired.total(), self.tally.webhooks)
                shown = time.monotonic()
                self._shown.clear()
            await asyncio.sleep(LEISURE_SECONDS if leisure else 0)
            if stop.is_set():
                return False
        await self._settle(queries, stop)
        await self._look(api, names)
        self.seconds = time.monotonic() - started
        return not stop.is_set()

    async def _show(self, api: Api, names: Mapping[str, str], step: Step) -> None:
        """Send one step and show it, the rules that fire, and the webhooks that arrive meanwhile, in this order."""
        self._held = []
        self._screen.event(step)
        await self._send(api, [step])
        for name, count in (await self._look(api, names)).items():
            self._screen.rule(name, count)
        held, self._held = self._held, None
        for received in held:
            self._screen.webhook(received)

    async def _send(self, api: Api, crowd: Sequence[Step]) -> None:
        for id in dict.fromkeys(step.visitor for step in crowd):
            if id not in self._known:
                self._known.add(id)
                await api.call("POST", "/contacts", visitor(id))
        answer = await api.call("POST", "/events", {"events": [step.event for step in crowd]})
        self.accepted += answer["accepted"]

    async def _look(self, api: Api, names: Mapping[str, str]) -> Counter[str]:
        """Read which rules have fired since the last look; by name."""
        fired: Counter[str] = Counter()
        for rule_id, name in names.items():
            more = True
            while more:
                cursor = self._cursors.get(rule_id)
                path = f"/rules/{rule_id}/runs?limit={RUNS_PAGE}" + (f"&cursor={cursor}" if cursor else "")
                page = await api.call("GET", path)
                fired[name] += sum(run["outcome"] == "fired" for run in page["items"])
                if page["nextCursor"] is not None:
                    self._cursors[rule_id] = page["nextCursor"]
                more = page["more"]
        self.fired += fired
        return +fired

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
