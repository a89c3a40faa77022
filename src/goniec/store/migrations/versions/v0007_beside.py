"""Rows of their own for what each of several processes adds to the ledger.

An older release beside this one adds to the tables that it knows, as the first process does, and shows only these.
"""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

TEXT: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
COUNT: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CLUSTERED: Final[dict[str, Any]] = {"sqlite_strict": True, "sqlite_with_rowid": False}
STATUSES: Final = ("pending", "held", "delivered", "failed", "cancelled")
SUMS: Final = (
    *("events", "runs", "made", "delivered", "failed", "cancelled"),
    *("attempts", "failed_attempts", "waited"),
)


def upgrade() -> None:
    """Make the tables; nobody has added to them yet."""
    _make("totals", {"name": TEXT}, ("value",))
    _make("sums", {"kind": TEXT, "hour": COUNT, "subject": TEXT}, SUMS)
    _make("balances", {"kind": TEXT, "subject": TEXT}, ("made", *STATUSES))


def _make(table: str, key: dict[str, Any], figures: tuple[str, ...]) -> None:
    columns = {**key, "slot": COUNT}
    op.create_table(
        f"{table}_beside",
        *(sa.Column(name, kind, nullable=False) for name, kind in columns.items()),
        *(sa.Column(name, COUNT, nullable=False) for name in figures),
        sa.PrimaryKeyConstraint(*columns),
        **CLUSTERED,
    )
