"""OAuth2 client credentials of an endpoint (RFC 6749, section 4.4): what a user wrote, checked, and sealed to be kept.

Called by `endpoints` and `webhooks`. The client's secret goes in and never comes out; what asks for a token is the
sender's.
"""

import re
from typing import Final

from msgspec import UNSET, UnsetType

from goniec.core.actions import OAuth2In
from goniec.core.endpoint import Endpoint, OAuth2, origin
from goniec.core.problems import Invalid, Problem
from goniec.flow.credentials import opens_to
from goniec.ports import Forbidden, Guard, Vault

ID_LIMIT: Final = 256
TEXT_LIMIT: Final = 1_024
"""Characters of a client's id, and of its secret, a scope and an audience."""

EXCLUSIVE: Final = "does not go together with {}: give null for that in the same request"
"""A request has one `Authorization`."""

_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


async def check_oauth2(guard: Guard, given: OAuth2In, pointer: str) -> tuple[str, list[Problem]]:
    """Give the token URL in the form that is stored, and what is wrong, without repeating what may be a secret."""
    problems = []
    url = await guard.check(given.token_url)
    if isinstance(url, Forbidden):
        problems.append(Problem(f"{pointer}/tokenUrl", url.detail))
        url = ""
    elif not url.startswith("http"):
        problems.append(Problem(f"{pointer}/tokenUrl", "has to start with https:// or http://"))
    secret = given.client_secret
    texts = (
        ("clientId", given.client_id, ID_LIMIT),
        ("clientSecret", secret, TEXT_LIMIT),
        ("scope", given.scope, TEXT_LIMIT),
        ("audience", given.audience, TEXT_LIMIT),
    )
    for name, text, limit in texts:
        if not isinstance(text, str):
            continue
        if len(text) > limit:
            problems.append(Problem(f"{pointer}/{name}", f"at most {limit} characters"))
        elif _CONTROL.search(text):
            problems.append(Problem(f"{pointer}/{name}", "cannot hold a control character, such as a line end"))
        elif not text and name.startswith("client"):
            problems.append(Problem(f"{pointer}/{name}", "is required"))
    scope = given.scope or ""
    if scope and not problems and not _SCOPE.fullmatch(scope):
        detail = "holds names with a single space between them, and neither quotes nor anything beyond ASCII"
        problems.append(Problem(f"{pointer}/scope", detail))
    return url, problems


def stored_oauth2(
    vault: Vault, given: OAuth2In, url: str, endpoint: Endpoint, pointer: str, *, elsewhere: bool = False
) -> OAuth2:
    """Give what is stored of what was given for an endpoint; what comes out the same is equal to what it had.

    A secret left out is the stored one, unless that was meant for another server: another origin of the token URL, or
    (`elsewhere`) of the endpoint. Raises `Invalid` where there is none.
    """
    known = endpoint.oauth2
    moved = known is None or elsewhere or origin(known.token_url) != origin(url)
    secret = None if known is None or moved else known.secret
    text = given.client_secret
    if isinstance(text, str) and (secret is None or not opens_to(vault, endpoint, secret, text)):
        secret = vault.seal(endpoint.id, text)
    wanted = OAuth2(url, given.client_id, secret, given.scope or None, given.audience or None, given.auth)
    if secret is None and wanted != known:
        raise Invalid(Problem(f"{pointer}/clientSecret", "is required: none is stored for this server"))
    return wanted


def kept_oauth2(given: UnsetType | None, endpoint: Endpoint, *, elsewhere: bool) -> OAuth2 | None:
    """Give what is stored where nothing (or null) was given: a secret that was meant for another server goes."""
    known = endpoint.oauth2
    if known is None or given is None or not elsewhere:
        return known if given is UNSET else None
    return OAuth2(known.token_url, known.client_id, None, known.scope, known.audience, known.auth)


def told_oauth2(endpoint: Endpoint) -> OAuth2In | None:
    """Give what a user may read, and send back."""
    known = endpoint.oauth2
    if known is None:
        return None
    stored = known.secret is not None
    return OAuth2In(known.token_url, known.client_id, UNSET, known.scope, known.audience, known.auth, secret_set=stored)
