"""The shapes of events' data, one struct for each: the keys (camelCase outside), their types and limits.

`events` names which type of event has which shape and checks data against it; instances of these structs are not kept.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from goniec.core.model import Channel, DetailValue, Source, State
from goniec.core.times import Millis

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Number = Int64 | float
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Line = Annotated[str, Meta(max_length=1_000)]
Text = Annotated[str, Meta(max_length=10_000)]
Url = Annotated[str, Meta(min_length=1, max_length=2_048)]
LongUrl = Annotated[str, Meta(min_length=1, max_length=16_384)]


class Shape(Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What all shapes share."""


class ContactFields(Shape):
    """The plain fields that a contact was made with; those it was made without are left out."""

    email: str | None = None
    phone: str | None = None
    name: str | None = None
    company: str | None = None
    external_id: str | None = None
    language: str | None = None
    timezone: str | None = None


class Created(Shape):
    """A contact that is new."""

    source: Source
    fields: ContactFields


class Readded(Shape):
    """A contact that was known when somebody added it."""

    source: Source


class FieldChange(Shape):
    """One plain field: its outside name, what it was and what it is."""

    field: str
    old: str | None
    new: str | None


class Changed(Shape):
    """Plain fields that one call changed."""

    changes: list[FieldChange]


class DetailChange(Shape):
    """A detail; null stands for "has none"."""

    name: str
    old: DetailValue | None
    new: DetailValue | None


class Tagged(Shape):
    """A tag that the contact has now."""

    tag: str
    tag_score: int


class Untagged(Shape):
    """A tag that the contact had: with which score, and since when (ms)."""

    tag: str
    tag_score: int
    added_at: Millis


class ScoreChange(Shape):
    """A score: of the contact, of one of its tags, or of the stage that it is in."""

    old: int
    new: int
    scope: Literal["contact", "tag", "stage"]
    tag: str | None = None
    funnel: str | None = None
    stage: str | None = None


class StageEntered(Shape):
    """A stage that the contact is in now, and the one that it came from."""

    funnel: str
    stage: str
    from_: str | None = field(name="from")


class StageLeft(Shape):
    """A stage that the contact was in: with which score, and since when (ms)."""

    funnel: str
    stage: str
    stage_score: int
    since: Millis


class OwnerChange(Shape):
    """Who looks after the contact; null is nobody."""

    old: str | None
    new: str | None


class StateChange(Shape):
    """The contact's state."""

    old: State
    new: State


class Note(Shape):
    """A note."""

    text: str


class Subscription(Shape):
    """A channel that the contact joined or left; `old` is null where it had never said."""

    channel: Channel
    old: bool | None


class BounceLifted(Shape):
    """Mail may go again to an address that it had come back from for good; `email` is its compared form."""

    email: Name


class Leaving(Subscription):
    """A channel that the contact left: by the link in a mail, or by complaining of one, and then that mail is named.

    Who has left already and complains is told of with `old` false. `first` marks the first complaint of a mail.
    """

    message: str | None = None
    delivery: str | None = None
    complaint: bool = False
    first: bool = False


class Consent(Shape):
    """A consent, granted or withdrawn; `old` is null where it had never been asked."""

    consent: str
    granted: bool
    old: bool | None


class Merged(Shape):
    """The id of the contact that became a part of this one."""

    from_: str = field(name="from")


class Erased(Shape):
    """Nothing: what was personal is gone."""


class Mail(Shape):
    """What happened to a message.

    `delivery` is the mail itself, where Goniec sent it. `machine` marks an opening or click of a scanner or a proxy,
    `first` the first of its kind for this message and contact, `derived` an opening that is known by a click only. Of a
    bounce, `kind` is hard (the address is dead) or soft, `code` its status (RFC 3463), `reason` what was said, and
    `email` the address in its compared form; `old` is the one that mail had come back from before, if any.
    """

    message: Name
    url: LongUrl | None = None
    subject: Line | None = None
    reason: Text | None = None
    machine: bool = False
    first: bool = False
    delivery: Name | None = None
    derived: bool = False
    kind: Literal["hard", "soft"] | None = None
    code: Name | None = None
    email: Name | None = None
    old: Name | None = None


class Visit(Shape):
    """A page that the contact looked at, and for how long."""

    url: Url
    title: Line | None = None
    referrer: Annotated[str, Meta(max_length=2_048)] | None = None
    seconds: Annotated[int, Meta(ge=0, le=2**63 - 1)] | Annotated[float, Meta(ge=0)] | None = None


class Form(Shape):
    """A form that the contact sent, and what it filled in."""

    form: Name
    fields: dict[Name, Text | Int64 | float | bool | None] = {}


class ExternalEvent(Shape):
    """Something that another system knows of: a purchase, a cart, a call.

    `products` are ids, or objects of any make; `properties` hold what has no place of its own.
    """

    kind: Name
    value: Number | None = None
    products: list[Name | Int64 | dict[str, Any]] | None = None
    description: Text | None = None
    location: Line | None = None
    external_id: Line | None = None
    detail1: Line | None = None
    detail2: Line | None = None
    detail3: Line | None = None
    detail4: Line | None = None
    detail5: Line | None = None
    detail6: Line | None = None
    detail7: Line | None = None
    detail8: Line | None = None
    detail9: Line | None = None
    detail10: Line | None = None
    detail11: Line | None = None
    detail12: Line | None = None
    detail13: Line | None = None
    detail14: Line | None = None
    detail15: Line | None = None
    detail16: Line | None = None
    detail17: Line | None = None
    detail18: Line | None = None
    detail19: Line | None = None
    detail20: Line | None = None
    properties: dict[str, Any] | None = None


class DateComing(Shape):
    """A date in one of the contact's details that lies `days` ahead; a date has no time and no zone."""

    detail: str
    date: str
    days: Count


class Inactive(Shape):
    """How many days ago the contact last did something."""

    days: Count


class WebhookFailed(Shape):
    """The ids of a delivery that was given up, its endpoint and the rule that it came from."""

    delivery: str
    endpoint: str
    rule: str


class RuleRequested(Shape):
    """The id of the rule that was asked for, and who asked (a user, an API key, or another rule)."""

    rule: str
    by: str
