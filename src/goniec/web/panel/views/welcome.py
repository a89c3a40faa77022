"""From an empty Goniec to the first webhook in a minute: a rule, a trial contact, and what arrived.

One press does what takes a newcomer longest to find: a rule from a template with the built-in receiver, and a contact
that sets it off. Pressing again adds another contact and makes no second rule.
"""

from typing import Final

import msgspec
from msgspec import Struct

from goniec.core.actions import Webhook
from goniec.core.decide import Call
from goniec.core.identity import Refusal, Who
from goniec.core.model import Attempt, Contact, Delivery, Event, Run
from goniec.core.rules import Rule
from goniec.core.templates import TEMPLATES, from_template
from goniec.core.text import email_key
from goniec.core.triggers import ContactCreated
from goniec.flow.batch import Recorded
from goniec.flow.rules import RuleSaved, create_rule, endpoint_ids
from goniec.ports import ContactFilter, Page, Queries
from goniec.web.panel.page import Visit, page
from goniec.web.panel.showing import json_lines, plain_json, visible
from goniec.web.panel.views.rules import ready_made
from goniec.web.problems import Fault
from goniec.web.reply import Reply

INBOX: Final = "inbox:"
"""The built-in receiver."""

TEMPLATE: Final = "crm"
"""The template that a new contact sets off."""

NAMES: Final = {"pl": "Jan Próbny", "en": "John Trial"}
MAIL: Final = {"pl": "jan{}@probny.example", "en": "john{}@trial.example"}
"""The trial contact; from the second one on the address is numbered."""

MOST: Final = 1000
"""More trial contacts than anybody needs."""

LOOKED_AT: Final = 100
"""So many of a contact's latest events are looked at; a trial contact has a few."""


class Arrival(Struct, frozen=True):
    """What came of the trial contact: its event, the run, the delivery and the answer, as far as they are there."""

    contact: Contact
    event: Event
    run: Run | None = None
    rule: Rule | None = None
    delivery: Delivery | None = None
    attempt: Attempt | None = None

    @property
    def done(self) -> bool:
        """Whether nothing is left to wait for."""
        return self.delivery is None or self.attempt is not None


@page("GET", "/welcome", role="viewer")
async def welcome(visit: Visit) -> Reply:
    """Offer the first webhook, or show how it arrived."""
    contact_id = visit.query.get("contact")
    queries = visit.context.store.queries
    arrival = await _arrival(queries, contact_id) if contact_id else None
    ready, others = await _waiting(queries)
    return visit.page(
        "welcome_arrived.html" if visit.htmx and arrival else "welcome.html",
        arrival=arrival,
        ready=ready,
        others=others,
        lines=json_lines,
        visible=visible,
        template=visit.words.label(TEMPLATES[TEMPLATE].name),
        person=NAMES[visit.language],
        templates=[one for one in ready_made(visit) if one[0] != TEMPLATE],
        curl=curl_line(visit),
    )


@page("POST", "/welcome", role="editor")
async def first_webhook(visit: Visit) -> Reply:
    """Make the rule, unless there is one that will do, and add a trial contact."""
    ready, _ = await _waiting(visit.context.store.queries)
    if not ready:
        draft = from_template(TEMPLATES[TEMPLATE], visit.language, Webhook(url=INBOX))
        made = await create_rule(visit.context.outside, plain_json(draft) | {"active": True})
        if not isinstance(made, RuleSaved):
            raise Fault(409, visit.say("The rule could not be created. Create it by hand: Add new rule."))
    contact = await _trial_contact(visit)
    return visit.go("/welcome", contact=contact.id)


def curl_line(visit: Visit) -> str:
    """Give the command that adds a contact from another system."""
    contact = msgspec.json.encode({"email": "anna@example.com", "name": "Anna Nowak", "tags": ["VIP"]}).decode()
    return (
        f"curl -X POST {visit.context.public_url.rstrip('/')}/api/v1/contacts \\\n"
        '  -H "Authorization: Bearer $GONIEC_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d '{contact}'"
    )


async def _waiting(queries: Queries) -> tuple[bool, int]:
    """Whether a rule that is on tells the built-in receiver of new contacts, and how many others wait for them."""
    inboxes = await _inboxes(queries)
    waiting = [
        rule
        for rule in await queries.rules()
        if rule.active and any(isinstance(trigger, ContactCreated) for trigger in rule.triggers)
    ]
    ours = [rule for rule in waiting if ContactCreated() in rule.triggers and inboxes.intersection(endpoint_ids(rule))]
    return bool(ours), len(waiting) - len(ours)


async def _inboxes(queries: Queries) -> set[str]:
    return {endpoint.id for endpoint in await queries.endpoints() if endpoint.url.startswith(INBOX)}


async def _trial_contact(visit: Visit) -> Contact:
    queries, mail = visit.context.store.queries, MAIL[visit.language]
    for n in range(1, MOST):
        stored, key = email_key(mail.format("" if n == 1 else n))
        if await queries.contacts(ContactFilter(email=key), Page(1)):
            continue
        call = Call(
            who=Who(email=stored, email_key=key),
            fields={"email": stored, "name": NAMES[visit.language]},
            source="panel",
            source_key=visit.by,
        )
        results = await visit.context.recorder.record([call])
        (result,) = results  # type: ignore[misc] # nothing was to be remembered
        if isinstance(result, Recorded):
            return result.contact
        if isinstance(result, Refusal):
            raise Fault(409, result.detail, code=result.code)
    raise Fault(409, visit.say("There are too many trial contacts already. Delete some of them."))


async def _arrival(queries: Queries, contact_id: str) -> Arrival | None:
    """What a contact's oldest event led to that told the built-in receiver; without one, its oldest event."""
    contact = await queries.contact(contact_id)
    if contact is None:
        return None
    inboxes, found, seen = await _inboxes(queries), None, 0
    async for event, _, runs, deliveries in queries.timeline(contact.id):
        seen += 1
        if seen > LOOKED_AT:
            break
        delivery = next((one for one in deliveries if one.endpoint_id in inboxes), None)
        if delivery is None:
            found = found if found and found.delivery else Arrival(contact, event)
            continue
        run = next((one for one in runs if one.rule_id == delivery.rule_id), None)
        rule, read = await queries.rule(delivery.rule_id), await queries.delivery(delivery.id)
        attempt = read[1][-1] if read and read[1] else None
        found = Arrival(contact, event, run, rule, read[0] if read else delivery, attempt)
    return found
