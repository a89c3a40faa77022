"""`goniec user`: adds users of the panel, lists them, sets a new password."""

import asyncio
import getpass
import sys
from typing import Annotated

from cyclopts import Parameter

from goniec.cli.opened import Machine, opened
from goniec.cli.terminal import USAGE, CommandError, say, settings_in_force
from goniec.core.model import User, UserRole
from goniec.core.problems import Invalid
from goniec.core.text import email_key
from goniec.flow.users import add_user, change_user
from goniec.settings import Settings
from goniec.store.passwords import Argon2

Email = Annotated[str, Parameter(help="what the user signs in with")]
PasswordStdin = Annotated[bool, Parameter(negative=(), help="read the password from standard input, one line")]


def add(
    email: Email,
    *,
    role: Annotated[UserRole, Parameter(help="admin does everything, editor changes rules, viewer looks")] = "editor",
    name: Annotated[str, Parameter(help="how the panel calls the user")] = "",
    password_stdin: PasswordStdin = False,
) -> int:
    """Add a user of the panel."""
    settings = settings_in_force()
    password = _password(stdin=password_stdin)
    user = asyncio.run(_add(settings, email, role, name, password))
    say(f"{user.email} may sign in as {user.role}: {settings.public_url}/login")
    return 0


def password(email: Email, *, password_stdin: PasswordStdin = False) -> int:
    """Set a user's password anew, and sign the user out everywhere."""
    settings = settings_in_force()
    asyncio.run(_set(settings, email, _password(stdin=password_stdin)))
    say(f"{email} has a new password.")
    return 0


def list_users() -> int:
    """List the users: e-mail, role, name."""
    for user in asyncio.run(_users(settings_in_force())):
        off = " (disabled)" if user.disabled_at is not None else ""
        print("\t".join((user.email, user.role + off, user.name)))
    return 0


def _password(*, stdin: bool) -> str:
    if stdin:
        given = sys.stdin.buffer.readline().decode("utf-8", "surrogateescape")
        return given.removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise CommandError("no terminal to ask for the password: give it with --password-stdin", USAGE)
    first = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != first:
        raise CommandError("the two are not the same")
    return first


async def _add(settings: Settings, email: str, role: UserRole, name: str, password: str) -> User:
    machine = Machine()
    async with opened(settings, make=True) as store:
        try:
            made = await add_user(
                store, machine, machine, Argon2(), email=email, password=password, role=role, name=name
            )
        except Invalid as invalid:
            raise CommandError(_told(invalid), USAGE) from None
    if not isinstance(made, User):
        raise CommandError(made.detail)
    return made


async def _set(settings: Settings, email: str, password: str) -> None:
    machine = Machine()
    async with opened(settings) as store:
        user = await _found(email, await store.queries.users())
        try:
            await change_user(store, machine, Argon2(), user.id, {"password": password})
        except Invalid as invalid:
            raise CommandError(_told(invalid), USAGE) from None


async def _users(settings: Settings) -> list[User]:
    async with opened(settings) as store:
        return await store.queries.users()


async def _found(email: str, users: list[User]) -> User:
    try:
        key = email_key(email)[1]
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None
    for user in users:
        if email_key(user.email)[1] == key:
            return user
    raise CommandError(f"there is no user with the e-mail {email}; goniec user list shows all")


def _told(invalid: Invalid) -> str:
    return "\n".join(f"{problem.pointer.removeprefix('/')}: {problem.detail}" for problem in invalid.problems)
