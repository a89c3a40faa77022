"""The index by which what is due is found has its whole order: of many with the same time a few are had at once.

A batch gives all its deliveries one time, and so does an endpoint that is back; without the id behind it PostgreSQL
reads and sorts all of a time to find the first.
"""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the index anew."""
    op.drop_index("ix_queue_due", "queue")
    op.create_index("ix_queue_due", "queue", ["endpoint_id", "due_at", "delivery_id"])
