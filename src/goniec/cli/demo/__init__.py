"""`goniec demo`: a throwaway Goniec, a shop full of visitors, and a receiver that counts what it is told.

Everything is real: the engine runs as `goniec serve` runs it, on a database in a temporary folder; rules and events go
in through its HTTP API, webhooks come out to a receiver that asks for user, password and signature. At the end, what
arrived is held against what the demo itself counts on.
"""

import asyncio
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from goniec import __version__
from goniec.app import Running, running
from goniec.cli.demo import shop
from goniec.cli.demo.client import Api
from goniec.cli.demo.replay import Replay
from goniec.cli.demo.screen import Screen
from goniec.cli.demo.tally import Tally, checks
from goniec.cli.demo.visitors import steps
from goniec.cli.receiver import ADDRESS, Demands, Receiver
from goniec.cli.terminal import FAILED, INTERRUPTED, CommandError, run_until_signal
from goniec.core.model import User
from goniec.core.signing import basic, encode_secret
from goniec.flow.keys import KeyMade, create_key
from goniec.flow.users import add_user
from goniec.observe import log
from goniec.settings import Settings, read_settings
from goniec.store.passwords import Argon2

EMAIL: Final = "demo@goniec.example"


def demo(
    *,
    leave: Annotated[
        bool, Parameter(name="--exit", negative=(), help="end after the totals; 0 if all arrived")
    ] = False,
) -> int:
    """Watch shop visitors turn into webhooks, on a throwaway Goniec."""
    screen = Screen()
    with tempfile.TemporaryDirectory(prefix="goniec-demo-") as folder:
        return run_until_signal(lambda stop: _demo(screen, Path(folder), stop, leave=leave))


async def _demo(screen: Screen, folder: Path, stop: asyncio.Event, *, leave: bool) -> int:
    password, secret = secrets.token_urlsafe(12), secrets.token_bytes(32)
    tally = Tally()
    replay = Replay(screen, tally)
    receiver = Receiver(Demands(basic(shop.USER, password), secret), replay.webhook)
    address = f"http://{ADDRESS}:{await receiver.start()}"
    settings = _settings(folder)
    log.configure("console", settings.log_level)
    try:
        async with running(settings) as engine:
            key = await _key(engine)
            login = await _user(engine)
            api = Api(engine.url, key)
            try:
                screen.say(f"Goniec {__version__} at {engine.url}, in {folder}; all of it goes when this ends.")
                if not leave:
                    _panel(screen, engine.url, login)
                screen.say(f"A receiver at {address}, which asks for user, password and signature.")
                names = await _open_shop(api, address, password, encode_secret(secret))
                screen.say(f"{len(names)} rules, made through the API. Here come the visitors.\n")
                code = await _play(screen, engine, api, replay, names, stop, leisure=not leave)
                if not leave and code != INTERRUPTED:
                    _invite(screen, engine.url, key, login, folder)
                    await stop.wait()
            finally:
                api.close()
    finally:
        await receiver.close()
    return code


def _settings(folder: Path) -> Settings:
    """Nothing of the user's own: the demo is the same everywhere."""
    given = {"data_dir": str(folder), "port": "0", "allow_networks": ADDRESS, "log_level": "warning"}
    return read_settings({}, folder, given)


async def _key(engine: Running) -> str:
    made = await create_key(engine.store, engine.clock, engine.dice, "demo", "admin")
    if not isinstance(made, KeyMade):
        raise CommandError(made.detail)
    return made.text


async def _user(engine: Running) -> str:
    """Make the user of the panel; gives the password."""
    password = secrets.token_urlsafe(9)
    made = await add_user(
        engine.store, engine.clock, engine.dice, Argon2(), email=EMAIL, password=password, role="admin", name="Demo"
    )
    if not isinstance(made, User):
        raise CommandError(made.detail)
    return password


async def _open_shop(api: Api, receiver: str, password: str, secret: str) -> dict[str, str]:
    """Make the funnel and the rules, and let the receiver know every signature; gives the rules' names by id."""
    await api.call("POST", "/funnels", shop.funnel())
    rules = [await api.call("POST", "/rules", rule) for rule in shop.rules(receiver, password)]
    for endpoint in (await api.call("GET", "/endpoints"))["items"]:
        await api.call("POST", f"/endpoints/{endpoint['id']}/rotateSecret", {"secret": secret, "overlapDays": 0})
    return {rule["id"]: rule["name"] for rule in rules}


async def _play(  # noqa: PLR0913 - the actors
    screen: Screen,
    engine: Running,
    api: Api,
    replay: Replay,
    names: dict[str, str],
    stop: asyncio.Event,
    *,
    leisure: bool,
) -> int:
    """Replay, wait until all is delivered, and say whether it was right."""
    script = steps(engine.clock.now())
    if not await replay.run(api, engine.store.queries, names, script, stop, leisure=leisure):
        return INTERRUPTED
    expected = shop.expected(script)
    totals = await engine.store.queries.totals()
    found = checks(replay.tally, expected, len(script), replay.accepted, totals)
    screen.totals(replay.fired, replay.tally.arrived, replay.seconds)
    screen.verdict(found)
    return 0 if all(check.holds for check in found) else FAILED


def _invite(screen: Screen, url: str, key: str, login: str, folder: Path) -> None:
    screen.say("\nAll of it is there until Ctrl-C.")
    _panel(screen, url, login)
    screen.say("The API:\n")
    screen.say(f"  {url}/docs")
    screen.say(f"  curl -H 'Authorization: Bearer {key}' '{url}/api/v1/deliveries?order=desc&limit=1'")
    screen.say("\nThe delivery log:\n")
    program = sys.argv[0] if sys.argv[0].endswith("goniec") else "goniec"
    screen.say(f"  GONIEC_DATA_DIR={folder} {program} deliveries list --limit 10\n")


def _panel(screen: Screen, url: str, login: str) -> None:
    """Say where the panel is and who may enter: at the start, to watch from there, and once more below all lines."""
    screen.say("\nThe panel:\n")
    screen.say(f"  {url}/  (e-mail {EMAIL}, password {login})\n", "bold")
