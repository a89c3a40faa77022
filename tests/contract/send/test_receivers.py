"""Receivers that misbehave: what one attempt makes of each, and how many requests it saw."""

import asyncio
import gzip
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from goniec.core.model import Failure
from goniec.send import curl
from goniec.send.http import HttpSender
from tests.contract.send.conftest import make_sender, post
from tests.contract.send.names import Names
from tests.contract.send.receivers import (
    Behaviour,
    Receiver,
    Talk,
    answer,
    black_hole,
    drip,
    flood,
    hang,
    say,
    stop_reading,
    unused_port,
    wait_for,
)

if TYPE_CHECKING:
    from goniec.ports import Answer

OK = b"HTTP/1.1 200 OK\r\n"
SHORT = 0.3
"""Seconds for an attempt that is bound to reach its time-out."""


# --- too slow --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "behaviour",
    [hang, drip(b"a", OK + b"X-Slow: "), drip(b"X: y\r\n", OK), drip(b"HTTP/1.1 100 Continue\r\n\r\n")],
    ids=["silence", "slow line", "slow lines", "slow interim answers"],
)
async def test_a_head_that_does_not_come_whole_in_time_is_a_time_out(sender: HttpSender, behaviour: Behaviour) -> None:
    async with Receiver(behaviour) as receiver:
        got = await sender.send(post(receiver.url(), timeout=SHORT))
    assert (got.failure, got.status) == (Failure.TIMEOUT, None)
    assert "0.3 s" in got.detail
    assert got.address == receiver.address
    assert 300 <= got.millis < 5000
    assert got.sent is not None
    assert got.sent < 300, "the request had gone out before the wait for the answer"
    assert len(receiver.requests) == 1


async def test_transfers_whose_time_is_up_at_once_while_bytes_of_both_lie_unread(sender: HttpSender) -> None:
    """They end together when libcurl is told of the first, and it closes the connection of the second."""
    faults: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
    talks: list[Talk] = []
    begun = asyncio.Barrier(3)

    async def behave(talk: Talk) -> None:
        await talk.write(OK + b"\r\n")
        talks.append(talk)
        await begun.wait()
        await talk.hold()

    async with Receiver(behave) as receiver:
        sending = [asyncio.create_task(sender.send(post(receiver.url(), timeout=SHORT))) for _ in range(2)]
        await begun.wait()
        for _ in range(curl.TURNS_FREE + 1):
            for talk in talks:
                talk.writer.write(b"x")
            await asyncio.sleep(0.01)
        for talk in talks:
            talk.writer.write(b"x")
        stall(SHORT)
        got = await asyncio.gather(*sending)
    assert [(one.status, one.note) for one in got] == [(200, "timeout")] * 2
    assert faults == []


def stall(seconds: float) -> None:
    """Hold up the whole loop."""
    time.sleep(seconds)


async def test_a_receiver_that_never_reads_is_a_time_out(sender: HttpSender) -> None:
    async with Receiver(answer(), greet=stop_reading) as receiver:
        got = await sender.send(post(receiver.url(), b"x" * 20_000_000, timeout=SHORT))
    assert got.failure is Failure.TIMEOUT
    assert (receiver.connections, receiver.requests) == (1, [])


@pytest.mark.parametrize("length", ["", "Content-Length: 1000000\r\n", "Transfer-Encoding: chunked\r\n"])
async def test_a_body_that_does_not_end_in_time_is_delivered_and_noted(sender: HttpSender, length: str) -> None:
    async with Receiver(drip(b"1\r\na\r\n", OK + length.encode() + b"\r\n")) as receiver:
        got = await sender.send(post(receiver.url(), timeout=SHORT))
    assert (got.failure, got.status, got.note) == (None, 200, "timeout")
    assert len(receiver.requests) == 1


async def test_a_failing_status_stays_one_when_its_body_does_not_end(sender: HttpSender) -> None:
    async with Receiver(drip(b"a", b"HTTP/1.1 500 No\r\n\r\n")) as receiver:
        got = await sender.send(post(receiver.url(), timeout=SHORT))
    assert (got.failure, got.status, got.note) == (Failure.SERVER, 500, None)


async def test_a_black_hole_is_a_time_out_of_the_connection(sender: HttpSender) -> None:
    with black_hole() as port:
        got = await sender.send(post(f"http://127.0.0.1:{port}/", timeout=5, connect=SHORT))
    assert got.failure is Failure.CONNECT_TIMEOUT
    assert "0.3 s" in got.detail
    assert got.millis < 5000
    assert got.sent is None


