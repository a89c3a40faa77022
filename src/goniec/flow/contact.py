"""What a caller says about a contact: its keys, its plain fields, and the changes in their one order.

Events and calls about contacts bring the same object, `ContactIn`. Called by `ingest` and by the API's calls about
contacts. Nothing is repaired here: a text is taken as it was entered or refused with its pointer.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import UNSET, Meta, Struct, UnsetType

from goniec.core.actions import (
    AddNote,
    AddScore,
    AddTag,
    MoveToStage,
    OptIn,
    OptOut,
    RemoveDetail,
    RemoveFromFunnel,
    RemoveTag,
    SetDetail,
    SetOwner,
    SetScore,
    SetState,
)
from goniec.core.changes import Change, SetConsent
from goniec.core.identity import Who
from goniec.core.model import SCORE_MAX, SCORE_MIN, Channel, DetailValue, State
from goniec.core.names import DETAIL_LIMIT, NAME_LIMIT
from goniec.core.problems import Problem
from goniec.core.shapes import escaped
from goniec.core.text import clean, email_key, phone_key, tag_key

LINE_LIMIT: Final = 1_000
"""Characters of name and company."""

KEY_LIMIT: Final = 200
"""Characters of an externalId, a phone, an owner."""

LANGUAGE_LIMIT: Final = 35
TEXT_LIMIT: Final = 10_000
"""Characters of a detail's text and of a note."""

MANY: Final = 1_000
"""How many tags, details, notes … one call may bring."""

Funnels = Mapping[str, Sequence[str]]
"""Funnel → its stages."""

_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**63 - 1


class ScoreIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do to the score: exactly one of the two."""

    add: Annotated[int | None, Meta(description="Points to add; negative ones subtract.")] = None
    set: Annotated[int | None, Meta(description="The score from now on.")] = None


class ContactIn(Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A contact as a caller gives it.

    What is left out stays as it is; null or an empty text clears a field. `tags` are added, `details` merged.
    """

    id: Annotated[str | UnsetType, Meta(description="The contact's id, if it is known.")] = UNSET
    email: Annotated[
        str | UnsetType | None, Meta(description="Key, compared in lower case. A new one changes the contact's.")
    ] = UNSET
    phone: Annotated[
        str | UnsetType | None, Meta(description="Kept as entered. A key only when no other one is given.")
    ] = UNSET
    name: str | UnsetType | None = UNSET
    company: str | UnsetType | None = UNSET
    external_id: Annotated[str | UnsetType | None, Meta(description="Key: the caller's own id of the contact.")] = UNSET
    language: Annotated[str | UnsetType | None, Meta(description="A language tag, such as `pl`.")] = UNSET
    timezone: Annotated[str | UnsetType | None, Meta(description="An IANA name, such as `Europe/Warsaw`.")] = UNSET
    state: State | UnsetType = UNSET
    owner: str | UnsetType | None = UNSET
    tags: Annotated[list[str] | UnsetType, Meta(description="Tags to add; an empty list changes nothing.")] = UNSET
    details: Annotated[
        dict[str, DetailValue | None] | UnsetType,
        Meta(description="Details by name: text, number, true or false; null or an empty text removes one."),
    ] = UNSET
    score: ScoreIn | UnsetType = UNSET
    stages: Annotated[
        dict[str, str | None] | UnsetType,
        Meta(description="Funnel → the stage to be in; null takes the contact out of the funnel."),
    ] = UNSET
    consents: Annotated[
        dict[str, bool] | UnsetType, Meta(description="Consent → whether it is granted or withdrawn.")
    ] = UNSET
    subscriptions: Annotated[
        dict[Channel, bool] | UnsetType, Meta(description="Channel → true to subscribe, false to unsubscribe.")
    ] = UNSET
    notes: Annotated[list[str] | UnsetType, Meta(description="Notes to add.")] = UNSET


class Meant(Struct, frozen=True):
    """What a `ContactIn` comes to."""

    who: Who
    fields: Mapping[str, str | None]
    changes: tuple[Change, ...]


