"""A whole Goniec around each test that asks for it, or a database for several of them; and a browser."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.conftest import SKIP
from tests.e2e.engine import Engine
from tests.e2e.engine import engine as running
from tests.e2e.panel.browser import chromium, executable
from tests.postgres import database


@pytest.fixture
def kind() -> str:
    """Which store it is on; where the other one has a part in it, a test names both."""
    return "sqlite"


@pytest.fixture
async def engine(tmp_path: Path, kind: str) -> AsyncIterator[Engine]:
    """A Goniec on a fresh folder, or an empty database."""
    if kind == "sqlite":
        async with running(tmp_path) as one:
            yield one
    else:
        async with database(empty=True) as url, running(tmp_path, database=url, secret_key="k" * 32) as one:
            yield one


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """An empty database on PostgreSQL."""
    async with database(empty=True) as made:
        yield made


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