async def test_nobody_there_is_a_failed_connection(sender: HttpSender) -> None:
    with unused_port() as port:
        got = await sender.send(post(f"http://127.0.0.1:{port}/secret-path"))
    assert got.failure is Failure.CONNECT
    assert f"127.0.0.1 port {port}" in got.detail
    assert "secret-path" not in got.detail


async def test_slow_receivers_do_not_hold_up_the_others(sender: HttpSender) -> None:
    with black_hole() as port:
        async with Receiver(hang) as slow, Receiver(answer()) as receiver:
            stuck = [
                asyncio.create_task(sender.send(post(url, timeout=30, connect=30)))
                for url in [slow.url()] * 50 + [f"http://127.0.0.1:{port}/"] * 50
            ]
            done = [(await sender.send(post(receiver.url()))).failure for _ in range(20)]
            assert not any(task.done() for task in stuck)
            for task in stuck:
                task.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)
    assert done == [None] * 20


async def test_an_answer_after_the_time_out_does_not_reach_the_next_request(sender: HttpSender) -> None:
    gate = asyncio.Event()
    late = wait_for(gate, answer(200, b"late"))
    async with Receiver([late, answer(200, b"second")]) as receiver:
        first = await sender.send(post(receiver.url(), b"1", timeout=SHORT))
        gate.set()
        second = await sender.send(post(receiver.url(), b"2"))
    assert (first.failure, second.failure, second.body) == (Failure.TIMEOUT, None, b"second")
    assert [request.body for request in receiver.requests] == [b"1", b"2"]


async def test_cancelling_breaks_the_request_off(sender: HttpSender) -> None:
    gone = asyncio.Event()

    async def see_it_go(talk: Talk) -> None:
        await talk.hold()
        gone.set()

    async with Receiver([see_it_go, answer()]) as receiver:
        task = asyncio.create_task(sender.send(post(receiver.url(), timeout=60)))
        await receiver.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gone.wait()
        assert (await sender.send(post(receiver.url()))).failure is None


async def test_closing_the_sender_ends_what_is_under_way(names: Names) -> None:
    sender = make_sender(names)
    async with Receiver(hang) as receiver:
        task = asyncio.create_task(sender.send(post(receiver.url(), timeout=60)))
        await receiver.asked.wait()
        await sender.close()
        got = await task
    assert got.failure is Failure.INTERNAL
    assert "stopping" in got.detail


# --- too much --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [OK + b"\r\n", OK + b"Content-Length: 99999999999\r\n\r\n"],
)
async def test_an_endless_body_is_delivered_capped_and_noted(sender: HttpSender, first: bytes) -> None:
    async with Receiver(flood(b"x" * 65536, first)) as receiver:
        got = await sender.send(post(receiver.url()))
    assert (got.failure, got.note) == (None, "answerLong")
    assert got.body == b"x" * 4096


async def test_a_compressed_answer_is_neither_asked_for_nor_unpacked(sender: HttpSender) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < 64 * 1024
    async with Receiver(answer(200, bomb, ["Content-Encoding: gzip"])) as receiver:
        got = await sender.send(post(receiver.url()))
    assert (got.failure, got.note) == (None, None)
    assert got.body == bomb[:4096]
    assert receiver.requests[0].header("accept-encoding") is None


@pytest.mark.parametrize(
    "head",
    [
        OK + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n",
        OK + b"X: y\r\n" * 10_000 + b"\r\n",
        OK + (b"X: " + b"y" * 1000 + b"\r\n") * 100 + b"\r\n",
        b"HTTP/1.1 103 Early\r\n\r\n" * 10_000 + OK + b"\r\n",
        b"HTTP/1.1 204 No\r\n" + b"X: " + b"x" * 99_000 + b"\r\n\r\n",
    ],
    ids=["one line of 1 MB", "10,000 lines", "100 KB in lines", "10,000 interim answers", "one line of 99 KB"],
)
async def test_a_head_that_is_too_large_is_a_failed_attempt(sender: HttpSender, head: bytes) -> None:
    async with Receiver(say(head, "hold")) as receiver:
        got = await sender.send(post(receiver.url()))
    assert (got.failure, got.status) == (Failure.HEAD_TOO_LARGE, None)
    assert len(got.head) <= 16 * 1024
    assert len(receiver.requests) == 1


