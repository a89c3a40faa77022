"""Deliveries that nothing would ever move: what only a fault, or a hand in the tables, can leave behind.

The statements are the same for every database; each gives endpoints with how many there are, and the id of one. Called
by the queries of each store, for `goniec doctor`; what is homeless, `upkeep` looks for as well.
"""

from typing import Final, Literal

from goniec.store.rows import BEHIND

UNQUEUED: Final = (
    "SELECT d.endpoint_id, count(*), min(d.id) FROM deliveries d WHERE d.status = 'pending'"
    " AND NOT EXISTS (SELECT 1 FROM queue q WHERE q.delivery_id = d.id) GROUP BY d.endpoint_id ORDER BY d.endpoint_id"
)
UNWANTED: Final = (
    "SELECT q.endpoint_id, count(*), min(q.delivery_id) FROM queue q LEFT JOIN deliveries d ON d.id = q.delivery_id"
    " WHERE d.id IS NULL OR d.status <> 'pending' GROUP BY q.endpoint_id ORDER BY q.endpoint_id"
)
HOMELESS: Final = (
    "SELECT q.endpoint_id, count(*), min(q.delivery_id) FROM queue q"
    " WHERE q.endpoint_id NOT IN (SELECT id FROM endpoints) GROUP BY q.endpoint_id ORDER BY q.endpoint_id"
)
HEADLESS: Final = (
    f"SELECT q.endpoint_id, count(*), min(q.delivery_id) FROM queue q WHERE q.lane AND q.due_at = {BEHIND}"
    " AND NOT EXISTS (SELECT 1 FROM queue p WHERE p.lane AND p.endpoint_id = q.endpoint_id"
    " AND p.contact_id = q.contact_id AND p.delivery_id < q.delivery_id) GROUP BY q.endpoint_id ORDER BY q.endpoint_id"
)

STATEMENTS: Final[tuple[tuple[Literal["unqueued", "unwanted", "homeless", "headless"], str], ...]] = (
    ("unqueued", UNQUEUED),
    ("unwanted", UNWANTED),
    ("homeless", HOMELESS),
    ("headless", HEADLESS),
)
"""By what a `Stuck` calls it."""

NOWHERE: Final = """
WITH RECURSIVE waiting (id) AS (
    SELECT min(endpoint_id) FROM queue
    UNION ALL
    SELECT (SELECT min(endpoint_id) FROM queue WHERE endpoint_id > waiting.id) FROM waiting WHERE waiting.id IS NOT NULL
)
SELECT id FROM waiting WHERE id IS NOT NULL AND id NOT IN (SELECT id FROM endpoints) ORDER BY id
"""
"""The endpoints of what is homeless, from one to the next through the index, however many deliveries each has."""
