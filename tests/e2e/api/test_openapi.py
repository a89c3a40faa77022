"""The API's description: complete, and true when schemathesis tries it against a served application."""

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

import httpx
import msgspec
import pytest
import schemathesis
import uvicorn
import uvloop
from hypothesis import HealthCheck, settings
from msgspec.structs import replace
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from goniec.web import create_app
from goniec.web.api import OPERATIONS
from goniec.web.openapi import document
from goniec.web.operation import Operation
from tests.e2e.api.client import Api
from tests.e2e.api.client import api as opened


class Served:
    """The API in a thread with a loop of its own; `url` is where it listens, `key` opens everything."""

    def __init__(self, folder: Path) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.key = ""
        self._folder = folder
        self._up = threading.Event()
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=self._main)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.should_exit = True
        self._thread.join()
        self.listening.close()

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with opened(self._folder) as api:
            self.key = api.keys["admin"]
            await api.shop.funnel("Sales", "New", "Won")
            self._server = uvicorn.Server(uvicorn.Config(api.app, lifespan="off", log_config=None, access_log=False))
            self._up.set()
            await self._server.serve(sockets=[self.listening])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The API on a port of this machine."""
    with Served(tmp_path_factory.mktemp("served")) as one:
        yield one


DOCUMENT: Final = msgspec.json.decode(document(OPERATIONS, "0", "/api/v1"))
# a rule has some sixty kinds of parts, and trying every limit of each takes 45,000 requests; rules have tests of their own
schema: Final = schemathesis.openapi.from_dict(DOCUMENT).exclude(operation_id=["makeRule", "putRule"])


def test_every_call_is_described() -> None:
    names = [one.name for one in OPERATIONS]
    assert len(set(names)) == len(names)
    for one in OPERATIONS:
        described = DOCUMENT["paths"][one.path][one.method.lower()]
        assert described["summary"]
        assert len(described["description"]) > 20, one.name
        for status, answer in described["responses"].items():
            plain = one.files or ("application/json",)
            media_types = set(plain) if int(status) < 400 else {"application/problem+json"}
            assert set(answer.get("content", {})) <= media_types, (one.name, status)


def test_schemas_are_described_for_who_writes_json() -> None:
    for name, one in DOCUMENT["components"]["schemas"].items():
        about = one.get("description", "")
        assert "\n  " not in about, name  # Markdown would show it as code
        assert not re.search(r"`[a-z]+_[a-z_]+`|\bNone\b|\bTrue\b|\bFalse\b", about), name


@pytest.mark.parametrize("one", OPERATIONS, ids=lambda one: one.name)
def test_every_body_has_an_example_that_fits(one: Operation) -> None:
    if one.body is None:
        return
    assert one.examples, one.name
    kinds = one.body if isinstance(one.body, tuple) else (one.body,)
    for example in one.examples.values():
        fitting = [kind for kind in kinds if _fits(example, kind)]
        assert fitting, example


def _fits(example: object, kind: Any) -> bool:
    try:
        msgspec.convert(example, kind)
    except msgspec.ValidationError:
        return False
    return True


OPEN_TO: Final = {
    "ingest": """
        POST /contacts  PATCH /contacts/{id}
        POST /contacts/{id}/consents  POST /contacts/{id}/details  POST /contacts/{id}/notes  POST /contacts/{id}/score
        POST /contacts/{id}/stage  POST /contacts/{id}/tags
        POST /events  POST /mail/feedback
    """,
    "read": """
        GET /contacts  GET /contacts/{id}  GET /contacts/{id}/export
        GET /deliveries  GET /deliveries/{id}  GET /deliveries/export
        GET /endpoints  GET /endpoints/{id}
        GET /events  GET /events/{id}
        GET /explain
        GET /jobs  GET /jobs/{id}  GET /ledger
        GET /rules  GET /rules/{id}  GET /rules/{id}/runs  GET /runs/{id}
        GET /mail/limits  GET /messages  GET /messages/{id}  POST /messages/{id}/preview
        GET /details  GET /funnels  GET /funnels/{id}  GET /tags
    """,
    "admin": """
        DELETE /contacts/{id}  DELETE /contacts/{id}/bounce  POST /contacts/{id}/merge
        POST /deliveries/{id}/cancel  POST /deliveries/{id}/resend  POST /deliveries/cancel
        POST /endpoints/{id}/resend  POST /jobs/{id}/cancel
        DELETE /endpoints/{id}  PATCH /endpoints/{id}  POST /endpoints/{id}/pause  POST /endpoints/{id}/resume
        POST /endpoints/{id}/rotateSecret
        POST /funnels  DELETE /funnels/{id}  PUT /funnels/{id}
        GET /keys  POST /keys  DELETE /keys/{id}
        PUT /mail/limits  POST /messages  DELETE /messages/{id}  PUT /messages/{id}  POST /messages/{id}/testSend
        POST /rules  DELETE /rules/{id}  PUT /rules/{id}  POST /rules/{id}/activate  POST /rules/{id}/deactivate
        POST /rules/{id}/run  POST /rules/{id}/testSend
        GET /users  POST /users  DELETE /users/{id}  GET /users/{id}  PATCH /users/{id}
    """,
}
"""The scope that opens a call, beside `admin`, written out, so that a call that is opened further is seen here."""

CALLS: Final = [
    (words[n], words[n + 1], scope)
    for scope, table in OPEN_TO.items()
    for words in [table.split()]
    for n in range(0, len(words), 2)
]


@pytest.mark.parametrize("scope", ["ingest", "read", "admin"])
async def test_a_call_opens_to_its_scope_and_to_admin(api: Api, scope: str) -> None:
    """A table of scopes and calls."""
    assert sorted((one.method, one.path) for one in OPERATIONS) == sorted((method, path) for method, path, _ in CALLS)
    for method, place, wanted in CALLS:
        answer = await api.ask(method, place.replace("{id}", "x_1"), scope=scope)
        opened = scope in {wanted, "admin"}
        assert (answer.status_code != 403) == opened, f"{scope}: {method} {place} is {answer.status_code}"
        assert answer.status_code < 500, f"{scope}: {method} {place} is {answer.status_code}"
        if not opened:
            assert answer.json()["code"] == "scopeMissing"


async def test_no_call_is_open_without_a_key(api: Api) -> None:
    for one in OPERATIONS:
        path = one.path.replace("{id}", "x_1").removeprefix("/")
        assert (await api.http.request(one.method, path)).status_code == 401, one.name


async def test_options_names_all_methods_of_a_path(api: Api) -> None:
    answer = await api.http.request("OPTIONS", "contacts/x")
    assert (answer.status_code, answer.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH")
    assert (await api.get("/events/x?a=1")).status_code == 400, "a call without parameters refuses them too"


async def test_the_description_says_where_the_api_is(api: Api) -> None:
    there = create_app(replace(api.context, public_url="https://crm.example/goniec"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(there), base_url="http://goniec.test") as http:
        for _ in range(2):
            described = (await http.get("/api/openapi.json")).json()
            assert described["openapi"].startswith("3.1.")
            assert described["servers"] == [{"url": "/goniec/api/v1"}]


@schema.parametrize()
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_api_does_what_it_says(case: Any, served: Served) -> None:
    # what an address is, or a stage that exists, is more than a schema can say, so data that fit it may be refused
    case.call_and_validate(
        base_url=f"{served.url}/api/v1",
        headers={"authorization": f"Bearer {served.key}"},
        excluded_checks=[positive_data_acceptance, ignored_auth],
    )
