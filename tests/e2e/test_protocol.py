"""Connections that would make the engine keep, or wait for, more than is good; on real sockets, at a whole engine.

None of these callers has a key, but where it is said: whatever can be reached without one has to bear them.
"""

import asyncio
import json
import random
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.engine import Engine, until
from tests.e2e.engine import engine as running
from tests.faults.client import Answer, Client
from tests.faults.test_trouble import database

KIB: Final = 1024
MIB: Final = 1024 * 1024
ALIVE: Final = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
POST: Final = (
    b"POST /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer KEY\r\ncontent-type: application/json\r\n"
)
CHUNKED: Final = POST + b"transfer-encoding: chunked\r\n\r\n"
VISIT: Final[dict[str, Any]] = {"type": "page.visited", "data": {"url": "https://shop.example/"}}

SHORT: Final = """
from goniec import app
from goniec.web.protocol import Protocol
app.KEEP_ALIVE_SECONDS = 1
Protocol.head_seconds = 0.8
Protocol.still_seconds = 1.0
Protocol.body_seconds = 3.0
Protocol.linger_seconds = 0.5
"""
"""A machine on which nobody has much time."""


def memory(engine: Engine, what: str = "VmHWM") -> int:
    """MiB of the engine: the most since `forget`, or (VmRSS) now."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{engine.pid}/status").read_text())
    assert found is not None
    return int(found[1]) // KIB


def forget(engine: Engine) -> int:
    """Begin to measure the most memory anew; gives what there is now, in MiB."""
    Path(f"/proc/{engine.pid}/clear_refs").write_text("5")
    return memory(engine, "VmRSS")


def address(engine: Engine) -> tuple[str, int]:
    """Where it listens."""
    host, _, port = engine.url.removeprefix("http://").rpartition(":")
    return host, int(port)


def quiet(engine: Engine) -> bool:
    """Whether it has complained about nothing."""
    return not [line for line in engine.log() if line.get("level") in {"warning", "error"} or "text" in line]


@asynccontextmanager
async def short(folder: Path, **settings: str) -> AsyncIterator[Engine]:
    """An engine on a machine on which nobody has much time."""
    one = Engine(folder, **settings)
    one.machine = SHORT
    try:
        await one.start()
        yield one
        assert await one.stop() == 0
    finally:
        await one.close()


async def said(client: Client, data: bytes) -> Answer | None:
    """Send these bytes, as far as they are taken, and give the answer."""
    assert await client.write(b"")
    sending = asyncio.create_task(client.write(data))
    try:
        async with asyncio.timeout(20):
            return await client.answer()
    finally:
        sending.cancel()


def refused(got: Answer | None, status: int, code: str) -> dict[str, Any]:
    """See to it that this is an error as all others are, and the connection's end; gives its content."""
    assert got is not None
    told: dict[str, Any] = got.json
    assert (got.status, told["status"], told["code"]) == (status, status, code)
    assert got.headers["content-type"] == "application/problem+json"
    assert told["requestId"] == got.headers["x-request-id"]
    assert (got.headers["connection"], got.headers["cache-control"]) == ("close", "no-store")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "date" in got.headers
    return told


# --- how much -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_answers_that_nobody_reads_cost_little_and_hold_nobody_up(tmp_path: Path) -> None:
    async with running(tmp_path) as engine, Client(engine.url, "") as client:
        await engine.ask("GET", f"{engine.url}/healthz", 200)
        before = forget(engine)
        sending = asyncio.create_task(client.write(ALIVE * 50_000))
        for _ in range(200):
            await engine.ask("GET", f"{engine.url}/healthz", 200)
        # and when they are read after all, each is there
        for _ in range(50_000):
            got = await client.answer()
            assert got is not None
            assert got.status == 200
        assert await sending
        assert memory(engine) - before < 50
        assert quiet(engine)


