"""Rules in words: a trigger, a condition or an action as one short phrase, in both languages.

Called by the list of rules, and where a rule's evaluation is explained. A phrase is made for reading: long lists are
cut, and the rule's form has the whole. Every kind has an arm here; the type checker sees to it.
"""

from collections.abc import Mapping
from typing import Any, Final, assert_never

from goniec.core import actions as a
from goniec.core import conditions as c
from goniec.core import labels
from goniec.core import leaves as v
from goniec.core import triggers as t
from goniec.core.endpoint import Endpoint
from goniec.core.matching import type_of
from goniec.core.model import Skipped
from goniec.web.panel.wording import asked_words, brief, either, figure, low, quoted, several, value_words
from goniec.web.panel.words import Words

PARTS: Final = 5
"""How many conditions of one group a phrase names; the others are counted."""

NO_NAMES: Final[Mapping[str, str]] = {}


# --- triggers ---------------------------------------------------------------------------------------------------------


def trigger_words(trigger: t.Trigger, words: Words, names: Mapping[str, str] = NO_NAMES) -> str:
    """Say which events a trigger means: Tag VIP added; `names` are those of messages, by id."""
    return _happens(trigger, words, names) + "".join(f", {one}" for one in _sources(trigger, words))


def _happens(trigger: t.Trigger, words: Words, names: Mapping[str, str]) -> str:  # noqa: C901, PLR0912 - one arm per kind
    name = words.named(labels.EVENTS, type_of(trigger))
    match trigger:
        case t.Tagged(tags=(_, *_) as tags):
            return words.say("Tag %(tags)s added", tags=either(tags, words))
        case t.Untagged(tags=(_, *_) as tags):
            return words.say("Tag %(tags)s removed", tags=either(tags, words))
        case t.ContactChanged(fields=(_, *_) as fields):
            return f"{name}: {either([low(words.named(labels.FIELDS, field)) for field in fields], words)}"
        case t.DetailAdded() | t.DetailChanged() | t.DetailRemoved():
            return _detail(trigger, name, words)
        case t.ScoreChanged():
            return _score(trigger, name, words)
        case t.StageEntered(funnel=funnel, stages=(_, *_) as stages):
            return words.say("Entered the stage %(stages)s", stages=either(stages, words)) + _of_funnel(funnel, words)
        case t.StageLeft(funnel=funnel, stages=(_, *_) as stages):
            return words.say("Left the stage %(stages)s", stages=either(stages, words)) + _of_funnel(funnel, words)
        case t.StageEntered(funnel=str(funnel)) | t.StageLeft(funnel=str(funnel)):
            return f"{name}: {brief(funnel)}"
        case t.OptedIn(channel=str(channel)) | t.OptedOut(channel=str(channel)):
            return f"{name}: {words.named(labels.CHANNELS, channel)}"
        case t.ConsentAssigned():
            return _consent(trigger, name, words)
        case t.EmailSent(messages=messages) | t.EmailBounced(messages=messages):
            return _named(name, _called(messages, names), words)
        case t.EmailOpened(messages=messages, first=first, machine=machine):
            return _named(name, _called(messages, names), words) + _read(first=first, machine=machine, words=words)
        case t.EmailClicked(messages=messages, urls=urls, first=first, machine=machine):
            told = _named(name, (*(urls or ()), *_called(messages, names)), words)
            return told + _read(first=first, machine=machine, words=words)
        case t.PageVisited(urls=places) | t.FormSubmitted(forms=places):
            return _named(name, places, words)
        case t.ExternalAdded() | t.ExternalChanged():
            return _external(trigger, name, words)
        case t.DateUpcoming(detail=detail, days=days):
            told = name if detail is None else words.say("A date is coming up: %(detail)s", detail=brief(detail))
            return told if days is None else told + ", " + words.many("in %(n)s day", "in %(n)s days", days)
        case t.ContactInactive(days=int(days)):
            return words.many("Contact inactive for %(n)s day", "Contact inactive for %(n)s days", days)
        case t.WebhookFailed(endpoints=endpoints, rules=rules) if endpoints or rules:
            chosen = words.say("of certain endpoints") if endpoints else words.say("of certain rules")
            return f"{name}, {chosen}"
        case _:
            return name


def _called(messages: tuple[str, ...] | None, names: Mapping[str, str]) -> tuple[str, ...]:
    """Messages by name; one that is gone by its id."""
    return tuple(names.get(one, one) for one in messages or ())


def _named(name: str, items: tuple[str, ...] | None, words: Words) -> str:
    return f"{name}: {either(items, words)}" if items else name


