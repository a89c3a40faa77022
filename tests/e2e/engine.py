"""A whole Goniec as its users have it: `goniec serve` in a process of its own, on a folder, spoken to over HTTP.

Unless something is different about its machine, that process is born of one which has read the program already
(`nursery`): there are a thousand of them. Those that start the program as a person does are in `tests/cli`.

It may be started, stopped, killed and started again; each start takes a free port. What it logs goes to a file, so that
nothing waits for us to read it.

    async with engine(folder) as one:
        await one.post("/contacts", {"email": "jan@example.pl"}, 201)
"""

import asyncio
import json
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import httpx

from goniec.cli.opened import Machine
from goniec.flow.keys import KeyMade, create_key
from goniec.store.address import Postgres
from goniec.store.opening import open_store
from tests.cli.commands import environment, goniec
from tests.e2e.nursery import nursery

MACHINE = """
import sys
{machine}
from goniec.__main__ import main
sys.argv[0] = "goniec"
main()
"""
"""Starts the engine on a machine of which something is different."""

DAYS_BEHIND = """
import time
now = time.time_ns
time.time_ns = lambda: now() - {days} * 86_400 * 10**9
"""
"""A machine whose clock goes behind."""

NAME_SERVER = """
from goniec.send.resolve import DnsResolver
DnsResolver.__init__.__defaults__ = (("{address}",),)
"""
"""A machine that asks this name server."""

SETTINGS: Mapping[str, str] = {"allow_networks": "127.0.0.0/8", "port": "0", "log_format": "json"}

NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody: to read all authorities of the world is most of the work of making a client, and none is asked here."""

Scope = Literal["ingest", "read", "admin"]

PATIENCE = 150.0
"""Seconds that something may take which is bound to happen; more means that it never does. The leases of a process that
was killed rest for a minute."""


class Process(Protocol):
    """What an engine runs in."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def wait(self) -> int: ...

    def kill(self) -> None: ...

    def send_signal(self, number: int, /) -> None: ...


Bear = Callable[[Path, Mapping[str, str], Path, str], Process]
"""Starts an engine in a folder, with an environment, a log, and what is different about its machine."""


