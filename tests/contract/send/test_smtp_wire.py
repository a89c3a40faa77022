"""Mail servers that misbehave as no library's does: silence, nonsense, a connection cut at each step."""

import asyncio
import errno
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from goniec.core.model import Failure
from goniec.ports import Answer, Posting
from goniec.send import smtp
from goniec.send.mail import parse_server
from goniec.send.smtp import SmtpSender
from tests.contract.send.mails import SITE, posting

SHORT = 1.0
FINE: Mapping[str, bytes] = {
    "": b"220 mail.example ESMTP\r\n",
    "EHLO": b"250-mail.example\r\n250 SIZE 0\r\n",
    "MAIL": b"250 OK\r\n",
    "RCPT": b"250 OK\r\n",
    "DATA": b"354 go on\r\n",
    ".": b"250 2.0.0 taken\r\n",
    "RSET": b"250 OK\r\n",
    "QUIT": b"221 bye\r\n",
}
"""What a server says to each command, to the connection itself and to the end of a mail."""

Behaviour = Callable[["Line"], Awaitable[None]]


@dataclass
class Line:
    """One connection of a server; `heard` are the commands that came over it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: list[str] = field(default_factory=list)

    def reset(self) -> None:
        """Cut the connection as a crash does."""
        self.writer.transport.abort()


@dataclass
class Wire:
    """A server on a port; its connections."""

    port: int
    lines: list[Line] = field(default_factory=list)


def talk(**said: bytes | None) -> Behaviour:
    """Say what `FINE` says, but for some commands; None: cut the connection instead."""
    words = {"": said.pop("greeting", FINE[""]), ".": said.pop("end", FINE["."])}
    replies = {**FINE, **words, **{name.upper(): reply for name, reply in said.items()}}

    async def behave(line: Line) -> None:
        step = ""
        while (reply := replies.get(step, b"500 what?\r\n")) is not None:
            line.writer.write(reply)
            await line.writer.drain()
            if step == "DATA" and reply.startswith(b"354"):
                await line.reader.readuntil(b"\r\n.\r\n")
                step = "."
                continue
            command = (await line.reader.readline()).decode()
            if not command or step == "QUIT":
                return
            line.heard.append(command.strip())
            step = command[:4].strip().upper()
        line.reset()

    return behave


@asynccontextmanager
async def server(*behaviours: Behaviour, host: str = "127.0.0.1") -> AsyncIterator[Wire]:
    """Run a server: a behaviour for each connection, the last one goes on."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        line = Line(reader, writer)
        wire.lines.append(line)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await behaviours[min(len(wire.lines), len(behaviours)) - 1](line)
        finally:
            writer.close()
            tasks.discard(task)

    running = await asyncio.start_server(serve, host, 0)
    wire = Wire(running.sockets[0].getsockname()[1])
    try:
        yield wire
    finally:
        running.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await running.wait_closed()


@asynccontextmanager
async def sending(wire: Wire, scheme: str = "smtp") -> AsyncIterator[SmtpSender]:
    sender = SmtpSender(parse_server(f"{scheme}://127.0.0.1:{wire.port}"), SITE)
    try:
        yield sender
    finally:
        await sender.close()


async def post(behaviour: Behaviour, mail: Posting | None = None, scheme: str = "smtp") -> Answer:
    async with server(behaviour) as wire, sending(wire, scheme) as sender:
        return await sender.post(mail or posting())


async def silence(line: Line) -> None:
    await line.reader.read()


async def test_what_is_said_to_a_server() -> None:
    async with server(talk()) as wire:
        async with sending(wire) as sender:
            answers = [await sender.post(posting(n)) for n in range(2)]
        assert [answer.failure for answer in answers] == [None, None]
        ((said,),) = ([line.heard for line in wire.lines],)
    assert said[0] == "EHLO goniec.example"
    assert [command[:10] for command in said[1:]] == [*(["MAIL FROM:", "RCPT TO:<j", "DATA"] * 2), "QUIT"]


@pytest.mark.parametrize(
    ("host", "public_url", "name"),
    [
        ("127.0.0.1", "https://goniec.example:8443/x", "goniec.example"),
        ("127.0.0.1", "http://localhost:8080", "[127.0.0.1]"),
        ("127.0.0.1", "http://192.0.2.7:8080", "[127.0.0.1]"),
        ("127.0.0.1", "http://żółw.example", "[127.0.0.1]"),
        ("::1", "http://[::1]:8080", "[IPv6:::1]"),
    ],
)
async def test_we_introduce_ourselves_by_a_name_or_by_the_address_that_we_call_from(
    host: str, public_url: str, name: str
) -> None:
    async with server(talk(), host=host) as wire:
        there = f"[{host}]:{wire.port}" if ":" in host else f"{host}:{wire.port}"
        sender = SmtpSender(parse_server(f"smtp://{there}"), replace(SITE, public_url=public_url))
        answer = await sender.post(posting())
        await sender.close()
        assert (answer.failure, answer.address) == (None, there)
        assert wire.lines[0].heard[0] == f"EHLO {name}"


