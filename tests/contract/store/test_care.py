"""Merging and erasing contacts."""

from hashlib import sha256
from typing import Any

import pytest
from msgspec.structs import replace

from goniec.core.model import Miss, Outcome, Seen, Status, Tag
from goniec.ports import Changes, ContactFilter, DeliveryFilter, Emptied, EventFilter, Page, Remembered, Store
from tests.contract.store.scribe import ENDPOINT, NOW, RULE, Scribe, attempt, endpoint, failed, ids, put, succeeded

# --- merging --------------------------------------------------------------------------------------------------------


@pytest.fixture
async def pair(store: Store, scribe: Scribe) -> list[str]:
    """Two contacts with a past, taking turns; the ids of their events."""
    await put(store, endpoint())
    await scribe.contact("kept", email="ewa@x.pl", phone="+48600", tags={"VIP": Tag(NOW), "A": Tag(NOW)})
    await scribe.contact(
        "gone", email="eva@x.pl", external_id="7", phone="+48700", tags={"VIP": Tag(NOW), "B": Tag(NOW)}
    )
    return [(await scribe.happen(("kept", "gone")[n % 2], data={"n": n})).id for n in range(10)]


async def merge(store: Store, kept: str = "kept", gone: str = "gone") -> None:
    await store.transact(lambda tx: tx.merge_chain(kept, gone))


async def test_keys_tags_and_phones_point_to_the_one_that_is_kept(
    store: Store, scribe: Scribe, pair: list[str]
) -> None:
    await merge(store)
    kept = scribe.contacts["kept"]
    keys = ["e:ewa@x.pl", "e:eva@x.pl", "x:7", "i:gone"]
    assert await store.transact(lambda tx: tx.owners(keys)) == dict.fromkeys(keys, "kept")
    assert await store.transact(lambda tx: tx.phone_owners(["+48600", "+48700"])) == {
        "+48600": ["kept"],
        "+48700": ["kept"],
    }
    for wanted in (ContactFilter(tag="VIP"), ContactFilter(tag="A"), ContactFilter(tag="B"), ContactFilter()):
        assert await store.queries.contacts(wanted, Page()) == [kept]
    assert await store.transact(lambda tx: tx.contacts(["gone"])) == {}
    assert await store.queries.contact("gone") == kept
    assert await store.queries.contacts(ContactFilter(q="eva@"), Page()) == []


async def test_both_pasts_are_one(store: Store, scribe: Scribe, pair: list[str]) -> None:
    await merge(store)
    pair.append((await scribe.happen("kept")).id)
    for contact_id in ("kept", "gone"):
        timeline = [event.id async for event, *_ in store.queries.timeline(contact_id)]
        assert timeline == pair[::-1]
        assert ids(await store.queries.events(EventFilter(contact_id=contact_id), Page())) == pair


async def test_a_merged_one_may_be_merged_again(store: Store, scribe: Scribe, pair: list[str]) -> None:
    await scribe.contact("last", email="last@x.pl")
    await merge(store)
    await merge(store, "last", "kept")
    keys = ["e:ewa@x.pl", "e:eva@x.pl", "i:gone", "i:kept"]
    assert await store.transact(lambda tx: tx.owners(keys)) == dict.fromkeys(keys, "last")
    assert await store.queries.contact("gone") == scribe.contacts["last"]
    for contact_id in ("last", "kept", "gone"):
        assert [event.id async for event, *_ in store.queries.timeline(contact_id)] == pair[::-1]


async def test_what_is_pending_goes_on_in_one_lane(store: Store, scribe: Scribe, pair: list[str]) -> None:
    (first,) = await scribe.deliver("gone")
    (second,) = await scribe.deliver("kept")
    await merge(store)
    (third,) = await scribe.deliver("kept")
    lanes = [(ENDPOINT, "kept"), (ENDPOINT, "gone")]
    assert await store.transact(lambda tx: tx.busy_lanes(lanes)) == {(ENDPOINT, "kept")}
    for delivery in (first, second, third):
        assert ids(await store.queries.due(ENDPOINT, NOW, 9)) == [delivery.id]
        await scribe.finish(succeeded(delivery))
    assert ids(await store.queries.deliveries(DeliveryFilter(contact_id="kept"), Page())) == ids([first, second, third])


# --- erasing --------------------------------------------------------------------------------------------------------

