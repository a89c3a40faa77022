"""The diary of the disk: what became of deliveries and jobs, transaction by transaction, and what retention took away.

Triggers of the connection write it beside the real statements, and it is undone with them. So laws can ask for what
stands in no table any more. Used by `disk`, read by the laws.
"""

from bisect import bisect_left
from typing import Final

import apsw
import msgspec
from msgspec import Struct

from goniec.core.jobs import Job
from goniec.core.model import Status
from goniec.core.times import Millis

_TABLES: Final = """
CREATE TEMP TABLE moves (turn INTEGER, id TEXT, endpoint_id TEXT, was TEXT, now TEXT, attempts INTEGER);
CREATE TEMP TRIGGER moves_on AFTER UPDATE OF status ON main.deliveries WHEN old.status <> new.status
    BEGIN INSERT INTO moves VALUES (turn(), new.id, new.endpoint_id, old.status, new.status, new.attempts); END;
CREATE TEMP TABLE job_moves (turn INTEGER, doc BLOB);
CREATE TEMP TRIGGER job_begins AFTER INSERT ON main.jobs BEGIN INSERT INTO job_moves VALUES (turn(), new.doc); END;
CREATE TEMP TRIGGER job_goes_on AFTER UPDATE ON main.jobs BEGIN INSERT INTO job_moves VALUES (turn(), new.doc); END;
CREATE TEMP TABLE erased (turn INTEGER, contact_id TEXT);
CREATE TEMP TRIGGER erased_on AFTER INSERT ON main.erasures
    BEGIN INSERT INTO erased VALUES (turn(), new.contact_id); END;
CREATE TEMP TABLE one_now (turn INTEGER, gone TEXT, kept TEXT);
CREATE TEMP TRIGGER one_now_on AFTER INSERT ON main.merged
    BEGIN INSERT INTO one_now VALUES (turn(), new.gone, new.kept); END;
"""

_GONE: Final = """
CREATE TEMP TABLE gone_{table} AS SELECT *, 0 AS turn FROM {table} WHERE 0;
CREATE TEMP TRIGGER gone_{table}_on BEFORE DELETE ON main.{table}
    BEGIN INSERT INTO gone_{table} SELECT *, turn() FROM {table} WHERE {key}; END;
CREATE TEMP VIEW all_{table} AS SELECT {columns} FROM {table} UNION ALL SELECT {columns} FROM gone_{table};
"""
_KEYS: Final = {
    "events": "id = old.id",
    "deliveries": "id = old.id",
    "attempts": "delivery_id = old.delivery_id AND number = old.number",
}

_decode_job: Final = msgspec.json.Decoder(Job).decode


class Move(Struct, frozen=True):
    """A delivery has another status since a transaction; `attempts` are those that it had then."""

    turn: int
    id: str
    endpoint: str
    was: Status
    now: Status
    attempts: int


class Gone(Struct, frozen=True):
    """A delivery that retention took away, as it stood."""

    turn: int
    id: str
    status: Status
    waiting: bool


class Diary:
    """What was written, in the order of transactions: `turns` are their times, by the disk's clock."""

    def __init__(self, db: apsw.Connection) -> None:
        self.db = db
        self.turns: list[Millis] = []
        db.create_scalar_function("turn", self._turn, 0)
        db.execute(_TABLES).fetchall()
        for table, key in _KEYS.items():
            columns = ", ".join(f'"{name}"' for _, name, *_ in db.execute(f"PRAGMA table_info({table})"))
            db.execute(_GONE.format(table=table, key=key, columns=columns)).fetchall()

    def _turn(self, *_: object) -> int:
        return len(self.turns)

    def moves(self) -> list[Move]:
        """How deliveries have gone from status to status."""
        found = self.db.execute("SELECT turn, id, endpoint_id, was, now, attempts FROM moves ORDER BY rowid")
        return [Move(turn, id, end, Status(was), Status(now), n) for turn, id, end, was, now, n in found]

    def jobs(self) -> list[tuple[int, Job]]:
        """Jobs as they stood after a transaction."""
        return [(turn, _decode_job(doc)) for turn, doc in self.db.execute("SELECT turn, doc FROM job_moves")]

    def gone(self) -> list[Gone]:
        """The deliveries that are gone; `waiting`: they had a place in the queue to the end."""
        sql = "SELECT turn, id, status, id IN (SELECT delivery_id FROM queue) FROM gone_deliveries ORDER BY rowid"
        return [Gone(turn, id, Status(status), bool(n)) for turn, id, status, n in self.db.execute(sql)]

    def erased(self) -> dict[str, int]:
        """Contacts that were erased, and in which transaction."""
        return {id: turn for turn, id in self.db.execute("SELECT turn, contact_id FROM erased ORDER BY turn DESC")}

    def merged(self) -> list[tuple[int, str, str]]:
        """Contacts that became a part of another: the transaction, the one, the other."""
        return [(turn, gone, kept) for turn, gone, kept in self.db.execute("SELECT turn, gone, kept FROM one_now")]

    def before(self, at: Millis) -> int:
        """How many transactions there had been."""
        return bisect_left(self.turns, at)
