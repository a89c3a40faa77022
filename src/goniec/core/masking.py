"""Secrets that a receiver sends back: debug pages repeat a request whole, and what they say is kept and read by many.

The flow hides an endpoint's secrets and the sender an access token, each before an answer is written down. Known
spellings only: what a receiver has shortened, hashed or turned round is not found.
"""

import html
import json
import re
import string
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

MASK: Final = b"****"

SHORTEST: Final = 4
"""Characters of a secret that is looked for: a shorter one stands everywhere, and would hide what an answer says."""

CUT: Final = 4 * 1024
"""Bytes of a head or body below which nothing of it is cut before it is kept."""

_UNRESERVED: Final = frozenset(string.ascii_letters.encode() + string.digits.encode() + b"-._~")
_BEYOND_LATIN_1: Final = re.compile("[^\x00-\xff]")


def spellings(secrets: Iterable[str]) -> tuple[bytes, ...]:
    """Give how these secrets may stand in an answer: as they are, escaped for JSON, HTML and URLs; longest first."""
    found: set[bytes] = set()
    # Basic authentication sends the form NFC of what was entered
    for secret in {form for one in secrets for form in (one, unicodedata.normalize("NFC", one))}:
        if len(secret) < SHORTEST:
            continue
        written = json.dumps(secret)[1:-1]
        texts = {
            secret,
            written,
            written.replace("/", "\\/"),
            json.dumps(secret, ensure_ascii=False)[1:-1],
            html.escape(secret),
            _percent(secret),
            _percent(secret).replace("%20", "+"),
        }
        found.update(text.encode() for text in texts)
        found.update(text.encode("latin-1") for text in texts if not _BEYOND_LATIN_1.search(text))
    return tuple(sorted(found, key=lambda one: (-len(one), one)))


def masked(data: bytes, hidden: Sequence[bytes]) -> bytes:
    """Give the data without these spellings; also without the beginning of one, where the data was cut within it."""
    cut = len(data) >= CUT
    for one in hidden:
        if one in data:
            data = data.replace(one, MASK)
    return _uncut(data, hidden) if cut else data


def masked_text(text: str, hidden: Sequence[bytes]) -> str:
    """Give a sentence without these spellings; what it quotes may have been cut at an ellipsis."""
    *cut, last = [masked(part.encode(errors="replace"), hidden) for part in text.split("…")]
    return "…".join(part.decode(errors="replace") for part in (*(_uncut(part, hidden) for part in cut), last))


def _uncut(data: bytes, hidden: Sequence[bytes]) -> bytes:
    """Give the data without the beginning of a spelling at its end."""
    for one in hidden:
        at = data.find(one[:SHORTEST], max(0, len(data) - len(one) + 1))
        while at >= 0:
            if one.startswith(data[at:]):
                return data[:at] + MASK
            at = data.find(one[:SHORTEST], at + 1)
    return data


def _percent(text: str) -> str:
    """Write a text as a part of a URL (RFC 3986, section 2.1)."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())
