"""The API with the real guard and with the sender told of changes, for tests of what rules send where."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from msgspec.structs import replace
from typing_extensions import override

from tests.e2e.api.client import Api
from tests.flow.desk import PASSWORD, URL, Guard, draft, hook

SECRETS = re.compile(f"{re.escape(PASSWORD)}|geheim|tajne|whsec_[A-Za-z0-9+/]{{20}}")
"""What no answer and no line of the log may hold."""


@asynccontextmanager
async def configured(api: Api) -> AsyncIterator["Configured"]:
    """The same application with parts that are real."""
    context = replace(api.context, guard=Guard(), notice=api.shop.deliverer)
    opened = Configured(api.shop, context, api.keys, api.spool)
    async with opened.http:
        yield opened


class Configured(Api):
    """Looks into every answer for secrets, unless one is expected."""

    expects_secret = False

    @override
    async def ask(self, method: str, path: str, scope: str = "admin", **request: Any) -> httpx.Response:
        answer = await super().ask(method, path, scope, **request)
        assert self.expects_secret or SECRETS.search(answer.text) is None, f"{method} {path} tells a secret"
        return answer

    async def put(self, path: str, json: object, **request: Any) -> httpx.Response:
        return await self.ask("PUT", path, json=json, **request)

    async def rule(self, **fields: Any) -> dict[str, Any]:
        """Make a rule that has to be taken."""
        answer = await self.post("/rules", draft(**fields))
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def endpoint_of(self, rule: dict[str, Any]) -> dict[str, Any]:
        """The endpoint of a rule's first action."""
        answer = await self.get(f"/endpoints/{rule['actions'][0]['endpointId']}")
        found: dict[str, Any] = answer.json()
        return found


def on_disk(folder: Path) -> bytes:
    """All that the database has written."""
    return b"".join(file.read_bytes() for file in folder.glob("goniec.db*"))


__all__ = ["PASSWORD", "SECRETS", "URL", "Configured", "configured", "draft", "hook", "on_disk"]
