"""Single deliveries: sent once more, or cancelled, because somebody asked.

Called by the API, the panel and the commands.
"""

from functools import partial

from goniec.core.model import Delivery, Status
from goniec.core.times import Millis
from goniec.flow.configure import Conflict, Missing, Outside, Refusal
from goniec.ports import Tx


async def resend_delivery(outside: Outside, delivery_id: str) -> Delivery | Refusal:
    """Send a delivery once more, now: the same id and bytes, outside any lane, with the whole schedule before it.

    One that is pending already is just due at once.
    """
    found = await outside.store.transact(partial(requeued, delivery_id, outside.clock.now()))
    if isinstance(found, Delivery):
        outside.notice.kick(found.endpoint_id)
    return found


async def requeued(delivery_id: str, now: Millis, tx: Tx) -> Delivery | Refusal:
    """Do it inside a transaction, for a command that runs beside the server, which looks into the queue by itself."""
    known = await tx.delivery(delivery_id)
    if known is None:
        return Missing("delivery")
    if known.test and known.status is Status.HELD:
        detail = "this test send is still under way: wait for its answer, and then send it once more"
        return Conflict("testUnderWay", detail)
    if await tx.endpoint(known.endpoint_id) is None:
        return Conflict("endpointDeleted", "its endpoint was deleted: there is nowhere left to send it")
    found = await tx.requeue(delivery_id, now)
    assert found is not None  # noqa: S101 - it is locked since it was read
    if found.status is not Status.PENDING:
        return Conflict("bodyErased", "its contact was erased, and its body with it: there is nothing left to send")
    return found


async def cancel_delivery(outside: Outside, delivery_id: str) -> Delivery | Refusal:
    """Take a delivery out of the queue; those behind it in its lane go on.

    An attempt that is under way is still written down, and if it arrives, the delivery is delivered.
    """
    found = await outside.store.transact(partial(_cancel, delivery_id, outside.clock.now()))
    if isinstance(found, Delivery):
        # what is held in memory is forgotten, this one with it
        outside.notice.changed(found.endpoint_id)
    return found


async def _cancel(delivery_id: str, now: Millis, tx: Tx) -> Delivery | Refusal:
    found = await tx.cancel(delivery_id, now)
    if found is None:
        return Missing("delivery")
    if found.status in {Status.CANCELLED, Status.DELIVERED}:  # delivered: a resend of it was pending, or nothing was
        return found
    return Conflict("notPending", f"only what is pending can be cancelled, and this delivery is {found.status.value}")
