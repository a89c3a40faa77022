"""Where the sender may connect, at the moment when it does: names, changes between check and connect, kept connections."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pycurl
import pytest
from typing_extensions import override

from goniec.core.model import Failure
from goniec.send.curl import Driver
from goniec.send.guard import Checked
from goniec.send.http import HttpSender
from goniec.send.resolve import Resolution, Unresolved
from goniec.send.transfer import Aim, Pin, Transfer, make_pin
from tests.contract.send.conftest import LOOPBACK, make_sender, networks, post
from tests.contract.send.names import Names
from tests.contract.send.receivers import Receiver, answer
from tests.contract.send.test_guard import PRIVATE_FORMS


@pytest.fixture
async def strict(names: Names) -> AsyncIterator[HttpSender]:
    """A sender that may reach 127.0.0.0/8 but no other private network, and not ::1."""
    made = HttpSender(names, allowed=networks("127.0.0.0/8"))
    yield made
    await made.close()


# --- addresses in the URL --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", PRIVATE_FORMS)
async def test_an_address_that_is_not_public_is_refused_at_every_attempt(names: Names, host: str) -> None:
    sender = HttpSender(names)
    async with Receiver(answer()) as receiver:
        got = await sender.send(post(f"http://{host}:{receiver.port}/secret-path"))
    await sender.close()
    assert (got.failure, got.status, got.address) == (Failure.ADDRESS, None, None)
    assert "GONIEC_ALLOW_NETWORKS" in got.detail
    assert "secret-path" not in got.detail
    assert (receiver.connections, names.asked) == (0, [])


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "①②⑦.⓪.⓪.①", "localhost", "foo.localhost."])
async def test_an_allowed_address_is_reached_in_every_form(strict: HttpSender, names: Names, host: str) -> None:
    async with Receiver(answer()) as receiver:
        got = await strict.send(post(receiver.url(host=host)))
    assert (got.failure, got.address) == (None, receiver.address)
    assert names.asked == []


async def test_localhost_goes_to_the_loopback_address_that_is_allowed(names: Names) -> None:
    sender = HttpSender(names, allowed=networks("::1"))
    async with Receiver(answer(), host="::1") as receiver:
        got = await sender.send(post(receiver.url(host="localhost")))
    await sender.close()
    assert (got.failure, got.address) == (None, receiver.address)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://good@127.0.0.1/", "http://127.0.0.1:0/", "nonsense", ""])
async def test_what_could_not_be_saved_is_not_sent_either(sender: HttpSender, url: str) -> None:
    assert (await sender.send(post(url))).failure is Failure.ADDRESS


async def test_A40_credentials_in_a_stored_url_are_neither_used_nor_shown(sender: HttpSender) -> None:
    async with Receiver(answer()) as receiver:
        got = await sender.send(post(receiver.url().replace("//", "//jan:tajne@")))
    assert got.failure is Failure.ADDRESS
    assert "tajne" not in got.detail
    assert receiver.connections == 0


async def test_goniec_itself_is_not_reached_by_address_or_name(names: Names) -> None:
    async with Receiver(answer()) as receiver:
        sender = HttpSender(names, allowed=LOOPBACK, own=[("0.0.0.0", receiver.port)])  # noqa: S104 - not bound here
        got = [await sender.send(post(receiver.url(host=host))) for host in ("127.0.0.1", "localhost", "good.example")]
        await sender.close()
    assert [one.failure for one in got] == [Failure.ADDRESS] * 3
    assert all("Goniec itself" in one.detail for one in got)
    assert receiver.connections == 0


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("addresses", ["127.0.0.1 10.0.0.1", "10.0.0.1 127.0.0.1", "127.0.0.1 ::1", "8.8.8.8 10.0.0.1"])
async def test_a_name_with_one_forbidden_address_is_refused_whole(
    strict: HttpSender, names: Names, addresses: str
) -> None:
    names.set("mixed.example", addresses)
    async with Receiver(answer()) as receiver:
        got = await strict.send(post(receiver.url(host="mixed.example")))
    assert (got.failure, got.address) == (Failure.ADDRESS, None)
    assert "mixed.example leads to" in got.detail
    assert receiver.connections == 0


async def test_A45_a_name_that_turns_private_later_is_a_failed_attempt_with_that_code(
    strict: HttpSender, names: Names
) -> None:
    async with Receiver(answer()) as receiver:
        url = receiver.url(host="good.example")
        before = await strict.send(post(url))
        names.set("good.example", "10.0.0.1")
        after = await strict.send(post(url))
        names.set("good.example", "127.0.0.1")
        again = await strict.send(post(url))
    assert [before.failure, after.failure, again.failure] == [None, Failure.ADDRESS, None]
    assert "10.0.0.1 to GONIEC_ALLOW_NETWORKS" in after.detail
    assert len(receiver.requests) == 2


async def test_a_name_that_changes_with_every_question_is_only_reached_where_it_was_checked() -> None:
    class Rebinding(Names):
        @override
        async def resolve(self, host: str, limit: float) -> Resolution:
            await super().resolve(host, limit)
            return ("127.0.0.1",) if len(self.asked) % 2 else ("127.0.0.2",)

    names = Rebinding()
    sender = HttpSender(names, allowed=networks("127.0.0.1"))
    async with Receiver(answer()) as receiver, Receiver(answer(), host="127.0.0.2", port=receiver.port) as inside:
        got = [(await sender.send(post(receiver.url(host="evil.example")))).failure for _ in range(6)]
        await sender.close()
    assert got == [None, Failure.ADDRESS] * 3
    assert (len(receiver.requests), inside.connections, len(names.asked)) == (3, 0, 6)


@pytest.mark.parametrize("before", ["127.0.0.1", "127.0.0.1 127.0.0.2"])
@pytest.mark.parametrize("after", ["127.0.0.3", "127.0.0.3 127.0.0.4"])
async def test_a_kept_connection_does_not_outlive_its_addresses(
    sender: HttpSender, names: Names, before: str, after: str
) -> None:
    names.set("moving.example", before)
    async with Receiver(answer()) as old, Receiver(answer(), host="127.0.0.3", port=old.port) as new:
        url = old.url(host="moving.example")
        first = [await sender.send(post(url)) for _ in range(2)]
        names.set("moving.example", after)
        second = [await sender.send(post(url)) for _ in range(2)]
    assert [one.address for one in first + second] == [old.address] * 2 + [new.address] * 2
    assert (old.connections, len(old.requests)) == (1, 2)
    assert (new.connections, len(new.requests)) == (1, 2)


async def test_the_same_addresses_in_another_order_keep_the_connection(sender: HttpSender, names: Names) -> None:
    async with Receiver(answer()) as receiver:
        for order in ("127.0.0.1 127.0.0.2", "127.0.0.2 127.0.0.1", "127.0.0.1 127.0.0.2"):
            names.set("round.example", order)
            assert (await sender.send(post(receiver.url(host="round.example")))).failure is None
    assert receiver.connections == 1


async def test_two_names_with_one_address_share_no_connection(sender: HttpSender, names: Names) -> None:
    names.set("other.example", "127.0.0.1")
    async with Receiver(answer()) as receiver:
        for host in ("good.example", "other.example"):
            await sender.send(post(receiver.url(host=host)))
    assert [request.header("host") for request in receiver.requests] == [
        f"good.example:{receiver.port}",
        f"other.example:{receiver.port}",
    ]
    assert receiver.connections == 2


async def test_A28_a_name_that_does_not_resolve_for_a_while(sender: HttpSender, names: Names) -> None:
    names.set("late.example", Unresolved("late.example does not exist; check the name."))
    async with Receiver(answer()) as receiver:
        url = receiver.url(host="late.example")
        before = await sender.send(post(url))
        names.set("late.example", "127.0.0.1")
        after = await sender.send(post(url))
    assert (before.failure, before.status, before.detail) == (
        Failure.DNS,
        None,
        "late.example does not exist; check the name.",
    )
    assert after.failure is None


async def test_names_with_dead_dns_do_not_hold_up_the_others(sender: HttpSender, names: Names) -> None:
    for number in range(200):
        names.set(f"dead{number}.example", None)
    async with Receiver(answer()) as receiver:
        dead = [asyncio.create_task(sender.send(post(f"http://dead{number}.example/"))) for number in range(200)]
        good = [(await sender.send(post(receiver.url(host="good.example")))).failure for _ in range(20)]
        assert not any(task.done() for task in dead)
        for task in dead:
            task.cancel()
        await asyncio.gather(*dead, return_exceptions=True)
    assert good == [None] * 20


async def test_the_time_for_the_name_counts(sender: HttpSender) -> None:
    got = await sender.send(post("http://dead.example/", timeout=0.05))
    assert got.failure is Failure.DNS
    # the loop counts in whole milliseconds from when its turn began: a timer may ring up to one early
    assert got.millis >= 49


async def test_only_so_many_hosts_stay_pinned(
    sender: HttpSender, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("goniec.send.http.TARGETS_KEPT", 2)
    async with Receiver(answer()) as receiver:
        for number in (1, 2, 3, 1, 4):
            names.set(f"h{number}.example", "127.0.0.1")
            assert (await sender.send(post(receiver.url(host=f"h{number}.example")))).failure is None
    assert [host for host, _ in sender._pins] == ["h1.example", "h4.example"]


async def test_a_fault_of_our_own_is_an_answer_too(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Names):
        @override
        async def resolve(self, host: str, limit: float) -> Resolution:
            raise RuntimeError(f"{host} was not looked up within {limit} s")

    sender = make_sender(Broken())
    got = await sender.send(post("http://good.example/secret-path"))
    await sender.close()
    assert got.failure is Failure.INTERNAL
    assert "its log says more" in got.detail
    assert "secret-path" not in caplog.text


# --- the last word, when the socket is opened ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "pinned", "reason"),
    [
        ("127.0.0.1", ("127.0.0.2",), "127.0.0.1 was not among the checked addresses"),
        ("127.0.0.1", ("127.0.0.1",), "127.0.0.1 is a loopback address"),
    ],
)
async def test_a_socket_is_only_opened_to_an_address_that_was_checked_and_still_holds(
    address: str, pinned: tuple[str, ...], reason: str
) -> None:
    """The guard lets nothing through that would come to this; so libcurl is led past it here."""
    strict = HttpSender(Names())
    driver = Driver()
    transfer = Transfer(driver, strict._judge, strict._authorities)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        pin = Pin(frozenset(pinned), [f"::{address}:{port}"])
        transfer.prepare(post("http://h/"), Aim(Checked("http", "h", port, "/"), pin, []), tell=False, timeout=5)
        code, _ = await transfer.run()
    driver.close()
    await strict.close()
    assert (code, transfer.refused, transfer.opened) == (pycurl.E_COULDNT_CONNECT, reason, False)


def test_a_pin_of_several_addresses_has_a_name_of_its_own() -> None:
    one, other = make_pin(("127.0.0.1", "::1"), 80), make_pin(("::1", "127.0.0.1"), 80)
    assert one.connect_to == other.connect_to != make_pin(("::1", "127.0.0.2"), 80).connect_to
    assert make_pin(("::1",), 80).connect_to == ["::[::1]:80"]
    assert one.resolve is not None
    assert one.resolve[0].endswith(":80:127.0.0.1,::1")
