"""Endpoints: changed, paused, resumed, given another secret, deleted. They are made by the rules that name them.

Secrets go in and never come out: what is stored is sealed, and the one that `rotate_secret` makes is told once, by it.
Called by the API, the panel and the commands; `rules` uses `fresh_endpoint` and `check_basic`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from goniec.core.actions import BasicAuth, OAuth2In
from goniec.core.breaker import CLOSED, in_force
from goniec.core.endpoint import ClientCertificate, Endpoint, Header, OAuth2, Pause, origin
from goniec.core.ids import ENDPOINT, prefixed
from goniec.core.problems import Invalid, Problem
from goniec.core.retry import Policy
from goniec.core.signing import basic, decode_secret, encode_secret
from goniec.core.times import DAY
from goniec.core.wire import is_ours
from goniec.flow.configure import Conflict, Expected, Missing, Outside, Refusal, Stale, listed, users
from goniec.flow.credentials import opened, opens_to
from goniec.flow.oauth2 import EXCLUSIVE, check_oauth2, kept_oauth2, stored_oauth2
from goniec.ports import Forbidden, Tx, Vault

AT_ONCE: Final = 5_000
"""How many deliveries that were put off become due in the transaction that resumes their endpoint."""

SECRET_BYTES: Final = 32
USERNAME_LIMIT: Final = 256
PASSWORD_LIMIT: Final = 1_024
HEADERS_LIMIT: Final = 50
OVERLAP_DAYS: Final = 1
OVERLAP_DAYS_MAX: Final = 7
"""How long the old secret signs beside a new one: unless said otherwise, and at most."""
COUNTED_MOST: Final = 1_000
"""So many waiting deliveries are counted for who wants to delete their endpoint: more of them say no more."""


class HeaderDraft(Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """A header of the endpoint's own. A secret one given without its value keeps the stored one."""

    name: str
    value: str | None = None
    secret: bool = False
    value_set: bool | None = None


