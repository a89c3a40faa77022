"""The stores that have to pass: each backend opens an empty one. Another backend adds itself to `BACKENDS`, and nothing else."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from goniec.ports import Store
from goniec.store import postgres as postgres_rooms
from goniec.store.address import Postgres
from goniec.store.sqlite import open_store
from tests.contract.store.scribe import Scribe
from tests.postgres import used

Opening = Callable[[Path], AbstractAsyncContextManager[Store]]


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[Store]:
    """A fresh file."""
    store = open_store(folder / "goniec.db", server=True, durable=False)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def postgres(_folder: Path) -> AsyncIterator[Store]:
    """An empty database on the tests' server."""
    async with used() as url:
        store = postgres_rooms.open_store(Postgres(url), server=True)
        try:
            yield store
        finally:
            await store.close()


BACKENDS: Final[dict[str, Opening]] = {"sqlite": sqlite, "postgres": postgres}


@pytest.fixture(params=list(BACKENDS.values()), ids=list(BACKENDS))
def opening(request: pytest.FixtureRequest) -> Opening:
    """How to open an empty store, for tests that need more than one."""
    chosen: Opening = request.param
    return chosen


@pytest.fixture
async def store(opening: Opening, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    async with opening(tmp_path) as opened:
        yield opened


@pytest.fixture
def scribe(store: Store) -> Scribe:
    """Somebody who writes things down in it."""
    return Scribe(store)
