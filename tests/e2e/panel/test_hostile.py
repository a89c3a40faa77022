"""Somebody signed in who does not use a browser: addresses and fields that no page of ours has."""

import re
from urllib.parse import unquote

import pytest

from tests.e2e.engine import Engine
from tests.e2e.panel.client import SignIn

ODD = ["%00", "%ff", "%ED%A0%80", "%0d%0aX-Evil:%20y", "%F0%9F%A6%84", "%D9%A3", "..%2f..", "a%20b", "%25", "x" * 4_000]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd[:12])
async def test_what_no_address_of_ours_names_is_not_there(engine: Engine, sign_in: SignIn, odd: str) -> None:
    ala = await sign_in("admin")
    for path in ("/rules/{}/test", "/deliveries/{}/resend", "/deliveries/{}/cancel", "/contacts/{}/erase"):
        sent = await ala.send(path.format(odd))
        assert sent.status in {303, 404}, path
        assert sent.location.isascii()
        assert sent.location.isprintable()
        assert "x-evil" not in sent.answer.headers
        if sent.status == 303 and "/" not in unquote(odd):
            assert (await ala.get(sent.location)).status == 404
    assert [line for line in engine.log() if line.get("level") == "error"] == []


@pytest.mark.parametrize("path", ["//evil.example", "///evil.example/x", "/%2fevil.example", "/%5cevil.example"])
async def test_no_address_makes_a_page_link_elsewhere(sign_in: SignIn, path: str) -> None:
    stranger = await sign_in(None)
    # a path that begins with two slashes has to be spelled out, or the client reads a host in it
    page = await stranger.get(str(stranger.http.base_url).rstrip("/") + path)
    assert page.status == 404
    links = [link for link in page.links if "evil" in link]
    assert links
    assert all(re.match(r"/(?![/\\])", link) for link in links), links
