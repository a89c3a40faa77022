"""The composition root: builds the parts of one process from the settings, joins them, runs and stops them in order.

Called by the commands. Two loops: this one has the web, record and upkeep; the sender has one of its own in a thread,
which is quicker by a quarter than sharing one. Between them go lists, one wake-up each. Where several processes share a
PostgreSQL, all go by its clock, and its role says whether a process owns endpoints and keeps the house (`worker`), or
records and answers (`web`).
"""

import asyncio
import contextlib
import gc
import os
import random
import resource
import secrets
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import Final

import uvicorn
import uvloop
from typing_extensions import override

from goniec import __version__
from goniec.core.letters import Manner
from goniec.core.model import Delivery
from goniec.core.problems import Problem
from goniec.core.times import Millis
from goniec.core.tokens import PURPOSE
from goniec.flow.bounces import Bounces, Returns
from goniec.flow.deliver import Deliverer
from goniec.flow.gate import Gate
from goniec.flow.jobs import Jobs
from goniec.flow.leases import LEASE_SECONDS, Alone, Leased, Leases
from goniec.flow.owners import Owners
from goniec.flow.record import Locale, Recorder
from goniec.flow.timekeeping import SharedClock
from goniec.flow.tracking import Tracking
from goniec.flow.upkeep import Upkeep
from goniec.observe import log
from goniec.ports import Clock, Finished, Forbidden, Identified, Vault
from goniec.send.guard import Own, Refused, check_header, check_resolved
from goniec.send.http import HttpSender
from goniec.send.imap import ImapMailbox, MailboxServer
from goniec.send.mail import MailServer, SmtpMailer
from goniec.send.mime import Site
from goniec.send.reports import read
from goniec.send.resolve import DnsResolver
from goniec.send.smtp import SmtpSender
from goniec.send.spans import open_exporter
from goniec.settings import Settings, SettingsError, local_url
from goniec.store.address import Postgres
from goniec.store.opening import Database, open_store
from goniec.store.passwords import Argon2
from goniec.store.spool import DiskSpool
from goniec.store.vault import open_vault
from goniec.tracing import tracing
from goniec.web.context import ApiContext, MailSetup, Reached
from goniec.web.dispatch import create_app, create_worker_app
from goniec.web.protocol import protocol

AGENT: Final = f"Goniec/{__version__}"

BACKLOG: Final = 2048
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than the pools of usual clients, so that it is they who close an idle connection."""

GRACE_SECONDS: Final = 30
"""How long requests in flight may still take when the process is told to stop."""

GARBAGE: Final = 50_000
"""So many new objects make the collector look for cycles: a batch makes thousands, and none of them is in one."""

SPOOL: Final = "spool"
"""The folder, beside the database, of what mails lead back and is not recorded yet."""

FILES: Final = 65_536
"""Open files that we ask the system for: every request under way is one."""


STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""The clock that never jumps; where there is one that goes on while the machine sleeps, that one."""


class SystemClock:
    """The machine's clocks (the `Clock` port)."""

    def now(self) -> Millis:
        """See `Clock`."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """See `Clock`."""
        return time.clock_gettime(STEADY)


class SystemDice:
    """The machine's chance (the `Dice` port)."""

    def bits(self, n: int) -> int:
        """See `Dice`."""
        return secrets.randbits(n)

    def jitter(self) -> float:
        """See `Dice`."""
        return random.uniform(-1, 1)  # noqa: S311 - spreads retries, guards nothing


