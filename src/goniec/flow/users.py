"""Users of the panel: made, changed, removed, signed in and out.

A session is a token that the browser keeps and whose SHA-256 the store keeps; every signing in makes a new one. Signing
in never tells whether an e-mail is known: the same work is done, and the same is said. Called by the panel, the API and
the commands.
"""

import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct
from msgspec.structs import replace

from goniec.core.ids import USER, prefixed
from goniec.core.model import Session, User, UserRole
from goniec.core.names import name_problems
from goniec.core.problems import Invalid, Problem
from goniec.core.text import email_key
from goniec.core.times import DAY, HOUR, MINUTE, Millis
from goniec.flow.configure import Conflict, Expected, Missing, Outside, Stale
from goniec.ports import Clock, Dice, Passwords, Store, Tx

PASSWORD_MIN: Final = 10
PASSWORD_MAX: Final = 1_000
"""Characters. Nothing is asked of their kinds: length is what counts (NIST SP 800-63B, section 3.1.1.2)."""

NAME_LIMIT: Final = 100
AGENT_LIMIT: Final = 200

IDLE: Final[Millis] = 12 * HOUR
IDLE_REMEMBERED: Final[Millis] = 30 * DAY
LIFE: Final[Millis] = 30 * DAY
LIFE_REMEMBERED: Final[Millis] = 90 * DAY
"""How long a session lasts without a request, and in all; the longer ones when the browser is to remember it."""

SEEN: Final[Millis] = MINUTE
"""A request is noted in its session at most this often."""

FREE_TRIES: Final = 5
"""So many wrong passwords cost no waiting; each further one twice as long as the one before."""

WAIT_FIRST: Final = 1.0
WAIT_MOST: Final = 15 * 60.0
"""Seconds."""

REMEMBERED_TRIES: Final = 10_000
"""Of how many e-mails and addresses failures are remembered at most."""


class SignedIn(Struct, frozen=True):
    """Somebody is in: `token` is for the browser, and is kept nowhere."""

    user: User
    session: Session
    token: str


class Throttled(Struct, frozen=True):
    """Too many wrong passwords: the next try may be made after so many seconds."""

    seconds: int


class Denied(Struct, frozen=True):
    """It does not fit; what does not is told to nobody."""


class Gate:
    """Counts wrong passwords of an e-mail from an address, and of an address alone. In memory: a restart forgives.

    An e-mail alone is not counted, so nobody can lock out its owner from elsewhere.
    """

    def __init__(self, clock: Clock, passwords: Passwords) -> None:
        self.passwords = passwords
        self._clock = clock
        self._failed: dict[tuple[str, str], tuple[int, float]] = {}

    def wait(self, email: str, address: str) -> int:
        """Give the seconds until a try may be made, rounded up; 0: now."""
        now = self._clock.monotonic()
        until = max((self._failed.get(key, (0, 0.0))[1] for key in _tries(email, address)), default=0.0)
        return max(0, -int(now - until)) if until > now else 0

    def failed(self, email: str, address: str) -> None:
        """Note a wrong password."""
        now = self._clock.monotonic()
        if len(self._failed) >= REMEMBERED_TRIES:
            self._failed = {key: one for key, one in self._failed.items() if one[1] > now}
        if len(self._failed) >= REMEMBERED_TRIES:
            self._failed.clear()
        for key, free in zip(_tries(email, address), (FREE_TRIES, 4 * FREE_TRIES), strict=True):
            count = self._failed.get(key, (0, 0.0))[0] + 1
            wait = 0.0 if count <= free else min(WAIT_FIRST * 2.0 ** min(count - free - 1, 20), WAIT_MOST)
            self._failed[key] = (count, now + wait)

    def passed(self, email: str, address: str) -> None:
        """Forget the wrong ones of who is in now."""
        self._failed.pop(_tries(email, address)[0], None)