async def test_a_server_that_knows_only_helo() -> None:
    answer = await post(talk(ehlo=b"502 what?\r\n", helo=b"250 mail.example\r\n"))
    assert (answer.failure, answer.body) == (None, b"250 2.0.0 taken\r\n")


async def test_after_a_refusal_the_server_is_asked_to_forget() -> None:
    async with server(talk(rcpt=b"550 5.1.1 nobody\r\n")) as wire, sending(wire) as sender:
        for n in range(2):
            assert (await sender.post(posting(n))).failure is Failure.RECIPIENT_REFUSED
        (line,) = wire.lines
        assert [command[:4] for command in line.heard] == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT"]


async def test_a_reply_of_several_lines_is_kept_whole() -> None:
    answer = await post(talk(rcpt=b"550-5.1.1 nobody\r\n550 5.1.1 has this name\r\n"))
    assert answer.body == b"550-5.1.1 nobody\r\n550 5.1.1 has this name\r\n"
    assert "(550: 5.1.1 nobody 5.1.1 has this name)" in answer.detail


async def test_a_process_that_may_open_nothing_more_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    async with server(talk()) as wire, sending(wire) as sender:
        with monkeypatch.context() as patch:
            patch.setattr(socket, "socket", full)
            answer = await sender.post(posting())
    assert answer.failure is Failure.INTERNAL
    assert "Too many open files" in answer.detail


async def test_a_fault_of_our_own_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr(smtp, "compose", broken)
    async with server(talk()) as wire, sending(wire) as sender:
        assert (await sender.post(posting())).failure is Failure.INTERNAL


# --- nonsense ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"* OK IMAP4rev1 ready\r\n",
        b"\xff\xfe\x00\r\n",
        b"\r\n",
        b"999 what\r\n",
        b"250 hello\r\n",
        b"-12 hello\r\n",
        b"220-x\r\n" * 20_000,
        b"x" * 100_000,
    ],
)
async def test_a_server_that_speaks_no_smtp(greeting: bytes) -> None:
    answer = await post(talk(greeting=greeting))
    assert answer.failure is Failure.NOT_SMTP
    assert "GONIEC_SMTP_URL" in answer.detail
    assert (len(answer.detail) <= 300, len(answer.body) <= 4096, answer.sent) == (True, True, None)
    assert answer.detail.isprintable()


async def test_an_endless_reply_is_not_read_to_its_end() -> None:
    async def endless(line: Line) -> None:
        while True:
            line.writer.write(b"220-and another thing\r\n" * 100)
            await line.writer.drain()

    assert (await post(endless)).failure is Failure.NOT_SMTP


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "end"])
async def test_nonsense_in_the_middle(step: str) -> None:
    async with server(talk(**{step: b"hello?\r\n"}), talk()) as wire, sending(wire) as sender:
        assert (await sender.post(posting())).failure is Failure.NOT_SMTP
        # and what else may come over that connection is not waited for
        assert (await sender.post(posting(1))).failure is None
        assert len(wire.lines) == 2


# --- silence ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["greeting", "ehlo", "mail", "rcpt", "data", "end"])
async def test_a_server_that_falls_silent(step: str) -> None:
    answer = await post(talk(**{step: b""}), posting(timeout=SHORT))
    assert answer.failure is Failure.TIMEOUT
    assert ("may have been taken" in answer.detail) is (step == "end")
    assert (answer.sent is None) is (step in {"greeting", "ehlo"})


async def test_a_server_that_drips() -> None:
    async def drip(line: Line) -> None:
        while True:
            line.writer.write(b"2")
            await line.writer.drain()
            await asyncio.sleep(0.01)

    assert (await post(drip, posting(timeout=SHORT))).failure is Failure.TIMEOUT


async def test_a_server_that_begins_no_tls() -> None:
    assert (await post(silence, posting(timeout=SHORT), "smtps")).failure is Failure.TIMEOUT


async def test_a_mail_that_nobody_reads() -> None:
    async def deaf(line: Line) -> None:
        for reply in (FINE[""], FINE["EHLO"], FINE["MAIL"], FINE["RCPT"], FINE["DATA"]):
            line.writer.write(reply)
            if reply is not FINE["DATA"]:
                await line.reader.readline()
        line.writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's has it
        await asyncio.Event().wait()

    answer = await post(deaf, posting(timeout=SHORT, text="x" * 5_000_000))
    assert answer.failure is Failure.TIMEOUT


async def test_a_host_that_takes_no_connection() -> None:
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        port = hole.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            async with sending(Wire(port)) as sender:
                answer = await sender.post(posting(connect=SHORT))
    assert (answer.failure, answer.sent) == (Failure.CONNECT_TIMEOUT, None)


