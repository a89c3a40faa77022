"""Small builders for tests of the core: a contact, a rule, a call, a decision, with everything unimportant filled in."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

import msgspec

from goniec.core.actions import Webhook
from goniec.core.decide import Call, Decision, Happening, World, decide
from goniec.core.identity import Who
from goniec.core.ids import EventIds
from goniec.core.model import Ancestor, Contact
from goniec.core.rules import Rule, RuleSet
from goniec.core.times import DAY, Millis

NOW: Millis = 1_764_041_760_000
"""2025-11-25T03:36:00Z."""

ENDPOINT = "end_1"
HOOK = Webhook(endpoint_id=ENDPOINT)


def contact(**fields: Any) -> Contact:
    """A contact that exists."""
    return Contact(
        **{"id": "c1", "created_at": NOW - DAY, "updated_at": NOW - DAY, "seq": 1, "email": "jan@x.pl", **fields}
    )


def blank(contact_id: str = "c1", now: Millis = NOW) -> Contact:
    """A contact that is about to be made."""
    return Contact(id=contact_id, created_at=now, updated_at=now)


def rule(rule_id: str = "rul_1", *, triggers: Sequence[Any] = ({"type": "contact.tagged"},), **fields: Any) -> Rule:
    """An active rule; parts may be given as JSON or as structs."""
    plain = {
        "id": rule_id, "version": 1, "name": f"rule {rule_id}", "active": True, "createdAt": NOW, "updatedAt": NOW,
        "triggers": triggers, "actions": [HOOK], **fields,
    }  # fmt: skip
    return msgspec.convert(msgspec.to_builtins(plain), Rule)


def happened(kind: str = "page.visited", occurred_at: Millis | None = None, **data: Any) -> Happening:
    """Something from outside."""
    return Happening(kind, data or {"url": "https://shop.example/"}, occurred_at)


def call(**fields: Any) -> Call:
    """A call about the contact."""
    return Call(**{"who": Who(id="c1"), **fields})


def world(rules: Iterable[Rule] = (), funnels: Mapping[str, Sequence[str]] | None = None) -> World:
    """Rules, one endpoint, one funnel."""
    return World(
        RuleSet(rules), frozenset({ENDPOINT}), {"Sprzedaż": ("Lead", "Oferta")} if funnels is None else funnels
    )


def minting(now: Millis = NOW) -> Callable[[], str]:
    """A maker of event ids, the same every time."""
    ids = EventIds()
    numbers = count(1)
    return lambda: ids.next(now, next(numbers))


def decided(
    before: Contact,
    what: Call,
    *rules: Rule,
    now: Millis = NOW,
    ancestors: tuple[Ancestor, ...] = (),
    mint: Callable[[], str] | None = None,
) -> Decision:
    """Decide in a world of these rules."""
    return decide(before, what, ancestors, world(rules), now, mint or minting(now))


def outcomes(decision: Decision) -> list[tuple[str, str]]:
    """(rule, outcome) of every run with a row, in order."""
    return [(run.rule_id, run.outcome.value) for run in decision.runs]


def types(decision: Decision) -> list[str]:
    """The types of all events, in order."""
    return [event.type for event in decision.events]
