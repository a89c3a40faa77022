"""Jobs on many deliveries: kept as they stand. The functions read, `JobsTx` writes."""

import apsw

from goniec.core.jobs import Job, JobState
from goniec.store.documents import job_of_row, jobs_of_rows
from goniec.store.rows import encode
from goniec.store.sqlite.sql import fetch
from goniec.store.sqlite.transaction import Transaction


def job(db: apsw.Connection, job_id: str) -> Job | None:
    """One job."""
    doc = db.execute("SELECT doc FROM jobs WHERE id = ?", (job_id,)).get
    return None if doc is None else job_of_row(job_id, doc)


def jobs(db: apsw.Connection, limit: int) -> list[Job]:
    """The newest ones, the newest first."""
    return jobs_of_rows(fetch(db, "SELECT id, doc FROM jobs ORDER BY id DESC LIMIT ?", (limit,)))


def running(db: apsw.Connection) -> list[Job]:
    """Those that go on, in the order in which they were begun."""
    return jobs_of_rows(fetch(db, "SELECT id, doc FROM jobs WHERE running IS NOT NULL ORDER BY id"))


class JobsTx(Transaction):
    """Jobs, inside a transaction."""

    async def job(self, job_id: str) -> Job | None:
        return job(self.db, job_id)

    async def begin_job(self, job: Job) -> Job | None:
        self.db.execute(
            "INSERT INTO jobs (id, at, running, doc) VALUES (?, ?, ?, ?) ON CONFLICT (running) DO NOTHING",
            (job.id, job.created_at, job.key, encode(job)),
        )
        row = self.db.execute("SELECT id, doc FROM jobs WHERE running = ?", (job.key,)).fetchone()
        assert row is not None  # noqa: S101 - it was there or has just been written
        return job_of_row(*row)

    async def put_job(self, job: Job) -> None:
        key = job.key if job.state is JobState.RUNNING else None
        self.db.execute("UPDATE jobs SET running = ?, doc = ? WHERE id = ?", (key, encode(job), job.id))
