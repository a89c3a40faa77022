"""The flow on one loop for tests: a real store, a clock that stands still until told, a sender that is scripted."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from goniec.core.decide import Call
from goniec.core.endpoint import Endpoint
from goniec.core.identity import Who
from goniec.core.mailing import Envelope, opened
from goniec.core.model import Attempt, Delivery, Failure, Funnel
from goniec.core.retry import Policy
from goniec.core.rules import Rule
from goniec.core.signing import encode_secret
from goniec.core.text import email_key
from goniec.core.times import SECOND, Millis
from goniec.flow import deliver
from goniec.flow.batch import Result
from goniec.flow.deliver import Deliverer
from goniec.flow.record import Locale, Recorder
from goniec.ports import Answer, DeliveryFilter, Outgoing, Page, Posting, Remembered, Store
from goniec.store.address import Postgres
from goniec.store.postgres import open_store as open_postgres
from goniec.store.sqlite import open_store as open_sqlite
from tests.core.build import NOW, rule
from tests.postgres import server, used

SECRET = b"s" * 32

Opening = Callable[[Path], AbstractAsyncContextManager[tuple[Store, "Clock"]]]
"""How to open an empty store in a folder of the test's own; its clock, if it has one, goes with the one given here."""

Script = Callable[[Outgoing], Awaitable[Answer] | Answer]


class Clock:
    """Stands still; a test moves it, and with it that of the database, if it has one."""

    def __init__(self, others: Callable[[Millis], None] | None = None) -> None:
        self._others = others
        self.at = NOW

    @property
    def at(self) -> Millis:
        return self._at

    @at.setter
    def at(self, at: Millis) -> None:
        self._at = at
        if self._others:
            self._others(at)

    def now(self) -> Millis:
        return self._at

    def monotonic(self) -> float:
        return self._at / 1000


class Dice:
    """The same chance every time; jitter is in the middle."""

    def __init__(self) -> None:
        self._random = random.Random(7)

    def bits(self, n: int) -> int:
        return self._random.getrandbits(n)

    def jitter(self) -> float:
        return 0.0


class Vault:
    """Seals by turning round; opens only for the same row."""

    def seal(self, row_id: str, text: str) -> bytes:
        return f"{row_id}:{text}"[::-1].encode()

    def unseal(self, row_id: str, sealed: bytes) -> str:
        owner, _, text = sealed.decode()[::-1].partition(":")
        if owner != row_id:
            raise ValueError("no key at hand opens this")
        return text

    def derived(self, purpose: str) -> tuple[bytes, ...]:
        return (purpose.encode(),)


def ok(request: Outgoing) -> Answer:
    return Answer(None, "delivered", 200, "203.0.113.5:443", 3, b"HTTP/1.1 200 OK", b"ok")


def failing(status: int = 500, failure: Failure = Failure.SERVER, **fields: Any) -> Answer:
    return Answer(failure, "the receiver failed", status, **fields)


class Sender:
    """Answers by a script, and remembers what went out."""

    def __init__(self) -> None:
        self.script: Script = ok
        self.sent: list[Outgoing] = []
        self.flying = 0
        self.most = 0

    async def send(self, request: Outgoing) -> Answer:
        self.sent.append(request)
        self.flying += 1
        self.most = max(self.most, self.flying)
        try:
            answer = self.script(request)
            return answer if isinstance(answer, Answer) else await answer
        finally:
            self.flying -= 1

    async def close(self) -> None:
        """Nothing to close."""

    def ids(self) -> list[str]:
        """The `webhook-id` of each request, in order."""
        return [dict(request.headers)["webhook-id"] for request in self.sent]


Posted = Callable[[Posting], Awaitable[Answer] | Answer]


def taken(posting: Posting) -> Answer:
    return Answer(None, "taken", 250, "127.0.0.1:25", 3, body=b"250 OK")


class MailSender:
    """The mail server: answers by a script, and remembers what was handed in."""

    def __init__(self) -> None:
        self.script: Posted = taken
        self.posted: list[Posting] = []

    async def post(self, posting: Posting) -> Answer:
        self.posted.append(posting)
        answer = self.script(posting)
        return answer if isinstance(answer, Answer) else await answer

    async def close(self) -> None:
        """Nothing to close."""

    @property
    def envelopes(self) -> list[Envelope]:
        """What was handed in, opened."""
        return [envelope for one in self.posted if (envelope := opened(one.body)) is not None]


