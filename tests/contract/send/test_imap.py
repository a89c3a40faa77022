"""The mailbox against a real server: what comes, what is marked, and servers that are odd, away or against us."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from msgspec.structs import replace

from goniec.ports import Unread
from goniec.send import imap
from goniec.send.imap import MOST_BYTES, MOST_SAID, ImapMailbox, parse_bounce_address, parse_mailbox
from tests.contract.send.papers import serving
from tests.imapserver import PASSWORD, MailboxHost, mailbox
from tests.postbox import free_port

MAILS = [b"Subject: %d\r\n\r\nbody\r\n" % n for n in range(3)]


def opened(box: MailboxHost, ca_file: Path | None = None) -> ImapMailbox:
    return ImapMailbox(parse_mailbox(box.url), ca_file)


async def test_mails_come_until_they_are_marked() -> None:
    with mailbox() as box:
        box.put(*MAILS)
        one = opened(box)
        first, second = await one.fetch(2)
        assert [raw for _, raw in (first, second)] == MAILS[:2]
        assert await one.fetch(2) == [first, second]
        await one.done([first[0]])
        rest = await one.fetch(10)
        assert [raw for _, raw in rest] == MAILS[1:]
        await one.done([name for name, _ in rest])
        assert await one.fetch(10) == []
        await one.done([])
        await one.close()
        await one.close()
        assert box.count() == 0
        assert (box.count("SEEN", "Goniec"), box.count("UNSEEN", "Goniec")) == (3, 0)


@pytest.mark.parametrize(
    ("without", "left", "moved"), [([b"MOVE"], 0, 1), ([b"MOVE", b"UIDPLUS"], 1, None)], ids=["copied", "marked only"]
)
async def test_a_server_that_cannot_move(without: list[bytes], left: int, moved: int | None) -> None:
    with mailbox(without=without) as box:
        box.put(MAILS[0])
        one = opened(box)
        ((name, _),) = await one.fetch(10)
        await one.done([name])
        assert await one.fetch(10) == []
        await one.close()
        assert (box.count(), box.count("UNSEEN"), box.count(folder="Goniec")) == (left, 0, moved)


async def test_a_large_mail_is_cut_and_a_call_gives_no_more_than_can_be_kept() -> None:
    with mailbox() as box:
        box.put(*[b"Subject: large\r\n\r\n" + b"x" * 300_000] * 20)
        one = opened(box)
        mails = await one.fetch(20)
        await one.close()
    assert {len(raw) for _, raw in mails} == {MOST_BYTES}
    assert len(mails) == 16


async def test_a_mailbox_that_was_made_anew_loses_nothing() -> None:
    with mailbox() as box:
        box.put(*MAILS)
        one = opened(box)
        names = [name for name, _ in await one.fetch(10)]
        await one.close()
        box.renew()
        box.put(*MAILS)
        await one.done(names)
        assert box.count("UNSEEN") == 3
        assert len(await one.fetch(10)) == 3
        await one.close()


async def test_a_server_that_was_away_is_back() -> None:
    with mailbox() as box:
        box.put(*MAILS)
        one = opened(box)
        names = [name for name, _ in await one.fetch(10)]
        box.down()
        with pytest.raises(Unread):
            await one.done(names)
        with pytest.raises(Unread, match="ConnectionRefusedError"):
            await one.fetch(10)
        await one.close()
        box.up()
        assert [name for name, _ in await one.fetch(10)] == names
        await one.close()


async def test_a_login_that_is_refused_says_so_without_the_password() -> None:
    with mailbox() as box:
        server = parse_mailbox(box.url.replace("p%40ss", "wr0ng"))
        with pytest.raises(Unread, match="AUTHENTICATIONFAILED") as caught:
            await ImapMailbox(server).greet()
        assert "wr0ng" not in str(caught.value)
        await opened(box).greet()


async def test_a_mailbox_that_is_not_there() -> None:
    with mailbox() as box:
        server = parse_mailbox(box.url.replace("/INBOX", "/Zwroty"))
        with pytest.raises(Unread, match="the mailbox Zwroty cannot be opened"):
            await ImapMailbox(server).fetch(1)


@pytest.mark.parametrize("implicit", [True, False])
async def test_tls(tmp_path: Path, implicit: bool) -> None:  # noqa: FBT001 - a parameter of the test
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with mailbox(serving(authority.issue_cert("127.0.0.1")), implicit=implicit) as box:
        box.put(MAILS[0])
        one = opened(box, tmp_path / "ca.pem")
        assert len(await one.fetch(1)) == 1
        await one.close()
        with pytest.raises(Unread, match="CERTIFICATE_VERIFY_FAILED"):
            await opened(box).fetch(1)


async def test_a_password_is_not_sent_in_the_open() -> None:
    with mailbox() as box, pytest.raises(Unread, match="TLS not supported"):
        await ImapMailbox(parse_mailbox(box.url.replace("?starttls=never", ""))).fetch(1)


# --- odd servers ------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def odd(
    answers: Mapping[str, str],
    *,
    greeting: str = "* OK [CAPABILITY IMAP4rev1] hi\r\n",
    asked: asyncio.Event | None = None,
    hung_up: asyncio.Event | None = None,
) -> AsyncIterator[str]:
    """A server that says just this to a command; `TAG` is the command's, what is not there is answered with OK."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting.encode())
        while line := await reader.readline():
            tag, *words = line.decode().split()
            name = next((one for one in answers if one in line.decode()), "")
            usual = "* CAPABILITY IMAP4rev1\r\nTAG OK done" if words[0] == "CAPABILITY" else "TAG OK done"
            writer.write((answers[name] if name else usual).replace("TAG", tag).encode() + b"\r\n")
            if name and asked:
                asked.set()
        if hung_up:
            hung_up.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"imap://jan:h%40nter2@127.0.0.1:{server.sockets[0].getsockname()[1]}?starttls=never"


