"""A Goniec, and people who may sign in to it."""

from collections.abc import AsyncIterator

import pytest

from tests.e2e.engine import Engine
from tests.e2e.panel.client import SignIn, people


@pytest.fixture
async def sign_in(engine: Engine) -> AsyncIterator[SignIn]:
    """Give what signs somebody in with a role."""
    async with people(engine) as found:
        yield found
