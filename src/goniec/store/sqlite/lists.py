"""Lists with filters and pages: contacts, events, runs, deliveries. Called by `queries`, on a reader's connection.

Every list is ordered by id and goes on behind the last id seen, so a reader that polls misses nothing that is recorded
later. Each starts from the narrowest tree that its filter allows; what is left of the filter is checked row by row.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

import apsw

from goniec.core.identity import email_owner_key, external_owner_key
from goniec.core.ids import DELIVERY, EVENT, RUN, lowest
from goniec.core.model import Contact, Delivery, Event, Run, Status
from goniec.core.times import DAY, Millis
from goniec.ports import ContactFilter, DeliveryFilter, EventFilter, Page
from goniec.store.sqlite import rows
from goniec.store.sqlite.chain import codes, resolved, whole

_BITE: Final = 200
_RARE: Final = "d.status IN ('held', 'failed', 'cancelled')"
"""Word for word as the partial index has it, or SQLite does not see that it may use it."""


class _Where:
    """Conditions that must all hold, with their values."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.values: list[Any] = []

    def add(self, part: str, *values: object) -> None:
        self.parts.append(part)
        self.values += values

    def text(self) -> str:
        """The clause, empty when nothing is asked."""
        return f" WHERE {' AND '.join(self.parts)}" if self.parts else ""


# --- contacts -------------------------------------------------------------------------------------------------------


def contacts(db: apsw.Connection, wanted: ContactFilter, page: Page) -> list[Contact]:
    """Contacts that match."""
    sources: list[tuple[str, str, Any]] = []
    if wanted.email is not None:
        sources.append(("identity_keys", "s.key = ?", email_owner_key(wanted.email)))
    if wanted.external_id is not None:
        sources.append(("identity_keys", "s.key = ?", external_owner_key(wanted.external_id)))
    if wanted.phone is not None:
        sources.append(("phones", "s.number = ?", wanted.phone))
    if wanted.tag is not None:
        sources.append(("contact_tags", "s.tag = ?", wanted.tag))
    if wanted.q is not None:
        sources.append(("contact_texts", "instr(s.folded, ?) > 0", rows.fold(wanted.q)))
    if not sources:
        where = _Where()
        _after(where, "c.id", page)
        sql = f"SELECT c.doc FROM contacts c{where.text()}{_order('c.id', page)}"
    else:
        # the first names the contacts, in the order of their ids; the others are asked about each
        where = _Where()
        (table, match, value), *others = sources
        where.add(match, value)
        _after(where, "s.contact_id", page)
        for other, other_match, other_value in others:
            inner = other_match.replace("s.", "o.")
            where.add(f"EXISTS (SELECT 1 FROM {other} o WHERE o.contact_id = s.contact_id AND {inner})", other_value)
        source = f"{table} s CROSS JOIN contacts c ON c.id = s.contact_id"
        sql = f"SELECT c.doc FROM {source}{where.text()}{_order('s.contact_id', page)}"
    return [rows.decode_contact(doc) for (doc,) in db.execute(sql, (*where.values, page.limit))]


# --- events ---------------------------------------------------------------------------------------------------------


def events(db: apsw.Connection, wanted: EventFilter, page: Page) -> list[Event]:
    """Events that match."""
    if wanted.contact_id is not None:
        found = (
            row for row in _chain(db, wanted.contact_id, page) if _matches(row, wanted) and _is_after(row[0], page)
        )
        return [rows.event_of_row(row) for row in islice(found, page.limit)]
    where = _Where()
    _after(where, "e.id", page)
    _between(where, "e.id", EVENT, wanted.since, wanted.until)
    if wanted.since is not None:
        where.add("e.received_at >= ?", wanted.since)
    if wanted.until is not None:
        where.add("e.received_at < ?", wanted.until)
    if wanted.type is not None:
        where.add("e.type = ?", wanted.type)
    sql = f"SELECT {rows.EVENT} FROM events e{where.text()}{_order('e.id', page)}"
    return [rows.event_of_row(row) for row in db.execute(sql, (*where.values, page.limit))]