class Faults:
    """Gathers what is wrong, each with its pointer; what is refused reads as if it were not there."""

    __slots__ = ("at", "found")

    def __init__(self, at: str = "") -> None:
        self.at = at
        self.found: list[Problem] = []

    def add(self, pointer: str, detail: str) -> None:
        """Note a fault at `pointer`, which begins below `at`."""
        self.found.append(Problem(self.at + pointer, detail))

    def text(self, pointer: str, text: str, limit: int, *, multiline: bool = False) -> str | None:
        """Give a text as it is stored, None for a blank or a refused one."""
        try:
            return clean(text, limit, multiline=multiline) or None
        except ValueError as error:
            self.add(pointer, str(error))
            return None

    def named(self, pointer: str, text: str, limit: int, *, multiline: bool = False) -> str | None:
        """Give a text that cannot be blank; None for a refused one."""
        found = self.text(pointer, text, limit, multiline=multiline)
        if found is None and (not text or text.isspace()):
            self.add(pointer, "cannot be empty")
        return found


def meant(given: ContactIn, country: str, faults: Faults, funnels: Funnels) -> Meant:
    """Read what a caller gave; what is wrong goes to `faults`, and then the result is of no use."""
    fields: dict[str, str | None] = {}
    who = _who(given, country, faults, fields)
    _plain(given, faults, fields)
    return Meant(who, fields, tuple(_changes(given, faults, funnels)))


def _who(given: ContactIn, country: str, faults: Faults, fields: dict[str, str | None]) -> Who:
    """Read the keys; one that is given as null or blank clears its field instead."""
    contact_id = None if given.id is UNSET else faults.named("/id", given.id, KEY_LIMIT)
    email = key = external_id = phone = number = None
    if given.email is not UNSET:
        if given.email is None or not given.email.strip():
            fields["email"] = None
        else:
            try:
                email, key = email_key(given.email)
            except ValueError as error:
                faults.add("/email", str(error))
    if given.external_id is not UNSET:
        external_id = faults.text("/externalId", given.external_id or "", KEY_LIMIT)
        if external_id is None:
            fields["externalId"] = None
    if given.phone is not UNSET:
        phone = faults.text("/phone", given.phone or "", KEY_LIMIT)
        if phone is None:
            fields["phone"] = None
        elif contact_id is None and external_id is None and key is None:
            number = phone_key(phone, country)
    if contact_id is not None:
        # an address that came with a merged contact is known as this one's; named with the id, it is to be its own
        fields |= {name: text for name, text in (("email", email), ("externalId", external_id)) if text is not None}
    return Who(id=contact_id, external_id=external_id, email=email, email_key=key, phone=phone, phone_key=number)


def _plain(given: ContactIn, faults: Faults, fields: dict[str, str | None]) -> None:
    if given.name is not UNSET:
        fields["name"] = faults.text("/name", given.name or "", LINE_LIMIT)
    if given.company is not UNSET:
        fields["company"] = faults.text("/company", given.company or "", LINE_LIMIT)
    if given.language is not UNSET:
        fields["language"] = faults.text("/language", given.language or "", LANGUAGE_LIMIT)
    if given.timezone is not UNSET:
        zone = fields["timezone"] = faults.text("/timezone", given.timezone or "", KEY_LIMIT)
        if zone is not None and not _is_zone(zone):
            faults.add("/timezone", "no name of a time zone; write one such as Europe/Warsaw")


def _changes(given: ContactIn, faults: Faults, funnels: Funnels) -> list[Change]:  # noqa: C901 - one arm per kind of change
    """Read the changes, in the order in which every call makes them, however its keys were ordered."""
    changes: list[Change] = []
    if given.owner is not UNSET:
        changes.append(SetOwner(faults.text("/owner", given.owner or "", KEY_LIMIT)))
    if given.state is not UNSET:
        changes.append(SetState(given.state))
    if given.details is not UNSET:
        changes += details(given.details, faults, "/details")
    if given.tags is not UNSET:
        changes += tags(given.tags, AddTag, faults, "/tags")
    if given.score is not UNSET:
        changes += score(given.score, faults, "/score")
    if given.stages is not UNSET and _few(given.stages, faults, "/stages"):
        for funnel, wanted in given.stages.items():
            changes += stage(funnel, wanted, funnels, faults, f"/stages/{escaped(funnel)}")
    if given.consents is not UNSET:
        changes += consents(given.consents, faults, "/consents")
    if given.subscriptions is not UNSET:
        changes += subscriptions(given.subscriptions)
    if given.notes is not UNSET:
        changes += notes(given.notes, faults, "/notes")
    return changes


