"""Users of the panel: made, changed, removed; signing in and out, and how long that lasts."""

import asyncio
import unicodedata
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from goniec.core.model import Session, User
from goniec.core.problems import Invalid
from goniec.core.times import DAY, HOUR, MINUTE
from goniec.flow.configure import Conflict, Missing, Stale
from goniec.flow.gate import FREE, Gate
from goniec.flow.users import (
    IDLE,
    IDLE_REMEMBERED,
    LIFE,
    LIFE_REMEMBERED,
    PASSWORD_MAX,
    SEEN,
    Denied,
    SignedIn,
    Throttled,
    add_user,
    change_user,
    open_session,
    remove_user,
    session_digest,
    sign_in,
    sign_out,
    still_open,
    touched,
    user_tag,
)
from goniec.ports import Store, Tx, Unavailable
from tests.flow.desk import Desk
from tests.flow.passwords import Plain
from tests.flow.workshop import Workshop

PASSWORD = "zażółć gęślą"
HERE = "198.51.100.7"


class Door:
    """Passwords, the gate, and short words for what tests do."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self.store = shop.store
        self.outside = Desk(shop).outside
        self.passwords = Plain()
        self.gate = Gate(shop.clock, self.passwords)

    async def add(self, email: str = "jan@x.pl", **fields: Any) -> User | Conflict:
        given = {"email": email, "password": PASSWORD, "role": "editor", **fields}
        return await add_user(self.store, self.shop.clock, self.shop.dice, self.passwords, **given)

    async def added(self, email: str = "jan@x.pl", **fields: Any) -> User:
        made = await self.add(email, **fields)
        assert isinstance(made, User), made
        return made

    async def change(self, user: User, **changes: Any) -> User | Conflict | Missing | Stale:
        return await change_user(self.store, self.shop.clock, self.passwords, user.id, changes)

    async def changed(self, user: User, **changes: Any) -> User:
        found = await self.change(user, **changes)
        assert isinstance(found, User), found
        return found

    async def knock(
        self, email: str = "jan@x.pl", password: str = PASSWORD, **fields: Any
    ) -> SignedIn | Throttled | Denied:
        given = {"email": email, "password": password, "address": HERE, **fields}
        return await sign_in(self.outside, self.gate, **given)

    async def enter(self, email: str = "jan@x.pl", **fields: Any) -> SignedIn:
        found = await self.knock(email, **fields)
        assert isinstance(found, SignedIn), found
        return found

    async def inside(self, made: SignedIn) -> bool:
        """Whether the token still opens the door."""
        found = await self.store.queries.session(session_digest(made.token))
        return found is not None and still_open(*found, self.shop.clock.now())

    async def session(self, made: SignedIn) -> Session:
        found = await self.store.queries.session(session_digest(made.token))
        assert found is not None
        return found[0]


@pytest.fixture
def door(shop: Workshop) -> Door:
    return Door(shop)


def pointers(invalid: pytest.ExceptionInfo[Invalid]) -> list[str]:
    return [problem.pointer for problem in invalid.value.problems]


# --- made -------------------------------------------------------------------------------------------------------------


async def test_a_user_is_made_with_a_hash_and_no_password(door: Door) -> None:
    made = await door.added("Jan@X.pl", name="Jan", language="pl", timezone="Asia/Tokyo")
    assert (made.email, made.role, made.name, made.language, made.timezone) == (
        "Jan@X.pl",
        "editor",
        "Jan",
        "pl",
        "Asia/Tokyo",
    )
    assert (made.id[:4], made.version, user_tag(made), made.created_at) == ("usr_", 1, "1", door.shop.clock.now())
    assert made.password == await door.passwords.hash(PASSWORD)
    assert await door.store.queries.users() == [made]


async def test_an_email_is_one_users_whatever_its_case(door: Door) -> None:
    made = await door.added("jan@x.pl")
    taken = await door.add("JAN@x.pl")
    assert isinstance(taken, Conflict)
    assert (taken.code, "JAN@x.pl" in taken.detail) == ("emailTaken", True)
    assert await door.store.queries.users() == [made]


async def test_without_a_role_the_first_leads_and_the_others_edit(door: Door) -> None:
    roles = [(await door.added(f"{n}@x.pl", role=None)).role for n in range(3)]
    assert roles == ["admin", "editor", "editor"]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"email": "jan"}, ["/email"]),
        ({"email": ""}, ["/email"]),
        ({"password": "123456789"}, ["/password"]),
        ({"password": "z\u0307" * 9}, ["/password"]),
        ({"password": "x" * (PASSWORD_MAX + 1)}, ["/password"]),
        ({"password": "z\u0307" * (3 * PASSWORD_MAX)}, ["/password"]),
        ({"password": "line\nand line"}, ["/password"]),
        ({"password": "nothing\0here"}, ["/password"]),
        ({"password": "half \ud800 a pair"}, ["/password"]),
        ({"email": "Żaneta@example.pl", "password": " z\u0307aneta@EXAMPLE.pl"}, ["/password"]),
        ({"role": "root"}, ["/role"]),
        ({"name": "x" * 101}, ["/name"]),
        ({"name": "a\nb"}, ["/name"]),
        ({"language": "de"}, ["/language"]),
        ({"timezone": "Mars/Olympus"}, ["/timezone"]),
        ({"timezone": "../Europe/Warsaw"}, ["/timezone"]),
        (
            {"email": "jan", "password": "", "role": "", "name": "\0", "language": "x", "timezone": "x"},
            ["/role", "/name", "/language", "/timezone", "/email", "/password"],
        ),
    ],
)
async def test_what_is_no_user(door: Door, fields: dict[str, str], wrong: list[str]) -> None:
    with pytest.raises(Invalid) as invalid:
        await door.add(**fields)
    assert pointers(invalid) == wrong
    assert await door.store.queries.users() == []
    if fields.get("password"):
        assert fields["password"] not in str(invalid.value)


@pytest.mark.parametrize(
    "password", ["0123456789", "a" * PASSWORD_MAX, "z\u0307" * PASSWORD_MAX, "  two spaces  ", "🐎" * 10]
)
async def test_length_is_all_that_is_asked_of_a_password(door: Door, password: str) -> None:
    await door.added(password=password)
    assert isinstance(await door.knock(password=password), SignedIn)


async def test_what_is_left_empty_is_as_the_workspace_has_it(door: Door) -> None:
    made = await door.added(name="  ", language="", timezone="")
    assert (made.name, made.language, made.timezone) == ("", None, None)


# --- the first --------------------------------------------------------------------------------------------------------


async def test_of_two_browsers_at_once_one_makes_the_first_administrator(door: Door) -> None:
    tries = await asyncio.gather(*(door.add(f"{n}@x.pl", first=True, role=None) for n in range(8)))
    made = [one for one in tries if isinstance(one, User)]
    assert [one.role for one in made] == ["admin"]
    assert {one.code for one in tries if isinstance(one, Conflict)} == {"notFirst"}
    assert await door.store.queries.users() == made


async def test_the_first_one_is_made_only_once_and_nobody_can_ask_for_hashes(door: Door) -> None:
    await door.added(first=True, role="viewer")
    hashed: list[str] = []

    async def hash_(password: str) -> str:
        hashed.append(password)
        return password

    door.passwords.hash = hash_  # type: ignore[method-assign] # it is counted here
    late = await door.add("ewa@x.pl", first=True)
    assert isinstance(late, Conflict)
    assert (late.code, hashed) == ("notFirst", [])
    (only,) = await door.store.queries.users()
    assert (only.email, only.role) == ("jan@x.pl", "admin")


# --- changed and removed ----------------------------------------------------------------------------------------------


async def test_a_user_is_changed(door: Door) -> None:
    made = await door.added()
    door.shop.clock.at += 5
    changed = await door.changed(made, name="Jan", role="viewer", language="en", timezone="UTC")
    assert (changed.name, changed.role, changed.language, changed.timezone) == ("Jan", "viewer", "en", "UTC")
    assert (changed.version, changed.updated_at, changed.created_at) == (2, made.updated_at + 5, made.created_at)
    back = await door.changed(changed, name="", language=None, timezone="")
    assert (back.name, back.language, back.timezone, back.role) == ("", None, None, "viewer")
    assert await door.changed(back, name="", role="viewer") == back
    assert await door.store.queries.users() == [back]


async def test_only_the_version_that_was_read_is_changed(door: Door) -> None:
    made, clock = await door.added(), door.shop.clock
    for_one = frozenset({user_tag(made)})
    changed = await change_user(door.store, clock, door.passwords, made.id, {"name": "Jan"}, for_one)
    assert isinstance(changed, User)
    assert await change_user(door.store, clock, door.passwords, made.id, {"name": "Ewa"}, for_one) == Stale("2")
    assert await remove_user(door.store, made.id, for_one) == Stale("2")
    assert await remove_user(door.store, made.id, frozenset({"2"})) == changed


@pytest.mark.parametrize("changes", [{"name": "x"}, {"password": PASSWORD}])
async def test_nobody_is_not_changed(door: Door, changes: dict[str, str]) -> None:
    assert await change_user(door.store, door.shop.clock, door.passwords, "usr_1", changes) == Missing("user")
    assert await remove_user(door.store, "usr_1") == Missing("user")


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"password": "short"}, ["/password"]),
        ({"password": "jan@EXAMPLE.pl"}, ["/password"]),
        ({"role": "root", "name": "\0", "timezone": "x"}, ["/role", "/name", "/timezone"]),
    ],
)
async def test_what_a_user_cannot_become(door: Door, changes: dict[str, str], wrong: list[str]) -> None:
    made = await door.added("jan@example.pl")
    with pytest.raises(Invalid) as invalid:
        await door.change(made, **changes)
    assert pointers(invalid) == wrong
    assert await door.store.queries.users() == [made]


async def test_another_password_ends_the_other_sessions(door: Door) -> None:
    made = await door.added()
    here, elsewhere = await door.enter(), await door.enter()
    others = await door.enter((await door.added("ewa@x.pl")).email)
    changed = await change_user(
        door.store, door.shop.clock, door.passwords, made.id, {"password": "another one"}, keep=here.session.digest
    )
    assert isinstance(changed, User)
    assert [await door.inside(one) for one in (here, elsewhere, others)] == [True, False, True]
    assert isinstance(await door.knock(), Denied)
    await door.changed(changed, password="and another one")
    assert not await door.inside(here)
    assert await door.inside(await door.enter(password="and another one"))


async def test_who_is_disabled_is_out_until_enabled(door: Door) -> None:
    made = await door.added()
    inside = await door.enter()
    off = await door.changed(made, disabled=True)
    assert off.disabled_at == door.shop.clock.now()
    assert not await door.inside(inside)
    assert isinstance(await door.knock(), Denied)
    door.shop.clock.at += 5
    assert await door.changed(off, disabled=True) == off
    on = await door.changed(off, disabled=False)
    assert on.disabled_at is None
    assert not await door.inside(inside)
    assert isinstance(await door.knock(), SignedIn)


async def test_other_changes_leave_sessions_as_they_are(door: Door) -> None:
    made = await door.added()
    inside = await door.enter()
    await door.changed(made, name="Jan", role="viewer")
    assert await door.inside(inside)


async def test_who_is_removed_is_out(door: Door) -> None:
    made = await door.added()
    inside = await door.enter()
    assert await remove_user(door.store, made.id) == made
    assert not await door.inside(inside)
    assert isinstance(await door.knock(), Denied)
    assert await door.store.queries.users() == []


@pytest.mark.parametrize("change", [{"role": "editor"}, {"disabled": True}, {}])
async def test_the_last_administrator_stays(door: Door, change: dict[str, Any]) -> None:
    async def go(user: User) -> User | Conflict | Missing | Stale:
        return await (door.change(user, **change) if change else remove_user(door.store, user.id))

    last = await door.added("jan@x.pl", role="admin")
    off = await door.added("off@x.pl", role="admin")
    await door.changed(off, disabled=True)
    await door.added("ewa@x.pl", role="editor")
    refused = await go(last)
    assert isinstance(refused, Conflict)
    assert refused.code == "lastAdmin"
    assert await door.store.queries.user(last.id) == last
    await door.changed(last, name="Jan")
    other = await door.added("ola@x.pl", role="admin")
    assert isinstance(await go(last), User)
    assert isinstance(await go(other), Conflict)
    assert isinstance(await remove_user(door.store, off.id), User)


async def test_two_administrators_cannot_put_each_other_out(door: Door) -> None:
    one, other = await door.added("a@x.pl", role="admin"), await door.added("b@x.pl", role="admin")
    found = await asyncio.gather(door.change(one, role="viewer"), remove_user(door.store, other.id))
    assert [type(each) for each in found].count(Conflict) == 1


# --- in ---------------------------------------------------------------------------------------------------------------


async def test_who_signs_in_gets_a_session_of_its_own(door: Door) -> None:
    made = await door.added("Jan@X.pl")
    first = await door.enter(" JAN@x.pl ", agent="Mozilla/5.0\r\n" + "x" * 500)
    second = await door.enter()
    assert first.user == made
    assert first.token != second.token
    assert first.session.csrf != second.session.csrf
    assert len(first.token) == 43
    found = await door.store.queries.session(session_digest(first.token))
    assert found == (first.session, made)
    assert first.session.agent.startswith("Mozilla/5.0xxx")
    assert len(first.session.agent) == 200
    assert {one.digest for one in await door.store.queries.sessions(made.id)} == {
        first.session.digest,
        second.session.digest,
    }


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("jan@x.pl", "something else"),
        ("jan@x.pl", ""),
        ("jan@x.pl", "half \ud800 a pair"),
        ("jan@x.pl", PASSWORD + " "),
        ("jan@x.pl", PASSWORD + "x" * 5_000_000),
        ("ewa@x.pl", PASSWORD),
        ("no e-mail", PASSWORD),
        ("\ud800@x.pl", PASSWORD),
        ("", PASSWORD),
    ],
)
async def test_what_does_not_fit_is_denied_and_costs_the_same_work(door: Door, email: str, password: str) -> None:
    await door.added()
    assert await door.knock(email, password) == Denied()
    assert len(door.passwords.asked) == 1


@pytest.mark.parametrize("form", ["NFC", "NFD"])
async def test_a_password_is_the_same_from_every_keyboard(door: Door, form: Literal["NFC", "NFD"]) -> None:
    typed = unicodedata.normalize(form, PASSWORD)
    await door.added(password=typed)
    await door.enter(password=unicodedata.normalize("NFC", PASSWORD))
    await door.enter(password=unicodedata.normalize("NFD", PASSWORD))


async def test_after_some_wrong_ones_nothing_is_looked_at_until_the_wait_is_over(door: Door) -> None:
    await door.added()
    for email in ("jan@x.pl", "nobody@x.pl"):
        for _ in range(FREE + 1):
            assert await door.knock(email, "wrong one") == Denied()
        asked = len(door.passwords.asked)
        assert await door.knock(email) == Throttled(1), "whether somebody has this e-mail or not"
        assert len(door.passwords.asked) == asked
    assert isinstance(await door.knock(address="203.0.113.9"), SignedIn)
    door.shop.clock.at += 1_000
    assert isinstance(await door.knock(), SignedIn)
    for _ in range(FREE):
        assert await door.knock(password="wrong one") == Denied()
    assert isinstance(await door.knock(), SignedIn)


async def test_tries_at_the_same_moment_all_count(door: Door) -> None:
    await door.added()
    found = await asyncio.gather(*(door.knock(password=f"wrong one {n}") for n in range(40)))
    assert sum(isinstance(one, Denied) for one in found) == FREE + 1
    assert sum(isinstance(one, Throttled) for one in found) == 40 - FREE - 1


async def test_a_hash_of_old_is_made_anew(door: Door) -> None:
    door.passwords.mark = "0"
    made = await door.added()
    door.passwords.mark = "1"
    first, second = await asyncio.gather(door.enter(), door.enter())
    assert (first.user.password[0], second.user.password[0]) == ("1", "1")
    (kept,) = await door.store.queries.users()
    assert kept == first.user
    assert (made.password[0], kept.version) == ("0", made.version)
    assert await door.inside(first)
    assert await door.inside(second)


@pytest.mark.parametrize("meanwhile", ["remove", "disable", "password"])
async def test_what_happens_while_the_password_is_looked_at_counts(door: Door, meanwhile: str) -> None:
    made = await door.added()

    async def happen() -> object:
        door.passwords.before = None
        match meanwhile:
            case "remove":
                return await remove_user(door.store, made.id)
            case "disable":
                return await door.changed(made, disabled=True)
            case _:
                return await door.changed(made, password="another one")

    door.passwords.before = happen
    assert await door.knock() == Denied()
    assert await door.store.queries.sessions(made.id) == []


async def test_a_new_name_meanwhile_does_not_matter(door: Door) -> None:
    made = await door.added()

    async def happen() -> object:
        return await door.changed(made, name="Jan")

    door.passwords.before = happen
    assert (await door.enter()).user.name == "Jan"


async def test_the_first_user_need_not_be_asked(door: Door) -> None:
    made = await door.added(first=True)
    entered = await open_session(door.outside, made, agent="Firefox")
    assert (entered.user, entered.session.agent) == (made, "Firefox")
    assert await door.inside(entered)


@given(st.text())
@example("\ud800")
def test_any_cookie_has_a_digest(token: str) -> None:
    assert len(session_digest(token)) == 32


# --- and out ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("remember", "idle", "life"), [(False, IDLE, LIFE), (True, IDLE_REMEMBERED, LIFE_REMEMBERED)])
async def test_a_session_ends_when_it_is_not_used_and_at_last_in_any_case(
    door: Door, idle: int, life: int, *, remember: bool
) -> None:
    await door.added()
    clock = door.shop.clock
    idler = await door.enter(remember=remember)
    clock.at += idle - 1
    assert await door.inside(idler)
    clock.at += 1
    assert not await door.inside(idler)
    busy = await door.enter(remember=remember)
    started = clock.at
    while await door.inside(busy):
        clock.at += idle // 3
        await touched(door.outside, await door.session(busy), clock.at)
        assert clock.at - started < life + idle
    assert (await door.session(busy)).expires_at == started + life


async def test_a_session_is_noted_at_most_once_a_minute(door: Door) -> None:
    await door.added()
    made, clock = await door.enter(), door.shop.clock
    for wait, noted in ((SEEN - 1, 0), (1, SEEN), (MINUTE - 1, SEEN), (1, 2 * SEEN)):
        clock.at += wait
        await touched(door.outside, await door.session(made), clock.at)
        found = await door.session(made)
        assert found.seen_at - made.session.seen_at == noted
        assert found.expires_at == found.seen_at + IDLE


async def test_a_session_that_was_ended_meanwhile_stays_ended(door: Door) -> None:
    await door.added()
    made = await door.enter()
    await sign_out(door.outside, made.session)
    await touched(door.outside, made.session, door.shop.clock.now() + HOUR)
    assert not await door.inside(made)


async def test_pages_can_be_read_where_nothing_can_be_written(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    await door.added()
    made = await door.enter()

    async def full(_store: Store, _work: object) -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(type(door.store), "transact", full)
    await touched(door.outside, made.session, door.shop.clock.now() + HOUR)
    assert await door.inside(made)


async def test_one_signs_out_here_or_everywhere(door: Door) -> None:
    await door.added()
    await door.added("ewa@x.pl")
    one, two, three, ewa = [await door.enter() for _ in range(3)] + [await door.enter("ewa@x.pl")]
    await sign_out(door.outside, one.session)
    assert [await door.inside(each) for each in (one, two, three)] == [False, True, True]
    await sign_out(door.outside, two.session, everywhere=True)
    assert [await door.inside(each) for each in (one, two, three, ewa)] == [False, False, False, True]


async def test_upkeep_lets_go_of_sessions_that_ended(door: Door) -> None:
    made = await door.added()
    await door.enter()
    await door.enter(remember=True)
    now = door.shop.clock.now() + 2 * DAY

    async def prune(tx: Tx) -> object:
        return await tx.prune(0, 0, now - DAY, 100)

    await door.store.transact(prune)
    assert [one.remember for one in await door.store.queries.sessions(made.id)] == [True]
