"""How the refusals of `flow.configure` look outside, and other things that the rooms of configuring share."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from goniec.flow.configure import Conflict, Missing, Named, Refusal, Stale
from goniec.ports import Page
from goniec.web.problems import Fault, missing

T = TypeVar("T")


class NamedOut(Struct):
    """A rule, by id and name."""

    id: str
    name: str


def named(rules: Sequence[Named]) -> list[NamedOut]:
    """Show rules by id and name."""
    return [NamedOut(rule.id, rule.name) for rule in rules]


def fault(refusal: Refusal) -> Fault:
    """Give the answer to a refusal: 404, 409 or 412."""
    match refusal:
        case Missing(what):
            return missing(what)
        case Stale(tag):
            detail = "it has been changed since it was read; read it again, and change that"
            return Fault(412, detail, headers=(("etag", f'"{tag}"'),))
        case Conflict(code, detail, rules):
            return Fault(409, detail, code=code, extra={"rules": named(rules)} if rules else None)


def etag(tag: str) -> tuple[str, str]:
    """The header that names a version."""
    return "etag", f'"{tag}"'


def cut(page: Page, rows: Sequence[T], id_of: Callable[[T], Any]) -> list[T]:
    """Give the page of what was read whole."""
    rows = sorted(rows, key=id_of, reverse=page.newest)
    if page.after is not None:
        after = page.after
        rows = [row for row in rows if (id_of(row) < after if page.newest else id_of(row) > after)]
    return rows[: page.limit]
