"""The checks of `goniec doctor`: each looks at one thing and gives a finding, or several.

They lean on the store's reading side and on nothing that a running server would notice. A new check is a function here
and a place in `diagnose`.
"""

import asyncio
import http.client
import shutil
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from goniec.cli import counting
from goniec.cli.finding import Finding
from goniec.cli.mailing import mail, mailbox
from goniec.cli.opened import Machine, no_database
from goniec.core.endpoint import MAIL, Endpoint
from goniec.core.model import Status
from goniec.core.rules import RuleSet
from goniec.core.times import MINUTE, SECOND, Millis, format_instant
from goniec.flow.credentials import unsealed
from goniec.flow.instance import INSTANCE
from goniec.flow.leases import workers
from goniec.ports import EventFilter, Lease, Page, Queries, Unavailable
from goniec.send.guard import Refused as RefusedUrl
from goniec.send.guard import check_resolved
from goniec.send.resolve import DnsResolver
from goniec.settings import Settings
from goniec.store import Refused
from goniec.store.address import Postgres
from goniec.store.migrations import HEAD
from goniec.store.opening import Database, is_there, open_store, schema_of
from goniec.store.vault import AesVault

FREE_BYTES: Final = 512 * 1024 * 1024
"""With less room than this, or than the database takes, a backup or a migration may not fit."""

CLOCK_SLACK: Final[Millis] = MINUTE
SERVER_SLACK: Final[Millis] = 5 * SECOND
"""By so much a machine's clock may differ from the database server's."""

ANSWER_SECONDS: Final = 3.0
OK: Final = 200


class _Ready(Struct):
    """What `/readyz` tells."""

    instance: str


async def diagnose(settings: Settings) -> list[Finding]:
    """Run all checks; those on the database only when it can be opened."""
    findings = [*_disk(settings)]
    if not is_there(settings.database):
        return [*findings, Finding("database", no_database(settings), problem=True)]
    try:
        schema = await asyncio.to_thread(_schema, settings.database)
        findings.append(schema)
        if schema.problem:
            return findings
        store = await asyncio.to_thread(open_store, settings.database, server=False)
    except (Refused, Unavailable) as error:
        return [*findings, Finding("database", str(error), problem=True)]
    try:
        findings += [finding async for finding in _all(settings, store)]
    except Unavailable as error:
        findings.append(
            Finding("database", str(error), problem=True, advice="See the check's reason, and run it again")
        )
    finally:
        await store.close()
    return findings


async def _all(settings: Settings, store: Database) -> AsyncIterator[Finding]:
    queries: Queries = store.queries
    machine = await Machine.beside(store)
    now = machine.now()
    for finding in await _database(store):
        yield finding
    yield await counting.ledger(queries)
    yield await _server(settings, store)
    if isinstance(settings.database, Postgres):
        pending = (await queries.totals())[f"deliveries.{Status.PENDING}"]
        yield _workers(await queries.leases(now), pending)
    for finding in await counting.queue(queries, now):
        yield finding
    yield await _clock(queries, now, machine.ahead)
    for finding in await _rules(settings, queries):
        yield finding
    yield await _quarantine(store)
    endpoints = await queries.endpoints()
    for finding in _secrets(settings, endpoints):
        yield finding
    for finding in await _reach(settings, endpoints):
        yield finding
    yield await mail(settings, endpoints)
    yield await mailbox(settings)


def _schema(database: Path | Postgres) -> Finding:
    """Opening the database would bring its schema up to date, which is not for a doctor to do."""
    behind, found = schema_of(database)
    if behind:
        told = f"schema {found or 'none'}, and this Goniec works with {HEAD}"
        kept = "" if isinstance(database, Postgres) else ": a copy is kept"
        return Finding("schema", told, problem=True, advice=f"goniec migrate, or start goniec serve{kept}")
    return Finding("schema", f"schema {found}")


def _disk(settings: Settings) -> Iterator[Finding]:
    if isinstance(settings.database, Postgres) or not settings.database.parent.is_dir():
        return
    folder = settings.database.parent
    size = settings.database.stat().st_size if settings.database.exists() else 0
    free = shutil.disk_usage(folder).free
    low = free < max(FREE_BYTES, size)
    told = f"{_megabytes(free)} MB free, the database takes {_megabytes(size)} MB"
    yield Finding("disk", told, low, "make room: a copy of the database has to fit beside it" if low else "")


async def _database(store: Database) -> list[Finding]:
    damage = await store.integrity()
    if not damage:
        return [Finding("database", store.whole)]
    advice = "restore a backup if the file is damaged; save a rule or endpoint that cannot be read anew"
    return [Finding("database", line, problem=True, advice=advice) for line in damage]


async def _server(settings: Settings, store: Database) -> Finding:
    answered = await asyncio.to_thread(_answer, settings)
    if isinstance(answered, Finding):
        return answered
    place = f"{settings.host} port {settings.port}"
    # read only now: the first who asks a server lets it make the id
    own = await store.mark(INSTANCE)
    if own is None or answered != own.hex():
        told = f"the Goniec that answers at {place} works on another database than {settings.database}"
        advice = "set GONIEC_DATA_DIR and GONIEC_DATABASE here as they are set there, or GONIEC_PORT to this one's"
        return Finding("server", told, problem=True, advice=advice)
    return Finding("server", f"answers at {place}, and is ready")


def _workers(known: list[Lease], pending: int) -> Finding:
    """Who delivers, of the processes that share the database."""
    found = workers(known)
    if not found:
        advice = "start goniec serve with the role worker or all, if something is to be delivered"
        told = f"no worker is running, so nothing is delivered; deliveries that wait: {pending}"
        return Finding("workers", told, problem=pending > 0, advice=advice)
    shares = ", ".join(str(owned) for _, owned in sorted(found.items()))
    return Finding("workers", f"{len(found)} running; endpoints that each delivers to just now: {shares}")


