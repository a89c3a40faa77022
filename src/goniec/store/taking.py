"""Which of the leases that somebody asks for may be his: an endpoint is had as a whole or in parts, never both.

Called by the `leases` room of each store with rows that nobody else changes until the end of the transaction. Whoever
takes a part has the row of the whole so, too: it is there that two who want different shapes meet.
"""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from goniec.core.parts import parsed, part_names

Rows: TypeAlias = Mapping[str, tuple[str, bool]]
"""By name the owner ("": nobody) and whether his time goes on."""

NOBODY: Final = ("", False)


def held_with(names: Iterable[str]) -> list[str]:
    """Give these names and the wholes of those that are parts."""
    return sorted({one for name in names for one in (name, parsed(name)[0])})


def parts_of(names: Iterable[str]) -> list[str]:
    """Give all parts of those that are whole endpoints; names of other things have a colon."""
    return [part for name in names if ":" not in name and parsed(name)[1] is None for part in part_names(name)]


def decided(owner: str, wanted: Iterable[str], rows: Rows, rivals: Iterable[str]) -> tuple[list[str], list[str]]:
    """Give what may be taken, and what has run out and must be ended for it, so that nobody can renew it.

    `rows` are those of `held_with` and of `rivals` that we hold; `rivals` are those of `parts_of` that somebody has.
    """
    taken: dict[str, None] = {}
    ended: set[str] = set()
    theirs = set(rivals)
    for name in wanted:
        had_by, going_on = rows.get(name, ("?", True))
        if going_on and had_by != owner:
            continue
        whole, part = parsed(name)
        others = [one for one in part_names(name) if one in theirs] if part is None else [whole]
        if whole in taken or any(rows.get(one, ("?", True))[1] for one in others):
            continue
        taken[name] = None
        ended.update(one for one in others if rows[one] != NOBODY)
    return list(taken), sorted(ended)
