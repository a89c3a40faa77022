"""Lists of events and of runs, and the newest run of rules. Called by `queries`, on a reader's connection.

Every list is ordered by id and goes on behind the last id seen, so a reader that polls misses nothing that is recorded
later.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

import apsw

from goniec.core.ids import EVENT, RUN
from goniec.core.model import ROWS, Event, Outcome, Run
from goniec.ports import EventFilter, Page, Rows, RunFilter
from goniec.store import rows
from goniec.store.rows import Row
from goniec.store.seeking import Bounds, Where
from goniec.store.sqlite import chain
from goniec.store.sqlite.seeking import Way, bounds, indexed, merged, seek, windows
from goniec.store.sqlite.sql import fetch, texts

EVERYWHERE: Final = "page.visited"
"""The type that events mostly have: the index of types leaves it out."""
_EVENTS: Final = "events e INDEXED BY ix_events_type"
_RUNS: Final = "runs r INDEXED BY ix_runs_rule_outcome"
_OUTCOMES: Final = """
WITH RECURSIVE found (outcome) AS (
    SELECT min(outcome) FROM runs WHERE rule_id = ?1
    UNION ALL
    SELECT (SELECT min(outcome) FROM runs WHERE rule_id = ?1 AND outcome > found.outcome) FROM found
    WHERE found.outcome IS NOT NULL
)
SELECT outcome FROM found WHERE outcome IS NOT NULL
"""
"""From one to the next through the index, however many runs a rule has."""
_LAST_RUNS: Final = (
    "SELECT rule.value, (SELECT max(r.id) FROM runs r INDEXED BY ix_runs_rule_outcome"
    " WHERE r.rule_id = rule.value AND r.outcome = outcome.value)"
    " FROM carray(?) rule CROSS JOIN carray(?) outcome"
)


# --- events ---------------------------------------------------------------------------------------------------------


def events(db: apsw.Connection, wanted: EventFilter, page: Page) -> Rows[Event]:
    """Events that match."""
    where = Where()
    for condition, value in (
        ("+e.received_at >= ?", wanted.since),
        ("+e.received_at < ?", wanted.until),
        ("+e.type = ?", wanted.type),
    ):
        if value is not None:
            where.add(condition, value)
    within = bounds(db, EVENT, wanted.since, wanted.until, page)
    select = f"SELECT {rows.EVENT} FROM events e"
    if wanted.contact_id is not None:
        way = _of_contact(db, wanted.contact_id, _loading(db, select, "e.id", where, page), page)
    elif wanted.type not in {None, EVERYWHERE}:
        stream = indexed(db, _EVENTS, "e.id", f" AND e.type <> '{EVERYWHERE}' AND e.type = ?", (wanted.type,))
        way = merged([stream], _loading(db, select, "e.id", where, page))
    else:
        way = _windows(db, select, "events", "e.id", where, page)
    found, stopped = seek([way], within, page)
    return Rows(map(rows.event_of_row, found), stopped)


def _of_contact(db: apsw.Connection, contact_id: str, load: Callable[[list[str]], list[Row]], page: Page) -> Way:
    """Along its chain."""
    rest = Bounds(EVENT, EVENT + "~", page.newest)
    ids = chain.ids(db, contact_id, rest if page.after is None else rest.beyond(page.after), page.after)

    def way(within: Bounds, size: int) -> tuple[list[Row], str | None]:
        looked = list(islice(ids, size := max(1, size // chain.COST)))
        over = len(looked) < size or (looked[-1] < within.low if within.newest else looked[-1] > within.high)
        found = [id for id in looked if within.low < id < within.high]
        return load(found) if found else [], None if over else looked[-1]

    return way


# --- runs -----------------------------------------------------------------------------------------------------------


def runs(db: apsw.Connection, wanted: RunFilter, page: Page) -> Rows[Run]:
    """Runs that match."""
    where = Where()
    for condition, value in (
        ("+r.at >= ?", wanted.since),
        ("+r.at < ?", wanted.until),
        ("+r.rule_id = ?", wanted.rule_id),
    ):
        if value is not None:
            where.add(condition, value)
    if wanted.outcomes:
        where.add(
            f"+r.outcome IN ({', '.join('?' * len(wanted.outcomes))})", *(outcome.value for outcome in wanted.outcomes)
        )
    select = f"SELECT {rows.RUN} FROM runs r"
    if wanted.rule_id is None:
        way = _windows(db, select, "runs", "r.id", where, page)
    else:
        # each outcome is a stretch of the index, in the order of ids
        of_outcome = " AND r.rule_id = ? AND r.outcome = ?"
        streams = [
            indexed(db, _RUNS, "r.id", of_outcome, (wanted.rule_id, outcome))
            for outcome in sorted(set(wanted.outcomes) or _outcomes(db, wanted.rule_id))
        ]
        way = merged(streams, _loading(db, select, "r.id", where, page))
    found, stopped = seek([way], bounds(db, RUN, wanted.since, wanted.until, page), page)
    return Rows(map(rows.run_of_row, found), stopped)


def _outcomes(db: apsw.Connection, rule_id: str) -> set[str]:
    """What the runs of a rule have come to; the next release may know more than `ROWS`."""
    return {*ROWS, *(outcome for (outcome,) in db.execute(_OUTCOMES, (rule_id,)))}


def last_runs(db: apsw.Connection, rule_ids: Sequence[str], outcomes: Sequence[Outcome]) -> dict[str, Run]:
    """By rule the newest run with one of these outcomes."""
    if not rule_ids or not outcomes:
        return {}
    newest: dict[str, str] = {}
    for rule_id, id in db.execute(_LAST_RUNS, (texts(rule_ids), texts(outcome.value for outcome in outcomes))):
        if id is not None:
            newest[rule_id] = max(id, newest.get(rule_id, ""))
    if not newest:
        return {}
    found = db.execute(f"SELECT {rows.RUN} FROM runs r WHERE r.id IN carray(?)", (texts(newest.values()),))
    return {row[1]: rows.run_of_row(row) for row in found}


def _windows(db: apsw.Connection, select: str, table: str, key: str, where: Where, page: Page) -> Way:
    """Way through a table itself."""

    def load(within: Bounds) -> list[Row]:
        sql = f"{select} WHERE {within.between(key)}{where.text()} {within.order(key)} LIMIT ?"
        return fetch(db, sql, (within.low, within.high, *where.values, page.limit))

    return windows(db, table, "id", load)


def _loading(db: apsw.Connection, select: str, key: str, where: Where, page: Page) -> Callable[[list[str]], list[Row]]:
    """Gives the rows with these ids that match."""
    order = f"ORDER BY {key}{' DESC' if page.newest else ''}"

    def load(ids: list[str]) -> list[Row]:
        sql = f"{select} WHERE {key} IN carray(?){where.text()} {order} LIMIT ?"
        return fetch(db, sql, (texts(ids), *where.values, page.limit))

    return load
