"""What the tests of sending share: a sender that may reach the loopback, and names that resolve to it."""

from collections.abc import AsyncIterator
from typing import Final

import pytest

from goniec.ports import Outgoing
from goniec.send.http import HttpSender
from goniec.send.networks import Networks, NotUnderstood, parse_networks
from tests.contract.send.names import Names

HEADERS: Final = (
    ("Content-Type", "application/json; charset=utf-8"),
    ("User-Agent", "Goniec/test"),
    ("webhook-id", "dlv_1"),
)


def networks(text: str) -> Networks:
    parsed = parse_networks(text)
    assert not isinstance(parsed, NotUnderstood)
    return parsed


LOOPBACK: Final = networks("127.0.0.0/8, ::1")


def post(
    url: str, body: bytes = b'{"id":"1"}', *, timeout: float = 5, connect: float = 5, fresh: bool = False
) -> Outgoing:
    return Outgoing(url, HEADERS, body, timeout, connect, fresh)


def make_sender(names: Names) -> HttpSender:
    return HttpSender(names, allowed=LOOPBACK)


@pytest.fixture
def names() -> Names:
    return Names(good__example="127.0.0.1", dead__example=None)


@pytest.fixture
async def sender(names: Names) -> AsyncIterator[HttpSender]:
    made = make_sender(names)
    yield made
    await made.close()
