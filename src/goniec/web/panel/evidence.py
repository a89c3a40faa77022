"""What the conditions of a rule saw when it was evaluated, as far as it is known or can be found out again.

A run keeps what each condition saw, as far as the answer hung on it. A miss keeps only the condition that failed first;
the others are found out by undoing the contact's later events, and count only when that leads to the very same failure.
Called by `views.contact_why`.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from goniec.core.changes import undo
from goniec.core.conditions import All, AnyOf, Condition, GroupNode, Node, Not, compile_tree, walk
from goniec.core.explain import Evaluation
from goniec.core.leaves import Leaf
from goniec.core.model import Contact, Event, Seen
from goniec.core.rules import Rule
from goniec.ports import Queries

Sights = Mapping[str, Seen]
"""By the pointer of a condition or group: what it came to, and what it saw."""

UNDONE: Final = 1_000
"""How many events are undone at most."""

_BROKEN: Final = (KeyError, ValueError, TypeError, OverflowError)
"""What a rule that no longer compiles, or a history that does not fit together, can raise."""


class Failing(Struct, frozen=True):
    """The condition that made the others come to nothing.

    `negated` says that it should not have held, `alternatives` of how many one would have been enough.
    """

    leaf: Leaf
    seen: Seen
    negated: bool
    alternatives: int


async def sights(queries: Queries, zone: ZoneInfo, rule: Rule, contact: Contact, one: Evaluation) -> Sights:
    """Give what the conditions of a rule saw in an evaluation of this version of it; `zone` is the workspace's."""
    if one.run is not None:
        return {seen.pointer: seen for seen in one.run.trace}
    if one.miss is None or one.miss.seen is None:
        return {}
    kept = one.miss.seen
    try:
        tree = compile_tree(rule.conditions, ZoneInfo(rule.timezone) if rule.timezone else zone)
        for then in await _contact_then(queries, contact, one.event):
            if tree.first_failure(then, one.event) == kept:
                return everything(tree, then, one.event)
    except _BROKEN:
        pass
    return {kept.pointer: kept}


def seen_now(zone: ZoneInfo, rule: Rule, contact: Contact, event: Event) -> Sights:
    """Give what the conditions of a rule see in a contact as it is; nothing for a rule that cannot be compiled."""
    try:
        tree = compile_tree(rule.conditions, ZoneInfo(rule.timezone) if rule.timezone else zone)
        return everything(tree, contact, event)
    except _BROKEN:
        return {}


def everything(tree: Node, contact: Contact, event: Event) -> dict[str, Seen]:
    """Give what each condition and group sees, also those on which the answer does not hang."""
    if not isinstance(tree, GroupNode):
        (seen,) = tree.trace(contact, event)
        return {tree.pointer: seen}
    found = {tree.pointer: Seen(tree.pointer, tree.holds(contact, event))}
    for part in tree.parts:
        found |= everything(part, contact, event)
    return found


async def _contact_then(queries: Queries, contact: Contact, event: Event) -> list[Contact]:
    """Give the contact as conditions may have read it: after the event's whole call, or right after the event."""
    later: list[Event] = []
    async for one, *_ in queries.timeline(contact.id):
        if one.contact_id != contact.id:  # it came with a merged contact, whose own state nobody asks for
            continue
        if one.id == event.id:
            return _undone(contact, later, event)
        later.append(one)
        if len(later) == UNDONE:
            break
    return []


def _undone(contact: Contact, later: Sequence[Event], event: Event) -> list[Contact]:
    """Undo the later events, newest first; those right above the event may belong to its own call."""
    found: list[Contact] = []
    for n, one in enumerate(later):
        if all(_same_call(other, event) for other in later[n:]):
            found.append(contact)
        contact = undo(contact, one)
    return [*found, contact]


def _same_call(one: Event, event: Event) -> bool:
    return (one.received_at, one.source, one.source_key, one.cause, one.ancestors) == (
        event.received_at,
        event.source,
        event.source_key,
        event.cause,
        event.ancestors,
    )


def failing(tree: Condition, seen: Sights) -> Failing | None:
    """Give the condition that made a tree fail; None: what was seen does not tell."""
    groups = {pointer: node for node, pointer, _ in walk(tree) if isinstance(node, All | AnyOf | Not)}
    for leaf, pointer, _ in walk(tree):
        one = seen.get(pointer)
        if isinstance(leaf, All | AnyOf | Not) or one is None:
            continue
        negated, alternatives = False, 1
        for path in _above(pointer):
            group = groups[path]
            if isinstance(group, Not):
                negated = not negated
            elif isinstance(group, All if negated else AnyOf):
                alternatives = max(alternatives, len(group.of))
        if one.holds is negated and _all_failed(pointer, groups, seen):
            return Failing(leaf, one, negated, alternatives)
    return None


def _above(pointer: str) -> list[str]:
    """The pointers of the groups above a condition, the outermost first."""
    steps = pointer.split("/")
    return ["/".join(steps[:n]) for n in range(2, len(steps), 2)]


def _all_failed(pointer: str, groups: Mapping[str, Condition], seen: Sights) -> bool:
    """Say whether all groups above a condition failed with it, as far as is known; below a `not` to fail is to hold."""
    failed = False
    for path in _above(pointer):
        one = seen.get(path)
        if one is not None and one.holds is not failed:
            return False
        if isinstance(groups[path], Not):
            failed = not failed
    return True
