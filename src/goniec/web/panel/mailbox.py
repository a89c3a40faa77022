"""The mailbox of deliveries: which are wanted, as the address says, and what stands in each row.

Called by `views.deliveries`. Whatever somebody types into an address is read here: what is not understood is told, and
left out.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from goniec.core.endpoint import Endpoint
from goniec.core.ids import DELIVERY
from goniec.core.model import Attempt, Contact, Delivery, Failure, Status
from goniec.core.rules import Rule
from goniec.core.text import email_key, phone_key
from goniec.core.times import DAY, HOUR, Millis, parse_date
from goniec.ports import ContactFilter, DeliveryFilter, Page, Queries
from goniec.web.panel.forms import Form
from goniec.web.panel.people import people

T = TypeVar("T")

SIZE: Final = 50
"""Deliveries on a page."""

NEWER_MOST: Final = 100
"""How many newer ones are counted; more are just many."""

CANDIDATES: Final = 20
"""How many contacts a search offers to choose from."""

PERIODS: Final[dict[str, Millis]] = {"hour": HOUR, "day": DAY, "week": 7 * DAY}
"""What `period` in the address may say, and how far back it reaches; `dates` means two days of one's own."""

DATES: Final = "dates"

YEARS: Final = range(1970, 3000)
"""Days outside of these are typing errors."""

SILENT_LEAST: Final = 3
"""So many deliveries have to fail until a list says that their endpoint does not answer."""

_ITS_OWN: Final = frozenset({None, Failure.REJECTED, Failure.QUIET, Failure.INTERNAL})
"""What says nothing about an endpoint: no failure, one of this message alone, an hour to wait for, or one of ours."""

NAMES: Final = ("status", "rule", "endpoint", "contact", "period", "from", "to", "failure", "test")
"""The parameters that say which deliveries are wanted."""


class Wanted(Struct, frozen=True):
    """Which deliveries somebody wants to see.

    `since` and `until` are made of the period; `first` and `last` are its days, where it is one of somebody's own.
    `unknown` are parameters that were not understood, by name.
    """

    status: Status | None = None
    rule: str | None = None
    endpoint: str | None = None
    contact: str | None = None
    failure: Failure | None = None
    test: bool | None = None
    period: str = ""
    first: date | None = None
    last: date | None = None
    since: Millis | None = None
    until: Millis | None = None
    unknown: tuple[tuple[str, str], ...] = ()

    @property
    def backwards(self) -> bool:
        """Whether the last day lies before the first, so that nothing can be found."""
        return self.since is not None and self.until is not None and self.until <= self.since

    @property
    def narrow(self) -> bool:
        """Whether anything but the status is asked for."""
        asked = (self.rule, self.endpoint, self.contact, self.failure, self.test, self.since, self.until)
        return any(one is not None for one in asked)

    @property
    def filter(self) -> DeliveryFilter:
        """What the store is asked."""
        return DeliveryFilter(
            status=self.status,
            rule_id=self.rule,
            endpoint_id=self.endpoint,
            contact_id=self.contact,
            since=self.since,
            until=self.until,
            failure=self.failure,
            test=self.test,
        )


class Row(Struct, frozen=True):
    """A delivery with what its row tells of others; None: it is gone, or there is none."""

    delivery: Delivery
    contact: Contact | None = None
    rule: Rule | None = None
    endpoint: Endpoint | None = None
    attempt: Attempt | None = None


