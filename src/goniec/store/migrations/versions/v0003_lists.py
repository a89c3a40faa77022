"""What lists and charts need: sums by the hour, the last failure of a delivery, contacts by state, stage and text."""

from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TEXT: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
COUNT: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CLUSTERED: Final[dict[str, Any]] = {"sqlite_strict": True, "sqlite_with_rowid": False}
RARE: Final = sa.text("status IN ('held', 'failed', 'cancelled') OR failure IS NOT NULL")
FIGURES: Final = (
    "events",
    "runs",
    "made",
    "delivered",
    "failed",
    "cancelled",
    "attempts",
    "failed_attempts",
    "waited",
)

Kinds: TypeAlias = tuple[str, ...]
ALL: Final = ("", "rule", "endpoint")
PARTS: Final[tuple[tuple[Kinds, str, dict[str, str], str], ...]] = (
    (("",), "received_at", {"events": "1"}, "events"),
    (("", "rule"), "at", {"runs": "1"}, "runs WHERE outcome IN ('fired', 'firedOtherwise')"),
    (ALL, "created_at", {"made": "1"}, "deliveries WHERE NOT test"),
    (
        ALL,
        "delivered_at",
        {"delivered": "1", "waited": "delivered_at - created_at"},
        "deliveries WHERE NOT test AND delivered_at IS NOT NULL",
    ),
    *(
        (ALL, "coalesce(last_at, created_at)", {status: "1"}, f"deliveries WHERE NOT test AND status = '{status}'")
        for status in ("failed", "cancelled")
    ),
    (
        ("", "endpoint"),
        "a.at",
        {"attempts": "1", "failed_attempts": "CASE WHEN a.failure IS NULL THEN 0 ELSE 1 END"},
        "attempts a JOIN deliveries d ON d.id = a.delivery_id WHERE NOT d.test",
    ),
)
"""Of which kinds something is counted, when it happened, what it adds, and where it is found."""


def upgrade() -> None:
    """Make and change the tables, and fill them from the rows that are there."""
    _make_sums()
    _fill_sums()
    _add_failure()
    _order_lists()
    _index_contacts()


def _make_sums() -> None:
    op.create_table(
        "sums",
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("hour", COUNT, autoincrement=False, nullable=False, comment="since 1970, UTC"),
        sa.Column("subject", TEXT, nullable=False),
        *(
            sa.Column(name, COUNT, nullable=False, comment="milliseconds" if name == "waited" else None)
            for name in FIGURES
        ),
        sa.PrimaryKeyConstraint("kind", "hour", "subject"),
        **CLUSTERED,
    )


def _fill_sums() -> None:
    """When a delivery was given up or called off is told by its last attempt; how long each took is left out."""
    for kind, subject in (("", "''"), ("rule", "rule_id"), ("endpoint", "endpoint_id")):
        op.execute(
            f"INSERT INTO sums (kind, hour, subject, {', '.join(FIGURES)})\n"
            f"SELECT '{kind}', at / 3600000, {subject}, {', '.join(f'sum({name})' for name in FIGURES)}\nFROM (\n"
            + "\nUNION ALL\n".join(_part(kind, *part) for part in PARTS if kind in part[0])
            + f"\n) AS happened GROUP BY at / 3600000{', ' + subject if kind else ''}"
        )


def _part(kind: str, _: Kinds, at: str, figures: dict[str, str], source: str) -> str:
    subject = {"": "", "rule": " rule_id,", "endpoint": " endpoint_id,"}[kind]
    columns = ", ".join(f"{figures.get(name, '0')} AS {name}" for name in FIGURES)
    return f"SELECT {at} AS at,{subject} {columns} FROM {source}"


