"""The gate: how long somebody has to wait after wrong passwords, and who compares them.

Wrong ones are counted three times: for an e-mail from an address, for the address, and for the e-mail from wherever.
Each count is free for a while and then doubles the wait. The last kind stops guessing from many addresses; its wait is
short, and an address from which the e-mail's owner has signed in does not feel it, so nobody can be locked out from
elsewhere. All is kept in memory: a restart forgives. Called by `users` for every try; whether an e-mail is known makes
no difference here.
"""

from ipaddress import IPv6Address, ip_address
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from goniec.ports import Clock, Passwords

FREE: Final = 5
FREE_OF_ADDRESS: Final = 20
"""An office has one address."""

FREE_OF_EMAIL: Final = 100

WAIT_FIRST: Final = 1.0
WAIT_MOST: Final = 15 * 60.0
WAIT_MOST_OF_EMAIL: Final = 60.0
"""Seconds."""

FORGET: Final = 24 * 3600.0
"""After so many seconds without a wrong password the count begins anew."""

COUNTS_MOST: Final = 30_000
KNOWN_MOST: Final = 10_000
"""How much is remembered; the longest untouched goes first."""

_Key = tuple[str, str]


class _Count(Struct, frozen=True):
    """How often, when last, and until when to wait (seconds of the clock that never jumps)."""

    n: int
    last: float
    until: float


class Gate:
    """Stands before the passwords of one process."""

    def __init__(self, clock: Clock, passwords: Passwords) -> None:
        self.passwords = passwords
        self._clock = clock
        self._counts: dict[_Key, _Count] = {}
        self._known: dict[_Key, None] = {}

    def wait(self, email: str, address: str) -> int:
        """Give the seconds until a try may be made, rounded up; 0: now."""
        pair, of_address, of_email = _keys(email, address)
        looked_at = (pair, of_address) if pair in self._known else (pair, of_address, of_email)
        until = max(self._counts[key].until if key in self._counts else 0.0 for key in looked_at)
        return max(0, -int((self._clock.monotonic() - until) // 1))

    def failed(self, email: str, address: str) -> None:
        """Note a try as a wrong one, before it is looked at: so those of the same moment all count."""
        pair, of_address, of_email = _keys(email, address)
        self._count(pair, FREE, WAIT_MOST)
        self._count(of_address, FREE_OF_ADDRESS, WAIT_MOST)
        self._count(of_email, FREE_OF_EMAIL, WAIT_MOST_OF_EMAIL)
        while len(self._counts) > COUNTS_MOST:
            del self._counts[next(iter(self._counts))]

    def passed(self, email: str, address: str) -> None:
        """Take the last note back: it was right. From this address the e-mail begins anew, and is known."""
        pair, *others = _keys(email, address)
        self._counts.pop(pair, None)
        for key in others:
            found = self._counts.pop(key, None)
            if found is not None and found.n > 1:
                self._counts[key] = replace(found, n=found.n - 1, until=self._clock.monotonic())
        self._known.pop(pair, None)
        self._known[pair] = None
        if len(self._known) > KNOWN_MOST:
            del self._known[next(iter(self._known))]

    def _count(self, key: _Key, free: int, most: float) -> None:
        now = self._clock.monotonic()
        before = self._counts.pop(key, None)
        n = 1 if before is None or now - before.last > FORGET else before.n + 1
        # the power is bounded, because a float is
        wait = 0.0 if n <= free else min(WAIT_FIRST * 2.0 ** min(n - free - 1, 30), most)
        self._counts[key] = _Count(n, now, now + wait)


def _keys(email: str, address: str) -> tuple[_Key, _Key, _Key]:
    network = _network(address)
    return (email, network), ("", network), (email, "")


def _network(address: str) -> str:
    """Where somebody comes from: whoever has one IPv6 address has the whole /64."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address or "nowhere"
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped) if found.ipv4_mapped else found.exploded[:19]
    return str(found)
