"""Connections of callers that mean no good, on a real engine and real sockets."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from goniec.web.protocol import OVERHEAD
from tests.e2e.engine import Engine, eventually

GET = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
IMPATIENT = """
from goniec.web.protocol import Protocol
Protocol.head_seconds = Protocol.still_seconds = 0.4
Protocol.body_seconds = 2.0
from goniec import app
app.KEEP_ALIVE_SECONDS = 1
"""


@asynccontextmanager
async def connection(engine: Engine) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    parts = urlsplit(engine.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def resident(engine: Engine) -> int:
    """Bytes of memory of the engine's process."""
    fields = Path(f"/proc/{engine.pid}/statm").read_text().split()
    return int(fields[1]) * 4096


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(size)


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Read to the end of the connection, however it ends."""
    read = b""
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65_536):
            read += piece
    return read


async def test_requests_sent_ahead_are_answered_in_order(engine: Engine) -> None:
    async with connection(engine) as (reader, writer):
        for n in range(200):
            writer.write(b"GET /api/v1/contacts/%d HTTP/1.1\r\nhost: x\r\nauthorization: Bearer no\r\n\r\n" % n + GET)
        statuses = [(await answer(reader))[0] for _ in range(400)]
        assert statuses == [401, 200] * 200
        writer.write(GET)
        assert (await answer(reader))[0] == 200, "the connection goes on"


async def test_answers_that_nobody_reads_cost_next_to_nothing(engine: Engine) -> None:
    async with connection(engine) as (reader, writer):
        writer.write(GET)
        await answer(reader)
        before = resident(engine)
        for _ in range(500):
            writer.write(GET * 100)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(writer.drain(), 3)
        async with connection(engine) as (other, asking):
            asking.write(GET)
            assert (await answer(other))[0] == 200
        assert resident(engine) - before < 50_000_000


async def test_a_body_after_requests_that_wait_arrives_whole(engine: Engine) -> None:
    key = await engine.key()
    body = json.dumps(
        {
            "events": [
                {
                    "type": "page.visited",
                    "contact": {"email": f"v{n}@example.pl"},
                    "data": {"url": "https://a.example/" + "x" * 900},
                }
                for n in range(500)
            ]
        }
    ).encode()
    head = f"POST /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    async with connection(engine) as (reader, writer):
        writer.write(GET * 20 + head.encode() + body + GET * 20 + head.encode() + body + GET)
        statuses = [(await answer(reader))[0] for _ in range(43)]
        assert statuses == [200] * 20 + [202] + [200] * 20 + [202, 200]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + b"x-long: " + b"a" * 2**20 + b"\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + b"x-many: a\r\n" * 100_000 + b"\r\n",
        b"GET /" + b"a" * 2**20 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["a long header", "many headers", "a long path"],
)
async def test_a_head_has_an_end(engine: Engine, head: bytes) -> None:
    async with connection(engine) as (reader, writer):
        writer.write(head)
        read = await ended(reader)
        assert read == b"" or read.startswith(b"HTTP/1.1 431 "), read[:200]
        if read:
            assert json.loads(read.partition(b"\r\n\r\n")[2])["code"] == "headTooLarge"


async def test_trailers_and_chunk_extensions_have_an_end(engine: Engine) -> None:
    key = await engine.key()
    head = f"POST /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    for rest in (b"2\r\n{}\r\n0\r\n" + b"x: y\r\n" * 200_000, b"1;" + b"e" * (2 * OVERHEAD) + b"\r\n{\r\n"):
        async with connection(engine) as (reader, writer):
            writer.write(head + rest)
            read = await ended(reader)
            assert b" 20" not in read[:20], read[:200]


async def test_what_is_no_http_is_told_so(engine: Engine) -> None:
    async with connection(engine) as (reader, writer):
        writer.write(b"HELO mail.example\r\n\r\n")
        read = await ended(reader)
        assert read.startswith(b"HTTP/1.1 400 ")
        assert json.loads(read.partition(b"\r\n\r\n")[2])["code"] == "badRequest"


async def test_what_came_before_nonsense_is_answered(engine: Engine) -> None:
    async with connection(engine) as (reader, writer):
        writer.write(GET * 3 + b"\x00\x01nonsense\r\n\r\n")
        read = await ended(reader)
        assert read.count(b"HTTP/1.1 200 ") == 3


class TestImpatient:
    """An engine that waits as long as a test may."""

    @pytest.fixture
    async def engine(self, tmp_path: Path) -> AsyncIterator[Engine]:
        one = Engine(tmp_path)
        one.machine = IMPATIENT
        await one.start()
        try:
            yield one
        finally:
            await one.close()

    @pytest.mark.parametrize("sent", [b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\nx-a"])
    async def test_a_head_that_never_ends_is_given_up(self, engine: Engine, sent: bytes) -> None:
        async with connection(engine) as (reader, writer):
            writer.write(sent)
            read = await asyncio.wait_for(ended(reader), 30)
            assert read.startswith(b"HTTP/1.1 408 ")

    async def test_a_body_that_stands_still_is_given_up(self, engine: Engine) -> None:
        key = await engine.key()
        head = f"POST /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n"
        async with connection(engine) as (reader, writer):
            writer.write(head.encode() + b"{")
            read = await asyncio.wait_for(ended(reader), 30)
            assert read.startswith(b"HTTP/1.1 408 ")

    async def test_a_body_that_drips_is_given_up_in_the_end(self, engine: Engine) -> None:
        key = await engine.key()
        head = f"POST /api/v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n"

        async def drip(writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while True:
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.1)

        async with connection(engine) as (reader, writer):
            writer.write(head.encode())
            dripping = asyncio.create_task(drip(writer))
            read = await asyncio.wait_for(ended(reader), 30)
            dripping.cancel()
            assert read.startswith(b"HTTP/1.1 408 ")

    async def test_a_connection_that_says_nothing_is_closed(self, engine: Engine) -> None:
        async with connection(engine) as (reader, _):
            assert await asyncio.wait_for(ended(reader), 30) == b""

    async def test_who_is_quick_enough_is_served(self, engine: Engine) -> None:
        async with connection(engine) as (reader, writer):
            for part in (b"GET /healthz HT", b"TP/1.1\r\nhost", b": x\r\n\r\n"):
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.05)
            assert (await answer(reader))[0] == 200


async def test_breaking_off_in_the_middle_of_an_answer_is_no_error(engine: Engine) -> None:
    key = await engine.key()
    for n in range(3):
        await engine.post(
            "/events",
            {
                "events": [
                    {
                        "type": "page.visited",
                        "contact": {"email": "v@example.pl"},
                        "data": {"url": f"https://a.example/{n}/" + "x" * 900},
                    }
                    for _ in range(1000)
                ]
            },
            202,
        )
    ask = f"GET /api/v1/events?limit=1000 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n".encode()
    for _ in range(5):
        async with connection(engine) as (reader, writer):
            writer.write(ask)
            await reader.read(100)
            writer.transport.abort()

    async def served() -> bool:
        return (await engine.ask("GET", "/events", params={"limit": 1})).status_code == 200

    await eventually(served, "the engine goes on")
    assert [line for line in engine.log() if line.get("level") == "error"] == []
