"""An endpoint as others may see it."""

import pytest
from msgspec.structs import replace

from goniec.core.breaker import Breaker
from goniec.core.endpoint import Endpoint, next_probe


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://crm.example/hook?key=secret", "crm.example"),
        ("http://crm.example:8080/", "crm.example:8080"),
        ("http://[::1]:8080/a://b", "[::1]:8080"),
        ("inbox:", "inbox:"),
        ("inbox:crm", "inbox:crm"),
    ],
)
def test_an_endpoint_is_named_by_its_host(url: str, host: str) -> None:
    assert Endpoint(id="end_1", version=1, url=url, secret=b"", created_at=0, updated_at=0).host == host


def test_an_endpoint_is_asked_next_when_its_probe_is_due_and_it_has_not_asked_for_a_break() -> None:
    one = Endpoint(id="end_1", version=1, url="inbox:", secret=b"", created_at=0, updated_at=0)
    assert next_probe(one) is None
    assert next_probe(replace(one, breaker=Breaker(opened_at=1, probe_at=7))) == 7
    assert next_probe(replace(one, breaker=Breaker(opened_at=1, probe_at=7), held_until=9)) == 9
