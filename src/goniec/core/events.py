"""The types of event: what they are called, what their data looks like, and which of them may come from outside.

Ingest checks what it is given with `outside` and `check_data`; triggers, conditions and the documentation read the same
table. Labels stand in `labels`.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from goniec.core import eventdata as e
from goniec.core.meant import meant
from goniec.core.problems import Invalid, Problem
from goniec.core.shapes import DEPTH_LIMIT, faults, shaped

DATA_LIMIT: Final = 64 * 1024
"""How many bytes an event's data may have as JSON."""

KINDS: Final = (
    "PURCHASE",
    "CART",
    "VISIT",
    "PHONE_CALL",
    "OTHER",
    "RESERVATION",
    "CANCELLED",
    "ACTIVATION",
    "MEETING",
    "OFFER",
    "DOWNLOAD",
    "LOGIN",
    "TRANSACTION",
    "CANCELLATION",
    "RETURN",
    "SURVEY",
)
"""The usual kinds of external event; any other name is a kind too."""

_USUAL: Final = frozenset(KINDS)


class EventType(Struct, frozen=True, kw_only=True):
    """One type of event.

    `outside` says that `POST /events` takes it; for the others `instead` names the call that brings it about.
    `behaviour` marks what the contact itself does, which moves its last activity (unless a machine did it, see
    `is_activity`). `defaults` are what data may leave out, `open` says that it can hold values of any make.
    """

    name: str
    shape: type[e.Shape]
    outside: bool = False
    instead: str = ""
    behaviour: bool = False
    defaults: dict[str, Any] = {}
    open: bool = False

    def is_activity(self, data: dict[str, Any]) -> bool:
        """Whether an event of this type with this data shows the contact active."""
        return self.behaviour and not data.get("machine", False)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that its data can have."""
        return self.shape.__struct_encode_fields__


def _inside(name: str, shape: type[e.Shape], instead: str) -> EventType:
    return EventType(name=name, shape=shape, instead=instead)


def _mail(name: str, *, behaviour: bool = False) -> EventType:
    defaults = {"machine": False, "first": False}
    return EventType(name=name, shape=e.Mail, outside=True, behaviour=behaviour, defaults=defaults)


def _external(name: str) -> EventType:
    return EventType(name=name, shape=e.ExternalEvent, outside=True, behaviour=True, open=True)


EVENT_TYPES: Final[dict[str, EventType]] = {
    known.name: known
    for known in (
        _inside("contact.created", e.Created, "POST /contacts"),
        _inside("contact.readded", e.Readded, "POST /contacts"),
        _inside("contact.changed", e.Changed, "PATCH /contacts/{id}"),
        _inside("contact.detail_added", e.DetailChange, "POST /contacts/{id}/details"),
        _inside("contact.detail_changed", e.DetailChange, "POST /contacts/{id}/details"),
        _inside("contact.detail_removed", e.DetailChange, "POST /contacts/{id}/details"),
        _inside("contact.tagged", e.Tagged, "POST /contacts/{id}/tags"),
        _inside("contact.untagged", e.Untagged, "POST /contacts/{id}/tags"),
        _inside("contact.score_changed", e.ScoreChange, "POST /contacts/{id}/score"),
        _inside("contact.stage_entered", e.StageEntered, "POST /contacts/{id}/stage"),
        _inside("contact.stage_left", e.StageLeft, "POST /contacts/{id}/stage"),
        _inside("contact.owner_changed", e.OwnerChange, "PATCH /contacts/{id}"),
        _inside("contact.state_changed", e.StateChange, "PATCH /contacts/{id}"),
        _inside("contact.note_added", e.Note, "POST /contacts/{id}/notes"),
        _inside("contact.opted_in", e.Subscription, "PATCH /contacts/{id}"),
        _inside("contact.opted_out", e.Leaving, "PATCH /contacts/{id}"),
        _inside("contact.bounce_lifted", e.BounceLifted, "DELETE /contacts/{id}/bounce"),
        _inside("consent.assigned", e.Consent, "POST /contacts/{id}/consents"),
        _inside("contact.merged", e.Merged, "POST /contacts/{id}/merge"),
        _inside("contact.erased", e.Erased, "DELETE /contacts/{id}"),
        _mail("email.sent"),
        _mail("email.opened", behaviour=True),
        _mail("email.clicked", behaviour=True),
        _mail("email.bounced"),
        EventType(name="page.visited", shape=e.Visit, outside=True, behaviour=True),
        EventType(
            name="form.submitted", shape=e.Form, outside=True, behaviour=True, defaults={"fields": {}}, open=True
        ),
        _external("external_event.added"),
        _external("external_event.changed"),
        _inside("date.upcoming", e.DateComing, ""),
        _inside("contact.inactive", e.Inactive, ""),
        _inside("webhook.failed", e.WebhookFailed, ""),
        _inside("rule.requested", e.RuleRequested, "POST /rules/{id}/run"),
    )
}


def outside(name: str) -> EventType:
    """Give the type of an event that somebody reports.

    Raises:
        Invalid: there is no such type, or a call of its own brings it about; the pointer is `/type`.

    """
    known = EVENT_TYPES.get(name)
    if known is not None and known.outside:
        return known
    if known is None:
        takes = ", ".join(known.name for known in EVENT_TYPES.values() if known.outside)
        asked = meant(name, EVENT_TYPES)
        raise Invalid(Problem("/type", f"there is no such event type{asked}; POST /events takes {takes}"))
    if known.instead:
        raise Invalid(Problem("/type", f"{name} follows from a call of its own: use {known.instead}"))
    raise Invalid(Problem("/type", f"{name} cannot be reported: Goniec raises it by itself"))


def check_data(name: str, data: object) -> dict[str, Any]:
    """Give the data of an event of a known type as it is stored: with defaults, a usual `kind` in capitals.

    Where nothing had to be added it is the same object. Pointers are relative to the data, which has come out of
    JSON: other Python values are not looked for.

    Raises:
        Invalid: a key is unknown, missing or of another type; a text with a NUL or half of a surrogate pair; a number
            that is not finite or needs more than 64 bits; nested deeper than `shapes.DEPTH_LIMIT`; larger than
            `DATA_LIMIT`.

    """
    known = EVENT_TYPES[name]
    if not isinstance(data, dict):
        raise Invalid(Problem("", "Expected object"))
    _scan(data, known)
    shaped(data, known.shape)
    if known.defaults:
        return known.defaults | data
    if known.shape is e.ExternalEvent and (kind := usual_kind(data["kind"])) != data["kind"]:
        return data | {"kind": kind}
    return data


def usual_kind(kind: str) -> str:
    """Give a kind of external event as it is stored: a usual one in capitals, any other as it is."""
    capitals = kind.upper()
    return capitals if capitals in _USUAL else kind


def _scan(data: dict[str, Any], known: EventType) -> None:
    """Refuse what the shapes cannot see.

    Encoding it all is the quickest look there is; only a doubt is worth a walk.
    """
    try:
        encoded = msgspec.json.encode(data)
        if known.open:
            msgspec.msgpack.encode(data)  # which has no integers beyond 64 bits, as JSON does
    except (UnicodeEncodeError, OverflowError, RecursionError):
        doubtful = True
        encoded = b""
    else:
        # NaN and infinity turn into null; every level of nesting needs a bracket
        doubtful = (
            b"null" in encoded or b"\\u0000" in encoded or encoded.count(b"{") + encoded.count(b"[") > DEPTH_LIMIT
        )
    if doubtful and (found := list(faults(data))):
        raise Invalid(*found)
    if len(encoded) > DATA_LIMIT:
        raise Invalid(Problem("", f"at most {DATA_LIMIT} bytes as JSON, and this has {len(encoded)}"))