class Engine:
    """One installation: its folder, its settings, its key, and the process while it runs."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.settings = {**SETTINGS, **settings}
        self.machine = ""
        """What is different about its machine, as a few lines of Python that run first."""
        self.bear: Bear | None = None
        """What starts the process, where its machine is another one and that is still not to start a program."""
        self.process: Process | None = None
        self.url = ""
        self.http = httpx.AsyncClient(verify=NO_TLS)
        self._log = folder / "serve.log"
        self._read = 0
        self._keys: dict[Scope, str] = {}

    # the process

    def spawn(self) -> None:
        """Start the process, and do not wait for it."""
        self._read = self._log.stat().st_size if self._log.exists() else 0
        seen = environment(self.folder, **self.settings)
        if self.bear is not None or not self.machine:
            self._log.touch()
            bear = self.bear or nursery().bear
            self.process = bear(self.folder, seen, self._log, self.machine)
            return
        command = [sys.executable, "-c", MACHINE.format(machine=self.machine), "serve"]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=seen, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    async def start(self) -> None:
        """Start, and wait until it says that it is ready."""
        self.spawn()
        await self.ready()

    async def ready(self) -> None:
        """Wait until it says that it is ready."""
        await until(self._listens, "the engine says that it is ready")
        await self.http.aclose()
        headers = {"authorization": f"Bearer {await self.key()}"}
        self.http = httpx.AsyncClient(base_url=f"{self.url}/api/v1", headers=headers, timeout=PATIENCE, verify=NO_TLS)
        answer = await self.http.get(f"{self.url}/readyz")
        assert answer.status_code == 200, answer.text

    def kill(self) -> None:
        """End it at once, in the middle of whatever it does."""
        assert self.process is not None
        self.process.kill()

    async def gone(self) -> int:
        """Wait until it has ended; gives its exit code."""
        assert self.process is not None
        await until(lambda: self.process is None or self.process.poll() is not None, "the engine ends")
        code: int = self.process.wait()
        return code

    async def stop(self) -> int:
        """Ask it to stop; gives its exit code."""
        self.terminate()
        return await self.gone()

    def terminate(self) -> None:
        """Ask it to stop, and do not wait."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    async def close(self) -> None:
        """End what is left."""
        await self.http.aclose()
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def log(self) -> list[dict[str, Any]]:
        """What it has logged since its last start; a line that is not JSON comes as `text`."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            lines = log.read().decode(errors="replace").splitlines()
        return [_line(line) for line in lines]

    def _listens(self) -> bool:
        for line in self.log():
            if line.get("event") == "ready":
                self.url = line["url"]
                return True
        assert self.alive, f"it did not start: {self.log()}"
        return False

    # its commands

    def share_keys(self, others: "Sequence[Engine]") -> None:
        """Use the keys of others, which work on the same database."""
        for other in others:
            self._keys = other._keys

    async def key(self, scope: Scope = "admin") -> str:
        """A key of this scope, made on first use: as `goniec key create` does it, but without a process for it."""
        if scope not in self._keys:
            machine = Machine()
            place = self.settings.get("database")
            where = Postgres(place) if place else self.folder / "goniec.db"
            # opening waits, and what leads to the database may live in this loop
            store = await asyncio.to_thread(open_store, where, server=False)
            try:
                made = await create_key(store, machine, machine, f"test-{scope}", scope)
            finally:
                await store.close()
            assert isinstance(made, KeyMade)
            self._keys[scope] = made.text
        return self._keys[scope]

    async def doctor(self, *but: str) -> list[dict[str, Any]]:
        """Let the doctor look, who must be content `but` for these checks; gives what it has to say about those."""
        looked = await asyncio.to_thread(goniec, self.folder, "doctor", "--json", **self.settings)
        found = json.loads(looked.stdout)["findings"]
        problems: list[dict[str, Any]] = [one for one in found if one.get("problem")]
        assert looked.returncode == bool(problems), looked.stderr
        assert {one["check"] for one in problems} <= set(but), problems
        return problems

    # its API

    async def ask(self, method: str, path: str, status: int | None = None, **request: Any) -> httpx.Response:
        """Send a request, whose answer has to have this status."""
        answer = await self.http.request(method, path, **request)
        assert status in {None, answer.status_code}, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    async def get(self, path: str, expected: int = 200, /, **query: Any) -> Any:
        """GET; gives what was answered."""
        return (await self.ask("GET", path, expected, params=query)).json()

    async def post(self, path: str, body: object, status: int = 200) -> Any:
        """POST; gives what was answered."""
        return (await self.ask("POST", path, status, json=body)).json()

    async def patch(self, path: str, body: object, status: int = 200) -> Any:
        """PATCH; gives what was answered."""
        return (await self.ask("PATCH", path, status, json=body)).json()

    async def put(self, path: str, body: object, status: int = 200) -> Any:
        """PUT; gives what was answered."""
        return (await self.ask("PUT", path, status, json=body)).json()

    async def everything(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All rows of a list."""
        rows: list[dict[str, Any]] = []
        page: dict[str, Any] = {"more": True}
        while page["more"]:
            page = await self.get(path, limit=1000, **query)
            rows += page["items"]
            query["cursor"] = page["nextCursor"]
        return rows

    async def rule(self, trigger: dict[str, Any], *urls: str, **fields: Any) -> dict[str, Any]:
        """Make a rule that is on and tells these URLs; gives it as it was answered."""
        actions = [{"type": "webhook", "url": url} for url in urls]
        draft = {"name": "Rule", "active": True, "triggers": [trigger], "actions": actions, **fields}
        made: dict[str, Any] = await self.post("/rules", draft, 201)
        return made

    async def endpoint(self, rule: dict[str, Any], place: int = 0, **policy: Any) -> str:
        """The id of the endpoint of a rule's action; with `policy` it is changed first."""
        endpoint_id: str = rule["actions"][place]["endpointId"]
        if policy:
            await self.patch(f"/endpoints/{endpoint_id}", policy)
        return endpoint_id

    async def contact(self, **fields: Any) -> dict[str, Any]:
        """Make a contact, or change one."""
        answer = await self.ask("POST", "/contacts", json=fields)
        assert answer.status_code in {200, 201}, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def visit(self, contact: dict[str, Any], **fields: Any) -> str:
        """Tell that a contact has seen a page; gives the event's id."""
        event = {"type": "page.visited", "contact": contact, "data": {"url": "https://shop.example/"}, **fields}
        answer = await self.post("/events", event, 202)
        event_id: str = answer["ids"][0]
        return event_id

    async def deliveries(self, **query: Any) -> list[dict[str, Any]]:
        """Deliveries, each with its attempts and its body."""
        found = await self.everything("/deliveries", **query)
        return [await self.get(f"/deliveries/{one['id']}") for one in found]

    async def quiet(self) -> None:
        """Wait until no delivery is pending."""

        async def rest() -> bool:
            page = await self.get("/deliveries", status="pending", limit=1)
            return not page["items"]

        await eventually(rest, "no delivery is pending")

    async def settled(self, count: int | None = None) -> list[dict[str, Any]]:
        """Wait until there are so many deliveries and none of them is pending; gives them whole."""

        async def rest() -> bool:
            found = await self.everything("/deliveries")
            enough = count is None or len(found) >= count
            return enough and all(one["status"] != "pending" for one in found)

        await eventually(rest, f"{'all' if count is None else count} deliveries are done")
        return await self.deliveries()

    async def attempted(self, count: int, **query: Any) -> list[dict[str, Any]]:
        """Wait until this many attempts are on record; gives the deliveries whole."""

        async def enough() -> bool:
            counts: list[int] = [one["attemptCount"] for one in await self.everything("/deliveries", **query)]
            return sum(counts) >= count

        await eventually(enough, f"{count} attempts are on record")
        return await self.deliveries(**query)


@asynccontextmanager
async def engine(folder: Path, **settings: str) -> AsyncIterator[Engine]:
    """A Goniec that runs; what is left of it ends with the block."""
    one = Engine(folder, **settings)
    try:
        await one.start()
        yield one
        if one.alive:
            assert await one.stop() == 0
    finally:
        await one.close()


async def until(wanted: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Wait for something that is bound to happen."""
    ends = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < ends, f"it never comes to pass that {what}"
        await asyncio.sleep(0.01)


async def eventually(wanted: Callable[[], Awaitable[bool]], what: str, seconds: float = PATIENCE) -> None:
    """Wait for something that is bound to happen and has to be asked for."""
    ends = time.monotonic() + seconds
    while not await wanted():
        assert time.monotonic() < ends, f"it never comes to pass that {what}"
        await asyncio.sleep(0.05)


def _line(line: str) -> dict[str, Any]:
    try:
        read = json.loads(line)
    except ValueError:
        return {"text": line}
    return read if isinstance(read, dict) else {"text": line}


__all__ = ["NO_TLS", "PATIENCE", "Engine", "engine", "eventually", "until"]
