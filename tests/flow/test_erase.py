"""Erasing leaves nothing personal, and tells those that want to know."""

import pytest

from goniec.core.model import Status
from goniec.flow.erase import erase
from goniec.flow.ingest import Origin
from goniec.flow.merge import Refused
from tests.core.build import NOW, happened
from tests.flow.workshop import Workshop, email, failing

ORIGIN = Origin(now=NOW, country="PL", source="api", source_key="crm")


async def test_endpoints_that_had_received_the_contact_and_ask_for_it_are_told(shop: Workshop) -> None:
    await shop.endpoint("end_2", policy={"tellErasure": True})
    await shop.endpoint("end_3", policy={"tellErasure": True})
    await shop.rule(actions=[{"type": "webhook", "endpointId": "end_1"}, {"type": "webhook", "endpointId": "end_2"}])
    await shop.record(email("jan@x.pl", happenings=(happened(),)))
    await shop.settle()
    contact_id = (await shop.deliveries())[0].contact_id
    done = await erase(shop.recorder, shop.store, ORIGIN, contact_id, None)
    assert set(done.result.endpoints) == {"end_1", "end_2"}
    await shop.settle()
    (told,) = [
        request for request in shop.sender.sent if dict(request.headers)["goniec-event-type"] == "contact.erased"
    ]
    assert told.url == "https://end_2.example/hook"
    assert told.body == (
        b'{"id":"","name":"contact.erased","contactId":"' + contact_id.encode() + b'",'
        b'"description":"","email":null,"phone":null,"company":null}'
    )
    assert "goniec-cause" not in dict(told.headers)
    assert await shop.store.queries.contact(contact_id) is None
    assert await shop.store.queries.totals() == await shop.store.queries.recount()
    assert {one.status for one in await shop.deliveries()} == {Status.DELIVERED}


async def test_an_endpoint_that_got_nothing_hears_nothing(shop: Workshop) -> None:
    await shop.endpoint(policy={"tellErasure": True}, paused="byHand")
    await shop.rule()
    await shop.record(email("jan@x.pl", happenings=(happened(),)))
    await shop.settle()
    done = await erase(shop.recorder, shop.store, ORIGIN, (await shop.deliveries())[0].contact_id, None)
    assert done.result.endpoints == ("end_1",)
    assert [(one.event_type, one.status.value) for one in await shop.deliveries()] == [("page.visited", "cancelled")]


async def test_a_notice_of_erasure_that_cannot_be_delivered_ends_by_itself(shop: Workshop) -> None:
    await shop.endpoint(policy={"tellErasure": True, "schedule": []})
    await shop.rule()
    await shop.record(email("jan@x.pl", happenings=(happened(),)))
    await shop.settle()
    shop.sender.script = lambda _: failing()
    await erase(shop.recorder, shop.store, ORIGIN, (await shop.deliveries())[0].contact_id, None)
    await shop.settle()
    assert [one.status.value for one in await shop.deliveries()] == ["delivered", "failed"]


async def test_an_unknown_contact_and_an_older_state_are_refused(shop: Workshop) -> None:
    with pytest.raises(Refused):
        await erase(shop.recorder, shop.store, ORIGIN, "nobody", None)
    await shop.rule()
    await shop.record(email("jan@x.pl", happenings=(happened(),)))
    await shop.settle()
    with pytest.raises(Refused):
        await erase(shop.recorder, shop.store, ORIGIN, (await shop.deliveries())[0].contact_id, 1)
