"""Drafts of endpoints: what somebody wants to be another way, what is wrong with it, and the endpoint that it makes.

Called by `endpoints`; `rules` uses `check_basic`. Secrets are sealed here, and one that is given again as it is stored
stays as it was; nothing is written.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from goniec.core.actions import BasicAuth, OAuth2In
from goniec.core.breaker import CLOSED, in_force
from goniec.core.endpoint import MAIL, ClientCertificate, Endpoint, Header, OAuth2, origin
from goniec.core.problems import Invalid, Problem
from goniec.core.retry import Policy
from goniec.core.signing import basic
from goniec.core.wire import is_ours
from goniec.flow.configure import Outside
from goniec.flow.credentials import opened, opens_to
from goniec.flow.oauth2 import EXCLUSIVE, check_oauth2, kept_oauth2, stored_oauth2
from goniec.ports import Forbidden, Guard, Vault

NO_RECEIVER: Final = "this endpoint is the mail server: it is set by GONIEC_SMTP_URL, and has only a delivery policy"

USERNAME_LIMIT: Final = 256
PASSWORD_LIMIT: Final = 1_024
HEADERS_LIMIT: Final = 50


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


class Checked(Struct, frozen=True):
    """A draft in which nothing is wrong by itself, with what was found on the way: URLs and certificates as stored."""

    draft: EndpointDraft
    url: str | None
    token_url: str
    authorities: str | UnsetType | None


async def check_draft(guard: Guard, draft: EndpointDraft) -> Checked:
    """Look at all that is given.

    Raises:
        Invalid: some of it makes no sense, or the guard refuses the URL.

    """
    problems = _policy_problems(draft) + _header_problems(guard, draft)
    if isinstance(draft.basic_auth, BasicAuth):
        problems += check_basic(draft.basic_auth, "/basicAuth")
    token_url = ""
    if isinstance(draft.oauth2, OAuth2In):
        token_url, wrong = await check_oauth2(guard, draft.oauth2, "/oauth2")
        problems += wrong
    authorities = _authorities(guard, draft, problems)
    url: str | None = None
    if isinstance(draft.url, str):
        target = await guard.check(draft.url)
        if isinstance(target, Forbidden):
            problems.append(Problem("/url", target.detail))
        else:
            url = target
    if problems:
        raise Invalid(*problems)
    return Checked(draft, url, token_url, authorities)


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


def drafted(outside: Outside, checked: Checked, known: Endpoint) -> Endpoint:
    """Give a known endpoint as the draft wants it.

    Raises:
        Invalid: the draft does not go together with what is known.

    """
    draft, vault = checked.draft, outside.vault
    if known.id == MAIL:
        _check_mail(draft)
    url = checked.url or known.url
    elsewhere = origin(url) != origin(known.url)
    username, password = _credentials(vault, draft.basic_auth, known, elsewhere=elsewhere)
    oauth2 = _oauth2(vault, draft.oauth2, checked.token_url, known, elsewhere=elsewhere)
    if username is not None and oauth2 is not None:
        given, other = ("oauth2", "basicAuth") if draft.oauth2 is not UNSET else ("basicAuth", "oauth2")
        raise Invalid(Problem(f"/{given}", EXCLUSIVE.format(other)))
    headers = _headers(vault, draft.headers, known, elsewhere=elsewhere)
    client = _client(outside, draft.client_certificate, known, elsewhere=elsewhere)
    authorities = known.ca_bundle if checked.authorities is UNSET else checked.authorities
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
    return changed if same else begun_afresh(changed)


def begun_afresh(endpoint: Endpoint) -> Endpoint:
    """Let nothing count that was learnt of it up to the version that follows: somebody has mended it and means now."""
    return replace(endpoint, held_until=None, breaker=CLOSED, afresh=endpoint.version + 1)


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


def _header_problems(guard: Guard, draft: EndpointDraft) -> list[Problem]:
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
        elif fault := guard.check_header(header.name, ""):
            problems.append(Problem(f"/headers/{n}/name", fault))
        elif name in seen:
            problems.append(Problem(f"/headers/{n}/name", "a header of this name stands before it"))
        elif header.value is None and not header.secret:
            problems.append(Problem(f"/headers/{n}/value", "is required"))
        elif header.value is not None and (fault := guard.check_header(header.name, header.value)):
            problems.append(Problem(f"/headers/{n}/value", fault))
        seen.add(name)
    return problems


def _authorities(guard: Guard, draft: EndpointDraft, problems: list[Problem]) -> str | UnsetType | None:
    """The endpoint's own authorities as they are stored; an empty text takes them away."""
    if not isinstance(draft.ca_bundle, str):
        return draft.ca_bundle
    if not draft.ca_bundle.strip():
        return None
    found = guard.check_authorities(draft.ca_bundle)
    if isinstance(found, Forbidden):
        problems.append(Problem("/caBundle", found.detail))
        return UNSET
    return found


def _check_mail(draft: EndpointDraft) -> None:
    """The mail server has a delivery policy and nothing else that could be set here. Raises `Invalid`."""
    given = [name for name in _OF_RECEIVERS if getattr(draft, name) is not UNSET and getattr(draft, name)]
    if given:
        raise Invalid(*(Problem(f"/{_OUTSIDE[name]}", NO_RECEIVER) for name in given))


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


_OF_RECEIVERS: Final = (
    "url", "basic_auth", "oauth2", "headers", "ca_bundle", "client_certificate", "tell_erasure"
)  # fmt: skip
_OUTSIDE: Final = {field.name: field.encode_name for field in msgspec.structs.fields(EndpointDraft)}