NOT_A_BODY: Final = {
    "a header": b"GET /healthz HTTP/1.1\r\nhost: x\r\na: " + b"x" * MIB + b"\r\n\r\n",
    "a path": b"GET /" + b"x" * MIB + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    "many headers": b"GET /healthz HTTP/1.1\r\n" + b"a: y\r\n" * 2_000 + b"\r\n",
    "a trailer": CHUNKED + b"2\r\n{}\r\n0\r\na: " + b"x" * MIB + b"\r\n\r\n",
    "many trailers": CHUNKED + b"2\r\n{}\r\n0\r\n" + b"a: y\r\n" * 2_000 + b"\r\n",
    "an extension": CHUNKED + b"2;" + b"x" * MIB + b"\r\n{}\r\n0\r\n\r\n",
    "many extensions": CHUNKED + (b"1;" + b"x" * KIB + b"\r\n \r\n") * KIB + b"0\r\n\r\n",
    "no request at all": b"\r\n" * MIB,
}


async def test_what_is_not_a_body_has_an_end(engine: Engine) -> None:
    # of one who may send something: the others are turned away at their head
    key = (await engine.key("ingest")).encode()
    for what, data in NOT_A_BODY.items():
        async with Client(engine.url, "") as client:
            before = forget(engine)
            told = refused(await said(client, data.replace(b"KEY", key)), 431, "headTooLarge")
            assert "256 KiB and 1,000 lines" in told["detail"], what
            assert memory(engine) - before < 10, what
    await engine.ask("GET", f"{engine.url}/healthz", 200)
    assert await engine.everything("/events") == []
    assert quiet(engine)


async def test_a_stranger_who_goes_on_after_the_answer_is_cut_off(engine: Engine) -> None:
    async with Client(engine.url, "") as client:
        assert await client.write(CHUNKED.replace(b"KEY", b"none") + b"2\r\n{}\r\n0\r\n")
        got = await client.answer()
        assert (got and got.status) == 401
        sending = asyncio.create_task(client.write(b"a: " + b"x" * (100 * MIB)))
        async with asyncio.timeout(20):
            assert await client.ended()
            assert not await sending
    assert quiet(engine)


async def test_an_offer_of_another_protocol_is_passed_over(engine: Engine) -> None:
    """As clients in Java send with each request. What follows is the request's body, and then the next request."""
    key = (await engine.key("ingest")).encode()
    stream, head, body = b"", b"", b""
    for number, offer in enumerate((b"h2c", b"websocket", b"HTTP/2.0")):
        head = POST.replace(b"KEY", key) + b"connection: Upgrade, HTTP2-Settings\r\nupgrade: " + offer + b"\r\n"
        body = json.dumps({**VISIT, "contact": {"email": f"k{number}@example.pl"}}).encode()
        chunk = b"%x\r\n%s\r\n" % (len(body), body)
        stream += head + b"content-length: %d\r\n\r\n%s" % (len(body), body)
        stream += head + b"transfer-encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n"
        stream += ALIVE + head + b"content-length: 0\r\n\r\n"
    for cut in (len(stream), 700, 50, 1):
        async with Client(engine.url, "") as client:
            for start in range(0, len(stream), cut):
                assert await client.write(stream[start : start + cut])
            answers = [await client.answer() for _ in range(12)]
            assert [one and one.status for one in answers] == [202, 202, 200, 400] * 3
            # and one that comes alone, in one read
            got = await said(client, head + b"content-length: %d\r\n\r\n%s" % (len(body), body))
            assert (got and got.status) == 202
    emails = [contact["email"] for contact in await engine.everything("/contacts")]
    assert emails == [f"k{number}@example.pl" for number in range(3)]
    assert quiet(engine)


async def test_small_chunks_are_nothing_wrong(engine: Engine) -> None:
    event = json.dumps(
        {**VISIT, "contact": {"email": "jan@example.pl", "name": "x" * 900}, "data": {"url": "u"}}
    ).encode()
    body = b" " * 200_000 + event
    data = CHUNKED.replace(b"KEY", (await engine.key("ingest")).encode())
    data += b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    async with Client(engine.url, "") as client:
        got = await said(client, data)
    assert got is not None
    assert got.status == 202