def _matches(row: rows.Row, wanted: EventFilter) -> bool:
    return (
        (wanted.type is None or row[2] == wanted.type)
        and (wanted.since is None or row[5] >= wanted.since)
        and (wanted.until is None or row[5] < wanted.until)
    )


def _chain(db: apsw.Connection, contact_id: str, page: Page) -> Iterator[rows.Row]:
    """All events of a contact, in the order of the page."""
    found = (row for bite in whole(db, resolved(db, contact_id)) for row in bite)
    yield from found if page.newest else reversed(list(found))


# --- runs -----------------------------------------------------------------------------------------------------------


def runs(db: apsw.Connection, rule_id: str, page: Page) -> list[Run]:
    """Runs of a rule."""
    where = _Where()
    where.add("r.rule_id = ?", rule_id)
    _after(where, "r.id", page)
    sql = f"SELECT {rows.RUN} FROM runs r{where.text()}{_order('r.id', page)}"
    return [rows.run_of_row(row) for row in db.execute(sql, (*where.values, page.limit))]


# --- deliveries -----------------------------------------------------------------------------------------------------


def deliveries(db: apsw.Connection, wanted: DeliveryFilter, page: Page) -> list[Delivery]:
    """Deliveries that match."""
    where = _Where()
    _after(where, "d.id", page)
    _between(where, "d.id", DELIVERY, wanted.since, wanted.until)
    for column, value in (
        ("d.created_at >=", wanted.since),
        ("d.created_at <", wanted.until),
        ("d.status =", wanted.status),
        ("d.rule_id =", wanted.rule_id),
        ("d.endpoint_id =", wanted.endpoint_id),
    ):
        if value is not None:
            where.add(f"{column} ?", value.value if isinstance(value, Status) else value)
    if wanted.contact_id is not None:
        return _of_contact(db, wanted.contact_id, where, page)
    if wanted.status is Status.PENDING:
        source, key = "queue q CROSS JOIN deliveries d ON d.id = q.delivery_id", "q.delivery_id"
        _after(where, "q.delivery_id", page)
        return _read(db, source, where, key, page)
    source, key = "deliveries d", "d.id"
    if wanted.status is not None and wanted.status is not Status.DELIVERED:
        where.add(_RARE)
        source = "deliveries d INDEXED BY ix_deliveries_rare"
    elif wanted.rule_id is not None:
        return _of_rule(db, wanted.rule_id, where, page)
    elif wanted.endpoint_id is not None:
        source = "deliveries d INDEXED BY ix_deliveries_endpoint_id"
    return _read(db, f"{source} LEFT JOIN queue q ON q.delivery_id = d.id", where, key, page)


def _read(db: apsw.Connection, source: str, where: _Where, key: str, page: Page) -> list[Delivery]:
    sql = f"SELECT {rows.DELIVERY} FROM {source}{where.text()}{_order(key, page)}"
    return [rows.delivery_of_row(row) for row in db.execute(sql, (*where.values, page.limit))]


def _of_rule(db: apsw.Connection, rule_id: str, where: _Where, page: Page) -> list[Delivery]:
    """By the rule's runs, which are indexed; test sends have no run but an index of their own."""
    by_run = _Where()
    by_run.add("r.rule_id = ?", rule_id)
    if page.after is not None:
        # the run of the last one seen may have more
        edge = page.after[len(DELIVERY) : len(DELIVERY) + 26]
        by_run.add("r.id < ?" if page.newest else "r.id > ?", RUN + edge + ("~" if page.newest else ""))
    by_run.parts += where.parts
    by_run.values += where.values
    code = "substr(r.id, 5, 26)"
    source = (
        f"runs r CROSS JOIN deliveries d ON d.id > 'dlv_' || {code} AND d.id < 'dlv_' || {code} || '~'"
        " LEFT JOIN queue q ON q.delivery_id = d.id"
    )
    down = " DESC" if page.newest else ""
    sql = f"SELECT {rows.DELIVERY} FROM {source}{by_run.text()} ORDER BY r.id{down}, d.id{down} LIMIT ?"
    found = {row[0]: row for row in db.execute(sql, (*by_run.values, page.limit))}
    where.add("d.test = 1")
    tests = "deliveries d INDEXED BY ix_deliveries_tests LEFT JOIN queue q ON q.delivery_id = d.id"
    sql = f"SELECT {rows.DELIVERY} FROM {tests}{where.text()}{_order('d.id', page)}"
    found.update((row[0], row) for row in db.execute(sql, (*where.values, page.limit)))
    ids = sorted(found, reverse=page.newest)[: page.limit]
    return [rows.delivery_of_row(found[id]) for id in ids]


