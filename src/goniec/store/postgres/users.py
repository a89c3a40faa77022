"""Users and their sessions. The functions read, for transactions and queries alike; `UsersTx` writes.

A user that cannot be read is an error here, where setup would leave it out: one that was overlooked might let a
stranger become the first administrator. Inside a transaction users are had alone, as setup is.
"""

from goniec.core.model import Session, User
from goniec.store.postgres.locks import SETUP
from goniec.store.postgres.sql import Db, fetch
from goniec.store.postgres.transaction import Transaction
from goniec.store.rows import decode_session, decode_user, encode


async def users(db: Db) -> list[User]:
    """All users, in the order in which they were made."""
    return [decode_user(doc) for (doc,) in await fetch(db, "SELECT doc FROM users ORDER BY id")]


async def user(db: Db, user_id: str) -> User | None:
    """One user."""
    doc = await db.fetchval("SELECT doc FROM users WHERE id = $1", user_id)
    return None if doc is None else decode_user(doc)


async def user_of(db: Db, email: str) -> User | None:
    """The user with this e-mail, in its compared form."""
    doc = await db.fetchval("SELECT doc FROM users WHERE email = $1", email)
    return None if doc is None else decode_user(doc)


async def session(db: Db, digest: bytes) -> tuple[Session, User] | None:
    """A session and whose it is; every page asks."""
    sql = "SELECT s.doc, u.doc FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.digest = $1"
    row = await db.fetchrow(sql, digest)
    return None if row is None else (decode_session(row[0]), decode_user(row[1]))


async def sessions(db: Db, user_id: str) -> list[Session]:
    """The sessions of a user, the newest first."""
    found = [
        decode_session(doc) for (doc,) in await fetch(db, "SELECT doc FROM sessions WHERE user_id = ?", (user_id,))
    ]
    return sorted(found, key=lambda one: one.created_at, reverse=True)


class UsersTx(Transaction):
    """Users and sessions, inside a transaction."""

    async def users(self) -> list[User]:
        return await users(await self._ours())

    async def user(self, user_id: str) -> User | None:
        return await user(await self._ours(), user_id)

    async def user_of(self, email: str) -> User | None:
        return await user_of(await self._ours(), email)

    async def put_user(self, user: User, email: str) -> None:
        db = await self._ours()
        await db.execute(
            "INSERT INTO users (id, email, doc) VALUES ($1, $2, $3)"
            " ON CONFLICT (id) DO UPDATE SET email = excluded.email, doc = excluded.doc",
            user.id,
            email,
            encode(user),
        )

    async def delete_user(self, user_id: str) -> None:
        db = await self._ours()
        await self.delete_sessions(user_id)
        await db.execute("DELETE FROM users WHERE id = $1", user_id)

    async def session(self, digest: bytes) -> Session | None:
        doc = await self.db.fetchval("SELECT doc FROM sessions WHERE digest = $1 FOR UPDATE", digest)
        return None if doc is None else decode_session(doc)

    async def put_session(self, session: Session) -> None:
        await self.db.execute(
            "INSERT INTO sessions (digest, user_id, expires_at, doc) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (digest) DO UPDATE SET expires_at = excluded.expires_at, doc = excluded.doc",
            session.digest,
            session.user_id,
            session.expires_at,
            encode(session),
        )

    async def delete_session(self, digest: bytes) -> None:
        await self.db.execute("DELETE FROM sessions WHERE digest = $1", digest)

    async def delete_sessions(self, user_id: str, keep: bytes | None = None) -> None:
        sql = "DELETE FROM sessions WHERE user_id = $1 AND digest IS DISTINCT FROM $2"
        await self.db.execute(sql, user_id, keep)

    async def _ours(self) -> Db:
        await self.alone(SETUP)
        return self.db
