"""A rule as the form shows it: fields of text by name, and the way from there to the rule and back.

The name of a field is the JSON pointer of its value (`triggers/0/tags`, `conditions/of/1/value`), so a problem of the
rule finds its field by itself. Three steps: `shown` makes the fields of a rule, `read` makes them of what a browser
sent, `rule_of` makes the rule. Buttons that change the form's shape are in `reshaping`.

What is saved unchanged comes out the same, to the second: a part whose fields cannot say all that it holds (a duration
of two units, a number kept as text) carries its JSON along (`~was`), which counts as long as its fields stay as they
were shown.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from goniec.core.times import parse_instant
from goniec.web.panel.fields import ACTIONS, CONDITIONS, NULLABLE, SOURCE_FIELDS, TRIGGERS, Field
from goniec.web.panel.forms import Form

Fields = dict[str, Any]
"""Text, lists of them, and objects of such: what stands in the form."""

UNITS: Final[Mapping[str, tuple[str, str]]] = {
    "M": ("minutes", "PT{}M"),
    "H": ("hours", "PT{}H"),
    "D": ("days", "P{}D"),
    "W": ("weeks", "P{}W"),
}
"""Units of a duration in a form; a duration that has no single one of them is kept as it is written (`ISO`)."""

SETTINGS_TEXT: Final = ("name", "description", "group", "timezone")
SETTINGS_DURATION: Final = ("minInterval", "maxAge")
SETTINGS_TIME: Final = ("validFrom", "validTo")

GROUPS: Final = frozenset({"all", "any"})

STEPS: Final = 100
"""Steps in the name of a field: far more than lead to the deepest condition that a rule may hold."""
PLACE_DIGITS: Final = 9
"""Digits of a place in a list; Python reads no numbers of thousands of them."""

_WHOLE: Final = re.compile(r"[-+−]?\d{1,20}")
_NUMBER: Final = re.compile(r"[-+−]?\d{1,20}(?:[.,]\d{1,20})?")
_WAS: Final = "~was"


# --- what a browser sent ----------------------------------------------------------------------------------------------


def read(form: Form) -> Fields:
    """Give the fields of a form as objects and lists; a name that stands several times is a list of texts.

    Names that no form of ours has, too deep or at places without end, are passed over.
    """
    root: Fields = {}
    for name in form.names():
        if name.startswith("_") or name in {"do", "tag"}:
            continue
        steps = name.split("/")
        if len(steps) > STEPS or any(one.isdecimal() and len(one) > PLACE_DIGITS for one in steps):
            continue
        inside = root
        for step in steps[:-1]:
            below = inside.setdefault(step, {})
            if not isinstance(below, dict):
                break
            inside = below
        else:
            inside[steps[-1]] = form.all(name)
    found = {key: _lists(value) for key, value in root.items()}
    for key in (*SETTINGS_DURATION, *SETTINGS_TIME):
        if not isinstance(found.get(key, {}), dict):
            del found[key]
    return found


def _lists(value: Any) -> Any:  # noqa: ANN401 - any part of a form
    """Make lists of objects whose keys are all places, in their order."""
    if not isinstance(value, dict):
        return value
    inside = {key: _lists(item) for key, item in value.items()}
    if inside and all(key.isdecimal() for key in inside):
        return [inside[key] for key in sorted(inside, key=int)]
    return inside


def text(fields: Mapping[str, Any], key: str) -> str:
    """Give the text of a field; the last one where it stands several times."""
    value = fields.get(key)
    if isinstance(value, list):
        value = value[-1] if value else ""
    return value if isinstance(value, str) else ""


def texts(fields: Mapping[str, Any], key: str) -> list[str]:
    """Give all texts of a field that are not blank, each once."""
    value = fields.get(key)
    given = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(one.strip() for one in given if isinstance(one, str) and one.strip()))


def place(step: str, items: list[Any]) -> int | None:
    """Give the place in a list that a step of a name leads to; none where there is nothing."""
    if not step.isdecimal() or len(step) > PLACE_DIGITS:
        return None
    return int(step) if int(step) < len(items) else None


def parts(fields: Mapping[str, Any], key: str) -> list[Fields]:
    """Give the objects of a list; a field that is none has none."""
    value = fields.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def used(fields: Mapping[str, Any], asked: Iterable[Field], problems: Mapping[str, str], name: str) -> bool:
    """Say whether any of these fields holds something, or has a problem, so that it must not be folded away."""
    for field in asked:
        value = fields.get(field.key)
        inside = _plain(value)
        if field.widget == "operand":
            inside = text(value, "op") if isinstance(value, dict) else ""
        if inside not in ("", [], {}, None, field.default):
            return True
        if any(key == f"{name}/{field.key}" or key.startswith(f"{name}/{field.key}/") for key in problems):
            return True
    return False


# --- the rule that the fields mean ------------------------------------------------------------------------------------


def rule_of(fields: Fields, zone: ZoneInfo) -> dict[str, Any]:
    """Give the rule that the fields mean, as JSON; `zone` is where its times of validity are read.

    What makes no sense is handed on as it is, so that the core says what is wrong with it, and where.
    """
    rule: dict[str, Any] = {key: text(fields, key).strip() for key in ("name", "group")}
    rule["description"] = text(fields, "description").strip()
    rule["active"] = text(fields, "active") == "1"
    if text(fields, "timezone").strip():
        rule["timezone"] = text(fields, "timezone").strip()
    if text(fields, "position").strip():
        rule["position"] = _whole(text(fields, "position"))
    if text(fields, "limited") == "1":
        rule["maxRuns"] = _whole(text(fields, "maxRuns"))
    for key in SETTINGS_DURATION:
        if (duration := _duration(fields.get(key))) is not None:
            rule[key] = duration
    for key in SETTINGS_TIME:
        if (instant := _instant(fields.get(key), zone)) is not None:
            rule[key] = instant
    if mail := _limits(fields.get("mail")):
        rule["mail"] = mail
    rule["triggers"] = [_part(one, TRIGGERS) for one in parts(fields, "triggers")]
    tree = fields.get("conditions")
    rule["conditions"] = _tree(tree if isinstance(tree, dict) else {})
    for branch in ("actions", "otherwise"):
        rule[branch] = [_action(one) for one in parts(fields, branch)]
    return rule


def _part(fields: Fields, kinds: Mapping[str, tuple[Field, ...]]) -> dict[str, Any]:
    was = _unchanged(fields)
    if was is not None:
        return was
    kind = text(fields, "type")
    part: dict[str, Any] = {"type": kind}
    for field in (*kinds.get(kind, ()), *(SOURCE_FIELDS if kinds is TRIGGERS else ())):
        _put(part, kind, field, fields)
    return part


def _unchanged(fields: Fields) -> dict[str, Any] | None:
    """What a part was, if its fields are still those that were shown for it."""
    try:
        kept = msgspec.json.decode(text(fields, _WAS))
    except (msgspec.DecodeError, RecursionError):
        return None
    match kept:
        case {"fields": dict() as shown, "part": dict() as part} if shown == _plain(fields):
            return part
        case _:
            return None


def _plain(fields: Any) -> Any:  # noqa: ANN401 - any part of a form
    """What stands in a part's fields, so that it compares: no marks of the form's own, a single text not a list."""
    match fields:
        case dict():
            items = ((key, _plain(value)) for key, value in fields.items() if not key.startswith("~") and key != "not")
            return {key: value for key, value in items if value not in ("", [], {}, None)}
        case [str() as only]:
            return only
        case list():
            kept = [_plain(one) for one in fields]
            return [one for one in kept if one not in ("", [], {}, None)]
        case _:
            return fields


def _put(part: dict[str, Any], kind: str, field: Field, fields: Fields) -> None:  # noqa: C901, PLR0912 - one arm per widget
    key = field.key
    match field.widget:
        case "tokens" | "checks":
            if given := texts(fields, key):
                part[key] = given
        case "number":
            if given_number := text(fields, key).strip():
                part[key] = _whole(given_number)
        case "truth":
            match text(fields, key):
                case "true" | "false" as said:
                    part[key] = said == "true"
                case "null":
                    part[key] = None
                case _:
                    pass
        case "operand":
            _operand(part, field, fields)
        case "state":
            part["op"] = text(fields, "op") or "eq"
            part[key] = texts(fields, key) if part["op"] == "in" else text(fields, key)
        case "properties":
            if rows := _properties(parts(fields, key)):
                part[key] = rows
        case "select":
            if given_choice := text(fields, key):
                part[key] = given_choice
        case "text" | "long":
            given_text = text(fields, key).strip()
            if given_text:
                part[key] = _json(given_text) if (kind, key) == ("emitEvent", "data") else given_text
            elif (kind, key) in NULLABLE:
                part[key] = None


def _operand(part: dict[str, Any], field: Field, fields: Fields) -> None:
    """A filter on a trigger is an object of its own; a condition has operator and value beside its other fields."""
    if field.optional:
        inside = fields.get(field.key)
        if isinstance(inside, dict) and text(inside, "op"):
            part[field.key] = _compared(inside, field.kind)
        return
    part |= _compared(fields, field.kind)


def _compared(fields: Fields, kind: str) -> dict[str, Any]:
    op = text(fields, "op") or "eq"
    compared: dict[str, Any] = {"op": op}
    match op:
        case "exists":
            return compared
        case "between":
            compared["value"] = [_number(text(fields, "value")), _number(text(fields, "upper"))]
        case "in":
            compared["value"] = [_scalar(one, kind) for one in texts(fields, "value")]
        case "withinLast":
            compared["value"] = _duration(fields) or ""
        case "gt" | "gte" | "lt" | "lte":
            compared["value"] = _number(text(fields, "value"))
        case _:
            compared["value"] = _scalar(text(fields, "value"), kind)
    return compared


def _properties(rows: list[Fields]) -> dict[str, Any]:
    return {name: _compared(row, "ANY") for row in rows if (name := text(row, "name").strip())}


def _scalar(value: str, kind: str) -> Any:  # noqa: ANN401 - a text, a number or a truth value
    if kind == "NUMBER":
        return _number(value)
    if kind == "ANY" and value in {"true", "false"}:
        return value == "true"
    return value


def _whole(value: str) -> Any:  # noqa: ANN401 - a number, or the text that is none
    value = value.strip()
    return int(value.replace("−", "-")) if _WHOLE.fullmatch(value) else value


def _number(value: str) -> Any:  # noqa: ANN401 - a number, or the text that is none
    value = value.strip().replace(" ", "").replace("\N{NO-BREAK SPACE}", "")
    if _WHOLE.fullmatch(value):
        return int(value.replace("−", "-"))
    return float(value.replace(",", ".").replace("−", "-")) if _NUMBER.fullmatch(value) else value


def _json(value: str) -> Any:  # noqa: ANN401 - whatever the text says
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return value


def _duration(fields: Any) -> str | None:  # noqa: ANN401 - a part of a form
    if not isinstance(fields, dict):
        return None
    count, unit = text(fields, "count").strip(), text(fields, "unit")
    if not count:
        return None
    if unit not in UNITS or not count.isascii() or not count.isdecimal():
        return count
    return UNITS[unit][1].format(int(count)) if len(count) < 10 else count  # noqa: PLR2004 - more digits than any duration has


def _instant(fields: Any, zone: ZoneInfo) -> str | None:  # noqa: ANN401 - a part of a form
    if not isinstance(fields, dict):
        return None
    value = text(fields, "at").strip()
    if not value:
        return None
    if value == text(fields, "shown"):
        return text(fields, "was")
    try:
        local = datetime.fromisoformat(value)
    except ValueError:
        return value
    return value if local.tzinfo is not None else local.replace(tzinfo=zone).isoformat()


def _limits(fields: Any) -> dict[str, Any]:  # noqa: ANN401 - a part of a form
    """Limits on mail; hours of which only one is given are handed on, to be told."""
    if not isinstance(fields, dict):
        return {}
    limits: dict[str, Any] = {}
    hours = fields.get("quietHours")
    if isinstance(hours, dict) and (text(hours, "from").strip() or text(hours, "until").strip()):
        limits["quietHours"] = {key: text(hours, key).strip() for key in ("from", "until")}
    if text(fields, "perDay").strip():
        limits["perDay"] = _whole(text(fields, "perDay"))
    return limits


def _tree(fields: Fields) -> dict[str, Any]:
    """The root: always a group in the form; one that was a single condition is one again while it stands alone."""
    group = _group(fields)
    if text(fields, "~bare") == "1" and len(group["of"]) == 1:
        only: dict[str, Any] = group["of"][0]
        return only
    return group


def _group(fields: Fields) -> dict[str, Any]:
    kind = text(fields, "type")
    return {"type": kind if kind in GROUPS else "all", "of": [_node(one) for one in parts(fields, "of")]}


def _node(fields: Fields) -> dict[str, Any]:
    node = _group(fields) if text(fields, "type") in GROUPS else _part(fields, CONDITIONS)
    return {"type": "not", "of": [node]} if text(fields, "not") == "1" else node


def _action(fields: Fields) -> dict[str, Any]:
    if text(fields, "type") != "webhook":
        return _part(fields, ACTIONS)
    action: dict[str, Any] = {"type": "webhook"}
    url = text(fields, "url").strip()
    followed = text(fields, "endpointId")
    if followed:
        action["endpointId"] = followed
    if url or not followed:
        action["url"] = url
    if text(fields, "auth") == "1":
        auth: dict[str, Any] = {"username": text(fields, "username").strip()}
        if text(fields, "password"):
            auth["password"] = text(fields, "password")
        action["basicAuth"] = auth
    return action


# --- the fields of a rule ---------------------------------------------------------------------------------------------


def shown(rule: Mapping[str, Any], zone: ZoneInfo) -> Fields:
    """Give the fields of a rule (its JSON, as `GET` gives it); `zone` is where its times of validity are shown."""
    fields: Fields = {key: rule.get(key) or "" for key in SETTINGS_TEXT}
    fields["active"] = "1" if rule.get("active") else ""
    fields["position"] = "" if rule.get("position") is None else str(rule["position"])
    limit = rule.get("maxRuns")
    fields["limited"] = "" if limit is None else "1"
    fields["maxRuns"] = "1" if limit is None else str(limit)
    for key in SETTINGS_DURATION:
        fields[key] = _duration_fields(rule.get(key))
    for key in SETTINGS_TIME:
        fields[key] = _time_fields(rule.get(key), zone)
    mail = rule.get("mail") or {}
    fields["mail"] = {
        "quietHours": dict(mail.get("quietHours") or {}),
        "perDay": "" if mail.get("perDay") is None else str(mail["perDay"]),
    }
    fields["triggers"] = [_part_fields(one, TRIGGERS) for one in rule.get("triggers", ())]
    tree = rule.get("conditions") or {"type": "all", "of": []}
    if tree["type"] in GROUPS:
        fields["conditions"] = _node_fields(tree)
    else:
        fields["conditions"] = {"type": "all", "~bare": "1", "of": [_node_fields(tree)]}
    for branch in ("actions", "otherwise"):
        fields[branch] = [_action_fields(one) for one in rule.get(branch, ())]
    return fields


def _node_fields(node: Mapping[str, Any]) -> Fields:
    if node["type"] == "not":
        (inner,) = node["of"]
        fields = _node_fields(inner)
        if fields.get("not"):  # not of not: a group between the two says the same
            fields = {"type": "all", "of": [fields]}
        return fields | {"not": "1"}
    if node["type"] in GROUPS:
        return {"type": node["type"], "of": [_node_fields(one) for one in node.get("of", ())]}
    return _part_fields(node, CONDITIONS)


def _part_fields(part: Mapping[str, Any], kinds: Mapping[str, tuple[Field, ...]]) -> Fields:
    kind = part["type"]
    fields: Fields = {"type": kind}
    for field in (*kinds.get(kind, ()), *(SOURCE_FIELDS if kinds is TRIGGERS else ())):
        fields |= _field(part, field)
    if _part(fields, kinds) != part:
        kept = {"fields": _plain(fields), "part": part}
        fields[_WAS] = msgspec.json.encode(kept).decode()
    return fields


def _field(part: Mapping[str, Any], field: Field) -> Fields:
    value = part.get(field.key)
    match field.widget:
        case "operand" if not field.optional:
            return _compared_fields(part)
        case "operand":
            return {field.key: _compared_fields(value) if isinstance(value, Mapping) else {}}
        case "state":
            return {"op": part.get("op", "eq"), field.key: list(value) if isinstance(value, list | tuple) else value}
        case "properties":
            rows = value.items() if isinstance(value, Mapping) else ()
            return {
                field.key: [
                    {"name": name, **_compared_fields(one if isinstance(one, Mapping) else {"op": "eq", "value": one})}
                    for name, one in rows
                ]
            }
        case "tokens" | "checks":
            return {field.key: [_written(one) for one in value or ()]}
        case "truth":
            said = "null" if value is None else _written(value)
            return {field.key: said if field.key in part else field.default}
        case "long" if isinstance(value, Mapping):
            return {field.key: msgspec.json.format(msgspec.json.encode(value), indent=2).decode() if value else ""}
        case _:
            return {field.key: field.default if value is None else _written(value)}


def _compared_fields(compared: Mapping[str, Any]) -> Fields:
    op, value = compared.get("op", "eq"), compared.get("value")
    match op, value:
        case "between", [low, high]:
            return {"op": op, "value": _written(low), "upper": _written(high)}
        case "withinLast", str():
            return {"op": op, **_duration_fields(value)}
        case _, list() | tuple():
            return {"op": op, "value": [_written(one) for one in value]}
        case _:
            return {"op": op, "value": "" if value is None else _written(value)}


def _action_fields(action: Mapping[str, Any]) -> Fields:
    if action["type"] != "webhook":
        return _part_fields(action, ACTIONS)
    auth = action.get("basicAuth") or {}
    return {
        "type": "webhook",
        "url": action.get("url") or "",
        "endpointId": action.get("endpointId") or "",
        "auth": "1" if auth else "",
        "username": auth.get("username", ""),
        "passwordSet": "1" if auth.get("passwordSet") else "",
    }


def _duration_fields(value: str | None) -> Fields:
    if not value:
        return {"count": "", "unit": "D"}
    for unit, (_, form) in UNITS.items():
        start, end = form.split("{}")
        count = value.removeprefix(start).removesuffix(end)
        if value == form.format(count) and count.isdecimal():
            return {"count": count, "unit": unit}
    return {"count": value, "unit": "ISO"}


def _time_fields(value: str | None, zone: ZoneInfo) -> Fields:
    if not value:
        return {"at": ""}
    try:
        at = parse_instant(value)
    except ValueError:
        return {"at": value}
    local = datetime.fromtimestamp(at // 1000, zone).replace(tzinfo=None).isoformat()
    return {"at": local, "shown": local, "was": value}


def _written(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < 2**53:
            return str(int(value))
        case _:
            return str(value)
