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
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from goniec.core.ids import USER, prefixed
from goniec.core.model import Session, User, UserRole
from goniec.core.problems import Invalid, Problem
from goniec.core.text import clean, email_key
from goniec.core.times import DAY, HOUR, MINUTE, Millis
from goniec.flow.configure import Conflict, Expected, Missing, Outside, Stale
from goniec.flow.gate import Gate
from goniec.observe import log
from goniec.ports import Clock, Dice, Passwords, Store, Tx, Unavailable

Language = Literal["pl", "en"]

PASSWORD_MIN: Final = 10
PASSWORD_MAX: Final = 1_000
"""Characters. Nothing is asked of their kinds: length is what counts (NIST SP 800-63B, section 3.1.1.2)."""

RAW_MAX: Final = 4 * PASSWORD_MAX
"""Characters before NFC: no letter is typed with more marks than that, and normalising is not free."""

NAME_LIMIT: Final = 100
AGENT_LIMIT: Final = 200
TOKEN_BYTES: Final = 32

IDLE: Final[Millis] = 12 * HOUR
IDLE_REMEMBERED: Final[Millis] = 30 * DAY
LIFE: Final[Millis] = 30 * DAY
LIFE_REMEMBERED: Final[Millis] = 90 * DAY
"""How long a session lasts without a request, and in all; the longer ones when the browser is to remember it."""

SEEN: Final[Millis] = MINUTE
"""A request is noted in its session at most this often."""


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


def user_tag(user: User) -> str:
    """What tells this version of a user from another."""
    return str(user.version)


# --- users ------------------------------------------------------------------------------------------------------------


async def add_user(  # noqa: PLR0913 - a user has that many parts
    store: Store,
    clock: Clock,
    dice: Dice,
    passwords: Passwords,
    *,
    email: str,
    password: str,
    role: UserRole | None = None,
    name: str = "",
    language: Language | None = None,
    timezone: str | None = None,
    first: bool = False,
) -> User | Conflict:
    """Make a user. Without a `role` the first one of all becomes an administrator, any other an editor.

    With `first` a user is made only while there is none, and is an administrator: of two browsers that try at the same
    moment, one wins.

    Raises:
        Invalid: with every fault of e-mail, password, role, name, language and zone.

    """
    given = {"role": "editor" if role is None else role, "name": name, "language": language, "timezone": timezone}
    kept, problems = _read({**given, "role": "admin"} if first else given)
    address, key = _address(email, problems)
    problems += _password_problems(password, key)
    if problems:
        raise Invalid(*problems)
    if first and await store.queries.users():
        return _NOT_FIRST  # known before the hash, which strangers could else ask for at will
    now = clock.now()
    user = User(
        id=prefixed(USER, now, dice.bits(80)),
        version=1,
        email=address,
        password=await passwords.hash(typed(password)),
        created_at=now,
        updated_at=now,
        **kept,
    )
    return await store.transact(partial(_add, user, key, first=first, leads=role is None))


async def change_user(  # noqa: PLR0913 - what is changed, whose sessions stay, what is overwritten
    store: Store,
    clock: Clock,
    passwords: Passwords,
    user_id: str,
    changes: Mapping[str, Any],
    expected: Expected = None,
    *,
    keep: bytes | None = None,
) -> User | Conflict | Missing | Stale:
    """Change what `changes` names: name, role, language, timezone, disabled, password.

    The last administrator who can sign in stays one. Another password, and being disabled, end all sessions of the user
    but the one with the digest `keep`.

    Raises:
        Invalid: with every fault that was found.

    """
    kept, problems = _read(changes)
    password: str | None = changes.get("password")
    if password is not None:
        known = await store.queries.user(user_id)
        if known is None:
            return Missing("user")
        problems += _password_problems(password, email_key(known.email)[1])
    if problems:
        raise Invalid(*problems)
    if password is not None:
        kept["password"] = await passwords.hash(typed(password))
    now = clock.now()
    if "disabled" in changes:
        kept["disabled_at"] = now if changes["disabled"] else None
    return await store.transact(partial(_change, user_id, kept, expected, now, keep))


async def remove_user(store: Store, user_id: str, expected: Expected = None) -> User | Conflict | Missing | Stale:
    """Remove a user and all sessions. What they did keeps their e-mail as its source key."""
    return await store.transact(partial(_remove, user_id, expected))


