"""The timeline of a contact: its events, the runs and misses of rules for them, and the deliveries that followed.

It is read from the newest event back, a stretch at a time. On a page all of it stands in one line, by time; a delivery
stands where it ended, which may be long after its event. Called by `views.contact`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final, Literal

from msgspec import Struct

from goniec.core import labels
from goniec.core.endpoint import MAIL, Endpoint
from goniec.core.model import Contact, Delivery, Event, Miss, Outcome, Run, Skipped, Status
from goniec.core.rules import Rule
from goniec.core.times import MINUTE, Millis
from goniec.ports import Queries
from goniec.web.panel.delivery_words import next_attempt
from goniec.web.panel.event_words import event_words, origin_words
from goniec.web.panel.fields import EVENT_ICONS
from goniec.web.panel.formats import Times
from goniec.web.panel.page import Visit
from goniec.web.panel.phrases import action_words, skipped_words
from goniec.web.panel.wording import brief, receiver

Show = Literal["", "events", "runs", "deliveries"]

SIZE: Final = 30
"""Events on a page; of one kind of thing alone, so many of that kind."""

LOOKED: Final = 1_000
"""How many events are looked through for a page of one kind of thing; then it goes on by hand."""

ACTIONS_SHOWN: Final = 3

TONES: Final[Mapping[Outcome, tuple[str, str]]] = {
    Outcome.FIRED: ("ok", "bolt"),
    Outcome.FIRED_OTHERWISE: ("note", "git-branch"),
    Outcome.LOOP_STOPPED: ("bad", "repeat"),
    Outcome.CONFIG_ERROR: ("bad", "alert-triangle"),
    Outcome.CONDITIONS_FAILED: ("", "filter"),
}
"""Colour and icon of an outcome; all others are grey."""

OTHER: Final = ("", "ban")


class Entry(Struct, frozen=True):
    """One line: what happened, a value and a badge beside it, what is below, and where it leads.

    `waits` is the delivery that it tells of, while that is pending: its line says something else soon.
    """

    at: Millis
    icon: str
    tone: str
    title: str
    path: str
    value: str = ""
    badge: str = ""
    text: str = ""
    note: str = ""
    occurred_at: Millis | None = None
    why: str = ""
    waits: str = ""


class Day(Struct, frozen=True):
    """The entries of one day; `told` says that its heading stands on the page already."""

    day: date
    at: Millis
    entries: list[Entry]
    told: bool = False


class Stretch(Struct, frozen=True):
    """A part of a timeline: `older` is the event to go on after; None: there is nothing older.

    `looked` says that it ends because so much was looked through without filling the page. `scores` are those of the
    contact that its events tell, the oldest first, each with its time; `reaches` is the time that they reach back to.
    """

    days: list[Day]
    older: str | None
    looked: bool
    scores: list[tuple[Millis, int]]
    reaches: Millis

    @property
    def waiting(self) -> list[str]:
        """The deliveries in it that are pending."""
        return [entry.waits for day in self.days for entry in day.entries if entry.waits]


class Teller:
    """Tells entries in the viewer's words, with the names of rules and endpoints."""

    def __init__(
        self, visit: Visit, rules: Iterable[Rule], endpoints: Iterable[Endpoint], names: Mapping[str, str]
    ) -> None:
        self._visit = visit
        self._words = visit.words
        self.rules = {rule.id: rule for rule in rules}
        self.endpoints = {endpoint.id: endpoint for endpoint in endpoints}
        self.names = {**names, **{rule.id: rule.name for rule in self.rules.values()}}

    def rule(self, rule_id: str) -> str:
        """What a rule is called; one that was deleted by its id."""
        name = self.names.get(rule_id)
        return brief(name, 100) if name else self._words.say("deleted rule %(id)s", id=brief(rule_id))

    def event(self, contact_id: str, event: Event) -> Entry:
        """Tell an event."""
        told = event_words(event, self._words, self.names)
        late = abs(event.received_at - event.occurred_at) >= MINUTE
        return Entry(
            at=event.received_at,
            icon=EVENT_ICONS.get(event.type, "activity"),
            tone="",
            title=told.title,
            path=f"/contacts/{contact_id}/events/{event.id}",
            value=told.value,
            text=told.text,
            note=origin_words(event, self._words, self.names),
            occurred_at=event.occurred_at if late else None,
        )

    def run(self, contact_id: str, event: Event, run: Run | Miss) -> Entry:
        """Tell what a rule made of an event."""
        tone, icon = TONES.get(run.outcome, OTHER)
        return Entry(
            at=event.received_at,
            icon=icon,
            tone="ink" if run.outcome is Outcome.FIRED else "bad" if tone == "bad" else "",
            title=self._words.say("Rule: %(name)s", name=self.rule(run.rule_id)),
            path=f"/contacts/{contact_id}/why?rule={run.rule_id}&event={event.id}",
            badge=tone or "off",
            value=self._words.named(labels.OUTCOMES, run.outcome.value),
            text="; ".join(filter(None, (self._did(run), skipped_words(_skipped(run), self._words)))),
            why="" if run.outcome in {Outcome.FIRED, Outcome.FIRED_OTHERWISE} else "why",
        )

    def delivery(self, delivery: Delivery) -> Entry:
        """Tell what became of a delivery."""
        endpoint = self.endpoints.get(delivery.endpoint_id)
        where = receiver(endpoint, self._words) if endpoint else self._words.say("a deleted endpoint")
        at, tone, title, value = self._state(delivery, endpoint, where)
        note = self._words.say("from the rule %(name)s", name=self.rule(delivery.rule_id)) if delivery.rule_id else ""
        return Entry(
            at=at,
            icon="mail" if delivery.endpoint_id == MAIL else "send",
            tone=tone,
            title=title,
            path=f"/deliveries/{delivery.id}",
            value=value,
            note=note,
            waits=delivery.id if delivery.status is Status.PENDING else "",
        )

    def _state(self, delivery: Delivery, endpoint: Endpoint | None, where: str) -> tuple[Millis, str, str, str]:
        at, tone, title, value = self._standing(delivery, endpoint, where)
        mail = self._mail(delivery.status) if delivery.endpoint_id == MAIL else ""
        return at, tone, mail or title, value

    def _mail(self, status: Status) -> str:
        """What became of a mail, in the words of mail; nothing for what another version made of it."""
        say = self._words.say
        if not status.known:
            return ""
        match status:
            case Status.DELIVERED:
                return say("Mail handed to the mail server")
            case Status.PENDING:
                return say("Mail waits for the mail server")
            case Status.FAILED:
                return say("Mail not sent")
            case Status.CANCELLED:
                return say("Mail cancelled")
            case Status.HELD:
                return say("Mail held")

    def _standing(self, delivery: Delivery, endpoint: Endpoint | None, where: str) -> tuple[Millis, str, str, str]:
        say, many = self._words.say, self._words.many
        tries = many("%(n)s attempt", "%(n)s attempts", delivery.attempts) if delivery.attempts > 1 else ""
        if not delivery.status.known:
            title = say("Delivery to %(where)s: %(code)s", where=where, code=delivery.status.value)
            return delivery.created_at, "", title, tries
        match delivery.status:
            case Status.DELIVERED:
                at = delivery.delivered_at or delivery.last_at or delivery.created_at
                return at, "ok", say("Delivered to %(where)s", where=where), tries
            case Status.PENDING:
                title = say("Delivery waits for %(where)s", where=where)
                return delivery.created_at, "wait", title, next_attempt(self._visit, delivery, endpoint)
            case Status.FAILED:
                return (
                    delivery.last_at or delivery.created_at,
                    "bad",
                    say("Not delivered to %(where)s", where=where),
                    tries,
                )
            case Status.CANCELLED:
                return delivery.created_at, "", say("Delivery to %(where)s cancelled", where=where), tries
            case Status.HELD:
                return delivery.created_at, "", say("Delivery to %(where)s held", where=where), ""

    def _did(self, run: Run | Miss) -> str:
        """What a run did, if the rule is still the one that ran."""
        rule = self.rules.get(run.rule_id)
        if rule is None or rule.version != run.version:
            return ""
        match run.outcome:
            case Outcome.FIRED:
                actions = rule.actions
            case Outcome.FIRED_OTHERWISE:
                actions = rule.otherwise
            case _:
                return ""
        told = [action_words(action, self.endpoints, self._words, self.names) for action in actions[:ACTIONS_SHOWN]]
        if len(actions) > ACTIONS_SHOWN:
            told.append(f"(+{len(actions) - ACTIONS_SHOWN})")
        return ", ".join(told)


