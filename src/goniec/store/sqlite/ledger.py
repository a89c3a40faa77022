"""The ledger: totals that every transaction keeps in step, and the same figures counted anew from the rows."""

import apsw

from goniec.core.model import Status
from goniec.store import ledger


def totals(db: apsw.Connection) -> dict[str, int]:
    """The ledger as it was kept."""
    return ledger.totals(_kept(db))


def standing(db: apsw.Connection) -> dict[Status, int]:
    """Where deliveries stand that retention has left."""
    return ledger.standing(_kept(db))


def recount(db: apsw.Connection) -> dict[str, int]:
    """The ledger counted from the rows."""
    by_status = dict(db.execute("SELECT status, count(*) FROM deliveries GROUP BY status"))
    counted = {table: db.execute(f"SELECT count(*) FROM {table}").get for table in ledger.TABLES}
    return ledger.recounted(_kept(db), by_status, counted)


def _kept(db: apsw.Connection) -> dict[str, int]:
    return dict(db.execute("SELECT name, value FROM totals ORDER BY name"))
