"""Who owns what, so that several processes can work on one database."""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

TEXT: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
COUNT: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CLUSTERED: Final[dict[str, Any]] = {"sqlite_strict": True, "sqlite_with_rowid": False}


def upgrade() -> None:
    """Make the table; nobody owns anything yet."""
    op.create_table(
        "leases",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False, comment="empty: nobody"),
        sa.Column("epoch", COUNT, nullable=False),
        sa.Column("until", COUNT, nullable=False),
        sa.PrimaryKeyConstraint("name"),
        **CLUSTERED,
    )
