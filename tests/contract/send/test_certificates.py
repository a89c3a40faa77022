"""Certificates of an endpoint's own: what is taken when one is pasted, and what they do on a real connection."""

import ssl
import time
from pathlib import Path

import pytest
import trustme
from msgspec.structs import replace

from goniec.core.model import Failure
from goniec.core.problems import Problem
from goniec.ports import Forbidden, Identified, Outgoing
from goniec.send.certificates import AUTHORITIES_MAX, CHAIN_MAX, TEXT_MAX, read_authorities, read_client
from goniec.send.chain import missing, read_message
from goniec.send.http import HttpSender
from tests.contract.send.conftest import post
from tests.contract.send.papers import Public, pair, pem, self_made, serving
from tests.contract.send.receivers import Receiver, answer

HOST = "good.example"
NOW = int(time.time() * 1000)
BROKEN = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def refused(text: str) -> str:
    found = read_authorities(text)
    assert isinstance(found, Forbidden), found
    return found.detail


def refused_client(certificate: str, key: str | None) -> Problem:
    found = read_client(certificate, key, NOW)
    assert isinstance(found, Problem), found
    return found


# --- what is pasted --------------------------------------------------------------------------------------------------


def test_authorities_are_taken_without_what_stands_around_them(authority: trustme.CA) -> None:
    one, other = pem(authority), pem(trustme.CA())
    assert read_authorities(f"subject=/O=private\r\n{one}\n\n# the old one:\n{other}trailing") == one + other
    assert read_authorities(one.replace("\n", "\r\n")) == one


@pytest.mark.parametrize("text", ["nonsense", "-----BEGIN CERTIFICATE-----\nMIIB", "MIIBszCCAVmgAwIBAgIU", "\0"])
def test_what_is_no_certificate(text: str) -> None:
    assert "PEM" in refused(text)


def test_a_certificate_that_was_cut_is_counted(authority: trustme.CA) -> None:
    assert refused(pem(authority) + BROKEN) == "certificate 2 cannot be read; copy it anew, whole"
    assert "PEM" in refused(pem(authority) + pem(authority)[:200])


def test_a_private_key_in_the_wrong_place_is_refused_and_not_repeated(authority: trustme.CA) -> None:
    certificate, key = pair(authority)
    told = refused(certificate + key), refused_client(certificate + key, None)
    assert "private key" in told[0]
    assert told[1].pointer == "certificate"
    assert not any(line in str(told) for line in key.splitlines())


def test_texts_and_chains_have_an_end(authority: trustme.CA) -> None:
    assert str(TEXT_MAX) in refused("x" * (TEXT_MAX + 1))
    assert str(AUTHORITIES_MAX) in refused(pem(authority) * (AUTHORITIES_MAX + 1))
    certificate, key = pair(authority)
    assert str(CHAIN_MAX) in refused_client(certificate * (CHAIN_MAX + 1), key).detail
    assert str(TEXT_MAX) in refused_client(certificate, "x" * (TEXT_MAX + 1)).detail


def test_a_client_certificate_tells_whose_it_is_and_until_when() -> None:
    certificate, key = self_made("goniec")
    found = read_client(f"Bag Attributes\n{certificate}", f"\n{key}\n\n", NOW)
    assert isinstance(found, Identified)
    assert (found.certificate, found.key, found.subject) == (certificate, key, "CN=goniec")
    assert found.not_after > NOW  # it is made when the test runs, and holds for a day from then
    nameless = read_client(*self_made(""), NOW)
    assert isinstance(nameless, Identified)
    assert nameless.subject == "?"


def test_a_client_certificate_that_cannot_be_used(authority: trustme.CA) -> None:
    certificate, key = pair(authority)
    _, other = pair(authority)
    old, old_key = self_made(days=-1)
    locked, locked_key = self_made(passphrase=b"geheim")
    told = [
        refused_client(certificate, None),
        refused_client(certificate, ""),
        refused_client(certificate, other),
        refused_client(locked, locked_key),
        refused_client(certificate, certificate),
        refused_client(certificate, key.replace("M", "%")),
        refused_client(old, old_key),
        refused_client("nonsense", key),
    ]
    fields = [(one.pointer, " ".join(one.detail.split()[:2])) for one in told]
    assert fields == [
        ("key", "is required:"),
        ("key", "is required:"),
        ("key", "does not"),
        ("key", "is encrypted:"),
        ("key", "is no"),
        ("key", "cannot be"),
        ("certificate", "has run"),
        ("certificate", "is no"),
    ]


# --- on the wire -----------------------------------------------------------------------------------------------------


