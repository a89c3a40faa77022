"""The application, opened and closed around each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.api.client import Api
from tests.e2e.api.client import api as opened
from tests.flow.workshop import STORES, Opening


@pytest.fixture
def opening() -> Opening:
    """How to open an empty store; where the other one has a part in it, a test names both."""
    return STORES["sqlite"]


@pytest.fixture
async def api(tmp_path: Path, opening: Opening) -> AsyncIterator[Api]:
    """The whole API on a fresh store."""
    async with opened(tmp_path, opening) as one:
        yield one
