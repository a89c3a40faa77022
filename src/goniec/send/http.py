"""The sender of webhooks: one request in, one answer out, whatever the other side does.

`app` builds it, `flow` calls it through the `Sender` port. It checks the target (guard), looks its name up (resolve),
pins the connection to the checked addresses, lets libcurl do one POST (transfer, curl) and reads the outcome (verdict).
It neither retries nor queues: an attempt that failed is an answer, and what follows from it is the flow's. It belongs
to the loop on which it sends first.
"""

import asyncio
import logging
import re
import time
from contextlib import ExitStack
from functools import lru_cache, partial
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import pycurl
from msgspec.structs import replace

from goniec.core.model import Failure
from goniec.core.wire import Grant
from goniec.ports import Answer, Outgoing
from goniec.send.authorities import bundle
from goniec.send.curl import Driver, EndedError
from goniec.send.guard import RESERVED, TOKEN, Checked, Own, Refused, check_addresses, check_url, is_own
from goniec.send.inbox import receive
from goniec.send.networks import Networks, check_address
from goniec.send.proxy import Proxy, Via, make_via
from goniec.send.resolve import Resolver, Unresolved
from goniec.send.tokens import Missed, Tokens
from goniec.send.transfer import BODY_KEPT, PLAIN, READ_MAX, Aim, Dress, Pin, Transfer, make_pin
from goniec.send.verdict import (
    Ending,
    Head,
    find_head,
    intermediate,
    judge_ending,
    judge_status,
    note_after,
    retry_after,
)

HEAD_KEPT: Final = 16 * 1024

TARGETS_KEPT: Final = 4096
"""URLs that stay checked, and hosts that stay pinned, until others take their place."""

AT_ONCE: Final = 0.001
"""Seconds: what comes from a cache does not count against the time-out, so that most requests have the same."""

TOLD_FOR: Final = 20.0
"""Seconds after which libcurl is told the addresses of a name again; it forgets them after 60."""

LOOK_LEAST: Final = 0.1
"""Seconds that have to be left of an attempt for a second look at the receiver's certificates."""

ADDRESSES_ASKED: Final = 4
"""Of a host's addresses, how many an egress proxy is asked for within one attempt."""

