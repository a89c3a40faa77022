"""The mailbox that bounces come back to, over IMAP (the `Mailbox` port).

The standard library's client, which blocks, in a thread of its own: it is kept up with the language, and what we want
of IMAP is little. A mail is named by the mailbox's validity and its number there, so that a mailbox which was made anew
does no harm: its mails come again. What is done is marked as seen and, where the server can, moved out of the way.
The password is in no error and no log.
"""

import asyncio
import re
import socket
import ssl
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit
from weakref import proxy

from msgspec import Struct
from typing_extensions import override

from goniec.core.bounces import one_line
from goniec.ports import Unread

if TYPE_CHECKING:
    from imaplib import IMAP4

T = TypeVar("T")

MOST_BYTES: Final = 256 * 1024
"""Of each mail; what it says about its fate stands before the mail that it gives back."""

TOGETHER_BYTES: Final = 4 * 1024 * 1024
"""Of all mails of one call, about."""

MOST_SAID: Final = 32 * 1024 * 1024
"""Bytes that a server may say in one call. What it sends unasked is kept until the call ends."""

TIMEOUT: Final = 30
"""Seconds that the server may be silent."""

WHOLE: Final = 300
"""Seconds that one call may take."""

FOLDER: Final = "Goniec"
"""Where mails go that are done."""

PORTS: Final = {"imap": 143, "imaps": 993}

LOCAL_MOST: Final = 16
DOMAIN_MOST: Final = 189
"""With the token the whole has no more than 254 characters."""

_LOCAL: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")

Tls = Literal["implicit", "required", "never"]
"""TLS from the start; STARTTLS or nothing; none."""

_HOMES: Final = (FOLDER, f"INBOX.{FOLDER}", f"INBOX/{FOLDER}")
"""Some servers have all folders below the inbox."""


class MailboxServer(Struct, frozen=True, kw_only=True):
    """Where the mailbox is."""

    host: str
    port: int
    tls: Tls
    username: str
    password: str
    folder: str = "INBOX"

    @override
    def __repr__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme, tls = ("imaps", "") if self.tls == "implicit" else ("imap", f"?starttls={self.tls}")
        return f"{scheme}://{host}:{self.port}/{self.folder}{tls}"


def parse_mailbox(text: str) -> MailboxServer:
    """Read `imaps://user:password@host:port/INBOX` or `imap://…?starttls=required`.

    Raises:
        ValueError: it is no such URL; the text is not repeated.

    """
    expected = "imaps://user:password@host:993/INBOX or imap://… is expected, with %-escapes in user and password"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme not in PORTS or not parts.hostname or port == 0 or parts.fragment:
        raise ValueError(expected)
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not username or not password:
        raise ValueError(f"a user and a password are wanted: {expected}")
    if not (username.isprintable() and password.isprintable()):
        raise ValueError("user and password are printable characters")
    folder = unquote(parts.path.removeprefix("/")) or "INBOX"
    if not (folder.isascii() and folder.isprintable()) or set(folder) & set('"\\*%'):
        raise ValueError("behind the host stands the mailbox, such as /INBOX, in plain ASCII")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    tls: Tls = "implicit"
    if parts.scheme == "imap":
        wanted = options.pop("starttls", "required")
        tls = "never" if wanted == "never" else "required"
        options |= {} if wanted == tls else {"starttls": wanted}
    if options:
        raise ValueError("behind the ? only starttls=required or never may stand, and that with imap://")
    return MailboxServer(
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        tls=tls,
        username=username,
        password=password,
        folder=folder,
    )


def parse_bounce_address(text: str) -> str:
    """Check where mail goes back to, `bounces@example.com`.

    A token and a plus fit into its local part beside it, which has 64 characters at most (RFC 5321, section 4.5.3.1).

    Raises:
        ValueError: it is no such address.

    """
    local, _, domain = text.rpartition("@")
    plain = all(_LABEL.fullmatch(label) for label in domain.split(".")) and len(domain) <= DOMAIN_MOST
    if _LOCAL.fullmatch(local) is None or len(local) > LOCAL_MOST or not plain:
        raise ValueError(
            "an address such as bounces@example.com is expected: in front of the @ at most"
            f" {LOCAL_MOST} letters, digits, dots, - and _"
        )
    return text


