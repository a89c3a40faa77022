"""Erasing a contact: all that is known of it goes, in one transaction; that something was sent and when stays.

The last event of the chain is `contact.erased`, which holds nothing and sets off no rule: nothing is left to decide
about. Telling the endpoints that had received the contact comes with their policy. Called by the API.
"""

from msgspec import Struct

from goniec.core.changes import fold
from goniec.core.model import Event
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

    async def work(_batch: Batch, tx: Tx, chance: Chance) -> Erased:
        contact = await found(tx, contact_id, "")
        if expect is not None and contact.seq != expect:
            raise Refused(stale())
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
        return Erased(contact.id, tuple(await tx.erase(contact.id, chance.now)))

    return await recorder.apart(store, work)
