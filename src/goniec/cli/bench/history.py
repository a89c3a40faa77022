"""A past for the measured file: contacts, and events with what followed from them, written straight into the tables.

It makes files that an engine would need hours for, and the ages that retention acts on: the oldest events fall due one
after the other from `start` on, at the rate at which the measurement brings new ones, and so do dedup keys. Rows are
made by the store's own functions, so the file is one that the engine could have written. Where rows lie anywhere
(contacts, dedup keys), pages are left about three quarters full, as they are in a file that has lived.
"""

from pathlib import Path
from random import Random
from typing import Final

import apsw
from msgspec import Struct

from goniec.core.ids import DELIVERY, ENDPOINT, EVENT, RULE, RUN, lowest, prefixed
from goniec.core.model import Attempt, Contact, Delivery, Event, Fired, Outcome, Run, Seen, Status, Tag
from goniec.core.payload import body
from goniec.core.times import DAY, HOUR, SECOND, Millis
from goniec.store.sqlite import rows
from goniec.store.sqlite.sql import insert

RETENTION_DAYS: Final = 90
DEDUP_DAYS: Final = 30
ENDPOINTS: Final = 16
TAGS: Final = 20
CHUNK: Final = 20_000
SPARE_BYTES: Final = 250
"""By so much a contact's row shrinks after it was written."""
SPARE_SHARE: Final = 3
"""One in so many dedup keys more is written, and deleted again."""

_CONTACTS: Final = insert("contacts", "id, doc")
_TEXTS: Final = insert("contact_texts", "contact_id, folded")
_KEYS: Final = insert("identity_keys", "key, contact_id")
_PHONES: Final = insert("phones", "number, contact_id")
_TAGS: Final = insert("contact_tags", "tag, contact_id")
_NAMES: Final = insert("names", "kind, name")
_EVENTS: Final = insert("events", rows.EVENT.replace("e.", ""))
_RUNS: Final = insert("runs", rows.RUN.replace("r.", ""))
_DELIVERIES: Final = insert("deliveries", rows.DELIVERY.replace("d.", "").removesuffix(", q.due_at"))
_ATTEMPTS: Final = insert("attempts", rows.ATTEMPT.replace("a.", ""))
_DEDUP: Final = insert("dedup", "key, digest, event_id, at")
_TOTALS: Final = insert("totals", "name, value")

_RULES: Final = tuple(prefixed(RULE, 0, n) for n in range(ENDPOINTS))
_TARGETS: Final = tuple(prefixed(ENDPOINT, 0, n) for n in range(ENDPOINTS))
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


class Past(Struct, frozen=True):
    """How much lies behind. `rate` events a second fall due from `start` on, for `seconds`.

    Each of those led to a webhook; of all others, which lie evenly up to an hour before `start`, one in `quiet` did.
    """

    contacts: int
    events: int
    start: Millis
    rate: float
    seconds: float
    quiet: int = 1

    @property
    def due(self) -> int:
        """How many events fall due."""
        return min(self.events, int(self.rate * self.seconds))

    def at(self, n: int) -> Millis:
        """When the `n`th event was."""
        oldest = self.start - RETENTION_DAYS * DAY
        if n < self.due:
            return oldest + int(n * SECOND / self.rate)
        begins = oldest + int(self.seconds * SECOND)
        return begins + (self.start - HOUR - begins) * (n - self.due) // max(1, self.events - self.due)


def fill(path: Path, past: Past) -> None:
    """Write it into a file that has the schema and that nobody else has open."""
    db = apsw.Connection(str(path))
    try:
        # without any journal: what breaks off leaves a file that nobody wants
        for pragma in ("journal_mode = DELETE", "journal_mode = OFF", "synchronous = OFF", "cache_size = -262144"):
            db.execute(f"PRAGMA {pragma}").fetchall()
        with db:
            _fill_contacts(db, past)
            _fill_tags(db, past)
            webhooks = _fill_events(db, past)
            _fill_dedup(db, past)
            _fill_totals(db, past, webhooks)
    finally:
        db.close()


def email(number: int) -> str:
    """The address of a contact."""
    return f"k{number:09d}@bench.example"


def contact_id(number: int) -> str:
    """The id of a contact: a UUID of version 7, rising with its number."""
    return f"018bcfe5-6800-7000-8000-{number:012x}"


def event_id(past: Past, n: int) -> str:
    """The id of the `n`th event."""
    return f"{lowest(EVENT, past.at(n))}{n % 100_000_000:08d}00000000"


def _fill_contacts(db: apsw.Connection, past: Past) -> None:
    for low in range(0, past.contacts, CHUNK):
        contacts = [_contact(past, number) for number in range(low, min(low + CHUNK, past.contacts))]
        _CONTACTS.run(db, [(contact.id, rows.encode(contact) + bytes(SPARE_BYTES)) for contact in contacts])
        _TEXTS.run(db, [(contact.id, rows.folded(contact)) for contact in contacts])
        _KEYS.run(db, [(f"e:{contact.email}", contact.id) for contact in contacts])
        _PHONES.run(db, [(str(contact.phone), contact.id) for contact in contacts])
    db.execute("UPDATE contacts SET doc = substr(doc, 1, length(doc) - ?)", (SPARE_BYTES,))


