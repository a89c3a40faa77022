"""Funnels: made, changed, deleted. Funnel and stage are known by their names, so a name that a rule uses is guarded.

Contacts keep the stage that they are in when it goes; nothing is moved in silence. Called by the API and the panel.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from msgspec.structs import replace

from goniec.core.ids import FUNNEL, prefixed
from goniec.core.model import Funnel
from goniec.core.names import name_problems
from goniec.core.problems import Invalid, Problem
from goniec.flow.configure import Conflict, Expected, Missing, Refusal, Stale, listed, users
from goniec.ports import Clock, Dice, Store, Tx

NAME_LIMIT: Final = 100
STAGES_LIMIT: Final = 100


def funnel_tag(funnel: Funnel) -> str:
    """What tells this version of a funnel from another."""
    return str(funnel.version)


async def create_funnel(store: Store, clock: Clock, dice: Dice, name: str, stages: Sequence[str]) -> Funnel | Conflict:
    """Make a funnel; raises `Invalid` for names that are none."""
    _check(name, stages)
    funnel = Funnel(id=prefixed(FUNNEL, clock.now(), dice.bits(80)), version=1, name=name, stages=tuple(stages))
    return await store.transact(partial(_create, funnel))


async def change_funnel(
    store: Store, funnel_id: str, name: str, stages: Sequence[str], expected: Expected
) -> Funnel | Refusal:
    """Give a funnel another name or other stages; what a rule names has to stay.

    Raises `Invalid` for names that are none.
    """
    _check(name, stages)
    return await store.transact(partial(_change, funnel_id, name, tuple(stages), expected))


async def delete_funnel(store: Store, funnel_id: str, expected: Expected) -> Refusal | None:
    """Delete a funnel that no rule names."""
    return await store.transact(partial(_delete, funnel_id, expected))


async def _create(funnel: Funnel, tx: Tx) -> Funnel | Conflict:
    if taken := _taken(funnel.name, await tx.funnels()):
        return taken
    await tx.put_funnel(funnel)
    return funnel


async def _change(funnel_id: str, name: str, stages: tuple[str, ...], expected: Expected, tx: Tx) -> Funnel | Refusal:
    funnels = await tx.funnels()
    known = next((funnel for funnel in funnels if funnel.id == funnel_id), None)
    if known is None:
        return Missing("funnel")
    if expected is not None and funnel_tag(known) not in expected:
        return Stale(funnel_tag(known))
    if taken := _taken(name, [funnel for funnel in funnels if funnel.id != funnel_id]):
        return taken
    renamed = name != known.name
    gone: list[tuple[str, ...]] = [
        ("stage", known.name, stage) for stage in known.stages if renamed or stage not in stages
    ]
    if renamed:
        gone.append(("funnel", known.name))
    if hit := users(await tx.rules(), *gone):
        return Conflict("inUse", f"names that would go are used by the rules {listed(hit)}; change those first", hit)
    if (name, stages) == (known.name, known.stages):
        return known
    funnel = replace(known, version=known.version + 1, name=name, stages=stages)
    await tx.put_funnel(funnel)
    return funnel


async def _delete(funnel_id: str, expected: Expected, tx: Tx) -> Refusal | None:
    known = next((funnel for funnel in await tx.funnels() if funnel.id == funnel_id), None)
    if known is None:
        return Missing("funnel")
    if expected is not None and funnel_tag(known) not in expected:
        return Stale(funnel_tag(known))
    names: list[tuple[str, ...]] = [("funnel", known.name), *(("stage", known.name, stage) for stage in known.stages)]
    if hit := users(await tx.rules(), *names):
        return Conflict("inUse", f"the funnel is used by the rules {listed(hit)}; change those first", hit)
    await tx.delete_funnel(funnel_id)
    return None


def _check(name: str, stages: Sequence[str]) -> None:
    problems = name_problems("/name", name, NAME_LIMIT)
    if not stages:
        problems.append(Problem("/stages", "a funnel has at least one stage"))
    if len(stages) > STAGES_LIMIT:
        problems.append(Problem("/stages", f"at most {STAGES_LIMIT} stages, and this has {len(stages)}"))
    seen: set[str] = set()
    for n, stage in enumerate(stages[:STAGES_LIMIT]):
        problems += name_problems(f"/stages/{n}", stage, NAME_LIMIT)
        if stage.casefold() in seen:
            problems.append(
                Problem(f"/stages/{n}", "a stage of this name stands before it; letter case does not count")
            )
        seen.add(stage.casefold())
    if problems:
        raise Invalid(*problems)


def _taken(name: str, others: Sequence[Funnel]) -> Conflict | None:
    for funnel in others:
        if funnel.name.casefold() == name.casefold():
            return Conflict("nameTaken", f"there is a funnel named {funnel.name} already ({funnel.id})")
    return None
