"""The workshop, opened and closed around each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow.workshop import Workshop, workshop


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Workshop]:
    """The whole flow with one endpoint `end_1`."""
    async with workshop(tmp_path) as opened:
        await opened.endpoint()
        yield opened
