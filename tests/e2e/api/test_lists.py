"""Pages of lists: where they go on, and what a page says whose search stopped."""

import pytest

from goniec.ports import Rows
from goniec.web.lists import PageQuery, closed, listed, opened
from goniec.web.reply import Reply


def told(reply: Reply) -> tuple[list[str], str | None, bool]:
    page = reply.content
    cursor = page.next_cursor
    return page.items, cursor and opened(cursor), page.more


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (Rows(["a", "b", "c"]), (["a", "b"], "b", True)),
        (Rows(["a"], stopped="k"), (["a"], "k", True)),
        (Rows((), stopped="k"), ([], "k", True)),
        (Rows(["a", "b", "c"], stopped="k"), (["a", "b"], "b", True)),
    ],
)
def test_a_page_that_has_more_behind_it(order: str, rows: Rows[str], expected: tuple[list[str], str, bool]) -> None:
    query = PageQuery(limit=2, order="asc" if order == "asc" else "desc")
    assert told(listed(query, rows, str, str)) == expected


def test_the_last_page() -> None:
    for rows in (Rows(["a", "b"]), ["a", "b"]):
        assert told(listed(PageQuery(limit=2), rows, str, str)) == (["a", "b"], "b", False)
        assert told(listed(PageQuery(limit=2, order="desc"), rows, str, str)) == (["a", "b"], None, False)
    assert told(listed(PageQuery(cursor=closed("a")), Rows(), str, str)) == ([], "a", False)
