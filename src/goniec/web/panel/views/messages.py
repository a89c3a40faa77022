"""Messages: the list, the form with its preview, test sends, deleting.

Saving goes through the same reading, checks and transaction as the API. A message that cannot be saved comes back as it
was typed, with each problem at its field.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from goniec.core.composing import Composer, Unwritable
from goniec.core.mailing import Figure
from goniec.core.messages import Message, read_draft
from goniec.core.model import Contact
from goniec.core.problems import Invalid
from goniec.flow.configure import Conflict, Missing, Named, Refusal, Stale, usage
from goniec.flow.messages import (
    change_message,
    create_message,
    delete_message,
    delivered,
    message_figures,
    message_tag,
    preview,
)
from goniec.flow.testing import MailTrial, send_mail_test
from goniec.ports import Page
from goniec.web.lists import closed, opened
from goniec.web.panel.failures import answer_name
from goniec.web.panel.mail_frame import framed, readable
from goniec.web.panel.message_fields import Fields, data_of, difference, names, sent, shown
from goniec.web.panel.page import Visit, page
from goniec.web.panel.showing import visible
from goniec.web.panel.whom import newest, offered, told_apart, whom
from goniec.web.problems import missing
from goniec.web.refusals import cut
from goniec.web.reply import Reply

ROWS: Final = 50

VALUES: Final = (
    "contact.name",
    "contact.email",
    "contact.company",
    "contact.phone",
    "contact.owner",
    "contact.score",
    "contact.tags",
    "contact.details.…",
    "event.type",
    "event.occurredAt",
    "event.data.…",
    "rule.name",
    "unsubscribeUrl",
)
"""What a text may put in, of all that `composing` gives it; the API's description has the rest."""


class Row(Struct, frozen=True):
    """A message in the list."""

    message: Message
    name: str
    rules: list[Named]
    figures: Mapping[Figure, int]


class Seen(Struct, frozen=True):
    """A mail of the preview; `wrong` says why there is none, by field."""

    subject: str = ""
    html: str | None = None
    text: str | None = None
    wrong: tuple[tuple[str, str], ...] = ()


@page("GET", "/messages", role="viewer")
async def messages(visit: Visit) -> Reply:
    """List messages, the newest first."""
    queries = visit.context.store.queries
    known = await queries.messages()
    wanted = visit.query.text("q").casefold()
    found = [one for one in known if wanted in f"{one.name} {one.subject}".casefold()]
    cursor = visit.query.get("cursor")
    shown_ones = cut(Page(ROWS + 1, opened(cursor) if cursor else None, newest=True), found, lambda one: one.id)
    more = closed(shown_ones[ROWS - 1].id) if len(shown_ones) > ROWS else None
    rows = shown_ones[:ROWS]
    used = usage(await queries.rules())
    figures = await message_figures(queries, [one.id for one in rows], visit.now)
    return visit.page(
        "messages.html",
        rows=[Row(one, visible(one.name), used.get(("message", one.id), []), figures[one.id]) for one in rows],
        total=len(found),
        known=len(known),
        more=more,
        first=not cursor,
    )


@page("GET", "/messages/new", role="editor")
async def new_message(visit: Visit) -> Reply:
    """Begin a message: empty, or from another one (`copy`)."""
    other = visit.query.get("copy")
    if not other:
        return await _form(visit, None, Fields())
    fields = shown(await _load(visit, other))
    return await _form(visit, None, _renamed(fields, visit.say("%(name)s (copy)", name=fields.name)))


@page("GET", "/messages/{id}", role="viewer")
async def one_message(visit: Visit, id: str) -> Reply:
    """Show a message in the form."""
    found = await _load(visit, id)
    return await _form(visit, found, shown(found))


@page("POST", "/messages/new", role="editor")
async def make(visit: Visit) -> Reply:
    """Save a new message, or look whom the preview is about."""
    return await _sent(visit, None)


@page("POST", "/messages/{id}", role="editor")
async def change(visit: Visit, id: str) -> Reply:
    """Save a message, or look whom the preview is about."""
    return await _sent(visit, await _load(visit, id))


@page("POST", "/messages/preview", role="viewer")
async def look(visit: Visit) -> Reply:
    """Make the mail that a contact would get of what stands in the form."""
    chosen = await whom(visit)
    # fields that may only be looked at are not sent
    fields = sent(visit.form) if "subject" in visit.form else shown(await _load(visit, visit.form.get("_message")))
    return visit.page(
        "message_preview.html",
        policy="pictures",
        seen=await asyncio.to_thread(_seen, visit, fields, chosen.contact),
        missed=chosen.missed,
        whom=told_apart(chosen.contact),
    )


@page("POST", "/messages/{id}/test", role="editor")
async def test(visit: Visit, id: str) -> Reply:
    """Send what is saved once, and show what the mail server said."""
    found = await _load(visit, id)
    fields = sent(visit.form) if "name" in visit.form else shown(found)
    problems: dict[str, str] = {}
    trial: MailTrial | None = None
    chosen = await whom(visit)
    if fields != shown(found):
        problems["_to"] = visit.say("Not sent: there are unsaved changes. Save the message first.")
    elif chosen.missed is None:
        composer = Composer(language=visit.context.language)
        try:
            tried = await send_mail_test(visit.context.bench, found, chosen.id, visit.form.text("_to"), composer)
        except Invalid as invalid:
            problems["_to"] = " ".join(visit.told(invalid).values())
        else:
            trial = tried if isinstance(tried, MailTrial) else None
            if trial is None:
                problems["_to"] = visit.say("This contact no longer exists.")
    if visit.htmx:
        refusal = problems.get("_to") or chosen.missed
        answer = answer_name(trial.attempt, visit.words) if trial else ""
        return visit.page("message_tested.html", trial=trial, refusal=refusal, answer=answer)
    if trial is not None:
        return visit.go(f"/deliveries/{trial.delivery.id}")
    return await _form(visit, found, fields, problems=problems, status=422, changed=fields != shown(found))


