"""Jobs on many deliveries: kept as they stand. The functions read, `JobsTx` writes."""

from goniec.core.jobs import Job, JobState
from goniec.store.postgres.sql import Db, fetch
from goniec.store.postgres.transaction import Transaction
from goniec.store.rows import decode_job, encode


async def job(db: Db, job_id: str) -> Job | None:
    """One job."""
    doc = await db.fetchval("SELECT doc FROM jobs WHERE id = $1", job_id)
    return None if doc is None else decode_job(doc)


async def jobs(db: Db, limit: int) -> list[Job]:
    """The newest ones, the newest first."""
    return [decode_job(doc) for (doc,) in await fetch(db, "SELECT doc FROM jobs ORDER BY id DESC LIMIT ?", (limit,))]


async def running(db: Db) -> list[Job]:
    """Those that go on, in the order in which they were begun."""
    return [decode_job(doc) for (doc,) in await fetch(db, "SELECT doc FROM jobs WHERE running IS NOT NULL ORDER BY id")]


class JobsTx(Transaction):
    """Jobs, inside a transaction."""

    async def job(self, job_id: str) -> Job | None:
        doc = await self.db.fetchval("SELECT doc FROM jobs WHERE id = $1 FOR UPDATE", job_id)
        return None if doc is None else decode_job(doc)

    async def begin_job(self, job: Job) -> Job:
        await self.db.execute(
            "INSERT INTO jobs (id, at, running, doc) VALUES ($1, $2, $3, $4) ON CONFLICT (running) DO NOTHING",
            job.id,
            job.created_at,
            job.key,
            encode(job),
        )
        return decode_job(await self.db.fetchval("SELECT doc FROM jobs WHERE running = $1", job.key))

    async def put_job(self, job: Job) -> None:
        key = job.key if job.state is JobState.RUNNING else None
        await self.db.execute("UPDATE jobs SET running = $1, doc = $2 WHERE id = $3", key, encode(job), job.id)
