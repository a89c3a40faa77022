"""Deliveries that nothing would ever move."""

from goniec.ports import Stuck
from goniec.store.postgres.sql import Db, fetch_slowly
from goniec.store.stuck import STATEMENTS


async def stuck(db: Db) -> list[Stuck]:
    """What is stuck, by how and endpoint."""
    return [Stuck(how, *row) for how, sql in STATEMENTS for row in await fetch_slowly(db, sql)]