@page("GET", "/messages/{id}/delete", role="editor")
async def deleting(visit: Visit, id: str) -> Reply:
    """Ask whether it is to be deleted, or say why that cannot be."""
    return await _deleting(visit, await _load(visit, id))


@page("POST", "/messages/{id}/delete", role="editor")
async def delete(visit: Visit, id: str) -> Reply:
    """Delete a message that no rule sends."""
    found = await _load(visit, id)
    tag = visit.form.get("tag")
    refused = await delete_message(visit.context.outside, id, frozenset({tag}) if tag else None)
    match refused:
        case None:
            return visit.go("/messages", note=visit.say("Deleted: %(name)s", name=visible(found.name)))
        case Missing():
            raise missing("message")
        case Stale() | Conflict():
            return await _deleting(visit, await _load(visit, id), refused)


async def _sent(visit: Visit, found: Message | None) -> Reply:
    fields = sent(visit.form)
    if visit.form.get("do") not in {"", "save"}:
        return await _form(visit, found, fields, changed=True)
    try:
        saved = await _written(visit, found, fields)
    except Invalid as invalid:
        return await _form(visit, found, fields, problems=visit.told(invalid), status=422, changed=True)
    match saved:
        case Message():
            note = visit.say("Message saved: %(name)s.", name=visible(saved.name))
            return visit.go(f"/messages/{saved.id}", note=note)
        case Stale():
            theirs = await _load(visit, found.id if found else "")
            return await _form(visit, theirs, fields, stale=True, status=412, changed=True)
        case Conflict():
            problems = {"name": visit.hint(saved.detail)}
            return await _form(visit, found, fields, problems=problems, status=409, changed=True)
        case Missing():
            raise missing("message")


async def _written(visit: Visit, found: Message | None, fields: Fields) -> Message | Refusal:
    outside, tag = visit.context.outside, visit.form.get("tag")
    if found is None:
        return await create_message(outside, data_of(fields))
    return await change_message(outside, found.id, data_of(fields), frozenset({tag}) if tag else None)


async def _load(visit: Visit, id: str) -> Message:
    found = await visit.context.store.queries.message(id)
    if found is None:
        raise missing("message")
    return found


async def _form(  # noqa: PLR0913 - a form comes back for many reasons
    visit: Visit,
    found: Message | None,
    fields: Fields,
    *,
    problems: dict[str, str] | None = None,
    stale: bool = False,
    status: int = 200,
    changed: bool = False,
) -> Reply:
    contacts = await newest(visit)
    chosen = await whom(visit)
    queries = visit.context.store.queries
    figures = (await message_figures(queries, [found.id], visit.now))[found.id] if found else {}
    tag = "" if found is None else message_tag(found)
    return visit.page(
        "message_form.html",
        status=status,
        policy="pictures",
        message=found,
        tag=tag if stale else visit.form.get("tag") or tag,
        fields=fields,
        problems=problems or {},
        stale=difference(shown(found), fields, visit.words) if stale and found else None,
        changed=changed,
        rules=usage(await queries.rules()).get(("message", found.id), []) if found else [],
        figures=figures,
        delivered=delivered(figures),
        contacts=offered(visit, contacts, chosen.contact),
        contact=chosen.contact,
        missed=chosen.missed,
        who=visit.form.text("_who") if chosen.missed else "",
        whom=told_apart(chosen.contact),
        seen=await asyncio.to_thread(_seen, visit, fields, chosen.contact),
        values=VALUES,
        to=visit.form.text("_to") or (visit.user.email if visit.user else ""),
        mail=visit.context.mail,
    )


def _seen(visit: Visit, fields: Fields, contact: Contact) -> Seen:
    """What a contact would get; a message needs no name for that."""
    words = names(visit.words)
    try:
        draft = read_draft(data_of(_renamed(fields, "-")))
        mail = preview(Composer(language=visit.context.language), draft, contact, visit.now)
    except Invalid as invalid:
        return Seen(wrong=tuple((words.get(name, name), told) for name, told in visit.told(invalid).items()))
    except Unwritable as error:
        part, _, detail = str(error).removeprefix("its ").partition(", ")
        return Seen(wrong=((words.get(part, part), visit.hint(detail)),))
    return Seen(
        subject=visible(mail.subject),
        html=None if mail.html is None else framed(mail.html, pictures=True),
        text=None if mail.text is None else readable(mail.text, visit.context.public_url),
    )


def _renamed(fields: Fields, name: str) -> Fields:
    return replace(fields, name=name)


async def _deleting(visit: Visit, found: Message, refused: Stale | Conflict | None = None) -> Reply:
    return visit.page(
        "message_delete.html",
        status=200 if refused is None else 409,
        message=found,
        name=visible(found.name),
        tag=message_tag(found),
        rules=usage(await visit.context.store.queries.rules()).get(("message", found.id), []),
        changed=isinstance(refused, Stale),
    )
