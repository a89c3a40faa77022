"""Why a rule fired for a contact, why it did not, and what it would do now.

Pure: the flow brings the contact's timeline and the rule, newest event first; this room reads them. What would happen
now is asked of `decide` itself, so that the answer is the one that a real event would get.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from goniec.core.composing import NOTHING, Composer
from goniec.core.decide import Call, Happening, World, decide
from goniec.core.endpoint import MAIL
from goniec.core.identity import Who
from goniec.core.ids import EVENT, prefixed
from goniec.core.labels import SKIPS
from goniec.core.model import Contact, Delivery, Event, Miss, Outcome, Run
from goniec.core.rules import Rule, RuleSet
from goniec.core.times import Millis, format_instant


class Silence(enum.StrEnum):
    """Why an event led to no evaluation of a rule."""

    NO_TRIGGER = "noTrigger"
    UNFIRED = "unfired"
    NOT_LISTENING = "notListening"


class Evaluation(Struct, frozen=True):
    """One evaluation: the event and either the run with its deliveries, or the miss beside the event."""

    event: Event
    run: Run | None = None
    miss: Miss | None = None
    deliveries: tuple[Delivery, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """What it came to."""
        found = self.run or self.miss
        assert found is not None, "one of the two is there"  # noqa: S101 - what evaluates makes no others
        return found.outcome


class Prospect(Struct, frozen=True):
    """What a rule would do for a contact now: a run, or a miss with its first failing condition, or why neither.

    `mails` says how many of the run's deliveries are no webhooks.
    """

    run: Run | None = None
    mails: int = 0
    miss: Miss | None = None
    broken: str | None = None


def condition_type(rule: Rule, pointer: str) -> str:
    """Give the type of the condition to which a line of a trace points; the trace is of this version of the rule."""
    part: Any = msgspec.to_builtins(rule.conditions)
    for step in pointer.split("/")[2:]:
        part = part[step] if isinstance(part, dict) else part[int(step)]
    return str(part["type"])


def evaluated(
    rule_id: str, event: Event, misses: Sequence[Miss], runs: Sequence[Run], deliveries: Sequence[Delivery]
) -> Evaluation | None:
    """Find what an event meant for a rule among all that followed from it; None: it was not evaluated."""
    for run in runs:
        if run.rule_id == rule_id:
            own = tuple(delivery for delivery in deliveries if delivery.rule_id == rule_id)
            return Evaluation(event, run=run, deliveries=own)
    for miss in misses:
        if miss.rule_id == rule_id:
            return Evaluation(event, miss=miss)
    return None


class Listening:
    """A rule as it is, on or off, listening to events that led to no evaluation of it."""

    def __init__(self, rule: Rule, zone: ZoneInfo) -> None:
        self._rules = RuleSet((replace(rule, active=True),), zone)
        self.broken = self._rules.broken.get(rule.id)

    def silence(self, event: Event) -> Silence:
        """Say why an event was not evaluated. If it fits a trigger now, the rule was off, or another one, then."""
        if not event.fired:
            return Silence.UNFIRED
        return Silence.NOT_LISTENING if self._rules.matching(event) else Silence.NO_TRIGGER

    def prospect(
        self,
        rule: Rule,
        contact: Contact,
        endpoints: frozenset[str],
        funnels: Mapping[str, Sequence[str]],
        now: Millis,
        mail: Composer = NOTHING,
    ) -> Prospect:
        """Say what would happen if the rule were asked for now; the event that its conditions see is that asking."""
        if self.broken is not None:
            return Prospect(broken=self.broken)
        asked = Happening("rule.requested", {"rule": rule.id, "by": "explain"})
        call = Call(who=Who(id=contact.id), happenings=(asked,), create=False)
        world = World(self._rules, endpoints, funnels, mail)
        decision = decide(contact, call, (), world, now, lambda: prefixed(EVENT, now, 0))
        for misses in decision.misses.values():
            return Prospect(miss=misses[0])
        return Prospect(run=decision.runs[0], mails=sum(one.endpoint_id == MAIL for one in decision.deliveries))


def summary(
    rule: Rule, evaluations: Sequence[Evaluation], silences: Mapping[tuple[Silence, str], int], prospect: Prospect
) -> list[str]:
    """Tell it in sentences."""
    told = []
    outcomes: dict[Outcome, int] = {}
    for one in evaluations:
        outcomes[one.outcome] = outcomes.get(one.outcome, 0) + 1
    if not outcomes:
        told.append("the rule has not been evaluated for this contact")
    for outcome, count in outcomes.items():
        newest = next(one for one in evaluations if one.outcome is outcome)
        at = format_instant(newest.event.received_at)
        told.append(f"{outcome.value}: {_times(count)}, last for {newest.event.type} at {at}{_because(newest)}")
    for (silence, kind), count in silences.items():
        told.append(f"{kind} ({count}) {_REASONS[silence]}")
    told.append(_now(rule, prospect))
    return told


_REASONS = {
    Silence.NO_TRIGGER: "fits none of the rule's triggers",
    Silence.UNFIRED: "was stored without running rules (an import, or fireEvents was false)",
    Silence.NOT_LISTENING: "fits a trigger as the rule is now; the rule was off, or another one, when it happened",
}


def _now(rule: Rule, prospect: Prospect) -> str:
    off = "" if rule.active else " (if it were on)"
    if prospect.broken is not None:
        return f"the rule cannot run as it is stored: {prospect.broken}"
    if prospect.run is not None:
        because = f": {prospect.run.detail}" if prospect.run.detail is not None else ""
        sends = _sends(prospect.run, prospect.mails)
        return f"asked for now{off}, it would end as {prospect.run.outcome.value}{because}{sends}"
    assert prospect.miss is not None, "one of the three is there"  # noqa: S101 - see `Listening.prospect`
    return f"asked for now{off}, it would end as {prospect.miss.outcome.value}{_seen(prospect.miss)}"


def _sends(run: Run, mails: int) -> str:
    counts = (("mail", mails), ("webhook", len(run.deliveries) - mails))
    sends = " and ".join(f"{count} {what}{'' if count == 1 else 's'}" for what, count in counts if count)
    reasons = ", ".join(dict.fromkeys(SKIPS[one.why].en for one in run.skipped))
    return (f", with {sends}" if sends else "") + (f"; left out: {reasons}" if reasons else "")


def _because(one: Evaluation) -> str:
    if one.run is not None:
        return "" if one.run.detail is None else f": {one.run.detail}"
    return "" if one.miss is None else _seen(one.miss)


def _seen(miss: Miss) -> str:
    if miss.seen is None:
        return ""
    value = miss.seen.read or repr(miss.seen.value)
    return f": the condition at {miss.seen.pointer} saw {value}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
