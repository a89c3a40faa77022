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

-- Running upgrade 0002 -> 0003

CREATE TABLE sums (
    kind TEXT NOT NULL,
    hour INTEGER NOT NULL,
    subject TEXT NOT NULL,
    events INTEGER NOT NULL,
    runs INTEGER NOT NULL,
    made INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    failed_attempts INTEGER NOT NULL,
    waited INTEGER NOT NULL,
    PRIMARY KEY (kind, hour, subject)
)
 WITHOUT ROWID,
 STRICT;

INSERT INTO sums (kind, hour, subject, events, runs, made, delivered, failed, cancelled, attempts, failed_attempts, waited)
SELECT '', at / 3600000, '', sum(events), sum(runs), sum(made), sum(delivered), sum(failed), sum(cancelled), sum(attempts), sum(failed_attempts), sum(waited)
FROM (
SELECT received_at AS at, 1 AS events, 0 AS runs, 0 AS made, 0 AS delivered, 0 AS failed, 0 AS cancelled, 0 AS attempts, 0 AS failed_attempts, 0 AS waited FROM events
UNION ALL
SELECT at AS at, 0 AS events, 1 AS runs, 0 AS made, 0 AS delivered, 0 AS failed, 0 AS cancelled, 0 AS attempts, 0 AS failed_attempts, 0 AS waited FROM runs WHERE outcome IN ('fired', 'firedOtherwise')
UNION ALL
SELECT created_at AS at, 0 AS events, 0 AS runs, 1 AS made, 0 AS delivered, 0 AS failed, 0 AS cancelled, 0 AS attempts, 0 AS failed_attempts, 0 AS waited FROM deliveries WHERE NOT test
UNION ALL
SELECT delivered_at AS at, 0 AS events, 0 AS runs, 0 AS made, 1 AS delivered, 0 AS failed, 0 AS cancelled, 0 AS attempts, 0 AS failed_attempts, delivered_at - created_at AS waited FROM deliveries WHERE NOT test AND delivered_at IS NOT NULL
UNION ALL
SELECT coalesce(last_at, created_at) AS at, 0 AS events, 0 AS runs, 0 AS made, 0 AS delivered, 1 AS failed, 0 AS cancelled, 0 AS attempts, 0 AS failed_attempts, 0 AS waited FROM deliveries WHERE NOT test AND status = 'failed'
UNION ALL
SELECT coalesce(last_at, created_at) AS at, 0 AS events, 0 AS runs, 0 AS made, 0 AS delivered, 0 AS failed, 1 AS cancelled, 0 AS attempts, 0 AS failed_attempts, 0 AS waited FROM deliveries WHERE NOT test AND status = 'cancelled'
UNION ALL
SELECT a.at AS at, 0 AS events, 0 AS runs, 0 AS made, 0 AS delivered, 0 AS failed, 0 AS cancelled, 1 AS attempts, CASE WHEN a.failure IS NULL THEN 0 ELSE 1 END AS failed_attempts, 0 AS waited FROM attempts a JOIN deliveries d ON d.id = a.delivery_id WHERE NOT d.test
) AS happened GROUP BY at / 3600000;

INSERT INTO sums (kind, hour, subject, events, runs, made, delivered, failed, cancelled, attempts, failed_attempts, waited)
SELECT 'rule', at / 3600000, rule_id, sum(events), sum(runs), sum(made), sum(delivered), sum(failed), sum(cancelled), sum(attempts), sum(failed_attempts), sum(waited)
FROM (
SELECT at AS at, rule_id, 0 AS events, 1 AS runs, 0 AS made, 0 AS delivered, 0 AS failed, 0 AS cancelled, 0 AS attempts, 0 AS failed_attempts, 0 AS waited FROM runs WHERE outcome IN ('fired', 'firedOtherwise')
UNION ALL
SELECT created_at AS at, rule_id, 0 AS events, 0 AS runs, 1 AS made, 0 AS delivered, 0 AS failed, 0 AS cancelled, 0 AS attempts, 0 AS failed_attempts, 0 AS waited FROM deliveries WHERE NOT test
UNION ALL
SELECT delivered_at AS at, rule_id, 0 AS events, 0 AS runs, 0 AS made, 1 AS delivered, 0 AS failed, 0 AS cancelled, 0 AS attempts, 0 AS failed_attempts, delivered_at - created_at AS waited FROM deliveries WHERE NOT test AND delivered_at IS NOT NULL
UNION ALL
SELECT coalesce(last_at, created_at) AS at, rule_id, 0 AS events, 0 AS runs, 0 AS made, 0 AS delivered, 1 AS failed, 0 AS cancelled, 0 AS attempts, 0 AS failed_attempts, 0 AS waited FROM deliveries WHERE NOT test AND status = 'failed'
UNION ALL
SELECT coalesce(last_at, created_at) AS at, rule_id, 0 AS events, 0 AS runs, 0 AS made, 0 AS delivered, 0 AS failed, 1 AS cancelled, 0 AS attempts, 0 AS failed_attempts, 0 AS waited FROM deliveries WHERE NOT test AND status = 'cancelled'
) AS happened GROUP BY at / 3600000, rule_id;