async def test_endless_interim_answers_end(sender: HttpSender) -> None:
    async with Receiver(flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)) as receiver:
        got = await sender.send(post(receiver.url()))
    assert got.failure is Failure.HEAD_TOO_LARGE


async def test_endless_trailers_are_delivered_and_noted(sender: HttpSender) -> None:
    first = OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
    async with Receiver(flood(b"X: y\r\n" * 1000, first)) as receiver:
        got = await sender.send(post(receiver.url()))
    assert (got.failure, got.note) == (None, "answerCut")


ENDLESS_CHUNK = OK + b"Transfer-Encoding: chunked\r\n\r\n1;"
"""The extension of a chunk: neither head nor body."""


async def test_an_endless_chunk_extension_is_delivered_and_noted(sender: HttpSender) -> None:
    cut = asyncio.Event()

    async def behave(talk: Talk) -> None:
        try:
            await flood(b"a" * 65536, ENDLESS_CHUNK)(talk)
        finally:
            cut.set()

    async with Receiver(behave) as receiver:
        got = await sender.send(post(receiver.url(), timeout=60))
        await cut.wait()
    assert (got.failure, got.status, got.note, got.body) == (None, 200, "answerLong", b"")


async def test_an_endless_chunk_extension_on_a_kept_connection(sender: HttpSender) -> None:
    many = 40
    behaviours = [*[answer(200, b"x" * 10_000)] * many, flood(b"a" * 65536, ENDLESS_CHUNK)]
    async with Receiver(behaviours) as receiver:
        got = [await sender.send(post(receiver.url(), timeout=60)) for _ in behaviours]
    assert receiver.connections == 1
    assert [one.note for one in got] == [*[None] * many, "answerLong"]


async def test_an_answer_in_many_small_pieces_is_read_to_its_cap_all_the_same(sender: HttpSender) -> None:
    async def behave(talk: Talk) -> None:
        await talk.write(OK + b"Content-Length: 500\r\n\r\n")
        for _ in range(500):
            await talk.write(b"x")
            await asyncio.sleep(0)

    async with Receiver(behave) as receiver:
        got = await sender.send(post(receiver.url()))
    assert (got.failure, got.note, got.body) == (None, None, b"x" * 500)


async def test_an_answer_that_wakes_us_for_ever_is_cut(sender: HttpSender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curl, "TURNS_MAX", 20)
    async with Receiver(drip(b"x", OK + b"\r\n", every=0.001)) as receiver:
        got = await sender.send(post(receiver.url(), timeout=60))
    assert (got.failure, got.note) == (None, "answerLong")
    assert 0 < len(got.body) < 1000


# --- broken off ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [
        (say(b"", "reset"), Failure.RESET),
        (say(b"", "close"), Failure.EMPTY),
        (say(b"HTTP/1.1 2", "close"), Failure.EMPTY),
        (say(OK, "close"), Failure.CUT),
        (say(OK + b"Content-Le", "close"), Failure.CUT),
        (say(OK + b"Content-Length: 0\r\n", "close"), Failure.CUT),
        (say(b"HTTP/1.1 500 No\r\nX: y\r\n", "close"), Failure.CUT),
        (say(b"HTTP/1.1 100 Continue\r\n\r\n", "close"), Failure.INFORMATIONAL),
        (say(b"HTTP/1.1 103 Early\r\n\r\n", "close"), Failure.INFORMATIONAL),
        (say(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "close"), Failure.INFORMATIONAL),
        (say(b"HTTP/1.1 199 What\r\n\r\n", "close"), Failure.INFORMATIONAL),
    ],
)
async def test_a_connection_that_ends_before_a_whole_head_is_one_failed_attempt(
    sender: HttpSender, behaviour: Behaviour, failure: Failure
) -> None:
    async with Receiver(behaviour) as receiver:
        got = await sender.send(post(receiver.url()))
    assert (got.failure, got.status) == (failure, None)
    assert len(receiver.requests) == 1


