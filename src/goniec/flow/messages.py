"""Messages: made, changed, deleted, previewed. What a rule sends is guarded.

Called by the API, the panel and the commands.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, get_args

from msgspec.structs import replace

from goniec.core.composing import EXAMPLE, About, Composer, Unwritable
from goniec.core.endpoint import MAIL, MAIL_URL, Endpoint
from goniec.core.ids import EVENT, MESSAGE, prefixed, time_of
from goniec.core.mailing import Envelope, Figure, figure
from goniec.core.messages import Message, MessageDraft, read_draft
from goniec.core.model import Contact, Event
from goniec.core.problems import Invalid, Problem
from goniec.core.retry import Policy
from goniec.core.times import HOUR, Millis, format_instant
from goniec.flow.configure import Conflict, Expected, Means, Missing, Outside, Refusal, Stale, listed, users
from goniec.flow.endpoints import new_secret
from goniec.ports import Queries, Tx

NAME_TAKEN: Final = "there is a message named {name} already ({id})"

_RULE: Final = ("rul_00000000000000000000000000", "Example", "")
_GIVEN: Final = frozenset(MessageDraft.__struct_fields__) - {"id", "version", "created_at", "updated_at"}


class MessageOut(MessageDraft, frozen=True, kw_only=True):
    """A message as users read it, and may send it back."""

    id: str
    version: int
    created_at: str
    updated_at: str


def message_tag(message: Message) -> str:
    """What tells this version of a message from another."""
    return str(message.version)


def shown_message(message: Message) -> MessageOut:
    """Give a message as users read and write it."""
    given = {name: getattr(message, name) for name in MessageDraft.__struct_fields__}
    given["created_at"], given["updated_at"] = format_instant(message.created_at), format_instant(message.updated_at)
    return MessageOut(**given)


async def create_message(outside: Outside, data: object) -> Message | Conflict:
    """Make a message. Raises `Invalid`, with every fault that was found."""
    now = outside.clock.now()
    draft = await asyncio.to_thread(read_message, data, now)
    id = prefixed(MESSAGE, now, outside.dice.bits(80))
    message = stored(draft, None, id, now)

    async def work(tx: Tx) -> Message | Conflict:
        if taken := await _taken(tx, message):
            return taken
        await set_up(tx, outside)
        await tx.put_message(message)
        return message

    return await outside.store.transact(work)


async def change_message(outside: Outside, message_id: str, data: object, expected: Expected) -> Message | Refusal:
    """Save a message over another version of it; one that comes out the same makes no new version.

    Raises `Invalid`, with every fault that was found.
    """
    now = outside.clock.now()
    draft = await asyncio.to_thread(read_message, data, now)

    async def work(tx: Tx) -> Message | Refusal:
        known = await _known(tx, message_id, expected)
        if not isinstance(known, Message):
            return known
        changed = stored(draft, known, known.id, now)
        if changed == known:
            return known
        if taken := await _taken(tx, changed):
            return taken
        await tx.put_message(changed)
        return changed

    return await outside.store.transact(work)


async def delete_message(outside: Outside, message_id: str, expected: Expected) -> Refusal | None:
    """Delete a message that no rule names; what was sent of it stays."""
    return await outside.store.transact(partial(_delete, message_id, expected))


def preview(composer: Composer, draft: MessageDraft, contact: Contact, now: Millis) -> Envelope:
    """Make the mail that a contact would get, of an event and a rule that are examples. Raises `Unwritable`.

    It may take some tenths of a second: not for a loop that others wait for.
    """
    return composer.written(draft, About(contact, _example_event(contact, now), _RULE), contact.email or "")


async def message_figures(queries: Queries, ids: Sequence[str], until: Millis) -> dict[str, dict[Figure, int]]:
    """What became of the mails of messages, since the first of them and by whole hours; 0 for what never happened."""
    subjects = {figure(id, name): (id, name) for id in ids for name in get_args(Figure)}
    since = min((time_of(id) for id in ids), default=until)
    found: dict[str, dict[Figure, int]] = {id: dict.fromkeys(get_args(Figure), 0) for id in ids}
    for one in await queries.sums("message", list(subjects), since, until + HOUR, until + HOUR - since):
        id, name = subjects[one.subject]
        found[id][name] += one.events
    return found


def delivered(figures: Mapping[Figure, int]) -> int:
    """How many have arrived, as far as is known: what the server has taken, without what came back."""
    return max(0, figures.get("sent", 0) - figures.get("back", 0))


async def set_up(tx: Tx, means: Means) -> None:
    """See to it that there is the endpoint to which mails are handed in."""
    if await tx.endpoint(MAIL) is not None:
        return
    now = means.clock.now()
    await tx.put_endpoint(
        Endpoint(
            id=MAIL,
            version=1,
            url=MAIL_URL,
            secret=new_secret(means, MAIL),
            created_at=now,
            updated_at=now,
            policy=Policy(timeout=30.0, connect_timeout=10.0, concurrency=4),
        )
    )


def read_message(data: object, now: Millis) -> MessageDraft:
    """Read a message, and try it: a mistake that shows only when a text is made is told when it is saved.

    It may take as long as `preview`. Raises `Invalid`, with every fault that was found.
    """
    draft = read_draft(data)
    try:
        preview(Composer(), draft, EXAMPLE, now)
    except Unwritable as error:
        part = str(error).split(",", 1)[0].removeprefix("its ")
        raise Invalid(Problem(f"/{part}", str(error).partition(", ")[2])) from None
    return draft


def stored(draft: MessageDraft, known: Message | None, id: str, now: Millis) -> Message:
    """Give a message as it is stored over another version of it; one that comes out the same is that version."""
    given = {name: getattr(draft, name) for name in _GIVEN}
    if known is None:
        return Message(**given, id=id, version=1, created_at=now, updated_at=now)
    same = replace(known, **given)
    return known if same == known else replace(same, version=known.version + 1, updated_at=now)


def _example_event(contact: Contact, now: Millis) -> Event:
    return Event(
        id=prefixed(EVENT, now, 0),
        type="contact.tagged",
        contact_id=contact.id,
        seq=contact.seq,
        occurred_at=now,
        received_at=now,
        source="api",
        data={"tag": "VIP", "tagScore": 0},
    )


async def _known(tx: Tx, message_id: str, expected: Expected) -> Message | Refusal:
    known = await tx.message(message_id)
    if known is None:
        return Missing("message")
    tag = message_tag(known)
    return known if expected is None or tag in expected else Stale(tag)


async def _taken(tx: Tx, message: Message) -> Conflict | None:
    for other in await tx.messages():
        if other.id != message.id and other.name.casefold() == message.name.casefold():
            return Conflict("nameTaken", NAME_TAKEN.format(name=other.name, id=other.id))
    return None


async def _delete(message_id: str, expected: Expected, tx: Tx) -> Refusal | None:
    known = await _known(tx, message_id, expected)
    if not isinstance(known, Message):
        return known
    if hit := users(await tx.rules(), ("message", message_id)):
        return Conflict("inUse", f"the message is used by the rules {listed(hit)}; change those first", hit)
    await tx.delete_message(message_id)
    return None
