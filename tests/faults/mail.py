"""A mail server that remembers everything, people who read what it took, and what has to be true in the end.

It is in step with the engine's lives as the witness of webhooks is, for it is one.
"""

import asyncio
import email
import email.policy
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from typing_extensions import override

from goniec.core.endpoint import MAIL
from tests.e2e.engine import Engine, eventually, until
from tests.e2e.nursery import nursery
from tests.faults.check import REACH_SECONDS, VISITED
from tests.faults.client import Client
from tests.faults.lives import EAGER, Lives
from tests.faults.load import Account, Load
from tests.faults.trap import Step, Trap
from tests.faults.wire import Wire
from tests.faults.witness import Witness

SETTINGS: Final = {"mail_from": "Sklep <sklep@example.com>", "public_url": "http://mail.example"}

HTML: Final = (
    '<p>Dzień dobry</p><a href="https://sklep.example/nowe">nowe</a> <a href="https://sklep.example/stare">stare</a>'
)
DEAD: Final = "-0@"
"""Addresses that have this in them are nobody's."""


@dataclass(frozen=True)
class Letter:
    """A mail that the server took; `told` says that the whole answer left, `at` when (on the clock that never jumps)."""

    life: int
    raw: bytes
    told: bool
    at: float

    @property
    def id(self) -> str:
        """The delivery's."""
        found = re.search(rb"^Message-ID:\s*<([a-z0-9_]+)\.", self.raw, re.MULTILINE)
        assert found is not None
        return "dlv_" + found[1].decode().removeprefix("dlv_").upper()

    @property
    def paths(self) -> list[str]:
        """Where its links lead, and the pixel: paths of ours."""
        message = email.message_from_bytes(self.raw, policy=email.policy.default)
        html = message.get_body(("html",))
        assert html is not None
        return [urlsplit(url).path for url in re.findall(r"http://mail\.example/t/[co]/[^\"'<> ]+", html.get_content())]


