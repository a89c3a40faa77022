"""The list of contacts, and the form in which one is added and changed."""

import asyncio
from typing import Any, Final, cast
from zoneinfo import available_timezones

import msgspec
from msgspec import Struct

from goniec.core import labels
from goniec.core.identity import Refusal
from goniec.core.model import Contact, State
from goniec.core.problems import Invalid, Problem
from goniec.core.text import email_key, phone_key, tag_key
from goniec.flow.batch import Recorded
from goniec.ports import ContactFilter, Page, Queries, Rows
from goniec.web.lists import closed, opened
from goniec.web.panel import contact_fields as fields_of
from goniec.web.panel.contact_fields import LABELS, STATES, Typed
from goniec.web.panel.page import Visit, page
from goniec.web.panel.people import called
from goniec.web.panel.recording import Later, load_contact, origin, record
from goniec.web.panel.showing import visible
from goniec.web.reply import Reply

SIZE: Final = 50
"""Contacts on a page."""

SEARCH_LIMIT: Final = 200
TAGS_SHOWN: Final = 2
TAGS_OFFERED: Final = 30
SUGGESTED: Final = 500
"""How many names a field suggests; more can be typed."""

_TRIES: Final = 5
"""How often a form is saved over what a contact did meanwhile; each try needs another event just then to fail."""

_LANGUAGES: Final = ("pl", "en", "cs", "de", "es", "fr", "it", "lt", "sk", "uk")


class Row(Struct, frozen=True):
    """A contact in the list: what it is called, and the line below that."""

    contact: Contact
    name: str
    below: str
    tags: list[str]
    more: int


@page("GET", "/contacts", role="viewer")
async def contacts(visit: Visit) -> Reply:
    """Show the contacts, the newest first, or those that fit."""
    queries = visit.context.store.queries
    text, tag = visit.query.text("q"), visit.query.text("tag")
    funnel, stage = visit.query.text("funnel"), visit.query.text("stage")
    state = visit.query.get("state") if visit.query.get("state") in STATES else ""
    cursor = visit.query.get("cursor")
    asked = Page(SIZE + 1, opened(cursor) if cursor else None, newest=True)
    too_long = len(text) > SEARCH_LIMIT
    wanted = _wanted(text, tag, state, (funnel, stage) if funnel and stage else None)
    found: Rows[Contact] = Rows()
    if wanted is not None and not too_long:
        found = await queries.contacts(wanted, asked)
        if not found and not cursor and text:
            found = await _by_key(visit, queries, text, wanted)
    shown = found[:SIZE]
    following = closed(shown[-1].id) if len(found) > SIZE else closed(found.stopped) if found.stopped else None
    tags, funnels = await asyncio.gather(queries.names("tag"), queries.funnels())
    return visit.page(
        "contacts.html",
        rows=[_row(visit, contact) for contact in shown],
        filtered=bool(text or tag or state or (funnel and stage)),
        too_long=too_long,
        first=not cursor,
        next_cursor=following,
        looked_on=bool(found.stopped) and len(found) <= SIZE,
        q=text[:SEARCH_LIMIT],
        tag=visible(tag[:SEARCH_LIMIT]),
        state=state,
        funnel=funnel,
        stage=stage,
        states=[(one, visit.words.named(labels.STATES, one)) for one in STATES],
        tags=tags[:SUGGESTED],
        tags_offered=tags[:TAGS_OFFERED],
        funnels=funnels,
        labels=labels,
        visible=visible,
    )


def _wanted(text: str, tag: str, state: str, stage: tuple[str, str] | None) -> ContactFilter | None:
    """What to ask the store for; None for what no contact can have."""
    key = None
    if tag:
        try:
            key = tag_key(tag)
        except ValueError:
            return None
    return ContactFilter(tag=key, q=text or None, state=cast("State", state) if state else None, stage=stage)


async def _by_key(visit: Visit, queries: Queries, text: str, wanted: ContactFilter) -> Rows[Contact]:
    """Find by what is no literal text: a phone however it is written, or an id."""
    number = phone_key(text, visit.context.country)
    if number is not None:
        rest = msgspec.structs.replace(wanted, q=None, phone=number)
        if found := await queries.contacts(rest, Page(SIZE + 1, None, newest=True)):
            return found
    known = await queries.contact(text)
    return Rows([known] if known is not None else [])


