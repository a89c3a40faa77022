"""The endpoint: where webhooks go, with which credentials, by which policy."""

import enum
from typing import Final, Literal

from msgspec import Struct

from goniec.core.breaker import CLOSED, Breaker
from goniec.core.retry import Policy
from goniec.core.times import Millis

MAIL: Final = "end_00000000000000000000000001"
"""The one endpoint that is no receiver of webhooks: the mail server, to which mails are handed in."""
MAIL_URL: Final = "mail:"


class Pause(enum.StrEnum):
    """Why an endpoint is paused."""

    BY_HAND = "byHand"
    GONE = "gone"
    FAILING = "failing"
    RESTORED = "restored"


class Header(Struct, frozen=True, omit_defaults=True):
    """A header of the endpoint's own; a secret one carries its value sealed."""

    name: str
    value: str | None = None
    sealed: bytes | None = None


class ClientCertificate(Struct, frozen=True, omit_defaults=True):
    """Whom we are at a receiver that asks for a certificate: a PEM chain, its key sealed, whose it is, until when."""

    certificate: str
    key: bytes
    subject: str
    not_after: Millis


class OAuth2(Struct, frozen=True, omit_defaults=True):
    """Where an access token for an endpoint is to be had, and as which client (RFC 6749, section 4.4).

    Its secret is sealed; None: it was meant for another server and has to be entered anew. `auth` is how the client
    proves itself there: by Basic authorization, or in the body of the request.
    """

    token_url: str
    client_id: str
    secret: bytes | None
    scope: str | None = None
    audience: str | None = None
    auth: Literal["basic", "body"] = "basic"


class Endpoint(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A URL and a Basic user (their pair is its identity) with credentials and delivery policy.

    `password`, `secret`, secret headers, the key of a client certificate and the secret of `oauth2`, which takes the
    place of a user, are sealed with the endpoint's id as associated data; only the sender opens them. `ca_bundle` (PEM)
    are the only authorities that are believed there, where it is given. `held_until` is what a Retry-After asked for,
    `breaker` how it was doing when that was last noted; neither belongs to a version, and both are the sender's to
    write. `afresh` is the version with which a person last swept them away: what was learnt of it under an earlier one
    counts no more. `previous_secret` signs beside `secret` until `previous_until`.
    """

    id: str
    version: int
    url: str
    secret: bytes
    created_at: Millis
    updated_at: Millis
    username: str | None = None
    password: bytes | None = None
    previous_secret: bytes | None = None
    previous_until: Millis | None = None
    headers: tuple[Header, ...] = ()
    ca_bundle: str | None = None
    client_certificate: ClientCertificate | None = None
    oauth2: OAuth2 | None = None
    policy: Policy = Policy()
    paused: Pause | None = None
    paused_at: Millis | None = None
    held_until: Millis | None = None
    breaker: Breaker = CLOSED
    afresh: int = 0

    @property
    def starts_afresh(self) -> bool:
        """Whether it is with this very version that nothing learnt before counts any more."""
        return self.afresh == self.version

    @property
    def host(self) -> str:
        """The host with its port: all of a URL that logs and lists may show. Of the built-in receiver, its address."""
        _, found, rest = self.url.partition("://")
        return rest.partition("/")[0] if found else self.url


def next_probe(endpoint: Endpoint) -> Millis | None:
    """When an endpoint that gets probes only is asked next: never while it has asked to be left alone."""
    return max(endpoint.breaker.probe_at, endpoint.held_until or 0) if endpoint.breaker.open else None


def origin(url: str) -> str:
    """Scheme, host and port of a stored URL: credentials are meant for one and no other."""
    return "/".join(url.split("/", 3)[:3])
