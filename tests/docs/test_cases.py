"""Every acceptance case of this release has a test that carries its id."""

import re

import pytest

from tests.conftest import REPO

CASES = [f"a{n:02}" for n in (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 58, 59, 60, 61)]  # fmt: skip


@pytest.fixture(scope="module")
def names() -> str:
    """All names of tests and of their parameters."""
    sources = [path.read_text() for path in (REPO / "tests").rglob("test_*.py") if path.name != "test_cases.py"]
    return "\n".join(
        line.lower()
        for source in sources
        for line in source.splitlines()
        if re.search(r"\ba\d\d\b|_a\d\d|test", line, re.IGNORECASE)
    )


@pytest.mark.parametrize("case", CASES)
def test_a_test_carries_the_case(case: str, names: str) -> None:
    assert re.search(rf"def test_(\w+_)?{case}(_|\b)|class test{case}|[\"' ]{case}\b", names), case
