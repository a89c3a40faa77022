"""Triggers: which events set a rule off.

A trigger is a type of event with filters on its data; all filters given must fit, and one that is left out fits
anything. Every trigger may also filter on where the event came from, so that a rule can leave out what another system
wrote itself. How triggers are checked, compiled and found is in `matching`.

A new kind is a struct here with its `filters`, a place in `Trigger`, a type in `events`, and its labels.
"""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from goniec.core.model import SCORE_MAX, SCORE_MIN, Channel, Source
from goniec.core.operators import Op, Operand, Scalar

Texts = tuple[str, ...] | None
Days = Annotated[int, Meta(ge=0, le=36_500)]


class _Trigger(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """What all triggers share: filters on where the event came from.

    `filters` names the filters that compare with a value in the data, and that value's key there; the first of them are
    `index`ed, as far as they are given.
    """

    filters: ClassVar[dict[str, str]] = {}
    index: ClassVar[tuple[str, ...]] = ()
    source: tuple[Source, ...] | None = None
    source_key: Texts = None
    not_source: tuple[Source, ...] | None = None
    not_source_key: Texts = None


class ContactCreated(_Trigger, frozen=True, kw_only=True, tag_field="type", tag="contact.created"):
    """A contact is new."""


class ContactReadded(_Trigger, frozen=True, kw_only=True, tag_field="type", tag="contact.readded"):
    """A contact was added that is known already."""


class ContactChanged(_Trigger, frozen=True, kw_only=True, tag_field="type", tag="contact.changed"):
    """Plain fields changed: any, or at least one of `fields`."""

    fields: tuple[Literal["email", "phone", "name", "company", "externalId", "language", "timezone"], ...] | None = None


class _DetailTrigger(_Trigger, frozen=True, kw_only=True):
    """A detail: one of `names`, with one of `values` (for a removed one, those it had)."""

    filters = {"names": "name"}
    index = ("names",)
    names: Texts = None
    values: tuple[Scalar, ...] | None = None


class DetailAdded(_DetailTrigger, frozen=True, kw_only=True, tag_field="type", tag="contact.detail_added"):
    """A detail is new."""


class DetailChanged(_DetailTrigger, frozen=True, kw_only=True, tag_field="type", tag="contact.detail_changed"):
    """A detail has another value."""


class DetailRemoved(_DetailTrigger, frozen=True, kw_only=True, tag_field="type", tag="contact.detail_removed"):
    """A detail is gone."""


class _TagTrigger(_Trigger, frozen=True, kw_only=True):
    """A tag: any of `tags`."""

    filters = {"tags": "tag"}
    index = ("tags",)
    tags: Texts = None


class Tagged(_TagTrigger, frozen=True, kw_only=True, tag_field="type", tag="contact.tagged"):
    """A tag was put on."""


class Untagged(_TagTrigger, frozen=True, kw_only=True, tag_field="type", tag="contact.untagged"):
    """A tag was taken off."""


class ScoreChanged(_Trigger, frozen=True, kw_only=True, tag_field="type", tag="contact.score_changed"):
    """A score of the contact, of a tag or of a stage changed, and how it stands to `value`.

    `crossed`: from below it to it or above. `equals`: to exactly it. `whileAbove`: to anything above it, each time.
    Without a value: each time.
    """

    filters = {"scope": "scope", "tag": "tag", "funnel": "funnel", "stage": "stage"}
    mode: Literal["crossed", "equals", "whileAbove"] = "crossed"
    value: Annotated[int, Meta(ge=SCORE_MIN, le=SCORE_MAX)] | None = None
    scope: Literal["contact", "tag", "stage"] = "contact"
    tag: str | None = None
    funnel: str | None = None
    stage: str | None = None


class _StageTrigger(_Trigger, frozen=True, kw_only=True):
    """A stage: any, any of a `funnel`, or some `stages` of it."""

    filters = {"funnel": "funnel", "stages": "stage"}
    index = ("funnel", "stages")
    funnel: str | None = None
    stages: Texts = None


class StageEntered(_StageTrigger, frozen=True, kw_only=True, tag_field="type", tag="contact.stage_entered"):
    """The contact came into a stage."""


class StageLeft(_StageTrigger, frozen=True, kw_only=True, tag_field="type", tag="contact.stage_left"):
    """The contact left a stage."""


class OwnerChanged(_Trigger, frozen=True, kw_only=True, tag_field="type", tag="contact.owner_changed"):
    """Somebody else looks after the contact."""


class BounceLifted(_Trigger, frozen=True, kw_only=True, tag_field="type", tag="contact.bounce_lifted"):
    """Mail may go again to the contact's address, which it had come back from."""


class StateChanged(_Trigger, frozen=True, kw_only=True, tag_field="type", tag="contact.state_changed"):
    """The contact has another state."""


class NoteAdded(_Trigger, frozen=True, kw_only=True, tag_field="type", tag="contact.note_added"):
    """Somebody wrote a note about the contact."""


class _ChannelTrigger(_Trigger, frozen=True, kw_only=True):
    """A channel: any, or this one."""

    filters = {"channel": "channel"}
    index = ("channel",)
    channel: Channel | None = None


class OptedIn(_ChannelTrigger, frozen=True, kw_only=True, tag_field="type", tag="contact.opted_in"):
    """The contact joined a channel."""


class OptedOut(_ChannelTrigger, frozen=True, kw_only=True, tag_field="type", tag="contact.opted_out"):
    """The contact left a channel."""


class ConsentAssigned(_Trigger, frozen=True, kw_only=True, tag_field="type", tag="consent.assigned"):
    """A consent was granted or withdrawn, or only one of the two (`granted`)."""

    filters = {"consent": "consent", "granted": "granted"}
    index = ("consent",)
    consent: str | None = None
    granted: bool | None = None


class ContactMerged(_Trigger, frozen=True, kw_only=True, tag_field="type", tag="contact.merged"):
    """Another contact became a part of this one."""


class ContactErased(_Trigger, frozen=True, kw_only=True, tag_field="type", tag="contact.erased"):
    """The contact's data was erased."""


class _MailTrigger(_Trigger, frozen=True, kw_only=True):
    """A message: any, or one of `messages`."""

    filters = {"messages": "message"}
    index = ("messages",)
    messages: Texts = None


class _ReadTrigger(_MailTrigger, frozen=True, kw_only=True):
    """A message that was read: by people (the default), by machines, or (null) by either; `first`, or not first."""

    filters = {"messages": "message", "first": "first", "machine": "machine"}
    machine: bool | None = False
    first: bool | None = None


class EmailSent(_MailTrigger, frozen=True, kw_only=True, tag_field="type", tag="email.sent"):
    """A message was sent."""


class EmailOpened(_ReadTrigger, frozen=True, kw_only=True, tag_field="type", tag="email.opened"):
    """A message was opened."""


class EmailClicked(_ReadTrigger, frozen=True, kw_only=True, tag_field="type", tag="email.clicked"):
    """A link in a message was clicked: any, or one that fits one of `urls`, in which `**` stands for anything."""

    urls: Texts = None


class EmailBounced(_MailTrigger, frozen=True, kw_only=True, tag_field="type", tag="email.bounced"):
    """A message came back."""


class PageVisited(_Trigger, frozen=True, kw_only=True, tag_field="type", tag="page.visited"):
    """A page was looked at: any, or one that fits one of `urls`, in which `**` stands for anything."""

    urls: Texts = None


class FormSubmitted(_Trigger, frozen=True, kw_only=True, tag_field="type", tag="form.submitted"):
    """A form was sent: any, or one of `forms`."""

    filters = {"forms": "form"}
    index = ("forms",)
    forms: Texts = None


class Filter(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An operator and an operand, as conditions have them."""

    op: Op
    value: Operand = None


class _ExternalTrigger(_Trigger, frozen=True, kw_only=True):
    """An external event: one of `kinds`; its value; one of `products`; and each of `properties`, equal or as filtered.

    A product is named by its text or number, or, where it is an object, by its `id`, `sku` or `name`.
    """

    filters = {"kinds": "kind"}
    index = ("kinds",)
    kinds: Texts = None
    value: Filter | None = None
    products: Texts = None
    properties: dict[str, Filter | Scalar] | None = None


class ExternalAdded(_ExternalTrigger, frozen=True, kw_only=True, tag_field="type", tag="external_event.added"):
    """Another system reports something."""


class ExternalChanged(_ExternalTrigger, frozen=True, kw_only=True, tag_field="type", tag="external_event.changed"):
    """Another system corrects what it reported."""


class DateUpcoming(_Trigger, frozen=True, kw_only=True, tag_field="type", tag="date.upcoming"):
    """A date in a detail lies so many days ahead."""

    filters = {"detail": "detail", "days": "days"}
    index = ("detail", "days")
    detail: str | None = None
    days: Days | None = None


class ContactInactive(_Trigger, frozen=True, kw_only=True, tag_field="type", tag="contact.inactive"):
    """The contact has done nothing for so many days."""

    filters = {"days": "days"}
    index = ("days",)
    days: Days | None = None


class WebhookFailed(_Trigger, frozen=True, kw_only=True, tag_field="type", tag="webhook.failed"):
    """A delivery was given up: any, or one for one of `endpoints`, or of one of `rules` (their ids)."""

    filters = {"endpoints": "endpoint", "rules": "rule"}
    index = ("endpoints",)
    endpoints: Texts = None
    rules: Texts = None


class RuleRequested(_Trigger, frozen=True, kw_only=True, tag_field="type", tag="rule.requested"):
    """A rule was asked for by hand: one of `rules` (their ids); left out, the rule that has this trigger."""

    filters = {"rules": "rule"}
    index = ("rules",)
    rules: Texts = None


Trigger = (
    ContactCreated
    | ContactReadded
    | ContactChanged
    | DetailAdded
    | DetailChanged
    | DetailRemoved
    | Tagged
    | Untagged
    | ScoreChanged
    | StageEntered
    | StageLeft
    | OwnerChanged
    | StateChanged
    | NoteAdded
    | OptedIn
    | OptedOut
    | BounceLifted
    | ConsentAssigned
    | ContactMerged
    | ContactErased
    | EmailSent
    | EmailOpened
    | EmailClicked
    | EmailBounced
    | PageVisited
    | FormSubmitted
    | ExternalAdded
    | ExternalChanged
    | DateUpcoming
    | ContactInactive
    | WebhookFailed
    | RuleRequested
)