UNSAFE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What would end a header early or be read in different ways."""

_log = logging.getLogger(__name__)


class HttpSender:
    """A `Sender` on libcurl.

    `allowed` are networks beside the public ones, `own` is where Goniec itself listens, `ca_file` holds authorities
    beside the system's (raises `AuthoritiesError`), `proxy` is what everything goes through.
    """

    def __init__(
        self,
        resolver: Resolver,
        *,
        allowed: Networks = (),
        own: Own = (),
        ca_file: Path | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self._resolver = resolver
        self._allowed = allowed
        self._own = tuple(own)
        self._files = ExitStack()
        self._authorities = str(bundle(ca_file, self._files))
        self._check = lru_cache(TARGETS_KEPT)(partial(check_url, allowed=self._allowed, own=self._own))
        self._pins: dict[tuple[str, int], tuple[tuple[str, ...], Pin | Refused]] = {}
        self._idle: list[Transfer] = []
        self._driver: Driver | None = None
        self._closed = False
        self._proxy = proxy
        self._via: Via | None = None
        self._single = lru_cache(TARGETS_KEPT)(_single)
        self._tokens = Tokens(partial(self._answered, keep=READ_MAX))

    async def send(self, request: Outgoing) -> Answer:
        """See `Sender`."""
        return await self._answered(request)

    async def _answered(self, request: Outgoing, *, keep: int = BODY_KEPT) -> Answer:
        started = time.monotonic()
        try:
            if request.grant is not None:
                return await self._granted(request, request.grant, started)
            return await self._send(request, started, keep)
        except EndedError:
            return _failed(
                Failure.INTERNAL, "Goniec broke the request off: it was stopping, or its log says why.", started
            )
        except Exception:  # noqa: BLE001 - the flow counts on an answer to every request
            _log.exception("a request could not be made")
            detail = "The request could not be made because of a fault in Goniec itself; its log says more."
            return _failed(Failure.INTERNAL, detail, started)

    async def close(self) -> None:
        """See `Sender`. Requests still under way are broken off."""
        self._closed = True
        await self._tokens.close()
        if self._driver is not None:
            self._driver.close()
        while self._idle:
            self._idle.pop().curl.close()
        self._files.close()

    async def _granted(self, request: Outgoing, grant: Grant, started: float) -> Answer:
        """Get an access token, send with it, and learn from the answer what it is worth."""
        token = await self._tokens.get(grant, request)
        if isinstance(token, Missed):
            return _failed(token.failure, token.detail, started)
        given = f"Bearer {token.text}"
        headers = tuple((name, given if name == "Authorization" else value) for name, value in request.headers)
        answer = await self._send(replace(request, headers=headers), started, BODY_KEPT)
        return self._tokens.heard(token, answer, again=request.fresh)

    async def _send(self, request: Outgoing, started: float, keep: int) -> Answer:
        checked = self._check(request.url)
        if isinstance(checked, Refused):
            return _failed(Failure.ADDRESS, checked.detail, started)
        headers = _lines(request.headers)
        if headers is None:
            detail = "A header of the endpoint cannot be sent; enter its headers anew."
            return _failed(Failure.INTERNAL, detail, started)
        if checked.is_inbox:
            # it takes no time, and must not keep the loop from others either
            await asyncio.sleep(0)
            return receive(request, started)
        limit = min(_left(request, started), request.connect_timeout)
        addresses = checked.addresses or await self._resolver.resolve(checked.host, limit)
        if isinstance(addresses, Unresolved):
            return _failed(Failure.DNS, addresses.detail, started)
        pin = self._pin(checked, addresses)
        if isinstance(pin, Refused):
            return _failed(Failure.ADDRESS, pin.detail, started)
        if self._proxy is not None:
            return await self._through(self._proxy, request, Aim(checked, pin, headers), addresses, started, keep)
        return await self._exchange(request, Aim(checked, pin, headers), started, keep)

    async def _through(
        self, proxy: Proxy, request: Outgoing, aim: Aim, addresses: tuple[str, ...], started: float, keep: int
    ) -> Answer:
        """Ask the proxy for the checked addresses, one after the other, until it gets through to one."""
        limit = min(_left(request, started), request.connect_timeout)
        found = proxy.literal or await self._resolver.resolve(proxy.host, limit)
        if isinstance(found, Unresolved):
            return _failed(Failure.PROXY, f"The egress proxy was not found. {found.detail}", started)
        if self._via is None or self._via.addresses != frozenset(found):
            self._via = make_via(found, proxy.port)
        checked = aim.checked
        answer = _failed(Failure.PROXY, f"The egress proxy opened no way to {checked.host} in time.", started)
        for address in addresses[:ADDRESSES_ASKED]:
            if _left(request, started) <= LOOK_LEAST:
                break
            pin = self._single(checked.host, checked.port, address)
            answer = await self._exchange(request, Aim(checked, pin, aim.headers, self._via), started, keep)
            if answer.failure is not Failure.PROXY:
                break
        return answer

    def _pin(self, checked: Checked, addresses: tuple[str, ...]) -> Pin | Refused:
        """Pin a host to its addresses; all are checked whenever they are new, and one that is forbidden refuses all."""
        key = checked.host, checked.port
        known, pin = self._pins.get(key, (None, None))
        if pin is not None and known is addresses:
            return pin
        if refused := check_addresses(checked, addresses, self._allowed, self._own):
            pin = refused
        elif not isinstance(pin, Pin) or pin.addresses != frozenset(addresses):
            pin = make_pin(addresses, checked.port)
        if known is None and len(self._pins) >= TARGETS_KEPT:
            del self._pins[next(iter(self._pins))]
        self._pins[key] = addresses, pin
        return pin

    async def _exchange(self, request: Outgoing, aim: Aim, started: float, keep: int) -> Answer:
        dress = Dress(request.authorities, request.client)
        transfer = self._take(dress)
        now = time.monotonic()
        tell = aim.pin.resolve is not None and now - aim.pin.told_at > TOLD_FOR
        if tell:
            aim.pin.told_at = now
        transfer.prepare(request, aim, tell=tell, timeout=_left(request, started), keep=keep)
        try:
            outcome = await transfer.run()
            answer = _answer(request, aim.checked, transfer, outcome, started)
        finally:
            transfer.stop()
            self._give_back(transfer, dress)
        if answer.failure is Failure.TLS_ISSUER:
            return await self._look(request, aim, answer, started)
        return answer

    async def _look(self, request: Outgoing, aim: Aim, answer: Answer, started: float) -> Answer:
        """Look once more at a receiver whose issuer is not known, within the attempt's time, at what it sends."""
        left = request.timeout - (time.monotonic() - started)
        if left < LOOK_LEAST:
            return answer
        # read with the first one that cannot be believed, and not at start
        from goniec.send.chain import Overheard, missing

        heard = Overheard()
        dress = Dress(request.authorities, request.client, heard)
        transfer = self._take(dress)
        transfer.prepare(request, aim, tell=False, timeout=left)
        try:
            await transfer.run()
        finally:
            transfer.stop()
            self._give_back(transfer, dress)
        issuer = missing(heard.certificates)
        if issuer is None:
            return replace(answer, millis=_millis(started))
        failure, detail = intermediate(aim.checked.host, issuer)
        return replace(answer, failure=failure, detail=detail, millis=_millis(started))

    def _take(self, dress: Dress) -> Transfer:
        if self._closed:
            raise EndedError
        if self._driver is None or self._driver.closed:
            self._driver = Driver()
            self._idle.clear()
        if self._idle and dress == PLAIN:
            return self._idle.pop()
        return Transfer(self._driver, self._judge, self._authorities, dress, self._proxy)

    def _give_back(self, transfer: Transfer, dress: Dress) -> None:
        if dress == PLAIN and transfer.driver is self._driver and not self._closed:
            self._idle.append(transfer)
        else:
            transfer.curl.close()

    def _judge(self, address: str, port: int) -> str | None:
        """The last word, when a socket is about to be opened."""
        where = ip_address(address)
        if what := check_address(where, self._allowed):
            return f"{address} is {what}"
        return f"{address} port {port} is Goniec itself" if is_own(where, port, self._own) else None