async def test_who_is_called_off_leaves_no_connection_behind() -> None:
    async with server(talk(rcpt=b""), talk()) as wire, sending(wire) as sender:
        task = asyncio.create_task(sender.post(posting()))
        while not (wire.lines and re.search("RCPT", " ".join(wire.lines[0].heard))):  # noqa: ASYNC110 - the other side
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await sender.post(posting(1))).failure is None
        assert len(wire.lines) == 2


async def test_what_is_under_way_at_the_end_is_broken_off() -> None:
    async with server(talk(rcpt=b"")) as wire:
        sender = SmtpSender(parse_server(f"smtp://127.0.0.1:{wire.port}"), SITE)
        task = asyncio.create_task(sender.post(posting()))
        while not (wire.lines and re.search("RCPT", " ".join(wire.lines[0].heard))):  # noqa: ASYNC110 - the other side
            await asyncio.sleep(0)
        await sender.close()
        answer = await task
    assert answer.failure is Failure.INTERNAL
    assert "stopping" in answer.detail


# --- cut --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["greeting", "ehlo", "mail", "rcpt", "data", "end"])
async def test_a_connection_that_is_cut(step: str) -> None:
    answer = await post(talk(**{step: None}))
    assert answer.failure is Failure.RESET
    assert ("may have been taken" in answer.detail) is (step == "end")


async def test_a_connection_that_is_cut_in_the_middle_of_a_mail() -> None:
    async def cut(line: Line) -> None:
        for reply in (FINE[""], FINE["EHLO"], FINE["MAIL"], FINE["RCPT"], FINE["DATA"]):
            line.writer.write(reply)
            await line.reader.readline()
        line.reset()

    answer = await post(cut, posting(text="x" * 5_000_000))
    assert answer.failure is Failure.RESET


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("reply", [None, b"421 4.4.2 you were idle\r\n"])
async def test_a_kept_connection_that_is_dead_gives_way_to_a_fresh_one(step: str, reply: bytes | None) -> None:
    async def once(line: Line) -> None:
        for said in (FINE[""], *(FINE[name] for name in ("EHLO", "MAIL", "RCPT", "DATA"))):
            line.writer.write(said)
            await line.reader.readline()
        await line.reader.readuntil(b"\r\n.\r\n")
        line.writer.write(FINE["."])
        for name in ("MAIL", "RCPT", "DATA"):
            await line.reader.readline()
            if name == step.upper():
                break
            line.writer.write(FINE[name])
        if reply is None:
            line.reset()
        else:
            line.writer.write(reply)

    async with server(once, talk()) as wire, sending(wire) as sender:
        answers = [await sender.post(posting(n)) for n in range(2)]
        assert [answer.failure for answer in answers] == [None, None]
        assert len(wire.lines) == 2


async def test_a_kept_connection_that_dies_with_the_mail_under_way_is_a_failure() -> None:
    """The server may have taken it: only the ledger decides that it is sent once more."""

    async def once(line: Line) -> None:
        for said in (FINE[""], *(FINE[name] for name in ("EHLO", "MAIL", "RCPT", "DATA"))):
            line.writer.write(said)
            await line.reader.readline()
        await line.reader.readuntil(b"\r\n.\r\n")
        for name in (".", "MAIL", "RCPT", "DATA"):
            line.writer.write(FINE[name])
            await line.reader.readline()
        line.reset()

    async with server(once, talk()) as wire, sending(wire) as sender:
        assert (await sender.post(posting())).failure is None
        answer = await sender.post(posting(1))
        assert answer.failure is Failure.RESET
        assert "may have been taken" in answer.detail
        assert len(wire.lines) == 1


async def test_a_kept_connection_that_refuses_to_forget_gives_way_too() -> None:
    answers = []
    async with server(talk(rcpt=b"451 later\r\n", rset=b"500 what?\r\n"), talk()) as wire, sending(wire) as sender:
        answers = [(await sender.post(posting(n))).failure for n in range(2)]
        assert len(wire.lines) == 2
    assert answers == [Failure.RECIPIENT_DEFERRED, None]


@pytest.mark.parametrize("word", [b"503 5.5.1 bad sequence\r\n", b"530 5.7.0 log in first\r\n"])
async def test_after_a_refusal_that_is_about_the_connection_it_is_not_used_again(word: bytes) -> None:
    async with server(talk(mail=word), talk()) as wire, sending(wire) as sender:
        assert (await sender.post(posting())).failure in {Failure.MAIL_REFUSED, Failure.MAIL_LOGIN}
        assert (await sender.post(posting())).failure is None
        assert len(wire.lines) == 2


async def test_an_answer_behind_the_dot_that_is_no_smtp_leaves_it_open_whether_it_was_taken() -> None:
    assert (await post(talk(end=b"taken\r\n"))).detail.endswith("; the mail may have been taken.")


async def test_a_server_that_is_going_is_busy() -> None:
    answer = await post(talk(mail=b"421 4.3.2 shutting down\r\n"))
    assert (answer.failure, answer.status) == (Failure.MAIL_BUSY, 421)
