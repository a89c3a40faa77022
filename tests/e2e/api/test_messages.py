"""Messages over the API: one that is slow to make keeps nobody waiting."""

import asyncio
import time
from typing import Any, Final

import pytest

from tests.e2e.api.client import Api

SLOW: Final = "{% for i in (1..9999) %}{% if i > 3 and i < 7 %}x{% endif %}{{ i | plus: 1 | append: 'x' }}{% endfor %}"
"""It takes some tenths of a second."""
MESSAGE: Final = {"name": "Slow", "subject": "x", "text": SLOW}


@pytest.mark.parametrize("what", ["save", "preview"])
async def test_others_are_answered_while_a_message_is_tried(api: Api, what: str) -> None:
    path, body = "/messages", dict[str, Any](MESSAGE)
    if what == "preview":
        made = (await api.post("/messages", MESSAGE)).json()
        path, body = f"/messages/{made['id']}/preview", {}
    began = time.perf_counter()
    slow = asyncio.create_task(api.post(path, body))
    waits = [0.0]
    while not slow.done():
        asked = time.perf_counter()
        assert (await api.get("/funnels")).status_code == 200
        waits.append(time.perf_counter() - asked)
    assert (await slow).status_code < 300
    assert max(waits) < (time.perf_counter() - began) / 2, "nobody waits until it is done"