async def read_stretch(
    queries: Queries, contact: Contact, teller: Teller, times: Times, *, show: Show, after: str | None
) -> Stretch:
    """Read the next part of a contact's timeline, behind the event `after`; None: from the newest on."""
    entries: list[tuple[tuple[Millis, int, int, int], Entry]] = []
    scores: list[tuple[Millis, int]] = []
    counted = looked = 0
    last: Event | None = None
    above: Event | None = None
    more = False
    async for event, misses, runs, deliveries in queries.timeline(contact.id):
        if after is not None and event.id >= after:
            above = event
            continue
        if counted >= SIZE or looked >= LOOKED:
            more = True
            break
        looked += 1
        last = event
        made = _of_event(teller, contact, event, (misses, runs, deliveries), show)
        entries += made
        counted += 1 if show in {"", "events"} else len(made)
        if event.type == "contact.score_changed" and event.data.get("scope") == "contact":
            scores.append((event.received_at, int(event.data.get("old", 0))))
    entries.sort(key=lambda one: one[0], reverse=True)
    days = _days([entry for _, entry in entries], times, above)
    return Stretch(
        days=days,
        older=last.id if more and last is not None else None,
        looked=more and counted < SIZE,
        scores=scores[::-1],
        reaches=last.received_at if more and last is not None else contact.created_at,
    )


def _of_event(
    teller: Teller,
    contact: Contact,
    event: Event,
    followed: tuple[Sequence[Miss], Sequence[Run], Sequence[Delivery]],
    show: Show,
) -> list[tuple[tuple[Millis, int, int, int], Entry]]:
    """An event and what followed from it; at one time a later event stands above, and what followed above its cause."""
    misses, runs, deliveries = followed
    found: list[tuple[int, Entry]] = []
    if show in {"", "events"}:
        found.append((0, teller.event(contact.id, event)))
    if show in {"", "runs"}:
        found += [(1, teller.run(contact.id, event, miss)) for miss in misses]
        found += [(1, teller.run(contact.id, event, run)) for run in runs]
    if show in {"", "deliveries"}:
        found += [(2, teller.delivery(delivery)) for delivery in deliveries]
    return [((entry.at, event.seq, rank, n), entry) for n, (rank, entry) in enumerate(found)]


def _skipped(run: Run | Miss) -> tuple[Skipped, ...]:
    return run.skipped if isinstance(run, Run) else ()


def _days(entries: Sequence[Entry], times: Times, above: Event | None) -> list[Day]:
    days: list[Day] = []
    told = None if above is None else times.local(above.received_at).date()
    for entry in entries:
        day = times.local(entry.at).date()
        if not days or days[-1].day != day:
            days.append(Day(day, entry.at, [], told=not days and day == told))
        days[-1].entries.append(entry)
    return days
