"""Changes of contacts by hand: they go through the recorder like every other, so each is an event. Called by views.

Events of the panel carry the source `panel` and the user's e-mail as their key.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from goniec.core.changes import Change
from goniec.core.decide import Call
from goniec.core.identity import Refusal, Who
from goniec.core.model import Contact, Miss, Outcome, Run
from goniec.flow.batch import Recorded
from goniec.flow.contact import Funnels
from goniec.flow.ingest import Origin
from goniec.flow.record import Overloaded
from goniec.ports import Remembered, Unavailable
from goniec.web.panel.page import Visit
from goniec.web.problems import missing


class Later(Struct, frozen=True):
    """It could not be written just now, and nothing of it was: what was typed has to be shown again."""


async def load_contact(visit: Visit, contact_id: str) -> Contact:
    """Give a contact; the id of one that was merged leads to the one that was kept. Raises a `Fault` of 404."""
    found = await visit.context.store.queries.contact(contact_id)
    if found is None:
        raise missing("contact")
    return found


async def record(visit: Visit, call: Call) -> Recorded | Refusal | Later:
    """Record one call about one contact, and wait until it is on disk."""
    try:
        results = await visit.context.recorder.record([call], size=sum(map(_size, visit.form.pairs)))
    except (Overloaded, Unavailable):
        return Later()
    assert not isinstance(results, Remembered), "nothing was to be remembered"  # noqa: S101 - tells the type checker
    (result,) = results
    assert isinstance(result, Recorded | Refusal), "only events have dedup keys"  # noqa: S101 - the same
    return result


async def change(visit: Visit, contact: Contact, changes: Sequence[Change]) -> Recorded | Refusal | Later:
    """Change a contact, whoever else has changed it meanwhile: what is set is said in full."""
    call = Call(who=Who(id=contact.id), changes=tuple(changes), source="panel", source_key=visit.by, create=False)
    return await record(visit, call)


def origin(visit: Visit, funnels: Funnels | None = None) -> Origin:
    """Where a change by hand comes from."""
    return Origin(
        now=visit.now, country=visit.context.country, source="panel", source_key=visit.by, funnels=funnels or {}
    )


async def stages_of(visit: Visit) -> Mapping[str, Sequence[str]]:
    """The funnels with their stages."""
    return {funnel.name: funnel.stages for funnel in await visit.context.store.queries.funnels()}


async def outcome_of(visit: Visit, event_id: str, rule_id: str) -> Run | Miss | None:
    """What a rule made of an event that has just been recorded."""
    queries = visit.context.store.queries
    found = await queries.event(event_id)
    for miss in () if found is None else found[1]:
        if miss.rule_id == rule_id:
            return miss
    from goniec.core.ids import run_id

    return await queries.run(run_id(event_id, rule_id))


def fired(outcome: Outcome) -> bool:
    """Say whether a rule did something."""
    return outcome in {Outcome.FIRED, Outcome.FIRED_OTHERWISE}


def _size(pair: tuple[str, str]) -> int:
    return len(pair[0]) + len(pair[1])
