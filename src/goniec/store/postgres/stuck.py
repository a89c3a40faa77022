"""Deliveries that nothing would ever move."""

from goniec.ports import Stuck
from goniec.store.postgres.sql import Db, fetch, fetch_slowly
from goniec.store.stuck import NOWHERE, STATEMENTS


async def stuck(db: Db) -> list[Stuck]:
    """What is stuck, by how and endpoint."""
    return [Stuck(how, *row) for how, sql in STATEMENTS for row in await fetch_slowly(db, sql)]


async def homeless(db: Db) -> list[str]:
    """Endpoints that something waits for and that are not there."""
    return [id for (id,) in await fetch(db, NOWHERE)]
