"""From names to addresses: a resolver that can be cancelled, never holds up others, and forgets within a minute.

The sender asks before every attempt, the guard when a URL is saved; neither lets libcurl resolve, whose few threads a
handful of dead names would fill. Says nothing about whether an address may be reached: that is the guard's.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

from aiodns import DNSResolver, error
from msgspec import Struct

KEPT: Final = 60.0
"""Seconds for which an answer is used at most, however long its TTL."""

KEPT_AT_LEAST: Final = 1.0
"""Seconds for which any answer is used, so that a burst to one name is one question."""

KEPT_FAILURE: Final = 2.0
"""Seconds for which a name that did not resolve is not asked about again: less than any step of a retry schedule."""

NAMES_MAX: Final = 10_000

ASK_TIMEOUT: Final = 2.0
"""Seconds until a name server that does not answer is asked again."""

ASK_TRIES: Final = 3

LOOK: Final = "check the name and its DNS records"


class Unresolved(Struct, frozen=True):
    """A name without addresses, and an English sentence that says why and what to do."""

    detail: str


Resolution: TypeAlias = tuple[str, ...] | Unresolved


class Resolver(Protocol):
    """Looks names up. Failure is data."""

    async def resolve(self, host: str, limit: float) -> Resolution:
        """Give all IPv4 and IPv6 addresses of a name, best first, within `limit` seconds.

        While nothing has changed, the same object is given again. Raises nothing but `CancelledError`.
        """
        ...


class DnsResolver:
    """A `Resolver` on c-ares: the hosts file, then the servers of resolv.conf (or `servers`, as `address:port`)."""

    def __init__(self, servers: Sequence[str] = (), *, clock: Callable[[], float] = time.monotonic) -> None:
        self._servers = servers
        self._clock = clock
        self._answers: dict[str, tuple[float, Resolution]] = {}
        self._asked: dict[str, asyncio.Task[Resolution]] = {}
        self._dns: DNSResolver | None = None
        self._dns_since = self._dns_until = 0.0

    async def resolve(self, host: str, limit: float) -> Resolution:
        """See `Resolver`. Those who ask for the same name at once share one question."""
        now = self._clock()
        until, known = self._answers.get(host, (0.0, None))
        if known is not None and now < until:
            return known
        asked = self._asked.get(host)
        if asked is None:
            asked = self._asked[host] = asyncio.create_task(self._ask(host, now))
            asked.add_done_callback(lambda _: self._asked.pop(host, None))
        try:
            async with asyncio.timeout(limit):
                # whoever gives up must not take the answer from the others
                return await asyncio.shield(asked)
        except TimeoutError:
            return Unresolved(f"The name servers did not answer for {host} within {limit:.3g} s; {LOOK}.")
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if asked.cancelled() and not (me and me.cancelling()):
                return Unresolved(f"{host} was not looked up: Goniec is stopping.")
            raise

    async def close(self) -> None:
        """Forget everything and give up what is being asked."""
        asked = list(self._asked.values())
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        self._answers.clear()
        if self._dns is not None:
            await self._dns.close()
            self._dns = None

    async def _ask(self, host: str, now: float) -> Resolution:
        dns = self._fresh(now)
        try:
            found = await dns.getaddrinfo(host, family=socket.AF_UNSPEC, type=socket.SOCK_STREAM)
        except error.DNSError as failed:
            return self._missed(host, now, _unresolved(host, *failed.args))
        addresses = tuple(dict.fromkeys(bytes(node.addr[0]).decode() for node in found.nodes))
        if not addresses:
            return self._missed(host, now, Unresolved(f"{host} has no address; {LOOK}."))
        until = min(self._dns_since + KEPT, *(now + node.ttl for node in found.nodes))
        return self._keep(host, max(until, now + KEPT_AT_LEAST), addresses)

    def _fresh(self, now: float) -> DNSResolver:
        """c-ares keeps answers by itself, for up to an hour and past our reach, so it is made anew each minute.

        The old one is dropped, not closed: it ends when the last question put to it has been answered. Making one takes
        less than a millisecond.
        """
        if self._dns is None or now >= self._dns_until:
            self._dns = DNSResolver(self._servers or None, timeout=ASK_TIMEOUT, tries=ASK_TRIES)
            self._dns_since, self._dns_until = now, now + KEPT
        return self._dns

    def _missed(self, host: str, now: float, answer: Unresolved) -> Resolution:
        # c-ares would keep this one, too
        self._dns_until = min(self._dns_until, now + KEPT_FAILURE)
        return self._keep(host, now + KEPT_FAILURE, answer)

    def _keep(self, host: str, until: float, answer: Resolution) -> Resolution:
        earlier = self._answers.pop(host, None)
        if earlier is not None and earlier[1] == answer:
            answer = earlier[1]
        elif len(self._answers) >= NAMES_MAX:
            del self._answers[next(iter(self._answers))]
        self._answers[host] = until, answer
        return answer


def _unresolved(host: str, code: int, text: str = "") -> Unresolved:
    if code in {error.ARES_ENOTFOUND, error.ARES_ENODATA}:
        return Unresolved(f"{host} does not exist in DNS or has no address; {LOOK}.")
    return Unresolved(f"{host} could not be looked up ({text or code}); {LOOK}, and that Goniec's name servers work.")
