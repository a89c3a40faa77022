"""What a rule does: the kinds of action, each a tagged struct.

All but `webhook`, `emitEvent` and those that send mail change the contact; the API's own calls are made of the same
structs, so that a change has one meaning wherever it comes from (`changes.py` turns one into events). A new kind
follows the recipe in the docs.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from goniec.core.model import Channel, DetailValue, State


class BasicAuth(Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """User name and password as entered; only on the way in."""

    username: str
    password: str | msgspec.UnsetType | None = msgspec.UNSET
    password_set: bool | None = None


class OAuth2In(Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """A client that gets an access token from `tokenUrl`, as entered; without its secret, the stored one is kept."""

    token_url: str
    client_id: str
    client_secret: str | msgspec.UnsetType = msgspec.UNSET
    scope: str | None = None
    audience: str | None = None
    auth: Literal["basic", "body"] = "basic"
    secret_set: bool | None = None


class Webhook(
    Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True, tag_field="type", tag="webhook"
):
    """Tell an endpoint. A user gives `url`, `basicAuth` or `oauth2`; what is stored is only the endpoint's id."""

    url: str | None = None
    basic_auth: BasicAuth | None = None
    oauth2: OAuth2In | None = None
    endpoint_id: str | None = None


class AddTag(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="addTag"):
    """Put a tag on the contact."""

    tag: str


class RemoveTag(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="removeTag"):
    """Take a tag off the contact."""

    tag: str


class AddScore(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="addScore"):
    """Add points to the contact's score; negative ones subtract. The sum stops at the ends of 32 bits."""

    points: int


class SetScore(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="setScore"):
    """Set the contact's score."""

    value: int


class SetDetail(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="setDetail"):
    """Give a detail a value (text, number, date as text, true or false)."""

    name: str
    value: DetailValue


class RemoveDetail(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="removeDetail"):
    """Take a detail off the contact."""

    name: str


class SetField(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="setField"):
    """Set a field of the contact that is no key to it: name, company, phone, language, timezone. Null clears it."""

    field: str
    value: str | None


class SetState(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="setState"):
    """Set the contact's state."""

    state: State


class SetOwner(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="setOwner"):
    """Give the contact to an owner, or to nobody."""

    owner: str | None


class MoveToStage(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="moveToStage"):
    """Put the contact into a stage of a funnel, out of the one it was in."""

    funnel: str
    stage: str


class RemoveFromFunnel(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="removeFromFunnel"):
    """Take the contact out of a funnel."""

    funnel: str


class AddNote(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="addNote"):
    """Write a note about the contact."""

    text: str


class OptIn(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="optIn"):
    """Subscribe the contact on a channel."""

    channel: Channel


class OptOut(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="optOut"):
    """Unsubscribe the contact on a channel."""

    channel: Channel


class LeaveByMail(Struct, frozen=True):
    """The contact leaves: by the link in a mail, or by complaining of one. No rule has this action."""

    message: str
    delivery: str
    complaint: bool = False


class SendEmail(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="sendEmail"):
    """Send the contact a message by mail."""

    message: str


class NotifyUser(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="notifyUser"):
    """Write a mail to a user of the panel, or to the contact's `owner`; subject and text are Liquid."""

    user: str
    subject: str
    text: str


class EmitEvent(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="emitEvent"):
    """Raise an `external_event.added` of a kind about the contact."""

    kind: str
    data: dict[str, Any] = {}


ContactAction = (
    AddTag
    | RemoveTag
    | AddScore
    | SetScore
    | SetDetail
    | RemoveDetail
    | SetField
    | SetState
    | SetOwner
    | MoveToStage
    | RemoveFromFunnel
    | AddNote
    | OptIn
    | OptOut
)
MailAction = SendEmail | NotifyUser
Action = Webhook | EmitEvent | MailAction | ContactAction
