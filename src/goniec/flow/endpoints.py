"""Endpoints: changed, paused, resumed, given another secret, deleted. They are made by the rules that name them.

Secrets go in and never come out: what is stored is sealed, and the one that `rotate_secret` makes is told once, by it.
Called by the API, the panel and the commands; `webhooks` uses `fresh_endpoint`. What somebody wants to be another way
is read in `endpoint_drafts`.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from msgspec import UNSET, Struct
from msgspec.structs import replace

from goniec.core.actions import BasicAuth
from goniec.core.breaker import CLOSED
from goniec.core.endpoint import MAIL, Endpoint, Pause
from goniec.core.ids import ENDPOINT, prefixed
from goniec.core.problems import Invalid, Problem
from goniec.core.signing import decode_secret, encode_secret
from goniec.core.times import DAY
from goniec.flow.configure import Conflict, Expected, Means, Missing, Outside, Refusal, Stale, listed, users
from goniec.flow.endpoint_drafts import EndpointDraft, begun_afresh, check_draft, drafted
from goniec.ports import Tx, Vault

AT_ONCE: Final = 5_000
"""How many deliveries that were put off become due in the transaction that resumes their endpoint."""

SECRET_BYTES: Final = 32
OVERLAP_DAYS: Final = 1
OVERLAP_DAYS_MAX: Final = 7
"""How long the old secret signs beside a new one: unless said otherwise, and at most."""
COUNTED_MOST: Final = 1_000
"""So many waiting deliveries are counted for who wants to delete their endpoint: more of them say no more."""


class EndpointSaved(Struct, frozen=True):
    """An endpoint as it stands now; `secret` is its new one, where Goniec made that for this call."""

    endpoint: Endpoint
    secret: str | None = None


def endpoint_tag(endpoint: Endpoint) -> str:
    """What tells this version of an endpoint from another."""
    return str(endpoint.version)


def fresh_endpoint(outside: Outside, url: str, auth: BasicAuth | None, like: Endpoint | None) -> Endpoint:
    """Make an endpoint for a URL and user that are new.

    `like` is one at the same origin that this one follows: its secrets, headers and policy go on, and its password
    or OAuth2 client where the user is the same and no other is given. Raises `ValueError` when no key at hand opens
    them.
    """
    now = outside.clock.now()
    id = prefixed(ENDPOINT, now, outside.dice.bits(80))
    username = None if auth is None else auth.username
    given = UNSET if auth is None else auth.password
    endpoint = Endpoint(
        id=id,
        version=1,
        url=url,
        username=username,
        password=outside.vault.seal(id, given) if isinstance(given, str) else None,
        secret=new_secret(outside, id) if like is None else _moved(outside.vault, like, like.secret, id),
        created_at=now,
        updated_at=now,
    )
    if like is None:
        return endpoint
    if given is UNSET and username == like.username and like.password is not None:
        endpoint = replace(endpoint, password=_moved(outside.vault, like, like.password, id))
    headers = tuple(
        header if header.sealed is None else replace(header, sealed=_moved(outside.vault, like, header.sealed, id))
        for header in like.headers
    )
    client, oauth2 = like.client_certificate, like.oauth2 if username is None else None
    if client is not None:
        client = replace(client, key=_moved(outside.vault, like, client.key, id))
    if oauth2 is not None and oauth2.secret is not None:
        oauth2 = replace(oauth2, secret=_moved(outside.vault, like, oauth2.secret, id))
    endpoint = replace(endpoint, oauth2=oauth2)
    return replace(endpoint, headers=headers, policy=like.policy, ca_bundle=like.ca_bundle, client_certificate=client)


async def change_endpoint(
    outside: Outside, endpoint_id: str, draft: EndpointDraft, expected: Expected
) -> EndpointSaved | Refusal:
    """Change an endpoint.

    Another scheme, host or port drops the stored password, the secret headers, the client certificate and the secret
    of OAuth2 that are not given anew.

    Raises:
        Invalid: something that was given makes no sense, or the guard refuses the URL.

    """
    checked = await check_draft(outside.guard, draft)
    return await _save(outside, endpoint_id, expected, partial(drafted, outside, checked))


async def pause_endpoint(outside: Outside, endpoint_id: str, expected: Expected = None) -> EndpointSaved | Refusal:
    """Send nothing to it until it is resumed; what is for it waits.

    One that is paused already stays so, for its first reason.
    """
    now = outside.clock.now()

    def paused(endpoint: Endpoint) -> Endpoint:
        return endpoint if endpoint.paused is not None else replace(endpoint, paused=Pause.BY_HAND, paused_at=now)

    return await _save(outside, endpoint_id, expected, paused)


async def resume_endpoint(outside: Outside, endpoint_id: str, expected: Expected = None) -> EndpointSaved | Refusal:
    """Send to it again, beginning with what waits.

    All of it goes at once: also where only probes went, where it had asked for a break, and what was put off.
    """

    def resumed(endpoint: Endpoint) -> Endpoint:
        if (endpoint.paused, endpoint.held_until, endpoint.breaker) == (None, None, CLOSED):
            return endpoint
        return begun_afresh(replace(endpoint, paused=None, paused_at=None))

    return await _save(outside, endpoint_id, expected, resumed)


async def rotate_secret(
    outside: Outside, endpoint_id: str, secret: str | None, overlap_days: int, expected: Expected = None
) -> EndpointSaved | Refusal:
    """Sign with another secret: the caller's, else one that is made here and told once.

    The old one signs beside it for some days.

    Raises:
        Invalid: the secret is none, or the days are too many.

    """
    problems = []
    if not 0 <= overlap_days <= OVERLAP_DAYS_MAX:
        problems.append(Problem("/overlapDays", f"goes from 0 to {OVERLAP_DAYS_MAX}"))
    if secret is not None:
        try:
            decode_secret(secret)
        except ValueError as error:
            problems.append(Problem("/secret", str(error)))
    if problems:
        raise Invalid(*problems)
    made = None if secret is not None else _secret_text(outside)
    text = secret or made or ""
    until = outside.clock.now() + overlap_days * DAY if overlap_days else None

    def rotated(endpoint: Endpoint) -> Endpoint:
        return replace(
            endpoint,
            secret=outside.vault.seal(endpoint.id, text),
            previous_secret=endpoint.secret if overlap_days else None,
            previous_until=until,
        )

    return await _save(outside, endpoint_id, expected, rotated, made)


async def delete_endpoint(outside: Outside, endpoint_id: str, expected: Expected = None) -> Refusal | None:
    """Delete an endpoint that no rule names and for which nothing waits."""
    refused = await outside.store.transact(partial(_delete, endpoint_id, expected))
    if refused is None:
        outside.notice.changed(endpoint_id)
    return refused


async def _save(
    outside: Outside,
    endpoint_id: str,
    expected: Expected,
    change: Callable[[Endpoint], Endpoint],
    made: str | None = None,
) -> EndpointSaved | Refusal:
    """Change an endpoint in a transaction of its own; what comes out the same makes no version."""
    now = outside.clock.now()

    async def work(tx: Tx) -> EndpointSaved | Refusal:
        known = await tx.endpoint(endpoint_id)
        if known is None:
            return Missing("endpoint")
        if expected is not None and endpoint_tag(known) not in expected:
            return Stale(endpoint_tag(known))
        changed = change(known)
        if changed == known:
            return EndpointSaved(known)
        other = await tx.endpoint_of(changed.url, changed.username)
        if other is not None and other.id != known.id:
            hit = users(await tx.rules(), ("endpoint", other.id))
            detail = f"the endpoint {other.id} has this URL and user already; let the rules name that one"
            return Conflict("endpointExists", detail, hit)
        changed = replace(changed, version=known.version + 1, updated_at=now)
        await tx.put_endpoint(changed)
        if changed.starts_afresh:
            await tx.hurry(endpoint_id, now, AT_ONCE)  # the sender sees to more
        elif changed.breaker != known.breaker:
            await tx.keep_breaker(endpoint_id, changed.breaker, changed.afresh)
        return EndpointSaved(changed, made)

    saved = await outside.store.transact(work)
    if isinstance(saved, EndpointSaved):
        outside.notice.changed(endpoint_id)
    return saved


async def _delete(endpoint_id: str, expected: Expected, tx: Tx) -> Refusal | None:
    """Whoever sends something again looks for the endpoint in the same way, so one of the two sees the other's work."""
    known = await tx.endpoint(endpoint_id)
    if known is None:
        return Missing("endpoint")
    if expected is not None and endpoint_tag(known) not in expected:
        return Stale(endpoint_tag(known))
    if endpoint_id == MAIL:
        return Conflict("inUse", "this endpoint is the mail server, to which rules hand in mail; it stays")
    if hit := users(await tx.rules(), ("endpoint", endpoint_id)):
        return Conflict("inUse", f"the endpoint is used by the rules {listed(hit)}; change those first", hit)
    if waiting := await tx.waiting(endpoint_id, COUNTED_MOST):
        counted = f"{COUNTED_MOST} or more" if waiting == COUNTED_MOST else f"{waiting}"
        detail = f"deliveries wait for this endpoint ({counted}): let them go out, or cancel them first"
        return Conflict("pendingDeliveries", detail)
    await tx.delete_endpoint(endpoint_id)
    return None


def _secret_text(means: Means) -> str:
    return encode_secret(means.dice.bits(8 * SECRET_BYTES).to_bytes(SECRET_BYTES))


def new_secret(means: Means, endpoint_id: str) -> bytes:
    """Make a signing secret, sealed for an endpoint."""
    return means.vault.seal(endpoint_id, _secret_text(means))


def _moved(vault: Vault, like: Endpoint, sealed: bytes, to: str) -> bytes:
    return vault.seal(to, vault.unseal(like.id, sealed))