class Postroom(Witness):
    """Speaks SMTP. Of all mails a share `fails`: greylisted, or the connection ends before or after it was taken."""

    def __init__(self, trap: Trap, chance: random.Random, *, fails: float = 0.0) -> None:
        super().__init__(trap, chance, fails=fails)
        self.letters: list[Letter] = []

    @override
    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"220 postroom\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                if not await self._take(reader, writer):
                    return False
            elif verb == b"RCPT":
                self._trap.step(Step.NAMED)
                writer.write(self._asked(line.decode()))
            else:
                writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 fine\r\n")
            await writer.drain()
            if verb == b"QUIT":
                return False
        return False

    def _asked(self, line: str) -> bytes:
        if DEAD in line:
            return b"550 5.1.1 no such user\r\n"
        return b"451 4.7.1 later\r\n" if self._chance.random() < self.fails / 3 else b"250 fine\r\n"

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take a mail; False: the connection is to end here."""
        writer.write(b"354 go on\r\n")
        luck = self._chance.random()
        raw = b"" if luck < self.fails / 3 else await reader.readuntil(b"\r\n.\r\n")
        if not raw:
            return False
        told = luck > self.fails * 2 / 3 and not self._trap.step(Step.TAKEN)
        if told:
            writer.write(b"250 2.0.0 taken\r\n")
        self.letters.append(Letter(self.life, raw, told, time.monotonic()))
        if told:
            await writer.drain()
            self._trap.step(Step.TOLD)
        return told


class Readers:
    """People who open each mail and follow each of its links once, while the engine is there."""

    def __init__(self, one: Lives, postroom: Postroom) -> None:
        self.asked: dict[tuple[str, str], int | None] = {}
        """By delivery and path; None: not answered, or not whole."""
        self._one = one
        self._postroom = postroom
        self._up = asyncio.Event()
        self._read = 0
        self._task = asyncio.create_task(self._work())

    def go(self, *, on: bool = True) -> None:
        """Read, or do not."""
        if on:
            self._up.set()
        else:
            self._up.clear()

    async def end(self) -> None:
        """Read what is left."""
        self.go()
        await eventually(self._done, "all mails are read")
        await self.cancel()

    async def cancel(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _done(self) -> bool:
        if self._task.done():
            self._task.result()
        return self._read == len(self._postroom.letters)

    async def _work(self) -> None:
        while True:
            await self._up.wait()
            if self._read == len(self._postroom.letters):
                await asyncio.sleep(0.005)
                continue
            letter = self._postroom.letters[self._read]
            for path in letter.paths:
                if (letter.id, path) not in self.asked:
                    self.asked[letter.id, path] = await self._follow(path)
            self._read += 1

    async def _follow(self, path: str) -> int | None:
        async with Client(self._one.engine.url, "") as client:
            request = f"GET {path} HTTP/1.1\r\nhost: mail.example\r\nuser-agent: Mozilla/5.0\r\n\r\n".encode()
            if not await client.write(request):  # nobody is there
                await asyncio.sleep(0.01)
                await self._up.wait()
                return await self._follow(path)
            self._one.trap.step(Step.FOLLOWED)
            answer = await client.answer()
            self._one.trap.step(Step.LED)
            return None if answer is None else answer.status


class Post:
    """An installation whose visits are answered by mail."""

    def __init__(self, one: Lives, postroom: Postroom) -> None:
        self.one = one
        self.postroom = postroom
        self.readers: Readers | None = None
        self.ailing: tuple[str, ...] = ()
        self.faults: list[tuple[float, float]] = []
        """From when to when something was cut off while the engine lived on."""

    async def found(self) -> None:
        """Make the message and the rule; what fails is tried again each second."""
        engine = self.one.engine
        message = await engine.post("/messages", {"name": "m", "subject": "{{ contact.company }}", "html": HTML}, 201)
        send = {"type": "sendEmail", "message": message["id"]}
        await engine.rule({"type": VISITED}, name="mails", actions=[send])
        await self.tune(schedule=[1] * 50)

    async def tune(self, **policy: Any) -> None:
        """Change the policy by which mails go."""
        await self.one.engine.patch(f"/endpoints/{MAIL}", policy)

    async def live(self, death: Any) -> None:
        """Live until that death, with readers, and rise again."""
        if self.readers is not None:
            self.readers.go()
        await self.one.load.go()
        await death(self.one)
        self.one.load.pause()
        if self.readers is not None:
            self.readers.go(on=False)
        await self.one.engine.gone()
        await self.one.rise()

    async def survived(self, least: int) -> None:
        """A last life that ends well, when more than so many mails were taken, and all that there is compared."""
        await self.one.load.go()
        await self.one.some_time(0.2)
        enough = until(lambda: len({letter.id for letter in self.postroom.letters}) > least, "enough mails are taken")
        await self.one.load.meanwhile(enough)
        await self.one.load.end()
        self.postroom.fails = 0
        engine = self.one.engine
        await engine.quiet()
        if self.readers is not None:
            await self.readers.end()
            await eventually(self._heard, "all that was seen is recorded")
        await engine.quiet()
        await engine.doctor(*self.ailing)
        assert await self._compared(self.one.load.account) > least

    async def _heard(self) -> bool:
        assert self.readers is not None
        wanted = sum(status is not None for status in self.readers.asked.values())
        return len([one for one in await self._seen() if not one["data"].get("derived")]) >= wanted

    async def _seen(self) -> list[dict[str, Any]]:
        kinds = ("email.opened", "email.clicked")
        return [one for kind in kinds for one in await self.one.engine.everything("/events", type=kind)]

    async def _compared(self, account: Account) -> int:
        engine = self.one.engine
        visits = {one["id"]: one for one in await engine.everything("/events", type=VISITED)}
        texts = {one["data"]["externalId"]: id for id, one in visits.items()}
        assert len(texts) == len(visits)
        assert {text: texts.get(text) for text in account.recorded} == account.recorded
        deliveries = {one["id"]: one for one in await engine.everything("/deliveries")}
        contacts = {one["id"]: one for one in await engine.everything("/contacts")}
        alive = {id for id, one in contacts.items() if DEAD not in one["email"]}
        told = Counter(one["eventId"] for one in deliveries.values() if one["contactId"] in alive)
        assert told == Counter(id for id, one in visits.items() if one["contactId"] in alive)
        await self._once(deliveries, alive)
        await self._told(deliveries, alive)
        await self._read()
        return len(deliveries)

    async def _once(self, deliveries: dict[str, dict[str, Any]], alive: set[str]) -> None:
        """Each was taken, the same bytes whenever that was, and again only where nobody heard that it had been."""
        taken: dict[str, list[Letter]] = defaultdict(list)
        for letter in self.postroom.letters:
            taken[letter.id].append(letter)
        assert set(taken) == {id for id, one in deliveries.items() if one["contactId"] in alive}
        for id, letters in taken.items():
            assert deliveries[id]["status"] == "delivered", deliveries[id]
            assert len({letter.raw for letter in letters}) == 1, letters
            for letter, again in pairwise(letters):
                unheard = not letter.told or letter.life < again.life or self._cut(letter)
                if not unheard:
                    attempts = (await self.one.engine.get(f"/deliveries/{id}"))["attempts"]
                    assert any(map(_ran_out, attempts)), f"taken twice in life {letter.life}: {attempts}"

    def _cut(self, letter: Letter) -> bool:
        return any(began - REACH_SECONDS < letter.at < ended + REACH_SECONDS for began, ended in self.faults)

    async def _told(self, deliveries: dict[str, dict[str, Any]], alive: set[str]) -> None:
        """What was taken is told once, and what came back, too; then nothing more goes there."""
        engine = self.one.engine
        sent = Counter(one["data"]["delivery"] for one in await engine.everything("/events", type="email.sent"))
        assert sent == Counter(id for id, one in deliveries.items() if one["contactId"] in alive)
        bounced = Counter(one["data"]["delivery"] for one in await engine.everything("/events", type="email.bounced"))
        dead = [one for one in deliveries.values() if one["contactId"] not in alive]
        assert bounced == Counter(one["id"] for one in dead if one["status"] == "failed")
        assert {one["status"] for one in dead} <= {"failed", "cancelled"}

    async def _read(self) -> None:
        """Each opening and each click that was answered is an event, once; one that was not may be."""
        if self.readers is None:
            return
        seen: Counter[tuple[str, str]] = Counter()
        for one in await self._seen():
            if not one["data"].get("derived"):
                seen[one["data"]["delivery"], one["type"]] += 1
        answered: Counter[tuple[str, str]] = Counter()
        doubted: Counter[tuple[str, str]] = Counter()
        for (delivery, path), status in self.readers.asked.items():
            assert status in {None, 200, 302}, (path, status)
            counts = doubted if status is None else answered
            counts[delivery, "email.opened" if path.startswith("/t/o/") else "email.clicked"] += 1
        for key in seen.keys() | answered.keys():
            assert answered[key] <= seen[key] <= answered[key] + doubted[key], (key, seen[key], answered[key])


def _ran_out(attempt: dict[str, Any]) -> bool:
    """Whether the engine's time was over before it came to read the answer: a busy machine may take a second."""
    return attempt["failure"] == "timeout" and "it may have been taken" in attempt["detail"]


@asynccontextmanager
async def mailing(
    folder: Path, seed: int, *, machine: str = EAGER, reading: bool = True, rest: float = 0.1, **settings: str
) -> AsyncIterator[Post]:
    """An installation with its clients, its mail server, and a way between that can be cut."""
    chance, trap = random.Random(seed), Trap()
    async with Postroom(trap, random.Random(seed), fails=0.06) as postroom, Wire(postroom.port) as wire:
        engine = Engine(folder, smtp_url=f"smtp://127.0.0.1:{wire.port}?starttls=never", **SETTINGS, **settings)
        try:
            engine.machine, engine.bear = machine, nursery().bear
            await engine.start()
            load = Load(engine, trap, chance, clients=4)
            load.rest = rest
            one = Lives(engine, postroom, load, trap, chance, wire)
            post = Post(one, postroom)
            try:
                await post.found()
                if reading:
                    post.readers = Readers(one, postroom)
                yield post
            finally:
                await load.cancel()
                if post.readers is not None:
                    await post.readers.cancel()
        finally:
            await engine.close()
