"""`goniec user`: adds users of the panel, lists them, sets a new password.

A password never stands on the command line, where other users of the machine could read it: it is asked for on the
terminal, or comes on standard input.
"""

import asyncio
import getpass
import sys
from typing import Annotated, Final

from cyclopts import Parameter

from goniec.cli.opened import Machine, opened
from goniec.cli.terminal import USAGE, CommandError, printable, say, settings_in_force, table
from goniec.core.model import User, UserRole
from goniec.core.problems import Invalid
from goniec.core.text import email_key
from goniec.flow.users import add_user, change_user
from goniec.settings import Settings
from goniec.store.passwords import Argon2

STDIN_BYTES: Final = 64 * 1024
"""More than any password has."""

Email = Annotated[str, Parameter(help="what the user signs in with")]
PasswordStdin = Annotated[
    bool, Parameter(negative=(), help="read the password from standard input; a line end after it is no part of it")
]


def add(
    email: Email,
    *,
    role: Annotated[
        UserRole | None,
        Parameter(
            help="viewer looks, editor changes rules and contacts, admin does everything; unless given, admin for the"
            " first user and editor for all others"
        ),
    ] = None,
    name: Annotated[str, Parameter(help="how the panel calls the user")] = "",
    password_stdin: PasswordStdin = False,
) -> int:
    """Add a user of the panel."""
    settings = settings_in_force()
    user = asyncio.run(_add(settings, email, role, name, _password(stdin=password_stdin)))
    say(f"{printable(user.email)} may sign in as {user.role}: {settings.public_url}/login")
    return 0


def list_users() -> int:
    """List the users: e-mail, role, name."""
    users = asyncio.run(_users(settings_in_force()))
    rows = [
        (user.email, user.role + (" (disabled)" if user.disabled_at is not None else ""), user.name) for user in users
    ]
    print(table(("e-mail", "role", "name"), rows))
    return 0


def password(email: Email, *, password_stdin: PasswordStdin = False) -> int:
    """Set a user's password anew, and sign the user out everywhere."""
    settings = settings_in_force()
    user = asyncio.run(_set(settings, email, _password(stdin=password_stdin)))
    say(f"{printable(user.email)} has a new password, and is signed out everywhere.")
    return 0


def _password(*, stdin: bool) -> str:
    if stdin:
        given = sys.stdin.buffer.read(STDIN_BYTES).decode("utf-8", "surrogateescape")
        return given.removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise CommandError("there is no terminal to ask for the password: send it with --password-stdin", USAGE)
    try:
        first, again = getpass.getpass("Password: "), getpass.getpass("Once more: ")
    except EOFError:
        raise CommandError("no password was given", USAGE) from None
    if first != again:
        raise CommandError("the two are not the same", USAGE)
    return first


async def _add(settings: Settings, email: str, role: UserRole | None, name: str, password: str) -> User:
    async with opened(settings, make=True) as store:
        machine = await Machine.beside(store)
        try:
            made = await add_user(
                store, machine, machine, Argon2(), email=email, password=password, role=role, name=name
            )
        except Invalid as invalid:
            raise _wrong(invalid) from None
    if not isinstance(made, User):
        raise CommandError(made.detail)
    return made


async def _set(settings: Settings, email: str, password: str) -> User:
    try:
        _, key = email_key(email)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None
    async with opened(settings) as store:
        user, machine = await store.queries.user_of(key), await Machine.beside(store)
        try:
            found = user and await change_user(store, machine, Argon2(), user.id, {"password": password})
        except Invalid as invalid:
            raise _wrong(invalid) from None
    if not isinstance(found, User):
        raise CommandError(f"there is no user with the e-mail {printable(email)}; goniec user list shows all")
    return found


async def _users(settings: Settings) -> list[User]:
    async with opened(settings) as store:
        return await store.queries.users()


def _wrong(invalid: Invalid) -> CommandError:
    return CommandError("\n".join(problem.detail for problem in invalid.problems), USAGE)