def _of_funnel(funnel: str | None, words: Words) -> str:
    return "" if funnel is None else " " + words.say("(funnel %(funnel)s)", funnel=brief(funnel))


def _detail(trigger: t.DetailAdded | t.DetailChanged | t.DetailRemoved, name: str, words: Words) -> str:
    told = _named(name, trigger.names, words)
    if not trigger.values:
        return told
    values = either([value_words(value, words) for value in trigger.values], words)
    return told + ", " + words.say("value %(values)s", values=values)


def _score(trigger: t.ScoreChanged, name: str, words: Words) -> str:
    match trigger.scope:
        case "contact":
            what = words.say("Score")
        case "tag" if trigger.tag is not None:
            what = words.say("Score of the tag %(tag)s", tag=brief(trigger.tag))
        case "tag":
            what = words.say("Score of a tag")
        case _:
            place = trigger.stage or trigger.funnel
            what = words.say("Stage score")
            what = what if place is None else f"{what} {brief(place)}"
    if trigger.value is None:
        return name if trigger.scope == "contact" else words.say("%(score)s changed", score=what)
    points = figure(trigger.value, words)
    match trigger.mode:
        case "crossed":
            return words.say("%(score)s reached %(points)s", score=what, points=points)
        case "equals":
            return words.say("%(score)s became exactly %(points)s", score=what, points=points)
        case "whileAbove":
            return words.say("%(score)s changed and is above %(points)s", score=what, points=points)


def _consent(trigger: t.ConsentAssigned, name: str, words: Words) -> str:
    match trigger.granted:
        case True:
            name = words.say("Consent granted")
        case False:
            name = words.say("Consent withdrawn")
        case None:
            pass
    return name if trigger.consent is None else f"{name}: {brief(trigger.consent)}"


def _read(*, first: bool | None, machine: bool | None, words: Words) -> str:
    told = ""
    if first is not None:
        told += ", " + (words.say("for the first time") if first else words.say("not for the first time"))
    if machine is not False:
        told += ", " + (words.say("by a machine") if machine else words.say("also by machines"))
    return told


def _external(trigger: t.ExternalAdded | t.ExternalChanged, name: str, words: Words) -> str:
    told = _named(name, trigger.kinds, words)
    if trigger.value is not None:
        test = asked_words(trigger.value.op, trigger.value.value, words)
        told += ", " + words.say("value %(values)s", values=test)
    if trigger.products:
        told += ", " + words.say("product %(products)s", products=either(trigger.products, words))
    for key, wanted in list((trigger.properties or {}).items())[:PARTS]:
        asked = wanted if isinstance(wanted, t.Filter) else t.Filter("eq", wanted)
        told += f", {brief(key)} {asked_words(asked.op, asked.value, words)}"
    return told


def _sources(trigger: t.Trigger, words: Words) -> list[str]:
    told = []
    if trigger.source:
        told.append(words.say("from: %(sources)s", sources=_source_names(trigger.source, words)))
    if trigger.source_key:
        told.append(words.say("from: %(sources)s", sources=either(trigger.source_key, words)))
    if trigger.not_source:
        told.append(words.say("not from: %(sources)s", sources=_source_names(trigger.not_source, words)))
    if trigger.not_source_key:
        told.append(words.say("not from: %(sources)s", sources=either(trigger.not_source_key, words)))
    return told


def _source_names(sources: tuple[str, ...], words: Words) -> str:
    return either([words.named(labels.SOURCES, source) for source in sources], words)


# --- conditions -------------------------------------------------------------------------------------------------------


def condition_words(condition: c.Condition, words: Words) -> str:
    """Say what a condition asks: score at least 100, and has any of the tags VIP, HURT."""
    match condition:
        case c.All(of=()):
            return words.say("no conditions")
        case c.All(of=parts):
            return _joined(parts, words.say("and"), words)
        case c.AnyOf(of=parts):
            return _joined(parts, words.say("or"), words)
        case c.Not(of=parts):
            return _not(parts[0], words) if parts else words.say("no conditions")
        case leaf:
            return leaf_words(leaf, words)


