"""A past for the measured file: contacts, and events with what followed from them, written straight into the tables.

It makes files that an engine would need hours for, and the ages that retention acts on: the oldest events fall due one
after the other from `start` on, at the rate at which the measurement brings new ones, and so do dedup keys. Rows are
made by the store's own functions, so the file is one that the engine could have written. Where rows lie anywhere
(contacts, dedup keys), pages are left about three quarters full, as they are in a file that has lived.

A plain past has one kind of everything, so that nothing but size is measured; a mixed one is what `mix` makes of it.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

import apsw
from msgspec import Struct
from msgspec.structs import replace

from goniec.cli.bench import mix
from goniec.core.ids import DELIVERY, EVENT, RUN, lowest
from goniec.core.model import Attempt, Contact, Delivery, Event, Failure, Fired, Outcome, Run, Seen, Stage, Status, Tag
from goniec.core.payload import body
from goniec.core.times import DAY, HOUR, SECOND, Millis
from goniec.ports import Finished
from goniec.store import rows
from goniec.store.sqlite import search
from goniec.store.sqlite.sql import insert
from goniec.store.sqlite.sums import add
from goniec.store.tally import Tally

RETENTION_DAYS: Final = 90
DEDUP_DAYS: Final = 30
TAGS: Final = 20
CHUNK: Final = 20_000
SPARE_BYTES: Final = 250
"""By so much a contact's row shrinks after it was written."""
SPARE_SHARE: Final = 3
"""One in so many dedup keys more is written, and deleted again."""

_CONTACTS: Final = insert("contacts", "id, doc")
_TEXTS: Final = insert("contact_texts", "contact_id, folded")
_KEYS: Final = insert("identity_keys", "key, contact_id")
_FACETS: Final = insert("contact_facets", "kind, value, contact_id")
_PHONES: Final = insert("phones", "number, contact_id")
_TAGS: Final = insert("contact_tags", "tag, contact_id")
_NAMES: Final = insert("names", "kind, name")
_EVENTS: Final = insert("events", rows.EVENT.replace("e.", ""))
_RUNS: Final = insert("runs", rows.RUN.replace("r.", ""))
_DELIVERIES: Final = insert("deliveries", rows.DELIVERY.replace("d.", "").removesuffix(", q.due_at"))
_ATTEMPTS: Final = insert("attempts", rows.ATTEMPT.replace("a.", ""))
_QUEUE: Final = insert("queue", "delivery_id, endpoint_id, contact_id, lane, due_at")
_DEDUP: Final = insert("dedup", "key, digest, event_id, at")
_TOTALS: Final = insert("totals", "name, value")

