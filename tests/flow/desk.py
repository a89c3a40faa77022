"""Where rules, endpoints, funnels and keys are configured in tests: the workshop, the real guard, a notice that remembers."""

from typing import Any

import msgspec

from goniec.core.endpoint import Endpoint
from goniec.core.problems import Problem
from goniec.core.times import Millis
from goniec.flow.configure import Outside
from goniec.flow.rules import RuleSaved, change_rule, create_rule, shown
from goniec.flow.testing import Workbench
from goniec.ports import Forbidden, Identified
from goniec.send.certificates import read_authorities, read_client
from goniec.send.guard import Refused, check_header, check_url
from tests.flow.workshop import Workshop

URL = "https://crm.example/hook"
PASSWORD = "pa:ss#?@€ż"


class Guard:
    """The real checks; names are not looked up."""

    async def check(self, url: str) -> str | Forbidden:
        found = check_url(url)
        return Forbidden(found.detail) if isinstance(found, Refused) else found.url

    def check_header(self, name: str, value: str) -> str | None:
        return check_header(name, value)

    def check_authorities(self, text: str) -> str | Forbidden:
        return read_authorities(text)

    def check_client(self, certificate: str, key: str | None, now: Millis) -> Identified | Problem:
        return read_client(certificate, key, now)


class Notice:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.endpoints: list[str] = []

    def changed(self, endpoint_id: str) -> None:
        self.endpoints.append(endpoint_id)

    def kick(self, endpoint_id: str) -> None:
        raise AssertionError(f"configuring kicks nothing, and this is {endpoint_id}")


class Desk:
    """The ports of configuring, and short words for what tests do."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self.notice = Notice()
        self.outside = Outside(shop.store, shop.vault, shop.clock, shop.dice, Guard(), self.notice)
        self.bench = Workbench(shop.store, shop.vault, shop.clock, shop.dice, shop.deliverer.try_out)

    async def create(self, *, replace: bool = False, **fields: Any) -> RuleSaved:
        """Make a rule that has to be taken."""
        saved = await create_rule(self.outside, draft(**fields), replace_passwords=replace)
        assert isinstance(saved, RuleSaved), saved
        return saved

    async def change(self, rule_id: str, data: dict[str, Any], *, replace: bool = False) -> RuleSaved:
        """Save over a rule, which has to be taken."""
        saved = await change_rule(self.outside, rule_id, data, None, replace_passwords=replace)
        assert isinstance(saved, RuleSaved), saved
        return saved

    async def endpoints(self) -> list[Endpoint]:
        """All endpoints but that of the workshop."""
        return [endpoint for endpoint in await self.shop.store.queries.endpoints() if endpoint.id != "end_1"]

    def opened(self, endpoint: Endpoint, sealed: bytes | None) -> str | None:
        """What is sealed there."""
        return None if sealed is None else self.shop.vault.unseal(endpoint.id, sealed)


def draft(**fields: Any) -> dict[str, Any]:
    """A rule as a user writes it."""
    return {
        "name": "VIP to CRM",
        "active": True,
        "triggers": [{"type": "contact.tagged", "tags": ["VIP"]}],
        "actions": [hook()],
        **fields,
    }


def hook(url: str = URL, username: str | None = "jan", **auth: Any) -> dict[str, Any]:
    """A webhook as a user writes it; `password` unless another is given."""
    if username is None:
        return {"type": "webhook", "url": url}
    return {"type": "webhook", "url": url, "basicAuth": {"username": username, "password": PASSWORD, **auth}}


def read_back(saved: RuleSaved) -> dict[str, Any]:
    """What GET gives."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(shown(saved.rule, saved.endpoints)))
    return plain
