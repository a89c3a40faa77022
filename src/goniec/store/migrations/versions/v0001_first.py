"""The first schema."""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
COUNT: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
SMALL: Final = sa.SmallInteger().with_variant(sa.Integer(), "sqlite")
FLAG: Final = sa.Boolean().with_variant(sa.Integer(), "sqlite")
CLUSTERED: Final[dict[str, Any]] = {"sqlite_strict": True, "sqlite_with_rowid": False}
HEAP: Final[dict[str, Any]] = {"sqlite_strict": True}


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "answers",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("status", SMALL, nullable=False),
        sa.Column("headers", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at", COUNT, nullable=False),
        sa.PrimaryKeyConstraint("key"),
        **HEAP,
    )
    op.create_index("ix_answers_at", "answers", ["at"], unique=False)
    op.create_table(
        "api_keys",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("doc", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
        **HEAP,
    )
    op.create_table(
        "attempts",
        sa.Column("delivery_id", TEXT, nullable=False),
        sa.Column("number", COUNT, autoincrement=False, nullable=False),
        sa.Column("at", COUNT, nullable=False),
        sa.Column("millis", COUNT, nullable=False),
        sa.Column("status", SMALL, nullable=True),
        sa.Column("failure", TEXT, nullable=True),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("address", TEXT, nullable=True),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("note", TEXT, nullable=True),
        sa.Column("resend", FLAG, nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", "number"),
        **HEAP,
    )
    op.create_table(
        "contact_tags",
        sa.Column("tag", TEXT, nullable=False),
        sa.Column("contact_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("tag", "contact_id"),
        **CLUSTERED,
    )
    op.create_table(
        "contact_texts",
        sa.Column("contact_id", TEXT, nullable=False),
        sa.Column(
            "folded",
            TEXT,
            nullable=False,
            comment="e-mail, phone, name, company, externalId, case folded, one a line",
        ),
        sa.PrimaryKeyConstraint("contact_id"),
        **CLUSTERED,
    )
    op.create_table(
        "contacts",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("doc", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **HEAP,
    )
    op.create_table(
        "counters",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("value", COUNT, nullable=False),
        sa.PrimaryKeyConstraint("name"),
        **CLUSTERED,
    )
    op.create_table(
        "dedup",
        sa.Column(
            "key", sa.LargeBinary(), nullable=False, comment="a digest: callers put names and addresses into their keys"
        ),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("event_id", TEXT, nullable=False),
        sa.Column("at", COUNT, nullable=False),
        sa.PrimaryKeyConstraint("key"),
        **CLUSTERED,
    )
    op.create_index("ix_dedup_at", "dedup", ["at"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("endpoint_id", TEXT, nullable=False),
        sa.Column("contact_id", TEXT, nullable=False),
        sa.Column("rule_id", TEXT, nullable=False),
        sa.Column("event_type", TEXT, nullable=False),
        sa.Column("seq", COUNT, nullable=False),
        sa.Column("created_at", COUNT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("counted", COUNT, nullable=False),
        sa.Column("refusals", COUNT, nullable=False),
        sa.Column("attempts", COUNT, nullable=False, comment="the number of the last attempt"),
        sa.Column("first_at", COUNT, nullable=True),
        sa.Column("last_at", COUNT, nullable=True),
        sa.Column("delivered_at", COUNT, nullable=True),
        sa.Column("aside", FLAG, nullable=False),
        sa.Column("test", FLAG, nullable=False),
        sa.Column("resend", FLAG, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("body_sha256", sa.LargeBinary(), nullable=True, comment="kept when the body is erased, else null"),
        sa.PrimaryKeyConstraint("id"),
        **HEAP,
    )
    op.create_index("ix_deliveries_endpoint_id", "deliveries", ["endpoint_id", "id"], unique=False)
    op.create_index(
        "ix_deliveries_rare",
        "deliveries",
        ["status", "id"],
        unique=False,
        sqlite_where=sa.text("status IN ('held', 'failed', 'cancelled')"),
        postgresql_where=sa.text("status IN ('held', 'failed', 'cancelled')"),
    )
    op.create_index(
        "ix_deliveries_tests",
        "deliveries",
        ["rule_id", "id"],
        unique=False,
        sqlite_where=sa.text("test = 1"),
        postgresql_where=sa.text("test"),
    )
    op.create_table(
        "endpoints",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("identity", TEXT, nullable=False, comment="URL and user name, as a JSON array"),
        sa.Column("held_until", COUNT, nullable=True),
        sa.Column("doc", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("identity"),
        **HEAP,
    )
    op.create_table(
        "erasures",
        sa.Column("contact_id", TEXT, nullable=False),
        sa.Column("at", COUNT, nullable=False),
        sa.Column("last_event", TEXT, nullable=True, comment="the head of the chain of emptied events"),
        sa.PrimaryKeyConstraint("contact_id"),
        **CLUSTERED,
    )
    op.create_table(
        "events",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("contact_id", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("seq", COUNT, nullable=False),
        sa.Column("occurred_at", COUNT, nullable=False),
        sa.Column("received_at", COUNT, nullable=False),
        sa.Column("previous", TEXT, nullable=True, comment="the contact's event before this one"),
        sa.Column("doc", sa.LargeBinary(), nullable=False, comment="source, data, cause, ancestors, dedupKey"),
        sa.Column("misses", sa.LargeBinary(), nullable=True, comment="the evaluations that did not fire"),
        sa.PrimaryKeyConstraint("id"),
        **HEAP,
    )
    op.create_table(
        "funnels",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("doc", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **HEAP,
    )
    op.create_table(
        "identity_keys",
        sa.Column("key", TEXT, nullable=False),
        sa.Column("contact_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key"),
        **CLUSTERED,
    )
    op.create_index("ix_identity_keys_contact_id", "identity_keys", ["contact_id"], unique=False)
    op.create_table(
        "marks",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
        **CLUSTERED,
    )
    op.create_table(
        "merged",
        sa.Column("gone", TEXT, nullable=False),
        sa.Column("kept", TEXT, nullable=False),
        sa.Column("last_event", TEXT, nullable=True, comment="the head of the gone contact's own chain"),
        sa.PrimaryKeyConstraint("gone"),
        **CLUSTERED,
    )
    op.create_index("ix_merged_kept", "merged", ["kept"], unique=False)
    op.create_table(
        "names",
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "name"),
        **CLUSTERED,
    )
    op.create_table(
        "phones",
        sa.Column("number", TEXT, nullable=False),
        sa.Column("contact_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number", "contact_id"),
        **CLUSTERED,
    )
    op.create_index("ix_phones_contact_id", "phones", ["contact_id"], unique=False)
    op.create_table(
        "quarantine",
        sa.Column("id", COUNT, nullable=False),
        sa.Column("at", COUNT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **HEAP,
    )
    op.create_table(
        "queue",
        sa.Column("delivery_id", TEXT, nullable=False),
        sa.Column("endpoint_id", TEXT, nullable=False),
        sa.Column("contact_id", TEXT, nullable=False),
        sa.Column("lane", FLAG, nullable=False, comment="false once it has stepped aside"),
        sa.Column("due_at", COUNT, nullable=False),
        sa.PrimaryKeyConstraint("delivery_id"),
        **CLUSTERED,
    )
    op.create_index("ix_queue_due", "queue", ["endpoint_id", "due_at"], unique=False)
    op.create_index(
        "ix_queue_lane",
        "queue",
        ["endpoint_id", "contact_id", "delivery_id"],
        unique=False,
        sqlite_where=sa.text("lane = 1"),
        postgresql_where=sa.text("lane"),
    )
    op.create_table(
        "rule_versions",
        sa.Column("rule_id", TEXT, nullable=False),
        sa.Column("version", COUNT, autoincrement=False, nullable=False),
        sa.Column("doc", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("rule_id", "version"),
        **HEAP,
    )
    op.create_table(
        "rules",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("position", COUNT, nullable=False),
        sa.Column("doc", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        **HEAP,
    )
    op.create_table(
        "runs",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("rule_id", TEXT, nullable=False),
        sa.Column("version", COUNT, nullable=False),
        sa.Column("contact_id", TEXT, nullable=False),
        sa.Column("at", COUNT, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("doc", sa.LargeBinary(), nullable=False, comment="trace, detail, deliveries"),
        sa.PrimaryKeyConstraint("id"),
        **CLUSTERED,
    )
    op.create_index("ix_runs_rule_id", "runs", ["rule_id", "id"], unique=False)
    op.create_table(
        "totals",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("value", COUNT, nullable=False),
        sa.PrimaryKeyConstraint("name"),
        **CLUSTERED,
    )
