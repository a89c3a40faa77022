"""How a command talks: results go to stdout, everything else to stderr, and what is expected to go wrong is a sentence.

Called by every command. Nothing that came over a network is printed as it is: control characters could drive the
terminal.
"""

import asyncio
import base64
import binascii
import os
import re
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import uvloop

from goniec.settings import Settings, read_settings

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
"""What shells call an end by Ctrl-C."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class CommandError(Exception):
    """A command cannot do what it was asked to; the message says what to do, `code` is the exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


def say(text: str) -> None:
    """Tell the person something that is not the result."""
    print(text, file=sys.stderr, flush=True)


def settings_in_force(options: Mapping[str, str | int | None] | None = None) -> Settings:
    """Read the settings of this process; options that were not given are None."""
    given = {name: str(value) for name, value in (options or {}).items() if value is not None}
    return read_settings(os.environ, Path.cwd(), given, terminal=sys.stderr.isatty())


def run_until_signal(work: Callable[[asyncio.Event], Coroutine[Any, Any, int]]) -> int:
    """Run `work` on a loop of its own; the event that it gets is set by SIGINT and SIGTERM."""

    async def run() -> int:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        return await work(stop)

    return uvloop.run(run())


def printable(text: str) -> str:
    r"""Write control characters, other than tabs and line ends, as escapes such as `\x1b`."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def shown_header(name: str, value: str) -> str:
    """Give a header as a line, without the password where it is a Basic `Authorization`."""
    if name.lower() == "authorization":
        value = _without_password(value)
    return printable(f"{name}: {value}")


def shown_body(body: bytes) -> str:
    """Give a body as text; bytes that are no UTF-8 become escapes."""
    return printable(body.decode(errors="backslashreplace"))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write rows under their headings, each column as wide as it has to be."""
    cells = [list(map(printable, row)) for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(map(str.rstrip, lines))


def _without_password(value: str) -> str:
    scheme, _, credentials = value.partition(" ")
    try:
        user = base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, ValueError):
        return f"{scheme} …"
    return f"{scheme} … (user {user}, password not shown)"
