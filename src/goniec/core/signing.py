"""How a webhook proves where it comes from: Standard Webhooks signatures and Basic credentials.

The sender calls this room for every attempt, the forms and the API when a secret or a credential is saved, the built-in
receiver to check what arrives. Secrets are arguments here; where they are kept, and how, is none of its business.
"""

import base64
import binascii
import hmac
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

from goniec.core.times import SECOND, Millis

PREFIX: Final = "whsec_"
SECRET_MIN: Final = 24
SECRET_MAX: Final = 64
"""How many bytes a secret has (Standard Webhooks 1.0, "Signature scheme")."""

TOLERANCE: Final = 300
"""How many seconds the time of a message may lie from the receiver's, which bounds how long it can be replayed."""

_RULE: Final = f"a secret is {PREFIX} and the base64 of {SECRET_MIN} to {SECRET_MAX} bytes, with nothing around it"
_TIMESTAMP: Final = re.compile(r"\d{1,12}", re.ASCII)


def decode_secret(text: str) -> bytes:
    """Read a signing secret as the reference libraries do, and refuse what only some of them would read the same way.

    Raises:
        ValueError: anything but `whsec_` and the padded standard base64 (RFC 4648, section 4) of 24 to 64 bytes.

    """
    if not text.startswith(PREFIX):
        raise ValueError(_RULE)
    encoded = text[len(PREFIX) :]
    try:
        secret = base64.b64decode(encoded, validate=True)
    except ValueError:
        # binascii.Error, or the complaint that the text is not ASCII
        raise ValueError(_RULE) from None
    # the last character may hide bits that decoders drop or refuse, as they like
    if encode_secret(secret) != text or not SECRET_MIN <= len(secret) <= SECRET_MAX:
        raise ValueError(_RULE)
    return secret


def encode_secret(secret: bytes) -> str:
    """Write a signing secret as receivers enter it."""
    return PREFIX + _base64(secret)


def sign(secrets: Sequence[bytes], id: str, timestamp: int, body: bytes) -> str:
    """Give the `webhook-signature` of a message: one signature for each secret, the current one first.

    `id` is the `webhook-id`, `timestamp` the `webhook-timestamp` in seconds. Two secrets sign while one replaces the
    other.
    """
    message = f"{id}.{timestamp}.".encode() + body
    # hmac.digest lets go of the interpreter's lock, and waits its turn to have it back, for what takes a microsecond
    return " ".join("v1," + _base64(hmac.new(secret, message, "sha256").digest()) for secret in secrets)


def verify(secret: bytes, headers: Mapping[str, str], body: bytes, now: Millis) -> str | None:
    """Check a message as a receiver does; None when it holds, else what is wrong with it.

    The names in `headers` are in lower case. Signatures of other versions are passed over, as receivers must.
    """
    id, timestamp, signatures = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not (id and timestamp and signatures):
        return "not signed: webhook-id, webhook-timestamp or webhook-signature is missing"
    if _TIMESTAMP.fullmatch(timestamp) is None:
        return "webhook-timestamp is not a number of seconds"
    if abs(now // SECOND - int(timestamp)) > TOLERANCE:
        return f"webhook-timestamp is more than {TOLERANCE} seconds from the time here"
    expected = sign((secret,), id, int(timestamp), body).encode()
    # every signature is compared, so that the time taken tells nothing of which one holds
    matches = [hmac.compare_digest(expected, given.encode(errors="replace")) for given in signatures.split(" ")]
    return None if any(matches) else "no signature in webhook-signature fits: another secret, or another body"


def basic(username: str, password: str) -> str:
    """Give the `Authorization` of HTTP Basic authentication (RFC 7617): UTF-8, in Unicode's form NFC (section 2.1).

    Either may be empty.

    Raises:
        ValueError: a colon in the user name, which would end it there, or a control character in either.

    """
    if ":" in username:
        raise ValueError("the user name cannot hold a colon: Basic authentication ends it there")
    for what, text in (("user name", username), ("password", password)):
        if any(unicodedata.category(char) in {"Cc", "Cs"} for char in text):
            raise ValueError(f"the {what} cannot hold a control character, such as the end of a line")
    return "Basic " + _base64(unicodedata.normalize("NFC", f"{username}:{password}").encode())


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()
