"""One contact: what is known of it, what happened and what followed; one event of it exactly; the export."""

import asyncio
import re
from typing import Any, Final, cast, get_args

from goniec.core import labels
from goniec.core.mailing import unwelcome
from goniec.core.model import Channel, Contact, Event, Skip
from goniec.core.times import DAY, format_instant
from goniec.ports import EventFilter, Page, Queries
from goniec.web.api.export import export_pieces
from goniec.web.panel.charts import sparkline
from goniec.web.panel.event_words import event_words, origin_words
from goniec.web.panel.fields import EVENT_ICONS
from goniec.web.panel.page import Visit, page
from goniec.web.panel.people import called, names_of
from goniec.web.panel.recording import load_contact
from goniec.web.panel.showing import json_lines, visible
from goniec.web.panel.timeline import LOOKED, Show, Stretch, Teller, read_stretch
from goniec.web.panel.wording import brief, value_words
from goniec.web.problems import missing
from goniec.web.reply import Reply
from goniec.web.shown import event_out

DETAILS_SHOWN: Final = 20
TAGS_SHOWN: Final = 40
"""How many stand on the page at once; the others are folded away."""

WATCHED: Final = 50
"""Pending deliveries of a page that are told of anew by themselves."""

SUGGESTED: Final = 500
RULES_OFFERED: Final = 200

_WEEK: Final = 7 * DAY
_SEQ: Final = re.compile(r"\d{1,18}", re.ASCII)


@page("GET", "/contacts/{id}", role="viewer")
async def one_contact(visit: Visit, id: str) -> Reply:
    """Show a contact; a part of its timeline alone when that is all that is asked for."""
    contact = await load_contact(visit, id)
    if contact.id != id:
        return visit.go(f"/contacts/{contact.id}")
    if visit.htmx:
        stretch = await _stretch(visit, contact, await _teller(visit))
        return visit.page("contact_timeline.html", stretch=stretch, contact=contact, labels=labels)
    return await contact_page(visit, contact)


@page("GET", "/contacts/{id}/news", role="viewer")
async def news(visit: Visit, id: str) -> Reply:
    """Say whether something has happened since a page was made; the page asks every few seconds."""
    contact = await load_contact(visit, id)
    seen = visit.query.get("seq")
    known = int(seen) if _SEQ.fullmatch(seen) else contact.seq
    return visit.page("contact_news.html", contact=contact, fresh=max(0, contact.seq - known), seq=known)


@page("GET", "/contacts/{id}/waiting", role="viewer")
async def waiting(visit: Visit, id: str) -> Reply:
    """Tell anew of deliveries that were pending when a page was made (`of`); it asks while one of them still is."""
    contact = await load_contact(visit, id)
    teller = await _teller(visit)
    asked = visit.query.get("of").split(".")[:WATCHED]
    found = [one for one in [await visit.context.store.queries.delivery(each) for each in asked] if one]
    entries = [
        (delivery.id, teller.delivery(delivery))
        for delivery, _ in found
        if delivery.contact_id in {contact.id, *contact.merged}
    ]
    still = [entry.waits for _, entry in entries if entry.waits]
    return visit.page("contact_waiting.html", contact=contact, entries=entries, waiting=still)


@page("GET", "/contacts/{id}/events/{event}", role="viewer")
async def one_event(visit: Visit, id: str, event: str) -> Reply:
    """Show an event exactly: its data as it is stored, and what followed from it."""
    queries = visit.context.store.queries
    contact = await load_contact(visit, id)
    found = await queries.event(event)
    if found is None or found[0].contact_id not in {contact.id, *contact.merged}:
        raise missing("event")
    happened, misses = found
    teller = await _teller(visit)
    entries = [teller.run(contact.id, happened, miss) for miss in misses]
    looked = 0
    async for one, _, runs, deliveries in queries.timeline(contact.id):
        looked += 1
        if one.id == event:
            entries += [teller.run(contact.id, happened, run) for run in runs]
            entries += [teller.delivery(delivery) for delivery in deliveries]
        if one.id <= event or looked == LOOKED:
            break
    return visit.page(
        "contact_event.html",
        contact=contact,
        name=called(contact, visit.words),
        event=happened,
        told=event_words(happened, visit.words, teller.names),
        origin=origin_words(happened, visit.words, teller.names),
        icon_name=EVENT_ICONS.get(happened.type, "activity"),
        body=_json(event_out(happened)),
        lines=json_lines(_json(event_out(happened))),
        entries=entries,
        labels=labels,
        visible=visible,
    )


