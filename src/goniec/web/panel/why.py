"""Why a rule fired for a contact, or did not: the answer in one sentence.

Called by `views.contact_why`. All is made of the values that `flow.explain` brings, never of its English summary: what
an evaluation came to, which condition failed, the value that it saw, and what the rule asks for. The steps that lead to
the answer are in `why_steps`.
"""

from collections.abc import Mapping
from typing import Final, Literal, assert_never

from msgspec import Struct

from goniec.core import labels
from goniec.core.actions import MoveToStage, Webhook
from goniec.core.explain import Evaluation, Prospect, Silence
from goniec.core.model import DEPTH_MAX, Event, Miss, Outcome, Run, Skipped
from goniec.core.rules import Rule
from goniec.core.times import Millis, parse_instant
from goniec.flow.explain import Explanation
from goniec.web.panel.event_words import event_words
from goniec.web.panel.evidence import Sights, failing
from goniec.web.panel.formats import Times
from goniec.web.panel.leaf_words import because
from goniec.web.panel.phrases import skipped_words, trigger_words
from goniec.web.panel.wording import brief, either, low, span_words
from goniec.web.panel.words import Words

Tone = Literal["ok", "note", "bad", "wait", ""]

TRIGGERS_SHOWN: Final = 4


class Answer(Struct, frozen=True):
    """The sentence that somebody came for, and what else there is to say."""

    tone: Tone
    icon: str
    sentence: str
    more: str = ""


class Reason(Struct, frozen=True):
    """Why it came to nothing, as the end of a sentence."""

    why: str
    icon: str = "ban"
    tone: Tone = ""