async def test_trailers_are_no_headers(engine: Engine) -> None:
    key = (await engine.key("ingest")).encode()
    bare = CHUNKED.replace(b"authorization: Bearer KEY\r\n", b"")
    async with Client(engine.url, "") as client:
        got = await said(client, bare + b"2\r\n{}\r\n0\r\nauthorization: Bearer " + key + b"\r\n\r\n")
        assert got is not None
        assert (got.status, got.json["code"]) == (401, "keyMissing")
        again = await said(client, ALIVE)
    assert again is not None
    assert again.status == 200


# --- in which order -------------------------------------------------------------------------------------------------


async def test_pipelined_requests_are_answered_in_order_however_they_are_cut(engine: Engine) -> None:
    """Bodies of all sizes, with what ends a head in the middle of them, and answers read only at the end."""
    for seed in range(5):
        await pipelined(engine, random.Random(seed), seed)
    assert quiet(engine)


async def pipelined(engine: Engine, chance: random.Random, seed: int) -> None:
    stream, wanted = b"", list[tuple[int, str | None]]()
    for number in range(50):
        match chance.randrange(4):
            case 0:
                stream += ALIVE
                wanted.append((200, None))
            case 1:
                stream += b"GET /api/v1/nothing HTTP/1.1\r\nhost: x\r\n\r\n"
                wanted.append((404, None))
            case _:
                visit = {**VISIT, "contact": {"email": f"k{number}@example.pl"}, "dedupKey": f"{seed}-{number}"}
                body = b"\r\n\r\n" * chance.choice([0, 1, 100, 20_000]) + json.dumps(visit).encode()
                key = (await engine.key("ingest")).encode()
                if chance.randrange(2):
                    stream += POST.replace(b"KEY", key) + b"content-length: %d\r\n\r\n" % len(body) + body
                else:
                    middle = chance.randrange(1, len(body))
                    chunks = (body[:middle], body[middle:])
                    stream += CHUNKED.replace(b"KEY", key) + b"".join(
                        b"%x\r\n%s\r\n" % (len(one), one) for one in chunks
                    )
                    stream += b"0\r\n\r\n"
                wanted.append((202, f"{seed}-{number}"))
    cuts = sorted(chance.sample(range(1, len(stream)), chance.choice([0, 5, 300])))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    async with Client(engine.url, "") as client:

        async def send() -> None:
            for piece in pieces:
                assert await client.write(piece)
                await asyncio.sleep(0)

        assert await client.write(b"")
        sending = asyncio.create_task(send())
        answers = [await client.answer() for _ in wanted]
        await sending
    assert [one and one.status for one in answers] == [status for status, _ in wanted]
    for one, (_, dedup_key) in zip(answers, wanted, strict=True):
        if one is not None and dedup_key is not None:
            event = await engine.get(f"/events/{one.json['ids'][0]}")
            assert event["dedupKey"] == dedup_key


NO_REQUEST: Final = {
    "a word": b"nonsense\r\n\r\n",
    "a bad header": b"GET /healthz HTTP/1.1\r\nno header\r\n\r\n",
    "a bad target": b"GET http://[/ HTTP/1.1\r\nhost: x\r\n\r\n",
    "two lengths": POST + b"content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
    "a bad chunk": CHUNKED + b"zz\r\n",
}


