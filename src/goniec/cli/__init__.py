"""The command line: one module per command, gathered into `app` here.

Called by `goniec.__main__`. A command parses its arguments and hands over to the floors below; it decides nothing.
"""

from typing import Final

from cyclopts import App

from goniec import __version__

app: Final = App(
    name="goniec",
    help="Contact events come in, rules decide, signed webhooks go out.",
    version=__version__,
)
