"""The built-in receiver: what goes to `inbox:` arrives in Goniec itself, and the log of deliveries shows it.

For trying rules out where no receiver is at hand. `guard` reads its addresses, `http` lets it answer in the place of a
connection. It opens no socket and keeps nothing: what arrived is the attempt's row, like any other.
"""

import re
import time
from base64 import b64decode
from typing import Final

import msgspec

from goniec.ports import Answer, Outgoing

INBOX: Final = "inbox"
"""The scheme of its addresses, and the address that its answers come from."""

NAME_LIMIT: Final = 50
"""Characters of the name that tells one inbox from another."""

_ADDRESS: Final = re.compile(rf"{INBOX}:([a-z0-9_-]{{0,{NAME_LIMIT}}})")


def read_name(url: str) -> str | None:
    """Give the name in an address of it, in lower case, which is empty for `inbox:` alone; None: it is no address."""
    found = _ADDRESS.fullmatch(url.lower()) if url.isascii() else None
    return None if found is None else found[1]


def receive(request: Outgoing, started: float) -> Answer:
    """Answer a request that began at `started` (monotonic seconds): 200, and what was seen of it, without secrets."""
    headers = {name.lower(): value for name, value in request.headers}
    seen = {
        "received": True,
        "bytes": len(request.body),
        "authorization": _authorization(headers.get("authorization")),
        "signature": _signature(headers.get("webhook-signature")),
    }
    body = msgspec.json.encode(seen)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return Answer(
        failure=None,
        detail=f"The built-in receiver has taken it; {INBOX}: answers 200 to everything.",
        status=200,
        address=INBOX,
        millis=round((time.monotonic() - started) * 1000),
        head=head.encode(),
        body=body,
    )


def _authorization(value: str | None) -> str | None:
    """Name the scheme, and of Basic the user, never what proves who it is."""
    if value is None:
        return None
    scheme, _, credentials = value.partition(" ")
    if scheme.lower() != "basic":
        return scheme
    try:
        user = b64decode(credentials, validate=True).decode().partition(":")[0]
    except ValueError:
        return scheme
    return f"{scheme}, user {user}"


def _signature(value: str | None) -> str | None:
    """Name the version of each signature."""
    return None if value is None else ", ".join(one.partition(",")[0] for one in value.split())
