"""A mailbox that a test runs and reads: a real IMAP server on 127.0.0.1, which can go away and come back."""

import asyncio
import imaplib
import socket
import ssl
import threading
from argparse import Namespace
from collections.abc import Awaitable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from proxyprotocol.reader import ProxyProtocolReader
from pymap.backend.dict import Config, DictBackend
from pymap.imap import IMAPServer
from pysasl.hashing import BuiltinHash
from typing_extensions import override

from tests.postbox import free_port

T = TypeVar("T")

USER: Final = "bounces@example.com"
PASSWORD: Final = "p@ss/wörd"

QUICK: Final = BuiltinHash(rounds=1)
"""Nobody steals these passwords."""


class _Configured(Config):
    """Can do less than it might."""

    without: Collection[bytes] = ()

    @property
    @override
    def greeting(self) -> bytes:
        return b"ready"

    @property
    @override
    def login_capability(self) -> Sequence[bytes]:
        return [one for one in super().login_capability if one not in self.without]


class MailboxHost:
    """The server; its mails stay while it is down. With a `context` it has TLS: on demand, or `implicit`."""

    def __init__(
        self, context: ssl.SSLContext | None = None, *, implicit: bool = False, without: Collection[bytes] = ()
    ) -> None:
        self.port = free_port()
        self._context = context
        self._implicit = implicit
        self._without = without
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="imap", daemon=True)
        self._thread.start()
        self._server: asyncio.Server | None = None
        self._backend: DictBackend
        self._config: _Configured
        self.renew()

    @property
    def url(self) -> str:
        """As a setting has it."""
        scheme, end = ("imaps", "") if self._implicit else ("imap", "" if self._context else "?starttls=never")
        return f"{scheme}://bounces%40example.com:p%40ss%2Fw%C3%B6rd@127.0.0.1:{self.port}/INBOX{end}"

    def up(self) -> None:
        """Answer."""
        self._do(self._served())

    def down(self) -> None:
        """Answer nobody, and hang up on whoever is there."""
        self._do(self._stopped())

    def renew(self) -> None:
        """Make the mailbox anew: it has forgotten all that it had, and numbers its mails from the first again."""
        self.down()
        self._do(self._made())
        self.up()

    def close(self) -> None:
        """End it."""
        self.down()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def put(self, *mails: bytes) -> None:
        """Have mails come in."""
        with self._client() as client:
            for mail in mails:
                assert client.append("INBOX", "", "", mail)[0] == "OK"

    def count(self, what: str = "ALL", folder: str = "INBOX") -> int | None:
        """How many mails of a folder are so; None: there is no such folder."""
        with self._client() as client:
            if client.select(folder, readonly=True)[0] != "OK":
                return None
            return len(client.search(None, what)[1][0].split())

    @contextmanager
    def _client(self) -> Iterator[imaplib.IMAP4]:
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        if self._implicit:
            client: imaplib.IMAP4 = imaplib.IMAP4_SSL("127.0.0.1", self.port, ssl_context=trusting)
        else:
            client = imaplib.IMAP4("127.0.0.1", self.port)
        client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client:
            if self._context is not None and not self._implicit:
                client.starttls(trusting)
            client.authenticate("PLAIN", lambda _: f"\0{USER}\0{PASSWORD}".encode())
            yield client

    def _do(self, work: Awaitable[T]) -> T:
        async def wait() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(wait(), self._loop).result()

    async def _made(self) -> None:
        args = Namespace(
            demo_data=False,
            demo_user=USER,
            demo_password=PASSWORD,
            host="127.0.0.1",
            port=self.port,
            cert=None,
            key=None,
            proxy_protocol=None,
            passlib_cfg=None,
            debug=False,
            tls=self._context is not None and not self._implicit,
        )
        context = self._context or ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._config = _Configured.from_args(args, ssl_context=context, hash_context=QUICK)
        self._config.without = self._without
        self._backend, _ = await DictBackend.init(args, ssl_context=context, hash_context=QUICK)

    async def _served(self) -> None:
        self._config.apply_context()
        callback = ProxyProtocolReader(self._config.proxy_protocol).get_callback(
            IMAPServer(self._backend.login, self._config)
        )
        tls = self._context if self._implicit else None
        self._server = await asyncio.start_server(callback, "127.0.0.1", self.port, ssl=tls)

    async def _stopped(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        there = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in there:
            task.cancel()
        await asyncio.gather(*there, return_exceptions=True)


@contextmanager
def mailbox(
    context: ssl.SSLContext | None = None, *, implicit: bool = False, without: Collection[bytes] = ()
) -> Iterator[MailboxHost]:
    """A server at work."""
    host = MailboxHost(context, implicit=implicit, without=without)
    try:
        yield host
    finally:
        host.close()