async def _add(user: User, key: str, tx: Tx, *, first: bool, leads: bool) -> User | Conflict:
    there = bool(await tx.users())
    if first and there:
        return _NOT_FIRST
    if await tx.user_of(key) is not None:
        return Conflict("emailTaken", f"there is a user with the e-mail {user.email} already")
    if leads and not there:
        user = replace(user, role="admin")
    await tx.put_user(user, key)
    await tx.changed()
    return user


async def _change(
    user_id: str, kept: Mapping[str, Any], expected: Expected, now: Millis, keep: bytes | None, tx: Tx
) -> User | Conflict | Missing | Stale:
    user = await tx.user(user_id)
    if user is None:
        return Missing("user")
    if expected is not None and user_tag(user) not in expected:
        return Stale(user_tag(user))
    changed = replace(user, **kept)
    if user.disabled_at is not None and changed.disabled_at is not None:
        changed = replace(changed, disabled_at=user.disabled_at)
    if changed == user:
        return user
    if _leads(user) and not _leads(changed) and await _alone(tx, user):
        return _LAST
    changed = replace(changed, version=user.version + 1, updated_at=now)
    await tx.put_user(changed, email_key(user.email)[1])
    await tx.changed()
    if changed.disabled_at is not None or changed.password != user.password:
        await tx.delete_sessions(user.id, keep)
    return changed


async def _remove(user_id: str, expected: Expected, tx: Tx) -> User | Conflict | Missing | Stale:
    user = await tx.user(user_id)
    if user is None:
        return Missing("user")
    if expected is not None and user_tag(user) not in expected:
        return Stale(user_tag(user))
    if _leads(user) and await _alone(tx, user):
        return _LAST
    await tx.delete_user(user_id)
    await tx.changed()
    return user


def _leads(user: User) -> bool:
    return user.role == "admin" and user.disabled_at is None


async def _alone(tx: Tx, user: User) -> bool:
    return not any(_leads(other) for other in await tx.users() if other.id != user.id)


_NOT_FIRST: Final = Conflict("notFirst", "there is a user already; an administrator adds the others")
_LAST: Final = Conflict("lastAdmin", "this is the last administrator; make another one first")


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
    """Let somebody in whose password fits. `address` is where the request came from.

    While there is something to wait for, the password is not even looked at.
    """
    problems: list[Problem] = []
    key = _address(email, problems)[1] or "nobody"
    wait = gate.wait(key, address)
    if wait:
        return Throttled(wait)
    gate.failed(key, address)
    user = None if problems else await outside.store.queries.user_of(key)
    kept = user.password if user is not None and user.disabled_at is None else None
    given = typed(password[:RAW_MAX])
    if not await gate.passwords.fits(given, kept) or user is None or len(password) > RAW_MAX:
        return Denied()
    gate.passed(key, address)
    renewed = await gate.passwords.hash(given) if gate.passwords.stale(user.password) else user.password
    made = _made(outside, user, agent, remember=remember)
    return await outside.store.transact(partial(_let_in, made, renewed))


async def open_session(outside: Outside, user: User, *, agent: str = "", remember: bool = False) -> SignedIn:
    """Let a user in who need not be asked: the first one, who was made just now."""
    made = _made(outside, user, agent, remember=remember)
    await outside.store.transact(lambda tx: tx.put_session(made.session))
    return made


def session_digest(token: str) -> bytes:
    """What is kept of a token; its 256 random bits need no slow hash."""
    return sha256(token.encode(errors="replace")).digest()


def still_open(session: Session, user: User, now: Millis) -> bool:
    """Say whether a session still lets its user in."""
    return now < session.expires_at and user.disabled_at is None


async def touched(outside: Outside, session: Session, now: Millis) -> None:
    """Note that a session was used, which moves its end; at most once in `SEEN`.

    What can only be read just now (a full disk) can still be looked at: then nothing is noted.
    """
    if now - session.seen_at < SEEN:
        return
    try:
        await outside.store.transact(partial(_touch, session.digest, now))
    except Unavailable as error:
        log.warning("session.unavailable", reason=str(error))


async def sign_out(outside: Outside, session: Session, *, everywhere: bool = False) -> None:
    """End a session, or all of its user's."""
    if everywhere:
        await outside.store.transact(lambda tx: tx.delete_sessions(session.user_id))
    else:
        await outside.store.transact(lambda tx: tx.delete_session(session.digest))


