"""The workshop, opened and closed around each test, on each of the stores."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.flow.workshop import STORES, Opening, Workshop, workshop


@pytest.fixture(params=list(STORES.values()), ids=list(STORES))
def opening(request: pytest.FixtureRequest) -> Opening:
    """How to open an empty store."""
    chosen: Opening = request.param
    return chosen


@pytest.fixture
async def shop(opening: Opening, tmp_path: Path) -> AsyncIterator[Workshop]:
    """The whole flow with one endpoint `end_1`."""
    async with workshop(tmp_path, opening) as opened:
        await opened.endpoint()
        yield opened
