"""Faults on our own side: each request still gets an answer, and the next one works."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from goniec.core.model import Failure
from goniec.send.http import HttpSender
from tests.contract.send.conftest import make_sender, post
from tests.contract.send.names import Names
from tests.contract.send.receivers import Receiver, answer, hang


async def test_no_descriptors_left_says_so(sender: HttpSender) -> None:
    async with Receiver(answer()) as receiver:
        assert (await sender.send(post(receiver.url()))).failure is None
        with no_new_descriptors():
            got = await sender.send(post(receiver.url(), fresh=True))
        assert (await sender.send(post(receiver.url(), fresh=True))).failure is None
    assert got.failure is Failure.INTERNAL
    assert "Too many open files" in got.detail
    assert len(receiver.requests) == 2


@contextmanager
def no_new_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_after_a_fault_within_the_driver_another_takes_over(
    sender: HttpSender, caplog: pytest.LogCaptureFixture
) -> None:
    """Once a callback has failed, libcurl refuses all work."""
    async with Receiver([hang, answer()]) as receiver:
        waiting = asyncio.create_task(sender.send(post(receiver.url(), timeout=60)))
        await receiver.asked.wait()
        broken = sender._driver
        assert broken is not None
        del broken._wanted
        got = await sender.send(post(receiver.url()))
        assert (await waiting).failure is Failure.INTERNAL
        assert (await sender.send(post(receiver.url()))).failure is None
    assert got.failure is Failure.INTERNAL
    assert "its log says why" in got.detail
    assert "libcurl gave up" in caplog.text
    assert sender._driver is not broken


async def test_a_broken_driver_takes_no_more(sender: HttpSender) -> None:
    async with Receiver(answer()) as receiver:
        assert (await sender.send(post(receiver.url()))).failure is None
        assert sender._driver is not None
        sender._driver.close()
        assert (await sender.send(post(receiver.url()))).failure is None


async def test_closing_twice_is_closing(names: Names) -> None:
    sender = make_sender(names)
    async with Receiver(answer()) as receiver:
        await sender.send(post(receiver.url()))
        await sender.close()
        await sender.close()
