"""API keys: made, listed, revoked. Only a key's SHA-256 is kept, so the key itself can be told once, when it is made.

A revoked key stays, because events carry its name as their `sourceKey`. Called by the API and the commands.
"""

from base64 import urlsafe_b64encode
from functools import partial
from hashlib import sha256
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from goniec.core.ids import KEY, prefixed
from goniec.core.model import ApiKey
from goniec.core.names import name_problems
from goniec.core.problems import Invalid
from goniec.core.times import Millis
from goniec.flow.configure import Conflict, Missing
from goniec.ports import Clock, Dice, Store, Tx

PREFIX: Final = "gnc_"
"""What every key begins with, so that scanners for leaked secrets know one."""

SECRET_BYTES: Final = 32
NAME_LIMIT: Final = 100

Scope = Literal["ingest", "read", "admin"]


class KeyMade(Struct, frozen=True):
    """A new key; `text` is what its owner sends, and is kept nowhere."""

    key: ApiKey
    text: str


def digest(text: str) -> bytes:
    """What is kept of a key; its 256 random bits need no slow hash."""
    return sha256(text.encode()).digest()


async def create_key(store: Store, clock: Clock, dice: Dice, name: str, scope: Scope) -> KeyMade | Conflict:
    """Make a key.

    Raises:
        Invalid: the name is empty, too long or holds what no name can hold.

    """
    if problems := name_problems("/name", name, NAME_LIMIT):
        raise Invalid(*problems)
    now = clock.now()
    secret = dice.bits(8 * SECRET_BYTES).to_bytes(SECRET_BYTES)
    text = PREFIX + urlsafe_b64encode(secret).decode().rstrip("=")
    key = ApiKey(id=prefixed(KEY, now, dice.bits(80)), name=name, scope=scope, digest=digest(text), created_at=now)
    return await store.transact(partial(_create, KeyMade(key, text)))


async def revoke_key(store: Store, clock: Clock, key_id: str) -> ApiKey | Missing:
    """Let a key open nothing any more; one that was revoked before stays as it is."""
    return await store.transact(partial(_revoke, key_id, clock.now()))


async def _create(made: KeyMade, tx: Tx) -> KeyMade | Conflict:
    key, name = made.key, made.key.name.casefold()
    if any(known.revoked_at is None and known.name.casefold() == name for known in await tx.keys()):
        return Conflict("nameTaken", f"there is a key named {key.name} already; revoke it, or choose another name")
    await tx.put_key(key)
    return made


async def _revoke(key_id: str, now: Millis, tx: Tx) -> ApiKey | Missing:
    key = next((key for key in await tx.keys() if key.id == key_id), None)
    if key is None:
        return Missing("key")
    if key.revoked_at is None:
        key = replace(key, revoked_at=now)
        await tx.put_key(key)
    return key
