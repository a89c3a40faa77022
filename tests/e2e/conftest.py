"""A whole Goniec around each test that asks for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.engine import Engine
from tests.e2e.engine import engine as running


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """A Goniec on a fresh folder."""
    async with running(tmp_path) as one:
        yield one
