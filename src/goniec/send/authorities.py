"""Whom to believe about receivers' certificates.

The system's authorities, else certifi's, and those of `GONIEC_CA_FILE` beside them. The sender asks when it is made.
"""

import ssl
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import certifi

BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where distributions keep theirs."""


class AuthoritiesError(ValueError):
    """`GONIEC_CA_FILE` cannot be used; says why."""


def bundle(extra: Path | None, stack: ExitStack) -> Path:
    """Give a file with the system's authorities and those of `extra`; where it had to be made, it goes with the stack.

    libcurl takes one file, and keeps what it has read from it for all connections.
    """
    system = _system_bundle()
    if extra is None:
        return system
    try:
        ssl.create_default_context().load_verify_locations(extra)
        added = extra.read_bytes()
    except (OSError, ssl.SSLError) as wrong:
        raise AuthoritiesError(f"GONIEC_CA_FILE: {extra} gives no certificates in PEM form: {wrong}") from wrong
    joined = Path(stack.enter_context(TemporaryDirectory(prefix="goniec-"))) / "authorities.pem"
    joined.write_bytes(system.read_bytes() + b"\n" + added)
    return joined


def _system_bundle() -> Path:
    known = ssl.get_default_verify_paths().cafile
    places = [Path(place) for place in (known, *BUNDLES) if place]
    return next((place for place in places if place.is_file()), Path(certifi.where()))
