"""One condition beside the value that it saw: what it looks at, what was there, what is wanted, and why that is not it.

Called by `why`. Values come as a trace keeps them: texts cut, lists and objects as JSON.
"""

from typing import Any, Final, assert_never

import msgspec

from goniec.core import labels
from goniec.core import leaves as v
from goniec.core.model import Seen
from goniec.web.panel.phrases import granted_words, joined_words, leaf_words, without_words
from goniec.web.panel.wording import asked_words, brief, either, low, several, value_words
from goniec.web.panel.words import Words

_LONG: Final = 120
_COMPARED: Final = frozenset({"gt", "gte", "lt", "lte", "eq"})
"""Operators whose words stand well behind “the rule needs”."""


def subject(leaf: v.Leaf, words: Words) -> str:
    """Say what a condition looks at."""
    name = words.named(labels.CONDITIONS, str(leaf.__struct_config__.tag))
    match leaf:
        case v.TagScore(tag=about) | v.Detail(name=about) | v.Consent(consent=about) | v.EventData(path=about):
            return f"{name}: {brief(about)}"
        case v.StageScore(funnel=about) | v.InStage(funnel=about):
            return f"{name}: {brief(about)}"
        case v.FieldIs(field=field):
            return words.named(labels.FIELDS, field)
        case v.Subscribed(channel=channel):
            return f"{name}: {words.named(labels.CHANNELS, channel)}"
        case _:
            return name


def wanted(leaf: v.Leaf, words: Words) -> str:  # noqa: C901 - one arm per kind
    """Say what a condition asks for."""
    match leaf:
        case v.HasTag(tags=tags, mode="all") if len(tags) > 1:
            return words.say("all of: %(items)s", items=several(tags, words))
        case v.HasTag(tags=tags):
            return either(tags, words)
        case v.StateIs(op="neq", value=value):
            return words.say("other than %(items)s", items=_states(value, words))
        case v.StateIs(value=value):
            return _states(value, words)
        case v.InStage(stages=None):
            return words.say("any stage")
        case v.InStage(stages=stages):
            return either(stages or (), words)
        case v.Subscribed(value=value):
            return joined_words(value, words)
        case v.Consent(granted=granted):
            return granted_words(granted, words)
        case v.HasEmail() | v.HasPhone():
            return words.say("has one")
        case v.EventSource():
            names = [words.named(labels.SOURCES, source) for source in leaf.sources or ()]
            return either([*names, *(leaf.keys or ())], words)
        case (
            v.Score(op=op, value=value)
            | v.TagScore(op=op, value=value)
            | v.StageScore(op=op, value=value)
            | v.Detail(op=op, value=value)
            | v.FieldIs(op=op, value=value)
            | v.Owner(op=op, value=value)
            | v.EventData(op=op, value=value)
        ):
            return asked_words(op, value, words)
        case _:
            assert_never(leaf)


def saw(leaf: v.Leaf, one: Seen, words: Words) -> str:
    """Say what a condition saw, and how that was read where it is not plain."""
    value = one.value
    match leaf:
        case v.HasTag() if found := _list(value):
            return several(found, words)
        case v.HasTag():
            return no_tag(leaf, words)
        case v.TagScore() if value is None:
            return no_tag(leaf, words)
        case v.StateIs() if isinstance(value, str):
            return words.named(labels.STATES, value)
        case v.Subscribed():
            return joined_words(value if isinstance(value, bool) else None, words)
        case v.Consent():
            return granted_words(value if isinstance(value, bool) else None, words)
        case v.InStage() | v.StageScore() if value is None:
            return words.say("not in the funnel")
        case v.EventSource():
            source, *key = _list(value) or ["", ""]
            return ", ".join([words.named(labels.SOURCES, source), *(brief(one) for one in key if one)])
        case _:
            return value_words(value, words, _LONG) + _read(one, words)


def no_tag(leaf: v.HasTag | v.TagScore, words: Words) -> str:
    """Say that a contact has no tag that a condition asks for."""
    one = isinstance(leaf, v.TagScore) or len(leaf.tags) == 1
    return words.say("no such tag") if one else words.say("none of them")


def because(leaf: v.Leaf, one: Seen, words: Words, *, negated: bool) -> str:
    """Say why a condition is not met, as the end of a sentence; `negated` says that it should not have held."""
    say, was = words.say, saw(leaf, one, words)
    if negated:
        return say(
            "the rule excludes this: %(condition)s (it was: %(was)s)", condition=leaf_words(leaf, words), was=was
        )
    need = wanted(leaf, words)
    missing = one.value is None or (isinstance(leaf, v.HasTag) and not _list(one.value))
    if missing and (without := without_words(leaf, words)):
        return say("the contact %(lack)s", lack=without)
    match leaf:
        case v.Score() | v.TagScore() | v.StageScore() if leaf.op in _COMPARED:
            return say("%(what)s was %(was)s, and the rule needs %(need)s", what=_what(leaf, words), was=was, need=need)
        case v.HasTag():
            return say("the contact has only the tags %(was)s, and the rule needs %(need)s", was=was, need=need)
        case v.InStage():
            return say("the contact is in the stage %(was)s, and the rule needs %(need)s", was=was, need=need)
        case v.FieldIs(field=field) if one.value is None:
            return say("this field is empty: %(field)s", field=low(words.named(labels.FIELDS, field)))
        case _:
            what = _what(leaf, words)
            return say("%(what)s: it was %(was)s, and the rule needs %(need)s", what=what, was=was, need=need)


def _what(leaf: v.Leaf, words: Words) -> str:
    match leaf:
        case v.Score():
            return words.say("score")
        case v.TagScore(tag=tag):
            return words.say("score of the tag %(tag)s", tag=brief(tag))
        case v.StageScore(funnel=funnel):
            return words.say("stage score in the funnel %(funnel)s", funnel=brief(funnel))
        case v.Detail(name=name):
            return words.say("detail %(name)s", name=brief(name))
        case v.EventData(path=path):
            return words.say("event data %(path)s", path=brief(path))
        case v.Consent(consent=consent):
            return words.say("consent %(consent)s", consent=brief(consent))
        case v.Subscribed(channel=channel):
            return words.say("subscription %(channel)s", channel=words.named(labels.CHANNELS, channel))
        case _:
            return low(subject(leaf, words))


def _states(value: str | tuple[str, ...], words: Words) -> str:
    return either([words.named(labels.STATES, one) for one in ((value,) if isinstance(value, str) else value)], words)


def _list(value: Any) -> list[str]:  # noqa: ANN401 - whatever a trace has kept
    """Give the items of a list that a trace keeps as JSON; one that was cut has lost its end."""
    if isinstance(value, list | tuple):
        return [str(one) for one in value]
    try:
        found = msgspec.json.decode(value) if isinstance(value, str) else []
    except msgspec.DecodeError:
        return [brief(str(value))]
    return ["" if one is None else str(one) for one in found] if isinstance(found, list) else [str(found)]


def _read(one: Seen, words: Words) -> str:
    match one.read:
        case None | "no value":
            return ""
        case "no number":
            return " " + words.say("(not a number)")
        case "no time":
            return " " + words.say("(not a date)")
        case "no text":
            return " " + words.say("(not text)")
        case read:
            return " " + words.say("(read as %(value)s)", value=brief(read.partition(" ")[2]))
