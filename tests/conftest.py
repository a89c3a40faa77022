"""What all tests share: the event loop, hypothesis's manners, and the rule that nothing is skipped in silence.

A test that needs something from outside the environment asks for a fixture here that brings it. What cannot be brought
fails the test, unless `SKIP` (as in `make test SKIP="receivers"`) names it.
"""

import asyncio
import inspect
import os
from collections.abc import Callable, Generator, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Final

import pytest
import uvloop
from hypothesis import settings

REPO: Final = Path(__file__).parents[1]
SKIP: Final = frozenset(os.environ.get("SKIP", "").replace(",", " ").split())
BRINGABLE: Final = frozenset({"receivers", "browser", "proxy"})
"""All names that SKIP may hold: what a test may need and a machine may lack."""

GRACE: Final = 60.0
"""Seconds before the run is ended in which a test may fail by itself."""

FIRST: Final = (
    "tests/simulate/test_simulate.py",
    "tests/e2e/panel/test_pages.py",
    "tests/faults/test_kill.py",
    "tests/bench/test_bench.py",
    "tests/faults/test_kill_postgres.py",
    "tests/flow/test_year.py",
    "tests/ops/test_wheel.py",
    "tests/simulate/test_endpoint_model.py",
    "tests/e2e/test_machines.py",
    "tests/faults/test_kill_workers.py",
    "tests/faults/test_cut.py",
    "tests/faults/test_trouble.py",
    "tests/faults/test_stop.py",
)
"""The files that take longest: a long one at the end would leave all processes idle but one."""

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first, and leave all else in its order."""
    places = {str(REPO / name): place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(str(item.path), len(places)))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let a coroutine that waits in vain fail where it waits.

    uvloop swallows what the alarm of pytest-timeout raises inside of it, and the run would stand still for ever; its
    other way, for all the rest, ends the whole run.
    """
    function = getattr(item, "obj", None)
    marker = item.get_closest_marker("timeout")
    seconds = float(marker.args[0] if marker else item.config.getini("timeout"))
    if not inspect.iscoroutinefunction(function) or hasattr(function, "hypothesis") or not seconds:
        return

    @wraps(function)
    async def bounded(*arguments: Any, **named: Any) -> None:
        async with asyncio.timeout(seconds - GRACE):
            await function(*arguments, **named)

    item.obj = bounded  # type: ignore[attr-defined] # what has a function has it under this name


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
