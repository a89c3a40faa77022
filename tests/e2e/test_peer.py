"""Where a request comes from, as far as proxies are trusted."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from goniec.send.networks import Networks, NotUnderstood, parse_networks
from goniec.web.peer import peer

XFF, FORWARDED = b"x-forwarded-for", b"forwarded"


def networks(text: str) -> Networks:
    found = parse_networks(text)
    assert not isinstance(found, NotUnderstood)
    return found


def asked(
    *headers: tuple[bytes, str], client: str | None = "10.0.0.1", trusted: str = "10.0.0.0/8,2001:db8:1::/48"
) -> str:
    scope: dict[str, Any] = {
        "client": None if client is None else (client, 4711),
        "headers": [(name, value.encode("latin-1")) for name, value in headers],
    }
    return peer(scope, networks(trusted))


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ([], "10.0.0.1"),
        ([(XFF, "203.0.113.9")], "203.0.113.9"),
        ([(XFF, "203.0.113.9:4711")], "203.0.113.9"),
        ([(XFF, "198.51.100.7, 203.0.113.9")], "203.0.113.9"),
        ([(XFF, "198.51.100.7,203.0.113.9 , 10.9.9.9")], "203.0.113.9"),
        ([(XFF, "198.51.100.7"), (XFF, "203.0.113.9")], "203.0.113.9"),
        ([(XFF, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
        ([(XFF, "2001:db8:2::1")], "2001:db8:2::1"),
        ([(XFF, "[2001:db8:2::1]:443, 2001:db8:1::5")], "2001:db8:2::1"),
        ([(XFF, "::ffff:203.0.113.9")], "203.0.113.9"),
        ([(XFF, "nonsense")], "10.0.0.1"),
        ([(XFF, "203.0.113.9, unknown, 10.0.0.2")], "10.0.0.2"),
        ([(XFF, "")], "10.0.0.1"),
        ([(FORWARDED, "for=203.0.113.9")], "203.0.113.9"),
        ([(FORWARDED, 'For="203.0.113.9:4711";proto=https;by=10.0.0.1')], "203.0.113.9"),
        ([(FORWARDED, 'for=198.51.100.7, for="[2001:db8:2::1]:443" ; proto=https')], "2001:db8:2::1"),
        ([(FORWARDED, 'host="a,for=198.51.100.7";for=203.0.113.9')], "203.0.113.9"),
        ([(FORWARDED, "proto=https")], "10.0.0.1"),
        ([(FORWARDED, "for=_hidden, for=10.0.0.2")], "10.0.0.2"),
        ([(XFF, "203.0.113.9"), (FORWARDED, "for=203.0.113.9")], "203.0.113.9"),
        ([(XFF, "203.0.113.9"), (FORWARDED, "for=198.51.100.7")], "10.0.0.1"),
    ],
)
def test_the_last_address_that_is_no_trusted_proxys_counts(headers: list[tuple[bytes, str]], address: str) -> None:
    assert asked(*headers) == address


@pytest.mark.parametrize("header", [(XFF, "203.0.113.9"), (FORWARDED, "for=203.0.113.9")])
def test_who_is_not_trusted_is_not_believed(header: tuple[bytes, str]) -> None:
    assert asked(header, client="198.51.100.7") == "198.51.100.7"
    assert asked(header, trusted="") == "10.0.0.1"
    assert asked(header, client=None) == ""
    assert asked(header, client="fe80::1%eth0") == "fe80::1%eth0"


def test_a_proxy_in_ipv4_mapped_form_is_the_same_one() -> None:
    assert asked((XFF, "203.0.113.9"), client="::ffff:10.0.0.1") == "203.0.113.9"


@given(
    st.lists(
        st.tuples(st.sampled_from([XFF, FORWARDED]), st.text(st.characters(max_codepoint=255), max_size=40)), max_size=4
    )
)
def test_any_header_leads_somewhere_and_what_a_stranger_says_nowhere(headers: list[tuple[bytes, str]]) -> None:
    assert asked(*headers)
    assert asked(*headers, client="198.51.100.7") == "198.51.100.7"


@given(st.text(st.sampled_from('10.2,:[]f=or;" '), max_size=30))
@example('"')
def test_what_a_client_says_itself_changes_nothing(made_up: str) -> None:
    assert asked((XFF, f"{made_up}, 203.0.113.9")) == "203.0.113.9"
    assert asked((FORWARDED, f"{made_up}, for=203.0.113.9;proto=https")) == "203.0.113.9"