def _row(visit: Visit, contact: Contact) -> Row:
    keys = [text for text in (contact.email, contact.phone, contact.external_id) if text]
    name = called(contact, visit.words)
    below = next((visible(text) for text in keys if visible(text) != name), "")
    tags = sorted(contact.tags)
    return Row(contact, name, below, tags[:TAGS_SHOWN], max(0, len(tags) - TAGS_SHOWN))


# --- the form ---------------------------------------------------------------------------------------------------------


@page("GET", "/contacts/new", role="editor")
async def new_contact(visit: Visit) -> Reply:
    """Ask for a new contact; the address may say what stands in the form already."""
    fields = fields_of.empty()
    for name in fields_of.TEXTS:
        fields[name] = visit.query.text(name)
    return await _form(visit, None, fields)


@page("POST", "/contacts/new", role="editor")
async def make_contact(visit: Visit) -> Reply:
    """Make a contact. One that is known already is shown first, and only changed when that is asked for."""
    fields = fields_of.typed(visit.form)
    onto_known = visit.form.get("do") == "onto"
    try:
        call = fields_of.creation(fields, origin(visit), onto_known=onto_known)
    except Invalid as invalid:
        return await _form(visit, None, fields, problems=_told(visit, invalid), status=422)
    match await record(visit, call):
        case Recorded(contact=contact, created=created):
            name = called(contact, visit.words)
            note = visit.say("Contact added: %(name)s", name=name)
            if not created:
                note = visit.say("Contact changed: %(name)s", name=name)
            return visit.go(f"/contacts/{contact.id}", note=note)
        case Refusal("preconditionFailed"):
            name, known = await _known_by(visit, fields)
            if known is None:  # it is gone again: somebody has changed or erased it just now
                return await _form(visit, None, fields, later=True, status=503)
            problems = {name: visit.say("Another contact already has this.")}
            clash = {name: [known]}
            return await _form(visit, None, fields, problems=problems, clash=clash, known=known, status=409)
        case Refusal() as refusal:
            return await _refused(visit, None, fields, refusal)
        case Later():
            return await _form(visit, None, fields, later=True, status=503)


@page("GET", "/contacts/{id}/edit", role="editor")
async def edit_contact(visit: Visit, id: str) -> Reply:
    """Show a contact in the form."""
    contact = await load_contact(visit, id)
    if contact.id != id:
        return visit.go(f"/contacts/{contact.id}/edit")
    return await _form(visit, contact, fields_of.shown(contact))


@page("POST", "/contacts/{id}/edit", role="editor")
async def change_contact(visit: Visit, id: str) -> Reply:
    """Save the form of a contact, unless somebody else has changed one of its fields meanwhile."""
    contact = await load_contact(visit, id)
    fields = fields_of.typed(visit.form)
    before = fields_of.was(visit.form)
    for _ in range(_TRIES):
        now = fields_of.shown(contact)
        if before is not None and (theirs := fields_of.differences(before, now)):
            fields = fields_of.joined(before, now, fields)
            if fields_of.differences(now, fields):
                return await _form(visit, contact, fields, stale=theirs, status=412)
        try:
            call = fields_of.alteration(contact, fields, origin(visit))
        except Invalid as invalid:
            return await _form(visit, contact, fields, before=before, problems=_told(visit, invalid), status=422)
        match await record(visit, call):
            case Recorded(contact=saved):
                note = visit.say("Contact saved: %(name)s", name=called(saved, visit.words))
                return visit.go(f"/contacts/{saved.id}", note=note)
            case Refusal("preconditionFailed"):
                contact = await load_contact(visit, id)  # it has done something meanwhile: that is no reason to refuse
            case Refusal() as refusal:
                return await _refused(visit, contact, fields, refusal)
            case Later():
                break
    return await _form(visit, contact, fields, before=before, later=True, status=503)