def _single(_host: str, port: int, address: str) -> Pin:
    """A pin for each host of its own, since it learns how the host's connections do."""
    return make_pin((address,), port)


def _left(request: Outgoing, started: float) -> float:
    """Seconds that are left of a request's time; what came from a cache takes none of it."""
    waited = time.monotonic() - started
    return request.timeout if waited < AT_ONCE else max(AT_ONCE, request.timeout - waited)


def _lines(headers: tuple[tuple[str, str], ...]) -> list[bytes] | None:
    """Header lines for libcurl; None: they would say something else than they seem to."""
    lines: list[bytes] = []
    for name, value in headers:
        if not _is_sendable(name) or (not value.isprintable() and UNSAFE.search(value)):
            return None
        # "name:" would take a header away; libcurl's sign for an empty one is the semicolon
        line = f"{name}: {value}" if value and not value.isspace() else f"{name};"
        try:
            lines.append(line.encode("latin-1"))
        except UnicodeEncodeError:
            return None
    return lines


@lru_cache(TARGETS_KEPT)
def _is_sendable(name: str) -> bool:
    return TOKEN.fullmatch(name) is not None and name.lower() not in RESERVED


def _answer(
    request: Outgoing, checked: Checked, transfer: Transfer, outcome: tuple[int, str], started: float
) -> Answer:
    head = find_head(transfer.lines)
    if head is None:
        failure, detail = judge_ending(_ending(request, checked, transfer, outcome))
        return _told(transfer, failure, detail, started)
    verdict = judge_status(head)
    # what came of nearly all requests is plain without asking libcurl for more
    late = verdict[0] is None and outcome[0] != pycurl.E_OK
    note = note_after(_ending(request, checked, transfer, outcome)) if late else None
    return _told(transfer, *verdict, started, head, note)


def _told(
    transfer: Transfer,
    failure: Failure | None,
    detail: str,
    started: float,
    head: Head | None = None,
    note: str | None = None,
) -> Answer:
    millis = _millis(started)
    return Answer(
        failure=failure,
        detail=detail,
        status=head.status if head else None,
        address=_address(transfer),
        millis=millis,
        sent=_sent(transfer.curl, millis),
        head=(head.raw if head else b"".join(transfer.lines))[:HEAD_KEPT],
        body=b"".join(transfer.kept),
        note=note,
        retry_after=retry_after(head.raw) if head else None,
    )


def _ending(request: Outgoing, checked: Checked, transfer: Transfer, outcome: tuple[int, str]) -> Ending:
    getinfo = transfer.curl.getinfo
    return Ending(
        code=outcome[0],
        words=outcome[1],
        host=checked.host,
        port=checked.port,
        lines=transfer.lines,
        refused=transfer.refused,
        fault=transfer.fault,
        head_overflow=transfer.head_overflow,
        body_overflow=transfer.body_overflow,
        # a connection that was there before has no such times
        connected=not transfer.opened or getinfo(pycurl.CONNECT_TIME) > 0,
        secured=not transfer.opened or getinfo(pycurl.APPCONNECT_TIME) > 0,
        tls=checked.scheme == "https",
        verified=getinfo(pycurl.SSL_VERIFYRESULT),
        seconds=(request.timeout, min(request.timeout, request.connect_timeout)),
        no_tunnel=None if transfer.tunnelled else getinfo(pycurl.HTTP_CONNECTCODE),
        spoke_early=transfer.spoke_early,
    )


def _address(transfer: Transfer) -> str | None:
    curl = transfer.curl
    if transfer.via:
        return transfer.asked_for if transfer.tunnelled else None
    address = curl.getinfo(pycurl.PRIMARY_IP)
    if not address:
        return None
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{curl.getinfo(pycurl.PRIMARY_PORT)}"


def _sent(curl: pycurl.Curl, millis: int) -> int | None:
    """After how many milliseconds the first byte went out: the host was looked up before libcurl began to count."""
    if not curl.getinfo(pycurl.REQUEST_SIZE):
        return None
    answering: float = curl.getinfo(pycurl.TOTAL_TIME) - curl.getinfo(pycurl.PRETRANSFER_TIME)
    return max(0, millis - round(answering * 1000))


def _failed(failure: Failure, detail: str, started: float) -> Answer:
    return Answer(failure=failure, detail=detail, millis=_millis(started))


def _millis(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
