"""Merging: one contact becomes a part of another, and everything that named it names the other from then on.

What the kept contact lacks comes over as changes of its own, with their events and rules, so that folding the events
still gives the stored state. Where both say something the kept one is right, but a consent or subscription that either
has withdrawn stays withdrawn. Points add up; run counters too. Called by the API.
"""

from collections.abc import Iterator
from typing import get_args

from msgspec.structs import replace

from goniec.core.actions import AddScore, AddTag, MoveToStage, OptOut, SetDetail, SetOwner, SetState
from goniec.core.changes import FIELDS, Change, Join, SetConsent
from goniec.core.decide import Call, Happening
from goniec.core.identity import Refusal, Who, alias_key
from goniec.core.model import READ_MOST, Channel, Contact, Fired
from goniec.core.problems import Invalid, Problem
from goniec.flow.batch import Batch, Chance, Recorded
from goniec.flow.ingest import Origin
from goniec.flow.record import Apart, Recorder
from goniec.ports import Changes, Store, Tx


class Refused(Exception):
    """It cannot be done as things stand; nothing of it was written."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


async def merge(
    recorder: Recorder, store: Store, origin: Origin, kept: str, gone: str, expect: int | None
) -> Apart[Contact]:
    """Make the contact `gone` a part of `kept`, and give that as it is then; a repetition changes nothing.

    Raises:
        Invalid: they are the same; the pointer is `/from`.
        Refused: one is unknown, `expect` is not the kept one's seq, or it would grow too large.

    """
    if kept == gone:
        raise Invalid(Problem("/from", "a contact cannot be merged into itself"))

    async def work(batch: Batch, tx: Tx, _chance: Chance) -> Contact:
        into = await found(tx, kept, "")
        part = await found(tx, gone, "/from")
        if expect is not None and into.seq != expect:
            raise Refused(stale())
        if into.id == part.id:
            return into
        call = _call(into, part, origin)
        await tx.merge_chain(into.id, part.id)
        await tx.save(Changes(contacts=[_summed(into, part)]))
        await batch.load([call])
        (result,) = batch.decide([call])
        if not isinstance(result, Recorded):
            assert isinstance(result, Refusal), "it has no dedup key"  # noqa: S101 - tells the type checker
            raise Refused(result)
        return result.contact

    return await recorder.apart(store, work)


async def found(tx: Tx, contact_id: str, pointer: str) -> Contact:
    """Load and lock the contact with this id, or the one that it was merged into; raises `Refused` for none."""
    owner = (await tx.owners([alias_key(contact_id)])).get(alias_key(contact_id), contact_id)
    contact = (await tx.contacts([owner])).get(owner)
    if contact is None:
        raise Refused(Refusal("unknownContact", "no contact has this id", pointer))
    return contact


def stale() -> Refusal:
    """Somebody was quicker."""
    return Refusal("preconditionFailed", "the contact has changed since it was read; read it again")


def _call(kept: Contact, gone: Contact, origin: Origin) -> Call:
    fields = {
        name: value
        for name, attribute in FIELDS.items()
        if getattr(kept, attribute) is None and (value := getattr(gone, attribute)) is not None
    }
    return Call(
        who=Who(id=kept.id),
        fields=fields,
        changes=tuple(_changes(kept, gone)),
        happenings=tuple(Happening("contact.merged", {"from": id}) for id in (gone.id, *gone.merged)),
        source=origin.source,
        source_key=origin.source_key,
        cause=origin.cause,
        create=False,
    )


def _changes(kept: Contact, gone: Contact) -> Iterator[Change]:
    if kept.owner is None and gone.owner is not None:
        yield SetOwner(gone.owner)
    if kept.state == "UNKNOWN":
        yield SetState(gone.state)
    for name, value in gone.details.items():
        if name not in kept.details:
            yield SetDetail(name, value)
    for tag in gone.tags:
        yield AddTag(tag)
    yield AddScore(gone.score)
    for funnel, stage in gone.stages.items():
        if funnel not in kept.stages:
            yield MoveToStage(funnel, stage.stage)
    yield from _wishes(kept, gone)


def _wishes(kept: Contact, gone: Contact) -> Iterator[Change]:
    for name, granted in gone.consents.items():
        if not granted or name not in kept.consents:
            yield SetConsent(name, granted)
    for channel in get_args(Channel):
        wanted = gone.subscriptions.get(channel)
        if wanted is False:
            yield OptOut(channel)
        elif wanted and channel not in kept.subscriptions:
            yield Join(channel)


def _summed(kept: Contact, gone: Contact) -> Contact:
    """What no event carries: run counters, the last activity, and what is known of mails."""
    fired = dict(kept.fired)
    for rule_id, other in gone.fired.items():
        own = fired.get(rule_id, Fired(0, 0))
        fired[rule_id] = Fired(own.count + other.count, max(own.last, other.last))
    activity = [at for at in (kept.last_activity_at, gone.last_activity_at) if at is not None]
    read = {id: kept.read.get(id, 0) | gone.read.get(id, 0) for id in sorted(kept.read.keys() | gone.read.keys())}
    mailed = {day: kept.mailed.get(day, 0) + gone.mailed.get(day, 0) for day in kept.mailed.keys() | gone.mailed.keys()}
    first, then = (kept, gone) if kept.email is not None else (gone, kept)  # whose address it has from now on
    return replace(
        kept,
        fired=fired,
        last_activity_at=max(activity, default=None),
        read=dict(list(read.items())[-READ_MOST:]),
        mailed=mailed,
        bounced=first.bounced or then.bounced,
    )
