"""A mail server that a test runs and reads: real SMTP on 127.0.0.1."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from typing_extensions import override


class Postbox:
    """What came in; `answer` is said to each letter, `sender` and `recipient` to addresses, `denial` to a wrong login.

    `scripts` holds what is said to single recipients instead, each answer once. It hangs up when it has taken `patience`
    letters over a connection; `connections` counts these, `quits` the goodbyes. `raw` are the letters' bytes, `senders` whom they came from by
    their envelopes, with the options of MAIL in `options`.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.letters: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.to: list[list[str]] = []
        self.senders: list[str] = []
        self.options: list[list[str]] = []
        self.scripts: dict[str, list[str]] = {}
        self.patience: int | None = None
        self.connections = 0
        self.quits = 0
        self.lines: list[asyncio.Transport] = []
        self.answer = "250 OK"
        self.recipient = "250 OK"
        self.sender = "250 OK"
        self.denial = "535 5.7.8 no"
        self.logins: list[tuple[bytes, bytes]] = []

    async def handle_MAIL(
        self, _server: Any, _session: Any, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.sender.startswith("250"):
            envelope.mail_from, envelope.mail_options = address, options
        return self.sender

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any) -> str:
        script = self.scripts.get(address)
        said = script.pop(0) if script else self.recipient
        if said.startswith("250"):
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:
        if self.answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.raw.append(envelope.content)
            self.to.append(list(envelope.rcpt_tos))
            self.senders.append(envelope.mail_from or "")
            self.options.append(list(envelope.mail_options))
            # last: who waits for a letter finds the rest there
            self.letters.append(message_from_bytes(envelope.content, EmailMessage, policy=policy.default))
        return self.answer

    async def handle_QUIT(self, _server: Any, _session: Any, _envelope: Any) -> str:
        self.quits += 1
        return "221 Bye"

    async def hang_up(self) -> None:
        """Close what clients have left open."""
        while self.lines:
            self.lines.pop().abort()
        # it is gone after the next round of the loop
        for _ in range(2):
            await asyncio.sleep(0)

    def login(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: LoginPassword) -> AuthResult:
        self.logins.append((data.login, data.password))
        right = data.password == b"p@ss"
        return AuthResult(success=right, handled=False, message=None if right else self.denial)


class _Talk(SMTP):
    """One connection; it ends when the server has had enough of it."""

    event_handler: Postbox
    taken = 0

    @override
    def connection_made(self, transport: Any) -> None:
        # it is made once more after STARTTLS
        self.event_handler.connections += self.transport is None
        self.event_handler.lines.append(transport)
        super().connection_made(transport)

    @override
    async def smtp_DATA(self, arg: str) -> None:
        await super().smtp_DATA(arg)
        self.taken += 1
        if self.taken == self.event_handler.patience and self.transport:
            self.transport.close()


class _Office(Controller):
    @override
    def factory(self) -> SMTP:
        return _Talk(self.handler, **self.SMTP_kwargs)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def postbox(port: int | None = None, **options: Any) -> Iterator[Postbox]:
    """A server at work; `options` are those of its SMTP, and `ssl_context` where it speaks TLS from the start."""
    box = Postbox(port or free_port())
    if options.get("auth_required"):
        options["authenticator"] = box.login
    loop = asyncio.new_event_loop()
    controller = _Office(box, hostname="127.0.0.1", port=box.port, loop=loop, **options)
    controller.start()
    # the controller's own, to see whether it is there
    box.connections = 0
    try:
        yield box
    finally:
        asyncio.run_coroutine_threadsafe(box.hang_up(), loop).result()
        controller.stop()
