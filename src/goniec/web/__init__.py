"""HTTP: the API, its description and page, health and metrics.

Called by `app`, which serves `dispatch.create_app`. Nothing is decided here: a room of this floor reads a request,
calls `flow`, and writes down what came of it. The panel, tracking and the compat API come beside `api`.
"""
