"""Receivers with something wrong about their certificate: a code for each, and a sentence that says what to do."""

import asyncio
import datetime as dt
import ipaddress
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from goniec.core.model import Failure
from goniec.send.authorities import AuthoritiesError, bundle
from goniec.send.http import HttpSender
from tests.contract.send.conftest import LOOPBACK, post
from tests.contract.send.names import Names
from tests.contract.send.receivers import Receiver, Talk, answer, hang, say

SHORT = 0.3
HOST = "good.example"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "private-ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
async def trusting(names: Names, ca_file: Path) -> AsyncIterator[HttpSender]:
    """A sender that knows the private authority by GONIEC_CA_FILE."""
    made = HttpSender(names, allowed=LOOPBACK, ca_file=ca_file)
    yield made
    await made.close()


def serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


async def test_a_good_certificate_of_a_known_authority(trusting: HttpSender, authority: trustme.CA) -> None:
    async with Receiver(answer(200, b"OK"), tls=serving(authority.issue_cert(HOST))) as receiver:
        got = [await trusting.send(post(receiver.url(host=HOST))) for _ in range(3)]
    assert [(one.failure, one.body, one.address) for one in got] == [(None, b"OK", receiver.address)] * 3
    assert [request.connection for request in receiver.requests] == [0, 0, 0]


def test_the_files_authorities_stand_beside_the_systems_until_closed(ca_file: Path) -> None:
    with ExitStack() as stack:
        joined = bundle(ca_file, stack)
        assert joined.read_bytes().endswith(ca_file.read_bytes())
        assert joined.read_bytes().count(b"BEGIN CERTIFICATE") > 10
    assert not joined.exists()


def test_without_the_setting_it_is_the_systems_file() -> None:
    with ExitStack() as stack:
        assert b"BEGIN CERTIFICATE" in bundle(None, stack).read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_an_unusable_authority_file_is_refused_at_start(names: Names, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AuthoritiesError, match=r"GONIEC_CA_FILE: .*ca\.pem"):
        HttpSender(names, ca_file=path)


async def test_a_private_authority_that_is_not_known(sender: HttpSender, authority: trustme.CA) -> None:
    async with Receiver(answer(), tls=serving(authority.issue_cert(HOST))) as receiver:
        got = await sender.send(post(receiver.url("/secret-path", host=HOST)))
    assert got.failure is Failure.TLS_ISSUER
    assert "GONIEC_CA_FILE" in got.detail
    assert HOST in got.detail
    assert "secret-path" not in got.detail
    assert receiver.requests == []


async def test_A43_a_missing_intermediate(trusting: HttpSender, authority: trustme.CA) -> None:
    leaf = authority.create_child_ca().issue_cert(HOST)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with leaf.private_key_pem.tempfile() as key, leaf.cert_chain_pems[0].tempfile() as alone:
        context.load_cert_chain(alone, key)
    async with Receiver(answer(), tls=context) as receiver:
        got = await trusting.send(post(receiver.url(host=HOST)))
    assert got.failure is Failure.TLS_ISSUER
    assert "intermediate" in got.detail
    assert receiver.requests == []


async def test_the_same_with_its_intermediate(trusting: HttpSender, authority: trustme.CA) -> None:
    leaf = authority.create_child_ca().issue_cert(HOST)
    async with Receiver(answer(), tls=serving(leaf)) as receiver:
        assert (await trusting.send(post(receiver.url(host=HOST)))).failure is None


async def test_an_expired_certificate(trusting: HttpSender, authority: trustme.CA) -> None:
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    async with Receiver(answer(), tls=serving(authority.issue_cert(HOST, not_after=past))) as receiver:
        got = await trusting.send(post(receiver.url(host=HOST)))
    assert got.failure is Failure.TLS_EXPIRED
    assert "renew" in got.detail
    assert receiver.requests == []


async def test_a_certificate_of_the_future(trusting: HttpSender, authority: trustme.CA) -> None:
    future = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)
    leaf = authority.issue_cert(HOST, not_before=future, not_after=future + dt.timedelta(days=1))
    async with Receiver(answer(), tls=serving(leaf)) as receiver:
        got = await trusting.send(post(receiver.url(host=HOST)))
    assert got.failure is Failure.TLS_EXPIRED
    assert "clock" in got.detail


