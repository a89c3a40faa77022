"""The names that users write into triggers, conditions and rules: which are none, and why.

Each function gives the problems of what stands at a JSON pointer; nothing wrong is an empty list.
"""

from collections.abc import Callable, Sequence
from typing import Final

from goniec.core.problems import Problem
from goniec.core.text import clean, tag_key

LIST_LIMIT: Final = 1_000
NAME_LIMIT: Final = 200
DETAIL_LIMIT: Final = 100
PATH_LIMIT: Final = 1_000
URL_LIMIT: Final = 2_048


def path_steps(path: str) -> tuple[str, ...]:
    """Read a path into an event's data.

    Raises:
        ValueError: a step is empty, or a pointer (RFC 6901, section 3) has a `~` that stands for nothing.

    """
    if path.startswith("/"):
        steps = path[1:].split("/")
        if any("~" in step.replace("~0", "").replace("~1", "") for step in steps):
            raise ValueError("in a JSON pointer ~ is written ~0 and / is written ~1")
        return tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)
    steps = path.split(".")
    if not all(steps):
        raise ValueError(
            "a key between two dots is missing; a key that has dots itself needs a JSON pointer, as in /a.b"
        )
    return tuple(steps)


def tag_problems(pointer: str, tag: str) -> list[Problem]:
    """Tell why a text is no tag."""
    try:
        tag_key(tag)
    except ValueError as error:
        return [Problem(pointer, str(error))]
    return []


def name_problems(pointer: str, name: str, limit: int = NAME_LIMIT) -> list[Problem]:
    """Tell why a text is no name."""
    try:
        blank = not clean(name, limit)
    except ValueError as error:
        return [Problem(pointer, str(error))]
    return [Problem(pointer, "cannot be empty")] if blank else []


def detail_problems(pointer: str, name: str) -> list[Problem]:
    """Tell why a text is no name of a detail: any text will do, with dots or spaces too."""
    return name_problems(pointer, name, DETAIL_LIMIT)


def url_problems(pointer: str, url: str) -> list[Problem]:
    """Tell why a text is no URL to compare with; it may be a part of one."""
    return name_problems(pointer, url, URL_LIMIT)


def path_problems(pointer: str, path: str) -> list[Problem]:
    """Tell why a text is no path into an event's data."""
    try:
        path_steps(path)
    except ValueError as error:
        return [Problem(pointer, str(error))]
    return name_problems(pointer, path, PATH_LIMIT)


def list_problems(
    pointer: str, items: Sequence[str] | None, problems: Callable[[str, str], list[Problem]] | None = None
) -> list[Problem]:
    """Tell what is wrong with a list that may be left out but not be empty, and with its items."""
    if items is None:
        return []
    if not items:
        return [Problem(pointer, "cannot be an empty list, which nothing fits")]
    if len(items) > LIST_LIMIT:
        return [Problem(pointer, f"at most {LIST_LIMIT} items, and this has {len(items)}")]
    if problems is None:
        return []
    return [problem for n, item in enumerate(items) for problem in problems(f"{pointer}/{n}", item)]