class ImapMailbox:
    """One mailbox on one server; the connection stays from a call to the next one, until `close`."""

    def __init__(self, server: MailboxServer, ca_file: Path | None = None) -> None:
        self._server = server
        self._ca_file = ca_file
        self._line = _Line()

    async def fetch(self, most: int) -> list[tuple[str, bytes]]:
        """See `Mailbox`."""
        return await self._apart(lambda client: _fetch(client, self._server.folder, most))

    async def done(self, names: list[str]) -> None:
        """See `Mailbox`."""
        await self._apart(lambda client: _done(client, self._server.folder, names))

    async def close(self) -> None:
        """See `Mailbox`."""
        if self._line.client is not None:
            with suppress(Unread):
                await self._apart(lambda client: client.logout())
        self._drop()

    async def greet(self) -> None:
        """Log in, look into the mailbox and leave, to see whether that is possible. Raises `Unread`."""
        await self._apart(lambda client: _opened(client, self._server.folder))
        await self.close()

    async def _apart(self, ask: "Callable[[IMAP4], T]") -> T:
        """Work in a thread; one that nobody waits for any longer loses its connection, and so comes to its end."""
        line = self._line
        try:
            async with asyncio.timeout(WHOLE):
                return await _in_thread(lambda: line.work(self._server, self._context, ask))
        except TimeoutError:
            self._drop()
            raise Unread("the server does not answer in time") from None
        except BaseException as error:
            self._drop()
            if isinstance(error, Exception):
                raise Unread(self._said(error)) from None
            raise

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self._ca_file is not None:
            context.load_verify_locations(self._ca_file)
        return context

    def _drop(self) -> None:
        line, self._line = self._line, _Line()
        line.cut()

    def _said(self, error: Exception) -> str:
        """The reason on one line. A server may repeat what it was told, so our secrets are taken out of it."""
        said = error.args[0] if error.args and isinstance(error.args[0], bytes) else str(error)
        text = said.decode(errors="replace") if isinstance(said, bytes) else said
        name, password = self._server.username.encode(), self._server.password.encode()
        quoted = password.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        told = (password, quoted, b64encode(password), b64encode(b"\0" + name + b"\0" + password))
        # the library quotes what it does not understand as Python writes bytes
        if any(one.decode() in text or repr(one)[2:-1] in text for one in told):
            return "the server repeated the password"
        return one_line(f"{type(error).__name__}: {text}")


class _Line:
    """A connection. Whoever is in its thread uses it, anybody may cut it."""

    def __init__(self) -> None:
        self.client: IMAP4 | None = None
        self._heard: Counter[str] = Counter()
        self._cut = False

    def work(self, server: MailboxServer, context: Callable[[], ssl.SSLContext], ask: "Callable[[IMAP4], T]") -> T:
        """Ask the server, in the thread."""
        try:
            if self.client is None:
                self.client = _connect(server, context)
                self._heard = _counting(self.client)
                _login(self.client, server)
            self._heard.clear()
            result = ask(self.client)
        except BaseException:
            if self.client is not None:
                _hang_up(self.client)
            raise
        if self._cut:
            _hang_up(self.client)
        return result

    def cut(self) -> None:
        """End the connection under whoever waits for it, who closes it then: here that would have to wait too."""
        self._cut = True
        if self.client is not None:
            with suppress(OSError):
                self.client.socket().shutdown(socket.SHUT_RDWR)


