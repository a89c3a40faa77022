"""Jobs on many deliveries: kept as they stand. The functions read, `JobsTx` writes."""

from typing import Final

from goniec.core.jobs import Job, JobState
from goniec.store.documents import job_of_row, jobs_of_rows
from goniec.store.postgres.sql import Db, fetch
from goniec.store.postgres.transaction import Transaction
from goniec.store.rows import encode

_BEGIN: Final = "INSERT INTO jobs (id, at, running, doc) VALUES ($1, $2, $3, $4) ON CONFLICT (running) DO NOTHING"


async def job(db: Db, job_id: str) -> Job | None:
    """One job."""
    doc = await db.fetchval("SELECT doc FROM jobs WHERE id = $1", job_id)
    return None if doc is None else job_of_row(job_id, doc)


async def jobs(db: Db, limit: int) -> list[Job]:
    """The newest ones, the newest first."""
    return jobs_of_rows(await fetch(db, "SELECT id, doc FROM jobs ORDER BY id DESC LIMIT ?", (limit,)))


async def running(db: Db) -> list[Job]:
    """Those that go on, in the order in which they were begun."""
    return jobs_of_rows(await fetch(db, "SELECT id, doc FROM jobs WHERE running IS NOT NULL ORDER BY id"))


class JobsTx(Transaction):
    """Jobs, inside a transaction."""

    async def job(self, job_id: str) -> Job | None:
        doc = await self.db.fetchval("SELECT doc FROM jobs WHERE id = $1 FOR UPDATE", job_id)
        return None if doc is None else job_of_row(job_id, doc)

    async def begin_job(self, job: Job) -> Job | None:
        row = None
        while row is None:  # the one that was there first may end while we wait for its row
            await self.db.execute(_BEGIN, job.id, job.created_at, job.key, encode(job))
            row = await self.db.fetchrow("SELECT id, doc FROM jobs WHERE running = $1 FOR UPDATE", job.key)
        return job_of_row(*row)

    async def put_job(self, job: Job) -> None:
        key = job.key if job.state is JobState.RUNNING else None
        await self.db.execute("UPDATE jobs SET running = $1, doc = $2 WHERE id = $3", key, encode(job), job.id)
