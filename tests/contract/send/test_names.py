"""The whole way from a name to the receiver, over real DNS: names that lie, change, never answer, or answer nonsense."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from goniec.core.model import Failure
from goniec.ports import Answer
from goniec.send.http import HttpSender
from goniec.send.resolve import DnsResolver
from tests.contract.send.conftest import networks, post
from tests.contract.send.nameserver import A, NameServer, Odd, alias, cut, honest
from tests.contract.send.receivers import Receiver, answer, black_hole
from tests.contract.send.test_resolve import Time

MANY = 400


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    async with NameServer(good__example=(0, "127.0.0.1"), dead__example=None) as made:
        yield made


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def resolver(server: NameServer, time: Time) -> AsyncIterator[DnsResolver]:
    made = DnsResolver([server.address], clock=time)
    yield made
    await made.close()


@pytest.fixture
async def sender(resolver: DnsResolver) -> AsyncIterator[HttpSender]:
    """A sender that may reach 127.0.0.0/8 and ::1, and no other private address."""
    made = HttpSender(resolver, allowed=networks("127.0.0.0/8, ::1"))
    yield made
    await made.close()


async def sent(sender: HttpSender, receiver: Receiver, host: str, *, within: float = 5) -> Answer:
    return await sender.send(post(receiver.url("/secret-path", host=host), timeout=within))


# --- where it must not go --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "addresses",
    [
        "10.0.0.1",
        "169.254.169.254",
        "fd00::1",
        "::ffff:10.0.0.1",
        "127.0.0.1 10.0.0.1",
        "127.0.0.1 fd00::1",
        "::1 10.1.1.1",
    ],
)
async def test_a_name_with_any_forbidden_address_is_not_reached(
    sender: HttpSender, server: NameServer, addresses: str
) -> None:
    server.records["evil.example"] = (60, addresses)
    async with Receiver(answer()) as receiver:
        got = await sent(sender, receiver, "evil.example")
    assert (got.failure, got.status, got.address, receiver.connections) == (Failure.ADDRESS, None, None, 0)
    assert "evil.example leads to" in got.detail
    assert "secret-path" not in got.detail


async def test_an_alias_to_the_inside_is_not_followed(sender: HttpSender, server: NameServer) -> None:
    def inside(data: bytes, kind: int) -> list[bytes]:
        return [alias(data, kind, "inside.example", "10.0.0.1")]

    def outside(data: bytes, kind: int) -> list[bytes]:
        return [alias(data, kind, "outside.example", "127.0.0.1")]

    server.records |= {"www.example": inside, "cdn.example": outside}
    async with Receiver(answer()) as receiver:
        got = await sent(sender, receiver, "www.example")
        assert (got.failure, receiver.connections) == (Failure.ADDRESS, 0)
        assert "www.example leads to 10.0.0.1" in got.detail
        # and an alias is no fault by itself
        assert (await sent(sender, receiver, "cdn.example")).failure is None


async def test_very_many_addresses_are_all_checked(sender: HttpSender, server: NameServer) -> None:
    many = [f"127.0.{n // 250}.{n % 250 + 1}" for n in range(MANY)]
    server.records["many.example"] = (0, " ".join(many))
    server.records["trap.example"] = (0, " ".join([*many, "10.0.0.1"]))
    server.whole |= {"many.example", "trap.example"}
    async with Receiver(answer(), host=many[0]) as receiver:
        trapped = await sent(sender, receiver, "trap.example")
        assert (trapped.failure, receiver.connections) == (Failure.ADDRESS, 0)
        reached = await sent(sender, receiver, "many.example")
    assert (reached.failure, reached.address) == (None, receiver.address)
    assert set(server.over_tcp) == {"many.example", "trap.example"}


# --- what changes ----------------------------------------------------------------------------------------------------


async def test_a_kept_connection_is_given_up_when_its_name_moves(
    sender: HttpSender, server: NameServer, time: Time
) -> None:
    async with Receiver(answer()) as old, Receiver(answer(), host="127.0.0.3", port=old.port) as new:
        first = [await sent(sender, old, "good.example") for _ in range(2)]
        server.records["good.example"] = (0, "127.0.0.3")
        time.now += 2
        second = [await sent(sender, old, "good.example") for _ in range(2)]
    assert [one.address for one in first + second] == [old.address] * 2 + [new.address] * 2
    assert (old.connections, new.connections) == (1, 1)


@pytest.mark.parametrize("after", ["10.0.0.1", "127.0.0.1 10.0.0.1", "", None])
async def test_a_kept_connection_helps_nobody_whose_name_went_elsewhere(
    sender: HttpSender, server: NameServer, time: Time, after: str | None
) -> None:
    """The connection is open and would still work, but the name does not lead there any more."""
    async with Receiver(answer()) as receiver:
        before = await sent(sender, receiver, "good.example")
        server.records["good.example"] = None if after is None else (0, after)
        time.now += 2
        refused = await sent(sender, receiver, "good.example", within=5 if after else 0.3)
        server.records["good.example"] = (0, "127.0.0.1")
        time.now += 3
        again = await sent(sender, receiver, "good.example")
    assert (before.failure, again.failure) == (None, None)
    assert refused.failure is (Failure.ADDRESS if after else Failure.DNS)
    assert len(receiver.requests) == 2


async def test_a_name_that_answers_differently_each_time_leads_only_where_it_was_checked(
    sender: HttpSender, server: NameServer, time: Time
) -> None:
    turns = iter(["127.0.0.1", "10.0.0.1"] * 10)

    def turning(data: bytes, kind: int) -> list[bytes]:
        return [honest(data, kind, next(turns) if kind == A else "")]

    server.records["turning.example"] = turning
    async with Receiver(answer()) as receiver:
        got = []
        for _ in range(6):
            got.append((await sent(sender, receiver, "turning.example")).failure)
            time.now += 2
    assert got == [None, Failure.ADDRESS] * 3
    assert len(receiver.requests) == 3


async def test_a_dead_ipv6_costs_no_attempt(sender: HttpSender, server: NameServer) -> None:
    server.records["both.example"] = (60, "::1 127.0.0.1")
    async with Receiver(answer()) as receiver:
        with black_hole("::1", receiver.port):
            silent = await sent(sender, receiver, "both.example")
        closed = await sent(sender, receiver, "both.example")
    assert (silent.failure, silent.address) == (None, receiver.address)
    assert (closed.failure, closed.address) == (None, receiver.address)


# --- servers that fail -----------------------------------------------------------------------------------------------


async def test_a_name_without_addresses_is_a_failed_attempt(sender: HttpSender, server: NameServer) -> None:
    server.records["empty.example"] = (60, "")
    async with Receiver(answer()) as receiver:
        got = [await sent(sender, receiver, host) for host in ("empty.example", "unknown.example")]
    assert [one.failure for one in got] == [Failure.DNS] * 2
    assert all("does not exist in DNS or has no address" in one.detail for one in got)


async def test_a_name_server_that_never_answers_holds_up_nobody_else(sender: HttpSender, server: NameServer) -> None:
    server.records |= {f"dead{number}.example": None for number in range(200)}
    async with Receiver(answer()) as receiver:
        dead = [asyncio.create_task(sent(sender, receiver, f"dead{n}.example", within=20)) for n in range(200)]
        good = [(await sent(sender, receiver, "good.example")).failure for _ in range(20)]
        assert not any(task.done() for task in dead)
        for task in dead:
            task.cancel()
        await asyncio.gather(*dead, return_exceptions=True)
    assert good == [None] * 20


def spoilt(name: str) -> Odd:
    """What a server, or somebody in its place, says instead of an answer."""

    def behave(data: bytes, kind: int) -> list[bytes]:
        fine = honest(data, kind, "127.0.0.1")
        return {
            "nothing": [b""],
            "short": [fine[:7]],
            "noise": [fine[:2] + b"\xff" * 60],
            "cut off": [fine[:-3]],
            "pointers": [fine[:12] + b"\xc0\x0c" * 20],
            "counts": [fine[:6] + b"\xff\xff" + fine[8:]],
            "no answer": [data],
            "truncated": [cut(data, kind)],
        }[name]

    return behave


@pytest.mark.parametrize(
    "how", ["nothing", "short", "noise", "cut off", "pointers", "counts", "no answer", "truncated"]
)
async def test_nonsense_from_a_name_server_is_a_failed_attempt_within_its_time(
    sender: HttpSender, server: NameServer, how: str
) -> None:
    server.records["odd.example"] = spoilt(how)
    async with Receiver(answer()) as receiver:
        got = await sent(sender, receiver, "odd.example", within=0.5)
        assert (got.failure, receiver.connections) == (Failure.DNS, 0)
        assert "odd.example" in got.detail
        # and the next name is answered as if nothing had been
        assert (await sent(sender, receiver, "good.example")).failure is None


async def test_a_forged_answer_does_not_take_the_place_of_the_right_one(sender: HttpSender, server: NameServer) -> None:
    def raced(data: bytes, kind: int) -> list[bytes]:
        forged = honest(data, kind, "127.0.0.66")
        other = bytes([forged[0] ^ 1]) + forged[1:]
        asked = forged.replace(b"\x05raced", b"\x05other", 1)
        return [other, asked, honest(data, kind, "127.0.0.1")]

    server.records["raced.example"] = raced
    async with Receiver(answer()) as receiver:
        got = await sent(sender, receiver, "raced.example")
    assert (got.failure, got.address) == (None, receiver.address)
