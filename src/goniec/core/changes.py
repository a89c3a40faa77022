"""What a change does to a contact: first the events that it comes to, then the contact that they leave.

Nothing on a contact changes but by `fold`ing an event into it, so the stored events can be folded into the stored state
again, and `undo`ne. A change that would change nothing comes to no event. Called by `decide` (for API calls and rule
actions alike) and by whoever rebuilds an earlier state.
"""

from collections.abc import Mapping
from typing import Any, Final, assert_never

from msgspec import Struct
from msgspec.structs import replace

from goniec.core import actions as a
from goniec.core.events import EVENT_TYPES
from goniec.core.model import (
    CLICKED,
    COMPLAINED,
    OPENED,
    READ_MOST,
    RETURNED,
    SCORE_MAX,
    SCORE_MIN,
    Channel,
    Contact,
    DetailValue,
    Event,
    Stage,
    Tag,
)
from goniec.core.text import email_key, tag_key

Proposal = tuple[str, dict[str, Any]]
"""An event that has not happened yet: its type and data."""

FIELDS: Final = {
    "email": "email",
    "phone": "phone",
    "name": "name",
    "company": "company",
    "externalId": "external_id",
    "language": "language",
    "timezone": "timezone",
}
"""The contact's plain fields: the name outside → the attribute."""


class SetFields(Struct, frozen=True):
    """Set several plain fields at once (one `contact.changed`); None clears."""

    fields: Mapping[str, str | None]


class SetConsent(Struct, frozen=True):
    """Note a consent as granted or withdrawn."""

    consent: str
    granted: bool


class LiftBounce(Struct, frozen=True):
    """Let mail go again to the address that it had come back from for good."""


class Join(Struct, frozen=True):
    """Subscribe the contact on a channel without its asking just now: of a dead address that says nothing new."""

    channel: Channel


Change = a.ContactAction | LiftBounce | Join | SetFields | SetConsent | a.LeaveByMail


_FLAGS: Final = {
    "email.opened": OPENED,
    "email.clicked": CLICKED,
    "email.bounced": RETURNED,
    "contact.opted_out": COMPLAINED,
}


def propose(contact: Contact, change: Change) -> list[Proposal]:  # noqa: C901, PLR0912 - one arm per kind is the shape of this table
    """The events that `change` comes to for `contact` as it stands; none when it changes nothing."""
    match change:
        case a.AddTag(tag):
            tag = tag_key(tag)
            return [] if tag in contact.tags else [("contact.tagged", {"tag": tag, "tagScore": 0})]
        case a.RemoveTag(tag):
            tag = tag_key(tag)
            had = contact.tags.get(tag)
            return [] if had is None else [("contact.untagged", {"tag": tag, "tagScore": had.score, "addedAt": had.at})]
        case a.AddScore(points):
            return _score(contact, contact.score + points)
        case a.SetScore(value):
            return _score(contact, value)
        case a.SetDetail(name, value):
            return _detail(contact, name, value)
        case a.RemoveDetail(name):
            if name not in contact.details:
                return []
            return [("contact.detail_removed", {"name": name, "old": contact.details[name], "new": None})]
        case a.SetField(field, value):
            return propose(contact, SetFields({field: value}))
        case SetFields(fields):
            changes = [
                {"field": field, "old": old, "new": new}
                for field, new in fields.items()
                if (old := getattr(contact, FIELDS[field])) != new
            ]
            return [("contact.changed", {"changes": changes})] if changes else []
        case a.SetState(state):
            old = contact.state
            return [] if old == state else [("contact.state_changed", {"old": old, "new": state})]
        case a.SetOwner(owner):
            return [] if contact.owner == owner else [("contact.owner_changed", {"old": contact.owner, "new": owner})]
        case a.MoveToStage(funnel, stage):
            return _stage(contact, funnel, stage)
        case a.RemoveFromFunnel(funnel):
            return _stage(contact, funnel, None)
        case a.AddNote(text):
            return [("contact.note_added", {"text": text})]
        case Join(channel):
            return _subscription(contact, channel, wanted=True)
        case a.OptIn(channel):
            joined = propose(contact, Join(channel))
            # who asks for mail anew says that the address is in use
            anew = bool(joined) and channel == "email" and _dead(contact)
            return [*joined, *propose(contact, LiftBounce())] if anew else joined
        case a.OptOut(channel):
            return _subscription(contact, channel, wanted=False)
        case a.LeaveByMail(message, delivery, complaint):
            return _leaving(contact, {"message": message, "delivery": delivery, "complaint": complaint})
        case LiftBounce():
            return [] if contact.bounced is None else [("contact.bounce_lifted", {"email": contact.bounced})]
        case SetConsent(consent, granted):
            before = contact.consents.get(consent)
            if before is granted:
                return []
            return [("consent.assigned", {"consent": consent, "granted": granted, "old": before})]
        case _:
            assert_never(change)


