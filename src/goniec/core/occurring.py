"""Whether a rule can be set off at all: what a test send or an explanation must not hide.

A rule may be saved while it is off, or lean on something that nothing brings about just now. Called by the shells that
try a rule out or explain it; `decide` does not ask.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from goniec.core.matching import type_of
from goniec.core.rules import RuleDraft
from goniec.core.times import Millis, parse_instant
from goniec.core.triggers import (
    ContactErased,
    ContactInactive,
    DateUpcoming,
    ScoreChanged,
    StageEntered,
    StageLeft,
    Trigger,
)


class Known(Struct, frozen=True):
    """What there is: funnels with their stages, and who can be an event's author (names of API keys, ids of rules)."""

    funnels: Mapping[str, Sequence[str]] = {}
    authors: Collection[str] = ()


def doubts(rule: RuleDraft, known: Known, now: Millis) -> Iterator[str]:
    """Say why a rule is not set off by anything just now, or by not everything that it lists; one sentence each."""
    if not rule.active:
        yield "the rule is off: no event sets it off until it is activated"
    if rule.valid_from is not None and now < parse_instant(rule.valid_from):
        yield f"the rule is not valid yet: nothing runs it before {rule.valid_from}"
    if rule.valid_to is not None and parse_instant(rule.valid_to) <= now:
        yield f"the rule is not valid any more: nothing has run it since {rule.valid_to}"
    impossible = [(n, why) for n, trigger in enumerate(rule.triggers) if (why := _impossible(trigger, known))]
    if impossible and len(impossible) == len(rule.triggers):
        yield "none of the rule's triggers can occur"
    for n, why in impossible:
        yield f"trigger {n + 1} ({type_of(rule.triggers[n])}) cannot occur: {why}"


def can_occur(rule: RuleDraft, known: Known) -> bool:
    """Whether anything sets the rule off while it is on and valid."""
    return any(_impossible(trigger, known) is None for trigger in rule.triggers)


def _impossible(trigger: Trigger, known: Known) -> str | None:
    if trigger.source_key is not None and not set(trigger.source_key) & set(known.authors):
        return "its sourceKey names no active API key and no rule"
    match trigger:
        case DateUpcoming() | ContactInactive():
            return "this version of Goniec raises no events by the calendar"
        case ContactErased():
            return "nothing is left to decide about; an endpoint with tellErasure is told that a contact was erased"
        case ScoreChanged(scope="tag" | "stage" as scope):
            return f"nothing changes the score of a {scope} in this version of Goniec"
        case StageEntered(funnel=str(funnel), stages=stages) | StageLeft(funnel=str(funnel), stages=stages):
            return _no_stage(funnel, stages, known)
        case StageEntered() | StageLeft() if not known.funnels:
            return "there is no funnel yet"
        case _:
            return None


def _no_stage(funnel: str, stages: Sequence[str] | None, known: Known) -> str | None:
    if funnel not in known.funnels:
        return f"there is no funnel “{funnel}”"
    if stages is not None and not set(stages) & set(known.funnels[funnel]):
        return f"the funnel “{funnel}” has none of these stages"
    return None