_WAITING: Final = 64_000
"""Among so many of the newest events of a mixed past, those of one endpoint still wait for it."""
_STUCK: Final = 2
_EVERYBODY: Final = ("Katarzyna Wiśniewska-Kowalczyk", "Przedsiębiorstwo Handlowe Kowalczyk i Synowie")
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
    mixed: bool = False

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

    def owner(self, n: int) -> tuple[int, int, int]:
        """Whose the `n`th event is, the how manieth of theirs, and how far apart those are."""
        if self.mixed and n % mix.HEAVY == 0:
            return self.contacts, n // mix.HEAVY + 1, mix.HEAVY
        return n % self.contacts, n // self.contacts + 1, self.contacts

    def events_of(self, number: int) -> tuple[int, int]:
        """How many events a contact has, and which is the last."""
        if self.mixed and (number == self.contacts or number % mix.HEAVY == 0):
            seq = -(-self.events // mix.HEAVY) if number == self.contacts else 0
            return seq, (seq - 1) * mix.HEAVY
        seq, rest = divmod(self.events, self.contacts)
        seq += number < rest
        return seq, number + (seq - 1) * self.contacts

    def fate(self, n: int) -> tuple[Status, Failure | None]:
        """What became of the delivery of the `n`th event."""
        if not self.mixed:
            return Status.DELIVERED, None
        if n >= self.events - _WAITING and n % mix.COMMON == _STUCK:
            return Status.PENDING, Failure.SERVER
        return mix.fate(n)

    def place(self, n: int) -> int:
        """Which rule and endpoint it led to."""
        return mix.place(n) if self.mixed else n % mix.COMMON


def fill(path: Path, past: Past) -> None:
    """Write it into a file that has the schema and that nobody else has open."""
    with writing(path) as db:
        _fill_contacts(db, past)
        _fill_tags(db, past)
        webhooks = _fill_events(db, past)
        _fill_dedup(db, past)
        _fill_totals(db, past, webhooks)
        while search.put_in(db, CHUNK):
            pass


@contextmanager
def writing(path: Path) -> Iterator[apsw.Connection]:
    """Write as quickly as can be into a file that nobody else has open."""
    db = apsw.Connection(str(path))
    try:
        # without any journal: what breaks off leaves a file that nobody wants
        for pragma in ("journal_mode = DELETE", "journal_mode = OFF", "synchronous = OFF", "cache_size = -262144"):
            db.execute(f"PRAGMA {pragma}").fetchall()
        with db:
            yield db
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
    people = past.contacts + past.mixed
    for low in range(0, people, CHUNK):
        contacts = [_contact(past, number) for number in range(low, min(low + CHUNK, people))]
        _CONTACTS.run(db, [(contact.id, rows.encode(contact) + bytes(SPARE_BYTES)) for contact in contacts])
        _TEXTS.run(db, [(contact.id, rows.folded(contact)) for contact in contacts])
        _KEYS.run(db, [(f"e:{contact.email}", contact.id) for contact in contacts])
        _PHONES.run(db, [(str(contact.phone), contact.id) for contact in contacts])
        _FACETS.run(db, sorted((*facet, contact.id) for contact in contacts for facet in rows.facets(contact)))
    db.execute("UPDATE contacts SET doc = substr(doc, 1, length(doc) - ?)", (SPARE_BYTES,))


def _contact(past: Past, number: int) -> Contact:
    """A customer as they are after some months."""
    seq, last = past.events_of(number)
    since = past.start - RETENTION_DAYS * DAY - HOUR
    name, company = mix.person(number) if past.mixed else _EVERYBODY
    stage = mix.stage(number) if past.mixed else None
    return Contact(
        id=contact_id(number),
        created_at=since,
        updated_at=since,
        seq=seq,
        last_event=event_id(past, last) if seq else None,
        last_activity_at=past.at(last) if seq else None,
        email=email(number),
        phone=mix.phone(number),
        name=name,
        company=company,
        language="pl",
        state=mix.state(number) if past.mixed else "CUSTOMER",
        score=number % 500,
        tags={_tag(number): Tag(since), "newsletter": Tag(since)},
        details={"miasto": "Wrocław", "branza": "obuwie", "ostatnie zamówienie": 129.9},
        stages={mix.FUNNEL: Stage(stage, since)} if stage else {},
        fired={mix.RULES[number % mix.COMMON]: Fired(seq, since)},
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


def _fill_events(db: apsw.Connection, past: Past) -> Counter[Status]:
    """Write the events and what followed from them; give what became of the webhooks."""
    became: Counter[Status] = Counter()
    tally = Tally()
    for low in range(0, past.events, CHUNK):
        numbers = range(low, min(low + CHUNK, past.events))
        events = [event_of(past, n) for n in numbers]
        followed = [event for n, event in zip(numbers, events, strict=True) if n < past.due or n % past.quiet == 0]
        of_those = [n for n in numbers if n < past.due or n % past.quiet == 0]
        runs = [run_of(past, n, event) for n, event in zip(of_those, followed, strict=True)]
        sent = [delivery_of(past, n, event) for n, event in zip(of_those, followed, strict=True)]
        tried = [Finished(one, _attempt(one)) for one in sent if one.attempts]
        _EVENTS.run(db, [rows.event_row(event, None) for event in events])
        _RUNS.run(db, [rows.run_row(run) for run in (*runs, *_stopped(past, numbers))])
        _DELIVERIES.run(db, [rows.delivery_row(one) for one in sent])
        _ATTEMPTS.run(db, [rows.attempt_row(one.attempt, 1, erased=False) for one in tried])
        waiting = [one for one in sent if one.status is Status.PENDING]
        _QUEUE.run(db, [(one.id, one.endpoint_id, one.contact_id, True, past.start + DAY) for one in waiting])
        tally.saved(events, runs, sent)
        tally.tried((one.delivery, one) for one in tried)
        for one in sent:
            tally.moved(replace(one, status=Status.PENDING, delivered_at=None), one, one.created_at)
        add(db, tally)
        became.update(one.status for one in sent)
    return became


def event_of(past: Past, n: int) -> Event:
    """The `n`th event."""
    number, seq, apart = past.owner(n)
    at = past.at(n)
    return Event(
        id=event_id(past, n),
        type=mix.kind(n) if past.mixed else "page.visited",
        contact_id=contact_id(number),
        seq=seq,
        occurred_at=at,
        received_at=at,
        source="api",
        source_key="bench",
        data={"url": f"https://shop.example/{n % mix.COMMON}", "title": "Buty zimowe"},
        previous=event_id(past, n - apart) if n >= apart else None,
        dedup_key=f"18a0c3f2e5b7d9f1-{n}",
    )


def run_of(past: Past, n: int, event: Event) -> Run:
    """The run that it led to."""
    return Run(
        id=RUN + event.id[len(EVENT) :] + "00000000",
        rule_id=mix.RULES[past.place(n)],
        version=1,
        contact_id=event.contact_id,
        at=event.received_at,
        outcome=Outcome.FIRED,
        trace=(Seen("/conditions", holds=True),),
        deliveries=(_delivery_id(event.id),),
    )


def _stopped(past: Past, numbers: range) -> Iterator[Run]:
    """Runs of another rule that its limit stopped, and one that would have been a loop."""
    for n in numbers if past.mixed else ():
        if n % (10 * mix.COMMON) == _STUCK:
            run = run_of(past, n, event_of(past, n))
            outcome = Outcome.LIMIT_REACHED if n > _STUCK else Outcome.LOOP_STOPPED
            yield replace(run, id=run.id[:-1] + "1", rule_id=mix.RULES[0], outcome=outcome, deliveries=())


def delivery_of(past: Past, n: int, event: Event) -> Delivery:
    """The delivery that this made."""
    place, at = past.place(n), event.received_at
    status, failure = past.fate(n)
    rule, tried = mix.RULES[place], status in {Status.DELIVERED, Status.FAILED} or failure is not None
    whom = past.owner(n)[0]
    return Delivery(
        id=_delivery_id(event.id),
        endpoint_id=mix.ENDPOINTS[place],
        contact_id=event.contact_id,
        rule_id=rule,
        event_type=event.type,
        seq=event.seq,
        body=body(rule, "Strona odwiedzona", event.contact_id, "", email(whom), None, "Kowalczyk i Synowie"),
        created_at=at,
        status=status,
        counted=int(tried),
        first_at=at if tried else None,
        last_at=at if tried else None,
        attempts=int(tried),
        delivered_at=at if status is Status.DELIVERED else None,
        failure=failure,
    )


def _attempt(delivery: Delivery) -> Attempt:
    failed = delivery.failure is not None
    return Attempt(
        delivery_id=delivery.id,
        number=1,
        at=delivery.created_at,
        millis=3,
        status=500 if failed else 200,
        failure=delivery.failure,
        detail=f"The receiver answered {500 if failed else 200}.",
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


def _fill_totals(db: apsw.Connection, past: Past, became: Counter[Status]) -> None:
    runs: int = db.execute("SELECT count(*) FROM runs").get
    attempts: int = db.execute("SELECT count(*) FROM attempts").get
    of_events = dict.fromkeys(("received", "accepted", "events"), past.events)
    of_deliveries = {f"deliveries.{status.value}": n for status, n in became.items()}
    others = {"runs": runs, "made": became.total(), "attempts": attempts}
    _TOTALS.run(db, sorted((of_events | of_deliveries | others).items()))