def _contact(past: Past, number: int) -> Contact:
    """A customer as they are after some months."""
    seq, rest = divmod(past.events, past.contacts)
    seq += number < rest
    since = past.start - RETENTION_DAYS * DAY - HOUR
    last = number + (seq - 1) * past.contacts
    return Contact(
        id=contact_id(number),
        created_at=since,
        updated_at=since,
        seq=seq,
        last_event=event_id(past, last) if seq else None,
        last_activity_at=past.at(last) if seq else None,
        email=email(number),
        phone=f"+48{500_000_000 + number}",
        name="Katarzyna Wiśniewska-Kowalczyk",
        company="Przedsiębiorstwo Handlowe Kowalczyk i Synowie",
        language="pl",
        state="CUSTOMER",
        score=number % 500,
        tags={_tag(number): Tag(since), "newsletter": Tag(since)},
        details={"miasto": "Wrocław", "branza": "obuwie", "ostatnie zamówienie": 129.9},
        fired={_RULES[number % ENDPOINTS]: Fired(seq, since)},
    )


def _tag(number: int) -> str:
    return f"grupa {number % TAGS:02d}"


def _fill_tags(db: apsw.Connection, past: Past) -> None:
    """Tag by tag, in the order of the table."""
    for tag in range(TAGS):
        numbers = range(tag, past.contacts, TAGS)
        _TAGS.run(db, [(_tag(number), contact_id(number)) for number in numbers])
    _TAGS.run(db, [("newsletter", contact_id(number)) for number in range(past.contacts)])
    _NAMES.run(db, [("tag", _tag(tag)) for tag in range(TAGS)] + [("tag", "newsletter")])


def _fill_events(db: apsw.Connection, past: Past) -> int:
    """Write the events and what followed from them; give how many webhooks that were."""
    webhooks = 0
    for low in range(0, past.events, CHUNK):
        numbers = range(low, min(low + CHUNK, past.events))
        _EVENTS.run(db, [rows.event_row(_event(past, n), None) for n in numbers])
        followed = [(n, event_id(past, n)) for n in numbers if n < past.due or n % past.quiet == 0]
        _RUNS.run(db, [rows.run_row(_run(past, n, id)) for n, id in followed])
        _DELIVERIES.run(db, [rows.delivery_row(_delivery(past, n, id)) for n, id in followed])
        _ATTEMPTS.run(db, [rows.attempt_row(_attempt(past, n, id), 1, erased=False) for n, id in followed])
        webhooks += len(followed)
    return webhooks


def _event(past: Past, n: int) -> Event:
    before = n - past.contacts
    at = past.at(n)
    return Event(
        id=event_id(past, n),
        type="page.visited",
        contact_id=contact_id(n % past.contacts),
        seq=n // past.contacts + 1,
        occurred_at=at,
        received_at=at,
        source="api",
        source_key="bench",
        data={"url": f"https://shop.example/{n % ENDPOINTS}", "title": "Buty zimowe"},
        previous=event_id(past, before) if before >= 0 else None,
        dedup_key=f"18a0c3f2e5b7d9f1-{n}",
    )


def _run(past: Past, n: int, id: str) -> Run:
    return Run(
        id=RUN + id[len(EVENT) :] + "00000000",
        rule_id=_RULES[n % ENDPOINTS],
        version=1,
        contact_id=contact_id(n % past.contacts),
        at=past.at(n),
        outcome=Outcome.FIRED,
        trace=(Seen("/conditions", holds=True),),
        deliveries=(_delivery_id(id),),
    )


def _delivery(past: Past, n: int, id: str) -> Delivery:
    rule, number, at = _RULES[n % ENDPOINTS], n % past.contacts, past.at(n)
    content = body(rule, "Strona odwiedzona", contact_id(number), "", email(number), None, "Kowalczyk i Synowie")
    return Delivery(
        id=_delivery_id(id),
        endpoint_id=_TARGETS[n % ENDPOINTS],
        contact_id=contact_id(number),
        rule_id=rule,
        event_type="page.visited",
        seq=n // past.contacts + 1,
        body=content,
        created_at=at,
        status=Status.DELIVERED,
        counted=1,
        first_at=at,
        last_at=at,
        attempts=1,
        delivered_at=at,
    )


def _attempt(past: Past, n: int, id: str) -> Attempt:
    return Attempt(
        delivery_id=_delivery_id(id),
        number=1,
        at=past.at(n),
        millis=3,
        status=200,
        detail="The receiver answered 200.",
        address="127.0.0.1:40000",
        head=_HEAD,
        body=b"ok",
    )


def _delivery_id(id: str) -> str:
    return DELIVERY + id[len(EVENT) :] + "0000000000"


def _fill_dedup(db: apsw.Connection, past: Past) -> None:
    """Keys of the days for which they are kept: those that fall due, and an even share of the rest.

    Digests lie anywhere, so those of one time do; they are written in their order and the index over the times is made
    afterwards, for anything else takes hours.
    """
    chance = Random(0)  # noqa: S311 - makes a file that is the same every time
    oldest = past.start - DEDUP_DAYS * DAY
    rest = (past.events - past.due) * DEDUP_DAYS // RETENTION_DAYS
    total = past.due + rest
    index: str = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'ix_dedup_at'").get
    db.execute("DROP INDEX ix_dedup_at")
    written = total + total // SPARE_SHARE
    for low in range(0, written, CHUNK):
        chunk = []
        for n in range(low, min(low + CHUNK, written)):
            due = chance.random() * total < past.due
            at = oldest + int(chance.random() * (past.seconds * SECOND if due else DEDUP_DAYS * DAY))
            key = (n * 2**128 // written).to_bytes(16)
            chunk.append((key, key + key, event_id(past, past.events - 1), at if n % (SPARE_SHARE + 1) else 0))
        _DEDUP.run(db, chunk)
    db.execute("DELETE FROM dedup WHERE at = 0")
    db.execute(index)


def _fill_totals(db: apsw.Connection, past: Past, webhooks: int) -> None:
    of_events = dict.fromkeys(("received", "accepted", "events"), past.events)
    of_webhooks = dict.fromkeys(("runs", "made", "attempts", "deliveries.delivered"), webhooks)
    _TOTALS.run(db, sorted((of_events | of_webhooks).items()))
