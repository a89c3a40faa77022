"""Lists of contacts. Called by `queries`, in a snapshot.

Texts are read through for what is searched: an index of trigrams comes with an extension that not every server has.
"""

from collections.abc import Iterator
from typing import Any, Final, get_args

from goniec.core.identity import email_owner_key, external_owner_key
from goniec.core.model import Contact, State
from goniec.core.times import Millis
from goniec.ports import ContactFilter, Page, Rows
from goniec.store import rows
from goniec.store.postgres.seeking import indexed, merged, windows
from goniec.store.postgres.sql import Db, fetch
from goniec.store.rows import Row
from goniec.store.seeking import Bounds, Way, Where, before, seek

UNKNOWN: Final[State] = "UNKNOWN"

_SELECT: Final = "SELECT c.id, c.doc FROM contacts c"
_UNKNOWN: Final = (
    "NOT EXISTS (SELECT 1 FROM contact_facets o WHERE o.kind = 'state'"
    f" AND o.value IN ({', '.join(repr(state) for state in get_args(State) if state != UNKNOWN)})"
    " AND o.contact_id = c.id)"
)
"""Those in no known state have no row."""
_CREATED: Final = "substring(convert_from(c.doc, 'UTF8') FROM '\"created_at\":([0-9]+)')::bigint"
"""Not by `json`, which takes no document in which a text holds NUL; the first field of that name is the contact's."""
_TEXT: Final = "EXISTS (SELECT 1 FROM contact_texts o WHERE o.contact_id = c.id AND strpos(o.folded, ?) > 0)"


async def contacts(db: Db, wanted: ContactFilter, page: Page, horizon: Millis | None = None) -> Rows[Contact]:
    """Contacts that match."""
    within = Bounds(_earliest(wanted.since), "~" if wanted.until is None else _earliest(wanted.until), page.newest)
    within = before(within, None if horizon is None else _earliest(horizon))
    if page.after is not None:
        within = within.beyond(page.after)
    found, stopped = await seek(list(_Search(db, wanted, page).ways()), within, page)
    return Rows((rows.decode_contact(doc) for _, doc in found), stopped)


class _Search:
    """The ways to what one filter asks for."""

    def __init__(self, db: Db, wanted: ContactFilter, page: Page) -> None:
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
        elif not self._sources:
            yield windows(self._db, "contacts", "id", self._within, pace=1)

    async def _read_through(self, within: Bounds) -> list[Row]:
        key = "s.contact_id"
        source = f"contact_texts s JOIN contacts c ON c.id = {key}"
        sql = (
            f"SELECT c.id, c.doc FROM {source} WHERE {within.between(key)} AND strpos(s.folded, ?) > 0"
            f"{self._where.text()} {within.order(key)} LIMIT ?"
        )
        values = (within.low, within.high, self._folded, *self._where.values, self._page.limit)
        return await fetch(self._db, sql, values)

    async def _load(self, ids: list[str]) -> list[Row]:
        order = "ORDER BY c.id DESC" if self._page.newest else "ORDER BY c.id"
        sql = f"{_SELECT} WHERE c.id = ANY(?){self._where.text()} {order} LIMIT ?"
        return await fetch(self._db, sql, (ids, *self._where.values, self._page.limit))

    async def _within(self, within: Bounds) -> list[Row]:
        sql = f"{_SELECT} WHERE {within.between('c.id')}{self._where.text()} {within.order('c.id')} LIMIT ?"
        return await fetch(self._db, sql, (within.low, within.high, *self._where.values, self._page.limit))


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
