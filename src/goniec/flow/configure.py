"""What all configuring shares: the ports that it leans on, how it says no, and how a version is told from another.

Called by the rooms `rules`, `endpoints`, `funnels` and `keys`, which the API, the panel and the commands call. What a
user wrote wrongly is raised as `Invalid` and so undoes the transaction that it happens in; every other "no" is a value,
given before anything is written.
"""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from goniec.core.rules import Rule
from goniec.core.uses import Use, names_used
from goniec.ports import Clock, Dice, Guard, Notice, Store, Vault

Code = Literal[
    "bodyErased",
    "credentialsDiffer",
    "emailTaken",
    "endpointDeleted",
    "endpointExists",
    "inUse",
    "jobRunning",
    "lastAdmin",
    "nameTaken",
    "noWebhook",
    "notFirst",
    "notPending",
    "pendingDeliveries",
    "ruleInactive",
    "secretsUnreadable",
    "testUnderWay",
]

Expected = frozenset[str] | None
"""The versions that the caller would overwrite (what `If-Match` lists); None: any."""


class Means(Struct, frozen=True):
    """The ports that it takes to make things of which nothing leaves by itself."""

    store: Store
    vault: Vault
    clock: Clock
    dice: Dice


class Outside(Means, frozen=True):
    """The ports that configuring leans on; `mail` says that there is a mail server."""

    guard: Guard
    notice: Notice
    mail: bool = True


class Named(Struct, frozen=True):
    """A rule, to be shown to a person."""

    id: str
    name: str


class Missing(Struct, frozen=True):
    """There is no such thing; `what` is its noun."""

    what: str


class Stale(Struct, frozen=True):
    """Somebody was quicker: `tag` is the version as it stands."""

    tag: str


class Conflict(Struct, frozen=True):
    """It cannot be done as things stand; `rules` are those that it would hit."""

    code: Code
    detail: str
    rules: tuple[Named, ...] = ()


Refusal = Missing | Stale | Conflict


def users(rules: Iterable[Rule], *names: Use) -> tuple[Named, ...]:
    """The rules that name any of these things, active or not; how a name is written is told by `names_used`."""
    wanted = set(names)
    return tuple(Named(rule.id, rule.name) for rule in rules if not wanted.isdisjoint(names_used(rule)))


def usage(rules: Iterable[Rule]) -> dict[Use, list[Named]]:
    """Where everything is used: by name, the rules."""
    found: dict[Use, list[Named]] = {}
    for rule in rules:
        for name in sorted(names_used(rule)):
            found.setdefault(name, []).append(Named(rule.id, rule.name))
    return found


def listed(rules: Iterable[Named]) -> str:
    """Rules in a sentence: their names and ids."""
    return ", ".join(f"“{rule.name}” ({rule.id})" for rule in rules)
