"""Endpoints: read, changed, paused, resumed, given another secret, deleted. Rules make them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from goniec.core.endpoint import Endpoint, Pause, next_probe
from goniec.core.times import Millis, format_instant
from goniec.core.uses import Use
from goniec.flow.configure import Named, Outside, Refusal, usage
from goniec.flow.endpoint_drafts import EndpointDraft
from goniec.flow.endpoints import (
    OVERLAP_DAYS,
    OVERLAP_DAYS_MAX,
    EndpointSaved,
    change_endpoint,
    delete_endpoint,
    endpoint_tag,
    pause_endpoint,
    resume_endpoint,
    rotate_secret,
)
from goniec.ports import Queries, Store
from goniec.web.lists import Listed, PageQuery, listed
from goniec.web.once import once
from goniec.web.operation import Ask, operation
from goniec.web.problems import missing
from goniec.web.refusals import NamedOut, cut, etag, fault, named
from goniec.web.reply import Reply


class BasicOut(Struct, rename="camel"):
    """The user of Basic authorization, and whether a password is stored."""

    username: str
    password_set: bool


class OAuth2Out(Struct, rename="camel"):
    """Where an access token is had, and as which client. Its secret is not told, only whether it is stored."""

    token_url: str
    client_id: str
    secret_set: bool
    scope: str | None
    audience: str | None
    auth: Literal["basic", "body"]


class HeaderOut(Struct, rename="camel"):
    """A header of the endpoint's own. The value of a secret one is not told, only that it is stored."""

    name: str
    value: str | None
    secret: bool
    value_set: bool


class ClientOut(Struct, rename="camel"):
    """The certificate by which a receiver knows us: whose it is, until when. Its key is stored, and not told."""

    certificate: str
    subject: str
    not_after: str
    key_set: bool


class EndpointOut(Struct, rename="camel", kw_only=True):
    """Where webhooks go, and how.

    `pending` counts the deliveries that wait for it, `heldUntil` is until when it asked to be left alone (null once
    that is over), and the earlier signing secret signs beside the present one until `previousSecretUntil`. While it
    fails again and again (`failingSince`), it gets nothing but single probes, the next one at `nextProbeAt`. `usedBy`
    are the rules that name it.
    """

    id: str
    version: int
    url: str
    basic_auth: BasicOut | None
    oauth2: OAuth2Out | None
    headers: list[HeaderOut]
    ca_bundle: str | None
    client_certificate: ClientOut | None
    schedule: list[int]
    timeout: float
    connect_timeout: float
    rate: float | None
    concurrency: int
    order: bool
    order_hold: int
    breaker: bool
    tell_erasure: bool
    owner: str | None
    split: bool
    paused: Pause | None
    paused_at: str | None
    held_until: str | None
    failing_since: str | None
    next_probe_at: str | None
    previous_secret_until: str | None
    created_at: str
    updated_at: str
    pending: int
    used_by: list[NamedOut]


class RotateIn(Struct, rename="camel", forbid_unknown_fields=True):
    """The new signing secret, unless Goniec is to make one, and for how many days the old one still signs beside it."""

    secret: Annotated[str | None, Meta(description="`whsec_` and the base64 of 24 to 64 bytes.")] = None
    overlap_days: Annotated[int, Meta(description=f"0 to {OVERLAP_DAYS_MAX}.")] = OVERLAP_DAYS


class Rotated(EndpointOut, rename="camel", kw_only=True):
    """The endpoint; `secret` is its new signing secret where Goniec made it, and is never told again."""

    secret: str | None


@operation(
    "GET", "/endpoints", scope="read", tag="endpoints", summary="List endpoints", answers={200: Listed[EndpointOut]}
)
async def list_endpoints(ask: Ask, query: PageQuery) -> Reply:
    """Endpoints in the order in which they were made. Secrets are written, never read back."""
    facts = await _facts(ask)
    rows = cut(query.page(), await ask.context.store.queries.endpoints(), lambda endpoint: endpoint.id)
    return listed(query, rows, lambda endpoint: endpoint.id, facts.shown)


@operation(
    "GET", "/endpoints/{id}", scope="read", tag="endpoints", summary="Read an endpoint", answers={200: EndpointOut}
)
async def read_endpoint(ask: Ask, id: str) -> Reply:
    """One endpoint. Secrets are written, never read back."""
    endpoint = await ask.context.store.queries.endpoint(id)
    if endpoint is None:
        raise missing("endpoint")
    facts = await _facts(ask, id)
    return Reply(200, facts.shown(endpoint), (etag(endpoint_tag(endpoint)),))


