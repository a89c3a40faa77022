"""Lists of events and of runs, and the newest run of rules. Called by `queries`, in a snapshot.

Every list is ordered by id and goes on behind the last id seen, so a reader that polls misses nothing that is recorded
later.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from goniec.core.ids import EVENT, RUN
from goniec.core.model import ROWS, Event, Outcome, Run
from goniec.core.times import Millis
from goniec.ports import EventFilter, Page, Rows, RunFilter
from goniec.store import rows
from goniec.store.postgres import chain
from goniec.store.postgres.seeking import bounds, indexed, merged, windows
from goniec.store.postgres.sql import Db, fetch
from goniec.store.rows import Row
from goniec.store.seeking import Bounds, Found, Way, Where, before, held_back, seek

EVERYWHERE: Final = "page.visited"
"""The type that events mostly have: the index of types leaves it out."""
_OUTCOMES: Final = """
WITH RECURSIVE found (outcome) AS (
    SELECT min(outcome) FROM runs WHERE rule_id = $1
    UNION ALL
    SELECT (SELECT min(outcome) FROM runs WHERE rule_id = $1 AND outcome > found.outcome) FROM found
    WHERE found.outcome IS NOT NULL
)
SELECT outcome FROM found WHERE outcome IS NOT NULL
"""
"""From one to the next through the index, however many runs a rule has."""
_LAST_RUNS: Final = (
    "SELECT rule.id, last.id FROM unnest($1::text[]) AS rule (id) CROSS JOIN unnest($2::text[]) AS o (outcome)"
    " CROSS JOIN LATERAL (SELECT r.id FROM runs r WHERE r.rule_id = rule.id AND r.outcome = o.outcome"
    " ORDER BY r.id DESC LIMIT 1) last"
)


# --- events ---------------------------------------------------------------------------------------------------------


async def events(db: Db, wanted: EventFilter, page: Page, horizon: Millis | None = None) -> Rows[Event]:
    """Events that match."""
    where = Where()
    for condition, value in (
        ("e.received_at >= ?", wanted.since),
        ("e.received_at < ?", wanted.until),
        ("e.type = ?", wanted.type),
    ):
        if value is not None:
            where.add(condition, value)
    within = before(await bounds(db, EVENT, wanted.since, wanted.until, page), held_back(EVENT, horizon))
    select = f"SELECT {rows.EVENT} FROM events e"
    if wanted.contact_id is not None:
        way = _of_contact(db, wanted.contact_id, _loading(db, select, "e.id", where, page), page)
    elif wanted.type not in {None, EVERYWHERE}:
        # the first part, word for word, is what the index leaves out
        stream = indexed(db, "events e", "e.id", f" AND e.type <> '{EVERYWHERE}' AND e.type = ?", (wanted.type,))
        way = merged([stream], _loading(db, select, "e.id", where, page))
    else:
        way = _windows(db, select, "events", "e.id", where, page)
    found, stopped = await seek([way], within, page)
    return Rows(map(rows.event_of_row, found), stopped)


def _of_contact(db: Db, contact_id: str, load: Callable[[list[str]], Awaitable[list[Row]]], page: Page) -> Way:
    """Along its chain."""
    rest = Bounds(EVENT, EVENT + "~", page.newest)
    ids = chain.Ids(db, contact_id, rest if page.after is None else rest.beyond(page.after), page.after)

    async def way(within: Bounds, size: int) -> Found:
        looked = await ids.take(size := max(1, size // chain.COST))
        over = len(looked) < size or (looked[-1] < within.low if within.newest else looked[-1] > within.high)
        found = [id for id in looked if within.low < id < within.high]
        return await load(found) if found else [], None if over else looked[-1]

    return way


# --- runs -----------------------------------------------------------------------------------------------------------


async def runs(db: Db, wanted: RunFilter, page: Page, horizon: Millis | None = None) -> Rows[Run]:
    """Runs that match."""
    where = Where()
    for condition, value in (
        ("r.at >= ?", wanted.since),
        ("r.at < ?", wanted.until),
        ("r.rule_id = ?", wanted.rule_id),
    ):
        if value is not None:
            where.add(condition, value)
    if wanted.outcomes:
        where.add("r.outcome = ANY(?)", [outcome.value for outcome in wanted.outcomes])
    select = f"SELECT {rows.RUN} FROM runs r"
    if wanted.rule_id is None:
        way = _windows(db, select, "runs", "r.id", where, page)
    else:
        # each outcome is a stretch of the index, in the order of ids
        of_outcome = " AND r.rule_id = ? AND r.outcome = ?"
        streams = [
            indexed(db, "runs r", "r.id", of_outcome, (wanted.rule_id, outcome))
            for outcome in sorted(set(wanted.outcomes) or await _outcomes(db, wanted.rule_id))
        ]
        way = merged(streams, _loading(db, select, "r.id", where, page))
    within = before(await bounds(db, RUN, wanted.since, wanted.until, page), held_back(RUN, horizon))
    found, stopped = await seek([way], within, page)
    return Rows(map(rows.run_of_row, found), stopped)


async def _outcomes(db: Db, rule_id: str) -> set[str]:
    """What the runs of a rule have come to; the next release may know more than `ROWS`."""
    return {*ROWS, *(outcome for (outcome,) in await fetch(db, _OUTCOMES, (rule_id,)))}


async def last_runs(db: Db, rule_ids: Sequence[str], outcomes: Sequence[Outcome]) -> dict[str, Run]:
    """By rule the newest run with one of these outcomes."""
    if not rule_ids or not outcomes:
        return {}
    newest: dict[str, str] = {}
    for rule_id, id in await fetch(db, _LAST_RUNS, (list(rule_ids), [outcome.value for outcome in outcomes])):
        newest[rule_id] = max(id, newest.get(rule_id, ""))
    found = await fetch(db, f"SELECT {rows.RUN} FROM runs r WHERE r.id = ANY(?)", (list(newest.values()),))
    return {row[1]: rows.run_of_row(row) for row in found}


def _windows(db: Db, select: str, table: str, key: str, where: Where, page: Page) -> Way:
    """Way through a table itself."""

    async def load(within: Bounds) -> list[Row]:
        sql = f"{select} WHERE {within.between(key)}{where.text()} {within.order(key)} LIMIT ?"
        return await fetch(db, sql, (within.low, within.high, *where.values, page.limit))

    return windows(db, table, "id", load)


def _loading(db: Db, select: str, key: str, where: Where, page: Page) -> Callable[[list[str]], Awaitable[list[Row]]]:
    """Gives the rows with these ids that match."""
    order = f"ORDER BY {key}{' DESC' if page.newest else ''}"

    async def load(ids: list[str]) -> list[Row]:
        sql = f"{select} WHERE {key} = ANY(?){where.text()} {order} LIMIT ?"
        return await fetch(db, sql, (ids, *where.values, page.limit))

    return load
