"""Deliveries that nothing would ever move."""

import apsw

from goniec.ports import Stuck
from goniec.store.sqlite.sql import fetch
from goniec.store.stuck import NOWHERE, STATEMENTS


def stuck(db: apsw.Connection) -> list[Stuck]:
    """What is stuck, by how and endpoint."""
    return [Stuck(how, *row) for how, sql in STATEMENTS for row in fetch(db, sql)]


def homeless(db: apsw.Connection) -> list[str]:
    """Endpoints that something waits for and that are not there."""
    return [id for (id,) in fetch(db, NOWHERE)]
