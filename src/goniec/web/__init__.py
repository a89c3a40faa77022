"""HTTP: the API, its description and page, health and metrics.

Called by `app`, which serves `create_app`. Nothing is decided here: a room of this floor reads a request,
calls `flow`, and writes down what came of it. The panel, tracking and the compat API come beside `api`.
"""

from goniec.web.context import ApiContext
from goniec.web.dispatch import create_app

__all__ = ["ApiContext", "create_app"]