def _score(contact: Contact, wanted: int) -> list[Proposal]:
    new = max(SCORE_MIN, min(SCORE_MAX, wanted))
    if new == contact.score:
        return []
    return [("contact.score_changed", {"old": contact.score, "new": new, "scope": "contact"})]


def _detail(contact: Contact, name: str, value: DetailValue) -> list[Proposal]:
    if name not in contact.details:
        return [("contact.detail_added", {"name": name, "old": None, "new": value})]
    old = contact.details[name]
    if type(old) is type(value) and old == value:
        return []
    return [("contact.detail_changed", {"name": name, "old": old, "new": value})]


def _stage(contact: Contact, funnel: str, stage: str | None) -> list[Proposal]:
    had = contact.stages.get(funnel)
    if stage == (had.stage if had else None):
        return []
    events: list[Proposal] = []
    if had:
        left = {"funnel": funnel, "stage": had.stage, "stageScore": had.score, "since": had.at}
        events.append(("contact.stage_left", left))
    if stage is not None:
        events.append(("contact.stage_entered", {"funnel": funnel, "stage": stage, "from": had.stage if had else None}))
    return events


def _subscription(contact: Contact, channel: str, *, wanted: bool) -> list[Proposal]:
    before = contact.subscriptions.get(channel)
    if before is wanted:
        return []
    return [("contact.opted_in" if wanted else "contact.opted_out", {"channel": channel, "old": before})]


def _leaving(contact: Contact, why: dict[str, Any]) -> list[Proposal]:
    """Of who has left already, only the first complaint of a mail is told."""
    found = _subscription(contact, "email", wanted=False)
    if why["complaint"]:
        first = not contact.read.get(why["delivery"], 0) & COMPLAINED
        why = {**why, "first": first}
        if first and not found:
            found = [("contact.opted_out", {"channel": "email", "old": False})]
    return [(kind, {**data, **why}) for kind, data in found]


def fold(contact: Contact, event: Event) -> Contact:
    """The contact after `event`, which must be its next one."""
    changed = _changed(contact, event.type, event.data, event.received_at)
    active = EVENT_TYPES[event.type].is_activity(event.data)
    if changed:
        changed["updated_at"] = event.received_at
    if _is_first(event):
        changed["read"] = _read(contact.read, event.data["delivery"], _FLAGS[event.type])
    if active and (contact.last_activity_at is None or event.occurred_at > contact.last_activity_at):
        changed["last_activity_at"] = event.occurred_at
    return replace(contact, seq=event.seq, last_event=event.id, **changed)


def _changed(contact: Contact, kind: str, data: dict[str, Any], at: int) -> dict[str, Any]:  # noqa: C901, PLR0912 - one arm per kind
    match kind:
        case "contact.created":
            return {FIELDS[field]: value for field, value in data["fields"].items()}
        case "contact.changed":
            return {FIELDS[change["field"]]: change["new"] for change in data["changes"]}
        case "contact.tagged":
            return {"tags": {**contact.tags, data["tag"]: Tag(at, data["tagScore"])}}
        case "contact.untagged":
            return {"tags": _without(contact.tags, data["tag"])}
        case "contact.score_changed":
            return _rescored(contact, data, data["new"])
        case "contact.detail_added" | "contact.detail_changed":
            return {"details": {**contact.details, data["name"]: data["new"]}}
        case "contact.detail_removed":
            return {"details": _without(contact.details, data["name"])}
        case "contact.state_changed":
            return {"state": data["new"]}
        case "contact.owner_changed":
            return {"owner": data["new"]}
        case "contact.stage_entered":
            return {"stages": {**contact.stages, data["funnel"]: Stage(data["stage"], at)}}
        case "contact.stage_left":
            return {"stages": _without(contact.stages, data["funnel"])}
        case "contact.opted_in" | "contact.opted_out":
            wanted = kind == "contact.opted_in"
            return {"subscriptions": {**contact.subscriptions, data["channel"]: wanted}}
        case "consent.assigned":
            return {"consents": {**contact.consents, data["consent"]: data["granted"]}}
        case "contact.merged":
            return {"merged": (*contact.merged, data["from"])}
        case "email.bounced" if data.get("kind") == "hard" and data.get("email") and not _dead(contact):
            return {"bounced": data["email"]}
        case "contact.bounce_lifted":
            return {"bounced": None}
        case _:
            return {}