INSERT INTO sums (kind, hour, subject, events, runs, made, delivered, failed, cancelled, attempts, failed_attempts, waited)
SELECT 'endpoint', at / 3600000, endpoint_id, sum(events), sum(runs), sum(made), sum(delivered), sum(failed), sum(cancelled), sum(attempts), sum(failed_attempts), sum(waited)
FROM (
SELECT created_at AS at, endpoint_id, 0 AS events, 0 AS runs, 1 AS made, 0 AS delivered, 0 AS failed, 0 AS cancelled, 0 AS attempts, 0 AS failed_attempts, 0 AS waited FROM deliveries WHERE NOT test
UNION ALL
SELECT delivered_at AS at, endpoint_id, 0 AS events, 0 AS runs, 0 AS made, 1 AS delivered, 0 AS failed, 0 AS cancelled, 0 AS attempts, 0 AS failed_attempts, delivered_at - created_at AS waited FROM deliveries WHERE NOT test AND delivered_at IS NOT NULL
UNION ALL
SELECT coalesce(last_at, created_at) AS at, endpoint_id, 0 AS events, 0 AS runs, 0 AS made, 0 AS delivered, 1 AS failed, 0 AS cancelled, 0 AS attempts, 0 AS failed_attempts, 0 AS waited FROM deliveries WHERE NOT test AND status = 'failed'
UNION ALL
SELECT coalesce(last_at, created_at) AS at, endpoint_id, 0 AS events, 0 AS runs, 0 AS made, 0 AS delivered, 0 AS failed, 1 AS cancelled, 0 AS attempts, 0 AS failed_attempts, 0 AS waited FROM deliveries WHERE NOT test AND status = 'cancelled'
UNION ALL
SELECT a.at AS at, endpoint_id, 0 AS events, 0 AS runs, 0 AS made, 0 AS delivered, 0 AS failed, 0 AS cancelled, 1 AS attempts, CASE WHEN a.failure IS NULL THEN 0 ELSE 1 END AS failed_attempts, 0 AS waited FROM attempts a JOIN deliveries d ON d.id = a.delivery_id WHERE NOT d.test
) AS happened GROUP BY at / 3600000, endpoint_id;

ALTER TABLE deliveries ADD COLUMN failure TEXT;

UPDATE deliveries SET failure = (SELECT a.failure FROM attempts a WHERE a.delivery_id = deliveries.id AND a.number = deliveries.attempts) WHERE attempts > 1 OR (attempts > 0 AND status <> 'delivered');

DROP INDEX ix_deliveries_rare;

DROP INDEX ix_deliveries_tests;

CREATE INDEX ix_deliveries_rare ON deliveries (status, failure, id) WHERE status IN ('held', 'failed', 'cancelled') OR failure IS NOT NULL;

CREATE INDEX ix_deliveries_rare_endpoint ON deliveries (endpoint_id, status, failure, id) WHERE status IN ('held', 'failed', 'cancelled') OR failure IS NOT NULL;

CREATE INDEX ix_deliveries_rare_rule ON deliveries (rule_id, status, failure, id) WHERE status IN ('held', 'failed', 'cancelled') OR failure IS NOT NULL;

CREATE INDEX ix_deliveries_tests_rule ON deliveries (rule_id, id) WHERE test = 1;

CREATE INDEX ix_deliveries_tests_contact ON deliveries (contact_id, id) WHERE test = 1;

INSERT INTO counters (name, value) SELECT 'ahead', 86400000 FROM (SELECT 1) AS one WHERE EXISTS (SELECT 1 FROM events);

CREATE INDEX ix_events_type ON events (type, id) WHERE type <> 'page.visited';

DROP INDEX ix_runs_rule_id;

CREATE INDEX ix_runs_rule_outcome ON runs (rule_id, outcome, id);

CREATE TABLE contact_facets (
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    PRIMARY KEY (kind, value, contact_id)
)
 WITHOUT ROWID,
 STRICT;

ALTER TABLE contact_texts ADD COLUMN n INTEGER;

CREATE UNIQUE INDEX ix_contact_texts_n ON contact_texts (n) WHERE n IS NOT NULL;

CREATE INDEX ix_contact_texts_new ON contact_texts (contact_id) WHERE n IS NULL;

