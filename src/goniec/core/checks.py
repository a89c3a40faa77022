"""What makes sense in a rule as a whole: its settings, its actions, and how its parts go together.

Called by `drafts`, also for what could be read of a rule that is broken elsewhere, so that its author hears of
everything at once. Which endpoints exist and where a URL may lead is not known here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, assert_never
from zoneinfo import ZoneInfo

from msgspec import Struct

from goniec.core import actions as a
from goniec.core import conditions, matching
from goniec.core.events import EVENT_TYPES, check_data
from goniec.core.leaves import EventData
from goniec.core.liquid import TemplateError, parse
from goniec.core.messages import SUBJECT_LIMIT
from goniec.core.model import SCORE_MAX, SCORE_MIN
from goniec.core.names import detail_problems, name_problems, path_problems, path_steps, tag_problems, url_problems
from goniec.core.operators import check_value
from goniec.core.problems import Invalid, Problem
from goniec.core.quiet import limit_problems
from goniec.core.text import PHONE_LIMIT, clean
from goniec.core.times import parse_duration, parse_instant
from goniec.core.triggers import Trigger

Funnels: TypeAlias = Mapping[str, Sequence[str]]
"""The names of all funnels, each with those of its stages."""

ACTION_LIMIT: Final = 50
MATCHES_LIMIT: Final = 20
"""How many patterns (`matches`) a rule may have: each is looked for in up to 64 KiB of text, for every event."""

TRIGGER_LIMIT: Final = 50
TEXT_LIMIT: Final = 10_000
PASSWORD_LIMIT: Final = 1_000

SETTABLE: Final = {"name": 1_000, "company": 1_000, "phone": PHONE_LIMIT, "language": 35, "timezone": 64}
"""The fields that an action may set, with the length of their texts. E-mail and externalId are keys to the contact."""


def check(given: Mapping[str, Any], funnels: Funnels) -> list[Problem]:
    """Tell all that makes no sense in a rule, given as attributes of `RuleDraft`.

    What could not be read is left out; in the lists of triggers and actions None stands in its place.
    """
    found = list(_settings(given))
    triggers: Sequence[Trigger | None] = given.get("triggers", ())
    if "triggers" in given and not triggers:
        found.append(Problem("/triggers", "at least one trigger is needed"))
    found += _too_many("/triggers", triggers, TRIGGER_LIMIT)
    for n, trigger in enumerate(triggers):
        if trigger is not None:
            found += matching.check(trigger, f"/triggers/{n}")
            found += _stage_problems(trigger, f"/triggers/{n}", funnels)
    if "conditions" in given:
        found += _condition_problems(given["conditions"], triggers, funnels)
    found += _too_many_patterns(triggers, given.get("conditions"))
    for branch in ("actions", "otherwise"):
        actions: Sequence[a.Action | None] = given.get(branch, ())
        found += _too_many(f"/{branch}", actions, ACTION_LIMIT)
        for n, action in enumerate(actions):
            if action is not None:
                found += check_action(action, f"/{branch}/{n}")
                found += _stage_problems(action, f"/{branch}/{n}", funnels)
    return found


def _too_many_patterns(triggers: Sequence[Trigger | None], condition: conditions.Condition | None) -> Iterator[Problem]:
    places = [
        pointer
        for n, trigger in enumerate(triggers)
        for pointer in (() if trigger is None else matching.patterns(trigger, f"/triggers/{n}"))
    ]
    if condition is not None:
        places += [place for node, place, _ in conditions.walk(condition) if getattr(node, "op", None) == "matches"]
    if len(places) > MATCHES_LIMIT:
        detail = f"at most {MATCHES_LIMIT} conditions and filters with matches, and this rule has {len(places)}"
        yield Problem(f"{places[MATCHES_LIMIT]}/op", detail)


def check_action(action: a.Action, pointer: str) -> list[Problem]:  # noqa: C901, PLR0912 - one arm per kind
    """Tell what makes no sense in an action by itself."""
    match action:
        case a.Webhook():
            return _webhook_problems(action, pointer)
        case a.AddTag(tag) | a.RemoveTag(tag):
            return tag_problems(f"{pointer}/tag", tag)
        case a.AddScore(points):
            return _score_problems(f"{pointer}/points", points)
        case a.SetScore(value):
            return _score_problems(f"{pointer}/value", value)
        case a.SetDetail(name, value):
            return detail_problems(f"{pointer}/name", name) + _detail_value_problems(f"{pointer}/value", value)
        case a.RemoveDetail(name):
            return detail_problems(f"{pointer}/name", name)
        case a.SetField(field, text):
            return _field_problems(field, text, pointer)
        case a.SetOwner(owner):
            return [] if owner is None else name_problems(f"{pointer}/owner", owner)
        case a.AddNote(text):
            return _text_problems(f"{pointer}/text", text)
        case a.SendEmail(message):
            return name_problems(f"{pointer}/message", message)
        case a.NotifyUser():
            return _notice_problems(action, pointer)
        case a.EmitEvent(kind, data):
            return _event_problems(kind, data, pointer)
        case a.SetState() | a.MoveToStage() | a.RemoveFromFunnel() | a.OptIn() | a.OptOut():
            return []
        case _:
            assert_never(action)


def _settings(given: Mapping[str, Any]) -> Iterator[Problem]:
    for key, outside, problems in _SETTINGS:
        value = given.get(key)
        if value is not None:
            yield from problems(f"/{outside}", value)
    if (limits := given.get("mail")) is not None:
        yield from limit_problems(limits, "/mail")
    start, end = (_instant(given.get(key)) for key in ("valid_from", "valid_to"))
    if start is not None and end is not None and start >= end:
        yield Problem("/validTo", "must be later than validFrom")


def _condition_problems(
    condition: conditions.Condition, triggers: Sequence[Trigger | None], funnels: Funnels
) -> list[Problem]:
    found = conditions.check(condition)
    for node, pointer, _ in conditions.walk(condition):
        found += _stage_problems(node, pointer, funnels)
        if isinstance(node, EventData) and triggers and not path_problems("", node.path):
            found += _path_problems(node, pointer, triggers)
    return found


def _path_problems(leaf: EventData, pointer: str, triggers: Sequence[Trigger | None]) -> list[Problem]:
    """A path that no event of the rule has would never see anything."""
    known: set[str] = set()
    for trigger in triggers:
        if trigger is None:
            return []
        known.update(EVENT_TYPES[matching.type_of(trigger)].keys)
    key = path_steps(leaf.path)[0]
    if key in known:
        return []
    have = ", ".join(sorted(known)) or "none at all"
    return [
        Problem(f"{pointer}/path", f"the events of this rule have no {key!r} in their data; what they have: {have}")
    ]


def _stage_problems(part: Struct, pointer: str, funnels: Funnels) -> Iterator[Problem]:
    """Whatever names a funnel or stages calls them so."""
    funnel = getattr(part, "funnel", None)
    if funnel is None:
        return
    stages = funnels.get(funnel)
    if stages is None:
        yield Problem(f"{pointer}/funnel", f"there is no funnel {_quoted(funnel)}")
        return
    stage = getattr(part, "stage", None)
    if stage is not None and stage not in stages:
        yield Problem(f"{pointer}/stage", f"the funnel {_quoted(funnel)} has no stage {_quoted(stage)}")
    for n, one in enumerate(getattr(part, "stages", None) or ()):
        if one not in stages:
            yield Problem(f"{pointer}/stages/{n}", f"the funnel {_quoted(funnel)} has no stage {_quoted(one)}")


def _quoted(name: str) -> str:
    return f"“{name[:100]}”"


def _too_many(pointer: str, items: Sequence[object], limit: int) -> list[Problem]:
    return [Problem(pointer, f"at most {limit}, and this has {len(items)}")] if len(items) > limit else []


def _webhook_problems(action: a.Webhook, pointer: str) -> list[Problem]:
    found = []
    if action.url is None and action.endpoint_id is None:
        found.append(Problem(f"{pointer}/url", "a URL is needed, or the id of an endpoint (endpointId)"))
    if action.url is not None:
        found += url_problems(f"{pointer}/url", action.url.strip())
    if action.endpoint_id is not None:
        found += name_problems(f"{pointer}/endpointId", action.endpoint_id)
    if action.basic_auth is not None:
        found += _basic_problems(action.basic_auth, f"{pointer}/basicAuth")
        if action.oauth2 is not None:
            found.append(Problem(f"{pointer}/oauth2", "does not go together with basicAuth: leave one of them out"))
    return found


def _basic_problems(basic: a.BasicAuth, pointer: str) -> list[Problem]:
    found = []
    if ":" in basic.username:
        found.append(Problem(f"{pointer}/username", "cannot hold a colon: it would end the user name (RFC 7617)"))
    found += _unprintable(f"{pointer}/username", basic.username, PASSWORD_LIMIT)
    if isinstance(basic.password, str):
        found += _unprintable(f"{pointer}/password", basic.password, PASSWORD_LIMIT)
    return found


def _unprintable(pointer: str, text: str, limit: int) -> list[Problem]:
    """Refuse control characters (RFC 7617, section 2) without saying which, since it may be a secret."""
    if len(text) > limit:
        return [Problem(pointer, f"at most {limit} characters")]
    if any(char < " " or char == "\x7f" for char in text):
        return [Problem(pointer, "cannot hold a control character, such as a line end")]
    return []


def _notice_problems(action: a.NotifyUser, pointer: str) -> list[Problem]:
    found = name_problems(f"{pointer}/user", action.user)
    for name, source, limit, multiline in (
        ("subject", action.subject, SUBJECT_LIMIT, False),
        ("text", action.text, TEXT_LIMIT, True),
    ):
        found += _text_problems(f"{pointer}/{name}", source, limit=limit, multiline=multiline)
        try:
            parse(source, html=False)
        except TemplateError as error:
            found.append(Problem(f"{pointer}/{name}", f"line {error.line}: {error.detail}"))
    return found


def _score_problems(pointer: str, points: int) -> list[Problem]:
    if SCORE_MIN <= points <= SCORE_MAX:
        return []
    return [Problem(pointer, f"a score lies between {SCORE_MIN} and {SCORE_MAX}")]


def _detail_value_problems(pointer: str, value: str | float | bool) -> list[Problem]:  # noqa: FBT001 - a value, not a switch
    if not isinstance(value, str):
        return check_value(value, pointer)
    return _text_problems(pointer, value, "cannot be empty; removeDetail takes a detail away")


def _field_problems(field: str, text: str | None, pointer: str) -> list[Problem]:
    limit = SETTABLE.get(field)
    if limit is None:
        return [Problem(f"{pointer}/field", f"can be {', '.join(SETTABLE)}")]
    if text is None:
        return []
    if field == "timezone":
        return _zone_problems(f"{pointer}/value", text)
    return _text_problems(f"{pointer}/value", text, "cannot be empty; null clears a field", limit, multiline=False)


def _text_problems(
    pointer: str,
    text: str,
    empty: str | None = "cannot be empty",
    limit: int = TEXT_LIMIT,
    *,
    multiline: bool = True,
) -> list[Problem]:
    try:
        blank = not clean(text, limit, multiline=multiline)
    except ValueError as error:
        return [Problem(pointer, str(error))]
    return [Problem(pointer, empty)] if blank and empty else []


def _event_problems(kind: str, data: Mapping[str, Any], pointer: str) -> list[Problem]:
    if "kind" in data:
        return [Problem(f"{pointer}/data/kind", "the kind stands beside the data, not in it")]
    try:
        check_data("external_event.added", {**data, "kind": kind})
    except Invalid as invalid:
        return [
            Problem(f"{pointer}{p.pointer}" if p.pointer == "/kind" else f"{pointer}/data{p.pointer}", p.detail)
            for p in invalid.problems
        ]
    return []


def _zone_problems(pointer: str, name: str) -> list[Problem]:
    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError):
        return [Problem(pointer, "there is no such time zone; an example is Europe/Warsaw")]
    return []


def _group_problems(pointer: str, name: str) -> list[Problem]:
    return name_problems(pointer, name) if name else []


def _description_problems(pointer: str, text: str) -> list[Problem]:
    return _text_problems(pointer, text, empty=None)


def _duration_problems(pointer: str, text: str) -> list[Problem]:
    return _reading_problems(parse_duration, pointer, text)


def _instant_problems(pointer: str, text: str) -> list[Problem]:
    return _reading_problems(parse_instant, pointer, text)


def _reading_problems(parse: Callable[[str], object], pointer: str, text: str) -> list[Problem]:
    try:
        parse(text)
    except ValueError as error:
        return [Problem(pointer, str(error))]
    return []


def _instant(text: str | None) -> int | None:
    return None if text is None or _instant_problems("", text) else parse_instant(text)


_SETTINGS: Final[tuple[tuple[str, str, Callable[[str, str], list[Problem]]], ...]] = (
    ("name", "name", name_problems),
    ("description", "description", _description_problems),
    ("group", "group", _group_problems),
    ("min_interval", "minInterval", _duration_problems),
    ("valid_from", "validFrom", _instant_problems),
    ("valid_to", "validTo", _instant_problems),
    ("max_age", "maxAge", _duration_problems),
    ("timezone", "timezone", _zone_problems),
)
