"""What somebody had typed into a form of ours, named as it is there: for the page that goes on after a session's end.

Called by `serve.resume`. What a form keeps for itself is passed over, and so is what was chosen and not typed; what
must not be seen is marked.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from goniec.web.panel import fields as kinds
from goniec.web.panel.fields import Field
from goniec.web.panel.page import Visit

_OWN: Final = frozenset({"do", "header", "kind", "new", "session", "sure"})
"""What a button or a form of ours says by itself."""
_KEPT: Final = frozenset({"endpointId", "mode", "not", "op", "passwordSet", "shown", "stored", "type", "unit", "was"})
"""What stands beside a field that was typed: what it was before, and how it is to be read."""
_SECRET: Final = ("password", "secret", "clientSecret", "headers", "privateKey")

_KINDS: Final[Mapping[str, Mapping[str, tuple[Field, ...]]]] = {
    "triggers": kinds.TRIGGERS,
    "conditions": kinds.CONDITIONS,
    "actions": kinds.ACTIONS,
    "otherwise": kinds.ACTIONS,
}


class Typed(Struct, frozen=True):
    """One field: its label (empty: there is none, and `name` has to do), what was typed, whether that is not shown."""

    name: str
    label: str
    value: str
    hidden: bool


def typed(visit: Visit, pairs: Sequence[tuple[str, str]], path: str) -> list[Typed]:
    """Give what was typed into the form that goes to `path`, in its order."""
    given = dict(pairs)
    words = _words(visit)
    return [
        Typed(name, _label(visit, name, given) or words.get(_last(name), ""), value, _secret(name))
        for name, value in pairs
        if value.strip() and not _kept(name, path)
    ]


def _kept(name: str, path: str) -> bool:
    if not name[:1].isalpha() or "~" in name or name in _OWN or _last(name) in _KEPT:
        return True
    # the version that the form was made from; a contact's form has a field of that name
    return name == "tag" and not path.startswith("/contacts")


def _label(visit: Visit, name: str, given: Mapping[str, str]) -> str:
    """The label of a field of a rule, by the kind of the part that it belongs to."""
    part, _, key = name.rpartition("/")
    fields = _KINDS.get(name.partition("/")[0], {}).get(given.get(f"{part}/type", ""), ())
    return next((visit.words.label(one.label) for one in fields if one.key == key), "")


def _secret(name: str) -> bool:
    return name == "present" or any(part in name for part in _SECRET)


def _last(name: str) -> str:
    """What a field is; a span of time and an instant are fields of their own."""
    first, _, last = name.rpartition("/")
    return _last(first) if last in {"at", "count"} and first else last


def _words(visit: Visit) -> dict[str, str]:
    return {
        "name": visit.say("Name"),
        "description": visit.say("Description / comment"),
        "email": visit.say("E-mail"),
        "phone": visit.say("Phone"),
        "company": visit.say("Company"),
        "url": visit.say("Address"),
        "username": visit.say("User name"),
        "password": visit.say("Password"),
        "certificate": visit.say("Certificate"),
        "privateKey": visit.say("Private key"),
        "tokenUrl": visit.say("Token URL"),
        "clientId": visit.say("Client ID"),
        "clientSecret": visit.say("Client secret"),
        "scope": visit.say("Scope"),
        "audience": visit.say("Token audience"),
        "caBundle": visit.say("Private authorities"),
        "group": visit.say("Group"),
        "owner": visit.say("Owner"),
        "role": visit.say("Role"),
        "tag": visit.say("Tag"),
        "tags": visit.say("Tags"),
        "active": visit.say("On"),
        "timezone": visit.say("Time zone"),
        "maxRuns": visit.say("Runs per contact"),
        "minInterval": visit.say("Minimum time between runs for one contact"),
        "maxAge": visit.say("Maximum age of an event"),
        "validFrom": visit.say("Valid from"),
        "validTo": visit.say("Valid to"),
    }