def leaf_words(leaf: v.Leaf, words: Words) -> str:  # noqa: C901, PLR0912 - one arm per kind
    """Say what one condition asks."""
    match leaf:
        case v.HasTag(tags=(tag,)):
            return words.say("has the tag %(tag)s", tag=brief(tag))
        case v.HasTag(tags=tags, mode="all"):
            return words.say("has all of the tags %(tags)s", tags=several(tags, words))
        case v.HasTag(tags=tags):
            return words.say("has any of the tags %(tags)s", tags=several(tags, words))
        case v.TagScore(tag=tag, op=op, value=value):
            what = words.say("score of the tag %(tag)s", tag=brief(tag))
            return words.say("has the tag %(tag)s", tag=brief(tag)) if op == "exists" else _test(what, op, value, words)
        case v.Score(op=op, value=value):
            return _test(words.say("score"), op, value, words)
        case v.StageScore(funnel=funnel, op="exists"):
            return words.say("is in the funnel %(funnel)s", funnel=brief(funnel))
        case v.StageScore(funnel=funnel, op=op, value=value):
            what = words.say("stage score in the funnel %(funnel)s", funnel=brief(funnel))
            return _test(what, op, value, words)
        case v.Detail(name=name, op="exists"):
            return words.say("has the detail %(name)s", name=brief(name))
        case v.Detail(name=name, op=op, value=value):
            return _test(words.say("detail %(name)s", name=brief(name)), op, value, words)
        case v.FieldIs(field=field, op="exists"):
            return words.say("filled in: %(field)s", field=low(words.named(labels.FIELDS, field)))
        case v.FieldIs(field=field, op=op, value=value):
            return _test(low(words.named(labels.FIELDS, field)), op, value, words)
        case v.StateIs(op="neq", value=state):
            return words.say("state other than %(states)s", states=_states(state, words))
        case v.StateIs(value=state):
            return words.say("state %(states)s", states=_states(state, words))
        case v.Owner(op="exists"):
            return words.say("has an owner")
        case v.Owner(op=op, value=value):
            return _test(words.say("owner"), op, value, words)
        case v.InStage(funnel=funnel, stages=None):
            return words.say("is in the funnel %(funnel)s", funnel=brief(funnel))
        case v.InStage(funnel=funnel, stages=stages):
            place = _of_funnel(funnel, words)
            return words.say("is in the stage %(stages)s", stages=either(stages or (), words)) + place
        case v.Subscribed(channel=channel, value=wanted):
            what = words.say("subscription %(channel)s", channel=words.named(labels.CHANNELS, channel))
            return f"{what}: {joined_words(wanted, words)}"
        case v.Consent(consent=consent, granted=wanted):
            what = words.say("consent %(consent)s", consent=brief(consent))
            return f"{what}: {granted_words(wanted, words)}"
        case v.HasEmail():
            return words.say("has an e-mail address")
        case v.HasPhone():
            return words.say("has a phone number")
        case v.EventData(path=path, op="exists"):
            return words.say("event data has %(path)s", path=brief(path))
        case v.EventData(path=path, op=op, value=value):
            return _test(words.say("event data %(path)s", path=brief(path)), op, value, words)
        case v.EventSource():
            return words.say("event from %(sources)s", sources=_source(leaf, words))
        case _:
            assert_never(leaf)


def _joined(parts: tuple[c.Condition, ...], word: str, words: Words) -> str:
    told = [
        f"({condition_words(part, words)})"
        if isinstance(part, c.All | c.AnyOf) and len(part.of) > 1
        else condition_words(part, words)
        for part in parts[:PARTS]
    ]
    if len(parts) > PARTS:
        told.append(words.many("%(n)s more condition", "%(n)s more conditions", len(parts) - PARTS))
    return f" {word} ".join(told)


def without_words(leaf: v.Leaf, words: Words) -> str:
    """Say that a contact lacks what a condition looks at; nothing where there is no short way to say it."""
    match leaf:
        case v.HasTag(tags=(tag,)) | v.TagScore(tag=tag):
            return words.say("does not have the tag %(tag)s", tag=brief(tag))
        case v.HasTag(tags=tags):
            return words.say("has none of the tags %(tags)s", tags=several(tags, words))
        case v.HasEmail():
            return words.say("has no e-mail address")
        case v.HasPhone():
            return words.say("has no phone number")
        case v.Owner():
            return words.say("has no owner")
        case v.Detail(name=name):
            return words.say("has no detail %(name)s", name=brief(name))
        case v.InStage(funnel=funnel) | v.StageScore(funnel=funnel):
            return words.say("is not in the funnel %(funnel)s", funnel=brief(funnel))
        case _:
            return ""


def _not(part: c.Condition, words: Words) -> str:
    match part:
        case v.HasTag(mode="any") | v.HasTag(tags=(_,)) | v.HasEmail() | v.HasPhone() | v.InStage(stages=None):
            return without_words(part, words)
        case v.Owner(op="exists") | v.Detail(op="exists") | v.TagScore(op="exists") | v.StageScore(op="exists"):
            return without_words(part, words)
        case v.EventSource():
            return words.say("event not from %(sources)s", sources=_source(part, words))
        case c.Not(of=(inner,)):
            return condition_words(inner, words)
        case _:
            return words.say("NOT (%(condition)s)", condition=condition_words(part, words))


