"""Users of the panel: made, listed, changed, removed. A password is written, and neither it nor its hash read back."""

from functools import partial
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from goniec.core.model import User, UserRole
from goniec.core.times import format_instant
from goniec.flow.configure import Refusal
from goniec.flow.users import (
    NAME_LIMIT,
    PASSWORD_MAX,
    PASSWORD_MIN,
    Language,
    add_user,
    change_user,
    remove_user,
    user_tag,
)
from goniec.ports import Store
from goniec.web.lists import Listed, PageQuery, listed
from goniec.web.once import once
from goniec.web.operation import Ask, operation
from goniec.web.problems import missing
from goniec.web.refusals import cut, etag, fault
from goniec.web.reply import Reply

Password = Annotated[
    str,
    Meta(
        description=f"{PASSWORD_MIN} to {PASSWORD_MAX} characters of any kind, without control characters, and not the"
        " e-mail address. Never read back."
    ),
]
Role = Annotated[
    UserRole, Meta(description="`viewer` looks, `editor` changes rules and contacts too, `admin` does everything.")
]
Name = Annotated[str, Meta(description=f"How the panel calls the user, at most {NAME_LIMIT} characters.")]
Spoken = Annotated[Language | None, Meta(description="Of the panel; null: that of the workspace.")]
Zone = Annotated[str | None, Meta(description="An IANA time zone, such as Europe/Warsaw; null: the workspace's.")]


class UserIn(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A user to make."""

    email: Annotated[str, Meta(description="What the user signs in with. It stays the same.")]
    password: Password
    role: Role
    name: Name = ""
    language: Spoken = None
    timezone: Zone = None


class UserChange(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What is to change of a user; what is left out stays."""

    name: Name | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    language: Spoken | UnsetType = UNSET
    timezone: Zone | UnsetType = UNSET
    disabled: Annotated[bool, Meta(description="Who is disabled is signed out, and cannot sign in.")] | UnsetType = (
        UNSET
    )
    password: Password | UnsetType = UNSET


class UserOut(Struct, rename="camel", kw_only=True):
    """A user of the panel."""

    id: str
    version: int
    email: str
    name: str
    role: UserRole
    language: Language | None
    timezone: str | None
    created_at: str
    updated_at: str
    disabled_at: str | None


_PHRASE = "correct horse battery staple"


@operation("GET", "/users", scope="admin", tag="users", summary="List users", answers={200: Listed[UserOut]})
async def list_users(ask: Ask, query: PageQuery) -> Reply:
    """Users of the panel in the order in which they were made, disabled ones too."""
    rows = cut(query.page(), await ask.context.store.queries.users(), lambda user: user.id)
    return listed(query, rows, lambda user: user.id, _shown)


@operation("GET", "/users/{id}", scope="admin", tag="users", summary="Read a user", answers={200: UserOut})
async def read_user(ask: Ask, id: str) -> Reply:
    """One user."""
    user = await ask.context.store.queries.user(id)
    if user is None:
        raise missing("user")
    return _tell(user)


@operation(
    "POST",
    "/users",
    scope="admin",
    tag="users",
    summary="Make a user",
    answers={201: UserOut},
    errors=(409,),
    examples={"an editor": {"email": "ewa@example.com", "password": _PHRASE, "role": "editor", "name": "Ewa"}},
)
async def make_user(ask: Ask, body: UserIn) -> Reply:
    """Make a user, who may sign in to the panel at once. Only a slow hash (argon2id) of the password is kept."""
    context = ask.context

    async def act(store: Store) -> User | Refusal:
        return await add_user(store, context.clock, context.dice, context.gate.passwords, **asdict(body))

    return await once(ask, act, partial(_tell, status=201), secret=True)


@operation(
    "PATCH",
    "/users/{id}",
    scope="admin",
    tag="users",
    summary="Change a user",
    answers={200: UserOut},
    errors=(409, 412),
    examples={"another role": {"role": "viewer"}, "a new password": {"password": _PHRASE}},
)
async def patch_user(ask: Ask, id: str, body: UserChange) -> Reply:
    """Change what is given. Another password, and being disabled, sign the user out everywhere.

    The last administrator who can sign in is neither disabled nor given another role (409 `lastAdmin`).
    """
    context = ask.context
    changes = {name: value for name, value in asdict(body).items() if value is not UNSET}

    async def act(store: Store) -> User | Refusal:
        return await change_user(store, context.clock, context.gate.passwords, id, changes, ask.expected)

    return await once(ask, act, _tell, secret=True)


@operation(
    "DELETE",
    "/users/{id}",
    scope="admin",
    tag="users",
    summary="Remove a user",
    answers={204: None},
    errors=(409, 412),
)
async def delete_user(ask: Ask, id: str) -> Reply:
    """Sign a user out everywhere and remove the account, unless it is the last administrator's (409 `lastAdmin`).

    Events that the user made keep the e-mail as their `sourceKey`.
    """
    found = await remove_user(ask.context.store, id, ask.expected)
    if not isinstance(found, User):
        raise fault(found)
    return Reply(204)


def _tell(found: User | Refusal, status: int = 200) -> Reply:
    if not isinstance(found, User):
        raise fault(found)
    return Reply(status, _shown(found), (etag(user_tag(found)), ("location", f"/api/v1/users/{found.id}")))


def _shown(user: User) -> UserOut:
    return UserOut(
        id=user.id,
        version=user.version,
        email=user.email,
        name=user.name,
        role=user.role,
        language=user.language,
        timezone=user.timezone,
        created_at=format_instant(user.created_at),
        updated_at=format_instant(user.updated_at),
        disabled_at=None if user.disabled_at is None else format_instant(user.disabled_at),
    )