@page("GET", "/contacts/{id}/export", role="viewer")
async def export(visit: Visit, id: str) -> Reply:
    """Give all that is known of a contact as a file, the same as the API does."""
    contact = await load_contact(visit, id)
    disposition = f'attachment; filename="contact-{contact.id}.json"'
    pieces = export_pieces(visit.context.store.queries, contact, format_instant(visit.now))
    return Reply(200, pieces, (("content-disposition", disposition),))


async def contact_page(  # noqa: PLR0913 - its forms come back for many reasons
    visit: Visit,
    contact: Contact,
    *,
    opened: str = "",
    typed: dict[str, str] | None = None,
    problems: dict[str, str] | None = None,
    refusal: str = "",
    later: bool = False,
    status: int = 200,
) -> Reply:
    """Make the page of a contact; `opened` is the form that comes back, with what was `typed` into it."""
    queries = visit.context.store.queries
    tags, details, consents, funnels, teller = await asyncio.gather(
        queries.names("tag"), queries.names("detail"), queries.names("consent"), queries.funnels(), _teller(visit)
    )
    stretch = await _stretch(visit, contact, teller)
    dead = unwelcome(contact, marketing=False) is Skip.BOUNCED
    rules = sorted(teller.rules.values(), key=lambda rule: (rule.position, rule.id))
    values: dict[str, Any] = {
        "contact": contact,
        "name": called(contact, visit.words),
        "dead": dead,
        "back": await _back(queries, contact) if dead else None,
        "stretch": stretch,
        "show": _show(visit),
        "waiting": stretch.waiting[:WATCHED],
        # an older part of the timeline does not tell how the score came to what it is
        "gained": None if visit.query.get("before") else _gained(visit, contact, stretch),
        "spark": "" if visit.query.get("before") else _spark(contact, stretch),
        "tags": sorted(contact.tags.items(), key=lambda one: (-one[1].score, one[0])),
        "tags_shown": TAGS_SHOWN,
        "details": sorted(contact.details.items()),
        "details_shown": DETAILS_SHOWN,
        "funnels": funnels,
        "gone_funnels": sorted(set(contact.stages) - {funnel.name for funnel in funnels}),
        "channels": get_args(Channel),
        "rules": rules[:RULES_OFFERED],
        "active": [rule for rule in rules if rule.active][:RULES_OFFERED],
        "suggest": {"tag": tags[:SUGGESTED], "detail": details[:SUGGESTED], "consent": consents[:SUGGESTED]},
        "opened": opened,
        "kept": lambda form, field: (typed or {}).get(field, "") if form == opened else "",
        "problems": problems or {},
        "refusal": refusal,
        "later": later,
        "labels": labels,
        "visible": visible,
        "brief": brief,
        "plain": lambda value: visible(value) if isinstance(value, str) else value_words(value, visit.words),
    }
    return visit.page("contact.html", status=status, **values)


async def _back(queries: Queries, contact: Contact) -> Event | None:
    """The newest bounce of the contact's address."""
    found = await queries.events(EventFilter(contact.id, "email.bounced"), Page(20, newest=True))
    return next((one for one in found if one.data.get("kind") == "hard"), None)


async def _teller(visit: Visit) -> Teller:
    queries = visit.context.store.queries
    rules, endpoints, names = await asyncio.gather(queries.rules(), queries.endpoints(), names_of(queries))
    return Teller(visit, rules, endpoints, names)


async def _stretch(visit: Visit, contact: Contact, teller: Teller) -> Stretch:
    queries = visit.context.store.queries
    after = visit.query.get("before") or None
    return await read_stretch(queries, contact, teller, visit.times, show=_show(visit), after=after)


def _show(visit: Visit) -> Show:
    show = visit.query.get("show")
    return cast("Show", show) if show in get_args(Show) else ""


def _gained(visit: Visit, contact: Contact, stretch: Stretch) -> int | None:
    """How many points came in the last seven days; None: the events at hand do not reach back so far."""
    week_ago = visit.now - _WEEK
    if stretch.reaches > week_ago and stretch.reaches != contact.created_at:
        return None
    before = next((score for at, score in stretch.scores if at > week_ago), contact.score)
    return contact.score - before


def _spark(contact: Contact, stretch: Stretch) -> str:
    scores = [score for _, score in stretch.scores]
    if not scores or min(*scores, contact.score) < 0:
        return ""
    return sparkline([*scores, contact.score], width=120)


def _json(value: object) -> bytes:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value), indent=2)
