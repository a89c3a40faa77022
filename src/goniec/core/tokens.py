"""Tokens in the addresses of mails: of the pixel, of each link, of the page to opt out, and of the envelope's sender.

A token carries what it says and a signature over it, so that it works without the database, for as long as the key is
there. The sender makes them when a mail goes out; `web.tracking` and whoever reads bounces read them. Keys are
arguments, one or several: the first signs, all of them verify. What a token of one kind says, none of another does.
"""

import base64
import hmac
import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from goniec.core.ids import DELIVERY, MESSAGE, number_of, of_number

PURPOSE: Final = "mail tokens"
"""For what the keys are derived."""

URL_BYTES: Final = 16_384
"""How long the URL of a link may be, in UTF-8."""

LONGEST: Final = 22_000
"""No token is longer: it is a URL of that length and the rest, in base64."""

BOUNCE: Final = 47
"""How long the token of an envelope's sender is: what a local part of 64 has left behind one of 16 and a plus."""

Keys = Sequence[bytes]

_SEEN: Final = b"seen\0"
_LINK: Final = b"link\0"
_LEAVE: Final = b"leave\0"
_BOUNCE: Final = b"bounce\0"

_DELIVERY: Final = 23
_CONTACT: Final = _DELIVERY + 16
_MESSAGE: Final = _CONTACT + 16
_SIGNATURE: Final = 16

_SHORTER: Final = 174
"""Bits of a delivery's id without the four at its front, which are zero until the year 2527."""
_SIGNED: Final = 5 * BOUNCE - _SHORTER

_FORM: Final = re.compile(r"[A-Za-z0-9_-]+")
_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES: Final = {char: value for value, char in enumerate(_DIGITS)}


class Mark(Struct, frozen=True):
    """What a token says: which delivery went to whom, of which message (empty: of none), and where a link leads."""

    delivery_id: str
    contact_id: str
    message_id: str
    url: str | None = None


def seen(keys: Keys, delivery_id: str, contact_id: str, message_id: str) -> str:
    """Give the token of the pixel of a mail."""
    return _signed(keys[0], _SEEN, _packed(delivery_id, contact_id, message_id))


def link(keys: Keys, delivery_id: str, contact_id: str, message_id: str, url: str) -> str:
    """Give the token of a link in a mail.

    Raises:
        ValueError: the URL has more than `URL_BYTES`, or cannot be written in UTF-8.

    """
    raw = url.encode()
    if len(raw) > URL_BYTES:
        raise ValueError(f"a link that is followed has at most {URL_BYTES} bytes")
    return _signed(keys[0], _LINK, _packed(delivery_id, contact_id, message_id) + raw)


def leave(keys: Keys, delivery_id: str, contact_id: str, message_id: str) -> str:
    """Give the token of the page on which the person of a mail opts out."""
    return _signed(keys[0], _LEAVE, _packed(delivery_id, contact_id, message_id))


def bounce(keys: Keys, delivery_id: str) -> str:
    """Give the token of the envelope's sender of a mail: `BOUNCE` lower-case letters and digits."""
    number = number_of(delivery_id)
    return _spelled(number << _SIGNED | _bounce_signature(keys[0], number))


def read_seen(keys: Keys, token: str) -> Mark | None:
    """Read the token of a pixel; None: it is none of ours, or not as it was made."""
    said = _verified(keys, _SEEN, token)
    return None if said is None else _mark(said)


def read_link(keys: Keys, token: str) -> Mark | None:
    """Read the token of a link; None: it is none of ours, or not as it was made."""
    said = _verified(keys, _LINK, token)
    return None if said is None else _mark(said, said[_MESSAGE:].decode())


def read_leave(keys: Keys, token: str) -> Mark | None:
    """Read the token of a page to opt out; None: it is none of ours, or not as it was made."""
    said = _verified(keys, _LEAVE, token)
    return None if said is None else _mark(said)


def read_bounce(keys: Keys, token: str) -> str | None:
    """Give the delivery whose envelope had this token, in letters of either case; None: it is none of ours."""
    if len(token) != BOUNCE:
        return None
    value = 0
    for char in token:
        digit = _VALUES.get(char.lower())
        if digit is None or not char.isascii():  # the Kelvin sign is a k in lower case
            return None
        value = value << 5 | digit
    number = value >> _SIGNED
    given = value & (1 << _SIGNED) - 1
    # every key is tried, so that the time taken tells nothing of which one fits
    fits = [hmac.compare_digest(_spelled(given), _spelled(_bounce_signature(key, number))) for key in keys]
    return of_number(DELIVERY, number) if any(fits) else None


# --- what a token says ------------------------------------------------------------------------------------------------


def _packed(delivery_id: str, contact_id: str, message_id: str) -> bytes:
    message = number_of(message_id) if message_id else 0
    return (
        number_of(delivery_id).to_bytes(_DELIVERY) + bytes.fromhex(contact_id.replace("-", "")) + message.to_bytes(16)
    )


def _mark(said: bytes, url: str | None = None) -> Mark:
    contact = said[_DELIVERY:_CONTACT].hex()
    message = int.from_bytes(said[_CONTACT:_MESSAGE])
    return Mark(
        of_number(DELIVERY, int.from_bytes(said[:_DELIVERY])),
        "-".join((contact[:8], contact[8:12], contact[12:16], contact[16:20], contact[20:])),
        of_number(MESSAGE, message) if message else "",
        url,
    )


# --- signatures -------------------------------------------------------------------------------------------------------


def _signed(key: bytes, kind: bytes, said: bytes) -> str:
    return base64.urlsafe_b64encode(said + _signature(key, kind, said)).rstrip(b"=").decode()


def _verified(keys: Keys, kind: bytes, token: str) -> bytes | None:
    if len(token) > LONGEST or _FORM.fullmatch(token) is None or len(token) % 4 == 1:
        return None
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    said, given = raw[:-_SIGNATURE], raw[-_SIGNATURE:]
    fits = [hmac.compare_digest(given, _signature(key, kind, said)) for key in keys]
    # the last character may hide bits that no signature covers
    if not any(fits) or base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
        return None
    return said


def _signature(key: bytes, kind: bytes, said: bytes) -> bytes:
    return hmac.new(key, kind + said, "sha256").digest()[:_SIGNATURE]


def _bounce_signature(key: bytes, number: int) -> int:
    return int.from_bytes(hmac.new(key, _BOUNCE + number.to_bytes(_DELIVERY), "sha256").digest()) >> 256 - _SIGNED


def _spelled(value: int) -> str:
    return "".join(_DIGITS[value >> shift & 31] for shift in range(5 * (BOUNCE - 1), -1, -5))
