"""Erasing a contact: all that is known of it goes, in one transaction; that something was sent and when stays.

The last event of the chain is `contact.erased`, which holds nothing and sets off no rule: nothing is left to decide
about. Endpoints that may have received the contact and want to know are told its id. Called by the API.
"""

from msgspec import Struct

from goniec.core.changes import fold
from goniec.core.ids import delivery_id
from goniec.core.model import Delivery, Event
from goniec.core.payload import body
from goniec.flow.batch import Batch, Chance
from goniec.flow.ingest import Origin
from goniec.flow.merge import Refused, found, stale
from goniec.flow.record import Apart, Recorder
from goniec.ports import Changes, Store, Tx


class Erased(Struct, frozen=True):
    """The contact's own id, and the endpoints that had deliveries about it."""

    contact_id: str
    endpoints: tuple[str, ...]


async def erase(recorder: Recorder, store: Store, origin: Origin, contact_id: str, expect: int | None) -> Apart[Erased]:
    """Erase the contact with this id, or the one that it was merged into.

    Raises:
        Refused: it is unknown, or `expect` is not its seq.

    """

    async def work(batch: Batch, tx: Tx, chance: Chance) -> Erased:
        contact = await found(tx, contact_id, "")
        if expect is not None and contact.seq != expect:
            raise Refused(stale())
        await chance.settle(tx)
        event = Event(
            id=chance.event_id(),
            type="contact.erased",
            contact_id=contact.id,
            seq=contact.seq + 1,
            occurred_at=chance.now,
            received_at=chance.now,
            source=origin.source,
            source_key=origin.source_key,
            previous=contact.last_event,
            fired=False,
        )
        await tx.save(Changes(contacts=[fold(contact, event)], events=[event]))
        emptied = await tx.erase(contact.id, chance.now)
        wishing = {one.id for one in await tx.endpoints() if one.policy.tell_erasure}
        batch.deliveries += [_notice(event, one, place) for place, one in enumerate(emptied.tried) if one in wishing]
        return Erased(contact.id, emptied.endpoints)

    return await recorder.apart(store, work)


def _notice(event: Event, endpoint_id: str, place: int) -> Delivery:
    """Tell of an erasure: the seven keys, with nothing in them but what happened and to whom; no rule stands behind."""
    return Delivery(
        id=delivery_id(event.id, place, endpoint_id, event.type),
        endpoint_id=endpoint_id,
        contact_id=event.contact_id,
        rule_id="",
        event_type=event.type,
        seq=event.seq,
        body=body("", event.type, event.contact_id, "", None, None, None),
        created_at=event.received_at,
        due_at=event.received_at,
    )
