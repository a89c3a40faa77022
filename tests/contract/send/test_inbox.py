"""The built-in receiver: its addresses, and what it answers in the place of a connection."""

import asyncio
import base64
import json

import pytest

from goniec.core.model import Failure
from goniec.core.signing import basic
from goniec.ports import Outgoing
from goniec.send.guard import Checked, Refusal, Refused, check_resolved, check_url
from goniec.send.http import HttpSender
from goniec.send.inbox import NAME_LIMIT
from tests.contract.send.conftest import post
from tests.contract.send.names import Names


@pytest.mark.parametrize(
    ("entered", "url"),
    [
        ("inbox:", "inbox:"),
        ("  INBOX:\n", "inbox:"),
        ("inbox:crm", "inbox:crm"),
        ("Inbox:CRM-2_test", "inbox:crm-2_test"),
        (f"inbox:{'a' * NAME_LIMIT}", f"inbox:{'a' * NAME_LIMIT}"),
    ],
)
async def test_an_address_is_stored_in_one_spelling_and_nobody_is_asked_about_it(entered: str, url: str) -> None:
    names = Names()
    found = await check_resolved(entered, (), names)
    assert isinstance(found, Checked)
    assert found.is_inbox
    assert (found.url, found.origin, found.addresses) == (url, url, ())
    assert check_url(found.url) == found
    assert names.asked == []


@pytest.mark.parametrize(
    "entered",
    [
        "inbox://",
        "inbox:/crm",
        "inbox:crm?x",
        "inbox:crm#x",
        "inbox:próba",
        "inbox:\u212a",  # the sign of the kelvin, whose lower case is a plain k
        "inbox:a.b",
        "inbox:user@crm",
        f"inbox:{'a' * (NAME_LIMIT + 1)}",
    ],
)
def test_an_address_that_is_none_is_refused_with_what_may_stand_there(entered: str) -> None:
    found = check_url(entered)
    assert isinstance(found, Refused)
    assert found.code is Refusal.INBOX
    assert str(NAME_LIMIT) in found.detail


@pytest.mark.parametrize("entered", ["inbox", "inboxes:", "mailbox:crm"])
def test_what_only_looks_like_one_is_no_url(entered: str) -> None:
    found = check_url(entered)
    assert isinstance(found, Refused)
    assert found.code is Refusal.SCHEME
    assert "inbox:" in found.detail


async def test_it_takes_everything_and_tells_what_it_saw(sender: HttpSender) -> None:
    headers = (
        ("Authorization", basic("zażółć", "very secret")),
        ("webhook-signature", "v1,AAAA v1,BBBB"),
        ("X-Own", "also secret"),
    )
    got = await sender.send(Outgoing("inbox:crm", headers, b'{"id":"1"}'))
    assert got.failure is None
    assert (got.status, got.address, got.note, got.retry_after) == (200, "inbox", None, None)
    assert 0 <= got.millis < 5000
    assert json.loads(got.body) == {
        "received": True,
        "bytes": 10,
        "authorization": "Basic, user zażółć",
        "signature": "v1, v1",
    }
    length = len(got.body)
    assert got.head == b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % length
    told = got.head + got.body + got.detail.encode()
    assert b"secret" not in told
    assert base64.b64encode(b"very secret") not in told


async def test_what_is_not_there_is_null(sender: HttpSender) -> None:
    got = await sender.send(post("inbox:", b""))
    assert json.loads(got.body) == {"received": True, "bytes": 0, "authorization": None, "signature": None}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("Bearer very-secret", "Bearer"),
        ("Basic ???", "Basic"),
        ("Basic /w==", "Basic"),
        ("Basic", "Basic, user "),
        ("basic YTpi", "basic, user a"),
    ],
)
async def test_any_authorization_is_told_without_its_secret(sender: HttpSender, value: str, told: str) -> None:
    got = await sender.send(Outgoing("inbox:", (("authorization", value),), b""))
    assert json.loads(got.body)["authorization"] == told


async def test_what_no_receiver_would_get_does_not_arrive_here_either(sender: HttpSender) -> None:
    got = await sender.send(Outgoing("inbox:", (("X-Own", "a\r\nb"),), b""))
    assert got.failure is Failure.INTERNAL


async def test_many_in_a_row_leave_the_loop_to_others(sender: HttpSender) -> None:
    """A worker that sends without end must not keep the loop to itself."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(other())
    for _ in range(100):
        await sender.send(post("inbox:"))
    task.cancel()
    assert turns >= 100
