"""How an endpoint is doing, kept across restarts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Give endpoints a place for it."""
    op.add_column(
        "endpoints", sa.Column("breaker", sa.LargeBinary(), comment="how it was doing when that was last noted")
    )