def _add_failure() -> None:
    op.add_column(
        "deliveries",
        sa.Column("failure", TEXT, comment="of the last attempt; null when it went well, or none was made"),
    )
    op.execute(
        "UPDATE deliveries SET failure = (SELECT a.failure FROM attempts a"
        " WHERE a.delivery_id = deliveries.id AND a.number = deliveries.attempts)"
        " WHERE attempts > 1 OR (attempts > 0 AND status <> 'delivered')"
    )
    op.drop_index("ix_deliveries_rare", "deliveries")
    op.drop_index("ix_deliveries_tests", "deliveries")
    for name, columns in (("", ()), ("_endpoint", ("endpoint_id",)), ("_rule", ("rule_id",))):
        op.create_index(
            f"ix_deliveries_rare{name}",
            "deliveries",
            [*columns, "status", "failure", "id"],
            unique=False,
            sqlite_where=RARE,
            postgresql_where=RARE,
        )
    for name in ("rule", "contact"):
        op.create_index(
            f"ix_deliveries_tests_{name}",
            "deliveries",
            [f"{name}_id", "id"],
            unique=False,
            sqlite_where=sa.text("test = 1"),
            postgresql_where=sa.text("test"),
        )


def _order_lists() -> None:
    # ids of a database that is there may run ahead of its clock, by how much nobody has noted
    op.execute(
        "INSERT INTO counters (name, value) SELECT 'ahead', 86400000 FROM (SELECT 1) AS one"
        " WHERE EXISTS (SELECT 1 FROM events)"
    )
    op.create_index(
        "ix_events_type",
        "events",
        ["type", "id"],
        unique=False,
        sqlite_where=sa.text("type <> 'page.visited'"),
        postgresql_where=sa.text("type <> 'page.visited'"),
    )
    op.drop_index("ix_runs_rule_id", "runs")
    op.create_index("ix_runs_rule_outcome", "runs", ["rule_id", "outcome", "id"], unique=False)


def _index_contacts() -> None:
    op.create_table(
        "contact_facets",
        sa.Column("kind", TEXT, nullable=False, comment="state, stage"),
        sa.Column(
            "value",
            TEXT,
            nullable=False,
            comment="the state unless it is unknown; funnel and stage, as a JSON array",
        ),
        sa.Column("contact_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", "contact_id"),
        **CLUSTERED,
    )
    op.add_column(
        "contact_texts",
        sa.Column("n", COUNT, comment="its number in the index of trigrams, null until it is in there"),
    )
    op.create_index(
        "ix_contact_texts_n",
        "contact_texts",
        ["n"],
        unique=True,
        sqlite_where=sa.text("n IS NOT NULL"),
        postgresql_where=sa.text("n IS NOT NULL"),
    )
    op.create_index(
        "ix_contact_texts_new",
        "contact_texts",
        ["contact_id"],
        unique=False,
        sqlite_where=sa.text("n IS NULL"),
        postgresql_where=sa.text("n IS NULL"),
    )
    if op.get_context().dialect.name == "sqlite":
        _index_texts_of_sqlite()


def _index_texts_of_sqlite() -> None:
    """An index that other databases have as an extension of their own; upkeep fills it."""
    op.execute(
        "CREATE VIRTUAL TABLE contact_trigrams USING fts5("
        "folded, content='', detail=none, columnsize=0, tokenize='trigram case_sensitive 1')"
    )
    # what is taken out is to be gone, and merging waits for upkeep, which does it in bites
    for option, value in (("secure-delete", 1), ("automerge", 0)):
        op.execute(f"INSERT INTO contact_trigrams (contact_trigrams, rank) VALUES ('{option}', {value})")
    op.execute(
        "INSERT INTO contact_facets (kind, value, contact_id)"
        " SELECT 'state', json_extract(CAST(doc AS TEXT), '$.state'), id FROM contacts"
        " WHERE json_extract(CAST(doc AS TEXT), '$.state') IS NOT NULL"
        " UNION ALL"
        " SELECT 'stage', json_array(s.key, json_extract(s.value, '$[0]')), c.id"
        " FROM contacts c CROSS JOIN json_each(CAST(c.doc AS TEXT), '$.stages') s"
    )
