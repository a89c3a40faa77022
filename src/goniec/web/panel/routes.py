"""All pages, and how a path leads to one. Called by `dispatch`."""

import re
from typing import Any, Final

from litestar import Request
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp as LitestarApp

from goniec.web.context import ApiContext
from goniec.web.panel.assets import asset
from goniec.web.panel.doubles import Doubles
from goniec.web.panel.page import Page
from goniec.web.panel.serve import answer
from goniec.web.panel.views import (
    account,
    contact,
    contact_change,
    contact_why,
    contacts,
    deliveries,
    delivery,
    endpoint_certificate,
    endpoint_form,
    endpoint_oauth2,
    endpoints,
    entry,
    jobs,
    keys,
    mail_settings,
    messages,
    overview,
    rule_form,
    rules,
    runs,
    search,
    users,
    welcome,
)
from goniec.web.problems import Fault, problem
from goniec.web.reply import Receive, Scope, Send, send_reply

ROOMS: Final = (
    account,
    contact,
    contact_change,
    contact_why,
    contacts,
    deliveries,
    delivery,
    endpoint_certificate,
    endpoint_form,
    endpoint_oauth2,
    endpoints,
    entry,
    jobs,
    keys,
    mail_settings,
    messages,
    overview,
    rule_form,
    rules,
    runs,
    search,
    users,
    welcome,
)
"""The modules with pages."""

PAGES: Final[tuple[Page, ...]] = tuple(one for room in ROOMS for one in vars(room).values() if isinstance(one, Page))


def panel_handlers(context: ApiContext) -> list[HTTPRouteHandler]:
    """Give the handlers of all pages and of their files."""
    by_path: dict[str, dict[str, Page]] = {}
    for one in PAGES:
        by_path.setdefault(one.path, {})[one.method] = one
    doubles = Doubles()
    return [_files(context), *(_handler(context, doubles, path, pages) for path, pages in by_path.items())]


def _handler(context: ApiContext, doubles: Doubles, path: str, pages: dict[str, Page]) -> HTTPRouteHandler:
    async def found(request: Request[Any, Any, Any]) -> LitestarApp:
        names: dict[str, str] = request.path_params

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            await answer(context, doubles, pages, names, scope, receive, send)

        return serve  # type: ignore[return-value] # its types are narrower than ASGI

    methods = [HttpMethod(method) for method in (*pages, *(("HEAD",) if "GET" in pages else ()))]
    route = re.sub(r"\{(\w+)\}", r"{\1:str}", path)
    return HTTPRouteHandler(route, http_method=methods, status_code=200)(found)


def _files(context: ApiContext) -> HTTPRouteHandler:
    async def found(request: Request[Any, Any, Any]) -> LitestarApp:
        accepted = request.headers.get("accept-encoding", "").encode("latin-1")
        try:
            reply = asset(request.path_params["name"], accepted)
        except Fault as fault:
            reply = problem(fault, context.dice, "GET", "/assets")

        async def serve(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send_reply(reply, send)

        return serve  # type: ignore[return-value] # its types are narrower than ASGI

    route = "/assets/{version:str}/{name:str}"
    return HTTPRouteHandler(route, http_method=[HttpMethod.GET, HttpMethod.HEAD], status_code=200)(found)
