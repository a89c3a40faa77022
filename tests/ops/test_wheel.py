"""The wheel, as a user has it: built, put into an empty environment, started from an empty folder."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.cli.commands import line_with
from tests.conftest import REPO


def run(*command: str | Path, cwd: Path, **more: str) -> str:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("COV", "GONIEC", "PYTHON", "VIRTUAL"))
    }
    done = subprocess.run(
        command, cwd=cwd, env={**kept, **more}, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    run(*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, REPO, cwd=folder)
    (made,) = folder.glob("goniec-*.whl")
    return made


def test_it_carries_all_that_the_panel_needs(wheel: Path) -> None:
    there = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("goniec/")}
    source = {str(path.relative_to(REPO / "src")) for path in (REPO / "src/goniec").rglob("*") if path.is_file()}
    assert {name for name in source if "__pycache__" not in name} - there == set()
    for licence in ("htmx-LICENSE.txt", "inter-LICENSE.txt", "jetbrains-mono-LICENSE.txt", "tabler-icons-LICENSE.txt"):
        assert f"goniec/web/panel/static/{licence}" in there


@pytest.mark.slow
def test_it_serves_from_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "env"
    run(sys.executable, "-m", "venv", "--without-pip", place, cwd=tmp_path)
    python = str(place / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "--no-input"]
    run(*pip, "install", "-q", "--require-hashes", "-r", REPO / "requirements/run.lock", cwd=tmp_path)
    run(*pip, "install", "-q", "--no-deps", wheel, cwd=tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    assert "ok " in run(place / "bin" / "goniec", "demo", "--exit", cwd=home, HOME=str(home))
    settings = {"HOME": str(home), "PATH": os.environ["PATH"], "GONIEC_PORT": "0", "GONIEC_LOG_FORMAT": "json"}
    with subprocess.Popen(
        [place / "bin" / "goniec", "serve"], cwd=home, env=settings, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            url = json.loads(line_with(process.stderr, '"ready"'))["url"]
            page = httpx.get(f"{url}/first-run").text
            for address in re.findall(r'(?:href|src)="(/assets/[^"]+)"', page):
                answer = httpx.get(url + address)
                assert answer.status_code == 200
                assert "immutable" in answer.headers["cache-control"]
        finally:
            process.terminate()
