"""Mail from several Goniecs on one PostgreSQL: one takes calls, two send, and one of these is killed."""

import asyncio
from collections import defaultdict
from pathlib import Path
from typing import Final

from goniec.core.endpoint import MAIL
from tests.e2e.engine import Engine, eventually, until
from tests.e2e.machines import machines
from tests.e2e.test_machines import QUICK
from tests.e2e.test_mail import SENDER, welcoming
from tests.postbox import Postbox, postbox

PEOPLE: Final = 240
BEFORE: Final = 40
"""So many mails have come when one is killed."""


async def test_each_mail_comes_and_again_only_where_nobody_heard_that_it_had(tmp_path: Path, url: str) -> None:
    with postbox() as box:
        settings = {
            "smtp_url": f"smtp://127.0.0.1:{box.port}?starttls=never",
            "mail_from": SENDER,
            "public_url": "http://mail.example",
        }
        places = [(QUICK, {"role": role, **settings}) for role in ("web", "worker", "worker")]
        async with machines(tmp_path, url, places) as (web, *workers):
            message = await welcoming(web, "https://shop.example/")
            # a lease has to last longer than an attempt
            policy = {"split": True, "concurrency": 16, "schedule": [1] * 20, "timeout": 2, "connectTimeout": 2}
            await web.patch(f"/endpoints/{MAIL}", policy)
            coming = asyncio.create_task(_come(web))
            await eventually(lambda: _all_send(workers), "both send")
            await until(lambda: len(box.letters) >= BEFORE, "the first mails come")
            workers[0].kill()
            await workers[0].gone()
            killed = len(box.letters)
            await coming
            await web.quiet()
            assert await web.doctor() == []
            deliveries = await web.everything("/deliveries")
            assert [one["status"] for one in deliveries] == ["delivered"] * PEOPLE
            sent = await web.everything("/events", type="email.sent")
            assert sorted(one["data"]["delivery"] for one in sent) == sorted(one["id"] for one in deliveries)
            figures = (await web.get(f"/messages/{message}"))["figures"]
            assert (figures["sent"], figures["delivered"], figures["bounced"]) == (PEOPLE, PEOPLE, 0)
            await _only_unheard_came_twice(web, box, killed)


async def _come(web: Engine) -> None:
    for n in range(PEOPLE):
        await web.contact(email=f"c{n}@example.pl")


async def _all_send(workers: list[Engine]) -> bool:
    return all(any(line.get("event") == "attempt" for line in worker.log()) for worker in workers)


async def _only_unheard_came_twice(web: Engine, box: Postbox, killed: int) -> None:
    """A mail comes twice only where the first one's result was lost with who sent it; both are the same bytes."""
    copies: dict[str, list[int]] = defaultdict(list)
    for place, letter in enumerate(box.letters):
        copies[letter["Message-ID"]].append(place)
    assert sorted({box.letters[places[0]]["To"] for places in copies.values()}) == sorted(
        f"c{n}@example.pl" for n in range(PEOPLE)
    )
    assert len(copies) == PEOPLE
    for name, places in copies.items():
        if len(places) > 1:
            first, second = places
            assert first < killed
            assert box.raw[first] == box.raw[second]
            delivery = "dlv_" + name.split(".")[0].removeprefix("<dlv_").upper()
            assert len((await web.get(f"/deliveries/{delivery}"))["attempts"]) == 1
