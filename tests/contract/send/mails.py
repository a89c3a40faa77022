"""Mails for tests of sending: what the flow would hand in, and the installation that they come from."""

from typing import Any, Final

from goniec.core.mailing import Envelope, sealed
from goniec.ports import Posting
from goniec.send.mime import Site

KEYS: Final = (b"k" * 32,)
SITE: Final = Site(
    public_url="https://goniec.example", sender="Goniec <goniec@example.com>", bounces="bounces@example.com", keys=KEYS
)
CONTACT: Final = "c0ffee00-0000-4000-8000-000000000000"
AT: Final = 1_764_400_000_000
MESSAGE: Final = "msg_01KAX7Z6K33FQ2M8VD00000000"


def delivery(number: int = 0) -> str:
    return f"dlv_01KAX7Z6K33FQ2M8VD0000000000000000{number:02}"


def posting(number: int = 0, *, timeout: float = 30, connect: float = 5, **values: Any) -> Posting:
    envelope = Envelope(**{"to": "jan@example.org", "subject": "Cześć", "text": "Treść.\n"} | values)
    return Posting(delivery(number), CONTACT, AT, sealed(envelope), timeout, connect)
