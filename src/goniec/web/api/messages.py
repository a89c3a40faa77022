"""Messages, which rules send by mail: made, read, changed, deleted, previewed; and the limits on mail."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from goniec.core.composing import EXAMPLE, Composer, Unwritable
from goniec.core.mailing import Figure
from goniec.core.messages import Message, MessageDraft
from goniec.core.model import Status
from goniec.core.problems import Problem
from goniec.core.quiet import MailLimits
from goniec.core.uses import Use
from goniec.flow.configure import Conflict, Named, Outside, Refusal, usage
from goniec.flow.decoding import plainly
from goniec.flow.messages import (
    MessageOut,
    change_message,
    create_message,
    delete_message,
    delivered,
    message_figures,
    message_tag,
    preview,
    shown_message,
)
from goniec.flow.testing import MailTrial, send_mail_test
from goniec.flow.workspace import change_mail_limits, mail_limits
from goniec.ports import Store
from goniec.web.api.deliveries import AttemptOut, attempt_out
from goniec.web.lists import Listed, PageQuery, listed
from goniec.web.once import once
from goniec.web.operation import Ask, operation
from goniec.web.problems import invalid, missing
from goniec.web.refusals import NamedOut, cut, etag, fault, named
from goniec.web.reply import Reply


class FiguresOut(Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of a message's mails, test sends left out."""

    sent: Annotated[int, Meta(description="Taken by the mail server.")]
    delivered: Annotated[int, Meta(description="As far as known: sent, and not come back; each mail counts once.")]
    opened: Annotated[int, Meta(description="Openings by people.")]
    opened_first: Annotated[int, Meta(description="Mails that were opened.")]
    clicked: Annotated[int, Meta(description="Clicks by people.")]
    clicked_first: Annotated[int, Meta(description="Mails in which a link was clicked.")]
    by_machines: Annotated[int, Meta(description="Openings and clicks by proxies and scanners.")]
    bounced: Annotated[int, Meta(description="Refused or come back for good.")]
    returned: Annotated[int, Meta(description="Refused or come back for now.")]
    left: Annotated[int, Meta(description="Contacts that opted out by one.")]
    complained: Annotated[int, Meta(description="Mails that somebody complained of, also who had left before.")]


class MessageShown(MessageOut, frozen=True, kw_only=True):
    """A message, the rules that use it, and what became of its mails."""

    used_by: list[NamedOut]
    figures: FiguresOut


class MailTestIn(Struct, rename="camel", forbid_unknown_fields=True):
    """Where to, and for which contact; an example unless given."""

    to: str
    contact_id: str | None = None


class MailTestOut(Struct, rename="camel", kw_only=True):
    """How a test send went."""

    delivery_id: str
    status: Status
    attempt: AttemptOut


class PreviewIn(Struct, rename="camel", forbid_unknown_fields=True):
    """For whom: a contact, or an example unless given."""

    contact_id: str | None = None


class PreviewOut(Struct, rename="camel", kw_only=True):
    """The mail as that contact would get it now, before links are counted; null: it has none."""

    to: str
    sender: Annotated[str | None, Meta(description="Null: GONIEC_MAIL_FROM.")] = None
    reply_to: str | None = None
    subject: str
    html: str | None = None
    text: Annotated[str | None, Meta(description="Null: it is made of the HTML.")] = None


class LimitsOut(Struct, rename="camel", kw_only=True):
    """The limits on marketing mail, for all rules; null: there are none."""

    quiet_hours: Annotated[dict[str, str] | None, Meta(description="`from` and `until`, in the contact's zone.")]
    per_day: Annotated[int | None, Meta(description="Mails to one contact in a day.")]


_WELCOME = {
    "name": "Welcome",
    "subject": "Hello {{ contact.name }}",
    "html": '<p>Hello {{ contact.name }},</p><p><a href="https://shop.example/start">here you go</a>.</p>',
    "from": "Shop <shop@shop.example>",
}


@operation(
    "GET", "/messages", scope="read", tag="messages", summary="List messages", answers={200: Listed[MessageShown]}
)
async def list_messages(ask: Ask, query: PageQuery) -> Reply:
    """Messages in the order in which they were made."""
    queries = ask.context.store.queries
    used = usage(await queries.rules())
    rows = cut(query.page(), await queries.messages(), lambda message: message.id)
    figures = await message_figures(queries, [message.id for message in rows], ask.context.clock.now())
    return listed(query, rows, lambda message: message.id, partial(_shown, used, figures))


@operation("GET", "/messages/{id}", scope="read", tag="messages", summary="Read a message", answers={200: MessageShown})
async def read_message(ask: Ask, id: str) -> Reply:
    """One message, as it can be sent back."""
    return await _tell(ask, await _found(ask, id))


@operation(
    "POST",
    "/messages",
    scope="admin",
    tag="messages",
    summary="Make a message",
    answers={201: MessageShown},
    errors=(409,),
    examples={"a welcome": _WELCOME},
    raw=MessageDraft,
)
async def make_message(ask: Ask) -> Reply:
    """Make a message. `subject`, `html` and `text` are Liquid, with `contact`, `event`, `rule` and `unsubscribeUrl`.

    One of `html` and `text` is enough. A mistake in a template is refused here, with its line. A message that is not
    `transactional` gets a link to opt out where it has none.
    """
    data = plainly(ask.raw)

    async def act(store: Store) -> Message | Refusal:
        return await create_message(_outside(ask, store), data)

    return await once(ask, act, partial(_told, {}, {}, status=201))


