"""The files in `ops/` say what the program takes."""

import json
import re
import shlex
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest

from goniec.app import KEEP_ALIVE_SECONDS
from goniec.cli import COMMANDS
from goniec.settings import FILE, SETTINGS
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
    (probe,) = re.findall(r"^ +CMD (\[.*/readyz.*\])$", last, re.MULTILINE)
    stack = (OPS / "compose.yaml").read_text()
    assert "read_only: true" in stack
    (tested,) = re.findall(r"^ +test: (\[.*\])$", stack, re.MULTILINE)
    assert json.loads(tested) == ["CMD", *json.loads(probe)]


def test_a_build_sees_what_it_copies_and_nothing_else() -> None:
    text = (OPS / "Containerfile").read_text()
    copied = {name for names in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for name in names.split()}
    assert all((REPO / name).exists() for name in copied)
    lines = (REPO / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == copied


def test_images_are_named_by_version() -> None:
    named = re.findall(
        r"^(?:ARG PYTHON=|FROM (?!\$)| +image: )(\S+)$", _all_of("Containerfile", "compose.yaml"), re.MULTILINE
    )
    assert len(named) == 2
    assert all(re.search(r":\d+\.\d+\.\d+", one) for one in named), named


def test_the_stack_trusts_its_own_network() -> None:
    text = (OPS / "compose.yaml").read_text()
    (trusted,) = re.findall(r"GONIEC_TRUSTED_PROXIES: (\S+)$", text, re.MULTILINE)
    (subnet,) = re.findall(r"subnet: (\S+)$", text, re.MULTILINE)
    assert ip_network(trusted) == ip_network(subnet)
    assert text.count("networks: [inside]") == 2


def test_caddy_keeps_inside_what_nginx_does() -> None:
    """That nginx does is seen in `test_proxy`."""
    text = (OPS / "Caddyfile").read_text()
    assert re.search(r"^\t@(\w+) path /metrics\*\n\trespond @\1 404$", text, re.MULTILINE)
    assert "header_up -Forwarded\n" in text
    (kept,) = re.findall(r"Strict-Transport-Security (\S+)$", text, re.MULTILINE)
    assert f'Strict-Transport-Security "{kept}"' in (OPS / "nginx.conf").read_text()
    (idle,) = re.findall(r"keepalive (\d+)s$", text, re.MULTILINE)
    assert int(idle) < KEEP_ALIVE_SECONDS


def test_the_documents_use_the_units_paths() -> None:
    page = (REPO / "docs/how-to/install.md").read_text()
    unit = (OPS / "goniec.service").read_text()
    (program,) = re.findall(r"^ExecStart=(\S+) serve$", unit, re.MULTILINE)
    (folder,) = re.findall(r"^Environment=GONIEC_DATA_DIR=(\S+)$", unit, re.MULTILINE)
    (user,) = re.findall(r"^User=(\S+)$", unit, re.MULTILINE)
    assert f"sudo -u {user} GONIEC_DATA_DIR={folder} {program} user add " in page
    assert f"{folder}/{FILE} " in page
    for name in re.findall(r"^EnvironmentFile=-(\S+)$", unit, re.MULTILINE):
        assert f"`{name}`" in page


def _all_of(*names: str) -> str:
    return "".join((OPS / name).read_text() for name in names)