async def _refused(visit: Visit, contact: Contact | None, fields: Typed, refusal: Refusal) -> Reply:
    """Say at the field what stands in the way, with links to the contacts that do."""
    if refusal.code == "internalError":
        return await _form(visit, contact, fields, later=True, status=503)
    queries = visit.context.store.queries
    ids = [id for id in refusal.contacts if contact is None or id != contact.id]
    others = await asyncio.gather(*(queries.contact(id) for id in ids))
    name = refusal.pointer.removeprefix("/") or "email"
    others_known = [one for one in others if one is not None]
    if contact is not None and refusal.code == "conflict":
        name = _clashing(others_known, fields)
        problems = {name: visit.say("Another contact already has this.")}
    elif refusal.code == "conflict":
        problems = {name: visit.say("This belongs to another contact than the fields above.")}
    elif refusal.code == "ambiguousPhone":
        problems = {
            name: visit.say("Several contacts share this phone number. Enter an e-mail address or external ID, too.")
        }
    else:
        problems = _told(visit, Invalid(Problem(f"/{name}", refusal.detail)))
    status = 409 if refusal.contacts else 422
    before = None if contact is None else fields_of.was(visit.form)
    clash = {next(iter(problems)): others_known}
    return await _form(visit, contact, fields, before=before, problems=problems, clash=clash, status=status)


def _clashing(others: list[Contact], fields: Typed) -> str:
    """Which field of the form names another contact."""
    for other in others:
        if other.external_id and other.external_id == fields["externalId"].strip():
            return "externalId"
    return "email"


async def _known_by(visit: Visit, fields: Typed) -> tuple[str, Contact | None]:
    """Give the first field of a new contact's form that leads to a known one, and that."""
    queries = visit.context.store.queries
    asked: dict[str, ContactFilter] = {}
    if external_id := fields["externalId"].strip():
        asked["externalId"] = ContactFilter(external_id=external_id)
    if fields["email"].strip():
        asked["email"] = ContactFilter(email=email_key(fields["email"])[1])
    if number := phone_key(fields["phone"].strip(), visit.context.country):
        asked["phone"] = ContactFilter(phone=number)
    for name, wanted in asked.items():
        for found in await queries.contacts(wanted, Page(1)):
            return name, found
    return "email", None


def _told(visit: Visit, invalid: Invalid) -> dict[str, str]:
    """The problems by field; what is wrong with one tag is told at the tags."""
    told: dict[str, str] = {}
    for name, text in visit.told(invalid).items():
        told.setdefault(name.partition("/")[0] or "email", text)
    return told


async def _form(  # noqa: PLR0913 - a form comes back for many reasons
    visit: Visit,
    contact: Contact | None,
    fields: Typed,
    *,
    before: Typed | None = None,
    problems: dict[str, str] | None = None,
    clash: dict[str, list[Contact]] | None = None,
    known: Contact | None = None,
    stale: list[str] | None = None,
    later: bool = False,
    status: int = 200,
) -> Reply:
    queries = visit.context.store.queries
    tags, users = await asyncio.gather(queries.names("tag"), queries.users())
    now = fields_of.shown(contact) if contact is not None else fields_of.empty()
    values: dict[str, Any] = {
        "visible": visible,
        "labels": labels,
        "contact": contact,
        "name": "" if contact is None else called(contact, visit.words),
        "fields": fields,
        # once it is told what others have saved, saving again is meant
        "was": msgspec.json.encode(now if before is None or stale else before).decode(),
        "problems": problems or {},
        "clash": {
            name: [(one.id, called(one, visit.words)) for one in others] for name, others in (clash or {}).items()
        },
        "known": known,
        "known_name": called(known, visit.words) if known is not None else "",
        "stale": [(LABELS[name], _plain(visit, now, name), _plain(visit, fields, name)) for name in stale or ()],
        "stopped": stale is not None,
        "later": later,
        "states": [(one, visit.words.named(labels.STATES, one)) for one in STATES],
        "tags": tags[:SUGGESTED],
        "owners": sorted({user.name or user.email for user in users if user.disabled_at is None}),
        "languages": _LANGUAGES,
        "zones": sorted(zone for zone in available_timezones() if zone.startswith("Europe/")),
    }
    return visit.page("contact_form.html", status=status, **values)


def _plain(visit: Visit, fields: Typed, name: str) -> str:
    value = fields[name]
    if name == "state":
        return visit.words.named(labels.STATES, str(value))
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return visible(text) or "\N{EN DASH}"
