"""The tables, described once for every database that can hold them. This room only describes: it never connects.

Migrations are compared with it, and the fresh schema of SQLite is made from them, so all three say the same. The
statements on the way of an event are written by hand, per database, beside the code that runs them.

What is big (events, runs, deliveries, attempts) has keys that begin with the event's time-ordered id, so writing
appends and retention cuts ranges. There is no index by contact on any of them: each event names the contact's event
before it, and the contact row, written anyway, names the last. Documents are JSON, as compact as msgspec makes it.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    text,
)
from sqlalchemy import Text as AnyText

metadata: Final = MetaData()

Text: Final = AnyText().with_variant(AnyText(collation="C"), "postgresql")
"""Compared by its bytes, whatever the server's locale: ids are in the order in which they were made."""

# SQLite's STRICT tables know only these names for whole numbers
Millis: Final = BigInteger().with_variant(Integer(), "sqlite")
Count: Final = BigInteger().with_variant(Integer(), "sqlite")
Small: Final = SmallInteger().with_variant(Integer(), "sqlite")
Flag: Final = Boolean().with_variant(Integer(), "sqlite")

_CLUSTERED: Final[dict[str, Any]] = {"sqlite_strict": True, "sqlite_with_rowid": False}
"""Short rows: one tree, not two."""
_HEAP: Final[dict[str, Any]] = {"sqlite_strict": True}
"""Rows with documents of a kilobyte and more, which the tree of a key would put into pages of their own, one each."""


# --- contacts -------------------------------------------------------------------------------------------------------

contacts = Table(
    "contacts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("doc", LargeBinary, nullable=False),
    **_HEAP,
)

contact_texts = Table(
    "contact_texts",
    metadata,
    Column("contact_id", Text, primary_key=True),
    Column("folded", Text, nullable=False, comment="e-mail, phone, name, company, externalId, case folded, one a line"),
    Column("n", Count, comment="its number in the index of trigrams, null until it is in there"),
    Index(
        "ix_contact_texts_n",
        "n",
        unique=True,
        sqlite_where=text("n IS NOT NULL"),
        postgresql_where=text("n IS NOT NULL"),
    ),
    Index("ix_contact_texts_new", "contact_id", sqlite_where=text("n IS NULL"), postgresql_where=text("n IS NULL")),
    **_CLUSTERED,
)

identity_keys = Table(
    "identity_keys",
    metadata,
    Column("key", Text, primary_key=True),
    Column("contact_id", Text, nullable=False),
    Index("ix_identity_keys_contact_id", "contact_id"),
    **_CLUSTERED,
)

phones = Table(
    "phones",
    metadata,
    Column("number", Text, primary_key=True),
    Column("contact_id", Text, primary_key=True),
    Index("ix_phones_contact_id", "contact_id"),
    **_CLUSTERED,
)

contact_tags = Table(
    "contact_tags",
    metadata,
    Column("tag", Text, primary_key=True),
    Column("contact_id", Text, primary_key=True),
    **_CLUSTERED,
)

contact_facets = Table(
    "contact_facets",
    metadata,
    Column("kind", Text, primary_key=True, comment="state, stage"),
    Column(
        "value", Text, primary_key=True, comment="the state unless it is unknown; funnel and stage, as a JSON array"
    ),
    Column("contact_id", Text, primary_key=True),
    **_CLUSTERED,
)

merged = Table(
    "merged",
    metadata,
    Column("gone", Text, primary_key=True),
    Column("kept", Text, nullable=False),
    Column("last_event", Text, comment="the head of the gone contact's own chain"),
    Index("ix_merged_kept", "kept"),
    **_CLUSTERED,
)

erasures = Table(
    "erasures",
    metadata,
    Column("contact_id", Text, primary_key=True),
    Column("at", Millis, nullable=False),
    Column("last_event", Text, comment="the head of the chain of emptied events"),
    **_CLUSTERED,
)

# --- what happened --------------------------------------------------------------------------------------------------

