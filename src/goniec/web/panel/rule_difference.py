"""What two people made of one rule: what was saved meanwhile, beside what stands in a form, in words.

Called by `views.rule_form` when a rule was saved by somebody else since its form was opened, and before a test. Both
sides are read by the same readers, so that a default that only one of them writes out is no difference. Where the
version is known that the form was made from, each side says what it left as it was.
"""

from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from goniec.core.actions import Action, Webhook
from goniec.core.drafts import decode_draft
from goniec.core.endpoint import Endpoint
from goniec.core.problems import Invalid
from goniec.core.rules import Rule, RuleDraft
from goniec.core.times import parse_instant
from goniec.flow.rules import RuleSaved, rule_tag, shown
from goniec.web.panel import ruleform
from goniec.web.panel.page import Visit
from goniec.web.panel.people import names_of
from goniec.web.panel.phrases import action_words, condition_words, trigger_words
from goniec.web.panel.showing import plain_json, visible

LOOKED_BACK: Final = 50
"""Versions that are looked through for the one that a form was made from."""

_NOTHING: Final = "\N{EN DASH}"
_HIDDEN: Final = frozenset({"passwordSet", "password", "endpointId"})
"""What is only shown (that a password is stored), or must not be."""


_INSTANTS: Final = frozenset({"validFrom", "validTo"})


class Side(Struct, frozen=True):
    """A rule as JSON; `draft` is None where it makes no sense yet."""

    data: Mapping[str, Any]
    draft: RuleDraft | None


async def difference(
    visit: Visit, found: RuleSaved, mine: Mapping[str, Any], zone: ZoneInfo
) -> list[tuple[str, str, str]]:
    """Give what differs: (what, theirs, mine); `zone` is where the form's times are read."""
    endpoints = {one.id: one for one in await visit.context.store.queries.endpoints()}
    theirs, here = _stored(found.rule, endpoints, zone), _side(mine)
    first = await _first(visit, found.rule, endpoints)
    before = None if first is None else _stored(first, endpoints, zone)
    names = await names_of(visit.context.store.queries)
    rows = []
    for key, word in _words(visit).items():
        if not _same(theirs, here, key):
            told, other = _told(visit, theirs, key, names), _told(visit, here, key, names)
            if told == other:  # what the short words leave out
                told, other = _exact(theirs.data.get(key)), _exact(here.data.get(key))
            if before is not None:
                told = _unchanged(visit, told, same=_same(theirs, before, key))
                other = _unchanged(visit, other, same=_same(here, before, key))
            rows.append((word, told, other))
    return rows


def unsaved(found: RuleSaved, mine: Mapping[str, Any], zone: ZoneInfo) -> bool:
    """Say whether a form says anything but what is saved, however a browser writes it; a typed password always does."""
    theirs, here = _stored(found.rule, found.endpoints, zone), _side(mine)
    actions = [*mine["actions"], *mine["otherwise"]]
    typed = any((one.get("basicAuth") or {}).get("password") for one in actions)
    return typed or not all(_same(theirs, here, key) for key in theirs.data.keys() | here.data.keys())


async def _first(visit: Visit, rule: Rule, endpoints: Mapping[str, Endpoint]) -> Rule | None:
    """Give the version that the form was made from; None: it cannot be had, or its endpoints changed since."""
    tag = visit.form.get("tag")
    for version in range(rule.version, max(0, rule.version - LOOKED_BACK), -1):
        found = await visit.context.store.queries.rule_version(rule.id, version)
        if found is not None and rule_tag(found, endpoints) == tag:
            return found
    return None


def _stored(rule: Rule, endpoints: Mapping[str, Endpoint], zone: ZoneInfo) -> Side:
    return _side(ruleform.rule_of(ruleform.shown(plain_json(shown(rule, endpoints)), zone), zone))


def _side(data: Mapping[str, Any]) -> Side:
    try:
        return Side(data, decode_draft(data))
    except Invalid:
        return Side(data, None)


def _same(one: Side, other: Side, key: str) -> bool:
    if key in _INSTANTS:
        return _at(one.data.get(key)) == _at(other.data.get(key))
    if one.draft is None or other.draft is None:
        return bool(_known(one.data.get(key)) == _known(other.data.get(key)))
    return bool(_known(plain_json(one.draft).get(key)) == _known(plain_json(other.draft).get(key)))


def _at(value: Any) -> object:  # noqa: ANN401 - text, or whatever was sent
    """An instant, whatever zone it is written in; browsers write full minutes without seconds."""
    try:
        return parse_instant(value)
    except (TypeError, ValueError):
        return value or None


def _known(value: Any) -> Any:  # noqa: ANN401 - a part of a rule
    """What of a value counts: what is only shown does not, nor what is empty."""
    match value:
        case Mapping():
            return {key: _known(one) for key, one in value.items() if key not in _HIDDEN and _known(one)}
        case list() | tuple():
            return [_known(one) for one in value]
        case _:
            return value or None


def _told(visit: Visit, side: Side, key: str, names: Mapping[str, str]) -> str:
    words, draft = visit.words, side.draft
    if draft is None:
        return _exact(side.data.get(key))
    match key:
        case "active":
            return visit.say("yes") if draft.active else visit.say("no")
        case "triggers":
            return "\n".join(trigger_words(one, words, names) for one in draft.triggers) or _NOTHING
        case "conditions":
            return condition_words(draft.conditions, words)
        case "actions" | "otherwise":
            return "\n".join(_action(visit, one, names) for one in getattr(draft, key)) or _NOTHING
        case _:
            return _exact(side.data.get(key))


def _action(visit: Visit, action: Action, names: Mapping[str, str]) -> str:
    """A webhook names its address here, and not an endpoint."""
    told = action_words(action, {}, visit.words, names)
    if not isinstance(action, Webhook) or not isinstance(action.url, str):
        return told
    told = f"{told}: {visible(action.url)}"
    return told if action.basic_auth is None else f"{told} ({visible(action.basic_auth.username)})"


def _exact(value: Any) -> str:  # noqa: ANN401 - a part of a rule
    if value in (None, "", []):
        return _NOTHING
    if isinstance(value, str):
        return value
    return msgspec.json.format(msgspec.json.encode(_known(value)), indent=2).decode()


def _unchanged(visit: Visit, told: str, *, same: bool) -> str:
    return visit.say("unchanged: %(value)s", value=told) if same else told


def _words(visit: Visit) -> dict[str, str]:
    return {
        "name": visit.say("Name"),
        "description": visit.say("Description / comment"),
        "group": visit.say("Group"),
        "active": visit.say("On"),
        "triggers": visit.say("Events"),
        "conditions": visit.say("Conditions"),
        "actions": visit.say("Actions"),
        "otherwise": visit.say("Otherwise"),
        "maxRuns": visit.say("Runs per contact"),
        "minInterval": visit.say("Minimum time between runs for one contact"),
        "validFrom": visit.say("Valid from"),
        "validTo": visit.say("Valid to"),
        "maxAge": visit.say("Maximum age of an event"),
        "timezone": visit.say("Time zone"),
        "mail": visit.say("Limits on messages"),
    }
