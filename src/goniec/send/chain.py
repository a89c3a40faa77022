"""Which certificates a receiver sends, read from a handshake that failed: an intermediate missing, or a stranger there.

OpenSSL has one word for both. `http` makes a second connection, as strict as the first, and collects here what libcurl
tells of its handshake; nothing is ever sent over it. Trusts nothing and decides nothing but the words of the failure.
"""

from collections.abc import Sequence
from typing import Final

import pycurl
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID, NameOID

CERTIFICATE: Final = 11
"""The type of the handshake message (RFC 8446, section 4; RFC 5246, section 7.4)."""

LENGTH: Final = 3
SHOWN: Final = 100


class Overheard:
    """What came in of a handshake (a DEBUGFUNCTION)."""

    def __init__(self) -> None:
        self.certificates: list[bytes] = []

    def __call__(self, kind: int, data: bytes) -> None:
        """Listen."""
        if kind == pycurl.INFOTYPE_SSL_DATA_IN and data[:1] == bytes([CERTIFICATE]):
            self.certificates = read_message(data) or self.certificates


def read_message(data: bytes) -> list[bytes]:
    """Give the certificates (DER) of a message of TLS 1.2 or 1.3; none where it is something else."""
    body = data[1 + LENGTH :]
    if len(body) != int.from_bytes(data[1 : 1 + LENGTH]):
        return []
    old = int.from_bytes(body[:LENGTH]) == len(body) - LENGTH
    # 1.3 has an empty context before the list, and extensions behind each certificate
    rest = body[LENGTH:] if old else body[1 + LENGTH :]
    found = []
    while len(rest) > LENGTH:
        end = LENGTH + int.from_bytes(rest[:LENGTH])
        found.append(rest[LENGTH:end])
        rest = rest[end:] if old else rest[end + 2 + int.from_bytes(rest[end : end + 2]) :]
    return found


def missing(served: Sequence[bytes]) -> str | None:
    """Name the issuer whose certificate should have been sent along; None: that is not what is wrong.

    So it is where its own certificate says where that is to be had (RFC 5280, section 4.2.2.1), as those of the web do.
    One whose issuer's was sent is at fault for nothing: it is the end of its chain that nobody knows here.
    """
    try:
        known = [x509.load_der_x509_certificate(one) for one in served]
        if not known or any(one.subject == known[0].issuer for one in known) or not _says_where(known[0]):
            return None
        return _name(known[0].issuer)
    except ValueError:
        return None


def _says_where(certificate: x509.Certificate) -> bool:
    try:
        access = certificate.extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_INFORMATION_ACCESS).value
    except x509.ExtensionNotFound:
        return False
    assert isinstance(access, x509.AuthorityInformationAccess)  # noqa: S101 - by its number
    return any(one.access_method == AuthorityInformationAccessOID.CA_ISSUERS for one in access)


def _name(issuer: x509.Name) -> str:
    names = issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    text = str(names[0].value) if names else issuer.rfc4514_string()
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)[:SHOWN]
