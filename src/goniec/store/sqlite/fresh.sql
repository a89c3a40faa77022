CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 0001

CREATE TABLE answers (
    "key" TEXT NOT NULL,
    digest BLOB NOT NULL,
    status INTEGER NOT NULL,
    headers BLOB NOT NULL,
    body BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY ("key")
)
 STRICT;

CREATE INDEX ix_answers_at ON answers (at);

CREATE TABLE api_keys (
    id TEXT NOT NULL,
    digest BLOB NOT NULL,
    doc BLOB NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (digest)
)
 STRICT;

CREATE TABLE attempts (
    delivery_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    millis INTEGER NOT NULL,
    status INTEGER,
    failure TEXT,
    detail TEXT NOT NULL,
    address TEXT,
    head BLOB NOT NULL,
    body BLOB NOT NULL,
    note TEXT,
    resend INTEGER NOT NULL,
    PRIMARY KEY (delivery_id, number)
)
 STRICT;

CREATE TABLE contact_tags (
    tag TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    PRIMARY KEY (tag, contact_id)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE contact_texts (
    contact_id TEXT NOT NULL,
    folded TEXT NOT NULL,
    PRIMARY KEY (contact_id)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE contacts (
    id TEXT NOT NULL,
    doc BLOB NOT NULL,
    PRIMARY KEY (id)
)
 STRICT;

CREATE TABLE counters (
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (name)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE dedup (
    "key" BLOB NOT NULL,
    digest BLOB NOT NULL,
    event_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY ("key")
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX ix_dedup_at ON dedup (at);

CREATE TABLE deliveries (
    id TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    rule_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    seq INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    counted INTEGER NOT NULL,
    refusals INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    first_at INTEGER,
    last_at INTEGER,
    delivered_at INTEGER,
    aside INTEGER NOT NULL,
    test INTEGER NOT NULL,
    resend INTEGER NOT NULL,
    body BLOB NOT NULL,
    body_sha256 BLOB,
    PRIMARY KEY (id)
)
 STRICT;

CREATE INDEX ix_deliveries_endpoint_id ON deliveries (endpoint_id, id);

CREATE INDEX ix_deliveries_rare ON deliveries (status, id) WHERE status IN ('held', 'failed', 'cancelled');

CREATE INDEX ix_deliveries_tests ON deliveries (rule_id, id) WHERE test = 1;

CREATE TABLE endpoints (
    id TEXT NOT NULL,
    identity TEXT NOT NULL,
    held_until INTEGER,
    doc BLOB NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (identity)
)
 STRICT;

CREATE TABLE erasures (
    contact_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    last_event TEXT,
    PRIMARY KEY (contact_id)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE events (
    id TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    type TEXT NOT NULL,
    seq INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    previous TEXT,
    doc BLOB NOT NULL,
    misses BLOB,
    PRIMARY KEY (id)
)
 STRICT;

CREATE TABLE funnels (
    id TEXT NOT NULL,
    doc BLOB NOT NULL,
    PRIMARY KEY (id)
)
 STRICT;

CREATE TABLE identity_keys (
    "key" TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    PRIMARY KEY ("key")
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX ix_identity_keys_contact_id ON identity_keys (contact_id);

CREATE TABLE marks (
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (name)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE merged (
    gone TEXT NOT NULL,
    kept TEXT NOT NULL,
    last_event TEXT,
    PRIMARY KEY (gone)
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX ix_merged_kept ON merged (kept);

CREATE TABLE names (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (kind, name)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE phones (
    number TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    PRIMARY KEY (number, contact_id)
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX ix_phones_contact_id ON phones (contact_id);

CREATE TABLE quarantine (
    id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (id)
)
 STRICT;

CREATE TABLE queue (
    delivery_id TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    lane INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    PRIMARY KEY (delivery_id)
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX ix_queue_due ON queue (endpoint_id, due_at);

CREATE INDEX ix_queue_lane ON queue (endpoint_id, contact_id, delivery_id) WHERE lane = 1;

CREATE TABLE rule_versions (
    rule_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    doc BLOB NOT NULL,
    PRIMARY KEY (rule_id, version)
)
 STRICT;

CREATE TABLE rules (
    id TEXT NOT NULL,
    position INTEGER NOT NULL,
    doc BLOB NOT NULL,
    PRIMARY KEY (id)
)
 STRICT;

CREATE TABLE runs (
    id TEXT NOT NULL,
    rule_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    contact_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    doc BLOB NOT NULL,
    PRIMARY KEY (id)
)
 WITHOUT ROWID,
 STRICT;

CREATE INDEX ix_runs_rule_id ON runs (rule_id, id);

CREATE TABLE totals (
    name TEXT NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (name)
)
 WITHOUT ROWID,
 STRICT;

INSERT INTO alembic_version (version_num) VALUES ('0001') RETURNING version_num;

-- Running upgrade 0001 -> 0002

CREATE TABLE users (
    id TEXT NOT NULL,
    email TEXT NOT NULL,
    doc BLOB NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (email)
)
 STRICT;

CREATE TABLE sessions (
    digest BLOB NOT NULL,
    user_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    doc BLOB NOT NULL,
    PRIMARY KEY (digest)
)
 STRICT;

CREATE INDEX ix_sessions_user_id ON sessions (user_id);

CREATE INDEX ix_sessions_expires_at ON sessions (expires_at);

UPDATE alembic_version SET version_num='0002' WHERE alembic_version.version_num = '0001';

