"""Lists of deliveries, by whatever they are asked for; and what followed from events. Called by `queries`.

Delivered ones are everywhere, pending ones stand in the queue, and all that somebody looks for (held, failed, called
off, whatever failed last) is rare and has indexes of its own, which cost nothing while all goes well. Those of a rule
are found by its runs, those of a contact by its chain of events; test sends have neither, but two small indexes.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

from goniec.core.ids import DELIVERY, EVENT, RUN
from goniec.core.model import Delivery, Failure, Run, Status
from goniec.core.times import Millis
from goniec.ports import FIRED, DeliveryFilter, Page, Rows
from goniec.store import rows
from goniec.store.places import CODE, FEW, LAST, RARE, of_events, statuses
from goniec.store.postgres import chain as chains
from goniec.store.postgres.chain import codes, with_merged
from goniec.store.postgres.seeking import Stream, bounds, indexed, listed, merged, windows
from goniec.store.postgres.sql import Db, fetch
from goniec.store.rows import Row
from goniec.store.seeking import Bounds, Found, Way, Where, before, held_back, seek

_RARE: Final = "d.status IN ('held', 'failed', 'cancelled')"
_FAILURE: Final = "d.failure IS NOT NULL"
"""Word for word as the partial indexes have it, so that it is seen at once that they may be used."""


_SELECT: Final = f"SELECT {rows.DELIVERY} FROM deliveries d LEFT JOIN queue q ON q.delivery_id = d.id"
_OF_CODES: Final = (
    f"SELECT {rows.DELIVERY} FROM unnest(?::text[]) AS c (code)"
    " JOIN deliveries d ON d.id > 'dlv_' || c.code AND d.id < 'dlv_' || c.code || '~'"
    " LEFT JOIN queue q ON q.delivery_id = d.id"
)


async def deliveries(db: Db, wanted: DeliveryFilter, page: Page, horizon: Millis | None = None) -> Rows[Delivery]:
    """Deliveries that match."""
    sought = statuses(wanted)
    if not sought:
        return Rows()
    within = before(await bounds(db, DELIVERY, wanted.since, wanted.until, page), held_back(DELIVERY, horizon))
    whose = () if wanted.contact_id is None else await with_merged(db, wanted.contact_id)
    search = _Search(db, wanted, sought, whose, page)
    found, stopped = await seek(list(search.ways()), within, page)
    return Rows(map(rows.delivery_of_row, found), stopped)


async def by_id(db: Db, delivery_id: str) -> Delivery | None:
    """One delivery."""
    row = await db.fetchrow(f"{_SELECT} WHERE d.id = $1", delivery_id)
    return None if row is None else rows.delivery_of_row(row)


async def by_ids(db: Db, delivery_ids: Sequence[str]) -> dict[str, Delivery]:
    """Several."""
    found = await db.fetch(f"{_SELECT} WHERE d.id = ANY($1)", list(delivery_ids))
    return {row[0]: rows.delivery_of_row(row) for row in found}


async def following(db: Db, events: Sequence[Row]) -> tuple[dict[str, list[Run]], dict[str, list[Delivery]]]:
    """What followed from events: their runs and deliveries, by the event's id."""
    of_event: dict[str, list[Run]] = {}
    sent: dict[str, list[Delivery]] = {}
    if events:
        sql = (
            f"SELECT {rows.RUN} FROM unnest(?::text[]) AS c (code)"
            " JOIN runs r ON r.id > 'run_' || c.code AND r.id < 'run_' || c.code || '~' ORDER BY r.id"
        )
        for row in await fetch(db, sql, (codes(events),)):
            run = rows.run_of_row(row)
            of_event.setdefault(run.event_id, []).append(run)
        for row in await fetch(db, f"{_OF_CODES} ORDER BY d.id", (codes(events),)):
            delivery = rows.delivery_of_row(row)
            sent.setdefault(delivery.event_id, []).append(delivery)
    return of_event, sent


def _conditions(wanted: DeliveryFilter, sought: frozenset[Status], whose: Sequence[str]) -> Where:
    """What each row is asked, whichever way it was found."""
    where = Where()
    for column, value in (
        ("d.created_at >=", wanted.since),
        ("d.created_at <", wanted.until),
        ("d.rule_id =", wanted.rule_id),
        ("d.endpoint_id =", wanted.endpoint_id),
        ("d.failure =", None if wanted.failure is None else wanted.failure.value),
        ("d.test =", wanted.test),
    ):
        if value is not None:
            where.add(f"{column} ?", value)
    if whose:
        where.add("d.contact_id = ANY(?)", list(whose))
    if len(sought) < len(Status):
        where.add("d.status = ANY(?)", sorted(status.value for status in sought))
    return where


_Events = Callable[[Bounds, int], Awaitable[tuple[list[str], str | None]]]
"""Looks at so many events: gives the codes of those within bounds, and of the last; None: there are no more."""


