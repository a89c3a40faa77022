"""Lists of contacts. Called by `queries`, on a reader's connection."""

from collections.abc import Iterator
from typing import Any, Final, get_args

import apsw

from goniec.core.identity import email_owner_key, external_owner_key
from goniec.core.model import Contact, State
from goniec.core.times import Millis
from goniec.ports import ContactFilter, Page, Rows
from goniec.store import rows
from goniec.store.rows import Row
from goniec.store.seeking import Bounds, Where
from goniec.store.sqlite.search import search
from goniec.store.sqlite.seeking import Way, indexed, listed, merged, seek, windows
from goniec.store.sqlite.sql import fetch, texts

UNKNOWN: Final[State] = "UNKNOWN"

_SELECT: Final = "SELECT c.id, c.doc FROM contacts c"
_UNKNOWN: Final = (
    "NOT EXISTS (SELECT 1 FROM contact_facets o WHERE o.kind = 'state'"
    f" AND o.value IN ({', '.join(repr(state) for state in get_args(State) if state != UNKNOWN)})"
    " AND o.contact_id = c.id)"
)
"""Those in no known state have no row."""
_CREATED: Final = "json_extract(CAST(c.doc AS TEXT), '$.created_at')"
_TEXT: Final = "EXISTS (SELECT 1 FROM contact_texts o WHERE o.contact_id = c.id AND instr(o.folded, ?) > 0)"


def contacts(db: apsw.Connection, wanted: ContactFilter, page: Page) -> Rows[Contact]:
    """Contacts that match."""
    within = Bounds(_earliest(wanted.since), "~" if wanted.until is None else _earliest(wanted.until), page.newest)
    if page.after is not None:
        within = within.beyond(page.after)
    found, stopped = seek(list(_Search(db, wanted, page).ways()), within, page)
    return Rows((rows.decode_contact(doc) for _, doc in found), stopped)


class _Search:
    """The ways to what one filter asks for."""

    def __init__(self, db: apsw.Connection, wanted: ContactFilter, page: Page) -> None:
        self._db = db
        self._page = page
        self._folded = None if wanted.q is None else rows.fold(wanted.q)
        self._sources = list(_sources(wanted))
        self._where = Where()
        for table, match, values in self._sources:
            self._where.add(f"EXISTS (SELECT 1 FROM {table} o WHERE o.contact_id = c.id AND {match})", *values)
        if self._folded is not None:
            self._where.add(_TEXT, self._folded)
        if wanted.state == UNKNOWN:
            self._where.add(_UNKNOWN)
        if wanted.since is not None:
            self._where.add(f"{_CREATED} >= ?", wanted.since)
        if wanted.until is not None:
            self._where.add(f"{_CREATED} < ?", wanted.until)

    def ways(self) -> Iterator[Way]:
        """Those that name all that can match, the narrow ones first."""
        for table, match, values in self._sources:
            pinned = f" AND {match.replace('o.', 's.')}"
            yield merged([indexed(self._db, f"{table} s", "s.contact_id", pinned, values)], self._load)
        if self._folded is not None:
            yield windows(self._db, "contact_texts", "contact_id", self._read_through)
            yield self._searched(self._folded)
        elif not self._sources:
            yield windows(self._db, "contacts", "id", self._within, pace=1)

    def _read_through(self, within: Bounds) -> list[Row]:
        key = "s.contact_id"
        source = f"contact_texts s CROSS JOIN contacts c ON c.id = {key}"
        sql = (
            f"SELECT c.id, c.doc FROM {source} WHERE {within.between(key)} AND instr(s.folded, ?) > 0"
            f"{self._where.text()} {within.order(key)} LIMIT ?"
        )
        values = (within.low, within.high, self._folded, *self._where.values, self._page.limit)
        return fetch(self._db, sql, values)

    def _searched(self, folded: str) -> Way:
        """By the index of trigrams, which gives all at once."""
        found: list[str] | None = None
        asked = False

        def way(within: Bounds, size: int) -> tuple[list[Row], str | None]:
            nonlocal found, asked
            if not asked:
                found, asked = search(self._db, folded), True
            if found is None:
                return [], within.high if within.newest else within.low
            return merged([listed(found)], self._load)(within, size)

        return way

    def _load(self, ids: list[str]) -> list[Row]:
        order = "ORDER BY c.id DESC" if self._page.newest else "ORDER BY c.id"
        sql = f"{_SELECT} WHERE c.id IN carray(?){self._where.text()} {order} LIMIT ?"
        return fetch(self._db, sql, (texts(ids), *self._where.values, self._page.limit))

    def _within(self, within: Bounds) -> list[Row]:
        sql = f"{_SELECT} WHERE {within.between('c.id')}{self._where.text()} {within.order('c.id')} LIMIT ?"
        return fetch(self._db, sql, (within.low, within.high, *self._where.values, self._page.limit))


def _sources(wanted: ContactFilter) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
    """Tables that name contacts, each with what it is asked."""
    if wanted.email is not None:
        yield "identity_keys", "o.key = ?", (email_owner_key(wanted.email),)
    if wanted.external_id is not None:
        yield "identity_keys", "o.key = ?", (external_owner_key(wanted.external_id),)
    if wanted.phone is not None:
        yield "phones", "o.number = ?", (wanted.phone,)
    if wanted.stage is not None:
        yield "contact_facets", "o.kind = ? AND o.value = ?", rows.stage_facet(*wanted.stage)
    if wanted.state is not None and wanted.state != UNKNOWN:
        yield "contact_facets", "o.kind = ? AND o.value = ?", rows.state_facet(wanted.state)
    if wanted.tag is not None:
        yield "contact_tags", "o.tag = ?", (wanted.tag,)


def _earliest(at: Millis | None) -> str:
    """What no id of a contact made at that time or later sorts before: they are UUIDs of version 7."""
    if at is None:
        return ""
    code = f"{max(0, at):012x}"
    return f"{code[:8]}-{code[8:12]}"