@operation(
    "PATCH",
    "/endpoints/{id}",
    scope="admin",
    tag="endpoints",
    summary="Change an endpoint",
    answers={200: EndpointOut},
    errors=(409, 412),
    examples={
        "patience": {"timeout": 30, "schedule": [5, 60, 3600]},
        "a secret header": {"headers": [{"name": "X-Api-Key", "value": "s3cret", "secret": True}]},
        "a private authority": {"caBundle": "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"},
        "a token of OAuth2": {
            "basicAuth": None,
            "oauth2": {
                "tokenUrl": "https://login.example/oauth2/token",
                "clientId": "goniec",
                "clientSecret": "s3cret",
                "scope": "crm.write",
            },
        },
        "another password": {"basicAuth": {"username": "goniec", "password": "correct horse"}},
    },
)
async def patch_endpoint(ask: Ask, id: str, body: EndpointDraft) -> Reply:
    """Change what is given, for all rules that use the endpoint.

    `headers` replaces the whole list; a secret header without a `value` keeps the stored one. `basicAuth` without a
    `password` keeps that, null removes it. Another scheme, host or port drops the stored password, secret headers,
    client certificate and client secret that are not given anew. A URL and user that another endpoint has are 409
    `endpointExists`.

    `oauth2` has an access token asked for at `tokenUrl` (client credentials, RFC 6749) and sent as Bearer, in the place
    of `basicAuth`: give null for the one that goes. `auth` is how the client proves itself there: `basic`, or in the
    `body`. A `clientSecret` left out keeps the stored one, unless `tokenUrl` leads to another server.

    `caBundle` are certificates (PEM): where it is given, only these authorities are believed at this endpoint, null
    takes it away. `clientCertificate` is for a receiver that asks for one: `certificate` is the chain and `key` its
    private key, both PEM; a `key` left out keeps the stored one, null in its place takes it away.

    `schedule` are the waits before further attempts, `timeout` and `connectTimeout` bound an attempt, all in seconds;
    `rate` is how many requests start in a second (0.5: thirty a minute; null: no limit) and `concurrency` how many are
    under way at a time; with `order` the deliveries of one contact go one after the other, and one that has failed for
    `orderHold` seconds steps aside (0: never). With `breaker` it is left alone but for single probes while it fails
    again and again. With `tellErasure` it is told when a contact is erased that it had been told about.
    `owner` is an e-mail address (null: nobody) that gets a mail when deliveries fail for good or the endpoint pauses,
    at most one an hour. With `split`, which takes a `concurrency` of 8 or more, several processes that share a database
    deliver to it at once, each to some of the contacts.
    """
    facts = await _facts(ask, id)

    async def act(store: Store) -> EndpointSaved | Refusal:
        return await change_endpoint(_outside(ask, store), id, body, ask.expected)

    return await once(ask, act, facts.tell, secret=True)


@operation(
    "DELETE",
    "/endpoints/{id}",
    scope="admin",
    tag="endpoints",
    summary="Delete an endpoint",
    answers={204: None},
    errors=(409, 412),
)
async def remove_endpoint(ask: Ask, id: str) -> Reply:
    """Delete an endpoint that no rule names (else 409 `inUse`) and for which nothing waits (`pendingDeliveries`)."""
    refused = await delete_endpoint(ask.context.outside, id, ask.expected)
    if refused is not None:
        raise fault(refused)
    return Reply(204)


@operation(
    "POST",
    "/endpoints/{id}/pause",
    scope="admin",
    tag="endpoints",
    summary="Pause an endpoint",
    answers={200: EndpointOut},
    errors=(412,),
)
async def pause(ask: Ask, id: str) -> Reply:
    """Send nothing to it until it is resumed. What is for it waits; nothing is lost."""
    facts = await _facts(ask, id)

    async def act(store: Store) -> EndpointSaved | Refusal:
        return await pause_endpoint(_outside(ask, store), id, ask.expected)

    return await once(ask, act, facts.tell)


@operation(
    "POST",
    "/endpoints/{id}/resume",
    scope="admin",
    tag="endpoints",
    summary="Resume an endpoint",
    answers={200: EndpointOut},
    errors=(412,),
)
async def resume(ask: Ask, id: str) -> Reply:
    """Send to it again, beginning with what waits, at once: also where it gets probes only, or asked for a break."""
    facts = await _facts(ask, id)

    async def act(store: Store) -> EndpointSaved | Refusal:
        return await resume_endpoint(_outside(ask, store), id, ask.expected)

    return await once(ask, act, facts.tell)