def read_wanted(query: Form, now: Millis, zone: ZoneInfo) -> Wanted:
    """Read which deliveries an address asks for; days are those of the viewer's zone, both included."""
    unknown: list[tuple[str, str]] = []

    def one_of(name: str, known: Mapping[str, T]) -> T | None:
        text = query.text(name)
        if text and text not in known:
            unknown.append((name, text))
        return known.get(text)

    status = one_of("status", {one.value: one for one in Status})
    failure = one_of("failure", {one.value: one for one in Failure})
    test = one_of("test", {"yes": True, "no": False})
    one_of("period", {**PERIODS, DATES: 0})
    period, since, until, first, last = query.text("period"), None, None, None, None
    if period in PERIODS:
        since = now - PERIODS[period]
    elif period == DATES:
        first, last = (_day(query, name, unknown) for name in ("from", "to"))
        since = None if first is None else _midnight(first, zone)
        until = None if last is None else _midnight(last + timedelta(days=1), zone)
    return Wanted(
        status=status,
        rule=query.text("rule") or None,
        endpoint=query.text("endpoint") or None,
        contact=query.text("contact") or None,
        failure=failure,
        test=test,
        period=period if period in {*PERIODS, DATES} else "",
        first=first,
        last=last,
        since=since,
        until=until,
        unknown=tuple(unknown),
    )


def _day(query: Form, name: str, unknown: list[tuple[str, str]]) -> date | None:
    text = query.text(name)
    if not text:
        return None
    for form in (text, "-".join(reversed(text.split(".")))):
        with suppress(ValueError):
            day = parse_date(form)
            if day.year in YEARS:
                return day
    unknown.append((name, text))
    return None


def _midnight(day: date, zone: ZoneInfo) -> Millis:
    return round(datetime.combine(day, time(), zone).astimezone(UTC).timestamp() * 1000)


async def looked_up(queries: Queries, text: str, country: str) -> Delivery | list[Contact]:
    """Find what somebody typed into the search: one delivery by its id, else contacts by whatever fits them.

    An id, an e-mail address or a phone number is exact; only what nobody has exactly is looked for in names and parts.
    """
    if text.startswith(DELIVERY) and (found := await queries.delivery(text)) is not None:
        return found[0]
    contact = await queries.contact(text)
    if contact is not None:
        return [contact]
    page = Page(CANDIDATES)
    for wanted in _exactly(text, country):
        if contacts := await queries.contacts(wanted, page):
            return list(contacts)
    return list(await queries.contacts(ContactFilter(q=text), page))


def _exactly(text: str, country: str) -> list[ContactFilter]:
    found = [ContactFilter(external_id=text)]
    with suppress(ValueError):  # no address
        found.append(ContactFilter(email=email_key(text)[1]))
    phone = phone_key(text, country)
    if phone is not None:
        found.append(ContactFilter(phone=phone))
    return found


def silent(rows: Iterable[Row]) -> dict[str, Millis]:
    """Give the endpoints that these rows show failing for several deliveries and nothing else since, and since when."""
    tried: dict[str, list[tuple[Millis, Row]]] = {}
    for row in rows:
        if row.attempt is not None and row.endpoint is not None:
            tried.setdefault(row.endpoint.id, []).append((row.attempt.at, row))
    found: dict[str, Millis] = {}
    for id, attempts in tried.items():
        worked = max((at for at, row in attempts if row.attempt and row.attempt.failure is None), default=0)
        failed = [
            row.delivery.first_at or at
            for at, row in attempts
            if at > worked and row.delivery.status is Status.PENDING and row.delivery.failure not in _ITS_OWN
        ]
        if len(failed) >= SILENT_LEAST:
            found[id] = max(min(failed), worked)
    return found


async def rows_of(queries: Queries, deliveries: list[Delivery], endpoints: Mapping[str, Endpoint]) -> list[Row]:
    """Give the rows of deliveries: whom each is about, why it was made, where it goes, what was answered last."""
    tried = [delivery.id for delivery in deliveries if delivery.attempts]
    rule_ids = sorted({delivery.rule_id for delivery in deliveries if delivery.rule_id})
    who, last, rules = await asyncio.gather(
        people(queries, (delivery.contact_id for delivery in deliveries)),
        queries.last_attempts(tried),
        asyncio.gather(*(queries.rule(id) for id in rule_ids)),
    )
    named = dict(zip(rule_ids, rules, strict=True))
    return [
        Row(
            delivery,
            who.get(delivery.contact_id),
            named.get(delivery.rule_id),
            endpoints.get(delivery.endpoint_id),
            last.get(delivery.id),
        )
        for delivery in deliveries
    ]