class Workshop:
    """All parts, and short words for what tests do."""

    def __init__(self, store: Store, locale: Locale, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.dice = Dice()
        self.vault = Vault()
        self.sender = Sender()
        self.mail = MailSender()
        self.recorder = Recorder(store, self.clock, self.dice, self, locale)
        self.deliverer = self.new_deliverer()
        self.handing_over = True
        self.parts: list[asyncio.Task[None]] = []

    def new_deliverer(self) -> Deliverer:
        return Deliverer(
            self.store,
            self.sender,
            self.vault,
            self.clock,
            self.dice,
            self.recorder.finish,
            "Goniec/test",
            mail_sender=self.mail,
        )

    def take(self, deliveries: Sequence[Delivery], busy: set[tuple[str, str]]) -> None:
        if self.handing_over:
            self.deliverer.take(deliveries, busy)

    async def endpoint(self, endpoint_id: str = "end_1", *, notice: bool = True, **fields: Any) -> Endpoint:
        policy = msgspec.convert(fields.pop("policy", {}), Policy)
        endpoint = Endpoint(
            **{
                "id": endpoint_id,
                "version": 1,
                "url": f"https://{endpoint_id}.example/hook",
                "secret": self.vault.seal(endpoint_id, encode_secret(SECRET)),
                "created_at": NOW,
                "updated_at": NOW,
                "policy": policy,
                **fields,
            }
        )
        await self.store.transact(lambda tx: tx.put_endpoint(endpoint))
        if notice:
            self.deliverer.changed(endpoint_id)
        return endpoint

    async def rule(self, rule_id: str = "rul_1", **fields: Any) -> Rule:
        made = rule(rule_id, **{"triggers": [{"type": "page.visited"}], **fields})
        await self.store.transact(lambda tx: tx.put_rule(made))
        return made

    async def funnel(self, name: str, *stages: str) -> None:
        funnel = Funnel(id=f"fun_{name}", version=1, name=name, stages=stages)
        await self.store.transact(lambda tx: tx.put_funnel(funnel))

    async def record(self, *calls: Call, **fields: Any) -> Sequence[Result]:
        recording = asyncio.create_task(self.recorder.record(calls, **fields))
        await asyncio.wait({recording, *self.parts}, return_when=asyncio.FIRST_COMPLETED)
        assert recording.done() or not any(part.done() for part in self.parts), "a part of the workshop has failed"
        results = await recording
        assert not isinstance(results, Remembered)
        return results

    async def restart(self) -> None:
        """End the sender and begin with a fresh one, which knows what the store knows."""
        self.deliverer.stop()
        await self.parts[1]
        self.deliverer = self.new_deliverer()
        self.parts[1] = asyncio.create_task(self.deliverer.run())
        await asyncio.sleep(0)

    async def settle(self) -> None:
        """Wait until nothing is held in memory any more."""
        rested = 0
        for _ in range(5_000):
            await asyncio.sleep(0.001)
            rested = rested + 1 if self.deliverer.idle and not self.recorder.waiting else 0
            if rested > 1:  # what was recorded is handed over a turn of the loop after results are known to be written
                return
        raise AssertionError("it does not come to rest")

    async def until(self, wanted: Callable[[], bool]) -> None:
        """Wait for something that is bound to happen."""
        for _ in range(5_000):
            if wanted():
                return
            await asyncio.sleep(0.001)
        raise AssertionError("it never happens")

    async def later(self, millis: Millis) -> None:
        """Let time pass, and everything that is due by then happen."""
        self.clock.at += millis
        await self.poll()
        await self.settle()

    async def poll(self) -> None:
        """Claim what is due, now."""
        wanted = self.deliverer.rounds + 2  # the one under way may have looked already
        while self.deliverer.rounds < wanted and not self.deliverer._outboxes.stopping:
            self.deliverer._outboxes.wake.set()
            await asyncio.sleep(0.001)

    async def deliveries(self, **wanted: Any) -> list[Delivery]:
        return await self.store.queries.deliveries(DeliveryFilter(**wanted), Page())

    async def attempts(self, delivery_id: str) -> list[Attempt]:
        found = await self.store.queries.delivery(delivery_id)
        assert found is not None
        return found[1]


def held(gate: asyncio.Event, then: Callable[[Outgoing], Answer] = ok) -> Script:
    """A receiver that answers when the gate opens."""

    async def waiting(request: Outgoing) -> Answer:
        await gate.wait()
        return then(request)

    return waiting


def email(address: str, **fields: Any) -> Call:
    """A call about the contact with this e-mail."""
    return Call(who=Who(email=address, email_key=email_key(address)[1]), **fields)


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[tuple[Store, Clock]]:
    """A fresh file, and a clock."""
    store = open_sqlite(folder / "goniec.db", server=True, durable=False)
    try:
        yield store, Clock()
    finally:
        await store.close()


@asynccontextmanager
async def postgres(_folder: Path) -> AsyncIterator[tuple[Store, Clock]]:
    """An empty database, and a clock that it shares with us."""
    async with used() as url:
        clock = Clock(partial(server().set_clock, url))
        clock.at -= SECOND  # the times that opening takes are over when the test begins
        store = open_postgres(Postgres(url), server=True)
        clock.at += SECOND
        try:
            yield store, clock
        finally:
            await store.close()


STORES: Final[dict[str, Opening]] = {"sqlite": sqlite, "postgres": postgres}


@asynccontextmanager
async def workshop(folder: Path, opening: Opening = sqlite) -> AsyncIterator[Workshop]:
    """A workshop on an empty store, at work."""
    deliver.CLAIM_SECONDS = 0.001  # type: ignore[misc] # tests do not wait
    async with opening(folder) as (store, clock):
        shop = Workshop(store, Locale(ZoneInfo("Europe/Warsaw"), "PL"), clock)
        recording = asyncio.create_task(shop.recorder.run())
        delivering = asyncio.create_task(shop.deliverer.run())
        shop.parts = [recording, delivering]
        try:
            await asyncio.sleep(0)
            yield shop
        finally:
            shop.sender.script = ok
            shop.deliverer.stop()
            await asyncio.wait_for(shop.parts[1], 10)
            shop.recorder.stop()
            await asyncio.wait_for(recording, 10)


__all__ = ["STORES", "Clock", "Opening", "Workshop", "email", "failing", "ok", "workshop"]
