"""Row "lists": how long the API's lists take on a large file, whatever they are asked for.

The file is a mixed past, so that each filter finds much, little or nothing, and every combination of filters is asked:
the first page from the newest back, and the page behind it. The pages of the panel ask the store the same questions.
"""

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from goniec.cli.bench import mix
from goniec.cli.bench.history import Past, contact_id, email
from goniec.cli.bench.load import Connection, connect
from goniec.cli.bench.machine import loop_nanoseconds
from goniec.cli.bench.processes import Engine, engine
from goniec.cli.bench.rows import FILL_ROWS, Plan, Row
from goniec.cli.bench.sink import ADDRESS
from goniec.cli.bench.stage import database
from goniec.cli.opened import Machine
from goniec.cli.terminal import CommandError
from goniec.core.model import ROWS, Failure, Status
from goniec.core.times import DAY, SECOND, Millis, format_instant

LIMIT: Final = 50
GOAL: Final = 100.0
"""Milliseconds that 95 of 100 answers may take."""

_SLACK_SECONDS: Final = 60.0
"""Beside what filling takes, so that retention finds nothing to do."""
_OK: Final = 200

Query = Mapping[str, str]


class _Page(Struct, rename="camel"):
    items: list[msgspec.Raw]
    next_cursor: str | None
    more: bool


class _Asked(Struct):
    """What one group of calls has taken, in milliseconds, and how often a search stopped with a short page."""

    millis: list[float] = []
    short: int = 0
    slowest: str = ""


async def lists(plan: Plan) -> list[Row]:
    """Fill a file, serve it, and turn its pages."""
    loop = loop_nanoseconds()
    people = max(mix.HEAVY, plan.list_contacts // mix.HEAVY * mix.HEAVY)
    filling = (people + plan.list_events) / FILL_ROWS
    start = Machine().now() + int((filling + _SLACK_SECONDS) * SECOND)
    past = Past(contacts=people, events=plan.list_events, start=start, rate=1, seconds=1, mixed=True)
    with tempfile.TemporaryDirectory(prefix="goniec-bench-", dir=plan.folder) as folder:
        key = await database(Path(folder), past)
        async with engine(Path(folder)) as running:
            groups = await _ask_all(running, key, past)
            peak = running.peak()
    told = {name: _told(asked) for name, asked in groups.items()}
    worst = max(one["p95"] for one in told.values())
    return [
        Row(
            row="lists",
            what=f"p95 of the slowest kind of list with {people:,} contacts, {past.events:,} events and deliveries",
            figure=worst,
            unit="ms",
            goal=f"≤ {GOAL:g} ms",
            met=worst <= GOAL,
            loop_nanos=loop,
            peak_mib=peak,
            detail={"events": past.events, "contacts": people, "lists": told},
        )
    ]


async def _ask_all(running: Engine, key: str, past: Past) -> dict[str, _Asked]:
    groups: dict[str, _Asked] = {}
    connection = await connect(running.port)
    try:
        for group, path, query in (*_deliveries(past), *_others(past)):
            asked = groups.setdefault(group, _Asked())
            page = await _turn(connection, running.port, key, path, query, asked)
            if page.more and page.next_cursor is not None:
                await _turn(connection, running.port, key, path, {**query, "cursor": page.next_cursor}, asked)
    finally:
        connection.close()
    return groups


async def _turn(connection: Connection, port: int, key: str, path: str, query: Query, asked: _Asked) -> _Page:
    text = urlencode({**query, "limit": LIMIT, "order": "desc"})
    request = f"GET /api/v1{path}?{text} HTTP/1.1\r\nHost: {ADDRESS}:{port}\r\nAuthorization: Bearer {key}\r\n\r\n"
    started = time.perf_counter()
    status, answer = await connection.exchange(request.encode())
    took = (time.perf_counter() - started) * 1000
    if status != _OK:
        raise CommandError(f"the engine answered {status} to {path}?{text}: {answer.decode(errors='replace')}")
    page = msgspec.json.decode(answer, type=_Page)
    if took > max(asked.millis, default=0):
        asked.slowest = f"{path}?{urlencode(query)}"
    asked.millis.append(took)
    asked.short += page.more and len(page.items) < LIMIT
    return page


def _told(asked: _Asked) -> dict[str, Any]:
    rising = sorted(asked.millis)
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    told: dict[str, Any] = {
        name: round(rising[min(len(rising) - 1, int(len(rising) * share))], 2) for name, share in shares.items()
    }
    return told | {"max": round(rising[-1], 2), "pages": len(rising), "short": asked.short, "slowest": asked.slowest}


# --- what is asked --------------------------------------------------------------------------------------------------


def _deliveries(past: Past) -> Iterator[tuple[str, str, Query]]:
    """Every combination of all filters."""
    common, seldom, never = 0, mix.COMMON, mix.COMMON + 1
    for parts in product(
        _asked("status", Status),
        _asked("ruleId", (mix.RULES[n] for n in (common, seldom, never))),
        _asked("endpointId", (mix.ENDPOINTS[n] for n in (common, mix.FAILING, seldom, never))),
        _asked("contactId", _people(past)),
        _spans(past),
        _asked("error", (Failure.SERVER, mix.ONCE, Failure.DNS)),
    ):
        yield "deliveries", "/deliveries", _joined(parts)
    for of_tests in product(_asked("test", ("true", "false")), _asked("status", Status), _spans(past)):
        yield "deliveries", "/deliveries", _joined(of_tests)


def _others(past: Past) -> Iterator[tuple[str, str, Query]]:
    types = ("page.visited", "external_event.added", mix.RARE_TYPE, "contact.merged")
    for parts in product(_asked("type", types), _asked("contactId", _people(past)), _spans(past)):
        yield "events", "/events", _joined(parts)
    for rule in (mix.RULES[n] for n in (0, 1, mix.COMMON, mix.COMMON + 1)):
        for of_runs in product(_asked("outcome", sorted(ROWS)), _spans(past)):
            yield "runs", f"/rules/{rule}/runs", _joined(of_runs)
    middle = past.contacts // 2
    keys: list[Query] = [{"email": email(middle)}, {"phone": mix.phone(middle)}, {"externalId": "C-17"}]
    texts = (
        email(middle),
        mix.phone(middle),
        "ewa",
        "koskiak",
        "hurtownia mazano",
        "nobody at all",
        "@bench",
        "qz",
        "9",
    )
    tags = ("newsletter", "grupa 03")
    for parts in product([{}, *keys], _asked("q", texts), _asked("tag", tags)):
        yield "contacts", "/contacts", _joined(parts)
    for path in ("/rules", "/endpoints", "/funnels", "/keys", "/users"):
        yield "setup", path, {}


def _people(past: Past) -> Sequence[str]:
    """A usual one, one without a past, one with a long one, and nobody."""
    return [contact_id(number) for number in (1, mix.HEAVY, past.contacts, past.contacts + 1)]


def _spans(past: Past) -> Sequence[Query]:
    def span(first: int, last: int) -> Query:
        since, until = _day(past, first), _day(past, last)
        return {"since": format_instant(since), "until": format_instant(until)}

    return ({}, span(1, 0), span(30, 29), {"until": format_instant(_day(past, 60))}, span(400, 399))


def _day(past: Past, ago: int) -> Millis:
    return past.start - ago * DAY


def _asked(name: str, values: Iterable[object]) -> Sequence[Query]:
    """Not asked for, and each value."""
    return [{}, *({name: str(value)} for value in values)]


def _joined(parts: Sequence[Query]) -> Query:
    return {name: value for part in parts for name, value in part.items()}
