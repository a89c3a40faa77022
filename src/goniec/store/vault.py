"""The vault: seals secrets for the database with AES-256-GCM, so that a copy of the file alone opens none of them.

Keys are texts: the one in the key file beside the database, made on first start, or those of GONIEC_SECRET_KEY. The
first seals, all of them open. `app` opens the vault right after the store; a mark in the database proves that the key
at hand is the one that its secrets were sealed with, so that a lost key is noticed at start and not at the first
delivery.
"""

import base64
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec.structs import replace

from goniec.core.endpoint import Endpoint
from goniec.ports import Store, Tx
from goniec.store import Refused

VERSION: Final = b"\x01"
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32
MARK: Final = "vault"

_PROOF: Final = "this is the key"
_PURPOSE: Final = b"goniec vault 1"


class AesVault:
    """The `Vault` port. What is sealed is a version, a nonce and the ciphertext; `row_id` is bound to it."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = tuple(keys)
        self._ciphers = [AESGCM(_derived(key, _PURPOSE)) for key in keys]

    def seal(self, row_id: str, text: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return VERSION + nonce + self._ciphers[0].encrypt(nonce, text.encode(), row_id.encode())

    def unseal(self, row_id: str, sealed: bytes) -> str:
        for cipher in self._ciphers:
            text = _opened(cipher, row_id, sealed)
            if text is not None:
                return text
        raise ValueError(f"no key at hand opens the secret of {row_id}")

    def derived(self, purpose: str) -> tuple[bytes, ...]:
        return tuple(_derived(key, b"goniec " + purpose.encode()) for key in self._keys)

    def seals_like(self, row_id: str, sealed: bytes) -> bool:
        """Tell whether something was sealed with the first key."""
        return _opened(self._ciphers[0], row_id, sealed) is not None


async def open_vault(store: Store, key_file: Path | None, secret_keys: Sequence[str] = ()) -> AesVault:
    """Open the vault of a database.

    Without `secret_keys` the key is in `key_file`, which is made (mode 0600) when the database holds no secrets yet.
    One of the two is given.
    With several keys, whatever an older one had sealed is sealed with the first now, so that the older ones may be
    left out at the next start.

    Raises:
        Refused: the key is missing, or is not the one that the secrets in the database were sealed with.
        Unavailable: the database cannot be written.

    """
    proof = await store.transact(lambda tx: tx.mark(MARK))
    source = "GONIEC_SECRET_KEY" if secret_keys else str(key_file)
    keys = list(secret_keys)
    if key_file is not None and not keys:
        keys = [_read(key_file) or await _first_key(store, key_file, proof)]
    vault = AesVault(keys)
    if proof is None or not _proves(vault, proof):
        await _start_anew(store, vault, proof, source)
    elif not vault.seals_like(MARK, proof):
        await store.transact(lambda tx: _seal_anew(tx, vault))
    return vault


def _derived(key: str, purpose: bytes) -> bytes:
    """A key of the right length from any text, which has to be long and random: nothing here slows down guessing."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(key.encode())


def _opened(cipher: AESGCM, row_id: str, sealed: bytes) -> str | None:
    if not sealed.startswith(VERSION):
        return None
    at = len(VERSION) + NONCE_BYTES
    try:
        return cipher.decrypt(sealed[len(VERSION) : at], sealed[at:], row_id.encode()).decode()
    except (InvalidTag, ValueError):
        return None


def _proves(vault: AesVault, proof: bytes) -> bool:
    try:
        return vault.unseal(MARK, proof) == _PROOF
    except ValueError:
        return False


def _read(key_file: Path) -> str | None:
    """The key in the file, without the line's end that editors leave there."""
    try:
        text = key_file.read_text()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"the key file {key_file} cannot be read: {error}") from error
    if not text.strip():
        raise Refused(f"the key file {key_file} is empty: put the key back, or delete it if it never held one")
    return text.rstrip("\r\n")


async def _first_key(store: Store, key_file: Path, proof: bytes | None) -> str:
    """Make a key file, unless there must have been one."""
    if proof is not None and await store.queries.endpoints():
        raise Refused(
            f"the database holds secrets, and the key that opens them is missing: put {key_file} back, or set"
            " GONIEC_SECRET_KEY to the key that it held. It is in no backup of the database"
        )
    key = base64.b64encode(os.urandom(KEY_BYTES)).decode()
    try:
        file = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, f"{key}\n".encode())
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise Refused(f"the key file {key_file} cannot be made: {error.strerror}") from error
    return key


async def _start_anew(store: Store, vault: AesVault, proof: bytes | None, source: str) -> None:
    """Make this key the database's, as long as there is nothing that another one has sealed."""
    if proof is not None and await store.queries.endpoints():
        raise Refused(
            f"the key in {source} is not the one that the secrets in the database were sealed with: give back the"
            " former key; to change keys, set GONIEC_SECRET_KEY to the new and the former key, separated by a comma"
        )
    await store.transact(lambda tx: tx.put_mark(MARK, vault.seal(MARK, _PROOF)))


async def _seal_anew(tx: Tx, vault: AesVault) -> None:
    for endpoint in await tx.endpoints():
        await tx.put_endpoint(_resealed(vault, endpoint))
    await tx.put_mark(MARK, vault.seal(MARK, _PROOF))


def _resealed(vault: AesVault, endpoint: Endpoint) -> Endpoint:
    def again(sealed: bytes | None) -> bytes | None:
        return None if sealed is None else vault.seal(endpoint.id, vault.unseal(endpoint.id, sealed))

    client, oauth2 = endpoint.client_certificate, endpoint.oauth2
    return replace(
        endpoint,
        client_certificate=None if client is None else replace(client, key=again(client.key)),
        oauth2=None if oauth2 is None else replace(oauth2, secret=again(oauth2.secret)),
        secret=again(endpoint.secret),
        password=again(endpoint.password),
        previous_secret=again(endpoint.previous_secret),
        headers=tuple(replace(header, sealed=again(header.sealed)) for header in endpoint.headers),
    )
