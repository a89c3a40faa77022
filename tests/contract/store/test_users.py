"""Users and their sessions."""

from typing import Any

import pytest

from goniec.core.model import Session, User
from goniec.ports import Store, Tx
from tests.contract.store.scribe import DAY, NOW, ids


def user(user_id: str = "usr_1", **fields: Any) -> User:
    return User(
        **{
            "id": user_id,
            "version": 1,
            "email": f"{user_id}@X.pl",
            "role": "admin",
            "password": "$argon2id$…",
            "created_at": NOW,
            "updated_at": NOW,
            **fields,
        }
    )


def session(digest: bytes = b"\x00one", user_id: str = "usr_1", **fields: Any) -> Session:
    return Session(
        **{
            "digest": digest,
            "user_id": user_id,
            "csrf": "secret",
            "created_at": NOW,
            "seen_at": NOW,
            "expires_at": NOW + DAY,
            **fields,
        }
    )


async def put(store: Store, *things: User | Session) -> None:
    async def work(tx: Tx) -> None:
        for thing in things:
            await (tx.put_session(thing) if isinstance(thing, Session) else tx.put_user(thing, thing.email.lower()))

    await store.transact(work)


async def digests(store: Store, user_id: str = "usr_1") -> list[bytes]:
    return [one.digest for one in await store.queries.sessions(user_id)]


async def test_a_user_comes_back_as_it_was(store: Store) -> None:
    plain = user()
    whole = user("usr_2", role="viewer", name="Ewa Żak", language="pl", timezone="Asia/Tokyo", disabled_at=NOW + 1)
    await put(store, whole, plain)
    assert await store.queries.users() == [plain, whole]
    assert await store.transact(lambda tx: tx.users()) == [plain, whole]
    assert await store.queries.user("usr_2") == whole
    assert await store.transact(lambda tx: tx.user("usr_2")) == whole
    assert await store.queries.user("usr_3") is None
    assert await store.transact(lambda tx: tx.user("usr_3")) is None


async def test_a_user_is_found_by_the_compared_form_of_the_email(store: Store) -> None:
    await put(store, user())
    assert await store.transact(lambda tx: tx.user_of("usr_1@x.pl")) == user()
    assert await store.transact(lambda tx: tx.user_of("usr_1@X.pl")) is None
    assert await store.queries.user_of("usr_1@x.pl") == user()
    assert await store.queries.user_of("usr_1@X.pl") is None
    changed = user(version=2, name="Jan")
    await put(store, changed)
    assert await store.queries.users() == [changed]


async def test_an_email_is_one_users(store: Store) -> None:
    await put(store, user())
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.transact(lambda tx: tx.put_user(user("usr_2"), "usr_1@x.pl"))
    assert ids(await store.queries.users()) == ["usr_1"]


async def test_a_session_comes_with_its_user(store: Store) -> None:
    made = session(remember=True, agent="Firefox")
    await put(store, user(), made)
    assert await store.queries.session(made.digest) == (made, user())
    assert await store.transact(lambda tx: tx.session(made.digest)) == made
    assert await store.queries.session(b"\x00other") is None
    assert await store.transact(lambda tx: tx.session(b"\x00other")) is None
    later = session(seen_at=NOW + 9, expires_at=NOW + 9 + DAY)
    await put(store, later)
    assert await store.queries.session(made.digest) == (later, user())


async def test_the_sessions_of_a_user_come_the_newest_first(store: Store) -> None:
    first, second, others = session(b"b"), session(b"a", created_at=NOW + 1), session(b"c", "usr_2")
    await put(store, user(), user("usr_2"), first, second, others)
    assert await store.queries.sessions("usr_1") == [second, first]
    assert await store.queries.sessions("usr_3") == []


async def test_sessions_end_one_by_one_or_all_but_one(store: Store) -> None:
    await put(store, user(), user("usr_2"), session(b"c", "usr_2"), *(session(digest) for digest in (b"a", b"b", b"d")))
    await store.transact(lambda tx: tx.delete_session(b"d"))
    assert sorted(await digests(store)) == [b"a", b"b"]
    await store.transact(lambda tx: tx.delete_sessions("usr_1", b"b"))
    assert await digests(store) == [b"b"]
    await store.transact(lambda tx: tx.delete_sessions("usr_1"))
    assert await digests(store) == []
    assert await digests(store, "usr_2") == [b"c"]


async def test_with_a_user_the_sessions_go(store: Store) -> None:
    await put(store, user(), user("usr_2"), session(b"a"), session(b"b", "usr_2"))
    await store.transact(lambda tx: tx.delete_user("usr_1"))
    assert ids(await store.queries.users()) == ["usr_2"]
    assert await store.queries.session(b"a") is None
    assert await digests(store) == []
    assert await digests(store, "usr_2") == [b"b"]


async def test_upkeep_lets_go_of_sessions_that_ended(store: Store) -> None:
    await put(store, user(), session(b"a", expires_at=NOW - 1), session(b"b", expires_at=NOW))
    await store.transact(lambda tx: tx.prune(0, 0, NOW, 100))
    assert await digests(store) == [b"b"]