CREATE VIRTUAL TABLE contact_trigrams USING fts5(folded, content='', detail=none, columnsize=0, tokenize='trigram case_sensitive 1');

INSERT INTO contact_trigrams (contact_trigrams, rank) VALUES ('secure-delete', 1);

INSERT INTO contact_trigrams (contact_trigrams, rank) VALUES ('automerge', 0);

INSERT INTO contact_facets (kind, value, contact_id) SELECT 'state', json_extract(CAST(doc AS TEXT), '$.state'), id FROM contacts WHERE json_extract(CAST(doc AS TEXT), '$.state') IS NOT NULL UNION ALL SELECT 'stage', json_array(s.key, json_extract(s.value, '$[0]')), c.id FROM contacts c CROSS JOIN json_each(CAST(c.doc AS TEXT), '$.stages') s;

UPDATE alembic_version SET version_num='0003' WHERE alembic_version.version_num = '0002';

-- Running upgrade 0003 -> 0004

ALTER TABLE endpoints ADD COLUMN breaker BLOB;

UPDATE alembic_version SET version_num='0004' WHERE alembic_version.version_num = '0003';

-- Running upgrade 0004 -> 0005

CREATE TABLE jobs (
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    running TEXT,
    doc BLOB NOT NULL,
    PRIMARY KEY (id)
)
 STRICT;

CREATE UNIQUE INDEX ix_jobs_running ON jobs (running);

CREATE TABLE balances (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    made INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    held INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
)
 WITHOUT ROWID,
 STRICT;

INSERT INTO balances (kind, subject, made, pending, held, delivered, failed, cancelled) SELECT 'endpoint', endpoint_id, count(*), sum(CASE WHEN status = 'pending' THEN 1 ELSE 0 END), sum(CASE WHEN status = 'held' THEN 1 ELSE 0 END), sum(CASE WHEN status = 'delivered' THEN 1 ELSE 0 END), sum(CASE WHEN status = 'failed' THEN 1 ELSE 0 END), sum(CASE WHEN status = 'cancelled' THEN 1 ELSE 0 END) FROM deliveries GROUP BY endpoint_id;

INSERT INTO balances (kind, subject, made, pending, held, delivered, failed, cancelled) SELECT 'rule', rule_id, count(*), sum(CASE WHEN status = 'pending' THEN 1 ELSE 0 END), sum(CASE WHEN status = 'held' THEN 1 ELSE 0 END), sum(CASE WHEN status = 'delivered' THEN 1 ELSE 0 END), sum(CASE WHEN status = 'failed' THEN 1 ELSE 0 END), sum(CASE WHEN status = 'cancelled' THEN 1 ELSE 0 END) FROM deliveries GROUP BY rule_id;

UPDATE alembic_version SET version_num='0005' WHERE alembic_version.version_num = '0004';

-- Running upgrade 0005 -> 0006

CREATE TABLE leases (
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (name)
)
 WITHOUT ROWID,
 STRICT;

UPDATE alembic_version SET version_num='0006' WHERE alembic_version.version_num = '0005';

-- Running upgrade 0006 -> 0007

CREATE TABLE totals_beside (
    name TEXT NOT NULL,
    slot INTEGER NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (name, slot)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE sums_beside (
    kind TEXT NOT NULL,
    hour INTEGER NOT NULL,
    subject TEXT NOT NULL,
    slot INTEGER NOT NULL,
    events INTEGER NOT NULL,
    runs INTEGER NOT NULL,
    made INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    failed_attempts INTEGER NOT NULL,
    waited INTEGER NOT NULL,
    PRIMARY KEY (kind, hour, subject, slot)
)
 WITHOUT ROWID,
 STRICT;

CREATE TABLE balances_beside (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    slot INTEGER NOT NULL,
    made INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    held INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    PRIMARY KEY (kind, subject, slot)
)
 WITHOUT ROWID,
 STRICT;

UPDATE alembic_version SET version_num='0007' WHERE alembic_version.version_num = '0006';

-- Running upgrade 0007 -> 0008

UPDATE alembic_version SET version_num='0008' WHERE alembic_version.version_num = '0007';

-- Running upgrade 0008 -> 0009

DROP INDEX ix_queue_due;

CREATE INDEX ix_queue_due ON queue (endpoint_id, due_at, delivery_id);

UPDATE alembic_version SET version_num='0009' WHERE alembic_version.version_num = '0008';

-- Running upgrade 0009 -> 0010

CREATE TABLE messages (
    id TEXT NOT NULL,
    doc BLOB NOT NULL,
    PRIMARY KEY (id)
)
 STRICT;

UPDATE alembic_version SET version_num='0010' WHERE alembic_version.version_num = '0009';

