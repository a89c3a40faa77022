"""Messages as files declare them: held against those that there are, and put all at once or not at all.

Called by `goniec messages`. What is no message of the documents stays as it is. Problems point into the list of
documents: `/2/html` is the HTML of the third.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from goniec.core.ids import MESSAGE, is_id, prefixed, time_of
from goniec.core.messages import Message, MessageDraft
from goniec.core.problems import Invalid, Problem
from goniec.core.times import Millis, format_instant
from goniec.flow.configure import Means
from goniec.flow.messages import NAME_TAKEN, read_message, set_up, stored
from goniec.ports import Clock, Dice, Queries, Tx

PROBLEM_LIMIT: Final = 100
"""How many problems are told at once."""


class Declared(Struct, frozen=True):
    """What a document comes to: the message before it (None: there was none) and after it."""

    before: Message | None
    after: Message


async def compare(queries: Queries, clock: Clock, dice: Dice, documents: Sequence[object]) -> list[Declared]:
    """Tell what `declare` would do, in the order of the documents. Raises `Invalid`, with every fault found."""
    known, now = await queries.messages(), clock.now()
    return _placed(_read(documents, known, now, dice), known, now)


async def declare(means: Means, documents: Sequence[object]) -> list[Declared]:
    """Make messages as the documents say, whatever they are now; where nothing changes, there is no new version.

    A message is known by its id. A document with an id that is not there makes a message with that id, so that rules
    can name the same one on all installations.

    Raises:
        Invalid: with every fault that was found; nothing was changed then.

    """
    now = means.clock.now()
    drafts = _read(documents, await means.store.queries.messages(), now, means.dice)

    async def work(tx: Tx) -> list[Declared]:
        placed = _placed(drafts, await tx.messages(), now)
        if any(one.before is None for one in placed):
            await set_up(tx, means)
        for one in placed:
            if one.after is not one.before:
                await tx.put_message(one.after)
        return placed

    return await means.store.transact(work)


def _read(documents: Sequence[object], known: Sequence[Message], now: Millis, dice: Dice) -> list[MessageDraft]:
    """Read every document, each with an id of its own."""
    found: list[MessageDraft] = []
    problems: list[Problem] = []
    ids: dict[str, str] = {}
    for n, data in enumerate(documents):
        try:
            draft = read_message(data, now)
        except Invalid as invalid:
            problems += [Problem(f"/{n}{one.pointer}", one.detail) for one in invalid.problems]
            continue
        found.append(draft)
        if draft.id is None:
            problems.append(Problem(f"/{n}/id", _missing(draft, known, prefixed(MESSAGE, now, dice.bits(80)))))
        elif fault := _id_fault(draft.id, now):
            problems.append(Problem(f"/{n}/id", fault))
        elif draft.id in ids:
            fresh = prefixed(MESSAGE, now, dice.bits(80))
            detail = f"the document of “{ids[draft.id]}” before it has this id, too; a new message may take {fresh}"
            problems.append(Problem(f"/{n}/id", detail))
        else:
            ids[draft.id] = draft.name
    if problems:
        raise Invalid(*problems[:PROBLEM_LIMIT])
    return found


def _missing(draft: MessageDraft, known: Iterable[Message], fresh: str) -> str:
    name = draft.name.casefold()
    for one in known:
        if one.name.casefold() == name:
            return f"is required: the message of this name has {one.id}"
    return f"is required: a new message may take {fresh}"


def _id_fault(id: object, now: Millis) -> str | None:
    if not isinstance(id, str) or not is_id(MESSAGE, id):
        return f"is no id of a message: {MESSAGE} and 26 digits and capital letters, none of them I, L, O or U"
    if time_of(id) > now:
        return f"is an id of {format_instant(time_of(id))}, which is still to come: see to the clocks"
    return None


def _placed(drafts: Sequence[MessageDraft], known: Sequence[Message], now: Millis) -> list[Declared]:
    """Put the drafts over what is there, and see that no two have one name in the end."""
    before = {one.id: one for one in known}
    placed = [Declared(before.get(one.id), stored(one, before.get(one.id), one.id, now)) for one in drafts]
    ids = {one.id for one in drafts}
    names = {one.name.casefold(): one for one in known if one.id not in ids}
    problems: list[Problem] = []
    for n, one in enumerate(placed):
        taken = names.setdefault(one.after.name.casefold(), one.after)
        if taken is not one.after:
            problems.append(Problem(f"/{n}/name", NAME_TAKEN.format(name=taken.name, id=taken.id)))
    if problems:
        raise Invalid(*problems[:PROBLEM_LIMIT])
    return placed