PERSONAL = "Sekretny"


@pytest.fixture
async def past(store: Store, scribe: Scribe) -> Changes:
    """A contact with a past that tells of it everywhere."""
    await put(store, endpoint())
    await scribe.contact(
        "c1", email=f"{PERSONAL}@x.pl", phone="+48600", name=PERSONAL, external_id=PERSONAL, tags={"VIP": Tag(NOW)}
    )
    event = scribe.event("c1", data={"note": PERSONAL}, dedup_key=PERSONAL)
    changes = scribe.sent(event, ["end_1", "end_2", "end_3"], body=PERSONAL.encode())
    run = replace(changes.runs[0], trace=(Seen("/conditions", holds=True, value=PERSONAL),), detail=PERSONAL)
    changes.runs[0] = run
    changes.misses = {event.id: (Miss("rul_2", 1, Outcome.CONDITIONS_FAILED, Seen("", holds=False, value=PERSONAL)),)}
    await scribe.save(changes)
    first, second, _ = changes.deliveries
    words: dict[str, Any] = {"head": PERSONAL.encode(), "body": PERSONAL.encode(), "note": PERSONAL}
    await scribe.finish(succeeded(first, **words), failed(second))
    await scribe.happen("c1")
    return changes


async def test_erasing_empties_and_keeps_what_is_not_personal(store: Store, past: Changes) -> None:
    before = past.events[0], past.runs[0]
    emptied = await store.transact(lambda tx: tx.erase("c1", NOW + 9))
    assert emptied == Emptied(("end_1", "end_2", "end_3"), tried=("end_1", "end_2")), "the third was never tried"
    found = await store.queries.event(before[0].id)
    assert found == (
        replace(before[0], data={}, dedup_key=None),
        (Miss("rul_2", 1, Outcome.CONDITIONS_FAILED, None),),
    )
    assert await store.queries.run(before[1].id) == replace(before[1], trace=(), detail=None)
    digest = sha256(PERSONAL.encode()).digest()
    for delivery, status in zip(past.deliveries, (Status.DELIVERED, Status.FAILED, Status.CANCELLED), strict=True):
        now = await store.queries.delivery(delivery.id)
        assert now is not None
        assert (now[0].status, now[0].body, now[0].body_sha256) == (status, b"", digest)
        assert [(one.detail, one.head, one.body, one.note) for one in now[1]] == [("", b"", b"", None)] * len(now[1])
    assert await store.queries.due_endpoints(NOW * 2) == []
    assert await store.queries.totals() == await store.queries.recount()


async def test_an_erased_contact_is_unknown(store: Store, past: Changes) -> None:
    await store.transact(lambda tx: tx.erase("c1", NOW))
    assert await store.queries.contact("c1") is None
    assert await store.transact(lambda tx: tx.contacts(["c1"])) == {}
    keys = [f"e:{PERSONAL.lower()}@x.pl", f"x:{PERSONAL}"]
    assert await store.transact(lambda tx: tx.owners(keys)) == {}
    assert await store.transact(lambda tx: tx.phone_owners(["+48600"])) == {}
    for wanted in (ContactFilter(), ContactFilter(tag="VIP"), ContactFilter(q=PERSONAL), ContactFilter(phone="+48600")):
        assert await store.queries.contacts(wanted, Page()) == []


async def test_that_something_happened_is_still_told(store: Store, past: Changes) -> None:
    await store.transact(lambda tx: tx.erase("c1", NOW))
    timeline = [entry async for entry in store.queries.timeline("c1")]
    assert [event.seq for event, *_ in timeline] == [2, 1]
    assert ids(timeline[1][3]) == ids(past.deliveries)
    assert ids(await store.queries.deliveries(DeliveryFilter(rule_id=RULE), Page())) == ids(past.deliveries)


async def test_what_is_said_later_of_an_erased_one_is_not_kept(store: Store, scribe: Scribe, past: Changes) -> None:
    await store.transact(lambda tx: tx.erase("c1", NOW))
    third = past.deliveries[2]
    late = succeeded(third, head=PERSONAL.encode(), body=PERSONAL.encode(), note=PERSONAL)
    (moved,) = await scribe.finish(late)
    assert (moved.status, moved.body) == (Status.DELIVERED, b"")
    found = await store.queries.delivery(third.id)
    assert found is not None
    assert found[1] == [attempt(third, NOW, number=1, status=200, head=b"", body=b"")]


