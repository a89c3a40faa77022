"""A mail server that a test runs and reads: real SMTP on 127.0.0.1."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword


class Postbox:
    """What came in; `answer` is said to each letter, `sender` and `recipient` to addresses, `denial` to a wrong login."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.letters: list[EmailMessage] = []
        self.to: list[list[str]] = []
        self.answer = "250 OK"
        self.recipient = "250 OK"
        self.sender = "250 OK"
        self.denial = "535 5.7.8 no"
        self.logins: list[tuple[bytes, bytes]] = []

    async def handle_MAIL(self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any) -> str:
        envelope.mail_from = address
        return self.sender

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any) -> str:
        if self.recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:
        if self.answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.letters.append(message_from_bytes(envelope.content, EmailMessage, policy=policy.default))
            self.to.append(list(envelope.rcpt_tos))
        return self.answer

    def login(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: LoginPassword) -> AuthResult:
        self.logins.append((data.login, data.password))
        right = data.password == b"p@ss"
        return AuthResult(success=right, handled=False, message=None if right else self.denial)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def postbox(port: int | None = None, **options: Any) -> Iterator[Postbox]:
    """A server at work; `options` are those of its SMTP."""
    box = Postbox(port or free_port())
    if options.get("auth_required"):
        options["authenticator"] = box.login
    loop = asyncio.new_event_loop()
    controller = Controller(box, hostname="127.0.0.1", port=box.port, loop=loop, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