def _tries(email: str, address: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (email, address), ("", address)


# --- users ------------------------------------------------------------------------------------------------------------


async def add_user(  # noqa: PLR0913 - a user has that many parts
    store: Store,
    clock: Clock,
    dice: Dice,
    passwords: Passwords,
    *,
    email: str,
    password: str,
    role: UserRole,
    name: str = "",
    language: Literal["pl", "en"] | None = None,
    timezone: str | None = None,
    first: bool = False,
) -> User | Conflict:
    """Make a user; with `first` only while there is none, and then an administrator.

    Raises:
        Invalid: e-mail, password, name or zone cannot be taken.

    """
    address, key = _checked(email, password, name, timezone)
    hashed = await passwords.hash(_typed(password))
    now = clock.now()
    user = User(
        id=prefixed(USER, now, dice.bits(80)),
        version=1,
        email=address,
        role=role,
        password=hashed,
        created_at=now,
        updated_at=now,
        name=name.strip(),
        language=language,
        timezone=timezone or None,
    )

    async def work(tx: Tx) -> User | Conflict:
        if first and await tx.users():
            return Conflict("emailTaken", "there is an administrator already")
        if await tx.user_of(key) is not None:
            return Conflict("emailTaken", f"there is a user with the e-mail {address} already")
        await tx.put_user(user, key)
        return user

    return await store.transact(work)


async def change_user(
    store: Store,
    clock: Clock,
    passwords: Passwords,
    user_id: str,
    changes: Mapping[str, Any],
    expected: Expected = None,
) -> User | Conflict | Missing | Stale:
    """Change what `changes` names: name, role, language, timezone, disabled, password.

    The last administrator stays one.
    Another password, and being disabled, end all sessions of the user.

    Raises:
        Invalid: with every fault that was found.

    """
    problems = [*_name_problems(changes.get("name") or ""), *_zone_problems(changes.get("timezone"))]
    password = changes.get("password")
    if password is not None:
        problems += _password_problems(password, "")
    if problems:
        raise Invalid(*problems)
    hashed = None if password is None else await passwords.hash(_typed(password))
    return await store.transact(partial(_change, user_id, changes, hashed, expected, clock.now()))


async def _change(
    user_id: str, changes: Mapping[str, Any], hashed: str | None, expected: Expected, now: Millis, tx: Tx
) -> User | Conflict | Missing | Stale:
    user = await tx.user(user_id)
    if user is None:
        return Missing("user")
    if expected is not None and str(user.version) not in expected:
        return Stale(str(user.version))
    given = {key: changes[key] for key in ("role", "language", "timezone") if key in changes}
    if "name" in changes:
        given["name"] = (changes["name"] or "").strip()
    if "disabled" in changes:
        given["disabled_at"] = (user.disabled_at or now) if changes["disabled"] else None
    if hashed is not None:
        given["password"] = hashed
    changed = replace(user, **given)
    if changed == user:
        return user
    if _leads(user) and not _leads(changed) and await _alone(tx, user):
        return Conflict("lastAdmin", "this is the last administrator; make another one first")
    changed = replace(changed, version=user.version + 1, updated_at=now)
    await tx.put_user(changed, email_key(user.email)[1])
    if hashed is not None or changed.disabled_at is not None:
        await tx.delete_sessions(user.id)
    return changed


async def remove_user(store: Store, user_id: str) -> User | Conflict | Missing:
    """Remove a user and all sessions. What they did keeps their e-mail as its source key."""

    async def work(tx: Tx) -> User | Conflict | Missing:
        user = await tx.user(user_id)
        if user is None:
            return Missing("user")
        if _leads(user) and await _alone(tx, user):
            return Conflict("lastAdmin", "this is the last administrator; make another one first")
        await tx.delete_user(user_id)
        return user

    return await store.transact(work)


def _leads(user: User) -> bool:
    return user.role == "admin" and user.disabled_at is None


async def _alone(tx: Tx, user: User) -> bool:
    return not any(_leads(other) for other in await tx.users() if other.id != user.id)


# --- in and out -------------------------------------------------------------------------------------------------------


async def sign_in(  # noqa: PLR0913 - a try has that many parts
    outside: Outside,
    gate: Gate,
    *,
    email: str,
    password: str,
    address: str,
    agent: str = "",
    remember: bool = False,
) -> SignedIn | Throttled | Denied:
    """Let somebody in whose password fits. `address` is where the request came from."""
    try:
        _, key = email_key(email)
    except ValueError:
        key = email.strip().lower()[:PASSWORD_MAX]
    wait = gate.wait(key, address)
    if wait:
        return Throttled(wait)
    gate.failed(key, address)  # taken back when it fits: tries at the same moment all count
    user = await outside.store.transact(lambda tx: tx.user_of(key))
    kept = user.password if user is not None and user.disabled_at is None else None
    typed = _typed(password[: PASSWORD_MAX + 1])
    if not await gate.passwords.fits(typed, kept) or user is None:
        return Denied()
    gate.passed(key, address)
    if gate.passwords.stale(user.password):
        hashed = await gate.passwords.hash(typed)
        await outside.store.transact(partial(_rehashed, user, hashed))
    return await open_session(outside, user, agent=agent, remember=remember)


async def open_session(outside: Outside, user: User, *, agent: str = "", remember: bool = False) -> SignedIn:
    """Make a session for a user."""
    now = outside.clock.now()
    token = urlsafe_b64encode(outside.dice.bits(256).to_bytes(32)).decode().rstrip("=")
    session = Session(
        digest=session_digest(token),
        user_id=user.id,
        csrf=f"{outside.dice.bits(128):032x}",
        created_at=now,
        seen_at=now,
        expires_at=_end(now, now, remember=remember),
        remember=remember,
        agent=_plain(agent),
    )
    await outside.store.transact(lambda tx: tx.put_session(session))
    return SignedIn(user, session, token)


def session_digest(token: str) -> bytes:
    """What is kept of a token; its 256 random bits need no slow hash."""
    return sha256(token.encode()).digest()


def still_open(session: Session, user: User, now: Millis) -> bool:
    """Say whether a session still lets its user in."""
    return now < session.expires_at and user.disabled_at is None


async def touched(outside: Outside, session: Session, now: Millis) -> None:
    """Note that a session was used, which moves its end; at most once in `SEEN`."""
    if now - session.seen_at < SEEN:
        return
    end = _end(session.created_at, now, remember=session.remember)
    await outside.store.transact(partial(_touch, replace(session, seen_at=now, expires_at=end)))


async def sign_out(outside: Outside, session: Session, *, everywhere: bool = False) -> None:
    """End a session, or all of its user's."""
    if everywhere:
        await outside.store.transact(lambda tx: tx.delete_sessions(session.user_id))
    else:
        await outside.store.transact(lambda tx: tx.delete_session(session.digest))


async def _touch(session: Session, tx: Tx) -> None:
    if await tx.session(session.digest) is not None:  # it may have been ended meanwhile
        await tx.put_session(session)


async def _rehashed(user: User, hashed: str, tx: Tx) -> None:
    known = await tx.user(user.id)
    if known is not None and known.password == user.password:
        await tx.put_user(replace(known, password=hashed), email_key(known.email)[1])


def _end(created: Millis, now: Millis, *, remember: bool) -> Millis:
    idle, life = (IDLE_REMEMBERED, LIFE_REMEMBERED) if remember else (IDLE, LIFE)
    return min(now + idle, created + life)


# --- what can be taken ------------------------------------------------------------------------------------------------


def _checked(email: str, password: str, name: str, timezone: str | None) -> tuple[str, str]:
    problems = [*_name_problems(name), *_zone_problems(timezone)]
    address = key = ""
    try:
        address, key = email_key(email)
    except ValueError as error:
        problems.append(Problem("/email", str(error)))
    else:
        if not address:
            problems.append(Problem("/email", "is required"))
    problems += _password_problems(password, key)
    if problems:
        raise Invalid(*problems)
    return address, key


def _password_problems(password: str, email: str) -> list[Problem]:
    if len(password) < PASSWORD_MIN:
        return [Problem("/password", f"at least {PASSWORD_MIN} characters")]
    if len(password) > PASSWORD_MAX:
        return [Problem("/password", f"at most {PASSWORD_MAX} characters, and this has {len(password)}")]
    if email and password.strip().lower() == email:
        return [Problem("/password", "must not be the e-mail address")]
    if "\0" in password or any("\ud800" <= char <= "\udfff" for char in password):
        return [Problem("/password", "holds a character that no keyboard types")]
    return []


def _name_problems(name: str) -> list[Problem]:
    return name_problems("/name", name, NAME_LIMIT) if name.strip() else []


def _zone_problems(timezone: str | None) -> list[Problem]:
    if not timezone:
        return []
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return [Problem("/timezone", "there is no such time zone; an example is Europe/Warsaw")]
    return []


def _typed(password: str) -> str:
    """One form for what different keyboards send for the same letters (NIST SP 800-63B, section 3.1.1.2)."""
    return unicodedata.normalize("NFC", password)


def _plain(agent: str) -> str:
    return "".join(char for char in agent if char.isprintable())[:AGENT_LIMIT]
