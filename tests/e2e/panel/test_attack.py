"""A web scanner that nobody here wrote (wapiti) goes through the panel, signed in: `make attack`.

It has minutes, and nothing to send to but 127.0.0.1: its own endpoint and Goniec's name server are dead ports here.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conftest import REPO
from tests.e2e.engine import NAME_SERVER, Engine
from tests.e2e.panel.client import SignIn
from tests.e2e.panel.life import enliven

pytestmark = [pytest.mark.attack, pytest.mark.timeout(3_600)]

WAPITI: Final = REPO / ".venv-attack" / "bin" / "wapiti"
MODULES: Final = (
    "cookieflags,crlf,csp,csrf,exec,file,htaccess,http_headers,ldap,methods,permanentxss,redirect,sql,upload,xss"
)
"""All that look for holes and need nothing of the world outside."""
SECONDS: Final = int(os.environ.get("ATTACK_SECONDS", "60"))
"""How long it may look for pages, and as long again it may attack them with one module."""

UNTOUCHED: Final = ("/logout", "/account/sign-out*", "/account/password", "/users*", "/assets/*", "/api/*", "/docs*")
"""What would end its own session, and what is no page."""

COOKIE: Final = {"version": 0, "port": None, "secure": False, "expires": None}
"""What the scanner wants to know of a cookie beside its value."""

ACCEPTED: Final[Mapping[tuple[str, str], str]] = {
    ("Secure Flag cookie", "Secure flag is not set"): "over http no browser would send it back; over https it is set",
}
"""What it may find, by its category and the beginning of what it says, with the reason."""


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    one = Engine(tmp_path)
    one.machine = NAME_SERVER.format(address="127.0.0.1:9")
    try:
        await one.start()
        yield one
    finally:
        await one.close()


async def test_a_web_scanner_finds_nothing_of_weight(engine: Engine, sign_in: SignIn, tmp_path: Path) -> None:
    assert WAPITI.exists(), "make attack brings it"
    ids = await enliven(engine)
    ala = await sign_in("admin")
    jar = {name: {"value": value, **COOKIE} for name, value in ala.http.cookies.items()}
    (tmp_path / "cookies.json").write_text(json.dumps({"127.0.0.1": {"/": jar}}))
    starts = ("/rules/new", "/contacts/new", "/keys/new", "/account", "/search?q=anna", f"/contacts/{ids['contact']}")
    await _run(
        *("-u", f"{engine.url}/", "--scope", "folder", "-m", MODULES, "--level", "2"),
        *("--cookie", "cookies.json"),
        *(word for path in starts for word in ("-s", engine.url + path)),
        *(word for path in UNTOUCHED for word in ("-x", engine.url + path)),
        *("--max-scan-time", str(SECONDS), "--max-attack-time", str(SECONDS), "--max-files-per-dir", "12", "-d", "4"),
        *("--endpoint", "http://127.0.0.1:9/", "--dns-endpoint", "localhost", "--no-bugreport"),
        *("--store-session", "session", "--store-config", "config", "-f", "json", "-o", "report.json", "-v", "1"),
        folder=tmp_path,
    )
    report = json.loads((tmp_path / "report.json").read_text())
    # without its session it would have seen nothing but the door
    assert (await ala.get("/account")).status == 200
    assert report["infos"]["crawled_pages_nbr"] > 30, report["infos"]
    assert list(_findings(report)) == []
    assert [line for line in engine.log() if line.get("level") == "error"] == []


async def _run(*words: str, folder: Path) -> None:
    """Let it look, and attack with one module after the other; it remembers how far it came.

    A module whose time is over may leave a lock on the scanner's own memory, over which the next one falls.
    """
    code, said = await _ran(*words, folder=folder)
    for _ in MODULES.split(","):
        if code == 0:
            break
        assert said.rstrip().rpartition("\n(Background")[0].endswith("database is locked"), said[-3_000:]
        code, said = await _ran(*words, folder=folder)
    assert code == 0, said[-3_000:]


async def _ran(*words: str, folder: Path) -> tuple[int, str]:
    with (folder / "wapiti.log").open("wb") as log:
        # without the variables of coverage, and of whoever started this
        seen = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
        process = await asyncio.create_subprocess_exec(WAPITI, *words, cwd=folder, env=seen, stdout=log, stderr=log)
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return code, (folder / "wapiti.log").read_text(errors="replace")


def _findings(report: dict[str, Any]) -> Iterator[str]:
    for kind in ("vulnerabilities", "anomalies"):
        for category, found in report[kind].items():
            for one in found:
                if not any(category == known and one["info"].startswith(says) for known, says in ACCEPTED):
                    yield f"{category}: {one['info']} [{one['method']} {one['path']} {one['parameter']}]"