async def test_what_is_no_request_is_told_so_in_its_turn(engine: Engine) -> None:
    key = (await engine.key("ingest")).encode()
    body = json.dumps({**VISIT, "contact": {"email": "jan@example.pl"}}).encode()
    first = POST.replace(b"KEY", key) + b"content-length: %d\r\n\r\n" % len(body) + body
    for what, data in NO_REQUEST.items():
        last = data.replace(b"KEY", key)
        async with Client(engine.url, "") as client:
            assert await client.write(first + first + last)
            for _ in range(2):
                got = await client.answer()
                assert (got and got.status) == 202, f"what was asked before {what} has its answer"
            refused(await client.answer(), 400, "badRequest")
            assert await client.ended()
        async with Client(engine.url, "") as client:
            refused(await said(client, last), 400, "badRequest")
    assert quiet(engine)


async def test_a_bad_chunk_leaves_nothing_behind(engine: Engine) -> None:
    key = (await engine.key("ingest")).encode()
    body = json.dumps({**VISIT, "contact": {"email": "jan@example.pl"}}).encode()
    async with Client(engine.url, "") as client:
        got = await said(client, CHUNKED.replace(b"KEY", key) + b"%x\r\n%s\r\n0\n" % (len(body), body))
    refused(got, 400, "badRequest")
    assert await engine.everything("/contacts") == []


# --- how long -------------------------------------------------------------------------------------------------------


UNFINISHED: Final = {
    "half a head": (ALIVE[:-2], "head"),
    "half a second head": (ALIVE + ALIVE[:9], "head"),
    "half a body": (POST + b"content-length: 20\r\n\r\n{", "stood still"),
    "half of its chunks": (CHUNKED + b"1\r\n{\r\n", "stood still"),
    "half of its trailers": (ALIVE + CHUNKED + b"1\r\n{\r\n0\r\n", "stood still"),
}


async def test_a_request_that_is_never_finished_ends(tmp_path: Path) -> None:
    async with short(tmp_path) as engine:
        key = (await engine.key("ingest")).encode()
        for what, (data, words) in UNFINISHED.items():
            async with Client(engine.url, "") as client:
                assert await client.write(data.replace(b"KEY", key))
                if data.startswith(ALIVE):
                    got = await client.answer()
                    assert (got and got.status) == 200, what
                told = refused(await client.answer(), 408, "requestTimeout")
                assert words in told["detail"], what
                assert await client.ended(), what
        assert quiet(engine)


DROPS: Final = {
    "a head": (ALIVE[:-2], b"a", "the head of the request was not whole after 0.8 s"),
    "a body": (POST + b"content-length: 9999\r\n\r\n", b" ", "the request was not whole after 3 s"),
    "chunks": (CHUNKED, b"1\r\n \r\n", "the request was not whole after 3 s"),
}


async def test_a_request_that_comes_by_drops_ends(tmp_path: Path) -> None:
    async with short(tmp_path) as engine:
        key = (await engine.key("ingest")).encode()
        for what, (data, drop, words) in DROPS.items():
            async with Client(engine.url, "") as client:
                assert await client.write(data.replace(b"KEY", key))
                dripping = asyncio.create_task(drip(client, drop))
                told = refused(await client.answer(), 408, "requestTimeout")
                assert told["detail"] == words, what
                dripping.cancel()
        assert quiet(engine)


async def drip(client: Client, drop: bytes) -> None:
    for _ in range(1_000):
        await client.write(drop)
        await asyncio.sleep(0.05)


async def test_who_is_slow_but_quick_enough_is_served(tmp_path: Path) -> None:
    async with short(tmp_path) as engine, Client(engine.url, "") as client:
        for part in (ALIVE[:7], ALIVE[7:20], ALIVE[20:]):
            assert await client.write(part)
            await asyncio.sleep(0.05)
        got = await client.answer()
        assert (got and got.status) == 200
        assert quiet(engine)


async def test_who_says_nothing_is_let_go(tmp_path: Path) -> None:
    async with short(tmp_path) as engine:
        for data in (b"", b"\r\n", ALIVE, ALIVE + b"\r\n"):
            async with Client(engine.url, "") as client:
                assert await client.write(data)
                if ALIVE in data:
                    got = await client.answer()
                    assert (got and got.status) == 200
                async with asyncio.timeout(20):
                    assert await client.ended()
        assert quiet(engine)


