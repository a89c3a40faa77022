"""The README, followed to the letter: its commands are run, with other ports, and its curl calls are made."""

import json
import re
import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path

from tests.cli.commands import environment, line_with, running
from tests.cli.test_doctor import free_port
from tests.conftest import REPO

BLOCK = re.compile(r"```(sh|json)\n(.*?)```", re.DOTALL)


def test_sixty_seconds(tmp_path: Path) -> None:
    _, use = (REPO / "README.md").read_text().split("## Sixty seconds of use")
    ports = {"8000": free_port(), "9000": free_port()}
    blocks = [re.sub(r"8000|9000", lambda found: ports[found[0]], block) for _, block in BLOCK.findall(use)]
    serve, receive, key, rule, event, body, tell = blocks

    (allow, made, target), receiver = shlex.split(serve), shlex.split(receive)
    assert (made, target) == ("make", "serve")
    settings = {"allow_networks": allow.removeprefix("GONIEC_ALLOW_NETWORKS="), "port": ports["8000"]}
    assert receiver[:2] == [".venv/bin/goniec", "receive"]
    with (
        running(tmp_path, "serve", **settings) as server,
        running(tmp_path, *receiver[1:], "--port", ports["9000"]) as crm,
    ):
        line_with(server.stderr, '"ready"')
        line_with(crm.stderr, "Listening")
        name, command = key.strip().split("=", 1)
        text = sh(tmp_path, command.removeprefix("$(").removesuffix(")")).strip()
        assert curl(rule, {name: text})["name"] == "VIP to CRM"
        assert curl(event, {name: text})["accepted"] == 1
        assert "→ 200" in line_with(crm.stdout, "POST /hook")
        got = json.loads(line_with(crm.stdout, '{"id":'))
        shown = json.loads(body)
        assert [*got] == [*shown]
        assert {key: value for key, value in got.items() if "…" not in shown[key]} == {
            key: value for key, value in shown.items() if "…" not in value
        }
        for line in tell.splitlines():
            assert sh(tmp_path, line, port=ports["8000"])


def test_the_two_commands_are_in_the_makefile() -> None:
    commands, _ = (REPO / "README.md").read_text().split("## Sixty seconds of use")
    assert [block.strip() for _, block in BLOCK.findall(commands)] == ["make demo", "make test"]
    assert {"demo", "test", "serve"} <= set(re.findall(r"^([a-z]+):", (REPO / "Makefile").read_text(), re.MULTILINE))


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", (REPO / "README.md").read_text())
    assert links
    assert [link for link in links if not link.startswith("https://") and not (REPO / link).exists()] == []


def sh(folder: Path, line: str, **settings: str) -> str:
    """Run a line; what it sets before the command holds for it, as in a shell."""
    words = shlex.split(line)
    while words[0].startswith("GONIEC_"):
        name, _, value = words.pop(0).removeprefix("GONIEC_").partition("=")
        settings[name.lower()] = value
    program, *arguments = words
    assert program == ".venv/bin/goniec"
    ran = subprocess.run(
        [sys.executable, "-m", "goniec", *arguments],
        cwd=folder,
        env=environment(folder, **settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def curl(block: str, variables: dict[str, str]) -> dict[str, object]:
    """Do what curl would do: a bare machine has none."""
    program, url, *options = shlex.split(block.replace("\\\n", " ").replace("$KEY", variables["KEY"]))
    assert program == "curl"
    given = list(zip(options[::2], options[1::2], strict=True))
    headers = dict(value.split(": ", 1) for option, value in given if option == "-H")
    (data,) = (value for option, value in given if option == "-d")
    method = next((value for option, value in given if option == "-X"), "POST")
    request = urllib.request.Request(url, data.encode(), headers, method=method)  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - our own server
        answered: dict[str, object] = json.load(response)
        return answered
