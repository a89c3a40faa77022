"""`goniec key create`: makes an API key and prints it, once."""

import asyncio
from typing import Annotated

from cyclopts import Parameter

from goniec.cli.opened import Machine, opened
from goniec.cli.terminal import USAGE, CommandError, say, settings_in_force
from goniec.core.problems import Invalid
from goniec.flow.keys import KeyMade, Scope, create_key
from goniec.settings import Settings


def create(
    name: Annotated[str, Parameter(help="whose key it is; events carry it as their sourceKey")],
    *,
    scope: Annotated[Scope, Parameter(help="what it opens")] = "ingest",
) -> int:
    """Make an API key; the key, and nothing else, goes to stdout."""
    settings = settings_in_force()
    made = asyncio.run(_create(settings, name, scope))
    print(made.text)
    # a key made in another folder than the server's opens nothing there
    say(f"This is {name}'s key to {settings.database}, with the scope {scope}. It is shown this once and kept nowhere.")
    return 0


async def _create(settings: Settings, name: str, scope: Scope) -> KeyMade:
    async with opened(settings) as store:
        machine = await Machine.beside(store)
        try:
            made = await create_key(store, machine, machine, name, scope)
        except Invalid as invalid:
            raise CommandError(f"the name cannot be taken: {invalid.problems[0].detail}", USAGE) from None
    if not isinstance(made, KeyMade):
        raise CommandError(made.detail)
    return made
