"""Lists of deliveries, by whatever they are asked for; and what followed from events. Called by `queries`, on a reader.

Delivered ones are everywhere, pending ones stand in the queue, and all that somebody looks for (held, failed, called
off, whatever failed last) is rare and has indexes of its own, which cost nothing while all goes well. Those of a rule
are found by its runs, those of a contact by its chain of events; test sends have neither, but two small indexes.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Final

import apsw

from goniec.core.ids import DELIVERY, EVENT, RUN
from goniec.core.model import Delivery, Failure, Run, Status
from goniec.ports import FIRED, DeliveryFilter, Page, Rows
from goniec.store import rows
from goniec.store.places import CODE, FEW, LAST, RARE, of_events, statuses
from goniec.store.rows import Row
from goniec.store.seeking import Bounds, Where
from goniec.store.sqlite import chain as chains
from goniec.store.sqlite.chain import codes, with_merged
from goniec.store.sqlite.seeking import Stream, Way, bounds, indexed, listed, merged, seek, windows
from goniec.store.sqlite.sql import fetch, texts

_RARE: Final = "d.status IN ('held', 'failed', 'cancelled')"
_FAILURE: Final = "d.failure IS NOT NULL"
"""Word for word as the partial indexes have it, or SQLite does not see that it may use them."""


_SELECT: Final = f"SELECT {rows.DELIVERY} FROM deliveries d LEFT JOIN queue q ON q.delivery_id = d.id"
_OF_CODES: Final = (
    f"SELECT {rows.DELIVERY} FROM carray(?) c"
    " CROSS JOIN deliveries d ON d.id > 'dlv_' || c.value AND d.id < 'dlv_' || c.value || '~'"
    " LEFT JOIN queue q ON q.delivery_id = d.id"
)


def deliveries(db: apsw.Connection, wanted: DeliveryFilter, page: Page) -> Rows[Delivery]:
    """Deliveries that match."""
    sought = statuses(wanted)
    if not sought:
        return Rows()
    within = bounds(db, DELIVERY, wanted.since, wanted.until, page)
    whose = () if wanted.contact_id is None else with_merged(db, wanted.contact_id)
    search = _Search(db, wanted, sought, whose, page)
    found, stopped = seek(list(search.ways()), within, page)
    return Rows(map(rows.delivery_of_row, found), stopped)


def by_id(db: apsw.Connection, delivery_id: str) -> Delivery | None:
    """One delivery."""
    row = db.execute(f"{_SELECT} WHERE d.id = ?", (delivery_id,)).fetchone()
    return None if row is None else rows.delivery_of_row(row)


def by_ids(db: apsw.Connection, delivery_ids: Sequence[str]) -> dict[str, Delivery]:
    """Several."""
    if not delivery_ids:
        return {}
    found = fetch(db, f"{_SELECT} WHERE d.id IN carray(?)", (texts(delivery_ids),))
    return {row[0]: rows.delivery_of_row(row) for row in found}


def following(db: apsw.Connection, events: Sequence[Row]) -> tuple[dict[str, list[Run]], dict[str, list[Delivery]]]:
    """What followed from events: their runs and deliveries, by the event's id."""
    of_event: dict[str, list[Run]] = {}
    sent: dict[str, list[Delivery]] = {}
    if events:
        sql = (
            f"SELECT {rows.RUN} FROM carray(?) c"
            " CROSS JOIN runs r ON r.id > 'run_' || c.value AND r.id < 'run_' || c.value || '~' ORDER BY r.id"
        )
        for row in db.execute(sql, (codes(events),)):
            run = rows.run_of_row(row)
            of_event.setdefault(run.event_id, []).append(run)
        for row in db.execute(f"{_OF_CODES} ORDER BY d.id", (codes(events),)):
            delivery = rows.delivery_of_row(row)
            sent.setdefault(delivery.event_id, []).append(delivery)
    return of_event, sent


