"""One search for everything: rules, contacts, endpoints, deliveries, and the panel's own pages. Ctrl K leads here."""

import asyncio
import re
from contextlib import suppress
from typing import Final

from msgspec import Struct

from goniec.core.ids import DELIVERY, ENDPOINT, EVENT, RULE, RUN, event_of, is_id
from goniec.core.model import Contact
from goniec.core.text import email_key, phone_key
from goniec.ports import ContactFilter, Page, Queries
from goniec.web.panel.page import Role, Visit, page
from goniec.web.panel.people import called
from goniec.web.panel.rule_list import Wanted, folded, listing
from goniec.web.panel.showing import visible
from goniec.web.reply import Reply

EACH: Final = 8
"""So many of each kind are shown."""

FEW: Final = 3
"""So many of the contacts found are offered with their deliveries."""

LONGEST: Final = 200
"""Characters of a search; more is cut off."""

_LOOKED_AT: Final = 20_000
_CONTACT: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


class Hit(Struct, frozen=True):
    """Something that was found: its address, what it is called, and what tells it from others of that name."""

    url: str
    icon: str
    name: str
    hint: str = ""


@page("GET", "/search", role="viewer")
async def search(visit: Visit) -> Reply:
    """Search everything; the whole id of something leads straight to it."""
    q = visit.query.text("q")[:LONGEST]
    straight = await _by_id(visit.context.store.queries, q)
    if straight is not None and not visit.htmx:
        return visit.go(straight)
    groups = await _groups(visit, q, straight) if q else []
    return visit.page(
        "search.html",
        q=q,
        groups=[(title, hits) for title, hits in groups if hits],
        pages=_pages(visit, q),
        found=sum(len(hits) for _, hits in groups),
    )


async def _groups(visit: Visit, q: str, straight: str | None) -> list[tuple[str, list[Hit]]]:
    queries = visit.context.store.queries
    rules, endpoints, contacts = await asyncio.gather(
        queries.rules(), queries.endpoints(), _contacts(queries, q, visit.context.country)
    )
    by_id = {endpoint.id: endpoint for endpoint in endpoints}
    needle = folded(q)
    found = listing(rules, Wanted(q=q), (), by_id).rules
    hosts = [one for one in endpoints if needle in folded(one.url) or needle in folded(one.username or "")]
    exact = [Hit(visit.url(straight), "arrow-right", q, visit.say("exactly this ID"))] if straight else []
    return [
        (visit.say("ID"), exact),
        (visit.say("Contacts"), [_person(visit, one) for one in contacts]),
        (
            visit.say("Automation rules"),
            [
                Hit(
                    visit.url(f"/rules/{one.id}"),
                    "bolt",
                    visible(one.name),
                    visit.say("On") if one.active else visit.say("Off"),
                )
                for one in found[:EACH]
            ],
        ),
        (
            visit.say("Endpoints"),
            [
                Hit(visit.url(f"/endpoints/{one.id}"), "plug", visit.receiver(one), visible(one.username or ""))
                for one in hosts[:EACH]
            ],
        ),
        (visit.say("Deliveries"), [_sent(visit, one) for one in contacts[:FEW]]),
    ]


def _person(visit: Visit, contact: Contact) -> Hit:
    name = called(contact, visit.words)
    others = [one for one in (contact.company, contact.email, contact.phone) if one and visible(one) != name]
    return Hit(visit.url(f"/contacts/{contact.id}"), "user", name, visible(others[0]) if others else "")


def _sent(visit: Visit, contact: Contact) -> Hit:
    name = visit.say("Deliveries about: %(name)s", name=called(contact, visit.words))
    return Hit(visit.url("/deliveries", contact=contact.id), "send", name)


async def _contacts(queries: Queries, q: str, country: str) -> list[Contact]:
    """Find contacts: whom the text names exactly first, then those in whose texts it stands."""
    wanted = [ContactFilter(external_id=q), ContactFilter(q=q)]
    with suppress(ValueError):  # most texts are no address
        wanted.insert(0, ContactFilter(email=email_key(q)[1]))
    number = phone_key(q, country)
    if number is not None:
        wanted.insert(0, ContactFilter(phone=number))
    lists = await asyncio.gather(*(queries.contacts(one, Page(EACH, newest=True, most=_LOOKED_AT)) for one in wanted))
    return list({contact.id: contact for found in lists for contact in found}.values())[:EACH]


async def _by_id(queries: Queries, q: str) -> str | None:
    """Where the thing with this id is; None: it is no id, or nothing has it."""
    if is_id(RULE, q):
        return f"/rules/{q}" if await queries.rule(q) else None
    if is_id(ENDPOINT, q):
        return f"/endpoints/{q}" if await queries.endpoint(q) else None
    if is_id(DELIVERY, q):
        return f"/deliveries/{q}" if await queries.delivery(q) else None
    if is_id(EVENT, q) or is_id(RUN, q):
        event = await queries.event(event_of(q))
        return f"/contacts/{event[0].contact_id}" if event else None
    if _CONTACT.fullmatch(q):
        contact = await queries.contact(q)
        return f"/contacts/{contact.id}" if contact else None
    return None


def _pages(visit: Visit, q: str) -> list[Hit]:
    """Pages of the panel whose names hold the text; without one, those that a search begins with."""
    places: list[tuple[str, str, str, Role]] = [
        ("/rules/new", "plus", visit.say("Add new rule"), "editor"),
        ("/", "layout-dashboard", visit.say("Overview"), "viewer"),
        ("/rules", "bolt", visit.say("Automation rules"), "viewer"),
        ("/contacts", "users", visit.say("Contacts"), "viewer"),
        ("/deliveries", "send", visit.say("Deliveries"), "viewer"),
        ("/endpoints", "plug", visit.say("Endpoints"), "viewer"),
        ("/keys", "key", visit.say("API keys"), "admin"),
        ("/users", "settings", visit.say("Users"), "admin"),
        ("/account", "user", visit.say("Your account"), "viewer"),
        ("/welcome", "send", visit.say("First webhook"), "viewer"),
    ]
    needle = folded(q)
    return [
        Hit(visit.url(path), icon, name)
        for path, icon, name, role in places
        if visit.may(role) and needle in folded(name)
    ]
