"""The API as its users meet it: the whole application on the real store, spoken to over HTTP without a socket."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from goniec.core.problems import Problem
from goniec.core.times import Millis
from goniec.flow.gate import Gate
from goniec.flow.keys import KeyMade, create_key
from goniec.flow.tracking import Tracking
from goniec.ports import Forbidden, Identified, Store
from goniec.send.certificates import read_authorities, read_client
from goniec.store.passwords import Argon2
from goniec.web import ApiContext, create_app
from tests.flow.spool import MemorySpool
from tests.flow.workshop import STORES, Opening, Workshop, workshop

BASE = "http://goniec.test/api/v1"


class Guard:
    """Lets every URL through but those that say so."""

    async def check(self, url: str) -> str | Forbidden:
        return Forbidden("this address may not be reached") if "forbidden" in url else url

    def check_header(self, name: str, value: str) -> str | None:
        return "forbidden" if "forbidden" in name + value else None

    def check_authorities(self, text: str) -> str | Forbidden:
        return read_authorities(text)

    def check_client(self, certificate: str, key: str | None, now: Millis) -> Identified | Problem:
        return read_client(certificate, key, now)


class Notice:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def changed(self, endpoint_id: str) -> None:
        self.told.append(endpoint_id)

    def kick(self, endpoint_id: str) -> None:
        self.told.append(endpoint_id)


class Api:
    """The application with a key of each scope; the short words send as `admin`."""

    def __init__(self, shop: Workshop, context: ApiContext, keys: Mapping[str, str], spool: MemorySpool) -> None:
        self.shop = shop
        self.spool = spool
        self.context = context
        self.keys = keys
        self.app = create_app(context)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=BASE)

    @property
    def store(self) -> Store:
        return self.shop.store

    async def ask(self, method: str, path: str, scope: str = "admin", **request: Any) -> httpx.Response:
        """Send with the key of a scope; a path with a host goes where it says."""
        headers = {"authorization": f"Bearer {self.keys[scope]}", **request.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **request)

    async def get(self, path: str, **request: Any) -> httpx.Response:
        return await self.ask("GET", path, **request)

    async def post(self, path: str, json: object, **request: Any) -> httpx.Response:
        return await self.ask("POST", path, json=json, **request)

    async def patch(self, path: str, json: object, **request: Any) -> httpx.Response:
        return await self.ask("PATCH", path, json=json, **request)

    async def delete(self, path: str, **request: Any) -> httpx.Response:
        return await self.ask("DELETE", path, **request)

    async def raw(self, path: str, body: bytes, content_type: str = "application/json") -> httpx.Response:
        """POST these bytes."""
        return await self.ask("POST", path, content=body, headers={"content-type": content_type})

    async def contact(self, **fields: Any) -> dict[str, Any]:
        """Make or change a contact; give it as it was answered."""
        answer = await self.post("/contacts", {"email": "jan@example.pl", **fields})
        assert answer.status_code in {200, 201}, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def event_types(self, contact_id: str) -> list[str]:
        """The types of a contact's events, in their order."""
        answer = await self.get("/events", params={"contactId": contact_id})
        return [event["type"] for event in answer.json()["items"]]


def pointers(answer: httpx.Response) -> list[str]:
    """Where the answer says that something is wrong."""
    return [error["pointer"] for error in answer.json()["errors"]]


@asynccontextmanager
async def api(folder: Path, opening: Opening = STORES["sqlite"]) -> AsyncIterator[Api]:
    """The application at work on a fresh store, with one endpoint `end_1`."""
    async with workshop(folder, opening) as shop:
        await shop.endpoint()
        keys = {}
        for scope in ("ingest", "read", "admin"):
            made = await create_key(shop.store, shop.clock, shop.dice, f"key-{scope}", scope)
            assert isinstance(made, KeyMade)
            keys[scope] = made.text
        spool = MemorySpool()
        context = ApiContext(
            store=shop.store,
            recorder=shop.recorder,
            clock=shop.clock,
            dice=shop.dice,
            vault=shop.vault,
            guard=Guard(),
            notice=Notice(),
            try_out=shop.deliverer.try_out,
            tracking=Tracking(spool, shop.recorder, shop.clock, shop.dice),
            version="0.0.test",
            country="PL",
            zone="Europe/Warsaw",
            public_url="http://goniec.test",
            language="pl",
            gate=Gate(shop.clock, Argon2()),
        )
        opened = Api(shop, context, keys, spool)
        recording = asyncio.create_task(context.tracking.run())
        try:
            async with opened.http:
                yield opened
        finally:
            recording.cancel()
            await asyncio.wait([recording])
