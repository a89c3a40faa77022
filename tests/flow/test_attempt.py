"""The line that each attempt leaves in the log: wide, and without what nobody but the receiver is to know."""

import io
import json
from collections.abc import Iterator

import pytest

from goniec.observe import log
from tests.core.build import NOW, happened
from tests.flow.workshop import Workshop, email, failing, ok


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged, as JSON."""
    stream = io.StringIO()
    log.configure("json", "info", stream)
    yield stream
    log.configure("console", "info")


async def test_each_attempt_has_one_wide_line(shop: Workshop, written: io.StringIO) -> None:
    await shop.endpoint(url="https://crm.example/secret-path?token=secret", policy={"schedule": [60]})
    await shop.rule(actions=[{"type": "webhook", "endpointId": "end_1"}])
    shop.sender.script = lambda _: failing(503, millis=12)
    await shop.record(email("jan@example.pl", happenings=(happened(url="https://shop.example"),)))
    await shop.settle()
    shop.clock.at += 60_000
    shop.sender.script = ok
    await shop.poll()
    await shop.settle()
    (delivery,) = await shop.deliveries()
    lines = [one for one in map(json.loads, written.getvalue().splitlines()) if one["event"] == "attempt"]
    told = {
        "trace": None,
        "level": "info",
        "event": "attempt",
        "delivery": delivery.id,
        "endpoint": "end_1",
        "host": "crm.example",
    }
    first, second = ({name: one[name] for name in one if name != "at"} for one in lines)
    assert first == {
        **told, "number": 1, "status": 503, "failure": "serverError", "millis": 12, "outcome": "pending",
        "due": first["due"], "since_event": 0,
    }  # fmt: skip
    assert first["due"].endswith("Z")
    assert second == {
        **told, "number": 2, "status": 200, "failure": None, "millis": 3, "outcome": "delivered", "due": None,
        "since_event": shop.clock.at - NOW,
    }  # fmt: skip
    assert "secret" not in written.getvalue()
    assert "jan@example.pl" not in written.getvalue()
