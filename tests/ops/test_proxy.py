"""Goniec behind nginx as `ops/nginx.conf` sets it up, with the settings that the installation page gives.

The file is used as it is but for what belongs to the machine: ports, paths, the address of Goniec. Each client has an
address of its own within 127.0.0.0/8.
"""

import asyncio
import re
import shutil
import socket
import ssl
import subprocess
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest
import trustme

from tests.conftest import REPO, SKIP
from tests.e2e.engine import Engine, engine, until
from tests.e2e.panel.client import PASSWORD, Person, make_user

NAME: Final = "goniec.example.com"

MAIN: Final = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    include {folder}/goniec.conf;
}}
"""
"""What Debian's own nginx.conf does around ours, in one process and one folder."""


class Front:
    """The proxy, as its visitors see it."""

    def __init__(self, folder: Path, trusted: ssl.SSLContext) -> None:
        self.folder = folder
        self.trusted = trusted
        self.plain, self.secure = _free_ports(2)

    def client(self, address: str, **headers: str) -> httpx.AsyncClient:
        """Give a client that comes from this address."""
        asked = httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{self.secure}",
            headers={"host": NAME, "accept-language": "en", **headers},
            transport=httpx.AsyncHTTPTransport(verify=self.trusted, local_address=address),
            timeout=60,
        )
        asked.event_hooks["request"].append(_to_our_name)
        return asked

    def listens(self) -> bool:
        """Whether it takes connections."""
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", self.secure)) == 0


@pytest.fixture
async def goniec(tmp_path: Path) -> AsyncIterator[Engine]:
    """Give an engine with the settings of the installation page."""
    page = (REPO / "docs/how-to/install.md").read_text()
    (file,) = re.findall(r"goniec\.toml <<'END'\n(.*?)\nEND\n", page, re.DOTALL)
    settings = {name: str(value) for name, value in tomllib.loads(file).items()}
    assert settings["public_url"] == f"https://{NAME}"
    folder = tmp_path / "goniec"
    folder.mkdir()
    async with engine(folder, **settings) as one:
        yield one


@pytest.fixture
async def front(goniec: Engine, tmp_path: Path) -> AsyncIterator[Front]:
    """Give nginx in front of it; without nginx the test fails, unless SKIP names the proxy."""
    if "proxy" in SKIP:
        pytest.skip("SKIP=proxy")
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    assert program, "no nginx: apt-get install nginx-light; make test SKIP=proxy goes without"
    folder = tmp_path / "nginx"
    folder.mkdir()
    authority = trustme.CA()
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    one = Front(folder, trusted)
    _write(one, authority.issue_cert(NAME), goniec.url)
    command = (program, "-e", f"{folder}/error.log", "-p", str(folder), "-c", f"{folder}/nginx.conf")
    tested = await asyncio.to_thread(subprocess.run, (*command, "-t"), capture_output=True, text=True, check=False)
    assert (tested.returncode, "warn" in tested.stderr) == (0, False), tested.stderr
    with _running(command) as process:
        await until(lambda: one.listens() or process.poll() is not None, "nginx listens")
        assert process.poll() is None, (folder / "error.log").read_text()
        yield one


async def test_what_the_world_sees(goniec: Engine, front: Front) -> None:
    async with front.client("127.0.0.2") as visitor:
        page = await visitor.get("/first-run")
        assert page.status_code == 200
        assert "<form" in page.text
        assert page.headers["strict-transport-security"] == "max-age=31536000"
        assert all("Secure" in cookie for cookie in page.headers.get_list("set-cookie"))
        assert page.headers.get_list("set-cookie")
        for target in (b"/metrics", b"/metrics?x", b"/metrics/", b"//metrics", b"/%6Detrics", b"/a/../metrics"):
            answer = await visitor.get("/", extensions={"target": target})
            assert (answer.status_code, "<center>nginx" in answer.text) == (404, True), target
    assert "goniec_" in (await goniec.http.get(f"{goniec.url}/metrics")).text
    async with httpx.AsyncClient() as visitor:
        moved = await visitor.get(f"http://127.0.0.1:{front.plain}/rules?q=1", headers={"host": NAME})
    assert (moved.status_code, moved.headers["location"]) == (301, f"https://{NAME}/rules?q=1")


async def test_who_signs_in_counts_by_the_own_address(goniec: Engine, front: Front) -> None:
    await make_user(goniec, "ala@example.com", "admin")
    thief, ala = Person(""), Person("")
    async with (
        front.client("127.0.0.2", **claiming("127.0.0.3")) as thief.http,
        front.client("127.0.0.3", **claiming("203.0.113.9")) as ala.http,
    ):
        await thief.get("/login")
        tries = [await thief.send("/login", {"email": "ala@example.com", "password": "wrong wrong"}) for _ in range(8)]
        assert tries[0].status == 401
        assert tries[-1].status == 429
        await ala.get("/login")
        inside = await ala.send("/login", {"email": "ala@example.com", "password": PASSWORD})
        assert inside.status == 303
        assert (await ala.follow(inside)).status == 200


def claiming(address: str) -> dict[str, str]:
    """Give headers that say that one comes from elsewhere."""
    return {"x-forwarded-for": address, "forwarded": f"for={address}"}


def _write(front: Front, certificate: trustme.LeafCert, upstream: str) -> None:
    certificate.private_key_and_cert_chain_pem.write_to_path(front.folder / "both.pem")
    text = (REPO / "ops/nginx.conf").read_text()
    for pattern, instead in (
        (r"listen \[::\]:\d+( ssl)?;", ""),
        (r"listen 443 ssl;", f"listen 127.0.0.1:{front.secure} ssl;"),
        (r"listen 80;", f"listen 127.0.0.1:{front.plain};"),
        (r"/etc/letsencrypt/live/\S+\.pem;", f"{front.folder}/both.pem;"),
        (r"server 127\.0\.0\.1:8000;", f"server {upstream.removeprefix('http://')};"),
    ):
        text, n = re.subn(pattern, instead, text)
        assert n, pattern
    (front.folder / "goniec.conf").write_text(text)
    (front.folder / "nginx.conf").write_text(MAIN.format(folder=front.folder))


@contextmanager
def _running(command: tuple[str, ...]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


async def _to_our_name(request: httpx.Request) -> None:
    request.extensions["sni_hostname"] = NAME
