"""Contacts: made and found, read, changed, merged, erased."""

from functools import partial
from typing import Annotated

from msgspec import UNSET, Meta, Struct, field
from msgspec.structs import replace

from goniec.core.decide import Call
from goniec.core.model import Contact
from goniec.core.problems import Invalid, Problem
from goniec.core.text import email_key, phone_key, tag_key
from goniec.flow.contact import ContactIn, Faults, meant
from goniec.flow.erase import Erased, erase
from goniec.flow.merge import Refused, merge
from goniec.flow.record import Apart
from goniec.ports import ContactFilter, Store
from goniec.web.api.asking import contact_reply, expected_seq, origin, refused, tell_contact
from goniec.web.lists import Listed, PageQuery, listed
from goniec.web.once import once, recorded
from goniec.web.operation import Ask, operation
from goniec.web.problems import Fault, missing
from goniec.web.reply import Reply
from goniec.web.shown import ContactOut, contact_out


class ContactPost(ContactIn, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A contact to make or change. At least one of `id`, `externalId`, `email` and `phone`."""

    fire_events: Annotated[bool, Meta(description="Whether rules run for what changes.")] = True
    readd: Annotated[
        bool, Meta(description="Whether a known contact counts as added again: `contact.readded` is raised.")
    ] = False


class ContactPatch(ContactIn, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What to change about a contact; what is left out stays."""

    fire_events: Annotated[bool, Meta(description="Whether rules run for what changes.")] = True


class MergeIn(Struct, rename="camel", forbid_unknown_fields=True):
    """The contact that becomes a part of the one in the path."""

    from_: Annotated[str, Meta(min_length=1, max_length=200)] = field(name="from")


class ContactQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Which contacts; all that is given must hold."""

    email: Annotated[str | None, Meta(description="Exactly this address, in any case.")] = None
    phone: Annotated[str | None, Meta(description="This number, however it is written.")] = None
    external_id: Annotated[str | None, Meta(description="Exactly this externalId.")] = None
    tag: Annotated[str | None, Meta(description="Carries this tag.")] = None
    q: Annotated[
        Annotated[str, Meta(max_length=200)] | None,
        Meta(description="Literal text in e-mail, phone, name, company or externalId, in any case."),
    ] = None


_JAN = {
    "email": "jan@example.pl",
    "phone": "600 100 200",
    "name": "Jan Kowalski",
    "company": "Żabka",
    "tags": ["VIP"],
    "details": {"shoe size": 42},
}


@operation(
    "POST",
    "/contacts",
    scope="ingest",
    tag="contacts",
    summary="Make or change a contact",
    answers={200: ContactOut, 201: ContactOut},
    errors=(409, 412),
    examples={"with an e-mail": _JAN},
)
async def upsert_contact(ask: Ask, body: ContactPost) -> Reply:
    """Find a contact by its keys, in the order id, externalId, e-mail, phone, and change it; make it if there is none.

    201 says that it is new, 200 that it was known. All changes of one call are one set: their events are evaluated
    when all of them are applied. What changes nothing makes no event. Keys that name two contacts are refused (409)
    with both ids. Tags are added (`[]` changes nothing), details merged (null removes one); null or an empty text
    clears a field.
    """
    call = replace(await _call(ask, body, ""), fire=body.fire_events, readd=body.readd)
    return await recorded(ask, [call], partial(tell_contact, ask))


@operation("GET", "/contacts", scope="read", tag="contacts", summary="Find contacts", answers={200: Listed[ContactOut]})
async def list_contacts(ask: Ask, query: ContactQuery) -> Reply:
    """Contacts in the order in which they were made. `%`, `_` and the like mean themselves."""
    wanted = _wanted(query, ask.context.country)
    rows = [] if wanted is None else await ask.context.store.queries.contacts(wanted, query.page())
    return listed(query, rows, lambda contact: contact.id, contact_out)


@operation("GET", "/contacts/{id}", scope="read", tag="contacts", summary="Read a contact", answers={200: ContactOut})
async def read_contact(ask: Ask, id: str) -> Reply:
    """One contact. The id of one that was merged leads to the one that was kept."""
    contact = await ask.context.store.queries.contact(id)
    if contact is None:
        raise missing("contact")
    return contact_reply(ask, contact)


@operation(
    "PATCH",
    "/contacts/{id}",
    scope="ingest",
    tag="contacts",
    summary="Change a contact",
    answers={200: ContactOut},
    errors=(409, 412),
    examples={"clear a phone": {"phone": None, "details": {"shoe size": None}}},
)
async def change_contact(ask: Ask, id: str, body: ContactPatch) -> Reply:
    """Change what is given and keep the rest.

    Null or an empty text clears a field, `tags` are added, `details` merged.
    """
    if body.id is not UNSET and body.id != id:
        raise Invalid(Problem("/id", "the path names the contact; leave this out"))
    body.id = id
    call = replace(await _call(ask, body, ""), fire=body.fire_events, create=False)
    return await recorded(ask, [call], partial(tell_contact, ask, by_path=True))


@operation(
    "POST",
    "/contacts/{id}/merge",
    scope="admin",
    tag="contacts",
    summary="Merge another contact into this one",
    answers={200: ContactOut},
    errors=(412,),
    examples={"merge": {"from": "019ab6f0-5c1e-7cc2-9a55-3f1d2b7c8e90"}},
)
async def merge_contacts(ask: Ask, id: str, body: MergeIn) -> Reply:
    """Make the contact `from` a part of this one. Its id and keys lead here from then on, for ever.

    What this contact lacks it takes over, with an event for every change; where both say something, this one is right.
    A consent or subscription that either has withdrawn stays withdrawn. Points add up.
    """
    asked, expect = await origin(ask), expected_seq(ask)

    async def act(store: Store) -> Apart[Contact]:
        return await merge(ask.context.recorder, store, asked, id, body.from_, expect)

    try:
        return await once(ask, act, lambda done: contact_reply(ask, done.result))
    except Refused as error:
        raise _refused(error) from None


@operation(
    "DELETE",
    "/contacts/{id}",
    scope="admin",
    tag="contacts",
    summary="Erase a contact",
    answers={204: None},
    errors=(412,),
)
async def erase_contact(ask: Ask, id: str) -> Reply:
    """Erase all that is known of a contact, at once and for good.

    Its fields, keys, events' data, traces, notes, and the bodies and answers of its deliveries are emptied; deliveries
    that wait are cancelled. Ids, times, outcomes and each body's SHA-256 stay, so that the ledger still adds up.
    """
    asked, expect = await origin(ask), expected_seq(ask)
    try:
        done: Apart[Erased] = await erase(ask.context.recorder, ask.context.store, asked, id, expect)
    except Refused as error:
        raise _refused(error) from None
    for endpoint_id in done.result.endpoints:
        ask.context.notice.changed(endpoint_id)
    return Reply(204)


async def _call(ask: Ask, body: ContactIn, at: str) -> Call:
    asked = await origin(ask)
    faults = Faults(at)
    found = meant(body, asked.country, faults, asked.funnels)
    if faults.found:
        raise Invalid(*faults.found)
    return Call(
        who=found.who,
        fields=found.fields,
        changes=found.changes,
        source=asked.source,
        source_key=asked.source_key,
        cause=asked.cause,
        expect=expected_seq(ask),
    )


def _refused(error: Refused) -> Fault:
    of_path = error.refusal.code == "unknownContact" and not error.refusal.pointer
    return missing("contact") if of_path else refused(error.refusal)


def _wanted(query: ContactQuery, country: str) -> ContactFilter | None:
    """What to ask the store for, by the compared forms; None for what no contact can have."""
    email = phone = tag = None
    try:
        if query.email is not None:
            # an address has no space, so this one was a plus that nobody had encoded
            email = email_key(query.email.strip().replace(" ", "+"))[1]
        if query.tag is not None:
            tag = tag_key(query.tag)
    except ValueError:
        return None
    if query.phone is not None:
        number = "+" + query.phone[1:] if query.phone.startswith(" ") else query.phone
        phone = phone_key(number, country)
        if phone is None:
            return None
    return ContactFilter(email, phone, query.external_id, tag, query.q)
