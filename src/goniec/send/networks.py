"""Which addresses a webhook may reach: the list of what is not public, and the networks that the operator allows.

The guard asks when an endpoint is saved, the sender again at every connection. Pure: it knows addresses, never names.

`ipaddress` judges by tables that differ between Python versions and calls some of these addresses global (NAT64, 6to4,
site-local, multicast), so the list is spelled out here, after IANA's special-purpose registries (RFC 6890).
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from msgspec import Struct

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Networks = tuple[Network, ...]

SETTING: Final = "GONIEC_ALLOW_NETWORKS"

REFUSED_V4: Final = tuple(
    (IPv4Network(network), what)
    for network, what in (
        ("0.0.0.0/8", "an address of this host itself"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "an address inside a provider's network"),
        ("127.0.0.0/8", "a loopback address"),
        ("168.63.129.16/32", "the virtual server of a cloud"),
        ("169.254.0.0/16", "a link-local address, where clouds keep their metadata"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "an address reserved for protocols"),
        ("192.0.2.0/24", "an address for documentation"),
        ("192.88.99.0/24", "an address of 6to4 relays"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "an address for network tests"),
        ("198.51.100.0/24", "an address for documentation"),
        ("203.0.113.0/24", "an address for documentation"),
        ("224.0.0.0/4", "a multicast address"),
        ("255.255.255.255/32", "the broadcast address"),
        ("240.0.0.0/4", "a reserved address"),
    )
)

REFUSED_V6: Final = tuple(
    (IPv6Network(network), what)
    for network, what in (
        ("::/128", "an address of this host itself"),
        ("::1/128", "a loopback address"),
        ("::/96", "an IPv4 address in a withdrawn IPv6 form"),
        ("::ffff:0:0:0/96", "an IPv4 address in translated form"),
        ("64:ff9b:1::/48", "an IPv4 address behind a local NAT64"),
        ("2001::/32", "a Teredo address"),
        ("2001::/23", "an address reserved for protocols"),
        ("2001:db8::/32", "an address for documentation"),
        ("2002::/16", "a 6to4 address"),
        ("3fff::/20", "an address for documentation"),
        ("fc00::/7", "a private address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address"),
        ("ff00::/8", "a multicast address"),
    )
)

NAT64: Final = IPv6Network("64:ff9b::/96")
"""The well-known prefix of RFC 6052: the last 32 bits are the IPv4 address that is really reached."""

MAPPED: Final = IPv6Network("::ffff:0:0/96")

GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
"""All that IANA has given out so far for public use."""


class NotUnderstood(Struct, frozen=True):
    """A part of `GONIEC_ALLOW_NETWORKS` that is no network, and an English sentence that says what to write."""

    part: str
    detail: str


def parse_networks(text: str) -> Networks | NotUnderstood:
    """Read a comma-separated list of CIDRs and bare addresses; white space and empty parts mean nothing."""
    networks: list[Network] = []
    for part in (part.strip() for part in text.split(",")):
        if not part:
            continue
        network = _network(part)
        if isinstance(network, NotUnderstood):
            return network
        networks.append(network)
    return tuple(networks)


def check_address(address: Address, allowed: Networks = ()) -> str | None:
    """Say what speaks against an address ("a loopback address"); None: it may be reached.

    An IPv4-mapped address is judged as the IPv4 address that it is. The other forms that carry one are refused whole,
    except NAT64's well-known prefix, by which a host without IPv4 reaches public receivers: what it carries must be
    public. To allow any of them, its own IPv6 network has to be allowed.
    """
    if isinstance(address, IPv4Address):
        return None if _within(address, allowed) else _found(address)
    if address.scope_id is not None:
        return "an address with a zone"
    if address.ipv4_mapped is not None:
        return check_address(address.ipv4_mapped, allowed)
    return None if _within(address, allowed) else _found_v6(address)


def _network(part: str) -> Network | NotUnderstood:
    try:
        network = ip_network(part)
    except ValueError:
        return _not_understood(part)
    if "%" in part:
        return NotUnderstood(part, f"{SETTING}: '{part}' has a zone; write the network without what begins with %")
    if isinstance(network, IPv6Network) and network.subnet_of(MAPPED):
        detail = f"{SETTING}: '{part}' is IPv4 in IPv6 dress; write it as an IPv4 network"
        return NotUnderstood(part, detail)
    return network


def _not_understood(part: str) -> NotUnderstood:
    try:
        address, meant = ip_address(part.partition("/")[0]), ip_network(part, strict=False)
    except ValueError:
        detail = (
            f"{SETTING}: '{part}' is no network; write addresses or CIDRs such as 10.0.0.0/8, names are not looked up"
        )
        return NotUnderstood(part, detail)
    detail = f"{SETTING}: '{part}' is an address within {meant}; write {meant} for all of it or {address} for it alone"
    return NotUnderstood(part, detail)


def _within(address: Address, networks: Networks) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def _found(address: IPv4Address) -> str | None:
    return next((what for network, what in REFUSED_V4 if address in network), None)


def _found_v6(address: IPv6Address) -> str | None:
    if address in NAT64:
        carried = IPv4Address(int(address) & 0xFFFFFFFF)
        what = _found(carried)
        return f"the NAT64 form of {carried}, {what}" if what else None
    named = next((what for network, what in REFUSED_V6 if address in network), None)
    return named or (None if address in GLOBAL_UNICAST else "no public address")
