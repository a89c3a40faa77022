"""Messages, which rules send by mail."""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

TEXT: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
HEAP: Final[dict[str, Any]] = {"sqlite_strict": True}


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "messages",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("doc", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **HEAP,
    )
