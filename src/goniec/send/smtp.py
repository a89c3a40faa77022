"""The sender of mails: one in, one answer out, whatever the mail server does.

`app` builds it, `flow` calls it through the `MailSender` port. It makes the message (`mime`), hands it in over a
connection (`dialogue`) and says what came of it (`replies`). Connections are kept for the next mail, as many as were
needed at once; one that turns out dead while it is used again gives way to a fresh one, unless the server may have
taken the mail. It neither retries nor queues, and belongs to the loop on which it posts first.
"""

import asyncio
import logging
import re
import time
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from msgspec import Struct

from goniec.core.model import Failure
from goniec.ports import Answer, Posting
from goniec.send.dialogue import Dialogue
from goniec.send.mail import MailServer, repeats_password, trusting
from goniec.send.mime import Composed, Site, Unsendable, compose
from goniec.send.replies import CLOSING, Reply, Stage, UnmetError, Verdict, judge, judge_end, judge_silence

if TYPE_CHECKING:
    import ssl

IDLE: Final = 60.0
"""Seconds for which a connection is kept that nobody needs; many servers wait no longer (RFC 5321 asks for minutes)."""

MAILS: Final = 100
"""Mails after which a connection is left: many servers take no more over one."""

DETAIL: Final = 300

SPOILT: Final = frozenset({Failure.NOT_SMTP, Failure.MAIL_LOGIN, Failure.MAIL_REFUSED})
"""Failures after which a connection is no longer used: a fresh one may be understood, or known, again."""

LARGE: Final = 32 * 1024
"""Bytes of a body from which on the message is made in a thread: it would keep the loop from others."""

_NAME: Final = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")

_log = logging.getLogger(__name__)


