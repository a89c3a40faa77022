"""The leaves of conditions: the kinds, and what each looks at.

A kind is a struct with four methods: `problems` tells what makes no sense in it, `look` gives the function that fetches
the value from the contact or the event, `test` the one that judges it, and `read` says for a trace how the value was
understood. Called by `conditions`, which joins leaves to trees. A new kind is a struct here, a place in `Leaf`, and its
labels.
"""

import unicodedata
from collections.abc import Callable
from operator import attrgetter
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from goniec.core.model import Channel, Contact, Event, Source, State
from goniec.core.names import detail_problems, list_problems, name_problems, path_problems, path_steps, tag_problems
from goniec.core.operators import Kind, Op, Operand, Test, compile_test, reading
from goniec.core.operators import check as check_operand
from goniec.core.problems import Problem
from goniec.core.text import tag_key

Look = Callable[[Contact, Event], Any]
Field = Literal["name", "company", "email", "emailDomain", "phone", "externalId", "language", "timezone"]


class _Leaf(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """What all leaves share."""


class _Plain(_Leaf, frozen=True, kw_only=True):
    """A leaf whose value is plain to see."""

    def read(self, value: object) -> str | None:
        """Only that there is none needs a word."""
        return "no value" if value is None else None


class _Operated(_Leaf, frozen=True, kw_only=True):
    """A leaf with an operator and an operand."""

    kind: ClassVar[Kind]
    names: ClassVar[dict[str, Callable[[str, str], list[Problem]]]] = {}
    op: Op
    value: Operand = None

    def problems(self, pointer: str) -> list[Problem]:
        """What it looks at can be wrong, and the operator and its operand."""
        found = check_operand(self.op, self.value, self.kind, pointer)
        for key, problems in self.names.items():
            found += problems(f"{pointer}/{key}", getattr(self, key))
        return found

    def read(self, value: object) -> str | None:
        """As the operator reads it."""
        return reading(self.op, self.value, value)


class _Compared(_Operated, frozen=True, kw_only=True):
    """A leaf that compares what it sees as it is."""

    def test(self, zone: ZoneInfo) -> Test:
        """As the operator says."""
        return compile_test(self.op, self.value, zone)


class HasTag(_Plain, frozen=True, kw_only=True, tag_field="type", tag="hasTag"):
    """The contact carries any, or all, of the tags. Seen: those of them that it carries."""

    tags: tuple[str, ...]
    mode: Literal["any", "all"] = "any"

    def problems(self, pointer: str) -> list[Problem]:
        """Each must be a tag."""
        return list_problems(f"{pointer}/tags", self.tags, tag_problems)

    def look(self) -> Look:
        """Find those that the contact carries."""
        tags = tuple(dict.fromkeys(map(tag_key, self.tags)))
        if len(tags) == 1:
            only = list(tags)
            tag = only[0]
            return lambda contact, _: only if tag in contact.tags else []
        return lambda contact, _: [tag for tag in tags if tag in contact.tags]

    def test(self, _zone: ZoneInfo) -> Test:
        """Enough of them."""
        enough = 1 if self.mode == "any" else len(set(map(tag_key, self.tags)))
        return lambda found, _: len(found) >= enough


class TagScore(_Compared, frozen=True, kw_only=True, tag_field="type", tag="tagScore"):
    """The score of a tag; a contact without the tag has no value."""

    kind = Kind.NUMBER
    names = {"tag": tag_problems}
    tag: str

    def look(self) -> Look:
        """Find the tag."""
        key = tag_key(self.tag)
        return lambda contact, _: tag.score if (tag := contact.tags.get(key)) is not None else None


class Score(_Compared, frozen=True, kw_only=True, tag_field="type", tag="score"):
    """The contact's score."""

    kind = Kind.NUMBER

    def look(self) -> Look:
        """Every contact has one."""
        return lambda contact, _: contact.score


class StageScore(_Compared, frozen=True, kw_only=True, tag_field="type", tag="stageScore"):
    """The score of the stage that the contact is in; outside the funnel it has no value."""

    kind = Kind.NUMBER
    funnel: str

    def look(self) -> Look:
        """Find the stage."""
        funnel = self.funnel
        return lambda contact, _: stage.score if (stage := contact.stages.get(funnel)) is not None else None


class Detail(_Compared, frozen=True, kw_only=True, tag_field="type", tag="detail"):
    """The value of a detail."""

    kind = Kind.ANY
    names = {"name": detail_problems}
    name: str

    def look(self) -> Look:
        """Find the detail."""
        name = self.name
        return lambda contact, _: contact.details.get(name)


class FieldIs(_Operated, frozen=True, kw_only=True, tag_field="type", tag="field"):
    """A plain field of the contact. E-mail and its domain are compared in lower case, all others exactly."""

    kind = Kind.TEXT
    field: Field

    def look(self) -> Look:
        """Find the field."""
        match self.field:
            case "emailDomain":
                return lambda contact, _: contact.email and contact.email.rpartition("@")[2]
            case "externalId":
                return lambda contact, _: contact.external_id
            case field:
                get = attrgetter(field)
                return lambda contact, _: get(contact)

    def test(self, zone: ZoneInfo) -> Test:
        """Leave case aside where the field does."""
        if self.field not in {"email", "emailDomain"}:
            return compile_test(self.op, self.value, zone)
        operand = self.value if self.op == "matches" else _lower(self.value)
        test = compile_test(self.op, operand, zone)
        return lambda value, now: test(_lower(value), now)


class StateIs(_Plain, frozen=True, kw_only=True, tag_field="type", tag="state"):
    """The contact's state: one of the five, or (`in`) one of a list of them."""

    op: Literal["eq", "neq", "in"] = "eq"
    value: State | tuple[State, ...]

    def problems(self, pointer: str) -> list[Problem]:
        """A list goes with `in`, and only with it."""
        if isinstance(self.value, str):
            return [] if self.op != "in" else [Problem(f"{pointer}/value", "in needs a list of states")]
        if self.op != "in":
            return [Problem(f"{pointer}/value", f"{self.op} needs one state, not a list")]
        return list_problems(f"{pointer}/value", self.value)

    def look(self) -> Look:
        """Every contact has one."""
        return lambda contact, _: contact.state

    def test(self, _zone: ZoneInfo) -> Test:
        """Compare with one or several."""
        states = {self.value} if isinstance(self.value, str) else set(self.value)
        if self.op == "neq":
            return lambda state, _: state not in states
        return lambda state, _: state in states


class Owner(_Compared, frozen=True, kw_only=True, tag_field="type", tag="owner"):
    """Who looks after the contact; nobody is no value."""

    kind = Kind.TEXT

    def look(self) -> Look:
        """Nobody is None."""
        return lambda contact, _: contact.owner


class InStage(_Plain, frozen=True, kw_only=True, tag_field="type", tag="inStage"):
    """The contact is in the funnel, in any or in one of some stages. Seen: its stage."""

    funnel: str
    stages: tuple[str, ...] | None = None

    def problems(self, pointer: str) -> list[Problem]:
        """A list of nothing makes no sense; which stages exist is checked by `rules`."""
        return list_problems(f"{pointer}/stages", self.stages)

    def look(self) -> Look:
        """Find the stage."""
        funnel = self.funnel
        return lambda contact, _: stage.stage if (stage := contact.stages.get(funnel)) is not None else None

    def test(self, _zone: ZoneInfo) -> Test:
        """Compare with any or some."""
        if self.stages is None:
            return lambda stage, _: stage is not None
        stages = frozenset(self.stages)
        return lambda stage, _: stage in stages


class Subscribed(_Plain, frozen=True, kw_only=True, tag_field="type", tag="subscribed"):
    """The contact joined a channel (true), left it (false), or has never said (null)."""

    channel: Channel
    value: bool | None = True

    def problems(self, _pointer: str) -> list[Problem]:
        """The types say it all."""
        return []

    def look(self) -> Look:
        """Never said is None."""
        channel = self.channel
        return lambda contact, _: contact.subscriptions.get(channel)

    def test(self, _zone: ZoneInfo) -> Test:
        """Exactly one of the three holds."""
        wanted = self.value
        return lambda value, _: value is wanted


class Consent(_Plain, frozen=True, kw_only=True, tag_field="type", tag="consent"):
    """A consent is granted (true), withdrawn (false), or was never asked for (null)."""

    consent: str
    granted: bool | None = True

    def problems(self, pointer: str) -> list[Problem]:
        """The name can be empty or too long."""
        return name_problems(f"{pointer}/consent", self.consent)

    def look(self) -> Look:
        """Never asked is None."""
        consent = self.consent
        return lambda contact, _: contact.consents.get(consent)

    def test(self, _zone: ZoneInfo) -> Test:
        """Exactly one of the three holds."""
        wanted = self.granted
        return lambda value, _: value is wanted


class HasEmail(_Plain, frozen=True, kw_only=True, tag_field="type", tag="hasEmail"):
    """The contact has an e-mail address."""

    def problems(self, _pointer: str) -> list[Problem]:
        """Nothing can be wrong."""
        return []

    def look(self) -> Look:
        """The address."""
        return lambda contact, _: contact.email

    def test(self, _zone: ZoneInfo) -> Test:
        """Any will do."""
        return _is_there


class HasPhone(_Plain, frozen=True, kw_only=True, tag_field="type", tag="hasPhone"):
    """The contact has a phone, as entered: whether it can be read as a number is not asked."""

    def problems(self, _pointer: str) -> list[Problem]:
        """Nothing can be wrong."""
        return []

    def look(self) -> Look:
        """The phone."""
        return lambda contact, _: contact.phone

    def test(self, _zone: ZoneInfo) -> Test:
        """Any will do."""
        return _is_there


class EventData(_Compared, frozen=True, kw_only=True, tag_field="type", tag="eventData"):
    """A value in the data of the event that set the rule off.

    `path` leads to it: keys (and places in lists, from 0) with dots between them, `properties.colour`, `products.0.id`;
    or a JSON pointer, `/properties/a.b`, which reaches keys that have dots of their own.
    """

    kind = Kind.ANY
    names = {"path": path_problems}
    path: str

    def look(self) -> Look:
        """Follow the path."""
        first, *rest = path_steps(self.path)
        if not rest:
            return lambda _, event: event.data.get(first)

        def follow(_: Contact, event: Event) -> Any:  # noqa: ANN401 - data holds anything
            value = event.data.get(first)
            for step in rest:
                value = _inside(value, step)
            return value

        return follow


class EventSource(_Plain, frozen=True, kw_only=True, tag_field="type", tag="eventSource"):
    """Where the event came from: one of these sources, and by one of these keys (API keys, users), as far as given.

    Inside a `not` it leaves out what a system has written itself. Seen: source and key.
    """

    sources: tuple[Source, ...] | None = None
    keys: tuple[str, ...] | None = None

    def problems(self, pointer: str) -> list[Problem]:
        """At least one of the two is needed."""
        if self.sources is None and self.keys is None:
            return [Problem(pointer, "sources, keys or both are needed")]
        found = list_problems(f"{pointer}/sources", self.sources)
        return found + list_problems(f"{pointer}/keys", self.keys, name_problems)

    def look(self) -> Look:
        """Both parts."""
        return lambda _, event: [event.source, event.source_key]

    def test(self, _zone: ZoneInfo) -> Test:
        """Compare each part that is given."""
        sources = None if self.sources is None else frozenset[str](self.sources)
        keys = None if self.keys is None else frozenset(self.keys)
        return lambda value, _: (sources is None or value[0] in sources) and (keys is None or value[1] in keys)


Leaf = (
    HasTag
    | TagScore
    | Score
    | StageScore
    | Detail
    | FieldIs
    | StateIs
    | Owner
    | InStage
    | Subscribed
    | Consent
    | HasEmail
    | HasPhone
    | EventData
    | EventSource
)


def _is_there(value: object, _now: int) -> bool:
    return value is not None


def _lower(value: Any) -> Any:  # noqa: ANN401 - an operand, or a text that may be missing
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value.lower())
    return tuple(map(_lower, value)) if isinstance(value, tuple) else value


def _inside(value: object, step: str) -> Any:  # noqa: ANN401 - data holds anything
    match value:
        case dict():
            return value.get(step)
        case list() if step.isascii() and step.isdecimal() and int(step[:9]) < len(value):
            return value[int(step)]
        case _:
            return None
