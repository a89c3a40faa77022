"""A span for each request that may change something: any method but GET, HEAD and OPTIONS.

Called by `dispatch` when tracing is on, around the whole application. It reads the `traceparent` that came with the
request; of the path it tells the pattern only.
"""

from typing import Any, Final

from goniec.ports import Clock
from goniec.tracing import tracing
from goniec.web.reply import ASGIApp, Receive, Scope, Send

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FAILED: Final = 500


def traced(app: ASGIApp, clock: Clock, hot: frozenset[str]) -> ASGIApp:
    """Wrap an application; `hot` are the paths that are patterns themselves."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _READING:
            await app(scope, receive, send)
            return
        asked = tracing.ask(_header(scope), clock.now())
        status = _FAILED

        async def noting(message: Any) -> None:  # noqa: ANN401 - a message of ASGI is whatever its type says
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await app(scope, receive, noting)
        finally:
            route = scope.get("path_template") or (scope["path"] if scope["path"] in hot else None)
            tracing.answered(asked, scope["method"], route, status, clock.now())

    return serve


def _header(scope: Scope) -> str | None:
    """The `traceparent` that came, where it came once."""
    found = [value for name, value in scope["headers"] if name == b"traceparent"]
    return found[0].decode("latin-1") if len(found) == 1 else None