class ClientDraft(Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """The certificate by which a receiver knows us, in PEM, and its key. Without the key, the stored one has to fit.

    The rest is what is told of a stored one, so that it may be sent back.
    """

    certificate: str
    key: str | None = None
    subject: str | None = None
    not_after: str | None = None
    key_set: bool | None = None


class EndpointDraft(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What somebody wants to be another way; what is left out stays. `headers` replaces the whole list."""

    url: str | UnsetType = UNSET
    basic_auth: BasicAuth | UnsetType | None = UNSET
    oauth2: OAuth2In | UnsetType | None = UNSET
    headers: tuple[HeaderDraft, ...] | UnsetType = UNSET
    ca_bundle: str | UnsetType | None = UNSET
    client_certificate: ClientDraft | UnsetType | None = UNSET
    schedule: tuple[int, ...] | UnsetType = UNSET
    timeout: float | UnsetType = UNSET
    connect_timeout: float | UnsetType = UNSET
    rate: float | UnsetType | None = UNSET
    concurrency: int | UnsetType = UNSET
    order: bool | UnsetType = UNSET
    order_hold: int | UnsetType = UNSET
    breaker: bool | UnsetType = UNSET
    tell_erasure: bool | UnsetType = UNSET
    owner: str | UnsetType | None = UNSET
    split: bool | UnsetType = UNSET


class EndpointSaved(Struct, frozen=True):
    """An endpoint as it stands now; `secret` is its new one, where Goniec made that for this call."""

    endpoint: Endpoint
    secret: str | None = None


def endpoint_tag(endpoint: Endpoint) -> str:
    """What tells this version of an endpoint from another."""
    return str(endpoint.version)


def check_basic(auth: BasicAuth, pointer: str) -> list[Problem]:
    """Tell what is wrong with a user name and password; a password left out or null is none of this room's business."""
    problems = []
    if len(auth.username) > USERNAME_LIMIT:
        problems.append(Problem(f"{pointer}/username", f"at most {USERNAME_LIMIT} characters"))
    if isinstance(auth.password, str) and len(auth.password) > PASSWORD_LIMIT:
        problems.append(Problem(f"{pointer}/password", f"at most {PASSWORD_LIMIT} characters"))
    password = auth.password if isinstance(auth.password, str) else ""
    for key, pair in (("username", (auth.username, "")), ("password", ("", password))):
        try:
            basic(*pair)
        except ValueError as error:
            problems.append(Problem(f"{pointer}/{key}", str(error)))
    return problems


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
        secret=_new_secret(outside, id) if like is None else _moved(outside.vault, like, like.secret, id),
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
    problems = _policy_problems(draft) + _header_problems(outside, draft)
    if isinstance(draft.basic_auth, BasicAuth):
        problems += check_basic(draft.basic_auth, "/basicAuth")
    token_url = ""
    if isinstance(draft.oauth2, OAuth2In):
        token_url, wrong = await check_oauth2(outside.guard, draft.oauth2, "/oauth2")
        problems += wrong
    authorities = _authorities(outside, draft, problems)
    url: str | None = None
    if isinstance(draft.url, str):
        target = await outside.guard.check(draft.url)
        if isinstance(target, Forbidden):
            problems.append(Problem("/url", target.detail))
        else:
            url = target
    if problems:
        raise Invalid(*problems)
    return await _save(outside, endpoint_id, expected, partial(_changed, outside, draft, (url, token_url), authorities))


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
        return _afresh(replace(endpoint, paused=None, paused_at=None))

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
    if hit := users(await tx.rules(), ("endpoint", endpoint_id)):
        return Conflict("inUse", f"the endpoint is used by the rules {listed(hit)}; change those first", hit)
    if waiting := await tx.waiting(endpoint_id, COUNTED_MOST):
        counted = f"{COUNTED_MOST} or more" if waiting == COUNTED_MOST else f"{waiting}"
        detail = f"deliveries wait for this endpoint ({counted}): let them go out, or cancel them first"
        return Conflict("pendingDeliveries", detail)
    await tx.delete_endpoint(endpoint_id)
    return None


def _changed(
    outside: Outside,
    draft: EndpointDraft,
    urls: tuple[str | None, str],
    authorities: str | UnsetType | None,
    known: Endpoint,
) -> Endpoint:
    vault = outside.vault
    url = urls[0] or known.url
    elsewhere = origin(url) != origin(known.url)
    username, password = _credentials(vault, draft.basic_auth, known, elsewhere=elsewhere)
    oauth2 = _oauth2(vault, draft.oauth2, urls[1], known, elsewhere=elsewhere)
    if username is not None and oauth2 is not None:
        given, other = ("oauth2", "basicAuth") if draft.oauth2 is not UNSET else ("basicAuth", "oauth2")
        raise Invalid(Problem(f"/{given}", EXCLUSIVE.format(other)))
    headers = _headers(vault, draft.headers, known, elsewhere=elsewhere)
    client = _client(outside, draft.client_certificate, known, elsewhere=elsewhere)
    authorities = known.ca_bundle if authorities is UNSET else authorities
    try:
        policy = replace(known.policy, **_policy(draft))
    except ValueError as error:  # each value makes sense by itself: these two do not go together
        raise Invalid(Problem("/split" if draft.concurrency is UNSET else "/concurrency", str(error))) from None
    same = (url, username, password, headers) == (known.url, known.username, known.password, known.headers)
    same = same and (authorities, client, oauth2) == (known.ca_bundle, known.client_certificate, known.oauth2)
    changed = replace(
        known,
        url=url,
        username=username,
        password=password,
        headers=headers,
        ca_bundle=authorities,
        client_certificate=client,
        oauth2=oauth2,
        policy=policy,
        breaker=in_force(known.breaker, policy),
    )
    # another address or other credentials may be the cure: nothing is to wait for the next probe, or its own time
    return changed if same else _afresh(changed)


def _afresh(endpoint: Endpoint) -> Endpoint:
    """Let nothing count that was learnt of it up to the version that follows: somebody has mended it and means now."""
    return replace(endpoint, held_until=None, breaker=CLOSED, afresh=endpoint.version + 1)


def _credentials(
    vault: Vault, auth: BasicAuth | UnsetType | None, known: Endpoint, *, elsewhere: bool
) -> tuple[str | None, bytes | None]:
    if auth is None:
        return None, None
    kept = None if elsewhere else known.password
    if auth is UNSET:
        return known.username, kept
    match auth.password:
        case None:
            kept = None
        case str(text) if kept is None or not opens_to(vault, known, kept, text):
            kept = vault.seal(known.id, text)
        case _:
            pass
    return auth.username, kept


def _oauth2(
    vault: Vault, given: OAuth2In | UnsetType | None, token_url: str, known: Endpoint, *, elsewhere: bool
) -> OAuth2 | None:
    if isinstance(given, OAuth2In):
        return stored_oauth2(vault, given, token_url, known, "/oauth2", elsewhere=elsewhere)
    return kept_oauth2(given, known, elsewhere=elsewhere)


def _headers(
    vault: Vault, drafts: tuple[HeaderDraft, ...] | UnsetType, known: Endpoint, *, elsewhere: bool
) -> tuple[Header, ...]:
    kept = {header.name.lower(): header for header in known.headers if not (elsewhere and header.sealed is not None)}
    if drafts is UNSET:
        return tuple(kept.values())
    headers = []
    for n, draft in enumerate(drafts):
        if not draft.secret:
            headers.append(Header(draft.name, draft.value))
            continue
        before = kept.get(draft.name.lower())
        sealed = None if before is None else before.sealed
        if draft.value is not None and (sealed is None or not opens_to(vault, known, sealed, draft.value)):
            sealed = vault.seal(known.id, draft.value)
        if sealed is None:
            raise Invalid(Problem(f"/headers/{n}/value", "is required: no value is stored for this header"))
        headers.append(Header(draft.name, sealed=sealed))
    return tuple(headers)


def _authorities(outside: Outside, draft: EndpointDraft, problems: list[Problem]) -> str | UnsetType | None:
    """The endpoint's own authorities as they are stored; an empty text takes them away."""
    if not isinstance(draft.ca_bundle, str):
        return draft.ca_bundle
    if not draft.ca_bundle.strip():
        return None
    found = outside.guard.check_authorities(draft.ca_bundle)
    if isinstance(found, Forbidden):
        problems.append(Problem("/caBundle", found.detail))
        return UNSET
    return found


def _client(
    outside: Outside, draft: ClientDraft | UnsetType | None, known: Endpoint, *, elsewhere: bool
) -> ClientCertificate | None:
    kept = None if elsewhere else known.client_certificate
    if not isinstance(draft, ClientDraft):
        return None if draft is None else kept
    before = None if kept is None else opened(outside.vault, known, kept.key)
    found = outside.guard.check_client(draft.certificate, draft.key or before, outside.clock.now())
    if isinstance(found, Problem):
        raise Invalid(Problem(f"/clientCertificate/{found.pointer}", found.detail))
    if kept is not None and (found.certificate, found.key) == (kept.certificate, before):
        return kept
    sealed = outside.vault.seal(known.id, found.key)
    return ClientCertificate(found.certificate, sealed, found.subject, found.not_after)


def _header_problems(outside: Outside, draft: EndpointDraft) -> list[Problem]:
    if draft.headers is UNSET:
        return []
    if len(draft.headers) > HEADERS_LIMIT:
        return [Problem("/headers", f"at most {HEADERS_LIMIT} headers, and this has {len(draft.headers)}")]
    problems = []
    seen: set[str] = set()
    for n, header in enumerate(draft.headers):
        name = header.name.lower()
        if is_ours(name):
            problems.append(Problem(f"/headers/{n}/name", f"{header.name} is for Goniec itself to set or to leave out"))
        elif fault := outside.guard.check_header(header.name, ""):
            problems.append(Problem(f"/headers/{n}/name", fault))
        elif name in seen:
            problems.append(Problem(f"/headers/{n}/name", "a header of this name stands before it"))
        elif header.value is None and not header.secret:
            problems.append(Problem(f"/headers/{n}/value", "is required"))
        elif header.value is not None and (fault := outside.guard.check_header(header.name, header.value)):
            problems.append(Problem(f"/headers/{n}/value", fault))
        seen.add(name)
    return problems


def _policy_problems(draft: EndpointDraft) -> list[Problem]:
    problems = []
    for attribute, value in _policy(draft).items():
        try:
            Policy(**{attribute: value})
        except ValueError as error:
            name = dict(zip(Policy.__struct_fields__, Policy.__struct_encode_fields__, strict=True))[attribute]
            problems.append(Problem(f"/{name}", str(error)))
    return problems


def _policy(draft: EndpointDraft) -> Mapping[str, Any]:
    given = ((attribute, getattr(draft, attribute)) for attribute in Policy.__struct_fields__)
    return {attribute: value for attribute, value in given if value is not UNSET}


def _secret_text(outside: Outside) -> str:
    return encode_secret(outside.dice.bits(8 * SECRET_BYTES).to_bytes(SECRET_BYTES))


def _new_secret(outside: Outside, endpoint_id: str) -> bytes:
    return outside.vault.seal(endpoint_id, _secret_text(outside))


def _moved(vault: Vault, like: Endpoint, sealed: bytes, to: str) -> bytes:
    return vault.seal(to, vault.unseal(like.id, sealed))
