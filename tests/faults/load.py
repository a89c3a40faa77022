"""Clients that send events and do not give up: what was not answered is sent again, under the same keys, as one should.

Every event carries a text of its own into its contact's company, so that a webhook's body says which event it is of.
"""

import asyncio
import json
import random
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.engine import Engine
from tests.faults.client import Answer, Client
from tests.faults.trap import Step, Trap

CONTACTS_EACH = 6
ABANDONED = 0.2
"""The share of unanswered requests that are never sent again: nobody knows whether they were recorded."""


@dataclass
class Sending:
    """One request: the texts of its events in their order, and how often it went out."""

    texts: list[str]
    body: bytes
    headers: dict[str, str]
    tries: int = 0


@dataclass
class Account:
    """What the clients know: the id of each event that was answered with 202, and the order in which they sent."""

    recorded: dict[str, str] = field(default_factory=dict)
    in_doubt: set[str] = field(default_factory=set)
    order: dict[str, list[str]] = field(default_factory=dict)
    refused: int = 0


class Load:
    """Some clients at work, each with contacts of its own; they rest while the engine is away."""

    def __init__(self, engine: Engine, trap: Trap, chance: random.Random, *, clients: int = 6) -> None:
        self.account = Account()
        self.fat = 0
        """Bytes that each event carries beyond what it needs."""
        self.rest = 0.0
        """Seconds that each client rests between two requests."""
        self._engine = engine
        self._trap = trap
        self._chance = chance
        self._up = asyncio.Event()
        self._ending = False
        self._count = 0
        self._key = ""
        self._idle = [asyncio.Event() for _ in range(clients)]
        self._tasks = [asyncio.create_task(self._work(number)) for number in range(clients)]

    async def go(self) -> None:
        """The engine is there: send."""
        self._key = await self._engine.key("ingest")
        self._up.set()

    def pause(self) -> None:
        """Send nothing more for the moment."""
        self._up.clear()

    async def still(self) -> None:
        """Wait until nothing is under way any more."""
        for idle in self._idle:
            await self.meanwhile(idle.wait())

    async def end(self) -> None:
        """Send what was not answered once more, and nothing new."""
        self._ending = True
        self._up.set()
        for task in self._tasks:
            await task

    async def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def meanwhile(self, waiting: Awaitable[object]) -> None:
        """Wait for something while the clients are at work, unless one of them fails: then it might never come."""
        wait = asyncio.ensure_future(waiting)
        await asyncio.wait({wait, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in self._tasks:
            if task.done():
                wait.cancel()
                task.result()
        await wait

    async def _work(self, number: int) -> None:
        client = Client("http://0.0.0.0:0", "")
        url = ""
        unanswered: Sending | None = None
        try:
            while True:
                while not self._up.is_set():
                    self._idle[number].set()
                    await self._up.wait()
                self._idle[number].clear()
                if self._ending and unanswered is None:
                    return
                if url != self._engine.url:
                    await client.close()
                    client, url = Client(self._engine.url, self._key), self._engine.url
                sending = unanswered or self._next(number)
                answer = await self._send(client, sending)
                unanswered = self._note(sending, answer)
                await asyncio.sleep(self.rest if answer is not None and answer.status == 202 else 0.01)
        finally:
            await client.close()

    def _next(self, number: int) -> Sending:
        chance, events = self._chance, []
        by_request = chance.random() < 0.3
        for _ in range(1 if chance.random() < 0.5 else chance.randint(2, 12)):
            contact = f"{number}-{chance.randrange(CONTACTS_EACH)}"
            self._count += 1
            text = f"{contact} № {self._count}"
            self.account.order.setdefault(contact, []).append(text)
            events.append((contact, text))
        shown = [event(contact, text, keyed=not by_request, fat=self.fat) for contact, text in events]
        body = json.dumps(shown[0] if len(shown) == 1 else {"events": shown}).encode()
        headers = {"idempotency_key": f"request-{self._count}"} if by_request else {}
        return Sending([text for _, text in events], body, headers)

    async def _send(self, client: Client, sending: Sending) -> Answer | None:
        sending.tries += 1
        request = client.request("POST", "/events", sending.body, **sending.headers)
        middle = len(request) // 2
        if not await client.write(request[:middle]):
            return None
        self._trap.step(Step.HALF_SENT)
        if not await client.write(request[middle:]):
            return None
        self._trap.step(Step.SENT)
        answer = await client.answer()
        self._trap.step(Step.ACCEPTED)
        return answer

    def _note(self, sending: Sending, answer: Answer | None) -> Sending | None:
        """Remember what came of a request; gives it back when it has to be sent again."""
        if answer is not None and answer.status == 202:
            said = answer.json
            assert said["refused"] == said["conflicts"] == [], said
            self.account.recorded.update(zip(sending.texts, said["ids"], strict=True))
            self.account.in_doubt.difference_update(sending.texts)
            return None
        if answer is not None:
            assert answer.status == 503, answer.body
            assert int(answer.headers["retry-after"]) > 0
            self.account.refused += 1
            return sending
        self.account.in_doubt.update(sending.texts)
        return None if self._chance.random() < ABANDONED else sending


def event(contact: str, text: str, *, keyed: bool, fat: int = 0) -> dict[str, Any]:
    """A visit of a contact, which is known to its company as `text` from then on."""
    shown: dict[str, Any] = {
        "type": "external_event.added",
        "contact": {"externalId": contact, "email": f"{contact}@example.pl", "company": text},
        "data": {"kind": "VISIT", "externalId": text, "products": [{"fat": "." * fat}]},
    }
    return {**shown, "dedupKey": text} if keyed else shown