def _conditions(wanted: DeliveryFilter, statuses: frozenset[Status], whose: Sequence[str]) -> Where:
    """What each row is asked, whichever way it was found; the plus signs keep SQLite from another way of its own."""
    where = Where()
    for column, value in (
        ("+d.created_at >=", wanted.since),
        ("+d.created_at <", wanted.until),
        ("+d.rule_id =", wanted.rule_id),
        ("+d.endpoint_id =", wanted.endpoint_id),
        ("+d.failure =", None if wanted.failure is None else wanted.failure.value),
        ("+d.test =", wanted.test),
    ):
        if value is not None:
            where.add(f"{column} ?", value)
    if whose:
        where.add(f"+d.contact_id IN ({', '.join('?' * len(whose))})", *whose)
    if len(statuses) < len(Status):
        where.add(f"+d.status IN ({', '.join('?' * len(statuses))})", *sorted(status.value for status in statuses))
    return where


_Events = Callable[[Bounds, int], tuple[list[str], str | None]]
"""Looks at so many events: gives the codes of those within bounds, and of the last; None: there are no more."""


class _Search:
    """The ways to what one filter asks for."""

    def __init__(
        self, db: apsw.Connection, wanted: DeliveryFilter, statuses: frozenset[Status], whose: Sequence[str], page: Page
    ) -> None:
        self._db = db
        self._wanted = wanted
        self._statuses = statuses
        self._whose = whose
        self._where = _conditions(wanted, statuses, whose)
        self._page = page

    def ways(self) -> Iterator[Way]:
        """Those that name all that can match, the narrow ones first."""
        wanted = self._wanted
        if wanted.test:
            yield merged([self._tests()], self._load)
            return
        narrow = False
        if wanted.failure is not None or self._statuses <= {*RARE, Status.PENDING}:
            narrow = True
            yield merged(self._rare(), self._load)
        if wanted.contact_id is not None:
            yield self._by_contact(wanted.contact_id)
            return
        if wanted.rule_id is not None:
            narrow = True
            yield self._by_rule(wanted.rule_id)
        if wanted.endpoint_id is not None:
            narrow = True
            source = "deliveries d INDEXED BY ix_deliveries_endpoint_id"
            yield merged(
                [indexed(self._db, source, "d.id", " AND d.endpoint_id = ?", (wanted.endpoint_id,))], self._load
            )
        if not narrow:
            yield windows(self._db, "deliveries", "id", self._within)

    def _rare(self) -> Iterator[Stream]:
        """Each status with each failure is a stretch of an index, in the order of ids."""
        wanted = self._wanted
        source, pinned = "deliveries d INDEXED BY ix_deliveries_rare", ""
        values: tuple[str, ...] = ()
        if wanted.endpoint_id is not None:
            source, pinned, values = f"{source}_endpoint", " AND d.endpoint_id = ?", (wanted.endpoint_id,)
        elif wanted.rule_id is not None:
            source, pinned, values = f"{source}_rule", " AND d.rule_id = ?", (wanted.rule_id,)
        if wanted.failure is not None:
            where = f" AND {_FAILURE}{pinned} AND d.status = ? AND d.failure = ?"
            for status in self._statuses:
                yield indexed(self._db, source, "d.id", where, (*values, status.value, wanted.failure.value))
            return
        for status in self._statuses - {Status.PENDING}:
            where = f" AND {_RARE}{pinned} AND d.status = ? AND d.failure"
            yield indexed(self._db, source, "d.id", f"{where} IS NULL", (*values, status.value))
            for failure in Failure:
                yield indexed(self._db, source, "d.id", f"{where} = ?", (*values, status.value, failure.value))
        if Status.PENDING in self._statuses:
            yield self._pending()

    def _pending(self) -> Stream:
        """From the queue; those of an endpoint all at once, if they are few."""
        db, endpoint_id = self._db, self._wanted.endpoint_id
        if endpoint_id is not None:
            sql = "SELECT delivery_id FROM queue INDEXED BY ix_queue_due WHERE endpoint_id = ? LIMIT ?"
            waiting = [id for (id,) in fetch(db, sql, (endpoint_id, FEW + 1))]
            if len(waiting) <= FEW:
                return listed(waiting)
        return indexed(db, "queue q", "q.delivery_id")

    def _tests(self) -> Stream:
        source = "deliveries d INDEXED BY ix_deliveries_tests_rule"
        if self._wanted.rule_id is None:
            return indexed(self._db, source, "d.id", " AND d.test = 1")
        return indexed(self._db, source, "d.id", " AND d.test = 1 AND d.rule_id = ?", (self._wanted.rule_id,))

    def _by_rule(self, rule_id: str) -> Way:
        db = self._db
        source = "runs r INDEXED BY ix_runs_rule_outcome"
        where = " AND r.rule_id = ? AND r.outcome = ?"
        streams = [indexed(db, source, "r.id", where, (rule_id, outcome.value)) for outcome in FIRED]

        def events(within: Bounds, size: int) -> tuple[list[str], str | None]:
            of_runs = Bounds(*of_events(RUN, within), within.newest)
            found = chain.from_iterable(stream(of_runs, size) for stream in streams)
            follow = sorted((id[CODE] for id in found), reverse=within.newest)[:size]
            return follow, follow[-1] if len(follow) == size else None

        return self._by_codes(events, "rule", (rule_id,))

    def _by_contact(self, contact_id: str) -> Way:
        db, after = self._db, self._page.after
        rest, start = Bounds(DELIVERY, DELIVERY + "~", self._page.newest), None
        if after is not None:
            rest, start = rest.beyond(after), EVENT + after[CODE]
        events = chains.ids(db, contact_id, Bounds(*of_events(EVENT, rest), self._page.newest), start)

        def next_events(within: Bounds, size: int) -> tuple[list[str], str | None]:
            low, high = of_events(EVENT, within)
            looked = list(islice(events, size))
            over = len(looked) < size or (looked[-1] < low if within.newest else looked[-1] > high)
            return [id[CODE] for id in looked if low < id < high], None if over else looked[-1][CODE]

        return self._by_codes(next_events, "contact", self._whose)

    def _by_codes(self, events: _Events, whose: str, ids: Sequence[str]) -> Way:
        """Way along events, whose test sends are put between."""
        db, where = self._db, self._where
        tests = f"{_SELECT.replace(' d ', f' d INDEXED BY ix_deliveries_tests_{whose} ', 1)}"
        mine = f" AND d.test = 1 AND d.{whose}_id IN carray(?)"

        def way(within: Bounds, size: int) -> tuple[list[Row], str | None]:
            found: dict[str, Row] = {}
            last = None
            part = within
            follow, code = events(within, max(1, size // chains.COST))
            if follow:
                sql = f"{_OF_CODES} WHERE {within.between('+d.id')}{where.text()} {within.order('d.id')} LIMIT ?"
                values = (texts(follow), within.low, within.high, *where.values, self._page.limit)
                found = {row[0]: row for row in db.execute(sql, values)}
            if code is not None:
                last = DELIVERY + code + ("" if within.newest else LAST)
                part = within._replace(low=max(within.low, last)) if within.newest else within._replace(high=last)
            sql = f"{tests} WHERE {part.between('d.id')}{mine}{where.text()} {part.order('d.id')} LIMIT ?"
            values = (part.low, part.high, texts(ids), *where.values, self._page.limit)
            found.update((row[0], row) for row in db.execute(sql, values))
            return [found[id] for id in sorted(found, reverse=within.newest)], last

        return way

    def _load(self, ids: list[str]) -> list[Row]:
        order = "ORDER BY d.id DESC" if self._page.newest else "ORDER BY d.id"
        sql = f"{_SELECT} WHERE d.id IN carray(?){self._where.text()} {order} LIMIT ?"
        return fetch(self._db, sql, (texts(ids), *self._where.values, self._page.limit))

    def _within(self, within: Bounds) -> list[Row]:
        sql = f"{_SELECT} WHERE {within.between('d.id')}{self._where.text()} {within.order('d.id')} LIMIT ?"
        return fetch(self._db, sql, (within.low, within.high, *self._where.values, self._page.limit))
