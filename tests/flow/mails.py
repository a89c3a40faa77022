"""Mails that went out, for tests of what comes back."""

from typing import Any, Final

from goniec.core.endpoint import MAIL
from goniec.core.ids import MESSAGE, delivery_id, of_number
from goniec.core.mailing import Envelope, sealed
from goniec.core.model import Delivery, Event, Status
from goniec.core.tokens import PURPOSE
from goniec.flow.batch import Recorded
from goniec.ports import Changes, EventFilter, Page
from tests.flow.workshop import Vault, Workshop, email

KEYS: Final = Vault().derived(PURPOSE)
ANNA: Final = "anna@firma.example"
M: Final = of_number(MESSAGE, 9)


async def sent(shop: Workshop, to: str = ANNA, *, message: str = M, **fields: Any) -> Delivery:
    """A mail that went out to a contact."""
    (made,) = await shop.record(email(to))
    assert isinstance(made, Recorded)
    assert made.contact.last_event is not None
    delivery = Delivery(
        **{
            "id": delivery_id(made.contact.last_event, 1, "rul_1", to),
            "endpoint_id": MAIL,
            "contact_id": made.contact.id,
            "rule_id": "rul_1",
            "event_type": "contact.created",
            "seq": 1,
            "body": sealed(Envelope(to=to, subject="Nowa dostawa", message=message, marketing=True)),
            "created_at": shop.clock.now(),
            "status": Status.DELIVERED,
            **fields,
        }
    )
    await shop.store.transact(lambda tx: tx.save(Changes(deliveries=[delivery])))
    return delivery


async def events(shop: Workshop, kind: str = "email.bounced") -> list[Event]:
    return await shop.store.queries.events(EventFilter(type=kind), Page(500))
