"""The reading side: the `Queries` port on PostgreSQL.

What takes several statements has a snapshot for all of them; what takes one asks and is done.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

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
from goniec.store.postgres import (
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
from goniec.store.postgres.chain import heads, resolved, walk
from goniec.store.postgres.readers import Readers
from goniec.store.postgres.slots import both
from goniec.store.postgres.sql import Db, in_part
from goniec.store.postgres.times import horizon

_DUE: Final = (
    f"SELECT {rows.DELIVERY} FROM queue q JOIN deliveries d ON d.id = q.delivery_id"
    " WHERE q.endpoint_id = $1 AND q.due_at <= $2{} AND (NOT q.lane OR NOT EXISTS (SELECT 1 FROM queue p WHERE p.lane"
    " AND p.endpoint_id = q.endpoint_id AND p.contact_id = q.contact_id AND p.delivery_id < q.delivery_id))"
    " ORDER BY q.due_at, q.delivery_id LIMIT $3"
)
_FOLLOWERS: Final = (
    f"SELECT {rows.DELIVERY}, h.delivery_id FROM queue h CROSS JOIN LATERAL ("
    "SELECT f.delivery_id, f.due_at FROM queue f WHERE f.lane AND f.endpoint_id = h.endpoint_id"
    " AND f.contact_id = h.contact_id AND f.delivery_id > h.delivery_id ORDER BY f.delivery_id LIMIT $2) q"
    " JOIN deliveries d ON d.id = q.delivery_id WHERE h.delivery_id = ANY($1) AND h.lane ORDER BY q.delivery_id"
)
"""A lane is where the queue says: a delivery still names the contact that was merged into another."""
_DUE_ENDPOINTS: Final = """
WITH RECURSIVE waiting (id) AS (
    SELECT min(endpoint_id) FROM queue
    UNION ALL
    SELECT (SELECT min(endpoint_id) FROM queue WHERE endpoint_id > waiting.id) FROM waiting WHERE waiting.id IS NOT NULL
)
SELECT id FROM waiting
WHERE (SELECT true FROM queue WHERE endpoint_id = waiting.id AND due_at <= $1 LIMIT 1)
ORDER BY id
"""
"""From endpoint to endpoint through the index, however many deliveries each has; no EXISTS, which may become a join."""
_QUEUES: Final = f"""
WITH waiting AS (
    SELECT subject, sum(pending)::bigint AS pending FROM {both("balances", "kind, subject, pending")} b
    WHERE kind = 'endpoint' AND ($2::text[] IS NULL OR subject = ANY($2)) GROUP BY subject HAVING sum(pending) > 0
)
SELECT w.subject, w.pending, d.due, d.oldest FROM waiting w CROSS JOIN LATERAL (
    SELECT count(*) AS due, min(due_at) AS oldest FROM (
        SELECT due_at FROM queue WHERE endpoint_id = w.subject AND due_at <= $1 ORDER BY due_at LIMIT {DUE_MOST}
    ) q
) d ORDER BY w.subject
"""
_IN_ORDER: Final = "SET LOCAL enable_sort = off; SET LOCAL enable_bitmapscan = off"
"""The server takes all endpoints for average, and would read a whole backlog in order to sort it."""
_LAST_ATTEMPTS: Final = (
    f"SELECT {rows.ATTEMPT} FROM unnest($1::text[]) AS w (id) CROSS JOIN LATERAL (SELECT * FROM attempts"
    " WHERE delivery_id = w.id ORDER BY number DESC LIMIT 1) a"
)

_TIMELINE_BITE: Final = 50
_Step = list[tuple[Event, tuple[Miss, ...], list[Run], list[Delivery]]]


class PostgresQueries:
    """The `Queries` port."""

    def __init__(self, readers: Readers, health: Callable[[], Awaitable[str | None]]) -> None:
        self._read = readers.snapshot
        self._ask = readers.ask
        self._by_key = readers.by_key
        self._health = health
        self._rules: tuple[int, list[Rule]] = (-1, [])

    async def contact(self, contact_id: str) -> Contact | None:
        return await self._read(_contact, contact_id)

    async def contacts(self, wanted: ContactFilter, page: Page) -> Rows[Contact]:
        return await self._read(contact_lists.contacts, wanted, page, await self._horizon(page, _named(wanted)))

    async def event(self, event_id: str) -> tuple[Event, tuple[Miss, ...]] | None:
        return await self._ask(_event, event_id)

    async def events(self, wanted: EventFilter, page: Page) -> Rows[Event]:
        return await self._read(lists.events, wanted, page, await self._horizon(page, wanted.contact_id))

    async def timeline(
        self, contact_id: str
    ) -> AsyncIterator[tuple[Event, tuple[Miss, ...], list[Run], list[Delivery]]]:
        start: list[str] | None = None
        while start != []:
            step, start = await self._read(_timeline, contact_id, start)
            for entry in step:
                yield entry

    async def rule(self, rule_id: str) -> Rule | None:
        return await self._ask(setup.rule, rule_id)

    async def rule_version(self, rule_id: str, version: int) -> Rule | None:
        return await self._ask(setup.rule_version, rule_id, version)

    async def rules(self) -> list[Rule]:
        # pages ask for them all the time, and reading ten thousand takes longer than all the rest of a page
        version, found = await self._read(setup.rules_unless, self._rules[0])
        if found is not None:
            self._rules = (version, found)
        return list(self._rules[1])

    async def runs(self, wanted: RunFilter, page: Page) -> Rows[Run]:
        return await self._read(lists.runs, wanted, page, await self._horizon(page))

    async def last_runs(self, rule_ids: Sequence[str], outcomes: Sequence[Outcome] = FIRED) -> dict[str, Run]:
        return await self._read(lists.last_runs, rule_ids, outcomes)

    async def run(self, run_id: str) -> Run | None:
        return await self._ask(_run, run_id)

    async def endpoints(self) -> list[Endpoint]:
        return await self._ask(setup.endpoints)

    async def endpoint(self, endpoint_id: str) -> Endpoint | None:
        return await self._ask(setup.endpoint, endpoint_id)

    async def funnels(self) -> list[Funnel]:
        return await self._ask(setup.funnels)

    async def mark(self, name: str) -> bytes | None:
        return await self._ask(setup.mark, name)

    async def names(self, kind: str) -> list[str]:
        return await self._ask(_names, kind)

    async def messages(self) -> list[Message]:
        return await self._ask(setup.messages)

    async def message(self, message_id: str) -> Message | None:
        return await self._ask(setup.message, message_id)

    async def keys(self) -> list[ApiKey]:
        return await self._ask(setup.keys)

    async def key(self, digest: bytes) -> ApiKey | None:
        return await self._ask(setup.key, digest)

    async def users(self) -> list[User]:
        return await self._ask(users.users)

    async def user(self, user_id: str) -> User | None:
        return await self._ask(users.user, user_id)

    async def user_of(self, email: str) -> User | None:
        return await self._ask(users.user_of, email)

    async def sessions(self, user_id: str) -> list[Session]:
        return await self._ask(users.sessions, user_id)

    async def session(self, digest: bytes) -> tuple[Session, User] | None:
        return await self._ask(users.session, digest)

    async def deliveries(self, wanted: DeliveryFilter, page: Page) -> Rows[Delivery]:
        return await self._read(delivery_lists.deliveries, wanted, page, await self._horizon(page, wanted.contact_id))

    async def delivery(self, delivery_id: str) -> tuple[Delivery, list[Attempt]] | None:
        return await self._read(_delivery, delivery_id)

    async def deliveries_by_id(self, delivery_ids: Sequence[str]) -> dict[str, Delivery]:
        return await self._ask(delivery_lists.by_ids, delivery_ids)

    async def last_attempts(self, delivery_ids: Sequence[str]) -> dict[str, Attempt]:
        return await self._ask(_last_attempts, delivery_ids)

    async def due_endpoints(self, now: Millis) -> list[str]:
        return await self._by_key(_due_endpoints, now)

    async def homeless(self) -> list[str]:
        return await self._by_key(stuck.homeless)

    async def due(self, endpoint_id: str, now: Millis, limit: int, part: int | None = None) -> list[Delivery]:
        return await self._by_key(_due, endpoint_id, now, limit, part)

    async def followers(self, heads: Sequence[str], each: int) -> dict[str, list[Delivery]]:
        return await self._by_key(_followers, heads, each)

    async def queues(self, now: Millis, endpoint_ids: Sequence[str] | None = None) -> list[Queue]:
        return await self._by_key(_queues, now, endpoint_ids)

    async def setup_version(self) -> int:
        return await self._ask(setup.setup_version)

    async def leases(self, now: Millis) -> list[Lease]:
        return await self._ask(leases.leases, now)

    async def totals(self) -> dict[str, int]:
        return await self._ask(ledger.totals)

    async def standing(self) -> dict[Status, int]:
        return await self._ask(ledger.standing)

    async def sums(
        self, kind: Subject, ids: Sequence[str] | None, since: Millis, until: Millis, step: Millis
    ) -> list[Sum]:
        return await self._ask(sums.sums, kind, ids, since, until, step)

    async def balances(self, holder: Holder) -> list[Balance]:
        return await self._ask(balances.kept, holder)

    async def recount_balances(self, holder: Holder) -> list[Balance]:
        return await self._read(balances.recounted, holder)

    async def stuck(self) -> list[Stuck]:
        return await self._read(stuck.stuck)

    async def job(self, job_id: str) -> Job | None:
        return await self._ask(jobs.job, job_id)

    async def jobs(self, limit: int) -> list[Job]:
        return await self._ask(jobs.jobs, limit)

    async def running_jobs(self) -> list[Job]:
        return await self._ask(jobs.running)

    async def recount(self) -> dict[str, int]:
        return await self._read(ledger.recount)

    async def _horizon(self, page: Page, contact: str | None = None) -> Millis | None:
        """How far a steady list may be read on: asked before the snapshot is taken in which it is read.

        What is about one `contact` is recorded one after the other, by whichever process.
        """
        return await self._ask(horizon) if page.steady and not page.newest and contact is None else None

    async def health(self) -> str | None:
        return await self._health()


async def _contact(db: Db, contact_id: str) -> Contact | None:
    doc = await db.fetchval("SELECT doc FROM contacts WHERE id = $1", contact_id)
    if doc is None:
        sql = "SELECT c.doc FROM identity_keys k JOIN contacts c ON c.id = k.contact_id WHERE k.key = $1"
        doc = await db.fetchval(sql, alias_key(contact_id))
    return None if doc is None else rows.decode_contact(doc)


async def _event(db: Db, event_id: str) -> tuple[Event, tuple[Miss, ...]] | None:
    row = await db.fetchrow(f"SELECT {rows.EVENT} FROM events e WHERE e.id = $1", event_id)
    return None if row is None else (rows.event_of_row(row), rows.misses_of_row(row))


async def _timeline(db: Db, contact_id: str, start: list[str] | None) -> tuple[_Step, list[str]]:
    begin = await heads(db, await resolved(db, contact_id)) if start is None else start
    found, further = await walk(db, begin, _TIMELINE_BITE)
    runs, deliveries = await delivery_lists.following(db, found)
    step = [
        (rows.event_of_row(row), rows.misses_of_row(row), runs.get(row[0], []), deliveries.get(row[0], []))
        for row in found
    ]
    return step, further


async def _run(db: Db, run_id: str) -> Run | None:
    row = await db.fetchrow(f"SELECT {rows.RUN} FROM runs r WHERE r.id = $1", run_id)
    return None if row is None else rows.run_of_row(row)


async def _names(db: Db, kind: str) -> list[str]:
    return [name for (name,) in await db.fetch("SELECT name FROM names WHERE kind = $1 ORDER BY name", kind)]


async def _delivery(db: Db, delivery_id: str) -> tuple[Delivery, list[Attempt]] | None:
    found = await delivery_lists.by_id(db, delivery_id)
    if found is None:
        return None
    sql = f"SELECT {rows.ATTEMPT} FROM attempts a WHERE a.delivery_id = $1 ORDER BY a.number"
    return found, [rows.attempt_of_row(row) for row in await db.fetch(sql, delivery_id)]


async def _last_attempts(db: Db, delivery_ids: Sequence[str]) -> dict[str, Attempt]:
    return {row[0]: rows.attempt_of_row(row) for row in await db.fetch(_LAST_ATTEMPTS, list(delivery_ids))}


async def _due_endpoints(db: Db, now: Millis) -> list[str]:
    return [id for (id,) in await db.fetch(_DUE_ENDPOINTS, now)]


async def _due(db: Db, endpoint_id: str, now: Millis, limit: int, part: int | None) -> list[Delivery]:
    sql, values = in_part(_DUE, (endpoint_id, now, limit), part)
    return [rows.delivery_of_row(row) for row in await db.fetch(sql, *values)]


async def _followers(db: Db, heads: Sequence[str], each: int) -> dict[str, list[Delivery]]:
    behind: dict[str, list[Delivery]] = {}
    for row in await db.fetch(_FOLLOWERS, list(heads), each):
        behind.setdefault(row[21], []).append(rows.delivery_of_row(row))
    return behind


async def _queues(db: Db, now: Millis, endpoint_ids: Sequence[str] | None) -> list[Queue]:
    wanted = None if endpoint_ids is None else list(endpoint_ids)
    await db.execute(_IN_ORDER)
    return [Queue(*row) for row in await db.fetch(_QUEUES, now, wanted)]


def _named(wanted: ContactFilter) -> str | None:
    """A key that few contacts have."""
    return wanted.email or wanted.external_id or wanted.phone
