"""Where things are used: the tags, details, stages, endpoints and other names that a rule leans on.

Called before something is deleted or renamed, and by the lists that show where it is used. Triggers, conditions and
actions call the same thing by the same attribute, so one table tells them all.
"""

from collections.abc import Iterator
from functools import cache
from typing import Final, TypeAlias

from msgspec import Struct

from goniec.core.conditions import walk
from goniec.core.rules import RuleDraft
from goniec.core.text import tag_key

Use: TypeAlias = tuple[str, ...]
"""("tag", name), ("detail", name), ("consent", name), ("funnel", name), ("stage", funnel, name), ("endpoint", id),
("rule", id), ("message", id), ("form", name), ("kind", name) or ("key", name of an API key or a user).
"""

_KINDS: Final = {
    "tag": "tag",
    "tags": "tag",
    "name": "detail",
    "names": "detail",
    "detail": "detail",
    "consent": "consent",
    "funnel": "funnel",
    "endpoint_id": "endpoint",
    "endpoints": "endpoint",
    "rules": "rule",
    "message": "message",
    "messages": "message",
    "forms": "form",
    "kind": "kind",
    "kinds": "kind",
    "keys": "key",
    "source_key": "key",
    "not_source_key": "key",
}
_STAGES: Final = ("stage", "stages")


def names_used(rule: RuleDraft) -> set[Use]:
    """Say everything that a rule names; tags in their one spelling."""
    parts: list[Struct] = [*rule.triggers, *(node for node, _, _ in walk(rule.conditions))]
    parts += [*rule.actions, *rule.otherwise]
    return {use for part in parts for use in _named_by(part)}


def _named_by(part: Struct) -> Iterator[Use]:
    naming, stages = _naming(type(part))
    for attribute, kind in naming:
        for name in _texts(part, attribute):
            yield kind, tag_key(name) if kind == "tag" else name
    for attribute in stages:
        for funnel in _texts(part, "funnel"):
            for stage in _texts(part, attribute):
                yield "stage", funnel, stage


@cache
def _naming(kind: type[Struct]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Which attributes of a part name something, and which name a stage: lists ask that of every rule there is."""
    # only fields: kinds are told apart by class attributes of such names too
    fields = kind.__struct_fields__
    stages = tuple(attribute for attribute in _STAGES if attribute in fields and "funnel" in fields)
    return tuple(pair for pair in _KINDS.items() if pair[0] in fields), stages


def _texts(part: Struct, attribute: str) -> tuple[str, ...]:
    value = getattr(part, attribute)
    if isinstance(value, str):
        return (value,)
    return value if isinstance(value, tuple) else ()
