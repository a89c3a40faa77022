"""The buttons of the rule form that change its shape: one more event, condition or action, one less, another order.

A button's value is `what/where`, such as `add/triggers`, `remove/conditions/of/1` or `up/actions/2`. It works on the
fields alone, so nothing that was typed elsewhere is lost. Called by the form's view.
"""

from typing import Any, Final

from goniec.web.panel.fields import ACTIONS, CONDITIONS, TRIGGERS, Field
from goniec.web.panel.ruleform import GROUPS, Fields
from goniec.web.panel.ruleform import place as place_of

FIRST_TRIGGER: Final = "contact.created"
FIRST_CONDITION: Final = "score"


def reshaped(fields: Fields, button: str) -> Fields:
    """Do what a button says; one that leads nowhere changes nothing."""
    what, _, where = button.partition("/")
    steps = where.split("/")
    match what:
        case "add" if where == "triggers":
            _list(fields, ["triggers"]).append(_fresh(FIRST_TRIGGER, TRIGGERS))
        case "add":
            _list(fields, steps).append(_fresh(FIRST_CONDITION, CONDITIONS) | {"op": "gte"})
        case "group":
            _list(fields, steps).append({"type": "any", "of": [_fresh(FIRST_CONDITION, CONDITIONS) | {"op": "gte"}]})
        case "property":
            _list(fields, steps).append({"name": "", "op": "eq", "value": ""})
        case "act" if steps[-1] in ACTIONS and steps[0] in {"actions", "otherwise"}:
            _list(fields, steps[:1]).append(_fresh(steps[-1], ACTIONS))
        case "remove" | "up" | "down" | "copy" | "negate" | "branch":
            _at(fields, what, steps)
        case _:
            pass
    return fields


def settled(fields: Fields) -> Fields:
    """After a kind was changed by its list: give each part the fields that its kind has, and keep those that fit."""
    for trigger in _objects(fields, "triggers"):
        _defaults(trigger, TRIGGERS)
    tree = fields.get("conditions")
    if not isinstance(tree, dict) or _one(tree.get("type")) not in GROUPS:
        tree = fields["conditions"] = {"type": "all", "of": []}
    _settle_tree(tree)
    for branch in ("actions", "otherwise"):
        for action in _objects(fields, branch):
            _defaults(action, ACTIONS)
    return fields


def _objects(fields: Fields, key: str) -> list[Fields]:
    """The parts of a list; whatever else a browser sent in their place is left out."""
    found = fields[key] = [one for one in _list(fields, [key]) if isinstance(one, dict)]
    return found


def _at(fields: Fields, what: str, steps: list[str]) -> None:
    *path, last = steps
    items = _list(fields, path)
    place = place_of(last, items)
    if place is None:
        return
    match what:
        case "remove":
            del items[place]
        case "up" if place > 0:
            items.insert(place - 1, items.pop(place))
        case "down":
            items.insert(place + 1, items.pop(place))
        case "copy":
            items.insert(place + 1, _copied(items[place]))
        case "negate" if isinstance(items[place], dict):
            items[place]["not"] = "" if _one(items[place].get("not")) == "1" else "1"
        case "branch" if path in (["actions"], ["otherwise"]):
            other = "otherwise" if path == ["actions"] else "actions"
            _list(fields, [other]).append(items.pop(place))
        case _:
            pass


def _list(fields: Fields, steps: list[str]) -> list[Any]:
    """The list at a place of the form; it is made where it is missing, and a place that is none gives an empty one."""
    if not steps:
        return []
    inside: Any = fields
    for step in steps[:-1]:
        if isinstance(inside, dict):
            inside = inside.get(step)
        elif isinstance(inside, list) and (place := place_of(step, inside)) is not None:
            inside = inside[place]
        else:
            return []
    if not isinstance(inside, dict):
        return []
    found = inside.get(steps[-1])
    if not isinstance(found, list):
        found = inside[steps[-1]] = []
    return found


def _fresh(kind: str, kinds: dict[str, tuple[Field, ...]]) -> Fields:
    fields: Fields = {"type": kind}
    _defaults(fields, kinds)
    return fields


def _defaults(fields: Fields, kinds: dict[str, tuple[Field, ...]]) -> None:
    kind = _one(fields.get("type"))
    for field in kinds.get(kind, ()):
        if field.key not in fields:
            fields[field.key] = field.default or (
                field.choices[0][0] if field.choices and field.widget == "select" else ""
            )


def _settle_tree(fields: Fields) -> None:
    if _one(fields.get("type")) not in GROUPS:
        _defaults(fields, CONDITIONS)
        return
    of = fields.get("of")
    for part in of if isinstance(of, list) else ():
        if isinstance(part, dict):
            _settle_tree(part)


def _copied(fields: Any) -> Any:  # noqa: ANN401 - any part of a form
    if isinstance(fields, dict):
        return {key: _copied(value) for key, value in fields.items()}
    return [_copied(one) for one in fields] if isinstance(fields, list) else fields


def _one(value: Any) -> str:  # noqa: ANN401 - a field as it was read
    if isinstance(value, list):
        value = value[-1] if value else ""
    return value if isinstance(value, str) else ""