async def test_a_server_that_repeats_the_password_is_not_quoted() -> None:
    async with odd({"LOGIN": "TAG NO h@nter2 is wrong"}) as url:
        with pytest.raises(Unread, match=r"^the server repeated the password$"):
            await ImapMailbox(parse_mailbox(url)).fetch(1)


@pytest.mark.parametrize(
    ("password", "said"),
    [('a"b', '* BAD LOGIN jan "a\\"b"\r\nTAG NO "a\\"b"'), ("wörd", "TAG NO wörd"), ("wörd", "wörd")],
)
async def test_a_password_is_known_however_it_is_repeated(password: str, said: str) -> None:
    async with odd({"LOGIN": said, "AUTHENTICATE": said}) as url:
        server = replace(parse_mailbox(url), password=password)
        with pytest.raises(Unread, match=r"^the server repeated the password$"):
            await ImapMailbox(server).fetch(1)


async def test_a_server_that_says_without_end_is_not_listened_to() -> None:
    endless = f"* 1 FETCH (UID 1 BODY[]<0> {{{MOST_SAID + 1}}}"
    async with odd({"SEARCH": "* SEARCH 1\r\nTAG OK done", "FETCH": endless}) as url:
        with pytest.raises(Unread, match="more than it was asked for"):
            await ImapMailbox(parse_mailbox(url)).fetch(1)


async def test_mails_that_a_server_has_lost_or_that_are_empty() -> None:
    answers = {
        "SEARCH": "* SEARCH 9 7 8 nine\r\nTAG OK done",
        "FETCH 7": "TAG NO lost",
        "FETCH 8": '* 2 FETCH (UID 8 BODY[]<0> "")\r\nTAG OK done',
        "FETCH 9": "* 3 FETCH (FLAGS (\\Seen))\r\n* 3 FETCH (BODY[]<0> {2}\r\nhi UID 9)\r\nTAG OK done",
    }
    async with odd(answers) as url:
        one = ImapMailbox(parse_mailbox(url))
        assert await one.fetch(10) == [("0.8", b""), ("0.9", b"hi")]
        await one.close()


@pytest.mark.parametrize(
    ("command", "told"), [("SEARCH", "cannot be searched: no"), ("STORE", "cannot be marked: no")], ids=str.lower
)
async def test_a_command_that_is_refused(command: str, told: str) -> None:
    async with odd({command: "TAG NO no"}) as url:
        one = ImapMailbox(parse_mailbox(url))
        with pytest.raises(Unread, match=told):
            await (one.fetch(1) if command == "SEARCH" else one.done(["0.1"]))


