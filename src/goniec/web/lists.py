"""Lists: pages, cursors, and the promise that whoever polls never misses a row.

Rows are ordered by id, which is the order in which they were recorded. `nextCursor` names the last row of the page; an
empty page gives back the cursor that it was asked with. So a reader that always goes on from the last `nextCursor`,
also after `more` was false, sees every row that will ever be there once. With `order=desc` the list goes back in time,
and `nextCursor` is null where it ends. Where a filter has found too little among all that a request may look at, the
page is short, `more` is true, and `nextCursor` names the place where the search stopped.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Generic, Literal, TypeVar

from msgspec import Meta, Struct

from goniec.core.problems import Problem
from goniec.ports import Page, Rows
from goniec.web.problems import invalid
from goniec.web.reply import Reply

T = TypeVar("T")

LIMIT: Final = 1000

_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,100}")


class PageQuery(Struct, frozen=True, kw_only=True, rename="camel"):
    """What every list takes; the query structs of lists inherit it."""

    limit: Annotated[int, Meta(ge=1, le=LIMIT, description="Rows of a page.")] = 100
    cursor: Annotated[str | None, Meta(description="`nextCursor` of an earlier page: go on after it.")] = None
    order: Annotated[
        Literal["asc", "desc"], Meta(description="`asc`: from the oldest on; `desc`: from the newest back.")
    ] = "asc"

    def page(self) -> Page:
        """What to ask the store for: a row more than wanted, to see whether there are more."""
        after = None if self.cursor is None else opened(self.cursor)
        return Page(self.limit + 1, after, self.order == "desc", steady=True)


class Listed(Struct, Generic[T], rename="camel"):
    """A page. `more` says whether rows beyond it are there already, or may be.

    A page can be short, or empty, though there is more, where much had to be looked at.
    """

    items: list[T]
    next_cursor: str | None
    more: bool


def listed(query: PageQuery, rows: Sequence[Any], id_of: Callable[[Any], str], shown: Callable[[Any], Any]) -> Reply:
    """Answer with a page; `rows` are what the store gave for `query.page()`."""
    more = len(rows) > query.limit
    stopped = rows.stopped if isinstance(rows, Rows) else None
    rows = rows[: query.limit]
    cursor = query.cursor
    if rows:
        cursor = closed(id_of(rows[-1]))
    if stopped is not None and not more:
        return Reply(200, Listed([shown(row) for row in rows], closed(stopped), more=True))
    if query.order == "desc" and not more:
        cursor = None
    return Reply(200, Listed([shown(row) for row in rows], cursor, more))


def closed(row_id: str) -> str:
    """Give the cursor that goes on after a row."""
    return urlsafe_b64encode(row_id.encode()).decode().rstrip("=")


def opened(cursor: str) -> str:
    """Give the row that a cursor goes on after; one that is none of ours is a `Fault` (400)."""
    try:
        row_id = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError:
        row_id = ""
    if _ID.fullmatch(row_id) is None:
        raise invalid([Problem("/cursor", "no cursor of this list; send a nextCursor as it came")], "query")
    return row_id
