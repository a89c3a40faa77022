"""An endpoint as others may see it."""

import pytest

from goniec.core.endpoint import Endpoint


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