class Running:
    """A process's parts while they run; `url` is where its web answers."""

    def __init__(self, settings: Settings, url: str, own: Own, store: Database, vault: Vault, clock: Clock) -> None:
        dice = SystemDice()
        self.owner = secrets.token_hex(8)
        self.settings = settings
        self.url = url
        self.own = own
        self.store = store
        self.vault = vault
        self.stopping = False
        self.clock = clock
        self.dice = dice
        self._loop = asyncio.get_running_loop()
        locale = Locale(settings.timezone, settings.country, settings.language)
        self.recorder = Recorder(store, clock, dice, self, locale)
        self.spool = DiskSpool(settings.data_dir / SPOOL)
        self.tracking = Tracking(self.spool, self.recorder, clock, dice)
        self.duties = self.leases()
        self.upkeep = Upkeep(store, clock, settings.retention_days, settings.dedup_days, self.duties)
        manner = Manner(settings.language, settings.timezone, settings.public_url)
        self.owners = Owners(store, clock, _mailer(settings), manner)
        self.jobs = Jobs(store, clock, self, self.duties)
        returns = _returns(settings, vault)
        self.bounces = None if returns is None else Bounces(returns, store, self.recorder, clock, self.duties)
        self.sender_thread = _SenderThread(self)

    def leases(self) -> Leases:
        """What one loop of this process owns: all, where the database is its alone."""
        if not isinstance(self.settings.database, Postgres):
            return Alone()
        return Leased(self.store, self.clock, self.owner, LEASE_SECONDS, delivers=self.settings.role != "web")

    def take(self, deliveries: Sequence[Delivery], busy: set[tuple[str, str]]) -> None:
        """Hand over to the sender (the `Handover` port)."""
        self.deliverer.take(deliveries, busy)

    def changed(self, endpoint_id: str) -> None:
        """Tell the sender (the `Notice` port)."""
        self.deliverer.changed(endpoint_id)

    def kick(self, endpoint_id: str) -> None:
        """Tell the sender (the `Notice` port)."""
        self.deliverer.kick(endpoint_id)

    @property
    def deliverer(self) -> Deliverer:
        """The sender's side; there from the start of its thread on."""
        return self.sender_thread.deliverer

    def why_not_ready(self) -> str | None:
        """Say why this process takes no more work, if it does not."""
        return "it is stopping" if self.stopping else None

    def finish(
        self, loop: asyncio.AbstractEventLoop, finished: Sequence[Finished], done: Callable[[list[Delivery]], None]
    ) -> None:
        """Bring results of attempts from the sender's loop to `record`, and what became of them back."""
        back = partial(_call_soon, loop, done)
        _call_soon(self._loop, self.recorder.finish, finished, back)


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    """Run a whole Goniec inside this process; leaving the block stops it gracefully.

    Requests in flight finish, attempts under way are written down, nothing accepted is lost. Raises what `open_store`,
    `open_vault` and binding the port raise, and `SettingsError` for traces that cannot be had.
    """
    _more_files()
    with _traces():
        async with _started(settings) as parts:
            yield parts


@contextlib.asynccontextmanager
async def _started(settings: Settings) -> AsyncIterator[Running]:
    listening = _bind(settings.host, settings.port)
    with contextlib.closing(listening):
        store = open_store(settings.database, server=True)
        try:
            keys = [key.text for key in settings.secret_key]
            vault = await open_vault(store, settings.key_file, keys)
            url = local_url(settings.host, listening.getsockname()[1])
            clock: Clock = SystemClock()
            if store.time is not None:
                clock = await SharedClock.begin(clock, store.time)
            parts = Running(settings, url, [listening.getsockname()[:2]], store, vault, clock)
            async with _going(parts, listening):
                yield parts
        finally:
            await store.close()


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings) as parts:
        _spare_collector()
        log.info("ready", role=settings.role, url=parts.url, database=str(settings.database), version=__version__)
        await stop.wait()
        log.info("stopping")
    log.info("stopped")


@contextlib.asynccontextmanager
async def _going(parts: Running, listening: socket.socket) -> AsyncIterator[None]:
    """Start the parts in order and stop them in the opposite one.

    When one of them fails, everything ends with its error.
    """
    async with asyncio.TaskGroup() as group:
        recording = group.create_task(parts.recorder.run())
        sending = group.create_task(parts.sender_thread.run())
        await parts.sender_thread.ready.wait()
        house = () if parts.settings.role == "web" else (parts.upkeep.run(), parts.owners.run(), parts.jobs.run())
        returning = (parts.bounces.run(),) if house and parts.bounces is not None else ()
        ruled = (parts.clock.run(),) if isinstance(parts.clock, SharedClock) else ()
        asked = () if parts.settings.role == "worker" else (parts.tracking.run(),)
        keeping = [group.create_task(part) for part in (*house, *returning, *ruled, *asked)]
        server = _Server(_web(parts))
        serving = group.create_task(server.serve(sockets=[listening]))
        try:
            yield
        except asyncio.CancelledError:
            server.force_exit = True  # a part has failed: callers would wait for it for ever
            raise
        finally:
            parts.stopping = True
            server.should_exit = True
            await serving
            for part in keeping:
                part.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)
            await parts.spool.close()
            await parts.duties.let_go(parts.duties.names)
        parts.deliverer.stop()
        await sending
        parts.recorder.stop()
        await recording


