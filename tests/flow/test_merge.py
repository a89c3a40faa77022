"""Merging and erasing beside the batches of `record`: a race is run again, ids go on rising, what was made is handed over."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from goniec.core import actions as a
from goniec.core.decide import Call, Happening
from goniec.core.identity import Who
from goniec.core.times import HOUR
from goniec.flow.batch import Raced, Recorded
from goniec.flow.erase import erase
from goniec.flow.ingest import Origin
from goniec.flow.merge import Refused, merge
from goniec.ports import EventFilter, Page, Tx
from tests.core.build import NOW
from tests.flow.workshop import Workshop, email

ORIGIN = Origin(NOW, "PL", "api", "key")


async def made(shop: Workshop, address: str) -> str:
    (result,) = await shop.record(email(address))
    assert isinstance(result, Recorded)
    return result.contact.id


async def test_a_race_is_run_again(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.rule(triggers=[{"type": "contact.merged"}], actions=[{"type": "webhook", "endpointId": "end_1"}])
    kept, gone = await made(shop, "a@example.pl"), await made(shop, "b@example.pl")
    transact = shop.store.transact
    races = 2

    async def racing(work: Callable[[Tx], Awaitable[Any]]) -> Any:
        nonlocal races
        if races:
            races -= 1

            async def lost(tx: Tx) -> Any:
                await work(tx)
                raise Raced

            return await transact(lost)
        return await transact(work)

    monkeypatch.setattr(shop.store, "transact", racing)
    done = await merge(shop.recorder, shop.store, ORIGIN, kept, gone, None)
    assert (done.result.id, done.result.merged, races) == (kept, (gone,), 0)
    await shop.settle()
    assert len(shop.sender.sent) == 1


async def test_ids_rise_also_when_the_clock_goes_back(shop: Workshop) -> None:
    kept, gone = await made(shop, "a@example.pl"), await made(shop, "b@example.pl")
    shop.clock.at -= HOUR
    await merge(shop.recorder, shop.store, ORIGIN, kept, gone, None)
    shop.clock.at -= HOUR
    await erase(shop.recorder, shop.store, ORIGIN, gone, None)
    ids = [event.id for event in await shop.store.queries.events(EventFilter(), Page())]
    assert ids == sorted(ids)
    types = [event.type for event in await shop.store.queries.events(EventFilter(), Page())]
    assert types == ["contact.created", "contact.created", "contact.merged", "contact.erased"]


async def test_nothing_is_left_of_what_was_refused(shop: Workshop) -> None:
    kept, gone = await made(shop, "a@example.pl"), await made(shop, "b@example.pl")
    for expect, code in ((99, "preconditionFailed"), (None, "unknownContact")):
        with pytest.raises(Refused) as caught:
            await merge(shop.recorder, shop.store, ORIGIN, kept, gone if expect else "nobody", expect)
        assert caught.value.refusal.code == code
    with pytest.raises(Refused):
        await erase(shop.recorder, shop.store, ORIGIN, kept, 99)
    assert len(await shop.store.queries.events(EventFilter(), Page())) == 2


async def test_both_histories_are_one_timeline_and_are_erased_together(shop: Workshop) -> None:
    kept, gone = await made(shop, "a@example.pl"), await made(shop, "b@example.pl")
    await merge(shop.recorder, shop.store, ORIGIN, kept, gone, None)
    timeline = [event.type async for event, *_ in shop.store.queries.timeline(gone)]
    assert timeline == ["contact.merged", "contact.created", "contact.created"]
    await erase(shop.recorder, shop.store, ORIGIN, gone, None)
    for one in (kept, gone):
        assert await shop.store.queries.contact(one) is None
    assert all(not event.data for event in await shop.store.queries.events(EventFilter(), Page()))


async def told(shop: Workshop, contact_id: str, event: str, /, **data: Any) -> None:
    what = Happening(event, {"machine": False, "first": False, **data})
    await shop.record(Call(who=Who(id=contact_id), happenings=(what,), create=False))


async def test_an_address_that_comes_over_is_as_dead_as_before(shop: Workshop) -> None:
    (other,) = await shop.record(Call(who=Who(phone="+48600100200", phone_key="+48600100200")))
    assert isinstance(other, Recorded)
    kept, gone = other.contact.id, await made(shop, "b@example.pl")
    await told(shop, kept, "email.bounced", kind="hard", email="old@example.pl", reason="")
    await told(shop, gone, "email.bounced", kind="hard", email="b@example.pl", reason="")
    done = await merge(shop.recorder, shop.store, ORIGIN, kept, gone, None)
    assert (done.result.email, done.result.bounced) == ("b@example.pl", "b@example.pl")


async def test_a_subscription_that_comes_over_brings_no_address_to_life(shop: Workshop) -> None:
    (other,) = await shop.record(Call(who=Who(external_id="C-1")))
    (part,) = await shop.record(email("b@example.pl", changes=(a.OptIn("email"),)))
    assert isinstance(other, Recorded)
    assert isinstance(part, Recorded)
    kept, gone = other.contact.id, part.contact.id
    await told(shop, gone, "email.bounced", kind="hard", email="b@example.pl", reason="")
    done = await merge(shop.recorder, shop.store, ORIGIN, kept, gone, None)
    assert (done.result.bounced, done.result.subscriptions) == ("b@example.pl", {"email": True})