async def test_a_certificate_for_another_host(trusting: HttpSender, authority: trustme.CA) -> None:
    async with Receiver(answer(), tls=serving(authority.issue_cert("other.example"))) as receiver:
        by_name = await trusting.send(post(receiver.url(host=HOST)))
        by_address = await trusting.send(post(receiver.url()))
    assert (by_name.failure, by_address.failure) == (Failure.TLS_HOST, Failure.TLS_HOST)
    assert "another name" in by_name.detail
    assert receiver.requests == []


async def test_a_self_signed_certificate(trusting: HttpSender, tmp_path: Path) -> None:
    async with Receiver(answer(), tls=self_signed(tmp_path)) as receiver:
        got = await trusting.send(post(receiver.url(host=HOST)))
    assert got.failure is Failure.TLS_SELF_SIGNED
    assert "signed itself" in got.detail
    assert receiver.requests == []


async def test_a_stalled_handshake(trusting: HttpSender) -> None:
    async with Receiver(answer(), greet=hang) as receiver:
        url = receiver.url(host=HOST).replace("http:", "https:")
        got = await trusting.send(post(url, timeout=5, connect=SHORT))
    assert got.failure is Failure.TLS
    assert "handshake within 0.3 s" in got.detail
    assert got.address == receiver.address


async def test_https_to_a_port_that_speaks_plain_http(trusting: HttpSender) -> None:
    async with Receiver(answer(), greet=say(b"HTTP/1.1 400 Bad\r\n\r\n")) as receiver:
        got = await trusting.send(post(receiver.url(host=HOST).replace("http:", "https:")))
    assert got.failure is Failure.TLS
    assert "no TLS" in got.detail


async def test_http_to_a_port_that_speaks_tls(trusting: HttpSender, authority: trustme.CA) -> None:
    async with Receiver(answer(), tls=serving(authority.issue_cert(HOST))) as receiver:
        got = await trusting.send(post(receiver.url(host=HOST).replace("https:", "http:")))
    assert got.failure in {Failure.RESET, Failure.EMPTY, Failure.NOT_HTTP}
    assert receiver.requests == []


async def test_a_receiver_that_asks_for_a_client_certificate(trusting: HttpSender, authority: trustme.CA) -> None:
    context = serving(authority.issue_cert(HOST))
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        refusing = asyncio.create_task(asyncio.to_thread(refuse, listening, context))
        got = await trusting.send(post(f"https://{HOST}:{listening.getsockname()[1]}/"))
        assert "PEER_DID_NOT_RETURN_A_CERTIFICATE" in await refusing
    assert got.failure is Failure.TLS
    assert "alert certificate required" in got.detail


async def test_a_tls_connection_that_ends_without_notice(trusting: HttpSender, authority: trustme.CA) -> None:
    async def cut(talk: Talk) -> None:
        await talk.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
        talk.writer.transport.abort()

    async with Receiver(cut, tls=serving(authority.issue_cert(HOST))) as receiver:
        got = await trusting.send(post(receiver.url(host=HOST)))
    assert (got.failure, got.note) == (None, "answerCut")


async def test_a_certificate_for_an_address(trusting: HttpSender, authority: trustme.CA) -> None:
    async with Receiver(answer(), tls=serving(authority.issue_cert("127.0.0.1"))) as receiver:
        assert (await trusting.send(post(receiver.url()))).failure is None


def refuse(listening: socket.socket, context: ssl.SSLContext) -> str:
    """Take one connection, give OpenSSL's reason to end it, and let the other side hear it before the connection goes."""
    made, _ = listening.accept()
    with context.wrap_socket(made, server_side=True, do_handshake_on_connect=False) as tls:
        try:
            tls.do_handshake()
        except ssl.SSLError as refused:
            while os.read(tls.fileno(), 65536):
                pass
            return str(refused)
    return ""


def self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "self-signed.pem"
    path.write_bytes(secret + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_what_tls_says_by_itself_counts_too(trusting: HttpSender, authority: trustme.CA) -> None:
    tls = serving(authority.issue_cert(HOST))
    tls.num_tickets = 4000
    async with Receiver(answer(200), tls=tls) as receiver:
        got = await trusting.send(post(receiver.url(host=HOST), timeout=60))
    assert (got.failure, got.status) == (Failure.HEAD_TOO_LARGE, None)
    assert "far more than the head" in got.detail
