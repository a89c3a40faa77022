"""What all tests share: the event loop, hypothesis's manners, and the rule that nothing is skipped in silence.

A test that needs something from outside the environment asks for a fixture here that brings it. What cannot be brought
fails the test, unless `SKIP` (as in `make test SKIP="receivers"`) names it.
"""

import os
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Final

import pytest
import uvloop
from hypothesis import settings

REPO: Final = Path(__file__).parents[1]
SKIP: Final = frozenset(os.environ.get("SKIP", "").replace(",", " ").split())
BRINGABLE: Final = frozenset({"receivers", "browser", "proxy"})
"""All names that SKIP may hold: what a test may need and a machine may lack."""

# a busy machine is not a bug; what failed once is shown so that it can be played again
settings.register_profile("goniec", deadline=None, print_blob=True)
settings.load_profile("goniec")


def pytest_configure() -> None:
    """Refuse a misspelt SKIP: it would skip nothing, or later the wrong thing."""
    if unknown := SKIP - BRINGABLE:
        message = f"SKIP names {', '.join(sorted(unknown))}, but knows only {', '.join(sorted(BRINGABLE))}"
        raise pytest.UsageError(message)


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], uvloop.Loop]]:
    """Run async tests on the loop that the engine runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip that nobody asked for into a failure."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and call.excinfo is not None:
        reason = str(call.excinfo.value)
        if reason.removeprefix("SKIP=") not in SKIP:
            report.outcome = "failed"
            report.longrepr = f"skipped without being named in SKIP: {reason}"
    return report


@pytest.fixture(scope="session")
def receivers() -> Path:
    """Give the folder of the commands of webhook receivers that nobody here wrote: gunicorn with httpbin."""
    if "receivers" in SKIP:
        pytest.skip("SKIP=receivers")
    commands = REPO / ".venv-receivers" / "bin"
    assert (commands / "gunicorn").exists(), "make receivers brings them; make test SKIP=receivers goes without"
    return commands