class _Search:
    """The ways to what one filter asks for."""

    def __init__(
        self, db: Db, wanted: DeliveryFilter, sought: frozenset[Status], whose: Sequence[str], page: Page
    ) -> None:
        self._db = db
        self._wanted = wanted
        self._sought = sought
        self._whose = whose
        self._where = _conditions(wanted, sought, whose)
        self._page = page

    def ways(self) -> Iterator[Way]:
        """Those that name all that can match, the narrow ones first."""
        wanted = self._wanted
        if wanted.test:
            yield merged([self._tests()], self._load)
            return
        narrow = False
        if wanted.failure is not None or self._sought <= {*RARE, Status.PENDING}:
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
            source = "deliveries d"
            yield merged(
                [indexed(self._db, source, "d.id", " AND d.endpoint_id = ?", (wanted.endpoint_id,))], self._load
            )
        if not narrow:
            yield windows(self._db, "deliveries", "id", self._within)

    def _rare(self) -> Iterator[Stream]:
        """Each status with each failure is a stretch of an index, in the order of ids."""
        wanted = self._wanted
        source, pinned = "deliveries d", ""
        values: tuple[str, ...] = ()
        if wanted.endpoint_id is not None:
            pinned, values = " AND d.endpoint_id = ?", (wanted.endpoint_id,)
        elif wanted.rule_id is not None:
            pinned, values = " AND d.rule_id = ?", (wanted.rule_id,)
        if wanted.failure is not None:
            where = f" AND {_FAILURE}{pinned} AND d.status = ? AND d.failure = ?"
            for status in self._sought:
                yield indexed(self._db, source, "d.id", where, (*values, status.value, wanted.failure.value))
            return
        for status in self._sought - {Status.PENDING}:
            where = f" AND {_RARE}{pinned} AND d.status = ? AND d.failure"
            yield indexed(self._db, source, "d.id", f"{where} IS NULL", (*values, status.value))
            for failure in Failure:
                yield indexed(self._db, source, "d.id", f"{where} = ?", (*values, status.value, failure.value))
        if Status.PENDING in self._sought:
            yield self._pending()

    def _pending(self) -> Stream:
        """From the queue; those of an endpoint all at once, if they are few."""
        db, endpoint_id = self._db, self._wanted.endpoint_id
        whole = indexed(db, "queue q", "q.delivery_id")
        few: Stream | None = None

        async def stream(within: Bounds, size: int) -> list[str]:
            nonlocal few
            if few is None and endpoint_id is not None:
                sql = "SELECT delivery_id FROM queue WHERE endpoint_id = ? LIMIT ?"
                waiting = [id for (id,) in await fetch(db, sql, (endpoint_id, FEW + 1))]
                few = listed(waiting) if len(waiting) <= FEW else whole
            return await (few or whole)(within, size)

        return stream

    def _tests(self) -> Stream:
        source = "deliveries d"
        if self._wanted.rule_id is None:
            return indexed(self._db, source, "d.id", " AND d.test")
        return indexed(self._db, source, "d.id", " AND d.test AND d.rule_id = ?", (self._wanted.rule_id,))

    def _by_rule(self, rule_id: str) -> Way:
        db = self._db
        where = " AND r.rule_id = ? AND r.outcome = ?"
        streams = [indexed(db, "runs r", "r.id", where, (rule_id, outcome.value)) for outcome in FIRED]

        async def events(within: Bounds, size: int) -> tuple[list[str], str | None]:
            of_runs = Bounds(*of_events(RUN, within), within.newest)
            found = [id for stream in streams for id in await stream(of_runs, size)]
            follow = sorted((id[CODE] for id in found), reverse=within.newest)[:size]
            return follow, follow[-1] if len(follow) == size else None

        return self._by_codes(events, "rule", (rule_id,))

    def _by_contact(self, contact_id: str) -> Way:
        db, after = self._db, self._page.after
        rest, start = Bounds(DELIVERY, DELIVERY + "~", self._page.newest), None
        if after is not None:
            rest, start = rest.beyond(after), EVENT + after[CODE]
        events = chains.Ids(db, contact_id, Bounds(*of_events(EVENT, rest), self._page.newest), start)

        async def next_events(within: Bounds, size: int) -> tuple[list[str], str | None]:
            low, high = of_events(EVENT, within)
            looked = await events.take(size)
            over = len(looked) < size or (looked[-1] < low if within.newest else looked[-1] > high)
            return [id[CODE] for id in looked if low < id < high], None if over else looked[-1][CODE]

        return self._by_codes(next_events, "contact", self._whose)

    def _by_codes(self, events: _Events, whose: str, ids: Sequence[str]) -> Way:
        """Way along events, whose test sends are put between."""
        db, where = self._db, self._where
        mine = f" AND d.test AND d.{whose}_id = ANY(?)"

        async def way(within: Bounds, size: int) -> Found:
            found: dict[str, Row] = {}
            last = None
            part = within
            follow, code = await events(within, max(1, size // chains.COST))
            if follow:
                sql = f"{_OF_CODES} WHERE {within.between('d.id')}{where.text()} {within.order('d.id')} LIMIT ?"
                values = (follow, within.low, within.high, *where.values, self._page.limit)
                found = {row[0]: row for row in await fetch(db, sql, values)}
            if code is not None:
                last = DELIVERY + code + ("" if within.newest else LAST)
                part = within._replace(low=max(within.low, last)) if within.newest else within._replace(high=last)
            sql = f"{_SELECT} WHERE {part.between('d.id')}{mine}{where.text()} {part.order('d.id')} LIMIT ?"
            values = (part.low, part.high, list(ids), *where.values, self._page.limit)
            found.update({row[0]: row for row in await fetch(db, sql, values)})
            return [found[id] for id in sorted(found, reverse=within.newest)], last

        return way

    async def _load(self, ids: list[str]) -> list[Row]:
        order = "ORDER BY d.id DESC" if self._page.newest else "ORDER BY d.id"
        sql = f"{_SELECT} WHERE d.id = ANY(?){self._where.text()} {order} LIMIT ?"
        return await fetch(self._db, sql, (ids, *self._where.values, self._page.limit))

    async def _within(self, within: Bounds) -> list[Row]:
        sql = f"{_SELECT} WHERE {within.between('d.id')}{self._where.text()} {within.order('d.id')} LIMIT ?"
        return await fetch(self._db, sql, (within.low, within.high, *self._where.values, self._page.limit))
