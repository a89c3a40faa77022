"""The reference says what the code does: its tables are made from it, and none is missing."""

from pathlib import Path

import pytest

from goniec.core.model import Failure
from tests.docs.tables import BLOCK, FAILURES, REFERENCE, TABLES, renewed

PAGES = sorted(REFERENCE.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_its_tables_are_those_of_the_code(page: Path) -> None:
    text = page.read_text()
    assert text == renewed(text), "python -m tests.docs.tables writes them anew"


def test_every_table_is_shown_once() -> None:
    shown = [name for page in PAGES for name, _ in BLOCK.findall(page.read_text())]
    assert sorted(shown) == sorted(TABLES)


def test_every_failure_is_explained() -> None:
    assert set(FAILURES) == set(Failure)
