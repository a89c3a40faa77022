"""Mail to owners of endpoints, over SMTP (the `Mailer` port), and the server for all mail, which `smtp` shares.

The library is loaded with the first letter. What stands in a letter came from the core; the parts of its head are set
as texts, and one with a line end is refused, never sent. The server's password is in no error and no log.
"""

import asyncio
import re
import ssl
from base64 import b64encode
from email.errors import HeaderParseError
from email.message import EmailMessage
from email.policy import SMTP as CRLF
from email.utils import formatdate, parseaddr
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct
from typing_extensions import override

from goniec.core.retry import check_address
from goniec.ports import Mail, Undelivered

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiosmtplib import SMTP, SMTPResponseException

TIMEOUT: Final = 60
"""Seconds for a letter in all: while it is sent, nobody else may take it in hand."""

PORTS: Final = {"smtp": 587, "smtps": 465}
SAID: Final = 300
"""Characters of what a server said that go into the log."""

_FOR_GOOD: Final = re.compile(r"5\d\d(?!.*\b5\.7\.\d)", re.DOTALL)
"""RFC 5321 and 3463: a refusal that stays; one by policy (5.7) is about us, and whoever runs the server lifts it."""

Tls = Literal["implicit", "required", "auto", "never"]
"""TLS from the start; STARTTLS or nothing is sent; STARTTLS where the server offers it; none."""


class MailServer(Struct, frozen=True, kw_only=True):
    """Where letters are handed in."""

    host: str
    port: int
    tls: Tls
    username: str | None = None
    password: str | None = None

    @override
    def __repr__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        tls = "" if self.tls == "implicit" else f"?starttls={self.tls}"
        return f"{'smtps' if self.tls == 'implicit' else 'smtp'}://{host}:{self.port}{tls}"


def parse_server(text: str) -> MailServer:
    """Read `smtp://user:password@host:port?starttls=required` or `smtps://…`.

    With a password STARTTLS is required unless said otherwise.

    Raises:
        ValueError: it is no such URL; the text is not repeated.

    """
    expected = "smtp://user:password@host:587 or smtps://… is expected, with %-escapes in user and password"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme not in PORTS or not parts.hostname or port == 0 or parts.path not in {"", "/"} or parts.fragment:
        raise ValueError(expected)
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(username) != bool(password):
        raise ValueError("a user and a password belong together: smtp://user:password@host:587")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    tls: Tls = "implicit" if parts.scheme == "smtps" else "required" if username else "auto"
    if parts.scheme == "smtp" and (wanted := options.pop("starttls", None)) is not None:
        if wanted not in {"required", "auto", "never"}:
            raise ValueError("starttls is required, auto or never")
        tls = "required" if wanted == "required" else "auto" if wanted == "auto" else "never"
    if options:
        raise ValueError("behind the ? only starttls=required, auto or never may stand, and that with smtp://")
    return MailServer(
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        tls=tls,
        username=username or None,
        password=password or None,
    )


def parse_sender(text: str) -> str:
    """Check what letters are from, `goniec@example.com` or `Goniec <goniec@example.com>`; raises `ValueError`."""
    name, address = parseaddr(text)
    plain = text.isprintable() and text.strip() in {address, f"{name} <{address}>", f'"{name}" <{address}>'}
    try:
        check_address(address)
    except ValueError:
        plain = False
    if not plain:
        raise ValueError("an e-mail address is expected: goniec@example.com or Goniec <goniec@example.com>")
    return text.strip()


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Believe the system's authorities and those of a file."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def repeats_password(server: MailServer, text: str) -> bool:
    """Whether a text holds the password, as it is or as a login carries it."""
    if server.password is None:
        return False
    name, password = (server.username or "").encode(), server.password.encode()
    told = (password, b64encode(password), b64encode(b"\0" + name + b"\0" + password))
    return any(one.decode() in text for one in told)


class SmtpMailer:
    """Hands letters to a server, one connection for each: there are few."""

    def __init__(self, server: MailServer, sender: str, ca_file: Path | None = None) -> None:
        self._server = server
        self._sender = sender
        self._ca_file = ca_file

    async def send(self, mail: Mail) -> None:
        """See `Mailer`."""
        message = self._message(mail)
        await self._talk(lambda server: server.send_message(message))

    async def greet(self) -> None:
        """Log in and leave, to see whether that is possible. Raises `Undelivered`."""
        await self._talk(lambda server: server.noop())

    async def _talk(self, say: "Callable[[SMTP], Awaitable[object]]") -> None:
        import aiosmtplib

        server = self._server
        try:
            client = aiosmtplib.SMTP(
                hostname=server.host,
                port=server.port,
                username=server.username,
                password=server.password,
                use_tls=server.tls == "implicit",
                start_tls={"required": True, "never": False, "implicit": False, "auto": None}[server.tls],
                timeout=TIMEOUT,
                tls_context=None if server.tls == "never" else trusting(self._ca_file),
            )
            async with asyncio.timeout(TIMEOUT), client:
                await say(client)
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise self._refused(error.recipients[0]) from None
        except aiosmtplib.SMTPDataError as error:
            raise self._refused(error) from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise Undelivered(self._said(error)) from None

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage(policy=CRLF)
        try:
            message["From"] = self._sender
            message["To"] = mail.to
            message["Subject"] = mail.subject
        except (ValueError, HeaderParseError):
            raise Undelivered("a part of its head holds a line end", final=True) from None
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{mail.key}@{parseaddr(self._sender)[1].rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        return message

    def _refused(self, error: "SMTPResponseException") -> Undelivered:
        """The letter itself was refused, or whom it is for: for good, or until later."""
        final = _FOR_GOOD.match(f"{error.code} {error.message}") is not None
        return Undelivered(self._said(error), final=final)

    def _said(self, error: Exception) -> str:
        """The reason on one line. A server may repeat what it was told, so our secrets are taken out of it."""
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return "the server repeated the password" if repeats_password(self._server, text) else text[:SAID]
