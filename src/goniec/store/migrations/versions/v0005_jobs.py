"""Jobs on many deliveries, and how the deliveries of each endpoint and rule stand."""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

TEXT: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
COUNT: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CLUSTERED: Final[dict[str, Any]] = {"sqlite_strict": True, "sqlite_with_rowid": False}
HEAP: Final[dict[str, Any]] = {"sqlite_strict": True}
STATUSES: Final = ("pending", "held", "delivered", "failed", "cancelled")


def upgrade() -> None:
    """Make both tables, and count what is there."""
    op.create_table(
        "jobs",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("at", COUNT, nullable=False),
        sa.Column("running", TEXT, comment="what only one running job may have; null once it has ended"),
        sa.Column("doc", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **HEAP,
    )
    op.create_index("ix_jobs_running", "jobs", ["running"], unique=True)
    op.create_table(
        "balances",
        sa.Column("kind", TEXT, nullable=False, comment="endpoint, rule; pruned.endpoint, pruned.rule"),
        sa.Column("subject", TEXT, nullable=False),
        *(sa.Column(name, COUNT, nullable=False) for name in ("made", *STATUSES)),
        sa.PrimaryKeyConstraint("kind", "subject"),
        **CLUSTERED,
    )
    counts = ", ".join(f"sum(CASE WHEN status = '{status}' THEN 1 ELSE 0 END)" for status in STATUSES)
    for kind in ("endpoint", "rule"):
        op.execute(
            f"INSERT INTO balances (kind, subject, made, {', '.join(STATUSES)})"
            f" SELECT '{kind}', {kind}_id, count(*), {counts} FROM deliveries GROUP BY {kind}_id"
        )
