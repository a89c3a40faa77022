"""The reading side: the `Queries` port on SQLite, each call in a snapshot on a reader's thread."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

import apsw

from goniec.core.endpoint import Endpoint
from goniec.core.identity import alias_key
from goniec.core.jobs import Job
from goniec.core.messages import Message
from goniec.core.model import (
    ApiKey,
    Attempt,
    Contact,
    Delivery,
    Event,
    Funnel,
    Miss,
    Outcome,
    Run,
    Session,
    Status,
    User,
)
from goniec.core.parts import part_of
from goniec.core.rules import Rule
from goniec.core.times import Millis
from goniec.ports import (
    DUE_MOST,
    FIRED,
    Balance,
    ContactFilter,
    DeliveryFilter,
    EventFilter,
    Holder,
    Lease,
    Page,
    Queue,
    Rows,
    RunFilter,
    Stuck,
    Subject,
    Sum,
)
from goniec.store import rows
from goniec.store.sqlite import (
    balances,
    contact_lists,
    delivery_lists,
    jobs,
    leases,
    ledger,
    lists,
    setup,
    stuck,
    sums,
    users,
)
from goniec.store.sqlite.chain import heads, resolved, walk
from goniec.store.sqlite.readers import Readers
from goniec.store.sqlite.sql import fetch, texts
from goniec.store.sqlite.writer import Writer

_DUE: Final = (
    f"SELECT {rows.DELIVERY} FROM queue q CROSS JOIN deliveries d ON d.id = q.delivery_id"
    " WHERE q.endpoint_id = ? AND q.due_at <= ? AND (q.lane = 0 OR NOT EXISTS (SELECT 1 FROM queue p WHERE p.lane = 1"
    " AND p.endpoint_id = q.endpoint_id AND p.contact_id = q.contact_id AND p.delivery_id < q.delivery_id))"
    " ORDER BY q.due_at, q.delivery_id LIMIT ?"
)
_FOLLOWERS: Final = (
    f"SELECT {rows.DELIVERY} FROM queue h CROSS JOIN queue q ON q.lane = 1 AND q.endpoint_id = h.endpoint_id"
    " AND q.contact_id = h.contact_id AND q.delivery_id > h.delivery_id CROSS JOIN deliveries d ON d.id = q.delivery_id"
    " WHERE h.delivery_id = ? AND h.lane = 1 ORDER BY q.delivery_id LIMIT ?"
)
"""A lane is where the queue says: a delivery still names the contact that was merged into another."""
_DUE_ENDPOINTS: Final = """
WITH RECURSIVE waiting (id) AS (
    SELECT min(endpoint_id) FROM queue
    UNION ALL
    SELECT (SELECT min(endpoint_id) FROM queue WHERE endpoint_id > waiting.id) FROM waiting WHERE waiting.id IS NOT NULL
)
SELECT id FROM waiting WHERE EXISTS (SELECT 1 FROM queue WHERE endpoint_id = waiting.id AND due_at <= ?)
"""
"""From endpoint to endpoint through the index, however many deliveries each has."""

_QUEUES: Final = f"""
SELECT subject, pending,
    (SELECT count(*) FROM (SELECT 1 FROM queue WHERE endpoint_id = subject AND due_at <= ?1 LIMIT {DUE_MOST})),
    (SELECT due_at FROM queue WHERE endpoint_id = subject AND due_at <= ?1 ORDER BY due_at LIMIT 1)
