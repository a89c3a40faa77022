"""The application, opened and closed around each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.api.client import Api
from tests.e2e.api.client import api as opened


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """The whole API on a fresh store."""
    async with opened(tmp_path) as one:
        yield one
