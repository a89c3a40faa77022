"""Events in words: what happened, with its value, and where it came from. Called by timelines and feeds of the panel.

The data may be that of an erased contact, empty, or one that an earlier version wrote: nothing here relies on a key.
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from goniec.core import labels
from goniec.core.mailing import TELLING
from goniec.core.model import Event
from goniec.core.times import SECOND
from goniec.web.panel.formats import duration
from goniec.web.panel.phrases import granted_words
from goniec.web.panel.showing import visible
from goniec.web.panel.wording import brief, figure, low, value_words
from goniec.web.panel.words import Words

NOTE: Final = 400
"""Characters of a note, a description or a title that are shown beside the event."""

_CHANGES: Final = 4


class Told(Struct, frozen=True):
    """An event in words: one sentence, the value after it, and a longer text below it (a note, a description)."""

    title: str
    value: str = ""
    text: str = ""


def event_words(event: Event, words: Words, rules: Mapping[str, str]) -> Told:  # noqa: C901, PLR0912 - one arm per kind
    """Tell an event; `rules` are names of rules and messages by id."""
    name = words.named(labels.EVENTS, event.type)
    data = event.data
    match event.type:
        case "contact.changed":
            return Told(name, _fields(data.get("changes"), words))
        case "contact.detail_added" | "contact.detail_changed" | "contact.detail_removed":
            return _detail(name, data, words)
        case "contact.tagged":
            return Told(
                _tag(words.say("Tag %(tags)s added", tags=_text(data, "tag")), name, data), _points(data, words)
            )
        case "contact.untagged":
            return Told(_tag(words.say("Tag %(tags)s removed", tags=_text(data, "tag")), name, data))
        case "contact.score_changed":
            return Told(_score(name, data, words), _from_to(data, words))
        case "contact.stage_entered" | "contact.stage_left":
            return _stage(event.type, name, data, words)
        case "contact.owner_changed":
            return Told(name, _from_to(data, words))
        case "contact.state_changed":
            states = [brief(words.named(labels.STATES, str(data[key]))) for key in ("old", "new") if data.get(key)]
            return Told(name, " → ".join(states))
        case "contact.note_added":
            return Told(name, text=_lines(str(data.get("text", ""))))
        case "contact.opted_in" | "contact.opted_out":
            channel = words.named(labels.CHANNELS, _text(data, "channel"))
            return Told(f"{name}: {channel}" if channel else name)
        case "consent.assigned":
            return _consent(name, data, words)
        case "contact.merged":
            return Told(name, _text(data, "from"))
        case "contact.bounce_lifted":
            return Told(name, _text(data, "email"))
        case "email.sent" | "email.opened" | "email.clicked" | "email.bounced":
            return _mail(name, data, words, rules)
        case "page.visited":
            return _visit(name, data, words)
        case "form.submitted":
            return _form(name, data, words)
        case "external_event.added" | "external_event.changed":
            return _external(name, data, words)
        case "date.upcoming":
            return Told(_label(name, data, "detail"), _text(data, "date"))
        case "contact.inactive":
            days = data.get("days")
            return Told(name, words.many("%(n)s day", "%(n)s days", days) if isinstance(days, int) else "")
        case "webhook.failed" | "rule.requested":
            rule = str(data.get("rule", ""))
            return Told(f"{name}: {brief(rules.get(rule, rule))}" if rule else name)
        case _:
            return Told(name)


def origin_words(event: Event, words: Words, rules: Mapping[str, str]) -> str:
    """Say where an event came from: by the rule VIP to CRM, in the panel by Ala."""
    key = event.source_key
    match event.source:
        case "rule":
            return words.say("by the rule %(name)s", name=brief(rules.get(key or "", key or "")))
        case "panel" if key:
            return words.say("in the panel, %(who)s", who=brief(key))
        case "panel":
            return words.say("in the panel")
        case "api" if key:
            return words.say("by API, key %(key)s", key=brief(key))
        case source:
            of_mail = source == "tracking" and event.type in TELLING
            name = words.say("from mail") if of_mail else words.named(labels.SOURCES, source)
            return f"{name}, {brief(key)}" if key else name


def _text(data: Mapping[str, Any], key: str, limit: int = 120) -> str:
    value = data.get(key)
    return "" if value is None else brief(str(value), limit)


def _lines(text: str) -> str:
    """A text of several lines, as somebody wrote it."""
    return visible(text if len(text) <= NOTE else text[: NOTE - 1] + "…")


def _label(name: str, data: Mapping[str, Any], key: str) -> str:
    text = _text(data, key)
    return f"{name}: {text}" if text else name


def _tag(sentence: str, name: str, data: Mapping[str, Any]) -> str:
    return sentence if data.get("tag") else name


def _points(data: Mapping[str, Any], words: Words) -> str:
    score = data.get("tagScore")
    return words.many("%(n)s point", "%(n)s points", score) if isinstance(score, int) and score else ""


def _from_to(data: Mapping[str, Any], words: Words) -> str:
    if "new" not in data and "old" not in data:
        return ""
    return _arrow(data.get("old"), data.get("new"), words)


def _arrow(old: object, new: object, words: Words) -> str:
    return " → ".join(words.say("none") if one in (None, "") else value_words(one, words) for one in (old, new))


def _fields(changes: object, words: Words) -> str:
    told = []
    for one in (changes if isinstance(changes, list) else ())[:_CHANGES]:
        if isinstance(one, dict):
            field = low(brief(words.named(labels.FIELDS, str(one.get("field")))))
            told.append(f"{field}: {_arrow(one.get('old'), one.get('new'), words)}")
    return "; ".join(told)


def _detail(name: str, data: Mapping[str, Any], words: Words) -> Told:
    title = _label(name, data, "name")
    old, new = data.get("old"), data.get("new")
    if old is None or new is None:
        either = new if old is None else old
        return Told(title, "" if either is None else value_words(either, words))
    return Told(title, _arrow(old, new, words))


def _score(name: str, data: Mapping[str, Any], words: Words) -> str:
    match data.get("scope"):
        case "tag":
            return words.say("Score of the tag %(tag)s changed", tag=_text(data, "tag"))
        case "stage":
            return words.say("Score of the stage %(stage)s changed", stage=_text(data, "stage"))
        case _:
            return name


def _stage(kind: str, name: str, data: Mapping[str, Any], words: Words) -> Told:
    stage, funnel = _text(data, "stage"), _text(data, "funnel")
    if not stage:
        return Told(name)
    if kind == "contact.stage_left":
        return Told(words.say("Left the stage %(stages)s", stages=stage), funnel)
    came_from = f"{_text(data, 'from')} → {stage}" if data.get("from") else ""
    return Told(
        words.say("Entered the stage %(stages)s", stages=stage), f"{funnel}: {came_from}" if came_from else funnel
    )


def _consent(name: str, data: Mapping[str, Any], words: Words) -> Told:
    match data.get("granted"):
        case True:
            name = words.say("Consent granted")
        case False:
            name = words.say("Consent withdrawn")
        case _:
            pass
    old = data.get("old")
    before = words.say("before: %(value)s", value=granted_words(old, words)) if isinstance(old, bool) else ""
    return Told(_label(name, data, "consent"), before)


def _mail(name: str, data: Mapping[str, Any], words: Words, names: Mapping[str, str]) -> Told:
    message = str(data.get("message") or "")
    about = brief(names[message], 120) if message in names else _text(data, "subject") or _text(data, "message")
    marks = [words.say("by a machine")] if data.get("machine") else []
    marks += [words.say("for the first time")] if data.get("first") and "kind" not in data else []
    marks += [words.say("follows from a click")] if data.get("derived") else []
    marks += [words.say("for good")] if data.get("kind") == "hard" else []
    marks += [words.say("for now")] if data.get("kind") == "soft" else []
    came_back = " ".join(part for part in (_text(data, "code"), _text(data, "reason", NOTE)) if part)
    if address := _text(data, "email"):
        came_back = f"{address}: {came_back}" if came_back else address
    value = ", ".join(part for part in (about, *marks) if part)
    return Told(name, value, _text(data, "url", NOTE) or came_back)


def _visit(name: str, data: Mapping[str, Any], words: Words) -> Told:
    seconds = data.get("seconds")
    spent = [duration(seconds * SECOND, words.language)] if isinstance(seconds, int | float) and seconds else []
    return Told(name, ", ".join([_text(data, "url", 200), *spent]), _text(data, "title", NOTE))


def _form(name: str, data: Mapping[str, Any], words: Words) -> Told:
    fields = data.get("fields")
    filled = fields if isinstance(fields, dict) else {}
    told = [f"{brief(str(key))}: {value_words(value, words)}" for key, value in list(filled.items())[:_CHANGES]]
    if len(filled) > _CHANGES:
        told.append(f"(+{len(filled) - _CHANGES})")
    return Told(_label(name, data, "form"), text="; ".join(told))


def _external(name: str, data: Mapping[str, Any], words: Words) -> Told:
    value = data.get("value")
    shown = figure(value, words) if isinstance(value, int | float) and not isinstance(value, bool) else ""
    return Told(_label(name, data, "kind"), shown, _text(data, "description", NOTE))
