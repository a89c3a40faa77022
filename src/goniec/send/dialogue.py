"""One connection with a mail server: opened, used for one mail after the other, left.

`smtp` keeps these and decides when; what a reply means is for `replies` to say. The library is loaded with the first
connection. There is no time limit in here but for the connecting: who calls has one for all of it.
"""

import asyncio
import re
import socket
import ssl
import time
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from goniec.core.model import Failure
from goniec.send.mail import MailServer
from goniec.send.mime import Composed
from goniec.send.replies import OK, Reply, Stage, UnmetError

if TYPE_CHECKING:
    from aiosmtplib import SMTP

LEAVING: Final = 2.0
"""Seconds that a server has to say goodbye."""

GO_AHEAD: Final = 354
FINE: Final = 250

_DOT: Final = re.compile(rb"^\.", re.MULTILINE)


class Dialogue:
    """A connection. `name` is how we introduce ourselves: a host name, or None for the address that it goes out from.

    `stage` is how far it has got, `started` when (monotonic) the server was first told of the last mail, `taken` how
    many it has got, `address` where it stands. Belongs to one task at a time.
    """

    def __init__(self, server: MailServer, context: ssl.SSLContext | None, name: str | None) -> None:
        self._server = server
        self._context = context
        self._name = name
        self._client: SMTP | None = None
        self._unfinished = False
        self.stage = Stage.CONNECT
        self.started: float | None = None
        self.taken = 0
        self.address: str | None = None

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as one can see."""
        return self._client is not None and self._client.is_connected

    async def open(self, limit: float) -> Reply | None:
        """Connect and log in; None: it can be used, else the server's last word.

        Raises:
            UnmetError: it cannot be reached, or not as we want it.
            SMTPException, OSError: the connection broke, or there was none.

        """
        import aiosmtplib

        server = self._server
        sock = await self._connect(limit)
        self.stage = Stage.GREETING
        client = self._client = aiosmtplib.SMTP(
            hostname=server.host,
            sock=sock,
            local_hostname=self._name or _literal(sock.getsockname()[0]),
            use_tls=server.tls == "implicit",
            start_tls=False,
            tls_context=self._context,
            timeout=None,
        )
        try:
            await client.connect()
            await self._hello(client)
            if server.tls in {"required", "auto"}:
                await self._secure(client)
            if server.username is not None and server.password is not None:
                self.stage = Stage.LOGIN
                await client.login(server.username, server.password)
        except aiosmtplib.SMTPResponseException as refusal:
            return Reply(self.stage, refusal.code, refusal.message)
        finally:
            if not self.alive:
                sock.close()
        self.stage = Stage.RESET
        return None

    async def hand_in(self, mail: Composed) -> Reply:
        """Hand in one mail; the reply is the last one, whichever step it answers. Raises as `open`."""
        import aiosmtplib

        client = self._client
        if client is None:
            raise ConnectionResetError
        self.started = None
        try:
            return await self._exchange(client, mail)
        except aiosmtplib.SMTPResponseException as odd:
            return Reply(self.stage, odd.code, odd.message)

    async def leave(self) -> None:
        """Say goodbye."""
        import aiosmtplib

        client = self._client
        if client is None:
            return
        with suppress(aiosmtplib.SMTPException, OSError):
            async with asyncio.timeout(LEAVING):
                await client.quit()
        self.drop()

    def drop(self) -> None:
        """Close the connection without a word."""
        if self._client is not None:
            self._client.close()

    async def _exchange(self, client: "SMTP", mail: Composed) -> Reply:
        if self._unfinished:
            reply = await self._say(Stage.RESET, b"RSET")
            if reply.code != FINE:
                return reply
            self._unfinished = False
        options = self._options(client, mail)
        self.started = time.monotonic()
        self._unfinished = True
        reply = await self._say(Stage.SENDER, b"MAIL", b"FROM:" + _path(mail.sender), *options)
        if reply.code // 100 != OK:
            return reply
        reply = await self._say(Stage.RECIPIENT, b"RCPT", b"TO:" + _path(mail.recipient))
        if reply.code // 100 != OK:
            return reply
        reply = await self._say(Stage.DATA, b"DATA")
        return reply if reply.code != GO_AHEAD else await self._content(client, mail.content)

    async def _connect(self, limit: float) -> socket.socket:
        """Try one address after the other, each for its part of the time."""
        host, port = self._server.host, self._server.port
        loop = asyncio.get_running_loop()
        ends = loop.time() + limit
        try:
            async with asyncio.timeout_at(ends):
                found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError:
            raise UnmetError(Failure.DNS, f"The name {host} was not resolved within {limit:g} s.") from None
        except (OSError, UnicodeError):
            raise UnmetError(Failure.DNS, f"The name {host} was not found; check GONIEC_SMTP_URL.") from None
        failure, why = Failure.CONNECT, "has no address"
        for n, (family, kind, protocol, _, address) in enumerate(found):
            try:
                sock = socket.socket(family, kind, protocol)
            except OSError as error:
                failure, why = Failure.INTERNAL, f"was not asked: Goniec can open no connection ({error.strerror})"
                continue
            sock.settimeout(0)
            try:
                async with asyncio.timeout((ends - loop.time()) / (len(found) - n)):
                    await loop.sock_connect(sock, address)
            except TimeoutError:
                failure, why = Failure.CONNECT_TIMEOUT, f"took no connection within {limit:g} s"
            except OSError as error:
                failure, why = Failure.CONNECT, f"took no connection ({error.strerror or error})"
            except BaseException:
                sock.close()
                raise
            else:
                self.address = _shown(sock.getpeername())
                return sock
            sock.close()
        raise UnmetError(failure, f"{host} port {port} {why}; check that it runs, and GONIEC_SMTP_URL.")

    async def _hello(self, client: "SMTP") -> None:
        import aiosmtplib

        self.stage = Stage.HELLO
        try:
            await client.ehlo()
        except aiosmtplib.SMTPHeloError:
            if not client.is_connected:
                raise
            await client.helo()

    async def _secure(self, client: "SMTP") -> None:
        if not client.supports_extension("starttls"):
            if self._server.tls == "required":
                detail = "does not offer STARTTLS, and without TLS nothing is sent; see starttls in GONIEC_SMTP_URL"
                raise UnmetError(Failure.TLS, f"{self._server.host} port {self._server.port} {detail}.")
            return
        self.stage = Stage.TLS
        await client.starttls()
        await self._hello(client)

    def _options(self, client: "SMTP", mail: Composed) -> list[bytes]:
        """What is said with the sender: the mail's length (RFC 1870), and that it is more than ASCII (RFC 6531)."""
        options = []
        if client.supports_extension("size"):
            size = len(mail.content)
            most = client.esmtp_extensions["size"].strip()
            if most.isdecimal() and 0 < int(most) < size:
                detail = f"The mail has {size} bytes, and {self._server.host} takes {most} at most."
                raise UnmetError(Failure.MESSAGE_REFUSED, detail)
            options.append(b"SIZE=%d" % size)
        if mail.utf8:
            if not client.supports_extension("smtputf8"):
                detail = "takes no addresses with more than ASCII before the @ (SMTPUTF8), as this one has it"
                raise UnmetError(Failure.RECIPIENT_INVALID, f"{self._server.host} {detail}.")
            options += [b"BODY=8BITMIME", b"SMTPUTF8"]
        return options

    async def _say(self, stage: Stage, *command: bytes) -> Reply:
        self.stage = stage
        assert self._client is not None  # noqa: S101 - who calls has it
        code, text = await self._client.execute_command(*command)
        return Reply(stage, code, text)

    async def _content(self, client: "SMTP", content: bytes) -> Reply:
        self.stage = Stage.CONTENT
        if client.protocol is None:
            raise ConnectionResetError
        client.protocol.write(_DOT.sub(b"..", content) + b".\r\n")
        code, text = await client.protocol.read_response()
        self._unfinished = False
        self.taken += code // 100 == OK
        return Reply(Stage.CONTENT, code, text)


def _path(address: str) -> bytes:
    return f"<{address}>".encode()


def _literal(address: str) -> str:
    """An address as one introduces oneself by it (RFC 5321, section 4.1.3)."""
    own = ip_address(address.partition("%")[0])
    return f"[{own}]" if own.version == 4 else f"[IPv6:{own}]"  # noqa: PLR2004 - IPv4 it is


def _shown(peer: tuple[Any, ...]) -> str:
    host, port = peer[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
