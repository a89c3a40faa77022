"""Which addresses are public, and what GONIEC_ALLOW_NETWORKS adds to them."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.send.networks import NotUnderstood, check_address, parse_networks
from tests.contract.send.conftest import networks

REFUSED = [
    host
    for line in (
        "0.0.0.0 0.255.255.255 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.255 168.63.129.16",
        "169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1",
        "198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255",
        ":: ::1 ::7f00:1 ::808:808 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:0:7f00:1 ::ffff:0:808:808",
        "64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::7f00:1 64:ff9b:1::808:808 100::1",
        "2001::1 2001:0:7f00:1::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::1 2002:808:808::1 3fff::1",
        "4000::1 5f00::1 fc00::1 fd00:ec2::254 fdff::1 fe80::1 fe80::1%eth0 2606:4700::1%eth0 fec0::1 ff02::1 ff0e::1",
    )
    for host in line.split()
]

PUBLIC = [
    host
    for line in (
        "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 168.63.129.15 168.63.129.17",
        "169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.88.98.1 192.167.255.255",
        "192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255",
        "2001:200::1 2001:4860:4860::8888 2606:4700::1111 2a00:1450::1 3ffe::1 ::ffff:8.8.8.8 64:ff9b::808:808",
    )
    for host in line.split()
]


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_public_is_refused_with_a_reason(address: str) -> None:
    reason = check_address(ip_address(address))
    assert reason is not None
    assert reason.startswith(("a", "no ", "the "))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_reached(address: str) -> None:
    assert check_address(ip_address(address)) is None


@pytest.mark.parametrize(
    ("allowed", "address"),
    [
        ("127.0.0.0/8", "127.0.0.1"),
        ("127.0.0.0/8", "::ffff:127.0.0.1"),
        ("10.1.2.3", "10.1.2.3"),
        ("::1", "::1"),
        ("fd00::/8", "fd12::1"),
        ("64:ff9b::/96", "64:ff9b::7f00:1"),
        ("64:ff9b:1::/48", "64:ff9b:1::7f00:1"),
        ("2002:7f00:1::/48", "2002:7f00:1::1"),
        ("10.0.0.0/8,192.168.0.0/16", "192.168.7.7"),
    ],
)
def test_allowed_networks_may_be_reached(allowed: str, address: str) -> None:
    assert check_address(ip_address(address), networks(allowed)) is None


@pytest.mark.parametrize(
    ("allowed", "address"),
    [
        ("127.0.0.0/8", "::1"),
        ("127.0.0.0/8", "10.0.0.1"),
        ("10.1.2.3", "10.1.2.4"),
        ("127.0.0.0/8", "64:ff9b::7f00:1"),
        ("127.0.0.0/8", "2002:7f00:1::1"),
        ("127.0.0.0/8", "::7f00:1"),
        ("127.0.0.0/8", "::ffff:0:7f00:1"),
        ("::/0", "127.0.0.1"),
        ("fe80::/10", "fe80::1%eth0"),
    ],
)
def test_an_allowed_network_allows_nothing_else(allowed: str, address: str) -> None:
    assert check_address(ip_address(address), networks(allowed)) is not None


@pytest.mark.parametrize(
    ("text", "understood"),
    [
        ("", ()),
        (" , ,", ()),
        ("127.0.0.0/8", (IPv4Network("127.0.0.0/8"),)),
        ("  127.0.0.0/8 ,10.0.0.5,\t::1 , ", (IPv4Network("127.0.0.0/8"), IPv4Network("10.0.0.5"), IPv6Network("::1"))),
        ("10.0.0.0/255.0.0.0", (IPv4Network("10.0.0.0/8"),)),
        ("fd00::/8,", (IPv6Network("fd00::/8"),)),
    ],
)
def test_A44_networks_are_understood(text: str, understood: tuple[object, ...]) -> None:
    assert parse_networks(text) == understood


@pytest.mark.parametrize(
    ("text", "part", "hint"),
    [
        ("127.0.0.0/8, *.corp", "*.corp", "names are not looked up"),
        ("10.0.0.5/8", "10.0.0.5/8", "10.0.0.0/8"),
        ("10.0.0.5/8", "10.0.0.5/8", "10.0.0.5 for it alone"),
        ("fd00::1/8,127.0.0.1", "fd00::1/8", "fd00::/8"),
        ("localhost", "localhost", "10.0.0.0/8"),
        ("10.0.0.0/33", "10.0.0.0/33", "CIDR"),
        ("127.0.0.0/8 10.0.0.0/8", "127.0.0.0/8 10.0.0.0/8", "CIDR"),
        ("127.0.0.0/8;::1", "127.0.0.0/8;::1", "CIDR"),
        ("127.1", "127.1", "CIDR"),
        ("2130706433", "2130706433", "CIDR"),
        ("fe80::1%eth0", "fe80::1%eth0", "zone"),
        ("::ffff:10.0.0.0/104", "::ffff:10.0.0.0/104", "IPv4"),
        ("http://10.0.0.1", "http://10.0.0.1", "CIDR"),
    ],
)
def test_A44_a_part_that_is_no_network_is_refused_by_name(text: str, part: str, hint: str) -> None:
    refused = parse_networks(text)
    assert isinstance(refused, NotUnderstood)
    assert refused.part == part
    assert part in refused.detail
    assert hint in refused.detail
    assert "GONIEC_ALLOW_NETWORKS" in refused.detail


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    parsed = parse_networks(text)
    assert isinstance(parsed, NotUnderstood) or all(isinstance(one, IPv4Network | IPv6Network) for one in parsed)


@given(st.ip_addresses(v=4))
def test_the_mapped_form_is_judged_as_the_address(address: IPv4Address) -> None:
    assert check_address(IPv6Address(f"::ffff:{address}")) == check_address(address)


@given(st.ip_addresses())
def test_what_python_calls_private_is_never_public_here(address: IPv4Address | IPv6Address) -> None:
    if address.is_private or address.is_multicast or address.is_loopback or address.is_link_local:
        assert check_address(address) is not None or getattr(address, "ipv4_mapped", None) is not None
