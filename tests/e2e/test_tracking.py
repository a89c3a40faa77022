"""Opens and clicks at a whole engine: long links, very many of them, and a kill behind the answer."""

import asyncio
import signal
from collections import Counter
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

import httpx
import pytest

from goniec.core.ids import DELIVERY, MESSAGE, of_number
from goniec.core.tokens import PURPOSE, URL_BYTES, leave, link, seen
from goniec.store.vault import AesVault
from tests.e2e.engine import Engine, engine, eventually

D, M = of_number(DELIVERY, 7), of_number(MESSAGE, 9)
BROWSER: Final = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"}
OPENS: Final = 10_000
CLIENTS: Final = 20
LIVES: Final = 4
ANSWERS: Final = 60

DEAF: Final = """
import asyncio
from goniec.flow.tracking import Tracking
async def run(self):
    await asyncio.Event().wait()
Tracking.run = run
"""
"""A machine that records nothing of what it has heard."""


def keys(one: Engine) -> tuple[bytes, ...]:
    return AesVault([(one.folder / "goniec.key").read_text().strip()]).derived(PURPOSE)


async def counted(one: Engine, kind: str) -> int:
    return len(await one.everything("/events", type=kind))


async def test_a_link_of_any_length_leads_where_it_should(tmp_path: Path) -> None:
    async with engine(tmp_path) as one, httpx.AsyncClient(headers=BROWSER) as http:
        contact = (await one.contact(email="jan@example.com"))["id"]
        head = "https://sklep.example/?q="
        for size in (1, 8_192, URL_BYTES - len(head)):
            url = head + "a" * size
            answer = await http.get(f"{one.url}/t/c/{link(keys(one), D, contact, M, url)}")
            assert (answer.status_code, answer.headers["location"]) == (302, url)
        answer = await http.head(f"{one.url}/t/o/{seen(keys(one), D, contact, M)}.gif")
        assert (answer.status_code, answer.content) == (200, b"")
        assert (await http.get(f"{one.url}/t/u/{leave(keys(one), D, contact, M)}")).status_code == 200
        assert (await http.get(f"{one.url}/t/c/{'x' * 60_000}")).status_code == 404

        async def three() -> bool:
            return await counted(one, "email.clicked") == 3

        await eventually(three, "the clicks are recorded")
        assert not [line for line in one.log() if "/t/" in str(line)]


@pytest.mark.slow
async def test_ten_thousand_opens_of_one_pixel_are_all_recorded(tmp_path: Path) -> None:
    async with engine(tmp_path) as one:
        contact = (await one.contact(email="jan@example.com"))["id"]
        url = f"{one.url}/t/o/{seen(keys(one), D, contact, M)}.gif"

        async def open_again_and_again() -> None:
            async with httpx.AsyncClient(headers=BROWSER) as http:
                for _ in range(OPENS // CLIENTS):
                    assert (await http.get(url)).status_code == 200

        await asyncio.gather(*(open_again_and_again() for _ in range(CLIENTS)))

        async def all_of_them() -> bool:
            return await counted(one, "email.opened") >= OPENS

        await eventually(all_of_them, "all opens are recorded")
        assert await counted(one, "email.opened") == OPENS
        await one.doctor()


@pytest.mark.slow
async def test_what_was_answered_is_recorded_once_through_kills(tmp_path: Path) -> None:
    numbers = count()
    answered: set[str] = set()
    one = Engine(tmp_path)
    try:
        for life in range(LIVES):
            # the last of those that are killed has recorded nothing
            one.machine = DEAF if life == LIVES - 1 else ""
            await one.start()
            contact = (await one.contact(email="jan@example.com"))["id"]
            enough = len(answered) + ANSWERS

            async def click_until_it_dies(contact: str = contact, enough: int = enough) -> None:
                async with httpx.AsyncClient(headers=BROWSER) as http:
                    with suppress(httpx.TransportError):
                        while True:
                            url = f"https://sklep.example/{next(numbers)}"
                            token = link(keys(one), D, contact, M, url)
                            assert (await http.get(f"{one.url}/t/c/{token}")).headers["location"] == url
                            answered.add(url)
                            if len(answered) == enough:
                                one.kill()

            await asyncio.gather(*(click_until_it_dies() for _ in range(4)))
            assert await one.gone() == -signal.SIGKILL
        one.machine = ""
        await one.start()

        async def all_of_them() -> bool:
            return answered <= {event["data"]["url"] for event in await one.everything("/events", type="email.clicked")}

        await eventually(all_of_them, "all clicks that were answered are recorded")
        recorded = Counter(event["data"]["url"] for event in await one.everything("/events", type="email.clicked"))
        assert max(recorded.values()) == 1
        assert await one.stop() == 0
    finally:
        await one.close()