def _of_contact(db: apsw.Connection, contact_id: str, where: _Where, page: Page) -> list[Delivery]:
    found: list[Delivery] = []
    chain = (row for row in _chain(db, contact_id, page) if _may_have(row[0], page))
    while len(found) < page.limit and (bite := list(islice(chain, _BITE))):
        source = (
            "carray(?) c CROSS JOIN deliveries d ON d.id > 'dlv_' || c.value AND d.id < 'dlv_' || c.value || '~'"
            " LEFT JOIN queue q ON q.delivery_id = d.id"
        )
        sql = f"SELECT {rows.DELIVERY} FROM {source}{where.text()}{_order('d.id', page)}"
        values = (codes(bite), *where.values, page.limit - len(found))
        found += [rows.delivery_of_row(row) for row in db.execute(sql, values)]
    return found


def following(
    db: apsw.Connection, events: Sequence[rows.Row]
) -> tuple[dict[str, list[Run]], dict[str, list[Delivery]]]:
    """What followed from events: their runs and deliveries, by the event's id."""
    of_event: dict[str, list[Run]] = {}
    sent: dict[str, list[Delivery]] = {}
    if events:
        near = "> '{0}' || c.value AND {1}.id < '{0}' || c.value || '~'"
        sql = f"SELECT {rows.RUN} FROM carray(?) c CROSS JOIN runs r ON r.id {near.format('run_', 'r')} ORDER BY r.id"
        for row in db.execute(sql, (codes(events),)):
            run = rows.run_of_row(row)
            of_event.setdefault(run.event_id, []).append(run)
        source = f"carray(?) c CROSS JOIN deliveries d ON d.id {near.format('dlv_', 'd')}"
        sql = f"SELECT {rows.DELIVERY} FROM {source} LEFT JOIN queue q ON q.delivery_id = d.id ORDER BY d.id"
        for row in db.execute(sql, (codes(events),)):
            delivery = rows.delivery_of_row(row)
            sent.setdefault(delivery.event_id, []).append(delivery)
    return of_event, sent


def by_id(db: apsw.Connection, delivery_id: str) -> Delivery | None:
    """One delivery."""
    sql = f"SELECT {rows.DELIVERY} FROM deliveries d LEFT JOIN queue q ON q.delivery_id = d.id WHERE d.id = ?"
    row = db.execute(sql, (delivery_id,)).fetchone()
    return None if row is None else rows.delivery_of_row(row)


# --- pages ----------------------------------------------------------------------------------------------------------


def _after(where: _Where, key: str, page: Page) -> None:
    if page.after is not None:
        where.add(f"{key} {'<' if page.newest else '>'} ?", page.after)


def _is_after(id: str, page: Page) -> bool:
    if page.after is None:
        return True
    return id < page.after if page.newest else id > page.after


def _may_have(event_id: str, page: Page) -> bool:
    """Whether an event can have deliveries behind the last one seen."""
    if page.after is None:
        return True
    code, last = event_id[len(EVENT) :], page.after[len(DELIVERY) : len(DELIVERY) + 26]
    return code <= last if page.newest else code >= last


def _between(where: _Where, key: str, prefix: str, since: Millis | None, until: Millis | None) -> None:
    """Bounds by id, which need not be exact: ids run ahead of a clock that was set back, so there is a day to spare."""
    if since is not None:
        where.add(f"{key} >= ?", lowest(prefix, max(0, since)))
    if until is not None:
        where.add(f"{key} < ?", lowest(prefix, max(0, until) + DAY))


def _order(key: str, page: Page) -> str:
    return f" ORDER BY {key}{' DESC' if page.newest else ''} LIMIT ?"