@operation(
    "POST",
    "/endpoints/{id}/rotateSecret",
    scope="admin",
    tag="endpoints",
    summary="Change the signing secret",
    answers={200: Rotated},
    errors=(412,),
    examples={"let Goniec make one": {}, "at once": {"overlapDays": 0}},
)
async def rotate(ask: Ask, id: str, body: RotateIn) -> Reply:
    """Sign with a new secret: the one that is sent, or one that Goniec makes and tells **once**, in this answer.

    The old one signs beside it for `overlapDays`, so that receivers can change over in their own time. This is also how
    to learn the secret of an endpoint that a rule has made.
    """
    facts = await _facts(ask, id)

    async def act(store: Store) -> EndpointSaved | Refusal:
        return await rotate_secret(_outside(ask, store), id, body.secret, body.overlap_days, ask.expected)

    return await once(ask, act, facts.tell_rotated, secret=True)


class _Facts(Struct, frozen=True):
    """What is shown of an endpoint beside itself: which rules use it, how much waits for it, and when that was."""

    used: Mapping[Use, list[Named]]
    pending: Mapping[str, int]
    now: Millis

    def shown(self, endpoint: Endpoint) -> EndpointOut:
        """Show an endpoint."""
        return EndpointOut(**self._parts(endpoint))

    def tell(self, saved: EndpointSaved | Refusal) -> Reply:
        """Give the answer to a change."""
        if not isinstance(saved, EndpointSaved):
            raise fault(saved)
        return Reply(200, self.shown(saved.endpoint), (etag(endpoint_tag(saved.endpoint)),))

    def tell_rotated(self, saved: EndpointSaved | Refusal) -> Reply:
        """Give the answer to a new secret."""
        if not isinstance(saved, EndpointSaved):
            raise fault(saved)
        rotated = Rotated(**self._parts(saved.endpoint), secret=saved.secret)
        return Reply(200, rotated, (etag(endpoint_tag(saved.endpoint)),))

    def _parts(self, endpoint: Endpoint) -> dict[str, Any]:
        policy = endpoint.policy
        basic = None
        if endpoint.username is not None:
            basic = BasicOut(endpoint.username, endpoint.password is not None)
        return {
            "id": endpoint.id,
            "version": endpoint.version,
            "url": endpoint.url,
            "basic_auth": basic,
            "oauth2": _oauth2(endpoint),
            "headers": [
                HeaderOut(header.name, header.value, header.sealed is not None, value_set=True)
                for header in endpoint.headers
            ],
            "ca_bundle": endpoint.ca_bundle,
            "client_certificate": _client(endpoint),
            "schedule": list(policy.schedule),
            "timeout": policy.timeout,
            "connect_timeout": policy.connect_timeout,
            "rate": policy.rate,
            "concurrency": policy.concurrency,
            "order": policy.order,
            "order_hold": policy.order_hold,
            "breaker": policy.breaker,
            "tell_erasure": policy.tell_erasure,
            "owner": policy.owner,
            "split": policy.split,
            "paused": endpoint.paused,
            "paused_at": _instant(endpoint.paused_at),
            "held_until": _instant(None if (endpoint.held_until or 0) <= self.now else endpoint.held_until),
            "failing_since": _instant(endpoint.breaker.opened_at),
            "next_probe_at": _instant(next_probe(endpoint)),
            "previous_secret_until": _instant(endpoint.previous_until),
            "created_at": format_instant(endpoint.created_at),
            "updated_at": format_instant(endpoint.updated_at),
            "pending": self.pending.get(endpoint.id, 0),
            "used_by": named(self.used.get(("endpoint", endpoint.id), [])),
        }


def _oauth2(endpoint: Endpoint) -> OAuth2Out | None:
    known = endpoint.oauth2
    if known is None:
        return None
    stored = known.secret is not None
    return OAuth2Out(known.token_url, known.client_id, stored, known.scope, known.audience, known.auth)


def _client(endpoint: Endpoint) -> ClientOut | None:
    client = endpoint.client_certificate
    if client is None:
        return None
    return ClientOut(client.certificate, client.subject, format_instant(client.not_after), key_set=True)


async def _facts(ask: Ask, id: str | None = None) -> _Facts:
    queries: Queries = ask.context.store.queries
    now = ask.context.clock.now()
    queues = await queries.queues(now, None if id is None else [id])
    return _Facts(usage(await queries.rules()), {queue.endpoint_id: queue.pending for queue in queues}, now)


def _outside(ask: Ask, store: Store) -> Outside:
    return replace(ask.context.outside, store=store)


def _instant(at: Millis | None) -> str | None:
    return None if at is None else format_instant(at)
