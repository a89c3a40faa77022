"""Where a request comes from: the address that counts when wrong passwords are counted.

Behind proxies that the operator trusts (`GONIEC_TRUSTED_PROXIES`) it is the last address that is not one of theirs, as
they tell it in X-Forwarded-For or Forwarded (RFC 7239, section 5.2). Whatever stands before that may be made up, and so
may all of it when the proxy is not trusted. Called by the panel.
"""

from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from typing import Final

from goniec.send.networks import Address, Networks
from goniec.web.reply import Scope

NOWHERE: Final = ""


def peer(scope: Scope, trusted: Networks) -> str:
    """Give the address that a request comes from; empty where it came over no network."""
    client: tuple[str, int] | None = scope.get("client")
    near = NOWHERE if client is None else client[0]
    told = {
        _last_stranger(near, hops, trusted)
        for hops in (_hops_of_list(_joined(scope, b"x-forwarded-for")), _hops_of_elements(_joined(scope, b"forwarded")))
        if hops
    }
    # a proxy sets one of the two and may let the other through as it came: then neither is believed
    return told.pop() if len(told) == 1 else near


def _last_stranger(near: str, hops: list[str], trusted: Networks) -> str:
    """Go from hop to hop, the nearest first, as long as who tells is trusted."""
    found = near
    for hop in hops:
        if not _is_trusted(found, trusted):
            break
        address = _address(hop)
        if address is None:
            break  # "unknown", or a name that a proxy keeps to itself: the last address before it counts
        found = str(address)
    return found


def _is_trusted(text: str, trusted: Networks) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in trusted)


def _joined(scope: Scope, header: bytes) -> str:
    return b",".join(value for name, value in scope["headers"] if name == header).decode("latin-1")


def _hops_of_list(text: str) -> list[str]:
    return [part.strip() for part in reversed(text.split(","))] if text else []


def _hops_of_elements(text: str) -> list[str]:
    return [_for(element) for element in _from_the_end(text, ",")] if text else []


def _for(element: str) -> str:
    for pair in _from_the_end(element, ";"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            return value.strip().strip('"')
    return "unknown"


def _from_the_end(text: str, at: str) -> Iterator[str]:
    """Split where no quotes are open, from the end: those that a client left open swallow nothing of a proxy's."""
    end, quoted = len(text), False
    for n in range(len(text) - 1, -1, -1):
        quoted ^= text[n] == '"'
        if text[n] == at and not quoted:
            yield text[n + 1 : end]
            end = n
    yield text[:end]


def _address(text: str) -> Address | None:
    """Read an address, with a port or without; IPv4 in IPv6 form is IPv4."""
    bare = text
    if text.startswith("["):
        bare = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        bare = text.partition(":")[0]
    try:
        found = ip_address(bare)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found