def _answer(settings: Settings) -> Finding | str:
    """Give the id of the database that the server works on, or what else came of asking."""
    if not settings.port:
        return Finding("server", "GONIEC_PORT is 0, any free one: which one it took stands in its log, under ready")
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=ANSWER_SECONDS)
    place = f"{settings.host} port {settings.port}"
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        body = response.read(1000)
    except (OSError, http.client.HTTPException):
        return Finding("server", f"nothing answers at {place}", advice="start goniec serve, if it should be running")
    finally:
        connection.close()
    if response.status != OK:
        said = body.decode(errors="replace").strip()
        told = f"answers at {place} with {response.status}: {said}"
        return Finding("server", told, problem=True, advice="see its log")
    try:
        return msgspec.json.decode(body, type=_Ready).instance
    except msgspec.MsgspecError:
        advice = "stop it, or choose another port with GONIEC_PORT"
        return Finding("server", f"what answers at {place} is no Goniec", problem=True, advice=advice)


async def _clock(queries: Queries, now: Millis, ahead: Millis) -> Finding:
    if abs(ahead) > SERVER_SLACK:
        which = "ahead of" if ahead > 0 else "behind"
        told = f"this machine's clock is {abs(ahead) / SECOND:,.0f} s {which} the database server's, where it is"
        advice = (
            "find out which is wrong, and let NTP keep both right: Goniec goes by the server's, but this machine's logs"
            " and the certificates that it checks do not"
        )
        return Finding("clock", f"{told} {format_instant(now)}", problem=True, advice=advice)
    for event in await queries.events(EventFilter(), Page(1, newest=True)):
        if event.received_at > now + CLOCK_SLACK:
            told = f"it is {format_instant(now)} here, and the latest event is from {format_instant(event.received_at)}"
            return Finding("clock", told, problem=True, advice="set the clock of this machine right")
    return Finding("clock", format_instant(now))


async def _rules(settings: Settings, queries: Queries) -> list[Finding]:
    rules = await queries.rules()
    broken = RuleSet(rules, settings.timezone).broken
    active = sum(rule.active for rule in rules)
    advice = "save the rule anew"
    found = [Finding("rules", f"{id} cannot run: {why}", problem=True, advice=advice) for id, why in broken.items()]
    return found or [Finding("rules", f"rules: {len(rules)}, of which active: {active}")]


async def _quarantine(store: Database) -> Finding:
    kept = await store.quarantined(limit=1)
    if not kept:
        return Finding("quarantine", "empty")
    (number, at, reason, _content) = kept[0]
    told = f"what could not be recorded is kept; the latest is number {number}, {format_instant(at)}: {reason}"
    return Finding(
        "quarantine", told, problem=True, advice="tell the authors of Goniec the reason, and send the event again"
    )


def _secrets(settings: Settings, endpoints: list[Endpoint]) -> Iterator[Finding]:
    keys = [key.text for key in settings.secret_key]
    source, key_file = "GONIEC_SECRET_KEY", settings.key_file
    if key_file is not None and not keys:
        source = str(key_file)
        try:
            keys = [key_file.read_text().rstrip("\r\n")]
            mode = stat.S_IMODE(key_file.stat().st_mode)
        except FileNotFoundError:
            yield _keyless(source, endpoints)
            return
        except (OSError, ValueError) as error:
            yield Finding("secrets", f"{source} cannot be read: {error}", problem=True, advice="let this user read it")
            return
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield Finding("secrets", f"others may read {source}", problem=True, advice=f"chmod 600 {source}")
    vault = AesVault(keys)
    locked = [endpoint.id for endpoint in endpoints if not _opens(endpoint, vault)]
    if locked:
        told = f"the key in {source} does not open the secrets of {', '.join(locked)}"
        yield Finding("secrets", told, problem=True, advice="put the former key back, or enter those secrets anew")
    else:
        yield Finding("secrets", f"{source} opens those of all endpoints ({len(endpoints)})")


def _keyless(source: str, endpoints: list[Endpoint]) -> Finding:
    told = f"{source} is not there"
    if not endpoints:
        return Finding("secrets", f"{told}, and nothing is sealed yet: the server makes it when it starts")
    told += f", and the secrets of {', '.join(endpoint.id for endpoint in endpoints)} are sealed with its key"
    advice = "put the file back, or set GONIEC_SECRET_KEY to the key that it held; it is in no backup of the database"
    return Finding("secrets", told, problem=True, advice=advice)


def _opens(endpoint: Endpoint, vault: AesVault) -> bool:
    try:
        unsealed(endpoint, vault)
    except ValueError:
        return False
    return True


async def _reach(settings: Settings, endpoints: list[Endpoint]) -> list[Finding]:
    """Look up where webhooks go, and ask the guard; nothing is connected to."""
    endpoints = [endpoint for endpoint in endpoints if endpoint.id != MAIL]
    resolver = DnsResolver()
    try:
        checked = await asyncio.gather(
            *(check_resolved(endpoint.url, settings.allow_networks, resolver) for endpoint in endpoints)
        )
    finally:
        await resolver.close()
    refused = [
        Finding("reach", f"{endpoint.id} may not be reached", problem=True, advice=one.detail)
        for endpoint, one in zip(endpoints, checked, strict=True)
        if isinstance(one, RefusedUrl)
    ]
    return refused or [Finding("reach", f"all endpoints ({len(endpoints)}) lie where webhooks may go")]


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.0f}"
