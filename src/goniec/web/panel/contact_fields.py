"""A contact as its form has it: what stands in the fields, and the way from there to what the recorder takes.

Called by `views.contacts`. The form carries along what it showed (`_was`): a contact changes all the time by what it
does, so only a change of these very fields means that somebody else was quicker.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, get_args

import msgspec

from goniec.core.actions import AddTag, RemoveTag
from goniec.core.changes import Change
from goniec.core.decide import Call
from goniec.core.labels import FIELDS, Label
from goniec.core.model import Contact, State
from goniec.core.problems import Invalid, Problem
from goniec.core.shapes import shaped
from goniec.core.text import tag_key
from goniec.flow.contact import ContactIn, Faults, meant, tags
from goniec.flow.ingest import Origin
from goniec.web.panel.forms import Form

TEXTS: Final[Mapping[str, str]] = {
    "email": "email",
    "phone": "phone",
    "name": "name",
    "company": "company",
    "externalId": "external_id",
    "owner": "owner",
    "language": "language",
    "timezone": "timezone",
}
"""The fields of text: the name in the form and in the API → the attribute."""

KEYS: Final = ("email", "phone", "externalId")
"""Those by which a contact is known."""

LABELS: Final[Mapping[str, Label]] = {
    **FIELDS,
    "owner": Label("Właściciel", "Owner"),
    "state": Label("Stan", "State"),
    "tags": Label("Tagi", "Tags"),
}

STATES: Final[tuple[State, ...]] = get_args(State)

Typed = dict[str, Any]
"""What stands in the form: texts by name, and `tags`, a list."""


def empty() -> Typed:
    """A form with nothing in it."""
    return {**dict.fromkeys(TEXTS, ""), "state": "UNKNOWN", "tags": []}


def shown(contact: Contact) -> Typed:
    """The form of a contact as it is."""
    texts = {name: getattr(contact, attribute) or "" for name, attribute in TEXTS.items()}
    return {**texts, "state": contact.state, "tags": sorted(contact.tags)}


def typed(form: Form) -> Typed:
    """What somebody sent. Tags may also stand with commas between them, as they are typed where no script runs."""
    texts = {name: form.get(name) for name in TEXTS}
    given = [tag.strip() for text in form.all("tags") for tag in text.replace("\n", ",").split(",")]
    return {**texts, "state": form.get("state") or "UNKNOWN", "tags": list(dict.fromkeys(filter(None, given)))}


def was(form: Form) -> Typed | None:
    """What the form showed when it was opened; None: it does not say."""
    try:
        kept = msgspec.json.decode(form.get("_was"))
    except msgspec.DecodeError:
        return None
    return kept if isinstance(kept, dict) and kept.keys() == empty().keys() else None


def differences(before: Typed, now: Typed) -> list[str]:
    """The names of the fields in which two forms differ."""
    return [name for name in before if _compared(before[name]) != _compared(now[name])]


def joined(before: Typed, theirs: Typed, mine: Typed) -> Typed:
    """What somebody has typed, and in all other fields what others have saved meanwhile."""
    touched = differences(before, mine)
    return {name: mine[name] if name in touched else theirs[name] for name in mine}


def creation(fields: Typed, origin: Origin, *, onto_known: bool) -> Call:
    """What makes a contact of a form; with `onto_known` it may also change one that is known by these keys.

    Raises:
        Invalid: with every fault, by the field's name.

    """
    given = {name: text for name in TEXTS if (text := fields[name].strip())}
    if fields["state"] != "UNKNOWN":
        given["state"] = fields["state"]
    call = _call(given | {"tags": fields["tags"]}, origin)
    # a contact that is not there yet has had no events
    return call if onto_known else msgspec.structs.replace(call, expect=0)


def alteration(contact: Contact, fields: Typed, origin: Origin) -> Call:
    """What makes a contact say what stands in the form; one that has changed meanwhile refuses it.

    Raises:
        Invalid: as above.

    """
    # what was not touched stays as it is, white space and all
    given: dict[str, Any] = {
        name: fields[name] if fields[name] == (getattr(contact, attribute) or "") else fields[name].strip()
        for name, attribute in TEXTS.items()
    }
    given |= {"id": contact.id, "state": fields["state"]}
    call = _call(given, origin, list(_retagged(contact, fields["tags"])))
    return msgspec.structs.replace(call, expect=contact.seq, create=False)


def _retagged(contact: Contact, wanted: Sequence[str]) -> Iterator[Change | Problem]:
    faults = Faults()
    added = tags(wanted, AddTag, faults, "/tags")
    yield from faults.found
    keys = {change.tag for change in added if isinstance(change, AddTag)}
    for change in added:
        if isinstance(change, AddTag) and change.tag not in contact.tags:
            yield change
    yield from (RemoveTag(tag) for tag in sorted(contact.tags) if tag not in keys)


def _call(given: dict[str, Any], origin: Origin, changes: Sequence[Change | Problem] = ()) -> Call:
    faults = Faults()
    faults.found += [one for one in changes if isinstance(one, Problem)]
    found = meant(shaped(given, ContactIn), origin.country, faults, origin.funnels)
    if faults.found:
        raise Invalid(*faults.found)
    return Call(
        who=found.who,
        fields=found.fields,
        changes=(*found.changes, *(one for one in changes if not isinstance(one, Problem))),
        source=origin.source,
        source_key=origin.source_key,
    )


def _compared(value: object) -> object:
    match value:
        case str():
            return value.strip()
        case list():
            return sorted({_key(str(tag)) for tag in value})
        case _:
            return value


def _key(tag: str) -> str:
    try:
        return tag_key(tag)
    except ValueError:
        return tag