async def test_what_takes_us_long_is_not_the_clients_fault(tmp_path: Path) -> None:
    """While one request is worked on, the next may stand half there, and so may the body of one that waits for its turn."""
    async with short(tmp_path) as engine:
        key = (await engine.key("ingest")).encode()
        body = json.dumps({**VISIT, "contact": {"email": "jan@example.pl"}}).encode()
        head = POST.replace(b"KEY", key) + b"content-length: %d\r\n" % len(body)
        first, expecting = head + b"\r\n" + body, head + b"expect: 100-continue\r\n\r\n"
        async with Client(engine.url, "") as client, Client(engine.url, "") as other:
            # known keys are not looked up any more, which a locked file would not stop
            assert await client.write(first)
            got = await client.answer()
            assert (got and got.status) == 202
            with database(engine.folder) as db:
                db.execute("BEGIN IMMEDIATE")
                assert await client.write(first + ALIVE[:9])
                assert await other.write(first + expecting)
                await asyncio.sleep(2.5)  # more than anybody has here
                db.execute("ROLLBACK")
            for one in (client, other):
                got = await one.answer()
                assert (got and got.status) == 202
            assert await client.write(ALIVE[9:])
            got = await client.answer()
            assert (got and got.status) == 200
            got = await other.answer()
            assert (got and got.status) == 100
            assert await other.write(body)
            got = await other.answer()
            assert (got and got.status) == 202
        assert quiet(engine)


BUNDLE: Final = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n"
"""Its answer is large."""


@asynccontextmanager
async def narrow(engine: Engine) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection of which the system buffers little, so that what is not read stays with the engine."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)
    connection.setblocking(False)  # noqa: FBT003 - it has no name
    await asyncio.get_running_loop().sock_connect(connection, address(engine))
    reader, writer = await asyncio.open_connection(sock=connection, limit=16 * KIB)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


@pytest.mark.parametrize("last", [b"", b"connection: close\r\n"], ids=["one who stays", "one who wants to close"])
async def test_answers_that_are_never_read_end(tmp_path: Path, last: bytes) -> None:
    async with short(tmp_path, log_level="debug") as engine, narrow(engine) as (reader, writer):
        writer.write((BUNDLE + b"\r\n") * 4 + BUNDLE + last + b"\r\n")
        await until(lambda: "http.unread" in [line.get("event") for line in engine.log()], "it is let go")
        taken = 0
        with suppress(ConnectionResetError):
            while got := await reader.read(MIB):
                taken += len(got)
        assert 0 < taken < 5 * MIB, "what was not taken is gone"
        assert quiet(engine)


@pytest.mark.parametrize("last", [b"", b"connection: close\r\n"], ids=["one who stays", "one who wants to close"])
async def test_answers_that_are_read_slowly_arrive(tmp_path: Path, last: bytes) -> None:
    async with short(tmp_path) as engine, narrow(engine) as (reader, writer):
        writer.write((BUNDLE + b"\r\n") * 3 + BUNDLE + last + b"\r\n")
        for _ in range(4):
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            while size:
                got = await reader.read(min(size, 16 * KIB))
                assert got
                size -= len(got)
                await asyncio.sleep(0.01)
        assert not await reader.read(), "it is let go when it has all and says nothing more"
        assert quiet(engine)


async def test_who_breaks_off_in_the_middle_of_answers_is_no_fault_of_ours(engine: Engine) -> None:
    """Also where more of them were to come: the one under way has nowhere to go, and that is all there is to it."""
    for data in (BUNDLE + b"\r\n", (BUNDLE + b"\r\n") * 3):
        for _ in range(10):
            async with narrow(engine) as (reader, writer):
                writer.write(data)
                assert await reader.read(100)
                writer.transport.abort()
    await engine.ask("GET", f"{engine.url}/healthz", 200)
    assert quiet(engine)
