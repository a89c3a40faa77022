"""The way to the first mail, followed to the letter, with a mail server that keeps what it gets."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from tests.cli.commands import line_with, running
from tests.cli.test_doctor import free_port
from tests.cli.test_readme import BLOCK, curl, sh
from tests.conftest import REPO
from tests.e2e.test_mail import PERSON

CATCHER: Final = ".venv/bin/python -m aiosmtpd"


def test_a_mail_is_sent_opened_and_clicked(tmp_path: Path) -> None:
    ports = {"8000": free_port(), "9000": free_port(), "2525": free_port()}
    text = (REPO / "docs/how-to/send-mail.md").read_text()
    blocks = [re.sub(r"8000|9000|2525", lambda found: ports[found[0]], block) for _, block in BLOCK.findall(text)]
    setup, catch, serve, receive, key, message, welcome, tell, contact, look, why, limits, export, put, feedback = (
        blocks
    )
    assert setup.strip() == "make dev"
    assert catch.startswith(CATCHER)
    *given, made, target = shlex.split(serve)
    assert (made, target) == ("make", "serve")
    settings = {name.removeprefix("GONIEC_").lower(): value for name, _, value in (one.partition("=") for one in given)}
    assert receive.strip() == ".venv/bin/goniec receive"
    with (
        catching(tmp_path, catch.removeprefix(CATCHER)),
        running(tmp_path, "serve", port=ports["8000"], **settings) as server,
        running(tmp_path, "receive", "--port", ports["9000"]) as crm,
    ):
        line_with(server.stderr, '"ready"')
        line_with(crm.stderr, "Listening")
        name, command = key.strip().split("=", 1)
        variables = {name: sh(tmp_path, command.removeprefix("$(").removesuffix(")")).strip()}
        made_message = curl(message, variables)
        assert curl(welcome.replace("msg_…", str(made_message["id"])), variables)["active"]
        assert curl(tell, variables)["active"]
        assert curl(contact, variables)["email"] == "ola@example.com"
        assert "→ 200" in line_with(crm.stdout, "POST /mail")
        letter = shown(tmp_path, look)
        assert "<h1>Hello Ola</h1>" in letter
        assert "Unsubscribe</a>" in letter
        (pixel,) = re.findall(r'<img src="([^"]+)"', letter)
        link = re.findall(r'href="([^"]+)"', letter)[0]
        with httpx.Client(headers={"user-agent": PERSON}) as reader:
            assert reader.get(pixel).headers["content-type"] == "image/gif"
            assert "→ 200" in line_with(crm.stdout, "POST /mail")
            assert reader.get(link).headers["location"] == "https://example.com/start?from=mail#top"
            assert "→ 200" in line_with(crm.stdout, "POST /mail")
            leave = re.findall(r'href="([^"]+/t/u/[^"]+)"', letter)[0]
            assert '<button class="btn pri" name="do" value="leave">' in reader.get(leave).text
            assert reader.post(leave, data={"do": "leave"}).status_code == 200
            assert "→ 200" in line_with(crm.stdout, "POST /mail")
        listed, explained = (sh(tmp_path, line, port=ports["8000"]) for line in why.strip().splitlines())
        assert listed.count("delivered") == 5
        assert re.search(r"^    mail dlv_\w+: delivered$", explained, re.MULTILINE)
        assert "would end as fired; left out: the contact has opted out" in explained
        assert curl(limits, variables)["perDay"] == 2
        assert curl(feedback, variables)["accepted"] == 1
        sh(tmp_path, export)
        file = tmp_path / "messages/welcome.yaml"
        diff, apply = put.strip().splitlines()
        assert sh(tmp_path, diff) == ""
        file.write_text(file.read_text().replace("Start here", "Begin here"))
        assert sh(tmp_path, apply) == f"changed    {made_message['id']}  Welcome (html)\n"


@contextmanager
def catching(folder: Path, arguments: str) -> Iterator[None]:
    """The mail server, as the page starts it."""
    words = shlex.split(arguments)
    command = [sys.executable, "-m", "aiosmtpd", *words]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


def shown(folder: Path, block: str) -> str:
    """What the page's snippet writes into `letter.html`."""
    program, *arguments, arrow, target = shlex.split(block)
    assert (program, arrow, target) == (".venv/bin/python", ">", "letter.html")
    ran = subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return ran.stdout