class Whys:
    """Says why, in the viewer's words; `names` are those of rules, messages and users, by id."""

    def __init__(self, words: Words, times: Times, names: Mapping[str, str]) -> None:
        self._words = words
        self._times = times
        self._names = names

    def answer(self, one: Evaluation, rule: Rule, seen: Sights) -> Answer:
        """Answer for an evaluation; `rule` is the version that was evaluated, `seen` what its conditions saw."""
        say = self._words.say
        ran = ran_of(one)
        when = say(
            "Event: %(event)s, %(when)s.", event=self.event(one.event), when=self._times.long(one.event.received_at)
        )
        if not ran.outcome.known:
            sentence = say(
                "This version of Goniec does not know what came of it (code %(code)s): another version decided it.",
                code=ran.outcome.value,
            )
            return Answer("", "info-circle", sentence, when)
        match ran.outcome:
            case Outcome.FIRED if skipped := _skipped(one):
                left = skipped_words(skipped, self._words)
                return Answer("wait", "bolt", say("It fired, but not everything was done."), f"{left}. {when}")
            case Outcome.FIRED:
                return Answer("ok", "bolt", say("It fired."), when)
            case Outcome.FIRED_OTHERWISE:
                why = self._condition(rule, seen).why
                sentence = say("It ran the “otherwise” actions, because %(why)s.", why=why)
                left = skipped_words(_skipped(one), self._words)
                return Answer("note", "git-branch", sentence, f"{left}. {when}" if left else when)
            case _:
                reason = self._reason(one, ran, rule, seen)
                return Answer(reason.tone, reason.icon, say("It did not fire, because %(why)s.", why=reason.why), when)

    def silent(self, found: Explanation) -> Answer:
        """Answer where there is no evaluation at all: say what is missing."""
        say = self._words.say
        rule, waits = found.rule, self.waits_for(found.rule)
        if found.now.broken is not None:
            sentence = say("It cannot fire: its settings are damaged. Open it and save it again.")
            return Answer("bad", "alert-triangle", sentence)
        late = [
            low(self._words.named(labels.EVENTS, kind)) for why, kind in found.silences if why is Silence.NOT_LISTENING
        ]
        if late:
            events = either(late, self._words)
            sentence = say(
                "It did not fire, because it was off or different when a matching event happened: %(events)s.",
                events=events,
            )
            return Answer("wait", "history", sentence, waits)
        if not rule.active:
            return Answer(
                "wait", "player-pause", say("It did not fire, because it is off. No event triggers it."), waits
            )
        if any(why is Silence.UNFIRED for why, _ in found.silences):
            sentence = say(
                "It did not fire, because the events since then came from an import, or from a call that runs no rules."
            )
            return Answer("", "download", sentence, waits)
        if found.looked_at == 0:
            sentence = say("It did not fire, because nothing has happened to the contact since the rule was created.")
            return Answer("", "zzz", sentence, waits)
        sentence = say("It did not fire, because no event that triggers it has happened since it was created.")
        return Answer("", "ban", sentence, waits)

    def event(self, event: Event) -> str:
        """Say which event it was."""
        told = event_words(event, self._words, self._names)
        return f"{told.title} {told.value}".strip()

    def waits_for(self, rule: Rule) -> str:
        """Say which events set a rule off."""
        return self._words.say("It waits for: %(events)s.", events=self.triggers(rule))

    def triggers(self, rule: Rule) -> str:
        """The triggers of a rule, in one line."""
        told = [trigger_words(trigger, self._words, self._names) for trigger in rule.triggers[:TRIGGERS_SHOWN]]
        more = len(rule.triggers) - TRIGGERS_SHOWN
        return "; ".join(told) + (f" (+{more})" if more > 0 else "")

    def _reason(self, one: Evaluation, ran: Run | Miss, rule: Rule, seen: Sights) -> Reason:
        say = self._words.say
        match ran.outcome:
            case Outcome.CONDITIONS_FAILED:
                return self._condition(rule, seen)
            case Outcome.LIMIT_REACHED:
                times = self._words.many("%(n)s run", "%(n)s runs", rule.max_runs or 0)
                return Reason(say("the limit for one contact was used up: %(times)s", times=times))
            case Outcome.INTERVAL:
                why = say("the minimum time between runs had not passed: %(span)s", span=self.span(rule.min_interval))
                return Reason(why, "clock", "wait")
            case Outcome.OUTSIDE_VALIDITY:
                return Reason(self._invalid(rule, one.event.received_at), "calendar", "wait")
            case Outcome.TOO_OLD:
                why = say("the event was older than the rule allows: %(span)s", span=self.span(rule.max_age))
                return Reason(why, "clock")
            case Outcome.LOOP_STOPPED:
                return Reason(self._loop(rule, one.event), "repeat", "bad")
            case Outcome.CONFIG_ERROR:
                return Reason(self.broken(ran, rule), "alert-triangle", "bad")
            case Outcome.CONTACT_ERASED:
                return Reason(say("the contact's data was erased"), "trash")
            case Outcome.FIRED | Outcome.FIRED_OTHERWISE:
                return Reason(say("it did"))
            case _:
                assert_never(ran.outcome)

    def _condition(self, rule: Rule, seen: Sights) -> Reason:
        """The condition that made the others come to nothing."""
        say = self._words.say
        found = failing(rule.conditions, seen)
        if found is None:
            return Reason(say("its conditions were not met"), "filter")
        why = because(found.leaf, found.seen, self._words, negated=found.negated)
        if found.alternatives > 1:
            why = say("none of %(n)s conditions was met; for example, %(why)s", n=found.alternatives, why=why)
        return Reason(why, "filter")

    def _invalid(self, rule: Rule, at: Millis) -> str:
        say = self._words.say
        if rule.valid_from is not None and at < parse_instant(rule.valid_from):
            return say("it was not valid yet: only from %(when)s", when=self.instant(rule.valid_from))
        if rule.valid_to is not None:
            return say("it was no longer valid: only until %(when)s", when=self.instant(rule.valid_to))
        return say("it was not valid then")

    def _loop(self, rule: Rule, event: Event) -> str:
        say = self._words.say
        if any(above.rule_id == rule.id for above in event.ancestors):
            return say("it would have caused a loop: the event came from a run of the same rule")
        if len(event.ancestors) >= DEPTH_MAX:
            return say("too many rules triggered one another: %(n)s", n=len(event.ancestors))
        return say("too many events followed from one call")

    def broken(self, ran: Run | Miss, rule: Rule) -> str:
        """Say which action leans on something that is gone: the run names its place."""
        say = self._words.say
        action = None
        if isinstance(ran, Run):
            place = (ran.detail or "").removeprefix("action ").partition(":")[0]
            held = next((one.holds for one in ran.trace if one.pointer == "/conditions"), True)
            actions = rule.actions if held else rule.otherwise
            if place.isdecimal() and 0 < int(place) <= len(actions):
                action = actions[int(place) - 1]
        match action:
            case Webhook():
                return say("its endpoint no longer exists")
            case MoveToStage(funnel=funnel, stage=stage):
                place = brief(stage)
                return say(
                    "there is no stage %(stage)s in the funnel %(funnel)s any more", stage=place, funnel=brief(funnel)
                )
            case _:
                return say("its settings name something that no longer exists")

    def instant(self, text: str) -> str:
        """A time of a rule's validity, as the viewer has it."""
        return self._times.minute(parse_instant(text))

    def span(self, text: str | None) -> str:
        """A duration of a rule."""
        return span_words(text, self._words) if text else ""

    # --- what would happen now, and what led to nothing

    def now(self, rule: Rule, prospect: Prospect) -> str:
        """Say what would come of it if the rule were run by hand now."""
        ran = prospect.run or prospect.miss
        if ran is None:
            return self._words.say("It cannot run as it is stored.")
        match ran.outcome:
            case Outcome.FIRED:
                word = self._words.say("it would fire")
            case Outcome.FIRED_OTHERWISE:
                word = self._words.say("it would fire: otherwise")
            case _:
                word = low(self._words.named(labels.OUTCOMES, ran.outcome.value))
        if rule.active:
            return self._words.say("If it were run for this contact now: %(outcome)s.", outcome=word)
        return self._words.say("If it were on and run for this contact now: %(outcome)s.", outcome=word)

    def silences(self, found: Explanation) -> tuple[list[tuple[str, int, str]], list[tuple[str, int]]]:
        """Say which events led to no evaluation: those that might have, each with why not, and all others."""
        told = [(silence, self._words.named(labels.EVENTS, kind), n) for (silence, kind), n in found.silences.items()]
        near = [(name, n, self._silence(silence)) for silence, name, n in told if silence is not Silence.NO_TRIGGER]
        return near, [(name, n) for silence, name, n in told if silence is Silence.NO_TRIGGER]

    def _silence(self, silence: Silence) -> str:
        match silence:
            case Silence.NO_TRIGGER:
                return self._words.say("does not trigger this rule")
            case Silence.UNFIRED:
                return self._words.say("stored without running rules")
            case Silence.NOT_LISTENING:
                return self._words.say("matches, but the rule was off or had different settings then")
            case _:
                assert_never(silence)


def _skipped(one: Evaluation) -> tuple[Skipped, ...]:
    return () if one.run is None else one.run.skipped


def ran_of(one: Evaluation) -> Run | Miss:
    """The record of an evaluation, whichever of the two it has."""
    found = one.run or one.miss
    assert found is not None, "one of the two is there"  # noqa: S101 - as `Evaluation.outcome` has it
    return found