@operation(
    "PUT",
    "/messages/{id}",
    scope="admin",
    tag="messages",
    summary="Change a message",
    answers={200: MessageShown},
    errors=(409, 412),
    examples={"a welcome": _WELCOME},
    raw=MessageDraft,
)
async def put_message(ask: Ask, id: str) -> Reply:
    """Save a message as it is sent; what is left out goes back to its default. What is written already stays."""
    return await _tell(ask, await change_message(ask.context.outside, id, plainly(ask.raw), ask.expected))


@operation(
    "DELETE",
    "/messages/{id}",
    scope="admin",
    tag="messages",
    summary="Delete a message",
    answers={204: None},
    errors=(409, 412),
)
async def remove_message(ask: Ask, id: str) -> Reply:
    """Delete a message that no rule names (else 409 `inUse`). What was sent of it stays."""
    refused = await delete_message(ask.context.outside, id, ask.expected)
    if refused is not None:
        raise fault(refused)
    return Reply(204)


@operation(
    "POST",
    "/messages/{id}/preview",
    scope="read",
    tag="messages",
    summary="Preview a message",
    answers={200: PreviewOut},
    examples={"for an example": {}, "for a contact": {"contactId": "019ab6f0-5c1e-7cc2-9a55-3f1d2b7c8e90"}},
)
async def preview_message(ask: Ask, id: str, body: PreviewIn) -> Reply:
    """Make the mail that a contact would get, and send nothing.

    What a template cannot do for this contact is refused (422), with the part and its line.
    """
    context = ask.context
    message = await _found(ask, id)
    contact = EXAMPLE if body.contact_id is None else await context.store.queries.contact(body.contact_id)
    if contact is None:
        raise missing("contact")
    try:
        composer = Composer(language=context.language)
        envelope = await asyncio.to_thread(preview, composer, message, contact, context.clock.now())
    except Unwritable as error:
        raise invalid([Problem("", str(error))]) from None
    return Reply(
        200,
        PreviewOut(
            to=envelope.to,
            sender=envelope.sender,
            reply_to=envelope.reply_to,
            subject=envelope.subject,
            html=envelope.html,
            text=envelope.text,
        ),
    )


@operation(
    "POST",
    "/messages/{id}/testSend",
    scope="admin",
    tag="messages",
    summary="Send a message as a test",
    answers={200: MailTestOut},
    examples={"to oneself": {"to": "me@shop.example"}},
)
async def test_send_message(ask: Ask, id: str, body: MailTestIn) -> Reply:
    """Send the message once to an address, as a contact would get it, and wait for what the mail server says.

    Openings and clicks of it are not counted. That it failed is no error of this call: see `status` and `attempt`.
    """
    context = ask.context
    message = await _found(ask, id)
    found = await send_mail_test(context.bench, message, body.contact_id, body.to, Composer(language=context.language))
    if not isinstance(found, MailTrial):
        raise fault(found)
    return Reply(
        200,
        MailTestOut(delivery_id=found.delivery.id, status=found.delivery.status, attempt=attempt_out(found.attempt)),
    )


@operation("GET", "/mail/limits", scope="read", tag="messages", summary="Read mail limits", answers={200: LimitsOut})
async def read_limits(ask: Ask) -> Reply:
    """Read the hours in which no marketing mail goes, and how many may go to one contact in a day."""
    return _limits(await mail_limits(ask.context.store))


@operation(
    "PUT",
    "/mail/limits",
    scope="admin",
    tag="messages",
    summary="Change mail limits",
    answers={200: LimitsOut},
    examples={"no mail at night": {"quietHours": {"from": "21:00", "until": "08:00"}, "perDay": 2}},
)
async def put_limits(ask: Ask, body: MailLimits) -> Reply:
    """Set them, for all rules; a rule may tighten them with its own `mail`. What is left out has no limit."""
    return _limits(await change_mail_limits(ask.context.outside, body))


def _limits(limits: MailLimits) -> Reply:
    hours = limits.quiet_hours
    quiet = None if hours is None else {"from": hours.start, "until": hours.until}
    return Reply(200, LimitsOut(quiet_hours=quiet, per_day=limits.per_day))


def _outside(ask: Ask, store: Store) -> Outside:
    return replace(ask.context.outside, store=store)


async def _found(ask: Ask, id: str) -> Message:
    found = await ask.context.store.queries.message(id)
    if found is None:
        raise missing("message")
    return found


async def _tell(ask: Ask, found: Message | Refusal) -> Reply:
    queries = ask.context.store.queries
    ids = [found.id] if isinstance(found, Message) else []
    figures = await message_figures(queries, ids, ask.context.clock.now())
    return _told(usage(await queries.rules()), figures, found)


Figures = Mapping[str, Mapping[Figure, int]]


def _told(
    used: Mapping[Use, list[Named]], figures: Figures, found: Message | Refusal | Conflict, status: int = 200
) -> Reply:
    if not isinstance(found, Message):
        raise fault(found)
    return Reply(
        status, _shown(used, figures, found), (etag(message_tag(found)), ("location", f"/api/v1/messages/{found.id}"))
    )


def _shown(used: Mapping[Use, list[Named]], figures: Figures, message: Message) -> MessageShown:
    out = shown_message(message)
    given = {name: getattr(out, name) for name in MessageOut.__struct_fields__}
    told = figures.get(message.id, {})
    return MessageShown(
        **given,
        used_by=named(used.get(("message", message.id), [])),
        figures=FiguresOut(
            sent=told.get("sent", 0),
            delivered=delivered(told),
            opened=told.get("opened", 0),
            opened_first=told.get("openedFirst", 0),
            clicked=told.get("clicked", 0),
            clicked_first=told.get("clickedFirst", 0),
            by_machines=told.get("byMachines", 0),
            bounced=told.get("bounced", 0),
            returned=told.get("returned", 0),
            left=told.get("left", 0),
            complained=told.get("complained", 0),
        ),
    )
