"""What is served beside the API: the OpenAPI document and its page, health, readiness, metrics."""

from collections.abc import Sequence

from litestar.handlers import HTTPRouteHandler

from goniec.web.context import ApiContext


def page_handlers(context: ApiContext) -> Sequence[HTTPRouteHandler]:
    """Give the handlers."""
    return ()
