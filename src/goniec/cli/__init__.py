"""The command line: one module per command, gathered here and imported only when its command is called.

Called by `goniec.__main__`. A command reads its arguments and hands over to the floors below; it decides nothing.
Exit codes: 0 done, 1 failed, 2 wrong usage. What is expected to go wrong ends in a sentence on stderr; a traceback is a
fault of ours.
"""

import os
import sys
from collections.abc import Sequence
from typing import Final

from cyclopts import App, CoercionError, CycloptsError, MissingArgumentError, UnknownCommandError, UnusedCliTokensError

from goniec import __version__

app: Final = App(
    name="goniec",
    help="Contact events come in, rules decide, signed webhooks go out.\n\n"
    "COMMAND --help tells its options, doctor the settings in force (GONIEC_…).",
    version=__version__,
    help_format="plaintext",
    help_formatter="plain",
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)

GROUPS: Final = {
    "key": App(name="key", help="Make API keys.", sort_key=4),
    "user": App(name="user", help="Users of the panel.", sort_key=5),
    "deliveries": App(name="deliveries", help="The delivery log.", sort_key=6),
    "messages": App(name="messages", help="Messages as code: YAML to keep in a repository.", sort_key=7),
}

COMMANDS: Final = (
    ("serve", "serve:serve", "Run the engine until SIGTERM or Ctrl-C."),
    ("demo", "demo:demo", "Watch shop visitors turn into webhooks, on a throwaway Goniec."),
    ("receive", "receive:receive", "Print webhooks that arrive, check them, misbehave on demand."),
    ("key create", "key:create", "Make an API key; the key, and nothing else, goes to stdout."),
    ("user add", "user:add", "Add a user of the panel."),
    ("user list", "user:list_users", "List the users: e-mail, role, name."),
    ("user password", "user:password", "Set a user's password anew, and sign the user out everywhere."),
    ("deliveries list", "deliveries:list_deliveries", "List deliveries, the newest first."),
    ("deliveries show", "deliveries:show", "Show a delivery with its attempts and the exact body."),
    ("deliveries export", "deliveries:export", "Write deliveries to stdout as CSV or JSON Lines, the oldest first."),
    ("deliveries resend", "deliveries:resend", "Send deliveries once more: the same ids and bytes, now."),
    ("messages export", "messages:export", "Write all messages as YAML, to be kept in a repository."),
    (
        "messages diff",
        "messages:diff",
        "Show what apply would change: exit code 0 for nothing, 1 for something, 2 when that cannot be told.",
    ),
    ("messages apply", "messages:apply", "Make messages what the files say, all or none; others stay as they are."),
    ("explain", "explain:explain", "Say why a rule fired for a contact, or did not."),
    ("doctor", "doctor:doctor", "Look for problems, and say what to do about each."),
    ("migrate", "upkeep:migrate", "Bring the schema up to date, as serve does by itself."),
    ("backup", "upkeep:backup", "Copy the database while it is in use."),
    ("restore", "upkeep:restore", "Put a backup in the database's place."),
    ("bench", "bench:bench", "Measure how fast the engine is on this machine."),
)
"""Each command, the function that it is in the rooms beside this one, and what it does."""

for _group in GROUPS.values():
    app.command(_group)
for _sort_key, (_command, _place, _help) in enumerate(COMMANDS, 1):
    *_above, _name = _command.split()
    _parent = GROUPS[_above[0]] if _above else app
    _parent.command(f"goniec.cli.{_place}", name=_name, help=_help, sort_key=_sort_key)

INTERRUPTED: Final = 130


def run(tokens: Sequence[str]) -> int:
    """Run one command line and give its exit code."""
    try:
        result = app(list(tokens), exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        command = " ".join(("goniec", *(error.command_chain or ())))
        print(f"goniec: {_wrong(error)}\nSee {command} --help.", file=sys.stderr)
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


def _wrong(error: CycloptsError) -> str:
    """Say what is wrong with a command line, in our words where the library's are made for programmers."""
    match error:
        case UnusedCliTokensError(unused_tokens=[first, *_]):
            return f"there is no use for {first!r}: it is one argument too many"
        case MissingArgumentError(argument=argument) if argument is not None and argument.index is not None:
            return f"{argument.name.lstrip('-').upper()} is missing"
        case MissingArgumentError(argument=argument) if argument is not None:
            return f"{argument.name} wants a value"
        case CoercionError(token=token, target_type=target) if token is not None and target in {int, float}:
            wanted = "a whole number" if target is int else "a number"
            return f"{token.keyword} is {token.value!r}: {wanted} is expected"
        case UnknownCommandError():
            told = str(error)
            # cut short after a few, the list would hide the very command that was meant
            return told.partition(" Available commands:")[0] if told.endswith("...") else told
        case _:
            return str(error)


def expected() -> tuple[type[Exception], ...]:
    """Give the exceptions that are no fault of ours; imported late, because most commands meet none."""
    from goniec.cli.terminal import CommandError
    from goniec.ports import Unavailable
    from goniec.settings import SettingsError
    from goniec.store import Refused

    return CommandError, SettingsError, Refused, Unavailable
