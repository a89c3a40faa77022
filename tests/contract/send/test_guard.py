"""What is refused when an endpoint is saved: at the field, with the reason and the setting that would allow it."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goniec.send.guard import Checked, Own, Refusal, Refused, check_header, check_resolved, check_url
from goniec.send.networks import Networks
from tests.contract.send.conftest import LOOPBACK, networks
from tests.contract.send.names import Names


def checked(text: str, allowed: Networks = (), own: Own = ()) -> Checked:
    got = check_url(text, allowed, own)
    assert isinstance(got, Checked), got
    return got


def refused(text: str, allowed: Networks = (), own: Own = ()) -> Refused:
    got = check_url(text, allowed, own)
    assert isinstance(got, Refused), got
    return got


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entered", "url"),
    [
        ("https://crm.example/hook", "https://crm.example/hook"),
        ("HTTPS://CRM.Example/Hook", "https://crm.example/Hook"),
        ("https://crm.example", "https://crm.example/"),
        ("https://crm.example?x", "https://crm.example/?x"),
        ("https://crm.example:443/", "https://crm.example/"),
        ("http://crm.example:443/", "http://crm.example:443/"),
        ("https://crm.example:/", "https://crm.example/"),
        ("https://crm.example:08443/", "https://crm.example:8443/"),
        ("https://crm.example./", "https://crm.example./"),
        ("https://a_b.crm.example/", "https://a_b.crm.example/"),
        ("https://[2606:4700:0:0::1111]:8443/x", "https://[2606:4700::1111]:8443/x"),
        ("https://134744072/", "https://8.8.8.8/"),
        ("https://0x08.010.2056/", "https://8.8.8.8/"),
        ("https://8.8.8.8./", "https://8.8.8.8/"),
        ("https://crm.example/a%2Fb/../c?x=[1]&y=%zz", "https://crm.example/a%2Fb/../c?x=[1]&y=%zz"),
        ("https://crm.example/?a@b:c", "https://crm.example/?a@b:c"),
        ("https://crm.example#@evil.example/", "https://crm.example/"),
    ],
)
def test_a_url_is_read_as_it_was_meant(entered: str, url: str) -> None:
    assert checked(entered).url == url


@pytest.mark.parametrize("entered", ["  {} ", "\t{}\r\n", "\ufeff{}", "{}\u200b", "\u00a0{}\u2003"])
def test_A21_what_stands_around_a_url_is_trimmed(entered: str) -> None:
    assert checked(entered.format("https://crm.example/hook")).url == "https://crm.example/hook"


@pytest.mark.parametrize(
    ("host", "ascii_host"),
    [
        ("żółw.example", "xn--w-uga1v8h.example"),
        ("ŻÓŁW.example", "xn--w-uga1v8h.example"),
        ("z\u0307o\u0301łw.example", "xn--w-uga1v8h.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("crm。example", "crm.example"),
        ("\uff43\uff52\uff4d.example", "crm.example"),
        ("例え.example", "xn--r8jz45g.example"),
    ],
)
def test_A21_a_host_goes_out_as_punycode(host: str, ascii_host: str) -> None:
    assert checked(f"https://{host}/").host == ascii_host


def test_A21_path_and_query_are_percent_encoded_as_utf8() -> None:
    assert checked("https://crm.example/ścieżka/😱?q=ą&r=%C4%85#ż").target == (
        "/%C5%9Bcie%C5%BCka/%F0%9F%98%B1?q=%C4%85&r=%C4%85"
    )


@pytest.mark.parametrize(
    ("entered", "code"),
    [
        ("", Refusal.EMPTY),
        ("  \n", Refusal.EMPTY),
        ("crm.example/hook", Refusal.SCHEME),
        ("localhost:8000/hook", Refusal.SCHEME),
        ("//crm.example/", Refusal.SCHEME),
        ("https:/crm.example/", Refusal.SCHEME),
        ("https:crm.example/", Refusal.SCHEME),
        ("file:///etc/passwd", Refusal.SCHEME),
        ("gopher://crm.example/", Refusal.SCHEME),
        ("javascript:alert(1)", Refusal.SCHEME),
        ("ftp://crm.example/", Refusal.SCHEME),
        ("https://", Refusal.HOST),
        ("https:///hook", Refusal.HOST),
        ("https://?x", Refusal.HOST),
        ("https://:443/", Refusal.HOST),
        ("https://crm..example/", Refusal.HOST),
        ("https://.crm.example/", Refusal.HOST),
        ("https://crm.example../", Refusal.HOST),
        ("https://crm%2eexample/", Refusal.HOST),
        ("https://127%2e0.0.1/", Refusal.HOST),
        ("https://crm,example/", Refusal.HOST),
        ("https://2606:4700::1111/", Refusal.HOST),
        ("https://[2606:4700::g]/", Refusal.HOST),
        ("https://[crm.example]/", Refusal.HOST),
        ("https://[::1/", Refusal.HOST),
        ("https://[]/", Refusal.HOST),
        ("https://1.2.3.4.5/", Refusal.HOST),
        ("https://256.1.1.1/", Refusal.HOST),
        ("https://8.8.8.256/", Refusal.HOST),
        ("https://4294967296/", Refusal.HOST),
        ("https://08.8.8.8/", Refusal.HOST),
        ("https://crm.123/", Refusal.HOST),
        (f"https://{'a' * 64}.example/", Refusal.HOST),
        (f"https://{'a.' * 127}example/", Refusal.HOST),
        ("https://☃\u2028.example/", Refusal.WHITESPACE),
        ("https://-\u0301.example/", Refusal.HOST),
        ("https://crm.example:0/", Refusal.PORT),
        ("https://crm.example:65536/", Refusal.PORT),
        ("https://crm.example:-1/", Refusal.PORT),
        ("https://crm.example:\uff18\uff10/", Refusal.PORT),
        ("https://crm.example:80a/", Refusal.PORT),
        (f"https://crm.example:{'9' * 2000}/", Refusal.PORT),
        ("https://crm.example/a b", Refusal.WHITESPACE),
        ("https://crm .example/", Refusal.WHITESPACE),
        ("https://crm.example/a\u00a0b", Refusal.WHITESPACE),
        ("https://crm.example/a\u3000b", Refusal.WHITESPACE),
        ("https://crm.example/a\r\nHost: x", Refusal.CONTROL),
        ("https://crm.example/a\nb", Refusal.CONTROL),
        ("https://crm.example/a\tb", Refusal.CONTROL),
        ("https://crm.example/\0", Refusal.CONTROL),
        ("https://crm.example/\x7f", Refusal.CONTROL),
        ("https://crm.example/\x85b", Refusal.CONTROL),
        ("https://crm.example/\ud800", Refusal.CONTROL),
        ("https://crm.example\\@evil.example/", Refusal.BACKSLASH),
        ("https:\\\\crm.example/", Refusal.BACKSLASH),
        ("https://crm.example/a\\b", Refusal.BACKSLASH),
        ("https://crm.example/" + "a" * 2048, Refusal.TOO_LONG),
        ("http://good@127.0.0.1/", Refusal.USERINFO),
        ("https://@crm.example/", Refusal.USERINFO),
        ("https://crm.example@evil.example/", Refusal.USERINFO),
    ],
)
def test_what_cannot_be_sent_is_refused(entered: str, code: Refusal) -> None:
    got = refused(entered)
    assert got.code is code
    assert got.detail.endswith(".")
    assert got.detail.isprintable()


def test_a_url_of_the_greatest_length_is_taken() -> None:
    assert len(checked("https://crm.example/" + "a" * 2028).url) == 2048


def test_A40_credentials_in_the_url_are_refused_and_never_echoed() -> None:
    got = refused("https://jan:p%40ss@h.example/hook?token=tajne")
    assert got.code is Refusal.USERINFO
    assert "user" in got.detail
    assert "password" in got.detail
    assert not any(secret in got.detail for secret in ("jan", "p%40ss", "tajne", "/hook"))


@given(st.text() | st.text().map("https://crm.example/{}".format) | st.text().map("http://{}/".format))
def test_any_text_is_read_or_refused_and_what_was_read_reads_the_same_again(text: str) -> None:
    got = check_url(text)
    if isinstance(got, Checked):
        assert got.url.isascii()
        assert got.url.isprintable()
        assert " " not in got.url
        # encoding may make a URL longer than one may be entered
        assert len(got.url) > 2048 or check_url(got.url) == got


# --- addresses -------------------------------------------------------------------------------------------------------

PRIVATE_FORMS = [
    host
    for line in (
        "2130706433 0x7f000001 0x7F000001 0x7f.1 0177.0.0.1 0177.1 127.1 127.0.1 0 0x 0.0.0.0 ①②⑦.⓪.⓪.① \uff11\uff12\uff17.0.0.1 127。0。0。1",
        "127.0.0.1. 127.000.000.001 017700000001",
        "[::] [::1] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::7f00:1] [::127.0.0.1] [::ffff:0:7f00:1]",
        "[64:ff9b::7f00:1] [64:ff9b:1::7f00:1] [2002:7f00:1::1] [2001::1] [fec0::1] [fe80::1] [fe80::1%25eth0] [fe80::1%eth0]",
        "[fd00:ec2::254] [fc00::1] [ff02::1]",
        "10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 192.88.99.1 198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255",
        "168.63.129.16 192.0.0.192",
        "localhost LOCALHOST localhost. foo.localhost a.b.localhost. \uff4cocalhost",
    )
    for host in line.split()
]


@pytest.mark.parametrize("host", PRIVATE_FORMS)
@pytest.mark.parametrize("rest", ["/hook", ":8080/", "#@good.example", "?@good.example"])
def test_an_address_that_is_not_public_is_refused_in_every_form(host: str, rest: str) -> None:
    got = refused(f"http://{host}{rest}")
    assert got.code is Refusal.ADDRESS
    assert got.address is not None
    assert got.address in got.detail
    assert got.setting == "GONIEC_ALLOW_NETWORKS"
    assert got.setting in got.detail


def test_A45_a_private_address_is_refused_with_the_address_and_the_setting() -> None:
    assert refused("http://0x7f.1:8080/secret") == Refused(
        Refusal.ADDRESS,
        "127.0.0.1 is a loopback address, and webhooks go to public addresses only; "
        "where it is meant, allow it by adding 127.0.0.1 to GONIEC_ALLOW_NETWORKS.",
        "127.0.0.1",
        "GONIEC_ALLOW_NETWORKS",
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "localhost", "foo.localhost.", "[::ffff:127.0.0.1]"])
def test_A45_an_allowed_address_is_taken(host: str) -> None:
    assert checked(f"http://{host}/", networks("127.0.0.0/8")).addresses


def test_localhost_means_the_loopback_addresses_that_are_allowed() -> None:
    assert checked("http://localhost/", networks("127.0.0.0/8")).addresses == ("127.0.0.1",)
    assert checked("http://localhost/", networks("::1")).addresses == ("::1",)
    assert checked("http://localhost/", LOOPBACK).addresses == ("127.0.0.1", "::1")


def test_a_name_is_no_address() -> None:
    assert checked("http://crm.example/").addresses == ()


# --- Goniec itself ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "url"),
    [
        (("127.0.0.1", 8000), "http://127.0.0.1:8000/api/v1/events"),
        (("127.0.0.1", 8000), "http://localhost:8000/"),
        (("localhost", 8000), "http://127.0.0.1:8000/"),
        (("localhost", 8000), "http://[::1]:8000/"),
        (("0.0.0.0", 8000), "http://127.0.0.7:8000/"),  # noqa: S104 - what was bound, not a socket to bind
        (("::", 8000), "http://[::1]:8000/"),
        (("", 80), "http://127.0.0.1/"),
        (("goniec.example", 443), "https://goniec.example/"),
        (("Goniec.example", 443), "https://GONIEC.example./hook"),
    ],
)
def test_goniec_itself_is_refused_even_where_its_network_is_allowed(own: tuple[str, int], url: str) -> None:
    got = refused(url, LOOPBACK, [own])
    assert got.code is Refusal.OWN
    assert "Goniec itself" in got.detail


@pytest.mark.parametrize(
    ("own", "url"),
    [
        (("127.0.0.1", 8000), "http://127.0.0.1:8001/"),
        (("127.0.0.1", 8000), "http://127.0.0.2:8000/"),
        (("", 8000), "http://8.8.8.8:8000/"),
        (("", 8000), "https://[2606:4700::1111]:8000/"),
        (("goniec.example", 443), "http://goniec.example/"),
        (("goniec.example", 443), "https://other.example/"),
    ],
)
def test_what_is_only_near_goniec_is_taken(own: tuple[str, int], url: str) -> None:
    checked(url, LOOPBACK, [own])


def test_own_addresses_of_every_interface_are_known_by_binding_to_them() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refused(f"http://127.0.0.1:{port}/", LOOPBACK, [("", port)]).code is Refusal.OWN


# --- names, when saved -----------------------------------------------------------------------------------------------


async def test_a_name_that_resolves_to_public_addresses_is_taken(names: Names) -> None:
    names.set("crm.example", "8.8.8.8 2606:4700::1111")
    assert isinstance(await check_resolved("https://crm.example/", (), names), Checked)


@pytest.mark.parametrize("addresses", ["8.8.8.8 10.0.0.1", "10.0.0.1", "2606:4700::1111 ::1", "64:ff9b::a00:1"])
async def test_A45_a_name_with_any_forbidden_address_is_refused(names: Names, addresses: str) -> None:
    names.set("crm.example", addresses)
    got = await check_resolved("https://crm.example/", (), names)
    assert isinstance(got, Refused)
    assert (got.code, got.address, got.setting) == (
        Refusal.ADDRESS,
        addresses.rpartition(" ")[2],
        "GONIEC_ALLOW_NETWORKS",
    )
    assert f"crm.example leads to {got.address}" in got.detail


async def test_a_name_that_leads_to_goniec_itself_is_refused(names: Names) -> None:
    got = await check_resolved("http://good.example:8000/", LOOPBACK, names, [("", 8000)])
    assert isinstance(got, Refused)
    assert got.code is Refusal.OWN


@pytest.mark.parametrize("name", ["unknown.example", "dead.example"])
async def test_a_name_that_does_not_resolve_may_be_saved(names: Names, name: str) -> None:
    assert isinstance(await check_resolved(f"https://{name}/", (), names, limit=0.01), Checked)


async def test_what_is_wrong_by_itself_is_not_looked_up(names: Names) -> None:
    for url in ("ftp://crm.example/", "http://8.8.8.8/", "http://127.0.0.1/", "http://localhost/"):
        await check_resolved(url, (), names)
    assert names.asked == []


# --- headers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "value"), [("X-Api-Key", "tajne"), ("x_y", ""), ("X", "a\tb"), ("X", "\xe9")])
def test_a_header_that_can_be_sent(name: str, value: str) -> None:
    assert check_header(name, value) is None


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("", "x", "name"),
        ("X Y", "x", "name"),
        ("X:", "x", "name"),
        ("Żółw", "x", "name"),
        ("X\r\nY", "x", "name"),
        ("X", "a\r\nb", "line break"),
        ("X", "a\nb", "line break"),
        ("X", "a\0b", "control"),
        ("X", "żółw", "Latin-1"),
        ("X", "a" * 8193, "8192"),
        ("Host", "x", "Goniec itself"),
        ("content-length", "1", "Goniec itself"),
        ("Transfer-Encoding", "chunked", "Goniec itself"),
        ("transfer_encoding", "chunked", "Goniec itself"),
        ("Content_Length", "1", "Goniec itself"),
    ],
)
def test_a_header_that_cannot_be_sent(name: str, value: str, hint: str) -> None:
    reason = check_header(name, value)
    assert reason is not None
    assert hint in reason