def details(given: Mapping[str, DetailValue | None], faults: Faults, at: str) -> list[Change]:
    """Read details by name; null or a blank text removes one."""
    changes: list[Change] = []
    for name, value in given.items() if _few(given, faults, at) else ():
        pointer = f"{at}/{escaped(name)}"
        if faults.named(pointer, name, DETAIL_LIMIT) is None:
            continue
        if isinstance(value, int) and not _INT_MIN <= value <= _INT_MAX:
            faults.add(pointer, "a whole number must fit into 64 bits")
        kept = faults.text(pointer, value, TEXT_LIMIT, multiline=True) if isinstance(value, str) else value
        changes.append(RemoveDetail(name) if kept is None else SetDetail(name, kept))
    return changes


def tags(given: Sequence[str], change: type[AddTag] | type[RemoveTag], faults: Faults, at: str) -> list[Change]:
    """Read tags to add or remove; two spellings of one come to one."""
    keys = []
    for n, tag in enumerate(given if _few(given, faults, at) else ()):
        try:
            keys.append(tag_key(tag))
        except ValueError as error:
            faults.add(f"{at}/{n}", str(error))
    return [change(key) for key in dict.fromkeys(keys)]


def score(given: ScoreIn, faults: Faults, at: str) -> list[Change]:
    """Read what to do to the score."""
    points = given.add if given.set is None else given.set
    if points is None or (given.add is not None and given.set is not None):
        faults.add(at, "give either add or set")
        return []
    if not SCORE_MIN <= points <= SCORE_MAX:
        faults.add(f"{at}/{'add' if given.set is None else 'set'}", f"a score goes from {SCORE_MIN} to {SCORE_MAX}")
    return [AddScore(points) if given.set is None else SetScore(points)]


def stage(
    funnel: str, wanted: str | None, funnels: Funnels, faults: Faults, at: str, at_funnel: str | None = None
) -> list[Change]:
    """Read a stage of a funnel, both of which must exist; null takes the contact out of it."""
    known = funnels.get(funnel)
    if known is None and wanted is not None:
        faults.add(at if at_funnel is None else at_funnel, "there is no such funnel; GET /funnels lists them")
    elif wanted is not None and known is not None and wanted not in known:
        faults.add(at, "this funnel has no such stage; GET /funnels lists them")
    return [RemoveFromFunnel(funnel) if wanted is None else MoveToStage(funnel, wanted)]


def consents(given: Mapping[str, bool], faults: Faults, at: str) -> list[Change]:
    """Read consents, granted or withdrawn."""
    return [
        SetConsent(name, granted)
        for name, granted in (given.items() if _few(given, faults, at) else ())
        if faults.named(f"{at}/{escaped(name)}", name, NAME_LIMIT) is not None
    ]


def subscriptions(given: Mapping[Channel, bool]) -> list[Change]:
    """Read which channels to join and leave."""
    return [OptIn(channel) if wanted else OptOut(channel) for channel, wanted in given.items()]


def notes(given: Sequence[str], faults: Faults, at: str) -> list[Change]:
    """Read notes to add."""
    found = [
        faults.named(f"{at}/{n}", text, TEXT_LIMIT, multiline=True)
        for n, text in enumerate(given if _few(given, faults, at) else ())
    ]
    return [AddNote(text) for text in found if text is not None]


def _few(given: Sequence[object] | Mapping[str, object], faults: Faults, at: str) -> bool:
    if len(given) <= MANY:
        return True
    faults.add(at, f"at most {MANY} in one call, and this has {len(given)}")
    return False


@lru_cache(maxsize=1024)
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
