"""From the URL and user that somebody wrote into a rule to the endpoint that they mean: a known one, or a new one.

Called by `rules` inside the saving transaction. Nothing is written before everything is known to be well.
"""

from collections.abc import Sequence
from contextlib import suppress

from msgspec import UNSET
from msgspec.structs import replace

from goniec.core.actions import Action, BasicAuth, OAuth2In, Webhook
from goniec.core.endpoint import MAIL, Endpoint, OAuth2, origin
from goniec.core.problems import Invalid, Problem
from goniec.flow.configure import Conflict, Named, Outside, listed, users
from goniec.flow.credentials import opens_to
from goniec.flow.endpoints import fresh_endpoint
from goniec.flow.oauth2 import stored_oauth2
from goniec.ports import Tx


class Webhooks:
    """The endpoints of one rule that is being saved.

    `targets` are the URLs in their stored form, by the pointer of their action, and those of tokens by that of their
    `oauth2`; `rule_id` is None for a new rule. After `resolve`, `problems` and `conflict` say why it cannot be saved,
    and `named` are the endpoints that it names, by id, as they will be.
    """

    def __init__(
        self, tx: Tx, outside: Outside, targets: dict[str, str], rule_id: str | None, *, replace_passwords: bool
    ) -> None:
        self.problems: list[Problem] = []
        self.conflict: Conflict | None = None
        self.named: dict[str, Endpoint] = {}
        self._tx = tx
        self._outside = outside
        self._targets = targets
        self._rule_id = rule_id
        self._replace = replace_passwords
        self._changed: dict[str, Endpoint] = {}
        self._passwords: dict[str, str | None] = {}
        self._clients: dict[str, OAuth2] = {}

    async def resolve(self, pointer: str, actions: Sequence[Action]) -> tuple[Action, ...]:
        """Give a branch's actions as they are stored: each webhook with nothing but its endpoint's id."""
        return tuple(
            [
                await self._stored(f"{pointer}/{n}", action) if isinstance(action, Webhook) else action
                for n, action in enumerate(actions)
            ]
        )

    async def write(self) -> tuple[str, ...]:
        """Write the endpoints that are new or have another password; give their ids."""
        for endpoint in self._changed.values():
            await self._tx.put_endpoint(endpoint)
        return tuple(self._changed)

    async def _stored(self, pointer: str, webhook: Webhook) -> Webhook:
        url = self._targets.get(pointer)
        endpoint = await (self._by_id(pointer, webhook) if url is None else self._by_url(pointer, url, webhook))
        if endpoint is None:
            return webhook
        self.named[endpoint.id] = endpoint
        return Webhook(endpoint_id=endpoint.id)

    async def _by_id(self, pointer: str, webhook: Webhook) -> Endpoint | None:
        """An action that gives no URL means the endpoint with this id, as it is."""
        id = webhook.endpoint_id or ""
        endpoint = None if id == MAIL else self.named.get(id) or await self._tx.endpoint(id)
        if endpoint is None:
            self.problems.append(Problem(f"{pointer}/endpointId", "there is no such endpoint; give a url instead"))
        if webhook.basic_auth is not None:
            self.problems.append(
                Problem(f"{pointer}/basicAuth", "goes with a url: an endpoint's id says its user already")
            )
        if webhook.oauth2 is not None:
            self.problems.append(Problem(f"{pointer}/oauth2", "goes with a url: an endpoint's id says it already"))
        return endpoint

    async def _by_url(self, pointer: str, url: str, webhook: Webhook) -> Endpoint:
        auth = webhook.basic_auth
        username = None if auth is None else auth.username
        password = UNSET if auth is None else auth.password
        endpoint = await self._known(url, username)
        if endpoint is None:
            endpoint = await self._fresh(url, auth, webhook.endpoint_id)
            self._changed[endpoint.id] = endpoint
        elif password is not UNSET and not self._said(pointer, endpoint, password):
            endpoint = await self._with_password(endpoint, password)
        if password is not UNSET:
            self._passwords.setdefault(endpoint.id, password)
        if webhook.oauth2 is not None:
            endpoint = await self._with_client(f"{pointer}/oauth2", endpoint, webhook.oauth2)
        return endpoint

    async def _known(self, url: str, username: str | None) -> Endpoint | None:
        for endpoint in self.named.values():
            if (endpoint.url, endpoint.username) == (url, username):
                return endpoint
        return await self._tx.endpoint_of(url, username)

    async def _fresh(self, url: str, auth: BasicAuth | None, followed: str | None) -> Endpoint:
        """A new endpoint; where the action led to another path of the same origin, what is known of that goes on."""
        like = None if followed is None else await self._tx.endpoint(followed)
        if like is not None and origin(like.url) == origin(url):
            with suppress(ValueError):  # no key at hand opens the old one's secrets: it gets its own
                return fresh_endpoint(self._outside, url, auth, like)
        return fresh_endpoint(self._outside, url, auth, None)

    def _said(self, pointer: str, endpoint: Endpoint, password: str | None) -> bool:
        """Whether another action of this rule has said which password the endpoint has; they must not differ."""
        if endpoint.id not in self._passwords:
            return False
        if self._passwords[endpoint.id] != password:
            detail = "an action before this one has another password for the same URL and user"
            self.problems.append(Problem(f"{pointer}/basicAuth/password", detail))
        return True

    async def _with_password(self, endpoint: Endpoint, password: str | None) -> Endpoint:
        vault, stored = self._outside.vault, endpoint.password
        if stored is None if password is None else stored is not None and opens_to(vault, endpoint, stored, password):
            return endpoint
        if stored is not None and not self._replace:
            await self._ask(endpoint, password)
        changed = replace(
            endpoint,
            version=endpoint.version + 1,
            updated_at=self._outside.clock.now(),
            password=None if password is None else vault.seal(endpoint.id, password),
        )
        self._changed[endpoint.id] = changed
        return changed

    async def _with_client(self, pointer: str, endpoint: Endpoint, given: OAuth2In) -> Endpoint:
        """The endpoint with this OAuth2 client; another one is taken from no rule in silence."""
        try:
            wanted = stored_oauth2(self._outside.vault, given, self._targets[pointer], endpoint, pointer)
        except Invalid as invalid:
            self.problems += invalid.problems
            return endpoint
        said = self._clients.setdefault(endpoint.id, wanted)
        if said != wanted:
            detail = "an action before this one has another client for the same URL"
            self.problems.append(Problem(pointer, detail))
        if wanted == endpoint.oauth2:
            return endpoint
        fresh = endpoint.id in self._changed
        if endpoint.oauth2 is not None and not self._replace and not fresh:
            await self._ask_client(endpoint)
        changed = replace(endpoint, oauth2=wanted)
        if not fresh:
            changed = replace(changed, version=endpoint.version + 1, updated_at=self._outside.clock.now())
        self._changed[endpoint.id] = changed
        return changed

    async def _ask(self, endpoint: Endpoint, password: str | None) -> None:
        """Take a password from no other rule in silence; to remove one that only this rule uses needs no asking."""
        hit = users(await self._tx.rules(), ("endpoint", endpoint.id))
        if password is None and all(rule.id == self._rule_id for rule in hit):
            return
        detail = (
            f"the endpoint {endpoint.id} has another password for this URL and user, {_affected(hit)}; "
            "repeat the request with ?replace=true to replace it for all of them, or leave the password out to keep it"
        )
        self.conflict = self.conflict or Conflict("credentialsDiffer", detail, hit)

    async def _ask_client(self, endpoint: Endpoint) -> None:
        hit = users(await self._tx.rules(), ("endpoint", endpoint.id))
        detail = (
            f"the endpoint {endpoint.id} has another OAuth2 client for this URL, {_affected(hit)}; "
            "repeat the request with ?replace=true to replace it for all of them, or leave oauth2 out to keep it"
        )
        self.conflict = self.conflict or Conflict("credentialsDiffer", detail, hit)


def _affected(hit: Sequence[Named]) -> str:
    return f"which the rules {listed(hit)} use" if hit else "which no rule uses now"
