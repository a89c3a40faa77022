"""Who rows are about: the contacts behind a page of runs, events or deliveries, read side by side. Called by views."""

import asyncio
from collections.abc import Iterable
from typing import Final

from goniec.core.composing import EXAMPLE
from goniec.core.model import Contact
from goniec.ports import Queries
from goniec.web.panel.showing import visible
from goniec.web.panel.words import Words

_SHOWN: Final = 80


async def people(queries: Queries, ids: Iterable[str]) -> dict[str, Contact]:
    """Give contacts by id, as rows have them: who was merged comes as the one that was kept, who is gone does not."""
    wanted = sorted(set(ids))
    found = await asyncio.gather(*(queries.contact(id) for id in wanted))
    # a test send may be about the example, who is nobody
    known = {id: contact for id, contact in zip(wanted, found, strict=True) if contact is not None}
    return {EXAMPLE.id: EXAMPLE, **known} if EXAMPLE.id in wanted else known


async def names_of(queries: Queries) -> dict[str, str]:
    """Give what messages and users are called, by id: events and rules name them so."""
    messages, users = await asyncio.gather(queries.messages(), queries.users())
    named = {one.id: visible(one.name[:_SHOWN]) for one in messages}
    return named | {one.id: visible((one.name or one.email)[:_SHOWN]) for one in users}


def called(contact: Contact | None, words: Words) -> str:
    """Give what a contact is called in a list: its name, or else what identifies it."""
    if contact is None:
        return words.say("Erased contact")
    text = contact.name or contact.email or contact.phone or contact.external_id or contact.company or contact.id
    return visible(text[:_SHOWN])
