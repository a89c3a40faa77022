"""What follows from one call about one contact: its events, the runs of the rules they set off, the deliveries.

Pure: the recording time, ids and rules are arguments, so that the same input gives the same decision in a transaction,
in a replay and in a test. Called by `record` inside the deciding transaction. History conditions will add facts to what
is given here, and an answer `Need(facts)` beside `Decision`; delayed steps will add rows for `upkeep`.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from goniec.core.actions import Action, EmitEvent, MoveToStage, NotifyUser, SendEmail, Webhook
from goniec.core.changes import Change, SetFields, fold, propose
from goniec.core.composing import NOTHING, About, Composer, Unwritable
from goniec.core.endpoint import MAIL
from goniec.core.identity import Who
from goniec.core.ids import child, delivery_id, run_id
from goniec.core.mailing import read, sealed, unwelcome, zone_of
from goniec.core.model import (
    DEPTH_MAX,
    DERIVED_MAX,
    LOOP_WINDOW,
    Ancestor,
    Contact,
    Delivery,
    Event,
    Failure,
    Fired,
    Miss,
    Outcome,
    Run,
    Skip,
    Skipped,
    Source,
)
from goniec.core.payload import body
from goniec.core.quiet import NO_LIMITS, allowed_at, counted, day_of, room
from goniec.core.rules import CompiledRule, RuleSet
from goniec.core.times import Millis, add


class Happening(Struct, frozen=True):
    """A thing from outside that happened to the contact: type, checked data, and when (None: now).

    `digest` is the SHA-256 of its content, given with a dedup key.
    """

    type: str
    data: dict[str, Any]
    occurred_at: Millis | None = None
    dedup_key: str | None = None
    digest: bytes = b""


class Call(Struct, frozen=True, kw_only=True):
    """One call about one contact: one change set.

    `fields` are the plain fields given (None clears), `changes` the others in their fixed order (owner and state,
    details, tags, score, stage, consents, notes). `cause` names the run that the caller answers to. With `create` an
    unknown contact is made; `readd` says that a known one was added again; `expect` is the contact's seq that the
    caller saw last.
    """

    who: Who
    fields: Mapping[str, str | None] = {}
    changes: tuple[Change, ...] = ()
    happenings: tuple[Happening, ...] = ()
    source: Source = "api"
    source_key: str | None = None
    cause: str | None = None
    fire: bool = True
    create: bool = True
    readd: bool = False
    expect: int | None = None


class World(Struct, frozen=True):
    """What rules may lean on: the rules themselves, the endpoints that exist, funnels with their stages, messages."""

    rules: RuleSet
    endpoints: frozenset[str] = frozenset()
    funnels: Mapping[str, Sequence[str]] = {}
    mail: Composer = NOTHING


class Decision(Struct):
    """All that follows, in order.

    The call's own events, then `derived` ones. `happened` are those of the call's happenings, one for each. `misses`
    are by event id; `contact` is how it ends up.
    """

    contact: Contact
    derived: int = 0
    events: list[Event] = []
    happened: list[Event] = []
    misses: dict[str, tuple[Miss, ...]] = {}
    runs: list[Run] = []
    deliveries: list[Delivery] = []


def decide(
    contact: Contact, call: Call, ancestors: tuple[Ancestor, ...], world: World, now: Millis, mint: Callable[[], str]
) -> Decision:
    """Apply a call to a contact (a blank one when it is new) and evaluate every rule that its events reach.

    `ancestors` are the runs that the call descends from; `mint` gives ids for its own events, rising.
    """
    telling = _Telling(contact, world, now)
    origin = _Origin(call.source, call.source_key, call.cause, ancestors, call.fire)
    if contact.seq == 0:
        given = {field: value for field, value in call.fields.items() if value is not None}
        telling.happen(mint(), "contact.created", {"source": call.source, "fields": given}, now, origin)
    else:
        if call.readd:
            telling.happen(mint(), "contact.readded", {"source": call.source}, now, origin)
        for kind, data in propose(contact, SetFields(call.fields)):
            telling.happen(mint(), kind, data, now, origin)
    for change in call.changes:
        for kind, data in propose(telling.decision.contact, change):
            telling.happen(mint(), kind, data, now, origin)
    for it in call.happenings:
        occurred = now if it.occurred_at is None else it.occurred_at
        data, opening = read(telling.decision.contact, it.type, it.data)
        if opening is not None:
            telling.happen(mint(), "email.opened", opening, occurred, origin)
        event = telling.happen(mint(), it.type, data, occurred, origin, it.dedup_key)
        telling.decision.happened.append(event)
    if call.fire:
        after_call = telling.decision.contact
        telling.queue.extend((event, after_call) for event in telling.decision.events)
        telling.run_out()
    return telling.decision


class _Origin(Struct, frozen=True):
    """Where events come from."""

    source: Source
    source_key: str | None
    cause: str | None
    ancestors: tuple[Ancestor, ...]
    fired: bool


class _Telling:
    """The decision while it grows.

    The working state of the contact and the events still to be evaluated, first in, first out.
    """

    def __init__(self, contact: Contact, world: World, now: Millis) -> None:
        self.decision = Decision(contact)
        self.queue: deque[tuple[Event, Contact]] = deque()
        self._world = world
        self._now = now
        self._root = ""

    def happen(
        self,
        event_id: str,
        kind: str,
        data: dict[str, Any],
        occurred: Millis,
        origin: _Origin,
        dedup_key: str | None = None,
    ) -> Event:
        """Fold one more event into the working state."""
        contact = self.decision.contact
        event = Event(
            id=event_id,
            type=kind,
            contact_id=contact.id,
            seq=contact.seq + 1,
            occurred_at=occurred,
            received_at=self._now,
            source=origin.source,
            source_key=origin.source_key,
            data=data,
            previous=contact.last_event,
            cause=origin.cause,
            ancestors=origin.ancestors,
            dedup_key=dedup_key,
            fired=origin.fired,
        )
        self.decision.contact = fold(contact, event)
        self.decision.events.append(event)
        return event

    def run_out(self) -> None:
        """Evaluate until no event is left.

        What is derived sorts behind the last event of the call, in the order of its making.
        """
        self._root = self.decision.events[-1].id if self.decision.events else ""
        while self.queue:
            event, snapshot = self.queue.popleft()
            misses = [
                miss for rule in self._world.rules.matching(event) if (miss := self._evaluate(rule, event, snapshot))
            ]
            if misses:
                self.decision.misses[event.id] = tuple(misses)

    def _evaluate(self, rule: CompiledRule, event: Event, snapshot: Contact) -> Miss | None:
        """One rule for one event.

        Conditions read from the event's own snapshot, limits and actions from the working state.
        """
        if not _valid(rule, self._now):
            return Miss(rule.rule.id, rule.rule.version, Outcome.OUTSIDE_VALIDITY)
        if rule.max_age is not None and add(event.occurred_at, rule.max_age, rule.zone) < self._now:
            return Miss(rule.rule.id, rule.rule.version, Outcome.TOO_OLD)
        holds = rule.holds(snapshot, event)
        actions = rule.rule.actions if holds else rule.rule.otherwise
        if not holds and not actions:
            seen = rule.first_failure(snapshot, event)
            return Miss(rule.rule.id, rule.rule.version, Outcome.CONDITIONS_FAILED, seen)
        stopped = self._stopped(rule, event, holds=holds) or self._broken(actions)
        outcome, detail = stopped or (Outcome.FIRED if holds else Outcome.FIRED_OTHERWISE, None)
        run = run_id(event.id, rule.rule.id)
        deliveries: tuple[str, ...] = ()
        skipped: list[Skipped] = []
        if stopped is None:
            before = self._standing()
            if holds:
                self._count(rule)
            try:
                deliveries = tuple(self._act(rule, run, event, holds=holds, skipped=skipped))
            except Unwritable as error:  # then it has done nothing at all
                self._return(before)
                outcome, detail, skipped = Outcome.CONFIG_ERROR, str(error), []
        self.decision.runs.append(
            Run(
                id=run,
                rule_id=rule.rule.id,
                version=rule.rule.version,
                contact_id=event.contact_id,
                at=self._now,
                outcome=outcome,
                trace=rule.trace(snapshot, event),
                detail=detail,
                deliveries=deliveries,
                skipped=tuple(skipped),
            )
        )
        return None

    def _standing(self) -> tuple[Contact, int, int, int, int]:
        """How far the decision has come."""
        decision = self.decision
        return decision.contact, decision.derived, len(decision.events), len(decision.deliveries), len(self.queue)

    def _return(self, standing: tuple[Contact, int, int, int, int]) -> None:
        """Go back to there."""
        decision = self.decision
        decision.contact, decision.derived, events, deliveries, queued = standing
        del decision.events[events:], decision.deliveries[deliveries:]
        while len(self.queue) > queued:
            self.queue.pop()

    def _stopped(self, rule: CompiledRule, event: Event, *, holds: bool) -> tuple[Outcome, str | None] | None:
        since = self._now - LOOP_WINDOW
        if event.ancestors and any(above.rule_id == rule.rule.id and above.at > since for above in event.ancestors):
            return Outcome.LOOP_STOPPED, "the event descends from a run of this rule"
        if len(event.ancestors) >= DEPTH_MAX:
            return Outcome.LOOP_STOPPED, f"the event stands below {DEPTH_MAX} runs already"
        if self.decision.derived >= DERIVED_MAX:
            return Outcome.LOOP_STOPPED, f"this call has led to {DERIVED_MAX} further events already"
        fired = self.decision.contact.fired.get(rule.rule.id) if holds else None
        if fired is None:
            return None
        if rule.max_runs is not None and fired.count >= rule.max_runs:
            return Outcome.LIMIT_REACHED, f"fired {fired.count} times for this contact; the limit is {rule.max_runs}"
        if rule.min_interval is not None and add(fired.last, rule.min_interval, rule.zone) > self._now:
            return Outcome.INTERVAL, "the least time between two runs for one contact is not over"
        return None

    def _broken(self, actions: Sequence[Action]) -> tuple[Outcome, str] | None:
        """A rule that leans on something that is gone does nothing at all, and says so."""
        for n, action in enumerate(actions):
            match action:
                case Webhook(endpoint_id=endpoint) if endpoint not in self._world.endpoints:
                    return Outcome.CONFIG_ERROR, f"action {n + 1}: the endpoint {endpoint} does not exist"
                case SendEmail(message) if message not in self._world.mail.messages:
                    return Outcome.CONFIG_ERROR, f"action {n + 1}: the message {message} does not exist"
                case SendEmail() | NotifyUser() if MAIL not in self._world.endpoints:
                    return Outcome.CONFIG_ERROR, f"action {n + 1}: mail is not set up"
                case MoveToStage(funnel, stage) if stage not in self._world.funnels.get(funnel, ()):
                    return Outcome.CONFIG_ERROR, f"action {n + 1}: there is no stage {stage!r} in a funnel {funnel!r}"
                case _:
                    pass
        return None

    def _count(self, rule: CompiledRule) -> None:
        contact = self.decision.contact
        fired = contact.fired.get(rule.rule.id, Fired(0, 0))
        self.decision.contact = replace(
            contact, fired={**contact.fired, rule.rule.id: Fired(fired.count + 1, self._now)}
        )

    def _act(self, rule: CompiledRule, run: str, event: Event, *, holds: bool, skipped: list[Skipped]) -> Iterator[str]:
        """Carry out a branch in order, each action on the state that those before it left.

        Gives the ids of its deliveries.
        """
        branch, actions = ("actions", rule.rule.actions) if holds else ("otherwise", rule.rule.otherwise)
        below = (*event.ancestors, Ancestor(rule.rule.id, self._now))
        origin = _Origin("rule", rule.rule.id, run, below, fired=True)
        for n, action in enumerate(actions):
            place = f"{branch[0]}{n}"
            match action:
                case Webhook(endpoint_id=endpoint):
                    assert endpoint is not None, "a stored webhook names its endpoint"  # noqa: S101 - _broken has seen to it
                    yield self._deliver(rule, event, endpoint, place)
                case SendEmail() | NotifyUser():
                    try:
                        made = self._mail(rule, event, action, place)
                    except Unwritable as error:
                        raise Unwritable(f"action {n + 1}: {error}") from None
                    if isinstance(made, Skip):
                        skipped.append(Skipped(f"/{branch}/{n}", made.value))
                    else:
                        yield made
                case EmitEvent(kind, data):
                    self._derive("external_event.added", {**data, "kind": kind}, event, origin)
                case change:
                    for kind, data in propose(self.decision.contact, change):
                        self._derive(kind, data, event, origin)

    def _derive(self, kind: str, data: dict[str, Any], event: Event, origin: _Origin) -> None:
        self.decision.derived += 1
        event_id = child(self._root, self.decision.derived, event.id, origin.cause or "")
        made = self.happen(event_id, kind, data, self._now, origin)
        self.queue.append((made, self.decision.contact))

    def _deliver(self, rule: CompiledRule, event: Event, endpoint: str, place: str) -> str:
        contact = self.decision.contact
        content = body(
            rule.rule.id,
            rule.rule.name,
            contact.id,
            rule.rule.description,
            contact.email,
            contact.phone,
            contact.company,
        )
        return self._write(rule, event, endpoint, place, content, self._now)

    def _mail(self, rule: CompiledRule, event: Event, action: SendEmail | NotifyUser, place: str) -> str | Skip:
        """Write a mail, or say why there is none. One that waits for the end of quiet hours stands in no lane."""
        contact, mail = self.decision.contact, self._world.mail
        zone = zone_of(contact, rule.zone)
        about = About(contact, event, (rule.rule.id, rule.rule.name, rule.rule.description), zone)
        if isinstance(action, NotifyUser):
            notice = mail.notice(action.user, action.subject, action.text, about)
            return Skip.NO_USER if notice is None else self._write(rule, event, MAIL, place, sealed(notice), self._now)
        marketing = not mail.messages[action.message].transactional
        unwanted = unwelcome(contact, marketing=marketing)
        if unwanted is not None:
            return unwanted
        assert contact.email is not None, "else it is unwelcome"  # noqa: S101 - for the types
        envelope = mail.mail(action.message, about, contact.email)
        if not marketing:
            return self._write(rule, event, MAIL, place, sealed(envelope), self._now)
        own = rule.rule.mail or NO_LIMITS
        limits = mail.limits, own
        at = allowed_at(self._now, zone, limits)
        day = day_of(at, zone)
        if not room(contact.mailed, day, limits):
            return Skip.DAY_FULL
        self.decision.contact = replace(contact, mailed=counted(contact.mailed, day))
        content = sealed(replace(envelope, hours=own.quiet_hours, zone=rule.zone.key, day=day, per_day=own.per_day))
        return self._write(rule, event, MAIL, place, content, at)

    def _write(
        self, rule: CompiledRule, event: Event, endpoint: str, place: str, content: bytes, due_at: Millis
    ) -> str:
        delivery = Delivery(
            id=delivery_id(event.id, len(self.decision.deliveries), rule.rule.id, place),
            endpoint_id=endpoint,
            contact_id=self.decision.contact.id,
            rule_id=rule.rule.id,
            event_type=event.type,
            seq=event.seq,
            body=content,
            created_at=self._now,
            due_at=due_at,
            aside=due_at > self._now,
            failure=Failure.QUIET if due_at > self._now else None,
        )
        self.decision.deliveries.append(delivery)
        return delivery.id


def _valid(rule: CompiledRule, now: Millis) -> bool:
    return (rule.valid_from is None or rule.valid_from <= now) and (rule.valid_to is None or now < rule.valid_to)
