"""The files in `ops/` say what the program takes."""

import json
import re
import shlex
from pathlib import Path

import httpx
import pytest

from goniec.cli import COMMANDS
from goniec.settings import SETTINGS
from tests.cli.commands import line_with, running
from tests.conftest import REPO

OPS = REPO / "ops"


@pytest.mark.parametrize("path", sorted(OPS.iterdir()), ids=lambda path: path.name)
def test_the_settings_that_it_names_are_there(path: Path) -> None:
    known = {setting.variable for setting in SETTINGS.values()}
    assert set(re.findall(r"GONIEC_[A-Z_]+", path.read_text())) <= known


@pytest.mark.parametrize("path", sorted(OPS.iterdir()), ids=lambda path: path.name)
def test_the_documents_tell_of_it(path: Path) -> None:
    told = "".join(page.read_text() for page in (REPO / "docs").rglob("*.md"))
    assert f"ops/{path.name}" in told


def test_the_units_command_line_serves(tmp_path: Path) -> None:
    unit = (OPS / "goniec.service").read_text()
    (line,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    program, *arguments = shlex.split(line)
    assert program.endswith("/bin/goniec")
    assert arguments[0] in {name for name, _, _ in COMMANDS}
    given = dict(one.split("=", 1) for one in re.findall(r"^Environment=GONIEC_(.*)$", unit, re.MULTILINE))
    settings = {name.lower(): value for name, value in given.items()}
    settings |= {"data_dir": str(tmp_path), "port": "0", "log_format": "json"}
    with running(tmp_path, *arguments, **settings) as process:
        url = json.loads(line_with(process.stderr, '"ready"'))["url"]
        assert httpx.get(f"{url}/readyz").status_code == 200
        process.terminate()
        assert process.wait(timeout=60) == 0


def test_the_container_runs_as_nobody_and_knows_its_health() -> None:
    text = (OPS / "Containerfile").read_text()
    last = text[text.rindex("FROM ") :]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last
    assert "/readyz" in last
    assert "read_only: true" in (OPS / "compose.yaml").read_text()
    for source, _ in re.findall(r"^COPY (?!--from)(.+) (\S+)$", text, re.MULTILINE):
        for name in source.split():
            assert (REPO / name).exists(), name


def test_metrics_stay_inside() -> None:
    for name in ("Caddyfile", "nginx.conf"):
        assert "/metrics" in (OPS / name).read_text()
