"""Conditions: trees of groups and leaves, how they are checked, evaluated and explained.

A condition is a group (`all`, `any`, `not`) or one of the `leaves`, which look at one value of the contact or of the
event. `compile_condition` turns a tree into closures, once for each saved rule; `decide` calls those. They read the
contact as it is given, which is the event's own snapshot, and no clock: `now` is the event's recording time. No
conditions (an `all` group of nothing) mean yes.

Conditions on history (how often, within which time) will look at facts, counts that are loaded before; each will list
the ones that it needs, and they will be a third argument beside contact and event.
"""

from collections.abc import Callable, Iterator
from typing import Final, assert_never
from zoneinfo import ZoneInfo

from msgspec import Struct

from goniec.core.leaves import Leaf, Look
from goniec.core.model import Contact, Event, Seen
from goniec.core.operators import Test, shown
from goniec.core.problems import Problem

DEPTH_LIMIT: Final = 20
"""How deep groups may be nested, the outermost being the first."""

NODE_LIMIT: Final = 500
"""How many groups and leaves a tree may have."""

ROOT: Final = "/conditions"
"""Where a rule has its conditions; traces point into the rule."""

Holds = Callable[[Contact, Event], bool]


class All(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="all"):
    """All of its parts hold; at the root, with no parts at all, it means yes."""

    of: tuple["Condition", ...] = ()


class AnyOf(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="any"):
    """At least one of its parts holds."""

    of: tuple["Condition", ...]


class Not(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="not"):
    """Its one part does not hold. What "not" of several means is said by a group inside it."""

    of: tuple["Condition", ...]


Group = All | AnyOf | Not
Condition = Group | Leaf


def check(condition: Condition, pointer: str = ROOT) -> list[Problem]:
    """Tell everything in the tree that makes no sense."""
    found: list[Problem] = []
    for nodes, (node, place, depth) in enumerate(walk(condition, pointer), 1):
        if nodes > NODE_LIMIT:
            return [*found, Problem(pointer, f"at most {NODE_LIMIT} conditions and groups")]
        if not isinstance(node, Group):
            found += node.problems(place)
        elif depth > DEPTH_LIMIT:
            return [*found, Problem(place, f"groups nested deeper than {DEPTH_LIMIT} levels")]
        else:
            found += _group_problems(node, place, depth)
    return found


def walk(condition: Condition, pointer: str = ROOT, depth: int = 1) -> Iterator[tuple[Condition, str, int]]:
    """Go through a tree from the root: each group before its parts, with its pointer and depth."""
    yield condition, pointer, depth
    if isinstance(condition, Group):
        for n, part in enumerate(condition.of):
            yield from walk(part, f"{pointer}/of/{n}", depth + 1)


def compile_condition(condition: Condition, zone: ZoneInfo) -> Holds:
    """Make the function that says whether a condition holds; `zone` is where its dates are counted."""
    return compile_tree(condition, zone).holds


def trace(condition: Condition, contact: Contact, event: Event, zone: ZoneInfo) -> tuple[Seen, ...]:
    """Say what each node came to and which value was seen, from the root, as far as the answer hung on them."""
    return compile_tree(condition, zone).trace(contact, event)


def first_failure(condition: Condition, contact: Contact, event: Event, zone: ZoneInfo) -> Seen:
    """Say which leaf made a condition fail."""
    return compile_tree(condition, zone).first_failure(contact, event)


def compile_tree(condition: Condition, zone: ZoneInfo, pointer: str = ROOT) -> "Node":
    """Compile a condition into a tree that can both answer and explain; `check` has passed it.

    Raises:
        ValueError: `check` would not have passed it.

    """
    if isinstance(condition, Group):
        parts = tuple(compile_tree(part, zone, f"{pointer}/of/{n}") for n, part in enumerate(condition.of))
        return GroupNode(pointer, _join(condition, parts), parts, condition)
    look, test = condition.look(), condition.test(zone)
    return LeafNode(
        pointer, lambda contact, event: test(look(contact, event), event.received_at), look, test, condition
    )


class GroupNode(Struct, frozen=True):
    """A group, compiled."""

    pointer: str
    holds: Holds
    parts: tuple["Node", ...]
    group: Group

    def trace(self, contact: Contact, event: Event) -> tuple[Seen, ...]:
        """Say what each node came to, leaving out parts that could not change the answer any more."""
        seen: list[Seen] = []
        decisive = isinstance(self.group, AnyOf)
        answer = not decisive
        for part in self.parts:
            below = part.trace(contact, event)
            seen += below
            answer = below[0].holds
            if answer is decisive:
                break
        return Seen(self.pointer, answer is not isinstance(self.group, Not)), *seen

    def first_failure(self, contact: Contact, event: Event) -> Seen:
        """Say which leaf made this fail, or, below a `not`, which made it hold."""
        decisive = isinstance(self.group, AnyOf)
        for part in self.parts:
            if part.holds(contact, event) is decisive:
                return part.first_failure(contact, event)
        # none of them alone: the first stands for all
        return self.parts[0].first_failure(contact, event) if self.parts else Seen(self.pointer, not decisive)


class LeafNode(Struct, frozen=True):
    """A leaf, compiled."""

    pointer: str
    holds: Holds
    look: Look
    test: Test
    leaf: Leaf

    def trace(self, contact: Contact, event: Event) -> tuple[Seen, ...]:
        """Say what it came to."""
        return (self.first_failure(contact, event),)

    def first_failure(self, contact: Contact, event: Event) -> Seen:
        """Say what was seen."""
        value = self.look(contact, event)
        return Seen(self.pointer, self.test(value, event.received_at), shown(value), self.leaf.read(value))


Node = GroupNode | LeafNode


def _group_problems(group: Group, pointer: str, depth: int) -> list[Problem]:
    match group:
        case Not(of) if len(of) != 1:
            return [
                Problem(f"{pointer}/of", "not takes exactly one part: put several into an all or any group inside it")
            ]
        case All(of) | AnyOf(of) if not of and (depth > 1 or isinstance(group, AnyOf)):
            return [Problem(f"{pointer}/of", "an empty group: take it out, or put a condition in")]
        case _:
            return []


def _join(group: Group, parts: tuple[Node, ...]) -> Holds:
    holds = tuple(part.holds for part in parts)
    match group:
        case All():
            return _all(holds)
        case AnyOf():
            return _any(holds)
        case Not():
            (inner,) = holds
            return lambda contact, event: not inner(contact, event)
        case _:
            assert_never(group)


def _all(holds: tuple[Holds, ...]) -> Holds:
    match holds:
        case ():
            return lambda _contact, _event: True
        case (only,):
            return only
        case (first, second):
            return lambda contact, event: first(contact, event) and second(contact, event)
        case _:
            return lambda contact, event: all(part(contact, event) for part in holds)


def _any(holds: tuple[Holds, ...]) -> Holds:
    if len(holds) == 1:
        return holds[0]
    return lambda contact, event: any(part(contact, event) for part in holds)
