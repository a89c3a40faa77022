"""Single changes of a contact: tags, score, stage, details, notes, consents. Each is one change set."""

from functools import partial
from typing import Annotated

from msgspec import Meta, Struct

from goniec.core.actions import AddNote, AddTag, RemoveTag
from goniec.core.changes import Change, LiftBounce
from goniec.core.decide import Call
from goniec.core.identity import Who
from goniec.core.model import Channel, DetailValue
from goniec.core.problems import Invalid
from goniec.flow.contact import TEXT_LIMIT, Faults, ScoreIn, consents, details, score, stage, subscriptions, tags
from goniec.web.api.asking import expected_seq, origin, tell_contact
from goniec.web.once import recorded
from goniec.web.operation import Ask, operation
from goniec.web.reply import Reply
from goniec.web.shown import ContactOut


class TagsIn(Struct, rename="camel", forbid_unknown_fields=True):
    """Tags to put on the contact and to take off, in this order: adding first."""

    add: list[str] = []
    remove: list[str] = []


class StageIn(Struct, rename="camel", forbid_unknown_fields=True):
    """The stage of a funnel to be in; null takes the contact out of the funnel."""

    funnel: str
    stage: str | None


class DetailsIn(Struct, rename="camel", forbid_unknown_fields=True):
    """Details by name; null or an empty text removes one."""

    details: dict[str, DetailValue | None]


class NoteIn(Struct, rename="camel", forbid_unknown_fields=True):
    """A note about the contact."""

    text: Annotated[str, Meta(description=f"At most {TEXT_LIMIT} characters.")]


class ConsentsIn(Struct, rename="camel", forbid_unknown_fields=True):
    """Consents, granted or withdrawn, and subscriptions by channel."""

    consents: dict[str, bool] = {}
    subscriptions: dict[Channel, bool] = {}


@operation(
    "POST",
    "/contacts/{id}/tags",
    scope="ingest",
    tag="contacts",
    summary="Add and remove tags",
    answers={200: ContactOut},
    errors=(412,),
    examples={"a new VIP": {"add": ["VIP"], "remove": ["PROSPECT"]}},
)
async def change_tags(ask: Ask, id: str, body: TagsIn) -> Reply:
    """Add tags, then remove tags. A tag that the contact has, or has not, is no event."""
    faults = Faults()
    changes = [*tags(body.add, AddTag, faults, "/add"), *tags(body.remove, RemoveTag, faults, "/remove")]
    return await _change(ask, id, changes, faults)


@operation(
    "POST",
    "/contacts/{id}/score",
    scope="ingest",
    tag="contacts",
    summary="Add to the score or set it",
    answers={200: ContactOut},
    errors=(412,),
    examples={"ten more points": {"add": 10}, "start again": {"set": 0}},
)
async def change_score(ask: Ask, id: str, body: ScoreIn) -> Reply:
    """Add points (negative ones subtract) or set the score. It stops at the ends of 32 bits."""
    faults = Faults()
    return await _change(ask, id, score(body, faults, ""), faults)


@operation(
    "POST",
    "/contacts/{id}/stage",
    scope="ingest",
    tag="contacts",
    summary="Move to a stage of a funnel",
    answers={200: ContactOut},
    errors=(412,),
    examples={"won": {"funnel": "Sales", "stage": "Won"}, "out of the funnel": {"funnel": "Sales", "stage": None}},
)
async def change_stage(ask: Ask, id: str, body: StageIn) -> Reply:
    """Put the contact into a stage, out of the one of the same funnel that it was in."""
    faults = Faults()
    known = (await origin(ask)).funnels
    return await _change(ask, id, stage(body.funnel, body.stage, known, faults, "/stage", "/funnel"), faults)


@operation(
    "POST",
    "/contacts/{id}/details",
    scope="ingest",
    tag="contacts",
    summary="Set and remove details",
    answers={200: ContactOut},
    errors=(412,),
    examples={"set and remove": {"details": {"shoe size": 42, "old one": None}}},
)
async def change_details(ask: Ask, id: str, body: DetailsIn) -> Reply:
    """Give details a value. Any text will do as a name: details never stand in the way of the contact's own fields."""
    faults = Faults()
    return await _change(ask, id, details(body.details, faults, "/details"), faults)


@operation(
    "POST",
    "/contacts/{id}/notes",
    scope="ingest",
    tag="contacts",
    summary="Add a note",
    answers={200: ContactOut},
    errors=(412,),
    examples={"a note": {"text": "Asked for an offer."}},
)
async def add_note(ask: Ask, id: str, body: NoteIn) -> Reply:
    """Write a note about the contact.

    Notes are events: `GET /events?contactId=…&type=contact.note_added` lists them.
    """
    faults = Faults()
    text = faults.named("/text", body.text, TEXT_LIMIT, multiline=True)
    return await _change(ask, id, [] if text is None else [AddNote(text)], faults)


@operation(
    "POST",
    "/contacts/{id}/consents",
    scope="ingest",
    tag="contacts",
    summary="Note consents and subscriptions",
    answers={200: ContactOut},
    errors=(412,),
    examples={"newsletter": {"consents": {"marketing": True}, "subscriptions": {"email": True}}},
)
async def change_consents(ask: Ask, id: str, body: ConsentsIn) -> Reply:
    """Note consents as granted or withdrawn, and subscribe or unsubscribe channels."""
    faults = Faults()
    changes = [*consents(body.consents, faults, "/consents"), *subscriptions(body.subscriptions)]
    return await _change(ask, id, changes, faults)


@operation(
    "DELETE",
    "/contacts/{id}/bounce",
    scope="admin",
    tag="contacts",
    summary="Let mail go to the address again",
    answers={200: ContactOut},
    errors=(412,),
)
async def lift_bounce(ask: Ask, id: str) -> Reply:
    """Let mail go again to the address that it had come back from for good (`bounced`), as `contact.bounce_lifted`.

    Nothing that was cancelled or has failed goes out by itself; `POST /deliveries/{id}/resend` sends it. Where no mail
    has come back it changes nothing.
    """
    return await _change(ask, id, [LiftBounce()], Faults())


async def _change(ask: Ask, contact_id: str, changes: list[Change], faults: Faults) -> Reply:
    if faults.found:
        raise Invalid(*faults.found)
    call = Call(
        who=Who(id=contact_id),
        changes=tuple(changes),
        source="api",
        source_key=ask.key.name,
        cause=ask.cause,
        create=False,
        expect=expected_seq(ask),
    )
    return await recorded(ask, [call], partial(tell_contact, ask, by_path=True))
