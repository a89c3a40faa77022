"""The built-in receiver: what it checks, how it misbehaves, what it prints."""

import asyncio
import json
import re
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from goniec.cli.receive import shown
from goniec.cli.receiver import BODY_LIMIT, Demands, Received, Receiver
from goniec.cli.terminal import printable, shown_header
from goniec.core.signing import basic, encode_secret, sign
from tests.cli.commands import goniec, line_with, running

SECRET = b"s" * 32
NOW = 1_764_000_000_000


def post(body: bytes = b"{}", *headers: str, method: str = "POST") -> bytes:
    lines = [f"{method} /hook?a=1 HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def signed(body: bytes, secret: bytes = SECRET, at: int = NOW // 1000) -> list[str]:
    return [
        "webhook-id: dlv_1",
        f"webhook-timestamp: {at}",
        f"webhook-signature: {sign((secret,), 'dlv_1', at, body)}",
    ]


@asynccontextmanager
async def receiving(demands: Demands) -> AsyncIterator[tuple[int, list[Received]]]:
    seen: list[Received] = []
    receiver = Receiver(demands, seen.append, lambda: NOW)
    port = await receiver.start()
    try:
        yield port, seen
    finally:
        await receiver.close()


async def tell(port: int, *pieces: bytes) -> str:
    """Send pieces, say that there is no more, and give all that came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
        return (await reader.read()).decode()
    finally:
        writer.close()
        await writer.wait_closed()


def statuses(answer: str) -> list[str]:
    return re.findall(r"^HTTP/1.1 (\d+ .*)\r$", answer, re.MULTILINE)


async def test_a_request_comes_through_as_it_was() -> None:
    body = '{"name":"Zażółć"}'.encode()
    async with receiving(Demands()) as (port, seen):
        answer = await tell(port, post(body, "Goniec-Cause: é", "X-A: 1"))
    assert statuses(answer) == ["200 OK"]
    (received,) = seen
    assert (received.method, received.target, received.body) == ("POST", "/hook?a=1", body)
    assert received.headers[-2:] == (("Goniec-Cause", "é"), ("X-A", "1"))
    assert (received.header("x-a"), received.header("nothing")) == ("1", None)
    assert (received.at, received.fault, received.status) == (NOW, None, 200)


async def test_requests_on_one_connection_are_answered_in_turn_however_they_are_cut() -> None:
    both = post(b"1") + post(b"2")
    async with receiving(Demands(statuses=(500, 204, 200))) as (port, seen):
        answer = await tell(port, *(both[n : n + 7] for n in range(0, len(both), 7)))
        assert statuses(await tell(port, both)) == ["200 OK", "500 Internal Server Error"]
    assert statuses(answer) == ["500 Internal Server Error", "204 No Content"]
    assert "Content-Length" not in answer.partition("204")[2]
    assert [received.body for received in seen[:2]] == [b"1", b"2"]


async def test_a_connection_is_closed_when_the_sender_says_so() -> None:
    async with receiving(Demands()) as (port, seen):
        answer = await tell(port, post(b"", "Connection: close") + post(b"never read"))
    assert "Connection: close" in answer
    assert len(seen) == 1


async def test_chunked_bodies_and_expect() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"
    async with receiving(Demands()) as (port, seen):
        answer = await tell(port, head, b"2\r\nab\r\n", b"1\r\nc\r\n0\r\n\r\n")
    assert statuses(answer) == ["100 Continue", "200 OK"]
    assert seen[0].body == b"abc"


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        ([], "no user name and password"),
        (["Authorization: " + basic("jan", "wrong")], "wrong user name and password"),
        (["Authorization: Bearer abc"], "wrong user name and password"),
        (["Authorization: " + basic("jan", "żółw")], None),
        (["authorization: " + basic("jan", "żółw").replace("Basic", "bAsIc")], None),
    ],
)
async def test_basic_authorization(headers: Sequence[str], fault: str | None) -> None:
    async with receiving(Demands(authorization=basic("jan", "żółw"))) as (port, seen):
        answer = await tell(port, post(b"{}", *headers))
    assert seen[0].fault == fault
    assert statuses(answer) == ["200 OK" if fault is None else "401 Unauthorized"]
    assert ('WWW-Authenticate: Basic realm="goniec receive", charset="UTF-8"' in answer) is (fault is not None)


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (signed(b"{}"), None),
        ([], "not signed"),
        (signed(b"{}", b"x" * 32), "no signature"),
        (signed(b"other"), "no signature"),
        (signed(b"{}", at=NOW // 1000 - 301), "seconds from the time here"),
    ],
)
async def test_signatures(headers: Sequence[str], said: str | None) -> None:
    async with receiving(Demands(secret=SECRET)) as (port, seen):
        answer = await tell(port, post(b"{}", *headers))
    assert statuses(answer) == ["200 OK" if said is None else "400 Bad Request"]
    assert (said is None and seen[0].fault is None) or (said and seen[0].fault and said in seen[0].fault)


async def test_what_is_refused_uses_up_no_answer() -> None:
    async with receiving(Demands(secret=SECRET, statuses=(500, 200))) as (port, _):
        assert statuses(await tell(port, post(b"{}"))) == ["400 Bad Request"]
        assert statuses(await tell(port, post(b"{}", *signed(b"{}")))) == ["500 Internal Server Error"]


async def test_only_posts_are_webhooks() -> None:
    async with receiving(Demands()) as (port, seen):
        assert "Allow: POST" in await tell(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await tell(port, b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert statuses(head) == ["405 Method Not Allowed"]
    assert head.endswith("\r\n\r\n")
    assert [received.status for received in seen] == [405, 405]


async def test_what_is_no_http_or_too_much_is_hung_up_on() -> None:
    async with receiving(Demands()) as (port, seen):
        assert statuses(await tell(port, b"hello\r\n\r\n")) == ["400 Bad Request"]
        upgrade = b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        assert statuses(await tell(port, upgrade))[-1].startswith("501")
        large = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + f"{BODY_LIMIT + 1:x}\r\n".encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(large + b"x" * (BODY_LIMIT + 1))
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
        writer.close()
    assert [received for received in seen if received.method == "POST"] == []


async def test_a_late_answer_is_cut_off_when_the_receiver_ends() -> None:
    async with receiving(Demands(delay=3600)) as (port, seen):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post())
        await writer.drain()
    assert await reader.read() == b""
    writer.close()
    assert seen == []


async def test_an_answer_takes_its_time() -> None:
    async with receiving(Demands(delay=0.05)) as (port, _):
        started = time.monotonic()
        await tell(port, post())
        assert time.monotonic() - started >= 0.04  # timers tick in milliseconds


async def test_a_receiver_that_never_listened_can_be_closed() -> None:
    await Receiver(Demands(), lambda _: None).close()


# --- what is printed -------------------------------------------------------------------------------------------------


def test_a_password_is_not_printed() -> None:
    line = shown_header("authorization", basic("jan", "hunter2"))
    assert line == "authorization: Basic … (user jan, password not shown)"
    assert shown_header("Authorization", "Bearer abcdef") == "Authorization: Bearer …"
    assert shown_header("Authorization", "Basic /w==") == "Authorization: Basic …"


def test_nothing_that_arrives_can_drive_the_terminal() -> None:
    assert printable("a\x1b[2J\x9b\u202eb\tc\n") == "a\\x1b[2J\\x9b\\u202eb\tc\n"
    received = Received(NOW, "POST", "/\x07", (("X", "\x1b"),), b"\x1b\xff\x00\n", "wrong", 401)
    assert shown(received) == "2025-11-24T16:00:00.000Z  POST /\\x07 → 401 (wrong)\nX: \\x1b\n\n\\x1b\\xff\\x00\n\n"


# --- the command -----------------------------------------------------------------------------------------------------


async def test_the_command_prints_what_arrives_and_ends_when_asked(tmp_path: Path) -> None:
    secret = encode_secret(SECRET)
    arguments = ("--port", "0", "--user", "jan", "--password", "hunter2", "--secret", secret, "--status", "503, 200")
    with running(tmp_path, "receive", *arguments) as process:
        found = re.search(r"http://127.0.0.1:(\d+)/", line_with(process.stderr, "Listening"))
        assert found is not None
        port = int(found[1])
        body = b'{"id":"rul_1"}'
        headers = [*signed(body, at=time.time_ns() // 1_000_000_000), f"Authorization: {basic('jan', 'hunter2')}"]
        assert statuses(await tell(port, post(body, *headers))) == ["503 Service Unavailable"]
        assert statuses(await tell(port, post(body, *headers))) == ["200 OK"]
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "POST /hook?a=1 → 503" in printed
    assert "POST /hook?a=1 → 200" in printed
    assert printed.count(body.decode()) == 2
    assert "user jan, password not shown" in printed
    assert "hunter2" not in printed


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--password", "x"], "--password needs --user"),
        (["--user", "a:b"], "cannot hold a colon"),
        (["--secret", "whsec_x"], "base64 of 24 to 64 bytes"),
        (["--status", "200,99"], "codes from 200 to 599"),
        (["--status", "²00"], "codes from 200 to 599"),
        (["--delay", "nan"], "seconds from 0 to 3600"),
        (["--port", "x"], "--port"),
        (["--port", "70000"], "--port goes from 0 to 65535"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], said: str) -> None:
    ran = goniec(tmp_path, "receive", *arguments)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert ran.stdout == ""


async def test_a_port_in_use(tmp_path: Path) -> None:
    async with receiving(Demands()) as (port, _):
        ran = goniec(tmp_path, "receive", "--port", str(port))
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"goniec: 127.0.0.1 port {port} is in use by another program")
    assert ran.stderr.strip().endswith("choose another with --port")


async def test_its_answer_tells_what_was_wrong() -> None:
    async with receiving(Demands(authorization=basic("jan", "x"))) as (port, _):
        answer = await tell(port, post(json.dumps({}).encode()))
    assert answer.endswith("no user name and password\n")
