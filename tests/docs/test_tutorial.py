"""The tutorial, followed to the letter: its commands are run and its curl calls made, in their order."""

import re
import shlex
from pathlib import Path

from tests.cli.commands import line_with, running
from tests.cli.test_doctor import free_port
from tests.cli.test_readme import BLOCK, curl, sh
from tests.conftest import REPO

ALLOW = "127.0.0.1"


def test_from_an_outage_to_a_verified_delivery(tmp_path: Path) -> None:
    ports = {"8000": free_port(), "9000": free_port()}
    text = (REPO / "docs/tutorial.md").read_text()
    blocks = [re.sub(r"8000|9000", lambda found: ports[found[0]], block) for _, block in BLOCK.findall(text)]
    serve, key, funnel, moving, telling, events, listing, why, rotate, receive, doctor = blocks
    assert serve.strip() == f"GONIEC_ALLOW_NETWORKS={ALLOW} make serve"
    settings = {"allow_networks": ALLOW, "port": ports["8000"]}
    with running(tmp_path, "serve", **settings) as server:
        line_with(server.stderr, '"ready"')
        name, command = key.strip().split("=", 1)
        variables = {name: sh(tmp_path, command.removeprefix("$(").removesuffix(")")).strip()}
        assert curl(funnel, variables)["stages"] == ["Lead", "Offer", "Won"]
        assert curl(moving, variables)["active"]
        assert curl(telling, variables)["active"]
        assert curl(events, variables)["accepted"] == 2
        assert curl(events, variables)["duplicates"] == 2
        line_with(server.stderr, "connectFailed")
        shown = sh(tmp_path, listing.strip(), port=ports["8000"])
        delivery = re.search(r"dlv_\w+", shown)
        assert delivery
        assert "pending" in shown
        shown = sh(tmp_path, f".venv/bin/goniec deliveries show {delivery[0]}", port=ports["8000"])
        endpoint = re.search(r"end_\w+", shown)
        assert endpoint
        ola, jan = (sh(tmp_path, line, port=ports["8000"]) for line in why.strip().splitlines())
        assert "fired" in ola
        assert "hasPhone" in jan or "/conditions" in jan
        secret = curl(rotate.replace("end_…", endpoint[0]), variables)["secret"]
        program, *arguments = shlex.split(receive.replace("whsec_…", str(secret)))
        with running(tmp_path, *arguments, "--port", ports["9000"]) as sales:
            line_with(sales.stderr, "Listening")
            sh(tmp_path, f"{program} deliveries resend {delivery[0]}", port=ports["8000"])
            assert "→ 200" in line_with(sales.stdout, "POST /sales")
        sh(tmp_path, doctor.strip(), port=ports["8000"])