async def test_an_erased_delivery_is_not_sent_again(store: Store, past: Changes) -> None:
    await store.transact(lambda tx: tx.erase("c1", NOW))
    again = await store.transact(lambda tx: tx.requeue(past.deliveries[1].id, NOW))
    assert again is not None
    assert again.status is Status.FAILED
    assert await store.queries.due_endpoints(NOW * 2) == []


async def test_answers_that_name_the_contact_are_emptied(store: Store, past: Changes) -> None:
    bodies = {"id": b'{"id":"c1"}', "name": b'"' + PERSONAL.encode() + b'"', "other": b'{"id":"c2"}'}
    for key, body in bodies.items():
        await remember(store, key, body)
    await store.transact(lambda tx: tx.erase("c1", NOW))
    assert [await remembered(store, key) for key in bodies] == [b"", b"", b'{"id":"c2"}']


async def remember(store: Store, key: str, body: bytes) -> None:
    await store.transact(lambda tx: tx.remember(key, Remembered(b"d" * 32, 200, body), NOW))


async def remembered(store: Store, key: str) -> bytes:
    answer = await store.transact(lambda tx: tx.remembered(key))
    assert answer is not None
    return answer.body


async def test_a_merged_past_is_erased_with_it(store: Store, scribe: Scribe, pair: list[str]) -> None:
    (waiting,) = await scribe.deliver("gone")
    await merge(store)
    assert await store.transact(lambda tx: tx.erase("kept", NOW)) == Emptied((ENDPOINT,))
    for event_id in pair:
        found = await store.queries.event(event_id)
        assert found is not None
        assert found[0].data == {}
    assert await store.queries.contact("gone") is None
    assert await store.transact(lambda tx: tx.owners(["i:gone", "e:eva@x.pl", "x:7"])) == {}
    assert await store.transact(lambda tx: tx.phone_owners(["+48700"])) == {}
    now = await store.queries.delivery(waiting.id)
    assert now is not None
    assert now[0].status is Status.CANCELLED


async def test_a_test_send_is_erased_though_no_event_leads_to_it(store: Store, scribe: Scribe, past: Changes) -> None:
    lone = scribe.sent(scribe.event("c1"), ["end_9"], status=Status.HELD, due_at=None, test=True, body=b"x").deliveries
    await scribe.save(Changes(deliveries=lone))
    assert "end_9" in (await store.transact(lambda tx: tx.erase("c1", NOW))).endpoints
    now = await store.queries.delivery(lone[0].id)
    assert now is not None
    assert now[0].body == b""


async def test_erasing_leaves_others_alone(store: Store, scribe: Scribe, past: Changes) -> None:
    other = await scribe.contact("c2", email="other@x.pl", name=PERSONAL + " junior", tags={"VIP": Tag(NOW)})
    (waiting,) = await scribe.deliver("c2")
    await store.transact(lambda tx: tx.erase("c1", NOW))
    assert ids(await store.queries.contacts(ContactFilter(tag="VIP", q="junior"), Page())) == [other.id]
    assert await store.queries.due(ENDPOINT, NOW, 9) == [waiting]


async def test_erasing_twice_changes_nothing(store: Store, past: Changes) -> None:
    await store.transact(lambda tx: tx.erase("c1", NOW))
    before = await store.queries.totals()
    again = await store.transact(lambda tx: tx.erase("c1", NOW))
    assert again == Emptied(("end_1", "end_2", "end_3"), tried=("end_1", "end_2"))
    assert await store.queries.totals() == before
    assert await store.transact(lambda tx: tx.erase("nobody", NOW)) == Emptied()


async def test_a_long_past_is_erased_to_its_beginning(store: Store, scribe: Scribe) -> None:
    await scribe.contact("c1", email="jan@x.pl")
    parts = [scribe.sent(scribe.event("c1", data={"n": n})) for n in range(1_234)]
    await scribe.save(*parts)
    await store.transact(lambda tx: tx.erase("c1", NOW))
    events = await store.queries.events(EventFilter(), Page(limit=2_000))
    assert len(events) == 1_234
    assert all(event.data == {} for event in events)
    deliveries = await store.queries.deliveries(DeliveryFilter(status=Status.CANCELLED), Page(limit=2_000))
    assert len(deliveries) == 1_234
