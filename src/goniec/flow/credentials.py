"""An endpoint's sealed secrets, opened for the sender; and a request as it may be shown, with none of them in it.

`claim` and test sends call `unsealed`; where something is saved, `opens_to` tells whether a secret is the stored one,
and nothing else opens them. The panel and the commands show what
`as_sent` gives.
"""

from typing import Final

from msgspec.structs import replace

from goniec.core.endpoint import Endpoint
from goniec.core.masking import masked, masked_text, spellings
from goniec.core.model import Attempt, Delivery
from goniec.core.signing import PREFIX, basic, decode_secret
from goniec.core.times import Millis
from goniec.core.wire import Credentials, Grant, headers
from goniec.ports import Answer, Vault

_AUTHORIZATION: Final = "authorization"
_SIGNATURE: Final = "webhook-signature"
_TIMESTAMP: Final = "webhook-timestamp"

Shown = tuple[tuple[str, str | None], ...]
"""Headers in their order; None: the value is secret, or cannot be known."""


def unsealed(endpoint: Endpoint, vault: Vault) -> Credentials:
    """Open what an attempt needs; raises `ValueError` when no key at hand fits."""
    secrets: list[str] = []

    def open_(sealed: bytes) -> str:
        text = vault.unseal(endpoint.id, sealed)
        secrets.append(text)
        return text

    authorization, grant, client = None, None, endpoint.client_certificate
    if (oauth2 := endpoint.oauth2) is not None:
        authorization = ""
        grant = Grant(
            endpoint.id,
            oauth2.token_url,
            oauth2.client_id,
            None if oauth2.secret is None else open_(oauth2.secret),
            oauth2.scope,
            oauth2.audience,
            oauth2.auth,
        )
    if endpoint.username is not None:
        authorization = basic(endpoint.username, open_(endpoint.password) if endpoint.password is not None else "")
        if endpoint.password is not None:
            secrets.append(authorization.removeprefix("Basic "))
    made = Credentials(
        secret=decode_secret(open_(endpoint.secret)),
        previous=decode_secret(open_(endpoint.previous_secret)) if endpoint.previous_secret is not None else None,
        previous_until=endpoint.previous_until or 0,
        authorization=authorization,
        own=tuple((h.name, open_(h.sealed) if h.sealed is not None else h.value or "") for h in endpoint.headers),
        client=None if client is None else (client.certificate, vault.unseal(endpoint.id, client.key)),
        grant=grant,
    )
    # a receiver may know the signing secret without its prefix
    bare = [text.removeprefix(PREFIX) for text in secrets if text.startswith(PREFIX)]
    return replace(made, hidden=spellings((*secrets, *bare)))


def without_secrets(answer: Answer, hidden: tuple[bytes, ...]) -> Answer:
    """Give an answer as it may be written down: many can read it, and some receivers repeat the request in it."""
    head, body, detail = masked(answer.head, hidden), masked(answer.body, hidden), answer.detail
    if answer.failure is not None:  # else it is a sentence of ours, and nothing in it is the receiver's
        detail = masked_text(detail, hidden)
    if (head, body, detail) == (answer.head, answer.body, answer.detail):
        return answer
    return replace(answer, head=head, body=body, detail=detail)


def opens_to(vault: Vault, endpoint: Endpoint, sealed: bytes, text: str) -> bool:
    """Whether a sealed secret is this text; one that no key opens is not."""
    return opened(vault, endpoint, sealed) == text


def opened(vault: Vault, endpoint: Endpoint, sealed: bytes) -> str | None:
    """Open a sealed secret of an endpoint; None: no key at hand fits."""
    try:
        return vault.unseal(endpoint.id, sealed)
    except ValueError:
        return None


def as_sent(endpoint: Endpoint, vault: Vault, delivery: Delivery, attempt: Attempt | None, agent: str) -> Shown:
    """Give the headers of an attempt (None: of the next one) in their order, secret values left out.

    They are made of the endpoint's settings of now. The signature is the one that the receiver got; where the endpoint
    was changed since, or the body is gone, it cannot be known any more.
    """
    hidden = {_AUTHORIZATION, *(one.name.lower() for one in endpoint.headers if one.sealed is not None)}
    credentials = Credentials(
        secret=b"",
        authorization=None if endpoint.username is None and endpoint.oauth2 is None else "",
        own=tuple((one.name, one.value or "") for one in endpoint.headers),
    )
    number, at = delivery.attempts + 1, 0
    if attempt is None:
        hidden |= {_SIGNATURE, _TIMESTAMP}
    else:
        number, at = attempt.number, attempt.at
        delivery = replace(delivery, resend=attempt.resend)
        signing = _signing(endpoint, vault, delivery, at)
        if signing is None:
            hidden.add(_SIGNATURE)
        else:
            credentials = replace(
                credentials,
                secret=signing.secret,
                previous=signing.previous,
                previous_until=signing.previous_until,
            )
    told = headers(delivery, number, credentials, agent, at)
    return tuple((name, None if name.lower() in hidden else value) for name, value in told)


def _signing(endpoint: Endpoint, vault: Vault, delivery: Delivery, at: Millis) -> Credentials | None:
    """The secrets that signed at an instant; None where nobody can say."""
    if endpoint.updated_at > at or delivery.body_sha256 is not None:
        return None
    previous = endpoint.previous_secret
    try:
        return Credentials(
            secret=decode_secret(vault.unseal(endpoint.id, endpoint.secret)),
            previous=None if previous is None else decode_secret(vault.unseal(endpoint.id, previous)),
            previous_until=endpoint.previous_until or 0,
        )
    except ValueError:
        return None
