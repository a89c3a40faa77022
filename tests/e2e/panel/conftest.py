"""A Goniec, people who may sign in to it, and a browser."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser

from tests.conftest import SKIP
from tests.e2e.engine import Engine
from tests.e2e.panel.browser import chromium, executable
from tests.e2e.panel.client import SignIn, people


@pytest.fixture
async def sign_in(engine: Engine) -> AsyncIterator[SignIn]:
    """Give what signs somebody in with a role."""
    async with people(engine) as found:
        yield found


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Give a Chromium; without one the test fails, unless SKIP names the browser."""
    if "browser" in SKIP:
        pytest.skip("SKIP=browser")
    assert executable(), (
        "no Chromium: apt-get install chromium, or CHROMIUM=/path/to/it; make test SKIP=browser goes without"
    )
    async with chromium() as found:
        yield found