async def test_switching_protocols_is_a_failed_attempt_even_when_the_connection_stays(sender: HttpSender) -> None:
    async with Receiver(say(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n", "hold")) as receiver:
        got = await sender.send(post(receiver.url(), timeout=SHORT))
    assert got.failure is Failure.INFORMATIONAL


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 1000\r\n\r\npart",
        b"Transfer-Encoding: chunked\r\n\r\n100\r\npart",
        b"Transfer-Encoding: chunked\r\n\r\nno hex\r\npart",
    ],
)
@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_body_that_is_cut_is_delivered_and_noted(sender: HttpSender, rest: bytes, end: str) -> None:
    async def behave(talk: Talk) -> None:
        await talk.write(OK + rest)
        # a reset takes away what has not been read yet; the sender reads in the same loop
        for _ in range(10):
            await asyncio.sleep(0.001)
        await say(b"", end)(talk)

    async with Receiver(behave) as receiver:
        got = await sender.send(post(receiver.url()))
    assert (got.failure, got.status, got.note) == (None, 200, "answerCut")
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("raw", "note"),
    [
        (OK + b"Content-Length: 2\r\n\r\nOK and more", None),
        (OK + b"Content-Length: 2\r\n\r\nOKHTTP/1.1 500 Smuggled\r\nContent-Length: 0\r\n\r\n", None),
        (OK + b"Content-Length: 20\r\n\r\nOK", "timeout"),
        (b"HTTP/1.1 204 No\r\n\r\nbody where none may be", None),
    ],
    ids=["too short", "an answer behind the answer", "too long", "a body with 204"],
)
async def test_a_wrong_content_length_never_mixes_answers_up(sender: HttpSender, raw: bytes, note: str | None) -> None:
    async with Receiver([say(raw, "keep"), answer(201, b"second")]) as receiver:
        first = await sender.send(post(receiver.url(), b"1", timeout=SHORT))
        second = await sender.send(post(receiver.url(), b"2"))
    assert (first.failure, first.note) == (None, note)
    assert (second.status, second.body) == (201, b"second")
    assert [request.body for request in receiver.requests] == [b"1", b"2"]


# --- kept connections ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_connection_closed_while_idle_costs_no_request(sender: HttpSender, end: str) -> None:
    async with Receiver(answer()) as receiver:
        for body in (b"1", b"2", b"3"):
            assert (await sender.send(post(receiver.url(), body))).failure is None
            await receiver.end_connections(end)
            await noticed(sender)
    assert [(request.body, request.connection) for request in receiver.requests] == [(b"1", 0), (b"2", 1), (b"3", 2)]


async def test_what_comes_in_on_an_idle_connection_answers_no_later_request(sender: HttpSender) -> None:
    async with Receiver([answer(), answer(500)]) as receiver:
        assert (await sender.send(post(receiver.url()))).failure is None
        receiver.shout(OK + b"Content-Length: 0\r\n\r\n")
        await noticed(sender)
        got = await sender.send(post(receiver.url()))
    assert (got.failure, got.status) == (Failure.SERVER, 500)
    assert [request.connection for request in receiver.requests] == [0, 1]


async def noticed(sender: HttpSender) -> None:
    """Wait until the sender has seen that something happened to each idle connection."""
    assert sender._driver is not None
    for _ in range(5000):
        if not sender._driver._stirred:
            return
        await asyncio.sleep(0.001)
    pytest.fail("the sender watches its idle connections no more")


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_kept_connection_closed_on_the_request_is_one_request_and_one_logged_attempt(
    sender: HttpSender, end: str
) -> None:
    async with Receiver([answer(), say(b"", end), answer()]) as receiver:
        first = await sender.send(post(receiver.url(), b"1"))
        second = await sender.send(post(receiver.url(), b"2"))
        third = await sender.send(post(receiver.url(), b"2", fresh=True))
    assert [first.failure, second.failure, third.failure] == [None, Failure.STALE, None]
    assert [(request.body, request.connection) for request in receiver.requests] == [(b"1", 0), (b"2", 0), (b"2", 1)]


async def test_an_empty_body_is_not_sent_twice_either(sender: HttpSender) -> None:
    async with Receiver([answer(), say(b"", "close"), answer()]) as receiver:
        await sender.send(post(receiver.url()))
        got = await sender.send(post(receiver.url(), b""))
    assert got.failure is Failure.EMPTY
    assert len(receiver.requests) == 2