async def test_a_folder_below_the_inbox() -> None:
    answers = {
        "CAPABILITY": "* CAPABILITY IMAP4rev1 MOVE\r\nTAG OK done",
        "MOVE 1 Goniec": "TAG NO [CANNOT] below INBOX only",
        "CREATE Goniec": "TAG NO [CANNOT] below INBOX only",
    }
    async with odd(answers) as url:
        one = ImapMailbox(parse_mailbox(url))
        await one.done(["0.1"])
        await one.close()
    async with odd(answers | {"MOVE": "TAG NO no", "CREATE": "TAG NO no"}) as url:
        one = ImapMailbox(parse_mailbox(url))
        await one.done(["0.1"])
        await one.close()


async def test_the_folder_for_what_is_done_moves_nothing() -> None:
    async with odd({"MOVE": "TAG BAD no", "CAPABILITY": "* CAPABILITY IMAP4rev1 MOVE\r\nTAG OK done"}) as url:
        one = ImapMailbox(parse_mailbox(url.replace("?", "/Goniec?")))
        await one.done(["0.1"])
        await one.close()


async def test_a_silent_server_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with odd({"SEARCH": "* OK wait"}) as url:
        one = ImapMailbox(parse_mailbox(url))
        await one.done(["0.1"])
        monkeypatch.setattr(imap, "WHOLE", 0.05)
        with pytest.raises(Unread, match="does not answer in time"):
            await one.fetch(1)
    monkeypatch.undo()
    async with odd({}, greeting="") as url:
        monkeypatch.setattr(imap, "TIMEOUT", 0.05)
        with pytest.raises(Unread, match="does not answer in time"):
            await ImapMailbox(parse_mailbox(url)).fetch(1)


async def test_who_is_cancelled_hangs_up() -> None:
    asked, hung_up = asyncio.Event(), asyncio.Event()
    async with odd({"SEARCH": "* OK wait"}, asked=asked, hung_up=hung_up) as url:
        task = asyncio.create_task(ImapMailbox(parse_mailbox(url)).fetch(1))
        await asked.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await hung_up.wait()


async def test_nobody_there() -> None:
    with pytest.raises(Unread):
        await ImapMailbox(parse_mailbox(f"imaps://u:p@127.0.0.1:{free_port()}")).greet()


# --- how it is written ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told", "shown"),
    [
        ("imaps://u:p@mail.example", (993, "implicit", "INBOX"), "imaps://mail.example:993/INBOX"),
        (
            "imap://u:p@mail.example/Zwroty/2026?starttls=never",
            (143, "never", "Zwroty/2026"),
            "imap://mail.example:143/Zwroty/2026?starttls=never",
        ),
        ("imap://u:p@[::1]:1143/", (1143, "required", "INBOX"), "imap://[::1]:1143/INBOX?starttls=required"),
    ],
)
def test_mailboxes(text: str, told: tuple[int, str, str], shown: str) -> None:
    server = parse_mailbox(text)
    assert (server.port, server.tls, server.folder) == told
    assert repr(server) == shown


def test_user_and_password_are_taken_out_of_their_escapes() -> None:
    server = parse_mailbox("imaps://b%40example.com:p%40ss%2Fw%C3%B6rd@mail.example")
    assert (server.username, server.password) == ("b@example.com", PASSWORD)


@pytest.mark.parametrize(
    "text",
    [
        "mail.example",
        "pop3://u:p@mail.example",
        "imaps://",
        "imaps://u:p@mail.example:0",
        "imaps://u:p@mail.example:x",
        "imaps://mail.example",
        "imaps://hunter2@mail.example",
        "imaps://u:hunter2%0D%0A@mail.example",
        "imaps://u:hunter2@mail.example/a%22b",
        "imaps://u:hunter2@mail.example/%C5%BC",
        "imaps://u:hunter2@mail.example?starttls=required",
        "imap://u:hunter2@mail.example?starttls=auto",
        "imap://u:hunter2@mail.example?starttls=implicit",
        "imap://u:hunter2@mail.example?tls=1",
        "imaps://u:hunter2@mail.example#x",
    ],
)
def test_what_is_no_mailbox(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_mailbox(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["bounces@example.com", "a.b-c_d@x", "b@sub.example.com"])
def test_addresses(text: str) -> None:
    assert parse_bounce_address(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "bounces", "@example.com", "a+b@example.com", "a b@example.com", "seventeen_letters@example.com"),
        *("a@" + "x" * 190, "a@x..y", "a@", "ż@example.com", "a@żółw.pl", "a@b@c", ".a@b", "Jan <a@b>", "a@-x.com"),
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="an address such as"):
        parse_bounce_address(text)
