"""Times that rise over all processes: each recording transaction takes one, and readers know which are under way.

A transaction first notes its time by a lock that only readers look for, then raises the sequence: whoever reads the
sequence and then the locks has seen all that have an earlier time. The gate is a session's lock, because it has to be
free again long before the transaction ends; whatever goes wrong meanwhile, it is let go.
"""

from typing import Final

from alembic import op

revision = "0008"
down_revision = "0007"

GATE: Final = 0x476F_6E69_0000_0005
TAKEN: Final = 0x4721 << 48
LAST: Final = (1 << 48) - 1

FLOOR: Final = f"""
CREATE FUNCTION goniec_floor(known bigint, OUT here bigint, OUT taken bigint) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_lock({GATE});
    here := floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;
    SELECT greatest(here, last_value + 1, known + 1) INTO taken FROM floors;
    PERFORM pg_advisory_xact_lock_shared({TAKEN} + taken);
    PERFORM setval('floors', taken);
    PERFORM pg_advisory_unlock({GATE});
EXCEPTION WHEN OTHERS OR query_canceled THEN
    PERFORM pg_advisory_unlock({GATE});
    RAISE;
END $$
"""
HORIZON: Final = f"""
CREATE FUNCTION goniec_horizon() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found bigint;
BEGIN
    SELECT last_value + 1 INTO found FROM floors;
    RETURN least(
        found,
        (SELECT min((classid::bigint << 32 | objid::bigint) - {TAKEN}) FROM pg_locks
         WHERE locktype = 'advisory' AND objsubid = 1
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND classid::bigint << 32 | objid::bigint BETWEEN {TAKEN} AND {TAKEN + LAST})
    );
END $$
"""


def upgrade() -> None:
    """Make what only a database of several processes needs."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("CREATE SEQUENCE floors")
        op.execute(FLOOR)
        op.execute(HORIZON)
