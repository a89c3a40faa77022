"""What people do in a history while everything is under way, and what they may count on from then on.

How often each thing is done, and which chores go on for it, is drawn from a chance of its own, so that histories in
which nobody does anything are what they were. Called by the world; the laws read what was done.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

from goniec.core.endpoint import MAIL
from goniec.core.model import Status
from goniec.core.problems import Invalid
from goniec.core.retry import Policy
from goniec.core.signing import encode_secret
from goniec.flow.configure import Outside
from goniec.flow.deliveries import cancel_delivery, resend_delivery
from goniec.flow.endpoint_drafts import EndpointDraft
from goniec.flow.endpoints import (
    change_endpoint,
    delete_endpoint,
    pause_endpoint,
    resume_endpoint,
    rotate_secret,
)
from goniec.flow.erase import erase
from goniec.flow.ingest import Origin
from goniec.flow.jobs import Range, cancel_range, resend_range
from goniec.flow.merge import Refused, merge
from goniec.flow.rules import delete_rule
from tests.core.build import NOW
from tests.simulate.postman import Postman

if TYPE_CHECKING:
    from tests.simulate.life import Life
    from tests.simulate.world import World

KINDS: Final = (
    "pause", "again", "cancel", "range", "call off", "tune", "move", "secret", "rule", "endpoint", "erase", "merge"
)  # fmt: skip
WEIGHTS: Final = (2, 2, 2, 5, 3, 4, 2, 2, 1, 2, 3, 4)
ACTS: Final = (0, 0, 0, 0, 1, 2, 3)
"""How many of them a history has."""

BUSY_SECONDS: Final = 30
"""So long there is trouble; then everything is well, and what waits has to come to an end."""

SCHEDULES: Final = ((1, 2, 4), (1, 5, 10, 20), (3,) * 8)
RATES: Final = (1.0, 4.0, 8.0)
STATUSES: Final = ((Status.FAILED,), (Status.FAILED, Status.CANCELLED), (Status.FAILED, Status.DELIVERED))

Act = Callable[[Outside], Awaitable[object]]


class Setting(Struct):
    """How an endpoint was to be from a moment on, until everybody has heard of the next one."""

    policy: Policy
    url: str
    secret: bytes
    since: float
    until: float = float("inf")


class People:
    """They act through any process that takes calls, as often as it takes until it is done."""

    def __init__(self, world: "World", seed: int) -> None:
        self.world = world
        self.rng = rng = random.Random(f"people {seed}")
        self.plan = rng.choices(KINDS, WEIGHTS, k=rng.choice(ACTS))
        self.chores = {"jobs"} if {"range", "call off"} & set(self.plan) else set()
        if rng.random() < 0.12:
            self.chores.add("retention")
        if rng.random() < 0.08:
            self.chores.add("mail")
        if random.Random(f"rest {seed}").random() < 0.5:  # half of all histories do without, for what they cost
            self.plan, self.chores = [], set()
        self.postman = Postman(rng)
        self.tunes = bool({"tune", "move", "secret"} & set(self.plan))
        self.settings: dict[str, list[Setting]] = {}
        self.resent: set[str] = set()
        """What somebody wanted sent once more, by its own id."""
        self.called_off: set[str] = set()
        self.heard: list[tuple[str, float]] = []
        """What was called off by its own id, and when that was answered."""
        self.paused: list[tuple[str, float, float]] = []
        self.deleted: set[str] = set()
        """The rules and endpoints that somebody has set out to delete."""
        self._hands: dict[str, asyncio.Lock] = {}

    def draw(self, id: str, policy: dict[str, Any]) -> dict[str, Any]:
        """Fill in what the policy of an endpoint says where these things go on."""
        if "mail" in self.chores:
            policy["owner"] = "jan@x.pl"
        if "erase" in self.plan:
            policy["tellErasure"] = True
        self._hands[id] = asyncio.Lock()
        return policy

    async def act(self, kind: str | None, rng: random.Random) -> None:
        """Do one thing at some time, by this chance; None: one of the three that most histories have."""
        await asyncio.sleep(rng.random() * BUSY_SECONDS)
        doing: dict[str, Callable[[random.Random], Awaitable[None]]] = {
            "pause": self._pause, "again": self._again, "cancel": self._cancel, "range": self._range,
            "call off": self._call_off, "tune": self._tune, "move": self._move, "secret": self._rotate,
            "rule": self._delete_rule, "endpoint": self._delete_endpoint, "erase": self._erase, "merge": self._merge,
        }  # fmt: skip
        await doing[kind or rng.choice(("pause", "again", "cancel"))](rng)

    def _endpoint(self, rng: random.Random) -> str:
        return rng.choice(sorted(self.settings))

    def _receiver(self, rng: random.Random) -> str:
        """An endpoint that has a URL."""
        return rng.choice(sorted(self.settings.keys() - {MAIL}))

    def _found(self, sql: str) -> list[str]:
        return [id for (id,) in self.world.disk.db.execute(sql)]

    # deliveries

    async def _pause(self, rng: random.Random) -> None:
        id = self._endpoint(rng)
        async with self._hands[id]:
            await self.world.insist(partial(pause_endpoint, endpoint_id=id))
            since = self.world.loop.time()
            self.world.say(f"{id} is paused")
            await asyncio.sleep(rng.random() * 20)
            self.paused.append((id, since, self.world.loop.time()))
            await self.world.insist(partial(resume_endpoint, endpoint_id=id))
            self.world.say(f"{id} is resumed")

    async def again(self, endpoint: str, rng: random.Random) -> None:
        """Send something to one endpoint once more."""
        found = self._found(f"SELECT id FROM deliveries WHERE endpoint_id = '{endpoint}' ORDER BY id")
        await self._send([rng.choice(found)] if found else [])

    async def _again(self, rng: random.Random) -> None:
        await self._send(self._some(rng))

    async def _send(self, ids: list[str]) -> None:
        for id in ids:
            self.resent.add(id)
            self.world.say(f"{id} is sent again")
            await self.world.insist(partial(resend_delivery, delivery_id=id))

    async def _cancel(self, rng: random.Random) -> None:
        for id in self._some(rng):
            self.called_off.add(id)
            self.world.say(f"{id} is cancelled")
            await self.world.insist(partial(cancel_delivery, delivery_id=id))
            self.heard.append((id, self.world.loop.time()))

    def _some(self, rng: random.Random) -> list[str]:
        found = self._found("SELECT id FROM deliveries ORDER BY id")
        return [rng.choice(found)] if found else []

    async def _range(self, rng: random.Random) -> None:
        """After an outage; somebody impatient asks for the same again, or stops it, or wants it quicker."""
        wanted = Range(since=NOW - 10**8, endpoint_id=self._endpoint(rng))
        statuses, rate = rng.choice(STATUSES), rng.choice((None, 0.5, 3.0, 1000.0))
        for n in range(rng.choice((1, 1, 2))):
            if n:
                await asyncio.sleep(rng.random() * 5)
                rate = rng.choice((rate, 5.0))
            self.world.say(f"{wanted.endpoint_id} is sent all that is {', '.join(statuses)} again, {rate} a second")
            await self.world.insist(
                lambda outside, rate=rate: resend_range(outside, wanted, statuses, rate)  # type: ignore[misc] # at once
            )

    async def _call_off(self, rng: random.Random) -> None:
        endpoint_id = self._endpoint(rng)
        since = NOW - 10**8 if rng.random() < 0.5 else None
        self.world.say(f"all that waits for {endpoint_id} is called off")
        with suppress(Invalid):  # it never had any
            await self.world.insist(lambda outside: cancel_range(outside, Range(since=since, endpoint_id=endpoint_id)))

    # endpoints and rules

    async def _tune(self, rng: random.Random) -> None:
        """Change the policy: what is looked at for every request."""
        id = self._endpoint(rng)
        known = self.settings[id][-1].policy
        drafts: list[dict[str, Any]] = [
            {"schedule": rng.choice(SCHEDULES)}, {"order": not known.order}, {"breaker": not known.breaker},
            {"concurrency": rng.choice((8, 16) if known.split else (1, 2, 16))}, {"timeout": rng.choice((1.0, 5.0))},
        ]  # fmt: skip
        if known.rate is not None:
            drafts.append({"rate": rng.choice(RATES)})
        given = {name: value for one in rng.sample(drafts, 2) for name, value in one.items()}
        draft = EndpointDraft(**given)
        await self._set(id, {"policy": given}, lambda outside: change_endpoint(outside, id, draft, None))

    async def _move(self, rng: random.Random) -> None:
        id = self._receiver(rng)
        host = rng.choice((f"{id}.example", f"{id}.other.example"))
        url = f"https://{host}/hook/{rng.randrange(10)}"
        await self._set(id, {"url": url}, lambda outside: change_endpoint(outside, id, EndpointDraft(url=url), None))

    async def _rotate(self, rng: random.Random) -> None:
        id, days = self._receiver(rng), rng.choice((0, 1))
        secret = rng.randbytes(32)
        await self._set(id, {"secret": secret}, lambda outside: rotate_secret(outside, id, encode_secret(secret), days))

    async def _set(self, id: str, given: dict[str, Any], act: Act) -> None:
        async with self._hands[id]:
            before, since = self.settings[id][-1], self.world.loop.time()
            if "policy" in given:
                given = {"policy": replace(before.policy, **given["policy"])}
            self.settings[id].append(replace(before, since=since, **given))
            self.world.say(f"{id} is to have {given}")
            await self.world.insist(act)
            before.until = self.world.loop.time()
            self.world.say(f"{id} has it")

    async def _delete_rule(self, _: random.Random) -> None:
        """The first rule always stays, so that there is somebody to tell."""
        rules = self._found("SELECT id FROM rules WHERE id NOT LIKE 'rul_0%' ORDER BY id")
        for id in rules[:1]:
            await self._unrule(id)

    async def _unrule(self, id: str) -> None:
        self.deleted.add(id)
        await self.world.insist(lambda outside: delete_rule(outside, id, None))
        self.world.say(f"{id} is deleted")

    async def _delete_endpoint(self, rng: random.Random) -> None:
        """What waits for it has to go out first, or to be called off."""
        id = self._receiver(rng)
        if id == "end_0":
            return
        self.deleted.add(id)
        for rule in self._found("SELECT id FROM rules ORDER BY id"):
            if rule.rstrip("f") == f"rul_{id[4:]}":
                await self._unrule(rule)
        for _ in range(5):
            self.world.say(f"{id} is to be deleted")
            answer = await self.world.insist(lambda outside: delete_endpoint(outside, id))
            if answer is None:
                self.world.say(f"{id} is deleted")
                return
            await asyncio.sleep(rng.random() * 8)

    # contacts

    async def _erase(self, rng: random.Random) -> None:
        for id in self._contacts(1, rng):
            self.world.say(f"{id} is erased")

            async def work(life: "Life", id: str = id) -> None:
                try:
                    done = await erase(life.recorder, life.store, _origin(life), id, None)
                except Refused:
                    return
                for endpoint_id in done.result.endpoints:
                    life.changed(endpoint_id)

            await self.world.insist_in(work)

    async def _merge(self, rng: random.Random) -> None:
        found = self._contacts(2, rng)
        if len(found) < 2:
            return
        kept, gone = found
        self.world.say(f"{gone} becomes a part of {kept}")

        async def work(life: "Life") -> None:
            try:
                await merge(life.recorder, life.store, _origin(life), kept, gone, None)
            except Refused:
                return

        await self.world.insist_in(work)

    def _contacts(self, n: int, rng: random.Random) -> list[str]:
        found = self._found("SELECT id FROM contacts ORDER BY id")
        return rng.sample(found, min(n, len(found)))


def _origin(life: "Life") -> Origin:
    return Origin(life.now(), "PL", "api")
