"""Users and their sessions. The functions read, for transactions and queries alike; `UsersTx` writes.

A user that cannot be read is an error here, where setup would leave it out: one that was overlooked might let a
stranger become the first administrator.
"""

import apsw

from goniec.core.model import Session, User
from goniec.store.rows import decode_session, decode_user, encode
from goniec.store.sqlite.transaction import Transaction


def users(db: apsw.Connection) -> list[User]:
    """All users, in the order in which they were made."""
    return [decode_user(doc) for (doc,) in db.execute("SELECT doc FROM users ORDER BY id")]


def user(db: apsw.Connection, user_id: str) -> User | None:
    """One user."""
    doc = db.execute("SELECT doc FROM users WHERE id = ?", (user_id,)).get
    return None if doc is None else decode_user(doc)


def user_of(db: apsw.Connection, email: str) -> User | None:
    """The user with this e-mail, in its compared form."""
    doc = db.execute("SELECT doc FROM users WHERE email = ?", (email,)).get
    return None if doc is None else decode_user(doc)


def session(db: apsw.Connection, digest: bytes) -> tuple[Session, User] | None:
    """A session and whose it is; every page asks."""
    sql = "SELECT s.doc, u.doc FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.digest = ?"
    row = db.execute(sql, (digest,)).fetchone()
    return None if row is None else (decode_session(row[0]), decode_user(row[1]))


def sessions(db: apsw.Connection, user_id: str) -> list[Session]:
    """The sessions of a user, the newest first."""
    found = [decode_session(doc) for (doc,) in db.execute("SELECT doc FROM sessions WHERE user_id = ?", (user_id,))]
    return sorted(found, key=lambda one: one.created_at, reverse=True)


class UsersTx(Transaction):
    """Users and sessions, inside a transaction."""

    async def users(self) -> list[User]:
        return users(self.db)

    async def user(self, user_id: str) -> User | None:
        return user(self.db, user_id)

    async def user_of(self, email: str) -> User | None:
        return user_of(self.db, email)

    async def put_user(self, user: User, email: str) -> None:
        self.db.execute(
            "INSERT INTO users (id, email, doc) VALUES (?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET email = excluded.email, doc = excluded.doc",
            (user.id, email, encode(user)),
        )

    async def delete_user(self, user_id: str) -> None:
        await self.delete_sessions(user_id)
        self.db.execute("DELETE FROM users WHERE id = ?", (user_id,))

    async def session(self, digest: bytes) -> Session | None:
        doc = self.db.execute("SELECT doc FROM sessions WHERE digest = ?", (digest,)).get
        return None if doc is None else decode_session(doc)

    async def put_session(self, session: Session) -> None:
        self.db.execute(
            "INSERT INTO sessions (digest, user_id, expires_at, doc) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (digest) DO UPDATE SET expires_at = excluded.expires_at, doc = excluded.doc",
            (session.digest, session.user_id, session.expires_at, encode(session)),
        )

    async def delete_session(self, digest: bytes) -> None:
        self.db.execute("DELETE FROM sessions WHERE digest = ?", (digest,))

    async def delete_sessions(self, user_id: str, keep: bytes | None = None) -> None:
        self.db.execute("DELETE FROM sessions WHERE user_id = ? AND digest IS NOT ?", (user_id, keep))