def joined_words(wanted: bool | None, words: Words) -> str:  # noqa: FBT001 - the value of a subscription
    """Say how a subscription stands."""
    match wanted:
        case True:
            return words.say("subscribed")
        case False:
            return words.say("unsubscribed")
        case None:
            return words.say("no decision")


def granted_words(wanted: bool | None, words: Words) -> str:  # noqa: FBT001 - the value of a consent
    """Say how a consent stands."""
    match wanted:
        case True:
            return words.say("granted")
        case False:
            return words.say("withdrawn")
        case None:
            return words.say("never asked")


def _test(what: str, op: Any, value: Any, words: Words) -> str:  # noqa: ANN401 - the operator and operand of any leaf
    return f"{what} {asked_words(op, value, words)}"


def _states(value: str | tuple[str, ...], words: Words) -> str:
    return either([words.named(labels.STATES, one) for one in ((value,) if isinstance(value, str) else value)], words)


def _source(leaf: v.EventSource, words: Words) -> str:
    names = [words.named(labels.SOURCES, source) for source in leaf.sources or ()]
    if leaf.keys:
        names += [quoted(key, words) for key in leaf.keys]
    return either(names, words) if not (leaf.sources and leaf.keys) else several(names, words)


def skipped_words(skipped: tuple[Skipped, ...], words: Words) -> str:
    """Say which actions of a run were left out, and why; nothing where none was."""
    told = [
        f"{int(one.pointer.rpartition('/')[2]) + 1}: {words.named(labels.SKIPS, one.why)}" for one in skipped[:PARTS]
    ]
    if not told:
        return ""
    more = f" (+{len(skipped) - PARTS})" if len(skipped) > PARTS else ""
    which = "; ".join(told) + more
    return words.many("Action left out: %(which)s", "Actions left out: %(which)s", len(skipped), which=which)


# --- actions ----------------------------------------------------------------------------------------------------------


def action_words(  # noqa: C901, PLR0912 - one arm per kind
    action: a.Action, endpoints: Mapping[str, Endpoint], words: Words, names: Mapping[str, str] = NO_NAMES
) -> str:
    """Say what an action does: Add tag VIP; `endpoints` are those that exist, `names` of messages and users, by id."""
    name = words.named(labels.ACTIONS, str(action.__struct_config__.tag))
    match action:
        case a.Webhook(endpoint_id=str(endpoint_id)) if endpoint_id in endpoints:
            return f"{name}: {brief(endpoints[endpoint_id].host)}"
        case a.Webhook():
            return name
        case a.NotifyUser(user="owner"):
            return f"{name}: {words.say('the contact’s owner')}"
        case a.SendEmail(message=text) | a.NotifyUser(user=text):
            return f"{name}: {brief(names.get(text, text))}"
        case a.AddTag(tag=text) | a.RemoveTag(tag=text) | a.RemoveDetail(name=text) | a.RemoveFromFunnel(funnel=text):
            return f"{name} {brief(text)}"
        case a.AddScore(points=points):
            return f"{name}: {'+' if points > 0 else ''}{figure(points, words)}"
        case a.SetScore(value=points):
            return f"{name}: {figure(points, words)}"
        case a.SetDetail(name=detail, value=value):
            return f"{name} {brief(detail)}: {value_words(value, words)}"
        case a.SetField(field=field, value=None):
            return words.say("Clear the field: %(field)s", field=low(words.named(labels.FIELDS, field)))
        case a.SetField(field=field, value=value):
            return f"{name}: {low(words.named(labels.FIELDS, field))} {quoted(str(value), words)}"
        case a.SetState(state=state):
            return f"{name}: {words.named(labels.STATES, state)}"
        case a.SetOwner(owner=None):
            return words.say("Remove the owner")
        case a.SetOwner(owner=owner):
            return f"{name}: {brief(str(owner))}"
        case a.MoveToStage(funnel=funnel, stage=stage):
            return f"{name}: {brief(stage)}" + _of_funnel(funnel, words)
        case a.AddNote(text=text):
            return f"{name}: {quoted(text, words)}"
        case a.OptIn(channel=channel) | a.OptOut(channel=channel):
            return f"{name}: {words.named(labels.CHANNELS, channel)}"
        case a.EmitEvent(kind=kind):
            return f"{name}: {brief(kind)}"
        case _:
            assert_never(action)