def dressed(url: str, authorities: str | None, client: tuple[str, str] | None = None) -> Outgoing:
    return replace(post(url), authorities=authorities, client=client)


async def test_a42_an_endpoints_own_authority_is_believed_there_and_nowhere_else(
    sender: HttpSender, authority: trustme.CA
) -> None:
    async with Receiver(answer(), tls=serving(authority.issue_cert(HOST))) as receiver:
        url = receiver.url(host=HOST)
        got = [await sender.send(dressed(url, pem(authority))) for _ in range(3)]
        # a kept connection is there, and is no way around the check
        plain = await sender.send(post(url))
        other = await sender.send(dressed(url, pem(trustme.CA())))
        again = await sender.send(dressed(url, pem(authority)))
    assert [one.failure for one in (*got, again)] == [None] * 4
    assert [request.connection for request in receiver.requests] == [0, 0, 0, 0]
    assert (plain.failure, other.failure) == (Failure.TLS_ISSUER, Failure.TLS_ISSUER)
    assert "caBundle" in plain.detail


async def test_a42_the_name_and_the_dates_are_still_checked(sender: HttpSender, authority: trustme.CA) -> None:
    async with Receiver(answer(), tls=serving(authority.issue_cert("other.example"))) as receiver:
        got = await sender.send(dressed(receiver.url(host=HOST), pem(authority)))
    assert (got.failure, receiver.requests) == (Failure.TLS_HOST, [])


async def test_a_receiver_that_asks_for_a_client_certificate_gets_it(sender: HttpSender, authority: trustme.CA) -> None:
    tls = serving(authority.issue_cert(HOST), clients=authority)
    ours, theirs = pair(authority), pair(trustme.CA())
    async with Receiver(answer(), tls=tls) as receiver:
        url = receiver.url(host=HOST)
        got = [await sender.send(dressed(url, pem(authority), ours)) for _ in range(2)]
        without = await sender.send(dressed(url, pem(authority)))
        strange = await sender.send(dressed(url, pem(authority), theirs))
        other = await sender.send(dressed(url, pem(authority), pair(authority)))
    assert [one.failure for one in (*got, other)] == [None] * 3
    # one endpoint's connection is never another's
    assert [request.connection for request in receiver.requests][:2] == [0, 0]
    assert receiver.requests[2].connection > 0
    assert len(receiver.requests) == 3
    assert {without.failure, strange.failure} <= {Failure.TLS, Failure.RESET}
    assert "PRIVATE" not in f"{got}{without}{strange}"


async def test_a_client_certificate_with_its_intermediate(sender: HttpSender, authority: trustme.CA) -> None:
    tls = serving(authority.issue_cert(HOST), clients=authority)
    async with Receiver(answer(), tls=tls) as receiver:
        client = pair(authority.create_child_ca())
        got = await sender.send(dressed(receiver.url(host=HOST), pem(authority), client))
    assert (got.failure, len(receiver.requests)) == (None, 1)


# --- what the receiver sends -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("newest", [True, False])
async def test_A43_a_missing_intermediate_is_told_from_an_unknown_issuer(
    sender: HttpSender, tmp_path: Path, *, newest: bool
) -> None:
    public = Public()
    async with Receiver(answer(), tls=public.serving(HOST, whole=False, folder=tmp_path, newest=newest)) as receiver:
        got = await sender.send(dressed(receiver.url("/secret-path", host=HOST), public.root))
    assert got.failure is Failure.TLS_INTERMEDIATE
    assert "(Middle CA)" in got.detail
    assert "full chain" in got.detail
    assert "secret-path" not in got.detail
    assert (receiver.requests, got.address) == ([], receiver.address)
    async with Receiver(answer(), tls=public.serving(HOST, whole=True, folder=tmp_path, newest=newest)) as receiver:
        mended = await sender.send(dressed(receiver.url(host=HOST), public.root))
        # the whole chain is there, but nobody here knows its end
        stranger = await sender.send(post(receiver.url(host=HOST)))
    assert mended.failure is None
    assert stranger.failure is Failure.TLS_ISSUER


@pytest.mark.parametrize(
    "served", [[], [b"nonsense"], [ssl.PEM_cert_to_DER_cert(self_made()[0])], [ssl.PEM_cert_to_DER_cert(Public().root)]]
)
def test_what_lacks_no_intermediate(served: list[bytes]) -> None:
    assert missing(served) is None


@pytest.mark.parametrize("data", [b"\x0b", b"\x0b\0\0\x01", b"\x0b\0\0\x04\0\0\0\0", b"\x0b\0\0\x08" + b"\xff" * 8])
def test_a_message_that_holds_no_certificates(data: bytes) -> None:
    assert [one for one in read_message(data) if missing([one])] == []
