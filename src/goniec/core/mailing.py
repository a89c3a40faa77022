"""Mail as it is decided: what stands in the body of a delivery that is a mail.

`decide` makes it once, with all texts rendered; the sender makes the message of it that goes out, the same bytes with
every attempt and resend.
"""

from typing import Final

import msgspec
from msgspec import Struct, field

UNSUBSCRIBE: Final = "goniec:unsubscribe"
"""What stands in texts where the link to opt out goes; the sender puts that in its place."""


class Envelope(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A mail: to whom, from whom (None: as the installation sends), and its texts.

    `message` and `version` say of which message it is; a notice to a user is of none. A `marketing` mail has a link to
    opt out; of one that is `tracked` openings and clicks are told. `language` is the contact's.
    """

    to: str
    sender: str | None = field(default=None, name="from")
    reply_to: str | None = None
    subject: str
    html: str | None = None
    text: str | None = None
    message: str = ""
    version: int = 0
    marketing: bool = False
    tracked: bool = False
    language: str = "en"


_decode: Final = msgspec.json.Decoder(Envelope).decode
_ENCODER: Final = msgspec.json.Encoder()


def sealed(envelope: Envelope) -> bytes:
    """Give the body of the delivery."""
    return _ENCODER.encode(envelope)


def opened(body: bytes) -> Envelope | None:
    """Read the body of a delivery that is a mail; None: it is none, or was erased."""
    try:
        return _decode(body)
    except msgspec.DecodeError:
        return None
