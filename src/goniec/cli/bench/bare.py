"""The client library with no engine around it: what `send` alone brings to the same sink, which bounds the engine.

`processes` runs `main`. As many endpoints, and as many requests at a time for each, as the engine has, the same body
and headers, and nothing else.
"""

import asyncio
import resource
import sys
import time
from ipaddress import ip_network
from typing import Final

import msgspec
import uvloop
from msgspec import Struct

from goniec.cli.bench.sink import ADDRESS
from goniec.core.ids import DELIVERY, RULE, prefixed
from goniec.core.model import Delivery
from goniec.core.payload import body
from goniec.core.retry import Policy
from goniec.core.wire import Credentials, headers
from goniec.ports import Outgoing
from goniec.send.http import HttpSender
from goniec.send.resolve import DnsResolver

ENDPOINTS: Final = 16
POLICY: Final = Policy()


class Bare(Struct, frozen=True):
    """How many requests were answered with 200, in which time, for how much CPU (seconds)."""

    sent: int
    seconds: float
    cpu: float


async def send(port: int, seconds: float) -> Bare:
    """Send for so long."""
    resolver = DnsResolver()
    sender = HttpSender(resolver, allowed=(ip_network("127.0.0.0/8"),))
    head = headers(_delivery(), 1, Credentials(bytes(32)), "goniec-bench", 0)
    sent = 0

    async def work(endpoint: int, until: float) -> None:
        nonlocal sent
        request = Outgoing(f"http://{ADDRESS}:{port}/bare/{endpoint}", head, _delivery().body)
        while time.monotonic() < until:
            answer = await sender.send(request)
            assert answer.failure is None, answer.detail  # noqa: S101 - our own sink answers 200
            sent += 1

    started, before = time.monotonic(), cpu()
    async with asyncio.TaskGroup() as group:
        for endpoint in range(ENDPOINTS):
            for _ in range(POLICY.concurrency):
                group.create_task(work(endpoint, started + seconds))
    told = Bare(sent, time.monotonic() - started, cpu() - before)
    await sender.close()
    await resolver.close()
    return told


def _delivery() -> Delivery:
    rule = prefixed(RULE, 0, 0)
    content = body(rule, "Webhook", "contact", "", "jan.kowalski@bench.example", None, "Kowalski i Synowie")
    return Delivery(
        id=prefixed(DELIVERY, 0, 0) + "0" * 10,
        endpoint_id="",
        contact_id="contact",
        rule_id=rule,
        event_type="page.visited",
        seq=1,
        body=content,
        created_at=0,
    )


def cpu() -> float:
    """Seconds of CPU that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Be the process: port and seconds are its arguments, one line of JSON comes out."""
    print(msgspec.json.encode(uvloop.run(send(int(sys.argv[1]), float(sys.argv[2])))).decode())