def _made(outside: Outside, user: User, agent: str, *, remember: bool) -> SignedIn:
    now = outside.clock.now()
    secret = outside.dice.bits(8 * TOKEN_BYTES).to_bytes(TOKEN_BYTES)
    token = urlsafe_b64encode(secret).decode().rstrip("=")
    session = Session(
        digest=session_digest(token),
        user_id=user.id,
        csrf=f"{outside.dice.bits(128):032x}",
        created_at=now,
        seen_at=now,
        expires_at=_end(now, now, remember=remember),
        remember=remember,
        agent="".join(char for char in agent if char.isprintable())[:AGENT_LIMIT],
    )
    return SignedIn(user, session, token)


async def _let_in(made: SignedIn, renewed: str, tx: Tx) -> SignedIn | Denied:
    known, before = await tx.user(made.user.id), made.user
    # removed, put out or given another password while the hash was made
    if known is None or known.disabled_at is not None:
        return Denied()
    # a hash that another try has renewed leaves the version as it is
    if known.password != before.password and known.version != before.version:
        return Denied()
    if known.password != renewed:
        known = replace(known, password=renewed)
        await tx.put_user(known, email_key(known.email)[1])
        await tx.changed()
    await tx.put_session(made.session)
    return replace(made, user=known)


async def _touch(digest: bytes, now: Millis, tx: Tx) -> None:
    session = await tx.session(digest)
    if session is not None:  # it may have been ended meanwhile
        end = _end(session.created_at, now, remember=session.remember)
        await tx.put_session(replace(session, seen_at=now, expires_at=end))


def _end(created: Millis, now: Millis, *, remember: bool) -> Millis:
    idle, life = (IDLE_REMEMBERED, LIFE_REMEMBERED) if remember else (IDLE, LIFE)
    return min(now + idle, created + life)


# --- what can be taken ------------------------------------------------------------------------------------------------


def _read(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[Problem]]:
    """Give those of role, name, language and zone that are given, as they are kept, and what is wrong with them."""
    kept = {key: given[key] for key in ("role", "name", "language", "timezone") if key in given}
    problems = []
    if "role" in kept and kept["role"] not in get_args(UserRole):
        problems.append(Problem("/role", f"there is no such role; there are {_listed(UserRole)}"))
    if "name" in kept:
        try:
            kept["name"] = clean(kept["name"] or "", NAME_LIMIT)
        except ValueError as error:
            problems.append(Problem("/name", str(error)))
    if "language" in kept:
        kept["language"] = kept["language"] or None
        if kept["language"] not in (None, *get_args(Language)):
            problems.append(Problem("/language", f"there is no such language; there are {_listed(Language)}"))
    if "timezone" in kept:
        kept["timezone"] = kept["timezone"] or None
        if kept["timezone"] is not None and not _is_zone(kept["timezone"]):
            problems.append(Problem("/timezone", "there is no such time zone; an example is Europe/Warsaw"))
    return kept, problems


def _listed(kind: object) -> str:
    return ", ".join(get_args(kind))


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        return False
    return True


def _address(email: str, problems: list[Problem]) -> tuple[str, str]:
    """Give an e-mail as entered and in its compared form; what is none is noted, and both are empty."""
    try:
        return email_key(email)
    except ValueError as error:
        problems.append(Problem("/email", str(error)))
    return "", ""


def _password_problems(password: str, email: str) -> list[Problem]:
    given = typed(password[: RAW_MAX + 1])
    if len(given) < PASSWORD_MIN:
        return [Problem("/password", f"a password has at least {PASSWORD_MIN} characters")]
    if len(given) > PASSWORD_MAX or len(password) > RAW_MAX:
        return [Problem("/password", f"a password has at most {PASSWORD_MAX} characters")]
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in given):
        return [Problem("/password", "a password cannot hold control characters, such as a line end or a tab")]
    if given.strip().lower() == email:
        return [Problem("/password", "the password cannot be the e-mail address")]
    return []


def typed(password: str) -> str:
    """One form for what different keyboards send for the same letters (NIST SP 800-63B, section 3.1.1.2).

    A Mac may send ż as z and a dot above, another machine as one character.
    """
    return unicodedata.normalize("NFC", password)
