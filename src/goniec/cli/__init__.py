"""The command line: one module per command, gathered here and imported only when its command is called.

Called by `goniec.__main__`. A command reads its arguments and hands over to the floors below; it decides nothing.
Exit codes: 0 done, 1 failed, 2 wrong usage. What is expected to go wrong ends in a sentence on stderr; a traceback is a
fault of ours.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final

from cyclopts import App, CycloptsError

from goniec import __version__

app: Final = App(
    name="goniec",
    help="Contact events come in, rules decide, signed webhooks go out.",
    version=__version__,
    help_format="plaintext",
    help_formatter="plain",
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)

COMMANDS: Final = {
    "receive": "Print webhooks that arrive, check them, misbehave on demand.",
}
"""Each command and what it does; `goniec.cli.<command>` holds it."""

for _name, _help in COMMANDS.items():
    app.command(f"goniec.cli.{_name}:{_name}", name=_name, help=_help)

INTERRUPTED: Final = 130


def run(tokens: Sequence[str]) -> int:
    """Run one command line and give its exit code."""
    try:
        result = app(list(tokens), exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        print(f"goniec: {error}\nSee goniec --help.", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # whoever read our output has enough of it; what is left in the buffer has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except expected() as error:
        print(*(f"goniec: {line}" for line in str(error).splitlines()), sep="\n", file=sys.stderr)
        return getattr(error, "code", 1)
    return result if isinstance(result, int) else 0


def expected() -> tuple[type[Exception], ...]:
    """Give the exceptions that are no fault of ours; imported late, because most commands meet none."""
    from goniec.cli.terminal import CommandError
    from goniec.ports import Unavailable
    from goniec.settings import SettingsError
    from goniec.store import Refused

    return CommandError, SettingsError, Refused, Unavailable