FROM balances WHERE kind = 'endpoint' AND pending > 0
"""

_TIMELINE_BITE: Final = 50
_Step = list[tuple[Event, tuple[Miss, ...], list[Run], list[Delivery]]]


class SqliteQueries:
    """The `Queries` port."""

    def __init__(self, readers: Readers, writer: Writer) -> None:
        self._read = readers.run
        self._writer = writer
        self._rules: tuple[int, list[Rule]] = (-1, [])

    async def contact(self, contact_id: str) -> Contact | None:
        return await self._read(_contact, contact_id)

    async def contacts(self, wanted: ContactFilter, page: Page) -> Rows[Contact]:
        return await self._read(contact_lists.contacts, wanted, page)

    async def event(self, event_id: str) -> tuple[Event, tuple[Miss, ...]] | None:
        return await self._read(_event, event_id)

    async def events(self, wanted: EventFilter, page: Page) -> Rows[Event]:
        return await self._read(lists.events, wanted, page)

    async def timeline(
        self, contact_id: str
    ) -> AsyncIterator[tuple[Event, tuple[Miss, ...], list[Run], list[Delivery]]]:
        start: list[str] | None = None
        while start != []:
            step, start = await self._read(_timeline, contact_id, start)
            for entry in step:
                yield entry

    async def rule(self, rule_id: str) -> Rule | None:
        return await self._read(setup.rule, rule_id)

    async def rule_version(self, rule_id: str, version: int) -> Rule | None:
        return await self._read(setup.rule_version, rule_id, version)

    async def rules(self) -> list[Rule]:
        # pages ask for them all the time, and reading ten thousand takes longer than all the rest of a page
        version, found = await self._read(setup.rules_unless, self._rules[0])
        if found is not None:
            self._rules = (version, found)
        return list(self._rules[1])

    async def runs(self, wanted: RunFilter, page: Page) -> Rows[Run]:
        return await self._read(lists.runs, wanted, page)

    async def last_runs(self, rule_ids: Sequence[str], outcomes: Sequence[Outcome] = FIRED) -> dict[str, Run]:
        return await self._read(lists.last_runs, rule_ids, outcomes)

    async def run(self, run_id: str) -> Run | None:
        return await self._read(_run, run_id)

    async def endpoints(self) -> list[Endpoint]:
        return await self._read(setup.endpoints)

    async def endpoint(self, endpoint_id: str) -> Endpoint | None:
        return await self._read(setup.endpoint, endpoint_id)

    async def funnels(self) -> list[Funnel]:
        return await self._read(setup.funnels)

    async def mark(self, name: str) -> bytes | None:
        return await self._read(setup.mark, name)

    async def names(self, kind: str) -> list[str]:
        return await self._read(_names, kind)

    async def messages(self) -> list[Message]:
        return await self._read(setup.messages)

    async def message(self, message_id: str) -> Message | None:
        return await self._read(setup.message, message_id)

    async def keys(self) -> list[ApiKey]:
        return await self._read(setup.keys)

    async def key(self, digest: bytes) -> ApiKey | None:
        return await self._read(setup.key, digest)

    async def users(self) -> list[User]:
        return await self._read(users.users)

    async def user(self, user_id: str) -> User | None:
        return await self._read(users.user, user_id)

    async def user_of(self, email: str) -> User | None:
        return await self._read(users.user_of, email)

    async def sessions(self, user_id: str) -> list[Session]:
        return await self._read(users.sessions, user_id)

    async def session(self, digest: bytes) -> tuple[Session, User] | None:
        return await self._read(users.session, digest)

    async def deliveries(self, wanted: DeliveryFilter, page: Page) -> Rows[Delivery]:
        return await self._read(delivery_lists.deliveries, wanted, page)

    async def delivery(self, delivery_id: str) -> tuple[Delivery, list[Attempt]] | None:
        return await self._read(_delivery, delivery_id)

    async def deliveries_by_id(self, delivery_ids: Sequence[str]) -> dict[str, Delivery]:
        return await self._read(delivery_lists.by_ids, delivery_ids)

    async def last_attempts(self, delivery_ids: Sequence[str]) -> dict[str, Attempt]:
        return await self._read(_last_attempts, delivery_ids)

    async def due_endpoints(self, now: Millis) -> list[str]:
        return await self._read(_due_endpoints, now)

    async def homeless(self) -> list[str]:
        return await self._read(stuck.homeless)

    async def due(self, endpoint_id: str, now: Millis, limit: int, part: int | None = None) -> list[Delivery]:
        return await self._read(_due, endpoint_id, now, limit, part)

    async def followers(self, heads: Sequence[str], each: int) -> dict[str, list[Delivery]]:
        return await self._read(_followers, heads, each)

    async def queues(self, now: Millis, endpoint_ids: Sequence[str] | None = None) -> list[Queue]:
        return await self._read(_queues, now, endpoint_ids)

    async def setup_version(self) -> int:
        return await self._read(setup.setup_version)

    async def leases(self, now: Millis) -> list[Lease]:
        return await self._read(leases.leases, now)

    async def totals(self) -> dict[str, int]:
        return await self._read(ledger.totals)

    async def standing(self) -> dict[Status, int]:
        return await self._read(ledger.standing)

    async def sums(
        self, kind: Subject, ids: Sequence[str] | None, since: Millis, until: Millis, step: Millis
    ) -> list[Sum]:
        return await self._read(sums.sums, kind, ids, since, until, step)

    async def balances(self, holder: Holder) -> list[Balance]:
        return await self._read(balances.kept, holder)

    async def recount_balances(self, holder: Holder) -> list[Balance]:
        return await self._read(balances.recounted, holder)

    async def stuck(self) -> list[Stuck]:
        return await self._read(stuck.stuck)

    async def job(self, job_id: str) -> Job | None:
        return await self._read(jobs.job, job_id)

    async def jobs(self, limit: int) -> list[Job]:
        return await self._read(jobs.jobs, limit)

    async def running_jobs(self) -> list[Job]:
        return await self._read(jobs.running)

    async def recount(self) -> dict[str, int]:
        return await self._read(ledger.recount)

    async def health(self) -> str | None:
        return await self._writer.health()


def _contact(db: apsw.Connection, contact_id: str) -> Contact | None:
    doc = db.execute("SELECT doc FROM contacts WHERE id = ?", (contact_id,)).get
    if doc is None:
        kept = db.execute("SELECT contact_id FROM identity_keys WHERE key = ?", (alias_key(contact_id),)).get
        doc = None if kept is None else db.execute("SELECT doc FROM contacts WHERE id = ?", (kept,)).get
    return None if doc is None else rows.decode_contact(doc)


def _event(db: apsw.Connection, event_id: str) -> tuple[Event, tuple[Miss, ...]] | None:
    row = db.execute(f"SELECT {rows.EVENT} FROM events e WHERE e.id = ?", (event_id,)).fetchone()
    return None if row is None else (rows.event_of_row(row), rows.misses_of_row(row))


def _timeline(db: apsw.Connection, contact_id: str, start: list[str] | None) -> tuple[_Step, list[str]]:
    begin = heads(db, resolved(db, contact_id)) if start is None else start
    found, further = walk(db, begin, _TIMELINE_BITE)
    runs, deliveries = delivery_lists.following(db, found)
    step = [
        (rows.event_of_row(row), rows.misses_of_row(row), runs.get(row[0], []), deliveries.get(row[0], []))
        for row in found
    ]
    return step, further


def _run(db: apsw.Connection, run_id: str) -> Run | None:
    row = db.execute(f"SELECT {rows.RUN} FROM runs r WHERE r.id = ?", (run_id,)).fetchone()
    return None if row is None else rows.run_of_row(row)


def _names(db: apsw.Connection, kind: str) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM names WHERE kind = ? ORDER BY name", (kind,))]


def _delivery(db: apsw.Connection, delivery_id: str) -> tuple[Delivery, list[Attempt]] | None:
    found = delivery_lists.by_id(db, delivery_id)
    if found is None:
        return None
    sql = f"SELECT {rows.ATTEMPT} FROM attempts a WHERE a.delivery_id = ? ORDER BY a.number"
    return found, [rows.attempt_of_row(row) for row in db.execute(sql, (delivery_id,))]


def _last_attempts(db: apsw.Connection, delivery_ids: Sequence[str]) -> dict[str, Attempt]:
    if not delivery_ids:
        return {}
    sql = (
        f"SELECT {rows.ATTEMPT} FROM carray(?) c CROSS JOIN attempts a ON a.delivery_id = c.value"
        " AND a.number = (SELECT max(number) FROM attempts WHERE delivery_id = c.value)"
    )
    return {row[0]: rows.attempt_of_row(row) for row in fetch(db, sql, (texts(delivery_ids),))}


def _due_endpoints(db: apsw.Connection, now: Millis) -> list[str]:
    return [id for (id,) in db.execute(_DUE_ENDPOINTS, (now,))]


def _due(db: apsw.Connection, endpoint_id: str, now: Millis, limit: int, part: int | None) -> list[Delivery]:
    found = db.execute(_DUE, (endpoint_id, now, limit if part is None else -1))
    made = (rows.delivery_of_row(row) for row in found)
    # a file has no parts but in tests of the flow: they may cost something
    return list(made) if part is None else [one for one in made if part_of(one.contact_id) == part][:limit]


def _followers(db: apsw.Connection, heads: Sequence[str], each: int) -> dict[str, list[Delivery]]:
    found = ((head, list(map(rows.delivery_of_row, db.execute(_FOLLOWERS, (head, each))))) for head in heads)
    return {head: behind for head, behind in found if behind}


def _queues(db: apsw.Connection, now: Millis, endpoint_ids: Sequence[str] | None) -> list[Queue]:
    if endpoint_ids is None:
        found = fetch(db, f"{_QUEUES} ORDER BY subject", (now,))
    elif endpoint_ids:
        found = fetch(db, f"{_QUEUES} AND subject IN carray(?2) ORDER BY subject", (now, texts(endpoint_ids)))
    else:
        found = []
    return [Queue(*row) for row in found]
