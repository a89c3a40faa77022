"""Whom the rule form's preview and test send tell about: a contact from its list, or one that is named beside it.

Called by `views.rule_form`. It only looks contacts up: a text that names nobody is told at its field, and never stands
for somebody else.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from msgspec import Struct

from goniec.core.composing import EXAMPLE
from goniec.core.model import Contact
from goniec.core.text import email_key, phone_key
from goniec.ports import ContactFilter, Page
from goniec.web.panel.page import Visit
from goniec.web.panel.showing import visible

OFFERED: Final = 20
"""How many of the newest contacts the list has."""

LONGEST: Final = 320
"""Characters of a text that is looked up: no address, number or id is longer."""

_SHOWN: Final = 80


class Whom(Struct, frozen=True):
    """Somebody to tell about; `missed` says why it is not who was asked for."""

    contact: Contact
    missed: str | None = None

    @property
    def id(self) -> str | None:
        """The contact's id; None for the example."""
        return None if self.contact.id == EXAMPLE.id else self.contact.id


async def whom(visit: Visit, default: Contact = EXAMPLE) -> Whom:
    """Find who is named in the form: the text beside the list goes before the list; without both, the `default`."""
    text = visit.form.text("_who")
    chosen = visit.form.get("_contact") or visit.query.get("contact")
    if text:
        found = await _named(visit, text) if len(text) <= LONGEST else []
        if len(found) == 1:
            return Whom(found[0])
        if found:
            missed = visit.say("Several contacts fit. Enter an e-mail or ID.")
        else:
            missed = visit.say("No contact fits. Enter the whole e-mail, phone or ID.")
        return Whom(await visit.context.store.queries.contact(chosen) or EXAMPLE if chosen else default, missed)
    if not chosen:
        return Whom(default)
    contact = await visit.context.store.queries.contact(chosen)
    gone = contact is None and chosen != EXAMPLE.id
    return Whom(contact or EXAMPLE, visit.say("This contact no longer exists.") if gone else None)


async def newest(visit: Visit) -> Sequence[Contact]:
    """Give the contacts that are offered without a search."""
    return await visit.context.store.queries.contacts(ContactFilter(), Page(OFFERED, None, newest=True))


def offered(visit: Visit, contacts: Sequence[Contact], contact: Contact) -> list[tuple[str, str]]:
    """Give what the list has, as (id, name): the newest contacts, the one that is shown, and the example; each once."""
    people = {one.id: one for one in (*contacts, contact) if one.id != EXAMPLE.id}
    names = {id: told_apart(one) for id, one in people.items()}
    often = Counter(names.values())
    listed = [(id, name if often[name] == 1 else f"{name} · {id}") for id, name in names.items()]
    return [*listed, (EXAMPLE.id, visit.say("Example"))]


def told_apart(contact: Contact) -> str:
    """Give a contact's name with its e-mail or phone, as two people may have the same name."""
    known = [one for one in (contact.name, contact.email or contact.phone) if one]
    return " · ".join(visible(one[:_SHOWN]) for one in known) or contact.id


async def _named(visit: Visit, text: str) -> Sequence[Contact]:
    """Find whom a text names exactly; at most two, as the second only says that the text is not enough."""
    queries = visit.context.store.queries
    contact = await queries.contact(text)
    if contact is not None:
        return [contact]
    wanted = [ContactFilter(external_id=text)]
    with suppress(ValueError):  # it need not be an address
        wanted.append(ContactFilter(email=email_key(text)[1]))
    number = phone_key(text, visit.context.country)
    if number is not None:
        wanted.append(ContactFilter(phone=number))
    for one in wanted:
        found = await queries.contacts(one, Page(2))
        if found:
            return found
    return []
