"""The application: a plain ASGI dispatcher for the hot calls and mails, Litestar behind it for everything else.

Inside Litestar a request costs about 0.15 ms more than here, which is most of what recording an event costs. Both ends
run the same operations, so they answer alike. `app` serves what `create_app` gives.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from litestar import Litestar, Request, Response
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp as LitestarApp
from typing_extensions import override

from goniec.tracing import tracing
from goniec.web.api import OPERATIONS
from goniec.web.auth import Keys
from goniec.web.context import ApiContext
from goniec.web.operation import Operation, Parts
from goniec.web.pages import page_handlers
from goniec.web.panel.routes import panel_handlers
from goniec.web.panel.serve import lost
from goniec.web.problems import Fault, problem
from goniec.web.reply import ASGIApp, Receive, Reply, Scope, Send, send_reply
from goniec.web.traced import traced
from goniec.web.tracking import routes

BASE: Final = "/api/v1"
HOT: Final = frozenset({("POST", "/events")})
"""Calls that do without Litestar."""

ABOUT_ITSELF: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""What every process answers, whatever its role."""


WORKER: Final = (
    f"this process is a worker, which answers {', '.join(sorted(ABOUT_ITSELF))} and nothing else:"
    " ask one of the role web or all"
)


def create_app(context: ApiContext) -> ASGIApp:
    """Build the application. It opens and closes nothing: that is the caller's."""
    parts = Parts(context, Keys(context.store.queries, context.clock))
    litestar = Litestar(
        route_handlers=[
            *(_handler(path, operations, parts) for path, operations in _by_path().items()),
            *page_handlers(context, OPERATIONS, BASE),
            *panel_handlers(context),
        ],
        exception_handlers={Exception: _exceptions(context)},
        openapi_config=None,
        logging_config=None,
    )
    hot = {BASE + one.path: one for one in OPERATIONS if (one.method, one.path) in HOT}
    mails = routes.tracked(context)

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and (one := hot.get(scope["path"])) is not None:
            await one.serve(parts, {}, scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(routes.PREFIX):
            await mails(scope, receive, send)
        else:
            await litestar(scope, receive, send)  # type: ignore[arg-type] # its types are narrower than ASGI

    return traced(dispatch, context.clock, frozenset(hot)) if tracing.on else dispatch


def create_worker_app(context: ApiContext) -> ASGIApp:
    """Build what a process answers that only delivers: whether it lives and is ready, and its figures."""
    whole = create_app(context)

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in ABOUT_ITSELF:
            # who calls the API is to come again, by way of a process that answers it
            fault = Fault(503 if scope["path"].startswith("/api/") else 404, WORKER)
            await send_reply(problem(fault, context.dice, scope["method"], scope["path"]), send)
        else:
            await whole(scope, receive, send)

    return dispatch


def _handler(path: str, operations: Sequence[Operation], parts: Parts) -> HTTPRouteHandler:
    """One handler for all that a path takes: of several, Litestar's answer to OPTIONS would name only the first."""
    by_method: dict[str, Operation] = {one.method: one for one in operations}
    get = by_method.get("GET")
    if get is not None:
        by_method["HEAD"] = get

    async def found(request: Request[Any, Any, Any]) -> LitestarApp:
        operation = by_method[request.method]
        names: dict[str, str] = request.path_params

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            await operation.serve(parts, names, scope, receive, send)

        return answer  # type: ignore[return-value] # its types are narrower than ASGI

    methods = [HttpMethod(method) for method in by_method]
    # the status is the reply's own; Litestar only has to believe that there is a body
    route = BASE + re.sub(r"\{(\w+)\}", r"{\1:str}", path)
    return HTTPRouteHandler(route, http_method=methods, status_code=200)(found)


def _by_path() -> dict[str, list[Operation]]:
    found: dict[str, list[Operation]] = {}
    for one in OPERATIONS:
        found.setdefault(one.path, []).append(one)
    return found


class _Later(Response[bytes]):
    """A response that is made when it is sent, as Litestar's handlers of exceptions cannot wait for anything."""

    def __init__(self, make: Callable[[], Awaitable[Reply]]) -> None:
        super().__init__(b"")
        self._make = make

    @override
    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - called by name
            await send_reply(await self._make(), send)

        return serve


def _exceptions(context: ApiContext) -> Callable[[Request[Any, Any, Any], Exception], Response[bytes]]:
    def answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        async def make() -> Reply:
            if is_a_page(request.url.path, request.headers.get("accept", "")):
                return await lost(context, request.scope, error)  # type: ignore[arg-type] # narrower than ASGI
            return problem(error, context.dice, request.method, request.url.path)

        return _Later(make)

    return answer


def is_a_page(path: str, accepted: str) -> bool:
    """Say whether somebody with a browser asks for a page, and not a program for data."""
    return "text/html" in accepted and not path.startswith("/api/")
