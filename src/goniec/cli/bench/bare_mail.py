"""The client library of mail with no engine around it: the same mail, made once, handed in again and again.

`processes` runs `main`. As many connections as the engine has mails under way.
"""

import asyncio
import sys
import time
from typing import Final

import msgspec
import uvloop

from goniec.cli.bench.bare import Bare, cpu
from goniec.cli.bench.history import contact_id
from goniec.cli.bench.letter import SENDER, message
from goniec.cli.bench.sink import ADDRESS
from goniec.core.composing import EXAMPLE, About, Composer
from goniec.core.ids import DELIVERY, EVENT, MESSAGE, RULE, of_number, prefixed
from goniec.core.mailing import sealed
from goniec.core.messages import read_draft
from goniec.core.model import Event
from goniec.core.retry import Policy
from goniec.ports import Posting
from goniec.send.dialogue import Dialogue
from goniec.send.mail import MailServer
from goniec.send.mime import Composed, Site, compose

POLICY: Final = Policy()


async def hand_in(port: int, seconds: float) -> Bare:
    """Hand in for so long."""
    mail = composed()
    server = MailServer(host=ADDRESS, port=port, tls="never")
    sent = 0

    async def work(ends: float) -> None:
        nonlocal sent
        line = Dialogue(server, None, None)
        await line.open(POLICY.connect_timeout)
        while time.monotonic() < ends:
            reply = await line.hand_in(mail)
            assert reply.code == 250, reply  # noqa: S101, PLR2004 - our own server takes all
            sent += 1
        await line.leave()

    started, before = time.monotonic(), cpu()
    async with asyncio.TaskGroup() as group:
        for _ in range(POLICY.concurrency):
            group.create_task(work(started + seconds))
    return Bare(sent, time.monotonic() - started, cpu() - before)


def composed() -> Composed:
    """Make the mail."""
    event = Event(
        id=prefixed(EVENT, 0, 0),
        contact_id=EXAMPLE.id,
        seq=1,
        type="page.visited",
        occurred_at=0,
        received_at=0,
        source="api",
        data={},
    )
    about = About(EXAMPLE, event, (prefixed(RULE, 0, 0), "Oferta", ""))
    envelope = Composer().written(read_draft(message()), about, "jan@bench.example", id=prefixed(MESSAGE, 0, 1))
    site = Site(public_url="http://127.0.0.1:8000", sender=SENDER, bounces=None, keys=[bytes(32)])
    mail = compose(Posting(of_number(DELIVERY, 1), contact_id(1), 0, sealed(envelope)), site)
    assert isinstance(mail, Composed), mail  # noqa: S101 - our own letter is in order
    return mail


def main() -> None:
    """Be the process: port and seconds are its arguments, one line of JSON comes out."""
    print(msgspec.json.encode(uvloop.run(hand_in(int(sys.argv[1]), float(sys.argv[2])))).decode())