def _dead(contact: Contact) -> bool:
    """Whether it is known that the contact's own address is dead; of another one there is nothing to keep then."""
    return contact.bounced is not None and contact.email is not None and contact.bounced == email_key(contact.email)[1]


def undo(contact: Contact, event: Event) -> Contact:
    """The contact before `event`, which must be its last one.

    What no event carries stays as it is: `updated_at`, `last_activity_at`, the run counters and those of mails.
    """
    restored = _restored(contact, event.type, event.data)
    if _is_first(event):
        restored["read"] = _unread(contact.read, event.data["delivery"], _FLAGS[event.type])
    return replace(contact, seq=event.seq - 1, last_event=event.previous, **restored)


def _restored(contact: Contact, kind: str, data: dict[str, Any]) -> dict[str, Any]:  # noqa: C901, PLR0912 - one arm per kind
    match kind:
        case "contact.created":
            return {FIELDS[field]: None for field in data["fields"]}
        case "contact.changed":
            return {FIELDS[change["field"]]: change["old"] for change in data["changes"]}
        case "contact.tagged":
            return {"tags": _without(contact.tags, data["tag"])}
        case "contact.untagged":
            return {"tags": {**contact.tags, data["tag"]: Tag(data["addedAt"], data["tagScore"])}}
        case "contact.score_changed":
            return _rescored(contact, data, data["old"])
        case "contact.detail_added":
            return {"details": _without(contact.details, data["name"])}
        case "contact.detail_changed" | "contact.detail_removed":
            return {"details": {**contact.details, data["name"]: data["old"]}}
        case "contact.state_changed":
            return {"state": data["old"]}
        case "contact.owner_changed":
            return {"owner": data["old"]}
        case "contact.stage_entered":
            return {"stages": _without(contact.stages, data["funnel"])}
        case "contact.stage_left":
            return {
                "stages": {**contact.stages, data["funnel"]: Stage(data["stage"], data["since"], data["stageScore"])}
            }
        case "contact.opted_in" | "contact.opted_out":
            return {"subscriptions": _back(contact.subscriptions, data, "channel")}
        case "consent.assigned":
            return {"consents": _back(contact.consents, data, "consent")}
        case "contact.merged":
            return {"merged": contact.merged[:-1]}
        case "email.bounced" if data.get("kind") == "hard" and data.get("email"):
            return {"bounced": data.get("old")}
        case "contact.bounce_lifted":
            return {"bounced": data["email"]}
        case _:
            return {}


def _is_first(event: Event) -> bool:
    """Whether it is noted of a mail that this happened to it."""
    return event.type in _FLAGS and "delivery" in event.data and bool(event.data.get("first"))


def _unread(read: dict[str, int], delivery: str, flag: int) -> dict[str, int]:
    flags, rest = read.get(delivery, 0) & ~flag, _without(read, delivery)
    return {**rest, delivery: flags} if flags else rest


def _read(read: dict[str, int], delivery: str, flag: int) -> dict[str, int]:
    """Note that a mail was read; those of the oldest mails are forgotten where there are too many."""
    noted = {**read, delivery: read.get(delivery, 0) | flag}
    return noted if len(noted) <= READ_MOST else _without(noted, min(noted))


def _rescored(contact: Contact, data: dict[str, Any], score: int) -> dict[str, Any]:
    match data["scope"]:
        case "tag":
            return {"tags": {**contact.tags, data["tag"]: replace(contact.tags[data["tag"]], score=score)}}
        case "stage":
            return {"stages": {**contact.stages, data["funnel"]: replace(contact.stages[data["funnel"]], score=score)}}
        case _:
            return {"score": score}


def _without(mapping: dict[str, Any], key: str) -> dict[str, Any]:
    return {k: v for k, v in mapping.items() if k != key}


def _back(mapping: dict[str, bool], data: dict[str, Any], name: str) -> dict[str, bool]:
    key, old = data[name], data["old"]
    return _without(mapping, key) if old is None else {**mapping, key: old}
