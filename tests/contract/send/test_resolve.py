"""Names to addresses over real DNS: how long answers are kept, who shares a question, and what a failure says."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from goniec.core.model import Failure
from goniec.send.http import HttpSender
from goniec.send.resolve import DnsResolver, Unresolved
from tests.contract.send.conftest import LOOPBACK, post
from tests.contract.send.nameserver import FAILED, NameServer
from tests.contract.send.receivers import Receiver, answer


class Time:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    made = NameServer(
        long__example=(3600, "127.0.0.1 ::1"),
        short__example=(10, "127.0.0.1"),
        zero__example=(0, "127.0.0.1"),
        many__example=(60, "127.0.0.1 127.0.0.2 ::1"),
        empty__example=(60, ""),
        failing__example=FAILED,
        dead__example=None,
    )
    async with made:
        yield made


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def resolver(server: NameServer, time: Time) -> AsyncIterator[DnsResolver]:
    made = DnsResolver([server.address], clock=time)
    yield made
    await made.close()


async def test_all_ipv4_and_ipv6_addresses_are_given(resolver: DnsResolver) -> None:
    found = await resolver.resolve("many.example", 5)
    assert not isinstance(found, Unresolved)
    assert sorted(found) == ["127.0.0.1", "127.0.0.2", "::1"]


@pytest.mark.parametrize(
    ("name", "still", "no_more"), [("long.example", 59, 60), ("short.example", 9, 10), ("zero.example", 0.9, 1)]
)
async def test_an_answer_is_kept_for_its_ttl_and_never_longer_than_a_minute(
    resolver: DnsResolver, server: NameServer, time: Time, name: str, still: float, no_more: float
) -> None:
    first = await resolver.resolve(name, 5)
    time.now += still
    assert await resolver.resolve(name, 5) is first
    assert server.questions(name) == 1
    time.now += no_more - still
    server.records[name] = (5, "127.0.0.9")
    if name == "short.example":
        # the library under it reads another clock, and is made anew after a minute only
        time.now += 50
    assert await resolver.resolve(name, 5) == ("127.0.0.9",)
    assert server.questions(name) == 2


async def test_an_answer_that_says_the_same_is_the_same_object(resolver: DnsResolver, time: Time) -> None:
    first = await resolver.resolve("long.example", 5)
    time.now += 61
    assert await resolver.resolve("long.example", 5) is first


async def test_those_who_ask_at_once_share_one_question(resolver: DnsResolver, server: NameServer) -> None:
    found = await asyncio.gather(*[resolver.resolve("long.example", 5) for _ in range(50)])
    assert all(one is found[0] for one in found)
    assert server.questions("long.example") == 1


@pytest.mark.parametrize("name", ["unknown.example", "empty.example", "failing.example"])
async def test_a_name_without_addresses_is_data_and_asked_again_soon(
    resolver: DnsResolver, server: NameServer, time: Time, name: str
) -> None:
    failed = await resolver.resolve(name, 5)
    assert isinstance(failed, Unresolved)
    assert name in failed.detail
    assert "DNS records" in failed.detail
    asked = server.questions(name)
    time.now += 1.9
    assert await resolver.resolve(name, 5) is failed
    assert server.questions(name) == asked
    time.now += 0.1
    server.records[name] = (60, "127.0.0.1")
    assert await resolver.resolve(name, 5) == ("127.0.0.1",)


async def test_servers_that_do_not_answer_cost_no_more_than_the_limit(resolver: DnsResolver) -> None:
    failed = await resolver.resolve("dead.example", 0.05)
    assert isinstance(failed, Unresolved)
    assert "within 0.05 s" in failed.detail


async def test_one_who_gives_up_takes_the_answer_from_nobody(resolver: DnsResolver, server: NameServer) -> None:
    patient = asyncio.create_task(resolver.resolve("dead.example", 10))
    cancelled = asyncio.create_task(resolver.resolve("dead.example", 10))
    hasty = await resolver.resolve("dead.example", 0.05)
    cancelled.cancel()
    server.answer_late("dead.example", (60, "127.0.0.1"))
    assert await patient == ("127.0.0.1",)
    assert isinstance(hasty, Unresolved)
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_dead_names_do_not_hold_up_the_others(resolver: DnsResolver, server: NameServer) -> None:
    server.records |= {f"dead{number}.example": None for number in range(200)}
    dead = [asyncio.create_task(resolver.resolve(f"dead{number}.example", 60)) for number in range(200)]
    assert await resolver.resolve("short.example", 5) == ("127.0.0.1",)
    assert not any(task.done() for task in dead)
    for task in dead:
        task.cancel()
    await asyncio.gather(*dead, return_exceptions=True)


async def test_closing_answers_those_who_still_wait(resolver: DnsResolver, server: NameServer) -> None:
    waiting = asyncio.create_task(resolver.resolve("dead.example", 60))
    await server.heard.wait()
    await resolver.close()
    stopped = await waiting
    assert isinstance(stopped, Unresolved)


async def test_only_so_many_answers_are_kept(
    resolver: DnsResolver, server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goniec.send.resolve.NAMES_MAX", 2)
    for name in ("long", "short", "many", "long"):
        assert not isinstance(await resolver.resolve(f"{name}.example", 5), Unresolved)
    assert list(resolver._answers) == ["many.example", "long.example"]


async def test_the_hosts_file_is_read() -> None:
    resolver = DnsResolver()
    found = await resolver.resolve("localhost", 5)
    await resolver.close()
    assert not isinstance(found, Unresolved)
    assert set(found) <= {"127.0.0.1", "::1"}


async def test_A28_the_whole_way_over_dns(server: NameServer, resolver: DnsResolver, time: Time) -> None:
    sender = HttpSender(resolver, allowed=LOOPBACK)
    async with Receiver(answer()) as receiver:
        url = receiver.url(host="back.example")
        before = await sender.send(post(url))
        server.records["back.example"] = (60, "127.0.0.1")
        time.now += 5
        after = await sender.send(post(url))
        await sender.close()
    assert (before.failure, after.failure) == (Failure.DNS, None)
    assert "back.example" in before.detail
    assert len(receiver.requests) == 1
