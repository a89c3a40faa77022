"""The house itself: what is locked, what is written down, what an import costs."""

import importlib.metadata
import os
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

import goniec
from tests.conftest import FIRST, REPO

PYPROJECT: Final = REPO / "pyproject.toml"
LOCKS: Final = sorted((REPO / "requirements").glob("*.lock"))
HOMES_OF_NOBODY: Final = frozenset({"/", "/home", "/mnt", "/opt", "/root", "/srv", "/tmp", "/usr/local", "/usr/src"})  # noqa: S108 - compared, not written to
"""Folders that documentation may well name although this clone happens to lie in one of them."""


def test_the_package_says_the_version_that_is_installed() -> None:
    assert goniec.__version__ == importlib.metadata.version("goniec")


# --- what is locked --------------------------------------------------------------------------------------------------


def test_five_locks() -> None:
    assert [lock.stem for lock in LOCKS] == ["attack", "boot", "dev", "receivers", "run"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_names_no_place_to_download_from(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert [line for line in text.splitlines() if re.match(r"\s*-(?!-hash=sha256:[0-9a-f]{64}( \\)?$)", line)] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_locked_package_has_a_hash(lock: Path) -> None:
    lines = [line for line in lock.read_text().splitlines() if not line.startswith("#")]
    packages = [(line, after) for line, after in pairwise(lines) if "==" in line]
    assert packages
    assert [line for line, after in packages if not after.strip().startswith("--hash=")] == []


def test_what_runs_is_a_part_of_what_developers_have() -> None:
    assert pins("run") <= pins("dev")


def test_a_development_environment_holds_each_package_once() -> None:
    names = [pin.split("==")[0] for pin in sorted(pins("dev"))]
    assert len(names) == len(set(names))


def pins(lock: str) -> set[str]:
    text = (REPO / "requirements" / f"{lock}.lock").read_text()
    return set(re.findall(r"^[a-z0-9][^ \n]*==[^ \n]+", text, re.MULTILINE))


# --- what is written down --------------------------------------------------------------------------------------------


def test_no_file_names_the_machine_that_it_was_written_on() -> None:
    private = re.compile("|".join([r"(?<![\w.~-])/(?:home|Users)/[a-z]+/", *map(re.escape, names_of_this_machine())]))
    found = [f"{path}:{line}" for path, line, text in lines_in(tracked()) if private.search(text)]
    assert found == []


def names_of_this_machine() -> Iterator[str]:
    """Give where this clone lies, and from where this machine takes its packages."""
    if str(REPO.parent) not in HOMES_OF_NOBODY:
        yield f"{REPO.parent}/"
    for variable in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_INDEX_URL", "UV_DEFAULT_INDEX"):
        yield from os.environ.get(variable, "").split()


def test_every_exception_from_a_rule_has_its_reason_beside_it() -> None:
    exception = re.compile(r"#\s*(?:noqa|type:\s*ignore|pragma:\s*no\s?(?:cover|branch)|pyright:)(.*)")
    bare = [
        f"{path}:{line}"
        for path, line, text in lines_in(path for path in tracked() if path.suffix == ".py")
        if (match := exception.search(text)) and not re.search(r" [-–—#]+ *\w+\W+\w+", match[1])
    ]
    assert bare == []


def test_every_lint_rule_left_out_has_its_reason_beside_it() -> None:
    config = tomllib.loads(PYPROJECT.read_text())["tool"]["ruff"]["lint"]
    codes = {*config["ignore"], *(code for codes in config["per-file-ignores"].values() for code in codes)}
    text = PYPROJECT.read_text()
    assert [code for code in sorted(codes) if not re.search(rf'^  "{code}", # \w+', text, re.MULTILINE)] == []


def test_every_type_check_left_out_has_its_reason_beside_it() -> None:
    overrides = re.findall(r"^\[\[tool\.mypy\.overrides\]\]\n(.*)", PYPROJECT.read_text(), re.MULTILINE)
    assert overrides
    assert [line for line in overrides if not re.search(r" # \w+", line)] == []


def test_what_is_tested_first_is_there() -> None:
    assert [name for name in FIRST if not (REPO / name).is_file()] == []


def test_help_explains_every_target() -> None:
    makefile = (REPO / "Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: (\w+)$", makefile, re.MULTILINE))
    shown = subprocess.run(["make"], cwd=REPO, env=clean_environment(), capture_output=True, text=True, check=True)
    explained = set(re.findall(r"^  make ([a-z]+) +\S", shown.stdout, re.MULTILINE))
    assert {"bench", "check", "clean", "demo", "help", "lock", "serve", "soak", "test"} <= explained
    assert explained == targets


def tracked() -> list[Path]:
    """List what belongs to the project, relative to its root; without git, what lies where the project keeps things."""
    git = shutil.which("git")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=REPO, capture_output=True, check=False) if git else None
    if listed and listed.returncode == 0:
        paths = [Path(name) for name in listed.stdout.decode().split("\0") if name]
    else:
        kept = (REPO / name for name in (".ci", "docs", "requirements", "src", "tests"))
        found = [*REPO.glob("*"), *(path for folder in kept for path in folder.rglob("*"))]
        paths = [path.relative_to(REPO) for path in found if "__pycache__" not in path.parts]
    assert Path("pyproject.toml") in paths
    return [path for path in paths if (REPO / path).is_file()]


def lines_in(paths: Iterable[Path]) -> Iterator[tuple[Path, int, str]]:
    for path in paths:
        try:
            text = (REPO / path).read_text()
        except UnicodeDecodeError:
            continue
        yield from ((path, number, line) for number, line in enumerate(text.splitlines(), 1))


# --- what an import costs --------------------------------------------------------------------------------------------

ROOMS: Final = sorted({module.name for module in pkgutil.iter_modules(goniec.__path__)})
SELDOM: Final = frozenset(
    {"alembic", "argon2", "babel", "email_validator", "httpx", "liquid", "nats", "opentelemetry", "rich"}
)
"""What is imported where it is used, so that the engine is ready within a second."""


@pytest.mark.parametrize("room", ROOMS)
def test_importing_a_room_leaves_out_what_is_seldom_needed(room: str) -> None:
    assert imported_by(f"goniec.{room}") & SELDOM == set()


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_loads_a_second_sqlite(room: str) -> None:
    """Two SQLite libraries in one process lose commits: closing a file in one drops the POSIX locks of the other."""
    assert imported_by(f"goniec.{room}") & {"sqlite3", "_sqlite3"} == set()


@cache
def imported_by(room: str) -> frozenset[str]:
    """Give the names of the top-level modules that a fresh interpreter has loaded after importing `room`."""
    script = f"import {room}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    ran = subprocess.run(
        [sys.executable, "-c", script], env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return frozenset(ran.stdout.split())


def clean_environment() -> dict[str, str]:
    """Give an environment without what the test run put there."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
