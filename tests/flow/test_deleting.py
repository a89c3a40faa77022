"""Rules and endpoints are deleted while deliveries wait: sent or cancelled as announced, and nothing loops."""

import pytest

from goniec.core.model import Status
from goniec.core.times import MINUTE
from goniec.flow.configure import Conflict
from goniec.flow.deliveries import resend_delivery
from goniec.flow.endpoints import delete_endpoint, pause_endpoint, resume_endpoint
from goniec.flow.jobs import Begun, Jobs, Range, cancel_range
from goniec.flow.rules import delete_rule
from tests.flow.desk import Desk
from tests.flow.workshop import Workshop, email


@pytest.fixture
def desk(shop: Workshop) -> Desk:
    return Desk(shop)


async def test_a35_a_rule_is_deleted_with_deliveries_pending(desk: Desk) -> None:
    shop = desk.shop
    saved = await desk.create(triggers=[{"type": "contact.created"}])
    (endpoint,) = saved.endpoints.values()
    await pause_endpoint(desk.outside, endpoint.id)
    shop.deliverer.changed(endpoint.id)
    await shop.poll()
    await shop.record(email("a@x.pl"))
    assert await delete_rule(desk.outside, saved.rule.id, None) is None
    found = await delete_endpoint(desk.outside, endpoint.id)
    assert isinstance(found, Conflict)
    assert found.code == "pendingDeliveries"
    await shop.restart()
    await resume_endpoint(desk.outside, endpoint.id)
    shop.deliverer.changed(endpoint.id)
    await shop.later(MINUTE)
    (sent,) = await shop.deliveries()
    assert (sent.status, sent.rule_id) == (Status.DELIVERED, saved.rule.id)
    assert await delete_endpoint(desk.outside, endpoint.id) is None
    await shop.restart()
    await shop.later(MINUTE)
    assert [one.id for one in await shop.deliveries(endpoint_id=endpoint.id)] == [sent.id], "the log stays readable"
    refused = await resend_delivery(desk.outside, sent.id)
    assert isinstance(refused, Conflict)
    assert refused.code == "endpointDeleted"
    assert (len(shop.sender.sent), await shop.store.queries.stuck()) == (1, [])


async def test_what_waits_for_an_endpoint_that_is_not_there_is_not_looped_over(desk: Desk) -> None:
    shop = desk.shop
    saved = await desk.create(triggers=[{"type": "contact.created"}])
    (endpoint,) = saved.endpoints.values()
    await pause_endpoint(desk.outside, endpoint.id)
    shop.deliverer.changed(endpoint.id)
    await shop.poll()
    await shop.record(email("a@x.pl"))
    await shop.store.transact(lambda tx: tx.delete_endpoint(endpoint.id))
    await shop.restart()
    await shop.poll()
    await shop.poll()
    assert shop.sender.sent == []
    assert [one.how for one in await shop.store.queries.stuck()] == ["homeless"]
    begun = await cancel_range(desk.outside, Range(endpoint_id=endpoint.id))
    assert isinstance(begun, Begun)
    await Jobs(shop.store, shop.clock, shop.deliverer).round()
    assert [one.status for one in await shop.deliveries()] == [Status.CANCELLED]
    assert await shop.store.queries.stuck() == []