class SmtpSender:
    """A `MailSender`. Without a server it says so of every mail; `ca_file` holds authorities beside the system's."""

    def __init__(self, server: MailServer | None, site: Site, ca_file: Path | None = None) -> None:
        self._server = server
        self._site = site
        self._ca_file = ca_file
        self._context: ssl.SSLContext | None = None
        self._name = _own_name(site.public_url)
        self._idle: dict[Dialogue, asyncio.TimerHandle] = {}
        self._busy: set[Dialogue] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False

    async def post(self, posting: Posting) -> Answer:
        """See `MailSender`."""
        started = time.monotonic()
        try:
            return await self._post(posting, started)
        except Exception:  # noqa: BLE001 - the flow counts on an answer to every mail
            _log.exception("a mail could not be handed in")
            detail = "The mail could not be handed in because of a fault in Goniec itself; its log says more."
            return Answer(failure=Failure.INTERNAL, detail=detail, millis=_millis(started))

    async def close(self) -> None:
        """See `MailSender`. What is under way is broken off."""
        self._closed = True
        for busy in self._busy:
            busy.drop()
        while (line := self._take()) is not None:
            self._leave(line)
        if self._leaving:
            await asyncio.wait(self._leaving)

    async def _post(self, posting: Posting, started: float) -> Answer:
        server = self._server
        if server is None:
            detail = "No mail server is set up; set GONIEC_SMTP_URL and GONIEC_MAIL_FROM, and start Goniec again."
            return Answer(failure=Failure.MAIL_OFF, detail=detail)
        if self._closed:
            return Answer(failure=Failure.INTERNAL, detail="Goniec is stopping, and hands in no more mails.")
        large = len(posting.body) > LARGE
        mail = await asyncio.to_thread(compose, posting, self._site) if large else compose(posting, self._site)
        if isinstance(mail, Unsendable):
            return Answer(failure=mail.failure, detail=mail.detail[:DETAIL], millis=_millis(started))
        task = _Task(server, mail, posting, started, time.monotonic() + posting.timeout)
        kept = self._take()
        ended = None if kept is None else await self._over(kept, task, kept=True)
        if ended is None:
            ended = await self._over(await self._fresh(server), task, kept=False)
        assert ended is not None  # noqa: S101 - only a kept one gives way
        return ended

    async def _fresh(self, server: MailServer) -> Dialogue:
        if server.tls != "never" and self._context is None:
            self._context = await asyncio.to_thread(trusting, self._ca_file)
        return Dialogue(server, self._context, self._name)

    async def _over(self, line: Dialogue, task: "_Task", *, kept: bool) -> Answer | None:
        """Hand a mail in over a connection; None: it was a kept one, and dead before the mail was under way."""
        import aiosmtplib

        reply, usable = None, False
        limit = asyncio.timeout(task.ends - time.monotonic())
        self._busy.add(line)
        try:
            async with limit:
                reply = None if kept else await line.open(task.posting.connect_timeout)
                reply = reply or await line.hand_in(task.mail)
            if kept and reply.stage < Stage.CONTENT and (reply.code == CLOSING or reply.stage is Stage.RESET):
                return None
            verdict = judge(reply, task.there)
            usable = verdict.failure not in SPOILT
        except UnmetError as unmet:
            # the connection is as good as before
            verdict, usable = Verdict(unmet.failure, str(unmet)), True
        except (aiosmtplib.SMTPException, OSError) as error:
            if limit.expired():
                verdict = judge_silence(line.stage, task.posting.timeout, task.there)
            elif kept and line.stage < Stage.CONTENT and not self._closed:
                return None
            else:
                verdict = judge_end(line.stage, error, task.there)
        finally:
            self._busy.discard(line)
            if usable:
                self._keep(line)
            else:
                line.drop()
        return self._told(line, task, reply, verdict)

    def _told(self, line: Dialogue, task: "_Task", reply: Reply | None, verdict: Verdict) -> Answer:
        failure, detail, body = verdict.failure, verdict.detail, b"" if reply is None else reply.raw
        if repeats_password(task.server, detail + body.decode(errors="replace")):
            detail, body = f"{task.there} repeated the password, and so what it answered is not shown.", b""
        if failure is not None and self._closed:
            failure, detail = Failure.INTERNAL, f"Goniec broke off, for it was stopping. {detail}"
        return Answer(
            failure=failure,
            detail=detail[:DETAIL],
            status=reply.code if reply is not None and reply.code > 0 else None,
            address=line.address,
            millis=_millis(task.started),
            body=body,
            sent=None if line.started is None else round((line.started - task.started) * 1000),
        )

    # connections that are kept

    def _take(self) -> Dialogue | None:
        """Give the one that was used last, of those that stand."""
        while self._idle:
            line, timer = self._idle.popitem()
            timer.cancel()
            if line.alive:
                return line
        return None

    def _keep(self, line: Dialogue) -> None:
        if not line.alive:
            return
        if self._closed or line.stage < Stage.RESET or line.taken >= MAILS:
            self._leave(line)
            return
        self._idle[line] = asyncio.get_running_loop().call_later(IDLE, self._retire, line)

    def _retire(self, line: Dialogue) -> None:
        del self._idle[line]
        self._leave(line)

    def _leave(self, line: Dialogue) -> None:
        task = asyncio.get_running_loop().create_task(line.leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


class _Task(Struct, frozen=True):
    """One mail on its way. It took no time from the server to make it, so `ends` counts from then."""

    server: MailServer
    mail: Composed
    posting: Posting
    started: float
    ends: float

    @property
    def there(self) -> str:
        """The server, as sentences name it."""
        return f"{self.server.host} port {self.server.port}"


def _own_name(public_url: str) -> str | None:
    """How we introduce ourselves: the host under which others reach us, if it is a name (RFC 5321, section 4.1.1.1)."""
    host = urlsplit(public_url).hostname or ""
    if not _NAME.fullmatch(host):
        return None
    try:
        ip_address(host)
    except ValueError:
        return host
    return None


def _millis(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