events = Table(
    "events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("contact_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("seq", Count, nullable=False),
    Column("occurred_at", Millis, nullable=False),
    Column("received_at", Millis, nullable=False),
    Column("previous", Text, comment="the contact's event before this one"),
    Column("doc", LargeBinary, nullable=False, comment="source, data, cause, ancestors, dedupKey"),
    Column("misses", LargeBinary, comment="the evaluations that did not fire"),
    # reading on finds what is everywhere, and that is most of what is written
    Index(
        "ix_events_type",
        "type",
        "id",
        sqlite_where=text("type <> 'page.visited'"),
        postgresql_where=text("type <> 'page.visited'"),
    ),
    **_HEAP,
)

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("rule_id", Text, nullable=False),
    Column("version", Count, nullable=False),
    Column("contact_id", Text, nullable=False),
    Column("at", Millis, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("doc", LargeBinary, nullable=False, comment="trace, detail, deliveries"),
    Index("ix_runs_rule_outcome", "rule_id", "outcome", "id"),
    **_CLUSTERED,
)

_RARE: Final = text("status IN ('held', 'failed', 'cancelled') OR failure IS NOT NULL")
"""What somebody looks for among deliveries; pending ones stand in the queue, delivered ones are everywhere."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("endpoint_id", Text, nullable=False),
    Column("contact_id", Text, nullable=False),
    Column("rule_id", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("seq", Count, nullable=False),
    Column("created_at", Millis, nullable=False),
    Column("status", Text, nullable=False),
    Column("counted", Count, nullable=False),
    Column("refusals", Count, nullable=False),
    Column("attempts", Count, nullable=False, comment="the number of the last attempt"),
    Column("first_at", Millis),
    Column("last_at", Millis),
    Column("delivered_at", Millis),
    Column("aside", Flag, nullable=False),
    Column("test", Flag, nullable=False),
    Column("resend", Flag, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("body_sha256", LargeBinary, comment="kept when the body is erased, else null"),
    Column("failure", Text, comment="of the last attempt; null when it went well, or none was made"),
    Index("ix_deliveries_endpoint_id", "endpoint_id", "id"),
    *(
        Index(
            f"ix_deliveries_rare{name}", *columns, "status", "failure", "id", sqlite_where=_RARE, postgresql_where=_RARE
        )
        for name, columns in (("", ()), ("_endpoint", ("endpoint_id",)), ("_rule", ("rule_id",)))
    ),
    # those of rules and contacts are found by runs and events, but a test send has none
    *(
        Index(
            f"ix_deliveries_tests_{name}",
            f"{name}_id",
            "id",
            sqlite_where=text("test = 1"),
            postgresql_where=text("test"),
        )
        for name in ("rule", "contact")
    ),
    **_HEAP,
)

attempts = Table(
    "attempts",
    metadata,
    Column("delivery_id", Text, primary_key=True),
    Column("number", Count, primary_key=True, autoincrement=False),
    Column("at", Millis, nullable=False),
    Column("millis", Count, nullable=False),
    Column("status", Small),
    Column("failure", Text),
    Column("detail", Text, nullable=False),
    Column("address", Text),
    Column("head", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("note", Text),
    Column("resend", Flag, nullable=False),
    **_HEAP,
)

queue = Table(
    "queue",
    metadata,
    Column("delivery_id", Text, primary_key=True),
    Column("endpoint_id", Text, nullable=False),
    Column("contact_id", Text, nullable=False),
    Column("lane", Flag, nullable=False, comment="false once it has stepped aside"),
    Column("due_at", Millis, nullable=False),
    Index("ix_queue_due", "endpoint_id", "due_at", "delivery_id"),
    Index(
        "ix_queue_lane",
        "endpoint_id",
        "contact_id",
        "delivery_id",
        sqlite_where=text("lane = 1"),
        postgresql_where=text("lane"),
    ),
    **_CLUSTERED,
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", Millis, nullable=False),
    Column("running", Text, comment="what only one running job may have; null once it has ended"),
    Column("doc", LargeBinary, nullable=False),
    Index("ix_jobs_running", "running", unique=True),
    **_HEAP,
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False, comment="empty: nobody"),
    Column("epoch", Count, nullable=False),
    Column("until", Millis, nullable=False),
    **_CLUSTERED,
)
"""Who owns an endpoint or a duty. A row stays when it is let go, because its epoch only ever rises."""

# --- guards ---------------------------------------------------------------------------------------------------------

dedup = Table(
    "dedup",
    metadata,
    Column("key", LargeBinary, primary_key=True, comment="a digest: callers put names and addresses into their keys"),
    Column("digest", LargeBinary, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("at", Millis, nullable=False),
    Index("ix_dedup_at", "at"),
    **_CLUSTERED,
)

answers = Table(
    "answers",
    metadata,
    Column("key", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("status", Small, nullable=False),
    Column("headers", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("at", Millis, nullable=False),
    Index("ix_answers_at", "at"),
    **_HEAP,
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Count, primary_key=True),
    Column("at", Millis, nullable=False),
    Column("reason", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    **_HEAP,
)

# --- setup ----------------------------------------------------------------------------------------------------------

rules = Table(
    "rules",
    metadata,
    Column("id", Text, primary_key=True),
    Column("position", Count, nullable=False),
    Column("doc", LargeBinary, nullable=False),
    **_HEAP,
)

rule_versions = Table(
    "rule_versions",
    metadata,
    Column("rule_id", Text, primary_key=True),
    Column("version", Count, primary_key=True, autoincrement=False),
    Column("doc", LargeBinary, nullable=False),
    **_HEAP,
)

endpoints = Table(
    "endpoints",
    metadata,
    Column("id", Text, primary_key=True),
    Column("identity", Text, nullable=False, unique=True, comment="URL and user name, as a JSON array"),
    Column("held_until", Millis),
    Column("breaker", LargeBinary, comment="how it was doing when that was last noted"),
    Column("doc", LargeBinary, nullable=False),
    **_HEAP,
)

funnels = Table(
    "funnels",
    metadata,
    Column("id", Text, primary_key=True),
    Column("doc", LargeBinary, nullable=False),
    **_HEAP,
)

messages = Table(
    "messages",
    metadata,
    Column("id", Text, primary_key=True),
    Column("doc", LargeBinary, nullable=False),
    **_HEAP,
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("doc", LargeBinary, nullable=False),
    **_HEAP,
)

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False, unique=True, comment="in its compared form"),
    Column("doc", LargeBinary, nullable=False),
    **_HEAP,
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("expires_at", Millis, nullable=False),
    Column("doc", LargeBinary, nullable=False),
    Index("ix_sessions_user_id", "user_id"),
    Index("ix_sessions_expires_at", "expires_at"),
    **_HEAP,
)

names = Table(
    "names",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    **_CLUSTERED,
)

# --- the database about itself --------------------------------------------------------------------------------------

totals = Table(
    "totals",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Count, nullable=False),
    **_CLUSTERED,
)

sums = Table(
    "sums",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("hour", Count, primary_key=True, autoincrement=False, comment="since 1970, UTC"),
    Column("subject", Text, primary_key=True),
    Column("events", Count, nullable=False),
    Column("runs", Count, nullable=False),
    Column("made", Count, nullable=False),
    Column("delivered", Count, nullable=False),
    Column("failed", Count, nullable=False),
    Column("cancelled", Count, nullable=False),
    Column("attempts", Count, nullable=False),
    Column("failed_attempts", Count, nullable=False),
    Column("waited", Millis, nullable=False, comment="milliseconds"),
    **_CLUSTERED,
)
"""The rows of an hour lie together: that is where writing happens, and one scan reads all rules. One rule's hours are
as many look-ups."""

balances = Table(
    "balances",
    metadata,
    Column("kind", Text, primary_key=True, comment="endpoint, rule; pruned.endpoint, pruned.rule"),
    Column("subject", Text, primary_key=True),
    Column("made", Count, nullable=False),
    Column("pending", Count, nullable=False),
    Column("held", Count, nullable=False),
    Column("delivered", Count, nullable=False),
    Column("failed", Count, nullable=False),
    Column("cancelled", Count, nullable=False),
    **_CLUSTERED,
)
"""How the deliveries of each endpoint and rule stand, and beside them what retention took away, as it stood."""


def _beside(table: Table) -> Table:
    """The same figures, as processes beside the first have added them: each in rows of its own, by its slot.

    All add to the ledger with every commit, and in one row the second would wait until the first is on disk.
    """
    key, figures = [*table.primary_key.columns], [column for column in table.columns if not column.primary_key]
    return Table(
        f"{table.name}_beside",
        metadata,
        *(Column(column.name, column.type, primary_key=True, autoincrement=False) for column in key),
        Column("slot", Count, primary_key=True, autoincrement=False),
        *(Column(column.name, column.type, nullable=False) for column in figures),
        **_CLUSTERED,
    )


totals_beside: Final = _beside(totals)
sums_beside: Final = _beside(sums)
balances_beside: Final = _beside(balances)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Count, nullable=False),
    **_CLUSTERED,
)

marks = Table(
    "marks",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    **_CLUSTERED,
)