def _web(parts: Running) -> uvicorn.Config:
    settings = parts.settings
    ruled = {"ahead": parts.clock.ahead} if isinstance(parts.clock, SharedClock) else {}
    context = ApiContext(
        **ruled,
        store=parts.store,
        recorder=parts.recorder,
        clock=parts.clock,
        dice=parts.dice,
        vault=parts.vault,
        guard=_Guard(parts),
        notice=parts.deliverer,
        try_out=parts.deliverer.try_out,
        tracking=parts.tracking,
        version=__version__,
        country=settings.country,
        zone=settings.timezone.key,
        public_url=settings.public_url,
        language=settings.language,
        mail_setup=_mail_setup(settings),
        role=settings.role,
        owner=parts.owner if isinstance(settings.database, Postgres) else "",
        gate=Gate(parts.clock, Argon2()),
        trusted_proxies=settings.trusted_proxies,
        ready=parts.why_not_ready,
    )
    return uvicorn.Config(
        create_app(context) if settings.role != "worker" else create_worker_app(context),
        loop="none",
        http=protocol(parts.dice),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


@contextlib.contextmanager
def _traces() -> Iterator[None]:
    """Have traces where the environment asks for them."""
    try:
        exporter = open_exporter(os.environ, __version__)
    except ValueError as error:
        raise SettingsError([str(error)]) from None
    tracing.configure(exporter)
    try:
        yield
    finally:
        tracing.configure(None)
        if exporter is not None:
            exporter.close()


def _returns(settings: Settings, vault: Vault) -> Returns | None:
    if settings.imap_url is None:
        return None
    return Returns(ImapMailbox(settings.imap_url, settings.ca_file), read, vault.derived(PURPOSE))


def _mailer(settings: Settings) -> SmtpMailer | None:
    if settings.smtp_url is None or settings.mail_from is None:
        return None
    return SmtpMailer(settings.smtp_url, settings.mail_from, settings.ca_file)


def _mail_setup(settings: Settings) -> MailSetup:
    return MailSetup(
        server=_reached(settings.smtp_url),
        sender=settings.mail_from,
        bounces=settings.bounce_address,
        mailbox=_reached(settings.imap_url),
    )


def _reached(server: MailServer | MailboxServer | None) -> Reached | None:
    if server is None:
        return None
    host = f"[{server.host}]" if ":" in server.host else server.host
    return Reached(f"{host}:{server.port}", server.tls)


def _mail_sender(settings: Settings, vault: Vault) -> SmtpSender:
    """What mails of rules are handed in by; without a server it says so of each."""
    site = Site(
        public_url=settings.public_url,
        sender=settings.mail_from,
        bounces=settings.bounce_address,
        keys=vault.derived(PURPOSE),
    )
    return SmtpSender(settings.smtp_url, site, settings.ca_file)


class _Guard:
    """Checks, before something is saved, where it would send to (the `Guard` port)."""

    def __init__(self, parts: Running) -> None:
        self._parts = parts
        self._resolver = DnsResolver()

    async def check(self, url: str) -> str | Forbidden:
        """See `Guard`."""
        found = await check_resolved(url, self._parts.settings.allow_networks, self._resolver, self._parts.own)
        return Forbidden(found.detail) if isinstance(found, Refused) else found.url

    def check_header(self, name: str, value: str) -> str | None:
        """See `Guard`."""
        return check_header(name, value)

    def check_authorities(self, text: str) -> str | Forbidden:
        """See `Guard`."""
        from goniec.send.certificates import read_authorities

        return read_authorities(text)

    def check_client(self, certificate: str, key: str | None, now: Millis) -> Identified | Problem:
        """See `Guard`."""
        from goniec.send.certificates import read_client

        return read_client(certificate, key, now)


class _Server(uvicorn.Server):
    """Uvicorn raises a signal once more when it is done, which would end the process before the rest is.

    We catch them ourselves.
    """

    @contextlib.contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        yield


class _SenderThread:
    """The thread in which `deliver` has a loop of its own."""

    deliverer: Deliverer

    def __init__(self, parts: Running) -> None:
        self.ready = asyncio.Event()
        self._parts = parts
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()

    async def run(self) -> None:
        """Run the thread until `deliver` has ended; raises what ended it."""
        threading.Thread(target=self._main, name="sender", daemon=True).start()
        await self._ended

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._send())
        except BaseException as error:  # noqa: BLE001 - told to the other loop, which ends the process
            _call_soon(self._loop, self._ended.set_exception, error)
        else:
            _call_soon(self._loop, self._ended.set_result, None)

    async def _send(self) -> None:
        parts, settings = self._parts, self._parts.settings
        resolver = DnsResolver()
        sender = HttpSender(
            resolver,
            allowed=settings.allow_networks,
            own=parts.own,
            ca_file=settings.ca_file,
            proxy=settings.egress_proxy,
        )
        mails = _mail_sender(settings, parts.vault)
        finish = partial(parts.finish, asyncio.get_running_loop())
        try:
            self.deliverer = Deliverer(
                parts.store,
                sender,
                parts.vault,
                parts.clock,
                parts.dice,
                finish,
                AGENT,
                parts.leases(),
                parts.store.signals,
                mails,
            )
            _call_soon(self._loop, self.ready.set)
            await self.deliverer.run()
        finally:
            await sender.close()
            await mails.close()
            await resolver.close()


def _call_soon(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: object) -> None:
    """Call on another thread's loop; one that is closed has nobody left to tell."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *arguments)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # connections inherit it; without it the second half of an answer waits 40 ms for the other side's acknowledgement
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _spare_collector() -> None:
    """Take what was made at start, which stays, out of the collector's sight, and let it look less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


def _more_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        wanted = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
