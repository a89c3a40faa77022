"""`goniec migrate`, `backup` and `restore`: the database as a whole.

PostgreSQL has tools of its own for the last two, and is left to them.
"""

import asyncio
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from goniec.cli.opened import Machine, made, opened
from goniec.cli.terminal import CommandError, say, settings_in_force
from goniec.store.address import Postgres
from goniec.store.migrations import HEAD
from goniec.store.opening import is_there, open_store


def migrate() -> int:
    """Bring the schema up to date, as serve does by itself."""
    settings = settings_in_force()
    fresh = not is_there(settings.database)
    asyncio.run(open_store(settings.database, server=True).close())
    if fresh:
        say(made(settings))
    say(f"{settings.database} has schema {HEAD}.")
    return 0


def backup(file: Annotated[Path, Parameter(help="a new file")]) -> int:
    """Copy the database while it is in use."""
    settings = settings_in_force()

    async def copy() -> None:
        async with opened(settings) as store:
            await store.backup(str(file.absolute()))

    if not file.absolute().parent.is_dir():
        raise CommandError(f"there is no folder {file.absolute().parent}: make it first")
    asyncio.run(copy())
    say(f"{file} is a whole copy. The key to its secrets is not in it: keep {_key_place()} too.")
    return 0


def restore(file: Annotated[Path, Parameter(help="what goniec backup wrote")]) -> int:
    """Put a backup in the database's place."""
    settings = settings_in_force()
    if isinstance(settings.database, Postgres):
        raise CommandError(
            f"{settings.database} is restored by PostgreSQL's own tools, while no Goniec is running: pg_restore --clean"
            f" --if-exists --dbname=… {file} with this database's URL. Pause the endpoints first where deliveries that"
            " were made since the backup must not be sent again"
        )
    from goniec.store.sqlite import restore as restore_file

    erased = restore_file(file, settings.database, Machine().now())
    if erased:
        say(f"Contacts erased again that had been erased since the backup: {erased}.")
    say(f"{settings.database} is restored. Its endpoints are paused: resume them when you know what was sent since.")
    return 0


def _key_place() -> str:
    settings = settings_in_force()
    return "GONIEC_SECRET_KEY" if settings.secret_key else str(settings.key_file)
