"""How a receiver checks that a webhook is genuine: code in four languages, as files beside this one.

The how-to page of the documents has the same code, and a test compares the two and runs it. Called by the views of
endpoints.
"""

from functools import cache
from importlib.resources import files
from typing import Final

SNIPPETS: Final = {"python": "Python", "node": "Node.js", "php": "PHP", "go": "Go"}
"""The languages, by the name of their file."""


@cache
def snippet(name: str) -> str:
    """Give the code in one of `SNIPPETS`."""
    return (files("goniec.web.panel") / "snippets" / f"{name}.txt").read_text("utf-8")
