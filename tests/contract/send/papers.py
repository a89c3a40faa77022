"""Certificates for tests of sending: a private authority's, and such as no authority of the tests' would issue."""

import datetime as dt
import ssl

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


def pem(authority: trustme.CA) -> str:
    """The authority's own certificate."""
    return authority.cert_pem.bytes().decode()


def pair(authority: trustme.CA, name: str = "goniec@sender.example") -> tuple[str, str]:
    """A client certificate and its key."""
    leaf = authority.issue_cert(name)
    chain = "".join(one.bytes().decode() for one in leaf.cert_chain_pems)
    return chain, leaf.private_key_pem.bytes().decode()


def serving(certificate: trustme.LeafCert, clients: trustme.CA | None = None) -> ssl.SSLContext:
    """A receiver's side of TLS; it asks for a certificate of `clients`, where given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        clients.configure_trust(context)
    return context


def self_made(name: str = "goniec", *, days: int = 1, passphrase: bytes | None = None) -> tuple[str, str]:
    """A certificate that runs out in some days, and its key; nobody has signed it but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=10))
        .not_valid_after(now + dt.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    locked: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)
    return certificate.public_bytes(Encoding.PEM).decode(), secret.decode()
