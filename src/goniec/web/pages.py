"""What is served beside the API, without a key: its description and page, health, readiness, metrics.

None of it tells anything about contacts. Whoever lets strangers reach this port keeps `/metrics` to themselves at the
proxy, if the ids and hosts of endpoints and the figures are not for everybody. Called by `dispatch`.
"""

import gzip
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import Request
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp as LitestarApp

from goniec.flow.instance import instance
from goniec.observe import counters
from goniec.web.context import ApiContext
from goniec.web.metrics import MEDIA_TYPE as METRICS_TYPE
from goniec.web.metrics import Figures, exposition
from goniec.web.openapi import document
from goniec.web.operation import Operation
from goniec.web.problems import Fault, missing
from goniec.web.reply import Receive, Reply, Scope, Send, send_reply

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, nothing inline, and nobody else's frame around it."""

_PAGE: Final = (
    ("content-security-policy", CSP),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "public, max-age=3600"),
)
_FILES: Final[Mapping[str, tuple[str, bool]]] = {
    "index.html": ("text/html; charset=utf-8", False),
    "page.js": ("text/javascript; charset=utf-8", False),
    "swagger-ui-bundle.js": ("text/javascript; charset=utf-8", True),
    "swagger-ui.css": ("text/css; charset=utf-8", True),
}
"""The page's files: their types, and whether they are kept compressed."""

Page = Callable[[Request[Any, Any, Any]], Awaitable[Reply]]


def page_handlers(context: ApiContext, operations: Sequence[Operation], base: str) -> list[HTTPRouteHandler]:
    """Give the handlers; `base` is where the operations stand."""
    described: list[bytes] = []
    known: list[str] = []

    async def description(_request: Request[Any, Any, Any]) -> Reply:
        if not described:
            described.append(document(operations, context.version, urlsplit(context.public_url).path + base))
        return Reply(200, described[0])

    async def docs(request: Request[Any, Any, Any]) -> Reply:
        return _file(request.path_params.get("name", "index.html"), request.headers.get("accept-encoding", ""))

    async def alive(_request: Request[Any, Any, Any]) -> Reply:
        return Reply(200, {"status": "alive"})

    async def ready(_request: Request[Any, Any, Any]) -> Reply:
        reason = context.ready() or await context.store.queries.health()
        if reason is None:
            if not known:
                known.append(await instance(context.store, context.dice))
            return Reply(200, {"status": "ready", "instance": known[0]})
        raise Fault(503, reason, code="notReady", headers=(("retry-after", "5"),))

    async def metrics(_request: Request[Any, Any, Any]) -> Reply:
        queries, now = context.store.queries, context.clock.now()
        endpoints, workers = await queries.endpoints(), await context.workers()
        figures = Figures(
            totals=await queries.totals(),
            queues=await queries.queues(now),
            balances=await queries.balances("endpoint"),
            endpoints=endpoints,
            waiting=context.recorder.waiting,
            broken=context.recorder.broken,
            now=now,
            ahead=context.ahead(),
            version=context.version,
            role=context.role,
            workers=1 if workers is None else len(workers),
            owned=len(endpoints) if workers is None else workers.get(context.owner, 0),
        )
        return Reply(200, exposition(figures, counters).encode(), media_type=METRICS_TYPE)

    return [
        _handler("/api/openapi.json", description),
        _handler(["/docs", "/docs/{name:str}"], docs),
        _handler("/healthz", alive),
        _handler("/readyz", ready),
        _handler("/metrics", metrics),
    ]


def _handler(path: str | list[str], page: Page) -> HTTPRouteHandler:
    async def found(request: Request[Any, Any, Any]) -> LitestarApp:
        reply = await page(request)

        async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send_reply(reply, send)

        return answer  # type: ignore[return-value] # its types are narrower than ASGI

    return HTTPRouteHandler(path, http_method=[HttpMethod.GET, HttpMethod.HEAD], status_code=200)(found)


def _file(name: str, accepted: str) -> Reply:
    if name not in _FILES:
        raise missing("page")
    media_type, compressed = _FILES[name]
    content = _read(name + ".gz" if compressed else name)
    if not compressed:
        return Reply(200, content, _PAGE, media_type)
    if "gzip" in accepted.lower():
        return Reply(200, content, (*_PAGE, ("content-encoding", "gzip"), ("vary", "accept-encoding")), media_type)
    return Reply(200, gzip.decompress(content), (*_PAGE, ("vary", "accept-encoding")), media_type)


@cache
def _read(name: str) -> bytes:
    return (files("goniec.web") / "docs" / name).read_bytes()
