"""Every acceptance case of this release has a test that carries its id, and runs.

What is collected runs: nothing is skipped in silence. In a run of all tests that is what was collected for it; for a
part of them, the files that name a case are collected once more.
"""

import re
import subprocess
import sys
from collections.abc import Iterable

import pytest

from tests.conftest import REPO

CASES = [f"a{n:02}" for n in (1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 58, 59, 60, 61, 63, 64, 65, 66, 67, 68)]  # fmt: skip
STORED = ("a26", "a27", "a29", "a31", "a32", "a33", "a34", "a35", "a42", "a46", "a60", "a61")
"""Those of delivery in which the store has a part: on each store there is a test of them."""
STORES = ("sqlite", "postgres")

_NAMED = re.compile(r"def test_(?:\w+_)?a\d\d_|[\"']a\d\d\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def tests(request: pytest.FixtureRequest) -> list[str]:
    """Where the tests stand that run, and how they are called, with their parameters."""
    naming = [path for path in (REPO / "tests").rglob("test_*.py") if _NAMED.search(path.read_text())]
    items = request.session.items
    if {item.path for item in items} >= set(naming):
        return [item.nodeid for item in items]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *map(str, naming)]
    told = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True).stdout
    return [line for line in told.splitlines() if "::" in line]


def carrying(case: str, tests: Iterable[str]) -> list[str]:
    """The tests of a case: its id stands in the name of the function, or in that of its parameters."""
    return [one for one in tests if re.search(rf"(?<![a-z0-9]){case}(?![a-z0-9])", one.partition("::")[2].lower())]


@pytest.mark.parametrize("case", CASES)
def test_a_test_carries_the_case(case: str, tests: list[str]) -> None:
    assert carrying(case, tests), f"no test that runs carries {case}"


@pytest.mark.parametrize("case", STORED)
@pytest.mark.parametrize("store", STORES)
def test_a_test_on_each_store_carries_the_case(case: str, store: str, tests: list[str]) -> None:
    assert any(store in one for one in carrying(case, tests)), f"no test on {store} carries {case}"