async def _in_thread(work: Callable[[], T]) -> T:
    """Work in a thread that nothing waits for at the end of the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(settle: Callable[[Any], None], result: object) -> None:
        if not done.done():
            settle(result)

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            settled: tuple[Callable[[Any], None], object] = (done.set_exception, error)
        else:
            settled = (done.set_result, result)
        with suppress(RuntimeError):  # the loop has ended: nobody waits
            loop.call_soon_threadsafe(tell, *settled)

    threading.Thread(target=run, name="mailbox", daemon=True).start()
    return await done


# --- what is said to the server, in the thread ------------------------------------------------------------------------


def _connect(server: MailboxServer, context: Callable[[], ssl.SSLContext]) -> "IMAP4":
    from imaplib import IMAP4, IMAP4_SSL

    if server.tls == "implicit":
        return IMAP4_SSL(server.host, server.port, ssl_context=context(), timeout=TIMEOUT)
    client = IMAP4(server.host, server.port, timeout=TIMEOUT)
    if server.tls == "required":
        try:
            client.starttls(context())
        except BaseException:
            _hang_up(client)
            raise
    return client


def _counting(client: "IMAP4") -> "Counter[str]":
    """Count what the server says, from when that was cleared; it may not be more than `MOST_SAID`."""
    heard: Counter[str] = Counter()
    kind, itself = type(client), proxy(client)  # what held itself would be closed whenever

    def count(bytes_: int) -> None:
        heard["bytes"] += bytes_
        if heard["bytes"] > MOST_SAID:
            raise ValueError("the server says more than it was asked for")

    def counted(size: int) -> bytes:
        count(size)
        return kind.read(itself, size)

    def counted_line() -> bytes:
        line = kind.readline(itself)
        count(len(line))
        return line

    client.read, client.readline = counted, counted_line  # type: ignore[method-assign] # of this one client
    return heard


def _hang_up(client: "IMAP4") -> None:
    with suppress(OSError):
        client.shutdown()


def _login(client: "IMAP4", server: MailboxServer) -> None:
    if "AUTH=PLAIN" in client.capabilities or not (server.username + server.password).isascii():
        secret = f"\0{server.username}\0{server.password}".encode()
        client.authenticate("PLAIN", lambda _: secret)
    else:
        client.login(server.username, server.password)
    kind, told = client.capability()  # there may be more of them now
    if kind == "OK" and told and isinstance(told[-1], bytes):
        client.capabilities = tuple(told[-1].decode("ascii", "replace").upper().split())


def _opened(client: "IMAP4", folder: str) -> str:
    """Open the mailbox, and give its validity."""
    kind, told = client.select(f'"{folder}"')
    if kind != "OK":
        raise ValueError(f"the mailbox {folder} cannot be opened: {_text(told)}")
    _, validity = client.response("UIDVALIDITY")
    return _text(validity) or "0"


def _fetch(client: "IMAP4", folder: str, most: int) -> list[tuple[str, bytes]]:
    validity = _opened(client, folder)
    kind, told = client.uid("SEARCH", "UNSEEN")
    if kind != "OK":
        raise ValueError(f"the mailbox {folder} cannot be searched: {_text(told)}")
    numbers = sorted(int(one) for one in _text(told).split() if one.isdecimal())
    mails: list[tuple[str, bytes]] = []
    size = 0
    for number in numbers:
        kind, parts = client.uid("FETCH", str(number), f"(BODY.PEEK[]<0.{MOST_BYTES}>)")
        raw = _body(parts) if kind == "OK" else None
        if raw is None:
            continue  # somebody took it away meanwhile, or the server has lost it
        mails.append((f"{validity}.{number}", raw))
        size += len(raw)
        if len(mails) >= most or size >= TOGETHER_BYTES:
            break
    return mails


def _body(parts: list[Any]) -> bytes | None:
    for part in parts:
        if isinstance(part, tuple) and b"BODY[" in part[0].upper():
            return bytes(part[1])[:MOST_BYTES]
    # an empty one may come as a text, without anything that stands apart
    return b"" if any(isinstance(part, bytes) and b"BODY[" in part.upper() for part in parts) else None


def _done(client: "IMAP4", folder: str, names: list[str]) -> None:
    validity = _opened(client, folder)
    numbers = [number for made, _, number in (name.partition(".") for name in names) if made == validity]
    if not numbers:
        return
    mails = ",".join(numbers)
    kind, told = client.uid("STORE", mails, "+FLAGS.SILENT", "(\\Seen)")
    if kind != "OK":
        raise ValueError(f"mails cannot be marked: {_text(told)}")
    if folder in _HOMES:
        return
    if "MOVE" in client.capabilities:
        _home(client, "MOVE", mails)
    elif "UIDPLUS" in client.capabilities and _home(client, "COPY", mails):
        client.uid("STORE", mails, "+FLAGS.SILENT", "(\\Deleted)")
        client.uid("EXPUNGE", mails)


def _home(client: "IMAP4", command: str, mails: str) -> bool:
    """Bring mails into the folder for what is done, made where there is none; False: they stay where they are."""
    for home in _HOMES:
        if client.uid(command, mails, home)[0] == "OK":
            return True
        client.create(home)
        if client.uid(command, mails, home)[0] == "OK":
            return True
    return False


def _text(told: list[Any]) -> str:
    return b" ".join(one for one in told if isinstance(one, bytes)).decode("utf-8", "replace")
