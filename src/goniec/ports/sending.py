"""What leaves, a webhook or a letter: how it is made, what came of it, and what is checked before it may go."""

from typing import Protocol

from msgspec import Struct

from goniec.core.model import Failure
from goniec.core.problems import Problem
from goniec.core.times import Millis
from goniec.core.wire import Grant


class Outgoing(Struct, frozen=True):
    """One HTTP POST to make.

    The URL was checked when saved; headers are complete and in order; seconds for the limits. `authorities` (PEM) are
    believed instead of the usual ones; `client` is a certificate and its key (PEM), for a receiver that asks for one.
    With a `grant`, an access token takes the place of the empty `Authorization`.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    timeout: float = 15.0
    connect_timeout: float = 5.0
    fresh: bool = False
    authorities: str | None = None
    client: tuple[str, str] | None = None
    grant: Grant | None = None


class Answer(Struct, frozen=True):
    """What came of it.

    `failure` is None when delivered: any 2xx whose head arrived whole (`note` says what went wrong after). `millis` is
    how long it took, `sent` after how many of them the first byte went out (None: none did).
    """

    failure: Failure | None
    detail: str
    status: int | None = None
    address: str | None = None
    millis: int = 0
    head: bytes = b""
    body: bytes = b""
    note: str | None = None
    retry_after: str | None = None
    sent: int | None = None


class Sender(Protocol):
    """Makes requests; every failure is an `Answer`."""

    async def send(self, request: Outgoing) -> Answer:
        """Send once. Raises nothing but `CancelledError`."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class Posting(Struct, frozen=True):
    """One mail to hand in: the delivery, whose body is an `Envelope`; seconds for the limits."""

    delivery_id: str
    contact_id: str
    created_at: Millis
    body: bytes
    timeout: float = 30.0
    connect_timeout: float = 5.0


class MailSender(Protocol):
    """Hands mails to the mail server; every failure is an `Answer`, its `status` the server's code."""

    async def post(self, posting: Posting) -> Answer:
        """Hand it in once. Raises nothing but `CancelledError`."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class Forbidden(Struct, frozen=True):
    """Why a URL cannot be taken, and what to do about it; never repeats credentials that stood in it."""

    detail: str


class Identified(Struct, frozen=True):
    """A client certificate that its key fits: the chain and the key (PEM), whose it is, until when."""

    certificate: str
    key: str
    subject: str
    not_after: Millis


class Guard(Protocol):
    """Checks where webhooks are to go, and with which headers of their own, before that is saved."""

    async def check(self, url: str) -> str | Forbidden:
        """Give a URL that a person entered in the form that is stored and sent; its host is looked up."""
        ...

    def check_header(self, name: str, value: str) -> str | None:
        """Say why a header cannot be sent; None: it can."""
        ...

    def check_authorities(self, text: str) -> str | Forbidden:
        """Give the certificates of a PEM text that a person entered, and nothing else that stood there."""
        ...

    def check_client(self, certificate: str, key: str | None, now: Millis) -> Identified | Problem:
        """Read a client certificate and its key; a problem is at `certificate` or `key`, and repeats neither."""
        ...


class Mail(Struct, frozen=True):
    """A letter: to one address, of plain text; `key` names it, the same each time that it is sent."""

    to: str
    subject: str
    text: str
    key: str


class Undelivered(Exception):
    """The mail server did not take a letter; `final` says that it never will."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class Mailer(Protocol):
    """Hands letters to a mail server."""

    async def send(self, mail: Mail) -> None:
        """Send once. Raises `Undelivered`."""
        ...