async def test_many_at_once_over_connections_that_come_and_go(sender: HttpSender) -> None:
    """Descriptors are used again under other numbers while the driver watches them."""
    kinds = [answer(200), answer(200, close=True), say(OK + b"\r\nuntil closed", "close"), say(b"", "reset")]
    async with Receiver([kinds[number % 7 % 4] for number in range(600)]) as receiver:
        answers: list[Answer] = []

        async def work(worker: int) -> None:
            answers.extend([await sender.send(post(receiver.url(), b"%d" % worker)) for _ in range(20)])

        await asyncio.gather(*map(work, range(30)))
    assert len(receiver.requests) == len(answers) == 600
    assert {got.failure for got in answers} <= {None, Failure.RESET, Failure.STALE}


async def test_a_receiver_that_fails_every_other_call(sender: HttpSender) -> None:
    async with Receiver([answer(200), answer(500)] * 4) as receiver:
        got = [(await sender.send(post(receiver.url()))).failure for _ in range(8)]
    assert got == [None, Failure.SERVER] * 4
    assert len(receiver.requests) == 8


# --- not HTTP --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"hello\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\x00" * 100,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 20 Short\r\n\r\n",
        b"HTTP/1.1 000 None\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2 200\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/3.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.9 200 OK\r\nContent-Length: 0\r\n\r\n",
        OK + b"no colon\r\n\r\n",
        OK + b"Content-Length: abc\r\n\r\n",
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        OK + b"Transfer-Encoding: gzip\r\n\r\nab",
        OK + b"X: nul\0nul\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_a_failed_attempt(sender: HttpSender, raw: bytes) -> None:
    async with Receiver(say(raw)) as receiver:
        got = await sender.send(post(receiver.url()))
    assert (got.failure, got.status) == (Failure.NOT_HTTP, None)
    assert got.detail.isprintable()
    assert len(receiver.requests) == 1


async def test_bytes_that_are_no_text_arrive_as_they_are(sender: HttpSender) -> None:
    head = OK + b"X-Odd: \xff\xfe\x01\xc5\r\nContent-Length: 7\r\n\r\n"
    async with Receiver(say(head + b"\x00\xff\xfe\xed\xa0\x80\x00", "keep")) as receiver:
        got = await sender.send(post(receiver.url()))
    assert got.failure is None
    assert (got.head, got.body) == (head, b"\x00\xff\xfe\xed\xa0\x80\x00")
    assert got.detail.isprintable()


async def test_410_says_that_it_is_gone(sender: HttpSender) -> None:
    async with Receiver(answer(410)) as receiver:
        got = await sender.send(post(receiver.url()))
    assert (got.failure, got.status) == (Failure.GONE, 410)


# --- several addresses -----------------------------------------------------------------------------------------------


async def test_a_refused_first_address_falls_back_to_the_next_within_the_attempt(names: Names) -> None:
    names.set("both.example", "::1 127.0.0.1")
    sender = make_sender(names)
    async with Receiver(answer()) as receiver:
        got = await sender.send(post(receiver.url(host="both.example")))
        await sender.close()
    assert (got.failure, got.address) == (None, receiver.address)
    assert len(receiver.requests) == 1


async def test_dead_ipv6_falls_back_to_ipv4_within_the_attempt(names: Names) -> None:
    names.set("both.example", "::1 127.0.0.1")
    sender = make_sender(names)
    async with Receiver(answer()) as receiver:
        with black_hole("::1", receiver.port):
            got = await sender.send(post(receiver.url(host="both.example"), timeout=5, connect=3))
        await sender.close()
    assert (got.failure, got.address) == (None, receiver.address)
    assert len(receiver.requests) == 1


async def test_ipv6_is_used_where_it_works(names: Names) -> None:
    names.set("both.example", "::1 127.0.0.1")
    sender = make_sender(names)
    async with Receiver(answer(), host="::1") as receiver:
        got = [await sender.send(post(url)) for url in (receiver.url(host="both.example"), receiver.url())]
        await sender.close()
    assert [(one.failure, one.address) for one in got] == [(None, receiver.address)] * 2


async def test_all_addresses_dead_is_one_failed_attempt(names: Names) -> None:
    names.set("both.example", "::1 127.0.0.1")
    sender = make_sender(names)
    with unused_port() as port:
        got = await sender.send(post(f"http://both.example:{port}/"))
    await sender.close()
    assert got.failure is Failure.CONNECT
    assert got.address is None


def test_the_loopback_has_ipv6() -> None:
    """Without it the tests above would prove nothing."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6):
        pass
