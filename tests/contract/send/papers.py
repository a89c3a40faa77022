"""Certificates for tests of sending: a private authority's, and such as no authority of the tests' would issue."""

import datetime as dt
import ssl
from pathlib import Path

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
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID


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


class Public:
    """An authority as those of the web are: it has an intermediate, and each certificate says where its issuer's is."""

    def __init__(self) -> None:
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.root = _issued("Root", self._root_key, "Root", self._root_key)
        self.intermediate = _issued("Middle CA", self._key, "Root", self._root_key, authority=True)

    def serving(self, host: str, *, whole: bool, folder: Path, newest: bool = True) -> ssl.SSLContext:
        """A receiver's side, which sends the intermediate along if `whole`; the older TLS unless `newest`."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _issued(host, key, "Middle CA", self._key)
        path = folder / f"public-{whole}-{newest}.pem"
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        path.write_text(secret + leaf + (self.intermediate if whole else ""))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        if not newest:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context


def _issued(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    authority: bool = False,
) -> str:
    now = dt.datetime.now(dt.UTC)
    where = x509.AccessDescription(
        AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://ca.example/issuer.crt")
    )
    builder = (
        x509.CertificateBuilder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]),
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            key.public_key(),
            x509.random_serial_number(),
        )
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority or name == issuer, path_length=None), critical=True)
    )
    if name != issuer:
        builder = builder.add_extension(x509.AuthorityInformationAccess([where]), critical=False)
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name.replace(" ", "-"))]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
