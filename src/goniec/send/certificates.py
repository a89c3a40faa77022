"""Certificates that a person pastes: an endpoint's own authorities, and the certificate by which it knows us.

The guard's doors call these before something is saved; nothing is sent or stored here. What is refused is never
repeated: it may be a key in the wrong place.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from goniec.core.problems import Problem
from goniec.core.times import SECOND, Millis
from goniec.ports import Forbidden, Identified

TEXT_MAX: Final = 65_536
"""Characters of a PEM text."""

AUTHORITIES_MAX: Final = 50
CHAIN_MAX: Final = 10
"""Certificates in an endpoint's own authorities, and in the chain of a client certificate."""

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL)
_BEGINS: Final = re.compile(r"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----")
_KEY: Final = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
_ENCRYPTED: Final = re.compile(r"BEGIN ENCRYPTED|,ENCRYPTED")


class _WrongError(ValueError):
    """What is wrong with a text, in words for its field."""


def read_authorities(text: str) -> str | Forbidden:
    """Give the certificates in a text, one after the other, without what stood around them."""
    try:
        return "".join(_pem(one) for one in _certificates(text, AUTHORITIES_MAX))
    except _WrongError as wrong:
        return Forbidden(str(wrong))


def read_client(certificate: str, key: str | None, now: Millis) -> Identified | Problem:
    """Read a client certificate, the receiver's own first and then its issuers, and the key that has to fit it."""
    try:
        chain = _certificates(certificate, CHAIN_MAX)
    except _WrongError as wrong:
        return Problem("certificate", str(wrong))
    first = chain[0]
    until = first.not_valid_after_utc
    if until <= datetime.fromtimestamp(now / SECOND, UTC):
        return Problem("certificate", f"has run out on {until:%Y-%m-%d}; get a new one")
    if not key:
        return Problem("key", "is required: a certificate without its key proves nothing")
    try:
        opened = _key(key)
    except _WrongError as wrong:
        return Problem("key", str(wrong))
    if _public(first) != _public(opened):
        return Problem("key", "does not fit the first certificate; give the key that this certificate was made for")
    not_after = int(until.timestamp()) * SECOND
    return Identified("".join(map(_pem, chain)), key.strip() + "\n", first.subject.rfc4514_string() or "?", not_after)


def _certificates(text: str, most: int) -> list[x509.Certificate]:
    if len(text) > TEXT_MAX:
        raise _WrongError(f"has {len(text)} characters; at most {TEXT_MAX} are taken")
    if _KEY.search(text):
        raise _WrongError("holds a private key, which is not stored here; leave only the certificates")
    found = _PEM.findall(text)
    if not found or len(found) != len(_BEGINS.findall(text)):
        raise _WrongError("is no certificate in PEM form: it goes from BEGIN CERTIFICATE to END CERTIFICATE")
    if len(found) > most:
        raise _WrongError(f"has {len(found)} certificates; at most {most} are taken")
    return list(_read(found))


def _read(found: list[str]) -> Iterator[x509.Certificate]:
    for n, one in enumerate(found, 1):
        try:
            certificate = x509.load_pem_x509_certificate(one.encode())
            certificate.public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise _WrongError(f"certificate {n} cannot be read; copy it anew, whole") from None
        yield certificate


def _key(text: str) -> PrivateKeyTypes:
    if len(text) > TEXT_MAX:
        raise _WrongError(f"has {len(text)} characters; at most {TEXT_MAX} are taken")
    if _ENCRYPTED.search(text):
        raise _WrongError("is encrypted: give it without a passphrase")
    if not _KEY.search(text):
        raise _WrongError("is no private key in PEM form: it goes from BEGIN PRIVATE KEY to END PRIVATE KEY")
    try:
        return load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _WrongError("cannot be read; copy it anew, whole") from None


def _public(of: x509.Certificate | PrivateKeyTypes) -> bytes:
    return of.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
